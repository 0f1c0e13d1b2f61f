"""Test error of the three layers against the number of samples, for any targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from experiments.lab.experiment import require, seed_range
from experiments.random_features._regression import MODELS, RIDGES, Sample, curves, tuned_errors

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


QUERY, MIXED, BETA = r"\langle x_0, x_i\rangle", r"\langle x_0, S x_i\rangle", r"\langle\beta, x_i\rangle"


@dataclass(frozen=True)
class Regressions:
    """d-dimensional queries and keys on the sphere; every layer has heads * (d + 1) trained numbers."""

    targets: tuple[str, ...] = ()
    """By name, like "average 2" or "correlation 1 1"."""
    dimension: int = 8
    keys: int = 8
    heads: int = 200
    samples: tuple[int, ...] = (32, 64, 128, 256, 512)
    held_out: int = 500
    """Inputs to choose the ridge by, and as many again to test on."""
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        require(self, dimension=2, keys=1, heads=1, held_out=1)


Some = TypeVar("Some", bound=Regressions)


def one_seed_each(config: Some) -> list[Some]:
    """The same for every seed alone."""
    return [replace(config, seeds=str(seed)) for seed in seed_range(config.seeds)]


def last(data: xr.Dataset, model: str, name: str) -> xr.DataArray:
    """Errors of the seeds at the most samples."""
    return data.error.sel(model=model, target=name).isel(n=-1)


def simulated(config: Regressions) -> xr.Dataset:
    """`error` (target, model, seed, n): mean squared test error over the mean square of the labels."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    sample = Sample.draw(
        config.targets,
        config.dimension,
        config.keys,
        train=max(config.samples),
        held_out=config.held_out,
        seeds=seeds,
    )
    found = np.stack([tuned_errors(sample.layer(model, config.heads), sample, config.samples) for model in MODELS])
    return xr.Dataset(
        {"error": (("model", "seed", "n", "target"), found)},
        coords={"model": list(MODELS), "seed": seeds, "n": list(config.samples), "target": list(config.targets)},
    )


def predicted(config: Regressions) -> xr.Dataset:
    """`risk` (target, model, n) of infinitely many heads at the best ridge; NaN where no closed form is known."""
    import xarray as xr

    size = (config.dimension, config.keys, config.samples)
    risk = [[curves(model, name, *size, RIDGES).min(axis=0) for name in config.targets] for model in MODELS]
    return xr.Dataset(
        {"risk": (("model", "target", "n"), risk)},
        coords={"model": list(MODELS), "n": list(config.samples), "target": list(config.targets)},
    )


def title(name: str) -> str:
    """A target's formula."""
    kind, *words = name.split()
    powers = [int(word) for word in words if word.isdigit()]
    match kind:
        case "average":
            return f"mean of ${_power(BETA, powers[0])}$"
        case "correlation":
            less = r", less E[. $|\, x_0$]" if "alone" in words else ""
            return f"mean of ${_power(QUERY, powers[0])} {_power(BETA, powers[1])}${less}"
        case "mixed":
            return f"mean of ${_power(MIXED, powers[0])} {_power(BETA, powers[1])}$"
    return {"largest": f"max ${QUERY}$", "absolute": f"mean of $|{QUERY}|$"}.get(kind, "$|$mean of $x_i|^2$")


def _power(factor: str, power: int) -> str:
    return "" if power == 0 else factor + (f"^{power}" if power > 1 else "")


def drawn(data: xr.Dataset) -> Figure:
    """Error against samples, one panel per target."""
    from experiments.lab.figures import panels, points

    out, all_axes = panels(data.sizes["target"], width=2.8)
    for axes, name in zip(all_axes, data.target.values, strict=True):
        for index, model in enumerate(MODELS):
            shown = data.sel(target=name, model=model)
            axes.plot(data.n, shown.risk, color=f"C{index}")
            if bool(shown.error.notnull().any()):
                points(axes, data.n, shown.error.transpose("seed", "n"), index=index, label=model)
        highest = max(1.3, 1.1 * float(data.sel(target=name)[["risk", "error"]].to_array().max()))
        axes.axhline(1.0, color="0.5", linestyle=":", linewidth=0.8)
        axes.set(xscale="log", xlabel="samples n", title=title(str(name)), ylim=(0, highest))
        axes.set_xticks(data.n.values, [str(n) for n in data.n.values], minor=False, fontsize=7)
        axes.minorticks_off()
    all_axes[0].set_ylabel("relative test error")
    all_axes[-1].legend(loc="best")
    return out
