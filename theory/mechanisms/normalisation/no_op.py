"""The logit range that doing nothing takes: softmax needs one that grows with length, clipped softmax a fixed one.

A head does nothing if all its weight lies on one token, whose value is zero. `gap` is how far the logit of that token
is above the others'; gamma < 0 and zeta >= 1 stretch the softmax weights p to clip((zeta - gamma) p + gamma, 0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention_variants import clipped_softmax_attention
from theory.claims import claim, excess
from theory.mechanisms.instances import Logits
from theory.numerics import Array
from theory.papers import BONDARENKO_2023, ZHANG_2024
from theory.validation import finite_array, integer, real, require


def gap_for_noise(keys: int, noise: float) -> float:
    """log((n - 1)(1 - eps) / eps): the gap at which softmax leaves mass eps to n - 1 equal others."""
    noise = real("noise", noise, above=0.0, below=1.0)
    return float(np.log((integer("keys", keys, least=2) - 1) * (1 - noise) / noise))


def gap_for_zeros(keys: int, gamma: float, zeta: float = 1.0) -> float:
    """log((zeta - gamma) / (-gamma) - (n - 1)): the gap from which clipped softmax gives n - 1 equal others exactly 0.

    -inf where it does so at every gap, as n - 1 keys already dilute each other enough.
    """
    gamma, zeta = _stretch(gamma, zeta)
    needed = (zeta - gamma) / -gamma - (integer("keys", keys, least=2) - 1)
    return float(np.log(needed)) if needed > 0 else -np.inf


def gap_for_zeros_at_any_length(gamma: float, zeta: float = 1.0) -> float:
    """log(zeta / -gamma): from this gap on clipped softmax gives every other token exactly 0, however many they are."""
    gamma, zeta = _stretch(gamma, zeta)
    return float(np.log(zeta / -gamma))


def gap_for_one(keys: int, gamma: float, zeta: float) -> float:
    """log((n - 1)(1 - gamma) / (zeta - 1)): the gap from which clipped softmax gives it exactly 1; inf at zeta = 1."""
    gamma, zeta = _stretch(gamma, zeta)
    others = integer("keys", keys, least=2) - 1
    return float(np.log(others * (1 - gamma) / (zeta - 1))) if zeta > 1 else np.inf


def _stretch(gamma: float, zeta: float) -> tuple[float, float]:
    if real("gamma", gamma) >= 0:
        raise ValueError(f"gamma must be negative, got {gamma!r}")
    if real("zeta", zeta) < 1:
        raise ValueError(f"zeta must be at least 1, got {zeta!r}")
    return float(gamma), float(zeta)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ClippedRow:
    """A token at logit 0 and n - 1 others at `others` (n - 1,), under clipped softmax with gamma < 0 and zeta >= 1."""

    others: Float[Array, " k"]
    gamma: float
    zeta: float

    def __post_init__(self) -> None:
        _stretch(self.gamma, self.zeta)
        object.__setattr__(self, "others", finite_array("others", self.others, (None,), leading=False))

    @property
    def keys(self) -> int:
        """n, the token included."""
        return 1 + len(self.others)

    @property
    def weights(self) -> Float[Array, " n"]:
        """The clipped weights, the token's first: the last row of a causal head sees every key."""
        row = np.concatenate([[0.0], self.others])
        square = np.broadcast_to(row, (self.keys, self.keys))
        return clipped_softmax_attention(square, gamma=self.gamma, zeta=self.zeta)[-1]


@dataclass(frozen=True, eq=False)
class EqualOthers(ClippedRow):
    """Hypothesis: all others have the same logit, -gap."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.ptp(self.others) == 0, f"all others must have one logit, got range {np.ptp(self.others)}")

    @classmethod
    def at(cls, gap: float, keys: int, gamma: float, zeta: float) -> EqualOthers:
        """n - 1 others at -gap."""
        return cls(np.full(keys - 1, -gap), gamma, zeta)

    @property
    def gap(self) -> float:
        """How far the token is above the others."""
        return float(-self.others[0])


@dataclass(frozen=True, eq=False)
class WideRow(ClippedRow):
    """Hypothesis: every other logit is at least log(zeta / -gamma) below the token's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        gap = gap_for_zeros_at_any_length(self.gamma, self.zeta)
        require(self.others.max() <= -gap, f"all others must be {gap:g} below the token, got {-self.others.max():g}")


# ---------------------------------------------------------------------------------------------------------- claims

NEAR = 1e-9  # gaps this close to a threshold may round to either side


def _disagrees(found: bool, gap: float, threshold: float) -> float:
    return float(found != (gap >= threshold) and abs(gap - threshold) > NEAR)


@claim(
    statement="""A softmax row that leaves mass m outside one token has logits of range at least
    log((n - 1)(1 - m) / m), attained where all others are equal: less noise, or more keys, take more.""",
    source=BONDARENKO_2023,
    also=(ZHANG_2024,),
    kind="inequality",
    tolerance=1e-12,
)
def silence_under_softmax_needs_a_logit_range(case: Logits) -> float:
    """Of every token in turn; the mass outside is added up, not subtracted from 1."""
    weights, others = case.weights, len(case.values) - 1
    outside = weights @ (1 - np.eye(others + 1))
    with np.errstate(divide="ignore"):  # a weight may underflow to 0: then the bound is -inf
        needed = np.log(others) + np.log(weights) - np.log(outside)
    return excess(needed, np.ptp(case.values), scale=max(1.0, float(np.ptp(case.values))))


@claim(
    statement="""Clipped softmax gives n - 1 equal others exactly 0 iff they are at least
    log((zeta - gamma) / (-gamma) - (n - 1)) below the token, and always where that logarithm has no argument.""",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=0.0,
)
def clipped_others_vanish_beyond_their_gap(case: EqualOthers) -> float:
    """1 where the row disagrees, rounding apart."""
    return _disagrees(not case.weights[1:].any(), case.gap, gap_for_zeros(case.keys, case.gamma, case.zeta))


@claim(
    statement="""Clipped softmax gives the token exactly 1 iff n - 1 equal others are at least
    log((n - 1)(1 - gamma) / (zeta - 1)) below it, which still grows with length.""",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=0.0,
)
def clipped_token_is_one_beyond_its_gap(case: EqualOthers) -> float:
    """1 where the row disagrees, rounding apart."""
    return _disagrees(bool(case.weights[0] == 1), case.gap, gap_for_one(case.keys, case.gamma, case.zeta))


@claim(
    statement="""Clipped softmax gives every other token exactly 0 once each is log(zeta / -gamma) below: a range
    that does not grow with the number of tokens.""",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=1e-14,
    fails_without=lambda: (ClippedRow(np.array([-2.0, -9.0]), -0.03, 1.0),),
)
def clipped_softmax_does_nothing_at_any_length(case: WideRow) -> float:
    return float(case.weights[1:].max())
