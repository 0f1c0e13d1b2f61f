"""The instant of an induction head, predicted: a network of two attention numbers against an equation of three logits.

The network starts at zero and learns from batches; the equation averages over the target's position i with 2i - 1
competitors, a read-out rate of 1/L, and time = learning rate x steps. Nothing is fitted. What remains between them is
the finite number of dimensions, in which random embeddings are not quite orthogonal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.in_context._training import crossing_time
from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.papers import REDDY_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.nested_logits import NestedLogits

RATES = {4: 0.5, 8: 1.0}
UNTIL = 1.5
"""In units of the predicted half-loss time."""


@dataclass(frozen=True)
class Config:
    """N pairs in the context, and L = 4 N labels."""

    pairs: tuple[int, ...] = (4, 8)
    dimension: int = 512
    batch: int = 128
    seeds: str = "0:2"

    def __post_init__(self) -> None:
        require(self, dimension=1, batch=1)
        for n in self.pairs:
            if n not in RATES:
                raise ValueError(f"pairs must be among {', '.join(map(str, RATES))}, got {n!r}")


PROFILES = {"quick": Config(), "full": Config(dimension=2048, seeds="0:8")}


def parts(config: Config) -> list[Config]:
    """One length of context at a time."""
    return [replace(config, pairs=(n,)) for n in config.pairs]


def equation(pairs: int) -> NestedLogits:
    """The three logits of a network with N pairs and 4 N labels."""
    from theory.nested_logits import NestedLogits

    return NestedLogits(pairs, 4 * pairs, tuple(range(1, 2 * pairs, 2)), (1 / (4 * pairs), 1.0, 1.0))


def simulate(config: Config) -> xr.Dataset:
    """`loss`, `induction`, `previous_token` (pair_count, seed, fraction) at fractions of the half-loss time."""
    import xarray as xr

    from theory.nested_logits import half_loss_time
    from toy_tasks.in_context_classification import InContextClassification, InContextMeasures, MinimalInductionHead
    from toy_tasks.simulator import SGD, simulate

    seeds, out = seed_range(config.seeds), []
    for n in config.pairs:
        task = InContextClassification(
            classes=4 * n, labels=4 * n, dimension=config.dimension, pairs=n, window=n, within_class=0.0, novel=1.0,
            unit_norm=True,
        )  # fmt: skip
        model = MinimalInductionHead().sized_for(task)
        until = half_loss_time(equation(n))
        steps = np.unique(np.rint(np.linspace(0, UNTIL, 61) * until / RATES[n]).astype(int))
        trained = simulate(
            task, model, SGD(RATES[n]), seeds=seeds, steps=int(steps[-1]), batch=config.batch, record=steps.tolist(),
            measures=InContextMeasures(model), evaluation=512,
        )  # fmt: skip
        values = {name: (("seed", "place"), trained[name].double().numpy()) for name in NAMES}
        data = xr.Dataset(values | {"time": ("place", RATES[n] * steps)}, coords={"seed": seeds})
        out.append(data.assign_coords(place=np.arange(len(steps))).expand_dims(pair_count=[n]))
    return xr.concat(out, "pair_count", join="outer")


NAMES = ("loss", "induction", "previous_token")


def predict(config: Config) -> xr.Dataset:
    """The equation's curves at `grid` fractions of its half-loss time."""
    import xarray as xr

    from theory.nested_logits import half_loss_time

    grid = np.linspace(0, UNTIL, 151)
    found = {f"ode_{name}": np.empty((len(config.pairs), len(grid))) for name in NAMES}
    halves = []
    for row, n in enumerate(config.pairs):
        model = equation(n)
        halves.append(half_loss_time(model))
        path = model.flow(grid * halves[-1])
        for name, curve in (("loss", path.loss), ("induction", path.right_label), ("previous_token", path.predecessor)):
            found[f"ode_{name}"][row] = curve
    data: dict = {name: (("pair_count", "grid"), values) for name, values in found.items()}
    data["half_time"] = ("pair_count", halves)
    return xr.Dataset(data, coords={"pair_count": list(config.pairs), "grid": grid})


# -------------------------------------------------------------------------------------------------------------- claims


def half_times(data: xr.Dataset) -> np.ndarray:
    """(pair_count, seed) when the network's loss first is (log N)/2, interpolated; NaN where it never is."""
    found = np.full((data.sizes["pair_count"], data.sizes["seed"]), np.nan)
    for row, n in enumerate(data.pair_count.values):
        time = data.time.isel(pair_count=row).values
        for column in range(found.shape[1]):
            gap = data.loss.isel(pair_count=row, seed=column).values - np.log(n) / 2
            found[row, column] = crossing_time(time, gap)
    return found


def ratios(data: xr.Dataset) -> np.ndarray:
    """(pair_count, seed) of the network's to the equation's half-loss time."""
    return half_times(data) / data.half_time.values[:, None]


@claim(
    statement="""A minimal induction head in 512 dimensions halves its loss within 10 percent of the time that the three
    nested logits predict, for 4 and 8 pairs and every seed, without a fitted constant.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.1,
)
def three_logits_time_the_induction_head() -> float:
    return float(np.abs(ratios(results("icl_minimal_vs_ode")) - 1).max())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """The half-loss time of each length of context, worst seed; late attention."""
    found, out = ratios(data), []
    for row, n in enumerate(data.pair_count.values):
        worst = found[row][np.abs(found[row] - 1).argmax()]
        out.append(Check(f"N = {n}: half-loss time over the equation's, worst seed", 1.0, float(worst), 0.1,
                         claim=three_logits_time_the_induction_head))  # fmt: skip
        last = data.isel(pair_count=row).dropna("place").isel(place=-1)
        for name in ("induction", "previous_token"):
            expected = float(data[f"ode_{name}"].isel(pair_count=row, grid=-1))
            out.append(Check(f"N = {n}: {name.replace('_', ' ')} at {UNTIL:g} half-loss times", expected,
                             float(last[name].mean()), 0.02))  # fmt: skip
    return out


def figure(data: xr.Dataset) -> Figure:
    """Loss, and both attentions, against time in half-loss times of the equation."""
    from experiments.lab.figures import panels, points

    out, axes = panels(3)
    titles = ("Loss over log L", "Attention on the right label", "Attention on the predecessor")
    for panel, name, title in zip(axes, NAMES, titles, strict=True):
        for row, n in enumerate(data.pair_count.values):
            scale = np.log(4 * n) if name == "loss" else 1.0
            one = data.isel(pair_count=row).dropna("place")
            style = ("-", "--")[row % 2]
            panel.plot(data.grid, data[f"ode_{name}"].isel(pair_count=row) / scale, style, color=f"C{row}",
                       label=f"equation, N = {n}")  # fmt: skip
            points(panel, one.time / float(data.half_time[row]), one[name] / scale, index=row, every=3,
                   label=f"network, N = {n}")  # fmt: skip
        panel.axvline(1.0, color="0.7", linewidth=0.8)
        panel.set(xlabel="time / predicted half-loss time", title=title)
    axes[1].legend(loc="upper left", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
