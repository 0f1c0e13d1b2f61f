"""Emphasis: a bias on the logits of some tokens. What scaling a head does is in `theory.mechanisms.credit`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import ARIF_2025
from theory.validation import finite_array, integer, require


def bias_that_holds_mass(before: int, after: int) -> float:
    """log(t / t_0): the bias that keeps the mass of a set, at equal logits, as the other tokens grow from t_0 to t."""
    return float(np.log(integer("after", after, least=1) / integer("before", before, least=1)))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ChosenTokens:
    """Logits (n,) in +-15, a set of tokens that is neither empty nor all, and a bias in +-15."""

    logits: Float[Array, " n"]
    chosen: Bool[NDArray[np.bool_], " n"]
    bias: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (len(self.chosen),), leading=False))
        require(np.abs(self.logits).max() <= 15, f"logits must be in +-15, got {np.abs(self.logits).max()}")
        require(self.chosen.any() and not self.chosen.all(), "some tokens must be chosen, and some not")
        require(abs(self.bias) <= 15, f"bias must be in +-15, got {self.bias}")


@dataclass(frozen=True)
class GrowingText:
    """`source` tokens and at first `before`, then `after` others, all at one logit."""

    source: int
    before: int
    after: int

    def __post_init__(self) -> None:
        for name in ("source", "before", "after"):
            integer(name, getattr(self, name), least=1)

    def source_mass(self, others: int, bias: float = 0.0) -> float:
        """The attention on the source."""
        logits = np.concatenate([np.full(self.source, bias), np.zeros(others)])
        return float(softmax(logits)[: self.source].sum())


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="A bias b on the logits of a set of tokens moves the log-odds of its attention mass by exactly b.",
    source=ARIF_2025,
    kind="identity",
    tolerance=1e-12,
)
def emphasis_moves_log_odds_by_its_bias(case: ChosenTokens) -> float:
    """Odds of masses that are added up on either side, against the plain ones times e^b."""

    def odds(weights: Array) -> float:
        return float(weights[case.chosen].sum() / weights[~case.chosen].sum())

    biased = odds(softmax(case.logits + case.bias * case.chosen))
    return relative_error(biased, odds(softmax(case.logits)) * np.exp(case.bias))


@claim(
    statement="""At equal logits n_v source tokens have the mass n_v / (n_v + t) among t others, and hold what they had
    at t_0 if biased by exactly log(t / t_0).""",
    source=ARIF_2025,
    kind="identity",
    tolerance=1e-12,
)
def a_logarithmic_bias_holds_the_source_mass(case: GrowingText) -> float:
    expected = case.source / (case.source + case.before)
    held = case.source_mass(case.after, bias_that_holds_mass(case.before, case.after))
    return max(relative_error(case.source_mass(case.before), expected), relative_error(held, expected))
