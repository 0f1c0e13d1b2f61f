"""The simulator against other implementations, itself in other company, and stated numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from toy_tasks.bigram_backcopy import BackcopyMeasures, BigramBackcopy, BigramTable, SinkMeasures
from toy_tasks.randomness import DATA, EVALUATION, INITIAL, Key
from toy_tasks.scan_and_snap import CountModel, ScanAndSnap, SnapMeasures
from toy_tasks.simulator import SGD, Adam, AdamW, Diverged, Trajectories, Transformer, simulate
from toy_tasks.simulator.capture import Eager, accelerate
from toy_tasks.simulator.engine import Chunk, Plan
from toy_tasks.simulator.replicas import bind
from toy_tasks.task import Batch, NoData

Params = dict[str, Tensor]
TASK = BigramBackcopy(BigramTable.synthetic(8), 2, 6)
LARGE = Transformer(width=16, heads=2)  # 3,248 numbers: the default chunk on the CPU is 1
SMALL = Transformer(layers=2, width=8, heads=2).sized_for(TASK)
SEEDS = (5, 6, 7, 8, 9)
pytestmark = pytest.mark.usefixtures("_one_thread")


class Points:
    """Three features and a label that depends on their sum: a user's own task."""

    def sample(self, key: Key, batch: int) -> Batch:
        x = key.split(0).normal(batch, 3)
        return {"x": x, "label": x.sum(dim=-1) + 0.3 * key.split(1).normal(batch) > 0}


class Logistic:
    """A user's own model; 4 numbers, so that the default chunk is 64."""

    def init(self, key: Key) -> Params:
        return {"w": key.normal(3), "b": torch.zeros(key.seed.shape)}

    def loss(self, params: Params, batch: Batch) -> Tensor:
        logits = batch["x"].to(params["w"]) @ params["w"] + params["b"]
        return F.binary_cross_entropy_with_logits(logits, batch["label"].to(logits))


@dataclass(frozen=True)
class Bowl:
    """`curvature` w^2 / 2 from w = 5 + normal: gradients known by heart."""

    curvature: Any = 1.0

    def init(self, key: Key) -> Params:
        return {"w": key.normal(3) + 5}

    def loss(self, params: Params, batch: Batch) -> Tensor:
        return self.curvature * (params["w"] ** 2).sum() / 2


def run(task: Any = TASK, model: Any = SMALL, optimizer: Any = None, **options: Any) -> Trajectories:
    """A short run in float64."""
    options = {"seeds": SEEDS, "steps": 6, "batch": 4, "evaluation": 8, "record": 2, "dtype": torch.float64} | options
    return simulate(task, model, optimizer or AdamW(1e-2), **options)


def initial(model: Transformer, seed: int = 0) -> Params:
    return model.init(Key(torch.tensor(seed, dtype=torch.int32), INITIAL))


def tokens_of(seed: int, batch: int, task: BigramBackcopy = TASK) -> Batch:
    return {name: x[0] for name, x in task.sample(Key.of((seed,), DATA), batch).items()}


# ---------------------------------------------------------------------------------------------------------- optimisers


