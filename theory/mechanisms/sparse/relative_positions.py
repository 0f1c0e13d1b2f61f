"""What relative positions alone cannot do: equal tokens stay equal, since the rows of softmax sum to one.

Offsets are stored as vectors of 2n - 1 numbers, for j - i = -(n - 1), ..., n - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.network import forward, random_layers
from theory.numerics import Array
from theory.papers import LUO_2022
from theory.validation import finite_array, require


def toeplitz(offsets: Float[Array, " o"]) -> Float[Array, "n n"]:
    """The matrix with entry offsets[j - i] at (i, j)."""
    zero = len(offsets) // 2
    return linalg.toeplitz(offsets[zero::-1], offsets[zero:])


def row_totals(bias: Float[Array, " o"], factor: Float[Array, " o"]) -> Float[Array, " n"]:
    """sum_j c_{j-i} softmax_j(b_{j-i}): what attention with a Toeplitz factor c multiplies a common value with."""
    return (toeplitz(factor) * softmax(toeplitz(bias))).sum(axis=-1)


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class EqualTokens:
    """n copies of one token (d,), relative biases and a Toeplitz factor (2n - 1 numbers each), and random layers."""

    token: Float[Array, " d"]
    bias: Float[Array, " o"]
    factor: Float[Array, " o"]
    layers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", finite_array("token", self.token, (None,), leading=False))
        object.__setattr__(self, "bias", finite_array("bias", self.bias, (None,), leading=False))
        object.__setattr__(self, "factor", finite_array("factor", self.factor, (len(self.bias),), leading=False))
        require(len(self.bias) % 2 == 1, f"there must be 2n - 1 offsets, got {len(self.bias)}")

    @property
    def copies(self) -> Float[Array, "n d"]:
        """The equal tokens."""
        return np.tile(self.token, ((len(self.bias) + 1) // 2, 1))

    @property
    def weights(self) -> Float[Array, "l 5 d d"]:
        """The layers of the network."""
        return random_layers(self.layers, len(self.token), self.seed)

    @property
    def outputs(self) -> Float[Array, "n d"]:
        """What the network makes of the copies."""
        return forward(self.copies, self.weights, bias=toeplitz(self.bias), factor=toeplitz(self.factor))

    @property
    def attended(self) -> Float[Array, "n d"]:
        """What its first attention alone, without residual and per-token map, makes of them."""
        query, key, value = self.weights[0, :3]
        x = self.copies
        return (toeplitz(self.factor) * softmax(x @ query @ (x @ key).T + toeplitz(self.bias))) @ (x @ value)


@dataclass(frozen=True, eq=False)
class EqualTokensUnderBias(EqualTokens):
    """Hypothesis: the factor is 1, so that positions enter through the biases of softmax alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.factor == 1.0).all(), "the Toeplitz factor must be 1")


@dataclass(frozen=True, eq=False)
class UnbiasedFactor(EqualTokens):
    """Hypothesis: no relative bias beside the Toeplitz factor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.bias == 0.0).all(), "the relative biases must be 0")


@dataclass(frozen=True, eq=False)
class PositionTarget:
    """A network with relative biases on equal tokens, and a number wanted at every position."""

    network: EqualTokensUnderBias
    wanted: Float[Array, " n"]

    def __post_init__(self) -> None:
        shape = (len(self.network.copies),)
        object.__setattr__(self, "wanted", finite_array("wanted", self.wanted, shape, leading=False))


# --------------------------------------------------------------------------------------------------------------- claims


def _spread(outputs: Float[Array, "n d"]) -> float:
    """The largest difference between two rows, over the size of the outputs."""
    return float(np.ptp(outputs, axis=0).max() / np.abs(outputs).max())


@claim(
    statement="""Softmax attention with any relative bias, residuals and per-token maps turns equal tokens into equal
    tokens, at any depth.""",
    source=LUO_2022,
    kind="identity",
    tolerance=1e-9,
    fails_without=lambda: (EqualTokens(np.ones(2), np.zeros(5), np.arange(5.0)),),
)
def equal_tokens_stay_equal_under_any_relative_bias(case: EqualTokensUnderBias) -> float:
    return _spread(case.outputs)


@claim(
    statement="""Whatever is wanted at the positions of equal tokens, a network with relative biases misses it somewhere
    by at least half its range.""",
    source=LUO_2022,
    kind="inequality",
    tolerance=1e-12,
)
def relative_bias_misses_half_the_range_of_positions(case: PositionTarget) -> float:
    miss = np.abs(case.network.outputs[:, 0] - case.wanted).max()
    return excess(np.ptp(case.wanted) / 2, miss)


@claim(
    statement="""On equal tokens attention under a Toeplitz factor c returns their common value times
    sum_j c_{j-i} softmax_j(b_{j-i}): it depends on the position i.""",
    source=LUO_2022,
    kind="identity",
    tolerance=1e-12,
)
def toeplitz_factor_scales_equal_tokens_by_its_row_totals(case: EqualTokens) -> float:
    value = case.token @ case.weights[0, 2]
    size = np.abs(case.factor).max() * np.abs(value).max()
    return relative_error(case.attended, np.outer(row_totals(case.bias, case.factor), value), scale=size)


@claim(
    statement="""Without biases, what a Toeplitz factor does to neighbouring copies differs by exactly
    (c_{-(i+1)} - c_{n-1-i}) / n times their value: the factor separates equal tokens iff it is not circulant.""",
    source=LUO_2022,
    kind="identity",
    tolerance=1e-12,
)
def toeplitz_factor_separates_as_far_as_it_is_not_circulant(case: UnbiasedFactor) -> float:
    value, length = case.token @ case.weights[0, 2], len(case.copies)
    step = (case.factor[: length - 1][::-1] - case.factor[length:][::-1]) / length
    size = np.abs(case.factor).max() * np.abs(value).max()
    return relative_error(np.diff(case.attended, axis=0), np.outer(step, value), scale=size)


@claim(
    statement="Every Toeplitz factor that is not constant tells equal tokens apart.",
    source=LUO_2022,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (UnbiasedFactor(np.ones(2), np.zeros(5), np.array([1.0, 2.0, 0.0, 1.0, 2.0])),),
)
def every_toeplitz_factor_separates_equal_tokens(case: UnbiasedFactor) -> float:
    """1 if the factor varies and yet the outputs agree to rounding, else 0."""
    return float(np.ptp(case.factor) > 0.1 and _spread(case.outputs) < 1e-12)
