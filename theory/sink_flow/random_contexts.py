"""Regime (d): sink logits and value state move together while the context varies, as in real sequences.

The value state can only cancel the mean of what the other keys add; the rest fluctuates and keeps pushing the sink
logits. The flow approaches a self-similar tail, e^{-alpha_v} and beta falling together like t^(-1/2). With mu_v the
mean of z under the contexts of query v, Sigma_v = diag p_v - p_v p_v^T, and F_v = E Var_{p_v}(z - mu_v),

    alpha_v = (1/2) log t - log kappa_v,    beta = c 1 - b t^(-1/2),    t L -> N/4,
    sum_v pi_v Sigma_v (kappa_v mu_v - b) = 0,    mean(b) = 0,
    pi_v kappa_v [kappa_v F_v + mu_v^T Sigma_v (kappa_v mu_v - b)] = 1/2  for every query v.

Derived here from L ~ (1/2) sum_v pi_v E[(beta + x_v z)^T Sigma_v (beta + x_v z)], x_v = e^{-alpha_v}, valid where x_v
and the spread of beta are small; the weights W drop out. That every flow reaches this tail is observed, not proved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, fitted_slope
from theory.papers import GUO_2024
from theory.sink_flow.model import SinkModel, SinkPoint, require_full_support, tail_times
from theory.validation import increasing_times, require


class RandomContextTail(NamedTuple):
    """The constants of the tail: alpha_v = (1/2) log t - log kappa_v and beta = c 1 - b t^(-1/2)."""

    kappa: Float[Array, " n"]
    b: Float[Array, " v"]


def fluctuation(model: SinkModel) -> Float[Array, " n"]:
    """F_v = E Var_{p_v}(z - mu_v): what of the other keys' values no constant value state can cancel."""
    require_random_contexts(model)
    deviation = model.value_sum - _context_means(model)[:, None]
    centred = deviation - np.einsum("nv,ncv->nc", model.next_token, deviation)[..., None]
    return np.einsum("nc,nv,ncv->n", _law(model), model.next_token, centred**2)


def random_context_tail(model: SinkModel) -> RandomContextTail:
    """The unique (kappa > 0, b) that solve the equations of this module.

    b is linear in kappa, so they read kappa_v (K kappa)_v = 1/2 with a symmetric matrix K. Since kappa^T K kappa is
    sum_v pi_v F_v kappa_v^2 plus the minimum over b of sum_v pi_v (kappa_v mu_v - b)^T Sigma_v (kappa_v mu_v - b) >= 0,
    K is positive definite, and the equations are the stationarity of the strictly convex
    (1/2) kappa^T K kappa - (1/2) sum_v log kappa_v, which has exactly one minimiser.

    Raises `ValueError` unless the contexts are random with F_v > 0 for every query and next_token has full support, and
    `RuntimeError` if the solution found misses the equations by more than 1e-12 of their terms.
    """
    require_fluctuating_contexts(model)
    covariances = np.stack([np.diag(p) - np.outer(p, p) for p in model.next_token])
    means = _context_means(model)
    pushes = model.frequency[:, None] * np.einsum("nvw,nw->nv", covariances, means)  # pi_v Sigma_v mu_v
    total = np.tensordot(model.frequency, covariances, axes=1)
    total += np.trace(total) / model.tokens**2  # makes the constants, which no push contains, invertible
    answers = np.linalg.solve(total, pushes.T)  # column v: b for kappa = e_v
    kept = model.frequency * fluctuation(model) + (pushes * means).sum(axis=-1)
    matrix = np.diag(kept) - pushes @ answers
    kappa = _barrier_minimiser((matrix + matrix.T) / 2)
    b = answers @ kappa
    return RandomContextTail(kappa, b - b.mean())


def random_context_asymptote(model: SinkModel, times: ArrayLike) -> tuple[Float[Array, "t n"], Float[Array, "t v"]]:
    """alpha(t) and beta(t) - mean(beta) in the tail, at times > 0. Raises as `random_context_tail` does."""
    times = increasing_times("times", times)[:, None]
    if times[0] <= 0:
        raise ValueError(f"times must be positive, got {times[0, 0]}")
    kappa, b = random_context_tail(model)
    return 0.5 * np.log(times) - np.log(kappa), -b / np.sqrt(times)


def require_random_contexts(model: SinkModel) -> None:
    """`ValueError` for a model with one fixed context."""
    require(not model.has_one_context, f"random contexts are needed, value_sum (C, V), got {model.value_sum.shape}")


def require_fluctuating_contexts(model: SinkModel) -> None:
    """`ValueError` unless contexts are random, every token is predicted, and every F_v > 0 beyond rounding."""
    require_random_contexts(model)
    require_full_support(model)
    spread = fluctuation(model)
    rounding = (64 * np.finfo(float).eps * np.abs(model.value_sum).max()) ** 2
    require(
        (spread > rounding).all(), f"value_sum must fluctuate between the contexts of every query, got F = {spread}"
    )


def _law(model: SinkModel) -> Array:
    """rho (N, C)."""
    law = np.asarray(model.context_probability)
    return np.broadcast_to(law, (model.queries, law.shape[-1]))


def _context_means(model: SinkModel) -> Array:
    """mu_v - mean(mu_v), (N, V): constants drop out of everything here."""
    means = _law(model) @ model.value_sum
    return means - means.mean(axis=-1, keepdims=True)


