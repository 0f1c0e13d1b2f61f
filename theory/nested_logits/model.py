"""The model: three logits, each inside the next, and one loss.

    a1 = sigmoid(beta - log m)               layer 1 on the predecessor, against m competing tokens
    a2 = e^z / (e^z + N - 1), z = alpha a1   layer 2 on the right label, o = (1 - a2)/(N-1) on each other context label
    loss = log(1 + (N-1) e^{-xi (a2 - o)} + (L-N) e^{-xi a2})        read-out overlap xi

N labels stand in the context, L exist. Time is learning rate x steps; `rates` are those of (xi, alpha, beta) relative
to it. A network whose target stands at a random position sees a different m at each: then loss and field are averages.
The three logits are those of Reddy 2024 as reviewers describe them; the formulas are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from theory.claims import claim, relative_error
from theory.numerics import Array, integrate
from theory.papers import REDDY_2024
from theory.validation import finite_array, increasing_times, integer, positive_array, real


class LogitPath(NamedTuple):
    """xi, alpha, beta, attention on the predecessor a1 and on the right label a2, and the loss, at each time (T,)."""

    xi: Float[Array, " t"]
    alpha: Float[Array, " t"]
    beta: Float[Array, " t"]
    predecessor: Float[Array, " t"]
    right_label: Float[Array, " t"]
    loss: Float[Array, " t"]


class _Forward(NamedTuple):
    """Everything a gradient needs; a last axis runs over positions of the target."""

    a1: Array
    a2: Array
    other: Array
    loss: Array
    error: Array  # 1 - p_c
    p_other: Array


@dataclass(frozen=True)
class NestedLogits:
    """N context labels of L labels, m competing tokens (or one m per target position), rates of (xi, alpha, beta).

    Domain: N >= 2, L >= N, m > 0, rates > 0. With a burst of B copies use N/B for N.
    """

    context_labels: int
    labels: int
    competitors: float | Sequence[float]
    rates: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        integer("context_labels", self.context_labels, least=2)
        integer("labels", self.labels, least=2)
        if self.labels < self.context_labels:
            raise ValueError(f"labels must be >= context_labels = {self.context_labels}, got {self.labels}")
        positive_array("competitors", np.atleast_1d(self.competitors), (None,), leading=False)
        rates = positive_array("rates", self.rates, (3,), leading=False)
        object.__setattr__(self, "rates", tuple(float(rate) for rate in rates))

    @property
    def contrast(self) -> float:
        """kappa = (N-1)/N^2: the slope of attention on the right label at uniform attention."""
        return (self.context_labels - 1) / self.context_labels**2

    @property
    def absent(self) -> int:
        """L - N, the labels that are not in the context."""
        return self.labels - self.context_labels

    @property
    def single_competitors(self) -> float:
        """m, where there is one; `ValueError` for several."""
        if self._log_competitors.size != 1:
            raise ValueError(f"competitors must be a single number here, got {self.competitors!r}")
        return float(np.asarray(self.competitors).item())

    @cached_property
    def _log_competitors(self) -> Array:
        return np.log(np.atleast_1d(np.asarray(self.competitors, dtype=np.float64)))

    def loss(self, xi: ArrayLike, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
        """The loss in nats; arguments broadcast."""
        return self._forward(*_broadcast(xi, alpha, beta)).loss.mean(axis=-1)

    def attention(self, alpha: ArrayLike, beta: ArrayLike) -> tuple[Float[Array, ...], Float[Array, ...]]:
        """a1 on the predecessor and a2 on the right label, averaged over positions."""
        a1, a2, _ = self._attention(*_broadcast(alpha, beta))
        return a1.mean(axis=-1), a2.mean(axis=-1)

    def field(self, xi: ArrayLike, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, "3 ..."]:
        """d(xi, alpha, beta)/dt = -rates o gradient of the loss."""
        return self._field(*_broadcast(xi, alpha, beta))

    def flow(self, times: ArrayLike, start: ArrayLike = (0.0, 0.0, 0.0)) -> LogitPath:
        """The gradient flow from `start` = (xi, alpha, beta) at `times`. The origin rests iff L = N."""
        times = increasing_times("times", times)
        start = finite_array("start", start, (3,), leading=False)
        return self.along(integrate(lambda _, y: self._field(*y), start, times, rtol=1e-10, atol=1e-13))

    def along(self, states: Float[Array, "t 3"]) -> LogitPath:
        """All quantities at given states."""
        a1, a2 = self.attention(states[:, 1], states[:, 2])
        xi, alpha, beta = states.T
        return LogitPath(xi, alpha, beta, a1, a2, self.loss(xi, alpha, beta))

    def _field(self, xi: Array, alpha: Array, beta: Array) -> Array:
        now = self._forward(xi, alpha, beta)
        spread = now.a2 * (self.context_labels - 1) * now.other  # a2 (1 - a2)
        pull = xi[..., None] * (now.error + now.p_other / (self.context_labels - 1)) * spread  # -d loss / dz
        slopes = (
            now.error * now.a2 - now.p_other * now.other,
            pull * now.a1,
            pull * alpha[..., None] * now.a1 * (1 - now.a1),
        )
        return np.stack([rate * slope.mean(axis=-1) for rate, slope in zip(self.rates, slopes, strict=True)])

    def _attention(self, alpha: Array, beta: Array) -> tuple[Array, Array, Array]:
        a1 = expit(beta[..., None] - self._log_competitors)
        logit = alpha[..., None] * a1 - np.log(self.context_labels - 1)
        return a1, expit(logit), expit(-logit) / (self.context_labels - 1)

    def _forward(self, xi: Array, alpha: Array, beta: Array) -> _Forward:
        a1, a2, other = self._attention(alpha, beta)
        others = xi[..., None] * other + np.log(self.context_labels - 1)
        # log of (1 - p_c) / p_c, exact in the tail: all that is wrong against the right label
        wrong = np.logaddexp(others, np.log(self.absent) if self.absent else -np.inf)
        margin = wrong - xi[..., None] * a2
        error = expit(margin)
        return _Forward(a1, a2, other, np.logaddexp(0.0, margin), error, error * np.exp(others - wrong))


def _broadcast(*values: ArrayLike) -> tuple[Array, ...]:
    names = ("xi", "alpha", "beta")[-len(values) :]
    return tuple(np.broadcast_arrays(*(finite_array(n, v, ()) for n, v in zip(names, values, strict=True))))


def first_integral(model: NestedLogits, alpha: ArrayLike, beta: ArrayLike) -> Float[Array, ...]:
    """C = alpha^2 / (2 eta_alpha) - (beta + e^beta / m) / eta_beta: constant along every flow, whatever the read-out.

    It holds for any loss that depends on alpha and beta through z = alpha sigmoid(beta - log m) alone. One m only.
    """
    alpha, beta = _broadcast(alpha, beta)
    _, eta_alpha, eta_beta = model.rates
    return alpha**2 / (2 * eta_alpha) - (beta + np.exp(beta) / model.single_competitors) / eta_beta


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class LogitPoint:
    """A model with one m at a point (xi, alpha, beta)."""

    model: NestedLogits
    xi: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        _ = self.model.single_competitors
        for name in ("xi", "alpha", "beta"):
            real(name, getattr(self, name))


@claim(
    statement="Without overlap or without induction strength the loss is log L, whatever the previous-token strength.",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-12,
)
def an_idle_head_costs_log_labels(point: LogitPoint) -> float:
    return relative_error(point.model.loss(0.0, 0.0, point.beta), np.log(point.model.labels))


@claim(
    statement="The field is minus the gradient of the loss, times the rates.",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-8,
)
def logit_field_is_the_gradient(point: LogitPoint) -> float:
    """Against fourth-order differences of the loss."""
    here, step = np.array([point.xi, point.alpha, point.beta]), 1e-3
    shifts = step * np.array([-2, -1, 1, 2])
    weights = np.array([1, -8, 8, -1]) / (12 * step)
    slopes = [weights @ point.model.loss(*(here[:, None] + np.eye(3)[:, [i]] * shifts)) for i in range(3)]
    field = point.model.field(*here)
    return relative_error(field, -np.array(point.model.rates) * slopes, scale=1.0)


@claim(
    statement="""At alpha = 0 the pull on the induction logit is kappa xi, kappa = (N-1)/N^2, for every L and xi: the
    errors of the read-out cancel.""",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-12,
)
def pull_at_uniform_attention(point: LogitPoint) -> float:
    model = point.model
    a1, _ = model.attention(0.0, point.beta)
    expected = model.rates[1] * a1 * model.contrast * point.xi
    return relative_error(model.field(point.xi, 0.0, point.beta)[1], expected)


@claim(
    statement="At the origin d xi/dt = eta_xi (L - N)/(N L), and nothing else moves: it rests iff L = N.",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-12,
)
def origin_rests_only_without_absent_labels(point: LogitPoint) -> float:
    model = point.model
    drift = model.rates[0] * model.absent / (model.context_labels * model.labels)
    return relative_error(model.field(0.0, 0.0, point.beta), [drift, 0.0, 0.0], scale=1.0)


@claim(
    statement="""alpha^2/(2 eta_alpha) - (beta + e^beta/m)/eta_beta is conserved for all time and all rates.""",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-6,
    examples=25,
)
def first_integral_is_conserved(point: LogitPoint) -> float:
    """Along the flow from the point, to t = 10^4."""
    path = point.model.flow(np.concatenate([[0.0], np.logspace(-1, 4, 11)]), (point.xi, point.alpha, point.beta))
    values = first_integral(point.model, path.alpha, path.beta)
    size = path.alpha**2 / point.model.rates[1] + (np.abs(path.beta) + np.exp(path.beta)) / point.model.rates[2]
    return relative_error(values, np.full_like(values, values[0]), scale=1 + float(size.max()))


@dataclass(frozen=True)
class LearnableStart:
    """Hypothesis: L > N, unit rates, one m, start at the origin."""

    model: NestedLogits

    def __post_init__(self) -> None:
        _ = self.model.single_competitors
        if self.model.absent == 0:
            raise ValueError("hypothesis broken: labels must exceed context_labels, or the origin rests")
        if self.model.rates != (1.0, 1.0, 1.0):
            raise ValueError(f"hypothesis broken: rates must be (1, 1, 1), got {self.model.rates}")


@claim(
    statement="Late in training the loss falls as 1/(eta_xi t).",
    source=REDDY_2024,
    kind="limit",
    tolerance=0.05,
    examples=12,
)
def late_loss_is_one_over_time(start: LearnableStart) -> float:
    """t x loss at t = 10^6."""
    return abs(1e6 * start.model.flow([0.0, 1e6]).loss[-1] - 1)
