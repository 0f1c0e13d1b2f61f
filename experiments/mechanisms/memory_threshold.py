"""A memory trained at test time keeps a repeated pair while its step stays below (1 + eta)(2 - alpha), and not beyond.

Left: the factor by which the error of a pair changes a step, without forgetting; lines: the larger root of
z^2 - (1 + eta - theta) z + eta; points: memories of random keys, told to replace a stored value by zero. Right: the
largest step that still settles, with forgetting alpha; points: bisection with the memory itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.mechanisms.linear.memory import (
    memory_settles_below_the_largest_step,
    repeated_pair_obeys_a_two_step_recurrence,
)
from theory.numerics import fitted_slope

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """Memories of `width` channels over `steps` repetitions, for every momentum, step and forgetting."""

    momenta: tuple[float, ...] = (0.0, 0.3, 0.6, 0.9)
    forgetting: tuple[float, ...] = (0.0, 0.3, 0.6)
    thetas: int = 24
    """Steps theta from 0.1 to 4.7."""
    steps: int = 160
    halvings: int = 12
    """Of the interval [0, 5] that holds the threshold."""
    width: int = 4
    seeds: str = "0:3"

    def __post_init__(self) -> None:
        require(self, thetas=2, steps=20, halvings=1, width=1)
        if self.steps > 240:  # the error grows up to 4-fold a step, and its square must be a float64
            raise ValueError(f"steps must be at most 240, got {self.steps!r}")


PROFILES = {"quick": Config(), "full": Config(thetas=60, steps=240, halvings=14, width=16, seeds="0:8")}


def growth(theta: float, eta: float, alpha: float, config: Config, seed: int) -> float:
    """Fitted factor a step of the error of a memory that holds v for the key k and is shown (k, 0) again and again."""
    from theory.mechanisms.instances import Sequence
    from theory.mechanisms.linear.memory import Stream, memories

    rng = np.random.default_rng(seed)
    key, value = rng.standard_normal((2, config.width))
    key /= np.linalg.norm(key)
    ones = np.ones(config.steps)
    values = np.zeros((config.steps, config.width))
    values[0] = value
    keys = np.tile(key, (config.steps, 1))
    held = memories(Stream(Sequence(keys, keys, values), theta * ones, eta * ones, alpha * ones)) @ key
    size = np.sqrt((held[1:] ** 2 + held[:-1] ** 2).sum(axis=1))  # of two errors: one alone may pass through zero
    seen = np.flatnonzero(size > 1e-25 * size[0])  # below that, what rounding left beside the key
    late = seen[len(seen) // 3 :]
    return float(np.exp(fitted_slope(late, np.log(size[late]))))


def largest(eta: float, alpha: float, config: Config) -> float:
    """The step between settling and growing, by bisection."""
    low, high = 0.0, 5.0
    for _ in range(config.halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if growth(middle, eta, alpha, config, 0) < 1 else (low, middle)
    return (low + high) / 2


def grid(config: Config) -> np.ndarray:
    """The steps theta."""
    return np.linspace(0.1, 4.7, config.thetas)


def simulate(config: Config) -> xr.Dataset:
    """`measured` (eta, theta, seed): factor a step; `found` (alpha, eta): the largest step."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    measured = [[[growth(t, e, 0.0, config, s) for s in seeds] for t in grid(config)] for e in config.momenta]
    found = [[largest(e, a, config) for e in config.momenta] for a in config.forgetting]
    return xr.Dataset(
        {"measured": (("eta", "theta", "seed"), measured), "found": (("alpha", "eta"), found)},
        coords=_axes(config) | {"seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`factor` (eta, theta), its `curve` on fine steps, `limit` (alpha, eta) and the interval left by bisection."""
    import xarray as xr

    from theory.mechanisms.linear.memory import largest_step, root_modulus

    fine = np.linspace(0.05, 4.8, 400)
    return xr.Dataset(
        {
            "factor": (("eta", "theta"), [[root_modulus(t, e) for t in grid(config)] for e in config.momenta]),
            "curve": (("eta", "fine"), [[root_modulus(t, e) for t in fine] for e in config.momenta]),
            "limit": (("alpha", "eta"), [[largest_step(e, a) for e in config.momenta] for a in config.forgetting]),
            "interval": 5.0 / 2**config.halvings,
        },
        coords=_axes(config) | {"fine": fine},
    )


def _axes(config: Config) -> dict[str, list[float]]:
    return {"eta": list(config.momenta), "alpha": list(config.forgetting), "theta": list(grid(config))}


def checks(data: xr.Dataset) -> list[Check]:
    """Measured factors against the roots, and thresholds against (1 + eta)(2 - alpha)."""
    miss = abs(data.measured - data.factor)
    off = abs(data.factor - 1) > 0.02
    same = ((data.measured < 1) == (data.factor < 1)).where(off)
    found = [
        Check("measured - predicted factor a step, largest", 0.0, float(miss.max()), 0.002,
              claim=repeated_pair_obeys_a_two_step_recurrence),
        Check("share of memories on the predicted side of one", 1.0, float(same.mean()),
              claim=memory_settles_below_the_largest_step),
    ]  # fmt: skip
    for alpha in data.alpha.values:
        worst = abs(data.found - data.limit).sel(alpha=alpha)
        found.append(
            Check(f"largest step found - predicted, forgetting {alpha:g}", 0.0, float(worst.max()),
                  float(data.interval), claim=memory_settles_below_the_largest_step)
        )  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Factor against step, and the largest step against momentum."""
    from experiments.lab.figures import MARKERS, panels, points

    styles = ("-", "--", "-.", ":")
    out, (left, right) = panels(2, width=3.7)
    for index, eta in enumerate(data.eta.values):
        left.plot(data.fine, data.curve.sel(eta=eta), styles[index % 4], color=f"C{index}")
        points(left, data.theta, data.measured.sel(eta=eta).transpose("seed", "theta"), index=index,
               label=f"momentum {eta:g}")  # fmt: skip
        left.plot([2 * (1 + eta)] * 2, [0.93, 1.07], color=f"C{index}", linewidth=2.5)
    left.axhline(1.0, color="0.6", linewidth=0.8)
    left.set(
        xlabel="step theta", ylabel="factor a step", ylim=(0, 1.7), title="threshold (bars): theta = 2 (1 + momentum)"
    )
    left.legend(loc="lower right", fontsize=7)
    for index, alpha in enumerate(data.alpha.values):
        right.plot(data.eta, data.limit.sel(alpha=alpha), styles[index % 4], color=f"C{index + 4}")
        right.plot(data.eta, data.found.sel(alpha=alpha), MARKERS[index + 4], color=f"C{index + 4}",
                   markerfacecolor="none", label=f"forgetting {alpha:g}")  # fmt: skip
    right.set(xlabel="momentum eta", ylabel="largest step theta", title="forgetting lowers it: (1 + eta)(2 - alpha)")
    right.legend(loc="upper left")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
