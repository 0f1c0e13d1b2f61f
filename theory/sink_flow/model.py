"""The reduced model of an attention sink: its loss, gradient and gradient flow, exact into the tail.

A query token v with next-token law p_v attends to the begin token with sink logit alpha_v; every other key has logit 0.
The other keys have total count W and summed values z; the begin token's value state is beta. With the sink weight
s_v = sigmoid(alpha_v - log W) the logits of v are perturbed by a convex combination of the two value states,

    delta_v = s_v beta + (1 - s_v) z / W,        L = sum_v pi_v KL(p_v || softmax(log p_v + delta_v)),

and the flow is d alpha/dt = -dL/d alpha, d beta/dt = -dL/d beta. Time is learning rate times steps of gradient descent.
Model of Guo et al. 2024 (read in their public code). Symbols: `next_token` p, `frequency` pi, `value_sum` z,
`weight` W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.numerics import Array, exp_remainder, integrate
from theory.validation import finite_array, increasing_times, positive_array, probability_rows, real


class SinkTrajectory(NamedTuple):
    """A solution of the flow at `times`: alpha (T, N), beta (T, V), loss (T,)."""

    times: Float[Array, " t"]
    alpha: Float[Array, "t n"]
    beta: Float[Array, "t v"]
    loss: Float[Array, " t"]


@dataclass(frozen=True, eq=False)
class SinkModel:
    """N query tokens over a vocabulary of V tokens, seen in one fixed context.

    next_token (N, V) rows that sum to 1; frequency (N,) > 0, need not sum to 1; value_sum (V,); weight > 0.
    All methods accept leading axes: alpha (..., N), beta (..., V).
    """

    next_token: Float[Array, "n v"]
    frequency: Float[Array, " n"]
    value_sum: Float[Array, " v"]
    weight: float

    def __post_init__(self) -> None:
        rows = probability_rows("next_token", self.next_token, (None, None), leading=False)
        if rows.shape[1] < 2:
            raise ValueError(f"next_token must have shape (N, V) with V >= 2, got shape {rows.shape}")
        checked = {
            "next_token": rows,
            "frequency": positive_array("frequency", self.frequency, (rows.shape[0],), leading=False),
            "value_sum": finite_array("value_sum", self.value_sum, (rows.shape[1],), leading=False),
            "weight": real("weight", self.weight, above=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def queries(self) -> int:
        """N, the number of query tokens."""
        return self.next_token.shape[0]

    @property
    def tokens(self) -> int:
        """V, the size of the vocabulary."""
        return self.next_token.shape[1]

    @property
    def mean_value(self) -> Float[Array, " v"]:
        """z / W, what a query reads where it ignores the sink."""
        return self.value_sum / self.weight

    def sink_weight(self, alpha: ArrayLike) -> Float[Array, "... n"]:
        """s_v, the attention that query v pays to the begin token."""
        return expit(np.asarray(alpha, dtype=np.float64) - np.log(self.weight))

    def perturbation(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, "... n v"]:
        """delta_v up to a constant per query, chosen so that its mean under p_v is 0."""
        alpha, beta = np.asarray(alpha, dtype=np.float64), np.asarray(beta, dtype=np.float64)
        ignored = expit(np.log(self.weight) - alpha)[..., None]  # 1 - s, never by subtraction
        # Constants drop out; anchoring both value states at their first token makes a constant value exactly 0.
        sink, others = beta - beta[..., :1], self.mean_value - self.mean_value[:1]
        delta = self.sink_weight(alpha)[..., None] * sink[..., None, :] + ignored * others
        for _ in range(
            2
        ):  # the second pass removes the rounding of the first, which is large where delta is nearly flat
            delta = delta - (self.next_token * delta).sum(axis=-1, keepdims=True)
        return delta

    def divergence(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, "... n"]:
        """KL(p_v || q_v) for every query, accurate down to the smallest floats."""
        return np.log1p((self.next_token * exp_remainder(self.perturbation(alpha, beta))).sum(axis=-1))

    def residual(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, "... n v"]:
        """g_v = q_v - p_v, never by subtraction."""
        log_ratio = self.perturbation(alpha, beta) - self.divergence(alpha, beta)[..., None]
        return self.next_token * np.expm1(log_ratio)

    def full_sink_pull(self, beta: ArrayLike) -> Float[Array, " n"]:
        """D_v = <softmax(log p_v + beta) - p_v, beta - z/W>; where negative, alpha_v keeps growing at fixed beta."""
        residual = self.residual(np.full(self.queries, np.inf), beta)
        return (residual * (np.asarray(beta, dtype=np.float64) - self.mean_value)).sum(axis=-1)

    def loss(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
        """The excess risk L(alpha, beta) in nats."""
        alpha, beta = self._checked(alpha, beta)
        return (self.frequency * self.divergence(alpha, beta)).sum(axis=-1)

    def gradient(self, alpha: ArrayLike, beta: ArrayLike) -> tuple[Float[Array, "... n"], Float[Array, "... v"]]:
        """(dL/d alpha, dL/d beta)."""
        return self._gradient(*self._checked(alpha, beta))

    def _checked(self, alpha: ArrayLike, beta: ArrayLike) -> tuple[Array, Array]:
        return finite_array("alpha", alpha, (self.queries,)), finite_array("beta", beta, (self.tokens,))

    def _gradient(self, alpha: Array, beta: Array) -> tuple[Array, Array]:
        sink = self.sink_weight(alpha)
        ignored = expit(np.log(self.weight) - alpha)
        residual = self.residual(alpha, beta)
        pull = (residual * (beta - self.mean_value)[..., None, :]).sum(axis=-1)
        d_beta = ((self.frequency * sink)[..., None] * residual).sum(axis=-2)
        return self.frequency * sink * ignored * pull, d_beta

    def flow(
        self,
        alpha: ArrayLike,
        beta: ArrayLike,
        times: ArrayLike,
        *,
        frozen: Literal["alpha", "beta"] | None = None,
        rtol: float = 1e-10,
    ) -> SinkTrajectory:
        """Gradient flow from (alpha, beta) at time 0, at the given times (non-decreasing, up to 1e10 and beyond).

        `frozen` keeps the sink logits or the value state at their start. Solver: LSODA; raises `RuntimeError` when it
        does not reach the last time.
        """
        alpha, beta = self._checked(alpha, beta)
        if alpha.ndim != 1 or beta.ndim != 1:
            raise ValueError(
                f"flow starts from one point: alpha (N,) and beta (V,), got {alpha.shape} and {beta.shape}"
            )
        if frozen not in (None, "alpha", "beta"):
            raise ValueError(f"frozen must be None, 'alpha' or 'beta', got {frozen!r}")
        times, rtol = increasing_times("times", times), real("rtol", rtol, above=0.0, below=1.0)
        n = self.queries

        def field(_: float, state: Array) -> Array:
            d_alpha, d_beta = self._gradient(state[:n], state[n:])
            return -np.concatenate([d_alpha * (frozen != "alpha"), d_beta * (frozen != "beta")])

        states = integrate(field, np.concatenate([alpha, beta]), times, rtol=rtol)
        path = states[:, :n], states[:, n:]
        return SinkTrajectory(times, *path, self.loss(*path))


# ------------------------------------------------------------------------------- instance types, one per hypothesis


@dataclass(frozen=True, eq=False)
class SinkPoint:
    """A model and any point (alpha, beta) of its parameter space."""

    model: SinkModel
    alpha: Float[Array, " n"]
    beta: Float[Array, " v"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", finite_array("alpha", self.alpha, (self.model.queries,), leading=False))
        object.__setattr__(self, "beta", finite_array("beta", self.beta, (self.model.tokens,), leading=False))
        self.check_hypothesis()

    def check_hypothesis(self) -> None:
        """Subtypes refuse points outside their hypothesis here."""

    def flow(self, times: ArrayLike, frozen: Literal["alpha", "beta"] | None = None) -> SinkTrajectory:
        """`SinkModel.flow` from this point."""
        return self.model.flow(self.alpha, self.beta, times, frozen=frozen)


def _require(holds: bool | np.bool_, hypothesis: str) -> None:
    if not holds:
        raise ValueError(f"hypothesis broken: {hypothesis}")


class ConstantValue(SinkPoint):
    """Hypothesis: the value state of the begin token is constant, beta = c 1."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        _require(
            np.ptp(self.beta) == 0, f"beta must be constant, got values from {self.beta.min()} to {self.beta.max()}"
        )


