"""What a finite state cannot hold: the rank of attention scores is the number of features, that of e^{q.k} the length.

Left: ranks of score matrices of random tokens against their number (a local softmax of equal logits could lose a few);
lines: min(n, features), or n. Right: spectral
distance of the exponential scores from all scores of fewer features (least singular value), against x =
(n - 1) e^{-r^2/2} at the least distance r; solid line: the bound 1 - x, which two tokens attain and none may undercut;
dashed line: tokens that are all equally far apart, 1 - x / (n - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.mechanisms.linear.agents import agents_bound_the_rank
from theory.mechanisms.linear.finite_states import exponential_scores_need_a_state_per_token
from theory.mechanisms.linear.state_space import states_bound_the_rank

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.numerics import Array

KINDS = ("linear attention", "agents", "Taylor map", "local softmax", "exponential")
PLACES = ("two tokens", "equidistant", "random")
WINDOW = 5


@dataclass(frozen=True)
class Config:
    """Random tokens of `width` channels; distances are of `tokens` of them, at every x of `overlaps`."""

    lengths: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    width: int = 4
    agents: int = 8
    tokens: int = 16
    overlaps: tuple[float, ...] = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
    seeds: str = "0:3"

    def __post_init__(self) -> None:
        require(self, width=2, agents=1, tokens=2)
        if not self.lengths or min(self.lengths) < 2:
            raise ValueError(f"lengths must all be at least 2, got {self.lengths!r}")


PROFILES = {"quick": Config(), "full": Config(lengths=(2, 4, 8, 16, 32, 64, 128, 256, 512), tokens=64, seeds="0:16")}


def spread(points: Array, overlap: float) -> Array:
    """`points` scaled so that (n - 1) e^{-r^2/2} = `overlap` at their least distance r."""
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)[~np.eye(len(points), dtype=bool)]
    return points * np.sqrt(2 * np.log((len(points) - 1) / overlap) / squares.min())


def scores(kind: str, queries: Array, keys: Array, agents: Array) -> Array:
    """The score matrix of one kind of attention; linear with features e^x, the exponential of spread-out keys."""
    from theory.attention import softmax
    from theory.masks import window
    from theory.mechanisms.linear.agents import agent_map
    from theory.mechanisms.linear.feature_maps import taylor_features
    from theory.mechanisms.linear.finite_states import SeparatedTokens

    match kind:
        case "linear attention":
            return np.exp(queries) @ np.exp(keys).T
        case "agents":
            return agent_map(queries, keys, agents)
        case "Taylor map":
            return taylor_features(queries) @ taylor_features(keys).T
        case "local softmax":
            return softmax(queries @ keys.T, window(len(keys), WINDOW))
        case _:
            return SeparatedTokens(spread(keys, 0.5)).scores


def placed(place: str, config: Config, seed: int) -> Array:
    """Tokens before they are spread."""
    count = 2 if place == "two tokens" else config.tokens
    return (
        np.eye(count) if place == "equidistant" else np.random.default_rng(seed).standard_normal((count, config.width))
    )


def simulate(config: Config) -> xr.Dataset:
    """`rank` (kind, length, seed), and `distance` (place, overlap, seed) from scores of fewer features."""
    import xarray as xr

    from theory.mechanisms.linear.finite_states import SeparatedTokens

    seeds = seed_range(config.seeds)
    rank = np.empty((len(KINDS), len(config.lengths), len(seeds)))
    distance = np.empty((len(PLACES), len(config.overlaps), len(seeds)))
    for s, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        agents = rng.standard_normal((config.agents, config.width))
        for k, i in np.ndindex(len(KINDS), len(config.lengths)):
            queries, keys = rng.standard_normal((2, config.lengths[i], config.width))
            rank[k, i, s] = np.linalg.matrix_rank(scores(KINDS[k], queries, keys, agents))
        for p, o in np.ndindex(distance.shape[:2]):
            case = SeparatedTokens(spread(placed(PLACES[p], config, seed), config.overlaps[o]))
            distance[p, o, s] = np.linalg.svd(case.scores, compute_uv=False).min()
    return xr.Dataset(
        {"rank": (("kind", "length", "seed"), rank), "distance": (("place", "overlap", "seed"), distance)},
        coords=_axes(config) | {"seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """`most` (kind, length), and of the distances `least` and `equidistant` (overlap)."""
    import xarray as xr

    d, x = config.width, np.array(config.overlaps)
    features = {"linear attention": d, "agents": config.agents, "Taylor map": 1 + d + d * (d + 1) // 2}
    most = [[min(n, features.get(kind, n)) for n in config.lengths] for kind in KINDS]
    return xr.Dataset(
        {
            "most": (("kind", "length"), most),
            "least": ("overlap", 1 - x),
            "equidistant": ("overlap", 1 - x / (config.tokens - 1)),
        },
        coords=_axes(config),
    )


def _axes(config: Config) -> dict[str, list]:
    lengths, overlaps = list(config.lengths), list(config.overlaps)
    return {"kind": list(KINDS), "length": lengths, "place": list(PLACES), "overlap": overlaps}


def checks(data: xr.Dataset) -> list[Check]:
    """Every rank is the predicted one, and no finite state comes closer than the bound."""
    about = {
        "linear attention": states_bound_the_rank,
        "Taylor map": states_bound_the_rank,
        "agents": agents_bound_the_rank,
        "exponential": exponential_scores_need_a_state_per_token,
    }
    found = [
        Check(f"rank over predicted, {kind}, farthest from one", 1.0, _farthest(data["rank"] / data.most, kind),
              claim=about.get(kind))
        for kind in KINDS
    ]  # fmt: skip
    bound = exponential_scores_need_a_state_per_token
    ratio, even = data.distance / data.least, data.distance.sel(place="equidistant") / data.equidistant
    attained = abs(ratio.sel(place="two tokens") - 1).max()
    return [
        *found,
        Check("distance from fewer features / bound, smallest", 1.0, float(ratio.min()), 1e-12, ">", claim=bound),
        Check("distance of two tokens / bound - 1, largest", 0.0, float(attained), 1e-12, claim=bound),
        Check("distance of equidistant tokens / prediction - 1, largest", 0.0, float(abs(even - 1).max()), 1e-12),
    ]


def _farthest(ratio: xr.DataArray, kind: str) -> float:
    of_kind = ratio.sel(kind=kind).values.ravel()
    return float(of_kind[np.abs(of_kind - 1).argmax()])


def figure(data: xr.Dataset) -> Figure:
    """Rank against length, distance against spread."""
    from experiments.lab.figures import panels, points

    styles = ("-", "--", "-.", ":", (0, (5, 1)))
    out, (left, right) = panels(2, width=3.7)
    for index, kind in enumerate(KINDS):
        left.plot(data.length, data.most.sel(kind=kind), linestyle=styles[index], color=f"C{index}")
        points(left, data.length, data["rank"].sel(kind=kind).transpose("seed", "length"), index=index, label=kind)
    left.lines[-1].set_markersize(8)  # around the diamonds of local softmax, which lie on the same line
    left.set(xscale="log", yscale="log", xlabel="tokens n", ylabel="rank of scores", title="features bound the rank")
    left.set_xticks(data.length.values, [str(n) for n in data.length.values])
    left.set_yticks(data.length.values, [str(n) for n in data.length.values])
    left.minorticks_off()
    left.legend(loc="upper left", fontsize=7)
    right.plot(data.overlap, data.least, color="0.3")
    right.plot(data.overlap, data.equidistant, "--", color="0.3")
    for index, place in enumerate(data.place.values):
        over_seeds = data.distance.sel(place=place).transpose("seed", "overlap")
        points(right, data.overlap, over_seeds, index=index, label=place)
    right.set(
        xlabel="$(n - 1)\\,e^{-r^2/2}$", ylabel="distance from fewer features", ylim=(0, None),
        title="no finite state comes closer than 1 - x",
    )  # fmt: skip
    right.legend(loc="lower left", fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
