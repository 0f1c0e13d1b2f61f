"""The inverse temperature tau of softmax(tau x): what it does to the entropy, and how much of it a given mass needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.attention import entropy, softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.numerics import Array
from theory.papers import CHUNG_2023, ZHANG_2024
from theory.validation import finite_array, integer, real, require


def mean_entropy(logits: ArrayLike, temperature: float) -> float:
    """Entropy in nats of softmax(tau x), averaged over the rows of x (..., n)."""
    return float(entropy(softmax(temperature * np.asarray(logits))).mean())


def temperature_for_entropy(logits: ArrayLike, target: float) -> float:
    """The one tau > 0 at which the rows of x (..., n) have mean entropy `target` in nats.

    `ValueError` unless `target` lies strictly between what tau -> infinity leaves (log of how many keys tie for the
    largest logit, in the mean over rows) and log n.
    """
    logits = finite_array("logits", logits, (None,))
    ties = (logits == logits.max(axis=-1, keepdims=True)).sum(axis=-1)
    target = real("target", target, above=float(np.log(ties).mean()), below=float(np.log(logits.shape[-1])))
    high = 1.0
    while mean_entropy(logits, high) > target:
        high *= 2.0
    return float(brentq(lambda tau: mean_entropy(logits, tau) - target, 0.0, high, xtol=1e-14 * high, rtol=1e-14))


def temperature_for_mass(gap: float, keys: int, mass: float) -> float:
    """log((n - 1) P / (1 - P)) / g: the tau that gives P to one of n keys whose logit is g > 0 above all others'."""
    gap, mass = real("gap", gap, above=0.0), real("mass", mass, above=0.0, below=1.0)
    return float(np.log((integer("keys", keys, least=2) - 1) * mass / (1 - mass)) / gap)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Scaled(Logits):
    """Logits (n,) in +-50 at an inverse temperature in (0, 5]."""

    temperature: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.abs(self.values).max() <= 50, f"logits must be in +-50, got {np.abs(self.values).max()}")
        require(0 < self.temperature <= 5, f"temperature must be in (0, 5], got {self.temperature}")


@dataclass(frozen=True, eq=False)
class RowsAtTemperature:
    """Logits (m, n) whose largest deviation within a row is in [0.1, 3], at an inverse temperature in [0.1, 3]."""

    logits: Float[Array, "m n"]
    temperature: float

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None, None), leading=False)
        spread = logits.std(axis=1).max()
        require(0.1 <= spread <= 3, f"the largest deviation within a row must be in [0.1, 3], got {spread}")
        require(0.1 <= self.temperature <= 3, f"temperature must be in [0.1, 3], got {self.temperature}")
        object.__setattr__(self, "logits", logits)


@dataclass(frozen=True, eq=False)
class AmongOthers:
    """A token at logit 0 among n - 1 others at -gap - below (n - 1,), and the mass in [1/n, 1) that it shall get."""

    gap: float
    below: Float[Array, " k"]
    mass: float

    def __post_init__(self) -> None:
        real("gap", self.gap, above=0.0)
        object.__setattr__(self, "below", finite_array("below", self.below, (None,), leading=False))
        require(1 / self.keys <= real("mass", self.mass, below=1.0), f"the mass must be >= 1/n, got {self.mass}")

    @property
    def keys(self) -> int:
        """n, itself included."""
        return 1 + len(self.below)

    def mass_at(self, temperature: float) -> float:
        """The softmax weight of the token."""
        return float(softmax(temperature * np.concatenate([[0.0], -self.gap - self.below]))[0])


@dataclass(frozen=True, eq=False)
class Singled(AmongOthers):
    """Hypothesis: every other token is at least the gap below."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.below >= 0).all(), f"all others must be at least the gap below, got {self.below.min()}")


# ---------------------------------------------------------------------------------------------------------- claims


def _entropy_slope() -> Iterable[Any]:
    import sympy

    x, tau = sympy.symbols("x0:3", real=True), sympy.symbols("tau", positive=True)
    total = sum(sympy.exp(tau * v) for v in x)
    mean, square = (sum(v**k * sympy.exp(tau * v) for v in x) / total for k in (1, 2))
    yield sympy.diff(sympy.log(total) - tau * mean, tau) + tau * (square - mean**2)


@claim(
    statement="The entropy of softmax(tau x) falls with tau at the rate tau Var_p(x).",
    source=ZHANG_2024,
    also=(CHUNG_2023,),
    kind="identity",
    tolerance=1e-10,
    symbolic=_entropy_slope,
)
def entropy_falls_at_tau_times_the_variance(case: Scaled) -> float:
    """Against the derivative of H = log Z - tau <x> by a complex step."""
    x, weights = case.values - case.values.max(), softmax(case.temperature * case.values)
    tau, step = case.temperature, 1e-30
    grown = np.exp((tau + 1j * step) * x)
    total = grown.sum()
    slope = (np.log(total) - (tau + 1j * step) * (grown @ x) / total).imag / step
    variance = weights @ (x - weights @ x) ** 2
    return relative_error(slope, -tau * variance, scale=1e-6)


@claim(
    statement="""The mean entropy of rows of logits reaches every level between its limits at exactly one temperature:
    asked for the entropy that it has at tau, the solver gives tau back.""",
    source=CHUNG_2023,
    also=(ZHANG_2024,),
    kind="identity",
    tolerance=1e-9,
)
def the_temperature_that_restores_an_entropy_is_unique(case: RowsAtTemperature) -> float:
    target = mean_entropy(case.logits, case.temperature)
    return relative_error(temperature_for_entropy(case.logits, target), case.temperature)


def _close_competitor() -> tuple[AmongOthers]:
    return (AmongOthers(1.0, np.array([-0.5, 0.0]), 0.9),)


@claim(
    statement="""tau = log((n - 1) P / (1 - P)) / g gives a token the mass P, or more, if its logit is at least g above
    each of the n - 1 others': exactly P where all of them are g below.""",
    source=ZHANG_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_close_competitor,
)
def temperature_gives_the_mass_it_promises(case: Singled) -> float:
    return excess(case.mass, case.mass_at(temperature_for_mass(case.gap, case.keys, case.mass)))


@claim(
    statement="The temperature that gives a token its mass among 10 keys gives it as much among 1,000 at the same gap.",
    source=ZHANG_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (Singled(1.0, np.zeros(999), 0.9),),
)
def a_fixed_temperature_serves_every_length(case: Singled) -> float:
    """The share of its mass that the token loses."""
    return 1 - case.mass_at(temperature_for_mass(case.gap, 10, case.mass)) / case.mass
