"""Regime (b): all sink logits are fixed at one value a and only the value state moves: it drains.

The loss is then convex in beta with minimisers c 1 - e^{-a} z; the flow picks the one that keeps the sum of beta.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess
from theory.numerics import Array, fitted_slope
from theory.papers import GUO_2024
from theory.sink_flow.model import (
    EqualLogits,
    FlowStart,
    SinkModel,
    SinkPoint,
    require_full_support,
    require_one_context,
)
from theory.validation import finite_array, real


def drained_value(model: SinkModel, alpha: float, beta: ArrayLike) -> Float[Array, " v"]:
    """The limit of the value state from `beta` when every sink logit is fixed at `alpha`:

    beta* = c 1 - e^{-alpha} z with c = mean(beta) + e^{-alpha} mean(z); its spread is e^{-alpha} times that of z.
    Raises `ValueError` without full support: a token that no query predicts keeps its coordinate for ever; and for
    random contexts.
    """
    require_one_context(model)
    require_full_support(model)
    alpha = real("alpha", alpha)
    beta = finite_array("beta", beta, (model.tokens,))
    return beta.mean() - np.exp(-alpha) * (model.value_sum - model.value_sum.mean())


def drain_rate(model: SinkModel, alpha: float) -> float:
    """The eventual exponential rate s^2 lambda_2(sum_v pi_v (diag p_v - p_v p_v^T)) of ||beta - beta*||."""
    require_one_context(model)
    weighted = model.frequency[:, None] * model.next_token
    laplacian = np.diag(weighted.sum(axis=0)) - model.next_token.T @ weighted
    (sink,) = model.sink_weight([real("alpha", alpha)])
    return float(sink**2 * np.linalg.eigvalsh(laplacian)[1])


# ---------------------------------------------------------------------------------------------------------- claims

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e4, 25)])


def _distances(point: SinkPoint, beta: Array) -> Array:
    target = point.beta.mean() - np.exp(-point.alpha[0]) * (point.model.value_sum - point.model.value_sum.mean())
    return np.linalg.norm(beta - target, axis=-1)


def _unpredicted_token() -> tuple[SinkPoint]:
    """The last token is never predicted, so its value coordinate feels no force."""
    model = SinkModel(np.array([[0.6, 0.4, 0.0]]), np.array([1.0]), np.array([2.0, -1.0, 3.0]), 4.0)
    return (SinkPoint(model, np.array([0.0]), np.array([1.0, 0.0, 2.0])),)


@claim(
    statement="""With equal fixed sink logits a and full support, beta(t) -> c 1 - e^{-a} z with
    c = mean(beta(0)) + e^{-a} mean(z): the spread of the value state drains to e^{-a} times the spread of z.""",
    source=GUO_2024,
    kind="limit",
    status="as recalled",
    tolerance=1e-7,
    fails_without=_unpredicted_token,
    examples=15,
)
def value_state_drains(point: EqualLogits) -> float:
    """Distance to beta* after 40 e-foldings of the predicted rate (t >= 1e4), relative to the start."""
    rate = drain_rate(point.model, point.alpha[0])
    last = max(1e4, 40.0 / rate) if rate > 1e-12 else 1e4
    beta = point.flow(np.array([0.0, last]), frozen="alpha").beta
    return float(_distances(point, beta)[-1] / max(1.0, _distances(point, point.beta)))


@claim(
    statement="With equal fixed sink logits the distance of the value state to its limit never increases.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-8,
    examples=15,
)
def distance_to_the_drained_value_never_increases(point: EqualLogits) -> float:
    distances = _distances(point, point.flow(TIMES, frozen="alpha").beta)
    return excess(distances[1:], distances[:-1], scale=max(1.0, distances[0]))


@claim(
    statement="With equal fixed sink logits L(t) <= ||beta(0) - beta*||^2 / (2 t).",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-8,
    examples=15,
)
def drain_loss_falls_like_one_over_t(point: EqualLogits) -> float:
    path = point.flow(TIMES, frozen="alpha")
    return excess(path.loss[1:] * 2 * TIMES[1:], _distances(point, point.beta) ** 2)


@claim(
    statement="""Gradient descent on the value state with any step eta in (0, 2] and equal fixed sink logits satisfies
    L_T <= ||beta_0 - beta*||^2 / (2 eta T), when the frequencies sum to at most 1.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
    examples=30,
)
def descent_with_step_two_converges(point: EqualLogits) -> float:
    total = max(1.0, float(point.model.frequency.sum()))
    model = SinkModel(point.model.next_token, point.model.frequency / total, point.model.value_sum, point.model.weight)
    start, worst = _distances(point, point.beta) ** 2, -np.inf
    for step in (2.0, 1.0, 0.1):
        beta = point.beta
        for count in range(1, 101):
            beta = beta - step * model.gradient(point.alpha, beta)[1]
            worst = max(worst, excess(2 * step * count * model.loss(point.alpha, beta), start))
    return worst


@claim(
    statement="""The distance of the value state to its limit eventually falls at least at the exponential rate
    s^2 lambda_2(sum_v pi_v (diag p_v - p_v p_v^T)); at exactly this rate unless the start misses the slowest mode.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=0.01,
    examples=10,
)
def drain_rate_is_at_least_the_second_eigenvalue(start: FlowStart) -> float:
    """Against the rate fitted between 8 and 12 predicted e-foldings; equality shows as tightness 1."""
    point = EqualLogits(start.model, np.full(start.model.queries, start.alpha[0]), start.beta)
    rate = drain_rate(point.model, point.alpha[0])
    times = np.linspace(8.0, 12.0, 9) / rate
    distances = _distances(point, point.model.flow(point.alpha, point.beta, times, frozen="alpha", rtol=1e-12).beta)
    return excess(rate, -fitted_slope(times, np.log(distances)))


@claim(
    statement="The value state drains to c 1 - e^{-a} z on every vocabulary, also where some token is never predicted.",
    source=GUO_2024,
    kind="refuted",
    tolerance=1e-7,
    counterexample=_unpredicted_token,
)
def every_vocabulary_drains(point: SinkPoint) -> float:
    """The statement without its hypothesis: the begin token's own column is such a token in the published table."""
    beta = point.flow(np.array([0.0, 1e4]), frozen="alpha").beta
    return float(_distances(point, beta)[-1])
