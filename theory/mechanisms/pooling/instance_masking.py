"""Attention over the instances of a bag: what the top instances leave to the others, and what masking them returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import ZHANG_2023
from theory.validation import finite_array, fraction, integer, require


def top_instances(logits: ArrayLike, count: int) -> Bool[NDArray[np.bool_], " n"]:
    """Which `count` instances have the largest logits; ties go to the earlier one."""
    logits = finite_array("logits", logits, (None,), leading=False)
    require(1 <= integer("count", count, least=1) < len(logits), f"some instances must remain, got {count!r} on top")
    chosen = np.zeros(len(logits), dtype=bool)
    chosen[np.argsort(-logits, kind="stable")[:count]] = True
    return chosen


def masked_weights(logits: ArrayLike, count: int) -> Float[Array, " n"]:
    """Softmax weights after the `count` top instances are masked out."""
    return softmax(logits, ~top_instances(logits, count))


def logit_gradient(logits: ArrayLike, values: ArrayLike) -> Float[Array, " n"]:
    """p_j (v_j - s): the gradient of the pooled value s = sum_j p_j v_j in the logits."""
    weights, values = softmax(logits), np.asarray(values, dtype=np.float64)
    return weights * (values - weights @ values)


def outside_gradient_bound(left: ArrayLike) -> Float[Array, "*b"]:
    """The largest sum of |gradient| over instances that are not on top, in units of the range of the values, when they
    hold the mass `left` = 1 - m: m (1 - m) from m = 2/3 on, (2 - m)^2 / 8 below.
    """
    left = np.asarray(left, dtype=np.float64)
    return np.where(left <= 1.0 / 3.0, left * (1.0 - left), (1.0 + left) ** 2 / 8.0)


def expected_masked_weights(logits: ArrayLike, count: int, chance: float) -> Float[Array, " n"]:
    """Mean weights when the top instances are masked with probability `chance`."""
    chance = fraction("chance", chance)
    return (1.0 - chance) * softmax(logits) + chance * masked_weights(logits, count)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Bag:
    """Logits and values (n,) of n >= 2 instances, values that are not all equal, and how many count as top."""

    logits: Float[Array, " n"]
    values: Float[Array, " n"]
    top: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (None,), leading=False))
        object.__setattr__(self, "values", finite_array("values", self.values, self.logits.shape, leading=False))
        require(1 <= self.top < len(self.logits), f"top must leave an instance, got {self.top!r}")
        require(np.ptp(self.values) > 1e-6 * np.abs(self.values).max(), "the values must differ")

    @property
    def on_top(self) -> Bool[NDArray[np.bool_], " n"]:
        """The `top` instances."""
        return top_instances(self.logits, self.top)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""If the top instances hold the mass m, the logits of all others together get a gradient of the pooled
    value of at most m (1 - m) times the range of the values, or (2 - m)^2/8 times it where m < 2/3; both are attained,
    and both are at most 1 - m.""",
    source=ZHANG_2023,
    kind="inequality",
    tolerance=1e-11,
)
def other_instances_get_little_gradient(case: Bag) -> float:
    others = np.abs(logit_gradient(case.logits, case.values))[~case.on_top].sum()
    left = softmax(case.logits)[~case.on_top].sum()
    return excess(others, np.ptp(case.values) * outside_gradient_bound(left))


@claim(
    statement="Masking top instances that hold the mass m multiplies every other weight by 1/(1 - m).",
    source=ZHANG_2023,
    kind="identity",
    tolerance=1e-12,
)
def masking_multiplies_the_other_weights(case: Bag) -> float:
    weights, rest = softmax(case.logits), ~case.on_top
    return relative_error(masked_weights(case.logits, case.top)[rest], weights[rest] / weights[rest].sum())


@claim(
    statement="""Masking top instances of mass m with probability c multiplies the expected weight of every other by
    1 + c m/(1 - m), and leaves the top ones 1 - c of theirs.""",
    source=ZHANG_2023,
    kind="identity",
    tolerance=1e-12,
)
def random_masking_raises_the_other_weights(case: Bag) -> float:
    weights, top, chance = softmax(case.logits), case.on_top, 0.6
    mass, left = weights[top].sum(), weights[~top].sum()
    expected = np.where(top, (1.0 - chance) * weights, weights * (1.0 + chance * mass / left))
    return relative_error(expected_masked_weights(case.logits, case.top, chance), expected)


@claim(
    statement="Masking the top instance spreads attention: no weight is then as large as the top one was.",
    source=ZHANG_2023,
    kind="refuted",
    tolerance=0.3,
    counterexample=lambda: (Bag(np.array([4.1, 4.0, 0.0]), np.array([1.0, 0.0, 0.0]), 1),),
)
def masking_spreads_attention(case: Bag) -> float:
    """Two of three instances share the weight: masking one gives the other nearly all."""
    return float(masked_weights(case.logits, case.top).max() - softmax(case.logits).max())
