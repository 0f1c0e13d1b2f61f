"""Rollout of causal attention shows position, more so with every layer; over uniform rollout it shows objects.

Random attention logits, larger by `boost` on the tokens of an object. Left: what the last token gets from each place
without an object, on average (points), and the closed form for uniform attention (lines). Middle: its spread from image
to image, and that of two walkers. Right: how well the object is told from the rest (area under the ROC curve), plain
and divided by the uniform rollout; lines: log-normal flow with those moments, larger by e^boost on the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.mechanisms.credit.random_rollout import random_attention_rolls_out_like_uniform_on_average as like_uniform
from theory.mechanisms.credit.random_rollout import random_rollout_has_the_second_moments_of_two_walkers as two_walkers
from theory.papers import LIN_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SHOWN = (1, 4, 12)
"""Depths of the profiles in the first panel."""


@dataclass(frozen=True)
class Config:
    """Images of `tokens` tokens and one that asks; an object of `size` of them at random places; N(0, 1) logits."""

    tokens: int = 48
    size: int = 8
    boost: float = 1.0
    layers: int = 12
    residual: float = 0.5
    images: int = 60
    seeds: str = "0:5"

    def __post_init__(self) -> None:
        require(self, tokens=2, size=1, boost=0, layers=max(SHOWN), residual=0, images=2)
        if self.size >= self.tokens or self.residual >= 1:
            raise ValueError(f"size must be below tokens and residual below 1, got {self.size!r}, {self.residual!r}")


PROFILES = {"quick": Config(), "full": Config(images=400, seeds="0:20")}


def flows(config: Config, objects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rollout of the last token on every image (layers, images, tokens); `objects` (images, tokens) are the boosts."""
    length = config.tokens + 1
    seen = np.tri(length)
    pushed = np.pad(objects, ((0, 0), (0, 1)))[:, None, :]
    flow, found = np.broadcast_to(np.eye(length), (len(objects), length, length)), []
    for _ in range(config.layers):
        weights = seen * np.exp(pushed + rng.standard_normal((len(objects), length, length)))
        weights /= weights.sum(axis=-1, keepdims=True)
        flow = config.residual * flow + (1 - config.residual) * weights @ flow
        found.append(flow[:, -1, :-1])
    return np.stack(found)


