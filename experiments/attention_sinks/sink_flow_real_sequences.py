"""The reduced sink flow on the contexts of real Bigram-Backcopy sequences: half-logarithms with known intercepts.

Every non-trigger position of sampled sequences is one context: how often each token stands before it, and how many keys
there are. Because the contexts of one query differ, no single value state can cancel them all: sink logits keep growing
like (1/2) ln t, the value state drains like t^(-1/2), and 4 t L / N tends to 1. `random_context_tail` gives the
intercepts with no fitted constant. Replacing all contexts by their average stops the growth at a finite point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.sink_flow import SinkModel


@dataclass(frozen=True)
class Config:
    """A synthetic table, its sequences, and value states of the tokens uniform on [0, spread], one draw per seed."""

    seeds: str = "0:2"
    tokens: int = 8
    triggers: int = 2
    length: int = 16
    sequences: int = 48
    """Sequences per seed whose positions are the contexts."""
    spread: float = 10.0
    last_time: float = 1e10
    times: int = 61
    rtol: float = 1e-7
    """Relative tolerance of the integration; at 1e-10 alpha(1e10) of seed 0 changes by 6e-8."""

    def __post_init__(self) -> None:
        # rates are fitted over the last two decades, so several recorded times must lie there
        require(self, tokens=4, triggers=1, length=4, sequences=2, last_time=1e9, times=30)


PROFILES = {"quick": Config(), "full": Config(seeds="0:16", sequences=256)}


def instances(config: Config, seed: int) -> tuple[SinkModel, SinkModel]:
    """The model over the contexts of a seed's sequences, and the same with all contexts replaced by their average."""
    import torch

    from theory.sink_flow import SinkModel
    from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
    from toy_tasks.randomness import DATA, Key

    task = BigramBackcopy(BigramTable.synthetic(config.tokens, seed), config.triggers, config.length)
    key = Key(torch.tensor(seed, dtype=torch.int32), DATA, torch.tensor(0))
    tokens = task.sample(key, config.sequences)["tokens"].numpy()
    seen = np.eye(task.vocabulary)[tokens][:, 1:, :-1].cumsum(axis=1)  # counts over positions 1..i, <s> apart
    plain = ~task.is_trigger[tokens[:, 1:]]
    query, contexts = tokens[:, 1:][plain], seen[plain]
    queries = np.unique(query)
    occurs = (query[None] == queries[:, None]).astype(np.float64)
    values = np.random.default_rng(seed).uniform(0, config.spread, config.tokens)
    over_contexts = SinkModel(
        next_token=task.next_token[queries, :-1],
        frequency=occurs.sum(axis=1) / plain.size,
        value_sum=contexts * values,
        weight=contexts.sum(axis=1),
        context_probability=occurs / occurs.sum(axis=1, keepdims=True),
    )
    average = SinkModel(
        over_contexts.next_token,
        over_contexts.frequency,
        (contexts * values).mean(axis=0),
        float(contexts.sum(axis=1).mean()),
    )
    return over_contexts, average


def parts(config: Config) -> list[Config]:
    """One seed at a time."""
    return [replace(config, seeds=str(seed)) for seed in seed_range(config.seeds)]


def times_of(config: Config) -> np.ndarray:
    """The times at which everything is recorded."""
    return np.geomspace(1e-2, config.last_time, config.times)


def simulate(config: Config) -> xr.Dataset:
    """Integrated joint flows from zero, over the real contexts and over their average; NaN where a query is missing."""
    import xarray as xr

    seeds, times = seed_range(config.seeds), times_of(config)
    shape = (len(seeds), len(times))
    logit = np.full((*shape, config.tokens - config.triggers), np.nan)
    spread, level, average = np.empty(shape), np.empty(shape), np.empty(shape)
    for s, seed in enumerate(seeds):
        model, single = instances(config, seed)
        start = np.zeros(model.queries), np.zeros(model.tokens)
        path = model.flow(*start, times, rtol=config.rtol)
        logit[s, :, : model.queries] = path.alpha
        spread[s] = np.linalg.norm(path.beta - path.beta.mean(axis=-1, keepdims=True), axis=-1)
        level[s] = 4 * times * path.loss / model.queries
        average[s] = single.flow(*start, times).alpha.mean(axis=-1)
    return xr.Dataset(
        {
            "sink_logit": (("seed", "time", "query"), logit),
            "value_spread": (("seed", "time"), spread),
            "level": (("seed", "time"), level),
            "average_logit": (("seed", "time"), average),
        },
        coords={"seed": seeds, "time": times},
    )


