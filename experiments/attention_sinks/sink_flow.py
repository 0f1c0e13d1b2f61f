"""The reduced sink flow: three growth laws, a closed-form endpoint, and a level that depends on nothing.

Gradient flow of the reduced model on random instances, integrated to t = 1e10, against closed forms. With a constant
value state the sink logit grows like half a logarithm of time and 4 t L / N tends to 1; with a value state that pushes,
the slope is 1; trained together in one fixed context, sink and value state stop at a point known in advance. Gradient
descent by the simulator (autograd in torch) shows that the flow describes training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.sink_flow import SinkModel, SinkPoint
    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch

REGIMES = ("constant value", "pushed value", "joint", "fixed sink")


@dataclass(frozen=True)
class Config:
    """Random instances: p and pi uniform on the simplex, z uniform on [0, spread], alpha(0) and beta(0) normal."""

    seeds: str = "0:5"
    """One random instance per seed, such as 0:5."""
    tokens: int = 10
    queries: int = 3
    weight: float = 10.0
    spread: float = 10.0
    last_time: float = 1e10
    times: int = 61
    fixed_logit: float = 3.0
    """The sink logit of the regime in which only the value state moves."""
    descent_steps: int = 3000
    descent_rate: float = 2.0
    """Learning rate of gradient descent; t = rate x steps."""

    def __post_init__(self) -> None:
        # rates are fitted over t >= 1e8, so a few recorded times must lie there
        require(self, tokens=2, queries=1, last_time=1e9, times=30, descent_steps=1)


PROFILES = {"quick": Config(), "full": Config(seeds="0:32", descent_steps=100_000)}


def instance(config: Config, seed: int) -> tuple[SinkModel, dict[str, SinkPoint]]:
    """The model of a seed and its start in every regime."""
    from theory.sink_flow import ConstantValue, EqualLogits, FlowStart, PushedValue, SinkModel

    rng = np.random.default_rng(seed)
    model = SinkModel(
        next_token=rng.dirichlet(np.ones(config.tokens), config.queries),
        frequency=rng.dirichlet(np.ones(config.queries)),
        value_sum=rng.uniform(0, config.spread, config.tokens),
        weight=config.weight,
    )
    alpha, beta = rng.normal(size=config.queries), rng.normal(size=config.tokens)
    return model, {
        "constant value": ConstantValue(model, alpha, np.zeros(config.tokens)),
        "pushed value": PushedValue(model, alpha, model.mean_value / 2),
        "joint": FlowStart(model, alpha, beta),
        "fixed sink": EqualLogits(model, np.full(config.queries, config.fixed_logit), beta),
    }


FROZEN = {"constant value": "beta", "pushed value": "beta", "joint": None, "fixed sink": "alpha"}


def times_of(config: Config) -> np.ndarray:
    """The times at which everything is recorded."""
    return np.geomspace(1e-2, config.last_time, config.times)


def simulate(config: Config) -> xr.Dataset:
    """Integrated trajectories of every regime, and gradient descent on the joint problem."""
    import xarray as xr

    seeds, times = seed_range(config.seeds), times_of(config)
    shape = (len(seeds), len(REGIMES), len(times))
    logit, spread, level = np.empty((*shape, config.queries)), np.empty(shape), np.empty(shape)
    for s, seed in enumerate(seeds):
        model, starts = instance(config, seed)
        for r, regime in enumerate(REGIMES):
            path = starts[regime].flow(times, frozen=FROZEN[regime])  # type: ignore[arg-type]
            logit[s, r] = path.alpha
            spread[s, r] = np.linalg.norm(path.beta - path.beta.mean(axis=-1, keepdims=True), axis=-1)
            level[s, r] = 4 * times * path.loss / model.queries
    descent_times, descent = _descent(config, seeds)
    axes = ("seed", "regime", "time")
    return xr.Dataset(
        {
            "sink_logit": ((*axes, "query"), logit),
            "value_spread": (axes, spread),
            "level": (axes, level),
            "sink_logit_descent": (("seed", "descent_time", "query"), descent),
        },
        coords={"seed": seeds, "regime": list(REGIMES), "time": times, "descent_time": descent_times},
    )


# ------------------------------------------------------------------- gradient descent, by autograd on the loss itself


@dataclass(frozen=True, eq=False)
class Instances:
    """A task without samples: the batch of a replica holds the constants of the instance with its seed."""

    seeds: torch.Tensor
    constants: Mapping[str, torch.Tensor]

    @classmethod
    def of(cls, config: Config, seeds: list[int]) -> Instances:
        """The joint problems of the given seeds."""
        import torch

        rows = []
        for seed in seeds:
            model, starts = instance(config, seed)
            start = starts["joint"]
            rows.append((model.next_token, model.frequency, model.mean_value, start.alpha, start.beta))
        names = ("next_token", "frequency", "mean_value", "alpha", "beta")
        stacked = (torch.tensor(np.array(column)) for column in zip(*rows, strict=True))
        return cls(torch.tensor(seeds, dtype=torch.int32), dict(zip(names, stacked, strict=True)))

    def sample(self, key: Key, batch: int) -> Batch:
        """next_token (r, N, V), frequency (r, N), mean_value (r, V), and the start: alpha (r, N), beta (r, V)."""
        row = (key.seed[..., None] == self.seeds).int().argmax(dim=-1)
        return {name: values[row] for name, values in self.constants.items()}


@dataclass(frozen=True, eq=False)
class ReducedSink:
    """The reduced loss as a model of the simulator: written as its definition, differentiated by autograd."""

    instances: Instances
    weight: float

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """The start of the instance with this seed."""
        start = self.instances.sample(key, 1)
        return {"alpha": start["alpha"], "beta": start["beta"]}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """sum_v pi_v KL(p_v || softmax(log p_v + delta_v))."""
        import torch

        sink = torch.exp(params["alpha"]) / (torch.exp(params["alpha"]) + self.weight)
        delta = sink[:, None] * params["beta"] + (1 - sink)[:, None] * batch["mean_value"]
        log_q = torch.log_softmax(torch.log(batch["next_token"]) + delta, dim=-1)
        kl = (batch["next_token"] * (torch.log(batch["next_token"]) - log_q)).sum(dim=-1)
        return (batch["frequency"] * kl).sum()


def _descent(config: Config, seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    import torch

    from toy_tasks.simulator import SGD
    from toy_tasks.simulator import simulate as train

    instances = Instances.of(config, seeds)
    trained = train(
        instances,
        ReducedSink(instances, config.weight),
        SGD(config.descent_rate),
        seeds=seeds,
        steps=config.descent_steps,
        record=sorted({int(step) for step in np.geomspace(1, config.descent_steps, 13)}),
        measures=lambda params, batch: {"alpha": params["alpha"]},
        dtype=torch.float64,
        chunk=len(seeds),
    )
    return np.array(trained.steps) * config.descent_rate, trained["alpha"].numpy()


# --------------------------------------------------------------------------------------------------------------- theory


def predict(config: Config) -> xr.Dataset:
    """Closed forms: asymptotes with slopes 1/2 and 1, the joint endpoint and the drained spread."""
    import xarray as xr

    from theory.sink_flow import drained_value, joint_limit, pushed_logit_asymptote, sink_logit_asymptote

    seeds, times = seed_range(config.seeds), times_of(config)
    half, one, limit, drained, bounds = [], [], [], [], []
    for seed in seeds:
        model, starts = instance(config, seed)
        half.append(sink_logit_asymptote(model, times))
        one.append(pushed_logit_asymptote(model, starts["pushed value"].beta, times))
        alpha, beta = joint_limit(model, starts["joint"].alpha, starts["joint"].beta)
        limit.append(alpha)
        bounds.append(np.linalg.norm(beta - beta.mean()))
        target = drained_value(model, config.fixed_logit, starts["fixed sink"].beta)
        drained.append(np.linalg.norm(target - target.mean()))
    return xr.Dataset(
        {
            "half_log": (("seed", "time", "query"), np.array(half)),
            "full_log": (("seed", "time", "query"), np.array(one)),
            "joint_logit": ("seed", np.array(limit)),
            "joint_spread": ("seed", np.array(bounds)),
            "drained_spread": ("seed", np.array(drained)),
        },
        coords={"seed": seeds, "time": times},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Slopes and levels over t >= 1e8, endpoints at the last time, descent against the flow."""
    from theory.numerics import fitted_slope
    from theory.sink_flow import fixed_logit, fixed_value, joint

    late = data.sel(time=slice(1e8, None))

    def worst_slope(regime: str, ideal: float) -> float:
        alpha = late.sink_logit.sel(regime=regime).transpose("seed", "query", "time").values
        slopes = [fitted_slope(np.log(late.time), series) for series in alpha.reshape(-1, late.sizes["time"])]
        return float(max(slopes, key=lambda slope: abs(slope - ideal)))

    last = data.isel(time=-1)
    joint_error = np.abs(last.sink_logit.sel(regime="joint") - data.joint_logit).max()
    constant = last.level.sel(regime="constant value").values
    level = float(constant[np.abs(constant - 1).argmax()])
    drain_error = np.abs(last.value_spread.sel(regime="fixed sink") - data.drained_spread).max()
    rows = data.sink_logit_descent.isel(descent_time=-1)
    t = float(data.descent_time[-1])
    flow = data.sink_logit.sel(regime="joint").interp(time=t, method="cubic")
    return [
        Check("slope of alpha in ln t, constant value", 0.5, worst_slope("constant value", 0.5), 0.01,
              claim=fixed_value.sink_logit_slope_is_one_half),
        Check("slope of alpha in ln t, pushed value", 1.0, worst_slope("pushed value", 1.0), 0.01,
              claim=fixed_value.pushed_sink_logit_slope_is_one),
        Check("4 t L / N at the last time, constant value", 1.0, level, 0.01,
              claim=fixed_value.excess_risk_level_is_a_quarter_per_query),
        Check("joint endpoint: largest error of alpha*", 0.0, float(joint_error), 1e-6,
              claim=joint.joint_flow_stops_at_the_closed_form),
        Check("drained value state: largest error of its spread", 0.0, float(drain_error), 1e-6,
              claim=fixed_logit.value_state_drains),
        Check(f"gradient descent against the flow at t = {t:g}: largest difference of alpha", 0.0,
              float(np.abs(rows - flow).max()), 0.02),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Sink logits, value spreads and the level 4 t L / N against time."""
    from experiments.lab.figures import panels, points

    shown = data.isel(seed=0)
    out, (left, middle, right) = panels(3)
    for index, (regime, theory) in enumerate((("pushed value", "full_log"), ("constant value", "half_log"))):
        line = shown[theory].isel(query=0)
        left.plot(data.time[25:], line[25:], color=f"C{index}")
        points(left, data.time, shown.sink_logit.sel(regime=regime).isel(query=[0]).values.T, index=index,
               label=f"{regime}: slope {'1' if index == 0 else '1/2'}", every=4)  # fmt: skip
    left.axhline(float(shown.joint_logit), color="C2")
    points(left, data.time, shown.sink_logit.sel(regime="joint").isel(query=[0]).values.T, index=2,
           label="joint: stops at $\\alpha^*$", every=4)  # fmt: skip
    left.plot(
        data.descent_time, shown.sink_logit_descent.isel(query=0), "x", color="0.3", label="joint, gradient descent"
    )
    left.set(xscale="log", xlabel="time t", ylabel="sink logit $\\alpha$", title="Three growth laws (seed 0, query 0)")

    for index, (regime, theory) in enumerate((("fixed sink", "drained_spread"), ("joint", "joint_spread"))):
        middle.axhline(float(shown[theory]), color=f"C{3 - index}")
        points(
            middle,
            data.time,
            shown.value_spread.sel(regime=regime).values[None],
            index=3 - index,
            label=regime,
            every=4,
        )
    middle.set(
        xscale="log", ylim=(0, None), xlabel="time t", ylabel="$\\|\\beta - mean\\|$", title="Value state drains"
    )

    right.axhline(1.0, color="C1")
    points(right, data.time, data.level.sel(regime="constant value").values, index=1, label="constant value", every=4)
    right.set(
        xscale="log", xlabel="time t", yscale="log", ylabel="$4\\,t\\,L\\,/\\,N$", title="One level for all instances"
    )
    for axes in (left, middle, right):
        axes.legend(loc="best")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
