"""An outer product of three vectors that learns another one: nine scalars say all about its loss.

Parameters a, b, c in R^d, targets a*, b*, c*; loss = mean over ijk of (a*_i b*_j c*_k - a_i b_j c_k)^2 / 2. Only norms
and overlaps enter:

    loss = (|a*|^2 |b*|^2 |c*|^2 - 2 (a.a*)(b.b*)(c.c*) + |a|^2 |b|^2 |c|^2) / (2 d^3)
    -grad_a loss = ((b.b*)(c.c*) a* - |b|^2 |c|^2 a) / d^3.

The toy of Singh et al. 2024; identities derived here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, relative_error
from theory.numerics import Array, integrate
from theory.papers import SINGH_2024
from theory.validation import finite_array, integer, positive_array, real


class Descent(NamedTuple):
    """Along steps (S+1,): the loss, and per vector |a|^2 and a.a* (S+1, ..., 3)."""

    loss: Float[Array, "s ..."]
    square: Float[Array, "s ... 3"]
    overlap: Float[Array, "s ... 3"]

    def alignment_gap(self, target_square: Float[Array, "... 3"]) -> Float[Array, "s ... 3"]:
        """1 - cos^2(a, a*) of each vector."""
        return 1 - self.overlap**2 / (self.square * target_square)


@dataclass(frozen=True, eq=False)
class OuterProduct:
    """|a|^2, |b|^2, |c|^2; a.a*, b.b*, c.c*; |a*|^2, |b*|^2, |c*|^2 (..., 3); and d."""

    square: Float[Array, "... 3"]
    overlap: Float[Array, "... 3"]
    target_square: Float[Array, "... 3"]
    dimension: int

    def __post_init__(self) -> None:
        square = positive_array("square", self.square, (3,))
        target = positive_array("target_square", self.target_square, square.shape, leading=False)
        overlap = finite_array("overlap", self.overlap, square.shape, leading=False)
        if (overlap**2 > square * target * (1 + 1e-12)).any():
            raise ValueError(f"overlap must obey overlap^2 <= square * target_square, got {overlap}")
        integer("dimension", self.dimension, least=1)
        for name, value in (("square", square), ("overlap", overlap), ("target_square", target)):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, vectors: ArrayLike, targets: ArrayLike) -> OuterProduct:
        """The nine scalars of vectors a, b, c and targets a*, b*, c* (..., 3, d)."""
        x = finite_array("vectors", vectors, (3, None))
        y = finite_array("targets", targets, x.shape, leading=False)
        return cls((x * x).sum(axis=-1), (x * y).sum(axis=-1), (y * y).sum(axis=-1), x.shape[-1])

    @property
    def target_loss(self) -> Float[Array, ...]:
        """The loss of the zero product, |a*|^2 |b*|^2 |c*|^2 / (2 d^3): losses are exact to rounding of this."""
        return self.target_square.prod(axis=-1) / (2 * self.dimension**3)

    @property
    def loss(self) -> Float[Array, ...]:
        """mean (a*_i b*_j c*_k - a_i b_j c_k)^2 / 2."""
        return self._loss(self.square, self.overlap)

    def clamp(self, which: Collection[int]) -> OuterProduct:
        """The same with the vectors `which` (0, 1, 2 for a, b, c) set to their targets."""
        held = np.isin(np.arange(3), _which(which))
        return replace(
            self,
            square=np.where(held, self.target_square, self.square),
            overlap=np.where(held, self.target_square, self.overlap),
        )

    def descent(self, rate: float, steps: int, clamped: Collection[int] = ()) -> Descent:
        """`steps` of gradient descent at `rate`, with the vectors `clamped` held at their targets."""
        rate, steps = real("rate", rate, above=0.0), integer("steps", steps, least=0)
        free = ~np.isin(np.arange(3), _which(clamped))
        now = self.clamp(clamped)
        square, overlap = (np.empty((steps + 1, *now.square.shape)) for _ in range(2))
        square[0], overlap[0] = now.square, now.overlap
        scale = rate / self.dimension**3 * free
        for s in range(steps):
            toward = scale * _others(overlap[s])
            keep = 1 - scale * _others(square[s])
            overlap[s + 1] = keep * overlap[s] + toward * self.target_square
            square[s + 1] = keep**2 * square[s] + toward * (2 * keep * overlap[s] + toward * self.target_square)
        return Descent(self._loss(square, overlap), square, overlap)

    def _loss(self, square: Array, overlap: Array) -> Array:
        return self.target_loss + (square.prod(axis=-1) - 2 * overlap.prod(axis=-1)) / (2 * self.dimension**3)


def _others(values: Array) -> Array:
    """For each of three the product of the other two."""
    return values[..., [1, 2, 0]] * values[..., [2, 0, 1]]


def _which(which: Collection[int]) -> list[int]:
    chosen = list(which)
    if any(isinstance(i, bool) or i not in (0, 1, 2) for i in chosen):
        raise ValueError(f"clamped must name vectors 0, 1 or 2, got {chosen}")
    return chosen


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True, eq=False)
class ThreeVectors:
    """Vectors and targets (3, d), none of them zero."""

    vectors: Float[Array, "3 d"]
    targets: Float[Array, "3 d"]

    def __post_init__(self) -> None:
        OuterProduct.of(self.vectors, self.targets)

    @property
    def scalars(self) -> OuterProduct:
        """Norms and overlaps."""
        return OuterProduct.of(self.vectors, self.targets)

    def velocity(self, vectors: Array) -> Array:
        """-grad of the loss, from the loss's residual tensor and no formula of norms."""
        residual = np.einsum("i,j,k->ijk", *self.targets) - np.einsum("i,j,k->ijk", *vectors)
        a, b, c = vectors
        pulls = [np.einsum("ijk,j,k->i", residual, b, c), np.einsum("ijk,i,k->j", residual, a, c)]
        return np.array([*pulls, np.einsum("ijk,i,j->k", residual, a, b)]) / residual.size


