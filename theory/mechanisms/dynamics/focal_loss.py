"""The focal loss as a weight on the gradients of cross entropy: which examples it mutes, and which it makes louder.

FL = -(1 - p)^g log p for the probability p = sigmoid(z) of the right label and a focus g > 0; g = 0 is cross entropy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_expit

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import MORAVVEJ_2023
from theory.validation import real, require

LARGEST_PEAK = 0.2031878699799799
"""The root p < 1 of log p = -2 (1 - p): where the weight peaks as the focus goes to 0."""


def focal_loss(logits: ArrayLike, focus: float) -> Float[Array, "*b"]:
    """-(1 - p)^g log p at p = sigmoid(z)."""
    logits = np.asarray(logits, dtype=np.float64)
    return -np.exp(focus * log_expit(-logits)) * log_expit(logits)


def focal_weight(probability: ArrayLike, focus: float) -> Float[Array, "*b"]:
    """w = (1 - p)^(g - 1) ((1 - p) - g p log p) for p in (0, 1): dFL/dz = -(1 - p) w."""
    p = np.asarray(probability, dtype=np.float64)
    return (1 - p) ** (focus - 1) * ((1 - p) - focus * p * np.log(p))


def loudest_probability(focus: float) -> float:
    """The p* at which the weight is largest: log p (1 - g p) = -2 (1 - p), p < 1/g; e^{-2} for g = 1."""

    def slope(p: float) -> float:
        return -np.log(p) * (1 - focus * p) - 2 * (1 - p)

    return float(brentq(slope, 1e-12, min(LARGEST_PEAK, 1 / focus), xtol=1e-15, rtol=1e-14))


def minority_odds(hard: float, easy: float, rivals: int, focus: float) -> float:
    """The size of the gradient of one example with probability `hard` over that of `rivals` examples with `easy`."""
    own, other = ((1 - p) * focal_weight(p, focus) for p in (hard, easy))
    return float(own / (rivals * other))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class FocusedExample:
    """The logit of the right label, |z| <= 15, and a focus g in (0, 20]."""

    logit: float
    focus: float

    def __post_init__(self) -> None:
        require(abs(real("logit", self.logit)) <= 15, f"the logit must be within 15, got {self.logit}")
        require(0 < real("focus", self.focus) <= 20, f"the focus must be in (0, 20], got {self.focus}")

    @property
    def probability(self) -> float:
        """p = sigmoid(z)."""
        return float(expit(self.logit))


@dataclass(frozen=True)
class FocusedPair:
    """The probabilities of the right label of two examples, 0 < worse <= better < 1, and a focus g in (0, 20]."""

    worse: float
    better: float
    focus: float

    def __post_init__(self) -> None:
        real("worse", self.worse, above=0.0)
        real("better", self.better, below=1.0)
        require(self.worse <= self.better, f"worse must be at most better, got {self.worse} and {self.better}")
        require(0 < real("focus", self.focus) <= 20, f"the focus must be in (0, 20], got {self.focus}")


@dataclass(frozen=True)
class LearnedPair(FocusedPair):
    """Hypothesis: both have at least the probability where the weight can peak, 0.2032."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.worse >= LARGEST_PEAK, f"both must have at least {LARGEST_PEAK:.4f}, got {self.worse}")


# ---------------------------------------------------------------------------------------------------------- claims


def _derivatives() -> Iterator[Any]:
    """dFL/dz + (1 - p) w, and the peak condition from dw/dp, written in q = 1 - p."""
    import sympy as sp

    q, g = sp.symbols("q g", positive=True)
    log = sp.log(1 - q)
    weight = q ** (g - 1) * (q - g * (1 - q) * log)
    yield (sp.diff(q**g * log, q) * q * (1 - q) + q * weight) / q**g
    yield (-sp.diff(weight, q) - g * q ** (g - 2) * (-log * (1 - g * (1 - q)) - 2 * q)) / q**g


