"""What the claims of random-feature attention rest on: recorded numbers, and twins by another route."""

from __future__ import annotations

import numpy as np
import pytest

from theory.random_features import (
    attention_gram,
    attention_spectrum,
    biased_arc_cosine,
    correlation_masses,
    mlp_monomial_bound,
    orthant_probability,
)
from theory.random_features.claims.biased import BiasedCorrelation, correlation_level
from theory.random_features.claims.inputs import SphereInputs
from theory.random_features.claims.kernels import largest_diagonal
from theory.random_features.claims.layer import CentredKeys, FiniteKeys, Heads
from theory.random_features.claims.norms import CorrelationNodes, PowerTarget, correlation_constant
from theory.random_features.claims.regression import Regression
from theory.random_features.claims.spectrum import PowerOfKeys
from theory.random_features.layer import AttentionLayer
from theory.random_features.rectified import head_coefficients


def test_the_pair_target_is_out_of_reach_on_the_sphere() -> None:
    """The Monte Carlo twin, d = 3 and N = 4: a drawn biased layer and the squared correlation, within 4 errors of 0."""
    rng, many = np.random.default_rng(0), 200_000
    tokens = rng.standard_normal((many, 5, 3))
    tokens /= np.linalg.norm(tokens, axis=-1, keepdims=True)
    x0, x = tokens[:, 0], tokens[:, 1:]
    pair = ((x.sum(axis=1) ** 2).sum(axis=-1) - 4) / 16
    layer = Heads(3, 2, 1.0).layer(3, omega=2.0)
    for additive in (layer(x0, x), ((x @ x0[..., None]) ** 2).mean(axis=(1, 2))):
        product = pair * additive
        assert abs(product.mean()) < 4 * product.std() / np.sqrt(many)
    assert np.mean(pair**2) == pytest.approx(2 * 12 / (3 * 256), rel=0.03)  # 2 N (N - 1) / (d N^4)


def test_interpolation_of_powers_has_the_recorded_norms() -> None:
    """2e4, 4e7 and 7e11 at 4, 8 and 14 nodes for the first power."""
    norms = [CorrelationNodes(1, ()).norm(n) for n in (4, 8, 14)]
    np.testing.assert_allclose(norms, [2e4, 4e7, 7e11], rtol=0.2)


def test_constants_of_the_correlation_norm() -> None:
    np.testing.assert_allclose([correlation_constant(p) for p in range(5)], [3.342, 5.351, 24.44, 42.73, 23.34], 2e-4)


def test_tensor_of_a_correlation_by_symmetrising_it() -> None:
    """p = 2 in three dimensions: the tensor itself, averaged over all orders of its slots."""
    from itertools import permutations

    d, eye = 3, np.eye(3)
    raw = np.einsum("ac,bd,e->abcde", eye, eye, eye[0])  # slots of x_0, then of x
    orders = [(*q, *(2 + k for k in s)) for q in permutations(range(2)) for s in permutations(range(3))]
    symmetric = np.mean([raw.transpose(order) for order in orders], axis=0)
    assert (symmetric**2).sum() == pytest.approx(PowerTarget(d, 1, 2).tensor(), rel=1e-14)


def test_advantage_of_one_and_two_keys() -> None:
    assert PowerOfKeys(8, 2, 2).advantage(1) == pytest.approx(8.3136, abs=1e-3)
    assert PowerOfKeys(8, 2, 2).advantage(2) == pytest.approx(7.6323, abs=1e-3)


def test_largest_biased_diagonal() -> None:
    assert largest_diagonal(1.0) == pytest.approx(3.8493, abs=5e-5)
    assert largest_diagonal(0.0) == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize(
    ("a", "b"), [(-0.0, -1.0), (1.0, -0.0), (-0.0, -0.0), (-1e-252, 0.0), (0.0, 5e-324), (-1e-199, -1e-199)]
)
def test_orthant_at_zeros_of_either_sign(a: float, b: float) -> None:
    """A mean of -0 is 0, and products of tiny means do not underflow: -0 came out as another quadrant's."""
    assert orthant_probability(a, b, 0.3) == pytest.approx(
        float(orthant_probability(a + 1e-9, b + 1e-9, 0.3)), abs=1e-8
    )


def test_a_constant_is_not_averaged_over_the_keys() -> None:
    """At p = 0 the bound of the MLP norm does not fall with the number of keys: the smallest is 1/c_0."""
    assert mlp_monomial_bound(7, 0) == pytest.approx(2 * np.pi)


