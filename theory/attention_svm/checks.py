"""Checks of tensors. Every message names the argument, what was expected and what came."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def float_tensor(name: str, value: Any, axes: int) -> Tensor:
    """`value` as a finite floating tensor with at least `axes` axes, none of them empty; lists become float64."""
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {value!r}") from None
    if tensor.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64, got {tensor.dtype}")
    if tensor.ndim < axes or 0 in tensor.shape:
        raise ValueError(f"{name} must have at least {axes} axes, none empty, got shape {tuple(tensor.shape)}")
    finite = torch.isfinite(tensor)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got {tensor[~finite][0].item()} among its entries")
    return tensor


def indices(name: str, value: Any, shape: tuple[int, ...], *, below: int) -> Tensor:
    """`value` as int64 of exactly this shape, in 0..below-1."""
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers, got {tensor.dtype}")
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {tuple(shape)}, got shape {tuple(tensor.shape)}")
    outside = (tensor < 0) | (tensor >= below)
    if outside.any():
        raise ValueError(f"{name} must be in 0..{below - 1}, got {tensor[outside][0].item()}")
    return tensor.to(torch.int64)


def same_dtype(**tensors: Tensor) -> None:
    """Refuse tensors of different dtype or device."""
    for what in ("dtype", "device"):
        if len({getattr(t, what) for t in tensors.values()}) > 1:
            got = ", ".join(f"{name} {getattr(t, what)}" for name, t in tensors.items())
            raise TypeError(f"{' and '.join(tensors)} must have one {what}, got {got}")


def same_leading(**tensors: tuple[Tensor, int]) -> tuple[int, ...]:
    """The batch shape that tensors with so many own axes share."""
    shapes = {name: tuple(t.shape[: t.ndim - own]) for name, (t, own) in tensors.items()}
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{' and '.join(shapes)} must have one batch shape, got {got}")
    return next(iter(shapes.values()))
