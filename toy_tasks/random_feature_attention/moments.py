"""Exact moments of normal vectors and of points of the sphere, from which the targets' variances are made."""

from __future__ import annotations

import math

import numpy as np


def odd_factorial(n: int) -> int:
    """(n - 1)!! = 1 * 3 * .. * (n - 1) for even n >= 0, the n-th moment of a standard normal; 0 for odd n."""
    return 0 if n % 2 else math.prod(range(1, n, 2))


def normal_length_moment(dimension: int, n: int) -> float:
    """E|z|^n of z ~ N(0, I_d), n >= 0."""
    return math.exp(n / 2 * math.log(2) + math.lgamma((dimension + n) / 2) - math.lgamma(dimension / 2))


def sphere_moment(dimension: int, n: int) -> float:
    """E[t^n] of one coordinate t of a uniform unit vector in d >= 1 dimensions."""
    return math.prod((j - 1) / (dimension + j - 2) for j in range(2, n + 1, 2)) if n % 2 == 0 else 0.0


def pairings(p: int, q: int) -> dict[int, int]:
    """j -> w_j such that E[<a, z>^p <b, z>^q] = sum_j w_j <a, b>^j |a|^(p-j) |b|^(q-j) for z ~ N(0, I) (Wick)."""
    return {
        j: math.comb(p, j) * math.comb(q, j) * math.factorial(j) * odd_factorial(p - j) * odd_factorial(q - j)
        for j in range(min(p, q) + 1)
        if (p - j) % 2 == (q - j) % 2 == 0
    }


def quadratic_moment(matrix: np.ndarray, vector: np.ndarray, a: int, n: int) -> float:
    """E[(z^T A z)^a <v, z>^n] for z ~ N(0, I), A symmetric, n even.

    The coefficient of s^a in a! (n-1)!! h(s)^(n/2) D(s), with h = v^T (1 - 2sA)^-1 v and D = det(1 - 2sA)^(-1/2).
    """
    h, cumulants, power = np.empty(a + 1), np.empty(a + 1), np.eye(len(matrix))
    for k in range(a + 1):
        h[k], cumulants[k] = 2**k * vector @ power @ vector, 2.0**k * np.trace(power) / 2
        power = power @ matrix
    series = np.zeros(a + 1)
    series[0] = 1.0
    for k in range(1, a + 1):  # D' = D sum_k cumulants_k s^(k-1)
        series[k] = series[:k] @ cumulants[k:0:-1] / k
    for _ in range(n // 2):
        series = np.convolve(series, h)[: a + 1]
    return float(math.factorial(a) * odd_factorial(n) * series[a])


def largest_on_sphere(dimension: int, count: int) -> tuple[float, float]:
    """Mean and second moment of the largest of `count` independent coordinates t of uniform unit vectors, d >= 2.

    By parts, 1 - int F^N dt and 1 - int 2t F^N dt over [-1, 1], t = sin(angle).
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    angle = nodes * np.pi / 2
    sine, cosine = np.sin(angle), np.cos(angle)
    # int cos^k = cos^(k-1) sin / k + (k-1)/k int cos^(k-2), of k = d - 2, from 0 to the angle and to pi/2
    part, whole = (sine, 1.0) if dimension % 2 else (angle, np.pi / 2)
    for k in range(2 + dimension % 2, dimension - 1, 2):
        part, whole = cosine ** (k - 1) * sine / k + (k - 1) / k * part, (k - 1) / k * whole
    below = ((1 + part / whole) / 2) ** count * weights * np.pi / 2 * cosine
    return float(1 - below.sum()), float(1 - 2 * sine @ below)


def largest_normal(count: int) -> tuple[float, float]:
    """Mean and second moment of the largest of `count` independent standard normals."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = 9 * nodes
    below = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in z])
    density = 9 * weights * count * below ** (count - 1) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(z @ density), float(z**2 @ density)
