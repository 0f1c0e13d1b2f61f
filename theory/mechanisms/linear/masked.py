"""Linear attention under a mask of decays, without a normaliser: the dense form that scans and tiles must reproduce."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.masks import causal
from theory.numerics import Array


def masked_linear_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], decays: Float[Array, "n n"]
) -> Float[Array, "n v"]:
    """((Q K^T) * D) V."""
    return ((queries @ keys.T) * decays) @ values


def gate_products(gates: Float[Array, " n"]) -> Float[Array, "n n"]:
    """D_ts = a_{s+1} ... a_t for s <= t (1 on the diagonal), 0 above; no division, so gates may vanish."""
    decays = np.eye(len(gates))
    for t in range(1, len(gates)):
        decays[t, :t] = gates[t] * decays[t - 1, :t]
    return decays


def powers(decay: float, length: int) -> Float[Array, "n n"]:
    """D_ts = decay^{t-s} for s <= t, 0 above."""
    distance = np.subtract.outer(np.arange(length), np.arange(length))
    return np.where(causal(length), float(decay) ** np.maximum(distance, 0), 0.0)