def wavy(params: Params) -> Tensor:
    """A loss that is neither convex nor the same in all coordinates."""
    return (torch.tanh(params["w"] @ params["v"]) ** 2).sum() + (params["w"] ** 4).mean() + torch.cos(params["v"]).sum()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (SGD(0.1, weight_decay=0.2), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2)),
        (SGD(0.05, 0.9, 0.1), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1)),
        (Adam(0.03), lambda p: torch.optim.Adam(p, lr=0.03)),
        (Adam(0.03, 0.8, 0.99, 1e-3), lambda p: torch.optim.Adam(p, lr=0.03, betas=(0.8, 0.99), eps=1e-3)),
        (AdamW(0.03), lambda p: torch.optim.AdamW(p, lr=0.03)),
        (AdamW(0.03, 0.0, 0.9, 1e-8, 0.3), lambda p: torch.optim.AdamW(p, 0.03, (0.0, 0.9), 1e-8, 0.3)),
    ],
)
def test_optimisers_equal_torch(ours: Any, theirs: Callable[[list[Tensor]], torch.optim.Optimizer]) -> None:
    """20 steps in float64, every parameter after every step."""
    key = Key(torch.tensor(3, dtype=torch.int32))
    params = {"w": key.split(0).normal(4, 3), "v": key.split(1).normal(3)}
    reference = {name: p.clone().requires_grad_() for name, p in params.items()}
    optimizer, state = theirs(list(reference.values())), ours.init(params)
    for step in range(20):
        optimizer.zero_grad()
        wavy(reference).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        params, state = ours.update(params, torch.func.grad(wavy)(params), state, torch.tensor(step))
        for name, p in params.items():
            torch.testing.assert_close(p, reference[name].detach(), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda rate: SGD(rate, 0.9, 0.1), lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.1)),
        (lambda rate: AdamW(rate), lambda p: torch.optim.AdamW(p)),
    ],
)
def test_a_rate_per_parameter_equals_parameter_groups_of_torch(
    ours: Callable[[Any], Any], theirs: Callable[[Any], torch.optim.Optimizer]
) -> None:
    """20 steps in float64, every parameter after every step."""
    key, rates = Key(torch.tensor(3, dtype=torch.int32)), {"v": 0.2, "w": 0.03}
    params = {"w": key.split(0).normal(4, 3), "v": key.split(1).normal(3)}
    reference = {name: p.clone().requires_grad_() for name, p in params.items()}
    optimizer = theirs([{"params": [p], "lr": rates[name]} for name, p in reference.items()])
    rule = ours(rates)
    state = rule.init(params)
    for step in range(20):
        optimizer.zero_grad()
        wavy(reference).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        params, state = rule.update(params, torch.func.grad(wavy)(params), state, torch.tensor(step))
        for name, p in params.items():
            torch.testing.assert_close(p, reference[name].detach(), rtol=0, atol=1e-13)


# --------------------------------------------------------------------------------------------------------- transformer


class Reference(nn.Module):
    """The same network from torch's own parts."""

    def __init__(self, model: Transformer, params: Params) -> None:
        super().__init__()
        self.model, self.p = model, params

    def linear(self, name: str, x: Tensor) -> Tensor:
        layer = nn.Linear(*reversed(self.p[name].shape), bias=False, dtype=x.dtype)
        layer.weight = nn.Parameter(self.p[name])
        return layer(x)

    def norm(self, name: str, x: Tensor) -> Tensor:
        layer = nn.LayerNorm(self.model.width, dtype=x.dtype)
        layer.weight, layer.bias = nn.Parameter(self.p[f"{name}.scale"]), nn.Parameter(self.p[f"{name}.shift"])
        return layer(x)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """Logits, and per block the attention weights, output values and residual stream."""
        token, position = (nn.Embedding.from_pretrained(self.p[k]) for k in ("token", "position"))
        h, seen = token(tokens) + position(torch.arange(tokens.shape[1])), []
        for i in range(self.model.layers):
            x = self.norm(f"{i}.norm1", h)
            split = (*x.shape[:2], self.model.heads, -1)
            q, k, v = (self.linear(f"{i}.{n}", x) for n in ("query", "key", "value"))
            q, k, heads = (y.reshape(split).transpose(1, 2) for y in (q, k, v))
            mixed = F.scaled_dot_product_attention(q, k, heads, is_causal=True)
            one_hot = torch.eye(x.shape[1], dtype=x.dtype).expand(*q.shape[:2], -1, -1)
            weights = F.scaled_dot_product_attention(q, k, one_hot, is_causal=True)
            h = h + self.linear(f"{i}.output", mixed.transpose(1, 2).reshape(x.shape))
            h = h + self.linear(f"{i}.down", F.relu(self.linear(f"{i}.up", self.norm(f"{i}.norm2", h))))
            seen.append({"weights": weights, "values": self.linear(f"{i}.output", v), "output": h})
        return self.linear("readout", self.norm("norm", h)), seen


def shaken(model: Transformer, seed: int) -> Params:
    """Parameters far from their initial values, norms included."""
    params = initial(model, seed)
    key = Key(torch.tensor(seed, dtype=torch.int32), 77)
    return {name: p + 0.5 * key.split(n).normal(*p.shape) for n, (name, p) in enumerate(params.items())}


