"""The reduced model of an attention sink: its loss, gradient and gradient flow, exact into the tail.

A query token v with next-token law p_v attends to the begin token with sink logit alpha_v; every other key has logit 0.
The other keys have total count W and summed values z; the begin token's value state is beta. With the sink weight
s_v = sigmoid(alpha_v - log W) the logits of v are perturbed by a convex combination of the two value states,

    delta_v = s_v beta + (1 - s_v) z / W,        L = sum_v pi_v KL(p_v || softmax(log p_v + delta_v)),

and the flow is d alpha/dt = -dL/d alpha, d beta/dt = -dL/d beta. Time is learning rate times steps of gradient descent.
In real sequences the other keys vary: context c has its own z_c and W_c, query v meets it with probability rho_vc, and
the divergence is averaged over contexts. One fixed context is the case that the closed forms are about.
Model of Guo et al. 2024 (read in their public code); random contexts are an extension made here. Symbols: `next_token`
p, `frequency` pi, `value_sum` z, `weight` W, `context_probability` rho.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.numerics import Array, exp_remainder, integrate
from theory.validation import finite_array, increasing_times, positive_array, probability_rows, real, require


class SinkTrajectory(NamedTuple):
    """A solution of the flow at `times`: alpha (T, N), beta (T, V), loss (T,)."""

    times: Float[Array, " t"]
    alpha: Float[Array, "t n"]
    beta: Float[Array, "t v"]
    loss: Float[Array, " t"]


@dataclass(frozen=True, eq=False)
class SinkModel:
    """N query tokens over a vocabulary of V tokens, seen in one fixed context or in C random ones.

    next_token (N, V) rows that sum to 1; frequency (N,) > 0, need not sum to 1; value_sum (V,) and weight > 0, or for
    random contexts value_sum (C, V), weight > 0 or (C,), and context_probability (C,), or (N, C) where the law depends
    on the query (default: every context equally likely).
    All methods accept leading axes: alpha (..., N), beta (..., V). With random contexts, what belongs to a query has an
    axis of contexts before that of queries: (..., C, N).
    """

    next_token: Float[Array, "n v"]
    frequency: Float[Array, " n"]
    value_sum: Float[Array, "*c v"]
    weight: float | Float[Array, " c"]
    context_probability: Float[Array, "*n c"] | None = None

    def __post_init__(self) -> None:
        rows = probability_rows("next_token", self.next_token, (None, None), leading=False)
        if rows.shape[1] < 2:
            raise ValueError(f"next_token must have shape (N, V) with V >= 2, got shape {rows.shape}")
        checked = {
            "next_token": rows,
            "frequency": positive_array("frequency", self.frequency, (rows.shape[0],), leading=False),
        } | self._checked_contexts(*rows.shape)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _checked_contexts(self, queries: int, tokens: int) -> dict[str, float | Array | None]:
        if np.ndim(self.value_sum) != 2:
            if self.context_probability is not None:
                raise ValueError(f"context_probability needs value_sum (C, V), got shape {np.shape(self.value_sum)}")
            value_sum = finite_array("value_sum", self.value_sum, (tokens,), leading=False)
            return {"value_sum": value_sum, "weight": real("weight", self.weight, above=0.0)}  # type: ignore[arg-type]
        value_sum = finite_array("value_sum", self.value_sum, (None, tokens), leading=False)
        contexts = len(value_sum)
        weight = np.full(contexts, self.weight) if np.ndim(self.weight) == 0 else self.weight
        law = np.full(contexts, 1 / contexts) if self.context_probability is None else self.context_probability
        shape = (queries, contexts) if np.ndim(law) == 2 else (contexts,)
        return {
            "value_sum": value_sum,
            "weight": positive_array("weight", weight, (contexts,), leading=False),
            "context_probability": probability_rows("context_probability", law, shape, leading=False),
        }

    @property
    def queries(self) -> int:
        """N, the number of query tokens."""
        return self.next_token.shape[0]

    @property
    def tokens(self) -> int:
        """V, the size of the vocabulary."""
        return self.next_token.shape[1]

    @property
    def has_one_context(self) -> bool:
        """Whether the context is fixed: value_sum (V,)."""
        return self.value_sum.ndim == 1

    @cached_property
    def mean_value(self) -> Float[Array, "*c v"]:
        """z / W, what a query reads where it ignores the sink."""
        return self.value_sum / np.asarray(self.weight)[..., None]

    @cached_property
    def _importance(self) -> Array:
        """pi_v (N,), or pi_v rho_vc (C, N): how much each divergence counts in the loss."""
        if self.context_probability is None:
            return self.frequency
        return np.atleast_2d(self.context_probability).T * self.frequency

    @cached_property
    def _log_weight(self) -> Array:
        """log W, as (1,) or (C, 1) to go with `_per_context`."""
        return np.log(np.asarray(self.weight)[..., None])

    @property
    def _context_axis(self) -> tuple[int, ...]:
        """The axis to sum over contexts: none, or the one before the last."""
        return () if self.has_one_context else (-2,)

    def _per_context(self, x: ArrayLike) -> Array:
        """x (..., k) as it is, or (..., 1, k) to go with an axis of contexts."""
        x = np.asarray(x, dtype=np.float64)
        return x if self.has_one_context else x[..., None, :]

    def sink_weight(self, alpha: ArrayLike) -> Float[Array, "... n"]:
        """s_v, the attention that query v pays to the begin token."""
        return expit(self._per_context(alpha) - self._log_weight)

    def _ignored(self, alpha: ArrayLike) -> Array:
        """1 - s_v, never by subtraction."""
        return expit(self._log_weight - self._per_context(alpha))

    def perturbation(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, "... n v"]:
        """delta_v up to a constant per query, chosen so that its mean under p_v is 0."""
        beta = self._per_context(beta)
        # Constants drop out; anchoring both value states at their first token makes a constant value exactly 0.
        sink, others = beta - beta[..., :1], self.mean_value - self.mean_value[..., :1]
        delta = self.sink_weight(alpha)[..., None] * sink[..., None, :]
        delta = delta + self._ignored(alpha)[..., None] * others[..., None, :]
        # Twice, because the first pass leaves rounding of the size of what it removes.
        for _ in range(2):
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
        require_one_context(self)
        residual = self.residual(np.full(self.queries, np.inf), beta)
        return (residual * (np.asarray(beta, dtype=np.float64) - self.mean_value)).sum(axis=-1)

    def loss(self, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
        """The excess risk L(alpha, beta) in nats."""
        alpha, beta = self._checked(alpha, beta)
        return (self._importance * self.divergence(alpha, beta)).sum(axis=self._context_axis).sum(axis=-1)

    def gradient(self, alpha: ArrayLike, beta: ArrayLike) -> tuple[Float[Array, "... n"], Float[Array, "... v"]]:
        """(dL/d alpha, dL/d beta)."""
        return self._gradient(*self._checked(alpha, beta))

    def _checked(self, alpha: ArrayLike, beta: ArrayLike) -> tuple[Array, Array]:
        return finite_array("alpha", alpha, (self.queries,)), finite_array("beta", beta, (self.tokens,))

    def _gradient(self, alpha: Array, beta: Array) -> tuple[Array, Array]:
        pushed = self._importance * self.sink_weight(alpha)
        residual = self.residual(alpha, beta)
        pull = (residual * (self._per_context(beta) - self.mean_value)[..., None, :]).sum(axis=-1)
        d_alpha = (pushed * self._ignored(alpha) * pull).sum(axis=self._context_axis)
        d_beta = (pushed[..., None] * residual).sum(axis=-2).sum(axis=self._context_axis)
        return d_alpha, d_beta

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
    """A model with one fixed context, and any point (alpha, beta) of its parameter space."""

    model: SinkModel
    alpha: Float[Array, " n"]
    beta: Float[Array, " v"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", finite_array("alpha", self.alpha, (self.model.queries,), leading=False))
        object.__setattr__(self, "beta", finite_array("beta", self.beta, (self.model.tokens,), leading=False))
        self.check_hypothesis()

    def check_hypothesis(self) -> None:
        """Subtypes refuse points outside their hypothesis here."""
        require_one_context(self.model)

    def flow(self, times: ArrayLike, frozen: Literal["alpha", "beta"] | None = None) -> SinkTrajectory:
        """`SinkModel.flow` from this point."""
        return self.model.flow(self.alpha, self.beta, times, frozen=frozen)


class ConstantValue(SinkPoint):
    """Hypothesis: the value state of the begin token is constant, beta = c 1."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        super().check_hypothesis()
        low, high = self.beta.min(), self.beta.max()
        require(low == high, f"beta must be constant, got values from {low} to {high}")


