"""Checks of arguments of tasks and simulations. Every message names the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterable
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


def number(name: str, value: Any, *, low: float, high: float = np.inf, open_low: bool = False) -> float | np.ndarray:
    """A finite number in [low, high] (or (low, high]), or a one-dimensional array of them: one value per replica."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or one number per replica, got {value!r}") from None
    if isinstance(value, bool) or numbers.ndim > 1 or numbers.size == 0:
        raise TypeError(f"{name} must be a number or a one-dimensional array of numbers, got {value!r}")
    bad = ~(np.isfinite(numbers) & (numbers <= high) & ((numbers > low) if open_low else (numbers >= low)))
    if bad.any():
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}]"
        raise ValueError(f"{name} must be finite and in {interval}, got {numbers[bad].flat[0]!s}")
    return numbers if numbers.ndim else float(numbers)


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of the allowed values."""
    allowed = list(allowed)
    if value not in allowed:
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
