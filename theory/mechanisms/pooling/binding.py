"""Which colour has the asked object? What a sum of object vectors cannot bind, and what attention guarantees.

A scene has n + 1 objects of different shapes; every colour is drawn uniformly from C. The question names the shape of
one of the objects, each equally likely; the answer is its colour. n counts the distractors.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import factorial

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.numerics import Array
from theory.papers import ITO_2024
from theory.validation import finite_array, integer, require


def expected_largest_multiplicity(objects: int, colours: int) -> Fraction:
    """E of the number of objects in the commonest colour, exactly: sum_k P(some colour more than k times), where
    P(none) = N! / C^N times the coefficient of t^N in (sum_{j <= k} t^j / j!)^C.
    """
    total, colours = integer("objects", objects, least=1), integer("colours", colours, least=1)
    expected = Fraction(0)
    for most in range(total):
        power = [Fraction(1)] + [Fraction(0)] * total
        for _ in range(colours):
            power = [
                sum((power[t - j] / factorial(j) for j in range(min(most, t) + 1)), Fraction(0))
                for t in range(total + 1)
            ]
        expected += 1 - power[total] * factorial(total) / Fraction(colours) ** total
    return expected


def pooled_accuracy_bound(distractors: int, colours: int) -> float:
    """E[largest multiplicity] / (n + 1): no decoder of a sum of additive object vectors answers more often."""
    objects = integer("distractors", distractors, least=0) + 1
    return float(expected_largest_multiplicity(objects, colours) / objects)


def best_pooled_accuracy(objects: ArrayLike) -> float:
    """How often the best decoder of the summed object vectors answers, by enumeration of all colourings and questions.

    `objects` (N, C, d): the vector of shape s in colour c, all N shapes are in the scene. Equal sums are told apart by
    nothing; entries should be integers, so that sums are exact.
    """
    objects = np.asarray(objects, dtype=np.float64)
    shapes, colours, _ = objects.shape
    colourings = np.array(list(product(range(colours), repeat=shapes)))
    sums = objects[np.arange(shapes), colourings].sum(axis=1)
    _, scene = np.unique(sums, axis=0, return_inverse=True)
    answers = np.zeros((scene.max() + 1, shapes, colours))
    np.add.at(answers, (scene.reshape(-1)[:, None], np.arange(shapes), colourings), 1.0)
    return float(answers.max(axis=-1).sum() / colourings.size)


def guaranteed_mass(distractors: ArrayLike, gap: ArrayLike) -> Float[Array, "*b"]:
    """1 / (1 + n e^{-gap}): the least softmax weight of a key whose logit leads each of n others by at least `gap`."""
    return 1.0 / (1.0 + np.asarray(distractors, dtype=np.float64) * np.exp(-np.asarray(gap, dtype=np.float64)))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Objects:
    """Vectors (N, C, d) of N >= 1 shapes in C >= 2 colours, with integer entries and at most 1,500 colourings."""

    vectors: Float[Array, "N C d"]

    def __post_init__(self) -> None:
        vectors = finite_array("vectors", self.vectors, (None, None, None), leading=False)
        shapes, colours, _ = vectors.shape
        require(colours >= 2, f"there must be at least 2 colours, got {colours}")
        require(colours**shapes <= 1500, f"there must be at most 1,500 colourings, got {colours**shapes}")
        require((vectors == np.rint(vectors)).all() and np.abs(vectors).max() < 2**40, "entries must be integers")
        object.__setattr__(self, "vectors", vectors)


@dataclass(frozen=True, eq=False)
class AdditiveObjects(Objects):
    """Hypothesis: an object's vector is its shape's plus its colour's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = self.vectors - self.vectors[:1] - self.vectors[:, :1] + self.vectors[:1, :1]
        require(not parts.any(), "shape and colour must add")

    @classmethod
    def of(cls, shapes: ArrayLike, colours: ArrayLike) -> AdditiveObjects:
        """Objects of shape vectors (N, d) and colour vectors (C, d)."""
        return cls(np.asarray(shapes)[:, None] + np.asarray(colours)[None])


@dataclass(frozen=True)
class SceneSize:
    """N >= 1 objects in C >= 2 colours, at most 1,500 colourings."""

    objects: int
    colours: int

    def __post_init__(self) -> None:
        require(self.objects >= 1 and self.colours >= 2, "there must be an object and 2 colours")
        require(self.colours**self.objects <= 1500, "there must be at most 1,500 colourings")


@dataclass(frozen=True, eq=False)
class AskedObject:
    """Logits of n + 1 >= 2 objects, the asked one first."""

    logits: Logits

    @property
    def gap(self) -> float:
        """By how much the asked object leads its closest rival; negative where it does not."""
        return float(self.logits.values[0] - self.logits.values[1:].max())


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""The expected number of objects in the commonest of C uniform colours is what the generating function
    says: a sum over all colourings.""",
    source=ITO_2024,
    kind="identity",
    tolerance=1e-14,
)
def largest_multiplicity_is_known(case: SceneSize) -> float:
    colourings = np.array(list(product(range(case.colours), repeat=case.objects)))
    counts = (colourings[:, :, None] == np.arange(case.colours)).sum(axis=1)
    return relative_error(counts.max(axis=1).mean(), float(expected_largest_multiplicity(case.objects, case.colours)))


@claim(
    statement="""From a sum of object vectors that are shape plus colour, no decoder names the asked object's colour
    more often than E[largest multiplicity of a colour] / (n + 1); vectors in general position attain it.""",
    source=ITO_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=lambda: (Objects(np.array([[[0.0], [1.0]], [[0.0], [2.0]], [[0.0], [4.0]]])),),
)
def pooled_sum_cannot_bind(case: AdditiveObjects) -> float:
    shapes, colours, _ = case.vectors.shape
    return excess(best_pooled_accuracy(case.vectors), pooled_accuracy_bound(shapes - 1, colours))


@claim(
    statement="""A key whose logit leads n others by a gap of at least g has a softmax weight of at least
    1/(1 + n e^-g), attained where all others are equal.""",
    source=ITO_2024,
    kind="inequality",
    tolerance=1e-12,
)
def softmax_guarantees_the_asked_object(case: AskedObject) -> float:
    weights = softmax(case.logits.values)
    return excess(guaranteed_mass(len(weights) - 1, min(case.gap, 700.0)), weights[0])


@claim(
    statement="A sum of object vectors holds which object has which colour, if the embedding is wide enough.",
    source=ITO_2024,
    kind="refuted",
    tolerance=0.2,
    counterexample=lambda: (AdditiveObjects.of(np.eye(8)[:3], np.eye(8)[3:]),),
)
def wide_sum_can_bind(case: AdditiveObjects) -> float:
    """Errors of the best decoder although all shapes and colours are linearly independent."""
    return 1.0 - best_pooled_accuracy(case.vectors)
