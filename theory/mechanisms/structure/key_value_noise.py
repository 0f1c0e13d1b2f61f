"""What compression noise in keys costs the output, and what it costs in values; and what of a key is never seen.

One query q (d,), keys k_j (d,), values v_j (v,), logits q . k_j / sqrt(d), weights p, output o = sum_j p_j v_j. Noise
is independent in every entry, with mean 0 and variance s^2. Gains are E|o' - o|^2 / s^2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Tokens
from theory.numerics import Array
from theory.papers import LIN_2025
from theory.validation import finite_array, require

ENUMERATED = 12
"""Most noisy entries whose 2^entries sign patterns are all visited."""


def read(query: Float[Array, " d"], keys: Float[Array, "*b n d"], values: Float[Array, "*b n v"]) -> Array:
    """The output (*b, v) of one query."""
    return attend(query[None] / np.sqrt(len(query)), keys, values)[..., 0, :]


def value_noise_gain(weights: Float[Array, " n"], channels: int) -> float:
    """v sum_j p_j^2, for noise of any size."""
    return float(channels * (weights**2).sum())


def key_noise_gain(query: Float[Array, " d"], weights: Float[Array, " n"], values: Float[Array, "n v"]) -> float:
    """(|q|^2 / d) sum_j p_j^2 |v_j - o|^2, to first order in s^2."""
    away = ((values - weights @ values) ** 2).sum(axis=-1)
    return float((query**2).mean() * (weights**2 @ away))


def narrow_keys(queries: Float[Array, "m d"], keys: Float[Array, "n d"]) -> tuple[Array, Array]:
    """Queries (m, k) and keys (n, k) with the same attention, as narrow as the rank k of the logits of centred keys."""
    u, s, vt = np.linalg.svd(queries @ (keys - keys.mean(axis=0)).T, full_matrices=False)
    rank = int((s > max(1e-13 * max(queries.shape) * s[0], 1e-300)).sum())
    return u[:, :rank] * s[:rank], vt[:rank].T


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class NoisyHead:
    """Query (d,), keys (n, d), values (n, v). Hypothesis: n d and n v are at most 12, so that noise is enumerated."""

    query: Float[Array, " d"]
    keys: Float[Array, "n d"]
    values: Float[Array, "n v"]

    def __post_init__(self) -> None:
        query = finite_array("query", self.query, (None,), leading=False)
        keys = finite_array("keys", self.keys, (None, len(query)), leading=False)
        values = finite_array("values", self.values, (len(keys), None), leading=False)
        size = max(keys.size, values.size)
        require(size <= ENUMERATED, f"keys and values must have at most {ENUMERATED} entries, got {size}")
        require(len(keys) >= 2, f"there must be at least 2 keys, got {len(keys)}")
        for name, array in (("query", query), ("keys", keys), ("values", values)):
            object.__setattr__(self, name, array)

    @property
    def weights(self) -> Float[Array, " n"]:
        """p = softmax(K q / sqrt(d))."""
        return softmax(self.keys @ self.query / np.sqrt(len(self.query)))

    @property
    def output(self) -> Float[Array, " v"]:
        """o = p V."""
        return read(self.query, self.keys, self.values)

    @property
    def ratio(self) -> float:
        """Gain of key noise over gain of value noise: below 1, keys tolerate more noise than values."""
        keys = key_noise_gain(self.query, self.weights, self.values)
        return keys / value_noise_gain(self.weights, self.values.shape[1])


@dataclass(frozen=True, eq=False)
class ScalarReadout:
    """Weights p = softmax(logits) and scalar values, both (n,), n >= 2. Hypothesis: the values are not all equal."""

    logits: Float[Array, " n"]
    values: Float[Array, " n"]

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        values = finite_array("values", self.values, (len(logits),), leading=False)
        require(np.ptp(values) > 0, f"values must differ, got {values}")
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "values", values)


# ---------------------------------------------------------------------------------------------------------- claims


def _mean_square(moved: Callable[[Array], Array], shape: tuple[int, ...], output: Array, size: float) -> float:
    """E|o' - o|^2 / s^2 over all sign patterns of noise of size s."""
    entries = int(np.prod(shape))
    bits = (np.arange(2**entries)[:, None] >> np.arange(entries)) & 1
    signs = np.asarray(1.0 - 2.0 * bits, dtype=np.float64).reshape(-1, *shape)
    change = moved(np.multiply(size, signs, dtype=np.float64)) - output
    return float((change**2).sum(axis=-1).mean() / size**2)


@claim(
    statement="Noise in the values moves the output by s^2 v sum_j p_j^2 in mean square, for noise of any size.",
    source=LIN_2025,
    kind="identity",
    tolerance=1e-13,
)
def value_noise_is_averaged(case: NoisyHead) -> float:
    """Against the mean over all signs."""
    seen = _mean_square(
        lambda noise: read(case.query, case.keys, case.values + noise), case.values.shape, case.output, size=1.3
    )
    return relative_error(value_noise_gain(case.weights, case.values.shape[1]), seen)