@pytest.mark.parametrize(
    "model",
    [
        Transformer(width=8),
        Transformer(width=12, heads=3, layers=2, mlp=7),
        Transformer(width=8, heads=8, layers=3, length=9),  # more positions than are used
    ],
)
def test_forward_equals_torch_modules(model: Transformer) -> None:
    """Logits, and everything that a measure may ask for, in float64."""
    model = model.sized_for(TASK)
    params, batch = shaken(model, 1), tokens_of(2, 5)
    ours = model.forward(params, batch["tokens"])
    logits, seen = Reference(model, params)(batch["tokens"])
    torch.testing.assert_close(ours.logits, logits, rtol=0, atol=1e-12)
    assert len(ours.layers) == model.layers
    for layer, expected in zip(ours.layers, seen, strict=True):
        for name, value in expected.items():
            torch.testing.assert_close(getattr(layer, name), value, rtol=0, atol=1e-12)
        visible = torch.ones(6, 6, dtype=torch.bool).tril()
        assert (layer.scores[..., ~visible] == -torch.inf).all()
        from_weights = torch.log(layer.weights / layer.weights[..., :1])  # logits up to a constant per query
        torch.testing.assert_close(
            (layer.scores - layer.scores[..., :1])[..., visible], from_weights[..., visible], rtol=0, atol=1e-12
        )
    expected = -torch.distributions.Categorical(logits=logits).log_prob(batch["targets"]).mean()
    torch.testing.assert_close(model.loss(params, batch), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("position", range(1, 6))
def test_a_later_token_does_not_change_earlier_logits(position: int) -> None:
    params, tokens = shaken(SMALL, 3), tokens_of(4, 3)["tokens"]
    changed = tokens.clone()
    changed[:, position] = (tokens[:, position] + 1) % TASK.vocabulary
    before, after = (SMALL.forward(params, x).logits for x in (tokens, changed))
    assert torch.equal(before[:, :position], after[:, :position])
    assert (before[:, position:] != after[:, position:]).any(dim=-1).all()


def test_shapes_and_number_of_parameters() -> None:
    """887,808 at 1 layer, width 256, vocabulary 67, length 256: the published model's size."""
    model = Transformer(layers=1, width=256, vocabulary=67, length=256)
    assert sum(math.prod(shape) for shape in model.shapes().values()) == 887_808
    assert {name: tuple(p.shape) for name, p in initial(SMALL).items()} == SMALL.shapes()
    assert SMALL.shapes()["1.down"] == (8, 32)
    assert replace(SMALL, mlp=5).shapes()["0.up"] == (5, 8)
    assert SMALL.vocabulary == SMALL.shapes()["readout"][0] == 9
    assert Transformer(vocabulary=11).sized_for(TASK) == Transformer(vocabulary=11, length=6)


def test_initial_scales() -> None:
    """Mean and variance of each law within 4 standard errors; linear maps fill their interval; norms exact."""
    params = initial(Transformer(width=64, vocabulary=65, length=64), 1)
    for name, p in params.items():
        kind = name.rpartition(".")[2]
        if kind in ("scale", "shift"):
            assert (p == float(kind == "scale")).all()
            continue
        embedding = kind in ("token", "position")
        bound = math.inf if embedding else 1 / math.sqrt(p.shape[1])
        variance, fourth = (1.0, 3.0) if embedding else (bound**2 / 3, bound**4 / 5)
        assert abs(p.mean()) < 4 * math.sqrt(variance / p.numel()), name
        assert abs(p.square().mean() - variance) < 4 * math.sqrt((fourth - variance**2) / p.numel()), name
        if not embedding:
            assert 0.99 * bound < p.abs().max() <= bound, name
    drawn = [p.flatten()[:4096] for name, p in params.items() if "norm" not in name]
    stacked = torch.stack([p for p in drawn if len(p) == 4096])
    correlations = torch.corrcoef(stacked) - torch.eye(len(stacked), dtype=torch.float64)
    assert correlations.abs().max() < 4.5 / 64, "parameters share their random numbers"


def test_gradient_of_the_loss_equals_finite_differences() -> None:
    """Central differences of step 1e-5 at two coordinates of every parameter."""
    params, batch = shaken(SMALL, 5), tokens_of(6, 4)
    gradient = torch.func.grad(SMALL.loss)(params, batch)
    for name, p in params.items():
        for index in (0, p.numel() - 1):
            losses = []
            for step in (1e-5, -1e-5):
                moved = p.flatten().clone()
                moved[index] += step
                losses.append(SMALL.loss(params | {name: moved.reshape(p.shape)}, batch))
            difference = (losses[0] - losses[1]) / 2e-5
            torch.testing.assert_close(gradient[name].flatten()[index], difference, rtol=0, atol=1e-9, msg=name)


# ------------------------------------------------------------------------------------------------------------ measures


def slow_measures(task: BigramBackcopy, model: Transformer, params: Params, batch: Batch, at: int) -> dict[str, float]:
    """The definitions of `BackcopyMeasures`, one query at a time."""
    out = model.forward(params, batch["tokens"])
    layer = out.layers[at]
    q = torch.softmax(out.logits, dim=-1).numpy()
    found: dict[str, list[float]] = {}

    def note(name: str, value: Any) -> None:
        found.setdefault(name, []).append(float(value))

    for b, (x, targets) in enumerate(zip(batch["tokens"].tolist(), batch["targets"].tolist(), strict=True)):
        for i, token in enumerate(x):
            note("loss", -math.log(q[b, i, targets[i]]))
            who = "" if i == 0 else "other_"
            note(f"{who}value_norm", np.linalg.norm(layer.values[b, i]))
            note(f"{who}residual_norm", np.linalg.norm(layer.output[b, i]))
            weights, scores = layer.weights[b, :, i].numpy(), layer.scores[b, :, i].numpy()  # (head, key)
            if i == 0:
                continue
            if token in task.trigger_ids:
                note("backcopy_risk", -math.log(q[b, i, x[i - 1]]))
                note("copy_weight", weights[:, i - 1].mean())
                continue
            p = task.next_token[token]
            note("bigram_excess", sum(p[k] * math.log(p[k] / q[b, i, k]) for k in range(len(p)) if p[k] > 0))
            note("sink_weight", weights[:, 0].mean())
            never = [j for j in range(i + 1) if x[j] == task.begin or x[j] in task.trigger_ids]
            note("uncopied_weight", weights[:, never].sum(axis=1).mean())
            if i >= 2:
                note("sink_logit", np.mean([s[0] - s[1:i].mean() for s in scores]))
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("layer", [0, 1])
def test_measures_equal_slow_loops(layer: int) -> None:
    task = BigramBackcopy(BigramTable.synthetic(6), 2, 12)
    model = Transformer(layers=2, width=8, heads=2).sized_for(task)
    params, batch = shaken(model, 7), tokens_of(8, 5, task)
    ours = BackcopyMeasures(task, model, layer)(params, batch)
    expected = slow_measures(task, model, params, batch, layer)
    assert ours.keys() == expected.keys()
    for name, value in ours.items():
        assert value.item() == pytest.approx(expected[name], abs=1e-12), name


def test_copies_of_measures_share_their_constants() -> None:
    """What a replica's copy would make anew could not be moved to a GPU while its step is captured."""
    task, classes = BigramBackcopy(BigramTable.synthetic(6), 2, 12), ScanAndSnap.syn_small()
    model, counts = Transformer(width=8).sized_for(task), CountModel().sized_for(classes)
    for measures in (BackcopyMeasures(task, model), SinkMeasures(task, model), SnapMeasures(classes, counts)):
        made = {name: value for name, value in vars(measures).items() if name.startswith("_")}
        assert made
        copied = vars(bind(measures, {"model": model}))
        assert all(copied[name] is value for name, value in made.items())


def test_measures_at_the_oracle() -> None:
    """Read-out set to the true bigram law: no excess risk, and the loss is the cross-entropy of that law."""
    task = BigramBackcopy(BigramTable.synthetic(6), 2, 12)
    model = Transformer(width=8).sized_for(task)
    params = {name: torch.zeros_like(p) for name, p in initial(model).items()}
    centred = torch.eye(8, dtype=torch.float64)[:7] - 1 / 8  # LayerNorm keeps their direction
    scaled = F.layer_norm(centred, (8,), eps=1e-5)
    laws = torch.log(torch.tensor(task.next_token).clamp(min=1e-300))
    params |= {"token": centred, "norm.scale": torch.ones(8, dtype=torch.float64)}
    params["readout"] = (torch.linalg.pinv(scaled) @ laws).T
    ours = BackcopyMeasures(task, model)(params, tokens_of(1, 50, task))
    assert ours["bigram_excess"].item() == pytest.approx(0, abs=1e-12)


# -------------------------------------------------------------------------------------------- company changes nothing

COMPANY: dict[str, dict[str, Any]] = {
    "transformer": {"model": LARGE},
    "transformer, 4 a chunk": {"model": LARGE, "chunk": 4},
    "small transformer, default chunk": {"model": SMALL},
    "tiny, default chunk": {"task": Points(), "model": Logistic()},
    "tiny, 3 a chunk": {"task": Points(), "model": Logistic(), "chunk": 3},
}
in_company = pytest.mark.parametrize("case", COMPANY.values(), ids=COMPANY)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def of_replica(result: Trajectories, r: int) -> Params:
    """Everything that is known of one replica."""
    return {name: v[r] for name, v in result.values.items()} | {
        f"final {name}": p[r] for name, p in result.params.items()
    }


def assert_same(one: Trajectories, r: int, other: Trajectories, s: int) -> None:
    """Bit for bit: trajectory and final parameters."""
    expected = of_replica(other, s)
    for name, value in of_replica(one, r).items():
        assert not value.isnan().any(), name
        assert torch.equal(value, expected[name]), name


@in_company
@each_dtype
def test_batch_mates_do_not_change_a_bit(case: dict[str, Any], dtype: torch.dtype) -> None:
    """Other seeds around it, more of them, a first replica alone, neighbours that turn NaN: the same bits."""
    base = run(**case, dtype=dtype)
    others = run(**case, dtype=dtype, seeds=(1, 6, 2, 8, 3, 11, 12))
    for r in (1, 3):
        assert_same(base, r, others, r)
    assert_same(base, 0, run(**case, dtype=dtype, seeds=SEEDS[:1]), 0)
    rates = np.where(np.arange(5) % 2, 1e30 if dtype == torch.float32 else 1e200, 1e-2)
    with pytest.warns(RuntimeWarning, match=r"replica [13] \(seed [68]\) diverged"):
        poisoned = run(**case, dtype=dtype, optimizer=AdamW(rates))
    assert [d.replica for d in poisoned.diverged] == [1, 3]
    for r in (0, 2, 4):
        assert_same(base, r, poisoned, r)


@pytest.mark.parametrize("case", [case for case in COMPANY.values() if "chunk" not in case])
@each_dtype
def test_by_default_order_and_number_do_not_change_a_bit(case: dict[str, Any], dtype: torch.dtype) -> None:
    """One replica a chunk, the default on the CPU: reversed, and each alone."""
    base, turned = run(**case, dtype=dtype), run(**case, dtype=dtype, seeds=SEEDS[::-1])
    for r, seed in enumerate(SEEDS):
        assert_same(base, r, turned, 4 - r)
        assert_same(base, r, run(**case, dtype=dtype, seeds=(seed,)), 0)


@in_company
def test_the_place_in_a_chunk_changes_no_more_than_the_rounding(case: dict[str, Any]) -> None:
    """Reversed, and each alone. Vector tails and unaligned rows may round otherwise, so this cannot be exact."""
    base, turned = run(**case), run(**case, seeds=SEEDS[::-1])
    for r, seed in enumerate(SEEDS):
        for other, s in ((turned, 4 - r), (run(**case, seeds=(seed,)), 0)):
            expected = of_replica(other, s)
            for name, value in of_replica(base, r).items():
                torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-13, msg=name)