@claim(
    statement="Gradient descent on the outer product moves nine scalars: norms and overlaps close among themselves.",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-10,
)
def nine_scalars_are_enough(toy: ThreeVectors) -> float:
    """Five steps on the vectors themselves."""
    vectors = np.array(toy.vectors, dtype=np.float64)
    rate = 0.2 * vectors.shape[1] ** 3 / (1 + (vectors**2).sum() + (np.asarray(toy.targets) ** 2).sum()) ** 2
    for _ in range(5):
        vectors = vectors + rate * toy.velocity(vectors)
    direct = OuterProduct.of(vectors, toy.targets)
    ours = toy.scalars.descent(rate, 5)
    size = 1 + float(np.abs(direct.square).max())
    return max(
        relative_error(ours.square[-1], direct.square, scale=size),
        relative_error(ours.overlap[-1], direct.overlap, scale=size),
        relative_error(ours.loss[-1], direct.loss, scale=float(toy.scalars.target_loss)),
    )


@claim(
    statement="""The flow of the outer product conserves |a|^2 - |b|^2 and |b|^2 - |c|^2, and the part of a orthogonal
    to a* only decays: d log |a_perp| / dt = -|b|^2 |c|^2 / d^3.""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-8,
    examples=30,
)
def outer_product_flow_conserves_norm_differences(toy: ThreeVectors) -> float:
    """The flow of the vectors, with the decay of a_perp integrated beside them."""
    d = np.shape(toy.vectors)[1]
    targets = np.asarray(toy.targets, dtype=np.float64)

    def field(_: float, state: Array) -> Array:
        x = state[:-1].reshape(3, d)
        return np.append(toy.velocity(x).ravel(), (x[1] @ x[1]) * (x[2] @ x[2]) / d**3)

    start = np.append(np.ravel(toy.vectors), 0.0)
    path = integrate(field, start, np.array([0.0, 0.3, 1.0, 3.0]), rtol=1e-11, atol=1e-13)
    x = path[:, :-1].reshape(-1, 3, d)
    squares = (x**2).sum(axis=2)
    apart = squares[:, :2] - squares[:, 1:]
    across = x[:, 0] - (x[:, 0] @ targets[0])[:, None] * targets[0] / (targets[0] @ targets[0])
    decayed = across[0] * np.exp(-path[:, -1:])
    return max(
        relative_error(apart, np.broadcast_to(apart[0], apart.shape), scale=1 + float(squares.max())),
        relative_error(across, decayed, scale=1.0),
    )


@claim(
    statement="""With two of three vectors clamped to their targets gradient descent is geometric, without a plateau:
    loss_n = loss_0 (1 - eta |b*|^2 |c*|^2 / d^3)^(2n).""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-12,
)
def two_clamps_make_descent_geometric(toy: ThreeVectors) -> float:
    """Ten steps at half the largest stable rate."""
    start = toy.scalars.clamp((1, 2))
    contraction = float(start.target_square[1:].prod()) / start.dimension**3
    observed = start.descent(1 / contraction / 2, 10, clamped=(1, 2)).loss
    return relative_error(observed, observed[0] * 0.25 ** np.arange(11), scale=float(start.target_loss))
