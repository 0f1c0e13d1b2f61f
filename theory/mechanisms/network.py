"""A small residual network of one-head attention and per-token maps, in which only the mask or the positions matter."""

from __future__ import annotations

from collections.abc import Sequence as Several

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.masks import Mask
from theory.numerics import Array


def random_layers(layers: int, channels: int, seed: int) -> Float[Array, "l 5 d d"]:
    """Independent N(0, 1/d) matrices: query, key, value, and in and out of the per-token map, for every layer."""
    return np.random.default_rng(seed).standard_normal((layers, 5, channels, channels)) / np.sqrt(channels)


def forward(
    tokens: Float[Array, "n d"],
    layers: Float[Array, "l 5 d d"],
    *,
    masks: Several[Mask] | None = None,
    bias: Float[Array, "n n"] | float = 0.0,
    factor: Float[Array, "n n"] | float = 1.0,
) -> Float[Array, "n d"]:
    """For every layer (Q, K, V, W, U): x <- x + (factor * softmax(x Q (x K)^T + bias)) x V; x <- x + tanh(x W) U."""
    x = tokens
    for number, (query, key, value, inner, outer) in enumerate(layers):
        logits = x @ query @ (x @ key).T + bias
        x = x + (factor * softmax(logits, masks[number] if masks is not None else None)) @ (x @ value)
        x = x + np.tanh(x @ inner) @ outer
    return x


def influence(
    tokens: Float[Array, "n d"], layers: Float[Array, "l 5 d d"], masks: Several[Mask]
) -> Float[Array, "n n"]:
    """(i, j): the largest change of output i when every channel of token j rises by 1."""
    before = forward(tokens, layers, masks=masks)
    found = np.empty((len(tokens), len(tokens)))
    for changed in range(len(tokens)):
        raised = tokens + (np.arange(len(tokens)) == changed)[:, None]
        found[:, changed] = np.abs(forward(raised, layers, masks=masks) - before).max(axis=-1)
    return found
