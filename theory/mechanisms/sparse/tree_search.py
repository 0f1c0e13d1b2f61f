"""Top-k keys by tree search: k blocks are halved again and again, each half is scored by its middle token, k survive.

The idea alone: T keys, T / k a power of two, one search for every query, no causal mask, no blocks of queries. A half
of h tokens is scored by its token number h // 2, counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from theory.attention import attend
from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.numerics import Array
from theory.papers import LEE_2024
from theory.validation import finite_array, integer, real, require

Indices = Int[NDArray[np.int64], "m c"]


def tree_search(score: Callable[[Indices], Float[Array, "m c"]], queries: int, keys: int, kept: int) -> Indices:
    """The `kept` keys (m, k), in order, that the search finds for each of m queries.

    `score` takes keys (m, c), c of them for every query, to their scores. Among equal scores the earlier candidate
    survives.
    """
    size = keys // kept
    starts = np.tile(size * np.arange(kept), (queries, 1))
    while size > 1:
        size //= 2
        starts = np.concatenate([starts, starts + size], axis=-1)
        scores = np.asarray(score(starts + size // 2))
        survivors = np.argsort(-scores, axis=-1, kind="stable")[:, :kept]
        starts = np.take_along_axis(starts, survivors, axis=-1)
    return np.sort(starts, axis=-1)


def search_keys(queries: Float[Array, "m d"], keys: Float[Array, "n d"], kept: int) -> Indices:
    """Tree search with the scores q . k."""
    return tree_search(lambda index: (keys[index] @ queries[:, :, None])[:, :, 0], len(queries), len(keys), kept)


def search_rows(scores: Float[Array, "m n"], kept: int) -> Indices:
    """Tree search where the scores of all keys are known."""
    rows, keys = scores.shape
    return tree_search(lambda index: np.take_along_axis(scores, index, axis=-1), rows, keys, kept)


def tree_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], kept: int
) -> Float[Array, "m v"]:
    """Softmax over the keys that the search finds."""
    found = search_keys(queries, keys, kept)
    return attend(queries[:, None, :], keys[found], values[found])[:, 0]


def evaluations(keys: float, kept: int) -> float:
    """2 k log2(T / k) scores for every query."""
    return 2 * kept * np.log2(keys / kept)


def tree_cost(queries: float, keys: float, kept: int, channels: int, value_channels: int) -> float:
    """m (2k log2(T/k) d + k (d + v)) multiplications: the search, then attention to what it found."""
    return queries * (evaluations(keys, kept) * channels + kept * (channels + value_channels))


def recall(scores: Float[Array, "m n"], found: Indices) -> Float[Array, " m"]:
    """The share of the k best scores that the search found; equal scores count as one another."""
    kept = found.shape[-1]
    least = np.sort(scores, axis=-1)[:, -kept]
    return (np.take_along_axis(scores, found, axis=-1) >= least[:, None]).mean(axis=-1)


def recall_without_locality(keys: int, kept: int) -> float:
    """1 - (1 - 2k/T)^2: the mean recall where all orders of the scores are equally likely.

    A half that holds a best key survives for certain if that key is its middle, else with probability 1/2, since its
    middle is then one of 2k exchangeable ones. Over log2(T/2k) rounds a key is the middle in at most one.
    """
    return 1.0 - (1.0 - 2.0 * kept / keys) ** 2


def all_middles_are_best(scores: Float[Array, "m n"], kept: int) -> Bool[NDArray[np.bool_], "m n"]:
    """For every key whether it and the middle of every half that holds it beat all but the k - 1 others."""
    beaten = np.sort(scores, axis=-1)[:, -kept - 1, None]
    sure, size = scores > beaten, scores.shape[-1] // kept
    while size > 1:
        size //= 2
        sure &= np.repeat(scores[:, size // 2 :: size] > beaten, size, axis=-1)
    return sure


def locality(scores: Float[Array, " n"], kept: int) -> float:
    """max of s_t - s_middle over all tokens t of all halves that the search could score."""
    size, worst = len(scores) // kept, 0.0
    while size > 1:
        size //= 2
        halves = scores.reshape(-1, size)
        worst = max(worst, float((halves - halves[:, size // 2 : size // 2 + 1]).max()))
    return worst


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """The scores (T,) of one query, T = k 2^levels with at least one level."""

    scores: Float[Array, " n"]
    kept: int

    def __post_init__(self) -> None:
        scores = finite_array("scores", self.scores, (None,), leading=False)
        object.__setattr__(self, "scores", scores)
        _check_tree(len(scores), self.kept)


@dataclass(frozen=True)
class FallingRow:
    """Hypotheses: scores fall with the distance from a centre, anywhere on the line, and at least 2 keys are kept."""

    centre: float
    kept: int
    levels: int

    def __post_init__(self) -> None:
        real("centre", self.centre)
        integer("kept", self.kept, least=2)
        integer("levels", self.levels, least=1)

    @property
    def scores(self) -> Float[Array, " n"]:
        """-|j - c|: only the order matters."""
        return -np.abs(np.arange(self.kept * 2**self.levels) - self.centre)


@dataclass(frozen=True)
class TreeSize:
    """k kept of T keys, T / k a power of two and at least 2."""

    keys: int
    kept: int

    def __post_init__(self) -> None:
        _check_tree(self.keys, self.kept)


def _check_tree(keys: int, kept: int) -> None:
    integer("kept", kept, least=1)
    ratio = keys // kept
    fits = ratio * kept == keys and ratio >= 2 and ratio & (ratio - 1) == 0
    require(fits, f"keys / kept must be a power of two, at least 2, got {keys} / {kept}")


# --------------------------------------------------------------------------------------------------------------- claims


def _sum_over_rounds() -> list[Any]:
    """2^-m for the rounds with halves of 2^m, ..., 2 tokens, times 2 where the key is a middle, which 1 in 2^l are."""
    import sympy as sp

    chances = [(m, sp.Rational(1, 2**m)) for m in range(8)]
    return [x * (1 + sum(sp.Rational(1, 2**i) for i in range(1, m + 1))) - (1 - (1 - x) ** 2) for m, x in chances]


@claim(
    statement="""The tree search finds the k best keys, k >= 2, of every row whose scores fall with the distance from a
    centre.""",
    source=LEE_2024,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: (ScoreRow(-np.abs(np.arange(4.0) - 1.8), 1),),
)
def tree_search_is_exact_where_scores_fall_from_a_centre(case: FallingRow) -> float:
    row = case.scores[None]
    return 1.0 - float(recall(row, search_rows(row, case.kept))[0])


@claim(
    statement="The tree search finds the k best keys of every row whose scores rise to one peak and then fall.",
    source=LEE_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (ScoreRow(np.array([1.0, 2.0, 3.0, 9.0, 10.0, 0.0, -1.0, -2.0]), 2),),
)
def tree_search_is_exact_on_every_single_peak(case: ScoreRow) -> float:
    """The share of the best keys that is lost: a cliff beside the peak gives its half a poor middle."""
    row = case.scores[None]
    return 1.0 - float(recall(row, search_rows(row, case.kept))[0])


@claim(
    statement="""The tree search loses a key only if its score exceeds the k-th best one by no more than scores exceed
    the middle of their halves.""",
    source=LEE_2024,
    kind="inequality",
    tolerance=1e-12,
)
def tree_search_loses_little_where_scores_are_local(case: ScoreRow) -> float:
    lost = np.setdiff1d(np.arange(len(case.scores)), search_rows(case.scores[None], case.kept))
    beyond = max(0.0, float(case.scores[lost].max() - np.sort(case.scores)[-case.kept]))
    return excess(beyond, locality(case.scores, case.kept))


@claim(
    statement="""The tree search finds every key that is, like the middles of all halves that hold it, one of the k
    best.""",
    source=LEE_2024,
    kind="identity",
    tolerance=0.0,
)
def tree_search_finds_keys_whose_middles_are_best(case: ScoreRow) -> float:
    """How many such keys are lost."""
    sure = np.flatnonzero(all_middles_are_best(case.scores[None], case.kept))
    return float(np.setdiff1d(sure, search_rows(case.scores[None], case.kept)).size)


@claim(
    statement="""Where all orders of the scores are equally likely, the tree search finds the share 1 - (1 - 2k/T)^2 of
    the k best of T keys: without locality it overlooks nearly all.""",
    source=LEE_2024,
    kind="identity",
    tolerance=1e-12,
    symbolic=_sum_over_rounds,
)
def tree_search_recall_without_locality(case: TreeSize) -> float:
    """The mean over all T! orders."""
    orders = np.array(list(permutations(range(case.keys))), dtype=np.float64)
    return relative_error(
        recall(orders, search_rows(orders, case.kept)).mean(), recall_without_locality(case.keys, case.kept)
    )


@claim(
    statement="""The tree search scores 2k log2(T/k) of T keys for every query: with attention to the k found,
    2k log2(T/k) d + k (d + v) multiplications.""",
    source=LEE_2024,
    kind="identity",
    tolerance=0.0,
)
def tree_search_scores_few_keys(case: ScoreRow) -> float:
    queries, keys = np.ones((3, 2)), np.column_stack([case.scores, case.scores])
    counted = multiplications(lambda q, k: tree_attention(q, k, k, case.kept), queries, keys)
    return relative_error(counted, tree_cost(3, len(keys), case.kept, 2, 2))
