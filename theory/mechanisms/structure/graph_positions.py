"""Positions on a graph from its Laplacian, which are the usual sinusoids on paths, rings and grids.

L = D - A; the positions of a graph are the eigenvectors of L, by eigenvalue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import DWIVEDI_2020
from theory.validation import integer


def laplacian(adjacency: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """D - A."""
    return np.diag(adjacency.sum(axis=1)) - adjacency


def path_graph(length: int) -> Float[Array, "n n"]:
    """Token i next to i + 1."""
    return np.eye(length, k=1) + np.eye(length, k=-1)


def ring_graph(length: int) -> Float[Array, "n n"]:
    """The path, closed; at least 3 tokens."""
    return np.roll(np.eye(length), 1, axis=0) + np.roll(np.eye(length), -1, axis=0)


def grid_graph(height: int, width: int) -> Float[Array, "n n"]:
    """Patches of an image, row by row, next to those above, below, left and right."""
    return np.kron(path_graph(height), np.eye(width)) + np.kron(np.eye(height), path_graph(width))


def path_frequencies(length: int) -> Float[Array, " n"]:
    """2 - 2 cos(pi k / n), k = 0 .. n - 1: the spectrum of a path."""
    return 4 * np.sin(np.pi * np.arange(length) / (2 * length)) ** 2


def path_positions(length: int) -> Float[Array, "n n"]:
    """Column k: cos(pi k (i + 1/2) / n), of length one."""
    k, i = np.arange(length), np.arange(length)
    waves = np.cos(np.pi / length * np.multiply.outer(i + 0.5, k))
    return waves / np.linalg.norm(waves, axis=0)


def ring_pair(length: int, frequency: int) -> Float[Array, "n 2"]:
    """cos and sin of 2 pi k i / n, k from 1 to (n - 1) // 2; their eigenvalue is 2 - 2 cos(2 pi k / n)."""
    phase = 2 * np.pi * frequency / length * np.arange(length)
    return np.sqrt(2 / length) * np.stack([np.cos(phase), np.sin(phase)], axis=1)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class GridShape:
    """Height and width of a grid of patches, each at least 2."""

    height: int
    width: int

    def __post_init__(self) -> None:
        integer("height", self.height, least=2)
        integer("width", self.width, least=2)


@dataclass(frozen=True)
class RingLength:
    """The number of tokens on a ring, at least 3."""

    tokens: int

    def __post_init__(self) -> None:
        integer("tokens", self.tokens, least=3)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""The Laplacian positions of an image's patches are the products of cosines of the discrete cosine
    transform, with eigenvalues that add, 4 - 2 cos(pi k / h) - 2 cos(pi l / w); of a path, the cosines themselves.""",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=1e-13,
)
def grid_positions_are_cosines(case: GridShape) -> float:
    """The eigenvalue equation, orthonormality, and the spectrum that LAPACK finds."""
    waves = np.kron(path_positions(case.height), path_positions(case.width))
    values = np.add.outer(path_frequencies(case.height), path_frequencies(case.width)).ravel()
    matrix = laplacian(grid_graph(case.height, case.width))
    return max(
        relative_error(matrix @ waves, waves * values, scale=1.0),
        relative_error(waves.T @ waves, np.eye(len(values))),
        relative_error(eigh(matrix, eigvals_only=True), np.sort(values)),
    )


@claim(
    statement="""The Laplacian of a ring of n tokens has the eigenvalues 2 - 2 cos(2 pi k / n), each twice for
    0 < k < n/2, where the eigenvectors span the cosine and the sine of frequency k.""",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=1e-12,
)
def ring_positions_span_sinusoids(case: RingLength) -> float:
    """Spans, as projections: eigenvectors themselves are free to turn."""
    n = case.tokens
    values, vectors = eigh(laplacian(ring_graph(n)))
    worst = relative_error(values, np.sort(2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)))
    for k in range(1, (n + 1) // 2):
        found, pair = vectors[:, 2 * k - 1 : 2 * k + 1], ring_pair(n, k)
        worst = max(worst, relative_error(found @ found.T, pair @ pair.T, scale=1.0))
    return worst


@claim(
    statement="""Moving along the ring turns every pair of sinusoidal positions by 2 pi k / n: a step is a linear map of
    the positions, the same for all tokens.""",
    source=DWIVEDI_2020,
    kind="identity",
    tolerance=1e-12,
)
def steps_on_a_ring_turn_positions(case: RingLength) -> float:
    worst = 0.0
    for k in range(1, (case.tokens + 1) // 2):
        pair, turn = ring_pair(case.tokens, k), 2 * np.pi * k / case.tokens
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        worst = max(worst, relative_error(np.roll(pair, -1, axis=0), pair @ rotation))
    return worst


@claim(
    statement="The Laplacian positions of a graph are determined up to sign.",
    source=DWIVEDI_2020,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (RingLength(5),),
)
def laplacian_positions_are_unique_up_to_sign(case: RingLength) -> float:
    """How far the cosine of frequency 1, and the same read from the next token on, are apart up to sign; infinite where
    one of them is no eigenvector.
    """
    first = ring_pair(case.tokens, 1)[:, 0]
    second = np.roll(first, 1)
    matrix, value = laplacian(ring_graph(case.tokens)), 2 - 2 * np.cos(2 * np.pi / case.tokens)
    if any(relative_error(matrix @ u, value * u) > 1e-12 for u in (first, second)):
        return -np.inf
    return float(min(np.linalg.norm(first - second), np.linalg.norm(first + second)))
