"""How many bits each cached value deserves: as many more as its weight has doublings, so fewer with age, like stairs.

A value of weight p_j kept in b_j bits carries rounding noise of variance proportional to 4^{-b_j}, independent of the
others, and adds p_j^2 4^{-b_j} to the error of the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import LI_2024
from theory.validation import finite_array, integer, real, require


def quantisation_error(weights: Float[Array, " n"], bits: ArrayLike) -> float:
    """sum_j p_j^2 4^{-b_j}, in units of the variance at no bits."""
    return float((weights**2 * 4.0 ** -np.asarray(bits, dtype=np.float64)).sum())


def best_bits(weights: Float[Array, " n"], mean: float) -> Float[Array, " n"]:
    """b_j = mean + log2 p_j - mean of log2 p: the least error among all real b of this mean."""
    doublings = np.log2(weights)
    return mean + doublings - doublings.mean()


def least_error(weights: Float[Array, " n"], mean: float) -> float:
    """n (prod p_j^2)^(1/n) 4^{-mean}: the error of `best_bits`."""
    return float(len(weights) * np.exp(2 * np.log(weights).mean()) * 4.0**-mean)


def whole_bits(weights: Float[Array, " n"], total: int) -> Int[NDArray[np.int64], " n"]:
    """Whole bits >= 0, given one by one to the value that adds most to the error."""
    bits = np.zeros(len(weights), dtype=np.int64)
    for _ in range(total):
        bits[(2 * np.log(weights) - bits * np.log(4.0)).argmax()] += 1
    return bits


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class BitBudget:
    """Logits (n,) of the cached values, real bits (n,) for them, and a number of whole bits >= 0 to share out."""

    logits: Float[Array, " n"]
    bits: Float[Array, " n"]
    whole_bits: int

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "bits", finite_array("bits", self.bits, logits.shape, leading=False))
        integer("whole_bits", self.whole_bits, least=0)

    @property
    def weights(self) -> Float[Array, " n"]:
        """softmax(logits)."""
        return softmax(self.logits)

    @property
    def best_bits(self) -> Float[Array, " n"]:
        """The best real bits with the same mean."""
        return best_bits(self.weights, float(self.bits.mean()))


@dataclass(frozen=True)
class AgeingTokens:
    """n >= 2 tokens whose logits fall by slope > 0 with every step of age, and by nothing else."""

    tokens: int
    slope: float

    def __post_init__(self) -> None:
        integer("tokens", self.tokens, least=2)
        real("slope", self.slope, above=0.0)
        span = self.slope * self.tokens
        require(span <= 300, f"slope x tokens must be at most 300, so that no weight underflows, got {span}")

    @property
    def weights(self) -> Float[Array, " n"]:
        """The youngest first."""
        return softmax(-self.slope * np.arange(self.tokens))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Among all shares of as many bits the error of the output is least, n (prod p_j^2)^(1/n) 4^{-b} with b
    the mean, where the bits of value j are log2 p_j and a constant.""",
    source=LI_2024,
    kind="inequality",
    tolerance=1e-12,
)
def bits_follow_the_logarithm_of_weights(case: BitBudget) -> float:
    return excess(least_error(case.weights, float(case.bits.mean())), quantisation_error(case.weights, case.bits))


@claim(
    statement="Whole bits are shared best by giving one after another to the value that adds most to the error.",
    source=LI_2024,
    kind="identity",
    tolerance=1e-12,
    examples=40,
)
def whole_bits_are_shared_greedily(case: BitBudget) -> float:
    """Against every share of up to eight bits."""
    total = min(case.whole_bits, 8)
    shares = [s for s in product(range(total + 1), repeat=len(case.logits)) if sum(s) == total]
    errors = 4.0 ** -np.array(shares, dtype=np.float64) @ case.weights**2
    return relative_error(quantisation_error(case.weights, whole_bits(case.weights, total)), errors.min())


@claim(
    statement="""Where logits fall by m with every step of age, the best bits fall by one every (log 2) / m steps, a
    staircase; its error is n sinh(m) / sinh(m n) of that of as many bits shared equally.""",
    source=LI_2024,
    kind="identity",
    tolerance=1e-11,
)
def best_bits_are_stairs_of_age(case: AgeingTokens) -> float:
    n, m, weights = case.tokens, case.slope, case.weights
    bits = best_bits(weights, 4.0)
    saved = quantisation_error(weights, bits) / quantisation_error(weights, np.full(n, 4.0))
    return max(
        relative_error(np.diff(bits), np.full(n - 1, -m / np.log(2)), scale=1e-3),
        relative_error(saved, n * np.sinh(m) / np.sinh(m * n)),
    )
