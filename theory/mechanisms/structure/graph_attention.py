"""Attention to the neighbours on a graph: along a list of edges, equal to dense attention under the graph as a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from theory.attention import attend
from theory.claims import claim, relative_error
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import DWIVEDI_2020
from theory.validation import require

Edges = Int[NDArray[np.intp], "e 2"]


def edge_attention(
    queries: Float[Array, "n d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], edges: Edges
) -> Float[Array, "n v"]:
    """Softmax over the E edges (query, key) of each query, in any order: E (d + v) multiplications."""
    ends, starts = edges.T
    logits = (queries[ends] * keys[starts]).sum(axis=-1)
    largest = np.full(len(queries), -np.inf)
    np.maximum.at(largest, ends, logits)
    weights = np.exp(logits - largest[ends])
    total = np.bincount(ends, weights, minlength=len(queries))
    out = np.zeros((len(queries), values.shape[1]))
    np.add.at(out, ends, (weights / total[ends])[:, None] * values[starts])
    return out


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class GraphTokens(Sequence):
    """Tokens on a graph and a new order of theirs. Hypotheses: every token has a neighbour, which may be itself; the
    order is a permutation.
    """

    graph: Bool[NDArray[np.bool_], "n n"]
    order: Int[NDArray[np.intp], " n"]

    def __post_init__(self) -> None:
        super().__post_init__()
        graph, order, n = np.asarray(self.graph), np.asarray(self.order), len(self.keys)
        if graph.dtype != bool or graph.shape != (n, n):
            raise ValueError(f"graph must be Boolean of shape {(n, n)}, got {graph.dtype} of shape {graph.shape}")
        require(graph.any(axis=1).all(), "every token must have a neighbour")
        require(np.array_equal(np.sort(order), np.arange(n)), f"order must be a permutation of {n} tokens, got {order}")

    @classmethod
    def on_graph(cls, tokens: Sequence, density: float, seed: int) -> GraphTokens:
        """Every edge, loops too, with probability `density`, and a loop wherever a token has no neighbour."""
        rng = np.random.default_rng(seed)
        n = len(tokens.keys)
        upper = np.triu(np.less(rng.random((n, n)), density))
        graph = upper | upper.T
        lonely = ~graph.any(axis=1)
        graph[lonely, lonely] = True
        return cls(**vars(tokens), graph=graph, order=rng.permutation(n))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="Softmax along the list of edges is dense attention under the graph as a mask.",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=1e-13,
)
def edge_attention_is_masked_attention(case: GraphTokens) -> float:
    sparse = edge_attention(case.queries, case.keys, case.values, np.argwhere(case.graph))
    return relative_error(sparse, attend(case.queries, case.keys, case.values, case.graph), scale=1.0)


@claim(
    statement="""Graph attention does not depend on the names of the tokens or on the order of the edges: renamed tokens
    have renamed outputs.""",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=1e-13,
)
def graph_attention_is_equivariant(case: GraphTokens) -> float:
    """Edges are listed backwards, too."""
    order = case.order
    before = edge_attention(case.queries, case.keys, case.values, np.argwhere(case.graph))
    edges = np.argwhere(case.graph[np.ix_(order, order)])[::-1]
    after = edge_attention(case.queries[order], case.keys[order], case.values[order], edges)
    return relative_error(after, before[order], scale=1.0)


@claim(
    statement="""After two layers of graph attention what a token holds is read at exactly the tokens that two steps on
    the graph lead to, loops included.""",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=0.0,
)
def graph_attention_moves_a_step_a_layer(case: GraphTokens) -> float:
    """How many tokens disagree, when the first token alone holds something."""
    edges, held = np.argwhere(case.graph), np.eye(len(case.keys))[:, :1]
    calm = 0.1 * case.queries  # weights far from underflow
    for _ in range(2):
        held = edge_attention(calm, case.keys, held, edges)
    two = case.graph.astype(int) @ case.graph
    return float(((held[:, 0] > 0) != (two[:, 0] > 0)).sum())
