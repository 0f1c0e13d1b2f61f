"""A layer with finitely many heads, as written: the reference that kernels and statements about the layer are held to.

f(x) = (1/sqrt M) sum_m (1/N) sum_i relu(x~_0^T W_m x~_i) <v_m, x~_i> for a query x_0 and keys x_1..x_N, x~ = [x; 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.numerics import Array
from theory.validation import finite_array


def with_one(x: Array) -> Array:
    """x~ = [x; 1] along the last axis."""
    return np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)


@dataclass(frozen=True, eq=False)
class AttentionLayer:
    """Heads of any weights (M, d+1, d+1), query side first, and any values (M, d+1)."""

    weights: Float[Array, "m e e"]
    values: Float[Array, "m e"]

    def __post_init__(self) -> None:
        weights = finite_array("weights", self.weights, (None, None, None), leading=False)
        if weights.shape[1] != weights.shape[2]:
            raise ValueError(f"weights must be square matrices, got shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "values", finite_array("values", self.values, weights.shape[:2], leading=False))

    def features(self, x0: Array, x: Array) -> Float[Array, "... m e"]:
        """(1/sqrt M) (1/N) sum_i relu(x~_0^T W_m x~_i) x~_i for queries (..., d) and keys (..., N, d)."""
        query, keys = with_one(x0), with_one(x)
        scores = np.maximum(np.einsum("...a,mab,...ib->...mi", query, self.weights, keys), 0.0)
        return scores @ keys / (keys.shape[-2] * np.sqrt(len(self.weights)))

    def __call__(self, x0: Array, x: Array) -> Float[Array, ...]:
        """f(x), one number per input."""
        return (self.features(x0, x) * self.values).sum(axis=(-1, -2))


@dataclass(frozen=True, eq=False)
class FlatLayer:
    """The rival that reads [x_0; x_1; ..; x_N; 1] in order: (1/sqrt P) sum_p v_p relu(<w_p, .> / sqrt(N + 2))."""

    weights: Float[Array, "p e"]
    values: Float[Array, " p"]

    def __call__(self, x0: Array, x: Array) -> Float[Array, ...]:
        """g(x), one number per input."""
        flat = with_one(np.concatenate([x0[..., None, :], x], axis=-2).reshape(*x0.shape[:-1], -1))
        hidden = np.maximum(flat @ self.weights.T / np.sqrt(x.shape[-2] + 2), 0.0)
        return hidden @ self.values / np.sqrt(len(self.values))
