"""What sparse attention costs: counted multiplications against length, with the exponents 2, 3/2, 4/3, n log n and 1.

Points count the scalar products that the code makes; lines are the formulas, no constant fitted. Clusters and regions
take the number that is best at each length, and the right panel shows that more or fewer cost more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require
from theory.mechanisms.sparse.clusters import (
    cluster_routing_cost_is_counted,
    cluster_routing_costs_at_least_n_to_three_halves,
)
from theory.mechanisms.sparse.neighbourhoods import dilation_costs_nothing
from theory.mechanisms.sparse.regions import (
    region_routing_cost_is_counted,
    region_routing_costs_at_least_n_to_four_thirds,
)
from theory.mechanisms.sparse.tree_search import tree_search_scores_few_keys

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.claims import Claim

ROUTED, KEPT, WIDTH = 8, 16, 9
"""Regions that each region looks at, keys that the tree search keeps, keys of a window."""

MECHANISMS: dict[str, tuple[str, float, Claim | None]] = {
    "dense": ("-", 2.0, None),
    "clusters": ("--", 1.5, cluster_routing_costs_at_least_n_to_three_halves),
    "regions": ("-.", 4 / 3, region_routing_costs_at_least_n_to_four_thirds),
    "tree": (":", np.nan, tree_search_scores_few_keys),
    "window": ((0, (5, 1)), 1.0, dilation_costs_nothing),  # type: ignore[dict-item]
}
"""Line style, exponent (the tree's n log n has none) and claim."""

OVER_THE_LEAST: dict[str, Callable[[Any], Any]] = {
    "clusters": lambda x: (x + 1 / x) / 2,
    "regions": lambda x: (x**2 + 2 / x) / 3,
}
"""Cost over the least one with x times the best number of groups."""


@dataclass(frozen=True)
class Config:
    """d = v = `channels`; lengths up to `longest` tokens, for dense attention up to `longest_dense`."""

    channels: int = 4
    longest: int = 4096
    longest_dense: int = 1024

    def __post_init__(self) -> None:
        require(self, channels=2, longest=512, longest_dense=128)


PROFILES = {"quick": Config(), "full": Config(longest=32_768, longest_dense=4096)}


def lengths(config: Config, mechanism: str) -> list[int]:
    """Lengths from 64 on at which the best number of groups is an integer that divides them."""
    start, factor = {"clusters": (128, 4), "regions": (64, 8)}.get(mechanism, (64, 2))
    longest = config.longest_dense if mechanism == "dense" else config.longest
    return [n for power in range(20) if (n := start * factor**power) <= longest]


def counted(mechanism: str, length: int, channels: int, groups: int | None = None) -> int:
    """Multiplications that the code makes; `groups` clusters or regions instead of the best number.

    Tokens of clusters are copies of their centroids, so that all clusters are equally large.
    """
    from theory.attention import attend
    from theory.mechanisms.counting import multiplications
    from theory.mechanisms.sparse import clusters, neighbourhoods, regions, tree_search

    queries, keys, values = np.random.default_rng(0).standard_normal((3, length, channels))
    if mechanism == "clusters":
        groups = groups or round(clusters.best_cluster_count(length, channels, channels))
        centroids = queries[:groups] / np.linalg.norm(queries[:groups], axis=-1, keepdims=True)
        tokens = centroids.repeat(length // groups, axis=0)
        return multiplications(clusters.clustered_attention, tokens, values, centroids)
    if mechanism == "regions":
        number = groups or round(regions.best_region_count(length, ROUTED, channels, channels))
        return multiplications(lambda q, k, v: regions.region_attention(q, k, v, number, ROUTED), queries, keys, values)
    computation = {
        "dense": attend,
        "tree": lambda q, k, v: tree_search.tree_attention(q, k, v, KEPT),
        "window": lambda q, k, v: neighbourhoods.neighbourhood_attention(q, k, v, WIDTH),
    }[mechanism]
    return multiplications(computation, queries, keys, values)


def formula(mechanism: str, length: float, channels: int) -> float:
    """What it should cost."""
    from theory.mechanisms.sparse import clusters, regions, tree_search

    return {
        "dense": lambda: 2 * channels * length**2,
        "clusters": lambda: clusters.least_cluster_cost(length, channels, channels),
        "regions": lambda: regions.least_region_cost(length, ROUTED, channels, channels),
        "tree": lambda: tree_search.tree_cost(length, length, KEPT, channels, channels),
        "window": lambda: 2 * channels * WIDTH * length,
    }[mechanism]()


def best_number(config: Config, mechanism: str) -> tuple[int, int]:
    """The longest length tried and the best number of clusters or regions there."""
    from theory.mechanisms.sparse import clusters, regions

    length, d = max(n for n in lengths(config, mechanism) if n <= 4096), config.channels  # affinities take R^2 numbers
    if mechanism == "clusters":
        return length, round(clusters.best_cluster_count(length, d, d))
    return length, round(regions.best_region_count(length, ROUTED, d, d))


def trials(config: Config) -> list[tuple[str, int, int]]:
    """Mechanism, length and number of groups: powers of two times the best number, from 1/16 to 16."""
    tried = []
    for mechanism in OVER_THE_LEAST:
        length, best = best_number(config, mechanism)
        least = ROUTED if mechanism == "regions" else 1
        tried += [(mechanism, length, g) for p in range(-4, 5) if least <= (g := round(best * 2.0**p)) <= length]
    return tried


def simulate(config: Config) -> xr.Dataset:
    """`counted` (run) of every mechanism and length, and `trial_counted` (trial) for other numbers of groups."""
    import xarray as xr

    runs = [(m, n) for m in MECHANISMS for n in lengths(config, m)]
    return xr.Dataset(
        {
            "counted": ("run", [float(counted(m, n, config.channels)) for m, n in runs]),
            "trial_counted": ("trial", [float(counted(m, n, config.channels, g)) for m, n, g in trials(config)]),
        }
    )


def predict(config: Config) -> xr.Dataset:
    """`formula` of every run and `curve` (mechanism, grid); the same over the least cost for the trials."""
    import xarray as xr

    d, tried = config.channels, trials(config)
    runs = [(m, n) for m in MECHANISMS for n in lengths(config, m)]
    share = [g / best_number(config, m)[1] for m, _, g in tried]
    grid, groups = np.geomspace(64, config.longest, 60), np.geomspace(1 / 16, 16, 60)
    return xr.Dataset(
        {
            "mechanism": ("run", [m for m, _ in runs]),
            "length": ("run", [n for _, n in runs]),
            "formula": ("run", [formula(m, n, d) for m, n in runs]),
            "curve": (("name", "grid"), [[formula(m, n, d) for n in grid] for m in MECHANISMS]),
            "trial_mechanism": ("trial", [m for m, _, _ in tried]),
            "trial_groups": ("trial", share),
            "trial_least": ("trial", [formula(m, n, d) for m, n, _ in tried]),
            "trial_curve": (("kind", "groups"), [over(groups) for over in OVER_THE_LEAST.values()]),
            "channels": d,
        },
        coords={"name": list(MECHANISMS), "grid": grid, "kind": list(OVER_THE_LEAST), "groups": groups},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Counts against formulas, and the exponents that the counts show."""
    from theory.numerics import fitted_slope

    found = []
    for name, (_, exponent, claim) in MECHANISMS.items():
        own = data.sel(run=data.mechanism == name)
        if name == "tree":
            slope = fitted_slope(np.log2(own.length), own.counted / own.length)
            predicted = 2.0 * KEPT * float(data.channels)
            found.append(Check("tree: multiplications a query for every doubling", predicted, slope, 1e-9, claim=claim))
        else:
            slope = fitted_slope(np.log(own.length), np.log(own.counted))
            found.append(Check(f"{name}: exponent of the length", exponent, slope, 1e-9, claim=claim))
    for name, over in OVER_THE_LEAST.items():
        tried = data.sel(trial=data.trial_mechanism == name)
        ratio = tried.trial_counted / tried.trial_least / over(tried.trial_groups)
        best = float(tried.trial_groups[int(np.argmin(tried.trial_counted.values))])
        claim = cluster_routing_cost_is_counted if name == "clusters" else region_routing_cost_is_counted
        found += [
            Check(f"{name}: count over formula, worst number of groups", 1.0, worst(ratio), 1e-12, claim=claim),
            Check(f"{name}: best number tried over the predicted one", 1.0, best, 1e-9, claim=MECHANISMS[name][2]),
        ]
    return [*found, Check("all counts over formulas, worst", 1.0, worst(data.counted / data.formula), 1e-12)]


def worst(ratio: xr.DataArray) -> float:
    """The ratio farthest from 1."""
    return float(ratio[int(np.argmax(np.abs(ratio.values - 1)))])


def figure(data: xr.Dataset) -> Figure:
    """Cost against length, and against the number of groups over the best one."""
    from experiments.lab.figures import MARKERS, panels

    names = {
        "dense": r"dense, $n^2$",
        "clusters": r"clusters, $n^{3/2}$",
        "regions": r"regions, $n^{4/3}$",
        "tree": r"tree search, $n\,\log n$",
        "window": r"window, $n$",
    }
    out, (left, right) = panels(2, width=3.7, height=3.1)
    for index, (name, (style, _, _)) in enumerate(MECHANISMS.items()):
        own = data.sel(run=data.mechanism == name)
        look: dict[str, Any] = {"color": f"C{index}", "markerfacecolor": "none"}
        left.plot(data.grid, data.curve.sel(name=name), color=f"C{index}", linestyle=style)
        left.plot(own.length, own.counted, MARKERS[index], label=names[name], **look)
        if name in OVER_THE_LEAST:
            tried = data.sel(trial=data.trial_mechanism == name)
            right.plot(data.groups, data.trial_curve.sel(kind=name), color=f"C{index}", linestyle=style)
            right.plot(tried.trial_groups, tried.trial_counted / tried.trial_least, MARKERS[index], label=name, **look)
    left.set(xscale="log", yscale="log", xlabel="length n", ylabel="multiplications", title="counted and predicted")
    left.legend(fontsize=7, loc="upper left")
    right.axvline(1.0, color="0.7", linewidth=0.8, linestyle=":")
    right.set(
        xscale="log", yscale="log", ylim=(0.8, 50), xlabel="number of groups over the best", title="too few, too many"
    )
    right.set(ylabel="multiplications over the least")
    right.set_xticks([1 / 16, 1 / 4, 1, 4, 16], labels=["1/16", "1/4", "1", "4", "16"])
    right.set_yticks([1, 3, 10, 30], labels=["1", "3", "10", "30"])
    right.minorticks_off()
    right.legend(fontsize=7, loc="upper center")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
