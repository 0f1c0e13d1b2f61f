"""Switches of the transformer: what is removed, frozen, moved or made linear, against torch's own modules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
from toy_tasks.randomness import DATA, INITIAL, Key
from toy_tasks.simulator import SGD, Adam, AdamW, Transformer, simulate

Params = dict[str, Tensor]
TASK = BigramBackcopy(BigramTable.synthetic(8), 2, 6)
DEFAULT = Transformer(layers=2, width=8, heads=2).sized_for(TASK)
pytestmark = pytest.mark.usefixtures("_one_thread")


def initial(model: Transformer, seed: int = 0) -> Params:
    return model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))


def shaken(model: Transformer, seed: int) -> Params:
    """Parameters far from their initial values."""
    key = Key(torch.tensor(seed, dtype=torch.int32), 77)
    return {k: p + 0.5 * key.split(n).normal(*p.shape) for n, (k, p) in enumerate(initial(model, seed).items())}


def batch_of(seed: int, batch: int) -> dict[str, Tensor]:
    return {name: x[0] for name, x in TASK.sample(Key.of((seed,), DATA), batch).items()}


def reference(model: Transformer, p: Params, tokens: Tensor) -> Tensor:
    """Logits by torch's own attention and by plain residual sums."""

    def norm(name: str, x: Tensor) -> Tensor:
        if name in model.without:
            return x
        return F.layer_norm(x, (8,), p[f"{name}.scale"], p[f"{name}.shift"])

    h = p["token"][tokens] + p["position"][:6]
    for i in range(model.layers):

        def attend(x: Tensor, i: int = i) -> Tensor:
            q, k, v = (
                (x @ p[f"{i}.{n}"].T).reshape(*x.shape[:2], 2, 4).transpose(1, 2) for n in ("query", "key", "value")
            )
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return mixed.transpose(1, 2).reshape(x.shape) @ p[f"{i}.output"].T

        def mlp(x: Tensor, i: int = i) -> Tensor:
            hidden = x @ p[f"{i}.up"].T
            return (hidden.clamp(min=0) if model.activation == "relu" else hidden) @ p[f"{i}.down"].T

        for part, name, f in (("attention", f"{i}.norm1", attend), ("mlp", f"{i}.norm2", mlp)):
            if f"{i}.{part}" not in model.without:
                h = h + f(norm(name, h)) if model.norm == "pre" else norm(name, h + f(h))
    return norm("norm", h) @ p["readout"].T


