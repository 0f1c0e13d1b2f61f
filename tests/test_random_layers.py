"""Layers of random heads: against the formula head by head, their kernels, invariances; and ridge on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from theory import random_features as theory
from theory.numerics import fitted_slope
from toy_tasks.random_feature_attention import (
    AttentionHeads,
    AttentionRegression,
    Correlation,
    MLPUnits,
    NormalEquations,
    ridge_predictions,
)
from toy_tasks.random_feature_attention.features import GROUP, RandomLayer
from toy_tasks.randomness import Key

KEY = Key.of((2, 8))
LAYERS: list[RandomLayer] = [AttentionHeads(70), AttentionHeads(70, omega=1.5), MLPUnits(70)]
ATTENTION = LAYERS[:2]


def inputs(n: int, keys: int = 5, dimension: int = 6, step: int = 0, key: Key = KEY) -> tuple[Tensor, Tensor]:
    drawn = AttentionRegression(dimension=dimension, keys=keys).sample(Key(key.seed, 1, step), n)
    return drawn["query"], drawn["keys"]


@pytest.mark.parametrize("omega", [0.0, 2.0])
def test_features_are_the_formula(omega: float) -> None:
    """Head by head and key by key, in numpy, with the drawn matrices; W has the mean and variance it should."""
    d, heads = 3, AttentionHeads(2 * GROUP, omega)
    query, keys = inputs(4, 5, d)
    found = heads.features(KEY, query, keys).unflatten(-1, (heads.units, d + 1)).numpy()
    w = torch.cat([heads._draw(Key(KEY.seed, 5, g), keys) for g in range(2)], dim=1).unflatten(-1, (d + 1, d + 1))
    noise = w.numpy() - omega * np.diag([1.0] * d + [0.0])
    assert abs(noise.mean()) < 4 * 0.5 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.5, rel=4 / np.sqrt(2 * noise.size))
    for r, i, m in ((0, 0, 0), (1, 3, 63), (0, 2, 40)):
        x0, x = np.append(query[r, i], 1.0), np.concatenate([keys[r, i], np.ones((5, 1))], axis=1)
        direct = sum(max(x0 @ w[r, m].numpy() @ xi, 0.0) * xi for xi in x) / 5 / np.sqrt(heads.units)
        np.testing.assert_allclose(found[r, i, m], direct, atol=1e-15)


def test_mlp_features_are_the_formula() -> None:
    d, n, units = 3, 5, MLPUnits(GROUP)
    query, keys = inputs(4, n, d)
    w = units._draw(Key(KEY.seed, 5, 0), keys)[1].numpy()
    x = np.concatenate([query[1, 2].numpy(), keys[1, 2].numpy().ravel(), [1.0]])
    direct = np.maximum(w @ x, 0) / np.sqrt((n + 2) * units.units)
    np.testing.assert_allclose(units.features(KEY, query, keys)[1, 2], direct, atol=1e-15)
    assert MLPUnits.matching(AttentionHeads(10), 7).units == 80


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_units_do_not_depend_on_blocks_or_company(layer: RandomLayer) -> None:
    """One group of units at a time, a replica alone, fewer units, and inner products without all features."""
    query, keys = inputs(6)
    whole = layer.features(KEY, query, keys)
    assert whole.shape == (2, 6, 70 * layer.width(6))
    torch.testing.assert_close(layer.features(KEY, query, keys, memory=1), whole, rtol=0, atol=1e-14)
    alone = layer.features(Key.of((8,), 3, 7), query[1:], keys[1:])
    torch.testing.assert_close(alone[0], whole[1], rtol=0, atol=1e-14)
    fewer = type(layer)(**(vars(layer) | {"units": 40})).features(KEY, query, keys)
    torch.testing.assert_close(fewer * (40 / 70) ** 0.5, whole[..., : fewer.shape[-1]], rtol=0, atol=1e-14)
    inner = layer.inner_products(KEY, query, keys, 4, memory=1)
    torch.testing.assert_close(inner, whole @ whole[:, :4].mT, rtol=0, atol=1e-14)
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize(("kind", "omega"), [("attention", 0.0), ("attention", 1.0), ("mlp", 0.0)])
def test_many_units_reach_their_kernel(kind: str, omega: float) -> None:
    """Largest entry of the error for 12 inputs, mean over seeds 0 to 9, falls as units^-1/2 over a factor 64."""
    key = Key.of(tuple(range(10)))
    query, keys = inputs(12, 5, 8, key=key)
    limit = np.stack(
        [
            theory.attention_gram(x0, x, omega=omega) if kind == "attention" else theory.mlp_gram(x0, x)
            for x0, x in zip(query.numpy(), keys.numpy(), strict=True)
        ]
    )
    units = [32, 128, 512, 2048]
    errors = []
    for m in units:
        layer: RandomLayer = AttentionHeads(m, omega) if kind == "attention" else MLPUnits(m)
        found = layer.inner_products(key, query, keys, 12).numpy()
        errors.append(np.abs(found - limit).max(axis=(1, 2)).mean())
    assert -0.65 < fitted_slope(np.log(units), np.log(errors)) < -0.35
    assert errors[-1] * np.sqrt(units[-1]) < 3


@pytest.mark.parametrize("layer", ATTENTION, ids=repr)
def test_attention_is_affine_in_the_measure_of_the_keys(layer: RandomLayer) -> None:
    """Order and copies do not matter; the union of two sets of keys has the mean of their features."""
    query, keys = inputs(7)
    _, others = inputs(7, 3, step=1)
    found = layer.features(KEY, query, keys)
    shuffled = keys[..., torch.tensor([3, 0, 4, 1, 2]), :]
    torch.testing.assert_close(layer.features(KEY, query, shuffled), found, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.features(KEY, query, torch.cat([keys, keys], dim=-2)), found, rtol=0, atol=1e-12)
    union = layer.features(KEY, query, torch.cat([keys, others], dim=-2))
    mean = (5 * found + 3 * layer.features(KEY, query, others)) / 8
    torch.testing.assert_close(union, mean, rtol=0, atol=1e-12)


def test_an_mlp_sees_the_order_of_the_keys() -> None:
    query, keys = inputs(7)
    features = MLPUnits(70).features(KEY, query, keys.flip(-2))
    assert float((features - MLPUnits(70).features(KEY, query, keys)).abs().max()) > 0.1 / 70**0.5


# ------------------------------------------------------------------------------------------------------------- ridge


def regression(n: int, m: int, layer: RandomLayer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, labels (2, n, 3) of three targets and inner products with the first m."""
    query, keys = inputs(n)
    targets = (Correlation(1, 1), Correlation(0, 2), Correlation(2, 1))
    labels = [AttentionRegression(t, 6, 5).labels(KEY, query, keys) for t in targets]
    return query, keys, torch.stack(labels, dim=-1), layer.inner_products(KEY, query, keys, m)


