"""The temperature that a mass needs grows with the logarithm of the length; a fixed one dilutes.

A token has the logit gap g over n - 1 others and shall get the mass P. Left: tau = log((n - 1) P / (1 - P)) / g (lines)
and the tau at which softmax really gives P (hollow: others g below; crosses: others further below at random, which need
less). Right: the mass at one fixed tau, 1 / (1 + (n - 1) e^{-tau g}), and at the tau of the law.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.attention import softmax
from theory.mechanisms.normalisation.temperature import (
    a_fixed_temperature_serves_every_length,
    temperature_for_mass,
    temperature_gives_the_mass_it_promises,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.numerics import Array


@dataclass(frozen=True)
class Config:
    """Gaps, lengths, the mass asked for, and the tau that stays fixed; per seed others lie Exp(1) further below."""

    gaps: tuple[float, ...] = (0.5, 1.0, 2.0)
    lengths: tuple[int, ...] = (4, 16, 64, 256, 1024, 4096, 16384)
    mass: float = 0.9
    fixed: float = 5.0
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        if min(self.gaps, default=0) <= 0 or min(self.lengths, default=0) < 2:
            raise ValueError(f"gaps must be positive and lengths >= 2, got {self.gaps!r} and {self.lengths!r}")
        require(self, mass=1 / min(self.lengths), fixed=0)


PROFILES = {"quick": Config(), "full": Config(lengths=(4, 16, 64, 256, 1024, 4096, 16384, 65536), seeds="0:16")}


def mass_of(logits: Array, tau: float) -> float:
    """The softmax weight of the first token."""
    return float(softmax(tau * logits)[0])


def needed(logits: Array, mass: float) -> float:
    """The tau at which the first token has the mass, by root finding on softmax itself."""
    from scipy.optimize import brentq

    high = 1.0
    while mass_of(logits, high) < mass:
        high *= 2
    return float(brentq(lambda tau: mass_of(logits, tau) - mass, 0.0, high, xtol=1e-13, rtol=1e-14))


def simulate(config: Config) -> xr.Dataset:
    """Tau needed: `equal` (gap, length), `scattered` (gap, length, seed). Masses: `kept`, `diluted` (gap, length)."""
    import xarray as xr

    seeds, shape = seed_range(config.seeds), (len(config.gaps), len(config.lengths))
    equal, kept, diluted = np.empty(shape), np.empty(shape), np.empty(shape)
    scattered = np.empty((*shape, len(seeds)))
    for i, gap in enumerate(config.gaps):
        for j, n in enumerate(config.lengths):
            logits = np.concatenate([[0.0], np.full(n - 1, -gap)])
            equal[i, j] = needed(logits, config.mass)
            kept[i, j] = mass_of(logits, temperature_for_mass(gap, n, config.mass))
            diluted[i, j] = mass_of(logits, config.fixed)
            for s, seed in enumerate(seeds):
                below = np.random.default_rng([seed, n]).exponential(size=n - 1)
                scattered[i, j, s] = needed(logits - np.concatenate([[0.0], below]), config.mass)
    plane = ("gap", "length")
    return xr.Dataset(
        {
            "equal": (plane, equal),
            "scattered": ((*plane, "seed"), scattered),
            "kept": (plane, kept),
            "diluted": (plane, diluted),
        },
        coords={"gap": list(config.gaps), "length": list(config.lengths), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`law` at the lengths; `law_curve` and `mass_curve` on a fine grid of lengths."""
    import xarray as xr

    grid = np.unique(np.geomspace(min(config.lengths), max(config.lengths), 80).astype(int))
    law = [[temperature_for_mass(g, n, config.mass) for n in config.lengths] for g in config.gaps]
    curve = [[temperature_for_mass(g, int(n), config.mass) for n in grid] for g in config.gaps]
    masses = [1 / (1 + (grid - 1) * np.exp(-config.fixed * g)) for g in config.gaps]
    return xr.Dataset(
        {
            "law": (("gap", "length"), law),
            "law_curve": (("gap", "grid"), curve),
            "mass_curve": (("gap", "grid"), masses),
            "mass": config.mass,
            "fixed": config.fixed,
        },
        coords={"gap": list(config.gaps), "length": list(config.lengths), "grid": grid},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The law is exact for equal others, enough for others further below, and a fixed temperature fails."""
    law = temperature_gives_the_mass_it_promises
    steps = np.log(data.length.values[-1] - 1) - np.log(data.length.values[0] - 1)
    slope = float(((data.equal[:, -1] - data.equal[:, 0]) * data.gap / steps).mean())
    return [
        Check("tau needed by equal others over the law, worst", 1.0, float((data.equal / data.law).max()), 1e-10,
              claim=law),
        Check("g dtau / dlog(n - 1)", 1.0, slope, 1e-10),
        Check("tau needed by others further below over the law, worst", 1.0, float((data.scattered / data.law).max()),
              relation="<", claim=law),
        Check("mass at the tau of the law, worst", float(data.mass), float(data.kept.min()), 1e-10, claim=law),
        Check("mass at the fixed tau and the smallest gap, longest row", 0.01, float(data.diluted[0, -1]), relation="<",
              claim=a_fixed_temperature_serves_every_length),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Temperature against length, and mass against length."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, right) = panels(2)
    for k, gap in enumerate(data.gap.values):
        one, color, line, marker = data.sel(gap=gap), f"C{k}", ("-", "--", "-.")[k % 3], MARKERS[k]
        left.plot(data.grid, one.law_curve, color=color, linestyle=line)
        left.plot(data.length, one.equal, marker, color=color, markerfacecolor="none", label=f"g = {gap:g}")
        left.plot(data.length, one.scattered.median("seed"), "x", color=color, markersize=3)
        right.plot(data.grid, one.mass_curve, color=color, linestyle=line)
        right.plot(data.length, one.diluted, marker, color=color, markerfacecolor="none")
    right.axhline(float(data.mass), color="0.4", linewidth=0.8)
    right.plot(data.length, data.kept.isel(gap=0), "+", color="black", label="at the tau of the law")
    left.plot([], [], "x", color="0.3", markersize=3, label="others lower at random")
    left.set(xscale="log", xlabel="keys n", ylabel="tau", title=f"mass {float(data.mass):g} needs tau ~ log n")
    fixed = f"tau = {float(data.fixed):g} dilutes"
    right.set(xscale="log", xlabel="keys n", ylabel="mass of the token", title=fixed, ylim=(0, 1.05))
    left.legend(loc="upper left", fontsize=7)
    right.legend(loc="center right", bbox_to_anchor=(1.0, 0.38), fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
