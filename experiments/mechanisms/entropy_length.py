"""Entropy of attention against length: fixed logits dilute, logits that grow as sqrt(log n) hold a level.

H / log n of independent N(0, s^2) logits against the number of keys n. Left: fixed s. Right: s = c sqrt(log n), with
the level 1 - c^2/2 that the ratio approaches (dotted). Lines: log n - s^2/2 with its correction in 1/n, which needs
e^{s^2} << n; points: mean over queries, band over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.attention import entropy, softmax
from theory.mechanisms.normalisation.length_scaling import (
    entropy_deficit,
    entropy_falls_short_of_log_n_by_half_the_variance,
    entropy_ratio,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """Deviations that stay, scales c of those that grow, and lengths; `queries` rows of logits a seed."""

    deviations: tuple[float, ...] = (0.5, 1.0, 1.5)
    scales: tuple[float, ...] = (0.3, 0.5, 0.7)
    lengths: tuple[int, ...] = (256, 1024, 4096, 16384, 65536)
    queries: int = 16
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        require(self, queries=2)
        if min(self.lengths, default=0) < 2 or not 0 < max(self.scales, default=0) < 1:
            raise ValueError(f"lengths must be >= 2 and scales below 1, got {self.lengths!r} and {self.scales!r}")


PROFILES = {
    "quick": Config(),
    "full": Config(lengths=(256, 1024, 4096, 16384, 65536, 262144), queries=64, seeds="0:8"),
}


def deviations(config: Config, lengths: np.ndarray) -> np.ndarray:
    """(line, length): the fixed deviations, then those that grow."""
    fixed = np.multiply.outer(config.deviations, np.ones(len(lengths)))
    return np.vstack([fixed, np.multiply.outer(config.scales, np.sqrt(np.log(lengths)))])


def names(config: Config) -> list[str]:
    """Of the lines."""
    return [f"s = {s:g}" for s in config.deviations] + [f"c = {c:g}" for c in config.scales]


def simulate(config: Config) -> xr.Dataset:
    """`ratio` (line, length, seed)."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    spread = deviations(config, np.array(config.lengths))
    ratio = np.empty((*spread.shape, len(seeds)))
    for s, seed in enumerate(seeds):
        for i, n in enumerate(config.lengths):
            noise = np.random.default_rng([seed, n]).standard_normal((config.queries, n))
            for line, deviation in enumerate(spread[:, i]):
                ratio[line, i, s] = entropy(softmax(deviation * noise)).mean() / np.log(n)
    return xr.Dataset(
        {"ratio": (("line", "length", "seed"), ratio)},
        coords={"line": names(config), "length": list(config.lengths), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`formula` at the lengths, `curve` on a finer grid, and the `level` of growing deviations (NaN of fixed ones)."""
    import xarray as xr

    grid = np.unique(np.geomspace(min(config.lengths), max(config.lengths), 60).astype(int))

    def ratios(lengths: np.ndarray) -> np.ndarray:
        columns = [
            entropy_deficit(s, int(n)) / np.log(n) for s, n in zip(deviations(config, lengths).T, lengths, strict=True)
        ]
        return 1.0 - np.array(columns).T

    levels = [np.nan] * len(config.deviations) + [entropy_ratio(c) for c in config.scales]
    return xr.Dataset(
        {
            "formula": (("line", "length"), ratios(np.array(config.lengths))),
            "curve": (("line", "grid"), ratios(grid)),
            "level": ("line", levels),
        },
        coords={"line": names(config), "length": list(config.lengths), "grid": grid},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Formula at every length from 1,024 on, and the level at the longest."""
    long = data.sel(length=slice(1024, None))
    off = float(np.abs(long.ratio.mean("seed") - long.formula).max())
    found = [
        Check("largest |H / log n - formula| from 1,024 keys on", 0.0, off, 5e-3,
              claim=entropy_falls_short_of_log_n_by_half_the_variance)
    ]  # fmt: skip
    for line in data.line.values[~np.isnan(data.level.values)]:
        one = data.sel(line=line).isel(length=-1)
        found.append(Check(f"{line}: H / log n at the longest", float(one.level), float(one.ratio.mean()), 3e-3))
    fixed = data.ratio.isel(length=[0, -1], line=np.isnan(data.level.values)).mean("seed")
    rise = float(fixed.diff("length").min())
    return [*found, Check("fixed deviations: least rise of H / log n with length", 0.0, rise, relation=">")]


def figure(data: xr.Dataset) -> Figure:
    """Fixed deviations, and growing ones with their levels."""
    from experiments.lab.figures import panels, points

    out, pair = panels(2)
    grows = ~np.isnan(data.level.values)
    for axes, lines, title in zip(
        pair,
        (data.line.values[~grows], data.line.values[grows]),
        ("fixed s: dilution", "s = c sqrt(log n): a level"),
        strict=True,
    ):
        for k, line in enumerate(lines):
            one = data.sel(line=line)
            axes.plot(data.grid, one.curve, color=f"C{k}", linestyle=("-", "--", "-.")[k % 3])
            points(axes, data.length, one.ratio.transpose("seed", "length"), index=k, label=str(line))
            if not np.isnan(one.level):
                axes.axhline(float(one.level), color=f"C{k}", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlabel="keys n", title=title, ylim=(float(data.ratio.min()) - 0.1, 1.01))
        axes.legend(loc="lower right", fontsize=7)
    pair[0].set(ylabel="entropy / log n")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
