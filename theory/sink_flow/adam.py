"""Adam instead of gradient flow: a sink logit then grows linearly in steps, at a rate known in closed form.

Where the loss falls like e^{-k alpha} (k = 2 for the sink logit of the reduced model), gradients shrink by a constant
factor per step once alpha grows by a constant rho per step. Adam's running averages then keep constant ratios to the
gradient, m = g (1 - beta1) / (1 - beta1 e^{k rho}) and v = g^2 (1 - beta2) / (1 - beta2 e^{2 k rho}), and
rho = learning_rate * m / sqrt(v) closes the loop. Without epsilon the scale of the loss drops out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, inf, log, sqrt

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, fitted_slope
from theory.papers import GUO_2024
from theory.sink_flow.model import ConstantValue
from theory.validation import fraction, integer, real, require


def adam_growth_rate(*, learning_rate: float, beta1: float, beta2: float, decay: float) -> float:
    """rho, by how much alpha grows per step of Adam (epsilon 0) on a loss C e^{-decay alpha}, after transients.

    The root of rho = learning_rate (1 - beta1) / (1 - beta1 e^{k rho}) sqrt((1 - beta2 e^{2 k rho}) / (1 - beta2)) in
    (0, -log(beta2) / (2 k)), k = decay. It is unique because for beta1 <= beta2 the right side decreases in rho.
    Raises `ValueError` unless 0 <= beta1 <= beta2 < 1; with beta2 = 0 every step is learning_rate.
    """
    return _growth_rate(OrderedAdamTail(learning_rate, beta1, beta2, decay))


def saturated_growth_rate(*, beta2: float, decay: float) -> float:
    """-log(beta2) / (2 decay): at no learning rate does a logit grow faster per step. Infinite at beta2 = 0."""
    beta2, decay = fraction("beta2", beta2, below_one=True), real("decay", decay, above=0.0)
    return inf if beta2 == 0 else -log(beta2) / (2 * decay)


@dataclass(frozen=True)
class AdamTail:
    """Adam (epsilon 0, bias-corrected) on the loss e^{-decay alpha}: learning_rate and decay > 0, betas in [0, 1)."""

    learning_rate: float
    beta1: float
    beta2: float
    decay: float

    def __post_init__(self) -> None:
        real("learning_rate", self.learning_rate, above=0.0)
        fraction("beta1", self.beta1, below_one=True)
        fraction("beta2", self.beta2, below_one=True)
        real("decay", self.decay, above=0.0)

    def steps(self, count: int) -> Float[Array, " t"]:
        """The first `count` increments of alpha, exact: m / g and v / g^2 are followed, so nothing underflows."""
        increments = np.empty(integer("count", count, least=1))
        first = second = increment = 0.0
        bias1 = bias2 = 1.0
        for t in range(count):
            shrink = exp(self.decay * increment)  # last gradient over this one
            first = self.beta1 * first * shrink + 1 - self.beta1
            second = self.beta2 * second * shrink**2 + 1 - self.beta2
            bias1, bias2 = bias1 * self.beta1, bias2 * self.beta2
            increment = self.learning_rate * first / (1 - bias1) / sqrt(second / (1 - bias2))
            increments[t] = increment
        return increments


@dataclass(frozen=True)
class OrderedAdamTail(AdamTail):
    """Hypothesis: beta1 <= beta2, as in every common setting."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.beta1 <= self.beta2, f"beta1 must be at most beta2, got {self.beta1} > {self.beta2}")


def _right_side(tail: AdamTail, rho: float) -> float:
    """The step that Adam makes where alpha has long grown by rho per step."""
    momentum = (1 - tail.beta1) / (1 - tail.beta1 * exp(tail.decay * rho))
    beyond = 2 * tail.decay * (rho - saturated_growth_rate(beta2=tail.beta2, decay=tail.decay))
    return tail.learning_rate * momentum * sqrt(max(0.0, -expm1(beyond)) / (1 - tail.beta2))


def _growth_rate(tail: OrderedAdamTail) -> float:
    if tail.beta2 == 0:
        return tail.learning_rate
    largest = saturated_growth_rate(beta2=tail.beta2, decay=tail.decay)
    return float(brentq(lambda rho: rho - _right_side(tail, rho), 0.0, largest, xtol=1e-300, rtol=8.9e-16))


