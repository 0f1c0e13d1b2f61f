"""A residual step along a nonlinear field, gated by the slope of the field where it stands.

x' = f(x) = -lambda x - kappa x^3 relaxes at the local rate -f'(x) = lambda + 3 kappa x^2, which the gate reads; the
flow is known: x(t)^2 = lambda x^2 e^{-2 lambda t} / (lambda + kappa x^2 (1 - e^{-2 lambda t})).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.claims import claim, relative_error
from theory.mechanisms.dynamics.stiffness import exact_gate
from theory.papers import HUANG_2023
from theory.validation import real, require


@dataclass(frozen=True)
class Well:
    """Rates lambda > 0 and kappa >= 0, and a state. Hypotheses: the state is not 0, and the local rate at most 1000."""

    rate: float
    cubic: float
    state: float

    def __post_init__(self) -> None:
        real("rate", self.rate, above=0.0)
        require(real("cubic", self.cubic) >= 0, f"cubic must be >= 0, got {self.cubic}")
        require(abs(real("state", self.state)) > 0, "the state must not be 0")
        require(self.local_rate <= 1000, f"the local rate must be at most 1000, got {self.local_rate}")

    @property
    def slope(self) -> float:
        """f(x)."""
        return -self.rate * self.state - self.cubic * self.state**3

    @property
    def local_rate(self) -> float:
        """-f'(x)."""
        return self.rate + 3 * self.cubic * self.state**2

    def flow(self, time: float) -> float:
        """x(t)."""
        left = np.exp(-2 * self.rate * time)
        shrunk = self.rate + self.cubic * self.state**2 * -np.expm1(-2 * self.rate * time)
        return float(self.state * np.sqrt(left * self.rate / shrunk))

    def plain_step(self, step: float) -> float:
        """x + h f(x)."""
        return self.state + step * self.slope

    def gated_step(self, step: float) -> float:
        """x + h a f(x) with a the exact gate of h times the local rate."""
        return self.state + step * float(exact_gate(step * self.local_rate)) * self.slope


@claim(
    statement="""A gate that reads the local rate leaves an error of h^3 f''(x) f(x)^2 / 6 of a residual step along
    x' = f(x), one order less than the h^2 f'(x) f(x) / 2 of a step without it.""",
    source=HUANG_2023,
    kind="limit",
    tolerance=1e-6,
)
def local_gate_raises_the_order(case: Well) -> float:
    """Errors over h^3 and h^2 at four steps, extrapolated to none."""
    steps = 0.1 / case.local_rate * 0.5 ** np.arange(4)
    scale = abs(case.slope) * case.local_rate  # of f f', and with another local rate of f'' f^2
    gated = np.array([(case.flow(h) - case.gated_step(h)) / h**3 for h in steps])
    plain = np.array([(case.flow(h) - case.plain_step(h)) / h**2 for h in steps])
    third = -case.cubic * case.state * case.slope**2
    second = -case.local_rate * case.slope / 2
    return max(
        relative_error(_extrapolated(gated), third, scale=scale * case.local_rate),
        relative_error(_extrapolated(plain), second, scale=scale),
    )


def _extrapolated(values: np.ndarray) -> float:
    """The limit of a power series in h from its values at h, h/2, h/4, ..."""
    for order in range(1, len(values)):
        values = (2**order * values[1:] - values[:-1]) / (2**order - 1)
    return float(values[0])


@claim(
    statement="""A step gated by the local rate always comes closer to the bottom of the well and never passes it, with
    any step; without the gate it passes above 1 / (lambda + kappa x^2), and is thrown farther above twice that.""",
    source=HUANG_2023,
    kind="inequality",
    tolerance=1e-12,
)
def local_gate_is_stable_at_any_step(case: Well) -> float:
    """What is left of the state, from 0 to 1, after steps from a hundredth to a hundred times the inverse rate."""
    left = np.array([case.gated_step(h) for h in np.geomspace(0.01, 100, 9) / case.local_rate]) / case.state
    limit = -case.state / case.slope
    plain = np.array([case.plain_step(share * limit) for share in (0.99, 1.01, 1.99, 2.01)]) / case.state
    if not (plain[0] > 0 > plain[1] and plain[2] > -1 > plain[3]):
        return np.inf
    return float(max(*(left - 1), *-left))
