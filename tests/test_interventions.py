"""Interventions on a model against networks in which the same thing was done by hand to the parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
from toy_tasks.randomness import DATA, INITIAL, Key
from toy_tasks.simulator import Transformer
from toy_tasks.simulator.attention import ATTENTION
from toy_tasks.simulator.block import SITES
from toy_tasks.simulator.interventions import (
    Chain,
    Intervention,
    ideal_copying_rows,
    ideal_pattern,
    identity_attention,
    remove_mlp,
    zero_attention,
    zero_first_mlp_input,
    zero_first_value,
)

Params = dict[str, Tensor]
TASK = BigramBackcopy(BigramTable.synthetic(8), 2, 8)
MODEL = Transformer(layers=2, width=8, heads=2).sized_for(TASK)
IS_TRIGGER = torch.from_numpy(TASK.is_trigger)
cases = settings(derandomize=True, database=None, deadline=None, max_examples=25)
pytestmark = pytest.mark.usefixtures("_one_thread")


def shaken(model: Transformer, seed: int) -> Params:
    """Parameters far from their initial values."""
    key = Key(torch.tensor(seed, dtype=torch.int32), 77)
    start = model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))
    return {k: p + 0.5 * key.split(n).normal(*p.shape) for n, (k, p) in enumerate(start.items())}


def tokens_of(seed: int, batch: int = 5) -> Tensor:
    return TASK.sample(Key.of((seed,), DATA), batch)["tokens"][0]


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_an_edit_sees_every_site_once_and_changes_nothing_by_itself() -> None:
    seen: list[tuple[str, int]] = []

    def watch(site: str, layer: int, value: Tensor) -> Tensor:
        seen.append((site, layer))
        return value

    params, tokens = shaken(MODEL, 0), tokens_of(0)
    logits = MODEL.forward(params, tokens, watch).logits
    assert torch.equal(logits, MODEL.forward(params, tokens).logits)
    assert seen == [*((site, layer) for layer in (0, 1) for site in SITES[:-1]), ("norm", 2)]


@pytest.mark.parametrize("layers", [(0,), (1,), (0, 1), None])
def test_zeroed_parts_equal_removed_parts(layers: tuple[int, ...] | None) -> None:
    """P23 for the MLP: the residual stays. And for attention, in every layer that was named and no other."""
    params, tokens = shaken(MODEL, 1), tokens_of(1)
    for edit, part in ((zero_attention(layers), "attention"), (remove_mlp(layers), "mlp")):
        removed = replace(MODEL, without=tuple(f"{i}.{part}" for i in layers or (0, 1)))
        same(MODEL.forward(params, tokens, edit).logits, removed.forward(params, tokens).logits)


@pytest.mark.parametrize("attention", sorted(ATTENTION))
@given(st.integers(0, 999))
@cases
def test_without_attention_one_layer_sees_token_and_position_only(attention: str, seed: int) -> None:
    """P23: equal tokens at equal positions give equal logits whatever else the sequences hold."""
    model = replace(MODEL, layers=1, attention=attention)
    params = shaken(model, seed)
    key = Key(torch.tensor(seed, dtype=torch.int32), 8)
    tokens, others = (key.split(n).integers(4, 8) % TASK.vocabulary for n in (0, 1))
    position = seed % 8
    others[:, position] = tokens[:, position]
    first, second = (model.forward(params, x, zero_attention()).logits[:, position] for x in (tokens, others))
    same(first, second)


def test_patterns_by_hand() -> None:
    tokens = tokens_of(2, 20)
    copying = IS_TRIGGER[tokens]
    params = shaken(MODEL, 2)
    free = MODEL.forward(params, tokens).layers[0].weights
    assert copying.any()
    for i, edit in enumerate((ideal_pattern(copying), ideal_copying_rows(copying), identity_attention())):
        layers = MODEL.forward(params, tokens, edit).layers
        for b in range(20):
            for t in range(8):
                target = t - 1 if copying[b, t] else 0
                expected = torch.eye(8, dtype=torch.float64)[t if i == 2 else target].expand(2, -1)
                if i == 1 and not copying[b, t]:
                    expected = free[b, :, t]
                assert torch.equal(layers[0].weights[b, :, t], expected)
        assert (layers[1].weights[:, :, 0, 0] == 1).all()


def test_an_attention_that_copies_reads_the_previous_value() -> None:
    """With the ideal pattern the attention returns W_o v of the previous token after a trigger, of <s> elsewhere."""
    tokens = tokens_of(3, 20)
    copying = IS_TRIGGER[tokens]
    seen: dict[int, Tensor] = {}

    def watch(site: str, layer: int, value: Tensor) -> Tensor:
        if site == "attention":
            seen[layer] = value
        return value

    out = MODEL.forward(shaken(MODEL, 3), tokens, Chain((ideal_pattern(copying), watch)))
    for i, layer in enumerate(out.layers):
        previous = torch.cat([layer.values[:, :1], layer.values[:, :-1]], dim=1)
        same(seen[i], torch.where(copying[..., None], previous, layer.values[:, :1].expand_as(previous)))


def test_zeroing_at_the_first_position_leaves_the_others() -> None:
    params, tokens = shaken(MODEL, 4), tokens_of(4)
    free = MODEL.forward(params, tokens)
    drained = MODEL.forward(params, tokens, zero_first_value((0,)))
    assert not drained.layers[0].values[:, 0].any()
    assert torch.equal(drained.layers[0].values[:, 1:], free.layers[0].values[:, 1:])
    seen: dict[str, Tensor] = {}

    def watch(site: str, layer: int, value: Tensor) -> Tensor:
        if layer == 0:
            seen[site] = value
        return value

    MODEL.forward(params, tokens, Chain((zero_first_value((0,)), watch)))
    weights = free.layers[0].weights.clone()
    weights[..., 0] = 0
    pieces = free.layers[0].values.new_zeros(5, 8, 8)
    value = seen["values"].transpose(1, 2)
    for h in range(2):
        mixed = weights[:, h] @ value[:, :, h]
        pieces += mixed @ params["0.output"][:, 4 * h : 4 * h + 4].T
    same(seen["attention"], pieces)

    quiet = MODEL.forward(params, tokens, zero_first_mlp_input((1,)))
    without = MODEL.forward(params, tokens, remove_mlp((1,)))
    same(quiet.layers[1].output[:, 0], without.layers[1].output[:, 0])
    assert torch.equal(quiet.layers[1].output[:, 1:], free.layers[1].output[:, 1:])


def test_interventions_under_vmap_and_traced() -> None:
    """Three replicas at once equal each alone; a trace on other data equals the eager forward."""
    params = [shaken(MODEL, seed) for seed in range(3)]
    tokens = torch.stack([tokens_of(seed) for seed in range(3)])

    def forward(p: Params, x: Tensor) -> Tensor:
        copying = IS_TRIGGER[x]
        edit = Chain((ideal_copying_rows(copying, (0,)), zero_first_value((1,)), remove_mlp((1,))))
        return MODEL.forward(p, x, edit).logits

    stacked = {k: torch.stack([p[k] for p in params]) for k in params[0]}
    together = torch.vmap(forward)(stacked, tokens)
    for r in range(3):
        same(together[r], forward(params[r], tokens[r]))
    from torch.fx.experimental.proxy_tensor import make_fx

    traced = make_fx(torch.vmap(forward))(stacked, tokens)
    other = torch.stack([tokens_of(seed) for seed in range(5, 8)])
    same(traced(stacked, other), torch.vmap(forward)(stacked, other))


def test_a_layer_that_is_not_there_is_named() -> None:
    params, tokens = shaken(MODEL, 0), tokens_of(0)
    edits: list[Any] = [zero_attention((3,)), Chain((remove_mlp(), zero_first_value((3,))))]
    for edit in edits:
        with pytest.raises(ValueError, match=r"layers must be one of 0, 1, 2, got 3"):
            MODEL.forward(params, tokens, edit)
    assert Intervention("norm", torch.zeros_like, (2,))("norm", 2, tokens).any().logical_not()
