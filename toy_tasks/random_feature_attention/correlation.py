"""Averages over the keys weighted by their correlation with the query, and their exact moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from toy_tasks.random_feature_attention.moments import (
    normal_length_moment,
    pairings,
    quadratic_moment,
    sphere_moment,
)
from toy_tasks.random_feature_attention.targets import MeanAndVariance, check_correlations_vary
from toy_tasks.random_feature_attention.tokens import CorrelatedKeys, GaussianTokens, Law, SphereTokens
from toy_tasks.random_feature_attention.truth import Truth
from toy_tasks.validation import count, scalar

Isotropic = SphereTokens | GaussianTokens
Moments = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Correlation:
    """(1/N) sum_i <x_0, S x_i>^p b_i^q with S = (1 - alignment) Z + alignment I; p, q >= 0, not both 0.

    query_power, key_power   p and q.
    without_query_part       subtract E[. | x_0], the part that does not average out over the keys ("coherent").
    """

    query_power: int = 1
    key_power: int = 1
    alignment: float = 1.0
    without_query_part: bool = False

    def __post_init__(self) -> None:
        p, q = count("query_power", self.query_power, least=0), count("key_power", self.key_power, least=0)
        if p + q < 1:
            raise ValueError("query_power and key_power must not both be 0, got 0 and 0")
        scalar("alignment", self.alignment, low=0, high=1)

    @property
    def mixes(self) -> bool:
        """Whether Z matters."""
        return self.alignment != 1 and self.query_power > 0

    def check(self, law: Law, keys: int) -> None:
        """Where keys depend on the query, S must be I and q >= 1."""
        if self.key_power == 0:
            check_correlations_vary(law)
        if isinstance(law, CorrelatedKeys) and self.mixes:
            raise ValueError(f"alignment must be 1 where keys depend on the query, got {self.alignment!r} for {law!r}")

    def values(self, query: Tensor, keys: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n)."""
        probe = query @ self.matrix(truth).to(query) if self.mixes else query
        correlated = (keys @ probe[..., None])[..., 0]
        whole = (correlated**self.query_power * truth.along(keys) ** self.key_power).mean(dim=-1)
        return whole - self.query_part(query, law, truth) if self.without_query_part else whole

    def query_part(self, query: Tensor, law: Law, truth: Truth) -> Tensor:
        """(..., n) E[. | x_0]."""
        p, q, along = self.query_power, self.key_power, truth.along(query)
        if isinstance(law, CorrelatedKeys):
            return _horner(law.rho**p * _power_given_query(law, truth.dimension, q), along)
        probe = query @ self.matrix(truth).to(query) if self.mixes else query
        along, squared = truth.along(probe), (probe**2).sum(dim=-1)
        terms = (w * along**j * squared ** ((p - j) // 2) for j, w in pairings(p, q).items())
        return _scale(law, truth.dimension, p + q) * sum(terms, torch.zeros_like(along))

    def moments(self, law: Law, keys: int, truth: Truth) -> MeanAndVariance:
        """Of every replica given its S, or of all alike where S is the identity."""
        p, q, d = self.query_power, self.key_power, truth.dimension
        if isinstance(law, CorrelatedKeys):
            first, given, second = _correlated(p, q, law, d)
        elif not self.mixes:
            first, given, second = _independent(p, q, law, np.eye(d), np.eye(d)[0])
        else:
            matrices, betas = (
                x.reshape(-1, d, x.shape[-1]).cpu().numpy() for x in (self.matrix(truth), truth.beta[..., None])
            )
            each = [_independent(p, q, law, s, beta[:, 0]) for s, beta in zip(matrices, betas, strict=True)]
            first, given, second = np.array(each).T.reshape(3, *truth.beta.shape[:-1])
        if self.without_query_part:
            return np.zeros_like(first), (second - given) / keys
        return first, second / keys + (1 - 1 / keys) * given - first**2

    def matrix(self, truth: Truth) -> Tensor:
        """(..., d, d) S."""
        z = truth.mixing
        return (1 - self.alignment) * z + self.alignment * torch.eye(truth.dimension, dtype=z.dtype, device=z.device)


def average(power: int) -> Correlation:
    """(1/N) sum_i b_i^p, p >= 1."""
    return Correlation(0, count("power", power))


# Each of the two gives E F, E (E[F | x_0])^2 and E F^2 of one summand F = <x_0, S x>^p <beta, x>^q.


def _independent(p: int, q: int, law: Isotropic, s: np.ndarray, beta: np.ndarray) -> Moments:
    """By Wick's theorem for the key and then for the query: E[F | x_0] is a polynomial in |S^T x_0|, <x_0, S beta>."""
    d = len(beta)

    def over_query(degree: int, power: int) -> float:  # E |S^T x_0|^(degree - power) <x_0, S beta>^power
        if degree % 2 or power % 2:
            return 0.0
        return _scale(law, d, degree) * quadratic_moment(s @ s.T, s @ beta, (degree - power) // 2, power)

    once, twice = pairings(p, q), pairings(2 * p, 2 * q)
    first = sum(w * over_query(p, j) for j, w in once.items())
    given = sum(v * w * over_query(2 * p, j + k) for j, v in once.items() for k, w in once.items())
    second = sum(w * over_query(2 * p, j) for j, w in twice.items())
    scale = _scale(law, d, p + q)
    return np.array(scale * first), np.array(scale**2 * given), np.array(_scale(law, d, 2 * p + 2 * q) * second)


def _scale(law: Isotropic, d: int, n: int) -> float:
    """E|x|^n over that of a standard normal: any moment of degree n of an isotropic token, over the normal's."""
    return law.length_moment(d, n) / normal_length_moment(d, n)


def _correlated(p: int, q: int, law: CorrelatedKeys, d: int) -> Moments:
    """F = rho^p b^q, of which the conditional mean is a polynomial in <beta, x_0>."""

    def mean(polynomial: Polynomial) -> np.ndarray:
        return np.array(sum(float(c) * sphere_moment(d, k) for k, c in enumerate(polynomial.coef)))

    once, twice = _power_given_query(law, d, q), _power_given_query(law, d, 2 * q)
    return law.rho**p * mean(once), law.rho ** (2 * p) * mean(once**2), law.rho ** (2 * p) * mean(twice)


def _power_given_query(law: CorrelatedKeys, d: int, q: int) -> Polynomial:
    """E[b^q | x_0] as a polynomial in u = <beta, x_0>: b = rho u + sqrt((1 - rho^2)(1 - u^2)) t, t in d - 1 dims."""
    spread = 1 - law.rho**2
    along, across, total = Polynomial([0.0, law.rho]), Polynomial([spread, 0.0, -spread]), Polynomial([0.0])
    for j in range(0, q + 1, 2):
        weight = Polynomial([math.comb(q, j) * sphere_moment(d - 1, j)])
        total = total + weight * along ** (q - j) * across ** (j // 2)
    return total


def _horner(polynomial: Polynomial, x: Tensor) -> Tensor:
    result = torch.zeros_like(x)
    for coefficient in polynomial.coef[::-1]:
        result = result * x + float(coefficient)
    return result