def predict(config: Config) -> xr.Dataset:
    """Tail laws with their intercepts, and the closed-form endpoint of the averaged context."""
    import xarray as xr

    from theory.sink_flow import joint_limit, random_context_tail

    seeds, times = seed_range(config.seeds), times_of(config)
    logit = np.full((len(seeds), len(times), config.tokens - config.triggers), np.nan)
    spread, limit = np.empty((len(seeds), len(times))), np.empty(len(seeds))
    for s, seed in enumerate(seeds):
        model, single = instances(config, seed)
        kappa, drained = random_context_tail(model)
        logit[s, :, : model.queries] = 0.5 * np.log(times)[:, None] - np.log(kappa)
        spread[s] = np.linalg.norm(drained) / np.sqrt(times)
        limit[s], _ = joint_limit(single, np.zeros(model.queries), np.zeros(model.tokens))
    return xr.Dataset(
        {
            "predicted_logit": (("seed", "time", "query"), logit),
            "predicted_spread": (("seed", "time"), spread),
            "average_limit": ("seed", limit),
        },
        coords={"seed": seeds, "time": times},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Slopes over t >= 1e8, levels at the last time."""
    from theory.numerics import fitted_slope
    from theory.sink_flow import joint, random_contexts

    late = data.sel(time=slice(1e8, None))
    log_time = np.log(late.time.values)

    def worst_slope(curves: np.ndarray, ideal: float) -> float:
        slopes = [
            fitted_slope(log_time, curve) for curve in curves.reshape(-1, len(log_time)) if not np.isnan(curve[0])
        ]
        return float(max(slopes, key=lambda slope: abs(slope - ideal)))

    last = data.isel(time=-1)
    levels, ratio = last.level.values, (last.value_spread / last.predicted_spread).values
    error = np.abs(last.sink_logit - last.predicted_logit).max()
    stop = np.abs(last.average_logit - data.average_limit).max()
    slopes, tail = (
        random_contexts.random_contexts_give_slope_one_half,
        random_contexts.random_context_flow_reaches_its_tail,
    )
    return [
        Check("slope of alpha in ln t, worst query and seed", 0.5,
              worst_slope(late.sink_logit.transpose("seed", "query", "time").values, 0.5), 0.01, claim=slopes),
        Check("slope of ln ||beta - mean|| in ln t, worst seed", -0.5,
              worst_slope(np.log(late.value_spread.values), -0.5), 0.01, claim=slopes),
        Check("4 t L / N at the last time, worst seed", 1.0, float(levels[np.abs(levels - 1).argmax()]), 0.01,
              claim=random_contexts.random_context_risk_level_is_a_quarter_per_query),
        Check("alpha at the last time: largest error of its predicted intercept", 0.0, float(error), 0.005,
              claim=tail),
        Check("value spread at the last time / predicted, worst seed", 1.0,
              float(ratio[np.abs(ratio - 1).argmax()]), 0.01, claim=tail),
        Check("one average context: largest error of the predicted end point", 0.0, float(stop), 1e-6,
              claim=joint.joint_flow_stops_at_the_closed_form),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Sink logits of all queries of one seed, value spreads and levels of all seeds."""
    from experiments.lab.figures import panels, points

    shown, late = data.isel(seed=0), data.time.values >= 1.0
    out, (left, middle, right) = panels(3)
    present = [q for q in range(data.sizes["query"]) if not np.isnan(shown.sink_logit[0, q])]
    left.plot(data.time[late], shown.predicted_logit.values[late][:, present], color="C1", linewidth=0.8)
    for q in present:
        points(left, data.time, shown.sink_logit.values[None, :, q], index=1, every=5,
               label="each query, real contexts" if q == present[0] else None)  # fmt: skip
    left.axhline(float(shown.average_limit), color="C2")
    points(left, data.time, shown.average_logit.values[None], index=2, label="one average context", every=5)
    left.set(xscale="log", xlabel="time t", ylabel="sink logit $\\alpha_v$", title="Logits grow (seed 0), no fit")

    middle.plot(data.time[late], shown.predicted_spread[late], color="C0")
    points(middle, data.time, data.value_spread.values / (data.predicted_spread / shown.predicted_spread).values,
           index=0, label="all seeds, each over its constant", every=4)  # fmt: skip
    middle.set(xscale="log", yscale="log", xlabel="time t", ylabel="$\\|\\beta - mean\\|$", title="Value state drains")

    right.axhline(1.0, color="C0")
    points(right, data.time, data.level.values, index=0, label="all seeds", every=4)
    right.set(xscale="log", yscale="log", xlabel="time t", ylabel="$4\\,t\\,L\\,/\\,N$", title="One level for all")
    for axes in (left, middle, right):
        axes.legend(loc="best")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
