"""The gradient that a decoder sends back to the attention of every class, in closed form.

With the decoder of Lemma 3 the gradient g_n = Y (e_n - alpha_n) that reaches the features of class n is

    g_n = gamma (iota_n f_n - sum_k beta_nk f_k),    xi_n = gamma sum_k beta_nk f_n . f_k,

with a scale gamma of the decoder's gap u alone and coefficients of G = F^T F alone; xi_n is the push on the distinct
tokens of class n. G^{-1} has a diagonal of at least 1, which is why xi_n is hardly ever negative, and never with one
common token. Tian et al. 2023, Theorem 1; exact form derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import lambertw

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.decoder import DecoderTime, _others_share, decoder_gap
from theory.validation import finite_array, integer


def backpropagated_scale(vocabulary: int, tau: ArrayLike) -> Float[Array, ...]:
    """gamma(tau) = (M-1)^2/M u/(M-1+e^u): rises like tau, peaks before tau = log M, and falls like log(tau)/tau."""
    u = decoder_gap(vocabulary, tau)
    return (vocabulary - 1) ** 2 / vocabulary * u * _others_share(vocabulary, u)


def backpropagated_integral(vocabulary: int, tau: ArrayLike) -> Float[Array, ...]:
    """The integral of gamma from 0 to tau, ((M-1) u / M)^2 / 2."""
    return ((vocabulary - 1) / vocabulary * decoder_gap(vocabulary, tau)) ** 2 / 2


class ScalePeak(NamedTuple):
    """Where gamma is largest: its value, and tau and u there."""

    scale: float
    tau: float
    gap: float


def backpropagated_peak(vocabulary: int) -> ScalePeak:
    """The single peak of gamma: u* = 1 + W((M-1)/e), gamma* = (M-1)/M (u* - 1)."""
    others = integer("vocabulary", vocabulary, least=2) - 1
    above_one = float(lambertw(others / math.e).real)
    gap = 1 + above_one
    return ScalePeak(others / vocabulary * above_one, float(np.expm1(gap) + others * gap) / vocabulary, gap)


class GradientCoefficients(NamedTuple):
    """g_n / gamma = iota_n f_n - sum_k beta_nk f_k, with beta_nn = 0; xi_n / gamma = sum_k beta_nk f_n . f_k."""

    iota: Float[Array, "... k"]
    beta: Float[Array, "... k k"]
    xi: Float[Array, "... k"]


def gradient_coefficients(features: ArrayLike, vocabulary: int) -> GradientCoefficients:
    """iota, beta and xi / gamma of unit features (..., K, L), exact for every set of linearly independent features.

    `ValueError` for features that are not unit vectors to 1e-9, and where the smallest eigenvalue of G is below 1e-12.
    """
    features = finite_array("features", features, (None, None))
    vocabulary = integer("vocabulary", vocabulary, least=2)
    norm = np.sqrt((features**2).sum(axis=-1))
    if np.abs(norm - 1).max() > 1e-9:
        raise ValueError(f"features must be unit vectors, got a norm of {norm.flat[np.abs(norm - 1).argmax()]}")
    overlap = _overlap(features)
    smallest = 1 + np.linalg.eigvalsh(overlap).min()
    if smallest < 1e-12:
        raise ValueError(
            f"hypothesis broken: features must be linearly independent, got an eigenvalue {smallest:.3g} of F^T F"
        )
    return _coefficients(overlap, vocabulary)


def _overlap(features: Array) -> Array:
    """E = F^T F - I, with a zero diagonal."""
    overlap = features @ np.swapaxes(features, -1, -2)
    own = np.arange(features.shape[-2])
    overlap[..., own, own] = 0.0
    return overlap


def _coefficients(overlap: Array, vocabulary: int) -> GradientCoefficients:
    own = np.arange(overlap.shape[-1])
    excess = -np.linalg.solve(overlap + np.eye(len(own)), overlap)  # G^{-1} - I, not by subtraction
    rows = excess.sum(axis=-1)  # G^{-1} 1 - 1
    lead, rest = (vocabulary / (vocabulary - 1)) ** 2, vocabulary / (vocabulary - 1) ** 2
    iota = lead * (1 + excess[..., own, own]) - rest * (1 + rows)
    beta = -lead * excess + rest * (1 + rows[..., None, :])
    beta[..., own, own] = 0.0
    return GradientCoefficients(iota, beta, lead * excess[..., own, own] - rest * rows)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="gamma <= tau, and gamma <= gamma* = ((M-1)/M) W((M-1)/e).",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-12,
)
def scale_is_bounded_by_time_and_by_its_peak(time: DecoderTime) -> float:
    scale = backpropagated_scale(time.vocabulary, time.tau)
    return max(excess(scale, time.tau), excess(scale, backpropagated_peak(time.vocabulary).scale))


@claim(
    statement="gamma rises before tau* and falls after it.",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-12,
)
def scale_has_one_peak(time: DecoderTime) -> float:
    """Between tau and the point halfway from it to the peak."""
    peak = backpropagated_peak(time.vocabulary).tau
    outer, inner = backpropagated_scale(time.vocabulary, [time.tau, (time.tau + peak) / 2])
    return excess(outer, inner)


@claim(
    statement="The integral of gamma from 0 to tau is (M-1)^2 h^2 / 2.",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
    examples=50,
)
def scale_integrates_to_a_square(time: DecoderTime) -> float:
    """Quadrature over s = log(1 + tau), in which gamma is smooth on every scale."""
    top = float(np.log1p(time.tau))

    def integrand(s: float) -> float:
        return float(backpropagated_scale(time.vocabulary, np.expm1(s))) * float(np.exp(s))

    return relative_error(
        quad(integrand, 0.0, top, epsrel=1e-11, limit=400)[0], backpropagated_integral(time.vocabulary, time.tau)
    )


@dataclass(frozen=True, eq=False)
class IndependentFeatures:
    """Hypothesis: K non-negative unit features (K, L) whose F^T F has no eigenvalue below 1e-3; K <= M, M >= 2."""

    features: Float[Array, "k l"]
    vocabulary: int

    def __post_init__(self) -> None:
        features = finite_array("features", self.features, (None, None), leading=False)
        object.__setattr__(self, "features", features)
        if integer("vocabulary", self.vocabulary, least=2) < len(features):
            raise ValueError(f"vocabulary must be at least K = {len(features)}, got {self.vocabulary}")
        gradient_coefficients(features, self.vocabulary)
        smallest = np.linalg.eigvalsh(features @ features.T).min()
        if (features < 0).any() or smallest < 1e-3:
            raise ValueError(
                f"hypothesis broken: features must be >= 0 with eigenvalues of F^T F >= 1e-3, got {smallest:.3g}"
            )


def preconditioned_decoder(features: Array, vocabulary: int, gap: float) -> Array:
    """Y = F G^{-1} W^T with w_n = u (e_n - 1/M), (L, M), by a pseudo-inverse."""
    return np.linalg.pinv(features) @ (gap * (np.eye(len(features), vocabulary) - 1 / vocabulary))


@claim(
    statement="""g_n = gamma (iota_n f_n - sum_k beta_nk f_k) exactly, with iota_n = (M/(M-1))^2 (G^-1)_nn -
    M/(M-1)^2 (G^-1 1)_n and beta_nk = -(M/(M-1))^2 (G^-1)_nk + M/(M-1)^2 (G^-1 1)_k, whatever the overlaps are.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
)
def gradient_decomposes_over_features(instance: IndependentFeatures) -> float:
    """Against Y (e_n - alpha_n) for the decoder at gaps 0.1, 3 and 12."""
    return max(_decomposition_error(instance, gap, 1.0) for gap in (0.1, 3.0, 12.0))


