"""The count model against its closed-form gradient, a one-hot twin, the gradient flow and published tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.scan_and_snap import CountModel, ScanAndSnap, SnapMeasures
from toy_tasks.simulator import SGD, Adam, Trajectories, simulate
from toy_tasks.task import Batch

Params = dict[str, Tensor]
pytestmark = pytest.mark.usefixtures("_one_thread")


class Case(NamedTuple):
    """A batch of any sequences over M tokens, and any parameters; all tokens may be contextual, queries and targets."""

    params: Params
    tokens: Tensor  # (b, T - 1)
    batch: Batch


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """M in 2..60, T in 2..40, entries of Y and Z in [-5, 5]."""
    size, length, examples = draw(st.integers(2, 60)), draw(st.integers(2, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tokens = torch.tensor(rng.integers(0, size, (examples, length - 1)))
    batch = {
        "counts": F.one_hot(tokens, size).sum(dim=1),
        "query": torch.tensor(rng.integers(0, size, examples)),
        "target": torch.tensor(rng.integers(0, size, examples)),
    }
    return Case({name: torch.tensor(rng.uniform(-5, 5, (size, size))) for name in "YZ"}, tokens, batch)


def model_gradient(params: Params, batch: Batch) -> Params:
    """Of the loss, by autograd through the count model."""
    return torch.func.grad(lambda p: CountModel().loss(p, batch))(params)


def one_hot_loss(params: Params, case: Case) -> Tensor:
    """b = softmax(X Z^T x_T), c = X^T b, logits Y^T c / |c|, on one-hot tokens of every place."""
    x = F.one_hot(case.tokens, len(params["Y"])).double()
    last = F.one_hot(case.batch["query"], len(params["Y"])).double()
    b = torch.softmax(torch.einsum("btv,wv,bw->bt", x, params["Z"], last), dim=-1)
    c = torch.einsum("btv,bt->bv", x, b)
    log_alpha = torch.log_softmax(c / c.norm(dim=-1, keepdim=True) @ params["Y"], dim=-1)
    return -log_alpha[torch.arange(len(c)), case.batch["target"]].mean()


def closed_form(params: Params, batch: Batch) -> Params:
    """dY = f (e_n - alpha)^T and dz_m = f o (g - (f.g) f), g = Y (e_n - alpha), as the gradient of the mean loss."""
    y, z = (p.numpy() for p in params.values())
    d_y, d_z, examples = np.zeros_like(y), np.zeros_like(z), len(batch["query"])
    for counts, m, n in zip(batch["counts"].numpy(), batch["query"], batch["target"], strict=True):
        weighted = counts * np.exp(z[m])
        f = weighted / np.linalg.norm(weighted)
        alpha = np.exp(f @ y) / np.exp(f @ y).sum()
        residual = np.eye(len(alpha))[n] - alpha
        g = y @ residual
        d_y -= np.outer(f, residual) / examples
        d_z[m] -= f * (g - (f @ g) * f) / examples
    return {"Y": torch.tensor(d_y), "Z": torch.tensor(d_z)}


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(cases())
def test_gradient_equals_closed_form_and_one_hot_autograd(case: Case) -> None:
    ours, formula = model_gradient(case.params, case.batch), closed_form(case.params, case.batch)
    one_hot = torch.func.grad(one_hot_loss)(case.params, case)
    torch.testing.assert_close(
        CountModel().loss(case.params, case.batch), one_hot_loss(case.params, case), rtol=1e-13, atol=0
    )
    for name in "YZ":
        torch.testing.assert_close(ours[name], one_hot[name], rtol=0, atol=1e-12)
        torch.testing.assert_close(ours[name], formula[name], rtol=0, atol=1e-12)


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(cases(), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_what_the_loss_does_not_see(case: Case, factor: int, seed: int) -> None:
    """A common factor of all counts, a constant in a row of Z, and one vector added to every column of Y."""
    rng = np.random.default_rng(seed)
    shifted = {
        "Y": case.params["Y"] + torch.tensor(rng.uniform(-5, 5, (len(case.params["Y"]), 1))),
        "Z": case.params["Z"] + torch.tensor(rng.uniform(-5, 5, (len(case.params["Z"]), 1))),
    }
    more = case.batch | {"counts": factor * case.batch["counts"]}
    ours, moved = model_gradient(case.params, case.batch), model_gradient(shifted | {"Y": case.params["Y"]}, more)
    for name in "YZ":
        torch.testing.assert_close(ours[name], moved[name], rtol=0, atol=1e-12)
    loss = CountModel().loss
    torch.testing.assert_close(loss(shifted, more), loss(case.params, case.batch), rtol=0, atol=1e-12)


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(cases())
def test_gradients_have_rows_of_sum_zero(case: Case) -> None:
    """And vanish at queries that do not occur, and in Y at tokens that do not."""
    gradient = model_gradient(case.params, case.batch)
    for name in "YZ":
        assert gradient[name].sum(dim=1).abs().max() < 1e-12
    absent = ~torch.isin(torch.arange(len(case.params["Z"])), case.batch["query"])
    assert not gradient["Z"][absent].any()
    assert not gradient["Y"][case.batch["counts"].sum(dim=0) == 0].any()


def test_features_are_unit_vectors_and_huge_logits_no_trouble() -> None:
    """In float32, with logits of +-1e4 and an absent token with the largest of them."""
    batch = {"counts": torch.tensor([[3, 1, 0]]), "query": torch.tensor([0]), "target": torch.tensor([1])}
    for z in ([-1e4, 0.0, 1e4], [0.0, -1e4, 1e4], [0.0, 0.0, 0.0]):
        params = {"Y": torch.arange(6.0).reshape(3, 2), "Z": torch.tensor([z])}
        f = CountModel().features(params, batch)
        assert f.norm() == pytest.approx(1, abs=1e-6)
        assert (f >= 0).all()
        assert all(torch.isfinite(g).all() for g in model_gradient(params, batch).values())


def test_initial_values() -> None:
    """Zero by default, else spread U(+-1/sqrt(M)), one spread per replica if wanted, different in Y and Z."""
    task = ScanAndSnap.syn_medium(3)
    out = simulate(task, CountModel(np.array([0.0, 1.0, 2.0])), SGD(1.0), seeds=[4, 4, 4], steps=0, dtype=torch.float64)
    for p in out.params.values():
        assert not p[0].any()
        assert torch.equal(2 * p[1], p[2])
        assert 0.95 / np.sqrt(79) < p[1].abs().max() < 1 / np.sqrt(79)
        assert p[1].std().item() == pytest.approx(1 / np.sqrt(3 * 79), rel=0.1)
    entries = [p[1].flatten()[:210] for p in out.params.values()]
    assert abs(np.corrcoef(*entries)[0, 1]) < 0.2


# ------------------------------------------------------------------------------------------------------ training
def trained(task: ScanAndSnap, optimizer: Any, *, spread: float = 0.0, **options: Any) -> Trajectories:
    model = CountModel(spread).sized_for(task)
    usual: dict[str, Any] = {"batch": 128, "evaluation": 1, "measures": SnapMeasures(task, model), "chunk": 10}
    return simulate(task, model, optimizer, **(usual | options))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent_conserves_row_sums(momentum: float) -> None:
    """Of Y and Z, whatever they were, with or without momentum."""
    task = ScanAndSnap.syn_medium(1)
    runs = [
        trained(task, SGD({"Y": 2.0, "Z": 1.0}, momentum), spread=1.0, seeds=[0, 1], steps=steps, dtype=torch.float64)
        for steps in (0, 40)
    ]
    for name in "YZ":
        before, after = (run.params[name] for run in runs)
        assert (after - before).abs().max() > 0.1
        assert (after - before).sum(dim=-1).abs().max() < 1e-12


def test_adam_does_not_conserve_row_sums() -> None:
    out = trained(ScanAndSnap.syn_small(), Adam(0.1), seeds=[0], steps=40, dtype=torch.float64)
    assert out.params["Z"].sum(dim=-1).abs().max() > 0.5


class Everything:
    """All classes at once with the law for their counts: training without any noise."""

    def __init__(self, task: ScanAndSnap) -> None:
        self.task = task

    def sample(self, key: Key, batch: int) -> Batch:
        return {k: v.expand(*key.seed.shape, *v.shape) for k, v in self.task.population().items()}


def flow(task: ScanAndSnap, decoder: float, times: list[float]) -> list[Params]:
    """Gradient flow of the population loss from zero, eta_Z = 1, by an adaptive solver on the autograd gradient."""
    model = CountModel().sized_for(task)
    shapes, batch = model.shapes(), task.population()
    sizes = [int(np.prod(shape)) for shape in shapes.values()]

    def unpacked(state: np.ndarray) -> Params:
        parts = torch.from_numpy(state).split(sizes)
        return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def velocity(t: float, state: np.ndarray) -> np.ndarray:
        gradient = model_gradient(unpacked(state), batch)
        return -torch.cat([decoder * gradient["Y"].flatten(), gradient["Z"].flatten()]).numpy()

    solution = solve_ivp(velocity, (0, times[-1]), np.zeros(sum(sizes)), "RK45", times, rtol=1e-8, atol=1e-10)
    assert solution.success
    return [unpacked(state.copy()) for state in solution.y.T]


def measured(task: ScanAndSnap, params: Params) -> dict[str, float]:
    """Class averages."""
    values = SnapMeasures(task, CountModel().sized_for(task))(params, {})
    return {name: values[name].mean().item() for name in ("common", "top", "entropy", "population_loss")}


@pytest.mark.parametrize(
    ("task", "decoder", "table"),
    [
        (ScanAndSnap.syn_small(None), 1.0, {10: (0.62780, 0.06999, 2.14063), 100: (0.51115, 0.10538, 2.07695)}),
        (ScanAndSnap.syn_small(None), 10.0, {10: (0.61534, 0.07435, 2.13225), 100: (0.57339, 0.08940, 2.10396)}),
        (ScanAndSnap(1, 2, length=None), 1.0, {10: (0.62123, 0.07116, 2.14094), 100: (0.49309, 0.10494, 2.09497)}),
        (ScanAndSnap(1, 2, length=None), 10.0, {10: (0.60482, 0.07616, 2.13316), 100: (0.55445, 0.09182, 2.10976)}),
    ],
)
def test_flow_of_the_population_loss(task: ScanAndSnap, decoder: float, table: dict[float, tuple[float, ...]]) -> None:
    """Reference values of the exact flow, computed elsewhere to 5 digits: common mass, top token, entropy."""
    for params, expected in zip(flow(task, decoder, [*table]), table.values(), strict=True):
        values = measured(task, params)
        np.testing.assert_allclose([values[k] for k in ("common", "top", "entropy")], expected, rtol=0, atol=1e-5)


def test_gradient_descent_approaches_the_flow_at_first_order() -> None:
    """Error at t = 16 of plain descent on the population, halved with the step."""
    task = ScanAndSnap.syn_small(None)
    limit = flow(task, 1.0, [16.0])[0]
    errors = []
    for rate in (0.2, 0.1, 0.05):
        out = simulate(
            Everything(task),
            CountModel().sized_for(task),
            SGD(rate),
            seeds=[0],
            steps=round(16 / rate),
            dtype=torch.float64,
        )
        errors.append(max((out.params[name][0] - limit[name]).abs().max().item() for name in "YZ"))
    assert 1.85 < errors[0] / errors[1] < 2.15, errors
    assert 1.9 < errors[1] / errors[2] < 2.1, errors
    assert errors[2] < 0.05


@pytest.mark.slow
def test_momentum_in_the_limit_of_long_sequences_approaches_the_flow() -> None:
    """At t = 980: distinct mass .5398, top .1154, H 2.0663 in the flow, within .003 at rate .01."""
    task = ScanAndSnap.syn_small(None)
    out = trained(task, SGD(0.01, momentum=0.9), seeds=range(3), steps=9800, chunk=3)
    values = [out[name][:, -1].mean().item() for name in ("distinct", "top", "entropy")]
    np.testing.assert_allclose(values, [0.5398, 0.1154, 2.0663], rtol=0, atol=0.003)


# ------------------------------------------------------------------------------------------------ published tables
@pytest.fixture(scope="module")
def figure4() -> Trajectories:
    """Syn-Small as published: batch 128, T = 128, momentum 0.9, zero start; 10 seeds for each of 4 decoder rates."""
    rates = {"Y": np.repeat([1.0, 2.0, 5.0, 10.0], 10), "Z": 1.0}
    steps = [0, 4, 8, 12, 20, 48, 98]
    return trained(
        ScanAndSnap.syn_small(), SGD(rates, momentum=0.9), seeds=[*range(10)] * 4, steps=98, record=steps, chunk=40
    )


def test_final_entropies_of_figure_4(figure4: Trajectories) -> None:
    """Means of 10 seeds within 0.015 of the reference, rising with the decoder's rate."""
    mean = figure4["entropy"][:, -1].mean(dim=-1).reshape(4, 10).mean(dim=1).numpy()
    np.testing.assert_allclose(mean, [1.938, 1.998, 2.060, 2.080], rtol=0, atol=0.015)
    assert (np.diff(mean) > 0).all()


