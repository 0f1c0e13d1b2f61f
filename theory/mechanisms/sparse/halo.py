"""Blocked local attention with halos: the queries of a block share one window, the block and `halo` keys on each side.

On a ring, so that shifts of the sequence are defined: positions count modulo the length, a multiple of the block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend
from theory.claims import claim, relative_error
from theory.masks import Mask
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import VASWANI_2021
from theory.validation import integer, require


def halo_mask(length: int, block: int, halo: int) -> Mask:
    """Key j lies at most `halo` tokens outside the block of query i, around the ring."""
    start = np.arange(length) // block * block
    return (np.arange(length)[None, :] - start[:, None] + halo) % length < block + 2 * halo


def halo_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], block: int, halo: int
) -> Float[Array, "n v"]:
    """One dense product for every block of queries and its block + 2 halo keys."""
    length = len(keys)
    starts = np.arange(0, length, block)[:, None]
    seen = (starts + np.arange(-halo, block + halo)) % length
    return attend(queries[starts + np.arange(block)], keys[seen], values[seen]).reshape(length, -1)


def halo_cost(length: int, block: int, halo: int, channels: int, value_channels: int) -> int:
    """n (b + 2h) (d + v) multiplications."""
    return length * (block + 2 * halo) * (channels + value_channels)


def exchanged_share(block: int, halo: int, shift: int) -> float:
    """2 r (b - r) / (b (b + 2h)), r = shift mod b: the share of its keys that a query loses on average when the
    sequence moves by `shift` under the fixed blocks. Hypothesis: at least 2b + 2h tokens."""
    moved = shift % block
    return 2 * moved * (block - moved) / (block * (block + 2 * halo))


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class HaloBlocks:
    """A sequence of whole blocks, at least block + 2 halo tokens long, and a shift."""

    tokens: Sequence
    block: int
    halo: int
    shift: int = 0

    def __post_init__(self) -> None:
        length = len(self.tokens.keys)
        integer("block", self.block, least=1)
        integer("halo", self.halo, least=0)
        require(length % self.block == 0, f"blocks of {self.block} must fill the sequence, got {length} tokens")
        require(self.block + 2 * self.halo <= length, f"a block with its halos must fit into {length} tokens")

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Queries, keys and values."""
        return self.tokens.queries, self.tokens.keys, self.tokens.values

    def attend(self, shift: int = 0) -> Array:
        """Halo attention over the sequence moved around the ring by `shift`."""
        queries, keys, values = (np.roll(a, shift, axis=0) for a in self.arrays)
        return halo_attention(queries, keys, values, self.block, self.halo)


@dataclass(frozen=True, eq=False)
class BlockShift(HaloBlocks):
    """Hypothesis: the shift is a multiple of the block."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.shift % self.block == 0, f"the shift must be a multiple of {self.block}, got {self.shift}")


@dataclass(frozen=True)
class HaloLayout:
    """Blocks and halos on a ring of `blocks` blocks with at least 2b + 2h tokens, and a shift."""

    block: int
    halo: int
    blocks: int
    shift: int

    def __post_init__(self) -> None:
        integer("block", self.block, least=1)
        integer("halo", self.halo, least=0)
        needed = 2 * self.block + 2 * self.halo
        require(self.block * self.blocks >= needed, f"there must be at least {needed} tokens")


# --------------------------------------------------------------------------------------------------------------- claims


def _one_token_shift() -> tuple[HaloBlocks]:
    tokens = Sequence(np.eye(4), 3 * np.eye(4), np.arange(4.0)[:, None])
    return (HaloBlocks(tokens, block=2, halo=0, shift=1),)


@claim(
    statement="Blocked attention with halos is dense attention under the mask of its blocks.",
    source=VASWANI_2021,
    kind="identity",
    tolerance=1e-12,
)
def halo_blocks_are_masked_dense_attention(case: HaloBlocks) -> float:
    mask = halo_mask(len(case.tokens.keys), case.block, case.halo)
    return relative_error(case.attend(), attend(*case.arrays, mask))


@claim(
    statement="Attention with halos commutes with shifts around a ring by whole blocks.",
    source=VASWANI_2021,
    kind="identity",
    tolerance=1e-12,
    fails_without=_one_token_shift,
)
def halo_attention_commutes_with_block_shifts(case: BlockShift) -> float:
    return relative_error(case.attend(case.shift), np.roll(case.attend(), case.shift, axis=0))


@claim(
    statement="Like a convolution, attention with halos commutes with every shift.",
    source=VASWANI_2021,
    kind="refuted",
    tolerance=0.01,
    counterexample=_one_token_shift,
)
def halo_attention_commutes_with_every_shift(case: HaloBlocks) -> float:
    return relative_error(case.attend(case.shift), np.roll(case.attend(), case.shift, axis=0))


@claim(
    statement="""A shift by s tokens, r = s mod b, takes from a query on average the share 2 r (b - r) / (b (b + 2h)) of
    its keys: halos relax equivariance, at most by b / (2b + 4h).""",
    source=VASWANI_2021,
    kind="identity",
    tolerance=1e-12,
)
def halos_limit_the_keys_that_a_shift_exchanges(case: HaloLayout) -> float:
    mask = halo_mask(case.block * case.blocks, case.block, case.halo)
    moved = np.roll(mask, (-case.shift, -case.shift), axis=(0, 1))  # what the shifted sequence sees, in its own places
    lost = (mask & ~moved).sum() / mask.sum()
    return relative_error(lost, exchanged_share(case.block, case.halo, case.shift), scale=1e-3)


@claim(
    statement="Attention with halos makes n (b + 2h) (d + v) multiplications.",
    source=VASWANI_2021,
    kind="identity",
    tolerance=0.0,
)
def halo_cost_is_counted(case: HaloBlocks) -> float:
    counted = multiplications(lambda q, k, v: halo_attention(q, k, v, case.block, case.halo), *case.arrays)
    (length, channels), value_channels = case.tokens.keys.shape, case.tokens.values.shape[1]
    return relative_error(counted, halo_cost(length, case.block, case.halo, channels, value_channels))
