"""Attention rollout: the product of the layers' attention maps, and how its causal form runs to the first token.

Each layer moves r I + (1 - r) A, A with rows that sum to 1 and r the share of the residual (1/2 as a rule).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.masks import causal
from theory.mechanisms.counting import multiplications
from theory.numerics import Array, fitted_slope
from theory.papers import LIN_2024
from theory.validation import finite_array, fraction, integer, probability_rows, require


def rollout(layers: Float[Array, "l n n"], residual: float = 0.0) -> Float[Array, "n n"]:
    """(r I + (1 - r) A_L) ... (r I + (1 - r) A_1), `layers` from the first (input) to the last."""
    start = np.eye(layers.shape[-1])
    return reduce(lambda flow, layer: residual * flow + (1 - residual) * (layer @ flow), layers, start)


def rollout_row(layers: Float[Array, "l n n"], query: int, residual: float = 0.0) -> Float[Array, " n"]:
    """The rollout of one query, from the last layer down: `row_multiplications`, n times fewer than `rollout`."""
    row = np.eye(layers.shape[-1])[query]
    for layer in layers[::-1]:
        row = residual * row + (1 - residual) * (row @ layer)
    return row


def row_multiplications(layers: int, length: int) -> int:
    """Multiplications of `rollout_row`: l n (n + 2), less n for the identity that it starts from."""
    return layers * length * (length + 2) - length


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class RolledLayers:
    """Maps (l, n, n) with entries >= 0 and a residual share in [0, 1)."""

    layers: Float[Array, "l n n"]
    residual: float = 0.5

    def __post_init__(self) -> None:
        layers = finite_array("layers", self.layers, (None, None, None), leading=False)
        require(layers.shape[1] == layers.shape[2] >= 2, f"layers must be (l, n, n), n >= 2, got {layers.shape}")
        require((layers >= 0).all(), f"weights must be >= 0, got {layers.min()}")
        fraction("residual", self.residual, below_one=True)
        object.__setattr__(self, "layers", layers)

    @property
    def moved(self) -> Float[Array, "l n n"]:
        """r I + (1 - r) A of every layer."""
        return self.residual * np.eye(self.layers.shape[-1]) + (1 - self.residual) * self.layers

    @property
    def flow(self) -> Float[Array, "n n"]:
        """The rollout."""
        return rollout(self.layers, self.residual)


@dataclass(frozen=True, eq=False)
class StochasticLayers(RolledLayers):
    """Hypothesis: rows sum to 1, as softmax gives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        probability_rows("layers", self.layers, (None, None))


@dataclass(frozen=True, eq=False)
class QueriedRollout:
    """Layers and one of their queries."""

    case: StochasticLayers
    query: int

    def __post_init__(self) -> None:
        length = self.case.layers.shape[1]
        require(integer("query", self.query, least=0) < length, f"query must be below {length}, got {self.query}")


@dataclass(frozen=True, eq=False)
class CausalRollout(StochasticLayers):
    """Hypothesis: no query sees a later key."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not np.triu(self.layers, 1).any(), "attention must be causal")

    @classmethod
    def drawn(cls, length: int, layers: int, scale: float, residual: float, seed: int) -> CausalRollout:
        """Softmax of N(0, scale^2) logits."""
        logits = scale * np.random.default_rng(seed).standard_normal((layers, length, length))
        return cls(softmax(logits, causal(length)), residual)


@dataclass(frozen=True, eq=False)
class RepeatedLayer(CausalRollout):
    """Hypotheses: one causal layer, all weights on seen keys >= 1e-3, whose largest moved self-weight after the first
    token is 1.25 times every other one at least."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.layers) == 1, f"there must be one layer to repeat, got {len(self.layers)}")
        require((self.layers[0][causal(self.layers.shape[1])] >= 1e-3).all(), "weights on seen keys must be >= 1e-3")
        loops = np.sort(np.diag(self.moved[0])[1:])
        require(len(loops) == 1 or loops[-1] >= 1.25 * loops[-2], "one self-weight must be 1.25 times all others")


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="The rollout of attention maps whose rows sum to 1, with any residual share, has rows that sum to 1.",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (RolledLayers(np.full((3, 2, 2), 0.4)),),
)
def rollout_rows_sum_to_one(case: StochasticLayers) -> float:
    """The largest deviation of a row sum, or the most negative entry."""
    return float(max(np.abs(case.flow.sum(axis=1) - 1).max(), -case.flow.min()))


