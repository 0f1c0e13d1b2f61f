"""Causal linear attention with decay in tiles: dense inside a block, a d x v state between blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.mechanisms.linear.masked import gate_products, masked_linear_attention, powers
from theory.numerics import Array
from theory.papers import QIN_2024, QIN_2024_LENGTHS
from theory.validation import fraction, integer, require


@dataclass(frozen=True, eq=False)
class Tiles:
    """At least 2 tokens, a decay lambda in [0, 1] a step and a block size >= 1, which need not divide the length."""

    tokens: Sequence
    decay: float
    block: int

    def __post_init__(self) -> None:
        require(len(self.tokens.keys) >= 2, "there must be at least 2 tokens, got 1")
        fraction("decay", self.decay)
        integer("block", self.block, least=1)


@dataclass(frozen=True)
class TileShape:
    """Width d, value channels v, block size B and number of whole blocks."""

    width: int
    channels: int
    block: int
    blocks: int

    def __post_init__(self) -> None:
        for name in ("width", "channels", "block", "blocks"):
            integer(name, getattr(self, name), least=1)


def direct(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], decay: float
) -> Float[Array, "n v"]:
    """((Q K^T) * D) V with D_ij = lambda^{i - j} for j <= i: `direct_cost` multiplications."""
    return masked_linear_attention(queries, keys, values, powers(decay, len(queries)))


def carry(
    queries: Float[Array, "n d"],
    keys: Float[Array, "n d"],
    values: Float[Array, "n v"],
    decay: float,
    block: int,
    state: Float[Array, "d v"] | None = None,
) -> tuple[Float[Array, "n v"], Float[Array, "d v"]]:
    """Outputs, and the state S = sum_j lambda^{n - j} k_j v_j^T after the last token, given the one before the first
    (default: zero)."""
    state = keys[:0].T @ values[:0] if state is None else state
    outputs = []
    for start in range(0, len(queries), block):
        q, k, v = (x[start : start + block] for x in (queries, keys, values))
        past = decay ** np.arange(1.0, len(q) + 1)
        rest = decay ** np.arange(len(q) - 1.0, -1.0, -1.0)
        within = masked_linear_attention(q, k, v, powers(decay, len(q)))
        outputs.append(within + (past[:, None] * q) @ state)
        state = past[-1] * state + (rest[:, None] * k).T @ v
    return np.concatenate(outputs), state


def tiled(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], decay: float, block: int
) -> Float[Array, "n v"]:
    """`direct` by blocks: B = 1 is the recurrence, B >= n the dense form. `cost_per_token` multiplications a token."""
    return carry(queries, keys, values, decay, block)[0]


def direct_cost(length: int, width: int, channels: int) -> int:
    """n^2 (d + 1 + v)."""
    return length**2 * (width + 1 + channels)


def cost_per_token(width: int, channels: int, block: float) -> float:
    """B (d + 1 + v) + 2 d (v + 1) + d v / B multiplications of `tiled`: inside, across and for the state's decay."""
    return block * (width + 1 + channels) + 2 * width * (channels + 1) + width * channels / block


def least_cost_per_token(width: int, channels: int) -> float:
    """2 d (v + 1) + 2 sqrt(d v (d + 1 + v)), at B = sqrt(d v / (d + 1 + v))."""
    return 2 * width * (channels + 1) + 2 * np.sqrt(width * channels * (width + 1 + channels))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Tiled causal linear attention with decay is the direct masked form at every block size, also where the
    last block is shorter.""",
    source=QIN_2024,
    also=(QIN_2024_LENGTHS,),
    kind="identity",
    tolerance=1e-13,
)
def tiles_equal_the_direct_form(case: Tiles) -> float:
    arguments = case.tokens.queries, case.tokens.keys, case.tokens.values, case.decay
    expected = direct(*arguments)
    return relative_error(tiled(*arguments, case.block), expected, scale=1e-2)


@claim(
    statement="""A sequence cut anywhere and continued from the d x v state gives the outputs of the whole: nothing else
    of the past is needed, at any length.""",
    source=QIN_2024_LENGTHS,
    also=(QIN_2024,),
    kind="identity",
    tolerance=1e-13,
)
def a_state_continues_the_sequence(case: Tiles) -> float:
    """The cut is after the first block, or after the first token where that holds all."""
    q, k, v = case.tokens.queries, case.tokens.keys, case.tokens.values
    cut = case.block if case.block < len(q) else 1
    first, state = carry(q[:cut], k[:cut], v[:cut], case.decay, case.block)
    second, _ = carry(q[cut:], k[cut:], v[cut:], case.decay, 1, state)
    return relative_error(np.concatenate([first, second]), direct(q, k, v, case.decay), scale=1e-2)


@claim(
    statement="""The counted multiplications of the tiled form are B (d + 1 + v) + 2 d (v + 1) + d v / B a token,
    whatever the number of blocks: constant in the length, where the direct form takes n (d + 1 + v).""",
    source=QIN_2024_LENGTHS,
    also=(QIN_2024,),
    kind="identity",
    tolerance=1e-13,
)
def tiles_cost_the_same_at_every_length(shape: TileShape) -> float:
    length = shape.block * shape.blocks
    arrays = np.ones((length, shape.width)), np.ones((length, shape.width)), np.ones((length, shape.channels))
    counted = multiplications(lambda q, k, v: tiled(q, k, v, 0.5, shape.block), *arrays)
    in_full = multiplications(lambda q, k, v: direct(q, k, v, 0.5), *arrays)
    return max(
        relative_error(counted, length * cost_per_token(shape.width, shape.channels, shape.block)),
        relative_error(in_full, direct_cost(length, shape.width, shape.channels)),
    )


@claim(
    statement="""No block size takes fewer than 2 d (v + 1) + 2 sqrt(d v (d + 1 + v)) multiplications a token; B^2 =
    d v / (d + 1 + v), below d and v, attains it: counted so, the best tile is smaller than the head.""",
    source=QIN_2024,
    kind="inequality",
    tolerance=1e-13,
)
def the_best_tile_is_smaller_than_the_head(shape: TileShape) -> float:
    return excess(
        least_cost_per_token(shape.width, shape.channels), cost_per_token(shape.width, shape.channels, shape.block)
    )


def _long_sequence() -> tuple[Tiles]:
    """2000 tokens with decay 1/2: lambda^n is below the smallest float64."""
    ones = np.ones((2000, 1))
    return (Tiles(Sequence(ones, ones, ones), 0.5, 16),)


@claim(
    statement="""No tiles are needed: plain linear attention of the queries lambda^i q_i and keys lambda^{-j} k_j gives
    the same in float64 at every length.""",
    source=QIN_2024,
    kind="refuted",
    tolerance=0.9,
    counterexample=_long_sequence,
)
def rescaled_keys_replace_tiles(case: Tiles) -> float:
    """Infinite where the rescaled keys overflow, although both forms are equal in exact arithmetic."""
    tokens, exponents = case.tokens, np.arange(1.0, len(case.tokens.keys) + 1)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        q, k = tokens.queries * case.decay**exponents, tokens.keys * case.decay**-exponents
        plain = masked_linear_attention(q, k, tokens.values, gate_products(np.ones(len(k))))
    difference = np.abs(plain - tiled(tokens.queries, tokens.keys, tokens.values, case.decay, case.block))
    return float(np.where(np.isfinite(difference), difference, np.inf).max())
