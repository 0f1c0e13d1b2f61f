"""Random-feature attention: its kernels against quadrature, against finite heads and under rotations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import ortho_group

from theory.numerics import Array, fitted_slope
from theory.random_features import (
    arc_cosine,
    attention_gram,
    attention_kernel,
    biased_arc_cosine,
    biased_attention_kernel,
    mlp_gram,
    mlp_kernel,
    orthant_probability,
)
from theory.random_features.rectified import head_coefficients


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    tokens = rng.standard_normal(shape)
    return tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)


def inputs(seed: int, n: int, keys: int, d: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return sphere(rng, n, d), sphere(rng, n, keys, d)


def density(x: float) -> float:
    return float(np.exp(-x * x / 2) / np.sqrt(2 * np.pi))


def rectified_moment(a: float, b: float, r: float) -> float:
    """E[U_+ V_+] by adaptive quadrature over U; V given U is N(b + r (U - a), 1 - r^2)."""
    s = np.sqrt(1 - r * r)

    def integrand(z: float) -> float:
        m = b + r * z
        return (a + z) * density(z) * (m * ndtr(m / s) + s * density(m / s))

    kink = -b / r if r else 0.0
    points = sorted({p for p in (kink - 8 * s, kink, kink + 8 * s) if -a < p < 12})
    edges = [-a, *points, 12.0]
    return sum(quad(integrand, lo, hi, epsabs=1e-14, epsrel=1e-13)[0] for lo, hi in pairwise(edges))


MEANS = [(0.0, 0.0), (1.0, 0.3), (-1.5, 2.0), (0.0, -0.7), (2.5, 2.5), (1.0, 1.0001), (-3.0, -1.0)]


@pytest.mark.parametrize(("a", "b"), MEANS)
@pytest.mark.parametrize("r", [-0.999, -0.5, 0.0, 1e-9, 0.3, 0.9, 0.9999])
def test_biased_arc_cosine_equals_adaptive_quadrature(a: float, b: float, r: float) -> None:
    assert biased_arc_cosine(a, b, r) == pytest.approx(rectified_moment(a, b, r), abs=1e-12)


@pytest.mark.parametrize("r", [-0.99, -0.3, 0.0, 0.4, 0.95])
def test_arc_cosine_equals_adaptive_quadrature(r: float) -> None:
    assert arc_cosine(r) == pytest.approx(rectified_moment(0.0, 0.0, r), abs=1e-12)


@pytest.mark.parametrize(("a", "b"), MEANS)
@pytest.mark.parametrize("r", [-0.9, 0.0, 0.6, 0.99])
def test_orthant_probability_equals_plackett_quadrature(a: float, b: float, r: float) -> None:
    def integrand(t: float) -> float:
        return float(np.exp(-(a * a + b * b - 2 * a * b * np.sin(t)) / (2 * np.cos(t) ** 2)) / (2 * np.pi))

    value = ndtr(a) * ndtr(b) + quad(integrand, 0, np.arcsin(r), epsabs=1e-14, limit=200)[0]
    assert orthant_probability(a, b, r) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("a", [-2.0, -0.1, 0.0, 0.5, 4.0])
def test_the_ends_of_the_correlation(a: float) -> None:
    """At r = 1 both variables differ by a constant; at r = -1 by their sum."""
    np.testing.assert_allclose(biased_arc_cosine(a, a, 1.0), (a * a + 1) * ndtr(a) + a * density(a), atol=1e-14)
    low, high = 0.4, a
    first, second = min(low, high), max(low, high)  # E[(first + z)_+ (second + z)_+], both positive for z > -first
    expected = (first * second + 1) * ndtr(first) + second * density(first)
    np.testing.assert_allclose(biased_arc_cosine(low, high, 1.0), expected, atol=1e-13)
    opposite = quad(lambda z: max(a + z, 0) * max(0.4 - z, 0) * density(z), min(-a, 0.4), 0.4)[0]
    np.testing.assert_allclose(biased_arc_cosine(a, 0.4, -1.0), opposite if a > -0.4 else 0.0, atol=1e-12)


def test_known_values_of_the_arc_cosine() -> None:
    np.testing.assert_allclose(arc_cosine([-1.0, 0.0, 1.0]), [0.0, 1 / (2 * np.pi), 0.5], atol=1e-16)


# --------------------------------------------------------------------------------------- kernels of whole inputs


def features(weights: Array, x0: Array, x: Array) -> Array:
    """(n, M (d+1)) of finite heads (M, d+1, d+1), by loops: the definition."""
    heads = len(weights)
    out = np.zeros((len(x), heads, x.shape[-1] + 1))
    for n in range(len(x)):
        query = np.append(x0[n], 1.0)
        for key in x[n]:
            token = np.append(key, 1.0)
            out[n] += np.maximum(weights @ token @ query, 0)[:, None] * token
    return out.reshape(len(x), -1) / x.shape[1] / np.sqrt(heads)


def heads(seed: int, count: int, d: int, omega: float) -> Array:
    mean = np.diag([omega] * d + [0.0])
    return mean + np.random.default_rng(seed).standard_normal((count, d + 1, d + 1)) / 2


def mean_gram(omega: float, count: int, x0: Array, x: Array) -> Array:
    phi = features(np.swapaxes(heads(7 + count, count, x0.shape[-1], omega), 1, 2), x0, x)
    return phi @ phi.T


@pytest.mark.parametrize("omega", [0.0, 1.0, 3.0])
def test_finite_heads_converge_at_the_square_root_rate(omega: float) -> None:
    x0, x = inputs(0, 6, 3, 4)
    counts = [100, 400, 1600, 6400]
    kernel = attention_gram(x0, x, omega=omega)
    errors = [np.sqrt(np.mean((mean_gram(omega, m, x0, x) - kernel) ** 2)) for m in counts]
    assert -0.65 < fitted_slope(np.log(counts), np.log(errors)) < -0.35
    assert errors[-1] < 0.02 * (1 + omega**2)


def test_tokens_of_any_length_converge_too() -> None:
    rng = np.random.default_rng(1)
    x0, x = rng.standard_normal((5, 4)) / 2, rng.standard_normal((5, 3, 4)) / 2
    for omega in (0.0, 2.0):
        kernel = attention_gram(x0, x, omega=omega, on_sphere=False)
        assert np.abs(mean_gram(omega, 20000, x0, x) - kernel).max() < 0.05 * np.abs(kernel).max()


def test_mlp_kernel_is_the_limit_of_random_features() -> None:
    x0, x = inputs(3, 5, 3, 4)
    flat = np.concatenate([x0, x.reshape(5, -1), np.ones((5, 1))], axis=1)
    kernel = mlp_gram(x0, x)
    errors, counts = [], [1000, 4000, 16000, 64000]
    for m in counts:
        phi = np.maximum(flat @ np.random.default_rng(m).standard_normal((flat.shape[1], m)) / np.sqrt(5), 0)
        errors.append(np.sqrt(np.mean((phi @ phi.T / m - kernel) ** 2)))
    assert -0.65 < fitted_slope(np.log(counts), np.log(errors)) < -0.35
    np.testing.assert_allclose(np.diagonal(kernel), 0.5, atol=1e-15)


def test_leading_axes_broadcast_and_key_counts_may_differ() -> None:
    x0, x = inputs(0, 4, 3, 5)
    y0, y = inputs(1, 2, 7, 5)
    full = biased_attention_kernel(x0[:, None], x[:, None], y0, y, omega=1.5)
    assert full.shape == (4, 2)
    one = biased_attention_kernel(x0[2], x[2], y0[1], y[1], omega=1.5)
    assert one.shape == ()
    np.testing.assert_allclose(full[2, 1], one, rtol=1e-14)
    by_definition = 0.0
    for key in x[2]:
        for other in y[1]:
            keys = 1 + key @ other
            r = (1 + x0[2] @ y0[1]) * keys / 4
            by_definition += biased_arc_cosine(1.5 * x0[2] @ key, 1.5 * y0[1] @ other, r) * keys / 21
    np.testing.assert_allclose(one, by_definition, rtol=1e-13)


@pytest.mark.parametrize("memory", [1, 20_000, 10**9])
def test_gram_in_blocks_equals_the_kernel(memory: int) -> None:
    x0, x = inputs(0, 9, 3, 5)
    y0, y = inputs(1, 4, 2, 5)
    np.testing.assert_allclose(
        attention_gram(x0, x, y0, y, memory=memory), attention_kernel(x0[:, None], x[:, None], y0, y), rtol=1e-14
    )
    square = attention_gram(x0, x, omega=1.0, memory=memory)
    np.testing.assert_allclose(square, biased_attention_kernel(x0[:, None], x[:, None], x0, x, omega=1.0), rtol=1e-13)
    assert (square == square.T).all()
    np.testing.assert_allclose(mlp_gram(x0, x), mlp_kernel(x0[:, None], x[:, None], x0, x), rtol=1e-14)


@pytest.mark.parametrize("omega", [0.3, 2.0, 9.0])
def test_series_and_closed_form_of_a_gram_meet(omega: float) -> None:
    """Tokens of any length, correlations of either sign on both sides of 1/2: equal to rounding; and the bound."""
    rng = np.random.default_rng(4)
    x0, x = 2 * rng.standard_normal((12, 3)), 2 * rng.standard_normal((12, 2, 3))
    kernel = biased_attention_kernel(x0[:, None], x[:, None], x0, x, omega=omega, on_sphere=False)
    gram = attention_gram(x0, x, omega=omega, on_sphere=False)
    np.testing.assert_allclose(gram, kernel, rtol=0, atol=1e-14 * kernel.max())
    k = np.arange(2, 60)
    sizes = np.abs(head_coefficients(np.linspace(-9, 9, 1001), 60)[:, 2:])
    assert (sizes * np.sqrt(k * (k - 1))).max() < 0.4334


def test_only_the_bias_ties_the_two_spaces() -> None:
    """Rotating queries and keys apart leaves the unbiased kernel, and moves the biased one by more than 0.02."""
    x0, x = inputs(5, 2, 4, 6)
    q, k = ortho_group.rvs(6, size=2, random_state=3)

    def kernel(turn_query: Array, turn_key: Array, omega: float) -> float:
        a0, a = x0 @ turn_query, x @ turn_key
        return float(biased_attention_kernel(a0[0], a[0], a0[1], a[1], omega=omega))

    still = np.eye(6)
    assert kernel(q, k, 0.0) == pytest.approx(kernel(still, still, 0.0), rel=1e-13)
    assert kernel(q, q, 1.0) == pytest.approx(kernel(still, still, 1.0), rel=1e-13)
    assert abs(kernel(q, k, 1.0) - kernel(still, still, 1.0)) > 0.02
