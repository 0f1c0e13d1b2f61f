"""How many samples halve the error: from the spectrum, and from regressions on drawn inputs around that number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from experiments.random_features._regression import Sample, masses, tuned_errors

if TYPE_CHECKING:
    import xarray as xr

    from theory.random_features import Spectrum

LEVEL = 0.5
RIDGES = (1e-3, 1e-2, 1e-1, 0.3)
FACTORS = (0.6, 0.75, 0.9, 1.1, 1.35, 1.7)
"""Regressions are at so many times the predicted number of samples."""
DIRECTIONS = 4
"""Directions beta per draw of the inputs: their errors are averaged."""
MAX_DEGREE = 4


@dataclass(frozen=True)
class Case:
    """A layer (its omega counts where it is biased), a target by name, and the size of the inputs."""

    model: str
    target: str
    dimension: int
    keys: int
    omega: float = 1.0

    def predicted(self) -> float:
        """Samples of half the variance, infinitely many heads, the best of RIDGES; on a grid of two percent."""
        return _predicted(self)

    def simulated(self, heads: int, held_out: int, seeds: Sequence[int], most: float) -> np.ndarray:
        """(factor, seed) test errors of a layer of so many heads, an MLP of infinite width; NaN beyond `most`."""
        samples = [max(1, round(factor * self.predicted())) for factor in FACTORS]
        if samples[-1] > most:
            return np.full((len(FACTORS), len(seeds)), np.nan)
        size = {"train": samples[-1], "held_out": held_out, "directions": DIRECTIONS}
        drawn = Sample.draw([self.target], self.dimension, self.keys, **size, seeds=seeds)
        inner = drawn.kernel("MLP") if self.model == "MLP" else drawn.layer(self.model, heads, self.omega)
        return tuned_errors(inner, drawn, samples, RIDGES).mean(axis=-1).T


@cache
def _predicted(case: Case) -> float:
    from theory.random_features import samples_to_reach

    modes = _spectrum(case.model, case.dimension, case.keys, case.omega)
    weights = masses(modes, case.target, case.dimension, case.keys)
    if weights is None:
        raise ValueError(f"target must have a closed form for {case.model}, got {case.target!r}")
    return samples_to_reach(modes, weights, LEVEL, RIDGES, ratio=0.02)


@cache
def _spectrum(model: str, dimension: int, keys: int, omega: float) -> Spectrum:
    from theory.random_features import attention_spectrum, biased_attention_spectrum, mlp_spectrum

    if model == "biased attention":
        return biased_attention_spectrum(dimension, keys, omega, MAX_DEGREE)
    return {"attention": attention_spectrum, "MLP": mlp_spectrum}[model](dimension, keys, MAX_DEGREE)


def measured(data: xr.Dataset) -> xr.DataArray:
    """Where the mean `error` over seeds crosses 1/2, in units of theory's samples.

    By a line in log n through the errors beside the first crossing; NaN where there is none.
    """
    import xarray as xr

    def crossing(error: np.ndarray) -> float:
        below = np.flatnonzero(error < LEVEL)
        if np.isnan(error).any() or not len(below) or below[0] == 0:
            return np.nan
        j = below[0]
        share = (error[j - 1] - LEVEL) / (error[j - 1] - error[j])
        return float(np.exp(np.interp(share, [0, 1], np.log(FACTORS[j - 1 : j + 1]))))

    return xr.apply_ufunc(crossing, data.error.mean("seed"), input_core_dims=[["factor"]], vectorize=True)


def worst(data: xr.Dataset) -> float:
    """The largest |log| of measured over predicted samples."""
    return float(np.nanmax(np.abs(np.log(measured(data).values))))


def end_slopes(samples: xr.DataArray, axis: str) -> xr.DataArray:
    """d log samples / d log x between the last two places of an axis x."""
    few, many = (samples.isel({axis: k}, drop=True) for k in (-2, -1))
    step = float(np.log(samples[axis][-1]) - np.log(samples[axis][-2]))
    return few.copy(data=np.log(many.values / few.values) / step)
