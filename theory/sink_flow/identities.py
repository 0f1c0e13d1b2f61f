"""What holds at every point (alpha, beta) of the reduced model, derived from its loss.

Notation: g_v = q_v - p_v, J_v = KL(p_v||q_v) + KL(q_v||p_v) (Jeffreys divergence), zbar = z / W.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, exp_remainder
from theory.papers import GUO_2024
from theory.sink_flow.model import SinkModel, SinkPoint

if TYPE_CHECKING:
    import sympy


def jeffreys(model: SinkModel, alpha: Array, beta: Array) -> Array:
    """J_v = KL(p_v||q_v) + KL(q_v||p_v) for every query, from the two divergences themselves."""
    log_ratio = model.perturbation(alpha, beta) - model.divergence(alpha, beta)[..., None]  # log q - log p
    # KL(q||p) = sum p (r e^r - e^r + 1) with r = log q/p, grouped so that nothing cancels near r = 0
    reverse = model.next_token * (log_ratio * np.expm1(log_ratio) - exp_remainder(log_ratio))
    return model.divergence(alpha, beta) + reverse.sum(axis=-1)


# --------------------------------------------------------------------------------------- symbolic twin (N = 2, V = 3)


class Symbolic:
    """The model with N = 2 queries and V = 3 tokens in sympy; q_v and p_v are free points of the simplex."""

    def __init__(self) -> None:
        import sympy as sp

        self.alpha, self.beta, self.z = sp.symbols("alpha:2"), sp.symbols("beta:3"), sp.symbols("z:3")
        self.weight, self.pi = sp.Symbol("W", positive=True), sp.symbols("pi:2", positive=True)
        p, q = sp.symbols("p:2:2", positive=True), sp.symbols("q:2:2", positive=True)
        self.p = [[p[2 * v], p[2 * v + 1], 1 - p[2 * v] - p[2 * v + 1]] for v in range(2)]
        self.q = [[q[2 * v], q[2 * v + 1], 1 - q[2 * v] - q[2 * v + 1]] for v in range(2)]
        self.zbar = [zk / self.weight for zk in self.z]
        self.sink = [sp.exp(a) / (sp.exp(a) + self.weight) for a in self.alpha]
        self.delta = [[s * b + (1 - s) * zb for b, zb in zip(self.beta, self.zbar, strict=True)] for s in self.sink]
        self.g = [[qk - pk for qk, pk in zip(qs, ps, strict=True)] for qs, ps in zip(self.q, self.p, strict=True)]

    def gradient(self, parameter: sympy.Symbol) -> sympy.Expr:
        """dL/d parameter by the chain rule through delta, with dKL_v/d delta_v = q_v - p_v (`softmax_residual`)."""
        return sum(self.pi[v] * self.g[v][k] * self.delta[v][k].diff(parameter) for v in range(2) for k in range(3))

    def softmax_residual(self) -> Iterator[sympy.Expr]:
        """dKL/d delta_k - (q_k - p_k) for an explicit softmax, which justifies `gradient`."""
        import sympy as sp

        delta = sp.symbols("delta:3")
        total = sum(p * sp.exp(d) for p, d in zip(self.p[0], delta, strict=True))
        divergence = sp.log(total) - sum(p * d for p, d in zip(self.p[0], delta, strict=True))
        for p, d in zip(self.p[0], delta, strict=True):
            yield divergence.diff(d) - (p * sp.exp(d) / total - p)

    def jeffreys(self, v: int) -> sympy.Expr:
        """<g_v, delta_v>, which is J_v by the second identity."""
        return sum(g * d for g, d in zip(self.g[v], self.delta[v], strict=True))

    def odds(self, v: int) -> sympy.Expr:
        """e^alpha_v / W, the odds of attending to the sink."""
        import sympy as sp

        return sp.exp(self.alpha[v]) / self.weight


def _sum_proof() -> Iterator[sympy.Expr]:
    m = Symbolic()
    yield from m.softmax_residual()
    yield sum(m.gradient(b) for b in m.beta)


def _jeffreys_proof() -> Iterator[sympy.Expr]:
    """With log q_k = log p_k + delta_k - A the two divergences add up to <q - p, delta>, whatever A is."""
    import sympy as sp

    m, log_total = Symbolic(), sp.Symbol("A")
    for v in range(2):
        log_ratio = [d - log_total for d in m.delta[v]]  # log q - log p
        forward = sum(-p * r for p, r in zip(m.p[v], log_ratio, strict=True))
        backward = sum(q * r for q, r in zip(m.q[v], log_ratio, strict=True))
        yield m.jeffreys(v) - (forward + backward)


def _power_proof() -> Iterator[sympy.Expr]:
    m = Symbolic()
    left = sum(m.pi[v] * m.sink[v] * m.jeffreys(v) for v in range(2))
    right = sum(zb * m.gradient(b) for zb, b in zip(m.zbar, m.beta, strict=True))
    yield left - right - sum(m.odds(v) * m.gradient(m.alpha[v]) for v in range(2))


def _exchange_proof() -> Iterator[sympy.Expr]:
    m = Symbolic()
    left = sum((b - zb) * m.gradient(b) for zb, b in zip(m.zbar, m.beta, strict=True))
    yield left - sum((1 + m.odds(v)) * m.gradient(m.alpha[v]) for v in range(2))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="The gradient of the loss with respect to the value state sums to zero over tokens.",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-12,
    symbolic=_sum_proof,
)
def value_gradient_sums_to_zero(point: SinkPoint) -> float:
    residual = point.model.residual(point.alpha, point.beta)
    scale = (point.model.frequency * point.model.sink_weight(point.alpha)) @ np.abs(residual).sum(axis=-1)
    total = point.model.gradient(point.alpha, point.beta)[1].sum()
    return relative_error(total, 0.0, scale=float(scale))


@claim(
    statement="For every query <q_v - p_v, delta_v> is the Jeffreys divergence KL(p_v||q_v) + KL(q_v||p_v).",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
    symbolic=_jeffreys_proof,
)
def residual_times_perturbation_is_jeffreys(point: SinkPoint) -> float:
    model, alpha, beta = point.model, point.alpha, point.beta
    product = (model.residual(alpha, beta) * model.perturbation(alpha, beta)).sum(axis=-1)
    return relative_error(product, jeffreys(model, alpha, beta), scale=1e-12)


@claim(
    statement="""sum_v pi_v s_v J_v = <zbar, dL/dbeta> + sum_v (e^alpha_v / W) dL/dalpha_v.""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
    symbolic=_power_proof,
)
def weighted_jeffreys_is_a_gradient_product(point: SinkPoint) -> float:
    model, alpha, beta = point.model, point.alpha, point.beta
    d_alpha, d_beta = model.gradient(alpha, beta)
    left = (model.frequency * model.sink_weight(alpha)) @ jeffreys(model, alpha, beta)
    terms = np.concatenate([model.mean_value * d_beta, np.exp(alpha) / model.weight * d_alpha])
    return relative_error(terms.sum(), left, scale=float(np.abs(terms).sum()) + 1e-12)


