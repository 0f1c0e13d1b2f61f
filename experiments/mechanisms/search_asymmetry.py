"""Search asymmetry: relative to a training mean, the item that is rare in training is found faster among the other.

Items embed relative to the mean of a noisy training set that holds A with share pi and B otherwise; the next item to
look at is drawn by a softmax of its product with the embedded target, without return. Lines: closed form; points:
searches among 3, 7 and 11 distractors. The roles swap at pi = 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.mechanisms.credit.search_asymmetry import search_asymmetry_is_a_difference_of_norms as asymmetry
from theory.mechanisms.credit.search_asymmetry import set_size_slopes_follow_training_frequency as slopes_follow
from theory.numerics import fitted_slope

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

ROLES = ("A among B", "B among A")


@dataclass(frozen=True)
class Config:
    """|A - B|^2 = 4, and training sets of `training` items with noise 0.1."""

    shares: tuple[float, ...] = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
    sizes: tuple[int, ...] = (4, 8, 12)
    beta: float = 1.0
    training: int = 4000
    searches: int = 4000
    seeds: str = "0:5"

    def __post_init__(self) -> None:
        require(self, beta=0, training=1, searches=1)
        if len(self.sizes) < 2 or min(self.sizes) < 2:
            raise ValueError(f"sizes must be two or more numbers >= 2, got {self.sizes!r}")
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ValueError(f"shares must lie in (0, 1), got {self.shares!r}")


PROFILES = {"quick": Config(), "full": Config(searches=40_000, seeds="0:8")}
ITEMS = np.array([[2.0, 0.0], [0.0, 0.0]])
"""A and B."""


def looks(target: np.ndarray, distractor: np.ndarray, size: int, config: Config, rng: np.random.Generator) -> float:
    """The mean number of looks until the target (first of `size` items), drawn one after the other."""
    items = np.vstack([target, np.tile(distractor, (size - 1, 1))])
    odds = np.tile(np.exp(config.beta * items @ target), (config.searches, 1))
    counts, searching = np.zeros(config.searches), np.ones(config.searches, dtype=bool)
    for _ in range(size):
        counts += searching
        shares = odds.cumsum(axis=1)
        seen = (shares < rng.random((config.searches, 1)) * shares[:, -1:]).sum(axis=1)
        searching &= seen != 0
        odds[np.arange(config.searches), seen] = 0.0
        odds[~searching, -1] = 1.0  # keeps a finished search from running empty
    return float(counts.mean())


def simulate(config: Config) -> xr.Dataset:
    """`looks` (share, role, size, seed) and `slope` (share, role, seed), looks a distractor."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    found = np.empty((len(config.shares), 2, len(config.sizes), len(seeds)))
    for (i, share), (s, seed) in ((a, b) for a in enumerate(config.shares) for b in enumerate(seeds)):
        rng = np.random.default_rng([seed, i])
        chosen = (rng.random(config.training) >= share).astype(int)
        mean = (ITEMS[chosen] + 0.1 * rng.standard_normal((config.training, 2))).mean(axis=0)
        a, b = ITEMS - mean
        for k, size in enumerate(config.sizes):
            found[i, :, k, s] = looks(a, b, size, config, rng), looks(b, a, size, config, rng)
    slopes = np.apply_along_axis(lambda row: fitted_slope(config.sizes, row), 2, found)
    return xr.Dataset(
        {"looks": (("share", "role", "size", "seed"), found), "slope": (("share", "role", "seed"), slopes)},
        coords={"share": list(config.shares), "role": list(ROLES), "size": list(config.sizes), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`closed` (share, role) at the simulated shares and `curve` (grid, role) at all."""
    import xarray as xr

    from theory.mechanisms.credit.search_asymmetry import set_size_slope

    distance, grid = float(((ITEMS[0] - ITEMS[1]) ** 2).sum()), np.linspace(0.02, 0.98, 97)
    closed, curve = (
        [[set_size_slope(share, config.beta, distance) for share in (p, 1 - p)] for p in shares]
        for shares in (config.shares, grid)
    )
    return xr.Dataset(
        {"closed": (("share", "role"), closed), "curve": (("grid", "role"), curve)},
        coords={"share": list(config.shares), "role": list(ROLES), "grid": grid},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Slopes against the closed form and the sign of the asymmetry."""
    mean = data.slope.mean("seed")
    away = (mean - data.closed).values
    gap = (data.slope.sel(role=ROLES[1]) - data.slope.sel(role=ROLES[0])).values  # > 0 where A is rare
    signed = gap * np.sign(0.5 - data.share.values)[:, None]
    return [
        Check("set-size slope less closed form, farthest, mean over seeds", 0.0, float(np.abs(away).max()), 0.01,
              claim=slopes_follow),
        Check("lead of the rare item, looks a distractor, smallest over seeds and shares but 1/2", 0.0,
              float(signed[data.share.values != 0.5].min()), relation=">", claim=asymmetry),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Looks against set size at the smallest share, and slopes against the share."""
    from experiments.lab.figures import panels, points

    out, (left, right) = panels(2, width=3.4, height=3.0)
    rare = float(data.share[0])
    for index, (role, style) in enumerate(zip(ROLES, ("-", "--"), strict=True)):
        color = f"C{index}"
        line = 1 + (data["size"] - 1) * data.closed.sel(share=rare, role=role)
        left.plot(data["size"], line, color=color, linestyle=style)
        points(
            left, data["size"], data.looks.sel(share=rare, role=role).transpose("seed", "size"), index=index, label=role
        )
        right.plot(data.grid, data.curve.sel(role=role), color=color, linestyle=style)
        points(right, data.share, data.slope.sel(role=role).transpose("seed", "share"), index=index, label=role)
    left.set(xlabel="items", ylabel="looks until the target", xticks=data["size"], title=f"A: {rare:.0%} of training")
    right.set(xlabel="share of A in training", ylabel="looks a distractor", title="the rare item is found faster")
    left.legend(loc="upper left")
    right.legend(loc="upper center")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
