"""Gradient flow on the values learns mode after mode: a staircase in time, known from the eigenvalues alone.

Relative test error along gradient flow on the squared error with infinitely many heads, from its closed form on drawn
inputs (points), and the flow on the population: every mode (a, b) decays as exp(-2 lambda_ab t), so steps come at
t = 1/(2 lambda) (dotted). They agree as long as t is far below the number of samples; later the finite sample shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.random_features._against_samples import one_seed_each, title
from experiments.random_features._regression import Sample, masses, spectrum
from theory.claims import claim
from theory.papers import FU_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

parts = one_seed_each


@dataclass(frozen=True)
class Config:
    """Queries and keys on the sphere, infinitely many unbiased heads."""

    targets: tuple[str, ...] = ("average 1", "average 2", "correlation 1 1")
    """By name, like "average 2" or "correlation 1 1"."""
    dimension: int = 8
    keys: int = 4
    samples: int = 1000
    held_out: int = 500
    """Half as many as the test inputs."""
    compared: float = 100.0
    """Theory and simulation are compared up to this time, far below the samples."""
    last: float = 1e5
    """The last time."""
    points: int = 21
    seeds: str = "0:2"

    def __post_init__(self) -> None:
        require(self, dimension=2, keys=1, samples=1, held_out=1, last=10, points=2)

    @property
    def times(self) -> np.ndarray:
        """From 1 on, evenly spaced in the logarithm."""
        return np.geomspace(1.0, self.last, self.points)


PROFILES = {"quick": Config(), "full": Config(dimension=10, keys=6, samples=3000, held_out=1000, compared=1000.0)}


def simulate(config: Config) -> xr.Dataset:
    """`error` (seed, target, time) of the flow from zero on the training inputs."""
    import xarray as xr

    from theory.random_features import TestMoments, flow_predictor

    seeds, n = seed_range(config.seeds), config.samples
    size = {"train": n, "held_out": config.held_out}
    sample = Sample.draw(config.targets, config.dimension, config.keys, **size, seeds=seeds)
    kernels = sample.kernel("attention").numpy()
    found = np.empty((len(seeds), len(config.targets), config.points))
    for r, (kernel, labels) in enumerate(zip(kernels, sample.labels.numpy(), strict=True)):
        for k in range(len(config.targets)):
            moments = TestMoments.of(kernel[n:], labels[n:, k])
            found[r, k] = moments.risk(flow_predictor(kernel[:n], labels[:n, k], config.times)) / moments.power
    return xr.Dataset(
        {"error": (("seed", "target", "time"), found)},
        coords={"seed": seeds, "target": list(config.targets), "time": config.times},
    )


def predict(config: Config) -> xr.Dataset:
    """`staircase` (target, time), and when each mode of a target is learned, `step` (target, mode)."""
    import xarray as xr

    from theory.random_features import population_flow

    modes = spectrum("attention", config.dimension, config.keys)
    stairs, steps = [], []
    for name in config.targets:
        found = masses(modes, name, config.dimension, config.keys)
        if found is None:
            raise ValueError(f"targets must be averages or correlations with key power 1, got {name!r}")
        stairs.append(population_flow(modes, found, config.times))
        steps.append([0.5 / modes.eigenvalue(*mode) for mode, mass in found.items() if mass > 0.01])
    longest = max(map(len, steps))
    return xr.Dataset(
        {
            "staircase": (("target", "time"), stairs),
            "compared": config.compared,
            "step": (("target", "mode"), [s + [np.nan] * (longest - len(s)) for s in steps]),
        },
        coords={"target": list(config.targets), "time": config.times},
    )


# -------------------------------------------------------------------------------------------------------------- claims


def distance(data: xr.Dataset, until: float) -> float:
    """The largest |mean error - staircase| of any target up to a time."""
    early = data.sel(time=slice(None, until * (1 + 1e-9)))  # times are rounded
    return float(abs(early.error.mean("seed") - early.staircase).max())


@claim(
    statement="""Gradient flow on the values of infinitely many heads follows the population's staircase sum_modes v^2
    exp(-2 lambda t): d = 8, N = 4, 1000 samples, mean of seeds 0 and 1 within 0.02 of the variance up to t = 100.""",
    source=FU_2023,
    kind="trend",
    tolerance=0.02,
)
def flow_follows_the_staircase() -> float:
    """The largest distance up to t = 100."""
    return distance(results("rfa_training_staircase"), 100)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Distance to the staircase while it is short of the samples; and the finite sample is slower later on."""
    until, later = float(data.compared), data.sel(time=slice(float(data.compared), None))
    behind = float((later.error.mean("seed") - later.staircase).min())
    return [
        Check(f"t <= {until:g}: largest distance of the mean error to the staircase", 0.0, distance(data, until), 0.02,
              claim=flow_follows_the_staircase),
        Check(f"t >= {until:g}: error less staircase, least", 0.0, behind, 0.02, relation=">"),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """One panel per target."""
    from experiments.lab.figures import panels, points

    out, all_axes = panels(data.sizes["target"], width=2.9)
    for index, (axes, name) in enumerate(zip(all_axes, data.target.values, strict=True)):
        shown = data.sel(target=name)
        for step in shown.step.values[~np.isnan(shown.step.values)]:
            axes.axvline(step, color="0.5", linestyle=":", linewidth=0.9)
        axes.plot(data.time, shown.staircase, color=f"C{index}", label="population")
        points(axes, data.time, shown.error.transpose("seed", "time"), index=index, label="drawn inputs")
        axes.set(xscale="log", xlabel="time t", title=title(str(name)), ylim=(-0.03, 1.1))
        axes.legend(loc="upper right")
    all_axes[0].set_ylabel("relative test error")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
