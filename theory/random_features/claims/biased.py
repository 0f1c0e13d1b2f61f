"""What holds for the blocks of the biased kernel: what they are made of, no bias, and many dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.claims import claim, relative_error
from theory.papers import FU_2023
from theory.random_features.biased import (
    biased_attention_spectrum,
    block_states,
    correlation_operator,
    one_key_operator,
    representation_size,
)
from theory.random_features.harmonics import harmonics, power_moments
from theory.random_features.norms import rkhs_norm
from theory.random_features.rectified import head_coefficients
from theory.random_features.spectrum import attention_spectrum, correlation_masses
from theory.validation import integer


@dataclass(frozen=True)
class HarmonicProduct:
    """Products of harmonics of degrees a in x_0 and b in x, in d >= 3 dimensions."""

    dimension: int
    a: int
    b: int

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=3)
        integer("a", self.a, least=0)
        integer("b", self.b, least=0)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The representations (l1, l2) in the product: |a - b| <= l1 - l2 <= l1 + l2 <= a + b, of one parity."""
        a, b = self.a, self.b
        rows = [(a + b - 2 * i - j, j) for j in range(min(a, b) + 1) for i in range(min(a, b) - j + 1)]
        return [pair for pair in rows if representation_size(self.dimension, *pair)]


@claim(
    statement="The representations with the state (a, b) have N(d, a) N(d, b) dimensions together.",
    source=FU_2023,
    kind="identity",
    tolerance=0.0,
)
def representations_make_up_the_product(case: HarmonicProduct) -> float:
    d = case.dimension
    sizes = sum(representation_size(d, *block) for block in case.blocks)
    return float(abs(sizes - harmonics(d, case.a) * harmonics(d, case.b)))


@claim(
    statement="""Summed over representations with their dimensions, the diagonal elements of <x_0, x>^(2p) at the state
    (a, b) are N(d, a) N(d, b) E[t^(2p)].""",
    source=FU_2023,
    kind="identity",
    tolerance=1e-12,
)
def representations_share_the_moments_of_the_correlation(case: HarmonicProduct) -> float:
    """p = 1, 2, 3: products of harmonics of one degree are, in the mean, equally large at all pairs of points."""
    d, a, b = case.dimension, case.a, case.b
    moments = np.zeros(3)
    for block in case.blocks:
        states = block_states(*block, max(a, b) + 3)
        operator = correlation_operator(d, *block, states)
        vector = np.eye(len(states))[states.index((a, b))]
        for p in range(3):
            vector = operator @ vector
            moments[p] += representation_size(d, *block) * (vector @ vector)
    return relative_error(moments / (harmonics(d, a) * harmonics(d, b)), power_moments(d, 0, 7)[2::2])


@dataclass(frozen=True)
class FewDegrees:
    """N >= 1 keys in d >= 3 dimensions, degrees up to 3."""

    dimension: int
    keys: int
    degree: int

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=3)
        integer("keys", self.keys, least=1)
        if not 0 <= self.degree <= 3:
            raise ValueError(f"degree must be in 0..3, got {self.degree!r}")


@claim(
    statement="Without bias the biased layer has the spectrum of attention: eigenvalues, multiplicities and trace.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-10,
    examples=6,
)
def biased_spectrum_extends_the_unbiased(case: FewDegrees) -> float:
    """Moments of the spectrum of orders 1 to 3, multiplicities included, and the trace."""
    unbiased = attention_spectrum(case.dimension, case.keys, case.degree)
    biased = biased_attention_spectrum(case.dimension, case.keys, 0.0, case.degree)
    orders = np.arange(1, 4)[:, None]
    moments = [(s.multiplicities * s.eigenvalues**orders).sum(axis=1) for s in (biased, unbiased)]
    return max(float(np.abs(moments[0] / moments[1] - 1).max()), relative_error(biased.trace, unbiased.trace))


@dataclass(frozen=True)
class BiasStrength:
    """omega in [0.1, 5]."""

    omega: float

    def __post_init__(self) -> None:
        if not 0.1 <= self.omega <= 5:
            raise ValueError(f"omega must be in [0.1, 5], got {self.omega!r}")


def correlation_level(omega: float) -> float:
    """lim d^2 lambda of (<x_0, x> x)_j for one key: omega^2 sum_k 4^-k (k + 1) a_(k+1)(0)^2 / k!, 0.3313 omega^2."""
    k = np.arange(60)
    return float(omega**2 * (0.25**k * ((k + 1) * head_coefficients(0.0, 61)[1:]) ** 2).sum())


@claim(
    statement="""Bias lifts the eigenvalue of correlations <x_0, x> <beta, x> from the order d^-3 to d^-2: without their
    part in x_0 alone, d^2 times their quadratic form tends to omega^2 times 0.3313.""",
    source=FU_2023,
    kind="limit",
    tolerance=1e-3,
    examples=10,
)
def bias_saves_correlations_a_dimension(bias: BiasStrength) -> float:
    """On the state (1, 2), which is all but that part; relative error at d = 1e4 (1 + omega^2 + omega^-2)."""
    d = round(1e4 * (1 + bias.omega**2 + bias.omega**-2))
    place = block_states(1, 0, 2).index((1, 2))
    form = one_key_operator(d, bias.omega, (1, 0), 2)[place, place]
    return relative_error(form * d**2, correlation_level(bias.omega))


@dataclass(frozen=True)
class BiasedCorrelation:
    """The target <x_0, x> <beta, x> in d >= 3 dimensions under bias omega, seen through degrees up to `degree`."""

    dimension: int
    omega: float
    degree: int

    def norms(self) -> tuple[float, float]:
        """The squared norm without bias, exactly, and a lower bound of that with bias: of the kernel compressed."""
        d, biased = self.dimension, biased_attention_spectrum(self.dimension, 1, self.omega, self.degree)
        unbiased = rkhs_norm(attention_spectrum(d, 1, 2), correlation_masses(d, 1, 1))
        return unbiased, rkhs_norm(biased, biased.correlation_masses(1))


@claim(
    statement="""(A natural reading, not the paper's words.) Bias lowers the norm of correlations <x_0, x> <beta, x>, as
    it lowers their risk.""",
    source=FU_2023,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (BiasedCorrelation(16, 1.0, 4),),
)
def bias_lowers_the_norm_of_correlations(case: BiasedCorrelation) -> float:
    """In 16 dimensions 89.9 without bias and at least 333.6 with omega = 1, although half the samples then suffice.

    What bias lowers is the price of most of the target: the eigenvalues that carry it. The rest is in high degrees.
    """
    unbiased, biased = case.norms()
    return biased / unbiased - 1
