"""Doing nothing exactly: clipped softmax reaches it at a finite logit gap, softmax never, and with length ever later.

One token is a logit gap above n - 1 others, and its value is zero: what the others get is noise. Left: their total
weight against the gap; clipped softmax is 0 from its gap on, softmax decays for ever. Right: the gap that each needs
against n, found by bisection on the weights (points) and by formula (lines).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require
from theory.mechanisms.normalisation.no_op import (
    EqualOthers,
    clipped_others_vanish_beyond_their_gap,
    clipped_softmax_does_nothing_at_any_length,
    gap_for_noise,
    gap_for_zeros,
    gap_for_zeros_at_any_length,
    silence_under_softmax_needs_a_logit_range,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """Keys, the stretch gamma (zeta = 1), the noise eps that softmax may leave, and the keys of the left panel."""

    keys: tuple[int, ...] = (2, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64)
    gamma: float = -0.03
    noise: float = 1e-4
    shown: int = 16
    gaps: int = 40

    def __post_init__(self) -> None:
        require(self, shown=2, gaps=2)
        if min(self.keys, default=0) < 2 or not self.gamma < 0 < self.noise < 1:
            got = f"{self.keys!r}, {self.gamma!r}, {self.noise!r}"
            raise ValueError(f"keys must be >= 2, gamma negative and noise in (0, 1), got {got}")


PROFILES = {"quick": Config(), "full": Config(keys=(*range(2, 33), 48, 64, 96, 128), gaps=120)}


def noise_of(gap: float, keys: int, gamma: float) -> float:
    """The total weight of the others under clipped softmax; gamma = 0 is softmax."""
    from theory.attention import softmax

    if gamma == 0:
        return float(softmax(np.concatenate([[gap], np.zeros(keys - 1)]))[1:].sum())
    return float(EqualOthers.at(gap, keys, gamma, 1.0).weights[1:].sum())


def threshold(keys: int, gamma: float, noise: float) -> float:
    """The least gap in [-20, 40] that leaves at most the noise, by bisection; NaN where -20 does already."""
    if noise_of(-20.0, keys, gamma) <= noise:
        return np.nan
    low, high = -20.0, 40.0
    while high - low > 1e-11:
        middle = (low + high) / 2
        low, high = (low, middle) if noise_of(middle, keys, gamma) <= noise else (middle, high)
    return high


def simulate(config: Config) -> xr.Dataset:
    """`noise_softmax` and `noise_clipped` (gap), `gap_softmax` and `gap_clipped` (key_count)."""
    import xarray as xr

    gaps = np.linspace(-2.0, 14.0, config.gaps)
    return xr.Dataset(
        {
            "noise_softmax": ("gap", [noise_of(g, config.shown, 0.0) for g in gaps]),
            "noise_clipped": ("gap", [noise_of(g, config.shown, config.gamma) for g in gaps]),
            "gap_softmax": ("key_count", [threshold(n, 0.0, config.noise) for n in config.keys]),
            "gap_clipped": ("key_count", [threshold(n, config.gamma, 0.0) for n in config.keys]),
        },
        coords={"gap": gaps, "key_count": list(config.keys)},
    )


def predict(config: Config) -> xr.Dataset:
    """Both needed gaps (NaN where clipped softmax is silent at every gap), and the noise on a fine grid of gaps."""
    import xarray as xr

    grid = np.linspace(-2.0, 14.0, 400)
    mass = 1 / (1 + np.exp(grid) / (config.shown - 1))
    each = mass / (config.shown - 1)
    clipped = (config.shown - 1) * np.clip((1 - config.gamma) * each + config.gamma, 0.0, 1.0)
    zeros = np.array([gap_for_zeros(n, config.gamma) for n in config.keys])
    return xr.Dataset(
        {
            "needed_softmax": ("key_count", [gap_for_noise(n, config.noise) for n in config.keys]),
            "needed_clipped": ("key_count", np.where(np.isinf(zeros), np.nan, zeros)),
            "any_length": gap_for_zeros_at_any_length(config.gamma),
            "shown_gap": gap_for_zeros(config.shown, config.gamma),
            "curve_softmax": ("grid", mass),
            "curve_clipped": ("grid", clipped),
            "noise": config.noise,
            "gamma": config.gamma,
            "shown": config.shown,
        },
        coords={"grid": grid, "key_count": list(config.keys)},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The gaps found against the formulas, and what is left beyond them."""
    softmax_off = float(np.abs(data.gap_softmax - data.needed_softmax).max())
    clipped_off = float(np.abs(data.gap_clipped - data.needed_clipped).max())
    same = float((data.gap_clipped.isnull() == data.needed_clipped.isnull()).mean())
    beyond = data.gap > float(data.shown_gap)
    return [
        Check("softmax: largest distance of the gap from log((n - 1)(1 - eps) / eps)", 0.0, softmax_off, 1e-9,
              claim=silence_under_softmax_needs_a_logit_range),
        Check("clipped: largest distance of the gap from its formula", 0.0, clipped_off, 1e-9,
              claim=clipped_others_vanish_beyond_their_gap),
        Check("clipped: share of lengths where formula and weights agree on silence at every gap", 1.0, same,
              claim=clipped_others_vanish_beyond_their_gap),
        Check("clipped: noise beyond its gap", 0.0, float(data.noise_clipped.where(beyond, 0.0).max())),
        Check("softmax: least noise at any gap", 0.0, float(data.noise_softmax.min()), relation=">"),
        Check("clipped: largest gap needed at any length", float(data.any_length), float(data.gap_clipped.max()), 1e-9,
              relation="<", claim=clipped_softmax_does_nothing_at_any_length),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Noise against the gap, and gap against the keys."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, right) = panels(2)
    for k, (name, label) in enumerate((("softmax", "softmax"), ("clipped", f"clipped, gamma = {float(data.gamma):g}"))):
        color, line, marker = f"C{k}", ("-", "--")[k], MARKERS[k]
        curve, seen = data[f"curve_{name}"], data[f"noise_{name}"]
        left.plot(data.grid, curve.where(curve > 0), color=color, linestyle=line)
        left.plot(data.gap, seen.where(seen > 0), marker, color=color, markerfacecolor="none", label=label)
        right.plot(data.key_count, data[f"needed_{name}"], color=color, linestyle=line)
        right.plot(data.key_count, data[f"gap_{name}"], marker, color=color, markerfacecolor="none")
    left.axvline(float(data.shown_gap), color="0.4", linewidth=0.8, linestyle=":")
    left.text(float(data.shown_gap), 2e-6, " exactly 0 from here", fontsize=7)
    left.set(yscale="log", ylim=(1e-6, 1.5), xlabel="logit gap", ylabel="weight of the others")
    left.set(title=f"{int(data.shown)} keys")
    left.legend(loc="upper right", fontsize=7)
    last = data.key_count.max()
    right.axhline(float(data.any_length), color="0.4", linewidth=0.8, linestyle=":")
    right.text(last, float(data.any_length), "enough at any length", fontsize=7, va="bottom", ha="right")
    right.text(last, 0.2, "longer: 0 at every gap", fontsize=7, va="bottom", ha="right")
    right.set(xscale="log", ylim=(0, None), xlabel="keys n", ylabel="logit gap needed")
    right.set(xticks=(ticks := [2, 4, 8, 16, 32, 64]), xticklabels=ticks)
    right.set(title=f"noise {float(data.noise):g} (softmax), or 0 (clipped)")
    right.minorticks_off()
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