def test_the_last_chunk_is_padded_without_a_trace() -> None:
    """5 replicas in chunks of 4 are the first 5 of 8, and a padded copy of a diverged one is not reported."""
    assert_same(run(chunk=4), 4, run(chunk=4, seeds=(*SEEDS, 1, 2, 3)), 4)
    result = run(chunk=4)
    assert {v.shape[0] for v in [*result.values.values(), *result.params.values()]} == {5}
    with pytest.warns(RuntimeWarning) as caught:
        last = run(chunk=4, optimizer=AdamW(np.array([1e-2] * 4 + [1e200])))
    assert [d.replica for d in last.diverged] == [4]
    assert len(caught) == 1


# ------------------------------------------------------------------------------------------------- diverged replicas


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_diverged_replica_is_frozen_named_and_warned_about(chunk: int) -> None:
    rates = np.array([1e-2, 1e200, 1e-2])
    with pytest.warns(RuntimeWarning, match=r"^replica 1 \(seed 6\) diverged at step 1 and was frozen$") as caught:
        result = run(seeds=SEEDS[:3], optimizer=AdamW(rates), record=1, chunk=chunk)
    assert result.diverged == (Diverged(replica=1, seed=6, step=1),)
    assert caught[0].filename == __file__
    assert result["loss"].isfinite().tolist() == [[True] * 7, [True, *[False] * 6], [True] * 7]
    assert result["loss"][1, 2:].isnan().all()
    short = run(seeds=SEEDS[:3], optimizer=AdamW(rates), steps=1, chunk=chunk)
    for name, p in result.params.items():
        assert p.isfinite().all(), name
        assert torch.equal(p[1], short.params[name][1]), f"{name} moved after step 1"


