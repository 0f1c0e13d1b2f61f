"""Feature maps against the exponential: the quadratic Taylor map and the symmetric exponential map.

A softmax over dot products s = q.k is monotone in s and sharp; a feature map replaces e^s by phi(q) . phi(k).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import entropy
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits, Tokens
from theory.numerics import Array, exp_remainder
from theory.papers import ZHANG_2024_HEDGEHOG
from theory.validation import real, require


def taylor(scores: ArrayLike) -> Array:
    """T2(s) = 1 + s + s^2 / 2, as ((1 + s)^2 + 1) / 2."""
    return ((1.0 + np.asarray(scores, dtype=np.float64)) ** 2 + 1.0) / 2


def taylor_features(x: Float[Array, "n d"]) -> Float[Array, "n r"]:
    """[1, x, x (x) x / sqrt 2], r = 1 + d + d^2: phi(q) . phi(k) = T2(q.k). 1 + d + d (d + 1) / 2 are independent."""
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1) / np.sqrt(2)
    return np.concatenate([np.ones((len(x), 1)), x, squares], axis=1)


def hedgehog_features(x: Float[Array, "n d"]) -> Float[Array, "n r"]:
    """[e^x, e^{-x}], r = 2 d: the map at identity weights, from which training starts."""
    return np.concatenate([np.exp(x), np.exp(-x)], axis=1)


@dataclass(frozen=True)
class Score:
    """A dot product s, 1e-3 <= |s| <= 500, where float64 resolves the error of its Taylor polynomial."""

    value: float

    def __post_init__(self) -> None:
        size = abs(real("value", self.value))
        require(1e-3 <= size <= 500, f"|s| must be from 1e-3 to 500, got {size}")


@dataclass(frozen=True)
class OrderedScores:
    """Dot products s <= t."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        require(real("lower", self.lower) <= real("upper", self.upper), f"s <= t, got {self.lower} > {self.upper}")


@dataclass(frozen=True)
class HighScores(OrderedScores):
    """Hypothesis: both are at least -1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.lower >= -1, f"scores must be at least -1, got {self.lower}")


@dataclass(frozen=True, eq=False)
class HighLogits(Logits):
    """Hypothesis: logits at least -1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.values >= -1).all(), f"logits must be at least -1, got {self.values.min()}")


# ---------------------------------------------------------------------------------------------------------- claims


def _two_channels() -> Iterator[Any]:
    import sympy

    q, k = sympy.symbols("q_0:2"), sympy.symbols("k_0:2")

    def phi(x: Any) -> list[Any]:
        return [sympy.Integer(1), *x, *(a * b / sympy.sqrt(2) for a in x for b in x)]

    s = sum(a * b for a, b in zip(q, k, strict=True))
    yield sympy.expand(sum(a * b for a, b in zip(phi(q), phi(k), strict=True)) - (1 + s + s**2 / 2))


@claim(
    statement="The features [1, x, x (x) x / sqrt 2] give exactly T2(q.k) = 1 + q.k + (q.k)^2 / 2.",
    source=ZHANG_2024_HEDGEHOG,
    kind="identity",
    tolerance=1e-13,
    symbolic=_two_channels,
)
def taylor_features_give_the_taylor_scores(tokens: Tokens) -> float:
    q, k = tokens.queries, tokens.keys
    lengths = taylor(np.linalg.norm(q, axis=1).max() * np.linalg.norm(k, axis=1).max())
    return relative_error(taylor_features(q) @ taylor_features(k).T, taylor(q @ k.T), scale=float(lengths))


@claim(
    statement="|e^s - T2(s)| <= |s|^3 e^{max(s, 0)} / 6, attained as s -> 0.",
    source=ZHANG_2024_HEDGEHOG,
    kind="inequality",
    tolerance=1e-13,
)
def taylor_error_is_cubic(score: Score) -> float:
    s = score.value
    error = np.abs(exp_remainder(s) - s * s / 2)
    return excess(error, np.abs(s) ** 3 * np.exp(max(s, 0.0)) / 6)


@claim(
    statement="""T2 is monotone from s = -1 on, and s >= -1 is needed: below it a smaller dot product gets a larger
    weight.""",
    source=ZHANG_2024_HEDGEHOG,
    kind="inequality",
    tolerance=1e-14,
    fails_without=lambda: (OrderedScores(-3.0, -1.0),),
)
def taylor_scores_are_monotone_from_minus_one(scores: HighScores) -> float:
    return excess(taylor(scores.lower), taylor(scores.upper))


@claim(
    statement="""Where all logits are at least -1, the weights T2(s_j) / sum T2 have an entropy no smaller than
    softmax's: the Taylor map is never the sharper one.""",
    source=ZHANG_2024_HEDGEHOG,
    kind="inequality",
    tolerance=1e-12,
    fails_without=lambda: (Logits(np.array([*7 * [-1.0], -4.0])),),
)
def taylor_weights_are_flatter_than_softmax(logits: HighLogits) -> float:
    scores = taylor(logits.values)
    return excess(entropy(logits.weights), entropy(scores / scores.sum()))


@claim(
    statement="The features [e^x, e^{-x}] give 2 sum_i cosh(q_i + k_i), a sum over channels of what is even in each.",
    source=ZHANG_2024_HEDGEHOG,
    kind="identity",
    tolerance=1e-13,
)
def hedgehog_scores_are_hyperbolic_cosines(tokens: Tokens) -> float:
    scores = hedgehog_features(tokens.queries) @ hedgehog_features(tokens.keys).T
    expected = 2 * np.cosh(tokens.queries[:, None] + tokens.keys[None]).sum(axis=2)
    return relative_error(scores / expected, 1.0)


def _opposite_key() -> tuple[Tokens]:
    """q = (2, 2): the second key has the smaller dot product, -2 against 0, and the larger score."""
    return (Tokens(np.array([[2.0, 2.0]]), np.array([[0.0, 0.0], [1.5, -2.5]]), np.eye(2)),)


@claim(
    statement="The map [e^x, e^{-x}] is monotone in q.k by construction, before any training.",
    source=ZHANG_2024_HEDGEHOG,
    kind="refuted",
    tolerance=0.1,
    counterexample=_opposite_key,
)
def hedgehog_map_is_monotone(tokens: Tokens) -> float:
    """log of the largest ratio of two keys' scores whose dot products are in the opposite order."""
    dots = tokens.queries @ tokens.keys.T
    scores = np.log(hedgehog_features(tokens.queries) @ hedgehog_features(tokens.keys).T)
    below = dots[:, :, None] < dots[:, None, :]
    return float(np.where(below, scores[:, :, None] - scores[:, None, :], 0.0).max())
