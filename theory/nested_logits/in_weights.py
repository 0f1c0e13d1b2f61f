"""Competition with memory: every class has its own logit in the weights, learned at the rate at which it occurs.

    loss_k = log(1 + (N-1) e^{-w_k - xi (a2 - o)} + (L-N) e^{-w_k - xi a2}),   dw_k/dt = p_k (1 - p_ck)

and the nested logits move by the average of the classes' gradients. A phenomenological model, derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, wrightomega

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.nested_logits.escape import _escape_clock
from theory.nested_logits.model import NestedLogits
from theory.numerics import Array, integrate
from theory.papers import REDDY_2024
from theory.validation import finite_array, increasing_times, integer, probability_rows, real


class MemoryPath(NamedTuple):
    """At each time (T,): the nested logits (T, 3), the classes' logits (T, K), the loss in training and with w = 0."""

    logits: Float[Array, "t 3"]
    memory: Float[Array, "t k"]
    loss: Float[Array, " t"]
    context_loss: Float[Array, " t"]


@dataclass(frozen=True, eq=False)
class InWeights:
    """Nested logits with one m and K classes of frequencies p (K,) > 0."""

    model: NestedLogits
    frequencies: Float[Array, " k"]

    def __post_init__(self) -> None:
        _ = self.model.single_competitors
        frequencies = probability_rows("frequencies", self.frequencies, (None,), leading=False)
        if not (frequencies > 0).all():
            raise ValueError(f"frequencies must be positive, got {frequencies.min()} among its entries")
        object.__setattr__(self, "frequencies", frequencies)

    def field(self, logits: ArrayLike, memory: ArrayLike) -> tuple[Float[Array, " 3"], Float[Array, " k"]]:
        """Velocities of (xi, alpha, beta) and of w (K,)."""
        xi, alpha, beta = finite_array("logits", logits, (3,), leading=False)
        memory = finite_array("memory", memory, self.frequencies.shape, leading=False)
        n, (eta_xi, eta_alpha, eta_beta) = self.model.context_labels, self.model.rates
        a1 = float(expit(beta - np.log(self.model.single_competitors)))
        a2, other = self._second_layer(alpha * a1)
        error, p_other = self._errors(xi * a2, xi * other, memory)
        mean_error, mean_other = self.frequencies @ error, self.frequencies @ p_other
        pull = xi * (mean_error + mean_other / (n - 1)) * a2 * (n - 1) * other
        d_logits = np.array(
            [
                eta_xi * (mean_error * a2 - mean_other * other),
                eta_alpha * pull * a1,
                eta_beta * pull * alpha * a1 * (1 - a1),
            ]
        )
        return d_logits, self.frequencies * error

    def loss(self, logits: ArrayLike, memory: ArrayLike) -> float:
        """The average loss in nats over classes."""
        xi, alpha, beta = finite_array("logits", logits, (3,), leading=False)
        a2, other = self._second_layer(alpha * float(expit(beta - np.log(self.model.single_competitors))))
        memory = finite_array("memory", memory, self.frequencies.shape, leading=False)
        return float(self.frequencies @ np.logaddexp(0.0, self._margin(xi * a2, xi * other, memory)))

    def flow(self, times: ArrayLike) -> MemoryPath:
        """Everything from zero at `times`."""
        times = increasing_times("times", times)

        def velocity(_: float, state: Array) -> Array:
            return np.concatenate(self.field(state[:3], state[3:]))

        path = integrate(velocity, np.zeros(3 + len(self.frequencies)), times, rtol=1e-9)
        losses = np.array([self.loss(y[:3], y[3:]) for y in path])
        return MemoryPath(path[:, :3], path[:, 3:], losses, self.model.loss(*path[:, :3].T))

    def _second_layer(self, z: float) -> tuple[float, float]:
        n = self.model.context_labels
        return float(expit(z - np.log(n - 1))), float(expit(np.log(n - 1) - z)) / (n - 1)

    def _margin(self, right: float, other: float, memory: Array) -> Array:
        """log of (1 - p_c) / p_c of every class, from the logits of the right and another context label."""
        wrong = logsumexp([other, 0.0], b=[self.model.context_labels - 1, self.model.absent])
        return float(wrong) - right - memory

    def _errors(self, right: float, other: float, memory: Array) -> tuple[Array, Array]:
        error = expit(self._margin(right, other, memory))
        absent = self.model.absent  # of the error, the context labels' share is all where no label is absent
        share = expit(other + np.log(self.model.context_labels - 1) - np.log(absent)) if absent else 1.0
        return error, error * share


def with_in_weights(model: NestedLogits, frequencies: ArrayLike) -> InWeights:
    """`model` with one memorised logit per class of the given frequencies (K,), which sum to 1."""
    return InWeights(model, np.asarray(frequencies, dtype=np.float64))