def test_coefficients_are_derivatives_of_one_another() -> None:
    """a_(k+1) = a_k', by central differences, k < 8."""
    scale = np.sqrt(np.cumprod(np.append(1.0, np.arange(1.0, 9.0))))
    m, step = np.linspace(-3, 3, 7), 1e-4
    up, down, here = (head_coefficients(x, 9) * scale for x in (m + step, m - step, m))
    np.testing.assert_allclose((up - down)[:, :-1] / (2 * step), here[:, 1:], atol=3e-6)


def test_layers_by_loops() -> None:
    layer, rng = Heads(0, 3, 1.0).layer(2), np.random.default_rng(1)
    x0, x = rng.standard_normal(2), rng.standard_normal((4, 2))
    total = 0.0
    for w, v in zip(layer.weights, layer.values, strict=True):
        for key in x:
            total += max(np.append(x0, 1) @ w @ np.append(key, 1), 0.0) * (v @ np.append(key, 1))
    assert float(layer(x0, x)) == pytest.approx(total / 4 / np.sqrt(3), rel=1e-13)


def test_first_correlation_mode_has_the_mass_of_the_limit() -> None:
    """p! d^-(p+1) and the eigenvalue d^-(2p+1) sum_k .., which make the constant: at d = 1e5 and p = 2."""
    d = 100_000
    mass, eigenvalue = correlation_masses(d, 1, 2)[2, 3], attention_spectrum(d, 1, 3).eigenvalue(2, 3)
    assert mass * d**3 == pytest.approx(2.0, rel=1e-3)
    assert mass / eigenvalue / d**2 == pytest.approx(correlation_constant(2), rel=1e-3)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: AttentionLayer(np.ones((2, 3, 2)), np.ones((2, 3))), r"weights must be square.*\(2, 3, 2\)"),
        (lambda: SphereInputs(np.ones((1, 2)), np.ones((1, 1, 2))), r"queries must hold unit vectors"),
        (lambda: SphereInputs(np.eye(2), np.eye(2)[:, None][:1]), r"queries and keys must have shapes"),
        (lambda: CentredKeys(np.eye(2), np.eye(2), 2), r"hypothesis: keys must have mean zero"),
        (lambda: FiniteKeys(np.eye(2), np.eye(2), 20), r"keys must have at most 1e5 lists, got 2\^20"),
        (lambda: Regression(np.diag([1.0, 1e-3]), np.ones(2)), r"hypothesis: singular values must be 0 or within 100"),
        (lambda: head_coefficients(0.0, 0), r"count must be >= 1, got 0"),
    ],
)
def test_instances_refuse_what_breaks_their_hypothesis(call: object, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        call()  # type: ignore[operator]


def test_level_of_correlations_by_a_scalar_product() -> None:
    """lim d^2 E[f K f] / E[f^2]: the term c c' <x, x'> of the kernel at orthogonal tokens, by differences."""
    step = 1e-2
    c = np.array([-step, step])
    sides = []
    for r in (0.25 + 1e-3, 0.25 - 1e-3):  # <x~_0, y~_0> <x~, y~>/4 at orthogonal tokens, moved by <x, y>/4
        moment = biased_arc_cosine(c[:, None], c, r)
        sides.append((moment[1, 1] - moment[0, 1] - moment[1, 0] + moment[0, 0]) / (2 * step) ** 2)
    level = np.mean(sides) + (sides[0] - sides[1]) / 2e-3 / 4
    assert level == pytest.approx(correlation_level(1.0), rel=1e-3)
    assert correlation_level(1.0) == pytest.approx(0.3313, abs=1e-4)


def test_norm_of_a_biased_correlation_is_bounded_by_interpolation_too() -> None:
    """By another route: y^T K^-1 y on drawn inputs, averaged over beta, exceeds the unbiased norm as well."""
    d, n = 6, 500
    unbiased, compressed = BiasedCorrelation(d, 2.0, 3).norms()
    tokens = np.random.default_rng(5).standard_normal((n, 2, d))
    tokens /= np.linalg.norm(tokens, axis=-1, keepdims=True)
    x0, x = tokens[:, 0], tokens[:, 1]
    gram = attention_gram(x0, x[:, None], omega=2.0) + 1e-6 * np.eye(n)
    targets = (x0 * x).sum(axis=1)[:, None] * x
    interpolated = np.einsum("nj,nj->", targets, np.linalg.solve(gram, targets)) / d
    assert unbiased < interpolated
    assert unbiased < compressed
