"""Attention as a pointer: the weight on the largest score, and sorting by pointing again at what is left.

Scores x (n,), sharpness beta, weights softmax(beta x); g is the gap between the largest score and the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from theory.attention import softmax
from theory.claims import claim, excess
from theory.numerics import Array
from theory.papers import VINYALS_2015
from theory.validation import finite_array, real, require


def pointer_weights(scores: Float[Array, " n"], sharpness: float) -> Float[Array, "n n"]:
    """Row t: where the pointer looks at step t, over the items that the steps before have not taken."""
    left = np.ones(len(scores), dtype=bool)
    rows = np.empty((len(scores), len(scores)))
    for row in rows:
        row[:] = softmax(sharpness * scores, left)
        left[row.argmax()] = False
    return rows


def pointed_order(scores: Float[Array, " n"], sharpness: float) -> Int[NDArray[np.intp], " n"]:
    """The item taken at every step: a sort from the largest down."""
    return pointer_weights(scores, sharpness).argmax(axis=-1)


def needed_sharpness(length: int, gap: float, error: float) -> float:
    """The beta at which the largest of n scores gets weight 1 - error while all others lie a gap below it:
    log((n - 1) (1 - error) / error) / g, which grows with log n.
    """
    return float(np.log((length - 1) * (1 - error) / error) / gap)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores (n,), n >= 2, and sharpness beta > 0. Hypothesis: the largest score is alone."""

    values: Float[Array, " n"]
    sharpness: float

    def __post_init__(self) -> None:
        values = finite_array("values", self.values, (None,), leading=False)
        require(len(values) >= 2, f"there must be at least 2 scores, got {len(values)}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "sharpness", real("sharpness", self.sharpness, above=0.0))
        require(self.gap > 0, "the largest score must be alone")

    @property
    def gap(self) -> float:
        """The largest score minus the second."""
        second, first = np.sort(self.values)[-2:]
        return float(first - second)


@dataclass(frozen=True, eq=False)
class Unsorted:
    """Distinct scores (n,), n >= 2, and the error in (0, 1/2) that a step may make. Hypothesis: the least distance of
    two scores is at least 1e-3 of their range, so that rounding cannot decide.
    """

    values: Float[Array, " n"]
    error: float

    def __post_init__(self) -> None:
        values = finite_array("values", self.values, (None,), leading=False)
        require(len(values) >= 2, f"there must be at least 2 scores, got {len(values)}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "error", real("error", self.error, above=0.0, below=0.5))
        require(self.gap >= 1e-3 * np.ptp(values) > 0, f"scores must be distinct, got the least distance {self.gap}")

    @property
    def gap(self) -> float:
        """The least distance of two scores."""
        return float(np.diff(np.sort(self.values)).min())


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""The weight on the largest of n scores is at least 1 / (1 + (n - 1) e^{-beta g}), and so at least
    1 - (n - 1) e^{-beta g}, at every n; attained where all others tie.""",
    source=VINYALS_2015,
    kind="inequality",
    tolerance=1e-12,
)
def pointer_weight_has_a_floor(case: Scores) -> float:
    rivals = (len(case.values) - 1) * np.exp(-case.sharpness * case.gap)
    weight = softmax(case.sharpness * case.values).max()
    return max(excess(1 / (1 + rivals), weight), excess(1 - rivals, weight, scale=1.0))


@claim(
    statement="""With beta = log((n - 1) (1 - e) / e) / g, g the least distance of two scores, pointing again and again
    at what is left sorts any n distinct scores; every step puts at least 1 - e on the right item, and what it reads,
    sum_j p_j x_j, misses the sorted score by at most e times the range of what is left.""",
    source=VINYALS_2015,
    kind="inequality",
    tolerance=1e-10,
)
def pointer_sorts_any_length(case: Unsorted) -> float:
    beta = needed_sharpness(len(case.values), case.gap, case.error)
    weights, order = pointer_weights(case.values, beta), np.argsort(-case.values)
    if not np.array_equal(pointed_order(case.values, beta), order):
        return 1.0
    right, kept = np.diagonal(weights[:, order]), case.values[order]
    span = kept[:-1] - kept[-1]
    return max(
        excess(1 - right, case.error, scale=case.error),
        excess((kept - weights @ case.values)[:-1], case.error * span, scale=case.error * span),
    )


@claim(
    statement="One sharpness points at the largest score, with most of the weight, at every length.",
    source=VINYALS_2015,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (Scores(np.append(np.zeros(999), 1.0), sharpness=needed_sharpness(10, 1.0, 0.05)),),
)
def one_sharpness_serves_every_length(case: Scores) -> float:
    """A sharpness that puts 95% on the largest of 10 scores puts 15% on the largest of 1,000."""
    return 0.5 - float(softmax(case.sharpness * case.values).max())
