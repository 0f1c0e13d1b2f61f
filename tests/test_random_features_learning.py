"""Learning curves and predictors: against ODEs, explicit iterations, recorded values and kernels on drawn inputs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from theory.numerics import Array, fitted_slope
from theory.random_features import (
    FLOW_OVER_RIDGE,
    Masses,
    Spectrum,
    TestMoments,
    attention_gram,
    attention_spectrum,
    average_masses,
    centred,
    correlation_masses,
    descent_predictor,
    effective_ridge,
    flow_predictor,
    largest_step,
    learning_curve,
    mlp_spectrum,
    population_flow,
    ridge_predictor,
    samples_to_reach,
)

SAMPLES = [64, 128, 256, 512, 1024, 2048]
# relative risk at d = N = 16, ridge 0.01, recorded when the formula was first derived: attention, then MLP
RECORDED = {
    ("avg", 1): ([0.280, 0.077, 0.018, 0.004, 0.001, 0.000], [0.805, 0.609, 0.322, 0.089, 0.017, 0.003]),
    ("avg", 2): ([1.293, 1.083, 0.838, 0.552, 0.259, 0.080], [1.140, 1.253, 1.415, 1.421, 1.243, 1.093]),
    ("avg", 3): ([0.648, 0.479, 0.422, 0.416, 0.416, 0.393], [0.917, 0.825, 0.688, 0.539, 0.438, 0.392]),
    ("avg", 4): ([1.310, 1.121, 0.912, 0.682, 0.449, 0.299], [1.141, 1.254, 1.417, 1.424, 1.250, 1.107]),
    ("corr", 1): ([0.687, 0.618, 0.580, 0.563, 0.520, 0.408], [0.968, 0.922, 0.854, 0.742, 0.628, 0.567]),
    ("corr", 2): ([0.971, 0.833, 0.779, 0.783, 0.798, 0.779], [1.015, 1.013, 1.009, 0.932, 0.806, 0.732]),
    ("corr", 3): ([0.830, 0.755, 0.715, 0.705, 0.676, 0.582], [1.003, 0.990, 0.970, 0.884, 0.762, 0.691]),
}


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    tokens = rng.standard_normal(shape)
    return tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)


def unit(target: Masses) -> Masses:
    total = sum(target.values())
    return {mode: mass / total for mode, mass in target.items()}


@pytest.mark.parametrize(("kind", "power"), list(RECORDED))
def test_learning_curves_have_the_recorded_values(kind: str, power: int) -> None:
    masses = average_masses if kind == "avg" else correlation_masses
    target = unit(centred(masses(16, 16, power)))
    spectra = attention_spectrum(16, 16, 6), mlp_spectrum(16, 16, 6)
    for spectrum, recorded in zip(spectra, RECORDED[kind, power], strict=True):
        np.testing.assert_allclose(learning_curve(spectrum, target, SAMPLES, 0.01), recorded, atol=6e-4)


def test_noise_has_the_recorded_price() -> None:
    target = unit(centred(average_masses(8, 8, 2)))
    curve = learning_curve(attention_spectrum(8, 8, 6), target, [64, 128, 256, 512], 0.01, 0.1)
    np.testing.assert_allclose(curve, [0.968, 0.598, 0.265, 0.095], atol=6e-4)


def test_learning_curve_of_gaussian_features_is_met_by_simulation() -> None:
    """Exact in the limit for features N(0, lambda_i): no kernel code of this package is involved."""
    rng = np.random.default_rng(0)
    eigenvalues, many, n = np.array([0.5, 0.02]), np.array([20, 180]), 150
    scale = np.sqrt(np.repeat(eigenvalues, many))
    spectrum, target = Spectrum(((0, 0), (0, 1)), eigenvalues, many, 0.0), {(0, 0): 1.0, (0, 1): 0.5}
    theta = np.repeat(np.sqrt([1.0 / 20, 0.5 / 180]), many)  # coefficients of the unit-variance features
    risks = []
    for _ in range(40):
        z = rng.standard_normal((n, 200))
        labels = z @ theta + 0.3 * rng.standard_normal(n)
        fitted = scale * ((z * scale).T @ ridge_predictor((z * scale**2) @ z.T, labels, 0.5))
        risks.append(((fitted - theta) ** 2).sum())
    predicted = float(learning_curve(spectrum, target, n, 0.5, 0.09))
    assert abs(np.mean(risks) - predicted) < 4 * np.std(risks) / np.sqrt(40) + 0.02 * predicted


def test_learning_curve_is_met_by_attention_kernels() -> None:
    """d = N = 4, the average of squares, n = 60: three draws of inputs and 300 test points, within 0.05."""
    d, n, target = 4, 60, unit(centred(average_masses(4, 4, 2)))
    predicted = float(learning_curve(attention_spectrum(d, 4, 8), target, n, 0.01))
    scale, risks = np.sqrt(sum(centred(average_masses(4, 4, 2)).values())), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x0, x = sphere(rng, n + 300, d), sphere(rng, n + 300, 4, d)
        truth = ((x[..., 0] ** 2).mean(axis=1) - 1 / d) / scale
        weights = ridge_predictor(attention_gram(x0[:n], x[:n]), truth[:n], 0.01)
        risks.append(TestMoments.of(attention_gram(x0[n:], x[n:], x0[:n], x[:n]), truth[n:]).risk(weights))
    assert np.mean(risks) == pytest.approx(predicted, abs=0.05)
    assert 0.1 < predicted < 0.5


@pytest.mark.parametrize("n", [3, 50, 1000])
def test_amplification_is_the_slope_of_the_effective_ridge(n: int) -> None:
    """E_0 = n d kappa/d ridge, and kappa lies in its bracket and solves its equation."""
    spectrum, ridge = attention_spectrum(8, 8, 5), 0.02
    kappa = float(effective_ridge(spectrum, n, ridge))
    counted = spectrum.multiplicities @ (spectrum.eigenvalues / (spectrum.eigenvalues + kappa))
    assert counted + (ridge + spectrum.tail) / kappa == pytest.approx(n, rel=1e-10)
    assert ridge + spectrum.tail <= n * kappa <= ridge + spectrum.trace
    slope = np.diff(
        effective_ridge(spectrum, n, ridge * (1 - 1e-4))[None], append=effective_ridge(spectrum, n, ridge * (1 + 1e-4))
    )[0] / (2e-4 * ridge)
    noise_alone = float(learning_curve(spectrum, {(0, 0): 0.0}, n, ridge, 1.0)) + 1.0
    assert noise_alone == pytest.approx(n * slope, rel=1e-5)


def test_unlisted_mass_is_never_learned() -> None:
    spectrum = attention_spectrum(6, 4, 2)
    curve = learning_curve(spectrum, {(0, 9): 1.0}, [10, 100000], 0.1)
    assert (curve >= 1.0).all()
    assert population_flow(spectrum, {(0, 9): 1.0}, [1e9]) == pytest.approx(1.0)


def test_population_flow_is_the_recorded_staircase() -> None:
    """d = 10, N = 6, relative risk at t = 1e1..1e4, recorded with a sampled kernel operator: within its 0.005."""
    spectrum = attention_spectrum(10, 6, 4)
    recorded = {
        ("avg", 1): [0.904, 0.365, 0.000, 0.000],
        ("avg", 2): [0.996, 0.957, 0.643, 0.012],
        ("corr", 1): [0.939, 0.675, 0.569, 0.356],
    }
    for (kind, power), values in recorded.items():
        masses = average_masses if kind == "avg" else correlation_masses
        risk = population_flow(spectrum, unit(centred(masses(10, 6, power))), [1e1, 1e2, 1e3, 1e4])
        np.testing.assert_allclose(risk, values, atol=6e-4)


def test_population_flow_solves_its_ode() -> None:
    """Coefficients with dv/dt = -lambda v."""
    spectrum, target = attention_spectrum(5, 3, 3), centred(correlation_masses(5, 3, 2))
    masses, _ = spectrum.weights(target)
    times = np.geomspace(1, 1e3, 7)
    path = solve_ivp(
        lambda _, v: -spectrum.eigenvalues * v, (0, 1e3), np.sqrt(masses), t_eval=times, rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(population_flow(spectrum, target, times), (path.y**2).sum(axis=0), rtol=1e-7)


def test_keys_cost_the_mlp_a_power_and_attention_nothing() -> None:
    """Samples to half the risk of the average of p-th powers, d = 8: the recorded numbers on a grid of 10 percent."""
    recorded = {(1, 8): (18, 49), (1, 32): (25, 164), (2, 8): (134, 1998), (2, 32): (164, 24343)}
    ridges = [1e-3, 1e-2, 1e-1, 0.3]
    reached = {}
    for power, keys in recorded:
        target = centred(average_masses(8, keys, power))
        spectra = attention_spectrum(8, keys, 5), mlp_spectrum(8, keys, 4)
        reached[power, keys] = [samples_to_reach(s, target, 0.5, ridges) for s in spectra]
    np.testing.assert_allclose(list(reached.values()), list(recorded.values()), rtol=0.11)
    for power in (1, 2):
        few, many = np.log(reached[power, 8]), np.log(reached[power, 32])
        attention, mlp = (many - few) / np.log(4)
        assert attention < 0.3
        assert power - 0.25 < mlp < power + 0.05


def test_dimension_costs_attention_a_growing_power_on_correlations() -> None:
    """N = 16, without the coherent part: 90, 493, 2981, 19930 recorded at d = 4, 8, 16, 32; heading to d^3."""
    dimensions = [4, 8, 16, 32]
    reached = []
    for d in dimensions:
        target = centred(correlation_masses(d, 16, 1), (1, 0))
        reached.append(samples_to_reach(attention_spectrum(d, 16, 5), target, 0.5, [1e-3, 1e-2, 1e-1, 0.3]))
    np.testing.assert_allclose(reached, [90, 493, 2981, 19930], rtol=0.11)
    assert 2.6 < fitted_slope(np.log(dimensions[-2:]), np.log(reached[-2:])) < 3.0


# -------------------------------------------------------------------------------------------------- predictors


@pytest.fixture(scope="module")
def regression() -> tuple[Array, Array]:
    """Features (n, P) = (12, 40) and labels."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((12, 40)) / np.sqrt(40), rng.standard_normal(12)


