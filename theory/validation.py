"""Checks of arguments. Every message names the argument, what was expected and what came."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics import Array


def finite_array(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """`value` as a read-only float64 array whose trailing axes are `shape` (None: any length >= 1)."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {value!r}") from None
    trailing = array.shape[array.ndim - len(shape) :] if array.ndim >= len(shape) else None
    if trailing is None or any(want not in (None, got) or got == 0 for want, got in zip(shape, trailing, strict=True)):
        wanted = "(..., " + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ValueError(f"{name} must have shape {wanted} and be non-empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)].flat[0]} among its entries")
    array.setflags(write=False)
    return array


def positive_array(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """Like `finite_array`, with every entry > 0."""
    array = finite_array(name, value, shape)
    if not (array > 0).all():
        raise ValueError(f"{name} must be positive, got {array.min()} among its entries")
    return array


def probability_rows(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """Like `finite_array`, with entries >= 0 and every row (last axis) summing to 1 within 1e-9."""
    array = finite_array(name, value, shape)
    if (array < 0).any():
        raise ValueError(f"{name} must have entries >= 0, got {array.min()}")
    total = array.sum(axis=-1)
    worst = total.flat[np.abs(total - 1.0).argmax()]
    if abs(worst - 1.0) > 1e-9:
        raise ValueError(f"{name} must have rows that sum to 1, got a row that sums to {worst!r}")
    return array


def increasing_times(name: str, value: ArrayLike) -> Array:
    """A one-dimensional, non-decreasing array of times >= 0."""
    times = finite_array(name, value, (None,))
    if times.ndim != 1 or times[0] < 0 or (np.diff(times) < 0).any():
        raise ValueError(f"{name} must be one-dimensional, >= 0 and non-decreasing, got {np.asarray(value)!r}")
    return times


def real(name: str, value: float, *, above: float = -np.inf, below: float = np.inf) -> float:
    """A finite number strictly between `above` and `below`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not (np.isfinite(number) and above < number < below):
        raise ValueError(f"{name} must be finite and in ({above:g}, {below:g}), got {number!r}")
    return number
