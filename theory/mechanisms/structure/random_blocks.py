"""Attention to random blocks of the past: causal, never empty, and how often two blocks are joined.

The sequence is cut into blocks of equal size; `kept` (B, B) says which key block (column) a query block (row) reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from theory.attention import attend
from theory.claims import claim, relative_error
from theory.masks import Mask, causal
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import LI_2024
from theory.validation import fraction, integer, require

Blocks = Bool[NDArray[np.bool_], "B B"]


def random_blocks(count: int, density: float, rng: np.random.Generator) -> Blocks:
    """The diagonal, and every block of the past with probability `density`."""
    drawn = np.less(rng.random((count, count)), density)
    return (drawn & causal(count)) | np.eye(count, dtype=bool)


def block_mask(kept: Blocks, size: int) -> Mask:
    """Blocks of tokens, cut by the causal mask."""
    return np.repeat(np.repeat(kept, size, axis=0), size, axis=1) & causal(size * len(kept))


def block_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], kept: Blocks, size: int
) -> Float[Array, "n v"]:
    """Attention that computes the kept blocks alone: size^2 (d + v) multiplications for each."""
    out = []
    for row, blocks in enumerate(kept & causal(len(kept))):
        own = np.arange(row * size, (row + 1) * size)
        seen = np.flatnonzero(np.repeat(blocks, size))
        out.append(attend(queries[own], keys[seen], values[seen], seen <= own[:, None]))
    return np.concatenate(out)


def joined(gap: int, density: float, *, redrawn: bool) -> float:
    """The probability that two layers carry what a block holds to the block `gap` >= 1 later: directly, or over one of
    the gap - 1 blocks between.

    1 - (1 - r) (1 - r^2)^(gap - 1) with one mask for both layers, and (1 - r)^2 where each layer has its own.
    """
    direct = (1 - density) ** (2 if redrawn else 1)
    return float(1 - direct * (1 - density**2) ** (gap - 1))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class BlockChoice:
    """Which blocks are read, and the number of tokens in each."""

    kept: Blocks
    size: int

    def __post_init__(self) -> None:
        kept = np.array(self.kept)
        if kept.dtype != bool or kept.ndim != 2 or kept.shape[0] != kept.shape[1]:
            raise ValueError(f"kept must be a square Boolean matrix, got {kept.dtype} of shape {kept.shape}")
        object.__setattr__(self, "kept", kept)
        object.__setattr__(self, "size", integer("size", self.size, least=1))


@dataclass(frozen=True, eq=False)
class DiagonalChoice(BlockChoice):
    """Hypothesis: every block reads itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.kept.diagonal().all(), f"every block must read itself, got {self.kept.diagonal()}")


@dataclass(frozen=True, eq=False)
class BlockSequence(Sequence):
    """A sequence and the blocks that it reads. Hypothesis: as long as all blocks together."""

    choice: DiagonalChoice

    def __post_init__(self) -> None:
        super().__post_init__()
        length = self.choice.size * len(self.choice.kept)
        require(len(self.keys) == length, f"the blocks must cover {len(self.keys)} tokens, got {length}")


@dataclass(frozen=True)
class BlockLottery:
    """Two blocks `gap` apart, blocks kept with probability `density`. Hypothesis: 1 <= gap <= 3, so that all masks can
    be visited.
    """

    gap: int
    density: float
    redrawn: bool

    def __post_init__(self) -> None:
        integer("gap", self.gap, least=1)
        fraction("density", self.density)
        require(self.gap <= 3, f"gap must be at most 3, got {self.gap}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Random blocks cut by the causal mask show no query its future, and leave none without a key where every
    block reads itself.""",
    source=LI_2024,
    kind="identity",
    tolerance=0.0,
    fails_without=lambda: (BlockChoice(np.zeros((2, 2), dtype=bool), 2),),
)
def random_blocks_leave_no_query_alone(case: DiagonalChoice) -> float:
    """How many queries see a later key or none."""
    mask = block_mask(case.kept, case.size)
    ahead = np.arange(len(mask)) > np.arange(len(mask))[:, None]
    return float(((mask & ahead).any(axis=1) | ~mask.any(axis=1)).sum())


@claim(
    statement="Computing the kept blocks alone is dense attention under the mask of blocks.",
    source=LI_2024,
    kind="identity",
    tolerance=1e-13,
)
def kept_blocks_are_masked_attention(case: BlockSequence) -> float:
    kept, size = case.choice.kept, case.choice.size
    dense = attend(case.queries, case.keys, case.values, block_mask(kept, size))
    return relative_error(block_attention(case.queries, case.keys, case.values, kept, size), dense, scale=1.0)


@claim(
    statement="""With every block of the past kept with probability r and the diagonal always, two layers carry a block
    to the one `gap` later with probability 1 - (1 - r) (1 - r^2)^(gap - 1); with (1 - r)^2 where each layer draws its
    own mask.""",
    source=LI_2024,
    kind="identity",
    tolerance=1e-13,
)
def two_layers_join_random_blocks(case: BlockLottery) -> float:
    """Against the sum over all masks."""
    rows, columns = np.tril_indices(case.gap + 1, -1)
    edges = len(rows) * (2 if case.redrawn else 1)
    drawn = (np.arange(2**edges)[:, None] >> np.arange(edges)) & 1
    layers = np.zeros((2**edges, 2, case.gap + 1, case.gap + 1))
    layers[..., range(case.gap + 1), range(case.gap + 1)] = 1
    layers[:, :, rows, columns] = drawn.reshape(2**edges, -1, len(rows))  # one mask is the mask of both layers
    joins = (layers[:, 1] @ layers[:, 0])[:, -1, 0] > 0
    probability = np.prod(np.where(drawn == 1, case.density, 1 - case.density), axis=1)
    return relative_error(joined(case.gap, case.density, redrawn=case.redrawn), probability[joins].sum(), scale=1.0)