def test_an_update_that_overflows_is_not_made() -> None:
    """Loss and gradient are finite, the new parameters are not: the replica stays where it was."""
    with pytest.warns(RuntimeWarning, match="diverged at step 0"):
        result = run(NoData(), Bowl(), SGD(1e38), seeds=(4,), steps=1, dtype=torch.float32)
    assert result.diverged == (Diverged(0, 4, 0),)
    assert torch.equal(result.params["w"], Key.of((4,), INITIAL).normal(3).add(5).to(torch.float32))


# ----------------------------------------------------------------------------------------------- numbers per replica


@pytest.mark.parametrize(
    "numbers",
    [
        {"learning_rate": np.array([1e-3, 1e-2, 1e-1])},
        {
            "learning_rate": np.array([1e-3, 1e-2, 1e-1]),
            "beta1": np.array([0.0, 0.5, 0.9]),
            "beta2": np.array([0.9, 0.99, 0.999]),
            "epsilon": np.array([1e-8, 1e-4, 1e-2]),
            "weight_decay": np.array([0.0, 0.1, 1.0]),
        },
    ],
    ids=["rates", "everything"],
)
@pytest.mark.parametrize("chunk", [1, 4])
def test_numbers_per_replica_equal_separate_runs(numbers: dict[str, np.ndarray], chunk: int) -> None:
    """Bit for bit with one replica a chunk, to rounding in company."""
    together = run(seeds=SEEDS[:3], optimizer=AdamW(**numbers), chunk=chunk)
    for r in range(3):
        alone = run(seeds=SEEDS[r : r + 1], optimizer=AdamW(**{k: float(v[r]) for k, v in numbers.items()}), chunk=1)
        if chunk == 1:
            assert_same(together, r, alone, 0)
        for name, value in of_replica(together, r).items():
            torch.testing.assert_close(value, of_replica(alone, 0)[name], rtol=0, atol=1e-13, msg=name)


