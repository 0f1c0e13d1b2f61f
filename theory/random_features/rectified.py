"""Moments of two correlated rectified normal variables: what one random head has in common with itself on two inputs.

For U ~ N(a, 1), V ~ N(b, 1) with correlation r, the arc-cosine kernel is E[U_+ V_+] at a = b = 0 and the biased one
E[U_+ V_+] for any means. Both are increasing in r with slope P(U > 0, V > 0).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import ndtr, owens_t

from theory.numerics import Array
from theory.validation import finite_array, integer


def arc_cosine(correlation: ArrayLike) -> Float[Array, ...]:
    """kappa(u) = (sqrt(1 - u^2) + u (pi - arccos u)) / (2 pi) for u in [-1, 1]: 0, 1/(2 pi), 1/2 at -1, 0, 1.

    Beyond +-1 by at most 1e-9, as rounding may leave it, u counts as +-1.
    """
    return _arc_cosine(_correlation(correlation))


def biased_arc_cosine(a: ArrayLike, b: ArrayLike, correlation: ArrayLike) -> Float[Array, ...]:
    """E[U_+ V_+] for means a, b and correlation r in [-1, 1]; the three broadcast together.

    (ab + r) Phi2(a, b; r) + a phi(b) Phi((a - rb)/s) + b phi(a) Phi((b - ra)/s) + s phi(b) phi((a - rb)/s),
    s = sqrt(1 - r^2).
    """
    return _biased_arc_cosine(finite_array("a", a, ()), finite_array("b", b, ()), _correlation(correlation))


def orthant_probability(a: ArrayLike, b: ArrayLike, correlation: ArrayLike) -> Float[Array, ...]:
    """Phi2(a, b; r) = P(U > 0, V > 0), by Owen's T function; arguments as in `biased_arc_cosine`."""
    return _orthant_probability(finite_array("a", a, ()), finite_array("b", b, ()), _correlation(correlation))


def head_coefficients(mean: ArrayLike, count: int) -> Float[Array, "... k"]:
    """a_k(m)/sqrt(k!) for k = 0..count - 1: E[U_+ V_+] is sum_k r^k times those of a times those of b, |r| < 1.

    a_0 = m Phi + phi, a_1 = Phi and each next one the derivative of the last, which are Hermite functions from a_2 on.
    """
    m, count = finite_array("mean", mean, ()), integer("count", count, least=1)
    density, distribution = _density(m), ndtr(m)
    a = np.empty((*m.shape, max(count, 4)))
    a[..., 0], a[..., 1] = m * distribution + density, distribution
    hermite = [density, -m * density]  # (-1)^j He_j(m) phi(m) / sqrt(j!)
    for j in range(a.shape[-1] - 2):
        a[..., j + 2] = hermite[j] / np.sqrt((j + 1) * (j + 2))
        hermite.append(-(m * hermite[j + 1] + np.sqrt(j + 1) * hermite[j]) / np.sqrt(j + 2))
    return a[..., :count]


def _correlation(correlation: ArrayLike) -> Array:
    r = finite_array("correlation", correlation, ())
    if np.abs(r).max() > 1 + 1e-9:
        raise ValueError(f"correlation must be in [-1, 1], got {r.flat[np.abs(r).argmax()]} among its entries")
    return r


def _arc_cosine(u: Array) -> Array:
    u = np.clip(u, -1.0, 1.0)
    return (np.sqrt((1 - u) * (1 + u)) + u * (np.pi - np.arccos(u))) / (2 * np.pi)


def _density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def _distances(a: Array, b: Array, r: Array) -> tuple[Array, Array, Array]:
    """s, (a - rb)/s and (b - ra)/s, with s kept off zero: at r = +-1 only the signs of the other two matter.

    From a -+ b and 1 -+ r, so that rounding is the same in both where s is small and divides it.
    """
    s = np.maximum(np.sqrt((1 - r) * (1 + r)), 1e-150)
    sign = np.where(r < 0, -1.0, 1.0)
    gap, rest = a - sign * b, sign - r
    return s, (gap + rest * b) / s, (rest * a - sign * gap) / s


def _biased_arc_cosine(a: Array, b: Array, r: Array) -> Array:
    r = np.clip(r, -1.0, 1.0)
    s, ahead, behind = _distances(a, b, r)
    linear = a * _density(b) * ndtr(ahead) + b * _density(a) * ndtr(behind) + s * _density(b) * _density(ahead)
    return (a * b + r) * _orthant_probability(a, b, r) + linear


def _orthant_probability(a: Array, b: Array, r: Array) -> Array:
    """(Phi(a) + Phi(b))/2 - T(a, (b - ra)/(as)) - T(b, (a - rb)/(bs)) - 1/2 [a, b of opposite signs], Owen (1956)."""
    r = np.clip(r, -1.0, 1.0)
    a, b = (np.where(np.abs(m) < 1e-200, 0.0, m) for m in (a, b))  # nothing to divide by: -0, or too small to be exact
    a, b, r = np.broadcast_arrays(a, b, r)
    _, ahead, behind = _distances(a, b, r)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tails = owens_t(a, behind / a) + owens_t(b, ahead / b)
    product = np.sign(a) * np.sign(b)
    opposite = (product < 0) | ((product == 0) & (a + b < 0))
    value = 0.5 * (ndtr(a) + ndtr(b) - opposite) - tails
    return np.where((a == 0) & (b == 0), 0.25 + np.arcsin(r) / (2 * np.pi), value)
