"""Regime (c): sink logits and value state move together in one fixed context, and the endpoint is known exactly.

Two first integrals and one monotone quantity determine where the flow stops: all sink logits meet at one finite value.
A fixed context therefore does not make the sink logit diverge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import GUO_2024
from theory.sink_flow.identities import Symbolic
from theory.sink_flow.model import (
    FlowStart,
    SinkModel,
    SinkPoint,
    require_full_support,
    require_one_context,
    require_spread_values,
)
from theory.validation import finite_array

if TYPE_CHECKING:
    import sympy


class FirstIntegrals(NamedTuple):
    """What the joint flow conserves: `total` = sum_k beta_k and `energy`, see `first_integrals`."""

    total: Float[Array, ...]
    energy: Float[Array, ...]


def first_integrals(model: SinkModel, alpha: ArrayLike, beta: ArrayLike) -> FirstIntegrals:
    """S = sum_k beta_k and Q = ||beta - zbar||^2 / 2 - sum_v (alpha_v + e^{alpha_v} / W), which the joint flow
    conserves."""
    require_one_context(model)
    alpha, beta = finite_array("alpha", alpha, (model.queries,)), finite_array("beta", beta, (model.tokens,))
    sink_part = (alpha + np.exp(alpha) / model.weight).sum(axis=-1)
    return FirstIntegrals(beta.sum(axis=-1), 0.5 * ((beta - model.mean_value) ** 2).sum(axis=-1) - sink_part)


def monotone_quantity(model: SinkModel, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
    """M = <zbar, beta> + sum_v e^{alpha_v} / W, which never increases along the joint flow."""
    require_one_context(model)
    alpha, beta = finite_array("alpha", alpha, (model.queries,)), finite_array("beta", beta, (model.tokens,))
    return beta @ model.mean_value + np.exp(alpha).sum(axis=-1) / model.weight


def joint_limit(model: SinkModel, alpha: ArrayLike, beta: ArrayLike) -> tuple[float, Float[Array, " v"]]:
    """(alpha*, beta*), where the joint flow from (alpha, beta) stops: every sink logit at alpha*, and
    beta* = c 1 - e^{-alpha*} z with c = mean(beta) + e^{-alpha*} mean(z).

    alpha* is the unique root of the strictly decreasing function that the energy prescribes; found to rounding by
    bracketing. That the trajectory converges is observed on every instance tried; the identity of the limit is proved.
    Raises `ValueError` unless the context is fixed, next_token has full support and value_sum is not constant.
    """
    require_one_context(model)
    require_full_support(model)
    require_spread_values(model)
    total, energy = first_integrals(model, alpha, beta)
    tokens, weight = model.tokens, model.weight
    spread = ((model.value_sum - model.value_sum.mean()) ** 2).sum()
    mean_part = tokens / 2 * (total / tokens - model.value_sum.mean() / weight) ** 2

    def surplus(a: float) -> float:
        kept = 0.5 * (np.exp(-a) + 1 / weight) ** 2 * spread - model.queries * (a + np.exp(a) / weight)
        return float(mean_part + kept - energy)

    low, high = -1.0, 1.0
    while surplus(low) < 0:
        low *= 2
    while surplus(high) > 0:
        high *= 2
    limit = float(brentq(surplus, low, high, xtol=1e-14, rtol=8.9e-16))
    return limit, total / tokens - np.exp(-limit) * (model.value_sum - model.value_sum.mean())


# ---------------------------------------------------------------------------------------------------------- claims

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e5, 29)])


def _energy_proof() -> Iterator[sympy.Expr]:
    """dS/dt and dQ/dt along the flow, with d alpha/dt = -dL/d alpha and d beta/dt = -dL/d beta."""
    m = Symbolic()
    yield -sum(m.gradient(b) for b in m.beta)
    value_part = -sum((b - zb) * m.gradient(b) for zb, b in zip(m.zbar, m.beta, strict=True))
    yield value_part + sum((1 + m.odds(v)) * m.gradient(m.alpha[v]) for v in range(2))


def _frozen_logits() -> tuple[SinkPoint]:
    """A start without spread in z: nothing couples the sink logits, so they keep their differences."""
    model = SinkModel(np.array([[0.5, 0.5], [0.3, 0.7]]), np.array([1.0, 1.0]), np.array([1.0, 1.0]), 2.0)
    return (SinkPoint(model, np.array([0.0, 1.0]), np.array([1.0, 1.0])),)


@claim(
    statement="""Along the joint flow sum_k beta_k and ||beta - zbar||^2 / 2 - sum_v (alpha_v + e^{alpha_v} / W) are
    conserved.""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-7,
    symbolic=_energy_proof,
    examples=15,
)
def first_integrals_are_conserved(start: FlowStart) -> float:
    path = start.flow(TIMES)
    total, energy = first_integrals(start.model, path.alpha, path.beta)
    return max(relative_error(total, total[0], scale=1.0), relative_error(energy, energy[0], scale=1.0))


@claim(
    statement="Along the joint flow <zbar, beta> + sum_v e^{alpha_v} / W never increases.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-8,
    examples=15,
)
def monotone_quantity_never_increases(start: FlowStart) -> float:
    path = start.flow(TIMES)
    values = monotone_quantity(start.model, path.alpha, path.beta)
    return excess(values[1:], values[:-1], scale=max(1.0, abs(float(values[0]))))


@claim(
    statement="The excess risk never increases along the flow, whichever parameters are frozen.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-8,
    examples=15,
)
def loss_never_increases(start: FlowStart) -> float:
    def worst(loss: Array) -> float:
        return excess(loss[1:], loss[:-1], scale=max(1e-9, float(loss[0])))

    flows = (start.flow(TIMES), start.flow(TIMES, frozen="alpha"), start.flow(TIMES, frozen="beta"))
    return max(worst(path.loss) for path in flows)


@claim(
    statement="""In one fixed context with full support and non-constant z the joint flow converges: every sink logit to
    the root alpha* of the energy equation, the value state to c 1 - e^{-alpha*} z.""",
    source=GUO_2024,
    kind="limit",
    tolerance=1e-7,
    fails_without=_frozen_logits,
    examples=15,
)
def joint_flow_stops_at_the_closed_form(start: FlowStart) -> float:
    path = start.flow(np.array([0.0, 1e7]))
    spread = float(np.ptp(path.alpha[-1]))
    if np.ptp(start.model.value_sum) == 0:  # outside the hypotheses only the claim's first half has a meaning
        return spread
    alpha, beta = joint_limit(start.model, start.alpha, start.beta)
    return max(float(np.abs(path.alpha[-1] - alpha).max()), float(np.abs(path.beta[-1] - beta).max()))


def _any_start() -> tuple[SinkPoint]:
    model = SinkModel(
        np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), np.array([0.5, 0.5]), np.array([4.0, 0.0, -2.0]), 10.0
    )
    return (FlowStart(model, np.array([0.0, 0.5]), np.array([1.0, -1.0, 0.0])),)


@claim(
    statement="""Training sink logit and value state together in one fixed context lets the sink logit grow without
    bound, like half the logarithm of time (mutual reinforcement).""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=_any_start,
)
def joint_training_in_one_context_diverges(start: SinkPoint) -> float:
    """|slope - 1/2| of alpha against log t over the last two decades: at the counterexample the slope is 0."""
    times = np.geomspace(1e6, 1e8, 11)
    alpha = start.flow(times).alpha[:, 0]
    return abs(float((alpha[-1] - alpha[0]) / np.log(times[-1] / times[0])) - 0.5)
