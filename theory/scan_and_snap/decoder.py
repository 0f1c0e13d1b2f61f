"""What the decoder learns while the features stand still, and the gradient it sends back to the attention.

Scan and Snap preconditions the decoder's gradient so that every class trains its own row w_n of F^T Y alone (Lemma 3),

    dY/dt = eta_Y sum_n p_n (F G^{-1})_n (e_n - alpha_n)^T,    G = F^T F,    dw_n/dt = eta_Y p_n (e_n - softmax(w_n)).

Then w_n = (M-1) h zeta_n, zeta_n = M/(M-1) (e_n - 1/M), and the gap u = M h between the logit of the next token and all
others solves e^u + (M-1) u = M tau + 1 with tau = eta_Y t / K. The gradient that reaches the attention of class n is
g_n = Y (e_n - alpha_n) = gamma (iota_n f_n - sum_k beta_nk f_k), with gamma a function of tau and coefficients of G.
Tian et al. 2023, Lemmas 3-7 and Theorem 1; closed forms derived here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import lambertw, wrightomega

from theory.numerics import Array
from theory.validation import finite_array, integer, real


def decoder_gap(vocabulary: int, tau: ArrayLike) -> Float[Array, ...]:
    """u(tau) >= 0, the root of e^u + (M-1) u = M tau + 1, to full relative accuracy for every tau >= 0 (any shape).

    u = log((M-1) w) with w = omega((M tau + 1)/(M-1) - log(M-1)), the Wright omega function, and two Newton steps on
    expm1(u) + (M-1) u = M tau that restore what rounding took where u is small.
    """
    others = integer("vocabulary", vocabulary, least=2) - 1
    tau = _at_least_zero("tau", tau)
    target = (others + 1) * tau
    u = np.log(others * wrightomega((target + 1) / others - np.log(others)))
    for _ in range(2):
        u = u - (np.expm1(u) + others * u - target) / (np.exp(u) + others)
    return np.maximum(u, 0.0)


def discrete_decoder_gap(vocabulary: int, eta_y: float, steps: int) -> Float[Array, " s"]:
    """M h*(s) for s = 0..steps: the gap after s gradient steps of size eta_Y > 0 on one class."""
    vocabulary, eta_y = integer("vocabulary", vocabulary, least=2), real("eta_y", eta_y, above=0.0)
    gap = np.zeros(integer("steps", steps, least=0) + 1)
    for s in range(1, len(gap)):
        gap[s] = gap[s - 1] + vocabulary * eta_y * _others_share(vocabulary, gap[s - 1])
    return gap


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
    above_one = float(lambertw(others / np.e).real)
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


def _others_share(vocabulary: int, gap: ArrayLike) -> Array:
    """1/(M-1+e^u), the probability of every wrong entry."""
    smaller = np.exp(-np.asarray(gap, dtype=np.float64))
    return smaller / (1 + (vocabulary - 1) * smaller)


def _at_least_zero(name: str, value: ArrayLike) -> Array:
    array = finite_array(name, value, ())
    if (array < 0).any():
        raise ValueError(f"{name} must be >= 0, got {array.min()} among its entries")
    return array