@claim(
    statement="<dL/dbeta, beta - zbar> = sum_v (1 + e^alpha_v / W) dL/dalpha_v.",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
    symbolic=_exchange_proof,
)
def value_and_logit_gradients_exchange(point: SinkPoint) -> float:
    model, alpha, beta = point.model, point.alpha, point.beta
    d_alpha, d_beta = model.gradient(alpha, beta)
    left, right = d_beta * (beta - model.mean_value), (1 + np.exp(alpha) / model.weight) * d_alpha
    return relative_error(left.sum(), right.sum(), scale=float(np.abs(left).sum() + np.abs(right).sum()) + 1e-12)


@claim(
    statement="KL(p_v||q_v) <= (max delta_v - min delta_v)^2 / 8 (Hoeffding's lemma).",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
)
def divergence_is_bounded_by_the_range(point: SinkPoint) -> float:
    delta = point.model.perturbation(point.alpha, point.beta)
    return excess(point.model.divergence(point.alpha, point.beta), np.ptp(delta, axis=-1) ** 2 / 8)


@claim(
    statement="Scaling z, W and every e^alpha_v by one factor, and shifting beta by a constant, leaves L unchanged.",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
)
def loss_is_invariant_under_rescaling(point: SinkPoint) -> float:
    model, factor = point.model, 3.7
    scaled = SinkModel(model.next_token, model.frequency, factor * model.value_sum, factor * model.weight)
    moved = scaled.loss(point.alpha + np.log(factor), point.beta + 5.0)
    return relative_error(moved, model.loss(point.alpha, point.beta), scale=1e-9)


@claim(
    statement="""sum_v pi_v s_v J_v <= ||zbar - mean|| ||dL/dbeta|| + ||e^alpha / W|| ||dL/dalpha||: where both
    gradients vanish every divergence does, so every stationary point is a global minimum.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
)
def stationary_points_are_global_minima(point: SinkPoint) -> float:
    model, alpha, beta = point.model, point.alpha, point.beta
    d_alpha, d_beta = model.gradient(alpha, beta)
    left = (model.frequency * model.sink_weight(alpha)) @ jeffreys(model, alpha, beta)
    spread = np.linalg.norm(model.mean_value - model.mean_value.mean())
    right = spread * np.linalg.norm(d_beta) + np.linalg.norm(np.exp(alpha) / model.weight) * np.linalg.norm(d_alpha)
    return excess(left, right, scale=max(float(left), float(right), 1e-12))
