"""Numbers that differ between replicas: any number of a model or optimiser may be an array, one value per replica.

A specification (a frozen dataclass) is split into the arrays among its fields and, inside the batched step, bound to
each replica's own values, so that formulas only ever see scalars. Arrays inside a `Part` of it, or in a dict that it
holds by name, count too.
"""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Spec = TypeVar("Spec")


class Part:
    """A specification inside another one whose numbers may differ between replicas as well."""


def per_replica(name: str, spec: object, replicas: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """The array fields of `spec` and its parts as tensors (replicas,), by dotted name.

    `ValueError` when a length does not fit.
    """
    found: dict[str, Tensor] = {}
    if is_dataclass(spec):
        entries = {field.name: getattr(spec, field.name) for field in fields(spec)}
    else:
        entries = spec if isinstance(spec, dict) else {}
    for key, value in entries.items():
        full = f"{name}.{key}"
        if isinstance(value, Part | dict):
            found |= {f"{key}.{k}": v for k, v in per_replica(full, value, replicas, dtype).items()}
        elif isinstance(value, np.ndarray):
            if value.shape != (replicas,):
                raise ValueError(f"{full} must hold one value per seed ({replicas}), got shape {value.shape}")
            found[key] = torch.tensor(value, dtype=dtype)
    return found


def bind(spec: Spec, values: dict[str, Any]) -> Spec:
    """`spec` with the named fields, of its parts too, replaced by one replica's (possibly traced) values, unchecked."""
    if not values:
        return spec
    if isinstance(spec, dict):  # its keys may hold dots
        return spec | values  # type: ignore[return-value]
    bound = copy.copy(spec)
    for name, value in values.items():
        field, _, inner = name.partition(".")
        object.__setattr__(bound, field, bind(getattr(bound, field), {inner: value}) if inner else value)
    return bound
