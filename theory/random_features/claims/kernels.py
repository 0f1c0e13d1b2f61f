"""What holds for the kernels of infinitely many heads at any unit tokens, and for the moments they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import FU_2023
from theory.random_features.claims.inputs import Bias, JointRotation, Rotations, SphereInputs
from theory.random_features.grams import attention_gram, mlp_gram
from theory.random_features.rectified import arc_cosine, biased_arc_cosine, head_coefficients, orthant_probability


def largest_diagonal(omega: float) -> float:
    """2 E[U_+^2], U ~ N(omega, 1): the kernel of an input with itself where every key equals the query."""
    return 2 * float(biased_arc_cosine(omega, omega, 1.0))


def _kernels(inputs: SphereInputs, bias: Bias) -> list[Array]:
    """The three Gram matrices, every entry computed for itself: (i, j) and (j, i) too."""
    x0, x = inputs.queries, inputs.keys
    both = (x0, x, x0, x)
    return [attention_gram(*both), attention_gram(*both, omega=bias.omega), mlp_gram(*both)]


@claim(
    statement="The three kernels are symmetric, K(x, y) = K(y, x).",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
)
def kernels_are_symmetric(inputs: SphereInputs, bias: Bias) -> float:
    return max(relative_error(gram, gram.T) for gram in _kernels(inputs, bias))


@claim(
    statement="The three kernels are positive semi-definite, for any bias.",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-13,
)
def kernels_are_positive_semidefinite(inputs: SphereInputs, bias: Bias) -> float:
    grams = _kernels(inputs, bias)
    return max(excess(-np.linalg.eigvalsh(gram), 0.0, scale=np.trace(gram)) for gram in grams)


@claim(
    statement="The attention kernel of an input with itself is at most 1, attained where all its keys coincide.",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-13,
)
def attention_diagonal_is_at_most_one(inputs: SphereInputs) -> float:
    return excess(np.diagonal(attention_gram(inputs.queries, inputs.keys)), 1.0)


@claim(
    statement="""The biased kernel of an input with itself is at most 2 ((omega^2 + 1) Phi(omega) + omega phi(omega)),
    attained where all keys equal the query; 3.8493 at omega = 1.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-13,
)
def biased_diagonal_is_bounded(inputs: SphereInputs, bias: Bias) -> float:
    diagonal = np.diagonal(attention_gram(inputs.queries, inputs.keys, omega=bias.omega))
    return excess(diagonal, largest_diagonal(bias.omega))


@claim(
    statement="Keys all equal attain the bound 1 of the attention kernel, and keys equal to the query the biased one.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-13,
)
def diagonal_bounds_are_attained(inputs: SphereInputs, bias: Bias) -> float:
    x0, x = inputs.queries, np.repeat(inputs.keys[:, :1], inputs.keys.shape[1], axis=1)
    one = np.diagonal(attention_gram(x0, x))
    most = np.diagonal(attention_gram(x[:, 0], x, omega=bias.omega))
    return max(relative_error(one, 1.0), relative_error(most, largest_diagonal(bias.omega)))


# ------------------------------------------------------------------------------------------------- invariances


def _turned_apart() -> tuple[Any, ...]:
    return SphereInputs.drawn(2, 3, 4, 1.0, 0), Bias(1.0), Rotations(0)


@claim(
    statement="The attention kernel is invariant under one rotation of all queries and another of all keys.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-12,
)
def attention_kernel_ignores_separate_rotations(inputs: SphereInputs, turn: Rotations) -> float:
    still = attention_gram(inputs.queries, inputs.keys)
    return relative_error(attention_gram(*inputs.turned(*turn.matrices(inputs.dimension))), still)


@claim(
    statement="The biased kernel is invariant under one rotation of all queries and keys together.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-12,
    fails_without=_turned_apart,
)
def biased_kernel_ignores_joint_rotations(inputs: SphereInputs, bias: Bias, turn: JointRotation) -> float:
    """The mean of the weights ties the two spaces: rotated apart, the kernel changes. Relative to 1."""
    still = attention_gram(inputs.queries, inputs.keys, omega=bias.omega)
    turned = inputs.turned(*turn.matrices(inputs.dimension))
    return relative_error(attention_gram(*turned, omega=bias.omega), still, scale=1.0)


