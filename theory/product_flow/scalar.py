"""The flow of a product of scalars towards its target 1: exact orbits, exact times.

P = x_1 ... x_n and a loss l(P) give dx_i/dt = -l'(P) P / x_i, so that x_i^2 - x_j^2 never changes and the smallest
square q = min x_i^2 parametrises the orbit:

    P = sqrt(product of (q + A_i)),  A_i = x_i^2 - q conserved,  dq/dt = -2 P l'(P).

Losses: "squared" (1 - P)^2 / 2 and "logistic" log(1 + e^-P). Derived here; the toy is that of Singh et al. 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import elliprf, expit

from theory.claims import claim, relative_error
from theory.numerics import Array, integrate
from theory.papers import SINGH_2024
from theory.validation import finite_array, increasing_times, integer, positive_array, real

if TYPE_CHECKING:
    import sympy

Loss = Literal["squared", "logistic"]


@dataclass(frozen=True, eq=False)
class ProductFlow:
    """Positive factors (n,) whose product lies below the target 1 of the squared loss.

    Signs can be flipped in pairs, so that positive factors stand for every start with a positive product.
    """

    factors: Float[Array, " n"]
    loss: Loss = "squared"

    def __post_init__(self) -> None:
        factors = positive_array("factors", self.factors, (None,), leading=False)
        if self.loss not in get_args(Loss):
            raise ValueError(f"loss must be one of {', '.join(get_args(Loss))}, got {self.loss!r}")
        if self.loss == "squared" and factors.prod() >= 1:
            raise ValueError(f"factors must have a product below the target 1, got {factors.prod():g}")
        object.__setattr__(self, "factors", factors)

    def drive(self, product: ArrayLike) -> Float[Array, ...]:
        """-l'(P)."""
        product = np.asarray(product, dtype=np.float64)
        return 1 - product if self.loss == "squared" else expit(-product)

    @property
    def invariants(self) -> Float[Array, " n"]:
        """x_i^2 - min_j x_j^2."""
        return self.factors**2 - self.factors.min() ** 2

    def path(self, times: ArrayLike) -> Float[Array, "t n"]:
        """The factors at `times`, from the differential equations."""

        def field(_: float, x: Array) -> Array:
            others = np.array([np.delete(x, i).prod() for i in range(len(x))])
            return self.drive(x.prod()) * others

        return integrate(field, self.factors, increasing_times("times", times), rtol=1e-11, atol=1e-14)

    def smallest_square(self, level: float) -> float:
        """q where the product is `level`, which must not lie below the start's."""
        level = self._level(level)
        low, high = self.factors.min() ** 2, level ** (2 / len(self.factors))
        if high <= low:  # balanced at the start: rounding
            return low

        def missing(log_q: float) -> float:
            return float(np.log(np.exp(log_q) + self.invariants).sum() - 2 * np.log(level))

        if missing(np.log(low)) >= 0:
            return low
        return float(np.exp(brentq(missing, np.log(low), np.log(high) + 1e-12, xtol=1e-15, rtol=1e-15)))

    def time_to(self, level: float) -> float:
        """Time until P = `level`: the integral of dq / (-2 P l'(P)), by quadrature in log q."""
        end = np.log(self.smallest_square(level))
        start = 2 * np.log(self.factors.min())

        def slowness(log_q: float) -> float:
            q = np.exp(log_q)
            product = np.sqrt((q + self.invariants).prod())
            return float(q / (2 * product * self.drive(product)))

        cuts = np.linspace(start, end, 9)
        return sum(quad(slowness, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pairwise(cuts))

    def _level(self, level: float) -> float:
        level = real("level", level, above=0.0, below=1.0 if self.loss == "squared" else np.inf)
        if level < self.factors.prod():
            raise ValueError(f"level must not lie below the product at the start {self.factors.prod():g}, got {level}")
        return level


def escape_time(a: float, b: float, c: float) -> float:
    """The blow-up time of da/dt = bc, db/dt = ca, dc/dt = ab: the Carlson integral R_F(a^2, b^2, c^2).

    It is how long three factors with a small product stay on the plateau, in units of 1 / -l'(0). Domain: a, b, c >= 0,
    at most one of them 0 (with two the flow rests for ever).
    """
    values = [real(name, value, above=-np.inf) for name, value in zip("abc", (a, b, c), strict=True)]
    for name, value in zip("abc", values, strict=True):
        if value < 0:
            raise ValueError(f"{name} must be >= 0, got {value!r}")
    if sum(value == 0 for value in values) > 1:
        raise ValueError(f"a, b, c must not have two zeros, where the flow rests for ever, got {values}")
    return float(elliprf(*(value**2 for value in values)))


def clamped(flow: ProductFlow, free: int) -> ProductFlow:
    """The flow of the first `free` factors with all the others held at the target 1."""
    free = integer("free", free, least=1)
    if free > len(flow.factors):
        raise ValueError(f"free must be at most the number of factors {len(flow.factors)}, got {free}")
    return ProductFlow(flow.factors[:free], flow.loss)


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True, eq=False)
class SmallTriple:
    """Hypothesis: three factors >= 0, not two of them 0, of a product too small for the loss to notice."""

    factors: Float[Array, " 3"]

    def __post_init__(self) -> None:
        factors = finite_array("factors", self.factors, (3,), leading=False)
        escape_time(*factors)
        object.__setattr__(self, "factors", factors)