def roc_area(scores: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """(layers,) How often a token of the object outscores another token of its image, over all pairs and images."""
    ahead = scores[..., :, None] > scores[..., None, :]
    pairs = (objects > 0)[:, :, None] & (objects == 0)[:, None, :]
    return (ahead & pairs).sum(axis=(1, 2, 3)) / pairs.sum()


def simulate(config: Config) -> xr.Dataset:
    """`plain` and `divided` areas (seed, layer); `profile` (seed, layer, token) and `spread` (seed, layer)."""
    import xarray as xr

    from theory.mechanisms.credit.uniform_rollout import uniform_flow

    seeds, depths = seed_range(config.seeds), np.arange(1, config.layers + 1)
    uniform = np.stack([uniform_flow(config.tokens + 1, int(d), config.residual)[:-1] for d in depths])[:, None, :]
    plain, divided, profile, spread = [], [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        objects = config.boost * (rng.random((config.images, config.tokens)).argsort(axis=1) < config.size)
        flow, empty = flows(config, objects, rng), flows(config, np.zeros_like(objects), rng)
        plain.append(roc_area(flow, objects))
        divided.append(roc_area(flow / uniform, objects))
        profile.append(empty.mean(axis=1))
        spread.append(np.sqrt((empty.var(axis=1, ddof=1) / uniform[:, 0] ** 2).mean(axis=1)))
    return xr.Dataset(
        {
            "plain": (("seed", "layer"), plain),
            "divided": (("seed", "layer"), divided),
            "profile": (("seed", "layer", "token"), profile),
            "spread": (("seed", "layer"), spread),
        },
        coords={"seed": seeds, "layer": depths, "token": np.arange(1, config.tokens + 1)},
    )


def predict(config: Config) -> xr.Dataset:
    """`uniform` flow and its relative deviation `scatter` (layer, token), `scatter_line` and two areas (layer,)."""
    import xarray as xr

    from theory.mechanisms.credit.random_rollout import mean_square_weight, second_moments
    from theory.mechanisms.credit.uniform_rollout import uniform_flow

    depths = np.arange(1, config.layers + 1)
    squares = np.array([mean_square_weight(keys, 1.0) for keys in range(1, config.tokens + 2)])
    uniform = [uniform_flow(config.tokens + 1, int(d), config.residual)[:-1] for d in depths]
    relative = [
        second_moments(np.tile(squares, (int(d), 1)), config.residual)[:-1, :-1] / np.outer(u, u)
        for d, u in zip(depths, uniform, strict=True)
    ]
    scatter = np.stack([np.sqrt(np.diag(r) - 1) for r in relative])
    return xr.Dataset(
        {
            "uniform": (("layer", "token"), np.stack(uniform)),
            "scatter": (("layer", "token"), scatter),
            "scatter_line": ("layer", np.sqrt((scatter**2).mean(axis=1))),
            "plain_line": ("layer", [area(r, u, config.boost) for r, u in zip(relative, uniform, strict=True)]),
            "divided_line": ("layer", [area(r, np.ones(config.tokens), config.boost) for r in relative]),
            "images": config.images,
        },
        coords={"layer": depths, "token": np.arange(1, config.tokens + 1)},
    )


def area(relative: np.ndarray, level: np.ndarray, boost: float) -> float:
    """Area under the ROC curve of log-normal scores with medians `level`, times e^boost on the object, whose logs have
    the covariance log `relative`; object and other token lie at any two different places with equal chance.
    """
    from scipy.special import ndtr

    covariance = np.log(relative)
    variance = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    np.fill_diagonal(variance, 1.0)
    ahead = ndtr((boost + np.log(level)[:, None] - np.log(level)) / np.sqrt(variance))
    return float(ahead[~np.eye(len(level), dtype=bool)].mean())


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Eight of 48 tokens with attention logits larger by 1 (N(0, 1) otherwise), 12 causal layers with
    residual 1/2, 60 images: the object is told from the rest with an area of at least 0.85 by rollout divided by that
    of uniform attention, and with at least 0.2 less by plain rollout, on each of seeds 0 to 4.""",
    source=LIN_2024,
    kind="trend",
    tolerance=0.0,
)
def dividing_by_uniform_rollout_restores_objects() -> float:
    """The larger shortfall, worst seed."""
    return shortfall(results("rollout"))


def shortfall(data: xr.Dataset) -> float:
    """Of the divided area below 0.85, or of its lead below 0.2, at the last layer and for the worst seed."""
    divided, plain = data.divided.values[:, -1], data.plain.values[:, -1]
    return float(np.maximum(0.85 - divided, 0.2 - (divided - plain)).max())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Profiles in standard errors, spreads, and areas against their lines."""
    images = float(data.images) * data.sizes["seed"]
    errors = (data.profile.mean("seed") - data.uniform) / (data.uniform * data.scatter / np.sqrt(images))
    spread = np.sqrt((data.spread**2).mean("seed")) / data.scatter_line
    plain, divided = data.plain.mean("seed"), data.divided.mean("seed")
    first, last = data.layer.values[[0, -1]]
    return [
        Check("mean flow against uniform attention, largest deviation in standard errors", 5.0,
              float(np.abs(errors).max()), relation="<", claim=like_uniform),
        Check("spread of the flow over that of two walkers, farthest from 1", 1.0,
              float(spread.values[np.abs(spread.values - 1).argmax()]), 0.05, claim=two_walkers),
        Check("plain area less its line, largest over layers", 0.0, float(np.abs(plain - data.plain_line).max()),
              0.025),
        Check("divided area less its line, largest over layers", 0.0,
              float(np.abs(divided - data.divided_line).max()), 0.025),
        Check(f"{first} layer: divided less plain area", 0.0, float((divided - plain)[0]), 1e-12),
        Check(f"{last} layers: shortfall of the divided area below 0.85 or of its lead below 0.2, worst seed", 0.0,
              shortfall(data), relation="<", claim=dividing_by_uniform_rollout_restores_objects),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Profiles, spread and areas."""
    from experiments.lab.figures import panels, points

    styles = ("-", "--", ":")
    out, (left, middle, right) = panels(3, width=3.1, height=3.0)
    for index, (depth, style) in enumerate(zip(SHOWN, styles, strict=True)):
        label = f"{depth} layer{'s' if depth > 1 else ''}"
        left.plot(data.token, data.uniform.sel(layer=depth), color=f"C{index}", linestyle=style)
        points(left, data.token, data.profile.sel(layer=depth), index=index, every=3, label=label)
    left.set(yscale="log", xlabel="place", ylabel="flow to the last token", title="no object: flow is position")
    left.legend(loc="lower left")
    middle.plot(data.layer, data.scatter_line, color="0.3", label="two walkers")
    points(middle, data.layer, data.spread, index=0, label="random attention")
    middle.set(xlabel="layers", ylabel="deviation / mean", title="no object: and averages out", ylim=(0, None))
    middle.legend(loc="upper right")
    for index, (name, style, label) in enumerate(
        (("plain", "--", "rollout"), ("divided", "-", "over uniform rollout"))
    ):
        right.plot(data.layer, data[f"{name}_line"], color=f"C{index}", linestyle=style)
        points(right, data.layer, data[name], index=index, label=label)
    right.axhline(0.5, color="0.6", linewidth=0.8)
    right.set(xlabel="layers", ylabel="area under ROC curve", title="object against the rest", ylim=(0.45, 1.02))
    right.legend(loc="lower left", bbox_to_anchor=(0.0, 0.1))
    for axes in (middle, right):
        axes.set_xticks(range(2, data.sizes["layer"] + 1, 2))
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
