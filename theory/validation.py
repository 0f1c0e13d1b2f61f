"""Checks of arguments. Every message names the argument, what was expected and what came."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics import Array


def finite_array(name: str, value: ArrayLike, shape: tuple[int | None, ...], *, leading: bool = True) -> Array:
    """`value` as a read-only float64 array whose axes are `shape` (None: any length >= 1), after any `leading` ones."""
    try:
        if np.asarray(value).dtype.kind in "bcSU":  # numpy would read "1.5" and True as numbers
            raise TypeError
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {value!r}") from None
    extra = array.ndim - len(shape)
    fits = extra == 0 or (leading and extra > 0)
    if not fits or any(n not in (None, got) or got == 0 for n, got in zip(shape, array.shape[extra:], strict=True)):
        wanted = f"({', '.join([*['...'] * leading, *('any' if n is None else str(n) for n in shape)])})"
        raise ValueError(f"{name} must have shape {wanted} and be non-empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)].flat[0]} among its entries")
    array.setflags(write=False)
    return array


def positive_array(name: str, value: ArrayLike, shape: tuple[int | None, ...], *, leading: bool = True) -> Array:
    """Like `finite_array`, with every entry > 0."""
    array = finite_array(name, value, shape, leading=leading)
    if not (array > 0).all():
        raise ValueError(f"{name} must be positive, got {array.min()} among its entries")
    return array


def probability_rows(name: str, value: ArrayLike, shape: tuple[int | None, ...], *, leading: bool = True) -> Array:
    """Like `finite_array`, with entries >= 0 and every row (last axis) summing to 1 within 1e-9."""
    array = finite_array(name, value, shape, leading=leading)
    if (array < 0).any():
        raise ValueError(f"{name} must have entries >= 0, got {array.min()}")
    total = array.sum(axis=-1)
    worst = total.flat[np.abs(total - 1.0).argmax()]
    if abs(worst - 1.0) > 1e-9:
        raise ValueError(f"{name} must have rows that sum to 1, got a row that sums to {worst}")
    return array


def increasing_times(name: str, value: ArrayLike) -> Array:
    """A one-dimensional, non-decreasing array of times >= 0."""
    times = finite_array(name, value, (None,), leading=False)
    if times[0] < 0 or (np.diff(times) < 0).any():
        raise ValueError(f"{name} must be >= 0 and non-decreasing, got {np.asarray(value)!r}")
    return times


def integer(name: str, value: int, *, least: int) -> int:
    """An integer >= `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer >= {least}, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be >= {least}, got {value!r}")
    return int(value)


def fraction(name: str, value: float, *, below_one: bool = False) -> float:
    """A number in [0, 1], or in [0, 1)."""
    number = real(name, value)
    if not 0 <= number <= 1 or (below_one and number == 1):
        raise ValueError(f"{name} must be in [0, 1{')' if below_one else ']'}, got {number!r}")
    return number


def real(name: str, value: float, *, above: float = -np.inf, below: float = np.inf) -> float:
    """A finite number strictly between `above` and `below`."""
    try:
        if isinstance(value, str | bytes | bool | np.bool_):  # float would read "1.5" and True as numbers
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not (np.isfinite(number) and above < number < below):
        raise ValueError(f"{name} must be finite and in ({above:g}, {below:g}), got {number!r}")
    return number


def require(holds: bool | np.bool_, hypothesis: str) -> None:
    """`ValueError` naming the hypothesis unless it holds."""
    if not holds:
        raise ValueError(f"hypothesis broken: {hypothesis}")
