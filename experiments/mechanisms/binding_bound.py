"""What a sum of objects cannot bind: which colour belongs to which shape; attention reads it off.

A scene holds one asked object and n distractors, each shape plus colour. Left: how often the asked colour is named. The
line is the bound on every decoder of the summed vectors, the points one that reads all counts off the sum and names the
commonest colour; sums of products of shape and colour are outside its hypothesis. Right: attention's mass on the
asked object; lines from the worst logit gap of the drawn embeddings, points the scene with the least mass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, seed_range
from theory.mechanisms.pooling.binding import pooled_sum_cannot_bind, softmax_guarantees_the_asked_object
from theory.numerics import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """`scenes` for every seed and number of `distractors`; attention at each of the logit `scales`."""

    distractors: tuple[int, ...] = (0, 1, 2, 4, 7, 11)
    colours: int = 6
    shapes: int = 12
    dimension: int = 256
    scales: tuple[float, ...] = (2.0, 4.0, 8.0)
    scenes: int = 2000
    seeds: str = "0:5"

    def __post_init__(self) -> None:
        require(self, colours=2, scenes=2, dimension=self.shapes + self.colours)
        if not self.distractors or min(self.distractors) < 0 or max(self.distractors) >= self.shapes:
            raise ValueError(f"distractors must be 0 to {self.shapes - 1}, got {self.distractors!r}")
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"scales must be positive, got {self.scales!r}")


PROFILES = {"quick": Config(), "full": Config(distractors=tuple(range(12)), scenes=20_000, seeds="0:10")}


def embeddings(config: Config, seed: int) -> tuple[Array, Array]:
    """Unit vectors of shapes and colours with random signs, independent and so nearly orthogonal."""
    signs = np.random.default_rng([seed, 0]).choice([-1.0, 1.0], (config.shapes + config.colours, config.dimension))
    unit = signs / np.sqrt(config.dimension)
    return unit[: config.shapes], unit[config.shapes :]


def worst_gap(shapes: Array, colours: Array) -> float:
    """The least s.(s + c) - s.(s' + c') over shapes s' other than s and any colours c and c'."""
    rival = shapes @ shapes.T - 2.0 * np.eye(len(shapes))
    paint = shapes @ colours.T
    return float((1.0 + paint.min(axis=1) - paint.max(axis=1) - rival.max(axis=1)).min())


def answered(config: Config, seed: int, distractors: int) -> dict[str, Array]:
    """One seed at one number of distractors: whether each kind of answer is right, and the least mass of attention."""
    from theory.attention import softmax

    shapes, colours = embeddings(config, seed)
    rng = np.random.default_rng([seed, 1, distractors])
    shape = rng.permuted(np.tile(np.arange(config.shapes), (config.scenes, 1)), axis=1)[:, : distractors + 1]
    colour = rng.integers(config.colours, size=shape.shape)
    asked, total, products, logits = shapes[shape[:, 0]], 0.0, 0.0, []
    for s, c in zip(shape.T, colour.T, strict=True):  # one object of every scene at a time
        total = total + shapes[s] + colours[c]
        products = products + shapes[s] * colours[c]
        logits.append((asked * (shapes[s] + colours[c])).sum(axis=1))

    # the first object is the asked one; of equally common colours the decoder takes the first
    counts = np.rint(total @ np.linalg.pinv(np.concatenate([shapes, colours])))
    by_sum = counts[:, config.shapes :].argmax(axis=1)
    by_product = (products * asked @ colours.T).argmax(axis=1)
    weights = softmax(np.multiply.outer(np.array(config.scales), np.stack(logits, axis=1)))
    seen = (weights[..., None] * (colour[..., None] == np.arange(config.colours))).sum(axis=-2)
    right = colour[:, 0]
    return {
        "pooled": np.mean(by_sum == right),
        "products": np.mean(by_product == right),
        "attended": (seen.argmax(axis=-1) == right).mean(axis=-1),
        "least_mass": weights[..., 0].min(axis=-1),
    }


def simulate(config: Config) -> xr.Dataset:
    """Accuracies `pooled`, `products` and `attended`, and `least_mass` over scenes."""
    import xarray as xr

    seeds = seed_range(config.seeds)
    found = [[answered(config, seed, n) for n in config.distractors] for seed in seeds]
    dims = {"pooled": (), "products": (), "attended": ("scale",), "least_mass": ("scale",)}
    return xr.Dataset(
        {
            k: (("seed", "distractors", *d), np.array([[one[k] for one in row] for row in found]))
            for k, d in dims.items()
        },
        coords={"seed": seeds, "distractors": list(config.distractors), "scale": list(config.scales)},
    )


def predict(config: Config) -> xr.Dataset:
    """`bound` on pooled accuracy, and `guarantee` on the mass from each seed's worst gap."""
    import xarray as xr

    from theory.mechanisms.pooling.binding import guaranteed_mass, pooled_accuracy_bound

    seeds = seed_range(config.seeds)
    n, scales = np.array(config.distractors), np.array(config.scales)
    gaps = np.array([worst_gap(*embeddings(config, seed)) for seed in seeds])
    mass = guaranteed_mass(n[:, None], gaps[:, None, None] * scales)
    return xr.Dataset(
        {
            "bound": ("distractors", [pooled_accuracy_bound(int(k), config.colours) for k in n]),
            "guarantee": (("seed", "distractors", "scale"), mass),
            "chance": 1.0 / config.colours,
            "scenes": config.scenes,
        },
        coords={"seed": seeds, "distractors": list(n), "scale": list(scales)},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The decoder against its bound in standard errors, the mass against its guarantee scene by scene."""
    drawn = float(data.scenes) * data.sizes["seed"]
    error = np.sqrt(np.maximum(data.bound * (1 - data.bound), 1e-12) / drawn)
    deviation = ((data.pooled.mean("seed") - data.bound) / error).values
    crowded, asked = data.isel(distractors=-1), data.sel(distractors=data.distractors > 0)
    mass = float((asked.least_mass / asked.guarantee).min())
    sure = float(data.attended.where(data.guarantee > 0.5).min())
    worst, decoder = float(deviation[np.abs(deviation).argmax()]), pooled_sum_cannot_bind
    return [
        Check("decoder of sums less the bound, worst in standard errors", 0.0, worst, 4.0, claim=decoder),
        Check("accuracy on sums of products", float(crowded.bound), float(crowded.products.min()), relation=">"),
        Check("least mass over its guarantee", 1.0, mass, 1e-12, ">", claim=softmax_guarantees_the_asked_object),
        Check("accuracy of attention where more than half of its mass is guaranteed", 1.0, sure),
    ]


def figure(data: xr.Dataset) -> Figure:
    """Accuracy, and mass of the asked object, against the number of distractors."""
    from experiments.lab.figures import panels, points

    out, (left, right) = panels(2, width=3.9)
    n = data.distractors
    left.plot(n, data.bound, color="0.2", label="bound on any decoder of sums")
    left.axhline(float(data.chance), color="0.6", linewidth=0.8, linestyle=":", label="chance")
    points(left, n, data.pooled, index=0, label="decoder of sums")
    points(left, n, data.products, index=1, label="decoder of sums of products")
    points(left, n, data.attended.isel(scale=-1), index=2, label="attention")
    left.set(ylim=(0, 1.05), ylabel="accuracy", title="Sums of shape + colour do not bind")
    for i, (scale, style) in enumerate(zip(data.scale.values, ("-", "--", ":", "-."), strict=False)):
        at = data.sel(scale=scale)
        right.plot(n, at.guarantee.median("seed"), color=f"C{i}", linestyle=style)
        points(right, n, at.least_mass, index=i, label=f"logit scale {scale:g}")
    right.set(ylim=(0, 1.05), ylabel="least mass of the asked object", title="Mass guaranteed by the worst gap")
    for axes in (left, right):
        axes.set(xlabel="distractors n")
    left.legend(fontsize=7, loc=(0.42, 0.52))
    right.legend(fontsize=7, loc="lower left")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