@pytest.mark.parametrize("chunk", [1, 4])
def test_rates_per_parameter_and_replica_equal_separate_runs(chunk: int) -> None:
    """Names of parameters hold dots; one rate an array, the others one number for all. To rounding in company."""
    varied = np.array([1e-3, 1e-2, 1e-1])
    common = dict.fromkeys(SMALL.sized_for(TASK).shapes(), 1e-2)
    together = run(seeds=SEEDS[:3], optimizer=SGD(common | {"0.value": varied}, 0.9), chunk=chunk)
    for r in range(3):
        rates = common | {"0.value": float(varied[r])}
        alone = run(seeds=SEEDS[r : r + 1], optimizer=SGD(rates, 0.9), chunk=1)
        if chunk == 1:
            assert_same(together, r, alone, 0)
        for name, value in of_replica(together, r).items():
            torch.testing.assert_close(value, of_replica(alone, 0)[name], rtol=0, atol=1e-13, msg=name)


def test_a_frozen_parameter_needs_no_rate() -> None:
    """Only the trained ones are named, and the caller's dict may change afterwards."""
    model = replace(SMALL, frozen=("token",))
    rates = dict.fromkeys(model.sized_for(TASK).shapes(), 1e-2)
    del rates["token"]
    rule = SGD(rates)
    rates["0.value"] = 1e9
    assert_same(run(model=model, optimizer=rule), 0, run(model=model, optimizer=SGD(1e-2)), 0)


