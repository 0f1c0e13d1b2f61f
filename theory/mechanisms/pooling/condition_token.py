"""A condition picks one of K attributes: how much of the embedding still comes from the others (entanglement).

Attributes are independent. The entanglement of an embedding asked for attribute i is the share of its variance that
knowing attribute i would not remove: 1 - Var E[e | a_i] / Var e.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import SONG_2023
from theory.validation import finite_array, integer, positive_array, real, require


def conditional_entanglement(attributes: int, gap: float) -> float:
    """(K - 1) e^{-2g} / (1 + (K - 1) e^{-2g}): attention over K attribute tokens of equal variance whose own token
    leads by a logit gap g.
    """
    others = (integer("attributes", attributes, least=2) - 1) * np.exp(-2.0 * real("gap", gap))
    return float(others / (1.0 + others))


def entanglements(table: ArrayLike) -> Float[Array, " K"]:
    """The entanglement of every attribute of an embedding given as a table (L_1, ..., L_K, d): one entry for every
    combination of levels, all equally likely. The embedding must vary.
    """
    table = np.asarray(table, dtype=np.float64)
    axes = tuple(range(table.ndim - 1))
    total = table.var(axis=axes).sum()
    require(bool(total > 0), "the embedding must vary with the attributes")
    given = [table.mean(axis=tuple(a for a in axes if a != i)).var(axis=0).sum() for i in axes]
    return 1.0 - np.array(given) / total


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ConditionedTokens:
    """K >= 2 attribute tokens of given variances; the one asked for leads the others by a logit gap |g| <= 20."""

    variances: Float[Array, " K"]
    asked: int
    gap: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "variances", positive_array("variances", self.variances, (None,), leading=False))
        require(len(self.variances) >= 2, "there must be at least 2 attributes")
        require(0 <= self.asked < len(self.variances), f"asked must be one of the attributes, got {self.asked!r}")
        require(abs(real("gap", self.gap)) <= 20, f"the gap must be at most 20 in size, got {self.gap!r}")

    @property
    def entanglement(self) -> float:
        """From an enumeration: every attribute takes two levels, at plus and minus its standard deviation."""
        weights = softmax(self.gap * (np.arange(len(self.variances)) == self.asked))
        levels = np.array(list(product([-1.0, 1.0], repeat=len(weights)))) @ (weights * np.sqrt(self.variances))
        return float(entanglements(levels.reshape(*len(weights) * (2,), 1))[self.asked])


@dataclass(frozen=True, eq=False)
class EqualConditionedTokens(ConditionedTokens):
    """Hypothesis: all attributes have the same variance."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.ptp(self.variances) == 0, f"the variances must be equal, got {self.variances}")


@dataclass(frozen=True, eq=False)
class SharedEmbedding:
    """One embedding for all conditions: a table (L_1, ..., L_K, d) with K >= 2 that varies."""

    table: Float[Array, "*levels d"]

    def __post_init__(self) -> None:
        table = finite_array("table", self.table, (None, None, None))
        require(float(np.ptp(table)) > 1e-6 * float(np.abs(table).max()), "the embedding must vary with the attributes")
        object.__setattr__(self, "table", table)


@dataclass(frozen=True, eq=False)
class AdditiveEmbedding(SharedEmbedding):
    """Hypothesis: the embedding is a sum of functions of one attribute each, as a pooled or linear one is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = tuple(range(self.table.ndim - 1))
        mean = self.table.mean(axis=axes)
        parts = [self.table.mean(axis=tuple(a for a in axes if a != i), keepdims=True) - mean for i in axes]
        miss = self.table - mean - sum(parts)
        require(np.abs(miss).max() <= 1e-12 * np.abs(self.table).max(), "the attributes must not interact")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""With a logit gap g on the token asked for, the other K - 1 attributes of equal variance hold the share
    (K - 1) e^{-2g} / (1 + (K - 1) e^{-2g}) of the embedding's variance.""",
    source=SONG_2023,
    kind="identity",
    tolerance=1e-10,
    fails_without=lambda: (ConditionedTokens(np.array([1.0, 4.0]), 0, 1.0),),
)
def conditional_entanglement_is_known(case: EqualConditionedTokens) -> float:
    formula = conditional_entanglement(len(case.variances), case.gap)
    return relative_error(case.entanglement, formula, scale=1e-4)


@claim(
    statement="""An embedding that no condition reaches has entanglement 1 - 1/K on average over the K attributes,
    whatever its training, if the attributes do not interact in it.""",
    source=SONG_2023,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (SharedEmbedding(np.array([[[1.0], [-1.0]], [[-1.0], [1.0]]])),),
)
def shared_additive_embedding_is_entangled(case: AdditiveEmbedding) -> float:
    found = entanglements(case.table)
    return relative_error(found.mean(), 1.0 - 1.0 / len(found))


@claim(
    statement="""An embedding that no condition reaches has an average entanglement of at least 1 - 1/K, interactions
    included.""",
    source=SONG_2023,
    kind="inequality",
    tolerance=1e-12,
)
def shared_embedding_is_entangled(case: SharedEmbedding) -> float:
    found = entanglements(case.table)
    return excess(1.0 - 1.0 / len(found), found.mean())


@claim(
    statement="A condition on one token disentangles it whatever the other attributes' scale.",
    source=SONG_2023,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (ConditionedTokens(np.array([1.0, 100.0]), 0, 2.0),),
)
def condition_disentangles_at_any_scale(case: ConditionedTokens) -> float:
    """A gap of 2 leaves 0.02 at equal variances, but 0.65 where the other attribute varies 100 times as much."""
    return case.entanglement - (1.0 - 1.0 / len(case.variances))
