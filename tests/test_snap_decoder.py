"""The decoder's closed form, the scale of what it sends back, and Theorem 4, each against another route."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize_scalar

from theory.scan_and_snap import (
    backpropagated_integral,
    backpropagated_peak,
    backpropagated_scale,
    decoder_gap,
    discrete_decoder_gap,
    gradient_coefficients,
    growth_factor,
    transition_times,
)

TAUS = np.concatenate([[0.0], np.geomspace(1e-20, 1e8, 300)])


@pytest.mark.parametrize("vocabulary", [2, 3, 34, 1000, 10**6])
def test_gap_solves_its_first_integral(vocabulary: int) -> None:
    """Residual <= 1e-12 (M tau + 1), and <= 1e-14 relative with the 1 taken off both sides."""
    u = decoder_gap(vocabulary, TAUS)
    assert u[0] == 0.0
    residual = np.exp(u) + (vocabulary - 1) * u - (vocabulary * TAUS + 1)
    assert (np.abs(residual) <= 1e-12 * (vocabulary * TAUS + 1)).all()
    small = np.expm1(u) + (vocabulary - 1) * u
    np.testing.assert_allclose(small, vocabulary * TAUS, rtol=1e-14)


@pytest.mark.parametrize("vocabulary", [2, 34, 10**6])
@pytest.mark.parametrize("tau", [1e-15, 1e-3, 0.7, 20.0, 1e5, 1e8])
def test_gap_equals_mpmath(vocabulary: int, tau: float) -> None:
    with mpmath.workdps(60):
        start = min(mpmath.mpf(tau), mpmath.log(1 + vocabulary * mpmath.mpf(tau)))
        u = mpmath.findroot(lambda u: mpmath.expm1(u) + (vocabulary - 1) * u - vocabulary * mpmath.mpf(tau), start)
        assert float(decoder_gap(vocabulary, tau)) == pytest.approx(float(u), rel=1e-14)


@pytest.mark.parametrize("vocabulary", [2, 34, 1000])
def test_gap_follows_its_ode(vocabulary: int) -> None:
    """du/d tau = M / (M - 1 + e^u), integrated without the closed form."""
    times = np.linspace(0, 50, 11)
    solution = solve_ivp(
        lambda _, u: vocabulary / (vocabulary - 1 + np.exp(u)), (0, 50), [0.0], t_eval=times, rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(decoder_gap(vocabulary, times), solution.y[0], rtol=0, atol=1e-9)


# figure 8, K = 1, after 70 steps: h* for eta_Y = 0.1, 0.2, 0.5, 1, 2, 4
FIGURE_8 = {
    50: (0.095685, 0.120644, 0.145415, 0.161493, 0.176567),
    1000: (0.006418, 0.008626, 0.010154, 0.011020, 0.011800, 0.012541),
}


@pytest.mark.parametrize("vocabulary", FIGURE_8)
def test_discrete_gap_equals_figure_8(vocabulary: int) -> None:
    rates = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)[: len(FIGURE_8[vocabulary])]
    steps = [discrete_decoder_gap(vocabulary, rate, 70)[-1] / vocabulary for rate in rates]
    np.testing.assert_allclose(steps, FIGURE_8[vocabulary], rtol=0, atol=1e-6)
    ahead = steps - decoder_gap(vocabulary, 70 * np.array(rates)) / vocabulary
    low, high = {50: (3.6e-4, 7.7e-4), 1000: (1.4e-5, 4.4e-5)}[vocabulary]
    assert ahead.min() > low
    assert ahead.max() < high


def test_discrete_gap_is_gradient_descent_on_one_class() -> None:
    """Gradient ascent on log softmax(w)_0 from w = 0 opens this gap."""
    w = np.zeros(7)
    for expected in discrete_decoder_gap(7, 0.8, 30):
        assert w[0] - w[1] == pytest.approx(expected, rel=1e-13, abs=1e-15)
        share = np.exp(w) / np.exp(w).sum()
        w = w + 0.8 * (np.eye(7)[0] - share)


@pytest.mark.parametrize(("vocabulary", "scale", "tau"), [(1000, 4.41608, 5.6401), (34, 1.81536, 3.27546)])
def test_peak_of_the_scale(vocabulary: int, scale: float, tau: float) -> None:
    peak = backpropagated_peak(vocabulary)
    assert peak.scale == pytest.approx(scale, abs=0.5001e-5)
    assert peak.tau == pytest.approx(tau, abs=0.5001e-4 if vocabulary == 1000 else 0.5001e-5)
    assert decoder_gap(vocabulary, peak.tau) == pytest.approx(peak.gap, rel=1e-13)
    found = minimize_scalar(
        lambda x: -float(backpropagated_scale(vocabulary, x)), bounds=(0, 100), options={"xatol": 1e-9}
    )
    assert -found.fun == pytest.approx(peak.scale, rel=1e-12)
    assert found.x == pytest.approx(peak.tau, rel=1e-5)


@pytest.mark.parametrize("vocabulary", [2, 34, 1000])
@pytest.mark.parametrize("tau", [0.01, 3.0, 200.0])
def test_integral_of_the_scale_equals_quadrature(vocabulary: int, tau: float) -> None:
    integral = quad(lambda x: float(backpropagated_scale(vocabulary, x)), 0, tau, epsrel=1e-12, limit=200)[0]
    assert backpropagated_integral(vocabulary, tau) == pytest.approx(integral, rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_coefficients_rebuild_the_gradient(seed: int) -> None:
    """Y = F G^{-1} W from its definition, g_n = Y (e_n - alpha_n) by brute force, and xi from beta and the overlaps."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 7))
    vocabulary, tokens = classes + int(rng.integers(1, 30)), classes + int(rng.integers(1, 8))
    features = rng.random((classes, tokens))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    gap = rng.uniform(0.01, 8)
    w = gap * (np.eye(classes, vocabulary) - 1 / vocabulary)
    decoder = np.linalg.pinv(features) @ w  # F G^{-1} W: pinv of full row rank
    exponentials = np.exp(features @ decoder)
    error = np.eye(classes, vocabulary) - exponentials / exponentials.sum(axis=1, keepdims=True)
    gradient = error @ decoder.T
    gamma = (vocabulary - 1) ** 2 / vocabulary * gap / (vocabulary - 1 + np.exp(gap))
    iota, beta, xi = gradient_coefficients(features, vocabulary)
    np.testing.assert_allclose(gamma * (iota[:, None] * features - beta @ features), gradient, rtol=0, atol=1e-9)
    overlap = features @ features.T - np.eye(classes)
    np.testing.assert_allclose(xi, (beta * overlap).sum(axis=1), rtol=1e-8, atol=1e-10)


