"""What the decoder learns while the features stand still: the gap that it opens in favour of the next token.

Scan and Snap preconditions the decoder's gradient so that every class trains its own row w_n of F^T Y alone (Lemma 3),

    dY/dt = eta_Y sum_n p_n (F G^{-1})_n (e_n - alpha_n)^T,    G = F^T F,    dw_n/dt = eta_Y p_n (e_n - softmax(w_n)).

Then w_n = (M-1) h zeta_n, zeta_n = M/(M-1) (e_n - 1/M), and the gap u = M h between the logit of the next token and all
others solves e^u + (M-1) u = M tau + 1 with tau = eta_Y t / K; single steps are a little ahead of it.
Tian et al. 2023, Lemmas 3 and 5-7; the closed form derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import wrightomega

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.validation import finite_array, integer, real


def decoder_gap(vocabulary: int, tau: ArrayLike) -> Float[Array, ...]:
    """u(tau) >= 0, the root of e^u + (M-1) u = M tau + 1, to full relative accuracy for every tau >= 0 (any shape).

    u = log((M-1) w) with w = omega((M tau + 1)/(M-1) - log(M-1)), the Wright omega function, and two Newton steps on
    expm1(u) + (M-1) u = M tau that restore what rounding took where u is small.
    """
    others = integer("vocabulary", vocabulary, least=2) - 1
    tau = _at_least_zero("tau", tau)
    target = (others + 1) * tau
    u = np.log(others * wrightomega((target + 1) / others - np.log(others)))
    for _ in range(2):
        u = u - (np.expm1(u) + others * u - target) / (np.exp(u) + others)
    return np.maximum(u, 0.0)


def discrete_decoder_gap(vocabulary: int, eta_y: float, steps: int) -> Float[Array, " s"]:
    """M h*(s) for s = 0..steps: the gap after s gradient steps of size eta_Y > 0 on one class."""
    vocabulary, eta_y = integer("vocabulary", vocabulary, least=2), real("eta_y", eta_y, above=0.0)
    gap = np.zeros(integer("steps", steps, least=0) + 1)
    for s in range(1, len(gap)):
        gap[s] = gap[s - 1] + vocabulary * eta_y * _others_share(vocabulary, gap[s - 1])
    return gap


def _others_share(vocabulary: int, gap: ArrayLike) -> Array:
    """1/(M-1+e^u), the probability of every wrong entry."""
    smaller = np.exp(-np.asarray(gap, dtype=np.float64))
    return smaller / (1 + (vocabulary - 1) * smaller)


def _at_least_zero(name: str, value: ArrayLike) -> Array:
    array = finite_array(name, value, ())
    if (array < 0).any():
        raise ValueError(f"{name} must be >= 0, got {array.min()} among its entries")
    return array


# ---------------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class DecoderTime:
    """M >= 2 entries and a time tau = eta_Y t / K >= 0."""

    vocabulary: int
    tau: float

    def __post_init__(self) -> None:
        integer("vocabulary", self.vocabulary, least=2)
        _at_least_zero("tau", self.tau)


@claim(
    statement="u = M h solves e^u + (M - 1) u = M tau + 1 with u(0) = 0.",
    source=TIAN_2023,
    kind="identity",
    status="theorem",
    tolerance=1e-12,
)
def gap_solves_its_first_integral(time: DecoderTime) -> float:
    u, vocabulary = decoder_gap(time.vocabulary, time.tau), time.vocabulary
    small = relative_error(np.expm1(u) + (vocabulary - 1) * u, vocabulary * time.tau)
    return max(small, relative_error(np.exp(u) + (vocabulary - 1) * u, vocabulary * time.tau + 1))


@claim(
    statement="min(M tau / (2 (M-1)), log(1 + M tau / 2)) <= u <= min(tau, log(1 + M tau)).",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-12,
)
def gap_lies_between_two_branches(time: DecoderTime) -> float:
    total, u = time.vocabulary * time.tau, decoder_gap(time.vocabulary, time.tau)
    low = min(total / (2 * (time.vocabulary - 1)), np.log1p(total / 2))
    return max(excess(low, u), excess(u, min(time.tau, np.log1p(total))))


@claim(
    statement="u increases and is concave in tau.",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-12,
)
def gap_increases_and_is_concave(time: DecoderTime) -> float:
    """At tau, 1.5 tau and 2 tau."""
    u = decoder_gap(time.vocabulary, time.tau * np.array([1.0, 1.5, 2.0]))
    return max(excess(u[:-1], u[1:]), excess((u[0] + u[2]) / 2, u[1]))


@dataclass(frozen=True)
class DecoderSteps:
    """M >= 2 entries, a step size eta_Y > 0 and a number of steps >= 1."""

    vocabulary: int
    eta_y: float
    steps: int

    def __post_init__(self) -> None:
        integer("vocabulary", self.vocabulary, least=2)
        real("eta_y", self.eta_y, above=0.0)
        integer("steps", self.steps, least=1)


@claim(
    statement="""Steps are ahead of the flow by at most half the constant of Lemma 7: 0 <= h*(s) - h(s) <= eta_Y / M for
    every eta_Y > 0 and M >= 2.""",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-11,
)
def steps_are_ahead_by_at_most_one(run: DecoderSteps) -> float:
    discrete = discrete_decoder_gap(run.vocabulary, run.eta_y, run.steps)
    flow = decoder_gap(run.vocabulary, run.eta_y * np.arange(run.steps + 1))
    return max(excess(flow, discrete), excess(discrete - flow, run.eta_y))
