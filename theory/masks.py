"""Who may look at whom: Boolean masks (queries, keys), the one builder of all of `theory`, and their reach.

Masks combine with & and |. A token always reaches itself: attention sits in a residual stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike, NDArray

Mask = Bool[NDArray[np.bool_], "n n"]


def causal(length: int) -> Mask:
    """Key j <= query i."""
    return np.tri(length, dtype=bool)


def window(length: int, width: int, *, dilation: int = 1) -> Mask:
    """|i - j| <= dilation (width - 1) / 2 and dilation divides i - j: `width` keys, fewer at the borders; width odd."""
    offset = np.subtract.outer(np.arange(length), np.arange(length))
    return (np.abs(offset) <= dilation * (width - 1) // 2) & (offset % dilation == 0)


def same_group(groups: ArrayLike) -> Mask:
    """Query and key carry the same label; `groups` (n,) names each token's."""
    groups = np.asarray(groups)
    return groups[:, None] == groups[None, :]


def blocks(length: int, size: int, *, shift: int = 0) -> Mask:
    """Groups of `size` neighbours; the borders lie at shift, shift + size, ..., and nothing wraps around."""
    return same_group((np.arange(length) - shift) // size)


def with_sinks(mask: Mask, sinks: int) -> Mask:
    """`mask`, and the first `sinks` tokens see all and are seen by all."""
    seen = mask.copy()
    seen[:sinks] = seen[:, :sinks] = True
    return seen


def reachable(layers: Iterable[Mask], reached: Mask) -> Mask:
    """The pairs (query of the last layer, token) connected after `layers`, from those connected before them."""
    for layer in layers:
        reached = reached | (layer.astype(float) @ reached.astype(float) > 0)
    return reached


def hops(layers: Sequence[Mask], wanted: Mask | None = None, *, limit: int = 10_000) -> int | None:
    """The least number of layers, taken from `layers` in turn, after which every `wanted` (default: every) pair is
    connected; None where another round over `layers` connects no more pairs.
    """
    size = len(layers[0])
    wanted = np.ones((size, size), dtype=bool) if wanted is None else wanted
    reached, before = np.eye(size, dtype=bool), -1
    for depth in range(limit):
        if reached[wanted].all():
            return depth
        if depth % len(layers) == 0:
            if reached.sum() == before:
                return None
            before = reached.sum()
        reached = reachable([layers[depth % len(layers)]], reached)
    return None