def test_a_model_may_have_numbers_per_replica() -> None:
    """Gradient descent on curvature w^2 / 2 multiplies w by 1 - rate curvature."""
    curvature, rate, momentum = np.array([0.5, 1.0, 2.0, 4.0]), 0.1, np.array([0.0, 0.0, 0.5, 0.5])
    result = run(NoData(), Bowl(curvature), SGD(rate, momentum), seeds=(1, 1, 1, 2), steps=2, record=1)
    start = Key.of((1, 1, 1, 2), INITIAL).normal(3) + 5
    c, m = (torch.tensor(x)[:, None] for x in (curvature, momentum))
    first = start * (1 - rate * c)
    final = first - rate * (c * first + m * c * start)
    torch.testing.assert_close(result.params["w"], final, rtol=1e-14, atol=0)
    torch.testing.assert_close(result["loss"][:, 1], c[:, 0] * (first**2).sum(dim=1) / 2, rtol=1e-14, atol=0)


# ------------------------------------------------------------------------------------------ records, data and numbers


@pytest.mark.parametrize(
    ("record", "steps", "expected"),
    [
        (None, 7, (0, 7)),
        (None, 0, (0,)),
        (3, 7, (0, 3, 6, 7)),
        (3, 6, (0, 3, 6)),
        (100, 7, (0, 7)),
        ([2, 5], 7, (2, 5)),
        (range(0, 8, 7), 7, (0, 7)),
    ],
)
def test_which_steps_are_recorded(record: Any, steps: int, expected: tuple[int, ...]) -> None:
    """The records are those of the run that records every step; training goes on to `steps` in any case."""
    options: dict[str, Any] = {"seeds": (1, 2), "steps": steps, "task": Points(), "model": Logistic()}
    result, every = run(record=record, **options), run(record=1, **options)
    assert result.steps == expected
    assert result["loss"].shape == (2, len(expected))
    assert torch.equal(result["loss"], every["loss"][:, list(expected)])
    for name, p in result.params.items():
        assert torch.equal(p, every.params[name])


@pytest.mark.parametrize("record", [None, 4, [3]])
def test_progress_counts_every_replica_step_once(record: Any) -> None:
    done: list[int] = []
    run(Points(), Logistic(), seeds=(1, 2, 3), chunk=2, steps=10, record=record, progress=done.append)
    assert sum(done) == 30


def test_first_and_last_record_are_losses_on_the_evaluation_batch() -> None:
    result = run(seeds=(3, 4))
    data = TASK.sample(Key.of((3, 4), EVALUATION), 8)
    start = SMALL.init(Key.of((3, 4), INITIAL))
    for column, params in ((0, start), (-1, result.params)):
        expected = [
            SMALL.loss({k: p[r] for k, p in params.items()}, {k: x[r] for k, x in data.items()}) for r in (0, 1)
        ]
        torch.testing.assert_close(result["loss"][:, column], torch.stack(expected), rtol=0, atol=1e-14)


def test_evaluation_data_are_fixed_in_time_and_differ_between_seeds() -> None:
    result = run(measures=lambda params, batch: {"tokens": batch["tokens"], "step_loss": SMALL.loss(params, batch)})
    tokens = result["tokens"]
    assert tokens.shape == (5, 4, 8, 6)
    assert (tokens == tokens[:, :1]).all()
    assert len({tuple(t[0].flatten().tolist()) for t in tokens}) == 5
    assert torch.equal(result["step_loss"], result["loss"])


class Follower:
    """w moves by exactly the data of each step: the gradient is minus the batch."""

    def init(self, key: Key) -> Params:
        return {"w": torch.zeros(2, 6, dtype=torch.float64)}

    def loss(self, params: Params, batch: Batch) -> Tensor:
        return -(params["w"] * batch["tokens"]).sum()


def test_training_data_are_keyed_by_seed_and_step() -> None:
    """What replica r sees at step s is sample(Key(seed r, DATA, s)), and initial values may ignore the seed."""
    result = run(model=Follower(), optimizer=SGD(1.0), seeds=(3, 8, 3), batch=2, evaluation=2, steps=4, measures=None)
    seen = [TASK.sample(Key.of((3, 8, 3), DATA, step), 2)["tokens"] for step in range(4)]
    assert torch.equal(result.params["w"], torch.stack(seen).sum(dim=0).to(torch.float64))
    assert len({tuple(x[0].flatten().tolist()) for x in seen}) == 4
    assert not torch.equal(seen[0][0], TASK.sample(Key.of((3,), EVALUATION), 2)["tokens"][0])


