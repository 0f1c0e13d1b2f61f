"""How many states softmax scores need: one a token for all of e^{q.k}, few for its Taylor polynomials."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, factorial, prod
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess
from theory.mechanisms.instances import Tokens
from theory.numerics import Array
from theory.papers import SIEBER_2024
from theory.validation import finite_array, integer, require


@dataclass(frozen=True, eq=False)
class SeparatedTokens:
    """Hypothesis: n >= 2 tokens (n, d) at mutual distances of at least r with (n - 1) e^{-r^2/2} < 1."""

    points: Float[Array, "n d"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", finite_array("points", self.points, (None, None), leading=False))
        require(len(self.points) >= 2, f"there must be at least 2 tokens, got {len(self.points)}")
        require(self.overlap < 1, f"(n - 1) exp(-r^2 / 2) must be below 1, got {self.overlap}")

    @property
    def overlap(self) -> float:
        """(n - 1) e^{-r^2/2} at the least distance r."""
        others = ~np.eye(len(self.points), dtype=bool)
        return float((len(self.points) - 1) * self.scores[others].max())

    @property
    def scores(self) -> Float[Array, "n n"]:
        """e^{x_i.x_j - |x_i|^2/2 - |x_j|^2/2} = e^{-|x_i - x_j|^2/2}, from the differences, which do not cancel."""
        return np.exp(-((self.points[:, None] - self.points[None]) ** 2).sum(axis=2) / 2)


@dataclass(frozen=True, eq=False)
class ScalarTokens:
    """Hypothesis: n increasing tokens (n,) with one channel, on keys 0, h, 2 h, ... of spacing h > 0."""

    points: Float[Array, " n"]
    spacing: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", finite_array("points", self.points, (None,), leading=False))
        require((np.diff(self.points) > 0).all(), f"tokens must increase, got {self.points}")
        require(self.spacing > 0, f"spacing must be positive, got {self.spacing}")


@dataclass(frozen=True, eq=False)
class TaylorStates:
    """Queries and keys of at most 3 channels with |q.k| <= 4, and a degree p from 0 to 6."""

    tokens: Tokens
    degree: int

    def __post_init__(self) -> None:
        require(integer("degree", self.degree, least=0) <= 6, f"degree must be at most 6, got {self.degree}")
        width = self.tokens.keys.shape[1]
        require(width <= 3, f"there must be at most 3 channels, got {width}")
        largest = np.abs(self.tokens.queries @ self.tokens.keys.T).max()
        require(largest <= 4, f"scores must be at most 4 in size, got {largest}")


def monomials(x: Float[Array, "n d"], degree: int) -> Float[Array, "n r"]:
    """x^m / sqrt(m!) for all multi-indices |m| <= p, r = `state_count`: phi(q) . phi(k) = sum_{i <= p} (q.k)^i / i!."""
    indices = [m for m in itertools.product(range(degree + 1), repeat=x.shape[1]) if sum(m) <= degree]
    return np.stack([(x ** np.array(m)).prod(axis=1) / np.sqrt(prod(map(factorial, m))) for m in indices], axis=1)


def state_count(width: int, degree: int) -> int:
    """binom(d + p, p) features, each of which is a row of the state."""
    return comb(width + degree, degree)


@dataclass(frozen=True, eq=False)
class _Repeated:
    """As `ScalarTokens` without its hypothesis."""

    points: Float[Array, " n"]
    spacing: float


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""For n tokens at distances of at least r, scores e^{x_i.x_j - |x_i|^2/2 - |x_j|^2/2} have all singular
    values >= 1 - (n - 1) e^{-r^2/2}: scores from fewer features than tokens are at least that far off in spectral norm.
    Attained by two tokens.""",
    source=SIEBER_2024,
    kind="inequality",
    tolerance=1e-12,
)
def exponential_scores_need_a_state_per_token(case: SeparatedTokens) -> float:
    return excess(1.0 - case.overlap, np.linalg.svd(case.scores, compute_uv=False).min())


def _vandermonde_symbols() -> Iterator[Any]:
    """z_i = e^{h x_i} turns e^{x_i j h} into z_i^j: three tokens."""
    import sympy

    z = sympy.symbols("z_0:3")
    matrix = sympy.Matrix(3, 3, lambda i, j: z[i] ** j)
    yield sympy.expand(matrix.det() - (z[1] - z[0]) * (z[2] - z[0]) * (z[2] - z[1]))


@claim(
    statement="""The scores e^{x_i j h} of n distinct one-channel tokens on keys 0, h, 2 h, ... have determinant
    prod_{i<k} (e^{h x_k} - e^{h x_i}), which is positive: rank n at every length, so no finite state gives them.""",
    source=SIEBER_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (_Repeated(np.array([0.0, 1.0, 1.0]), 1.0),),
    symbolic=_vandermonde_symbols,
)
def exponential_scores_have_full_rank_on_a_line(case: ScalarTokens) -> float:
    """The determinant is eliminated with 120 digits, since it is far below float64's rounding of the entries."""
    import mpmath

    with mpmath.workdps(120):
        points, spacing = [mpmath.mpf(x) for x in case.points], mpmath.mpf(case.spacing)
        scores = mpmath.matrix([[mpmath.exp(x * j * spacing) for j in range(len(points))] for x in points])
        determinant = mpmath.det(scores)
        if determinant <= 0:
            return np.inf
        nodes = [mpmath.exp(spacing * x) for x in points]
        product = mpmath.fprod(b - a for i, a in enumerate(nodes) for b in nodes[i + 1 :])
        return float(abs(determinant / product - 1))


@claim(
    statement="""A linear attention of binom(d + p, p) features gives every e^{q.k} up to |q.k|^{p+1} e^{max(q.k, 0)} /
    (p + 1)!: softmax scores of bounded size have a finite state to any accuracy. Attained as q.k -> 0.""",
    source=SIEBER_2024,
    kind="inequality",
    tolerance=1e-9,
)
def taylor_states_approach_the_exponential(case: TaylorStates) -> float:
    queries, keys = monomials(case.tokens.queries, case.degree), monomials(case.tokens.keys, case.degree)
    require(queries.shape[1] == state_count(case.tokens.keys.shape[1], case.degree), "one feature a multi-index")
    scores, power = case.tokens.queries @ case.tokens.keys.T, case.degree + 1
    bound = np.abs(scores) ** power * np.exp(np.maximum(scores, 0)) / factorial(power)
    seen = bound > 1e-4  # below, rounding hides the error
    return excess(np.abs(np.exp(scores) - queries @ keys.T)[seen], bound[seen]) if seen.any() else -1.0
