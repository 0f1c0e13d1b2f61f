"""The spectrum of the biased layer: its blocks against 6j symbols and quadrature, itself against sampled kernels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import roots_jacobi

from theory.numerics import Array
from theory.random_features import (
    attention_gram,
    attention_spectrum,
    biased_attention_kernel,
    biased_attention_spectrum,
    correlation_masses,
    learning_curve,
    ridge_predictor,
)
from theory.random_features.biased import block_states, correlation_operator, representation_size


def sphere(rng: np.random.Generator, *shape: int) -> Array:
    tokens = rng.standard_normal(shape)
    return tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)


@pytest.mark.parametrize("block", [(0, 0), (1, 0), (1, 1), (2, 0), (3, 1), (4, 0)])
def test_neighbours_in_three_dimensions_are_6j_symbols(block: tuple[int, int]) -> None:
    """<x_0, x> is the scalar product of two vectors: reduced elements sqrt(max(a, a')), recoupled at fixed L = l1."""
    from sympy.physics.wigner import wigner_6j

    states = block_states(*block, 4)
    operator = correlation_operator(3, *block, states)
    for i, (a, b) in enumerate(states):
        for j, (c, d) in enumerate(states):
            if abs(a - c) == 1 and abs(b - d) == 1:
                symbol = float(wigner_6j(a, b, block[0], d, c, 1))
                expected = abs(symbol) * np.sqrt(max(a, c) * max(b, d))
                assert operator[i, j] == pytest.approx(expected, abs=1e-14)
            else:
                assert operator[i, j] == 0


@pytest.mark.parametrize(("d", "rows"), [(3, 0), (4, 2), (9, 3)])
def test_equal_rows_are_gegenbauer_polynomials(d: int, rows: int) -> None:
    """The block (l, l) is a Jacobi matrix: its eigenvalues are the Gauss nodes of dimension d + 2 l."""
    states = block_states(rows, rows, rows + 9)
    nodes = roots_jacobi(10, (d + 2 * rows - 3) / 2, (d + 2 * rows - 3) / 2)[0]
    np.testing.assert_allclose(np.linalg.eigvalsh(correlation_operator(d, rows, rows, states)), nodes, atol=1e-13)


@pytest.mark.parametrize("d", [3, 8])
@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_correlations_have_the_masses_of_the_unbiased_layer(d: int, power: int) -> None:
    """Power by power from <beta, x>, in the block (1, 0): by the neighbours here, in closed form there."""
    states = block_states(1, 0, power + 1)
    target = np.eye(len(states))[states.index((0, 1))] / np.sqrt(d)
    for _ in range(power):
        target = correlation_operator(d, 1, 0, states) @ target
    expected = correlation_masses(d, 1, power)
    np.testing.assert_allclose(target**2, [expected.get(state, 0.0) for state in states], atol=1e-15)


def test_sizes_of_representations() -> None:
    assert [representation_size(5, *rows) for rows in ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1))] == [1, 5, 10, 14, 35]
    assert [representation_size(3, length, 1) for length in (1, 2, 3)] == [3, 5, 7]
    assert representation_size(3, 2, 2) == 0


@pytest.mark.parametrize(("d", "keys", "omega"), [(3, 2, 1.0), (5, 3, 4.0)])
def test_quadratic_forms_and_traces_of_the_biased_kernel(d: int, keys: int, omega: float) -> None:
    """E[f(x) K(x, y) f(y)] = sum lambda v^2, E[K(x, x)] and E[K(x, y)^2] = sum m lambda^2, within 4 errors."""
    rng, many = np.random.default_rng(0), 100_000
    (x0, y0), (x, y) = sphere(rng, 2, many, d), sphere(rng, 2, many, keys, d)
    spectrum = biased_attention_spectrum(d, keys, omega, 4)
    kernel = biased_attention_kernel(x0, x, y0, y, omega=omega)

    def close(sampled: Array, expected: float, slack: float = 0.0) -> None:
        assert abs(sampled.mean() - expected) < 4 * sampled.std() / np.sqrt(many) + slack * expected

    def correlation(q: Array, k: Array, p: int, s: int) -> Array:
        return ((k @ q[..., None])[..., 0] ** p * k[..., 0] ** s).mean(axis=1)

    for p, s in ((1, 1), (2, 1), (1, 2), (2, 0), (0, 2)):
        sampled = correlation(x0, x, p, s) * kernel * correlation(y0, y, p, s)
        weights, unlisted = spectrum.weights(spectrum.correlation_masses(p, s))
        assert unlisted == 0.0
        close(sampled, float(spectrum.eigenvalues @ weights))
    weights, _ = spectrum.weights(spectrum.query_masses(2))
    close(x0[:, 0] ** 2 * kernel * y0[:, 0] ** 2, float(spectrum.eigenvalues @ weights))
    close(biased_attention_kernel(x0, x, x0, x, omega=omega), spectrum.trace)
    close(kernel**2, float(spectrum.multiplicities @ spectrum.eigenvalues**2), slack=1e-3)
    assert 0 < spectrum.tail < 0.01 * spectrum.trace


