"""Multi-head attention as a sum over heads, and what it costs to leave some of them out.

Heads h_i (H, n, v) are concatenated and projected by W_O (H v, D); head i contributes c_i = h_i W_O^{(i)}, with its v
rows of W_O. Gates g (n, H) weigh the contributions token by token.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import JIN_2024
from theory.validation import finite_array, require


def concatenated(
    heads: Float[Array, "h n v"], projection: Float[Array, "hv D"], gates: Float[Array, "n h"] | None = None
) -> Float[Array, "n D"]:
    """concat(g_1 h_1, ..., g_H h_H) W_O; no gates are gates of one."""
    gates = np.ones(heads.shape[1::-1]) if gates is None else gates
    return np.concatenate([gates[:, i, None] * head for i, head in enumerate(heads)], axis=-1) @ projection


def contributions(heads: Float[Array, "h n v"], projection: Float[Array, "hv D"]) -> Float[Array, "h n D"]:
    """c_i = h_i W_O^{(i)}."""
    return heads @ projection.reshape(len(heads), heads.shape[-1], -1)


def routed(
    heads: Float[Array, "h n v"], projection: Float[Array, "hv D"], gates: Float[Array, "n h"]
) -> Float[Array, "n D"]:
    """sum_i g_i h_i W_O^{(i)}, computing for each head only the tokens whose gate is not 0."""
    blocks = projection.reshape(len(heads), heads.shape[-1], -1)
    out = np.zeros((heads.shape[1], projection.shape[1]))
    for head, block, gate in zip(heads, blocks, gates.T, strict=True):
        used = np.flatnonzero(gate)
        out[used] += gate[used, None] * (head[used] @ block)
    return out


def top_gates(scores: Float[Array, "n h"], kept: int) -> Float[Array, "n h"]:
    """1 on the `kept` largest scores of every token and 0 elsewhere."""
    gates = np.zeros_like(scores)
    np.put_along_axis(gates, np.argsort(-scores, axis=-1)[:, :kept], 1.0, axis=-1)
    return gates


def routed_multiplications(length: int, channels: int, width: int, kept: int) -> int:
    """n k D (v + 1): those of `routed` with k heads a token, against n H D v of the projection of all."""
    return length * kept * width * (channels + 1)


def random_subset_error(parts: Float[Array, "h D"], kept: int) -> float:
    """E|(H / k) sum_{i in S} c_i - sum_i c_i|^2 over subsets S of k heads, all alike: (H / k) (H - k) S^2, where
    S^2 = sum_i |c_i - mean|^2 / (H - 1).
    """
    heads = len(parts)
    return float(heads / kept * (heads - kept) * ((parts - parts.mean(axis=0)) ** 2).sum() / (heads - 1))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class GatedHeads:
    """Heads (H, n, v), projection (H v, D) and gates (n, H)."""

    heads: Float[Array, "h n v"]
    projection: Float[Array, "hv D"]
    gates: Float[Array, "n h"]

    def __post_init__(self) -> None:
        heads = finite_array("heads", self.heads, (None, None, None), leading=False)
        count, length, channels = heads.shape
        object.__setattr__(self, "heads", heads)
        projection = finite_array("projection", self.projection, (count * channels, None), leading=False)
        object.__setattr__(self, "projection", projection)
        object.__setattr__(self, "gates", finite_array("gates", self.gates, (length, count), leading=False))

    @classmethod
    def drawn(cls, heads: int, length: int, channels: int, width: int, kept: int, seed: int) -> GatedHeads:
        """Normal entries, and normal gates on `kept` random heads of every token."""
        rng = np.random.default_rng(seed)
        gates = rng.standard_normal((length, heads)) * top_gates(rng.random((length, heads)), kept)
        projection = rng.standard_normal((heads * channels, width))
        return cls(rng.standard_normal((heads, length, channels)), projection, gates)


@dataclass(frozen=True, eq=False)
class HeadSubset:
    """What H heads contribute to one token, (H, D), of which 1 <= k < H heads are kept. Hypothesis: 2 <= H <= 10, so
    that all subsets are visited.
    """

    parts: Float[Array, "h D"]
    kept: int

    def __post_init__(self) -> None:
        parts = finite_array("parts", self.parts, (None, None), leading=False)
        object.__setattr__(self, "parts", parts)
        require(2 <= len(parts) <= 10, f"there must be 2 to 10 heads, got {len(parts)}")
        require(1 <= self.kept < len(parts), f"1 to {len(parts) - 1} heads must be kept, got {self.kept}")

    @property
    def dropped(self) -> Float[Array, "s D"]:
        """sum_i c_i over the dropped heads, for every way to drop H - k of them."""
        heads = len(self.parts)
        ways = [list(way) for way in combinations(range(heads), heads - self.kept)]
        return self.parts[ways].sum(axis=1)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Concatenating gated heads and projecting is the gated sum of the heads' contributions, of which those
    with gate 0 need not be computed; gates of one are multi-head attention.""",
    source=JIN_2024,
    kind="identity",
    tolerance=1e-13,
)
def heads_add_up(case: GatedHeads) -> float:
    whole = concatenated(case.heads, case.projection)
    return max(
        relative_error(routed(case.heads, case.projection, case.gates), concatenated(**vars(case)), scale=1.0),
        relative_error(contributions(case.heads, case.projection).sum(axis=0), whole, scale=1.0),
    )


@claim(
    statement="""Leaving heads out moves a token by at most the sum of the norms of what they contribute; attained where
    these are parallel.""",
    source=JIN_2024,
    kind="inequality",
    tolerance=1e-12,
)
def dropped_heads_cost_at_most_their_norms(case: HeadSubset) -> float:
    """The best k by norm, which makes the bound smallest."""
    norms = np.linalg.norm(case.parts, axis=-1)
    gates = top_gates(norms[None], case.kept)[0]
    moved = np.linalg.norm(gates @ case.parts - case.parts.sum(axis=0))
    return excess(moved, (1 - gates) @ norms + 1e-14)  # rounding of the sums, where a bound is far smaller


@claim(
    statement="""k of H heads drawn at random and scaled by H / k give the output without bias, with mean square error
    (H / k) (H - k) sum_i |c_i - mean|^2 / (H - 1).""",
    source=JIN_2024,
    kind="identity",
    tolerance=1e-13,
)
def random_heads_are_unbiased(case: HeadSubset) -> float:
    """Over all subsets."""
    total, heads = case.parts.sum(axis=0), len(case.parts)
    estimates = heads / case.kept * (total - case.dropped)
    scale = heads**2 * float((case.parts**2).sum())
    error = ((estimates - total) ** 2).sum(axis=-1).mean()
    return max(
        relative_error(random_subset_error(case.parts, case.kept), error, scale=scale),
        relative_error(estimates.mean(axis=0), total, scale=np.sqrt(scale)),
    )


@claim(
    statement="The heads with the largest contributions are the best heads to keep.",
    source=JIN_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (HeadSubset(np.array([[3.0], [-3.0], [1.0]]), 1),),
)
def largest_heads_are_the_best_to_keep(case: HeadSubset) -> float:
    """Two heads that cancel: the smallest head alone is exact."""
    gates = top_gates(np.linalg.norm(case.parts, axis=-1)[None], case.kept)[0]
    moved = np.linalg.norm(gates @ case.parts - case.parts.sum(axis=0))
    return float(moved - np.linalg.norm(case.dropped, axis=-1).min())
