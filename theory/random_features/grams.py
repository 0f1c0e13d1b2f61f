"""Kernel matrices of many inputs: the kernels of `kernels`, block by block, in the few passes that a cache allows.

All keys of a block's inputs are the rows and columns of one matrix. The biased moment, slow in closed form, comes from
its series sum_k r^k g_k(a) g_k(b) where |r| <= 1/2, as for most pairs of tokens. There the terms beyond the first 38
make up less than 1e-15, since |g_k| <= 0.4334 / sqrt(k (k - 1)) by Cramer's bound of Hermite functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array
from theory.random_features.kernels import _inputs, _omega
from theory.random_features.rectified import _arc_cosine, _biased_arc_cosine, head_coefficients
from theory.validation import integer

GRAM_BYTES = 2**21  # fits a cache: more is slower
TEMPORARIES = 6  # arrays of one number per pair of keys alive at once, at most
TERMS, RADIUS = 38, 0.5  # of the series


@dataclass(frozen=True, eq=False)
class _Side:
    """n inputs with N keys each, as unit vectors x~/|x~| and what their lengths weigh in the kernel."""

    queries: Float[Array, "n e"]
    keys: Float[Array, "n k e"]
    weights: Float[Array, "n k"]  # |x~_0| |x~_i|^2 / (2 N)
    means: Float[Array, "n k"]  # of the pre-activations, over their standard deviations |x~_0| |x~_i| / 2
    heads: Float[Array, "t n k"]  # the coefficients g_k of the series

    @classmethod
    def of(cls, x0: Array, x: Array, omega: float) -> _Side:
        query, keys = (np.concatenate([t, np.ones((*t.shape[:-1], 1))], axis=-1) for t in (x0, x))
        lengths, longer = np.linalg.norm(query, axis=-1)[:, None], np.linalg.norm(keys, axis=-1)
        means = 2 * omega * (x @ x0[..., None])[..., 0] / (lengths * longer)
        heads = np.moveaxis(head_coefficients(means, TERMS), -1, 0).copy() if omega else np.empty((0, *means.shape))
        weights = lengths * longer**2 / (2 * x.shape[1])
        return cls(query / lengths, keys / longer[..., None], weights, means, heads)

    def part(self, rows: slice) -> _Side:
        """Some of the inputs."""
        heads = self.heads[:, rows]
        return _Side(self.queries[rows], self.keys[rows], self.weights[rows], self.means[rows], heads)


def attention_gram(
    x0: ArrayLike,
    x: ArrayLike,
    y0: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    omega: float = 0.0,
    on_sphere: bool = True,
    memory: int = GRAM_BYTES,
) -> Float[Array, "n m"]:
    """All pairs of the inputs `x0` (n, d), `x` (n, N, d) and `y0` (m, d), `y` (m, N', d); without `y` of x with itself.

    The kernel is `attention_kernel`, or `biased_attention_kernel` where omega > 0; `on_sphere` is as there. Works in
    blocks whose temporary arrays stay below `memory` bytes, or hold a single pair.
    """
    omega, memory = _omega(omega), integer("memory", memory, least=1)
    a0, a, b0, b = _both(x0, x, y0, y, on_sphere)
    left, right = _Side.of(a0, a, omega), _Side.of(b0, b, omega)
    side = max(1, int(np.sqrt(memory / (8 * TEMPORARIES * max(a.shape[1] * b.shape[1], a[0].size)))))
    gram = np.empty((len(a), len(b)))
    for i in range(0, len(a), side):
        for j in range(i if y is None else 0, len(b), side):
            rows, columns = slice(i, i + side), slice(j, j + side)
            gram[rows, columns] = _block(left.part(rows), right.part(columns), omega)
    return np.triu(gram) + np.triu(gram, 1).T if y is None else gram


def mlp_gram(
    x0: ArrayLike,
    x: ArrayLike,
    y0: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    on_sphere: bool = True,
) -> Float[Array, "n m"]:
    """Like `attention_gram` for `mlp_kernel`."""
    a0, a, b0, b = _both(x0, x, y0, y, on_sphere)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"y must have as many keys as x, {a.shape[1]}, got {b.shape[1]}")
    left, right = (np.concatenate([q[:, None], k], axis=1).reshape(len(k), -1) for q, k in ((a0, a), (b0, b)))
    scale = np.sqrt(np.outer(1 + (left**2).sum(axis=1), 1 + (right**2).sum(axis=1)))
    return scale / (a.shape[1] + 2) * _arc_cosine((1 + left @ right.T) / scale)


def _both(x0: ArrayLike, x: ArrayLike, y0: Any, y: Any, on_sphere: bool) -> tuple[Array, Array, Array, Array]:
    """Both sides of a Gram matrix, checked; without `y` twice the same."""
    if (y0 is None) != (y is None):
        raise ValueError("y0 and y must be given together, got one of them")
    tokens = _inputs(x0, x, x0 if y is None else y0, x if y is None else y, on_sphere)
    for name, value, axes in zip(("x0", "x", "y0", "y"), tokens, (2, 3, 2, 3), strict=True):
        if value.ndim != axes:
            raise ValueError(f"{name} must have {axes} axes in a Gram matrix, got shape {value.shape}")
    a0, a, b0, b = tokens
    if len(a0) != len(a) or len(b0) != len(b):
        raise ValueError(f"x0 and x, y0 and y must be as many, got {len(a0)}, {len(a)}, {len(b0)} and {len(b)}")
    return a0, a, b0, b


def _block(left: _Side, right: _Side, omega: float) -> Array:
    """Entries (n, m) of the Gram matrix: keys (n N, m N') first, then their weighted sums."""
    (n, keys, width), (m, others, _) = left.keys.shape, right.keys.shape
    cosines = left.keys.reshape(n * keys, width) @ right.keys.reshape(m * others, width).T
    queries = left.queries @ right.queries.T
    correlations = (cosines.reshape(n, keys, m, others) * queries[:, None, :, None]).reshape(cosines.shape)
    np.clip(correlations, -1.0, 1.0, out=correlations)
    moments = _biased_block(left, right, correlations) if omega else _arc_cosine(correlations)
    moments *= cosines
    over_right = np.einsum("rmj,mj->rm", moments.reshape(n * keys, m, others), right.weights)
    return np.einsum("nim,ni->nm", over_right.reshape(n, keys, m), left.weights)


def _biased_block(left: _Side, right: _Side, r: Array) -> Array:
    """E[U_+ V_+] for all pairs of keys: Horner's rule on products of coefficients."""
    rows, columns = (side.heads.reshape(TERMS, -1) for side in (left, right))
    total, product = np.multiply.outer(rows[-1], columns[-1]), np.empty_like(r)
    for k in range(TERMS - 2, -1, -1):
        total *= r
        total += np.multiply.outer(rows[k], columns[k], out=product)
    i, j = np.nonzero(np.abs(r) > RADIUS)
    if len(i):
        total[i, j] = _biased_arc_cosine(left.means.ravel()[i], right.means.ravel()[j], r[i, j])
    return total
