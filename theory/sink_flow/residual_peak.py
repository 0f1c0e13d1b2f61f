"""Residual-state peaks: why the begin token's residual grows under Adam and hardly at all under gradient descent.

The toy behind a peak: a layer norm turns the size m of the residual into the direction n(m) = (m + c) / sqrt(w),
w = m^2 + 2 c m + 1, and a key-query strength y reads it with loss e^{-y n(m)}; |c| < 1 is the overlap of what grows
with what was there. Gradient flow conserves y^2 / 2 - w^2 / (4 (1 - c^2)), so that m is a function of y; both grow like
powers of log t, while Adam makes both grow linearly in steps. System of Guo et al. 2024, read in their public code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import quad

from theory.claims import claim, relative_error
from theory.numerics import Array, integrate
from theory.papers import GUO_2024
from theory.sink_flow.adam import adam_growth_rate
from theory.validation import finite_array, fraction, increasing_times, integer, real, require

if TYPE_CHECKING:
    import sympy


class PeakTrajectory(NamedTuple):
    """A solution at `times` (of the flow) or after each step (of Adam): strength y (T,) and size m (T,)."""

    times: Float[Array, " t"]
    y: Float[Array, " t"]
    m: Float[Array, " t"]


@dataclass(frozen=True)
class ResidualPeak:
    """The toy with overlap c in (-1, 1). Methods take strengths y and sizes m of any one shape."""

    overlap: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "overlap", real("overlap", self.overlap, above=-1.0, below=1.0))

    @property
    def remainder(self) -> float:
        """1 - c^2, the squared part of the residual that the overlap leaves."""
        return (1 - self.overlap) * (1 + self.overlap)

    def squared_norm(self, m: ArrayLike) -> Float[Array, ...]:
        """w = m^2 + 2 c m + 1 > 0, as (m + c)^2 + 1 - c^2."""
        return (np.asarray(m, dtype=np.float64) + self.overlap) ** 2 + self.remainder

    def direction(self, m: ArrayLike) -> Float[Array, ...]:
        """n(m) = (m + c) / sqrt(w), in (-1, 1), increasing in m."""
        return (np.asarray(m, dtype=np.float64) + self.overlap) / np.sqrt(self.squared_norm(m))

    def loss(self, y: ArrayLike, m: ArrayLike) -> Float[Array, ...]:
        """e^{-y n(m)}."""
        return np.exp(-np.asarray(y, dtype=np.float64) * self.direction(m))

    def log_gradient(self, y: ArrayLike, m: ArrayLike) -> tuple[Float[Array, ...], Float[Array, ...]]:
        """The gradient of log loss: -n(m), and -y (1 - c^2) / w^(3/2)."""
        slope = np.asarray(y, dtype=np.float64) * self.remainder / self.squared_norm(m) ** 1.5
        return -self.direction(m), -slope

    def gradient(self, y: ArrayLike, m: ArrayLike) -> tuple[Float[Array, ...], Float[Array, ...]]:
        """(dloss/dy, dloss/dm)."""
        loss, (d_y, d_m) = self.loss(y, m), self.log_gradient(y, m)
        return loss * d_y, loss * d_m

    def flow(self, y: float, m: float, times: ArrayLike) -> PeakTrajectory:
        """Gradient flow from (y, m) at time 0, at the given times (up to 1e12). Raises as `SinkModel.flow` does."""
        start, times = np.array([real("y", y), real("m", m)]), increasing_times("times", times)
        states = integrate(lambda _, state: -np.array(self.gradient(*state)), start, times)
        return PeakTrajectory(times, *states.T)

    def invariant(self, y: ArrayLike, m: ArrayLike) -> Float[Array, ...]:
        """y^2 / 2 - w^2 / (4 (1 - c^2)), which gradient flow conserves."""
        return 0.5 * np.asarray(y, dtype=np.float64) ** 2 - self.squared_norm(m) ** 2 / (4 * self.remainder)

    def size_at(self, y: ArrayLike, *, start: tuple[float, float]) -> Float[Array, ...]:
        """m where the flow from (y0, m0) = `start` has strength `y`, exactly.

        From the invariant, with (m + c)^2 = (m0 + c)^2 + w - w0. Needs y0 >= 0 and m0 + c >= 0, so that y and m only
        grow, and y >= y0; `ValueError` otherwise.
        """
        y0, m0 = self._growing(start)
        y = finite_array("y", y, ())
        if (y < y0).any():
            raise ValueError(f"y must be at least its start {y0!r}, got {y.min()}")
        w0 = self.squared_norm(m0)
        gained = 2 * self.remainder * (y - y0) * (y + y0)  # w^2 - w0^2
        return np.sqrt((m0 + self.overlap) ** 2 + gained / (np.sqrt(w0**2 + gained) + w0)) - self.overlap

    def log_time_at(self, y: float, *, start: tuple[float, float]) -> float:
        """log of the time at which the flow from `start` reaches strength y > y0: log of the integral of e^{y n} / n.

        By quadrature relative to the largest value, so that times far beyond the floats are no obstacle.
        """
        y0, _ = self._growing(start)
        y = real("y", y, above=y0)

        def exponent(strength: float) -> float:
            return float(strength * self.direction(self.size_at(strength, start=start)))

        def integrand(before: float) -> float:
            direction = float(self.direction(self.size_at(y - before, start=start)))
            return float(np.exp((y - before) * direction - last) / direction)

        last, reach = exponent(y), min(y - y0, 60.0)
        pieces = np.linspace(0.0, reach, 7)[1:-1]
        value, _ = quad(integrand, 0.0, reach, points=pieces, limit=200, epsabs=0.0, epsrel=1e-11)
        return last + float(np.log(value))

    def leading_order(self, times: ArrayLike) -> tuple[Float[Array, " t"], Float[Array, " t"]]:
        """(log t, (2 (1 - c^2))^(1/4) (log t)^(1/2)), to which y and m are asymptotic; times > 1.

        The approach is slow: y - log t tends to ((1 - c^2) / 8)^(1/2), so that errors are of the order of 1 / log t,
        and for m of its root.
        """
        times = increasing_times("times", times)
        if times[0] <= 1:
            raise ValueError(f"times must be above 1, got {times[0]}")
        return np.log(times), (2 * self.remainder) ** 0.25 * np.sqrt(np.log(times))

    def _growing(self, start: tuple[float, float]) -> tuple[float, float]:
        y0, m0 = (real(f"start[{i}]", value) for i, value in enumerate(start))
        if not (y0 >= 0 and m0 + self.overlap >= 0):
            raise ValueError(f"start must have y >= 0 and m >= -overlap = {-self.overlap:g}, got {start!r}")
        return y0, m0

    def adam(
        self, y: float, m: float, *, steps: int, learning_rate: float, beta1: float = 0.9, beta2: float = 0.99
    ) -> PeakTrajectory:
        """Adam (epsilon 0, bias-corrected) from (y, m): the start and every step after it.

        The averages are followed relative to the loss, so that they are exact where the loss underflows.
        """
        state, first, second = np.array([real("y", y), real("m", m)]), np.zeros(2), np.zeros(2)
        learning_rate = real("learning_rate", learning_rate, above=0.0)
        beta1, beta2 = fraction("beta1", beta1, below_one=True), fraction("beta2", beta2, below_one=True)
        path, exponent = np.empty((integer("steps", steps, least=1) + 1, 2)), float(y * self.direction(m))
        path[0] = state
        for t in range(1, steps + 1):
            gradient = np.array(self.log_gradient(*state))
            shrink = np.exp(float(state[0] * self.direction(state[1])) - exponent)  # last loss over this one
            exponent = float(state[0] * self.direction(state[1]))
            first = beta1 * first * shrink + (1 - beta1) * gradient
            second = beta2 * second * shrink**2 + (1 - beta2) * gradient**2
            state = state - learning_rate * first / (1 - beta1**t) / np.sqrt(second / (1 - beta2**t))
            path[t] = state
        return PeakTrajectory(np.arange(steps + 1.0), *path.T)


@dataclass(frozen=True)
class PeakStart:
    """Hypotheses: y > 0 and m + c > 0, so that strength and size both grow from the start."""

    peak: ResidualPeak
    y: float
    m: float

    def __post_init__(self) -> None:
        require(self.y > 0, f"y must be positive, got {self.y}")
        require(self.m + self.peak.overlap > 0, f"m must exceed {-self.peak.overlap:g}, got {self.m}")


# ---------------------------------------------------------------------------------------------------------- claims

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e12, 29)])


def _invariant_proof() -> Iterator[sympy.Expr]:
    """The time derivative of the invariant along -gradient of the written-out loss."""
    import sympy as sp

    y, m, c = sp.symbols("y m c", real=True)
    w = m**2 + 2 * c * m + 1
    loss = sp.exp(-y * (m + c) / sp.sqrt(w))
    invariant = y**2 / 2 - w**2 / (4 * (1 - c**2))
    yield sum(invariant.diff(x) * loss.diff(x) for x in (y, m))


@claim(
    statement="""On the loss e^{-y n(m)}, n = (m + c) / sqrt(w), w = m^2 + 2 c m + 1, gradient flow conserves
    y^2 / 2 - w^2 / (4 (1 - c^2)).""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-6,
    symbolic=_invariant_proof,
    examples=25,
)
def peak_invariant_is_conserved(start: PeakStart) -> float:
    """To t = 1e12, relative to the terms of the invariant."""
    path = start.peak.flow(start.y, start.m, TIMES)
    values = start.peak.invariant(path.y, path.m)
    return relative_error(values, values[0], scale=path.y[-1] ** 2)