class EqualLogits(SinkPoint):
    """Hypotheses: all sink logits are equal, and every token is predicted with positive probability by every query."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        _require(np.ptp(self.alpha) == 0, f"all sink logits must be equal, got {self.alpha}")
        require_full_support(self.model)


class FlowStart(SinkPoint):
    """Hypotheses: full support, and summed values that are not constant. The start of a joint flow."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        require_full_support(self.model)
        require_spread_values(self.model)


class PushedValue(SinkPoint):
    """Hypothesis: <softmax(log p_v + beta) - p_v, beta - z/W> < 0 for every query, so that a full sink is a descent."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        pull = self.model.full_sink_pull(self.beta)
        _require((pull < 0).all(), f"the pull at a full sink must be negative for every query, got {pull}")


def require_full_support(model: SinkModel) -> None:
    """`ValueError` unless every query predicts every token with positive probability."""
    least = model.next_token.min()
    _require(least > 0, f"next_token must have full support (every entry > 0), got {least} among its entries")


def require_spread_values(model: SinkModel) -> None:
    """`ValueError` where z is constant: then nothing distinguishes the tokens."""
    _require(np.ptp(model.value_sum) > 0, f"value_sum must not be constant, got {model.value_sum}")


def tail_times(last: float, *, decades: float = 2.0, points: int = 21) -> Array:
    """Logarithmically spaced times over the last `decades` before `last`, on which rates are fitted."""
    return np.geomspace(last / 10**decades, last, points)