def test_coefficients_of_equal_overlaps() -> None:
    """G^{-1} in closed form for kappa = 0.3, K = 4."""
    kappa, classes, vocabulary = 0.3, 4, 50
    features = np.linalg.cholesky((1 - kappa) * np.eye(classes) + kappa)
    iota, beta, xi = gradient_coefficients(features, vocabulary)
    off, rows = -kappa / ((1 - kappa) * (1 + 3 * kappa)), 1 / (1 + 3 * kappa)
    lead, rest = (50 / 49) ** 2, 50 / 49**2
    np.testing.assert_allclose(beta[0, 1:], -lead * off + rest * rows, rtol=1e-12)
    np.testing.assert_allclose(iota, lead * (rows - 3 * off) - rest * rows, rtol=1e-12)
    np.testing.assert_allclose(xi, lead * (rows - 3 * off - 1) + rest * (1 - rows), rtol=1e-11)


# --------------------------------------------------------------------------------------------------- phase transition

# figure 3: e^{2B} at t = 50, 100, 200, 400, 700 for K = 10, M = 1000, eta_Z = 0.5, C0 = 1
FIGURE_3 = {
    0.5: (11.176, 21.802, 34.554, 41.475, 45.234),
    1.0: (15.433, 24.443, 29.336, 32.552, 34.720),
    2.0: (17.299, 20.756, 23.029, 24.905, 26.293),
    5.0: (13.656, 14.984, 16.126, 17.185, 18.011),
}
# figure 9: K, M, eta_Y / eta_Z, last time; B at t0; B at the last time for eta_Z = 0.5, 1, 2, 4, 8
FIGURE_9 = [
    (100, 10, 5, 0.5098, (0.6202, 0.6707, 0.7125, 0.7493, 0.7828)),
    (10**4, 1, 50, 1.3817, (1.4078, 1.4497, 1.4815, 1.5086, 1.5332)),
]


