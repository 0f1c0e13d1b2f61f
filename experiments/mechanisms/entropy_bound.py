"""The least entropy that attention can have at a norm of its logits: an exact bound, and what a search finds.

Entropy of softmax(u) against |u|_2 for several numbers of keys. Lines: the bound; points: the logits that attain it,
the least entropy that gradient search finds at that norm, and the least of random directions, which is far above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.attention import softmax
from theory.mechanisms.normalisation.entropy_bound import (
    attaining_logits,
    entropy_is_bounded_by_the_norm_of_the_logits,
    entropy_of_logits,
    least_entropy,
    the_entropy_bound_is_attained,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.numerics import Array


@dataclass(frozen=True)
class Config:
    """Numbers of keys and norms; per seed the least of `random` directions and of `starts` searches."""

    keys: tuple[int, ...] = (4, 16, 64)
    norms: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0)
    random: int = 1000
    starts: int = 6
    seeds: str = "0:3"

    def __post_init__(self) -> None:
        require(self, random=1, starts=1)
        if min(self.keys, default=0) < 2 or min(self.norms, default=0) <= 0:
            raise ValueError(f"keys must be >= 2 and norms positive, got {self.keys!r} and {self.norms!r}")


PROFILES = {"quick": Config(), "full": Config(keys=(2, 4, 16, 64, 256), random=20_000, starts=20, seeds="0:8")}


def searched(norm: float, start: Array) -> float:
    """The least entropy on the sphere that BFGS finds from `start`, on log H, which does not go flat."""
    from scipy.optimize import minimize

    def value(direction: Array) -> tuple[float, Array]:
        length = np.linalg.norm(direction)
        unit = direction / length
        weights, entropy = softmax(norm * unit), float(entropy_of_logits(norm * unit))
        slope = -norm * weights * (norm * unit - weights @ (norm * unit)) / entropy
        return float(np.log(entropy)), (slope - unit * (unit @ slope)) / length

    return float(np.exp(minimize(value, start, jac=True).fun))


def simulate(config: Config) -> xr.Dataset:
    """`random` and `searched` (keys, norm, seed), and `attaining` (keys, norm)."""
    import xarray as xr

    seeds, shape = seed_range(config.seeds), (len(config.keys), len(config.norms))
    random, found = np.empty((*shape, len(seeds))), np.empty((*shape, len(seeds)))
    for k, n in enumerate(config.keys):
        for s, seed in enumerate(seeds):
            directions = np.random.default_rng([seed, n]).standard_normal((config.random, n))
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            for i, norm in enumerate(config.norms):
                entropies = entropy_of_logits(norm * directions)
                random[k, i, s] = entropies.min()
                starts = directions[np.argsort(entropies)[: config.starts]]
                found[k, i, s] = min(searched(norm, start) for start in starts)
    attaining = [[entropy_of_logits(attaining_logits(norm, n)) for norm in config.norms] for n in config.keys]
    return xr.Dataset(
        {
            "random": (("key_count", "norm", "seed"), random),
            "searched": (("key_count", "norm", "seed"), found),
            "attaining": (("key_count", "norm"), attaining),
        },
        coords={"key_count": list(config.keys), "norm": list(config.norms), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`bound` at the norms, and `curve` on a fine grid."""
    import xarray as xr

    grid = np.linspace(0.0, 1.05 * max(config.norms), 200)
    return xr.Dataset(
        {
            "bound": (("key_count", "norm"), [least_entropy(np.array(config.norms), n) for n in config.keys]),
            "curve": (("key_count", "grid"), [least_entropy(grid, n) for n in config.keys]),
        },
        coords={"key_count": list(config.keys), "norm": list(config.norms), "grid": grid},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Attained, reached by search, and never crossed."""
    attained = float(np.abs(data.attaining / data.bound - 1).max())
    ratio = data.searched / data.bound
    return [
        Check("attaining logits: largest relative distance from the bound", 0.0, attained, 1e-10,
              claim=the_entropy_bound_is_attained),
        Check("search: least entropy over the bound", 1.0, float(ratio.min()), 1e-10, relation=">",
              claim=entropy_is_bounded_by_the_norm_of_the_logits),
        Check("search: entropy over the bound, worst norm of the best seed", 1.0, float(ratio.min("seed").max()), 1e-6),
        Check("random directions: least entropy over the bound", 1.0, float((data.random / data.bound).min()),
              relation=">", claim=entropy_is_bounded_by_the_norm_of_the_logits),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """One panel: entropy on a logarithmic axis."""
    from experiments.lab.figures import panels, points

    out, (axes,) = panels(1, width=4.6, height=3.4)
    for k, n in enumerate(data.key_count.values):
        one, line = data.sel(key_count=n), ("-", "--", "-.", ":", "-")[k % 5]
        axes.plot(data.grid, one.curve, color=f"C{k}", linestyle=line)
        points(axes, data.norm, one.searched.transpose("seed", "norm"), index=k, label=f"{n} keys, search")
        axes.plot(data.norm, one.attaining, ".", color="black", markersize=3, zorder=4)
        axes.plot(data.norm, one.random.min("seed"), "x", color=f"C{k}")
    axes.plot([], [], ".", color="black", markersize=3, label="attaining logits")
    axes.plot([], [], "x", color="0.3", label="best random direction")
    axes.set(yscale="log", xlabel="norm of the logits", ylabel="entropy [nats]", title="No certainty without a norm")
    axes.legend(loc="lower left", fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
