"""Recall of distinct tokens by attention: how many of them attention marks, and how much the threshold matters.

After training on the published sweep's sequence classes (eta_Y = eta_Z), the tokens to which a query attends with at
least a threshold around 1/M are marked as distinct, whatever a sequence holds; recall is the share of its distinct
tokens among them. The larger the rates, the sparser attention, and the less recall depends on the threshold. Lines are
the gradient flow from zero at the same time, whose steps are the tokens it passes by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.scan_and_snap._training import MOMENTUM, grid, mixture_of, momentum_descent, train
from theory.claims import claim
from theory.papers import TIAN_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

RATES = (0.5, 1.0, 2.0, 3.0)
RANGES = {1: (0.028, 0.038), 3: (0.012, 0.016), 5: (0.0075, 0.0105), 10: (0.0040, 0.0052)}
"""Queries -> the published range of thresholds."""

CLAIMED = (1, 3)
"""With 10 queries nearly all distinct tokens pass the lowest threshold, and the two largest rates fall alike."""


@dataclass(frozen=True)
class Config:
    """SGD with momentum 0.9 and eta_Y = eta_Z in .5, 1, 2, 3, from random parameters."""

    queries: tuple[int, ...] = (1, 3)
    seeds: str = "0:10"
    steps: int = 100
    thresholds: int = 21

    def __post_init__(self) -> None:
        require(self, steps=1, thresholds=3)
        for queries in self.queries:
            if queries not in RANGES:
                raise ValueError(f"queries must be among {', '.join(map(str, RANGES))}, got {queries!r}")


PROFILES = {"quick": Config(), "full": Config(queries=(1, 3, 5, 10), thresholds=61)}


def thresholds_of(config: Config, queries: int) -> np.ndarray:
    """The published range, evenly."""
    return np.linspace(*RANGES[queries], config.thresholds)


def parts(config: Config) -> list[Config]:
    """One panel at a time."""
    return [replace(config, queries=(queries,)) for queries in config.queries]


def simulate(config: Config) -> xr.Dataset:
    """Recall after training, the mean over queries."""
    import xarray as xr

    from toy_tasks.scan_and_snap import ScanAndSnap, recall

    seeds, found = seed_range(config.seeds), []
    for queries in config.queries:
        task = ScanAndSnap.syn_medium(queries)
        rate, seed = grid(RATES, seeds)
        replicas = seed.astype(int).tolist()
        optimizer = momentum_descent(rate, rate)
        trained = train(task, optimizer, seeds=replicas, steps=config.steps, record=[config.steps], spread=1.0)
        marked = recall(task, trained.params["Z"].double(), thresholds_of(config, queries))
        found.append(marked.mean(dim=-2).numpy().reshape(len(RATES), len(seeds), -1))
    return xr.Dataset(
        {"recall": (("queries", "eta", "seed", "place"), np.array(found))},
        coords={"queries": list(config.queries), "eta": list(RATES), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """Recall of the gradient flow, with the thresholds."""
    import torch
    import xarray as xr

    from theory.scan_and_snap import population_flow
    from toy_tasks.scan_and_snap import ScanAndSnap, recall

    times = np.array(RATES) * config.steps / (1 - MOMENTUM)  # at unit rates: only the ratio and eta_Z t count
    found, thresholds = [], [thresholds_of(config, queries) for queries in config.queries]
    for queries, levels in zip(config.queries, thresholds, strict=True):
        task = ScanAndSnap.syn_medium(queries)
        logits = population_flow(mixture_of(task), 1.0, 1.0, times, rtol=1e-6).logits
        found.append(recall(task, torch.from_numpy(logits), levels).mean(dim=-2).numpy())
    return xr.Dataset(
        {
            "flow_recall": (("queries", "eta", "place"), np.array(found)),
            "threshold": (("queries", "place"), np.array(thresholds)),
        },
        coords={"queries": list(config.queries), "eta": list(RATES)},
    )


# -------------------------------------------------------------------------------------------------------------- claims


def _fall(data: xr.Dataset) -> xr.DataArray:
    """Mean recall lost from the lowest to the highest threshold."""
    mean = data.recall.mean("seed")
    return mean.isel(place=0) - mean.isel(place=-1)


@claim(
    statement="""Sequence classes of 1 and 3 queries, ten seeds: the sparser attention is after training at larger
    rates, the less its recall of distinct tokens falls over the published range of thresholds.""",
    source=TIAN_2023,
    kind="trend",
    tolerance=0.0,
)
def sparser_attention_recalls_at_any_threshold() -> float:
    """The largest rise of the fall from one rate to the next."""
    return float(_fall(results("scan_and_snap_recall")).sel(queries=list(CLAIMED)).diff("eta").max())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Flatter curves for larger rates: from each to the next where the claim says so, end to end in every panel."""
    fall = _fall(data)
    flatter = sparser_attention_recalls_at_any_threshold
    found = []
    for queries in (int(q) for q in data.queries.values):
        what, shown = f"{_title(queries)}: change of the fall of recall from", fall.sel(queries=queries)
        ends = float(shown[-1] - shown[0])
        found.append(Check(f"{what} the least rate to the largest", 0.0, ends, relation="<", claim=flatter))
        if queries in CLAIMED:
            worst = float(shown.diff("eta").max())
            found.append(Check(f"{what} one rate to the next, largest", 0.0, worst, relation="<", claim=flatter))
    return found


def _title(queries: int) -> str:
    return f"{queries} {'queries' if queries > 1 else 'query'}, {2 * queries} classes"


def figure(data: xr.Dataset) -> Figure:
    """Recall against the threshold, one panel per number of queries."""
    from experiments.lab.figures import panels, points

    out, all_axes = panels(data.sizes["queries"], width=3.4)
    for axes, queries in zip(all_axes, (int(q) for q in data.queries.values), strict=True):
        shown = data.sel(queries=queries)
        for index, eta in enumerate(RATES):
            axes.plot(shown.threshold, shown.flow_recall.sel(eta=eta), color=f"C{index}", linewidth=0.9)
            points(axes, shown.threshold, shown.recall.sel(eta=eta), index=index, label=f"$\\eta$ = {eta:g}", every=2)
        axes.set_xticks(np.linspace(*RANGES[queries], 3))
        axes.set(xlabel="threshold", ylim=(0, 1), title=_title(queries))
    all_axes[0].set(ylabel="recall of distinct tokens")
    all_axes[0].legend(loc="best")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
