"""Which strategy draws which instance type, and the raw numbers that strategies are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.attention import softmax
from theory.numerics import Array

_DOMAINS: dict[type, Callable[[], st.SearchStrategy[Any]]] = {}


def domain(instance_type: type) -> Callable[[Callable[[], st.SearchStrategy[Any]]], Callable[[], Any]]:
    """Register the decorated function as the maker of the strategy that draws `instance_type`."""

    def register(make: Callable[[], st.SearchStrategy[Any]]) -> Callable[[], Any]:
        _DOMAINS[instance_type] = make
        return make

    return register


def strategy_for(instance_type: type) -> st.SearchStrategy[Any]:
    """The strategy that draws `instance_type`; `LookupError` says what to add when there is none."""
    if instance_type not in _DOMAINS:
        raise LookupError(
            f"no domain is registered for instance type {instance_type.__name__}: add a function decorated with "
            f"@domain({instance_type.__name__}) in theory/domains/ that returns a hypothesis strategy drawing it"
        )
    return _DOMAINS[instance_type]()


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite numbers in [low, high], none of them subnormal: those have lost digits before any formula sees them."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False, allow_subnormal=False, width=64)


def arrays(shape: tuple[int, ...], low: float, high: float) -> st.SearchStrategy[Array]:
    """Arrays with entries in [low, high]."""
    size = int(np.prod(shape))
    return st.lists(floats(low, high), min_size=size, max_size=size).map(lambda xs: np.array(xs).reshape(shape))


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    """10 to a uniform power in [low, high]."""
    return floats(low, high).map(lambda x: 10.0**x)


def seeds() -> st.SearchStrategy[int]:
    """A seed of a generator: for large arrays, which the hunt could not steer entry by entry."""
    return st.integers(0, 2**31 - 1)


def simplex_rows(rows: int, size: int, floor: float) -> st.SearchStrategy[Array]:
    """Probability vectors with entries >= floor / size; log-uniform weights reach the corners of the simplex."""

    def normalise(logits: Array) -> Array:
        return floor / size + (1.0 - floor) * softmax(logits)

    return arrays((rows, size), -12.0, 12.0).map(normalise)
