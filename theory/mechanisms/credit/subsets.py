"""Subsets of tokens: the check that several modules of credit share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from theory.validation import require

Chosen = Bool[NDArray[np.bool_], " n"]


def proper_subset(name: str, chosen: Chosen, size: int) -> None:
    """`ValueError` unless `chosen` is Boolean, of length `size`, and True for some but not for all."""
    boolean = isinstance(chosen, np.ndarray) and chosen.dtype == bool
    require(boolean and chosen.shape == (size,), f"{name} must be a Boolean array of shape ({size},)")
    require(chosen.any() and not chosen.all(), f"{name} must name some, not all, of {size}")
