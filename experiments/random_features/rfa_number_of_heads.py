"""How many heads make a kernel: errors of the inner products fall like 1/sqrt M, and test errors towards their limit.

Left: root mean square over pairs of a few inputs of the difference between the inner products of a layer of M heads and
the kernel of infinitely many in closed form, unbiased and biased; the lines have slope -1/2. Right: relative test error
against M, each layer being the first heads of the next; lines are infinitely many heads at the best ridge, from the
eigenvalues alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.random_features._against_samples import one_seed_each, title
from experiments.random_features._regression import RIDGES, Sample, curves, tuned_errors
from theory.claims import claim
from theory.papers import FU_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

parts = one_seed_each
LAYERS = ("attention", "biased attention")
TARGETS = ("average 2", "correlation 1 1")
PAIRED = 12
"""Inputs whose inner products are compared."""


@dataclass(frozen=True)
class Config:
    """Queries and keys on the sphere, layers of the first M of the same heads."""

    heads: tuple[int, ...] = (8, 32, 128, 512)
    dimension: int = 8
    keys: int = 8
    samples: int = 256
    held_out: int = 500
    """Inputs to choose the ridge by, and as many again to test on."""
    seeds: str = "0:6"

    def __post_init__(self) -> None:
        require(self, dimension=3, keys=1, samples=PAIRED, held_out=1)


PROFILES = {
    "quick": Config(),
    "full": Config(
        heads=(10, 30, 100, 300, 1000, 3000), dimension=16, keys=16, samples=1024, held_out=1000, seeds="0:3"
    ),
}


def simulate(config: Config) -> xr.Dataset:
    """`kernel_error` (layer, heads, seed) and `error` (layer, heads, seed, target)."""
    import xarray as xr

    seeds, n = seed_range(config.seeds), config.samples
    sample = Sample.draw(TARGETS, config.dimension, config.keys, train=n, held_out=config.held_out, seeds=seeds)
    few = sample.first(PAIRED)
    shape = (len(LAYERS), len(config.heads), len(seeds))
    kernel_error, error = np.empty(shape), np.empty((*shape, len(TARGETS)))
    for i, layer in enumerate(LAYERS):
        limit = few.kernel(layer)
        for j, heads in enumerate(config.heads):
            inner = sample.layer(layer, heads)
            kernel_error[i, j] = (inner[:, :PAIRED, :PAIRED] - limit).square().mean(dim=(1, 2)).sqrt().numpy()
            error[i, j] = tuned_errors(inner, sample, [n])[:, 0]
    axes = ("layer", "heads", "seed")
    return xr.Dataset(
        {"kernel_error": (axes, kernel_error), "error": ((*axes, "target"), error)},
        coords={"layer": list(LAYERS), "heads": list(config.heads), "seed": seeds, "target": list(TARGETS)},
    )


def predict(config: Config) -> xr.Dataset:
    """`risk` (layer, target) of infinitely many heads."""
    import xarray as xr

    size = (config.dimension, config.keys, [config.samples], RIDGES)
    risk = [[curves(layer, name, *size).min() for name in TARGETS] for layer in LAYERS]
    return xr.Dataset({"risk": (("layer", "target"), risk)}, coords={"layer": list(LAYERS), "target": list(TARGETS)})


# -------------------------------------------------------------------------------------------------------------- claims


def line(data: xr.Dataset, layer: str) -> tuple[float, np.ndarray]:
    """Fitted slope of log kernel error, mean over seeds, in log M; and the errors of the nearest law M^-1/2."""
    from theory.numerics import fitted_slope

    heads, error = data.heads.values, data.kernel_error.sel(layer=layer).mean("seed").values
    nearest = np.exp(np.mean(np.log(error * np.sqrt(heads)))) / np.sqrt(heads)
    return fitted_slope(np.log(heads), np.log(error)), nearest


@claim(
    statement="""Inner products of M random heads, biased by omega = 0 or 1, reach their kernel like M^-1/2: fitted
    exponent within 0.1 for M = 8 to 512, d = N = 8, 12 inputs, mean over seeds 0 to 5 of root mean squares.""",
    source=FU_2023,
    kind="limit",
    tolerance=0.1,
)
def heads_reach_their_kernel() -> float:
    """The largest distance of an exponent from -1/2."""
    data = results("rfa_number_of_heads")
    return max(abs(line(data, layer)[0] + 0.5) for layer in LAYERS)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Exponents of the kernels' error, and how far the largest layer is from infinitely many heads."""
    found, mean, most = [], data.error.mean("seed"), int(data.heads[-1])
    for layer in LAYERS:
        found.append(Check(f"{layer}: exponent of the kernel's error in M", -0.5, line(data, layer)[0], 0.1,
                           claim=heads_reach_their_kernel))  # fmt: skip
        for name in TARGETS:
            shown, limit = mean.sel(layer=layer, target=name), float(data.risk.sel(layer=layer, target=name))
            found.append(Check(f"{layer}, {name}: error with {most} heads", limit, float(shown[-1]), 0.06))
            found.append(Check(f"{layer}, {name}: least fall of the error from one M to the next", 0.0,
                               float(-shown.diff("heads").max()), relation=">"))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Kernel error and test errors against heads."""
    from experiments.lab.figures import panels, points

    out, (kernels, *tests) = panels(3, width=3.0)
    heads = data.heads
    for index, layer in enumerate(LAYERS):
        kernels.plot(heads, line(data, layer)[1], color=f"C{index}")
        shown = data.sel(layer=layer)
        points(kernels, heads, shown.kernel_error.transpose("seed", "heads"), index=index, label=layer)
        for axes, name in zip(tests, TARGETS, strict=True):
            axes.axhline(float(shown.risk.sel(target=name)), color=f"C{index}")
            points(axes, heads, shown.error.sel(target=name).transpose("seed", "heads"), index=index, label=layer)
            axes.set(xscale="log", xlabel="heads M", ylim=(0, 1.3), title=title(name))
    kernels.set(xscale="log", yscale="log", xlabel="heads M", title="error of the kernel, slope -1/2")
    tests[0].set_ylabel("relative test error")
    kernels.legend(loc="lower left")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
