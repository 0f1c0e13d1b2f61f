"""Why a normalised head needs a sink to do nothing, and one that is not normalised does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls
from scipy.special import expit

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import GU_2024
from theory.validation import finite_array, require


def nearest_in_hull(values: Float[Array, "n v"]) -> Float[Array, " n"]:
    """Weights (n,) >= 0 of sum 1 that make |sum_j w_j v_j| least.

    Non-negative least squares of (V^T; 1^T) w = (0; 1): its solution points the same way, and is rescaled.
    """
    values = finite_array("values", values, (None, None), leading=False)
    target = np.append(np.zeros(values.shape[1]), 1.0)
    weights = nnls(np.vstack([values.T, np.ones(len(values))]), target)[0]
    return weights / weights.sum()


def hull_distance(values: Float[Array, "n v"]) -> float:
    """The distance of 0 from the convex hull of the values (n, v): 0 inside."""
    return float(np.linalg.norm(nearest_in_hull(values) @ values))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class SinkOfNothing:
    """Logits (n + 1,) of a sink with value zero, first, and of n tokens with values (n, v), none of them zero."""

    logits: Float[Array, " k"]
    values: Float[Array, "n v"]

    def __post_init__(self) -> None:
        values = finite_array("values", self.values, (None, None), leading=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (1 + len(values),), leading=False))
        require(np.linalg.norm(values, axis=1).min() > 0, "no value may be zero except the sink's")

    @property
    def weights(self) -> Float[Array, " k"]:
        """The sink's first."""
        return softmax(self.logits)

    @property
    def output(self) -> float:
        """|o|."""
        return float(np.linalg.norm(self.weights[1:] @ self.values))


@dataclass(frozen=True, eq=False)
class OutsideTheHull(SinkOfNothing):
    """Hypothesis: 0 is at least 1e-3 outside the convex hull of the values."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(hull_distance(self.values) >= 1e-3, "0 must be 1e-3 outside the hull of the values")


@dataclass(frozen=True, eq=False)
class NoObtuseValues(SinkOfNothing):
    """Hypothesis: no two values make an obtuse angle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.values @ self.values.T).min() >= -1e-12, "no two values may make an obtuse angle")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""A head whose sink has weight a and value zero writes |o| >= (1 - a) dist(0, hull of the other values),
    so that |o| <= eps forces a >= 1 - eps / dist: attained at the nearest point of the hull.""",
    source=GU_2024,
    kind="inequality",
    tolerance=1e-11,
)
def doing_nothing_needs_a_sink(case: OutsideTheHull) -> float:
    return excess(case.weights[1:].sum() * hull_distance(case.values), case.output)


def _opposite_values() -> tuple[SinkOfNothing]:
    return (SinkOfNothing(np.array([-5.0, 0.0, 0.0]), np.array([[1.0, 0.0], [-1.0, 0.0]])),)


@claim(
    statement="""If no two of n values make an obtuse angle, then |o| >= (1 - a) min |v| / sqrt(n), attained by
    orthogonal values of one norm: with 0 in their hull a head can do nothing without a sink.""",
    source=GU_2024,
    kind="inequality",
    tolerance=1e-11,
    fails_without=_opposite_values,
)
def doing_nothing_needs_a_sink_among_acute_values(case: NoObtuseValues) -> float:
    shortest = np.linalg.norm(case.values, axis=1).min() / np.sqrt(len(case.values))
    return excess(case.weights[1:].sum() * shortest, case.output)


@claim(
    statement="""A head that writes |o| <= eps needs a token of weight at least 1 - eps / dist, however its weights are
    made (sigmoid weights can all be small).""",
    source=GU_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (OutsideTheHull(np.full(4, -8.0), np.eye(3)),),
)
def any_weights_need_a_sink(case: OutsideTheHull) -> float:
    """The sink weight asked for less the largest sigmoid weight."""
    weights = expit(case.logits)
    written = np.linalg.norm(weights[1:] @ case.values)
    return float(1 - written / hull_distance(case.values) - weights.max())


def _cross_derivatives() -> Iterable[Any]:
    import sympy

    logits = sympy.symbols("l0:3", real=True)
    total = sum(sympy.exp(x) for x in logits)
    p = [sympy.exp(x) / total for x in logits]
    for i in range(3):
        for j in range(3):
            yield sympy.diff(p[i], logits[j]) - (p[i] * (1 if i == j else 0) - p[i] * p[j])


@claim(
    statement="""Softmax weights compete, dp_i / dl_j = -p_i p_j for i != j, so that a sink's weight comes from all
    others in proportion; sigmoid weights do not, dw_i / dl_j = 0.""",
    source=GU_2024,
    kind="identity",
    tolerance=1e-11,
    symbolic=_cross_derivatives,
)
def softmax_tokens_compete(case: SinkOfNothing) -> float:
    """All derivatives by complex steps through exponentials, to 1e-13 of their largest or of 1e-3."""
    moved = case.logits + 1e-30j * np.eye(len(case.logits))  # row j moves logit j
    grown = np.exp(moved - case.logits.max())
    softmax_slopes = (grown / grown.sum(axis=1, keepdims=True)).imag / 1e-30
    sigmoid_slopes = (1 / (1 + np.exp(-moved))).imag / 1e-30
    expected = np.diag(case.weights) - np.outer(case.weights, case.weights)
    alone = np.diag(expit(case.logits) * expit(-case.logits))
    softmax_error = relative_error(softmax_slopes, expected, scale=1e-3)
    return max(softmax_error, relative_error(sigmoid_slopes, alone, scale=1e-3))
