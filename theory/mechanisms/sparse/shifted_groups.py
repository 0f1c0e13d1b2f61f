"""Groups of neighbours, groups shifted by half a group, and sink tokens: how many layers connect which tokens.

Every layer offers both groupings, half of its heads each. `wrap` closes the shifted groups around the ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.claims import claim
from theory.masks import Mask, blocks, causal, hops, same_group, with_sinks
from theory.papers import ZHANG_2024_SINKLORA
from theory.validation import integer, require


def half_shifted(length: int, group: int, *, wrap: bool = False) -> Mask:
    """Groups whose borders lie half a group later; the two half groups at the ends are one group if `wrap`."""
    if not wrap:
        return blocks(length, group, shift=group // 2)
    return same_group((np.arange(length) + group // 2) % length // group)


def grouped(length: int, group: int, *, wrap: bool = False) -> Mask:
    """What one layer with both groupings offers."""
    return blocks(length, group) | half_shifted(length, group, wrap=wrap)


def causal_in_rolled_order(length: int, group: int) -> Mask:
    """The wrapped groups with the causal mask of the sequence rolled by half a group, in the original positions."""
    place = (np.arange(length) + group // 2) % length
    return half_shifted(length, group, wrap=True) & causal(length)[place][:, place]


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class Groups:
    """`count` groups of `size` tokens, size even; the first `sinks` tokens are sinks."""

    count: int
    size: int
    sinks: int = 0

    def __post_init__(self) -> None:
        integer("count", self.count, least=1)
        integer("size", self.size, least=2)
        integer("sinks", self.sinks, least=0)
        require(self.size % 2 == 0, f"the size of a group must be even, got {self.size}")
        require(self.sinks < self.length, f"not every token can be a sink, got {self.sinks} of {self.length}")

    @property
    def length(self) -> int:
        """n = count * size."""
        return self.count * self.size

    @property
    def visible(self) -> Mask:
        """What a query may see at all: everything."""
        return np.ones((self.length, self.length), dtype=bool)


@dataclass(frozen=True)
class CausalGroups(Groups):
    """Hypothesis: queries see the past only."""

    @property
    def visible(self) -> Mask:
        """The past and oneself."""
        return causal(self.length)


@dataclass(frozen=True)
class SeveralGroups(Groups):
    """Hypotheses: at least one sink, and at least two groups with tokens that are none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.sinks >= 1, "there must be a sink")
        require(self.sinks < self.length - self.size, "two groups must hold tokens that are no sinks")


# --------------------------------------------------------------------------------------------------------------- claims


def _depth(layer: Mask, wanted: Mask | None = None) -> float:
    """Layers until every wanted pair is connected, infinity where they never are."""
    depth = hops([layer], wanted)
    return np.inf if depth is None else float(depth)


@claim(
    statement="""Under a causal mask, groups of G tokens and groups shifted by G/2 connect every token to all earlier
    ones after exactly 2n/G - 1 layers.""",
    source=ZHANG_2024_SINKLORA,
    kind="identity",
    tolerance=0.0,
)
def causal_shifted_groups_need_two_layers_a_group(case: Groups) -> float:
    past = causal(case.length)
    return abs(_depth(grouped(case.length, case.size) & past, past) - (2 * case.count - 1))


@claim(
    statement="""Without a causal mask, groups and shifted groups connect all tokens after n/G layers where the shifted
    ones wrap around the ends, after 2n/G - 1 where not.""",
    source=ZHANG_2024_SINKLORA,
    kind="identity",
    tolerance=0.0,
)
def shifted_groups_connect_both_ways(case: Groups) -> float:
    wrapped = _depth(grouped(case.length, case.size, wrap=True)) - case.count
    plain = _depth(grouped(case.length, case.size)) - (2 * case.count - 1)
    return max(abs(wrapped), abs(plain))


@claim(
    statement="Without a causal mask, groups with sink tokens connect all tokens after two layers, without shifts.",
    source=ZHANG_2024_SINKLORA,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: (Groups(4, 8, sinks=0),),
)
def sinks_connect_groups_in_two_layers(case: SeveralGroups) -> float:
    return abs(_depth(with_sinks(blocks(case.length, case.size), case.sinks)) - 2)


@claim(
    statement="""Under a causal mask sink tokens change no path between other tokens, at any depth, with shifted groups
    or without: a path through a sink ends in one.""",
    source=ZHANG_2024_SINKLORA,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: (Groups(4, 8, sinks=2),),
)
def causal_sinks_change_no_path(case: CausalGroups) -> float:
    """The number of pairs (query, key that is no sink) that only one of both masks connects, over all depths."""
    changed = 0
    for layer in (blocks(case.length, case.size), grouped(case.length, case.size)):
        plain = sunk = np.eye(case.length)
        for _ in range(2 * case.count):
            plain = np.minimum((layer & case.visible) @ plain, 1.0)
            sunk = np.minimum((with_sinks(layer, case.sinks) & case.visible) @ sunk, 1.0)
            changed += int((plain != sunk)[:, case.sinks :].sum())
    return float(changed)


@claim(
    statement="Sink tokens shorten the paths between the tokens of a causal model with shifted groups.",
    source=ZHANG_2024_SINKLORA,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (SeveralGroups(4, 8, sinks=2),),
)
def sinks_shorten_causal_paths(case: SeveralGroups) -> float:
    """1 if as many layers are needed with sinks as without, else 0."""
    past, layer = causal(case.length), grouped(case.length, case.size)
    return float(_depth(with_sinks(layer, case.sinks) & past, past) >= _depth(layer & past, past))


@claim(
    statement="""A causal mask laid over the sequence rolled by half a group lets exactly (G/2)^2 pairs look into the
    future; over the true order, none.""",
    source=ZHANG_2024_SINKLORA,
    kind="identity",
    tolerance=0.0,
)
def causal_mask_in_rolled_order_leaks(case: Groups) -> float:
    future = ~causal(case.length)
    rolled = causal_in_rolled_order(case.length, case.size)
    return abs(float((rolled & future).sum()) - (case.size // 2) ** 2)
