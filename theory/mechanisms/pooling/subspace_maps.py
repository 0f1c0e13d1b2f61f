"""One attention map for every group of channels, against one map for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.numerics import Array
from theory.papers import SAINI_2020
from theory.validation import finite_array, fraction, integer, probability_rows, require


def subspace_attention(maps: Float[Array, "g n n"], features: Float[Array, "n c"]) -> Float[Array, "n c"]:
    """Group g of c/g neighbouring channels is mixed by its own map; the groups must divide the channels."""
    groups, width = len(maps), features.shape[1] // len(maps)
    require(groups * width == features.shape[1], f"the {groups} groups must divide {features.shape[1]} channels")
    return np.concatenate([maps[g] @ features[:, g * width : (g + 1) * width] for g in range(groups)], axis=1)


def subspace_multiplications(tokens: int, channels: int) -> int:
    """n^2 c to mix n tokens of c channels: independent of the number of groups."""
    return integer("tokens", tokens, least=1) ** 2 * integer("channels", channels, least=1)


def mean_map(maps: ArrayLike, shares: ArrayLike) -> Float[Array, "n n"]:
    """sum_g f_g A_g: the best single map on white features, when group g has the share f_g of the channels."""
    return np.tensordot(np.asarray(shares, dtype=np.float64), np.asarray(maps, dtype=np.float64), axes=1)


def single_map_error(single: ArrayLike, maps: ArrayLike, shares: ArrayLike) -> float:
    """sum_g f_g |A_g - B|_F^2: the squared error on white features, summed over tokens, averaged over channels."""
    return float(np.asarray(shares) @ ((np.asarray(maps) - np.asarray(single)) ** 2).sum(axis=(1, 2)))


def circular_window(length: int, width: int) -> Float[Array, "n n"]:
    """The mean over `width` neighbours on a circle of `length` tokens; width odd and at most length."""
    require(width % 2 == 1 and 1 <= width <= length, f"width must be odd and at most {length}, got {width!r}")
    distance = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    return np.where(np.minimum(distance, length - distance) <= width // 2, 1.0 / width, 0.0)


def two_scale_excess(share: float, narrow: int, wide: int) -> float:
    """f (1 - f) (1/w1 - 1/w2): what the best single map loses a token when a share f of the channels wants a window of
    w1 tokens and the others one of w2 >= w1.
    """
    f = fraction("share", share)
    return f * (1.0 - f) * (1.0 / integer("narrow", narrow, least=1) - 1.0 / integer("wide", wide, least=narrow))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class WantedMaps:
    """Row-stochastic maps (g, n, n) that g >= 2 groups of channels want, their shares, and one map (n, n) for all; the
    wanted maps are not all equal.
    """

    maps: Float[Array, "g n n"]
    shares: Float[Array, " g"]
    single: Float[Array, "n n"]

    def __post_init__(self) -> None:
        maps = probability_rows("maps", self.maps, (None, None, None), leading=False)
        require(maps.shape[1] == maps.shape[2], f"maps must be square, got {maps.shape[1:]}")
        object.__setattr__(self, "maps", maps)
        object.__setattr__(self, "shares", probability_rows("shares", self.shares, (len(maps),), leading=False))
        object.__setattr__(self, "single", finite_array("single", self.single, maps.shape[1:], leading=False))
        require(single_map_error(mean_map(maps, self.shares), maps, self.shares) > 1e-6, "the maps must differ")


@dataclass(frozen=True)
class TwoWindows:
    """Circular windows of odd widths narrow <= wide <= length, wanted by shares f and 1 - f of the channels."""

    length: int
    narrow: int
    wide: int
    share: float

    def __post_init__(self) -> None:
        odd = self.narrow % 2 == 1 and self.wide % 2 == 1
        require(odd and 1 <= self.narrow <= self.wide <= self.length, "widths must be odd, narrow <= wide <= length")
        fraction("share", self.share)


@dataclass(frozen=True)
class GroupedChannels:
    """n tokens of g groups of w channels each."""

    tokens: int
    groups: int
    width: int

    def __post_init__(self) -> None:
        for name in ("tokens", "groups", "width"):
            integer(name, getattr(self, name), least=1)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Groups of white channels that want different maps cannot share one: any single map errs by at least the
    spread of the wanted maps about their mean, and the mean, itself a row-stochastic map, attains this.""",
    source=SAINI_2020,
    kind="inequality",
    tolerance=1e-12,
)
def single_map_misses_the_spread(case: WantedMaps) -> float:
    """The least error follows from the maps' distances to each other: sum_{g<h} f_g f_h |A_g - A_h|^2."""
    flat, f = case.maps.reshape(len(case.maps), -1), case.shares
    distances = ((flat[:, None] - flat[None]) ** 2).sum(axis=-1)
    return excess(f @ distances @ f / 2.0, single_map_error(case.single, case.maps, f))


@claim(
    statement="""The error of any single map on white channels is the spread of the wanted maps plus its squared
    distance to their mean.""",
    source=SAINI_2020,
    kind="identity",
    tolerance=1e-12,
)
def single_map_error_splits(case: WantedMaps) -> float:
    mean = mean_map(case.maps, case.shares)
    least = single_map_error(mean, case.maps, case.shares)
    split = least + ((mean - case.single) ** 2).sum()
    return relative_error(single_map_error(case.single, case.maps, case.shares), split)


@claim(
    statement="""Where a share f of the channels wants a circular window of w1 tokens and the others one of w2 >= w1,
    the best single map errs by f (1 - f) (1/w1 - 1/w2) a token on white features.""",
    source=SAINI_2020,
    kind="identity",
    tolerance=1e-12,
)
def two_scales_need_two_maps(case: TwoWindows) -> float:
    maps = np.array([circular_window(case.length, w) for w in (case.narrow, case.wide)])
    shares = np.array([case.share, 1.0 - case.share])
    found = single_map_error(mean_map(maps, shares), maps, shares) / case.length
    return relative_error(found, two_scale_excess(case.share, case.narrow, case.wide), scale=1e-3)


@claim(
    statement="""Mixing by one map for every group of channels takes the multiplications of one map for all: n^2 c for n
    tokens and c channels.""",
    source=SAINI_2020,
    kind="identity",
    tolerance=0.0,
)
def subspace_maps_cost_no_more_to_apply(case: GroupedChannels) -> float:
    maps, channels = np.ones((case.groups, case.tokens, case.tokens)), case.groups * case.width
    counted = multiplications(subspace_attention, maps, np.ones((case.tokens, channels)))
    return relative_error(counted, subspace_multiplications(case.tokens, channels))
