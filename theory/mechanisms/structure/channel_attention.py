"""Attention between channels: every token goes through one map, made from the whole image at a cost linear in its size.

Tokens (n, d); the map softmax(Q^T K) is (d, d), in blocks where channels are in groups; out = V softmax(Q^T K)^T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.masks import blocks
from theory.mechanisms.counting import multiplications
from theory.numerics import Array
from theory.papers import DING_2022
from theory.validation import finite_array, integer, require


def channel_map(queries: Float[Array, "n d"], keys: Float[Array, "n d"], groups: int = 1) -> Float[Array, "d d"]:
    """softmax(Q^T K) over the channels of the own group; 0 elsewhere. Dense."""
    width = keys.shape[1]
    return softmax(queries.T @ keys, blocks(width, width // groups))


def channel_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n d"], groups: int = 1
) -> Float[Array, "n d"]:
    """Attention with channels in the place of tokens, group by group, which never makes the dense map."""

    def as_groups(x: Any) -> Any:
        return x.T.reshape(groups, -1, len(x))

    return attend(as_groups(queries), as_groups(keys), as_groups(values)).reshape(-1, len(values)).T


def channel_multiplications(length: int, width: int, groups: int = 1) -> int:
    """2 n d^2 / groups, where attention between tokens makes 2 n^2 d: the cheaper one where n > d / groups."""
    return 2 * length * width**2 // groups


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ChannelTokens:
    """Queries, keys and values (n, d). Hypothesis: the number of groups divides d."""

    queries: Float[Array, "n d"]
    keys: Float[Array, "n d"]
    values: Float[Array, "n d"]
    groups: int

    def __post_init__(self) -> None:
        queries = finite_array("queries", self.queries, (None, None), leading=False)
        object.__setattr__(self, "queries", queries)
        for name in ("keys", "values"):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), queries.shape, leading=False))
        integer("groups", self.groups, least=1)
        require(queries.shape[1] % self.groups == 0, f"groups must divide {queries.shape[1]}, got {self.groups}")

    @classmethod
    def drawn(cls, length: int, width: int, groups: int, scale: float, seed: int) -> ChannelTokens:
        """Normal tokens whose logits have standard deviation `scale`."""
        rng = np.random.default_rng(seed)
        q, k, v = rng.standard_normal((3, length, width))
        return cls(scale / np.sqrt(length) * q, k, v, groups)


@dataclass(frozen=True, eq=False)
class MixedTokens:
    """Tokens and a matrix (n, n) that mixes them."""

    tokens: ChannelTokens
    mixing: Float[Array, "n n"]

    def __post_init__(self) -> None:
        length = len(self.tokens.keys)
        mixing = finite_array("mixing", self.mixing, (length, length), leading=False)
        object.__setattr__(self, "mixing", mixing)


@dataclass(frozen=True, eq=False)
class TurnedTokens(MixedTokens):
    """Hypothesis: the mixing is orthogonal, as a permutation is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        off = np.abs(self.mixing @ self.mixing.T - np.eye(len(self.mixing))).max()
        require(off < 1e-12, f"mixing must be orthogonal, got a product with its transpose off by {off}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Channel attention in groups, computed group by group, applies to every token the one dense map
    softmax(Q^T K) with the blocks of the groups.""",
    source=DING_2022,
    kind="identity",
    tolerance=1e-13,
)
def channel_groups_are_one_block_map(case: ChannelTokens) -> float:
    dense = case.values @ channel_map(case.queries, case.keys, case.groups).T
    return relative_error(channel_attention(**vars(case)), dense, scale=1.0)


@claim(
    statement="""The channel map does not change when all tokens are mixed by an orthogonal matrix, a permutation for
    one, and the output is mixed alike: the map knows nothing of places.""",
    source=DING_2022,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (MixedTokens(ChannelTokens.drawn(3, 2, 1, 1.0, 0), 2 * np.eye(3)),),
)
def channel_map_ignores_places(case: TurnedTokens) -> float:
    q, k, v = case.tokens.queries, case.tokens.keys, case.tokens.values
    groups, turn = case.tokens.groups, case.mixing
    return max(
        relative_error(channel_map(turn @ q, turn @ k, groups), channel_map(q, k, groups)),
        relative_error(
            channel_attention(turn @ q, turn @ k, turn @ v, groups),
            turn @ channel_attention(q, k, v, groups),
            scale=1.0,
        ),
    )


@claim(
    statement="""Channel attention makes 2 n d^2 / groups multiplications, linear in the number of tokens; attention
    between tokens makes 2 n^2 d.""",
    source=DING_2022,
    kind="identity",
    tolerance=0.0,
    examples=40,
)
def channel_attention_is_linear_in_tokens(case: ChannelTokens) -> float:
    """Counted in the code."""
    length, width = case.keys.shape
    arrays = case.queries, case.keys, case.values
    channels = multiplications(lambda q, k, v: channel_attention(q, k, v, case.groups), *arrays)
    return max(
        relative_error(channels, channel_multiplications(length, width, case.groups)),
        relative_error(multiplications(attend, *arrays), 2 * length**2 * width),
    )


@claim(
    statement="""Every token's output of channel attention lies between the least and the largest of its own channels:
    other tokens choose the weights, and give no content.""",
    source=DING_2022,
    kind="inequality",
    tolerance=1e-12,
)
def channel_attention_mixes_own_channels(case: ChannelTokens) -> float:
    out = channel_attention(**vars(case))
    middle = (case.values.max(axis=1) + case.values.min(axis=1)) / 2
    return excess(np.abs(out - middle[:, None]), np.ptp(case.values, axis=1)[:, None] / 2 + 1e-14)  # rounding


@claim(
    statement="Channel attention sees the whole image, so that it can bring a token what another one holds.",
    source=DING_2022,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (ChannelTokens(np.ones((2, 2)), np.ones((2, 2)), np.array([[0.0, 0.0], [1.0, 1.0]]), 1),),
)
def channel_attention_carries_content(case: ChannelTokens) -> float:
    """What attention between tokens brings to a token that holds nothing, less what channel attention brings: 1/2."""
    brought = np.abs(channel_attention(**vars(case))[0]).max()
    return float(np.abs(attend(case.queries, case.keys, case.values)[0]).max() - brought)
