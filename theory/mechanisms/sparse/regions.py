"""Attention routed between regions: every region looks at the regions whose mean key fits its mean query best.

Tokens stand region by region, n / R in each; on an image that is a reordering of the pixels, S^2 = R regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from theory.attention import attend
from theory.claims import claim, excess, relative_error
from theory.masks import Mask
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import ZHU_2023
from theory.validation import integer, real, require


def region_affinity(queries: Float[Array, "n d"], keys: Float[Array, "n d"], regions: int) -> Float[Array, "r r"]:
    """Mean query of every region times mean key of every region."""
    means = [a.reshape(regions, -1, a.shape[-1]).mean(axis=1) for a in (queries, keys)]
    return means[0] @ means[1].T


def routes(affinity: Float[Array, "r r"], routed: int) -> Int[NDArray[np.int64], "r k"]:
    """For every region the `routed` regions of largest affinity, in order of place."""
    return np.sort(np.argsort(-np.asarray(affinity), axis=-1, kind="stable")[:, :routed], axis=-1)


def region_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], regions: int, routed: int
) -> Float[Array, "n v"]:
    """Every token attends to all tokens of the regions that its own region is routed to."""
    chosen = routes(region_affinity(queries, keys, regions), routed)
    own, their_keys, their_values = (a.reshape(regions, -1, a.shape[-1]) for a in (queries, keys, values))
    their_keys, their_values = (a[chosen].reshape(regions, -1, a.shape[-1]) for a in (their_keys, their_values))
    return attend(own, their_keys, their_values).reshape(len(queries), -1)


def region_mask(affinity: Float[Array, "r r"], routed: int, length: int) -> Mask:
    """Which tokens see which (n, n): fewer than `routed` regions fit better, or as well and come before."""
    size, place = length // len(affinity), np.arange(len(affinity))
    other, own = affinity[:, None, :], affinity[:, :, None]
    rank = ((other > own) | ((other == own) & (place[None, :] < place[:, None]))).sum(axis=-1)
    return (rank < routed).repeat(size, axis=0).repeat(size, axis=1)


def region_cost(length: float, regions: float, routed: float, channels: int, value_channels: int) -> float:
    """R^2 d + k (n^2 / R)(d + v) multiplications: affinities, then the tokens of k regions for every token."""
    return regions**2 * channels + routed * length**2 / regions * (channels + value_channels)


def best_region_count(length: float, routed: float, channels: int, value_channels: int) -> float:
    """R^3 = k n^2 (d + v) / (2d): where the two parts of the cost are as two to one."""
    return float(np.cbrt(0.5 * routed * length**2 * (1 + value_channels / channels)))


def least_region_cost(length: float, routed: float, channels: int, value_channels: int) -> float:
    """3 d R^2 at the best R: it grows as n^(4/3)."""
    return 3 * channels * best_region_count(length, routed, channels, value_channels) ** 2


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Regions:
    """A sequence of `regions` equal regions, of which each is routed to `routed`."""

    tokens: Sequence
    regions: int
    routed: int

    def __post_init__(self) -> None:
        length = len(self.tokens.keys)
        integer("regions", self.regions, least=1)
        integer("routed", self.routed, least=1)
        require(length % self.regions == 0, f"{self.regions} regions must share {length} tokens evenly")
        require(self.routed <= self.regions, f"at most {self.regions} regions can be routed to, got {self.routed}")

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Queries, keys and values."""
        return self.tokens.queries, self.tokens.keys, self.tokens.values

    @property
    def affinity(self) -> Float[Array, "r r"]:
        """Of every region with every region."""
        return region_affinity(self.tokens.queries, self.tokens.keys, self.regions)