SWITCHES: list[dict[str, Any]] = [
    {},
    {"without": ("0.attention",)},
    {"without": ("1.mlp",)},
    {"without": ("0.norm1", "1.norm2", "norm")},
    {"without": ("0.attention", "0.mlp")},
    {"without": ("0.attention", "1.attention", "norm")},
    {"norm": "post"},
    {"norm": "post", "without": ("0.norm1", "1.attention", "norm")},
    {"activation": "linear"},
    {"norm": "post", "activation": "linear", "without": ("0.mlp",)},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_switched_networks_equal_torch_modules(switches: dict[str, Any]) -> None:
    model = replace(DEFAULT, **switches)
    params, batch = shaken(model, 1), batch_of(2, 5)
    out = model.forward(params, batch["tokens"])
    torch.testing.assert_close(out.logits, reference(model, params, batch["tokens"]), rtol=0, atol=1e-12)
    assert [layer.weights.shape for layer in out.layers] == [(5, 2, 6, 6)] * 2
    assert [layer.values.shape for layer in out.layers] == [(5, 6, 8)] * 2


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_what_remains_starts_from_the_default_numbers_and_is_used(switches: dict[str, Any]) -> None:
    """Same initial values as the whole network, no parameter without a gradient, none that is missing."""
    model = replace(DEFAULT, **switches)
    params, whole = initial(model), initial(DEFAULT)
    assert {k: tuple(p.shape) for k, p in params.items()} == model.shapes()
    assert all(torch.equal(p, whole[k]) for k, p in params.items())
    gradient = torch.func.grad(model.loss)(shaken(model, 3), batch_of(4, 6))
    assert all(g.any() for g in gradient.values())


def test_removed_parts_take_their_parameters_along() -> None:
    gone = DEFAULT.shapes().keys() - replace(DEFAULT, without=("1.attention", "0.norm2", "norm")).shapes().keys()
    attention = {f"1.{k}" for k in ("query", "key", "value", "output", "norm1.scale", "norm1.shift")}
    assert gone == attention | {"0.norm2.scale", "0.norm2.shift", "norm.scale", "norm.shift"}
    gated = replace(DEFAULT, attention="gated", without=("1.attention",)).shapes()
    assert {"0.gate", "0.gate_bias"} <= gated.keys()
    assert not {"1.gate", "1.gate_bias"} & gated.keys()


def test_a_layer_without_attention_reports_none() -> None:
    model = replace(DEFAULT, without=("0.attention",))
    layer = model.forward(shaken(model, 5), batch_of(6, 3)["tokens"]).layers[0]
    assert not layer.weights.any()
    assert not layer.values.any()
    visible = torch.ones(6, 6).tril().bool()
    assert (layer.scores[..., visible] == 0).all()
    assert (layer.scores[..., ~visible] == -torch.inf).all()


# -------------------------------------------------------------------------------------------------------------- frozen


@pytest.mark.parametrize(
    ("frozen", "names"),
    [
        (("token",), {"token"}),
        (("0.value", "readout"), {"0.value", "readout"}),
        (("1.norm1",), {"1.norm1.scale", "1.norm1.shift"}),
        (("1",), {k for k in DEFAULT.shapes() if k.startswith("1.")}),
        (("norm", "norm"), {"norm.scale", "norm.shift"}),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3])
def test_frozen_parameters_keep_their_initial_values(frozen: tuple[str, ...], names: set[str], chunk: int) -> None:
    """In spite of weight decay and momentum; all others move."""
    model = replace(DEFAULT, frozen=frozen)
    assert model.frozen_names == names
    for optimizer in (AdamW(1e-2, weight_decay=0.5), SGD(0.1, 0.9, 0.1)):
        run = simulate(
            TASK, model, optimizer, seeds=[1, 2], steps=3, batch=8, evaluation=4, dtype=torch.float64, chunk=chunk
        )
        start = model.init(Key.of((1, 2), INITIAL))
        assert run.params.keys() == start.keys()
        for name, p in run.params.items():
            assert torch.equal(p, start[name]) == (name in names), name


def test_freezing_the_rest_changes_nothing_for_what_moves() -> None:
    """One step of plain gradient descent does not depend on what else moves; Adam's neither."""
    for optimizer in (SGD(0.1), Adam(0.1)):
        steps: dict[str, Any] = {"seeds": [1], "steps": 1, "batch": 8, "evaluation": 4, "dtype": torch.float64}
        part = simulate(TASK, replace(DEFAULT, frozen=("0", "token")), optimizer, **steps).params
        whole = simulate(TASK, DEFAULT, optimizer, **steps).params
        assert torch.equal(part["1.query"], whole["1.query"])
        assert not torch.equal(part["0.query"], whole["0.query"])


@pytest.mark.parametrize(
    "switches",
    [{"without": ("0.attention", "1.mlp")}, {"norm": "post"}, {"frozen": ("1", "token")}, {"attention": "relu"}],
    ids=str,
)
def test_switched_networks_train_alone_and_in_company(switches: dict[str, Any]) -> None:
    model = replace(DEFAULT, **switches)
    options: dict[str, Any] = {"steps": 4, "batch": 4, "evaluation": 4, "dtype": torch.float64}
    together = simulate(TASK, model, AdamW(1e-2), seeds=[3, 4, 5], chunk=3, **options)
    alone = simulate(TASK, model, AdamW(1e-2), seeds=[4], **options)
    for name, p in alone.params.items():
        torch.testing.assert_close(p[0], together.params[name][1], rtol=0, atol=1e-12, msg=name)
