"""What an MLP node does once attention is integrated out: growth with a blow-up, or an approach that is sparse first.

With the invariant of exp attention, z = v^2/2 elementwise, attention drops out of the dynamics of one hidden node:

    linear node under constant drive     dv/dt = Delta o e^{v^2/2}
    saturating node with targets mu      dv/dt = (mu - v) o e^{v^2/2}.

Tian et al. 2023 (JoMA), Theorems 2 and 4, as recalled; the forms here are derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import erf, erfinv

from theory.attention import entropy, softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array, integrate
from theory.papers import TIAN_2023_JOMA
from theory.validation import finite_array, increasing_times, integer, positive_array, real


@dataclass(frozen=True, eq=False)
class ConstantDrive:
    """A linear node under constant drive Delta (L,), not all zero: dv/dt = Delta o e^{v^2/2}, v(0) = 0."""

    drive: Float[Array, " l"]

    def __post_init__(self) -> None:
        drive = finite_array("drive", self.drive, (None,), leading=False)
        if not drive.any():
            raise ValueError(f"drive must not be all zero, got {self.drive!r}")
        object.__setattr__(self, "drive", drive)

    @property
    def blow_up_time(self) -> float:
        """t* = sqrt(pi/2) / max |Delta|."""
        return float(np.sqrt(np.pi / 2) / np.abs(self.drive).max())

    @property
    def limit(self) -> Float[Array, " l"]:
        """v at t*: infinite for the largest |Delta|, sqrt(2) erfinv(Delta_l / max |Delta|) for the others."""
        return np.sqrt(2) * erfinv(self.drive / np.abs(self.drive).max())

    def weights(self, times: ArrayLike) -> Float[Array, "t l"]:
        """v(t) = sqrt(2) erfinv(sqrt(2/pi) Delta t) for 0 <= t < t*."""
        times = increasing_times("times", times)
        if times[-1] >= self.blow_up_time:
            raise ValueError(f"times must lie before the blow-up at {self.blow_up_time:g}, got {times[-1]}")
        return np.sqrt(2) * erfinv(np.sqrt(2 / np.pi) * times[:, None] * self.drive)


class Approach(NamedTuple):
    """v (T, L), and log(1/delta) (T, L) with delta = 1 - v/mu, exact long after delta is rounded to 0."""

    weights: Float[Array, "t l"]
    log_gap: Float[Array, "t l"]


@dataclass(frozen=True, eq=False)
class Targets:
    """A saturating node with targets mu (L,) in (0, 30): dv/dt = (mu - v) o e^{v^2/2}, v(0) = 0."""

    mu: Float[Array, " l"]

    def __post_init__(self) -> None:
        mu = positive_array("mu", self.mu, (None,), leading=False)
        if mu.max() >= 30:
            raise ValueError(f"mu must be below 30, beyond which e^(mu^2/2) is not a usable rate, got {mu.max()}")
        object.__setattr__(self, "mu", mu)

    def approach(self, times: ArrayLike) -> Approach:
        """The solution by d log(1/delta)/dt = e^{v^2/2}, v = mu (1 - delta)."""

        def field(_: float, log_gap: Array) -> Array:
            return np.exp((self.mu * np.expm1(-log_gap)) ** 2 / 2)

        log_gap = integrate(field, np.zeros_like(self.mu), increasing_times("times", times))
        return Approach(-self.mu * np.expm1(-log_gap), log_gap)


def attention_entropy(weights: ArrayLike, temperature: float = 2.0) -> Float[Array, ...]:
    """Entropy in nats of softmax(v^2 / temperature) over the last axis."""
    weights = finite_array("weights", weights, (None,))
    return entropy(softmax(weights**2 / real("temperature", temperature, above=0.0)))


def softmax_growth(
    mu: ArrayLike, start: ArrayLike, *, step: float, steps: int, temperature: float
) -> Float[Array, "s l"]:
    """Explicit steps of w' = (mu - w) o softmax(w^2 / temperature) from `start`, the published figure of sparsity.

    There temperature is 3 and step 0.02; attention is normalised, unlike in `Targets`.
    """
    mu = finite_array("mu", mu, (None,), leading=False)
    temperature, step = real("temperature", temperature, above=0.0), real("step", step, above=0.0)
    path = np.empty((integer("steps", steps, least=0) + 1, len(mu)))
    path[0] = finite_array("start", np.broadcast_to(np.asarray(start), mu.shape), mu.shape, leading=False)
    for s in range(len(path) - 1):
        path[s + 1] = path[s] + step * (mu - path[s]) * softmax(path[s] ** 2 / temperature)
    return path


# ---------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""A linear node under constant drive grows as erf(v_l / sqrt(2)) = sqrt(2/pi) Delta_l t, so that
    erf(v_l / sqrt(2)) / Delta_l is the same for all l.""",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-7,
    examples=50,
)
def constant_drive_obeys_the_erf_law(node: ConstantDrive) -> float:
    """Against the ODE, integrated to 0.99 of the blow-up time."""
    times = np.linspace(0, 0.99, 12) * node.blow_up_time
    path = integrate(lambda _, v: node.drive * np.exp(v**2 / 2), np.zeros_like(node.drive), times, rtol=1e-11)
    common = relative_error(erf(path / np.sqrt(2)), np.sqrt(2 / np.pi) * times[:, None] * node.drive)
    return max(common, relative_error(node.weights(times), path))


