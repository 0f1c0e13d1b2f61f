"""Small numerical tools shared by all of `theory`: safe tails, fitted rates, and checked ODE solutions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.spatial.distance import pdist

Array = NDArray[np.float64]


def exp_remainder(x: ArrayLike) -> Array:
    """e^x - 1 - x to full relative accuracy, also where the subtraction would cancel (x near 0)."""
    x = np.asarray(x, dtype=np.float64)
    near = np.clip(x, -0.5, 0.5)
    series = np.ones_like(near)
    for k in range(18, 2, -1):  # Horner: x^2/2 (1 + x/3 (1 + x/4 (...))); 0.5^17/18! is far below rounding
        series = 1.0 + near / k * series
    return np.where(np.abs(x) < 0.5, 0.5 * near**2 * series, np.expm1(x) - x)


def fitted_slope(x: ArrayLike, y: ArrayLike) -> float:
    """Least-squares slope of y against x."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))


def diameter(values: ArrayLike) -> float:
    """The largest distance between two rows of `values` (n, v); 0 for one row."""
    return float(pdist(np.asarray(values, dtype=np.float64)).max(initial=0.0))


def integrate(
    field: Callable[[float, Array], Array],
    start: Array,
    times: Array,
    *,
    method: str = "LSODA",
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> Array:
    """Solution of y' = field(t, y), y(0) = start, at `times` (non-decreasing, >= 0); shape (times, len(start)).

    Raises `RuntimeError` with the solver's own message when the solver does not reach the last time, or where the field
    is not finite: an unfinished integration is never returned.
    """

    def finite_field(t: float, y: Array) -> Array:
        slope = field(t, y)
        if not np.isfinite(slope).all():  # LSODA would retry for ever
            raise RuntimeError(f"{method} stopped before t = {times[-1]:g}: the field is not finite at t = {t:g}")
        return slope

    distinct, row = np.unique(times, return_inverse=True)
    if distinct[-1] == 0.0:
        return np.repeat(start[None], len(times), axis=0)
    solution = solve_ivp(finite_field, (0.0, distinct[-1]), start, method=method, t_eval=distinct, rtol=rtol, atol=atol)
    if not solution.success:
        raise RuntimeError(f"{method} stopped before t = {distinct[-1]:g}: {solution.message}")
    if not np.isfinite(solution.y).all():  # LSODA can call that a success, where numbers underflow
        raise RuntimeError(f"{method} lost the solution before t = {distinct[-1]:g}: it is not finite")
    return solution.y.T[row]
