"""One form for state spaces and linear attention.

h_t = a_t h_{t-1} + B_t (Delta_t x_t)^T,   y_t = C_t h_t,   h in R^{s x v}
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.mechanisms.linear.masked import gate_products, masked_linear_attention
from theory.numerics import Array
from theory.papers import SIEBER_2024
from theory.validation import finite_array, require


@dataclass(frozen=True, eq=False)
class StateSpace:
    """Gates (n, s) of every state, inputs B (n, s), readouts C (n, s), step sizes Delta (n,) and tokens x (n, v)."""

    gates: Float[Array, "n s"]
    inputs: Float[Array, "n s"]
    readouts: Float[Array, "n s"]
    steps: Float[Array, " n"]
    tokens: Float[Array, "n v"]

    def __post_init__(self) -> None:
        inputs = finite_array("inputs", self.inputs, (None, None), leading=False)
        length, states = inputs.shape
        shapes = {"gates": (length, states), "readouts": (length, states), "steps": (length,), "tokens": (length, None)}
        for name, shape in shapes.items():
            object.__setattr__(self, name, finite_array(name, getattr(self, name), shape, leading=False))
        object.__setattr__(self, "inputs", inputs)

    @property
    def values(self) -> Float[Array, "n v"]:
        """Delta_t x_t."""
        return self.steps[:, None] * self.tokens


@dataclass(frozen=True, eq=False)
class ScalarGates(StateSpace):
    """Hypothesis: at every step all states share one gate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.gates == self.gates[:, :1]).all(), "all states must share one gate a_t, got different ones")


@dataclass(frozen=True, eq=False)
class OpenGates(StateSpace):
    """Hypothesis: all gates positive, their products at least 1e-100."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.gates > 0).all(), f"gates must be positive, got {self.gates.min()}")
        least = np.minimum.accumulate(np.cumprod(self.gates, axis=0)).min()
        require(least >= 1e-100, f"products of gates must be at least 1e-100, got {least}")


def scan(system: StateSpace) -> Float[Array, "n v"]:
    """The outputs y, by the recurrence."""
    state, outputs = np.zeros((system.inputs.shape[1], system.tokens.shape[1])), []
    for gate, entry, readout, value in zip(system.gates, system.inputs, system.readouts, system.values, strict=True):
        state = gate[:, None] * state + np.outer(entry, value)
        outputs.append(readout @ state)
    return np.array(outputs)


def state_scores(system: StateSpace) -> Float[Array, "n n"]:
    """y = scores @ (Delta x): scores_ts = sum_r C_tr B_sr a_{s+1,r} ... a_{t,r}."""
    per_state = (
        np.outer(c, b) * gate_products(a)
        for c, b, a in zip(system.readouts.T, system.inputs.T, system.gates.T, strict=True)
    )
    return np.sum(list(per_state), axis=0)


def _one_gate_closes() -> StateSpace:
    """Two states, of which one forgets at the second step."""
    ones = np.ones((2, 2))
    return StateSpace(np.array([[1.0, 1.0], [1.0, 0.0]]), ones, ones, np.ones(2), np.ones((2, 1)))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""A state space with one gate a step is masked linear attention: keys B, queries C, values Delta x, and
    the mask D_ts = a_{s+1} ... a_t, which is 1 for open gates: plain causal linear attention.""",
    source=SIEBER_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (_one_gate_closes(),),
)
def scalar_gates_are_masked_attention(system: ScalarGates) -> float:
    mask = gate_products(system.gates[:, 0])
    attended = masked_linear_attention(system.readouts, system.inputs, system.values, mask)
    return relative_error(scan(system), attended, scale=1e-3)


@claim(
    statement="""With a positive gate for every state and step the state space is plain causal linear attention of the
    queries C_t P_t and keys B_s / P_s, P_t = a_1 ... a_t; a gate that closes has no such form.""",
    source=SIEBER_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (_one_gate_closes(),),
)
def open_gates_rescale_queries_and_keys(system: OpenGates) -> float:
    products = np.cumprod(system.gates, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # where a gate is closed
        keys = system.inputs / products
        attended = masked_linear_attention(
            system.readouts * products, keys, system.values, gate_products(np.ones(len(keys)))
        )
    return relative_error(scan(system), attended, scale=float(np.abs(attended).max()))


@claim(
    statement="""Scores that a scan of s states gives to keys before t from queries at or after t form a matrix of rank
    at most s, for every t and any gates.""",
    source=SIEBER_2024,
    kind="inequality",
    tolerance=0.0,
)
def states_bound_the_rank(system: StateSpace) -> float:
    scores, states = state_scores(system), system.inputs.shape[1]
    ranks = [np.linalg.matrix_rank(scores[t:, :t], rtol=1e-11) for t in range(1, len(scores))]
    return excess(max(ranks, default=0), states)