def memorised_logit(context_labels: int, exposure: ArrayLike) -> Float[Array, ...]:
    """w after `exposure` = p_k t on the plateau log N without a head: e^w + (N-1) w = 1 + (N-1) p_k t."""
    others = integer("context_labels", context_labels, least=2) - 1
    exposure = finite_array("exposure", exposure, ())
    if (exposure < 0).any():
        raise ValueError(f"exposure must be >= 0, got {exposure.min()}")
    goal = exposure + 1 / others
    w = goal - wrightomega(goal - np.log(others)).real
    for _ in range(2):  # small w is a difference of large terms: Newton on expm1
        w = w - (np.expm1(w) / others + w - exposure) / (np.exp(w) / others + 1)
    return w


def critical_classes(model: NestedLogits, *, remaining_loss: float = 0.01) -> float:
    """K at which K equal classes are memorised just as the head's clock, run at z = 0, reaches its escape s*.

    With more classes the head wins, with fewer it comes too late: memorisation ends where the training loss is
    `remaining_loss`. Neglecting z gives the scaling K_c ~ N m and the size to a factor of about 1.5, not the constant.
    """
    goal, loss = np.log(_escape_clock(model, 0.0, 0.0)), real("remaining_loss", remaining_loss, above=0.0)
    if loss >= np.log(model.context_labels):
        raise ValueError(f"remaining_loss must be below log N = {np.log(model.context_labels):g}, got {remaining_loss}")

    def lateness(log_classes: float) -> float:
        return float(np.log(_idle_clock(model, np.exp(log_classes), loss)) - goal)

    return float(np.exp(brentq(lateness, np.log(1e-3), np.log(1e9), xtol=1e-10, rtol=1e-10)))


def _idle_clock(model: NestedLogits, classes: float, loss: float) -> float:
    """s = integral of kappa xi [(1 - p_c) + p_c e^-w] dt at z = 0, until the loss of equal classes is `loss`."""
    n, absent = model.context_labels, model.absent

    def shares(xi: float, w: float) -> tuple[float, float]:  # p_c, p_r
        logits = np.array([w + xi / n, xi / n + np.log(n - 1), np.log(absent) if absent else -np.inf])
        p = np.exp(logits - logsumexp(logits))
        return float(p[0]), float(p[2])

    def field(_: float, state: Array) -> list[float]:
        xi, w, _s = state
        right, gone = shares(xi, w)
        drive = model.contrast * xi * ((1 - right) + right * np.exp(-w))
        return [model.rates[0] * gone / n, (1 - right) / classes, drive]

    def memorised(_: float, state: Array) -> float:
        return -float(np.log(shares(state[0], state[1])[0])) - loss

    memorised.terminal = True  # type: ignore[attr-defined]
    longest = 10 * classes * (np.log(n / loss) + n / loss)
    solution = solve_ivp(field, (0, longest), np.zeros(3), "LSODA", events=memorised, rtol=1e-9, atol=1e-12)
    if not (solution.success and len(solution.t_events[0])):
        raise RuntimeError(f"LSODA stopped before the loss was {loss:g}: {solution.message}")
    return float(solution.y[2, -1])


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True, eq=False)
class MemoryPoint:
    """Memorised classes at a read-out xi, with uniform attention over labels (alpha = 0)."""

    competition: InWeights
    xi: float
    memory: Float[Array, " k"]

    def __post_init__(self) -> None:
        real("xi", self.xi)
        memory = finite_array("memory", self.memory, self.competition.frequencies.shape, leading=False)
        object.__setattr__(self, "memory", memory)


@claim(
    statement="""At uniform attention the induction logit moves by a1 kappa xi sum_k p_k [(1-p_ck) + p_ck e^{-w_k}];
    with no absent label that is (a1 xi / N) sum_k dw_k/dt: the head's clock counts what is being memorised.""",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-12,
)
def memorisation_winds_the_clock(point: MemoryPoint) -> float:
    """p_ck from a plain softmax over the L labels."""
    model, p = point.competition.model, point.competition.frequencies
    here = (point.xi, 0.0, 0.0)
    speed, memory_speed = point.competition.field(here, point.memory)
    n, a1 = model.context_labels, 1 / (1 + model.single_competitors)
    logits = np.full((len(p), model.labels), 0.0)
    logits[:, :n] = point.xi / n
    logits[:, 0] += point.memory
    right = softmax(logits)[:, 0]
    expected = model.rates[1] * a1 * model.contrast * point.xi * (p @ ((1 - right) + right * np.exp(-point.memory)))
    errors = [relative_error(speed[1], expected), relative_error(memory_speed, p * (1 - right), scale=float(p.max()))]
    if model.absent == 0:
        errors.append(relative_error(speed[1], model.rates[1] * a1 * point.xi / n * memory_speed.sum()))
    return max(errors)


@claim(
    statement="On the plateau log N a class is memorised as e^w + (N-1) w = 1 + (N-1) p_k t (Lambert).",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-9,
    examples=30,
)
def memorisation_is_lambert(point: MemoryPoint) -> float:
    """Against dw/dt = p_k (N-1) / (e^w + N - 1), to p_k t = 30."""
    n = point.competition.model.context_labels
    exposure = np.linspace(0, 30, 7)
    path = integrate(lambda _, w: (n - 1) / (np.exp(w) + n - 1), np.zeros(1), exposure, rtol=1e-12, atol=1e-14)
    return relative_error(memorised_logit(n, exposure), path[:, 0])
