"""Disturbed attention logits: how far softmax can move, in sharp bounds, and in which direction it moves most.

With p = softmax(a), q = softmax(a + r) and R = max r - min r, everything below depends on r only up to a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess
from theory.mechanisms.instances import Logits
from theory.numerics import Array, exp_remainder
from theory.papers import EFTEKHAR_2023, FANG_2024, KITADA_2020, KITADA_2021
from theory.validation import finite_array, real, require


def total_variation(weights: ArrayLike, others: ArrayLike) -> float:
    """|p - q|_1 / 2 of two attention rows (n,)."""
    return float(np.abs(np.asarray(weights) - np.asarray(others)).sum() / 2)


def total_variation_bound(change: ArrayLike) -> float:
    """tanh((max r - min r) / 4): the furthest that adding r (n,) to any logits moves softmax in total variation."""
    change = finite_array("change", change, (None,), leading=False)
    return float(np.tanh(np.ptp(change) / 4))


def divergence(logits: ArrayLike, change: ArrayLike) -> float:
    """KL(softmax(a) || softmax(a + r)) in nats = log E_p[e^{r - E_p r}], to full relative accuracy."""
    weights, change = softmax(logits), np.asarray(change, dtype=np.float64)
    centred = change - weights @ change
    top = centred.max()
    if top < 500:
        return float(np.log1p(weights @ exp_remainder(centred)))
    return float(top + np.log(weights @ np.exp(centred - top)))


def divergence_bound(change: ArrayLike) -> float:
    """log(sinh h / h) + h coth h - 1, h = (max r - min r) / 2: the largest KL that adding r makes; h^2/2 at small h."""
    h = float(np.ptp(finite_array("change", change, (None,), leading=False))) / 2
    if h < 0.025:  # the closed form would cancel; the next term of the series is below 1e-12 of the first
        return h**2 / 2 * (1 - h**2 / 18 + 2 * h**4 / 405)
    return float(h + np.log(-np.expm1(-2 * h) / (2 * h)) + h / np.tanh(h) - 1)


def curvature(logits: ArrayLike) -> Float[Array, "n n"]:
    """diag(p) - p p^T: the Jacobian of softmax at the logits (n,), and the Hessian of `divergence` at r = 0."""
    weights = softmax(logits)
    return np.diag(weights) - np.outer(weights, weights)


def worst_direction(logits: ArrayLike) -> Float[Array, " n"]:
    """The unit r along which a small change moves softmax most in KL: the top eigenvector of `curvature`."""
    return np.linalg.eigh(curvature(logits))[1][:, -1]


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Disturbed(Logits):
    """Any logits (n,), and a change (n,) that differs between them: its range is at least 1e-4."""

    change: Float[Array, " n"]

    def __post_init__(self) -> None:
        super().__post_init__()
        change = finite_array("change", self.change, (len(self.values),), leading=False)
        require(np.ptp(change) >= 1e-4, f"the change must differ between keys by at least 1e-4, got {np.ptp(change):g}")
        object.__setattr__(self, "change", change)

    @classmethod
    def worst(cls, spread: float, keys: int = 2) -> Disturbed:
        """Two keys at -r/2 against each other, any others far below: attains the bounds on |q - p|."""
        change = np.r_[spread, np.zeros(keys - 1)]
        return cls(np.r_[-spread / 2, 0.0, np.full(keys - 2, -800.0)], change)

    @property
    def disturbed(self) -> Float[Array, " n"]:
        """softmax(a + r)."""
        return softmax(self.values + self.change)


@dataclass(frozen=True, eq=False)
class SmallStep(Logits):
    """Any logits (n,), a direction (n,) that is not the same everywhere, and the length of a step, below 1."""

    direction: Float[Array, " n"]
    length: float

    def __post_init__(self) -> None:
        super().__post_init__()
        direction = finite_array("direction", self.direction, (len(self.values),), leading=False)
        require(np.ptp(direction) >= 1e-3, f"the direction must differ between keys, got range {np.ptp(direction):g}")
        real("length", self.length, above=0.0, below=1.0)
        object.__setattr__(self, "direction", direction / np.linalg.norm(direction))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Adding r to the logits moves softmax in total variation by at most tanh((max r - min r) / 4), which is
    at most |r|_inf / 2: attained by two keys at -r/2.""",
    source=KITADA_2020,
    also=(KITADA_2021, EFTEKHAR_2023, FANG_2024),
    kind="inequality",
    tolerance=1e-10,
)
def softmax_moves_at_most_tanh_of_a_quarter_range(case: Disturbed) -> float:
    return excess(total_variation(case.weights, case.disturbed), total_variation_bound(case.change))


@claim(
    statement="""Adding r to the logits moves softmax in Euclidean norm by at most sqrt(2) tanh((max r - min r) / 4),
    which is at most |r|_2 / 2: both are attained at two keys, the second as r vanishes.""",
    source=KITADA_2020,
    also=(KITADA_2021,),
    kind="inequality",
    tolerance=1e-10,
)
def softmax_moves_at_most_half_the_norm(case: Disturbed) -> float:
    moved, sharp = np.linalg.norm(case.disturbed - case.weights), np.sqrt(2) * total_variation_bound(case.change)
    plain = np.linalg.norm(case.change - case.change.mean()) / 2  # a constant in r moves nothing
    return max(excess(moved, sharp), excess(sharp, plain))


@claim(
    statement="""Adding r to the logits costs KL(p || q) <= log(sinh h / h) + h coth h - 1, h = (max r - min r) / 2,
    which is at most h^2 / 2: attained by two keys for every h.""",
    source=KITADA_2021,
    also=(KITADA_2020,),
    kind="inequality",
    tolerance=1e-11,
)
def divergence_is_at_most_that_of_two_keys(case: Disturbed) -> float:
    bound = divergence_bound(case.change)
    return max(excess(divergence(case.values, case.change), bound), excess(bound, np.ptp(case.change) ** 2 / 8))


@claim(
    statement="""With R = max r - min r the KL of a change r lies between Var_p(r) (e^{-R} - 1 + R) / R^2 and
    Var_p(r) (e^R - 1 - R) / R^2, so that it is Var_p(r) / 2 for small changes.""",
    source=KITADA_2021,
    also=(KITADA_2020,),
    kind="inequality",
    tolerance=1e-10,
)
def divergence_is_half_a_variance_up_to_its_range(case: Disturbed) -> float:
    spread, found = np.ptp(case.change), divergence(case.values, case.change)
    centred = case.change - case.weights @ case.change
    variance = case.weights @ centred**2 / spread**2
    return max(excess(found, variance * exp_remainder(spread)), excess(variance * exp_remainder(-spread), found))


@claim(
    statement="""No step of length eps costs more KL than eps along the top eigenvector of diag(p) - p p^T, up to the
    factor (e^R - 1 - R) / (e^{-R} - 1 + R), R = sqrt(2) eps, which is 1 + O(eps).""",
    source=KITADA_2021,
    also=(KITADA_2020,),
    kind="inequality",
    tolerance=1e-10,
)
def worst_small_direction_is_the_top_eigenvector(case: SmallStep) -> float:
    spread = np.sqrt(2) * case.length
    best = divergence(case.values, case.length * worst_direction(case.values))
    slack = exp_remainder(spread) / exp_remainder(-spread)
    return excess(divergence(case.values, case.length * case.direction), best * slack)
