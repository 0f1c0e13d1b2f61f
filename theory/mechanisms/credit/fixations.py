"""Search by attention without return: objects are looked at one after the other, drawn by a softmax over those left.

The number of looks until the target has a closed form, for any priorities (Plackett-Luce orders).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import FANG_2024
from theory.validation import finite_array, integer, require


@lru_cache
def all_orders(objects: int) -> Int[np.ndarray, "orders n"]:
    """Every order in which so many objects can be looked at."""
    return np.array(list(permutations(range(objects))))


def scanpath_law(priorities: Float[Array, " n"]) -> Float[Array, " orders"]:
    """The probability of each of `all_orders`: one renormalised softmax after the other."""
    orders = all_orders(len(priorities))
    rows, law = np.arange(len(orders)), np.ones(len(orders))
    left = np.ones(orders.shape, dtype=bool)
    for seen in orders.T:
        law = law * softmax(np.broadcast_to(priorities, orders.shape), left)[rows, seen]
        left[rows, seen] = False
    return law


def looks_until(orders: Int[np.ndarray, "orders n"], target: int) -> Int[np.ndarray, " orders"]:
    """How many objects are looked at, the target included."""
    return (orders == target).argmax(axis=1) + 1


def expected_fixations(priorities: Float[Array, " n"], target: int) -> float:
    """1 + sum_{j != t} sig(x_j - x_t): the mean number of looks until the target."""
    return float(expit(np.delete(priorities, target) - priorities[target]).sum() + 1)


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class SearchDisplay:
    """Priorities (n,) of 2 to 6 objects, and which of them is the target."""

    priorities: Float[Array, " n"]
    target: int

    def __post_init__(self) -> None:
        priorities = finite_array("priorities", self.priorities, (None,), leading=False)
        require(2 <= len(priorities) <= 6, f"there must be 2 to 6 objects, got {len(priorities)}")
        require(integer("target", self.target, least=0) < len(priorities), f"target must name one, got {self.target}")
        object.__setattr__(self, "priorities", priorities)

    def mean_looks(self, target: int) -> float:
        """Until `target`, by enumeration of all orders."""
        return float(scanpath_law(self.priorities) @ looks_until(all_orders(len(self.priorities)), target))


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Objects looked at by softmax without return: the expected number of fixations until target t is
    1 + sum_{j != t} sig(x_j - x_t).""",
    source=FANG_2024,
    kind="identity",
    tolerance=1e-13,
)
def fixations_until_a_target_add_logistic_odds(case: SearchDisplay) -> float:
    return relative_error(case.mean_looks(case.target), expected_fixations(case.priorities, case.target))


@claim(
    statement="""Softmax without return looks at object j before object t with probability sig(x_j - x_t), whatever
    else is there.""",
    source=FANG_2024,
    kind="identity",
    tolerance=1e-13,
)
def objects_overtake_each_other_in_pairs(case: SearchDisplay) -> float:
    orders = all_orders(len(case.priorities))
    earlier = np.argsort(orders, axis=1)
    before = scanpath_law(case.priorities) @ (earlier < earlier[:, [case.target]])
    closed = expit(case.priorities - case.priorities[case.target])
    return relative_error(np.delete(before, case.target), np.delete(closed, case.target), scale=1.0)


@claim(
    statement="""Averaged over which of n objects is the target, search without return takes (n + 1) / 2 fixations
    whatever the priorities: what attention gains on some targets it loses on others.""",
    source=FANG_2024,
    kind="identity",
    tolerance=1e-13,
)
def priorities_do_not_shorten_search_on_average(case: SearchDisplay) -> float:
    objects = len(case.priorities)
    return relative_error(np.mean([case.mean_looks(t) for t in range(objects)]), (objects + 1) / 2)


@claim(
    statement="""Search without return needs at most 1 / p_t fixations on average, p_t the attention on the target: as
    many as search with return only in the limit of a target that takes all.""",
    source=FANG_2024,
    kind="inequality",
    tolerance=1e-12,
)
def search_without_return_beats_one_over_attention(case: SearchDisplay) -> float:
    return excess(case.mean_looks(case.target), 1 / softmax(case.priorities)[case.target])


@claim(
    statement="The expected number of fixations until a target is one over the attention on it, without return too.",
    source=FANG_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (SearchDisplay(np.zeros(4), 0),),
)
def fixations_are_one_over_attention(case: SearchDisplay) -> float:
    """2.5 instead of 4 among four equal objects."""
    return relative_error(case.mean_looks(case.target), 1 / softmax(case.priorities)[case.target])
