"""Outliers with opposing signals in a two-layer linear net: why a valley narrows, and where descent stops narrowing it.

L = 1/2 [(c s - beta)^2 + A (c o)^2]: outer weight c, weight s of the signal, weight o of a feature that is large and
cancels over the outliers; A is their share times their size squared. Time of the flow is learning rate x steps.
Derived here in the spirit of the source's two-layer linear model; no constant of its theorems is reproduced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, integrate
from theory.papers import ROSENFELD_2023
from theory.validation import integer, real, require


@dataclass(frozen=True)
class OpposedNet:
    """c, s, o, the target beta > 0 and the weight A > 0 of the outliers. Hypotheses: c > 0 and s >= 0, which keep the
    net away from the saddle at c = s = 0.
    """

    outer: float
    signal: float
    outlier: float
    target: float
    weight: float

    def __post_init__(self) -> None:
        for name in ("outer", "target", "weight"):
            real(name, getattr(self, name), above=0.0)
        real("outlier", self.outlier)
        require(real("signal", self.signal) >= 0, f"the signal's weight must be >= 0, got {self.signal}")

    @property
    def point(self) -> Float[Array, " 3"]:
        """(c, s, o)."""
        return np.array([self.outer, self.signal, self.outlier])

    def loss(self, point: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
        """L."""
        c, s, o = point[..., 0], point[..., 1], point[..., 2]
        return ((c * s - self.target) ** 2 + self.weight * (c * o) ** 2) / 2

    def gradient(self, point: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
        """(dL/dc, dL/ds, dL/do)."""
        c, s, o = point[..., 0], point[..., 1], point[..., 2]
        miss, spread = c * s - self.target, self.weight * c * o
        return np.asarray(np.stack([miss * s + spread * o, miss * c, spread * c], axis=-1), dtype=np.float64)

    def hessian(self, point: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
        """The second derivatives of L."""
        c, s, o = point[..., 0], point[..., 1], point[..., 2]
        a, zero = self.weight, np.zeros_like(c)
        mixed, cross = 2 * c * s - self.target, 2 * a * c * o
        rows = [[s**2 + a * o**2, mixed, cross], [mixed, c**2, zero], [cross, zero, a * c**2]]
        return np.moveaxis(np.array(rows), (0, 1), (-2, -1))

    def sharpness(self, point: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
        """The largest eigenvalue of the Hessian."""
        return np.asarray(np.linalg.eigvalsh(self.hessian(point))[..., -1], dtype=np.float64)

    @property
    def conserved(self) -> float:
        """C = c^2 - s^2 - o^2, which the flow keeps."""
        return self.outer**2 - self.signal**2 - self.outlier**2

    @property
    def final(self) -> Float[Array, " 3"]:
        """Where the flow ends: c^2 = (C + sqrt(C^2 + 4 beta^2)) / 2, s = beta / c, o = 0."""
        root = np.hypot(self.conserved, 2 * self.target)
        square = (self.conserved + root) / 2 if self.conserved > 0 else 2 * self.target**2 / (root - self.conserved)
        return np.array([np.sqrt(square), self.target / np.sqrt(square), 0.0])

    @property
    def final_sharpness(self) -> float:
        """max(A c^2, c^2 + s^2) there."""
        c, s, _ = self.final
        return float(max(self.weight * c**2, c**2 + s**2))

    def flow(self, times: Float[Array, " t"]) -> Float[Array, "t 3"]:
        """Gradient flow from (c, s, o)."""
        return integrate(lambda _, y: -self.gradient(y), self.point, times)

    def descent(self, step: float, steps: int) -> Float[Array, "t 3"]:
        """Gradient descent, the start first."""
        path = np.empty((steps + 1, 3))
        path[0] = self.point
        c, s, o = map(float, self.point)
        for row in path[1:]:
            miss, spread = c * s - self.target, self.weight * c * o
            c, s, o = c - step * (miss * s + spread * o), s - step * miss * c, o - step * spread * c
            row[:] = c, s, o
        return path


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class Descent:
    """Gradient descent of a net, with a step > 0, for a number of steps >= 1."""

    net: OpposedNet
    step: float
    steps: int

    def __post_init__(self) -> None:
        real("step", self.step, above=0.0)
        integer("steps", self.steps, least=1)

    @cached_property
    def path(self) -> Float[Array, "t 3"]:
        """(c, s, o) after 0, 1, ... steps."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.net.descent(self.step, self.steps)


@dataclass(frozen=True)
class SettledDescent(Descent):
    """Hypotheses: o is never 0, and descent settles: L < 1e-12 at the end, and |o| fell in each of the last 50."""

    def __post_init__(self) -> None:
        super().__post_init__()
        away = np.abs(self.path[:, 2])
        require(np.isfinite(self.path).all() and away.all(), "the outlier's weight must never be 0, nor infinite")
        loss = float(self.net.loss(self.path[-1]))
        require(loss < 1e-12 and bool((np.diff(away[-51:]) < 0).all()), f"descent must settle, got the loss {loss}")


