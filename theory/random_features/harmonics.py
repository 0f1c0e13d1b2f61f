"""Spherical harmonics as far as kernels of inner products need them: their number, and moments against them.

t is the inner product of two independent uniform points of the unit sphere in R^d, and P_b the Gegenbauer polynomial of
degree b with P_b(1) = 1. A kernel g(t) has the eigenvalue E[g(t) P_b(t)] on the N(d, b) harmonics of degree b.
"""

from __future__ import annotations

from math import comb

import numpy as np
from jaxtyping import Float
from scipy.special import betaln, gammaln

from theory.numerics import Array
from theory.validation import integer


def harmonics(dimension: int, degree: int) -> int:
    """N(d, b), the number of independent harmonics of degree b >= 0 in d >= 2 dimensions: 1, d, (d + 2)(d - 1)/2, .."""
    d, b = integer("dimension", dimension, least=2), integer("degree", degree, least=0)
    return comb(b + d - 1, d - 1) - (comb(b + d - 3, d - 1) if b >= 2 else 0)


def power_moments(dimension: int, degree: int, count: int) -> Float[Array, " k"]:
    """E[t^k P_b(t)] for k = 0..count - 1: zero unless k >= b and k - b is even."""
    h, b = (integer("dimension", dimension, least=2) - 1) / 2, integer("degree", degree, least=0)
    moments = np.zeros(integer("count", count, least=1))
    k = np.arange(b, count, 2)
    rising = gammaln(h + b) - gammaln(h) + b * np.log(2)
    size = gammaln(k + 1) - gammaln(k - b + 1) - rising + betaln((k - b + 1) / 2, h + b) - betaln(0.5, h)
    moments[b::2] = np.exp(size)
    return moments


def shifted_moments(dimension: int, degree: int, count: int) -> Float[Array, " k"]:
    """E[((1 + t)/2)^k P_b(t)] for k = 0..count - 1: zero below k = b, then by the ratio of neighbours."""
    h, b = (integer("dimension", dimension, least=2) - 1) / 2, integer("degree", degree, least=0)
    moments = np.zeros(integer("count", count, least=1))
    if b >= count:
        return moments
    first = np.prod([(j + 1) * (h + j) / ((2 * h + 2 * j) * (2 * h + 2 * j + 1)) for j in range(b)])
    k = np.arange(b, count - 1)
    moments[b:] = first * np.cumprod(np.append(1.0, (k + 1) * (h + k) / ((k + 1 - b) * (2 * h + k + b))))
    return moments


def arc_cosine_coefficients(count: int) -> Float[Array, " k"]:
    """c_0..c_{count-1} of kappa(u) = sum_k c_k u^k: 1/(2 pi), 1/4, 1/(4 pi), 0, .. and 0 at every odd k >= 3."""
    coefficients = np.zeros(integer("count", count, least=2))
    k = np.arange(0, count - 2, 2)
    coefficients[::2] = np.cumprod(np.append(1.0, (k - 1.0) ** 2 / ((k + 1) * (k + 2)))) / (2 * np.pi)
    coefficients[1] = 0.25
    return coefficients


def completed_sum(terms: Array, decay: float) -> float:
    """sum_k of terms f(k), k = 0, 1, .., zero at odd k >= 3, with the part beyond the list where f falls like k^-decay.

    Partial sums to n behave as S + n^(1 - decay) (a_0 + a_1/n + ..): those to 0.7^j of the list, j = 0..4, give S.
    """
    total, last = terms.sum(), (len(terms) - 1) // 2 * 2
    if abs(terms[last]) * len(terms) <= 1e-17 * abs(total):
        return float(total)
    ends = [2 * round(last * 0.7**j / 2) for j in range(5)]
    n = np.array(ends, dtype=np.float64) + 1.0  # half-way to the next term
    powers = (n[:, None] / n[0]) ** np.concatenate([[0.0], 1 - decay - np.arange(4)])
    return float(np.linalg.solve(powers, [terms[: end + 1].sum() for end in ends])[0])
