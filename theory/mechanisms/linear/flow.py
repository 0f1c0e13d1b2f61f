"""Flow attention: what every source sends and every sink receives is normalised to one, at linear cost.

Queries are sinks, keys are sources, and the flow from j to i is phi(Q_i) . phi(K_j) of positive features phi. The
inputs of all functions here are the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Tokens
from theory.numerics import Array
from theory.papers import WU_2022
from theory.validation import require


@dataclass(frozen=True, eq=False)
class Flow(Tokens):
    """Hypothesis: the features of queries (m, d) and keys (n, d) are positive, and so is every flow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        least = min(self.queries.min(), self.keys.min())
        require(least > 0, f"features of queries and keys must be positive, got {least}")


@dataclass(frozen=True, eq=False)
class BalancedFlow(Flow):
    """Hypothesis: as many sinks as sources."""

    def __post_init__(self) -> None:
        super().__post_init__()
        m, n = len(self.queries), len(self.keys)
        require(m == n, f"there must be as many sinks as sources, got {m} and {n}")


def capacities(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"]
) -> tuple[Float[Array, " m"], Float[Array, " n"]]:
    """What sinks receive, I_i = phi(Q_i) . sum_j phi(K_j), and what sources send, O_j = phi(K_j) . sum_i phi(Q_i)."""
    return queries @ keys.sum(axis=0), keys @ queries.sum(axis=0)


def conserved_flows(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"]
) -> tuple[Float[Array, " m"], Float[Array, " n"]]:
    """I^_i when every source sends one, O^_j when every sink receives one."""
    incoming, outgoing = capacities(queries, keys)
    return queries @ (keys / outgoing[:, None]).sum(axis=0), keys @ (queries / incoming[:, None]).sum(axis=0)


def flow_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"]
) -> Float[Array, "m v"]:
    """sigmoid(I^) * (phi(Q) / I) (phi(K)^T (softmax(O^) * V)): competition of sources, allocation to sinks.

    `flow_cost` multiplications, linear in queries and keys.
    """
    incoming, _ = capacities(queries, keys)
    allocated, competing = conserved_flows(queries, keys)
    state = keys.T @ (softmax(competing)[:, None] * values)
    return expit(allocated)[:, None] * ((queries / incoming[:, None]) @ state)


def dense_flow_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"]
) -> Float[Array, "m v"]:
    """The same from the (m, n) matrix of all flows."""
    flow = queries @ keys.T
    received, sent = flow / flow.sum(axis=1, keepdims=True), flow / flow.sum(axis=0)
    return expit(sent.sum(axis=1))[:, None] * (received @ (softmax(received.sum(axis=0))[:, None] * values))


def flow_cost(queries: int, keys: int, width: int, channels: int) -> int:
    """Multiplications of `flow_attention`: (m + n) (3 d + d v + v), two passes for I and O of which one is repeated."""
    return (queries + keys) * (3 * width + width * channels + channels)


