"""Reference tokens that only a box may look at: what leaks out of the box through layers.

Influence runs along paths through the masks of the layers (`theory.mechanisms.sparse.isolation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim
from theory.masks import Mask, hops
from theory.mechanisms.credit.subsets import Chosen, proper_subset
from theory.mechanisms.network import influence, random_layers
from theory.numerics import Array
from theory.papers import WEI_2024
from theory.validation import integer, require


def reference_mask(box: Chosen, references: int, *, isolated: bool) -> Mask:
    """Tokens of the frame, then `references` ones: queries in the `box` see those, all other frame tokens do not, and
    the references see themselves. In the frame all see all; `isolated`: inside and outside of the box see only their
    own.
    """
    frame = len(box)
    mask = np.ones((frame + references, frame + references), dtype=bool)
    mask[:frame, frame:] = box[:, None]
    mask[frame:, :frame] = False
    if isolated:
        mask[:frame, :frame] = box[:, None] == box[None, :]
    return mask


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Reference:
    """A box in a frame, a number of reference tokens, and that many layers; tokens and maps are drawn by the seed."""

    box: Chosen
    references: int
    layers: int
    isolated: bool
    seed: int

    def __post_init__(self) -> None:
        proper_subset("box", self.box, len(self.box))
        integer("references", self.references, least=1)
        integer("layers", self.layers, least=1)

    @property
    def influence(self) -> Float[Array, "n n"]:
        """Of every token (column) on every output (row), four channels a token."""
        tokens = np.random.default_rng(self.seed).standard_normal((len(self.box) + self.references, 4))
        mask = reference_mask(self.box, self.references, isolated=self.isolated)
        return influence(tokens, random_layers(self.layers, 4, self.seed), [mask] * self.layers)


@dataclass(frozen=True, eq=False)
class SealedReference(Reference):
    """Hypothesis: one layer, or self-attention that does not cross the border of the box."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layers == 1 or self.isolated, "more than one layer needs self-attention isolated by the box")


# ----------------------------------------------------------------------------------------------------------- claims


def _leak(case: Reference) -> float:
    frame = len(case.box)
    return float(case.influence[:frame][~case.box, frame:].max())


def _free(layers: int) -> tuple[Reference]:
    return (Reference(np.array([True, True, False, False]), 2, layers, isolated=False, seed=0),)


@claim(
    statement="""References that only queries in a box may look at leave everything outside the box untouched in one
    layer, and in any number of layers whose self-attention does not cross the border of the box.""",
    source=WEI_2024,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: _free(2),
)
def masked_reference_stays_in_its_box(case: SealedReference) -> float:
    """The largest influence of a reference token outside."""
    return _leak(case)


@claim(
    statement="""Where self-attention crosses the border of the box, a reference that only the box may look at reaches
    the outside in two layers; where it does not, in none.""",
    source=WEI_2024,
    kind="identity",
    tolerance=0.0,
)
def masked_reference_leaves_its_box_in_two_layers(case: Reference) -> float:
    """0 where the layers counted on the masks are 2 and infinitely many, 1 otherwise."""
    frame = len(case.box)
    wanted = np.zeros((frame + case.references,) * 2, dtype=bool)
    wanted[:frame, frame:] = ~case.box[:, None]
    counted = [hops([reference_mask(case.box, case.references, isolated=i)], wanted) for i in (False, True)]
    return float(counted != [2, None])


@claim(
    statement="A reference that only queries in a box may look at changes nothing but the box, at any depth.",
    source=WEI_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: _free(2),
)
def masked_reference_changes_only_its_box(case: Reference) -> float:
    return _leak(case)
