"""Correlations of query and keys: biased heads need fewer samples; an MLP learns their part of the query at most.

Relative test error against samples, as for averages, for means of <x_0, x_i>^p <beta, x_i>, for the largest correlation
and, as a control, for |mean of x_i|^2: it is orthogonal to every function that treats the keys one by one, so that no
attention layer of any width, bias or size of data gets below a relative error of 1.
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
ATTENTION = ["attention", "biased attention"]


@dataclass(frozen=True)
class Config(Regressions):
    """Correlations; see `Regressions`."""

    targets: tuple[str, ...] = ("correlation 1 1", "correlation 1 1 alone", "largest", "pairs")


PROFILES = {
    "quick": Config(),
    "full": Config(
        targets=("correlation 1 1", "correlation 3 1", "largest", "pairs"),
        dimension=16,
        keys=16,
        heads=1000,
        samples=(64, 128, 256, 512, 1024, 2048),
        held_out=1000,
        seeds="0:3",
    ),
}


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Means of <x_0, x_i> <beta, x_i> without their part of the query alone, d = N = 8, 256 and 512 samples,
    seeds 0 to 3: 200 heads biased by omega = 1 have a mean relative error at least 0.08 below that of others.""",
    source=FU_2023,
    kind="trend",
    status="as recalled",
    tolerance=0.0,
)
def bias_helps_correlations() -> float:
    """0.08 less the smaller of the two mean gaps."""
    error = results("rfa_correlation_targets").error.sel(target="correlation 1 1 alone", n=[256, 512]).mean("seed")
    return float(0.08 - (error.sel(model="attention") - error.sel(model="biased attention")).min())


@claim(
    statement="""|mean of x_i|^2 is out of reach of attention: no layer of the quick profile, biased or not, has a
    relative error below 0.93 with any number of samples (seeds 0 to 3; 500 test inputs).""",
    source=FU_2023,
    kind="trend",
    tolerance=0.0,
)
def pairs_of_keys_stay_out_of_reach() -> float:
    """0.93 less the least error of any layer, number of samples and seed."""
    return float(0.93 - results("rfa_correlation_targets").error.sel(model=ATTENTION, target="pairs").min())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """At the most samples: the order of the layers; and the floor of the control."""
    found = []
    n, mean = int(data.n[-1]), data.error.mean("seed").isel(n=-1)
    for name in (str(t) for t in data.target.values if str(t) != "pairs"):
        gap = last(data, "attention", name) - last(data, "biased attention", name)
        claimed = bias_helps_correlations if name == "correlation 1 1 alone" else None
        found.append(Check(f"{name}, n = {n}: mean gain by the bias", 0.05, float(gap.mean()), relation=">",
                           claim=claimed))  # fmt: skip
        rest = mean.sel(target=name)
        found.append(Check(f"{name}, n = {n}: mean gain of attention over the MLP", 0.05,
                           float(rest.sel(model="MLP") - rest.sel(model="attention")), relation=">"))  # fmt: skip
        if bool(data.risk.sel(model="MLP", target=name).notnull().all()):
            limit = float(data.risk.sel(model="MLP", target=name, n=n))
            found.append(Check(f"{name}, n = {n}: MLP, finite against infinite width", limit,
                               float(rest.sel(model="MLP")), 0.1))  # fmt: skip
    floor = float(data.error.sel(model=ATTENTION, target="pairs").min())
    found.append(Check("pairs: least error of attention, any n and seed", 0.93, floor, relation=">",
                       claim=pairs_of_keys_stay_out_of_reach))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """One panel per target."""
    return drawn(data)


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
