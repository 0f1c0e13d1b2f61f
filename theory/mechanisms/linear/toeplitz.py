"""Kernelised attention with relative positions, its Toeplitz sums by FFT in n log n multiplications.

    o_i = sum_j c_{j-i} phi(q_i).phi(k_j) v_j / sum_j c_{j-i} phi(q_i).phi(k_j),   c = e^b

All functions take the features phi(q), phi(k) > 0 and the factors c of the offsets j - i = -(n-1)..n-1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import toeplitz

from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.mechanisms.linear.masked import masked_linear_attention, powers
from theory.numerics import Array
from theory.papers import LUO_2021
from theory.validation import finite_array, fraction, integer, require


@dataclass(frozen=True, eq=False)
class RelativePositions:
    """Positive features and values of n tokens, with factors c (2 n - 1,) >= 0 of the offsets -(n-1)..n-1.

    Hypotheses: c_0 > 0 so that no row is empty, and the factors that are not 0 lie within `MOST` of each other.
    """

    MOST = 1e4
    features: Sequence
    factors: Float[Array, " o"]

    def __post_init__(self) -> None:
        length = len(self.features.keys)
        factors = finite_array("factors", self.factors, (2 * length - 1,), leading=False)
        object.__setattr__(self, "factors", factors)
        least = min(self.features.queries.min(), self.features.keys.min())
        require(least > 0, f"features of queries and keys must be positive, got {least}")
        require((factors >= 0).all(), f"factors must be >= 0, got {factors.min()}")
        require(factors[length - 1] > 0, "the factor of offset 0 must be positive, got 0")
        ratio = factors.max() / factors[factors > 0].min()
        require(ratio <= self.MOST, f"factors must be within {self.MOST:g} of each other, got a ratio of {ratio}")


@dataclass(frozen=True, eq=False)
class WideFactors(RelativePositions):
    """As `RelativePositions` with a bound on the factors' ratio that is out of reach."""

    MOST = np.inf


@dataclass(frozen=True, eq=False)
class DecayingFeatures:
    """Positive features and values of n tokens, and a decay in [0.7, 1] a step backwards."""

    features: Sequence
    decay: float

    def __post_init__(self) -> None:
        least = min(self.features.queries.min(), self.features.keys.min())
        require(least > 0, f"features of queries and keys must be positive, got {least}")
        require(fraction("decay", self.decay) >= 0.7, f"decay must be at least 0.7, got {self.decay}")


@dataclass(frozen=True)
class RelativeShape:
    """Length n, width d of the features and value channels v."""

    length: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        for name in ("length", "width", "channels"):
            integer(name, getattr(self, name), least=1)


def dense_relative_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], factors: Float[Array, " o"]
) -> Float[Array, "n v"]:
    """From the (n, n) matrix of all weights."""
    length = len(queries)
    weights = toeplitz(factors[length - 1 :: -1], factors[length - 1 :]) * (queries @ keys.T)
    return weights @ values / weights.sum(axis=1, keepdims=True)


def toeplitz_product(factors: Float[Array, " o"], columns: Float[Array, "n c"]) -> Float[Array, "n c"]:
    """sum_j c_{j-i} columns_j by circular convolution of `fft_length` points; the circle is long enough not to wrap."""
    length = len(columns)
    points = fft_length(length)
    kernel = np.concatenate([factors[::-1], np.zeros(points - len(factors))])
    padded = np.concatenate([columns, np.zeros((points - length, columns.shape[1]))])
    spectrum = np.fft.rfft(kernel)[:, None] * np.fft.rfft(padded, axis=0)
    return np.fft.irfft(spectrum, n=points, axis=0)[length - 1 : 2 * length - 1]