@claim(
    statement="Along the flow the size of the residual is the closed-form function of the strength that conserves it.",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-6,
    examples=25,
)
def peak_size_is_a_function_of_strength(start: PeakStart) -> float:
    path = start.peak.flow(start.y, start.m, TIMES)
    return relative_error(start.peak.size_at(np.maximum(path.y, start.y), start=(start.y, start.m)), path.m)


@claim(
    statement="""Gradient flow grows a residual peak only like (2 (1 - c^2))^(1/4) (log t)^(1/2), and the strength that
    reads it like log t; y - log t -> ((1 - c^2) / 8)^(1/2).""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.005,
)
def peak_grows_like_a_root_of_log_time(start: PeakStart) -> float:
    """Where y = 10^6 + y0, with log t by quadrature (no float could hold that time): the relative error of m, and the
    error of y - log t."""
    y = start.y + 1e6
    log_time = start.peak.log_time_at(y, start=(start.y, start.m))
    size = float(start.peak.size_at(y, start=(start.y, start.m)))
    law = (2 * start.peak.remainder) ** 0.25 * np.sqrt(log_time)
    return max(abs(size / law - 1), abs(y - log_time - np.sqrt(start.peak.remainder / 8)))


@claim(
    statement="""Under Adam (epsilon 0) strength and size of the residual peak both grow linearly in steps, at the rate
    of a loss e^{-alpha}: the peak that gradient flow grows only like (log t)^(1/2).""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    examples=5,
)
def adam_grows_a_peak_linearly(start: PeakStart) -> float:
    """Relative error of both rates over the last 1000 of 6000 steps; it falls like one over the steps."""
    settings = {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.9}
    path = start.peak.adam(start.y, start.m, steps=6000, **settings)
    rates = np.array([path.y[-1] - path.y[-1001], path.m[-1] - path.m[-1001]]) / 1000
    return relative_error(rates, np.full(2, adam_growth_rate(**settings, decay=1.0)))