@claim(
    statement="""Small noise in the keys moves the output by s^2 (|q|^2 / d) sum_j p_j^2 |v_j - o|^2 in mean square, to
    first order in s^2.""",
    source=LIN_2025,
    kind="limit",
    tolerance=1e-7,
)
def key_noise_is_weighed_by_distance_from_the_output(case: NoisyHead) -> float:
    """Against the mean over all signs, extrapolated from two sizes of noise to none."""
    square = max(float((case.query**2).mean()), 1e-12)
    size = 0.01 / np.sqrt(square)

    def moved(noise: Array) -> Array:
        return read(case.query, case.keys + noise, case.values)

    wide, narrow = (_mean_square(moved, case.keys.shape, case.output, s) for s in (size, size / 2))
    predicted = key_noise_gain(case.query, case.weights, case.values)
    floor = 1e-3 * square  # below it, differences of outputs are rounding
    return relative_error(predicted, (4 * narrow - wide) / 3, scale=floor)


@claim(
    statement="""For scalar values sum_j p_j^2 (v_j - o)^2 <= (1 - t + t^2) / (1 + t)^2 range(v)^2 sum_j p_j^2 with
    t = (n - 1)^(-1/3): a quarter for two tokens, one for many. Attained where one token of weight t / (1 + t) differs
    from all others, which are equal. So keys tolerate more noise than values whenever |q| range(v) <= sqrt(d).""",
    source=LIN_2025,
    kind="inequality",
    tolerance=1e-12,
)
def key_noise_is_small_for_short_queries(case: ScalarReadout) -> float:
    p = softmax(case.logits)
    t = (len(p) - 1.0) ** (-1 / 3)
    most = (1 - t + t**2) / (1 + t) ** 2 * np.ptp(case.values) ** 2
    return excess(p**2 @ (case.values - p @ case.values) ** 2, most * (p**2).sum())


@claim(
    statement="""With p the largest weight, sum_j p_j^2 (v_j - o)^2 <= (1 - p)^2 (1 + 1 / p^2) range(v)^2 sum_j p_j^2:
    a query that has made up its mind hardly feels noise in the keys. Attained as p goes to 1, by two tokens.""",
    source=LIN_2025,
    kind="inequality",
    tolerance=1e-11,
)
def key_noise_is_small_for_decided_queries(case: ScalarReadout) -> float:
    p = softmax(case.logits)
    rest = p @ (np.arange(len(p)) != p.argmax())  # 1 - p without a difference
    most = rest**2 * (1 + 1 / p.max() ** 2) * np.ptp(case.values) ** 2
    away = np.array([p @ (v - case.values) for v in case.values])  # v_j - o, without cancellation
    return excess(p**2 @ away**2, most * (p**2).sum())


@claim(
    statement="""A key cache as wide as the rank of the logits of centred keys, at most min(m, d, n - 1), gives the same
    output: a vector added to all keys changes nothing, nor does one that no query sees, added to a single key.""",
    source=LIN_2025,
    kind="identity",
    tolerance=1e-12,
)
def keys_have_lossless_freedoms(case: Tokens) -> float:
    q, k, v = case.queries, case.keys, case.values
    output = attend(q, k, v)
    slim_queries, slim_keys = narrow_keys(q, k)
    width = slim_keys.shape[1]
    if width > min(len(q), q.shape[1], len(k) - 1):
        return float(width)
    seen = np.linalg.svd(q, full_matrices=False)[2]  # directions that some query sees
    unseen = np.zeros_like(k)
    unseen[0] = 1 - seen.T @ seen.sum(axis=1)
    changed = attend(slim_queries, slim_keys, v), attend(q, k + 3.7, v), attend(q, k + 3.7 * unseen, v)
    return max(relative_error(other, output, scale=1.0) for other in changed)


@claim(
    statement="""Values have no such freedom: u added to all values is added to every output, and u added to the value j
    alone adds p_j u to it, which is not 0.""",
    source=LIN_2025,
    kind="identity",
    tolerance=1e-13,
)
def every_change_of_a_value_is_seen(case: Tokens) -> float:
    """The first value is changed alone."""
    q, k, v = case.queries, case.keys, case.values
    moved = v.copy()
    moved[0] += 3.7
    logits = q @ k.T
    weight = 1 / np.exp(logits - logits[:, :1]).sum(axis=1)  # of the first key
    return max(
        relative_error(attend(q, k, v + 3.7), attend(q, k, v) + 3.7),
        relative_error(attend(q, k, moved), attend(q, k, v) + 3.7 * weight[:, None], scale=1.0),
    )


@claim(
    statement="Keys always tolerate more noise than values.",
    source=LIN_2025,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (NoisyHead(np.array([6.0]), np.array([[0.0], [0.0]]), np.array([[1.0], [-1.0]])),),
)
def keys_always_tolerate_more_noise(case: NoisyHead) -> float:
    """A 36th of the variance, where a long query looks at two tokens alike whose values differ."""
    return case.ratio - 1.0
