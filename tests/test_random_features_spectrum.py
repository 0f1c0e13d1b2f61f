"""Eigenvalues against quadrature, traces, masses of targets and norms of the random-feature kernels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import eval_chebyt, eval_gegenbauer

from theory.numerics import Array
from theory.random_features import (
    Masses,
    Spectrum,
    arc_cosine,
    attention_kernel,
    attention_spectrum,
    average_masses,
    centred,
    correlation_masses,
    harmonics,
    mlp_kernel,
    mlp_monomial_bound,
    mlp_spectrum,
    monomial_bound,
    query_masses,
    rademacher_bound,
    rkhs_norm,
)
from theory.random_features.harmonics import arc_cosine_coefficients, power_moments, shifted_moments


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    tokens = rng.standard_normal(shape)
    return tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)


def overlaps(dimension: int, nodes: int = 300) -> tuple[Array, Array]:
    """Nodes t = cos(theta) and weights for means over the inner product of two uniform points."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    theta = (x + 1) * np.pi / 2
    weight = weight * np.sin(theta) ** (dimension - 2)
    return np.cos(theta), weight / weight.sum()


def gegenbauer(dimension: int, degree: int, t: Array) -> Array:
    if dimension == 2:
        return eval_chebyt(degree, t)
    return eval_gegenbauer(degree, dimension / 2 - 1, t) / eval_gegenbauer(degree, dimension / 2 - 1, 1.0)


@pytest.mark.parametrize("d", [2, 3, 8, 16])
def test_attention_eigenvalues_equal_two_dimensional_quadrature(d: int) -> None:
    t, w = overlaps(d)
    kernel = arc_cosine(np.outer(1 + t, 1 + t) / 4) * (1 + t)
    spectrum = attention_spectrum(d, 5, 4)
    for a, b in spectrum.modes:
        value = (w * gegenbauer(d, a, t)) @ kernel @ (w * gegenbauer(d, b, t)) / (5 if b else 1)
        assert spectrum.eigenvalue(a, b) == pytest.approx(value, rel=1e-10, abs=1e-17)


@pytest.mark.parametrize("d", [2, 3, 6])
def test_mlp_eigenvalues_equal_two_dimensional_quadrature(d: int) -> None:
    """One key, so that both tokens are integrated."""
    t, w = overlaps(d)
    kernel = arc_cosine((1 + t[:, None] + t) / 3)
    spectrum = mlp_spectrum(d, 1, 4)
    for mode, value in zip(spectrum.modes, spectrum.eigenvalues, strict=True):
        a, b = (*mode, 0, 0)[:2]
        quadrature = (w * gegenbauer(d, a, t)) @ kernel @ (w * gegenbauer(d, b, t))
        assert value == pytest.approx(quadrature, rel=1e-10, abs=0.0)


ATTENTION_REFERENCE = {
    8: "0.2372838 4.734945e-3 2.498424e-4 4.847114e-6 1.054452e-2 3.106956e-4 3.685600e-5 1.830061e-4 7.060703e-6 "
    "1.378754e-6",
    16: "0.2318997 1.176349e-3 3.420296e-5 3.720116e-7 4.902207e-3 3.842369e-5 2.547446e-6 4.312199e-5 4.611603e-7 "
    "5.177979e-8",
}
MLP_REFERENCE = {
    8: "0.1858538 3.325417e-3 2.011036e-5 2.513681e-5 1.772634e-8",
    16: "0.1735511 8.988232e-4 1.711083e-6 1.924964e-6 2.683886e-10",
}


@pytest.mark.parametrize("d", [8, 16])
def test_reference_values(d: int) -> None:
    """d = N: the values recorded when the closed form was first derived, digit by digit."""
    modes = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    attention, mlp = attention_spectrum(d, d, 3), mlp_spectrum(d, d, 3)
    values = [attention.eigenvalue(*m) for m in modes]
    assert [f"{x:.6e}" for x in values] == [f"{float(x):.6e}" for x in ATTENTION_REFERENCE[d].split()]
    values = [mlp.eigenvalues[mlp.modes.index(m)] for m in ((), (1,), (2,), (1, 1), (3,))]
    assert [f"{x:.6e}" for x in values] == [f"{float(x):.6e}" for x in MLP_REFERENCE[d].split()]