class EqualLogits(SinkPoint):
    """Hypotheses: all sink logits are equal, and every token is predicted with positive probability by every query."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        super().check_hypothesis()
        require(np.ptp(self.alpha) == 0, f"all sink logits must be equal, got {self.alpha}")
        require_full_support(self.model)


class FlowStart(SinkPoint):
    """Hypotheses: full support, and summed values that are not constant. The start of a joint flow."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        super().check_hypothesis()
        require_full_support(self.model)
        require_spread_values(self.model)


class PushedValue(SinkPoint):
    """Hypothesis: <softmax(log p_v + beta) - p_v, beta - z/W> < 0 for every query, so that a full sink is a descent."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        super().check_hypothesis()
        pull = self.model.full_sink_pull(self.beta)
        require((pull < 0).all(), f"the pull at a full sink must be negative for every query, got {pull}")


def require_one_context(model: SinkModel) -> None:
    """`ValueError` for random contexts, of which this statement does not speak."""
    require(model.has_one_context, f"one fixed context is needed, value_sum (V,), got shape {model.value_sum.shape}")


def require_full_support(model: SinkModel) -> None:
    """`ValueError` unless every query predicts every token with positive probability."""
    least = model.next_token.min()
    require(least > 0, f"next_token must have full support (every entry > 0), got {least} among its entries")


def require_spread_values(model: SinkModel) -> None:
    """`ValueError` where z is constant: then nothing distinguishes the tokens."""
    require(np.ptp(model.value_sum) > 0, f"value_sum must not be constant, got {model.value_sum}")


def tail_times(last: float, *, decades: float = 2.0, points: int = 21) -> Array:
    """Logarithmically spaced times over the last `decades` before `last`, on which rates are fitted."""
    return np.geomspace(last / 10**decades, last, points)
