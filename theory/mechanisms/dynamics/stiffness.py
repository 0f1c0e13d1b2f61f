"""A residual layer as one explicit step along x' = b - Lambda x, and the gate that makes the step exact.

A fixed step h contracts only below 2 / lambda_max, so that the fastest channel dictates to all; a gate for each
channel, (1 - e^{-lambda}) / lambda, follows each at its own pace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import expm

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import HUANG_2023
from theory.validation import finite_array, positive_array, real, require


def residual_step(
    state: Float[Array, "d ..."], matrix: Float[Array, "d d"], drive: ArrayLike, step: float
) -> Float[Array, "d ..."]:
    """x + h (b - Lambda x)."""
    return state + step * (np.asarray(drive) - matrix @ state)


def exact_gate(rates: ArrayLike) -> Float[Array, "*b"]:
    """a = (1 - e^{-lambda}) / lambda for rates > 0: how far a unit step of x' = -lambda x may follow its slope."""
    rates = np.asarray(rates, dtype=np.float64)
    return -np.expm1(-rates) / rates


def gated_step(state: Float[Array, " d"], matrix: Float[Array, "d d"], drive: Float[Array, " d"]) -> Float[Array, " d"]:
    """x + a(Lambda) (b - Lambda x), the gate acting on every channel of the symmetric Lambda > 0."""
    rates, channels = np.linalg.eigh(matrix)
    return state + channels @ (exact_gate(rates) * (channels.T @ (drive - matrix @ state)))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class LinearField:
    """x' = b - Lambda x: matrix Lambda (d, d), drive b (d,), state x (d,) and a step h > 0."""

    matrix: Float[Array, "d d"]
    drive: Float[Array, " d"]
    state: Float[Array, " d"]
    step: float

    def __post_init__(self) -> None:
        state = finite_array("state", self.state, (None,), leading=False)
        object.__setattr__(self, "state", state)
        object.__setattr__(self, "drive", finite_array("drive", self.drive, state.shape, leading=False))
        object.__setattr__(self, "matrix", finite_array("matrix", self.matrix, 2 * state.shape, leading=False))
        object.__setattr__(self, "step", real("step", self.step, above=0.0))


@dataclass(frozen=True, eq=False)
class Relaxation(LinearField):
    """Hypothesis: Lambda is symmetric and positive definite."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.array_equal(self.matrix, self.matrix.T), "the matrix must be symmetric")
        require(self.rates[0] > 0, f"the matrix must be positive definite, got the eigenvalue {self.rates[0]}")

    @property
    def rates(self) -> Float[Array, " d"]:
        """Eigenvalues, the smallest first."""
        return np.asarray(np.linalg.eigvalsh(self.matrix), dtype=np.float64)

    @classmethod
    def drawn(cls, rates: Float[Array, " d"], share: float, seed: int) -> Relaxation:
        """These eigenvalues in random channels, and the step `share` x 2 / lambda_max."""
        rng = np.random.default_rng(seed)
        channels = np.linalg.qr(rng.standard_normal((len(rates), len(rates))))[0]
        matrix = (channels * rates) @ channels.T
        drive, state = rng.standard_normal((2, len(rates)))
        return cls((matrix + matrix.T) / 2, drive, state, float(2 * share / np.max(rates)))


@dataclass(frozen=True, eq=False)
class Rates:
    """Rates lambda (d,) of channels, all > 0."""

    values: Float[Array, " d"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", positive_array("values", self.values, (None,), leading=False))


# ---------------------------------------------------------------------------------------------------------- claims

LAYERS = 12


@claim(
    statement="""L residual steps h of x' = -Lambda x multiply no distance by more than max_i |1 - h lambda_i|^L,
    attained by a state: they contract if and only if h < 2 / lambda_max.""",
    source=HUANG_2023,
    kind="identity",
    tolerance=1e-11,
    fails_without=lambda: (LinearField(np.array([[1.0, 50.0], [0.0, 1.0]]), np.zeros(2), np.zeros(2), 0.5),),
)
def residual_steps_contract_below_the_threshold(case: Relaxation) -> float:
    """Twelve steps applied to every unit vector; within 1e-9 of the threshold the verdict is left open."""
    rates = np.linalg.eigvals(case.matrix).real
    moved = np.eye(len(rates))
    for _ in range(LAYERS):
        moved = residual_step(moved, case.matrix, 0.0, case.step)
    growth = np.linalg.norm(moved, 2)
    share = case.step * rates.max() / 2
    if abs(share - 1) > 1e-9 and (growth < 1) != (share < 1):
        return np.inf
    return relative_error(growth, np.abs(1 - case.step * rates).max() ** LAYERS, scale=1e-3)


@claim(
    statement="""Behind the gate (1 - e^{-lambda}) / lambda of each channel one unit step along x' = b - Lambda x ends
    exactly where the flow does after unit time, however stiff.""",
    source=HUANG_2023,
    kind="identity",
    tolerance=1e-12,
)
def gated_step_is_exact(case: Relaxation) -> float:
    """Against the exponential of the field with its drive as a further coordinate."""
    d = len(case.state)
    field = np.zeros((d + 1, d + 1))
    field[:d, :d], field[:d, d] = -case.matrix, case.drive
    flow = (expm(field) @ np.append(case.state, 1.0))[:d]
    return relative_error(gated_step(case.state, case.matrix, case.drive), flow, scale=1.0)


@claim(
    statement="""The exact gate lies between 1 / (1 + lambda), the gate of an implicit step, and min(1, 1 / lambda):
    a lambda <= 1, half the threshold of stability, at every stiffness. Both are attained by slow and by fast
    channels.""",
    source=HUANG_2023,
    kind="inequality",
    tolerance=1e-14,
)
def exact_gate_is_between_implicit_and_clipped(case: Rates) -> float:
    gate = exact_gate(case.values)
    return max(excess(1 / (1 + case.values), gate), excess(gate, np.minimum(1.0, 1 / case.values)))


@claim(
    statement="""One step for all channels leaves of the slowest or fastest at least (k - 1) / (k + 1) in every layer,
    k = lambda_max / lambda_min; attained at h = 2 / (lambda_min + lambda_max). A gate for each channel leaves
    e^{-lambda}.""",
    source=HUANG_2023,
    kind="inequality",
    tolerance=1e-12,
)
def common_step_is_slow_where_stiff(case: Relaxation) -> float:
    """The norm of one residual step."""
    left = np.linalg.norm(residual_step(np.eye(len(case.state)), case.matrix, 0.0, case.step), 2)
    stiffness = case.rates[-1] / case.rates[0]
    return excess((stiffness - 1) / (stiffness + 1), left + 1e-14)  # rounding of the norm
