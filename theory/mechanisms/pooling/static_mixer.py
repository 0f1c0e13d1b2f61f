"""One of k tokens is wanted: what a fixed linear mixer loses, and what a gate that knows the selector loses.

Tokens x (k,) have mean 0 and covariance C, the selector s is uniform on them and the target is x_s. A static mixer
keeps r channels M x, the same for every s, and any read-out of (M x, s) follows. A gate weighs the tokens after it
saw s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import orth
from scipy.special import expit

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import ABDULLAH_2024
from theory.validation import finite_array, integer, real, require


def static_mixer_error(mixer: ArrayLike, covariance: ArrayLike) -> float:
    """Mean squared error of the best linear read-out of the `mixer` (r, k) channels, averaged over the selector: what a
    projection on the span of M C^{1/2} leaves of the tokens. For Gaussian tokens no other read-out does better.
    """
    mixer = finite_array("mixer", mixer, (None, None), leading=False)
    covariance = finite_array("covariance", covariance, (mixer.shape[1], mixer.shape[1]), leading=False)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(eigenvalues, 0.0)) * vectors
    kept = root @ orth((mixer @ root).T)
    return float((np.trace(covariance) - (kept**2).sum()) / len(covariance))


def static_mixer_bound(channels: int, covariance: ArrayLike) -> float:
    """The mean over tokens of the k - r smallest eigenvalues of their covariance: 1 - r/k for white tokens, r <= k."""
    covariance = finite_array("covariance", covariance, (None, None), leading=False)
    kept = max(0, len(covariance) - integer("channels", channels, least=1))
    return float(np.linalg.eigvalsh(covariance)[:kept].sum() / len(covariance))


def token_gate(tokens: ArrayLike, selector: int, strength: float) -> Float[Array, ""]:
    """sum_j sig(strength (2 [j = selector] - 1)) x_j over the last axis of `tokens`: one channel."""
    tokens = finite_array("tokens", tokens, (None,))
    wanted = np.arange(tokens.shape[-1]) == selector
    return tokens @ expit(strength * np.where(wanted, 1.0, -1.0))


def gate_error(tokens: int, strength: float) -> float:
    """k sig(-strength)^2: the gate's mean squared error on white tokens, read as it is."""
    return integer("tokens", tokens, least=1) * float(expit(-real("strength", strength))) ** 2


def rescaled_gate_error(tokens: int, strength: float) -> float:
    """(k - 1) e^{-2 strength} / (1 + (k - 1) e^{-2 strength}): the same after the best constant read-out."""
    others = (integer("tokens", tokens, least=1) - 1) * np.exp(-2.0 * real("strength", strength))
    return float(others / (1.0 + others))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class StaticMixer:
    """A mixer (r, k), r >= 1, of tokens with a covariance (k, k), and a read-out (k, r): row s answers selector s."""

    mixer: Float[Array, "r k"]
    read_out: Float[Array, "k r"]
    covariance: Float[Array, "k k"]

    def __post_init__(self) -> None:
        mixer = finite_array("mixer", self.mixer, (None, None), leading=False)
        channels, tokens = mixer.shape
        covariance = finite_array("covariance", self.covariance, (tokens, tokens), leading=False)
        require(np.allclose(covariance, covariance.T), "the covariance must be symmetric")
        require(np.linalg.eigvalsh(covariance)[0] > -1e-9 * np.trace(covariance), "the covariance must be >= 0")
        object.__setattr__(self, "mixer", mixer)
        object.__setattr__(self, "read_out", finite_array("read_out", self.read_out, (tokens, channels), leading=False))
        object.__setattr__(self, "covariance", covariance)

    @property
    def error(self) -> float:
        """E (x_s - read_out_s . M x)^2 over tokens and selector."""
        miss = np.eye(len(self.covariance)) - self.read_out @ self.mixer
        return float(np.trace(miss @ self.covariance @ miss.T) / len(miss))


