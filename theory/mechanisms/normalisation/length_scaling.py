"""Attention over ever more keys: a positive map, an l1 normalisation, a sharpening, and the scale for its entropy.

softmax is the exponential map followed by the l1 normalisation; softplus may take the place of the exponential. Logits
are modelled as independent N(0, s^2); natural logarithms throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import entropy, softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.mechanisms.normalisation.entropy_bound import entropy_of_logits
from theory.numerics import Array
from theory.papers import GAO_2025
from theory.validation import finite_array, integer, probability_rows, real, require


def l1_normalised(positive: ArrayLike) -> Float[Array, "*b n"]:
    """x / |x|_1 over the last axis, for x >= 0 with a positive sum in every row."""
    positive = finite_array("positive", positive, (None,))
    total = positive.sum(axis=-1, keepdims=True)
    if (positive < 0).any() or not (total > 0).all():
        raise ValueError(f"positive must be >= 0 with positive sums, got {positive.min()} and a sum of {total.min()}")
    return positive / total


def softplus_attention(logits: ArrayLike) -> Float[Array, "*b n"]:
    """log(1 + e^l), l1-normalised over the last axis."""
    return l1_normalised(np.logaddexp(0.0, finite_array("logits", logits, (None,))))


def sharpened(weights: ArrayLike, power: float) -> Float[Array, "*b n"]:
    """w^k, l1-normalised over the last axis: re-weighting by a power k > 0 of the weights themselves."""
    weights = probability_rows("weights", weights, (None,))
    return l1_normalised((weights / weights.max(axis=-1, keepdims=True)) ** real("power", power, above=0.0))


def entropy_deficit(deviation: ArrayLike, keys: int) -> Array:
    """log n - E H of n logits N(0, s^2), up to O(1/n^2): s^2/2 - (s^2 e^{s^2} - (e^{s^2} - 1)/2) / n."""
    variance = finite_array("deviation", deviation, ()) ** 2
    correction = variance * np.exp(variance) - np.expm1(variance) / 2
    return variance / 2 - correction / integer("keys", keys, least=2)


def entropy_ratio(scale: float) -> float:
    """The limit of H / log n for logits of deviation s = c sqrt(log n), 0 <= c < sqrt(2): 1 - c^2/2."""
    if not 0 <= real("scale", scale) < np.sqrt(2):
        raise ValueError(f"scale must be in [0, sqrt(2)), got {scale!r}")
    return 1.0 - scale**2 / 2


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Sharpened:
    """Attention weights (n,), and a power in [1, 20]."""

    weights: Float[Array, " n"]
    power: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", probability_rows("weights", self.weights, (None,), leading=False))
        require(1 <= self.power <= 20, f"power must be in [1, 20], got {self.power}")


@dataclass(frozen=True)
class FewGaussianLogits:
    """2 or 3 logits N(0, s^2), 0 < s <= 1: expectations are exact to 1e-10 by quadrature."""

    keys: int
    deviation: float

    def __post_init__(self) -> None:
        require(self.keys in (2, 3), f"keys must be 2 or 3, got {self.keys}")
        require(0 < self.deviation <= 1, f"deviation must be in (0, 1], got {self.deviation}")

    def nodes(self, order: int = 22) -> tuple[Float[Array, "q n"], Float[Array, " q"]]:
        """Gauss-Hermite logits and their probabilities."""
        x, w = np.polynomial.hermite_e.hermegauss(order)
        grid = np.stack(np.meshgrid(*[np.arange(order)] * self.keys, indexing="ij"), axis=-1).reshape(-1, self.keys)
        return self.deviation * x[grid], (w[grid] / w.sum()).prod(axis=-1)


@dataclass(frozen=True)
class ManyGaussianLogits:
    """40 queries with `keys` >= 512 logits N(0, s^2) each, 0 < s <= 1.3."""

    keys: int
    deviation: float
    seed: int

    def __post_init__(self) -> None:
        integer("keys", self.keys, least=512)
        require(0 < self.deviation <= 1.3, f"deviation must be in (0, 1.3], got {self.deviation}")

    def drawn(self) -> Float[Array, "40 n"]:
        """The logits."""
        return self.deviation * np.random.default_rng(self.seed).standard_normal((40, self.keys))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Softplus attention is never sharper than softmax: its weights have at least the entropy of softmax's,
    as log(1 + y) / y falls with y = e^l.""",
    source=GAO_2025,
    kind="inequality",
    tolerance=1e-12,
)
def softplus_is_never_sharper_than_softmax(case: Logits) -> float:
    softplus = entropy_of_logits(np.log(softplus_attention(case.values)))
    return excess(entropy_of_logits(case.values), softplus)


@claim(
    statement="Raising attention weights to a power k >= 1 and normalising again never raises their entropy.",
    source=GAO_2025,
    kind="inequality",
    tolerance=1e-12,
)
def re_weighting_never_raises_entropy(case: Sharpened) -> float:
    return excess(entropy(sharpened(case.weights, case.power)), entropy(case.weights), scale=1.0)


@claim(
    statement="Softmax is the exponential map, l1-normalised, and re-weighting it by a power k is softmax(k l).",
    source=GAO_2025,
    kind="identity",
    tolerance=1e-12,
)
def re_weighting_softmax_is_a_temperature(case: Logits) -> float:
    plain = l1_normalised(np.exp(case.values - case.values.max()))
    return max(
        relative_error(plain, case.weights),
        *(relative_error(sharpened(case.weights, k), softmax(k * case.values)) for k in (0.5, 1.5, 3.0)),
    )


@claim(
    statement="For independent N(0, s^2) logits the mean logit under softmax is s^2 (1 - E sum_i p_i^2).",
    source=GAO_2025,
    kind="identity",
    tolerance=1e-9,
)
def mean_logit_under_softmax_is_a_variance_left_over(case: FewGaussianLogits) -> float:
    logits, probability = case.nodes()
    weights = softmax(logits)
    mean = probability @ (weights * logits).sum(axis=1)
    return relative_error(mean, case.deviation**2 * (1 - probability @ (weights**2).sum(axis=1)))


@claim(
    statement="""For independent N(0, s^2) logits E H <= log n - s^2/2 + s^2 E sum_i p_i^2: with s = c sqrt(log n) the
    ratio H / log n is at most 1 - c^2/2 + c^2 E sum_i p_i^2.""",
    source=GAO_2025,
    kind="inequality",
    tolerance=1e-9,
)
def mean_entropy_is_at_most_annealed(case: FewGaussianLogits) -> float:
    logits, probability = case.nodes()
    weights = softmax(logits)
    spread = case.deviation**2 * (probability @ (weights**2).sum(axis=1) - 0.5)
    return excess(probability @ entropy(weights), np.log(case.keys) + spread)


@claim(
    statement="""n independent N(0, s^2) logits have mean entropy log n - s^2/2 + (s^2 e^{s^2} - (e^{s^2} - 1)/2) / n
    up to O(1/n^2): the mean of 40 draws is within 6 of its standard errors.""",
    source=GAO_2025,
    kind="limit",
    tolerance=6.0,
    examples=30,
)
def entropy_falls_short_of_log_n_by_half_the_variance(case: ManyGaussianLogits) -> float:
    """The distance in standard errors."""
    deficit = np.log(case.keys) - entropy(softmax(case.drawn()))
    error = deficit.std(ddof=1) / np.sqrt(len(deficit))
    return float(abs(deficit.mean() - entropy_deficit(case.deviation, case.keys)) / error)