@dataclass(frozen=True)
class RegionPlan:
    """Sizes, real numbers >= 1, for which the cost is asked; channels are integers."""

    length: float
    regions: float
    routed: float
    channels: int
    value_channels: int

    def __post_init__(self) -> None:
        for name in ("length", "regions", "routed"):
            require(real(name, getattr(self, name)) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        integer("channels", self.channels, least=1)
        integer("value_channels", self.value_channels, least=0)


# --------------------------------------------------------------------------------------------------------------- claims


def _at_the_best_number() -> list[Any]:
    """There the cost is 3 d R^2, and stationary."""
    import sympy as sp

    regions, routed, d, v = sp.symbols("R k d v", positive=True)
    length = sp.sqrt(2 * d * regions**3 / (routed * (d + v)))
    slope = 2 * regions * d - routed * length**2 / regions**2 * (d + v)
    return [regions**2 * d + routed * length**2 / regions * (d + v) - 3 * d * regions**2, slope]


@claim(
    statement="Routed to all regions, every token has dense attention.",
    source=ZHU_2023,
    kind="identity",
    tolerance=1e-12,
)
def routing_to_all_regions_is_dense_attention(case: Regions) -> float:
    return relative_error(region_attention(*case.arrays, case.regions, case.regions), attend(*case.arrays))


@claim(
    statement="Attention over gathered regions is dense attention under the mask of the routes.",
    source=ZHU_2023,
    kind="identity",
    tolerance=1e-12,
)
def region_routing_is_masked_dense_attention(case: Regions) -> float:
    mask = region_mask(case.affinity, case.routed, len(case.tokens.keys))
    return relative_error(region_attention(*case.arrays, case.regions, case.routed), attend(*case.arrays, mask))


@claim(
    statement="The affinity of two regions is the mean of the logits between their tokens.",
    source=ZHU_2023,
    kind="identity",
    tolerance=1e-12,
)
def region_affinity_is_the_mean_logit(case: Regions) -> float:
    size = len(case.tokens.keys) // case.regions
    logits = case.tokens.queries @ case.tokens.keys.T
    means = logits.reshape(case.regions, size, case.regions, size).mean(axis=(1, 3))
    return relative_error(
        case.affinity, means, scale=max(1e-200, np.abs(logits).max())
    )  # subnormal logits round coarsely


@claim(
    statement="The region that a token is routed to first holds its largest logit.",
    source=ZHU_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (
        Regions(Sequence(np.ones((4, 1)), np.array([[5.0], [-6.0], [0.0], [1.0]]), np.ones((4, 1))), 2, 1),
    ),
)
def first_route_holds_the_largest_logit(case: Regions) -> float:
    """How far the largest logit that a query can see in its first region falls short of its largest."""
    logits = case.tokens.queries @ case.tokens.keys.T
    seen = np.where(region_mask(case.affinity, 1, len(logits)), logits, -np.inf).max(axis=-1)
    return float((logits.max(axis=-1) - seen).max())


@claim(
    statement="Region routing makes R^2 d + k (n^2 / R)(d + v) multiplications.",
    source=ZHU_2023,
    kind="identity",
    tolerance=0.0,
)
def region_routing_cost_is_counted(case: Regions) -> float:
    counted = multiplications(lambda q, k, v: region_attention(q, k, v, case.regions, case.routed), *case.arrays)
    (length, channels), value_channels = case.tokens.keys.shape, case.tokens.values.shape[1]
    return relative_error(counted, region_cost(length, case.regions, case.routed, channels, value_channels))


@claim(
    statement="""Whatever the number of regions, routing costs at least 3 d (k n^2 (d + v) / (2d))^(2/3), a power 4/3 of
    the length, attained where R^3 = k n^2 (d + v) / (2d).""",
    source=ZHU_2023,
    kind="inequality",
    tolerance=1e-12,
    symbolic=_at_the_best_number,
)
def region_routing_costs_at_least_n_to_four_thirds(case: RegionPlan) -> float:
    least = least_region_cost(case.length, case.routed, case.channels, case.value_channels)
    return excess(least, region_cost(case.length, case.regions, case.routed, case.channels, case.value_channels))