@claim(
    statement="""At the blow-up time t* = sqrt(pi/2) / max |Delta| every other component is at
    sqrt(2) erfinv(Delta_l / max |Delta|), still finite.""",
    source=TIAN_2023_JOMA,
    kind="limit",
    tolerance=1e-4,
    examples=50,
)
def blow_up_leaves_the_others_finite(node: ConstantDrive) -> float:
    """Components below 0.9 max |Delta|, at 1 - 1e-6 of t*, from the ODE."""
    slow = np.abs(node.drive) < 0.9 * np.abs(node.drive).max()
    if not slow.any():
        return 0.0
    time = np.array([(1 - 1e-6) * node.blow_up_time])
    path = integrate(lambda _, v: node.drive[slow] * np.exp(v**2 / 2), np.zeros(slow.sum()), time)
    return relative_error(path[0], node.limit[slow], scale=1.0)


@claim(
    statement="""A saturating node closes its gaps delta_j = 1 - v_j / mu_j as log(1/delta_j) = integral of e^{v_j^2/2}
    exactly.""",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-7,
    examples=50,
)
def log_gap_is_the_integral_of_attention(node: Targets) -> float:
    """v and the integral from the original equation, to the time where the largest gap is about e^-4."""
    size = len(node.mu)
    times = np.linspace(0, 4 * np.exp(-(node.mu.max() ** 2) / 4), 9)

    def field(_: float, state: Array) -> Array:
        rate = np.exp(state[:size] ** 2 / 2)
        return np.concatenate([(node.mu - state[:size]) * rate, rate])

    path = integrate(field, np.zeros(2 * size), times, rtol=1e-11, atol=1e-13)
    open_gap = 1 - path[:, :size] / node.mu > 1e-4
    direct, integral = -np.log1p(-path[:, :size] / node.mu), path[:, size:]
    return max(
        relative_error(direct[open_gap], integral[open_gap]),
        relative_error(node.approach(times).log_gap, integral),
    )


@claim(
    statement="""log(1/delta_j) <= t e^{mu_j^2/2}, v_j < mu_j increases, and components keep the order of their
    targets.""",
    source=TIAN_2023_JOMA,
    kind="inequality",
    tolerance=1e-9,
    examples=50,
)
def targets_are_approached_in_order(node: Targets) -> float:
    times = np.linspace(0.02, 1, 20) * min(4.0, 40 * float(np.exp(-(node.mu.max() ** 2) / 2)))
    weights, log_gap = node.approach(times)
    ordered = weights[:, np.argsort(node.mu, kind="stable")]
    return max(
        excess(log_gap, times[:, None] * np.exp(node.mu**2 / 2)),
        excess(weights, node.mu),
        excess(weights[:-1], weights[1:]),
        excess(ordered[:, :-1], ordered[:, 1:]) if len(node.mu) > 1 else -1.0,
    )


@claim(
    statement="The rates at which log-gaps close approach exp((mu_j^2 - mu_k^2) / 2) to one another.",
    source=TIAN_2023_JOMA,
    kind="limit",
    tolerance=1e-6,
    examples=30,
)
def log_gaps_close_at_fixed_ratios(node: Targets) -> float:
    """Growth between t = 40 and t = 50, against the first component."""
    growth = np.diff(node.approach([40.0, 50.0]).log_gap, axis=0)[0]
    return relative_error(np.log(growth / growth[0]), (node.mu**2 - node.mu[0] ** 2) / 2, scale=1.0)