def _decomposition_error(instance: IndependentFeatures, gap: float, sign: float) -> float:
    """With `sign` -1 the O(1/M) term of beta is taken with the other sign."""
    features, vocabulary = instance.features, instance.vocabulary
    decoder = preconditioned_decoder(features, vocabulary, gap)
    weights = np.exp(features @ decoder)
    error = np.eye(len(features), vocabulary) - weights / weights.sum(axis=1, keepdims=True)
    iota, beta, _ = gradient_coefficients(features, vocabulary)
    inverse_rows = np.linalg.inv(features @ features.T).sum(axis=0)
    beta = beta + (sign - 1) * vocabulary / (vocabulary - 1) ** 2 * inverse_rows * (1 - np.eye(len(features)))
    scale = (vocabulary - 1) ** 2 / vocabulary * gap * _others_share(vocabulary, gap)
    size = float(np.abs(decoder).max()) * vocabulary * float(_others_share(vocabulary, gap))
    return relative_error(scale * (iota[:, None] * features - beta @ features), error @ decoder.T, scale=size)


@claim(
    statement="xi_n / gamma = (M/(M-1))^2 ((G^-1)_nn - 1) + M/(M-1)^2 (1 - (G^-1 1)_n).",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
)
def push_on_distinct_tokens_in_closed_form(instance: IndependentFeatures) -> float:
    coefficients = gradient_coefficients(instance.features, instance.vocabulary)
    terms = coefficients.beta * (instance.features @ instance.features.T)
    return relative_error(coefficients.xi, terms.sum(axis=1), scale=float(np.abs(terms).sum(axis=1).max()) + 1e-12)


@claim(
    statement="(G^-1)_nn >= 1, and xi_n >= 0 wherever (G^-1 1)_n <= 1, without any assumption of weak correlation.",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-9,
)
def inverse_overlaps_have_a_large_diagonal(instance: IndependentFeatures) -> float:
    inverse = np.linalg.inv(instance.features @ instance.features.T)
    xi = gradient_coefficients(instance.features, instance.vocabulary).xi
    sure = np.where(inverse.sum(axis=1) <= 1, -xi, 0.0)
    return max(excess(1.0, np.diag(inverse)), excess(sure, 0.0, scale=1.0))


@claim(
    statement="Equation 88's beta, whose O(1/M) term has the opposite sign, rebuilds the gradient g_n.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-3,
    counterexample=lambda: (IndependentFeatures(np.array([[0.8, 0.6], [0.0, 1.0]]), 10),),
)
def published_beta_rebuilds_the_gradient(instance: IndependentFeatures) -> float:
    return _decomposition_error(instance, 3.0, -1.0)
