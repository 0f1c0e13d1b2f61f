"""Linear attention as gradient steps of a linear model on the demonstrations (k_i, v_i).

L(W) = 1/2 sum_i |W k_i - v_i|^2,   W in R^{v x d}
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend
from theory.claims import claim, relative_error
from theory.mechanisms.instances import Tokens
from theory.numerics import Array
from theory.papers import DAI_2022
from theory.validation import finite_array, integer, real


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Tokens with a start W_0 (v, d), a learning rate > 0 and a number of gradient steps >= 1."""

    tokens: Tokens
    start: Float[Array, "v d"]
    rate: float
    steps: int

    def __post_init__(self) -> None:
        shape = (self.tokens.values.shape[1], self.tokens.keys.shape[1])
        object.__setattr__(self, "start", finite_array("start", self.start, shape, leading=False))
        real("rate", self.rate, above=0.0)
        integer("steps", self.steps, least=1)


def loss(weight: Float[Array, "*b v d"], tokens: Tokens) -> Float[Array, "*b"]:
    """1/2 sum_i |W k_i - v_i|^2."""
    return ((tokens.keys @ np.swapaxes(weight, -1, -2) - tokens.values) ** 2).sum(axis=(-1, -2)) / 2


def descend(case: Demonstrations) -> Float[Array, "v d"]:
    """W after `steps` gradient steps from W_0."""
    weight = case.start
    for _ in range(case.steps):
        weight = weight - case.rate * (case.tokens.keys @ weight.T - case.tokens.values).T @ case.tokens.keys
    return weight


def linear_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"]
) -> Float[Array, "m v"]:
    """sum_i v_i (k_i . q), without a normaliser."""
    return (queries @ keys.T) @ values


def numerical_gradient(weight: Float[Array, "v d"], tokens: Tokens) -> Float[Array, "v d"]:
    """Central differences of the loss with step one, which are exact for a quadratic."""
    steps = np.eye(weight.size).reshape(-1, *weight.shape)
    return ((loss(weight + steps, tokens) - loss(weight - steps, tokens)) / 2).reshape(weight.shape)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""One gradient step of rate eta from W_0 changes the prediction at q by eta times linear attention of q
    over the keys, with the residuals v_i - W_0 k_i as values; from W_0 = 0 these are the v_i.""",
    source=DAI_2022,
    kind="identity",
    tolerance=1e-12,
)
def a_gradient_step_is_linear_attention(case: Demonstrations) -> float:
    tokens = case.tokens
    change = -case.rate * tokens.queries @ numerical_gradient(case.start, tokens).T
    residuals = tokens.values - tokens.keys @ case.start.T
    attended = case.rate * linear_attention(tokens.queries, tokens.keys, residuals)
    at_zero = -tokens.queries @ numerical_gradient(np.zeros_like(case.start), tokens).T
    plain = linear_attention(tokens.queries, tokens.keys, tokens.values)
    return max(
        relative_error(change, attended, scale=case.rate * float(loss(case.start, tokens))),
        relative_error(at_zero, plain, scale=float(loss(np.zeros_like(case.start), tokens))),
    )


@claim(
    statement="""t gradient steps from W_0 = 0 are still linear attention over the keys, of values mixed by the keys'
    Gram matrix G: eta sum_{s < t} (1 - eta G)^s V.""",
    source=DAI_2022,
    kind="identity",
    tolerance=1e-13,
)
def gradient_steps_mix_the_values(case: Demonstrations) -> float:
    tokens = case.tokens
    trained = descend(Demonstrations(tokens, np.zeros_like(case.start), case.rate, case.steps))
    size, vectors = np.linalg.eigh(tokens.keys @ tokens.keys.T)
    sums = np.sum([(1 - case.rate * size) ** s for s in range(case.steps)], axis=0)
    mixed = case.rate * (vectors * sums) @ (vectors.T @ tokens.values)
    attended = linear_attention(tokens.queries, tokens.keys, mixed)
    sizes = (np.abs(x).max() for x in (tokens.queries, tokens.keys, tokens.values))
    return relative_error(tokens.queries @ trained.T, attended, scale=float(case.rate * case.steps * np.prod([*sizes])))


def _trained_start() -> tuple[Demonstrations]:
    """W_0 predicts both demonstrations already, so that a step from it changes nothing."""
    start = np.array([[2.0, 3.0]])
    return (Demonstrations(Tokens(np.ones((1, 2)), np.eye(2), start.T), start, 1.0, 1),)


@claim(
    statement="A gradient step on the demonstrations adds linear attention over their values to any W_0.",
    source=DAI_2022,
    kind="refuted",
    tolerance=0.9,
    counterexample=_trained_start,
)
def gradient_steps_add_the_values_to_any_start(case: Demonstrations) -> float:
    """|step - attention| over |attention|: one, where W_0 has nothing left to learn."""
    tokens = case.tokens
    change = tokens.queries @ (descend(case) - case.start).T
    return relative_error(change, case.rate * linear_attention(tokens.queries, tokens.keys, tokens.values))


@claim(
    statement="""Softmax attention over demonstrations is what some number of gradient steps of a linear model
    predicts.""",
    source=DAI_2022,
    kind="refuted",
    tolerance=0.3,
    counterexample=lambda: (Tokens(np.array([[1.0], [2.0]]), np.array([[1.0], [-1.0]]), np.array([[1.0], [-1.0]])),),
)
def softmax_predicts_as_a_linear_model(tokens: Tokens) -> float:
    """Predictions of any W at q and 2 q are in ratio 2; softmax's are tanh 1 and tanh 2."""
    once, twice = attend(tokens.queries, tokens.keys, tokens.values)
    return relative_error(twice, 2 * once)
