"""Checks of arguments of tasks and simulations. Every message names the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import torch


def count(name: str, value: Any, *, least: int = 1) -> int:
    """An integer >= `least`. Arrays are refused: a size cannot differ between replicas."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer >= {least}, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def real_array(name: str, value: Any, expected: str) -> np.ndarray:
    """`value` as a new float64 array; text and truth values are no numbers. `expected` says what it must be."""
    try:
        numbers = np.array(value)
    except (TypeError, ValueError):  # rows of different lengths
        numbers = np.array(None)
    if numbers.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    return numbers.astype(np.float64)


def number(name: str, value: Any, *, low: float, high: float = np.inf, open_low: bool = False) -> float | np.ndarray:
    """A finite number in [low, high) (or (low, high)), or a one-dimensional array of them: one value per replica."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    expected = "a number or a one-dimensional array of one number per replica"
    numbers = real_array(name, value, expected)
    if numbers.ndim > 1 or numbers.size == 0:
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    bad = ~(np.isfinite(numbers) & (numbers < high) & ((numbers > low) if open_low else (numbers >= low)))
    if bad.any():
        interval = f"{'(' if open_low else '['}{low:g}, {high:g})"
        raise ValueError(f"{name} must be finite and in {interval}, got {numbers[bad].flat[0]!s}")
    return numbers if numbers.ndim else float(numbers)


def scalar(name: str, value: Any, *, low: float, high: float = np.inf) -> float:
    """One finite number in [low, high]."""
    numbers = real_array(name, value, "one number")
    if numbers.ndim:
        raise TypeError(f"{name} must be one number, got {value!r}")
    if not (np.isfinite(numbers) and low <= numbers <= high):
        raise ValueError(f"{name} must be finite and in [{low:g}, {high:g}], got {value!r}")
    return float(numbers)


def probabilities(name: str, value: Any) -> np.ndarray:
    """A read-only float64 array with entries >= 0 whose rows (last axis) sum to 1 within 1e-9."""
    rows = real_array(name, value, "an array of probabilities")
    if not (rows >= 0).all():  # false for NaN too
        raise ValueError(f"{name} must have entries >= 0, got {rows.min()} among its entries")
    totals = rows.sum(axis=-1).ravel()
    wrong = totals[np.abs(totals - 1) > 1e-9]
    if wrong.size:
        raise ValueError(f"{name} must have rows that sum to 1, got a row that sums to {wrong[0]}")
    rows.setflags(write=False)
    return rows


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of the allowed values."""
    allowed = list(allowed)
    if not isinstance(value, Hashable) or value not in allowed:  # arrays compare entry by entry
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def seed_numbers(name: str, value: Any) -> tuple[int, ...]:
    """A non-empty sequence of integers in [0, 2^31)."""
    try:
        seeds = tuple(value)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}") from None
    if not seeds:
        raise ValueError(f"{name} must hold at least one seed, got {value!r}")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
            raise ValueError(f"{name} must be integers in [0, 2^31), got {seed!r}")
    return tuple(int(seed) for seed in seeds)
