"""Heads that share keys and values: as many key heads and value heads as the cache can afford, each shared by a group.

H query heads, G key heads and F value heads; head h reads key head floor(h G / H) and value head floor(h F / H). Axes:
m queries, n keys, d channels of keys, v of values. No 1/sqrt(d): whoever wants it scales the queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import LIN_2025
from theory.validation import finite_array, require


def tied_heads(
    queries: Float[Array, "h m d"], keys: Float[Array, "g n d"], values: Float[Array, "f n v"]
) -> Float[Array, "h m v"]:
    """Ordinary attention head by head, each with its own copy of the key head and value head of its group."""
    heads = len(queries)
    return np.stack(
        [attend(q, keys[h * len(keys) // heads], values[h * len(values) // heads]) for h, q in enumerate(queries)]
    )


def grouped_attention(
    queries: Float[Array, "h m d"], keys: Float[Array, "g n d"], values: Float[Array, "f n v"]
) -> Float[Array, "h m v"]:
    """The same without a copy: the heads of a group are further queries of the one key head that they share."""
    heads, m, d = queries.shape
    groups, n = keys.shape[:2]
    channels = values.shape[-1]
    logits = queries.reshape(groups, heads // groups * m, d) @ np.swapaxes(keys, -1, -2)
    weights = softmax(logits.reshape(heads, m, n))
    return (weights.reshape(len(values), -1, n) @ values).reshape(heads, m, channels)


def cache_entries(length: int, key_heads: int, width: int, value_heads: int, channels: int) -> int:
    """Numbers kept for `length` tokens: n (G d + F v), whatever the number of query heads."""
    return length * (key_heads * width + value_heads * channels)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class GroupedHeads:
    """Queries (H, m, d), keys (G, n, d) and values (F, n, v). Hypotheses: G and F divide H."""

    queries: Float[Array, "h m d"]
    keys: Float[Array, "g n d"]
    values: Float[Array, "f n v"]

    def __post_init__(self) -> None:
        queries = finite_array("queries", self.queries, (None, None, None), leading=False)
        keys = finite_array("keys", self.keys, (None, None, queries.shape[-1]), leading=False)
        values = finite_array("values", self.values, (None, keys.shape[1], None), leading=False)
        for name, array in (("queries", queries), ("keys", keys), ("values", values)):
            object.__setattr__(self, name, array)
            heads = len(array)
            require(len(queries) % heads == 0, f"heads of {name} must divide {len(queries)} query heads, got {heads}")

    @classmethod
    def drawn(cls, heads: tuple[int, int, int], sizes: tuple[int, int, int, int], seed: int) -> GroupedHeads:
        """Normal entries; `heads` is (H, G, F) and `sizes` (m, n, d, v)."""
        rng = np.random.default_rng(seed)
        m, n, d, v = sizes
        shapes = ((m, d), (n, d), (n, v))
        return cls(*(rng.standard_normal((h, *shape)) for h, shape in zip(heads, shapes, strict=True)))


@dataclass(frozen=True, eq=False)
class UntiedHeads(GroupedHeads):
    """Hypothesis: every query head has its own keys and values (G = F = H), which tying replaces by their mean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        heads = len(self.queries), len(self.keys), len(self.values)
        require(len(set(heads)) == 1, f"every head must have its own keys and values, got {heads} heads")


# ---------------------------------------------------------------------------------------------------------- claims

ROUNDING = 1e-14
"""Of outputs of size one, where a bound is far smaller."""


@claim(
    statement="""Grouped attention, with separate numbers of key heads and value heads, is multi-head attention in which
    the heads of a group have equal keys, or equal values.""",
    source=LIN_2025,
    kind="identity",
    tolerance=1e-13,
)
def grouped_heads_are_tied_heads(case: GroupedHeads) -> float:
    direct = tied_heads(case.queries, case.keys, case.values)
    return relative_error(grouped_attention(case.queries, case.keys, case.values), direct)


@claim(
    statement="""Replacing the values of all heads by their mean moves the output of a head by at most the largest
    deviation of its values from that mean, max_j |v_hj - v_j|; attained where the deviation is one vector.""",
    source=LIN_2025,
    kind="inequality",
    tolerance=1e-12,
)
def tied_values_cost_their_deviation(case: UntiedHeads) -> float:
    mean = case.values.mean(axis=0, keepdims=True)
    before = tied_heads(case.queries, case.keys, case.values)
    moved = np.linalg.norm(tied_heads(case.queries, case.keys, mean) - before, axis=-1)
    deviation = np.linalg.norm(case.values - mean, axis=-1).max(axis=-1)
    return excess(moved, deviation[:, None] + ROUNDING)


@claim(
    statement="""Replacing the keys of all heads by their mean moves the output of a query by at most
    diam(V) tanh(R / 4), R the range over tokens of q . (k_hj - k_j): keys that differ by one vector can be tied for
    nothing.""",
    source=LIN_2025,
    kind="inequality",
    tolerance=1e-12,
)
def tied_keys_cost_the_range_of_their_logits(case: UntiedHeads) -> float:
    mean = case.keys.mean(axis=0, keepdims=True)
    before = tied_heads(case.queries, case.keys, case.values)
    moved = np.linalg.norm(tied_heads(case.queries, mean, case.values) - before, axis=-1)
    spread = np.ptp(case.queries @ np.swapaxes(case.keys - mean, -1, -2), axis=-1)
    differences = case.values[:, :, None] - case.values[:, None, :]
    diameter = np.linalg.norm(differences, axis=-1).max(axis=(-1, -2))
    return excess(moved, diameter[:, None] * np.tanh(spread / 4) + ROUNDING)
