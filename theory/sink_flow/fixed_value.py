"""Regime (a): the value state beta is fixed and only the sink logits move.

With beta = c 1 every query grows its sink like (1/2) log t, between two explicit curves valid at all times. With any
other fixed beta the law is different: see `pushed_logit_asymptote`. Var_p is the variance under the next-token law,
R the range of z, s_v(0) the sink weight at the start.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess
from theory.numerics import Array, fitted_slope
from theory.papers import GUO_2024
from theory.sink_flow.model import (
    ConstantValue,
    FlowStart,
    PushedValue,
    SinkModel,
    SinkPoint,
    require_one_context,
    tail_times,
)
from theory.validation import finite_array, increasing_times


def value_variance(model: SinkModel) -> Float[Array, " n"]:
    """Var_{p_v}(z) for every query."""
    require_one_context(model)
    centred = model.value_sum - (model.next_token @ model.value_sum)[:, None]
    return (model.next_token * centred**2).sum(axis=-1)


def sink_logit_bounds(
    model: SinkModel, alpha: ArrayLike, times: ArrayLike
) -> tuple[Float[Array, "t n"], Float[Array, "t n"]]:
    """Curves below and above alpha_v(t) for all t >= 0 when beta = c 1 is fixed and alpha_v(0) = `alpha`:

    (1/2) log(e^{2 a} + 2 pi s(0)^3 e^{-R/W} Var_p(z) t)  <=  alpha(t)  <=  (1/2) log(e^{2 a} + pi R^2 t / 2).
    """
    require_one_context(model)
    alpha = finite_array("alpha", alpha, (model.queries,))
    times = increasing_times("times", times)[:, None]
    spread = np.ptp(model.value_sum)
    slow = 2 * model.frequency * model.sink_weight(alpha) ** 3 * np.exp(-spread / model.weight) * value_variance(model)
    fast = model.frequency * spread**2 / 2
    return 0.5 * np.log(np.exp(2 * alpha) + slow * times), 0.5 * np.log(np.exp(2 * alpha) + fast * times)


def sink_logit_asymptote(model: SinkModel, times: ArrayLike) -> Float[Array, "t n"]:
    """(1/2) log t + (1/2) log(2 pi_v Var_{p_v}(z)), which alpha_v(t) approaches like t^(-1/2) when beta = c 1 is fixed.

    Raises `ValueError` where z is constant on the support of some p_v: that query never moves.
    """
    variance = value_variance(model)
    if not (variance > 0).all():
        raise ValueError(f"value_sum must vary on the support of every row of next_token, got variances {variance}")
    times = increasing_times("times", times)[:, None]
    with np.errstate(divide="ignore"):  # t = 0 gives -inf, the asymptote's own value there
        return 0.5 * np.log(2 * model.frequency * variance * times)


def loss_bound(model: SinkModel, alpha: ArrayLike, beta: ArrayLike, times: ArrayLike) -> Float[Array, "t n"]:
    """Upper bound 1 / (1/L_v(0) + s_v(0)^2 t) on L_v(t) = pi_v KL_v(t) when beta = c 1 is fixed."""
    require_one_context(model)
    alpha, beta = finite_array("alpha", alpha, (model.queries,)), finite_array("beta", beta, (model.tokens,))
    start = model.frequency * model.divergence(alpha, beta)
    times = increasing_times("times", times)[:, None]
    return start / (1.0 + start * model.sink_weight(alpha) ** 2 * times)


def pushed_logit_asymptote(model: SinkModel, beta: ArrayLike, times: ArrayLike) -> Float[Array, "t n"]:
    """log t + log(pi_v W |D_v|), which alpha_v(t) approaches when beta is fixed with D_v = `full_sink_pull` < 0.

    NaN for queries with D_v >= 0: there alpha_v stays bounded above.
    """
    pull = model.full_sink_pull(finite_array("beta", beta, (model.tokens,)))
    times = increasing_times("times", times)[:, None]
    with np.errstate(divide="ignore"):
        level = np.log(model.frequency * model.weight * np.where(pull < 0, -pull, np.nan))
        return np.log(times) + level


# ---------------------------------------------------------------------------------------------------------- claims

ALL_TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e6, 33)])


def _varying_value() -> tuple[SinkPoint]:
    """Two tokens, beta aligned with z beyond z/W: the loss now grows with alpha."""
    model = SinkModel(np.array([[0.5, 0.5]]), np.array([1.0]), np.array([1.0, 0.0]), 1.0)
    return (SinkPoint(model, np.array([0.0]), np.array([2.0, 0.0])),)


@claim(
    statement="With a constant value state, more sink never hurts: dL/dalpha_v <= 0 for every query.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_varying_value,
)
def constant_value_pushes_every_sink_up(point: ConstantValue) -> float:
    d_alpha, _ = point.model.gradient(point.alpha, point.beta)
    return excess(d_alpha, 0.0, scale=point.model.frequency * np.ptp(point.model.mean_value) + 1e-12)


@claim(
    statement="With a constant value state alpha_v(t) >= (1/2) log(e^{2a} + 2 pi s0^3 e^{-R/W} Var_p(z) t) at all t.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-7,
    fails_without=_varying_value,
    examples=15,
)
def sink_grows_at_least_like_half_log(point: ConstantValue) -> float:
    lower, _ = sink_logit_bounds(point.model, point.alpha, ALL_TIMES)
    return excess(lower, point.flow(ALL_TIMES, frozen="beta").alpha, scale=1.0)


def _pushed() -> tuple[PushedValue]:
    model = SinkModel(np.array([[0.5, 0.3, 0.2]]), np.array([1.0]), np.array([4.0, 0.0, -2.0]), 10.0)
    return (PushedValue(model, np.array([0.0]), model.mean_value / 2),)


@claim(
    statement="With a constant value state alpha_v(t) <= (1/2) log(e^{2a} + pi_v R^2 t / 2) at all t.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-7,
    fails_without=_pushed,
    examples=15,
)
def sink_grows_at_most_like_half_log(point: ConstantValue) -> float:
    _, upper = sink_logit_bounds(point.model, point.alpha, ALL_TIMES)
    return excess(point.flow(ALL_TIMES, frozen="beta").alpha, upper, scale=1.0)


@claim(
    statement="With a constant value state L_v(t) = pi_v KL_v(t) <= 1 / (1/L_v(0) + s_v(0)^2 t) at all t.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-7,
    fails_without=_varying_value,
    examples=15,
)
def loss_falls_at_least_like_one_over_t(point: ConstantValue) -> float:
    path = point.flow(ALL_TIMES, frozen="beta")
    losses = point.model.frequency * point.model.divergence(path.alpha, path.beta)
    return excess(losses, loss_bound(point.model, point.alpha, point.beta, ALL_TIMES))


def _constant_start(model: SinkModel) -> SinkPoint:
    return ConstantValue(model, np.zeros(model.queries), np.zeros(model.tokens))


@claim(
    statement="""With a constant value state alpha_v(t) = (1/2) log t + (1/2) log(2 pi_v Var_{p_v}(z)) + O(t^{-1/2}):
    slope 1/2 in log t, with a known intercept.""",
    source=GUO_2024,
    kind="limit",
    status="as recalled",
    tolerance=0.01,
    fails_without=_pushed,
    examples=10,
)
def sink_logit_slope_is_one_half(start: FlowStart) -> float:
    """Over the last two decades before t = 1e10: error of the slope and of the level, whichever is larger."""
    times = tail_times(1e10)
    point = start if isinstance(start, PushedValue) else _constant_start(start.model)
    alpha = point.flow(times, frozen="beta").alpha
    slopes = [fitted_slope(np.log(times), column) for column in alpha.T]
    level = np.abs(alpha[-1] - sink_logit_asymptote(point.model, times)[-1]).max()
    return max(float(np.abs(np.array(slopes) - 0.5).max()), float(level))


@claim(
    statement="With a constant value state t L(t) -> N/4, whatever p, pi, z and W are (N queries).",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    fails_without=_pushed,
    examples=10,
)
def excess_risk_level_is_a_quarter_per_query(start: FlowStart) -> float:
    """|4 t L / N - 1| at t = 1e10."""
    point = start if isinstance(start, PushedValue) else _constant_start(start.model)
    times = np.array([0.0, 1e10])
    return abs(4 * times[-1] * float(point.flow(times, frozen="beta").loss[-1]) / point.model.queries - 1)


@claim(
    statement="""With a fixed value state such that D_v < 0 for every query,
    alpha_v(t) = log t + log(pi_v W |D_v|) + o(1): slope 1, not 1/2.""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    examples=10,
)
def pushed_sink_logit_slope_is_one(point: PushedValue) -> float:
    """Over the last two decades before t = 1e10: error of the slope and of the last level, whichever is larger."""
    times = tail_times(1e10)
    alpha = point.flow(times, frozen="beta").alpha
    slopes = np.array([fitted_slope(np.log(times), column) for column in alpha.T])
    level = np.abs(alpha[-1] - pushed_logit_asymptote(point.model, point.beta, times)[-1]).max()
    return max(float(np.abs(slopes - 1).max()), float(level))


@claim(
    statement="For any fixed value state of the begin token, constant or not, the sink logit grows like (1/2) log t.",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=_pushed,
)
def any_fixed_value_gives_slope_one_half(point: SinkPoint) -> float:
    """A natural reading of the law without its hypothesis. At the counterexample the slope is 1."""
    times = tail_times(1e10)
    return abs(fitted_slope(np.log(times), point.flow(times, frozen="beta").alpha[:, 0]) - 0.5)
