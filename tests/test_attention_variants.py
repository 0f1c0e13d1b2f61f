"""Attention variants against their definitions, one entry at a time, and inside the transformer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from toy_tasks.bigram_backcopy import BackcopyMeasures, BigramBackcopy, BigramTable
from toy_tasks.randomness import DATA, INITIAL, Key
from toy_tasks.simulator import SGD, AdamW, Clipped, Gated, KeyBias, OffByOne, Softmax, Transformer, simulate
from toy_tasks.simulator.attention import ATTENTION
from toy_tasks.simulator.block import causal

TASK = BigramBackcopy(BigramTable.synthetic(8), 2, 6)
VARIANTS = sorted(ATTENTION)
cases = settings(derandomize=True, database=None, deadline=None, max_examples=40)
pytestmark = pytest.mark.usefixtures("_one_thread")


@st.composite
def logits(draw: st.DrawFn) -> Tensor:
    """Causal scores (1, 1, t, t) of any size up to 30, zeros and ties among them."""
    size = draw(st.integers(1, 7))
    entry = st.one_of(st.sampled_from([0.0, -1.0, 2.0]), st.floats(-30, 30))
    entries = draw(st.lists(entry, min_size=size * size, max_size=size * size))
    return causal(torch.tensor(entries, dtype=torch.float64).reshape(1, 1, size, size))


def by_hand(name: str, row: list[float]) -> list[float]:
    """The definition for the visible keys of one query."""
    if name == "relu":
        return [max(s, 0.0) / len(row) for s in row]
    if name == "sigmoid":
        return [1 / (1 + math.exp(-s)) for s in row]
    total = sum(math.exp(s) for s in row) + (name in ("off_by_one", "key_bias"))
    p = [math.exp(s) / total for s in row]
    return [min(max(1.03 * q - 0.03, 0.0), 1.0) for q in p] if name == "clipped" else p


@pytest.mark.parametrize("name", VARIANTS)
@given(logits())
@cases
def test_weights_equal_the_definition(name: str, scores: Tensor) -> None:
    weights = ATTENTION[name]().weights(scores)[0, 0].tolist()
    for i, row in enumerate(scores[0, 0].tolist()):
        expected = by_hand(name, row[: i + 1])
        assert weights[i][: i + 1] == pytest.approx(expected, rel=1e-12, abs=1e-14)
        assert weights[i][i + 1 :] == [0.0] * (len(row) - i - 1), "masked entries have weight exactly 0"


# ------------------------------------------------------------------------------------------------------------- clipping


@given(logits(), st.floats(-2, 0), st.floats(1, 3))
@cases
def test_clipped_softmax(scores: Tensor, gamma: float, zeta: float) -> None:
    """P18: where it is exactly 0 or 1, up to the rounding of the threshold; monotone; no gradient where clipped."""
    scores = scores.clone().requires_grad_()
    p = torch.softmax(scores, dim=-1)
    p.retain_grad()
    weights = Clipped(gamma, zeta).weights(scores)
    assert ((weights >= 0) & (weights <= 1)).all()
    low, high = -gamma / (zeta - gamma), (1 - gamma) / (zeta - gamma)
    visible = scores > -torch.inf
    assert (weights[visible & (p < low - 1e-15)] == 0).all()
    assert (weights[visible & (p > low + 1e-15)] > 0).all()
    assert (weights[visible & (p > high + 1e-15)] == 1).all()
    assert (weights[visible & (p < high - 1e-15)] < 1).all()
    order = p.flatten().argsort()
    assert (weights.flatten()[order].diff() >= 0).all()
    clipped_entries = ((zeta - gamma) * p + gamma < 0) | ((zeta - gamma) * p + gamma > 1)
    (through,) = torch.autograd.grad(
        Clipped(gamma, zeta).weights(scores)[clipped_entries].sum(), scores, allow_unused=True
    )
    assert through is None or not through.nan_to_num().any()


@given(logits())
@cases
def test_clipping_by_nothing_is_softmax(scores: Tensor) -> None:
    assert torch.equal(Clipped(0.0, 1.0).weights(scores), Softmax().weights(scores))


@given(logits())
@cases
def test_relu_attention_without_a_positive_score_is_nothing(scores: Tensor) -> None:
    """P22, exactly."""
    assert not ATTENTION["relu"]().weights(-scores.abs()).any()


# --------------------------------------------------------------------------------------------- inside the transformer


def shaken(model: Transformer, seed: int) -> dict[str, Tensor]:
    """Parameters far from their initial values."""
    key = Key(torch.tensor(seed, dtype=torch.int32), 77)
    start = model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))
    return {name: p + 0.5 * key.split(n).normal(*p.shape) for n, (name, p) in enumerate(start.items())}


def tokens_of(seed: int, batch: int) -> dict[str, Tensor]:
    return {name: x[0] for name, x in TASK.sample(Key.of((seed,), DATA), batch).items()}


def model_with(attention: Any, layers: int = 1) -> Transformer:
    return Transformer(layers=layers, width=8, heads=2, attention=attention).sized_for(TASK)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_layer_reports_the_weights_it_used(name: str) -> None:
    model = model_with(name)
    batch = tokens_of(1, 5)
    (layer,) = model.forward(shaken(model, 2), batch["tokens"]).layers
    if name != "key_bias":
        assert torch.equal(layer.weights, ATTENTION[name]().weights(layer.scores))
    assert (layer.weights[..., ~torch.ones(6, 6).tril().bool()] == 0).all()


def test_a_key_bias_is_softmax_with_one_more_key_of_value_zero() -> None:
    """The first layer of the variant, with the weights of a network that has the learned key among its keys."""
    model = model_with(KeyBias())
    params, tokens = shaken(model, 3), tokens_of(4, 5)["tokens"]
    (layer,) = model.forward(params, tokens).layers
    h = params["token"][tokens] + params["position"][:6]
    x = torch.nn.functional.layer_norm(h, (8,), params["0.norm1.scale"], params["0.norm1.shift"])
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        query, key = (x @ params[f"0.{name}"].T[:, part] for name in ("query", "key"))
        for b in range(5):
            for i in range(6):
                keys = torch.cat([params["0.key_bias"][head][None], key[b, : i + 1]])
                expected = torch.softmax(keys @ query[b, i] / 2, dim=0)[1:]
                torch.testing.assert_close(layer.weights[b, head, i, : i + 1], expected, rtol=0, atol=1e-14)
    orthogonal = params | {"0.key_bias": torch.zeros(2, 4, dtype=torch.float64)}
    off_by_one = model_with(OffByOne()).forward(params, tokens)
    torch.testing.assert_close(model.forward(orthogonal, tokens).logits, off_by_one.logits, rtol=0, atol=1e-13)


@given(st.floats(0.01, 0.99), st.integers(0, 99))
@cases
def test_a_gate_multiplies_what_a_head_returns(initial: float, seed: int) -> None:
    """P19: gate times ungated, never longer; at the start every gate is `initial`."""
    model, plain = model_with(Gated(initial)), model_with("softmax")
    start = model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))
    tokens = tokens_of(seed, 3)["tokens"]
    seen: dict[str, Tensor] = {}

    def watch(who: str) -> Any:
        def edit(site: str, layer: int, value: Tensor) -> Tensor:
            seen[f"{who} {site}"] = value
            return value

        return edit

    model.forward(start, tokens, watch("gated"))
    plain.forward(start, tokens, watch("plain"))
    expected = initial * seen["plain attention"]
    torch.testing.assert_close(seen["gated attention"], expected, rtol=1e-12, atol=1e-15)
    key = Key(torch.tensor(seed, dtype=torch.int32), 5)
    p = {"gate": 3 * key.split(0).normal(2, 4), "gate_bias": key.split(1).normal(2)}
    x, mixed = key.split(2).normal(3, 2, 6, 4), key.split(3).normal(3, 2, 6, 4)
    gated = Gated().gated(p, x, mixed)
    for b, h, t in np.ndindex(3, 2, 6):
        gate = 1 / (1 + math.exp(-float(x[b, h, t] @ p["gate"][h] + p["gate_bias"][h])))
        torch.testing.assert_close(gated[b, h, t], gate * mixed[b, h, t], rtol=1e-12, atol=0)
    assert (gated.norm(dim=-1) <= mixed.norm(dim=-1)).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_starts_from_the_default_numbers(name: str) -> None:
    key = Key.of((3, 4), INITIAL)
    ours, default = model_with(name, 2).init(key), model_with("softmax", 2).init(key)
    assert ours.keys() >= default.keys()
    assert all(torch.equal(ours[k], default[k]) for k in default)
    assert {k: tuple(p.shape[1:]) for k, p in ours.items()} == model_with(name, 2).shapes()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_alone_and_in_company(name: str) -> None:
    """One replica without vmap against four with it, in float64; every parameter moves."""
    options: dict[str, Any] = {"steps": 5, "batch": 8, "evaluation": 8, "dtype": torch.float64}
    model = model_with(name)
    together = simulate(TASK, model, AdamW(1e-2), seeds=range(4), chunk=4, **options)
    for r in (0, 3):
        alone = simulate(TASK, model, AdamW(1e-2), seeds=[r], **options)
        for k, p in alone.params.items():
            torch.testing.assert_close(p[0], together.params[k][r], rtol=0, atol=1e-12, msg=k)
    start = model.init(Key.of(tuple(range(4)), INITIAL))
    assert all((together.params[k] != start[k]).any() for k in start)


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_equal_finite_differences(name: str) -> None:
    """Central differences of step 1e-5 along a random direction of all parameters."""
    model = model_with(name, 2)
    params, batch = shaken(model, 8), tokens_of(9, 4)
    key = Key(torch.tensor(1, dtype=torch.int32), 3)
    direction = {k: key.split(n).normal(*p.shape) / 10 for n, (k, p) in enumerate(params.items())}
    gradient = torch.func.grad(model.loss)(params, batch)
    along = sum((gradient[k] * direction[k]).sum() for k in params)
    up, down = (model.loss({k: p + e * direction[k] for k, p in params.items()}, batch) for e in (1e-5, -1e-5))
    torch.testing.assert_close(along, (up - down) / 2e-5, rtol=0, atol=1e-8)


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize(
    ("variant", "numbers"),
    [
        (Clipped, {"gamma": np.array([0.0, -0.02, -0.1]), "zeta": np.array([1.0, 1.1, 1.2])}),
        (Gated, {"initial": np.array([0.1, 0.25, 0.9])}),
    ],
)
def test_numbers_of_a_variant_may_differ_between_replicas(variant: Any, numbers: dict[str, Any], chunk: int) -> None:
    """Initial values, training and measures see each replica's own numbers."""
    options: dict[str, Any] = {"steps": 4, "batch": 4, "evaluation": 8, "record": 2, "dtype": torch.float64}

    def run(attention: Any, seeds: list[int], **more: Any) -> Any:
        model = model_with(attention)
        return simulate(TASK, model, SGD(0.1), seeds=seeds, measures=BackcopyMeasures(TASK, model), **options, **more)

    together = run(variant(**numbers), [5, 6, 7], chunk=chunk)
    for r in range(3):
        alone = run(variant(**{k: float(v[r]) for k, v in numbers.items()}), [5 + r])
        for name, value in alone.values.items():
            torch.testing.assert_close(value[0], together[name][r], rtol=0, atol=1e-13, msg=name)


def test_a_wrong_number_of_numbers_is_named() -> None:
    model = model_with(Clipped(np.array([0.0, -0.1])))
    with pytest.raises(
        ValueError, match=r"model\.attention\.gamma must hold one value per seed \(3\), got shape \(2,\)"
    ):
        simulate(TASK, model, SGD(0.1), seeds=[1, 2, 3], steps=1)
