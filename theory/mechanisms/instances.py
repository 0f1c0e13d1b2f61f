"""Inputs that many mechanisms share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.numerics import Array
from theory.validation import finite_array, require


@dataclass(frozen=True, eq=False)
class Logits:
    """The finite logits (n,) of one query, n >= 2."""

    values: Float[Array, " n"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", finite_array("values", self.values, (None,), leading=False))
        require(len(self.values) >= 2, f"there must be at least 2 keys, got {len(self.values)}")

    @property
    def weights(self) -> Float[Array, " n"]:
        """The attention p = softmax(logits)."""
        return softmax(self.values)


@dataclass(frozen=True, eq=False)
class Tokens:
    """Queries (m, d), keys (n, d) and values (n, v) of one head."""

    queries: Float[Array, "m d"]
    keys: Float[Array, "n d"]
    values: Float[Array, "n v"]

    def __post_init__(self) -> None:
        queries = finite_array("queries", self.queries, (None, None), leading=False)
        keys = finite_array("keys", self.keys, (None, queries.shape[1]), leading=False)
        values = finite_array("values", self.values, (len(keys), None), leading=False)
        for name, array in (("queries", queries), ("keys", keys), ("values", values)):
            object.__setattr__(self, name, array)

    @classmethod
    def drawn(cls, queries: int, keys: int, width: int, channels: int, scale: float, seed: int) -> Tokens:
        """Independent N(0, scale^2) queries and N(0, 1) keys and values."""
        rng = np.random.default_rng(seed)
        return cls(
            scale * rng.standard_normal((queries, width)),
            rng.standard_normal((keys, width)),
            rng.standard_normal((keys, channels)),
        )


@dataclass(frozen=True, eq=False)
class Sequence(Tokens):
    """Hypothesis: one query per key, as in self-attention."""

    def __post_init__(self) -> None:
        super().__post_init__()
        m, n = len(self.queries), len(self.keys)
        require(m == n, f"there must be as many queries as keys, got {m} and {n}")