# ---------------------------------------------------------------------------------------------------------- claims

LATE = 5000.0
"""By then a flow of the domain has ended: outliers hold the signal back to a rate of beta^2 / (A o^2) >= 1 / 200."""


@claim(
    statement="Gradient flow of the opposed net conserves c^2 - s^2 - o^2.",
    source=ROSENFELD_2023,
    kind="identity",
    tolerance=1e-7,
    examples=20,
)
def opposed_flow_conserves_a_square(net: OpposedNet) -> float:
    path = net.flow(np.linspace(0.0, 20.0, 21))
    squares = path**2 @ np.array([1.0, -1.0, -1.0])
    return relative_error(squares, net.conserved, scale=float((net.point**2).sum()))


@claim(
    statement="""Gradient flow of the opposed net ends at o = 0, s = beta / c and c^2 = (C + sqrt(C^2 + 4 beta^2)) / 2,
    where C = c^2 - s^2 - o^2 at the start; its sharpness there is max(A c^2, c^2 + s^2).""",
    source=ROSENFELD_2023,
    kind="limit",
    tolerance=1e-7,
    examples=20,
)
def opposed_flow_ends_in_a_known_valley(net: OpposedNet) -> float:
    """Late on the integrated flow; the sharpness is the largest eigenvalue of differences of the gradient."""
    end = net.flow(np.array([0.0, LATE]))[-1]
    h = 1e-5
    hessian = np.array([(net.gradient(end + d) - net.gradient(end - d)) / (2 * h) for d in h * np.eye(3)])
    sharpness = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    return max(relative_error(end, net.final), relative_error(sharpness, net.final_sharpness))


def _conserved_to_second_order() -> Iterator[Any]:
    """The change of C in a step, less eta^2 (g_c^2 - g_s^2 - g_o^2), with derivatives by sympy."""
    import sympy as sp

    c, s, o, beta, a, eta = sp.symbols("c s o beta A eta", positive=True)
    loss = ((c * s - beta) ** 2 + a * (c * o) ** 2) / 2
    signs = {c: 1, s: -1, o: -1}
    slopes = {x: sp.diff(loss, x) for x in signs}
    change = sum(sign * ((x - eta * slopes[x]) ** 2 - x**2 - (eta * slopes[x]) ** 2) for x, sign in signs.items())
    yield sp.expand(change)


@claim(
    statement="""A step eta of gradient descent changes c^2 - s^2 - o^2 by eta^2 (g_c^2 - g_s^2 - g_o^2) exactly, g the
    gradient: while the outlier's weight grows, g_o^2 takes from the outer weight and so from the sharpness.""",
    source=ROSENFELD_2023,
    kind="identity",
    tolerance=1e-12,
    symbolic=_conserved_to_second_order,
)
def descent_conserves_up_to_the_square_of_its_step(net: OpposedNet) -> float:
    """Twenty steps of descent."""
    eta, signs = 1 / (float(net.sharpness(net.point)) + net.final_sharpness), np.array([1.0, -1.0, -1.0])
    path = net.descent(eta, 20)
    changes = np.diff(path**2 @ signs)
    return relative_error(changes, eta**2 * net.gradient(path[:-1]) ** 2 @ signs, scale=float((net.point**2).sum()))


def _without_outliers() -> tuple[Descent]:
    """o = 0 stays 0: nothing tells descent that the valley is narrow."""
    net = OpposedNet(0.3, 0.2, 0.0, 1.0, 20.0)
    return (Descent(net, 3.0 / net.final_sharpness, 2000),)


@claim(
    statement="""Where gradient descent with step eta settles, o never 0, the valley's sharpness max(A c^2, c^2 + s^2)
    is at most 2 / eta, however much sharper the valley at the end of the flow.""",
    source=ROSENFELD_2023,
    kind="inequality",
    tolerance=1e-6,
    fails_without=_without_outliers,
    examples=20,
)
def descent_settles_below_two_over_its_step(case: SettledDescent) -> float:
    return excess(case.net.sharpness(case.path[-1]), 2 / case.step)


@claim(
    statement="Along gradient flow the sharpness only rises.",
    source=ROSENFELD_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (OpposedNet(0.3, 0.02, 0.1, target=1.0, weight=50.0),),
)
def sharpness_of_the_flow_only_rises(net: OpposedNet) -> float:
    """By how much it falls below its start, as a share: first the outliers are learned, then the valley narrows."""
    path = net.sharpness(net.flow(np.linspace(0.0, 20.0, 401)))
    return float(1 - path.min() / path[0])
