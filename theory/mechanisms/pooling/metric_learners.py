"""Several learned metrics for several attributes: which triplet questions can S dissimilarities answer?

K binary attributes; points are the corners of the cube. For an ordered pair of attributes i, j take any x, let y differ
from x in j alone and z in i alone: attribute i asks for d(x, y) < d(x, z), attribute j for the reverse. The learner
that serves an attribute answers its questions; a tie counts 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import ADIGA_2022
from theory.validation import finite_array, integer, require


def triplet_accuracy(learner_of: ArrayLike, dissimilarities: ArrayLike) -> float:
    """Share of the questions of all ordered pairs and points that are answered; `learner_of` (K,) names each
    attribute's learner, `dissimilarities` (S, 2^K, 2^K) are between points in binary order.
    """
    learner_of = np.asarray(learner_of, dtype=np.int64)
    d, attributes = np.asarray(dissimilarities, dtype=np.float64), len(learner_of)
    x = np.arange(2**attributes)
    correct = []
    for i, j in permutations(range(attributes), 2):
        served = d[learner_of[i]]
        same, other = served[x, x ^ (1 << j)], served[x, x ^ (1 << i)]
        correct.append(((same < other) + 0.5 * (same == other)).mean())
    return float(np.mean(correct))


def assignment_bound(learner_of: ArrayLike) -> Float[Array, "*b"]:
    """1 - sum_g s_g (s_g - 1) / (2 K (K - 1)), where learner g serves s_g of the K >= 2 attributes of the last axis."""
    learner_of = np.asarray(learner_of, dtype=np.int64)
    total = learner_of.shape[-1]
    require(total >= 2, f"there must be at least 2 attributes, got {total}")
    sizes = (learner_of[..., None] == np.arange(learner_of.max() + 1)).sum(axis=-2)
    return 1.0 - (sizes * (sizes - 1)).sum(axis=-1) / (2.0 * total * (total - 1))


def best_triplet_accuracy(attributes: int, learners: int) -> float:
    """The bound for groups that are as equal as can be: the best that S learners reach on K attributes."""
    attributes, learners = integer("attributes", attributes, least=2), integer("learners", learners, least=1)
    return float(assignment_bound(np.arange(attributes) % learners))


def hamming_learners(learner_of: ArrayLike) -> Float[Array, "S p p"]:
    """Each learner counts differing attributes among those that it serves."""
    learner_of = np.asarray(learner_of, dtype=np.int64)
    bits = (np.arange(2 ** len(learner_of))[:, None] >> np.arange(len(learner_of))) & 1
    differs = (bits[:, None] != bits[None]).astype(float)
    return np.array([differs @ (learner_of == g) for g in range(learner_of.max() + 1)])


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Learners:
    """Dissimilarities (S, 2^K, 2^K) between the corners of a cube with 2 <= K <= 5, and who serves which attribute."""

    learner_of: Int[NDArray[np.int64], " K"]
    dissimilarities: Float[Array, "S p p"]

    def __post_init__(self) -> None:
        served = np.asarray(self.learner_of, dtype=np.int64)
        require(served.ndim == 1 and 2 <= len(served) <= 5, f"there must be 2 to 5 attributes, got {served.shape}")
        points = 2 ** len(served)
        made = finite_array("dissimilarities", self.dissimilarities, (None, points, points), leading=False)
        require(served.min() >= 0 and served.max() < len(made), "every attribute must have one of the learners")
        object.__setattr__(self, "learner_of", served)
        object.__setattr__(self, "dissimilarities", made)


@dataclass(frozen=True)
class Counts:
    """2 <= K <= 5 attributes and 1 <= S <= K + 1 learners."""

    attributes: int
    learners: int

    def __post_init__(self) -> None:
        require(2 <= self.attributes <= 5, f"there must be 2 to 5 attributes, got {self.attributes!r}")
        require(1 <= self.learners <= self.attributes + 1, f"learners must be 1 to K + 1, got {self.learners!r}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Whatever dissimilarities they use, learners of which the g-th serves s_g of K attributes answer at most
    1 - sum s_g (s_g - 1) / (2 K (K - 1)) of the conflicting triplets.""",
    source=ADIGA_2022,
    kind="inequality",
    tolerance=1e-12,
)
def shared_metric_answers_half(case: Learners) -> float:
    return excess(triplet_accuracy(case.learner_of, case.dissimilarities), assignment_bound(case.learner_of))


@claim(
    statement="""S learners answer at most the share of balanced groups, over all assignments of K attributes, and
    Hamming distances on the attributes served reach it: all triplets if and only if S >= K.""",
    source=ADIGA_2022,
    kind="identity",
    tolerance=1e-12,
)
def balanced_groups_are_best(case: Counts) -> float:
    """The formula against the best assignment by enumeration, and against balanced Hamming learners."""
    best = best_triplet_accuracy(case.attributes, case.learners)
    every = assignment_bound(list(product(range(case.learners), repeat=case.attributes))).max()
    balanced = np.arange(case.attributes) % case.learners
    reached = triplet_accuracy(balanced, hamming_learners(balanced))
    full = float((best == 1.0) != (case.learners >= case.attributes))
    return max(relative_error(every, best), relative_error(reached, best), full)


@claim(
    statement="One metric serves any number of attributes, if it weighs them well.",
    source=ADIGA_2022,
    kind="refuted",
    tolerance=0.4,
    counterexample=lambda: (Learners(np.zeros(3, dtype=np.int64), hamming_learners(np.zeros(3, dtype=np.int64))),),
)
def one_metric_serves_all_attributes(case: Learners) -> float:
    """The share of conflicting triplets that one metric misses: half, whatever its weights."""
    return 1.0 - triplet_accuracy(case.learner_of, case.dissimilarities)
