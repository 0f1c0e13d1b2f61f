"""The regression task: token laws, exact means and variances of all targets, keyed samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from toy_tasks.random_feature_attention import (
    AbsoluteCorrelation,
    AttentionRegression,
    CorrelatedKeys,
    Correlation,
    GaussianTokens,
    Largest,
    Pairs,
    QueryPower,
    SphereTokens,
    Truth,
    average,
)
from toy_tasks.random_feature_attention import moments as exact
from toy_tasks.random_feature_attention.targets import Target
from toy_tasks.random_feature_attention.tokens import Law
from toy_tasks.randomness import DATA, EVALUATION, Key

LAWS: tuple[Law, ...] = (SphereTokens(), GaussianTokens(), CorrelatedKeys(0.6), CorrelatedKeys(-0.3))
EVERYWHERE: list[Target] = [
    QueryPower(1),
    QueryPower(2),
    average(1),
    average(2),
    average(3),
    Correlation(0, 2, without_query_part=True),
    Correlation(1, 1),
    Correlation(2, 2),
    Correlation(3, 1),
    Correlation(1, 2, without_query_part=True),
    Pairs(),
]
INDEPENDENT: list[Target] = [
    Correlation(2, 0),
    Correlation(3, 1, 0.5),
    Correlation(3, 1, 0.0),
    Correlation(2, 2, 0.4),
    Correlation(1, 1, 0.3, without_query_part=True),
    Correlation(2, 2, 0.7, without_query_part=True),
    AbsoluteCorrelation(),
    Largest(),
]


@pytest.mark.parametrize(
    ("law", "dimension"), [(law, d) for law in LAWS for d in (2, 5) if (law, d) != (GaussianTokens(), 2)], ids=repr
)
def test_labels_are_standardised(law: Law, dimension: int) -> None:
    """Mean 0 and variance 1 over 30000 draws of seeds 3, 4: within 4.5 standard errors, which see errors of 5%.

    Powers of normal tokens of the plane have tails so heavy that a standard error says nothing: see the integrals.
    """
    n, key = 30_000, Key.of((3, 4), DATA)
    sample = AttentionRegression(QueryPower(), dimension, 3, law).sample(key, n)
    for target in EVERYWHERE + (INDEPENDENT if law.independent else []):
        labels = AttentionRegression(target, dimension, 3, law).labels(key, sample["query"], sample["keys"])
        square = labels**2
        assert float(labels.mean(dim=-1).abs().max()) < 4.5 / math.sqrt(n), target
        error = (square.mean(dim=-1) - 1).abs() * math.sqrt(n) / square.std(dim=-1)
        assert float(error.max()) < 4.5, target


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_what_is_left_without_the_query_part_averages_out(law: Law) -> None:
    """Its mean over many keys of one query: 20000 keys, within 4.5 standard errors; the part itself is larger."""
    n, target = 20_000, Correlation(1, 1, without_query_part=True)
    truth = Truth.of(Key.of((0,)), 4)
    query, keys = law.draw(Key.of((0,)), 1, n, 4)
    each = torch.stack([target.values(query, keys[:, :, i : i + 1], law, truth) for i in range(0, n, 40)])
    assert abs(float(each.mean())) < 4.5 * float(each.std()) / math.sqrt(len(each))
    assert abs(float(target.query_part(query, law, truth))) > 4.5 * float(each.std()) / math.sqrt(n)


def nodes_of(law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane and weights that integrate polynomials up to degree 20 exactly over a token's law."""
    if isinstance(law, SphereTokens):
        angle = np.arange(24) * 2 * np.pi / 24
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1), np.full(24, 1 / 24)
    nodes, weights = np.polynomial.hermite_e.hermegauss(11)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2) / np.sqrt(2)
    return grid, np.outer(weights, weights).ravel() / weights.sum() ** 2


@pytest.mark.parametrize("law", LAWS[:2], ids=repr)
@pytest.mark.parametrize("powers", [(1, 1), (2, 1), (3, 1), (2, 2), (3, 3), (0, 4), (4, 0), (3, 2)], ids=repr)
def test_variances_are_exact_integrals(law: Law, powers: tuple[int, int]) -> None:
    """By quadrature over one query and one key of the plane, for an S of its own in each of two replicas."""
    x, weights = nodes_of(law)
    points = torch.tensor(x).expand(2, -1, 2)
    truth = Truth.of(Key.of((0, 1)), 2)
    for alignment, without in ((0.3, False), (0.3, True), (1.0, False)):
        target = Correlation(*powers, alignment, without_query_part=without)
        mixing = Correlation(*powers, alignment).matrix(truth)
        each = (points @ mixing @ points.mT) ** powers[0] * truth.along(points)[:, None, :] ** powers[1]
        f = each.numpy()  # replica, query, key
        given = f @ weights
        mean, inner, square = given @ weights, given**2 @ weights, f**2 @ weights @ weights
        np.testing.assert_allclose(Correlation(*powers, alignment).query_part(points, law, truth), given, atol=1e-12)
        for n in (1, 3):
            variance = (square - inner) / n + (0.0 if without else inner - mean**2)
            expected = np.zeros_like(mean) if without else mean
            found = (np.broadcast_to(m, 2) for m in target.moments(law, n, truth))
            np.testing.assert_allclose(list(found), [expected, variance], rtol=1e-11, atol=1e-14)


