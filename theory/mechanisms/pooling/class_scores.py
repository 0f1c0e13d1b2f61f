"""Frames weighted by class scores before they are averaged: how much the signal-to-noise ratio gains.

T frames, of which the set A shows the action. A feature has mean mu on A, 0 elsewhere, and white noise of variance
sigma^2; the ratio is the squared mean of the pooled feature over its variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import SRIDHAR_2021
from theory.validation import finite_array, fraction, real, require


def pooled_signal_to_noise(
    weights: Float[Array, " t"], means: Float[Array, " t"], noise: float = 1.0
) -> Float[Array, ""]:
    """(w . means)^2 / (noise^2 |w|^2): of the weighted mean of frames with these mean features and standard deviation
    `noise`. Scaling the weights changes nothing.
    """
    return np.asarray((weights @ means) ** 2 / (noise**2 * (weights @ weights)))


def semantic_gain(share: float, error: float) -> float:
    """(1 - e)^2 / (rho (1 - e)^2 + (1 - rho) e^2): by how much weights 1 - e on the action and e off it raise the
    signal-to-noise ratio of the plain mean; `share` rho of the frames show the action.
    """
    rho, e = fraction("share", share), fraction("error", error)
    return (1.0 - e) ** 2 / (rho * (1.0 - e) ** 2 + (1.0 - rho) * e**2)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Frames:
    """Which of T frames show the action (at least one does and one does not), and a score for every frame."""

    action: Bool[NDArray[np.bool_], " t"]
    scores: Float[Array, " t"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "action", np.asarray(self.action, dtype=bool))
        object.__setattr__(self, "scores", finite_array("scores", self.scores, self.action.shape, leading=False))
        require(self.action.any() and not self.action.all(), "some frames must show the action and some must not")

    @property
    def gain(self) -> float:
        """Signal-to-noise of the mean weighted by softmax(scores) over that of the plain mean."""
        means = self.action.astype(float)
        weighted = pooled_signal_to_noise(softmax(self.scores), means)
        return float(weighted / pooled_signal_to_noise(np.ones(len(means)), means))


@dataclass(frozen=True)
class TwoScores:
    """`action` of `frames` frames show the action, and score `gap` more than the others; |gap| <= 20."""

    frames: int
    action: int
    gap: float

    def __post_init__(self) -> None:
        require(0 < self.action < self.frames, f"some frames must show the action, got {self.action} of {self.frames}")
        require(abs(real("gap", self.gap)) <= 20, f"the gap must be at most 20 in size, got {self.gap!r}")

    @property
    def scored(self) -> Frames:
        """The frames, the action first."""
        action = np.arange(self.frames) < self.action
        return Frames(action, np.where(action, self.gap, 0.0))


# ---------------------------------------------------------------------------------------------------------- claims


def _gain_beyond_chance() -> Iterator[Any]:
    """gain - 1 = (1 - rho)(1 - 2 e) / (rho (1 - e)^2 + (1 - rho) e^2)."""
    import sympy as sp

    rho, e = sp.symbols("rho e", positive=True)
    below = rho * (1 - e) ** 2 + (1 - rho) * e**2
    yield (1 - e) ** 2 / below - 1 - (1 - rho) * (1 - 2 * e) / below


@claim(
    statement="""Softmax attention on two class scores that differ by a gap g puts 1 - e = sig(g) on the action and e
    off it, and multiplies the signal-to-noise ratio of the plain mean by
    (1 - e)^2 / (rho (1 - e)^2 + (1 - rho) e^2) = 1 / (rho + (1 - rho) e^{-2g}).""",
    source=SRIDHAR_2021,
    kind="identity",
    tolerance=1e-10,
    symbolic=_gain_beyond_chance,
)
def semantic_weights_gain(case: TwoScores) -> float:
    rho, gain = case.action / case.frames, case.scored.gain
    error = 1.0 / (1.0 + np.exp(case.gap))
    return max(
        relative_error(gain, semantic_gain(rho, error)),
        relative_error(gain, 1.0 / (rho + (1.0 - rho) * np.exp(-2.0 * case.gap))),
    )


@claim(
    statement="""Whatever the scores, weighted pooling raises the signal-to-noise ratio of the plain mean by at most one
    over the share of action frames; equal weights on the action and none off it attain this.""",
    source=SRIDHAR_2021,
    kind="inequality",
    tolerance=1e-12,
)
def semantic_gain_is_at_most_one_over_the_share(case: Frames) -> float:
    return excess(case.gain * case.action.mean(), 1.0)


@claim(
    statement="Attention by class scores raises the signal-to-noise ratio, however poor the scores.",
    source=SRIDHAR_2021,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (TwoScores(10, 1, -0.85),),
)
def any_scores_help(case: TwoScores) -> float:
    """Scores worse than chance: the plain mean is five times better."""
    return excess(1.0, case.scored.gain)
