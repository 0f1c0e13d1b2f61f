"""The attention that a sink holds: what removing it, or giving part of it to other tokens, does to the head's output.

o = sum_j p_j v_j is the output, a = p_s the weight of the sink s, v_s its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.special import logit

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import GU_2024, KANG_2025
from theory.validation import finite_array, fraction, require


def redistributed(
    weights: Float[Array, " n"], sink: int, recipients: Bool[NDArray[np.bool_], " n"], share: float
) -> Float[Array, " n"]:
    """The weights (n,) after `share` of the sink's went to the recipients, in proportion to what each of them has."""
    moved = share * weights[sink]
    given = np.where(recipients, weights, 0.0)
    after = weights + moved * given / given.sum()
    after[sink] -= moved
    return after


def redistributing_bias(
    weights: Float[Array, " n"], sink: int, recipients: Bool[NDArray[np.bool_], " n"], share: float
) -> Float[Array, " n"]:
    """What to add to the logits for `redistributed` weights: log(1 - share) to the sink, log(1 + share a / m) to the
    recipients of total weight m; share below 1.
    """
    bias = np.where(recipients, np.log1p(share * weights[sink] / weights[recipients].sum()), 0.0)
    bias[sink] = np.log1p(-share)
    return bias


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class SinkHead:
    """Logits (n,), n >= 2, in +-15 and values (n, v), not all zero, of one query, whose first token is the sink; which
    of the others receive; and the share in [0, 1) of its weight that it gives away.
    """

    logits: Float[Array, " n"]
    values: Float[Array, "n v"]
    recipients: Bool[NDArray[np.bool_], " n"]
    share: float

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        object.__setattr__(self, "logits", logits)
        values = finite_array("values", self.values, (len(logits), None), leading=False)
        object.__setattr__(self, "values", values)
        fraction("share", self.share, below_one=True)
        require(np.abs(logits).max() <= 15, f"logits must be in +-15, got {np.abs(logits).max()}")
        require(np.abs(values).max() >= 1e-6, f"some value must be at least 1e-6, got {np.abs(values).max()}")
        require(self.recipients.any() and not self.recipients[0], "some token other than the sink must receive")

    @property
    def weights(self) -> Float[Array, " n"]:
        """Before anything is moved."""
        return softmax(self.logits)

    @property
    def redistributed(self) -> Float[Array, " n"]:
        """After the sink gave its share."""
        return redistributed(self.weights, 0, self.recipients, self.share)


@dataclass(frozen=True, eq=False)
class SharedWithAll(SinkHead):
    """Hypothesis: every other token receives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.recipients[1:].all(), "every token other than the sink must receive")


@dataclass(frozen=True, eq=False)
class DrainedSink(SharedWithAll):
    """Hypotheses: every other token receives, and the value of the sink is zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.values[0].any(), f"the value of the sink must be zero, got {self.values[0]}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Masking the sink moves the output by a / (1 - a) (o - v_s), and zeroing its weight without
    renormalisation by -a v_s: with a drained value that is nothing.""",
    source=KANG_2025,
    also=(GU_2024,),
    kind="identity",
    tolerance=1e-13,
)
def removing_a_sink_moves_the_output_by_its_odds(case: SinkHead) -> float:
    """Both, against attention over the other tokens; 1 - a is added up from their weights."""
    a, output, others = case.weights[0], case.weights @ case.values, case.weights[1:]
    masked = softmax(case.logits[1:]) @ case.values[1:]
    predicted = output + a / others.sum() * (output - case.values[0])
    zeroed = relative_error(others @ case.values[1:], output - a * case.values[0], scale=np.abs(case.values).max())
    size = np.abs(case.values).max() / others.sum()  # the difference o - v_s cancels where a is near 1
    return max(relative_error(masked, predicted, scale=size), zeroed)


@claim(
    statement="""Giving a share rho of the sink's weight a to other tokens, in proportion, moves the output by
    rho a (mean of their values - v_s) and keeps the odds between them.""",
    source=KANG_2025,
    kind="identity",
    tolerance=1e-12,
)
def redistribution_moves_the_output_towards_its_recipients(case: SinkHead) -> float:
    moved = case.redistributed @ case.values - case.weights @ case.values
    chosen = case.weights[case.recipients]
    mean = chosen @ case.values[case.recipients] / chosen.sum()
    error = relative_error(
        moved, case.share * case.weights[0] * (mean - case.values[0]), scale=np.abs(case.values).max()
    )
    after = case.redistributed[case.recipients]
    return max(error, relative_error(after / after.sum(), chosen / chosen.sum()))


@claim(
    statement="""Redistribution is a bias on the logits: log(1 - rho) on the sink and log(1 + rho a / m) on recipients
    of total weight m.""",
    source=KANG_2025,
    kind="identity",
    tolerance=1e-12,
)
def redistribution_is_a_logit_bias(case: SinkHead) -> float:
    bias = redistributing_bias(case.weights, 0, case.recipients, case.share)
    return relative_error(softmax(case.logits + bias), case.redistributed)


@claim(
    statement="Redistribution to all other tokens is one bias on the sink's logit, logit((1 - rho) a) - logit(a).",
    source=KANG_2025,
    kind="identity",
    tolerance=1e-11,
)
def redistribution_to_all_lowers_the_sink_logit(case: SharedWithAll) -> float:
    a = case.weights[0]
    lowered = case.logits.copy()
    lowered[0] += logit((1 - case.share) * a) - logit(a)
    return relative_error(softmax(lowered), case.redistributed)


def _valued_sink() -> tuple[SharedWithAll]:
    values = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    return (SharedWithAll(np.zeros(3), values, np.array([False, True, True]), 0.5),)


@claim(
    statement="""If the value of the sink is zero, redistribution to all others is a gain 1 + rho a / (1 - a) on the
    output: it cannot turn it.""",
    source=KANG_2025,
    kind="identity",
    tolerance=1e-12,
    fails_without=_valued_sink,
)
def recycling_a_drained_sink_is_a_gain(case: DrainedSink) -> float:
    gain = 1 + case.share * case.weights[0] / case.weights[1:].sum()
    output = case.weights @ case.values
    return relative_error(case.redistributed @ case.values, gain * output, scale=np.abs(case.values).max())