def test_ridge_is_the_penalised_least_squares_solution(regression: tuple[Array, Array]) -> None:
    """From the primal normal equations, and at ridge 0 the pseudo-inverse."""
    phi, y = regression
    for ridge in (1e-3, 0.1, 3.0):
        theta = np.linalg.solve(phi.T @ phi + ridge * np.eye(40), phi.T @ y)
        np.testing.assert_allclose(phi.T @ ridge_predictor(phi @ phi.T, y, ridge), theta, atol=1e-12)
    np.testing.assert_allclose(phi.T @ ridge_predictor(phi @ phi.T, y, 0.0), np.linalg.pinv(phi) @ y, atol=1e-12)
    narrow = phi[:, :5]  # more labels than features
    np.testing.assert_allclose(
        narrow.T @ ridge_predictor(narrow @ narrow.T, y, 0.0), np.linalg.pinv(narrow) @ y, atol=1e-12
    )


@pytest.mark.parametrize("width", [5, 40])
def test_flow_follows_its_ode(regression: tuple[Array, Array], width: int) -> None:
    phi, y = regression[0][:, :width], regression[1]
    times = np.array([0.0, 1.0, 10.0, 100.0, 1000.0])
    path = solve_ivp(
        lambda _, theta: phi.T @ (y - phi @ theta) / 12,
        (0, 1000),
        np.zeros(width),
        t_eval=times,
        method="Radau",
        jac=-phi.T @ phi / 12,
        rtol=1e-11,
        atol=1e-12,
    )
    np.testing.assert_allclose(flow_predictor(phi @ phi.T, y, times) @ phi, path.y.T, atol=1e-8)
    np.testing.assert_allclose(flow_predictor(phi @ phi.T, y, [1e9])[0] @ phi, np.linalg.pinv(phi) @ y, atol=1e-11)