def relative_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], factors: Float[Array, " o"]
) -> Float[Array, "n v"]:
    """The Toeplitz matrix is applied to the columns of phi(k_j) (x) [v_j, 1], then phi(q_i) contracts: `fft_cost`."""
    extended = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    columns = (keys[:, :, None] * extended[:, None, :]).reshape(len(keys), -1)
    sums = toeplitz_product(factors, columns).reshape(*keys.shape, -1)
    both = (queries[:, None, :] @ sums)[:, 0]
    return both[:, :-1] / both[:, -1:]


def fft_length(length: int) -> int:
    """The least power of two >= 2 n - 1."""
    return 1 << (2 * length - 2).bit_length()


def fft_cost(length: int, width: int, channels: int) -> int:
    """Multiplications of `relative_attention` with N = `fft_length`, C = d (v + 1), counting N log2 N for an FFT and a
    complex product as one: (2 C + 1) N log2 N + C (N/2 + 1) + 2 n C."""
    points, columns = fft_length(length), width * (channels + 1)
    ffts = (2 * columns + 1) * points * (points.bit_length() - 1)
    return ffts + columns * (points // 2 + 1) + 2 * length * columns


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Kernelised attention with relative positions computed by FFT is the dense form, for any factors e^b,
    masks (0) included, that lie within 1e4 of each other.""",
    source=LUO_2021,
    kind="identity",
    tolerance=1e-10,
)
def relative_positions_by_fft_are_dense(case: RelativePositions) -> float:
    arguments = case.features.queries, case.features.keys, case.features.values, case.factors
    dense = dense_relative_attention(*arguments)
    return relative_error(relative_attention(*arguments), dense, scale=float(np.abs(case.features.values).max()))


@claim(
    statement="""Factors lambda^{-o} at offsets o <= 0 and 0 beyond make it causal linear attention with decay, divided
    by the decayed sum of scores: the FFT needs no causal mask of its own.""",
    source=LUO_2021,
    kind="identity",
    tolerance=1e-12,
)
def decay_is_a_relative_position(case: DecayingFeatures) -> float:
    q, k, v = case.features.queries, case.features.keys, case.features.values
    decayed = powers(case.decay, len(k))
    factors = np.concatenate([decayed[-1], np.zeros(len(k) - 1)])
    totals = masked_linear_attention(q, k, np.ones((len(k), 1)), decayed)
    expected = masked_linear_attention(q, k, v, decayed) / totals
    return relative_error(relative_attention(q, k, v, factors), expected, scale=float(np.abs(v).max()))


@claim(
    statement="""The FFT form takes (2 C + 1) N log2 N + C (N/2 + 1) + 2 n C multiplications (counted), C = d (v + 1),
    with N < 4 n a power of two: of order n log n at fixed width.""",
    source=LUO_2021,
    kind="identity",
    tolerance=1e-14,
)
def relative_positions_cost_n_log_n(shape: RelativeShape) -> float:
    queries, values = np.ones((shape.length, shape.width)), np.ones((shape.length, shape.channels))
    counted = multiplications(relative_attention, queries, queries, values, np.ones(2 * shape.length - 1))
    short = excess(fft_length(shape.length), 4 * shape.length - 1)
    return max(relative_error(counted, fft_cost(shape.length, shape.width, shape.channels)), short)


def _far_key() -> tuple[WideFactors]:
    """A bias of 30 on the farthest offset, which the first query alone uses."""
    length = 8
    factors = np.ones(2 * length - 1)
    factors[-1] = np.exp(30.0)
    ones = np.ones((length, 1))
    return (WideFactors(Sequence(ones, ones, np.arange(1.0, length + 1)[:, None]), factors),)


@claim(
    statement="The FFT form is as accurate as the dense one for any relative bias.",
    source=LUO_2021,
    kind="refuted",
    tolerance=1e-6,
    counterexample=_far_key,
)
def fft_is_accurate_for_any_bias(case: WideFactors) -> float:
    """FFT errors are relative to the largest factor, which other rows may not see; at e^30 twelve digits are lost."""
    arguments = case.features.queries, case.features.keys, case.features.values, case.factors
    return relative_error(relative_attention(*arguments), dense_relative_attention(*arguments))