@claim(
    statement="""The rollout of one query, from the last of l layers down, is that query's row of the whole and needs
    (l (n + 2) - 1) n multiplications, the whole n times as many.""",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-13,
)
def one_query_rolls_out_without_the_others(asked: QueriedRollout) -> float:
    """The relative error of the row, or of the counts."""
    layers, residual = asked.case.layers, asked.case.residual
    counted = multiplications(lambda maps: rollout_row(maps, asked.query, residual), layers)
    whole = multiplications(lambda maps: rollout(maps, residual), layers)
    stated = row_multiplications(*layers.shape[:2])
    return max(
        relative_error(rollout_row(layers, asked.query, residual), asked.case.flow[asked.query]),
        relative_error([counted, whole], [stated, layers.shape[1] * stated]),
    )


def _acausal() -> tuple[StochasticLayers]:
    """The first token, too, gives its attention away."""
    return (StochasticLayers(np.array([[[0.2, 0.8], [0.2, 0.8]], [[1.0, 0.0], [1.0, 0.0]]])),)


@claim(
    statement="""One more causal layer below all others never takes rollout from the first token, at any query; so
    repeating one layer only ever adds to it.""",
    source=LIN_2024,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_acausal,
)
def a_lower_layer_adds_flow_to_the_first_token(case: CausalRollout) -> float:
    above = rollout(case.layers[1:], case.residual)
    return excess(above[1:, 0], case.flow[1:, 0])


@claim(
    statement="""Every further causal layer moves rollout towards the first token, on top of the others, too.""",
    source=LIN_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (
        CausalRollout(np.array([[[1.0, 0, 0], [0, 1, 0], [1, 0, 0]], [[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]])),
    ),
)
def an_upper_layer_adds_flow_to_the_first_token(case: CausalRollout) -> float:
    """The largest fall: the third token first asks the first one, then the second, which has kept to itself."""
    below = rollout(case.layers[:-1], case.residual)
    return float((below - case.flow)[:, 0].max())


@claim(
    statement="""What causal rollout does not bring to the first token is at query i at least the product over layers of
    what i keeps, r + (1 - r) A_ii: equal for the second token.""",
    source=LIN_2024,
    kind="inequality",
    tolerance=1e-12,
)
def flow_away_from_the_first_token_survives_self_attention(case: CausalRollout) -> float:
    kept = np.diagonal(case.moved, axis1=1, axis2=2).prod(axis=0)
    return excess(kept[1:], case.flow[1:, 1:].sum(axis=1))


@claim(
    statement="""The rollout of one causal layer repeated approaches the first token, the largest deficit falling by the
    factor r + (1 - r) max_{i > 1} A_ii a layer.""",
    source=LIN_2024,
    kind="limit",
    tolerance=1e-11,
)
def flow_reaches_the_first_token_at_the_largest_self_weight(case: RepeatedLayer) -> float:
    """Slope of the log of the largest deficit over layers 120 to 240."""
    elsewhere = case.moved[0][1:, 1:]
    deficit, size, logs = np.ones(len(elsewhere)), 0.0, []
    for _ in range(240):
        deficit = elsewhere @ deficit
        size += np.log(deficit.max())
        deficit = deficit / deficit.max()
        logs.append(size)
    rate = np.exp(fitted_slope(np.arange(120), np.array(logs[120:])))
    return relative_error(rate, np.diag(elsewhere).max())
