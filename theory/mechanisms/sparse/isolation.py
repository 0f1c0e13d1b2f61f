"""Masks that isolate groups of tokens from one another in a network of several layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from theory.claims import claim, relative_error
from theory.masks import Mask, reachable, same_group
from theory.mechanisms.network import forward, influence, random_layers
from theory.numerics import Array
from theory.papers import HE_2024_IR, WEI_2024
from theory.validation import finite_array, require

# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class MaskedLayers:
    """Tokens (n, d) in groups (n,), one mask (n, n) for every layer, and random layers; every query sees itself."""

    tokens: Float[Array, "n d"]
    groups: Int[NDArray[np.int64], " n"]
    masks: tuple[Mask, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        object.__setattr__(self, "tokens", tokens)
        require(len(self.groups) == len(tokens), f"every token must have a group, got {len(self.groups)} groups")
        for mask in self.masks:
            require(mask.shape == (len(tokens), len(tokens)), f"masks must be square, got {mask.shape}")
            require(np.diagonal(mask).all(), "every query must see itself")

    @property
    def influence(self) -> Float[Array, "n n"]:
        """Of every token on every output."""
        return influence(self.tokens, random_layers(len(self.masks), self.tokens.shape[1], self.seed), self.masks)


@dataclass(frozen=True, eq=False)
class IsolatedGroups(MaskedLayers):
    """Hypotheses: at least two groups, and in every layer tokens see their own group only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(np.unique(self.groups)) >= 2, "there must be at least two groups")
        for mask in self.masks:
            require(not (mask & ~same_group(self.groups)).any(), "every layer must be isolated")


# --------------------------------------------------------------------------------------------------------------- claims


def _isolated_at_the_end_only() -> tuple[MaskedLayers]:
    groups = np.array([0, 0, 1])
    return (MaskedLayers(np.arange(6.0).reshape(3, 2), groups, (np.ones((3, 3), dtype=bool), same_group(groups))),)


@claim(
    statement="With groups isolated in every layer, no group has any influence on another, whatever the depth.",
    source=HE_2024_IR,
    kind="identity",
    tolerance=0.0,
    fails_without=_isolated_at_the_end_only,
)
def isolated_groups_have_no_influence(case: IsolatedGroups) -> float:
    return float(case.influence[~same_group(case.groups)].max())


@claim(
    statement="Isolated groups side by side come out as each does alone: isolation is a batch.",
    source=HE_2024_IR,
    kind="identity",
    tolerance=1e-12,
    fails_without=_isolated_at_the_end_only,
)
def isolated_groups_come_out_as_if_alone(case: IsolatedGroups) -> float:
    layers = random_layers(len(case.masks), case.tokens.shape[1], case.seed)
    together, alone = forward(case.tokens, layers, masks=case.masks), np.empty_like(case.tokens)
    for group in np.unique(case.groups):
        own = case.groups == group
        alone[own] = forward(case.tokens[own], layers, masks=[mask[own][:, own] for mask in case.masks])
    return relative_error(together, alone)


@claim(
    statement="Token j influences output i only where the masks of the layers, one after another, lead from i to j.",
    source=HE_2024_IR,
    also=(WEI_2024,),
    kind="identity",
    tolerance=0.0,
)
def influence_needs_a_path_through_the_masks(case: MaskedLayers) -> float:
    led = reachable(case.masks, np.eye(len(case.tokens), dtype=bool))
    return float(np.where(led, 0.0, case.influence).max())
