"""Rollout of uniform causal attention in closed form: the flow that position alone gives, to divide by.

As in `theory.mechanisms.credit.rollout`, a layer moves r I + (1 - r) A; here A_ij = 1/i for j <= i, counted from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.masks import causal
from theory.mechanisms.credit.rollout import CausalRollout, rollout
from theory.numerics import Array
from theory.papers import LIN_2024
from theory.validation import fraction, integer, require


def uniform_attention(length: int) -> Float[Array, "n n"]:
    """A_ij = 1/i for j <= i, counted from 1."""
    return softmax(np.zeros((length, length)), causal(length))


def uniform_flow(length: int, layers: int, residual: float = 0.0) -> Float[Array, " n"]:
    """What the last of `length` tokens gets from each token by `layers` layers of uniform causal attention.

    Without residual h_{L-1}(1/j, ..., 1/i) / i, h the complete homogeneous polynomial and i = `length`: positive terms
    only, and larger the earlier the token. A residual mixes the depths l <= L with binomial weights.
    """
    integer("length", length, least=1)
    integer("layers", layers, least=0)
    shares = 1.0 / np.arange(1, length + 1)
    powers = np.zeros(length)  # row of A^l
    powers[-1] = 1.0
    homogeneous = np.ones(length)  # h_{l-1} of shares[j:]
    total = residual**layers * powers
    for depth in range(1, layers + 1):
        powers = homogeneous * shares[-1]
        total = total + comb(layers, depth) * (1 - residual) ** depth * residual ** (layers - depth) * powers
        homogeneous = np.cumsum((shares * homogeneous)[::-1])[::-1]
    return total


def regularised(flow: Float[Array, " n"], layers: int, residual: float = 0.0) -> Float[Array, " n"]:
    """The flow of the last token over that of uniform attention: 1 means no more than its position gives."""
    return flow / uniform_flow(len(flow), layers, residual)


@dataclass(frozen=True)
class UniformLayers:
    """Length 2 to 24, number of layers >= 1 and residual share of uniform causal attention."""

    length: int
    depth: int
    residual: float

    def __post_init__(self) -> None:
        require(2 <= integer("length", self.length, least=2) <= 24, f"length must be 2 to 24, got {self.length}")
        integer("depth", self.depth, least=1)
        fraction("residual", self.residual, below_one=True)

    @property
    def row(self) -> Float[Array, " n"]:
        """The last token's rollout, as a product of matrices."""
        layers = np.stack([uniform_attention(self.length)] * self.depth)
        return rollout(layers, self.residual)[-1]


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""L layers of uniform causal attention with residual r bring the i-th token (from 0) a share
    sum_k (-1)^k C(i, k) (r + (1 - r)/(k + 1))^L of the first one.""",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-12,
)
def uniform_rollout_has_an_alternating_sum(case: UniformLayers) -> float:
    """In exact fractions, against the product of matrices."""
    last, kept = case.length - 1, Fraction(case.residual)
    terms = ((-1) ** k * comb(last, k) * (kept + (1 - kept) / (k + 1)) ** case.depth for k in range(last + 1))
    return relative_error(case.row[0], float(sum(terms)))


@claim(
    statement="""L layers of uniform causal attention, without residual, bring token i (from 1) the share
    h_{L-1}(1/j, ..., 1/i) / i of every token j <= i, h the complete homogeneous polynomial; a residual share r mixes
    depths l <= L with weights C(L, l) (1 - r)^l r^(L-l). Rollout over it is 1 throughout for uniform attention.""",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-12,
)
def rollout_over_uniform_flow_is_flat_for_uniform_attention(case: UniformLayers) -> float:
    divided = regularised(case.row, case.depth, case.residual)
    return relative_error(divided, np.ones(case.length))


@claim(
    statement="""Rollout of uniform causal attention never gives a later token more than an earlier one, the query
    itself apart: equal in one layer.""",
    source=LIN_2024,
    kind="inequality",
    tolerance=1e-12,
)
def uniform_rollout_prefers_earlier_tokens(case: UniformLayers) -> float:
    earlier = case.row[:-1]
    return excess(earlier[1:], earlier[:-1]) if len(earlier) > 1 else -1.0


def _preferred(length: int, token: int, depth: int) -> CausalRollout:
    """Every query that sees `token` gives it e times the weight of any other key."""
    logits = np.zeros((length, length))
    logits[:, token] = 1.0
    return CausalRollout(np.stack([softmax(logits, causal(length))] * depth))


@claim(
    statement="""Rollout ranks first, the query apart, the token that every layer ranks first at every query that sees
    it.""",
    source=LIN_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (_preferred(24, 16, 12),),
)
def rollout_shows_what_every_layer_prefers(case: CausalRollout) -> float:
    """How far the last query's rollout of that token is below the largest one, as a share of the latter."""
    preferred = int(case.layers[0][-1].argmax())
    flow = case.flow[-1][:-1]
    return float(1 - flow[preferred] / flow.max())
