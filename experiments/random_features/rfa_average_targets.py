"""Averages over the keys: attention learns them from far fewer samples than an MLP of as many trained numbers.

Relative test error against samples for the mean of <beta, x_i>^p, p = 1 to 4, with frozen random heads and trained
values; the ridge is chosen on held-out inputs. Lines are infinitely many heads at the best ridge, from the kernels'
eigenvalues; points a finite layer, biased towards correlations or not, or an MLP on the concatenated tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.lab.checks import Check
from experiments.lab.experiment import results
from experiments.random_features._against_samples import Regressions, drawn, last, one_seed_each, predicted, simulated
from theory.claims import claim
from theory.papers import FU_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

parts, simulate, predict = one_seed_each, simulated, predicted


@dataclass(frozen=True)
class Config(Regressions):
    """Averages of powers; see `Regressions`."""

    targets: tuple[str, ...] = ("average 1", "average 2", "average 3", "average 4")


PROFILES = {
    "quick": Config(),
    "full": Config(
        dimension=16, keys=16, heads=1000, samples=(64, 128, 256, 512, 1024, 2048), held_out=1000, seeds="0:3"
    ),
}


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Averages of squares over 8 keys in 8 dimensions, 512 samples, seeds 0 to 3: a layer of 200 heads has a
    relative error at least 0.5 below that of an MLP with as many trained numbers, in every seed.""",
    source=FU_2023,
    kind="trend",
    status="as recalled",
    tolerance=0.0,
)
def attention_learns_averages_before_an_mlp() -> float:
    """0.5 less the smallest gap of a seed."""
    data = results("rfa_average_targets")
    return float(0.5 - (last(data, "MLP", "average 2") - last(data, "attention", "average 2")).min())


@claim(
    statement="""A bias of the heads towards correlations costs samples where the target is an average: from 64 samples
    on, the mean error of biased heads on the average of <beta, x_i> is above that of unbiased ones.""",
    source=FU_2023,
    kind="trend",
    tolerance=0.0,
)
def bias_costs_averages() -> float:
    """The largest mean advantage of the bias."""
    error = results("rfa_average_targets").error.sel(target="average 1").mean("seed")
    return float((error.sel(model="attention") - error.sel(model="biased attention")).sel(n=slice(64, None)).max())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """At the most samples: theory against attention, the order of the layers."""
    found = []
    n = int(data.n[-1])
    mean = data.error.mean("seed")
    for name in (str(t) for t in data.target.values):
        finite, limit = float(last(data, "MLP", name).mean()), float(data.risk.sel(model="MLP", target=name, n=n))
        found.append(Check(f"{name}, n = {n}: MLP, finite against infinite width", limit, finite, 0.1))
    gap = last(data, "MLP", "average 2") - last(data, "attention", "average 2")
    biased = (mean.sel(model="biased attention") - mean.sel(model="attention")).sel(target="average 1")
    found += [
        Check(f"average 2, n = {n}: least gap between MLP and attention", 0.5, float(gap.min()), relation=">",
              claim=attention_learns_averages_before_an_mlp),
        Check("average 1, n >= 64: least excess of biased heads", 0.0, float(biased.sel(n=slice(64, None)).min()),
              relation=">", claim=bias_costs_averages),
    ]  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """One panel per power."""
    return drawn(data)


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
