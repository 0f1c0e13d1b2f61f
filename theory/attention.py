"""Attention in its plainest form: the one softmax, the one entropy and the one dense reference of all of `theory`.

Axes: `m` queries, `n` keys, `d` channels of queries and keys, `v` channels of values; leading axes are batches.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray
from scipy import special

from theory.numerics import Array


def softmax(logits: ArrayLike, mask: NDArray[np.bool_] | None = None) -> Float[Array, "*b n"]:
    """e^{l_j} / sum_k e^{l_k} over the last axis; keys outside `mask` get exactly 0.

    A row whose keys are all masked is an error: `ValueError`.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if mask is None:
        return special.softmax(logits, axis=-1)
    if not mask.any(axis=-1).all():
        raise ValueError(f"mask must leave every query a key, got none for {np.argwhere(~mask.any(axis=-1))[0]}")
    return special.softmax(np.where(mask, logits, -np.inf), axis=-1)


def entropy(weights: ArrayLike) -> Float[Array, "*b"]:
    """-sum_j p_j log p_j in nats over the last axis, with 0 log 0 = 0."""
    return special.entr(np.asarray(weights, dtype=np.float64)).sum(axis=-1)


def attend(
    queries: Float[Array, "*b m d"],
    keys: Float[Array, "*b n d"],
    values: Float[Array, "*b n v"],
    mask: Bool[NDArray[np.bool_], "m n"] | None = None,
) -> Float[Array, "*b m v"]:
    """softmax(Q K^T) V, dense. No 1/sqrt(d): whoever wants it scales the queries."""
    return softmax(queries @ np.swapaxes(keys, -1, -2), mask) @ values
