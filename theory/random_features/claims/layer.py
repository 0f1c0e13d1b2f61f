"""What any finite number of heads can and cannot represent, whatever the weights and values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, fitted_slope
from theory.papers import FU_2023
from theory.random_features.claims.inputs import Bias, SphereInputs
from theory.random_features.grams import attention_gram
from theory.random_features.layer import AttentionLayer, FlatLayer
from theory.validation import finite_array, integer


@dataclass(frozen=True, eq=False)
class LayerInput:
    """A layer with one query (d,) and two lists of keys (n, d), (m, d) of any length; nothing needs a unit norm."""

    layer: AttentionLayer
    query: Float[Array, " d"]
    keys: Float[Array, "n d"]
    more: Float[Array, "m d"]

    def __post_init__(self) -> None:
        d = self.layer.weights.shape[1] - 1
        object.__setattr__(self, "query", finite_array("query", self.query, (d,), leading=False))
        for name in ("keys", "more"):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), (None, d), leading=False))

    @property
    def scale(self) -> float:
        """A bound of every summand of the output: what rounding is relative to."""
        keys = np.concatenate([self.keys, self.more])
        longest = 1 + (keys**2).sum(axis=1).max()
        heads = np.abs(self.layer.weights).sum(axis=(1, 2)) * np.abs(self.layer.values).sum(axis=1)  # no tiny squares
        return float(heads.sum() / np.sqrt(len(heads)) * longest * np.sqrt(1 + self.query @ self.query))


@dataclass(frozen=True, eq=False)
class OrderedInput:
    """The same for a layer that sees the order of its keys: outside the hypotheses."""

    layer: FlatLayer
    query: Array
    keys: Array
    scale: float = 1.0


def _ordered_layer() -> tuple[Any, ...]:
    layer = FlatLayer(np.array([[0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0]]), np.ones(1))
    return (OrderedInput(layer, np.eye(2)[0], np.eye(2)),)


@claim(
    statement="""The output is affine in the empirical measure of the keys: f(x_0; A and B together) =
    (|A| f(x_0; A) + |B| f(x_0; B)) / (|A| + |B|).""",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
)
def output_is_affine_in_the_key_measure(case: LayerInput) -> float:
    together = case.layer(case.query, np.concatenate([case.keys, case.more]))
    n, m = len(case.keys), len(case.more)
    parts = n * case.layer(case.query, case.keys) + m * case.layer(case.query, case.more)
    return relative_error(together, parts / (n + m), scale=case.scale)


@claim(
    statement="The output does not depend on the order of the keys.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
    status="as recalled",
    fails_without=_ordered_layer,
)
def order_of_keys_does_not_matter(case: LayerInput) -> float:
    moved = [case.layer(case.query, order) for order in (case.keys[::-1], np.roll(case.keys, 1, axis=0))]
    return relative_error(moved, case.layer(case.query, case.keys), scale=case.scale)


@claim(
    statement="Every key twice gives the same output as every key once.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
)
def copies_of_keys_do_not_matter(case: LayerInput) -> float:
    twice = case.layer(case.query, np.repeat(case.keys, 2, axis=0))
    return relative_error(twice, case.layer(case.query, case.keys), scale=case.scale)


@claim(
    statement="Weights s W_m, s > 0, multiply the features and the output by s.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
)
def layer_is_homogeneous_in_its_weights(case: LayerInput) -> float:
    scaled = [AttentionLayer(s * case.layer.weights, case.layer.values)(case.query, case.keys) / s for s in (0.3, 7.0)]
    return relative_error(scaled, case.layer(case.query, case.keys), scale=case.scale)


# ------------------------------------------------------------------------------------------ outside the class


@dataclass(frozen=True, eq=False)
class FiniteKeys:
    """N >= 2 keys, independent and uniform on the rows of `support` (s, d), whatever the query; a few queries (q, d).

    Means over all keys are exact sums over the s^N lists of keys.
    """

    support: Float[Array, "s d"]
    queries: Float[Array, "q d"]
    keys: int

    def __post_init__(self) -> None:
        support = finite_array("support", self.support, (None, None), leading=False)
        object.__setattr__(self, "support", support)
        queries = finite_array("queries", self.queries, (None, support.shape[1]), leading=False)
        object.__setattr__(self, "queries", queries)
        if integer("keys", self.keys, least=2) * np.log(len(support)) > np.log(1e5):
            raise ValueError(f"keys must have at most 1e5 lists, got {len(support)}^{self.keys}")

    @property
    def lists(self) -> Array:
        """Indices (s^N, N) of all lists of keys."""
        return np.array(list(product(range(len(self.support)), repeat=self.keys)))

    def pair(self) -> Float[Array, " l"]:
        """(1/N^2) sum_{i != j} <x_i, x_j> for all lists: |(1/N) sum_i x_i|^2 without its part over single keys."""
        x = self.support[self.lists]
        return ((x.sum(axis=1) ** 2).sum(axis=1) - (x**2).sum(axis=(1, 2))) / self.keys**2


@dataclass(frozen=True, eq=False)
class CentredKeys(FiniteKeys):
    """Hypothesis: the keys have mean zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.abs(self.support.mean(axis=0)).max() > 1e-14 * np.abs(self.support).max():
            raise ValueError(f"hypothesis: keys must have mean zero, got {self.support.mean(axis=0)}")