@pytest.mark.parametrize("d", [2, 3, 5, 8])
def test_traces_are_those_of_the_kernels(d: int) -> None:
    """All modes together make E[K(x, x)]: 1 for one key, T_0 + (1 - T_0)/N for N keys, 1/2 for the MLP."""
    one = attention_spectrum(d, 1, 40)
    assert one.trace == pytest.approx(1.0, abs=1e-13)
    assert 0 < one.tail < 2e-5
    x0, x = sphere(np.random.default_rng(d), 4000, d), sphere(np.random.default_rng(9), 4000, 6, d)
    sampled = attention_kernel(x0, x, x0, x)
    assert abs(sampled.mean() - attention_spectrum(d, 6, 4).trace) < 4 * sampled.std() / np.sqrt(4000)
    mlp = mlp_spectrum(d, 1, 20)
    assert mlp.trace == pytest.approx(0.5, abs=1e-13)
    assert 0 < mlp.tail < 1e-4


def test_key_free_trace_equals_quadrature() -> None:
    """T_0 = E[kappa((1 + t)/2) (1 + t)], recovered from the trace for two keys."""
    for d in (2, 3, 8):
        t, w = overlaps(d)
        assert 2 * attention_spectrum(d, 2, 0).trace - 1 == pytest.approx(
            w @ (arc_cosine((1 + t) / 2) * (1 + t)), rel=1e-11
        )


def test_series_of_the_arc_cosine() -> None:
    u = np.linspace(-0.9, 0.9, 7)
    series = (arc_cosine_coefficients(400) * u[:, None] ** np.arange(400)).sum(axis=1)
    np.testing.assert_allclose(series, arc_cosine(u), atol=1e-14)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_moments_against_quadrature(d: int) -> None:
    t, w = overlaps(d)
    for b in range(5):
        polynomial, k = gegenbauer(d, b, t), np.arange(12)[:, None]
        np.testing.assert_allclose(power_moments(d, b, 12), (w * polynomial * t**k).sum(axis=1), atol=1e-14)
        np.testing.assert_allclose(shifted_moments(d, b, 12), (w * polynomial * ((1 + t) / 2) ** k).sum(1), atol=1e-14)


def test_numbers_of_harmonics() -> None:
    assert [harmonics(2, b) for b in range(4)] == [1, 2, 2, 2]
    assert [harmonics(3, b) for b in range(5)] == [1, 3, 5, 7, 9]
    assert [harmonics(8, b) for b in range(3)] == [1, 8, 35]


# ---------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("d", [2, 4, 8])
@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_masses_sum_to_the_second_moment(d: int, power: int) -> None:
    t, w = overlaps(d)
    mean, square = w @ t**power, w @ t ** (2 * power)
    assert sum(query_masses(d, power).values()) == pytest.approx(square, rel=1e-12)
    assert sum(average_masses(d, 5, power).values()) == pytest.approx(square / 5 + 0.8 * mean**2, rel=1e-12)
    aligned = (w @ t ** (power + 1)) ** 2
    assert sum(correlation_masses(d, 5, power).values()) == pytest.approx((square / 5 + 0.8 * aligned) / d, rel=1e-12)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_correlation_is_split_between_two_key_degrees(power: int) -> None:
    """N_a N_b E[f f' P_a P_b] by sampling, one key; averaged over beta, f f' is <x0,x>^p <y0,y>^p <x,y>/d."""
    d, rng, many = 4, np.random.default_rng(power), 400_000
    x0, x, y0, y = (sphere(rng, many, d) for _ in range(4))
    across, between = (x0 * y0).sum(1), (x * y).sum(1)
    product = ((x0 * x).sum(1) * (y0 * y).sum(1)) ** power * between / d
    for (a, b), mass in correlation_masses(d, 1, power).items():
        sampled = harmonics(d, a) * harmonics(d, b) * product * gegenbauer(d, a, across) * gegenbauer(d, b, between)
        assert abs(sampled.mean() - mass) < 4 * sampled.std() / np.sqrt(many)


def test_quadratic_forms_of_the_kernels() -> None:
    """E[f(x) K(x, y) f(y)] = sum lambda v^2 for several keys, by sampling: eigenvalues, masses and the 1/N together."""
    d, keys, many, rng = 3, 2, 300_000, np.random.default_rng(4)
    (x0, y0), (x, y) = sphere(rng, 2, many, d), sphere(rng, 2, many, keys, d)
    beta = np.eye(d)[0]
    targets = {
        "avg_2": (average_masses(d, keys, 2), lambda a0, a: ((a @ beta) ** 2).mean(1)),
        "corr_1": (correlation_masses(d, keys, 1), lambda a0, a: ((a @ a0[..., None])[..., 0] * (a @ beta)).mean(1)),
    }
    kernels = {attention_kernel: attention_spectrum(d, keys, 4), mlp_kernel: mlp_spectrum(d, keys, 4)}
    for kernel, spectrum in kernels.items():
        for masses, function in targets.values():
            sampled = function(x0, x) * kernel(x0, x, y0, y) * function(y0, y)
            weights, unlisted = spectrum.weights(masses)
            assert unlisted == 0.0
            error = sampled.std() / np.sqrt(many)
            assert error < 0.06 * (spectrum.eigenvalues @ weights)
            assert abs(sampled.mean() - spectrum.eigenvalues @ weights) < 4 * error


