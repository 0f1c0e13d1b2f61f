"""Instances that several modules share: tokens on the sphere, and a pair of rotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float
from scipy.stats import ortho_group

from theory.numerics import Array
from theory.random_features.kernels import _tokens


def unit(x: Array) -> Array:
    """x / |x| along the last axis."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@dataclass(frozen=True, eq=False)
class SphereInputs:
    """n inputs: unit queries (n, d) and unit keys (n, N, d), d >= 2."""

    queries: Float[Array, "n d"]
    keys: Float[Array, "n k d"]

    def __post_init__(self) -> None:
        queries = _tokens("queries", self.queries, (None,), True)
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "keys", _tokens("keys", self.keys, (None, queries.shape[1]), True))
        if queries.ndim != 2 or self.keys.ndim != 3 or len(queries) != len(self.keys):
            shapes = queries.shape, self.keys.shape
            raise ValueError(f"queries and keys must have shapes (n, d) and (n, N, d), got {shapes[0]} and {shapes[1]}")

    @classmethod
    def drawn(cls, count: int, keys: int, dimension: int, spread: float, seed: int) -> Self:
        """Gaussian directions about common ones, `spread` > 0 away: all tokens nearly equal where it is small."""
        rng = np.random.default_rng(seed)
        centre = unit(rng.standard_normal((2, dimension)))
        queries = unit(centre[0] + spread * rng.standard_normal((count, dimension)))
        return cls(queries, unit(centre[1] + spread * rng.standard_normal((count, keys, dimension))))

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.queries.shape[1])

    def turned(self, query: Array, key: Array) -> tuple[Array, Array]:
        """The queries times one matrix and the keys times another."""
        return self.queries @ query.T, self.keys @ key.T


@dataclass(frozen=True)
class Bias:
    """omega >= 0: heads have the mean omega diag(I_d, 0)."""

    omega: float

    def __post_init__(self) -> None:
        if not 0 <= self.omega < np.inf:
            raise ValueError(f"omega must be finite and >= 0, got {self.omega!r}")


@dataclass(frozen=True)
class Rotations:
    """A rotation of the queries and another of the keys, drawn from a seed."""

    seed: int

    def matrices(self, dimension: int) -> tuple[Array, Array]:
        """The two orthogonal matrices (d, d)."""
        query, key = ortho_group.rvs(dimension, size=2, random_state=self.seed)
        return query, key


@dataclass(frozen=True)
class JointRotation(Rotations):
    """The same rotation of queries and keys."""

    def matrices(self, dimension: int) -> tuple[Array, Array]:
        """Twice the same orthogonal matrix (d, d)."""
        query = ortho_group.rvs(dimension, random_state=self.seed)
        return query, query
