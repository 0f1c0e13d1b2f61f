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


def finite_tensor(name: str, value: Any, axes: int) -> torch.Tensor:
    """`value`, floating and finite with so many axes, none of them empty, as float64."""
    tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(real_array(name, value, "a tensor"))
    if tensor.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64, got {tensor.dtype}")
    if tensor.ndim != axes or 0 in tensor.shape:
        raise ValueError(f"{name} must have {axes} axes, none empty, got shape {tuple(tensor.shape)}")
    finite = torch.isfinite(tensor)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got {tensor[~finite][0].item()} among its entries")
    return tensor.to(torch.float64)


def index_tensor(name: str, value: Any, shape: tuple[int, ...], *, below: int) -> torch.Tensor:
    """Integers of exactly this shape in 0..below-1, as int64."""
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers, got {tensor.dtype}")
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got shape {tuple(tensor.shape)}")
    outside = (tensor < 0) | (tensor >= below)
    if outside.any():
        raise ValueError(f"{name} must be in 0..{below - 1}, got {tensor[outside][0].item()}")
    return tensor.to(torch.int64)


def one_dtype(**tensors: Any) -> None:
    """Refuse tensors of different dtype or device; what is no tensor counts as float64 on the CPU."""
    known = {name: t for name, t in tensors.items() if isinstance(t, torch.Tensor)}
    for what in ("dtype", "device"):
        if len({getattr(t, what) for t in known.values()}) > 1:
            got = ", ".join(f"{name} {getattr(t, what)}" for name, t in known.items())
            raise TypeError(f"{' and '.join(known)} must have one {what}, got {got}")


def increasing_steps(name: str, value: int | Iterable[int] | None, last: int) -> tuple[int, ...]:
    """Which steps of 0..last: every how many (0 and the last always included), the steps themselves, or first and
    last for None."""
    if value is None:
        return tuple(sorted({0, last}))
    if not isinstance(value, Iterable):
        return tuple(sorted({*range(0, last, count(name, value)), last}))
    chosen = tuple(count(name, s, least=0) for s in value)
    if not chosen or list(chosen) != sorted(set(chosen)) or chosen[-1] > last:
        raise ValueError(f"{name} must be increasing steps in 0..{last}, got {chosen!r}")
    return chosen


def torch_device(device: Any) -> torch.device:
    """A CPU or CUDA device that is there."""
    try:
        target = torch.device(device)
    except (RuntimeError, TypeError):
        target = torch.device("meta")
    if target.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu', 'cuda' or such as 'cuda:1', got {device!r}")
    if target.type == "cuda" and (target.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device must be available, got {device!r} where torch sees {torch.cuda.device_count()} GPUs")
    return target
