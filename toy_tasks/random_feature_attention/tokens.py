"""Laws of the tokens: a query x_0 and keys x_1..x_N in R^d."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from toy_tasks.random_feature_attention.moments import normal_length_moment
from toy_tasks.randomness import Key
from toy_tasks.validation import scalar


@dataclass(frozen=True)
class SphereTokens:
    """Independent tokens, uniform on the unit sphere."""

    on_sphere: ClassVar[bool] = True
    independent: ClassVar[bool] = True

    def draw(self, key: Key, batch: int, keys: int, dimension: int) -> tuple[Tensor, Tensor]:
        """Query (..., batch, d) and keys (..., batch, N, d); the first inputs of a larger batch are the same."""
        tokens = unit(key.normal(batch, keys + 1, dimension))
        return tokens[..., 0, :], tokens[..., 1:, :]

    def length_moment(self, dimension: int, n: int) -> float:
        """E|x|^n of a token."""
        return 1.0


@dataclass(frozen=True)
class GaussianTokens:
    """Independent tokens N(0, I/d)."""

    on_sphere: ClassVar[bool] = False
    independent: ClassVar[bool] = True

    def draw(self, key: Key, batch: int, keys: int, dimension: int) -> tuple[Tensor, Tensor]:
        """As for `SphereTokens`."""
        tokens = key.normal(batch, keys + 1, dimension) / math.sqrt(dimension)
        return tokens[..., 0, :], tokens[..., 1:, :]

    def length_moment(self, dimension: int, n: int) -> float:
        """E|x|^n of a token."""
        return normal_length_moment(dimension, n) / dimension ** (n / 2)


@dataclass(frozen=True)
class CorrelatedKeys:
    """x_i = rho x_0 + sqrt(1 - rho^2) u_i, all on the unit sphere, u_i uniform on the sphere orthogonal to x_0.

    Every <x_0, x_i> is exactly rho, in [-1, 1]: functions of these products alone are constant under this law.
    """

    rho: float = 0.5
    on_sphere: ClassVar[bool] = True
    independent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        scalar("rho", self.rho, low=-1, high=1)

    def draw(self, key: Key, batch: int, keys: int, dimension: int) -> tuple[Tensor, Tensor]:
        """As for `SphereTokens`."""
        z = key.normal(batch, keys + 1, dimension)
        query = unit(z[..., :1, :])
        across = unit(z[..., 1:, :] - (z[..., 1:, :] * query).sum(dim=-1, keepdim=True) * query)
        return query[..., 0, :], self.rho * query + math.sqrt(1 - self.rho**2) * across

    def length_moment(self, dimension: int, n: int) -> float:
        """E|x|^n of a token."""
        return 1.0


Law = SphereTokens | GaussianTokens | CorrelatedKeys


def unit(x: Tensor) -> Tensor:
    """Every vector of the last axis divided by its length."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def check_tokens(query: Tensor, keys: Tensor, on_sphere: bool = True) -> None:
    """`ValueError` unless query (..., n, d) and keys (..., n, N, d) fit, d >= 2, N >= 1, of unit length if demanded."""
    for name, tokens in (("query", query), ("keys", keys)):
        if not isinstance(tokens, Tensor) or not tokens.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {tokens!r}")
    if query.ndim < 2 or query.shape[-1] < 2 or query.shape[-2] < 1:
        raise ValueError(f"query must have axes (..., n >= 1, d >= 2), got shape {tuple(query.shape)}")
    fits = keys.ndim == query.ndim + 1 and keys.shape[:-2] == query.shape[:-1] and keys.shape[-1] == query.shape[-1]
    if not fits or keys.shape[-2] < 1:
        wanted = (*query.shape[:-1], "N >= 1", query.shape[-1])
        raise ValueError(f"keys must have the shape {wanted} that query asks for, got {tuple(keys.shape)}")
    for name, tokens in (("query", query), ("keys", keys)):
        length = torch.linalg.vector_norm(tokens, dim=-1).flatten()
        worst = float(length[(length - 1).abs().argmax()])
        if on_sphere and not abs(worst - 1) <= 1e-6:  # false for NaN too; float32 tokens are unit to 1e-7
            raise ValueError(f"{name} must hold unit vectors (or pass on_sphere=False), got one of length {worst}")