@claim(
    statement="Without bias the biased kernel is the attention kernel.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-12,
)
def no_bias_gives_the_attention_kernel(inputs: SphereInputs) -> float:
    x0, x = inputs.queries, inputs.keys
    return relative_error(attention_gram(x0, x, omega=1e-300), attention_gram(x0, x))


# ------------------------------------------------------------------------------------- rectified moments


@dataclass(frozen=True)
class NormalPair:
    """U ~ N(a, 1) and V ~ N(b, 1) with correlation r in [-1, 1]."""

    a: float
    b: float
    r: float

    def __post_init__(self) -> None:
        if not -1 <= self.r <= 1:
            raise ValueError(f"r must be in [-1, 1], got {self.r!r}")

    @property
    def scale(self) -> float:
        """E[U^2] E[V^2] under the root: a bound of the moment."""
        return float(np.sqrt((1 + self.a**2) * (1 + self.b**2)))


@dataclass(frozen=True)
class ModeratePair(NormalPair):
    """Hypothesis |r| <= 0.9: away from the ends, where derivatives and series are at ease."""

    def __post_init__(self) -> None:
        if not -0.9 <= self.r <= 0.9:
            raise ValueError(f"hypothesis: r must be in [-0.9, 0.9], got {self.r!r}")


@claim(
    statement="kappa_b(0, 0, r) = kappa(r), and kappa_b(a, b, r) = kappa_b(b, a, r).",
    source=FU_2023,
    kind="identity",
    tolerance=1e-14,
)
def biased_moment_extends_the_arc_cosine(pair: NormalPair) -> float:
    here, there = biased_arc_cosine([pair.a, pair.b], [pair.b, pair.a], pair.r)
    at_zero = relative_error(biased_arc_cosine(0.0, 0.0, pair.r), arc_cosine(pair.r), scale=0.5)
    return max(at_zero, relative_error(here, there, scale=pair.scale))


def rectified_mean(a: float) -> float:
    """E[U_+] = a Phi(a) + phi(a)."""
    return float(head_coefficients(a, 1)[0])


@claim(
    statement="kappa_b(a, b, 0) = (a Phi(a) + phi(a)) (b Phi(b) + phi(b)).",
    source=FU_2023,
    kind="identity",
    tolerance=1e-14,
)
def independent_pairs_factor(pair: NormalPair) -> float:
    product = rectified_mean(pair.a) * rectified_mean(pair.b)
    return relative_error(biased_arc_cosine(pair.a, pair.b, 0.0), product, scale=pair.scale)


@claim(
    statement="kappa_b(a, a, 1) = (a^2 + 1) Phi(a) + a phi(a), the second moment of one rectified variable.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-14,
)
def equal_pairs_give_the_second_moment(pair: NormalPair) -> float:
    density = np.exp(-(pair.a**2) / 2) / np.sqrt(2 * np.pi)
    moment = (pair.a**2 + 1) * ndtr(pair.a) + pair.a * density
    return relative_error(biased_arc_cosine(pair.a, pair.a, 1.0), moment, scale=1 + pair.a**2)


@claim(
    statement="kappa_b increases with r, at the rate P(U > 0, V > 0) >= 0.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-9,
)
def slope_in_the_correlation_is_the_orthant(pair: ModeratePair) -> float:
    """Fourth-order central difference in r."""
    step = 1e-3 * (1 - pair.r**2)
    r = pair.r + step * np.array([-2.0, -1.0, 1.0, 2.0])
    slope = np.array([1.0, -8.0, 8.0, -1.0]) @ biased_arc_cosine(pair.a, pair.b, r) / (12 * step)
    orthant = float(orthant_probability(pair.a, pair.b, pair.r))
    return max(-orthant, relative_error(slope, orthant, scale=pair.scale))


@claim(
    statement="""kappa_b(a, b, r) = sum_k r^k a_k(a) a_k(b) / k! with a_0(m) = m Phi(m) + phi(m), a_1 = Phi and a_k the
    derivative of a_(k-1).""",
    source=FU_2023,
    kind="identity",
    tolerance=1e-12,
)
def biased_moment_is_its_series(pair: ModeratePair) -> float:
    """Where 300 terms of size r^k suffice; `head_coefficients` has them over sqrt(k!)."""
    left, right = head_coefficients(pair.a, 300), head_coefficients(pair.b, 300)
    series: Array = (left * right * pair.r ** np.arange(300)).sum()
    return relative_error(biased_arc_cosine(pair.a, pair.b, pair.r), series, scale=pair.scale)