@dataclass(frozen=True, eq=False)
class WhiteStaticMixer(StaticMixer):
    """Hypothesis: the tokens are uncorrelated and of variance 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.covariance == np.eye(len(self.covariance))).all(), "the tokens must be white")


@dataclass(frozen=True)
class Gate:
    """k >= 2 tokens and a gate of a strength of at most 10 in size: beyond, rounding hides the error."""

    tokens: int
    strength: float

    def __post_init__(self) -> None:
        integer("tokens", self.tokens, least=2)
        require(abs(real("strength", self.strength)) <= 10, f"the strength must be at most 10, got {self.strength!r}")


@dataclass(frozen=True)
class SelectingGate(Gate):
    """Hypothesis: the strength is >= 0, so that the token asked for has the largest gate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.strength >= 0, f"the strength must be >= 0, got {self.strength!r}")


# ---------------------------------------------------------------------------------------------------------- claims


def _equal_tokens() -> tuple[StaticMixer]:
    """Four copies of one token: a single channel says all."""
    return (StaticMixer(np.ones((1, 4)) / 4, np.ones((4, 1)), np.ones((4, 4))),)


@claim(
    statement="""A static linear mixer of k white tokens into r channels misses the token that a selector asks for by at
    least 1 - r/k, whatever linear read-out follows.""",
    source=ABDULLAH_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_equal_tokens,
)
def static_mixer_of_white_tokens_loses(case: WhiteStaticMixer) -> float:
    channels, tokens = case.mixer.shape
    return excess(1.0 - min(channels, tokens) / tokens, case.error)


@claim(
    statement="""For tokens of any covariance the error of a static mixer with its best read-out is at least the mean of
    the k - r smallest eigenvalues, no read-out beats the best one, and principal components attain the bound.""",
    source=ABDULLAH_2024,
    kind="identity",
    tolerance=1e-11,
)
def principal_components_are_the_best_static_mixer(case: StaticMixer) -> float:
    bound = static_mixer_bound(len(case.mixer), case.covariance)
    best = static_mixer_error(case.mixer, case.covariance)
    components = np.linalg.eigh(case.covariance)[1][:, ::-1][:, : len(case.mixer)].T
    size = float(np.trace(case.covariance)) / len(case.covariance)
    attained = relative_error(static_mixer_error(components, case.covariance), bound, scale=size)
    return max(attained, (bound - best) / size, (best - case.error) / size)


@claim(
    statement="""A gate that knows the selector errs by k sig(-b)^2 on white tokens with one channel, and by
    (k - 1) e^{-2b} / (1 + (k - 1) e^{-2b}) after the best constant read-out.""",
    source=ABDULLAH_2024,
    kind="identity",
    tolerance=1e-11,
)
def gate_errors_are_known(case: Gate) -> float:
    """The errors of the gate's linear map, read off by gating the unit vectors."""
    response, wanted = token_gate(np.eye(case.tokens), 0, case.strength), np.eye(case.tokens)[0]
    rescaled = response * (response @ wanted) / (response @ response)
    return max(
        relative_error(((response - wanted) ** 2).sum(), gate_error(case.tokens, case.strength)),
        relative_error(((rescaled - wanted) ** 2).sum(), rescaled_gate_error(case.tokens, case.strength)),
    )


@claim(
    statement="""With the best constant read-out one gated channel errs by at most 1 - 1/k on white tokens, the least
    that one static channel can reach; a gate that ignores the selector attains this.""",
    source=ABDULLAH_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=lambda: (Gate(4, -1.0),),
)
def gated_channel_beats_any_static_channel(case: SelectingGate) -> float:
    return excess(rescaled_gate_error(case.tokens, case.strength), static_mixer_bound(1, np.eye(case.tokens)))


@claim(
    statement="Any gate that knows the selector errs less than the best static channel.",
    source=ABDULLAH_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (SelectingGate(4, 0.1),),
)
def any_gate_beats_a_static_channel(case: SelectingGate) -> float:
    """k sig(-b)^2 exceeds 1 - 1/k where the gate is weak and nothing rescales it."""
    return excess(gate_error(case.tokens, case.strength), static_mixer_bound(1, np.eye(case.tokens)))