@pytest.mark.parametrize("eta_y", FIGURE_3)
def test_growth_equals_figure_3(eta_y: float) -> None:
    growth = np.exp(2 * growth_factor(10, 1000, eta_y, 0.5, [50, 100, 200, 400, 700]))
    np.testing.assert_allclose(growth, FIGURE_3[eta_y], rtol=0, atol=1e-3)
    expected = {0.5: 276.3, 1.0: 138.2, 2.0: 69.1, 5.0: 27.6}[eta_y]
    assert transition_times(10, 1000, eta_y).snapping == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("vocabulary", "ratio", "last", "at_transition", "ends"), FIGURE_9)
def test_growth_equals_figure_9(
    vocabulary: int, ratio: int, last: float, at_transition: float, ends: tuple[float, ...]
) -> None:
    for eta_z, end in zip((0.5, 1.0, 2.0, 4.0, 8.0), ends, strict=True):
        times = [transition_times(1, vocabulary, ratio * eta_z).snapping, last]
        growth = growth_factor(1, vocabulary, ratio * eta_z, eta_z, times)
        np.testing.assert_allclose(growth, [at_transition, end], rtol=0, atol=1e-3)


def test_published_branches_where_they_meet_the_exact_curve() -> None:
    """K = 10, M = 1000, both rates 0.5, C0 = 1: at t0' exact 1.6726 and scanning 1.7150; at t0 1.8226 and 1.8760."""
    times = transition_times(10, 1000, 0.5)
    curves = {b: growth_factor(10, 1000, 0.5, 0.5, times, branch=b) for b in ("exact", "scanning", "snapping")}
    assert curves["exact"] == pytest.approx([1.6726, 1.8226], abs=0.5001e-4)
    assert curves["scanning"] == pytest.approx([1.7150, 2.0614], abs=0.5001e-4)
    assert curves["snapping"][1] == pytest.approx(1.8760, abs=0.5001e-4)


@pytest.mark.parametrize("constant", [0.2, 1.0, 30.0])
def test_growth_solves_its_ode(constant: float) -> None:
    """dz/dt = -(eta_Z / C0) gamma e^{4z}: B = -z, and xi = gamma e^{4z} / C0 integrates to B / eta_Z."""
    eta_y, eta_z, times = 2.0, 0.5, np.linspace(0, 100, 6)

    def field(t: float, state: np.ndarray) -> np.ndarray:
        rate = backpropagated_scale(100, eta_y * t / 3) * np.exp(4 * state[0]) / constant
        return np.array([-eta_z * rate, rate])

    solution = solve_ivp(field, (0, 100), [0.0, 0.0], t_eval=times, rtol=1e-11, atol=1e-13)
    exact = growth_factor(3, 100, eta_y, eta_z, times, constant=constant)
    np.testing.assert_allclose(exact, -solution.y[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(exact, eta_z * solution.y[1], rtol=0, atol=1e-9)
    lost = growth_factor(3, 100, eta_y, eta_z, times, constant=constant, branch="published") - exact
    np.testing.assert_allclose(lost, np.log(constant) / 4, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("vocabulary", "share", "over"), [(10**3, 0.919, 0.11), (50_000, 0.948, 0.07)])
def test_branches_converge_only_logarithmically(vocabulary: int, share: float, over: float) -> None:
    """u / log M at tau = log M, and by how much log(M tau) exceeds u at tau = 2 log M."""
    size = np.log(vocabulary)
    assert decoder_gap(vocabulary, size) / size == pytest.approx(share, abs=0.0006)
    assert np.log(vocabulary * 2 * size) / decoder_gap(vocabulary, 2 * size) - 1 == pytest.approx(over, abs=0.006)
