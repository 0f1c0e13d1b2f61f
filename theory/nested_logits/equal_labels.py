"""L = N: every label is in the context, so the read-out has no drift and the origin is a saddle with two ways out.

One way is induction. The other is anti-induction: attend to every label but the right one and read out its negative,
(xi, alpha) -> (-inf, -inf), which also drives the loss to 0. Derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.claims import claim, relative_error
from theory.nested_logits.model import NestedLogits, _broadcast
from theory.numerics import Array, fitted_slope, integrate
from theory.papers import REDDY_2024
from theory.validation import real


def _needs_equal_labels(model: NestedLogits) -> None:
    if model.absent != 0:
        raise ValueError(f"labels must equal context_labels = {model.context_labels}, got {model.labels}")


def saddle_rate(model: NestedLogits) -> float:
    """lambda = kappa a1(0) sqrt(eta_xi eta_alpha): how fast a small start leaves the origin at L = N.

    The plateau grows by log(10)/lambda with every decade by which the start is smaller.
    """
    _needs_equal_labels(model)
    attention = expit(-np.log(model.single_competitors))
    return float(model.contrast * attention * np.sqrt(model.rates[0] * model.rates[1]))


def equal_labels_integral(model: NestedLogits, xi: ArrayLike, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
    """J = xi^2/2 - [e^z + (N-2) z + (N-1) e^-z] / (N a1^2), z = alpha a1: constant at L = N while beta is frozen.

    Needs equal rates of xi and alpha.
    """
    _needs_equal_labels(model)
    if model.rates[0] != model.rates[1]:
        raise ValueError(f"rates must be equal for xi and alpha, got {model.rates[:2]}")
    xi, alpha, beta = _broadcast(xi, alpha, beta)
    a1 = expit(beta - np.log(model.single_competitors))
    z, n = alpha * a1, model.context_labels
    return xi**2 / 2 - (np.exp(z) + (n - 2) * z + (n - 1) * np.exp(-z)) / (n * a1**2)


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class EqualLabelsStart:
    """Hypothesis: L = N, unit rates, a start (xi, alpha, 0) of size at most 0.05, not on the line xi + alpha = 0."""

    model: NestedLogits
    xi: float
    alpha: float

    def __post_init__(self) -> None:
        _needs_equal_labels(self.model)
        size = max(abs(real("xi", self.xi)), abs(real("alpha", self.alpha)))
        if self.model.rates != (1.0, 1.0, 1.0):
            raise ValueError(f"hypothesis broken: rates must be (1, 1, 1), got {self.model.rates}")
        if not (size <= 0.05 and abs(self.xi + self.alpha) >= 0.1 * size > 0):
            raise ValueError(f"hypothesis broken: 0.1 max <= |xi + alpha|, max <= 0.05, got {self.xi}, {self.alpha}")

    @property
    def escape_time(self) -> float:
        """When the unstable part of the start, linearised, would reach 1."""
        return float(np.log(2 / abs(self.xi + self.alpha)) / saddle_rate(self.model))


@claim(
    statement="""With L = N and xi + alpha > 0 at the start the head learns induction (a2 -> 1); with xi + alpha < 0 it
    learns anti-induction (a2 -> 0, attention on every label but the right one). Either way the loss goes to 0.""",
    source=REDDY_2024,
    kind="inequality",
    tolerance=0.0,
    examples=20,
)
def the_sign_of_the_start_decides(start: EqualLabelsStart) -> float:
    """After 40 linearised escape times: attention past 1/2 or below 1/N, and the loss below a tenth of log N."""
    model = start.model
    end = model.flow([0.0, 40 * start.escape_time + 1e4], (start.xi, start.alpha, 0.0))
    attention = end.right_label[-1]
    wrong = 0.5 - attention if start.xi + start.alpha > 0 else attention - 1 / model.context_labels
    return float(max(wrong, end.loss[-1] / np.log(model.context_labels) - 0.1))


@claim(
    statement="With L = N and beta frozen, unit rates conserve J = xi^2/2 - [e^z + (N-2) z + (N-1) e^-z] / (N a1^2).",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-6,
    examples=8,
)
def equal_labels_conserve_energy(start: EqualLabelsStart) -> float:
    """To two linearised escape times: past the saddle, into the nonlinear part."""
    model = start.model
    times = np.linspace(0, 1.5, 7) * start.escape_time
    path = integrate(
        lambda _, y: model.field(y[0], y[1], 0.0)[:2], np.array([start.xi, start.alpha]), times, rtol=1e-12, atol=1e-15
    )
    values: Array = equal_labels_integral(model, path[:, 0], path[:, 1], 0.0)
    size = 1 + float((path[:, 0] ** 2).max()) + abs(values[0])
    return relative_error(values, np.full_like(values, values[0]), scale=size)


@claim(
    statement="With L = N a small start leaves the origin at rate lambda = kappa sqrt(eta_xi eta_alpha) / (1 + m).",
    source=REDDY_2024,
    kind="limit",
    tolerance=1e-3,
    examples=20,
)
def origin_is_left_at_the_saddle_rate(start: EqualLabelsStart) -> float:
    """Slope of log xi along the unstable direction, from 1e-6 over two factors of e."""
    model, rate = start.model, saddle_rate(start.model)
    side = np.sign(start.xi + start.alpha) * 1e-6
    times = np.linspace(0, 2, 9) / rate
    path = model.flow(times, (side, side, 0.0))
    return abs(fitted_slope(times, np.log(np.abs(path.xi + path.alpha))) / rate - 1)
