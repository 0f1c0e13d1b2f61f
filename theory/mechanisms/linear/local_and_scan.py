"""What a local window, a linear scan, and both together can know of a sequence, exactly.

T tokens x are independent N(0, 1) and N numbers z = C x are kept, C in R^{N x T}. Two targets, each of variance one:

    selection   x_{T-s}, with s uniform over the last w tokens and known only when the states are read
    whole       sum_t x_t / sqrt T

The inputs are Gaussian, so the best decoder of any kind is linear and its error is the trace of what C does not span.
States gated by the input are not linear and not covered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import FU_2024
from theory.validation import finite_array, integer, require


@dataclass(frozen=True, eq=False)
class LinearStates:
    """States C (N, T), N >= 1, and a window of the last w tokens, 1 <= w <= T."""

    states: Float[Array, "s t"]
    window: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", finite_array("states", self.states, (None, None), leading=False))
        length = self.states.shape[1]
        require(integer("window", self.window, least=1) <= length, f"w <= T = {length}, got {self.window}")


@dataclass(frozen=True, eq=False)
class SummingStates(LinearStates):
    """Hypothesis: the first state is the sum of all tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.states[0] == 1).all(), "the first state must be the sum of all tokens")


@dataclass(frozen=True)
class LocalWindow:
    """A window of the last w of T tokens."""

    length: int
    window: int

    def __post_init__(self) -> None:
        integer("length", self.length, least=1)
        require(integer("window", self.window, least=1) <= self.length, f"w <= T, got {self.window} > {self.length}")

    @property
    def states(self) -> Float[Array, "w t"]:
        """The last w tokens themselves."""
        return np.eye(self.length)[self.length - self.window :]


def decaying_states(decays: Float[Array, " s"], length: int) -> Float[Array, "s t"]:
    """h_t = a h_{t-1} + x_t for every decay a: C_{r,t} = a_r^{T-t}; a decay of one sums."""
    return np.asarray(decays, dtype=np.float64)[:, None] ** np.arange(length - 1.0, -1.0, -1.0)


def errors(states: Float[Array, "s t"], targets: Float[Array, "k t"]) -> Float[Array, " k"]:
    """Least mean squared error of every target . x given C x: its squared distance from the row space of C."""
    directions, sizes, _ = np.linalg.svd(states.T, full_matrices=False)
    directions = directions[:, sizes > 1e-10 * sizes.max(initial=0.0)]
    return ((targets - (targets @ directions) @ directions.T) ** 2).sum(axis=1)


def selection_error(states: Float[Array, "s t"], window: int) -> float:
    """Mean error over the last `window` tokens: which one is asked for is known to the decoder, not to the states."""
    return float(errors(states, np.eye(states.shape[1])[-window:]).mean())


def whole_error(states: Float[Array, "s t"]) -> float:
    """Error of the sum over all tokens / sqrt T."""
    length = states.shape[1]
    return float(errors(states, np.full((1, length), 1 / np.sqrt(length)))[0])


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""N fixed linear states give the token asked for among the last w with mean squared error at least
    1 - N / w, whatever decodes them; N states that hold N of the w tokens attain it.""",
    source=FU_2024,
    kind="inequality",
    tolerance=1e-13,
)
def fixed_states_cannot_select(case: LinearStates) -> float:
    return excess(1.0 - len(case.states) / case.window, selection_error(case.states, case.window), scale=1.0)


@claim(
    statement="""If one of N states sums all T tokens the error is at least 1 - (N - 1 + w / T) / w: a sum is worth
    w / T of a slot. Attained by differences of tokens of the window.""",
    source=FU_2024,
    kind="inequality",
    tolerance=1e-13,
    fails_without=lambda: (LinearStates(np.eye(8)[-4:], 4),),
)
def a_summing_state_wastes_a_slot(case: SummingStates) -> float:
    kept = len(case.states) - 1 + case.window / case.states.shape[1]
    return excess(1.0 - kept / case.window, selection_error(case.states, case.window), scale=1.0)


@claim(
    statement="""The window alone selects without error and misses the whole by exactly 1 - w / T; with one
    summing state beside it both errors vanish.""",
    source=FU_2024,
    kind="identity",
    tolerance=1e-13,
)
def a_window_needs_one_sum(case: LocalWindow) -> float:
    both = np.concatenate([case.states, np.ones((1, case.length))])
    return max(
        relative_error(whole_error(case.states), 1 - case.window / case.length, scale=1.0),
        selection_error(case.states, case.window),
        selection_error(both, case.window),
        whole_error(both),
    )


@claim(
    statement="As many decaying scans as the window has tokens replace it.",
    source=FU_2024,
    kind="refuted",
    tolerance=0.4,
    counterexample=lambda: (LinearStates(decaying_states(np.linspace(0.3, 0.97, 8), 32), 8),),
)
def decaying_scans_replace_a_window(case: LinearStates) -> float:
    """The selection error of eight scans on eight of 32 tokens, where the bound is 0."""
    return selection_error(case.states, case.window)