@pytest.mark.parametrize("ridge", [0.0, 1e-4, 0.3])
def test_ridge_agrees_with_theory(ridge: float) -> None:
    """Replica by replica and target by target."""
    _, _, labels, inner = regression(30, 12, LAYERS[0])
    found = ridge_predictions(inner, labels[:, :12], [0.7, ridge])
    assert found.shape == (2, 2, 18, 3)
    for r in range(2):
        for k in range(3):
            a = theory.ridge_predictor(inner[r, :12].numpy(), labels[r, :12, k].numpy(), ridge)
            np.testing.assert_allclose(found[r, 1, :, k], inner[r, 12:].numpy() @ a, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("layer", [AttentionHeads(4), AttentionHeads(4, omega=1.0), MLPUnits(25)], ids=repr)
def test_normal_equations_give_the_same_predictions(layer: RandomLayer) -> None:
    """From three chunks of data, one group of units at a time: the representer theorem, to 1e-9 at ridge 0.01."""
    query, keys, labels, inner = regression(90, 60, layer)
    equations = NormalEquations(layer, KEY, memory=1)
    for start in range(0, 60, 20):
        chunk = slice(start, start + 20)
        equations.add(query[:, chunk], keys[:, chunk], labels[:, chunk])
    values = equations.solve(0.01)
    assert values.shape == (2, layer.units * layer.width(6), 3)
    found = equations.predict(values, query[:, 60:], keys[:, 60:])
    torch.testing.assert_close(found, ridge_predictions(inner, labels[:, :60], [0.01])[:, 0], rtol=0, atol=1e-9)


def test_single_precision_follows_double() -> None:
    """Features in float32 are those of float64, rounded: the device and the type decide nothing else."""
    query, keys = inputs(6)
    for layer in LAYERS:
        single = layer.features(KEY, query.float(), keys.float())
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), layer.features(KEY, query, keys), rtol=0, atol=1e-6)
