"""Ridge regression, gradient flow and gradient descent on the value vectors, in closed form.

Only the values are trained, so the model is linear: f(x) = phi(x).theta. On (1/2n) |Phi theta - y|^2 from theta = 0 all
three give theta = Phi^T a, f(x) = k(x).a with a = U g(w) U^T y, where K = Phi Phi^T = U diag(w) U^T:

    ridge 1/(w + delta),    flow (1 - e^{-wt/n})/w,    descent (1 - (1 - eta w/n)^T)/w.

Directions with w = 0 (to rounding) move no prediction; flow, descent and ridge 0 leave them at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array
from theory.random_features.learning import _ridge
from theory.validation import finite_array, increasing_times, real

FLOW_OVER_RIDGE = 1.29842561  # max of (1 - e^-x)(1 + x)/x, at x = 1.79328, rounded up


def ridge_predictor(gram: ArrayLike, labels: ArrayLike, ridge: float) -> Float[Array, " n"]:
    """a = (K + ridge I)^{-1} y for K (n, n) and y (n,); at ridge 0 the pseudo-inverse, the least norm."""
    ridge = _ridge(ridge)
    vectors, values, seen = _decomposed(gram, labels)
    if ridge == 0:
        return vectors @ (_inverse(values) * seen)
    return vectors @ (seen / (np.maximum(values, 0.0) + ridge))


def flow_predictor(gram: ArrayLike, labels: ArrayLike, times: ArrayLike) -> Float[Array, "t n"]:
    """a(t) of gradient flow, for `times` >= 0."""
    times = increasing_times("times", times)
    vectors, values, seen = _decomposed(gram, labels)
    fitted = -np.expm1(-times[:, None] * np.maximum(values, 0.0) / len(values))
    return (fitted * _inverse(values) * seen) @ vectors.T


def descent_predictor(gram: ArrayLike, labels: ArrayLike, step: float, steps: ArrayLike) -> Float[Array, "s n"]:
    """a after `steps` >= 0 (non-decreasing) gradient steps of size `step`; converges for step < 2n/w_max."""
    step, steps = real("step", step, above=0.0), increasing_times("steps", steps)
    if (steps != np.rint(steps)).any():
        raise ValueError(f"steps must be whole numbers, got {steps[steps != np.rint(steps)][0]}")
    vectors, values, seen = _decomposed(gram, labels)
    x = step * np.maximum(values, 0.0) / len(values)
    small = -np.expm1(steps[:, None] * np.log1p(-np.minimum(x, 0.5)))
    fitted = np.where(x < 0.5, small, 1 - (1 - x) ** steps[:, None])
    return (fitted * _inverse(values) * seen) @ vectors.T


def largest_step(gram: ArrayLike) -> float:
    """2n/w_max: gradient descent converges for every smaller step and for no larger one."""
    gram = _square(gram)
    return float(2 * len(gram) / np.linalg.eigvalsh(gram)[-1])


@dataclass(frozen=True, eq=False)
class TestMoments:
    """What the test risk of every predictor needs: S = E[k k^T] (n, n), b = E[k f*] (n,) and E f*^2.

    Expectations are over test inputs x, k(x) being the kernel between x and the n training inputs.
    """

    __test__ = False  # no test class, whatever its name says to pytest

    second: Float[Array, "n n"]
    cross: Float[Array, " n"]
    power: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "second", _square(self.second, "second"))
        shape = (len(self.second),)
        object.__setattr__(self, "cross", finite_array("cross", self.cross, shape, leading=False))
        real("power", self.power)

    @classmethod
    def of(cls, kernel: ArrayLike, truth: ArrayLike) -> TestMoments:
        """Means over a test set: `kernel` (m, n) between test and training inputs, `truth` (m,) without noise."""
        kernel = finite_array("kernel", kernel, (None, None), leading=False)
        truth = finite_array("truth", truth, (len(kernel),), leading=False)
        return cls(kernel.T @ kernel / len(truth), kernel.T @ truth / len(truth), float(truth @ truth / len(truth)))

    def risk(self, weights: ArrayLike) -> Float[Array, ...]:
        """E f*^2 - 2 b.a + a.S a of the predictors k(x).a, a (..., n)."""
        a = finite_array("weights", weights, (len(self.cross),))
        return self.power - 2 * a @ self.cross + ((a @ self.second) * a).sum(axis=-1)


def _square(gram: ArrayLike, name: str = "gram") -> Array:
    gram = finite_array(name, gram, (None, None), leading=False)
    if gram.shape[0] != gram.shape[1] or np.abs(gram - gram.T).max() > 1e-9 * np.abs(gram).max():
        raise ValueError(f"{name} must be square and symmetric, got shape {gram.shape}")
    return gram


def _decomposed(gram: ArrayLike, labels: ArrayLike) -> tuple[Array, Array, Array]:
    """U (n, n), w (n,) and U^T y."""
    gram = _square(gram)
    labels = finite_array("labels", labels, (len(gram),), leading=False)
    values, vectors = np.linalg.eigh(gram)
    if values[0] < -1e-9 * np.abs(values).max() * len(values):
        raise ValueError(f"gram must be positive semi-definite, got the eigenvalue {values[0]}")
    return vectors, values, vectors.T @ labels


def _inverse(values: Array) -> Array:
    """1/w, and 0 where w is 0 to rounding."""
    seen = values > len(values) * np.finfo(float).eps * values[-1]
    return np.where(seen, 1 / np.where(seen, values, 1.0), 0.0)