def _square_differences() -> Iterator[sympy.Expr]:
    """d(x_i^2 - x_j^2)/dt for any loss and three factors."""
    import sympy as sp

    x = sp.symbols("x:3")
    slope = sp.Function("l")
    velocity = [sp.diff(slope(x[0] * x[1] * x[2]), v) for v in x]
    for i, j in ((0, 1), (1, 2)):
        yield (x[i] * velocity[i] - x[j] * velocity[j]).doit()


@claim(
    statement="The flow of a product conserves x_i^2 - x_j^2, whatever the loss.",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-6,
    examples=40,
    symbolic=_square_differences,
)
def product_flow_conserves_square_differences(flow: ProductFlow) -> float:
    """Along the integrated flow, up to t = 50."""
    squares = flow.path(np.linspace(0, 50, 11)) ** 2
    differences = squares - squares[:, :1]
    return relative_error(differences, np.broadcast_to(differences[0], differences.shape), scale=1.0)


@claim(
    statement="The time to a level of the product is the integral of dq / (-2 P l'(P)) over the smallest square.",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-6,
    examples=40,
)
def time_to_a_level_is_a_quadrature(flow: ProductFlow) -> float:
    """The flow, integrated to the quadrature's time, against the level aimed at."""
    level = flow.factors.prod() + 0.7 * (1 - flow.factors.prod()) if flow.loss == "squared" else flow.factors.prod() + 1
    return relative_error(flow.path([flow.time_to(level)])[-1].prod(), level)


@claim(
    statement="""Three factors of small product escape after R_F(a^2, b^2, c^2), the Carlson integral: along
    da/dt = bc (cyclic) it falls by exactly the time that has passed.""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-6,
    examples=60,
)
def escape_time_is_a_carlson_integral(triple: SmallTriple) -> float:
    total = escape_time(*triple.factors)
    times = np.array([0.3, 0.7, 0.9]) * total
    path = integrate(lambda _, x: np.roll(x, 1) * np.roll(x, 2), triple.factors, times, rtol=1e-11, atol=1e-15)
    return relative_error([escape_time(*np.abs(x)) for x in path], total - times)


@dataclass(frozen=True)
class SmallBalancedStart:
    """Hypothesis: every factor starts at the same u0 in [1e-6, 1e-3]."""

    start: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", real("start", self.start, above=0.0, below=1.0))
        if not 1e-6 <= self.start <= 1e-3:
            raise ValueError(f"hypothesis broken: start must be in [1e-6, 1e-3], got {self.start!r}")


@claim(
    statement="""The clamping ladder: from balanced factors u0 the time to half the target is 1/u0 with three free
    factors, log(1/u0) with two and log 2 with one, to leading order: each clamp removes one pole of the plateau.""",
    source=SINGH_2024,
    kind="limit",
    tolerance=2e-3,
    examples=8,
)
def clamping_shortens_the_plateau(balanced: SmallBalancedStart) -> float:
    flow = ProductFlow(np.full(3, balanced.start))
    three, two, one = (clamped(flow, free).time_to(0.5) for free in (3, 2, 1))
    leading = (1 / balanced.start, np.log(1 / balanced.start), np.log(2))
    return max(relative_error(time, expected) for time, expected in zip((three, two, one), leading, strict=True))