def test_variances_in_closed_form() -> None:
    """By hand, on the sphere with d = 5 and N = 3: E t^2 = 1/5, E t^4 = 3/35, E t^6 = 15/315."""
    d, n, truth = 5, 3, Truth.of(Key.of((0,)), 5)
    by_hand: list[tuple[Target, float, float]] = [
        (QueryPower(2), 1 / 5, 3 / 35 - 1 / 25),
        (average(1), 0.0, 1 / 5 / n),
        (average(2), 1 / 5, (3 / 35 - 1 / 25) / n),
        (average(3), 0.0, 15 / 315 / n),
        (Correlation(1, 1), 0.0, (1 / 25) / n + (1 - 1 / n) / d**3),
        (Correlation(1, 1, without_query_part=True), 0.0, (1 / 25 - 1 / d**3) / n),
        (Pairs(), 1 / n, 2 * (n - 1) / (n**3 * d)),
    ]
    for target, mean, variance in by_hand:
        np.testing.assert_allclose(target.moments(SphereTokens(), n, truth), (mean, variance), rtol=1e-13)


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_one_key_is_its_own_largest(dimension: int) -> None:
    """And of two normals the mean is 1/sqrt(pi); in three dimensions the coordinate is uniform."""
    np.testing.assert_allclose(exact.largest_on_sphere(dimension, 1), (0, 1 / dimension), atol=1e-13)
    np.testing.assert_allclose(exact.largest_normal(2), (1 / math.sqrt(math.pi), 1), rtol=1e-12)
    first, second = exact.largest_on_sphere(3, 4)
    np.testing.assert_allclose((first, second), (0.6, 4 * (4 / 6 - 4 / 5) + 1), rtol=1e-12)


def test_mixed_moments_of_normals() -> None:
    """E (z'Az)^a <v, z>^n against quadrature."""
    a, v = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -1.1])
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)  # exact for polynomials up to degree 23
    z = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / weights.sum() ** 2
    for power, n in ((0, 4), (2, 4), (3, 2), (3, 0)):
        direct = w @ (np.einsum("ki,ij,kj->k", z, a, z) ** power * (z @ v) ** n)
        assert exact.quadratic_moment(a, v, power, n) == pytest.approx(direct, rel=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_samples_are_keyed(law: Law) -> None:
    """A replica alone draws what it draws among others, and a larger batch starts with the smaller one."""
    task = AttentionRegression(Correlation(1, 1), 4, 3, law, noise=0.5)
    together, alone = task.sample(Key.of((5, 9), DATA, 2), 6), task.sample(Key.of((9,), DATA, 2), 4)
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1:, :4], value, rtol=0, atol=1e-13)
    assert not torch.equal(together["query"][0], together["query"][1])
    assert not torch.equal(together["query"], task.sample(Key.of((5, 9), DATA, 3), 6)["query"])


def test_truth_belongs_to_the_replica() -> None:
    """Data and evaluation have one direction, other replicas another; noise has its size and no part in the tokens."""
    task = AttentionRegression(average(1), 4, 3)
    data, evaluation = (Key.of((5, 9), stream, step) for stream, step in ((DATA, 7), (EVALUATION, 0)))
    sample = task.sample(evaluation, 5)
    assert torch.equal(task.labels(data, sample["query"], sample["keys"]), sample["label"])
    beta = Truth.of(data, 4).beta
    assert not torch.equal(beta[0], beta[1])
    np.testing.assert_allclose(torch.linalg.vector_norm(beta, dim=-1), 1.0, rtol=1e-14)
    noisy = AttentionRegression(average(1), 4, 3, noise=2.0).sample(evaluation, 2000)
    quiet = task.sample(evaluation, 2000)
    assert torch.equal(noisy["keys"], quiet["keys"])
    assert float((noisy["label"] - quiet["label"]).std()) == pytest.approx(2.0, rel=0.1)


def test_correlated_keys_have_one_product_with_the_query() -> None:
    sample = AttentionRegression(average(2), 6, 4, CorrelatedKeys(0.25)).sample(Key.of((0,)), 50)
    products = (sample["keys"] @ sample["query"][..., None])[..., 0]
    np.testing.assert_allclose(products, 0.25, rtol=1e-12)
    np.testing.assert_allclose(torch.linalg.vector_norm(sample["keys"], dim=-1), 1.0, rtol=1e-12)