# ---------------------------------------------------------------------------------------------------------- claims


def _slow_gradient_fast_scale() -> tuple[AdamTail]:
    """beta1 = .99 remembers large old gradients that beta2 = .5 has forgotten."""
    return (AdamTail(0.01, 0.99, 0.5, 2.0),)


@claim(
    statement="""Under Adam with beta1 <= beta2 and epsilon 0 a logit with loss C e^{-k alpha} grows linearly in steps,
    at the root of rho = lr (1 - beta1) / (1 - beta1 e^{k rho}) sqrt((1 - beta2 e^{2 k rho}) / (1 - beta2)).""",
    source=GUO_2024,
    kind="limit",
    tolerance=1e-6,
    fails_without=_slow_gradient_fast_scale,
    examples=15,
)
def adam_reaches_its_growth_rate(tail: OrderedAdamTail) -> float:
    """By how much the last of 200 / (1 - beta2) + 200 exact steps misses the equation: a bound on its relative error,
    since the right side decreases."""
    last = tail.steps(int(200 / (1 - tail.beta2)) + 200)[-1]
    return relative_error(last, _right_side(tail, last))


@claim(
    statement="""No step of Adam with beta1 <= beta2 and epsilon 0 exceeds the learning rate while gradients shrink: the
    average with beta1 weighs the larger, older gradients less, and a mean is at most a root mean square.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_slow_gradient_fast_scale,
    examples=50,
)
def adam_steps_are_at_most_the_learning_rate(tail: OrderedAdamTail) -> float:
    return excess(tail.steps(500), tail.learning_rate)


@claim(
    statement="Adam's growth rate is at most the learning rate and less than -log(beta2) / (2 k), however large it is.",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-12,
)
def adam_growth_saturates(tail: OrderedAdamTail) -> float:
    largest = min(tail.learning_rate, saturated_growth_rate(beta2=tail.beta2, decay=tail.decay))
    return excess(_growth_rate(tail), largest)


def _adam_on_the_model(point: ConstantValue, steps: int) -> tuple[float, Array]:
    """Adam (epsilon 0) on the sink logits; the predicted rate and alpha (steps + 1, N)."""
    rate, (beta1, beta2) = 0.01, (0.9, 0.95)
    alpha, first, second = point.alpha, np.zeros(point.model.queries), np.zeros(point.model.queries)
    path = [alpha]
    for t in range(1, steps + 1):
        gradient = point.model.gradient(alpha, point.beta)[0]
        first, second = beta1 * first + (1 - beta1) * gradient, beta2 * second + (1 - beta2) * gradient**2
        alpha = alpha - rate * first / (1 - beta1**t) / np.sqrt(second / (1 - beta2**t))
        path.append(alpha)
    return adam_growth_rate(learning_rate=rate, beta1=beta1, beta2=beta2, decay=2.0), np.array(path)


@claim(
    statement="""On the reduced model with a constant value state Adam (epsilon 0) makes every sink logit grow linearly,
    all at the same rate: that of a loss e^{-2 alpha}, whatever p, pi, z and W are.""",
    source=GUO_2024,
    kind="limit",
    tolerance=1e-4,
    examples=4,
)
def sink_logits_grow_linearly_under_adam(point: ConstantValue) -> float:
    """Relative error of the rate over the last 500 of 3000 steps; queries whose z does not vary are left out."""
    moving = np.abs(point.model.gradient(point.alpha, point.beta)[0]) > 1e-12
    if not moving.any():
        return 0.0
    predicted, alpha = _adam_on_the_model(point, 3000)
    rates = (alpha[-1] - alpha[-501])[moving] / 500
    return relative_error(rates, np.full_like(rates, predicted))


@claim(
    statement="""A sink logit trained by Adam grows like (1/2) log t.""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.05,
    counterexample=lambda: (AdamTail(1e-3, 0.9, 0.99, 2.0),),
)
def adam_gives_slope_one_half(tail: AdamTail) -> float:
    """|slope - 1/2| of alpha against log t between 10^3 and 10^5 steps: at the counterexample alpha grows linearly."""
    alpha = np.cumsum(tail.steps(100_000))
    times = np.unique(np.geomspace(1e3, 1e5, 41).astype(int))
    return abs(fitted_slope(np.log(times), alpha[times - 1]) - 0.5)
