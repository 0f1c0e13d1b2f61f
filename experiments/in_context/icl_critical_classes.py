"""How many classes decide for the context: three logits in competition with memory, swept over the number of classes.

With few classes memory is done before the induction head's clock has run; with many the head comes first. The change is
sharp: within a factor of two on either side. Lines: the criterion that neglects attention while it is small, which
gives the scaling and not the constant; points: the integrated model at the time when its training loss is 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import results
from theory.claims import claim
from theory.papers import REDDY_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

REMAINING = 0.01
FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Config:
    """(N, L, m) of each model."""

    sizes: tuple[tuple[int, int, int], ...] = ((4, 16, 8), (8, 32, 16), (8, 32, 50), (16, 64, 32))

    def __post_init__(self) -> None:
        for size in self.sizes:
            if len(size) != 3 or min(size) < 2 or size[1] <= size[0]:
                raise ValueError(f"sizes must be triples N < L, m of at least 2, got {size!r}")


PROFILES = {"quick": Config(), "full": Config(((4, 16, 8), (8, 32, 16), (8, 32, 50), (16, 64, 32), (16, 64, 200)))}


def simulate(config: Config) -> xr.Dataset:
    """`context_loss` (size, factor): loss without memory over log N, where the training loss is 0.01; `class_count`."""
    import xarray as xr

    from theory.nested_logits import NestedLogits, critical_classes, with_in_weights

    shape = len(config.sizes), len(FACTORS)
    loss, counts = np.empty(shape), np.empty(shape)
    for row, size in enumerate(config.sizes):
        model = NestedLogits(*size)
        critical = critical_classes(model, remaining_loss=REMAINING)
        for column, factor in enumerate(FACTORS):
            classes = max(2, round(factor * critical))
            path = with_in_weights(model, np.full(classes, 1 / classes)).flow(
                np.concatenate([[0.0], np.geomspace(1, 1e4 * classes, 400)])
            )
            done = int(np.argmax(path.loss < REMAINING))
            share = np.interp(np.log(REMAINING), np.log(path.loss[[done, done - 1]]), [0.0, 1.0])
            between = path.context_loss[done] * (1 - share) + path.context_loss[done - 1] * share
            loss[row, column], counts[row, column] = between / np.log(size[0]), classes
    names = [" ".join(map(str, size)) for size in config.sizes]
    data = {"context_loss": (("size", "factor"), loss), "class_count": (("size", "factor"), counts)}
    return xr.Dataset(data, coords={"size": names, "factor": list(FACTORS)})


def predict(config: Config) -> xr.Dataset:
    """`criterion` (size,) K_c at z = 0, and N m."""
    import xarray as xr

    from theory.nested_logits import NestedLogits, critical_classes

    found = [critical_classes(NestedLogits(*size), remaining_loss=REMAINING) for size in config.sizes]
    names = [" ".join(map(str, size)) for size in config.sizes]
    products = [size[0] * size[2] for size in config.sizes]
    return xr.Dataset({"criterion": ("size", found), "n_times_m": ("size", products)}, coords={"size": names})


@claim(
    statement="""Memory or context is decided sharply: at half the number of classes at which the loss without memory is
    (log N)/2 it is above log N, at twice that number below a fifth of it, for four sizes of the model.""",
    source=REDDY_2024,
    kind="limit",
    tolerance=0.0,
)
def number_of_classes_decides_sharply() -> float:
    data, worst = results("icl_critical_classes"), -np.inf
    for row, critical in enumerate(crossings(data)):
        classes, loss = data.class_count.isel(size=row).values, data.context_loss.isel(size=row).values
        below, above = loss[classes <= 0.5 * critical], loss[classes >= 2 * critical]
        worst = max(worst, *(1 - below), *(above - 0.2))
    return float(worst)


def crossings(data: xr.Dataset) -> np.ndarray:
    """(size,) K at which the loss without memory is (log N)/2, interpolated."""
    return np.array(
        [
            np.interp(-0.5, -data.context_loss.isel(size=row).values, data.class_count.isel(size=row).values)
            for row in range(data.sizes["size"])
        ]
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The crossing over its criterion: a factor of about 1.5 for every size, so that the scaling is right."""
    ratio = crossings(data) / data.criterion.values
    return [
        Check(f"(N, L, m) = ({size}): critical classes over the criterion", 1.5, float(value), 0.12,
              claim=number_of_classes_decides_sharply)
        for size, value in zip(data["size"].values, ratio, strict=True)
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Loss without memory against the number of classes, in units of the criterion; and the criterion itself."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, right) = panels(2, width=3.6)
    for row, size in enumerate(data["size"].values):
        one, color = data.isel(size=row), f"C{row}"
        scaled = one.class_count / float(one.criterion)
        left.plot(scaled, one.context_loss, f"{MARKERS[row]}-", color=color, linewidth=0.6, markerfacecolor="none",
                  label=f"N, L, m = {size}")  # fmt: skip
        right.plot(float(one.n_times_m), crossings(data)[row], MARKERS[row], color=color, markerfacecolor="none")
    left.axvline(1.0, color="0.3", label="criterion")
    left.axhline(0.5, color="0.7", linewidth=0.8)
    left.set(xlabel="classes / criterion", ylabel="loss without memory / log N", title="Memory, or context")
    left.legend(loc="upper right", fontsize=6)
    order = np.argsort(data.n_times_m.values)
    right.plot(data.n_times_m[order], data.criterion[order], color="0.3", label="criterion at z = 0")
    right.plot(data.n_times_m[order], 1.5 * data.criterion[order], color="0.3", linestyle=":", label="1.5 times that")
    right.set(xscale="log", yscale="log", xlabel="N m", ylabel="critical classes", title="Scaling")
    right.set(xticks=[30, 100, 300], xticklabels=[30, 100, 300], yticks=[5, 10, 20, 40], yticklabels=[5, 10, 20, 40])
    right.minorticks_off()
    right.legend(loc="upper left", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
