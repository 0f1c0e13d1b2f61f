"""Tree search for the best keys lives on locality: near chance on white scores, exact where scores vary slowly.

Scores of every query are a Gaussian process over the keys. Left: the share of the k best keys that the search finds
(points), the closed form without locality (dashed) and the share that the middles of their halves make certain (line).
Right: the error of dropping all other keys (points) under the dropped mass times the diameter of the values (line), and
what the true k best would drop (dashed): broad peaks of slow scores hold more keys than k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.mechanisms.sparse.pruning import (
    pruning_error_is_at_most_mass_times_diameter,
    top_keys_have_the_smallest_worst_error,
)
from theory.mechanisms.sparse.tree_search import (
    tree_search_finds_keys_whose_middles_are_best,
    tree_search_recall_without_locality,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.numerics import Array


@dataclass(frozen=True)
class Config:
    """`kept` of `keys` keys, found for `rows` queries a seed at every correlation length, in tokens; logits are
    `sharpness` times scores of variance 1."""

    keys: int = 1024
    kept: int = 32
    lengths: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    rows: int = 100
    sharpness: float = 3.0
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        from theory.mechanisms.sparse.tree_search import TreeSize

        require(self, rows=2, sharpness=0)
        TreeSize(self.keys, self.kept)
        if not self.lengths or min(self.lengths) != 0.0 or tuple(sorted(self.lengths)) != self.lengths:
            raise ValueError(f"lengths must rise from 0, got {self.lengths!r}")


PROFILES = {"quick": Config(), "full": Config(keys=8192, kept=64, rows=400, seeds="0:8")}


def scores(config: Config, length: float, seed: int) -> Array:
    """Rows of unit variance and correlation e^{-(i-j)^2 / (2 length^2)}, around a ring."""
    white = np.random.default_rng([seed, int(1000 * length)]).standard_normal((config.rows, config.keys))
    if length == 0:
        return white
    distance = np.minimum(np.arange(config.keys), config.keys - np.arange(config.keys))
    spectrum = np.fft.rfft(np.exp(-((distance / length) ** 2) / 2)).real
    return np.fft.irfft(np.fft.rfft(white, axis=-1) * np.sqrt(np.maximum(spectrum, 0.0)), n=config.keys, axis=-1)


def values(config: Config, seed: int) -> Array:
    """Independent N(0, 1) values with four channels."""
    return np.random.default_rng([seed, 1]).standard_normal((config.keys, 4))


def simulate(config: Config) -> xr.Dataset:
    """`recall` and `error` (length, seed, row)."""
    import xarray as xr

    from theory.attention import softmax
    from theory.mechanisms.sparse.tree_search import recall, search_rows

    seeds = seed_range(config.seeds)
    shape = (len(config.lengths), len(seeds), config.rows)
    found = {"recall": np.empty(shape), "error": np.empty(shape)}
    for i, length in enumerate(config.lengths):
        for j, seed in enumerate(seeds):
            rows, value = scores(config, length, seed), values(config, seed)
            index = search_rows(rows, config.kept)
            kept = np.take_along_axis(rows, index, axis=-1)
            full = softmax(config.sharpness * rows) @ value
            pruned = (softmax(config.sharpness * kept)[:, None, :] @ value[index])[:, 0]
            found["recall"][i, j] = recall(rows, index)
            found["error"][i, j] = np.linalg.norm(full - pruned, axis=-1)
    return xr.Dataset(
        {name: (("length", "seed", "row"), array) for name, array in found.items()},
        coords={"length": list(config.lengths), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`certain`, `bound` and the `least` bound of any k keys (length, seed, row) for the same rows, and `chance`."""
    import xarray as xr

    from theory.attention import softmax
    from theory.mechanisms.sparse.tree_search import all_middles_are_best, recall_without_locality, search_rows
    from theory.numerics import diameter

    seeds = seed_range(config.seeds)
    shape = (len(config.lengths), len(seeds), config.rows)
    certain, bound, least = np.empty(shape), np.empty(shape), np.empty(shape)
    for j, seed in enumerate(seeds):
        widest = diameter(values(config, seed))
        for i, length in enumerate(config.lengths):
            rows = scores(config, length, seed)
            weights = softmax(config.sharpness * rows)
            kept = np.take_along_axis(weights, search_rows(rows, config.kept), axis=-1).sum(axis=-1)
            certain[i, j] = all_middles_are_best(rows, config.kept).sum(axis=-1) / config.kept
            bound[i, j] = (1 - kept) * widest
            least[i, j] = np.sort(weights, axis=-1)[:, : -config.kept].sum(axis=-1) * widest
    dims = ("length", "seed", "row")
    return xr.Dataset(
        {
            "certain": (dims, certain),
            "bound": (dims, bound),
            "least": (dims, least),
            "chance": recall_without_locality(config.keys, config.kept),
            "half": config.keys // config.kept // 2,
        },
        coords={"length": list(config.lengths), "seed": seeds},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """White scores against the closed form, what is certain against what is found, and the error under its bound."""
    white = data.recall.sel(length=0.0).values
    error = 5 * white.std() / np.sqrt(white.size)
    margin = float((data.recall - data.certain).min())
    local = data.recall.where(data.length >= float(data.half), drop=True)
    return [
        Check(
            "recall on white scores, within 5 standard errors", float(data.chance), float(white.mean()), float(error),
            claim=tree_search_recall_without_locality,
        ),
        Check(
            "least margin of the keys found over those certain to be", 0.0, margin, 1e-12, ">",
            claim=tree_search_finds_keys_whose_middles_are_best,
        ),
        Check("mean recall where scores vary over a half or more", 1.0, float(local.mean()), 0.01),
        Check(
            "largest error over dropped mass times diameter", 1.0, float((data.error / data.bound).max()), 0.0, "<",
            claim=pruning_error_is_at_most_mass_times_diameter,
        ),
        Check(
            "largest mass that the k best drop over what the search drops", 1.0,
            float((data.least / data.bound).max()), 1e-9, "<", claim=top_keys_have_the_smallest_worst_error,
        ),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Recall, and the error with its bound, against the correlation length."""
    from experiments.lab.figures import panels, points

    out, (left, right) = panels(2, width=3.6)
    place = np.where(data.length > 0, data.length, float(data.length[1]) / 2)
    points(left, place, data.recall.mean("row").transpose("seed", "length"), index=0, label="tree search")
    left.plot(place, data.certain.mean(("seed", "row")), color="0.3", label="certain by their middles")
    left.axhline(float(data.chance), color="0.3", linestyle="--", label=r"$1 - (1 - 2k/T)^2$")
    left.set(ylabel="share of the k best keys found", ylim=(-0.03, 1.05), title="recall needs locality")
    points(right, place, data.error.mean("row").transpose("seed", "length"), index=1, label="mean error")
    right.plot(place, data.bound.mean(("seed", "row")), color="0.3", label="dropped mass\nx diameter")
    right.plot(place, data.least.mean(("seed", "row")), color="0.3", linestyle="--", label="same, exact top k")
    right.set(ylabel="change of the output", yscale="log", ylim=(0.1, 9), title="what the dropped keys cost")
    right.set_yticks([0.1, 0.3, 1, 3], labels=["0.1", "0.3", "1", "3"])
    for axes in (left, right):
        axes.axvline(float(data.half), color="0.7", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlabel="correlation length of the scores (tokens)")
        ticks = [place[0], *[x for x in (1.0, 4.0, 16.0, 64.0) if place[0] < x <= place[-1]]]
        axes.set_xticks(ticks, labels=["white", *[f"{x:g}" for x in ticks[1:]]])
        axes.minorticks_off()
        axes.legend(fontsize=7, loc="lower left" if axes is right else "upper left")
    left.text(float(data.half), 0.02, " first halves", fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
