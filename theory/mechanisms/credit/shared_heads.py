"""How many heads two circuits share by chance: the level that an observed overlap has to beat.

Chance model: the scores of the second task are dealt to the heads in an order that ignores the first task.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import comb

import numpy as np
from jaxtyping import Float, Int

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import MERULLO_2023
from theory.validation import finite_array, integer, require


def chance_overlap(heads: int, first: int, second: int) -> Float[Array, " j"]:
    """P(j shared heads), j = 0..min(first, second), of a fixed set of `first` and a uniform set of `second` of `heads`:
    C(first, j) C(heads - first, second - j) / C(heads, second).
    """
    heads = integer("heads", heads, least=1)
    for name, size in (("first", first), ("second", second)):
        require(integer(name, size, least=1) <= heads, f"{name} must be at most heads = {heads}, got {size}")
    sets = comb(heads, second)
    return np.array([comb(first, j) * comb(heads - first, second - j) / sets for j in range(min(first, second) + 1)])


def chance_of_sharing(heads: int, first: int, second: int, least: int) -> float:
    """The probability that at least `least` heads are shared by chance."""
    return float(chance_overlap(heads, first, second)[integer("least", least, least=0) :].sum())


def top_heads(scores: Float[Array, "*b h"], count: int) -> Int[np.ndarray, "*b k"]:
    """The `count` heads of largest score."""
    return np.argsort(-scores, axis=-1)[..., :count]


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class TaskScores:
    """Distinct scores (h,), h <= 7, of the same heads on two tasks, of which the `first` and `second` largest count.

    The second scores of all heads but the first `pinned` ones are dealt anew, every order equally likely.
    """

    one: Float[Array, " h"]
    two: Float[Array, " h"]
    first: int
    second: int
    pinned: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "one", finite_array("one", self.one, (None,), leading=False))
        object.__setattr__(self, "two", finite_array("two", self.two, self.one.shape, leading=False))
        heads = len(self.one)
        require(2 <= heads <= 7, f"there must be 2 to 7 heads, got {heads}")
        for scores in (self.one, self.two):
            require(len(np.unique(scores)) == heads, "the scores of a task must differ from head to head")
        for name, size in (("first", self.first), ("second", self.second)):
            require(integer(name, size, least=1) <= heads, f"{name} must be at most {heads}, got {size}")

    @property
    def shared(self) -> Int[np.ndarray, " deals"]:
        """The number of shared heads under every deal of the second scores."""
        important = np.zeros(len(self.one), dtype=int)
        important[top_heads(self.one, self.first)] = 1
        deals = _orders(len(self.one), self.pinned)
        return important[top_heads(self.two[deals], self.second)].sum(axis=1)


@dataclass(frozen=True, eq=False)
class UnrelatedTasks(TaskScores):
    """Hypothesis: the second task's scores are exchangeable over all heads."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pinned == 0, f"no head may be pinned, got {self.pinned}")


@dataclass(frozen=True)
class CircuitSizes:
    """Two circuits of `size` heads among `heads`."""

    heads: int
    size: int

    def __post_init__(self) -> None:
        heads = integer("heads", self.heads, least=1)
        require(integer("size", self.size, least=1) <= heads, f"size must be at most {heads}, got {self.size}")


@lru_cache
def _orders(heads: int, pinned: int) -> Int[np.ndarray, "deals h"]:
    kept = tuple(range(pinned))
    return np.array([kept + order for order in permutations(range(pinned, heads))])


# ----------------------------------------------------------------------------------------------------------- claims


def _shared_winner() -> tuple[TaskScores]:
    """Head 0 is the best of five on both tasks, whatever else is dealt."""
    return (TaskScores(np.array([9.0, 1, 2, 3, 4]), np.array([9.0, 4, 3, 2, 1]), 2, 2, pinned=1),)


@claim(
    statement="""Where the scores of a second task are exchangeable over H heads, its k' most important heads share j
    with the k of a first task with the hypergeometric probability C(k, j) C(H - k, k' - j) / C(H, k').""",
    source=MERULLO_2023,
    kind="identity",
    tolerance=1e-13,
    fails_without=_shared_winner,
)
def unrelated_circuits_share_heads_hypergeometrically(case: UnrelatedTasks) -> float:
    law = chance_overlap(len(case.one), case.first, case.second)
    return relative_error(np.bincount(case.shared, minlength=len(law)) / len(case.shared), law)


@claim(
    statement="""Circuits of k and k' heads for unrelated tasks share k k' / H heads on average, with variance
    k k' (H - k) (H - k') / (H^2 (H - 1)).""",
    source=MERULLO_2023,
    kind="identity",
    tolerance=1e-13,
    fails_without=_shared_winner,
)
def chance_overlap_has_this_mean_and_variance(case: UnrelatedTasks) -> float:
    heads, one, two = len(case.one), case.first, case.second
    variance = one * two * (heads - one) * (heads - two) / (heads**2 * (heads - 1))
    return relative_error([case.shared.mean(), case.shared.var()], [one * two / heads, variance])


@claim(
    statement="Two circuits that share 78 percent of their heads share more than chance, however large they are.",
    source=MERULLO_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (CircuitSizes(heads=10, size=8),),
)
def a_shared_percentage_beats_chance_at_every_size(case: CircuitSizes) -> float:
    """The share that chance gives on average, beyond 78 percent: 80 percent with 8 heads of 10."""
    law = chance_overlap(case.heads, case.size, case.size)
    return excess(law @ np.arange(len(law)) / case.size, 0.78)