def clamped_outgoing(queries: Float[Array, "m d"], keys: Float[Array, "n d"], *, eps: float = 1e-6) -> Array:
    """O^_j as in the authors' code (thuml/Flowformer, Flow_Attention.py): eps in every sum, clamped to [-1, 1]."""
    incoming = (queries + eps) @ (keys.sum(axis=0) + eps)
    outgoing = (keys + eps) @ ((queries / incoming[:, None]).sum(axis=0) + eps)
    return np.clip(outgoing, -1.0, 1.0)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Flow attention computed with a d x v state is the dense m x n form, and takes (m + n)(3 d + d v + v)
    multiplications (counted): linear in queries and keys.""",
    source=WU_2022,
    kind="identity",
    tolerance=1e-13,
)
def flow_attention_is_linear_and_dense(flow: Flow) -> float:
    arguments = flow.queries, flow.keys, flow.values
    scale = float(np.abs(flow.values).max())
    cost = flow_cost(len(flow.queries), len(flow.keys), flow.keys.shape[1], flow.values.shape[1])
    return max(
        relative_error(flow_attention(*arguments), dense_flow_attention(*arguments), scale=scale),
        relative_error(multiplications(flow_attention, *arguments), cost),
    )


@claim(
    statement="""Keys divided by O send exactly one and queries divided by I receive exactly one, so the conserved flows
    satisfy sum_i I^_i = n (the sources) and sum_j O^_j = m (the sinks).""",
    source=WU_2022,
    kind="identity",
    tolerance=1e-13,
)
def normalised_flow_is_conserved(flow: Flow) -> float:
    incoming, outgoing = capacities(flow.queries, flow.keys)
    sent = flow.queries @ (flow.keys / outgoing[:, None]).T
    received = (flow.queries / incoming[:, None]) @ flow.keys.T
    sinks, sources = conserved_flows(flow.queries, flow.keys)
    return max(
        relative_error(sent.sum(axis=0), 1.0),
        relative_error(received.sum(axis=1), 1.0),
        relative_error(sinks.sum(), len(flow.keys)),
        relative_error(sources.sum(), len(flow.queries)),
    )


@claim(
    statement="""The gate sigmoid(I^_i) of a sink is never below 1/2, and the mean gate never above sigmoid(n / m),
    attained by equal queries: with positive features no sink can be closed, nor all be open.""",
    source=WU_2022,
    kind="inequality",
    tolerance=1e-13,
    fails_without=lambda: (Tokens(np.array([[1.0], [-0.4]]), np.ones((1, 1)), np.ones((1, 1))),),
)
def flow_gates_are_at_least_half(flow: Flow) -> float:
    sinks, _ = conserved_flows(flow.queries, flow.keys)
    gates = expit(sinks)
    return max(excess(0.5, gates), excess(gates.mean(), expit(len(flow.keys) / len(flow.queries))))


@claim(
    statement="""With as many sinks as sources, clamping the conserved outgoing flows at one takes away exactly
    sum_j |O^_j - 1| / 2: nothing is lost only where all sources send alike.""",
    source=WU_2022,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (Flow(np.ones((2, 1)), np.ones((1, 1)), np.ones((1, 1))),),
)
def clamping_takes_half_of_the_spread(flow: BalancedFlow) -> float:
    _, sources = conserved_flows(flow.queries, flow.keys)
    lost = (sources - np.minimum(sources, 1.0)).sum()
    return relative_error(lost, np.abs(sources - 1.0).sum() / 2, scale=float(len(sources)))


def _strong_and_weak_source() -> tuple[Flow]:
    """Eight sinks, and two sources of which one is three times the other: O^ = 2 and 6."""
    return (Flow(np.ones((8, 1)), np.array([[1.0], [3.0]]), np.eye(2)),)


@claim(
    statement="With the clamp and the eps of the authors' code the outgoing flows still sum to the number of sinks.",
    source=WU_2022,
    kind="refuted",
    tolerance=0.7,
    counterexample=_strong_and_weak_source,
)
def clamped_flow_is_conserved(flow: Flow) -> float:
    """The share that is lost: 2 of 8 are left."""
    return relative_error(clamped_outgoing(flow.queries, flow.keys).sum(), len(flow.queries))


@claim(
    statement="After the clamp of the authors' code a source with more outgoing flow still wins the competition.",
    source=WU_2022,
    kind="refuted",
    tolerance=0.9,
    counterexample=_strong_and_weak_source,
)
def clamped_sources_compete(flow: Flow) -> float:
    """Share of the distance from the true to the uniform weights that the clamp takes away: all of it."""
    _, sources = conserved_flows(flow.queries, flow.keys)
    true, clamped = softmax(sources), softmax(clamped_outgoing(flow.queries, flow.keys))
    uniform = np.full_like(true, 1 / len(true))
    return 1.0 - float(np.abs(clamped - uniform).sum() / np.abs(true - uniform).sum())
