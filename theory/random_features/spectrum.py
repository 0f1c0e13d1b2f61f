"""Eigenvalues of the kernels for independent tokens, uniform on the unit sphere, and what targets weigh in each mode.

Attention: the mode (a, b) is spanned by Y_a(x_0) (1/sqrt N) sum_i Y_b(x_i), products of harmonics of degrees a and b.
MLP: a mode is a list of degrees on distinct tokens. Its eigenvalue does not depend on which tokens they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import factorial, perm, prod

import numpy as np
from jaxtyping import Float
from scipy.stats import binom

from theory.numerics import Array
from theory.random_features.harmonics import (
    arc_cosine_coefficients,
    completed_sum,
    harmonics,
    power_moments,
    shifted_moments,
)
from theory.validation import finite_array, integer, positive_array, real

Mode = tuple[int, ...]
Masses = Mapping[Mode, float]  # mode, such as (query degree, key degree) -> squared length of that part of a target
ATTENTION_TERMS, MLP_TERMS = 8192, 512


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Modes with their eigenvalues (k,) > 0 and multiplicities (k,) >= 1, and the trace `tail` >= 0 of all others.

    `keyed` says how (query degree, key degree) is written as a mode: as it stands, or as the degrees that are not zero.
    """

    modes: tuple[Mode, ...]
    eigenvalues: Float[Array, " k"]
    multiplicities: Float[Array, " k"]
    tail: float
    keyed: bool = True

    def __post_init__(self) -> None:
        size = (len(self.modes),)
        object.__setattr__(self, "eigenvalues", positive_array("eigenvalues", self.eigenvalues, size, leading=False))
        many = finite_array("multiplicities", self.multiplicities, size, leading=False)
        if many.min() < 1:
            raise ValueError(f"multiplicities must be >= 1, got {many.min()} among its entries")
        object.__setattr__(self, "multiplicities", many)
        if real("tail", self.tail) < 0:
            raise ValueError(f"tail must be >= 0, got {self.tail!r}")

    @property
    def trace(self) -> float:
        """E[K(x, x)]."""
        return float(self.multiplicities @ self.eigenvalues + self.tail)

    def eigenvalue(self, query_degree: int, key_degree: int) -> float:
        """The eigenvalue of Y_a(x_0) times an average of Y_b over the keys; 0 where the mode is not listed."""
        mode = self._mode((query_degree, key_degree))
        return float(self.eigenvalues[self.modes.index(mode)]) if mode in self.modes else 0.0

    def weights(self, target: Masses) -> tuple[Float[Array, " k"], float]:
        """The mass of `target` in every mode, and its mass in modes that are not listed."""
        masses, unlisted = np.zeros(len(self.modes)), 0.0
        for name, mass in target.items():
            if not (np.isfinite(mass) and mass >= 0):
                raise ValueError(f"target must have finite masses >= 0, got {mass!r} at {name}")
            mode = self._mode(name)
            if mode in self.modes:
                masses[self.modes.index(mode)] += mass
            else:
                unlisted += mass
        return masses, unlisted

    def _mode(self, name: Mode) -> Mode:
        return name if self.keyed else tuple(sorted((degree for degree in name if degree), reverse=True))


def attention_spectrum(dimension: int, keys: int, max_degree: int) -> Spectrum:
    """Modes (a, b) with a, b <= max_degree of the attention kernel for N >= 1 keys in d >= 2 dimensions.

    lambda_ab = sum_k c_k 4^-k E[(1+t)^k P_a] E[(1+t)^(k+1) P_b], over N where b >= 1; multiplicity N(d,a) N(d,b). The
    trace is T_0 + (1 - T_0)/N with T_0 the part of key degree 0, in closed form, and the tail what the modes leave.
    """
    d, n = integer("dimension", dimension, least=2), integer("keys", keys, least=1)
    degrees = range(integer("max_degree", max_degree, least=0) + 1)
    moments = [shifted_moments(d, b, ATTENTION_TERMS + 1) for b in degrees]
    c = arc_cosine_coefficients(ATTENTION_TERMS)
    modes = tuple((a, b) for a in degrees for b in degrees)
    single = [completed_sum(2 * c * moments[a][:-1] * moments[b][1:], d + 1.5) for a, b in modes]
    without_keys = completed_sum(2 * c * moments[0][1:], 2.5 + (d - 1) / 2)
    eigenvalues = np.array(single) / np.array([n if b else 1 for _, b in modes])
    many = np.array([float(harmonics(d, a) * harmonics(d, b)) for a, b in modes])
    trace = without_keys + (1 - without_keys) / n
    return Spectrum(modes, eigenvalues, many, max(0.0, trace - float(many @ eigenvalues)))