def test_centred_drops_the_constant_and_named_modes() -> None:
    target = correlation_masses(8, 4, 1)
    assert set(centred(target, (1, 0))) == {(1, 2)}
    assert (0, 0) not in centred(average_masses(8, 4, 2))


# ------------------------------------------------------------------------------------------------------- norms


def test_norms_and_bounds_of_averages() -> None:
    """d = N = 16, powers 1 to 4, against recorded values of the norms and of the bounds."""
    attention, mlp = attention_spectrum(16, 16, 4), mlp_spectrum(16, 16, 4)
    exact = [rkhs_norm(attention, average_masses(16, 16, p)) for p in (1, 2, 3, 4)]
    np.testing.assert_allclose(exact, [3.32, 11.9, 146, 3067], rtol=3e-3)
    np.testing.assert_allclose([monomial_bound(0, p) for p in (1, 2, 3, 4)], [6.28, 16, 201, 7721], rtol=1e-3)
    flat = [rkhs_norm(mlp, average_masses(16, 16, p)) for p in (1, 2, 3, 4)]
    np.testing.assert_allclose(flat, [4.35, 238, 2.02e5, 6.81e5], rtol=2e-3)
    assert all(f <= mlp_monomial_bound(16, p) for p, f in zip((1, 2, 3, 4), flat, strict=True))
    np.testing.assert_allclose(np.divide(flat, exact), [1.3, 20, 1385, 222], rtol=0.01)


@pytest.mark.parametrize("keys", [1, 7])
def test_norms_of_correlations(keys: int) -> None:
    """For any number of keys. |x_0^T x| <beta, x> has |A|_F^2 = (d + 1)/2 once symmetric in the two key slots."""
    for d, exact in ((8, 46.6), (16, 89.9), (64, 347.0)):
        norm = rkhs_norm(attention_spectrum(d, keys, 2), correlation_masses(d, keys, 1))
        assert norm == pytest.approx(exact, rel=2e-3)
        assert norm < monomial_bound(1, 2, size=(d + 1) / 2)
        assert monomial_bound(1, 2, size=(d + 1) / 2) == pytest.approx(8 * (d + 1))


def test_norm_of_correlations_grows_like_a_power_of_the_dimension() -> None:
    for power, ends in ((1, (6.1, 5.4)), (2, (30.9, 25.1)), (3, (47.6, 43.3))):
        norms = [rkhs_norm(attention_spectrum(d, 1, 5), correlation_masses(d, 1, power)) / d**power for d in (4, 64)]
        np.testing.assert_allclose(norms, ends, rtol=0.01)


def test_norm_needs_every_mode_of_the_target() -> None:
    with pytest.raises(ValueError, match="raise max_degree"):
        rkhs_norm(attention_spectrum(4, 2, 2), average_masses(4, 2, 3))


@pytest.mark.parametrize("keys", [1, 8])
def test_rademacher_complexity_stays_below_its_bound(keys: int) -> None:
    """(R/n) E sqrt(s^T K s) over random signs s."""
    rng = np.random.default_rng(0)
    x0, x = sphere(rng, 200, 8), sphere(rng, 200, keys, 8)
    gram = attention_kernel(x0[:, None], x[:, None], x0, x)
    signs = rng.choice([-1.0, 1.0], (2000, 200))
    complexity = np.sqrt(np.einsum("sn,nm,sm->s", signs, gram, signs)).mean() / 200
    assert 0.9 * rademacher_bound(gram, 1.0) < complexity < rademacher_bound(gram, 1.0) <= 1 / np.sqrt(200)


def test_spectra_can_be_made_by_hand() -> None:
    spectrum = Spectrum(((0, 0), (1, 0)), np.array([0.5, 0.1]), np.array([1.0, 3.0]), 0.2)
    target: Masses = {(1, 0): 2.0, (5, 5): 1.0}
    assert spectrum.trace == pytest.approx(1.0)
    weights, unlisted = spectrum.weights(target)
    assert weights.tolist() == [0.0, 2.0]
    assert unlisted == 1.0
