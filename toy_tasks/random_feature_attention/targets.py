"""Targets of the regression, each with its exact mean and variance: c_i = <x_0, x_i>, b_i = <beta, x_i>, |beta| = 1.

`Correlation` has its own module. `Largest` and `Pairs` are no averages (1/N) sum_i F(x_0, x_i): no layer can represent
them that treats the keys one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from toy_tasks.random_feature_attention import moments
from toy_tasks.random_feature_attention.tokens import CorrelatedKeys, GaussianTokens, Law
from toy_tasks.random_feature_attention.truth import Truth
from toy_tasks.validation import count

MeanAndVariance = tuple[np.ndarray, np.ndarray]


@runtime_checkable
class Target(Protocol):
    """A function of query (..., n, d) and keys (..., n, N, d); ... are the axes of the seeds."""

    def check(self, law: Law, keys: int) -> None:
        """`ValueError` where it is constant, or its variance is not known."""
        ...

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        ...

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Exact mean and variance for N keys: scalars, or one per replica where the truth decides them."""
        ...


@dataclass(frozen=True)
class QueryPower:
    """<beta, x_0>^p, p >= 1."""

    power: int = 1

    def __post_init__(self) -> None:
        count("power", self.power)

    def check(self, law: Law, keys: int) -> None:
        """Every law will do."""

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        return truth.along(query) ** self.power

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Of all replicas alike."""
        d, p = truth.dimension, self.power
        mean, square = (law.length_moment(d, n) * moments.sphere_moment(d, n) for n in (p, 2 * p))
        return np.array(mean), np.array(square - mean**2)


@dataclass(frozen=True)
class AbsoluteCorrelation:
    """(1/N) sum_i |c_i|: a limit of what layers represent, not smooth."""

    def check(self, law: Law, keys: int) -> None:
        """Correlations must vary."""
        check_correlations_vary(law)

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        return correlations(query, keys).abs().mean(dim=-1)

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Of all replicas alike."""
        d = truth.dimension
        length, square = law.length_moment(d, 1), law.length_moment(d, 2)
        angle = math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)) / math.sqrt(math.pi)  # E|t|
        mean = length**2 * angle
        variance = square**2 / (d * keys) + (1 - 1 / keys) * square * (length * angle) ** 2 - mean**2
        return np.array(mean), np.array(variance)


@dataclass(frozen=True)
class Largest:
    """max_i c_i."""

    def check(self, law: Law, keys: int) -> None:
        """Correlations must vary."""
        check_correlations_vary(law)

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        return correlations(query, keys).amax(dim=-1)

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Of all replicas alike, by quadrature."""
        d = truth.dimension
        if isinstance(law, GaussianTokens):  # |x_0| / sqrt d times the largest of N normals
            first, second = moments.largest_normal(keys)
            mean = law.length_moment(d, 1) * first / math.sqrt(d)
            return np.array(mean), np.array(law.length_moment(d, 2) * second / d - mean**2)
        first, second = moments.largest_on_sphere(d, keys)
        return np.array(first), np.array(second - first**2)


@dataclass(frozen=True)
class Pairs:
    """|(1/N) sum_i x_i|^2, of at least two keys: needs products of keys."""

    def check(self, law: Law, keys: int) -> None:
        """There must be pairs."""
        count("keys", keys, least=2)

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        return (keys.mean(dim=-2) ** 2).sum(dim=-1)

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Of all replicas alike."""
        d, n = truth.dimension, keys
        if isinstance(law, CorrelatedKeys):  # rho^2 + (1 - rho^2) times the same of N keys in d - 1 dimensions
            across = 1 - law.rho**2
            return np.array(law.rho**2 + across / n), np.array(across**2 * 2 * (n - 1) / (n**3 * (d - 1)))
        square, fourth = law.length_moment(d, 2), law.length_moment(d, 4)
        variance = (fourth - square**2) / n**3 + 2 * (n - 1) * square**2 / (n**3 * d)
        return np.array(square / n), np.array(variance)


def correlations(query: Tensor, keys: Tensor) -> Tensor:
    """c_i (..., n, N)."""
    return (keys @ query[..., None])[..., 0]


def check_correlations_vary(law: Law) -> None:
    """`ValueError` under a law that fixes all <x_0, x_i>."""
    if isinstance(law, CorrelatedKeys):
        raise ValueError(f"law must let the products of query and keys vary for this target, got {law!r}")