def mlp_spectrum(dimension: int, keys: int, max_degree: int) -> Spectrum:
    """Modes of total degree <= max_degree of the MLP kernel: non-increasing degrees >= 1 on distinct tokens.

    lambda = sum_k c_k E[((1 + sum_i t_i)/(N + 2))^k prod_j P_{b_j}(t_j)]; multiplicity: the placings of the degrees on
    the N + 1 tokens, times prod_j N(d, b_j). The trace is 1/2.
    """
    d, n = integer("dimension", dimension, least=2), integer("keys", keys, least=1)
    modes = tuple(m for m in _partitions(integer("max_degree", max_degree, least=0)) if len(m) <= n + 1)
    moments = [power_moments(d, b, MLP_TERMS) for b in range(max_degree + 1)]
    others = [np.ones(MLP_TERMS)]  # of the constant 1 and j tokens of degree 0
    for j in range(n + 1):
        others.append(_summed(others[-1], j + 1, moments[0]))
    c, eigenvalues, many = arc_cosine_coefficients(MLP_TERMS), [], []
    for mode in modes:
        mean = others[n + 1 - len(mode)]
        for j, b in enumerate(mode):
            mean = _summed(mean, n + 2 - len(mode) + j, moments[b])
        eigenvalues.append(completed_sum(c * mean, 2.5 + (n + 1) * (d - 1) / 2))
        placings = perm(n + 1, len(mode)) // prod(factorial(m) for m in Counter(mode).values())
        many.append(float(placings * prod(harmonics(d, b) for b in mode)))
    tail = max(0.0, 0.5 - float(np.dot(many, eigenvalues)))
    return Spectrum(modes, np.array(eigenvalues), np.array(many), tail, keyed=False)


def _partitions(total: int, largest: int | None = None) -> Iterator[Mode]:
    """All non-increasing lists of integers >= 1 with sum <= total."""
    yield ()
    for first in range(1, min(total, total if largest is None else largest) + 1):
        for rest in _partitions(total - first, first):
            yield (first, *rest)


def _summed(mean: Array, size: int, token: Array) -> Array:
    """E[((size S + t)/(size + 1))^k] from the moments of S and of t: a binomial average, in which nothing overflows."""
    length = len(mean)
    split = _splits(length, size)
    k, j = np.tril_indices(length)
    return np.bincount(k, split[k, j] * mean[j] * token[k - j], length).astype(np.float64)


@cache
def _splits(length: int, size: int) -> Array:
    k = np.arange(length)
    return binom.pmf(k[None, :], k[:, None], size / (size + 1))


# ---------------------------------------------------------------------------------------------------- targets


def query_masses(dimension: int, power: int) -> dict[Mode, float]:
    """Of <beta, x_0>^p, |beta| = 1: N(d, a) E[t^p P_a]^2 at (a, 0)."""
    return {(a, 0): mass for a, mass in _power_masses(dimension, power).items()}


def average_masses(dimension: int, keys: int, power: int) -> dict[Mode, float]:
    """Of (1/N) sum_i <beta, x_i>^p: N(d, b) E[t^p P_b]^2 at (0, b), over N where b >= 1."""
    n = integer("keys", keys, least=1)
    return {(0, b): mass / (n if b else 1) for b, mass in _power_masses(dimension, power).items()}


def correlation_masses(dimension: int, keys: int, power: int) -> dict[Mode, float]:
    """Of (1/N) sum_i <x_0, x_i>^p <beta, x_i>.

    The part of degree a in x_0 has N(d, a) E[t^p P_a]^2 / d, of which (a + d - 2)/(2a + d - 2) at key degree a + 1 and
    a/(2a + d - 2) at a - 1, over N where the key degree is >= 1.
    """
    d, n = integer("dimension", dimension, least=2), integer("keys", keys, least=1)
    masses: dict[Mode, float] = {}
    for a, mass in _power_masses(d, power).items():
        up = (a + d - 2) / (2 * a + d - 2) if a else 1.0
        masses[a, a + 1] = up * mass / (d * n)
        if a:
            masses[a, a - 1] = (1 - up) * mass / (d * (n if a > 1 else 1))
    return masses


def centred(target: Masses, *modes: Mode) -> dict[Mode, float]:
    """`target` without its constant mode (0, 0) and without `modes`."""
    return {mode: mass for mode, mass in target.items() if mode not in ((0, 0), *modes)}


def _power_masses(dimension: int, power: int) -> dict[int, float]:
    p = integer("power", power, least=0)
    degrees = range(p % 2, p + 1, 2)
    return {b: harmonics(dimension, b) * float(power_moments(dimension, b, p + 1)[p]) ** 2 for b in degrees}