def test_counts_and_truth_values_can_be_measured() -> None:
    """They become floats, so that a diverged replica's can be NaN."""

    def signs(params: Params, batch: Batch) -> dict[str, Tensor]:
        return {"positive": (params["w"] > 0).sum(), "each": params["w"] > 0}

    with pytest.warns(RuntimeWarning, match="replica 1 "):
        result = run(NoData(), Bowl(), SGD(np.array([0.5, 1e308])), seeds=(1, 2), steps=2, record=1, measures=signs)
    assert torch.equal(result["positive"].nan_to_num(-1), torch.tensor([[3.0, 3, 3], [3, -1, -1]], dtype=torch.float64))
    assert result["each"].shape == (2, 3, 3)
    assert (result["each"][0] == 1).all()


def test_float32_follows_its_float64_twin() -> None:
    """30 steps of AdamW from the same rounded start on the same data; measured 1.2e-6 (loss), 4.1e-6 (parameters)."""
    single, double = (run(steps=30, record=10, dtype=dtype) for dtype in (torch.float32, torch.float64))
    assert single["loss"].dtype == torch.float32
    assert {p.dtype for p in single.params.values()} == {torch.float32}
    torch.testing.assert_close(single["loss"].double(), double["loss"], rtol=0, atol=5e-6)
    for name, p in single.params.items():
        torch.testing.assert_close(p.double(), double.params[name], rtol=0, atol=2e-5)


def test_golden_losses() -> None:
    """A tiny transformer's evaluation loss after 0, 1 and 5 steps, float64, two seeds."""
    golden = torch.tensor(
        [
            [2.3536437659715546, 2.309946451613682, 2.186351869586321],
            [2.4142226417968615, 2.3787904056067943, 2.3112788999136162],
        ],
        dtype=torch.float64,
    )
    losses = run(seeds=(0, 1), steps=5, record=[0, 1, 5])["loss"]
    assert torch.allclose(losses, golden, rtol=0, atol=1e-10), (
        f"you changed the mathematics or the randomness; if on purpose, update these numbers: {losses.tolist()}"
    )


def test_a_users_own_model_learns() -> None:
    """`Points` and `Logistic` above, under 15 lines of code: the weights turn to the direction of the sum."""
    result = run(Points(), Logistic(), Adam(0.05), steps=200, batch=32, evaluation=500, record=None)
    w = result.params["w"]
    cosine = w.sum(dim=1) / (math.sqrt(3) * w.norm(dim=1))
    assert result.engine == "eager"
    assert cosine.min() > 0.99
    assert result["loss"][:, -1].max() < 0.3 < result["loss"][:, 0].min()


# -------------------------------------------------------------------------------------------------------------- capture


def chunk_of(model: Any, task: Any, optimizer: Any, replicas: int) -> Chunk:
    plan = Plan(task, model, optimizer, 4, 4, None, (0,), torch.device("cpu"), torch.float64)
    return Chunk(plan, list(range(replicas)), {"model": {}, "optimizer": {}})


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("optimizer", [AdamW(1e-2), SGD(0.1), SGD(0.1, 0.9)], ids=["adamw", "sgd", "momentum"])
def test_the_traced_step_equals_the_eager_one(optimizer: Any, replicas: int) -> None:
    """Traced at step 0 with its own data, run at step 3 with others: nothing was baked in. No compilation."""
    chunk = chunk_of(SMALL, TASK, optimizer, replicas)
    traced = make_fx(lambda *arguments: chunk.moved(*arguments))(*chunk.inputs(), chunk.batch())
    assert any(node.op == "call_function" for node in traced.graph.nodes)
    for _ in range(3):
        chunk.advance()
    eager = chunk.moved(*chunk.inputs(), chunk.batch())
    torch.testing.assert_close(traced(*chunk.inputs(), chunk.batch()), eager, rtol=0, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 100_000])
def test_on_the_cpu_every_operation_is_eager(steps: int) -> None:
    chunk = chunk_of(Logistic(), Points(), SGD(0.1), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = accelerate(chunk, steps)
    assert isinstance(runner, Eager)
    assert (runner.advance, runner.record) == (chunk.advance, chunk.record)