def test_masses_along_figure_4(figure4: Trajectories) -> None:
    """Reference means and standard deviations of 10 seeds: two such means differ by 0.45 sd, so 2 sd are 4.5 sigma."""
    distinct, top = (figure4[name].mean(dim=-1).reshape(4, 10, -1).mean(dim=1) for name in ("distinct", "top"))
    table = {1: (0.3567, 3e-4), 2: (0.3978, 0.0013), 3: (0.4611, 0.0024), 4: (0.5462, 0.0041), 5: (0.6103, 0.0056)}
    for k, (mean, sd) in (table | {6: (0.6144, 0.0057)}).items():
        assert abs(distinct[0, k] - mean) < 2 * sd + 5e-5, k
    for k, (mean, sd) in {4: (0.1447, 0.0050), 5: (0.1780, 0.0074), 6: (0.1797, 0.0074)}.items():
        assert abs(top[0, k] - mean) < 2 * sd + 5e-5, k
    assert abs(distinct[3, 6] - 0.4585) < 2 * 0.0170
    assert abs(top[3, 6] - 0.1017) < 2 * 0.0070


def test_a_corner_of_figure_6() -> None:
    """Random start, one query with two next tokens: published entropies within 3 standard errors and 0.01."""
    table = {(0.5, 1): (1.971, 0.028), (0.5, 10): (2.092, 0.016), (1.0, 1): (1.871, 0.052), (3.0, 1): (1.551, 0.155)}
    attention, ratio = np.repeat(np.array([*table], dtype=float), 10, axis=0).T
    rule = SGD({"Y": attention * ratio, "Z": attention}, momentum=0.9)
    out = trained(ScanAndSnap.syn_medium(1), rule, spread=1.0, seeds=[*range(10)] * 4, steps=100, chunk=40)
    mean = out["entropy"][:, -1].mean(dim=-1).reshape(4, 10).mean(dim=1)
    for value, (published, sd) in zip(mean.tolist(), table.values(), strict=True):
        assert abs(value - published) < 3 * sd / np.sqrt(10) + 0.01


def test_adam_of_figure_5() -> None:
    """Attention of class 1 on its distinct tokens after 100 steps, one published seed, within 0.02."""
    rates = np.repeat([0.1, 0.5, 1.0], 4)
    out = trained(ScanAndSnap.syn_small(), Adam(rates), seeds=[*range(4)] * 3, steps=100, chunk=12)
    mean = out["distinct"][:, -1, 0].reshape(3, 4).mean(dim=1).numpy()
    np.testing.assert_allclose(mean, [0.697, 0.9933, 1.0], rtol=0, atol=0.02)