@pytest.mark.parametrize("fraction", [0.01, 0.6, 0.95])
def test_descent_follows_its_steps(regression: tuple[Array, Array], fraction: float) -> None:
    phi, y = regression
    gram = phi @ phi.T
    step, theta, path = fraction * largest_step(gram), np.zeros(40), []
    for _ in range(31):
        path.append(theta)
        theta = theta + step * phi.T @ (y - phi @ theta) / 12
    np.testing.assert_allclose(descent_predictor(gram, y, step, np.arange(31)) @ phi, path, atol=1e-13)


def test_descent_diverges_beyond_the_largest_step(regression: tuple[Array, Array]) -> None:
    phi, y = regression
    gram = phi @ phi.T
    size = [np.abs(descent_predictor(gram, y, f * largest_step(gram), [2000.0])).max() for f in (0.999, 1.01)]
    assert size[0] < 100
    assert size[1] > 1e10


def test_moments_give_the_exact_risk(regression: tuple[Array, Array]) -> None:
    """Of the whole curve, on a finite test set: the mean squared error computed point by point."""
    phi, y = regression
    test = np.random.default_rng(8).standard_normal((25, 40)) / np.sqrt(40)
    truth = test @ np.linspace(-1, 1, 40)
    kernel, path = test @ phi.T, flow_predictor(phi @ phi.T, y, np.geomspace(0.1, 1e4, 9))
    direct = ((path @ kernel.T - truth) ** 2).mean(axis=1)
    np.testing.assert_allclose(TestMoments.of(kernel, truth).risk(path), direct, rtol=1e-12)


def test_constant_between_flow_and_ridge() -> None:
    best = minimize_scalar(lambda x: np.expm1(-x) * (1 + x) / x, bounds=(0.1, 10), method="bounded")
    assert 0 <= FLOW_OVER_RIDGE + best.fun < 1e-8
    assert abs(FLOW_OVER_RIDGE**2 - 1.68591) < 1e-5
