"""Residual peaks: which optimiser, which attention and which layers let the begin token's residual stream grow.

Three layers under Adam, under gradient descent with momentum, and with ReLU attention; then smaller structures under
Adam. Plotted is the norm of the residual stream at <s> after layer 0, which grows under Adam and not under gradient
descent, and the peak: that norm minus its mean elsewhere, in the layer where it is largest. At this size the contrast
shows late and small (a published network of width 256 grows sixfold in 10,000 steps).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.attention_sinks._training import PUBLISHED, Training
from experiments.lab.checks import Check
from experiments.lab.experiment import results
from theory.claims import claim, relative_error
from theory.papers import GUO_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.simulator import Transformer
    from toy_tasks.simulator.optimizers import Optimizer

# layers, attention, optimiser, what is removed
RUNS: dict[str, tuple[int, str, str, tuple[str, ...]]] = {
    "3 blocks, Adam": (3, "softmax", "adam", ()),
    "3 blocks, SGD": (3, "softmax", "sgd", ()),
    "3 blocks, ReLU": (3, "relu", "adam", ()),
    "2 blocks": (2, "softmax", "adam", ()),
    "2 blocks, MLP": (3, "softmax", "adam", ("2.attention",)),
    "MLP, block, MLP": (3, "softmax", "adam", ("0.attention", "2.attention")),
    "attention, block, MLP": (3, "softmax", "adam", ("0.mlp", "2.attention")),
}


@dataclass(frozen=True)
class Config(Training):
    """Networks on the synthetic table; Adam is AdamW, SGD has momentum."""

    runs: tuple[str, ...] = tuple(RUNS)
    seeds: str = "0:1"
    steps: int = 500
    record: int = 50
    descent_rate: float = 0.1
    momentum: float = 0.9
    evaluation: int = 64


PROFILES = {"quick": Config(), "full": Config(**PUBLISHED | {"seeds": "0:2"}, descent_rate=0.03)}


def prepared(config: Config, run: str) -> tuple[Transformer, Optimizer]:
    """Model and optimiser of a run; `ValueError` names the known ones."""
    from toy_tasks.simulator import SGD, Transformer

    if run not in RUNS:
        raise ValueError(f"runs must be among {'; '.join(RUNS)}, got {run!r}")
    layers, attention, optimizer, without = RUNS[run]
    model = Transformer(layers=layers, width=config.width, attention=attention, without=without)
    sgd = SGD(config.descent_rate, config.momentum, weight_decay=config.weight_decay)
    return model.sized_for(config.task()), sgd if optimizer == "sgd" else config.adamw()


def parts(config: Config) -> list[Config]:
    """One run at a time, and its seeds apart."""
    return [replace(config, runs=(run,), seeds=seed) for run in config.runs for seed in config.apart()]


def simulate(config: Config) -> xr.Dataset:
    """Residual norms after layer 0, the largest peak of any layer, and the copying risk, over training."""
    import xarray as xr

    from toy_tasks.bigram_backcopy import BackcopyMeasures, SinkMeasures

    task, runs = config.task(), []
    for run in config.runs:
        model, optimizer = prepared(config, run)
        backcopy, sinks = BackcopyMeasures(task, model), SinkMeasures(task, model)

        def measures(params: Any, batch: Any, backcopy: Any = backcopy, sinks: Any = sinks) -> Any:
            layers, first = sinks(params, batch), backcopy(params, batch)
            kept = ("loss", "backcopy_risk", "bigram_excess", "residual_norm", "other_residual_norm")
            found = {name: first[name] for name in kept}
            return found | {"peak": layers["peak"].amax(), "sink_weight": layers["sink_weight"].amax()}

        runs.append(config.train(task, model, measures, optimizer=optimizer).expand_dims(run=[run]))
    return xr.concat(runs, dim="run")


def predict(config: Config) -> xr.Dataset:
    """The least risks."""
    import xarray as xr

    for run in config.runs:
        prepared(config, run)
    task = config.task()
    return xr.Dataset({"risk_without_attention": task.copy_entropy(), "optimal_loss": task.optimal_loss()})


# -------------------------------------------------------------------------------------------------------------- claims


def _late_growth(data: xr.Dataset, run: str) -> xr.DataArray:
    """Residual norm at <s> after layer 0: end over middle of training."""
    norm = data.residual_norm.sel(run=run)
    return norm.isel(step=-1) / norm.isel(step=data.sizes["step"] // 2)


@claim(
    statement="""Three layers, quick profile, seed 0: in the second half of training the residual norm at <s> after
    layer 0 grows by more than a tenth under Adam, and by less than a twentieth under descent with momentum.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def adam_keeps_growing_the_residual_and_descent_does_not() -> float:
    data = results("layers_and_optimizers")
    adam, descent = (_late_growth(data, f"3 blocks, {name}") for name in ("Adam", "SGD"))
    return max(1.1 - float(adam.min()), float(descent.max()) - 1.05)