def test_more_degrees_raise_every_eigenvalue() -> None:
    """Compressions to fewer functions have lower eigenvalues, and the first ones hardly move."""
    few, more = (biased_attention_spectrum(6, 4, 2.0, degree) for degree in (2, 4))
    for rows in few.blocks:
        low, high = (
            [value for mode, value in zip(s.modes, s.eigenvalues, strict=True) if mode[:2] == rows] for s in (few, more)
        )
        assert all(a <= b * (1 + 1e-9) for a, b in zip(low, high, strict=False))
    assert few.eigenvalues[0] == pytest.approx(more.eigenvalues[0], rel=1e-4)
    assert more.tail < few.tail


def test_masses_of_parts_and_of_what_is_not_listed() -> None:
    spectrum = biased_attention_spectrum(5, 4, 1.0, 2)
    whole = sum(spectrum.correlation_masses(1).values())
    assert whole == pytest.approx(sum(correlation_masses(5, 4, 1).values()), rel=1e-12)
    coherent = whole - sum(spectrum.correlation_masses(1, without=[(1, 0)]).values())
    assert coherent == pytest.approx(1 / 125, rel=1e-12)  # of <x_0, beta>/d
    assert spectrum.weights(spectrum.average_masses(4))[1] > 0  # degree 4
    mean = sum(spectrum.average_masses(2).values()) - sum(spectrum.average_masses(2, without=[(0, 0)]).values())
    assert mean == pytest.approx(1 / 25, rel=1e-12)


def test_learning_curve_of_the_biased_layer_is_met_by_its_kernel() -> None:
    """d = 5, N = 4, omega = 2, correlation, n = 256: four draws of inputs, 300 test points, within 0.05.

    Without bias the risk would be 0.18, with it 0.37: in few dimensions bias does not pay.
    """
    d, n, omega = 5, 256, 2.0
    spectrum = biased_attention_spectrum(d, 4, omega, 5)
    target = spectrum.correlation_masses(1, without=[(1, 0)])
    predicted = float(learning_curve(spectrum, target, n, 0.01)) / sum(target.values())
    unbiased = {mode: mass for mode, mass in correlation_masses(d, 4, 1).items() if mode != (1, 0)}
    without_bias = float(learning_curve(attention_spectrum(d, 4, 5), unbiased, n, 0.01)) / sum(unbiased.values())
    risks = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x0, x = sphere(rng, n + 300, d), sphere(rng, n + 300, 4, d)
        truth = ((x @ x0[..., None])[..., 0] * x[..., 0]).mean(axis=1) - x0[:, 0] / d
        a = ridge_predictor(attention_gram(x0[:n], x[:n], omega=omega), truth[:n], 0.01)
        fitted = attention_gram(x0[n:], x[n:], x0[:n], x[:n], omega=omega) @ a
        risks.append(((fitted - truth[n:]) ** 2).mean() / sum(target.values()))
    assert np.mean(risks) == pytest.approx(predicted, abs=0.05)
    assert abs(predicted - without_bias) > 0.1


@pytest.mark.nightly
@pytest.mark.parametrize("omega", [1.0, 2.0])
def test_learning_curves_at_sixteen_dimensions(omega: float) -> None:
    """d = N = 16, n = 512, ridge 0.01: four targets, two draws of inputs and 2000 test points, each within 0.05."""
    d, n = 16, 512
    spectrum = biased_attention_spectrum(d, d, omega, 6)
    targets = {  # p, q of <x_0, x_i>^p <beta, x_i>^q
        (1, 1): spectrum.correlation_masses(1),
        (3, 1): spectrum.correlation_masses(3),
        (0, 2): spectrum.average_masses(2, without=[(0, 0)]),
        (2, 0): spectrum.correlation_masses(2, 0, without=[(0, 0)]),
    }
    risks: dict[tuple[int, int], list[float]] = {key: [] for key in targets}
    for seed in range(2):
        rng = np.random.default_rng(100 + seed)
        x0, x = sphere(rng, n + 2000, d), sphere(rng, n + 2000, d, d)
        gram = attention_gram(x0[:n], x[:n], omega=omega)
        cross = attention_gram(x0[n:], x[n:], x0[:n], x[:n], omega=omega)
        for (p, q), masses in targets.items():
            truth = ((x @ x0[..., None])[..., 0] ** p * x[..., 0] ** q).mean(axis=1) - (
                1 / d if p != q and p + q == 2 else 0
            )
            fitted = cross @ ridge_predictor(gram, truth[:n], 0.01)
            risks[p, q].append(((fitted - truth[n:]) ** 2).mean() / sum(masses.values()))
    for key, masses in targets.items():
        predicted = float(learning_curve(spectrum, masses, n, 0.01)) / sum(masses.values())
        assert np.mean(risks[key]) == pytest.approx(predicted, abs=0.05), key
