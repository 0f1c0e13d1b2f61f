"""Rotary positions with a bias on distance: scores that know only how far apart two tokens are.

Channels 2f and 2f + 1 are one complex number, turned by e^{i theta_f m} at position m; the bias takes a slope times the
distance m - n off the score of query m and key n <= m.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import block_diag

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.masks import causal
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import LI_2024
from theory.validation import finite_array, real, require


def angles(width: int, base: float = 10_000.0) -> Float[Array, " f"]:
    """The usual theta_f = base^(-2 f / d), f = 0 .. d/2 - 1."""
    return base ** (-np.arange(0, width, 2) / width)


def rotate(x: Float[Array, "n d"], positions: Float[Array, " n"], theta: Float[Array, " f"]) -> Float[Array, "n d"]:
    """R_m x_m at every position m, as complex numbers."""
    return _real(_complex(x) * np.exp(1j * np.multiply.outer(positions, theta)))


def rotation(position: float, theta: Float[Array, " f"]) -> Float[Array, "d d"]:
    """The matrix R_m."""
    turns = [[[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]] for t in position * theta]
    return block_diag(*turns)


def score_at(
    distance: ArrayLike, query: Float[Array, " d"], key: Float[Array, " d"], theta: Float[Array, " f"]
) -> Float[Array, "*b"]:
    """<R_m q, R_n k> at m - n = distance: sum_f |q_f| |k_f| cos(theta_f distance + phase_f)."""
    turns = np.exp(1j * np.multiply.outer(distance, theta))
    return (turns * (_complex(query) * _complex(key).conj())).real.sum(axis=-1)


def rotary_attention(
    case: Sequence, theta: Float[Array, " f"], slope: float, *, start: float = 0.0
) -> Float[Array, "n v"]:
    """Causal attention of tokens at positions start, start + 1, ..., with the bias -slope (m - n) on its scores."""
    positions = np.arange(start, start + len(case.keys) - 0.5)
    scores = rotate(case.queries, positions, theta) @ rotate(case.keys, positions, theta).T
    scores = scores - slope * np.subtract.outer(positions, positions)
    return softmax(scores, causal(len(positions))) @ case.values


def enough_slope(query: Float[Array, " d"], key: Float[Array, " d"], theta: Float[Array, " f"]) -> float:
    """2 sum_f |q_f| |k_f| sin(theta_f / 2): with this bias or a steeper one no score rises with distance."""
    return float(2 * np.abs(_complex(query) * _complex(key)) @ np.abs(np.sin(theta / 2)))


def _complex(x: Float[Array, "*b d"]) -> np.ndarray:
    return x[..., ::2] + 1j * x[..., 1::2]


def _real(z: np.ndarray) -> Float[Array, "*b d"]:
    return np.stack([z.real, z.imag], axis=-1).reshape(*z.shape[:-1], -1)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class RotaryPair:
    """A query and a key (d,) and the angles (d/2,) in (0, pi]. Hypothesis: d is even."""

    query: Float[Array, " d"]
    key: Float[Array, " d"]
    theta: Float[Array, " f"]

    def __post_init__(self) -> None:
        query = finite_array("query", self.query, (None,), leading=False)
        require(len(query) % 2 == 0, f"the width must be even, got {len(query)}")
        theta = finite_array("theta", self.theta, (len(query) // 2,), leading=False)
        require((theta > 0).all() and (theta <= np.pi).all(), f"angles must be in (0, pi], got {theta}")
        object.__setattr__(self, "query", query)
        object.__setattr__(self, "key", finite_array("key", self.key, query.shape, leading=False))
        object.__setattr__(self, "theta", theta)


@dataclass(frozen=True, eq=False)
class RotarySequence(Sequence):
    """Queries, keys and values of a sequence, the slope of the bias and where the sequence starts. Hypothesis: the
    width is even.
    """

    slope: float
    start: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.keys.shape[1] % 2 == 0, f"the width must be even, got {self.keys.shape[1]}")
        object.__setattr__(self, "slope", real("slope", self.slope))
        object.__setattr__(self, "start", real("start", self.start))


# ---------------------------------------------------------------------------------------------------------- claims


def _two_channels() -> Iterator[Any]:
    """<R_m q, R_n k> and the real part of q k* e^{i theta (m - n)}, for one complex channel."""
    import sympy as sp

    m, n, theta, a, b, c, d = sp.symbols("m n theta a b c d", real=True)

    def turned(angle: Any, x: Any, y: Any) -> Any:
        return sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]]) * sp.Matrix([x, y])

    product = (a + sp.I * b) * (c - sp.I * d) * (sp.cos(theta * (m - n)) + sp.I * sp.sin(theta * (m - n)))
    yield sp.expand_trig(turned(m * theta, a, b).dot(turned(n * theta, c, d))) - sp.expand_trig(
        sp.re(sp.expand(product))
    )


@claim(
    statement="<R_m q, R_n k> depends on m - n alone: it is sum_f |q_f| |k_f| cos(theta_f (m - n) + phase_f).",
    source=LI_2024,
    kind="identity",
    tolerance=1e-12,
    symbolic=_two_channels,
)
def rotary_scores_are_relative(case: RotaryPair) -> float:
    """Products of the rotated vectors as matrices, at positions up to 40, against the formula."""
    m, n = np.array([0, 1, 7, 40, 3]), np.array([2, 0, 7, 5, 39])
    scores = [
        (rotation(i, case.theta) @ case.query) @ (rotation(j, case.theta) @ case.key) for i, j in zip(m, n, strict=True)
    ]
    scale = np.linalg.norm(case.query) * np.linalg.norm(case.key)
    return relative_error(score_at(m - n, case.query, case.key, case.theta), scores, scale=float(scale))


@claim(
    statement="""Causal attention with rotary positions and a bias on distance, together, gives the same output wherever
    the sequence starts.""",
    source=LI_2024,
    kind="identity",
    tolerance=1e-11,
)
def rotary_attention_with_bias_is_relative(case: RotarySequence) -> float:
    theta = angles(case.keys.shape[1])
    here, there = (rotary_attention(case, theta, case.slope, start=s) for s in (0.0, case.start))
    return relative_error(there, here, scale=float(np.abs(case.values).max()))


@claim(
    statement="""From one distance to the next a rotary score rises by at most 2 sum_f |q_f| |k_f| sin(theta_f / 2), so
    that with a bias of this slope no score rises with distance; attained where all phases are -(pi + theta_f) / 2.""",
    source=LI_2024,
    kind="inequality",
    tolerance=1e-11,
)
def enough_slope_makes_scores_fall(case: RotaryPair) -> float:
    """Over distances 0 to 32."""
    rises = np.diff(score_at(np.arange(33), case.query, case.key, case.theta))
    return excess(rises.max(), enough_slope(case.query, case.key, case.theta))


@claim(
    statement="Rotary positions alone make the score of a query and a key fall with their distance.",
    source=LI_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (RotaryPair(np.ones(8), np.ones(8), angles(8)),),
)
def rotary_scores_fall_with_distance(case: RotaryPair) -> float:
    """The largest rise over 32 distances, as a share of the score at distance 0, for a query equal to its key."""
    scores = score_at(np.arange(33), case.query, case.key, case.theta)
    return float(np.diff(scores).max() / scores[0])