@claim(
    statement="""The gradient of the focal loss is that of cross entropy, -(1 - p), times
    w = (1 - p)^(g - 1) ((1 - p) - g p log p).""",
    source=MORAVVEJ_2023,
    kind="identity",
    tolerance=1e-7,
    symbolic=_derivatives,
)
def focal_gradient_is_weighted(case: FocusedExample) -> float:
    """Against differences of the loss, of fourth order."""
    z, h = case.logit, 1e-3
    near, far = (focal_loss(z + d, case.focus) - focal_loss(z - d, case.focus) for d in (h, 2 * h))
    p = case.probability
    return relative_error(-(1 - p) * focal_weight(p, case.focus), (8 * near - far) / (12 * h))


@claim(
    statement="""The weight of the focal loss has one peak, at the p* < 0.2032 with -log p* (1 - g p*) = 2 (1 - p*),
    where it is (1 - p*)^g (1 + g p*) / (1 - g p*) > 1; e^{-2} and 1 + e^{-2} for g = 1.""",
    source=MORAVVEJ_2023,
    kind="identity",
    tolerance=1e-12,
)
def focal_weight_has_one_peak(case: FocusedExample) -> float:
    """Against a search for the largest weight; the weight must rise before and fall behind it, on a grid."""
    focus, peak = case.focus, loudest_probability(case.focus)
    found = -minimize_scalar(
        lambda p: -float(focal_weight(p, focus)), bounds=(0.0, 0.5), method="bounded", options={"xatol": 1e-10}
    ).fun
    grid = np.linspace(1e-3, 1 - 1e-3, 400)
    turns = np.diff(focal_weight(np.append(peak * grid, peak + (1 - peak) * grid), focus))
    if (turns[:399] < -1e-15).any() or (turns[400:] > 1e-15).any() or not found > 1:
        return np.inf
    return relative_error((1 - peak) ** focus * (1 + focus * peak) / (1 - focus * peak), found)


@claim(
    statement="""Of two examples whose right label has at least 0.2032, the root of log p = -2 (1 - p), the focal loss
    weighs the better one less, whatever the focus.""",
    source=MORAVVEJ_2023,
    kind="inequality",
    tolerance=1e-12,
    fails_without=lambda: (FocusedPair(0.02, 0.1, 1.0),),
)
def focal_weight_falls_above_a_fifth(case: LearnedPair) -> float:
    return excess(focal_weight(case.better, case.focus), focal_weight(case.worse, case.focus))


@claim(
    statement="""The focal loss multiplies the odds in the gradient of one example of probability p+, against n of p-,
    by w(p+) / w(p-).""",
    source=MORAVVEJ_2023,
    kind="identity",
    tolerance=1e-7,
)
def focal_loss_changes_the_odds_of_a_minority(case: FocusedPair) -> float:
    """Fifty to one, by differences of the losses, of fourth order."""
    rivals, h = 50, 1e-3
    logits = np.log([case.worse, case.better]) - np.log1p([-case.worse, -case.better])

    def odds(focus: float) -> float:
        near, far = (focal_loss(logits + d, focus) - focal_loss(logits - d, focus) for d in (h, 2 * h))
        own, other = 8 * near - far
        return float(own / (rivals * other))

    predicted = minority_odds(case.worse, case.better, rivals, case.focus)
    factor = float(focal_weight(case.worse, case.focus) / focal_weight(case.better, case.focus))
    return max(relative_error(odds(case.focus), predicted), relative_error(odds(case.focus) / odds(0.0), factor))


@claim(
    statement="The focal loss, which is never above cross entropy, has gradients that are never above those of it.",
    source=MORAVVEJ_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (FocusedExample(float(-np.log(np.expm1(2.0))), 1.0),),
)
def focal_gradients_are_only_muted(case: FocusedExample) -> float:
    """At p = e^{-2} and g = 1 the gradient is 1 + e^{-2} times as large."""
    return float(focal_weight(case.probability, case.focus)) - 1.0
