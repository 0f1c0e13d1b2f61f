"""How many labels are best: with a softmax read-out the plateau is shortest where L is about twice N.

With few labels beyond those in the context the read-out hardly drifts; with many, each is rarely the target. Lines: the
equation of three logits, read-out at rate 1/L; points: trained minimal networks, no constant fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.in_context._training import crossing_time
from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.nested_logits.escape import twice_the_context_labels_are_best

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.nested_logits import NestedLogits

LEARNING_RATE = 0.5


@dataclass(frozen=True)
class Config:
    """N pairs, trained at each of `labels`; the equation is drawn for every L up to the largest."""

    pairs: int = 4
    labels: tuple[int, ...] = (5, 6, 8, 12, 20)
    dimension: int = 256
    batch: int = 128
    seeds: str = "0:1"

    def __post_init__(self) -> None:
        require(self, pairs=2, dimension=1, batch=1)
        if not self.labels or min(self.labels) <= self.pairs:
            raise ValueError(f"labels must all exceed pairs = {self.pairs}, got {self.labels!r}")


PROFILES = {"quick": Config(), "full": Config(labels=(5, 6, 8, 12, 20, 32), dimension=1024, seeds="0:8")}


def parts(config: Config) -> list[Config]:
    """One number of labels at a time."""
    return [replace(config, labels=(n,)) for n in config.labels]


def equation(pairs: int, labels: int) -> NestedLogits:
    """The three logits, averaged over the target's position."""
    from theory.nested_logits import NestedLogits

    return NestedLogits(pairs, labels, tuple(range(1, 2 * pairs, 2)), (1 / labels, 1.0, 1.0))


def simulate(config: Config) -> xr.Dataset:
    """`trained` (label_count, seed): when the loss is (log N)/2, as learning rate x steps."""
    import xarray as xr

    from theory.nested_logits import half_loss_time
    from toy_tasks.in_context_classification import InContextClassification, MinimalInductionHead
    from toy_tasks.simulator import SGD, simulate

    seeds, found = seed_range(config.seeds), []
    for labels in config.labels:
        task = InContextClassification(
            labels, labels, config.dimension, config.pairs, config.pairs, within_class=0.0, novel=1.0, unit_norm=True
        )
        steps = int(1.4 * half_loss_time(equation(config.pairs, labels)) / LEARNING_RATE)
        trained = simulate(
            task, MinimalInductionHead(), SGD(LEARNING_RATE), seeds=seeds, steps=steps, batch=config.batch,
            record=max(1, steps // 100), evaluation=512,
        )  # fmt: skip
        gap = trained["loss"].double().numpy() - np.log(config.pairs) / 2
        time = LEARNING_RATE * np.array(trained.steps)
        found.append([crossing_time(time, row) for row in gap])
    return xr.Dataset(
        {"trained": (("label_count", "seed"), found)}, coords={"label_count": list(config.labels), "seed": seeds}
    )


def predict(config: Config) -> xr.Dataset:
    """`equation` at the trained numbers of labels, and `curve` at every number."""
    import xarray as xr

    from theory.nested_logits import half_loss_time

    grid = sorted({*range(config.pairs + 1, 3 * config.pairs + 1), *config.labels})
    times = {n: half_loss_time(equation(config.pairs, n)) for n in grid}
    return xr.Dataset(
        {
            "equation": ("label_count", [times[n] for n in config.labels]),
            "curve": ("grid", [times[n] for n in grid]),
            "pairs": config.pairs,
        },
        coords={"label_count": list(config.labels), "grid": grid},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Every trained time against the equation, and where the equation is fastest."""
    ratio = (data.trained / data.equation).values
    best = float(data.grid[int(np.argmin(data.curve.values))]) / float(data.pairs)
    worst = ratio.flat[np.nanargmax(np.abs(ratio - 1))]
    return [
        Check("share of networks that halve their loss", 1.0, float(np.isfinite(ratio).mean())),
        Check("half-loss time over the equation's, worst network", 1.0, float(worst), 0.05),
        Check("fastest L / N of the equation", 2.25, best, 0.75, claim=twice_the_context_labels_are_best),
    ]


def figure(data: xr.Dataset) -> Figure:
    """Half-loss time against the number of labels."""
    from experiments.lab.figures import panels, points

    out, (axes,) = panels(1, width=4.6)
    axes.plot(data.grid, data.curve, color="0.3", label="three logits")
    points(axes, data.label_count, data.trained.transpose("seed", "label_count"), index=0, label="trained network")
    axes.axvline(2 * float(data.pairs), color="0.7", linewidth=0.8, linestyle=":")
    axes.text(2 * float(data.pairs), float(data.curve.max()), " L = 2N", fontsize=7, va="top")
    axes.set(
        xscale="log",
        xlabel="labels L",
        xticks=data.label_count,
        xticklabels=data.label_count.values,
        ylabel="half-loss time",
        title=f"N = {int(data.pairs)}: too few, too many",
    )
    axes.minorticks_off()
    axes.legend(loc="upper center", fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
