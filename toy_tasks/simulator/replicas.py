"""Numbers that differ between replicas: any number of a model or optimiser may be an array, one value per replica.

A specification (a frozen dataclass) is split into the arrays among its fields and, inside the batched step, bound to
each replica's own values, so that formulas only ever see scalars.
"""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Spec = TypeVar("Spec")


def per_replica(name: str, spec: object, replicas: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """The array fields of `spec` as tensors (replicas,); `ValueError` when a length does not fit."""
    if not is_dataclass(spec):
        return {}
    arrays = {f.name: getattr(spec, f.name) for f in fields(spec) if isinstance(getattr(spec, f.name), np.ndarray)}
    for field, values in arrays.items():
        if values.shape != (replicas,):
            raise ValueError(f"{name}.{field} must hold one value per seed ({replicas}), got shape {values.shape}")
    return {field: torch.tensor(values, dtype=dtype) for field, values in arrays.items()}


def bind(spec: Spec, values: dict[str, Any]) -> Spec:
    """`spec` with the given fields replaced by one replica's (possibly traced) values, unchecked."""
    if not values:
        return spec
    bound = copy.copy(spec)
    for field, value in values.items():
        object.__setattr__(bound, field, value)
    return bound