def _barrier_minimiser(matrix: Array) -> Array:
    """The x > 0 with x_v (K x)_v = 1/2, by damped Newton on the self-concordant x^T K x - sum log x."""
    x = 1 / np.sqrt(2 * np.diag(matrix))
    for _ in range(200):
        gradient, hessian = 2 * matrix @ x - 1 / x, 2 * matrix + np.diag(x**-2)
        step = np.linalg.solve(hessian, gradient)
        decrement = np.sqrt(gradient @ step)
        x = x - step / (1 + decrement if decrement > 0.25 else 1)
        if decrement < 1e-8:  # the last full step squared it
            break
    miss, terms = np.abs(x * (matrix @ x) - 0.5), np.maximum(0.5, x * (np.abs(matrix) @ x))
    if not (miss <= 1e-12 * terms).all():
        raise RuntimeError(f"no tail was found to 1e-12 of the terms of its equations: they are missed by {miss}")
    return x


class RandomContexts(SinkPoint):
    """Hypotheses: random contexts whose values fluctuate for every query (F_v > 0), and full support."""

    def check_hypothesis(self) -> None:
        """As the class says."""
        require_fluctuating_contexts(self.model)


# ---------------------------------------------------------------------------------------------------------- claims


def _one_context() -> tuple[SinkPoint]:
    """A fixed context: the value state cancels all of it and the sink logits stop."""
    model = SinkModel(
        np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), np.array([0.5, 0.5]), np.array([4.0, 0.0, -2.0]), 10.0
    )
    return (SinkPoint(model, np.array([0.0, 0.5]), np.array([1.0, -1.0, 0.0])),)


@claim(
    statement="""(kappa, b) of the tail solve sum_v pi_v Sigma_v (kappa_v mu_v - b) = 0, mean(b) = 0 and
    pi_v kappa_v [kappa_v tr(Sigma_v S_v) + mu_v^T Sigma_v (kappa_v mu_v - b)] = 1/2 for every query, S_v = Cov z.""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
)
def random_context_tail_solves_its_equations(start: RandomContexts) -> float:
    """Each equation relative to the sum of its terms, with Sigma_v and S_v written out as matrices."""
    model, (kappa, b) = start.model, random_context_tail(start.model)
    forces, force_terms, worst = np.zeros(model.tokens), np.zeros(model.tokens), relative_error(b.mean(), 0, scale=1.0)
    for v, (p, law) in enumerate(zip(model.next_token, _law(model), strict=True)):
        sigma, mean = np.diag(p) - np.outer(p, p), law @ model.value_sum
        covariance = model.value_sum.T @ np.diag(law) @ model.value_sum - np.outer(mean, mean)
        kept = kappa[v] * np.trace(sigma @ covariance) + kappa[v] * mean @ sigma @ mean
        cancelled, size = mean @ sigma @ b, model.frequency[v] * kappa[v]
        largest = size * kappa[v] * (model.value_sum**2).max() + size * np.abs(sigma @ b) @ np.abs(mean)
        worst = max(worst, relative_error(size * (kept - cancelled), 0.5, scale=largest))
        forces += model.frequency[v] * sigma @ (kappa[v] * mean - b)
        force_terms += model.frequency[v] * np.abs(sigma) @ (kappa[v] * np.abs(mean) + np.abs(b))
    return max(worst, relative_error(forces, 0.0, scale=float(force_terms.max())))


@claim(
    statement="""In the tail sum_v pi_v F_v kappa_v^2 <= N/2: the fluctuations alone carry at most all of the excess
    risk t L -> N/4, and exactly all of it where the value state cancels every mean (one query).""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
)
def fluctuations_carry_at_most_the_whole_risk(start: RandomContexts) -> float:
    kappa, model = random_context_tail(start.model).kappa, start.model
    return excess(model.frequency * fluctuation(model) @ kappa**2, model.queries / 2)


@claim(
    statement="""In random contexts the joint flow makes every sink logit grow like (1/2) log t, while the spread of the
    value state drains like t^(-1/2).""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    fails_without=_one_context,
    examples=4,
)
def random_contexts_give_slope_one_half(start: RandomContexts) -> float:
    """Largest error of the fitted slopes over the last two decades before t = 1e10.

    The drain counts as far as the spread is above 1e-3 t^(-1/2): with one mean for all tokens there is none to see.
    """
    times = tail_times(1e10)
    path = start.flow(times)
    errors = [abs(fitted_slope(np.log(times), column) - 0.5) for column in path.alpha.T]
    spread = np.linalg.norm(path.beta - path.beta.mean(axis=-1, keepdims=True), axis=-1)
    if (spread * np.sqrt(times) > 1e-3).all():
        errors.append(abs(fitted_slope(np.log(times), np.log(spread)) + 0.5))
    return max(errors)


@claim(
    statement="In random contexts t L(t) -> N/4 along the joint flow, whatever p, pi, z, W and the context law are.",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    fails_without=_one_context,
    examples=4,
)
def random_context_risk_level_is_a_quarter_per_query(start: RandomContexts) -> float:
    """|4 t L / N - 1| at t = 1e10."""
    times = np.array([0.0, 1e10])
    return abs(4 * times[-1] * float(start.flow(times).loss[-1]) / start.model.queries - 1)


@claim(
    statement="""In random contexts alpha_v(t) - (1/2) log t -> -log kappa_v and (beta(t) - mean) t^(1/2) -> -b, with
    (kappa, b) from a convex programme in the means and covariances of the contexts.""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.005,
    examples=4,
)
def random_context_flow_reaches_its_tail(start: RandomContexts) -> float:
    """At t = 1e10: the error of alpha, and that of beta relative to max(|b|, 1)."""
    times = np.array([0.0, 1e10])
    path, (alpha, beta) = start.flow(times), random_context_asymptote(start.model, times[1:])
    drained = path.beta[-1] - path.beta[-1].mean()
    value_error = relative_error(drained * np.sqrt(times[-1]), beta[0] * np.sqrt(times[-1]), scale=1.0)
    return max(float(np.abs(path.alpha[-1] - alpha[0]).max()), value_error)
