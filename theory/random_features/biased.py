"""The spectrum of the biased attention kernel for independent tokens, uniform on the unit sphere.

The bias ties queries to keys, and products of harmonics Y_a(x_0) Y_b(x) are no eigenfunctions any more. But a joint
rotation changes nothing, so the operator splits into one block for every irreducible representation of O(d) with two
rows l1 >= l2 >= 0, whose states are the (a, b) with the representation in the product of their harmonics: once each,
where a - b = -s, 2 - s, .., s for s = l1 - l2 and a + b = s + 2 l2, + 2, + 4, .. In a block all is explicit:

    c = <x_0, x> moves (a, b) to its four diagonal neighbours, by the square roots of
        (sigma^2 - p)(sigma^2 - q)/(64 A (A+1) B (B+1))  to (a+1, b+1), sigma = A + B + 1,
        (p - delta^2)(q - delta^2)/(64 A (A+1) B (B-1))  to (a+1, b-1), delta = A - B + 1,
    A = a + d/2 - 1, B = b + d/2 - 1 and p, q the squares of (l1 + d/2 - 1) +- (l2 + d/2 - 2);

    the kernel of one key is sum_k g_k(omega c) D_k g_k(omega c), g_k = a_k/sqrt(k!) as in `head_coefficients`, D_k
    diagonal with entries 4^-k E[(1+t)^k P_a] E[(1+t)^(k+1) P_b];

    N keys multiply either side by 1/sqrt N where b >= 1.

The neighbours' coefficients continue the 6j symbols of O(3) to d dimensions. They are derived, and confirmed by those
symbols, by traces over all blocks and by sampled quadratic forms (the tests).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from jaxtyping import Float
from scipy.special import roots_jacobi

from theory.numerics import Array
from theory.random_features.harmonics import harmonics, power_moments, shifted_moments
from theory.random_features.kernels import _omega
from theory.random_features.rectified import _biased_arc_cosine, head_coefficients
from theory.random_features.spectrum import Mode, Spectrum
from theory.validation import integer

State = tuple[int, int]
TERMS = 512  # of the series in k, at most
NODES = 48  # of every quadrature of a trace


@dataclass(frozen=True, eq=False)
class Block:
    """One representation: its states, and the eigenvectors (state, mode) of the operator between them."""

    states: tuple[State, ...]
    vectors: Float[Array, "s m"]


@dataclass(frozen=True, eq=False)
class BiasedSpectrum(Spectrum):
    """A spectrum with modes (l1, l2, j), j = 0, 1, .. by falling eigenvalue, and what targets weigh in them."""

    dimension: int = 3
    keys: int = 1
    blocks: Mapping[tuple[int, int], Block] = field(default_factory=dict)

    def correlation_masses(self, power: int, key_power: int = 1, without: Collection[State] = ()) -> dict[Mode, float]:
        """Of (1/N) sum_i <x_0, x_i>^p <beta, x_i>^q, |beta| = 1, without its parts of the degrees (a, b) in `without`.

        (0, 0) is its mean, (1, 0) at q = 1 its coherent part. Mass outside the listed modes has the mode (l1, l2, -1).
        """
        integer("key_power", key_power, least=0)
        return self._masses(power, key_power, "key", without)

    def average_masses(self, power: int, without: Collection[State] = ()) -> dict[Mode, float]:
        """Of (1/N) sum_i <beta, x_i>^p."""
        return self._masses(0, power, "key", without)

    def query_masses(self, power: int, without: Collection[State] = ()) -> dict[Mode, float]:
        """Of <beta, x_0>^p."""
        return self._masses(0, power, "query", without)

    def _mode(self, name: Mode) -> Mode:
        """Modes as they stand; degrees (a, b), as the targets of the other spectra have them, are refused."""
        if len(name) != 3:
            raise ValueError(f"a biased spectrum has modes (l1, l2, j), as its own masses have them, got {name}")
        return name

    def _masses(self, power: int, degree: int, side: str, without: Collection[State]) -> dict[Mode, float]:
        p, q = integer("power", power, least=0), integer("power", degree, least=0)
        masses: dict[Mode, float] = {}
        for l1 in range(q % 2, q + 1, 2):
            block = self.blocks.get((l1, 0), Block((), np.zeros((0, 0))))
            states = block_states(l1, 0, max([l1 + p, *map(max, block.states)]))
            target = np.zeros(len(states))
            start = power_moments(self.dimension, l1, q + 1)[q] * np.sqrt(harmonics(self.dimension, l1))
            target[states.index((0, l1) if side == "key" else (l1, 0))] = start
            correlation = correlation_operator(self.dimension, l1, 0, states)
            for _ in range(p):
                target = correlation @ target
            target *= [_share(b, self.keys) * ((a, b) not in without) for a, b in states]
            listed = (target[[states.index(state) for state in block.states]] @ block.vectors) ** 2
            masses |= {(l1, 0, j): float(mass) for j, mass in enumerate(listed)}
            total = float(target @ target)
            unlisted = total - float(listed.sum())
            masses[l1, 0, -1] = unlisted if unlisted > 1e-13 * total else 0.0
        return masses


def biased_attention_spectrum(dimension: int, keys: int, omega: float, max_degree: int) -> BiasedSpectrum:
    """Eigenvalues of the biased kernel between products of harmonics of degrees a, b <= max_degree; d >= 3, omega >= 0.

    They are those of the kernel compressed to these products, from below and the closer the larger `max_degree`; at
    omega = 0 those of `attention_spectrum`. The trace is by quadrature, the tail what the modes leave of it.
    Errors are 1e-11 of the largest eigenvalue in three dimensions and fall to rounding with d (measured at omega = 0).
    """
    d, n = integer("dimension", dimension, least=3), integer("keys", keys, least=1)
    omega, top = _omega(omega), integer("max_degree", max_degree, least=0)
    modes, eigenvalues, many, blocks = [], [], [], {}
    for l1, l2 in _representations(top):
        size = representation_size(d, l1, l2)
        if size == 0:
            continue
        states = block_states(l1, l2, top)
        share = np.array([_share(b, n) for _, b in states])
        values, vectors = np.linalg.eigh(one_key_operator(d, omega, (l1, l2), top) * np.outer(share, share))
        kept = np.flatnonzero(values > 1e-16 * values[-1])[::-1]
        blocks[l1, l2] = Block(tuple(states), vectors[:, kept])
        modes += [(l1, l2, j) for j in range(len(kept))]
        eigenvalues += list(values[kept])
        many += [float(size)] * len(kept)
    tail = max(0.0, _trace(d, n, omega) - float(np.dot(many, eigenvalues)))
    return BiasedSpectrum(tuple(modes), np.array(eigenvalues), np.array(many), tail, dimension=d, keys=n, blocks=blocks)


def representation_size(dimension: int, l1: int, l2: int) -> int:
    """Dimension of the representation of O(d) with rows l1 >= l2 >= 0, d >= 3: N(d, l1) for l2 = 0."""

    def product(a: int, b: int) -> int:
        return harmonics(dimension, a) * harmonics(dimension, b) if min(a, b) >= 0 else 0

    return product(l1, l2) - product(l1 + 1, l2 - 1) - product(l1 - 1, l2 - 1) + product(l1, l2 - 2)


def correlation_operator(dimension: int, l1: int, l2: int, states: list[State]) -> Float[Array, "s s"]:
    """Multiplication by <x_0, x> in the block (l1, l2), between `states`."""
    h = dimension / 2 - 1
    p, q = (l1 + l2 + 2 * h - 1) ** 2, (l1 - l2 + 1) ** 2
    place = {state: i for i, state in enumerate(states)}
    matrix = np.zeros((len(states), len(states)))
    for (a, b), i in place.items():
        upper, lower = a + h, b + h
        up, down = place.get((a + 1, b + 1)), place.get((a + 1, b - 1))
        if up is not None:
            s = (upper + lower + 1) ** 2
            square = (s - p) * (s - q) / (64 * upper * (upper + 1) * lower * (lower + 1))
            matrix[i, up] = matrix[up, i] = np.sqrt(square)
        if down is not None:
            s = (upper - lower + 1) ** 2
            square = (p - s) * (q - s) / (64 * upper * (upper + 1) * lower * (lower - 1))
            matrix[i, down] = matrix[down, i] = np.sqrt(square)
    return matrix


def _representations(max_degree: int) -> Iterator[tuple[int, int]]:
    """All (l1, l2) with a state of a, b <= max_degree."""
    for l1 in range(2 * max_degree + 1):
        yield from ((l1, l2) for l2 in range(min(l1, 2 * max_degree - l1) + 1))


def block_states(l1: int, l2: int, max_degree: int) -> list[State]:
    """The states (a, b) of the block (l1, l2) with a, b <= max_degree."""
    s = l1 - l2
    both = [(a, b) for a in range(max_degree + 1) for b in range(max_degree + 1)]
    return [(a, b) for a, b in both if abs(a - b) <= s and (a - b - s) % 2 == 0 and a + b >= s + 2 * l2]


def _share(key_degree: int, keys: int) -> float:
    """The length of an average over keys: 1 for what does not depend on them, else 1/sqrt N."""
    return 1.0 if key_degree == 0 else keys**-0.5


def one_key_operator(d: int, omega: float, block: tuple[int, int], max_degree: int) -> Float[Array, "s s"]:
    """The biased kernel of one key in the block (l1, l2), between the states of degrees <= max_degree.

    Functions of c are those of its matrix between states of 24 + 8 omega higher degrees too. The terms of the series
    fall like k^-(d + 3/2); where that takes more than `TERMS`, the rest is the last octave over 2^(d + 1/2) - 1.
    """
    beyond = max_degree + 24 + ceil(8 * omega)
    states = block_states(*block, beyond)
    kept = [i for i, state in enumerate(states) if max(state) <= max_degree]
    nodes, vectors = np.linalg.eigh(correlation_operator(d, *block, states))
    moments = np.array([shifted_moments(d, b, TERMS + 1) for b in range(beyond + 1)])
    heads = head_coefficients(omega * nodes, TERMS)
    a, b = np.array(states).T

    def part(terms: range) -> Array:
        total = np.zeros((len(kept), len(kept)))
        for k in terms:
            side = (vectors[kept] * heads[:, k]) @ vectors.T * np.sqrt(2 * moments[a, k] * moments[b, k + 1])
            total += side @ side.T
        return total

    largest = moments[0, :-1] * moments[0, 1:] / np.maximum(np.arange(TERMS), 1) ** 1.5
    few = int(np.count_nonzero(largest > 1e-16))
    if few < TERMS:
        return part(range(few))
    octave = part(range(TERMS // 2, TERMS))
    return part(range(TERMS // 2)) + octave * (1 + 1 / (2 ** (d + 0.5) - 1))


def _trace(d: int, keys: int, omega: float) -> float:
    """T_0 + (T - T_0)/N, T = E[K(x, x)] for one key and T_0 = E[k(x_0, x; x_0, x')], x and x' independent."""
    c, weight = roots_jacobi(NODES, (d - 3) / 2, (d - 3) / 2)
    z, other = roots_jacobi(NODES, (d - 4) / 2, (d - 4) / 2)
    weight, other = weight / weight.sum(), other / other.sum()
    one = 2 * weight @ _biased_arc_cosine(omega * c, omega * c, np.ones(NODES))
    first, second = c[:, None, None], c[:, None]
    between = 1 + first * second + np.sqrt((1 - first**2) * (1 - second**2)) * z
    kernel = _biased_arc_cosine(omega * first, omega * second, between / 2) * between
    without_keys = np.einsum("i,j,k,ijk", weight, weight, other, kernel)
    return float(without_keys + (one - without_keys) / keys)
