"""Saliency by location: what each place of a sequence adds to the gradient of weights that all places share.

A convolution of `width` taps (1: a linear map) gives y_t = W p_t, p_t the patch (width d,) that starts at place t,
around the end. With g_t = dL/dy_t the gradient of W is sum_t g_t p_t^T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import REBUFFI_2020
from theory.validation import finite_array, integer, probability_rows, require


def patches(features: Float[Array, "t d"], width: int) -> Float[Array, "t wd"]:
    """The `width` places from t on, concatenated, around the end."""
    length = len(features)
    places = (np.arange(length)[:, None] + np.arange(width)) % length
    return features[places].reshape(length, -1)


def location_gradient(
    features: Float[Array, "t d"], upstream: Float[Array, "t o"], width: int = 1
) -> Float[Array, "t o wd"]:
    """What every place adds to the weight gradient, as a matrix: g_t p_t^T."""
    return upstream[:, :, None] * patches(features, width)[:, None, :]


def saliency(features: Float[Array, "t d"], upstream: Float[Array, "t o"], width: int = 1) -> Float[Array, " t"]:
    """|g_t| |p_t|: the Frobenius norm of `location_gradient` without the matrices."""
    return np.linalg.norm(upstream, axis=1) * np.linalg.norm(patches(features, width), axis=1)


def attended_saliency(
    weights: Float[Array, "q t"], features: Float[Array, "t d"], upstream: Float[Array, "q o"]
) -> Float[Array, " t"]:
    """|X_t| |sum_q A_qt g_q|: as `saliency`, for the value map of attention, y_q = sum_t A_qt W X_t."""
    return saliency(features, weights.T @ upstream)


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class SharedWeights:
    """Features (t, d), gradients of the loss at the outputs (t, o), and the width of the convolution, <= t."""

    features: Float[Array, "t d"]
    upstream: Float[Array, "t o"]
    width: int = 1

    def __post_init__(self) -> None:
        features = finite_array("features", self.features, (None, None), leading=False)
        upstream = finite_array("upstream", self.upstream, (len(features), None), leading=False)
        width = integer("width", self.width, least=1)
        require(width <= len(features), f"width must be at most the length {len(features)}, got {width}")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "upstream", upstream)


@dataclass(frozen=True, eq=False)
class AttendedValues:
    """Attention (q, t) with rows that sum to 1, features (t, d), gradients at the outputs (q, o)."""

    weights: Float[Array, "q t"]
    features: Float[Array, "t d"]
    upstream: Float[Array, "q o"]

    def __post_init__(self) -> None:
        weights = probability_rows("weights", self.weights, (None, None), leading=False)
        features = finite_array("features", self.features, (weights.shape[1], None), leading=False)
        upstream = finite_array("upstream", self.upstream, (weights.shape[0], None), leading=False)
        for name, array in (("weights", weights), ("features", features), ("upstream", upstream)):
            object.__setattr__(self, name, array)


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""What a place adds to the gradient of shared weights has one singular value, |g_t| |p_t|: saliency by
    its Frobenius, spectral or nuclear norm is the product of the norms of the gradient and the patch.""",
    source=REBUFFI_2020,
    kind="identity",
    tolerance=1e-12,
)
def location_saliency_is_a_product_of_norms(case: SharedWeights) -> float:
    """Frobenius, spectral and nuclear norm of the explicit matrices."""
    matrices = location_gradient(case.features, case.upstream, case.width)
    product = saliency(case.features, case.upstream, case.width)
    return max(relative_error(np.linalg.norm(matrices, kind, axis=(1, 2)), product) for kind in ("fro", 2, "nuc"))


@claim(
    statement="""The contributions of all places add up to the weight gradient of a circular convolution: the
    cross-correlation of upstream gradient and features.""",
    source=REBUFFI_2020,
    kind="identity",
    tolerance=1e-12,
)
def location_gradients_add_up_to_the_weight_gradient(case: SharedWeights) -> float:
    """Against the cross-correlation by FFT."""
    total = location_gradient(case.features, case.upstream, case.width).sum(axis=0)
    spectrum = fft.fft(case.upstream, axis=0).conj()[:, :, None] * fft.fft(case.features, axis=0)[:, None, :]
    lags = fft.ifft(spectrum, axis=0).real[: case.width]  # lag, output, channel
    scale = float(np.linalg.norm(case.features) * np.linalg.norm(case.upstream))
    return relative_error(total, np.concatenate(list(lags), axis=1), scale=scale)


@claim(
    statement="""Saliencies of all places sum to at least the norm of the whole weight gradient, with equality for a
    single place that has a gradient, and each is at least |g_t . p_t|, gradient times input, where that is defined.""",
    source=REBUFFI_2020,
    kind="inequality",
    tolerance=1e-12,
)
def location_saliency_bounds_gradient_times_input(case: SharedWeights) -> float:
    """Gradient times input is the trace of the contribution of an identity map in front of the features."""
    whole = np.linalg.norm(location_gradient(case.features, case.upstream, case.width).sum(axis=0))
    bound = saliency(case.features, case.upstream, case.width)
    worst = excess(whole, bound.sum())
    if case.features.shape[1] == case.upstream.shape[1]:
        product = np.abs((case.features * case.upstream).sum(axis=1))
        worst = max(worst, excess(product, saliency(case.features, case.upstream)))
    return worst


@claim(
    statement="""A token's saliency through the value map of attention is at most its norm times the attention-weighted
    norms of the gradients at the queries, with equality for a single query.""",
    source=REBUFFI_2020,
    kind="inequality",
    tolerance=1e-12,
)
def attended_saliency_is_below_attention_weighted_norms(case: AttendedValues) -> float:
    """The saliency from explicit per-token gradients of the value map, not from its closed form."""
    contributions = np.einsum("qt,qo,td->tod", case.weights, case.upstream, case.features)
    bound = np.linalg.norm(case.features, axis=1) * (case.weights.T @ np.linalg.norm(case.upstream, axis=1))
    return excess(np.linalg.norm(contributions, axis=(1, 2)), bound)
