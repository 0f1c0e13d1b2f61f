"""Which tokens a head's answer rests on: by gradient, by removal; and how far an edit of some of them reaches.

A scalar read-out is s = sum_j p_j u_j with p = softmax(x): u_j = w . v_j is what token j says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.credit.subsets import Chosen, proper_subset
from theory.numerics import Array, diameter
from theory.papers import PATHANIA_2024
from theory.validation import finite_array, require


def gradient_score(logits: Float[Array, " n"], said: Float[Array, " n"]) -> Float[Array, " n"]:
    """ds/dx_j = p_j (u_j - s)."""
    p = softmax(logits)
    return p * (said - p @ said)


def attention_times_gradient(logits: Float[Array, " n"], said: Float[Array, " n"]) -> Float[Array, " n"]:
    """p_j ds/dp_j = p_j u_j, each weight taken as free: no longer blind to a constant added to all u."""
    return softmax(logits) * said


def removal_effect(logits: Float[Array, " n"], said: Float[Array, " n"], removed: Chosen) -> float:
    """How s changes when the `removed` tokens, not all of them, leave the softmax."""
    return float(softmax(logits, ~removed) @ said - softmax(logits) @ said)


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Answer:
    """Logits (n,) and what the tokens say (n,), and a set of them to `remove`: some, not all, weight <= 0.999."""

    logits: Float[Array, " n"]
    said: Float[Array, " n"]
    removed: Chosen

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (None,), leading=False))
        object.__setattr__(self, "said", finite_array("said", self.said, self.logits.shape, leading=False))
        proper_subset("removed", self.removed, len(self.logits))
        gone = softmax(self.logits)[self.removed].sum()
        require(gone <= 0.999, f"the removed tokens must have at most 0.999 of the attention, got {gone}")


@dataclass(frozen=True, eq=False)
class MaskedEdit:
    """Logits (n,) and values (n, v) before and after an edit of the tokens in `edited`.

    Hypothesis: no other token's logit or value changes.
    """

    logits: Float[Array, " n"]
    values: Float[Array, "n v"]
    new_logits: Float[Array, " n"]
    new_values: Float[Array, "n v"]
    edited: Chosen

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        values = finite_array("values", self.values, (len(logits), None), leading=False)
        new_logits = finite_array("new_logits", self.new_logits, logits.shape, leading=False)
        new_values = finite_array("new_values", self.new_values, values.shape, leading=False)
        proper_subset("edited", self.edited, len(logits))
        kept = ~self.edited
        same = (logits[kept] == new_logits[kept]).all() and (values[kept] == new_values[kept]).all()
        require(same, "tokens outside the edit must keep their logits and values")

    @property
    def moved(self) -> float:
        """|o' - o|."""
        return float(np.linalg.norm(softmax(self.new_logits) @ self.new_values - softmax(self.logits) @ self.values))

    @property
    def masses(self) -> tuple[float, float]:
        """Attention on the edited tokens before and after."""
        before, after = (softmax(x)[self.edited].sum() for x in (self.logits, self.new_logits))
        return float(before), float(after)

    @property
    def diameter(self) -> float:
        """The largest distance between two values, old or new."""
        return diameter(np.vstack([self.values, self.new_values]))


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Removing a set of tokens of attention m from a head changes its scalar read-out by exactly
    -1/(1 - m) times the sum of their gradients with respect to the logits.""",
    source=PATHANIA_2024,
    kind="identity",
    tolerance=1e-12,
)
def gradient_scores_tell_removal_effects(case: Answer) -> float:
    """Relative to the largest |u| over 1 - m: the removal effect can cancel."""
    left = 1.0 / softmax(case.logits)[~case.removed].sum()
    told = -left * gradient_score(case.logits, case.said)[case.removed].sum()
    scale = left * float(np.abs(case.said).max())
    return relative_error(removal_effect(case.logits, case.said, case.removed), told, scale=scale)


@claim(
    statement="""Editing logits and values of a set of tokens moves the output of a head by at most the larger of their
    attention before and after times the diameter of all values: exactly where one token is edited that said the same
    as all others.""",
    source=PATHANIA_2024,
    kind="inequality",
    tolerance=1e-12,
)
def an_edit_moves_the_output_by_its_mass(case: MaskedEdit) -> float:
    return excess(case.moved, max(case.masses) * case.diameter)


def _alone(size: int) -> list[Chosen]:
    return list(np.eye(size, dtype=bool))


@claim(
    statement="The token with the largest gradient with respect to its logit is the one whose removal costs most.",
    source=PATHANIA_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (
        Answer(np.log([0.6, 0.3, 0.1]), np.array([0.85, 1.2, -2.0]), np.array([True, False, False])),
    ),
)
def largest_gradient_is_largest_loss(case: Answer) -> float:
    """What the costliest removal takes beyond that of the token of largest gradient: 1/(1 - p) favours the weighty."""
    losses = [-removal_effect(case.logits, case.said, one) for one in _alone(len(case.said))]
    return max(losses) - losses[int(np.argmax(gradient_score(case.logits, case.said)))]


@claim(
    statement="""Attention times its gradient, each weight taken as free, has the sign of what removing the token
    takes away.""",
    source=PATHANIA_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (Answer(np.zeros(3), np.array([1.0, 2.0, 6.0]), np.array([True, False, False])),),
)
def attention_times_gradient_has_the_sign_of_the_loss(case: Answer) -> float:
    """By how much s rises when a token goes whose score is positive: all say something positive, some less than s."""
    scores = attention_times_gradient(case.logits, case.said)
    rises = [removal_effect(case.logits, case.said, one) for one in _alone(len(case.said))]
    return max(rise for rise, score in zip(rises, scores, strict=True) if score > 0)
