"""Agent attention: a few agents gather from all keys and hand on to all queries, by two softmax maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend, softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Tokens
from theory.numerics import Array
from theory.papers import HAN_2023
from theory.validation import finite_array, require


@dataclass(frozen=True, eq=False)
class Agency:
    """A head's tokens and its agents (a, d), with |logits| <= 500 so that no exponential overflows."""

    tokens: Tokens
    agents: Float[Array, "a d"]

    def __post_init__(self) -> None:
        agents = finite_array("agents", self.agents, (None, self.tokens.queries.shape[1]), leading=False)
        object.__setattr__(self, "agents", agents)
        largest = max(np.abs(x @ agents.T).max() for x in (self.tokens.queries, self.tokens.keys))
        require(largest <= 500, f"logits must be at most 500 in size, got {largest}")


@dataclass(frozen=True, eq=False)
class QueriesAsAgents(Agency):
    """Hypothesis: every query is its own agent."""

    def __post_init__(self) -> None:
        super().__post_init__()
        same = np.array_equal(self.tokens.queries, self.agents)
        require(same, f"agents must be the queries, got {len(self.agents)} others")


def agent_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"], agents: Float[Array, "a d"]
) -> Float[Array, "m v"]:
    """softmax(Q A^T) (softmax(A K^T) V): agents attend to keys, queries to agents. `agent_cost` multiplications."""
    return attend(queries, agents, attend(agents, keys, values))


def agent_map(queries: Float[Array, "m d"], keys: Float[Array, "n d"], agents: Float[Array, "a d"]) -> Array:
    """The (m, n) matrix softmax(Q A^T) softmax(A K^T)."""
    return softmax(queries @ agents.T) @ softmax(agents @ keys.T)


def agent_cost(queries: int, keys: int, agents: int, width: int, channels: int) -> int:
    """Multiplications of `agent_attention`: (m + n) a (d + v)."""
    return (queries + keys) * agents * (width + channels)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Agent attention is a linear attention: with key features e^{A k} that see one key each and query
    features softmax(A q) over the agents' normalisers Z_a = sum_j e^{a.k_j}, it needs no further normaliser; it takes
    (m + n) a (d + v) multiplications (counted).""",
    source=HAN_2023,
    kind="identity",
    tolerance=1e-13,
)
def agents_are_linear_attention(case: Agency) -> float:
    tokens = case.tokens
    key_features = np.exp(tokens.keys @ case.agents.T)
    query_features = softmax(tokens.queries @ case.agents.T) / key_features.sum(axis=0)
    linear = query_features @ (key_features.T @ tokens.values)
    arguments = tokens.queries, tokens.keys, tokens.values, case.agents
    agents, width = case.agents.shape
    cost = agent_cost(len(tokens.queries), len(tokens.keys), agents, width, tokens.values.shape[1])
    return max(
        relative_error(linear, agent_attention(*arguments), scale=float(np.abs(tokens.values).max())),
        relative_error(multiplications(agent_attention, *arguments), cost),
    )


@claim(
    statement="The rows of the agent map are non-negative and sum to one.",
    source=HAN_2023,
    kind="identity",
    tolerance=1e-14,
)
def agent_weights_sum_to_one(case: Agency) -> float:
    weights = agent_map(case.tokens.queries, case.tokens.keys, case.agents)
    return max(relative_error(weights.sum(axis=1), 1.0), float(-weights.min()))


@claim(
    statement="The agent map has rank at most the number of agents: no more than a singular values exceed rounding.",
    source=HAN_2023,
    kind="inequality",
    tolerance=0.0,
)
def agents_bound_the_rank(case: Agency) -> float:
    weights = agent_map(case.tokens.queries, case.tokens.keys, case.agents)
    return excess(np.linalg.matrix_rank(weights, rtol=1e-12), len(case.agents))


@claim(
    statement="""With the queries as agents, row i differs from softmax attention by at most (1 - P_ii) max_a
    |S_a - S_i|_1, P = softmax(Q Q^T), S = softmax(Q K^T): attained by two queries; queries that stand apart recover
    softmax attention.""",
    source=HAN_2023,
    kind="inequality",
    tolerance=1e-9,
)
def queries_as_agents_are_near_softmax(case: QueriesAsAgents) -> float:
    tokens = case.tokens
    direct = softmax(tokens.queries @ tokens.keys.T)
    error = np.abs(agent_map(tokens.queries, tokens.keys, case.agents) - direct).sum(axis=1)
    elsewhere = 1.0 - np.diag(softmax(tokens.queries @ tokens.queries.T))
    farthest = np.abs(direct[:, None] - direct[None]).sum(axis=2).max(axis=1)
    bound = elsewhere * farthest
    seen = bound > 1e-5  # below, 1 - P_ii is rounding
    return excess(error[seen], bound[seen]) if seen.any() else -1.0


def _third_key() -> tuple[Agency]:
    """Two agents that each favour one of the first two keys; the third key takes the second agent's attention."""
    agents = np.array([[3.0, 0.0], [0.0, 3.0]])
    keys = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    return (Agency(Tokens(np.array([[0.5, 0.5]]), keys, np.eye(3)), agents),)


@claim(
    statement="""As in softmax and in linear attention with one normaliser, the ratio of two keys' weights does not
    depend on the other keys.""",
    source=HAN_2023,
    kind="refuted",
    tolerance=1.0,
    counterexample=_third_key,
)
def agents_ignore_irrelevant_keys(case: Agency) -> float:
    """|change of log(w_0 / w_1)| when the last key leaves."""
    tokens = case.tokens
    among_all = np.log(agent_map(tokens.queries, tokens.keys, case.agents))
    without = np.log(agent_map(tokens.queries, tokens.keys[:-1], case.agents))
    return float(np.abs((among_all[:, 0] - among_all[:, 1]) - (without[:, 0] - without[:, 1])).max())
