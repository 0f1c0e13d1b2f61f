"""Kernels of a layer with infinitely many random heads: attention, attention with biased weights, and an MLP.

An input is a query x_0 and N keys x_1..x_N in R^d, the keys without order; x~ = [x; 1]. Head m has a frozen matrix W_m
and a trained value vector v_m:

    f(x) = (1/sqrt M) sum_m (1/N) sum_i relu(x~_0^T W_m x~_i) <v_m, x~_i>,    W_m = omega diag(I_d, 0) + G_m,

G_m with independent N(0, 1/4) entries. The kernel is the limit M -> infinity of the inner product of two feature
vectors. Fu, Guo, Bai, Mei 2023, as recalled; the closed forms here are derived.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array
from theory.random_features.rectified import _arc_cosine, _biased_arc_cosine
from theory.validation import finite_array, real

Kernel = Callable[[Array, Array, Array, Array], Array]


def attention_kernel(
    x0: ArrayLike, x: ArrayLike, y0: ArrayLike, y: ArrayLike, *, on_sphere: bool = True
) -> Float[Array, ...]:
    """(1/(N N')) sum_ij kappa(<x~_0, y~_0> <x~_i, y~_j> / 4) <x~_i, y~_j>, kappa the arc-cosine kernel.

    Queries `x0`, `y0` (..., d) and keys `x` (..., N, d), `y` (..., N', d) with d >= 2; the leading axes broadcast and
    are the shape of the answer. Tokens must be unit vectors (within 1e-9); with `on_sphere=False` they may have any
    length, and every summand carries the standard deviations |x~_0| |x~_i| / 2 of its two pre-activations.
    """
    return _at(_attention, x0, x, y0, y, on_sphere)


def biased_attention_kernel(
    x0: ArrayLike, x: ArrayLike, y0: ArrayLike, y: ArrayLike, *, omega: float, on_sphere: bool = True
) -> Float[Array, ...]:
    """Like `attention_kernel` for weights of mean omega diag(I_d, 0), omega >= 0: head means are omega <x_0, x_i>."""
    return _at(_biased(_omega(omega)), x0, x, y0, y, on_sphere)


def mlp_kernel(
    x0: ArrayLike, x: ArrayLike, y0: ArrayLike, y: ArrayLike, *, on_sphere: bool = True
) -> Float[Array, ...]:
    """kappa((1 + sum_{i=0}^N <x_i, y_i>) / (N + 2)): random features relu(<w, [x_0; ..; x_N; 1]> / sqrt(N + 2)).

    Arguments as for `attention_kernel`, but both sides have the same number of keys and their order matters.
    """
    return _at(_mlp, x0, x, y0, y, on_sphere)


def _omega(omega: float) -> float:
    omega = real("omega", omega)
    if omega < 0:
        raise ValueError(f"omega must be >= 0, got {omega!r}")
    return omega


def _tokens(name: str, value: ArrayLike, shape: tuple[int | None, ...], on_sphere: bool) -> Array:
    """Finite tokens of dimension >= 2, unit vectors if they lie on the sphere."""
    tokens = finite_array(name, value, shape)
    if tokens.shape[-1] < 2:
        raise ValueError(f"{name} must have tokens of dimension >= 2, got {tokens.shape[-1]}")
    length = np.linalg.norm(tokens, axis=-1)
    worst = length.flat[np.abs(length - 1).argmax()]
    if on_sphere and abs(worst - 1) > 1e-9:
        raise ValueError(f"{name} must hold unit vectors (or pass on_sphere=False), got one of length {worst}")
    return tokens


def _inputs(x0: ArrayLike, x: ArrayLike, y0: ArrayLike, y: ArrayLike, on_sphere: bool) -> tuple[Array, ...]:
    query = _tokens("x0", x0, (None,), on_sphere)
    d = query.shape[-1]
    keys = _tokens("x", x, (None, d), on_sphere)
    return query, keys, _tokens("y0", y0, (d,), on_sphere), _tokens("y", y, (None, d), on_sphere)


def _check_leading(x0: Array, x: Array, y0: Array, y: Array) -> None:
    leading = {"x0": x0.shape[:-1], "x": x.shape[:-2], "y0": y0.shape[:-1], "y": y.shape[:-2]}
    try:
        np.broadcast_shapes(*leading.values())
    except ValueError:
        raise ValueError(f"x0, x, y0 and y must have leading axes that broadcast, got {leading}") from None


def _at(kernel: Kernel, x0: ArrayLike, x: ArrayLike, y0: ArrayLike, y: ArrayLike, on_sphere: bool) -> Array:
    tokens = _inputs(x0, x, y0, y, on_sphere)
    _check_leading(*tokens)
    return kernel(*tokens)


def _inner(x: Array, y: Array) -> Array:
    """<x~, y~>, summed over the last axis."""
    return 1.0 + (x * y).sum(axis=-1)


def _overlaps(x0: Array, x: Array, y0: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """<x~_i, y~_j> (..., i, j), the correlation of the pre-activations, and the standard deviations of either side."""
    keys = 1.0 + x @ np.swapaxes(y, -1, -2)
    left = np.sqrt(_inner(x0, x0)[..., None, None] * _inner(x, x)[..., :, None]) / 2
    right = np.sqrt(_inner(y0, y0)[..., None, None] * _inner(y, y)[..., None, :]) / 2
    return keys, _inner(x0, y0)[..., None, None] * keys / (4 * left * right), left, right


def _attention(x0: Array, x: Array, y0: Array, y: Array) -> Array:
    keys, correlation, left, right = _overlaps(x0, x, y0, y)
    return (_arc_cosine(correlation) * left * right * keys).mean(axis=(-1, -2))


def _biased(omega: float) -> Kernel:
    def kernel(x0: Array, x: Array, y0: Array, y: Array) -> Array:
        keys, correlation, left, right = _overlaps(x0, x, y0, y)
        a = omega * (x @ x0[..., None]) / left
        b = omega * np.swapaxes(y @ y0[..., None], -1, -2) / right
        return (_biased_arc_cosine(a, b, correlation) * left * right * keys).mean(axis=(-1, -2))

    return kernel


def _mlp(x0: Array, x: Array, y0: Array, y: Array) -> Array:
    if x.shape[-2] != y.shape[-2]:
        raise ValueError(f"y must have as many keys as x, {x.shape[-2]}, got {y.shape[-2]}")

    def inner(a0: Array, a: Array, b0: Array, b: Array) -> Array:
        return (_inner(a0, b0) + (a * b).sum(axis=(-1, -2))) / (x.shape[-2] + 2)

    scale = np.sqrt(inner(x0, x, x0, x) * inner(y0, y, y0, y))
    return scale * _arc_cosine(inner(x0, x, y0, y) / scale)