@dataclass(frozen=True, eq=False)
class ValueNorms:
    """Norms of the value states of one layer: through its own output projection, and through that of layer 0."""

    own: np.ndarray
    with_first: np.ndarray


def _second_layer() -> tuple[ValueNorms]:
    """Layer 1 of a network as it starts (seed 0), on eight sequences."""
    import torch

    from toy_tasks.randomness import DATA, INITIAL, Key
    from toy_tasks.simulator import Transformer
    from toy_tasks.simulator.interventions import Intervention

    task, seed = Config().task(), torch.tensor(0, dtype=torch.int32)
    model = Transformer(layers=2, width=16).sized_for(task)
    params, seen = model.init(Key(seed, INITIAL)), []

    def keep(values: torch.Tensor) -> torch.Tensor:
        seen.append(values.squeeze(1))  # one head: (b, t, d)
        return values

    tokens = task.sample(Key(seed, DATA, torch.tensor(0)), 8)["tokens"]
    model.forward(params, tokens, Intervention("values", keep, (1,)))
    own, first = (torch.linalg.norm(seen[0] @ params[f"{i}.output"].T, dim=-1).numpy() for i in (1, 0))
    return (ValueNorms(own, first),)


@claim(
    statement="""The value norms of a later layer may be drawn through the output projection of layer 0.""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=_second_layer,
)
def the_first_projection_serves_every_layer(norms: ValueNorms) -> float:
    """Relative error of the norms: a published appendix plots later layers' values through the wrong matrix."""
    return relative_error(norms.with_first, norms.own)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """At the end of training."""
    found = []
    if {"3 blocks, Adam", "3 blocks, SGD"} <= set(data.run.values):
        claimed = adam_keeps_growing_the_residual_and_descent_does_not
        found += [
            Check("Adam: late growth of the residual at <s> after layer 0, least seed", 1.1,
                  float(_late_growth(data, "3 blocks, Adam").min()), relation=">", claim=claimed),
            Check("SGD: late growth of the residual at <s> after layer 0, largest seed", 1.05,
                  float(_late_growth(data, "3 blocks, SGD").max()), relation="<", claim=claimed),
        ]  # fmt: skip
    worst = float(data.backcopy_risk.isel(step=-1).max())
    found.append(Check("every structure learns to copy: largest backcopy risk / least without attention", 0.3,
                       worst / float(data.risk_without_attention), relation="<"))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Residual norms over training, then the largest peak and the copying risk of every run."""
    from experiments.lab.figures import MARKERS, panels, points

    out, (left, middle, right) = panels(3, width=3.6)
    steps, shown = data.step.values, [run for run in RUNS if run in data.run.values]
    for index, run in enumerate(shown):
        if run.startswith("3"):
            points(left, steps, data.residual_norm.sel(run=run), index=index, label=run.partition(", ")[2])
    left.set(xlabel="training step", ylabel="norm at <s> after layer 0", title="Three blocks", ylim=(0, None))
    left.legend()
    for index, run in enumerate(shown):
        peaks = data.peak.sel(run=run).isel(step=-1).values
        middle.plot(np.full(len(peaks), index), peaks, MARKERS[index], color=f"C{index}", markerfacecolor="none")
        points(right, steps, data.backcopy_risk.sel(run=run), index=index, label=run)
    middle.axhline(0.0, color="0.5", linewidth=0.8)
    middle.set_xticks(range(len(shown)), shown, rotation=40, ha="right")
    middle.set(title="Peak: <s> minus the others", ylabel="residual norm")
    right.axhline(float(data.risk_without_attention), color="0.5", linestyle="--")
    right.set(
        xlabel="training step",
        ylabel="nats",
        yscale="log",
        ylim=(None, 200),
        title="Copying risk; dashed: without attention",
    )
    right.legend(loc="upper right", ncols=2, fontsize=6)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
