"""What keys cost: samples to learn an average of p-th powers do not grow with N for attention, and like N^p for an MLP.

The number of samples at which the relative error first falls below 1/2, from the eigenvalues alone (lines) and from
regressions on drawn inputs around it (points; many heads, an MLP of infinite width; the ridge is chosen on held-out
inputs, theory's best of the same ridges). An MLP needs more samples than can be simulated where its line has no points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.random_features._against_samples import title
from experiments.random_features._thresholds import FACTORS, Case, end_slopes, measured, worst
from theory.claims import claim
from theory.papers import FU_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

MODELS = ("attention", "MLP")


@dataclass(frozen=True)
class Config:
    """Averages of powers over more and more keys on the sphere."""

    powers: tuple[int, ...] = (1, 2)
    keys: tuple[int, ...] = (2, 4, 8, 16, 32)
    dimension: int = 8
    heads: int = 250
    most: int = 400
    """Simulate up to so many samples."""
    held_out: int = 250
    """Inputs to choose the ridge by, and as many again to test on."""
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        require(self, dimension=2, heads=1, most=1, held_out=1)


PROFILES = {"quick": Config(), "full": Config(heads=1000, most=1100, held_out=1000, seeds="0:16")}


def cases(config: Config) -> Iterator[tuple[tuple[int, int, int], Case]]:
    """Place and case of every (model, power, key_count)."""
    for m, p, k in np.ndindex(len(MODELS), len(config.powers), len(config.keys)):
        yield (m, p, k), Case(MODELS[m], f"average {config.powers[p]}", config.dimension, config.keys[k])


def simulate(config: Config) -> xr.Dataset:
    """`error` (model, power, key_count, factor, seed) around the samples of theory; NaN beyond `most`."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    error = np.empty((len(MODELS), len(config.powers), len(config.keys), len(FACTORS), len(seeds)))
    for place, case in cases(config):
        error[place] = case.simulated(config.heads, config.held_out, seeds, config.most)
    axes = ("model", "power", "key_count", "factor", "seed")
    return xr.Dataset({"error": (axes, error)}, coords=_axes(config) | {"factor": list(FACTORS), "seed": seeds})


def predict(config: Config) -> xr.Dataset:
    """`samples` (model, power, key_count)."""
    import xarray as xr

    samples = np.empty((len(MODELS), len(config.powers), len(config.keys)))
    for place, case in cases(config):
        samples[place] = case.predicted()
    return xr.Dataset({"samples": (("model", "power", "key_count"), samples)}, coords=_axes(config))


def _axes(config: Config) -> dict[str, list]:
    return {"model": list(MODELS), "power": list(config.powers), "key_count": list(config.keys)}


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Samples to halve the error on an average of p-th powers over N keys, d = 8, p = 1 and 2: from N = 16 to
    N = 32 they grow by an exponent within 0.15 of p for the MLP of infinite width, and below 0.3 for attention.""",
    source=FU_2023,
    kind="limit",
    tolerance=1.0,
)
def keys_cost_an_mlp_their_power_and_attention_nothing() -> float:
    """The worst exponent, in units of what is allowed."""
    slope = end_slopes(results("rfa_number_of_keys").samples, "key_count")
    mlp = float((abs(slope.sel(model="MLP") - slope.power) / 0.15).max())
    return max(mlp, float(slope.sel(model="attention").max()) / 0.3)


@claim(
    statement="""Regressions on drawn inputs halve their error at the number of samples that the spectrum says, within
    15 percent: quick profile, mean error over seeds 0 to 3, wherever that number is below 236.""",
    source=FU_2023,
    kind="trend",
    tolerance=0.15,
)
def thresholds_are_where_the_spectrum_says() -> float:
    """The largest |log ratio|."""
    return worst(results("rfa_number_of_keys"))


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Simulated thresholds against theory, and exponents in the number of keys."""
    slope = end_slopes(data.samples, "key_count")
    found = [Check("simulated / predicted samples, largest |log|", 0.0, worst(data),
                   0.15, claim=thresholds_are_where_the_spectrum_says)]  # fmt: skip
    for power in (int(p) for p in data.power.values):
        for model, grown, allowed in (("MLP", power, 0.15), ("attention", 0, 0.3)):
            what = f"{model}, p = {power}: exponent of N at the most keys"
            found.append(Check(what, grown, float(slope.sel(model=model, power=power)), allowed,
                               claim=keys_cost_an_mlp_their_power_and_attention_nothing))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Samples against keys, one panel per power."""
    from experiments.lab.figures import MARKERS, panels

    out, all_axes = panels(data.sizes["power"], width=3.4)
    simulated = measured(data) * data.samples
    for axes, power in zip(all_axes, data.power.values, strict=True):
        for index, model in enumerate(MODELS):
            color = f"C{2 * index}"  # as in the other figures
            axes.plot(data.key_count, data.samples.sel(model=model, power=power), color=color)
            shown = simulated.sel(model=model, power=power)
            axes.plot(data.key_count, shown, MARKERS[2 * index], color=color, markerfacecolor="none", label=model)
        axes.set(xscale="log", yscale="log", xlabel="keys N", ylim=(8, 5e4), title=title(f"average {power}"))
        axes.set_xticks(data.key_count.values, [str(n) for n in data.key_count.values])
        axes.minorticks_off()
        axes.legend(loc="upper left")
    all_axes[0].set_ylabel("samples to halve the error")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
