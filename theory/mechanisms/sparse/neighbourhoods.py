"""Neighbourhood attention, plain and dilated: every query sees `width` keys around itself, `dilation` apart.

Three forms of one map: dense under a mask, gathered neighbour by neighbour, and tile by tile as matrix products. At the
border the window is clipped; with `slide=True` it is moved inward instead, so that every query keeps `width` keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.masks import hops, window
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import HASSANI_2022, HASSANI_2024, LIU_2024
from theory.validation import integer, require


def neighbours(
    length: int, width: int, *, dilation: int = 1, slide: bool = False
) -> tuple[Int[NDArray[np.int64], "n w"], Bool[NDArray[np.bool_], "n w"]]:
    """The positions of every query's neighbours and which of them exist."""
    position, step = np.arange(length)[:, None], np.arange(width)
    if slide:  # among the tokens of the query's residue class, of which there are `members`
        first, members = position % dilation, -(-(length - position % dilation) // dilation)
        start = np.clip(position // dilation - (width - 1) // 2, 0, members - width)
        index = first + dilation * (start + step)
    else:
        index = position + dilation * (step - (width - 1) // 2)
    inside = (index >= 0) & (index < length)
    return np.where(inside, index, 0), inside


def neighbourhood_attention(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    values: Float[Array, "n v"],
    width: int,
    *,
    dilation: int = 1,
    slide: bool = False,
) -> Float[Array, "n v"]:
    """Softmax over gathered neighbours; width odd, and at most length / dilation where the window slides."""
    index, inside = neighbours(len(keys), width, dilation=dilation, slide=slide)
    logits = (keys[index] @ queries[:, :, None])[:, :, 0]
    return (softmax(logits, inside)[:, None, :] @ values[index])[:, 0]


def tiled_neighbourhood_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], width: int, tile: int
) -> Float[Array, "n v"]:
    """One masked matrix product for every `tile` queries and the tile + width - 1 keys that they see together."""
    reach, mask, done = (width - 1) // 2, window(len(keys), width), []
    for start in range(0, len(keys), tile):
        rows, seen = slice(start, start + tile), slice(max(0, start - reach), start + tile + reach)
        done.append(attend(queries[rows], keys[seen], values[seen], mask[rows, seen]))
    return np.concatenate(done)


def neighbourhood_cost(length: int, width: int, channels: int, value_channels: int) -> int:
    """n w (d + v) multiplications of the gathered form, neighbours beyond the border included."""
    return length * width * (channels + value_channels)


def paths(width: int, dilations: tuple[int, ...], length: int) -> Float[Array, " n"]:
    """How many paths lead through a stack of layers, one for each dilation, from every input to the middle output."""
    found = np.eye(length)[length // 2]
    for dilation in dilations:
        found = found @ window(length, width, dilation=dilation)
    return found


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A sequence, an odd width and a dilation."""

    tokens: Sequence
    width: int
    dilation: int = 1

    def __post_init__(self) -> None:
        integer("width", self.width, least=1)
        integer("dilation", self.dilation, least=1)
        require(self.width % 2 == 1, f"the width must be odd, got {self.width}")

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Queries, keys and values."""
        return self.tokens.queries, self.tokens.keys, self.tokens.values


@dataclass(frozen=True)
class WindowStack:
    """Layers of one odd width >= 3, each with its dilation."""

    width: int
    dilations: tuple[int, ...]

    def __post_init__(self) -> None:
        integer("width", self.width, least=3)
        require(self.width % 2 == 1, f"the width must be odd, got {self.width}")
        require(len(self.dilations) >= 1, "there must be a layer")
        for dilation in self.dilations:
            integer("dilation", dilation, least=1)

    @property
    def span(self) -> int:
        """1 + (w - 1) sum_l delta_l: from the first to the last token that can reach the middle."""
        return 1 + (self.width - 1) * sum(self.dilations)


@dataclass(frozen=True)
class GrowingWindows(WindowStack):
    """Hypothesis: every layer's dilation is w times the one before, beginning with 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        grown = tuple(self.width**layer for layer in range(len(self.dilations)))
        require(self.dilations == grown, f"the dilations must be {grown}, got {self.dilations}")


# --------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Gathering the neighbours of every query is dense attention under the mask |i - j| <= delta (w - 1)/2,
    delta | i - j.""",
    source=HASSANI_2024,
    also=(HASSANI_2022,),
    kind="identity",
    tolerance=1e-12,
)
def gathered_neighbours_are_masked_dense_attention(case: Neighbourhood) -> float:
    gathered = neighbourhood_attention(*case.arrays, case.width, dilation=case.dilation)
    mask = window(len(case.tokens.keys), case.width, dilation=case.dilation)
    return relative_error(gathered, attend(*case.arrays, mask))


@claim(
    statement="""Neighbourhood attention is a batch of matrix products: tiles of any size, each against the keys that
    its queries see together, give the gathered result.""",
    source=HASSANI_2024,
    kind="identity",
    tolerance=1e-12,
)
def tiles_of_matrix_products_give_neighbourhood_attention(case: Neighbourhood) -> float:
    gathered = neighbourhood_attention(*case.arrays, case.width)
    tiles = (1, 3, case.width, len(gathered))
    return max(
        relative_error(tiled_neighbourhood_attention(*case.arrays, case.width, tile), gathered) for tile in tiles
    )


@claim(
    statement="A window of one key returns the values; a window of 2n - 1 keys is full attention.",
    source=HASSANI_2024,
    kind="identity",
    tolerance=1e-12,
)
def neighbourhoods_range_from_values_to_full_attention(case: Sequence) -> float:
    arrays = case.queries, case.keys, case.values
    narrow = relative_error(neighbourhood_attention(*arrays, 1), case.values)
    return max(narrow, relative_error(neighbourhood_attention(*arrays, 2 * len(case.keys) - 1), attend(*arrays)))


@claim(
    statement="""Where the window slides inward at the border instead of being clipped, an odd sequence of n tokens has
    full attention from a window of n keys.""",
    source=HASSANI_2024,
    kind="identity",
    tolerance=1e-12,
)
def sliding_windows_are_full_at_their_length(case: Sequence) -> float:
    odd = len(case.keys) - (len(case.keys) + 1) % 2
    arrays = case.queries[:odd], case.keys[:odd], case.values[:odd]
    return relative_error(neighbourhood_attention(*arrays, odd, slide=True), attend(*arrays))


@claim(
    statement="""Attention of dilation delta is plain neighbourhood attention inside each of the delta residue classes
    of the positions.""",
    source=HASSANI_2022,
    kind="identity",
    tolerance=1e-12,
)
def dilated_attention_is_local_in_every_residue_class(case: Neighbourhood) -> float:
    apart = np.empty_like(case.tokens.values)
    for residue in range(min(case.dilation, len(apart))):
        own = slice(residue, None, case.dilation)
        queries, keys, values = (a[own] for a in case.arrays)
        apart[own] = attend(queries, keys, values, window(len(keys), case.width))
    return relative_error(neighbourhood_attention(*case.arrays, case.width, dilation=case.dilation), apart)


@claim(
    statement="""After L layers of width w no token hears from more than min(w^L, 1 + (w - 1) sum_l delta_l) tokens.""",
    source=HASSANI_2022,
    also=(HASSANI_2024,),
    kind="inequality",
    tolerance=0.0,
)
def receptive_field_is_bounded_by_span_and_by_paths(case: WindowStack) -> float:
    wide = case.span + 2 * case.width  # so that nothing would hide a token beyond the span
    reached = np.count_nonzero(paths(case.width, case.dilations, wide + (wide + 1) % 2))
    return excess(reached, min(case.width ** len(case.dilations), case.span))


@claim(
    statement="With dilations 1, w, w^2, ... every one of w^L tokens reaches the middle, and by exactly one path.",
    source=HASSANI_2022,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: (WindowStack(3, (1, 1)),),
)
def growing_dilations_waste_no_path(case: GrowingWindows) -> float:
    field = case.width ** len(case.dilations)
    return float(np.abs(paths(case.width, case.dilations, field) - 1.0).max())


@claim(
    statement="Layers of dilation 2 or more, enough of them, connect all tokens.",
    source=HASSANI_2022,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (WindowStack(3, (2, 4)),),
)
def dilated_layers_alone_connect_all_tokens(case: WindowStack) -> float:
    """1 if there are tokens among `span` that no number of rounds over the layers connects, else 0."""
    return float(hops([window(case.span, case.width, dilation=dilation) for dilation in case.dilations]) is None)


@claim(
    statement="Neighbourhood attention makes n w (d + v) multiplications, whatever the dilation.",
    source=HASSANI_2022,
    also=(HASSANI_2024, LIU_2024),
    kind="identity",
    tolerance=0.0,
)
def dilation_costs_nothing(case: Neighbourhood) -> float:
    def gathered(queries: Array, keys: Array, values: Array) -> Array:
        return neighbourhood_attention(queries, keys, values, case.width, dilation=case.dilation)

    (length, channels), value_channels = case.tokens.keys.shape, case.tokens.values.shape[1]
    predicted = neighbourhood_cost(length, case.width, channels, value_channels)
    return relative_error(multiplications(gathered, *case.arrays), predicted)
