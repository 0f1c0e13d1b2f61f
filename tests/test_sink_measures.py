"""`SinkMeasures` against loops over queries and layers, in company, under a trace, and on every model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from toy_tasks.bigram_backcopy import BackcopyMeasures, BigramBackcopy, BigramTable, MarkovChain, SinkMeasures
from toy_tasks.randomness import DATA, INITIAL, Key
from toy_tasks.simulator import AdamW, SimplifiedModel, Transformer, simulate
from toy_tasks.simulator.interventions import ideal_pattern

TASK = BigramBackcopy(BigramTable.synthetic(6), 2, 12)
MODEL = Transformer(layers=2, width=8, heads=2).sized_for(TASK)
pytestmark = pytest.mark.usefixtures("_one_thread")


def shaken(model: Any, seed: int) -> dict[str, Tensor]:
    """Parameters far from their initial values."""
    key = Key(torch.tensor(seed, dtype=torch.int32), 77)
    start = model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))
    return {k: p + 0.5 * key.split(n).normal(*p.shape) for n, (k, p) in enumerate(start.items())}


def batch_of(seed: int, batch: int = 5, task: BigramBackcopy = TASK) -> dict[str, Tensor]:
    return {name: x[0] for name, x in task.sample(Key.of((seed,), DATA), batch).items()}


def slow_measures(task: BigramBackcopy, layer: Any, tokens: Tensor, epsilon: float) -> dict[str, float]:
    """The definitions for one layer, one query at a time."""
    weights, scores = layer.weights.numpy(), layer.scores.numpy()
    values, output = (np.linalg.norm(x.numpy(), axis=-1) for x in (layer.values, layer.output))
    length = tokens.shape[1]
    sink: list[float] = []
    deltas: dict[int, list[float]] = {}
    for b, x in enumerate(tokens.tolist()):
        for i in range(1, length):
            if x[i] in task.trigger_ids:
                continue
            sink.append(weights[b, :, i, 0].mean())
            if i >= 2:
                gaps = [s[i, 0] - s[i, 1:i].mean() for s in scores[b]]
                deltas.setdefault(x[i], []).append(np.mean(gaps))
    means = [np.mean(d) for d in deltas.values()]
    rows = weights / weights.sum(axis=-1, keepdims=True)
    return {
        "sink_weight": np.mean(sink),
        "sink_rate": 100 * np.mean(rows[..., 0].mean(axis=-1) > epsilon),
        "delta_logit": np.mean(means),
        "delta_logit_low": np.quantile(means, 0.1),
        "delta_logit_high": np.quantile(means, 0.9),
        "value_norm": values[:, 0].mean(),
        "other_value_norm": values[:, 1:].mean(),
        "residual_norm": output[:, 0].mean(),
        "other_residual_norm": output[:, 1:].mean(),
        "peak": output[:, 0].mean() - output[:, 1:].mean(),
    }


@pytest.mark.parametrize("begin_tokens", [0, 1, 2])
@pytest.mark.parametrize("model", [MODEL, SimplifiedModel(mlp=5).sized_for(TASK)], ids=["transformer", "simplified"])
def test_measures_equal_slow_loops(model: Any, begin_tokens: int) -> None:
    task = BigramBackcopy(TASK.table, 2, 12, begin_tokens)
    params, batch = shaken(model, 1), batch_of(2, 5, task)
    found = SinkMeasures(task, model, 0.2)(params, batch)
    out = model.forward(params, batch["tokens"])
    for i, layer in enumerate(out.layers):
        expected = slow_measures(task, layer, batch["tokens"], 0.2)
        assert found.keys() == expected.keys() | {"loss", "inf_norm", "kurtosis"}
        for name, value in expected.items():
            assert float(found[name][i]) == pytest.approx(value, abs=1e-12), name
    assert float(found["loss"]) == pytest.approx(float(model.loss(params, batch)), abs=1e-13)


def test_measures_agree_with_those_of_one_layer() -> None:
    params, batch = shaken(MODEL, 3), batch_of(4)
    every = SinkMeasures(TASK, MODEL)(params, batch)
    for i in (0, 1):
        one = BackcopyMeasures(TASK, MODEL, i)(params, batch)
        for name in ("sink_weight", "value_norm", "other_value_norm", "residual_norm", "other_residual_norm"):
            torch.testing.assert_close(every[name][i], one[name], rtol=0, atol=1e-14)


def test_an_edit_reaches_the_measures() -> None:
    """The ideal pattern in every layer: all non-trigger attention on <s>, all trigger attention on the token before."""
    params, batch = shaken(MODEL, 3), batch_of(4)
    for i in (0, 1):
        one = BackcopyMeasures(TASK, MODEL, i, edit=ideal_pattern)(params, batch)
        assert one["sink_weight"] == one["uncopied_weight"] == one["copy_weight"] == 1
        assert BackcopyMeasures(TASK, MODEL, i)(params, batch)["sink_weight"] < 0.9
    assert (SinkMeasures(TASK, MODEL, edit=ideal_pattern)(params, batch)["sink_weight"] == 1).all()


def test_in_company_and_traced() -> None:
    measures = SinkMeasures(TASK, MODEL)
    options: dict[str, Any] = {"steps": 2, "batch": 4, "evaluation": 6, "dtype": torch.float64, "measures": measures}
    together = simulate(TASK, MODEL, AdamW(1e-2), seeds=[1, 2, 3], chunk=3, **options)
    alone = simulate(TASK, MODEL, AdamW(1e-2), seeds=[2], **options)
    assert together["peak"].shape == (3, 2, 2)
    for name, value in alone.values.items():
        torch.testing.assert_close(value[0], together[name][1], rtol=0, atol=1e-12, msg=name)

    def measured(params: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return torch.vmap(measures)(params, batch)

    params = MODEL.init(Key.of((1, 2), INITIAL))
    first, other = (TASK.sample(Key.of(pair, DATA), 4) for pair in ((1, 2), (7, 8)))
    traced = make_fx(measured)(params, first)
    torch.testing.assert_close(traced(params, other), measured(params, other), rtol=0, atol=1e-13)


@pytest.mark.parametrize("switches", [{"attention": "relu"}, {"without": ("0.attention", "norm")}, {"norm": "post"}])
def test_every_network_can_be_measured(switches: dict[str, Any]) -> None:
    """All finite; a layer without attention has no sink."""
    task = MarkovChain(TASK.table, 2, 12)
    model = Transformer(layers=2, width=8, **switches).sized_for(task)
    found = SinkMeasures(task, model)(shaken(model, 5), batch_of(6, 8, task))
    assert all(value.isfinite().all() for value in found.values())
    if "without" in switches:
        assert (found["sink_rate"][0], found["sink_weight"][0], found["value_norm"][0]) == (0, 0, 0)