@dataclass(frozen=True, eq=False)
class Heads:
    """A layer for tokens of any dimension: Gaussian weights and values from a seed."""

    seed: int
    count: int
    size: float

    def layer(self, dimension: int, omega: float = 0.0) -> AttentionLayer:
        """Weights of mean omega diag(I_d, 0) and standard deviation 1/2, values of the given size."""
        rng = np.random.default_rng(self.seed)
        mean = np.diag([omega] * dimension + [0.0])
        weights = mean + rng.standard_normal((self.count, dimension + 1, dimension + 1)) / 2
        return AttentionLayer(weights, self.size * rng.standard_normal((self.count, dimension + 1)))


def _keys_with_a_mean() -> tuple[Any, ...]:
    return FiniteKeys(np.eye(2), np.eye(2), 3), Heads(0, 2, 1.0)


@claim(
    statement="""For independent keys of mean zero given the query, the target (1/N^2) sum_{i != j} <x_i, x_j> is
    orthogonal to every function (1/N) sum_i F(x_0, x_i).""",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
    fails_without=_keys_with_a_mean,
)
def pair_target_is_orthogonal_to_additive_functions(law: CentredKeys, heads: Heads) -> float:
    """F is any table of values: drawn without regard to the points."""
    table = np.random.default_rng(heads.seed).standard_normal(len(law.support)) + heads.size
    additive = table[law.lists].mean(axis=1)
    pair = law.pair()
    return relative_error((pair * additive).mean(), 0.0, scale=np.sqrt((pair**2).mean() * (additive**2).mean()))


@claim(
    statement="""No layer has less risk on that target than zero has, its variance, with or without bias.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-12,
)
def no_layer_learns_the_pair_target(law: CentredKeys, heads: Heads, bias: Bias) -> float:
    """With the best values on the exact law: least squares on the features, but for directions nearly without them."""
    x, target = law.support[law.lists], np.tile(law.pair(), len(law.queries))
    layer = heads.layer(law.support.shape[1], bias.omega)
    features = np.concatenate([layer.features(np.broadcast_to(q, x[:, 0].shape), x) for q in law.queries])
    features = features.reshape(len(target), -1)
    values = np.linalg.lstsq(features, target, rcond=1e-6)[0]
    return excess((target**2).mean(), ((target - features @ values) ** 2).mean())


# ------------------------------------------------------------------------------------------------- many heads


@dataclass(frozen=True, eq=False)
class ActiveHeads:
    """Hypothesis: four inputs or more and omega <= 2, so that no pair of inputs has all but a few heads silent."""

    inputs: SphereInputs
    omega: float
    seed: int

    def __post_init__(self) -> None:
        if len(self.inputs.queries) < 4 or not 0 <= self.omega <= 2:
            many = len(self.inputs.queries)
            raise ValueError(f"hypothesis: 4 inputs or more and omega in [0, 2], got {many} and {self.omega!r}")


@claim(
    statement="""The inner product of the features of two inputs tends to the kernel, with an error of root mean square
    proportional to 1/sqrt M.""",
    source=FU_2023,
    kind="limit",
    tolerance=0.15,
    examples=6,
)
def heads_average_to_the_kernel(case: ActiveHeads) -> float:
    """Slope of log error in log M against -1/2, M = 4..256; 8192 heads in groups of M, all pairs of inputs.

    Over draws it has a root mean square of 0.023 at most: the tolerance is six of that.
    """
    inputs = case.inputs
    many = Heads(case.seed, 8192, 1.0).layer(inputs.dimension, case.omega)
    phi = many.features(inputs.queries, inputs.keys) * np.sqrt(8192)
    products = np.einsum("nme,ome->mno", phi, phi)
    kernel = attention_gram(inputs.queries, inputs.keys, omega=case.omega)
    counts = 4 ** np.arange(1, 5)
    grouped = [products.reshape(-1, m, *kernel.shape).mean(axis=1) - kernel for m in counts]
    return abs(fitted_slope(np.log(counts), np.log([np.sqrt((g**2).mean()) for g in grouped])) + 0.5)
