"""Measures of attention sinks and activation outliers, as functions of attention weights and activations in numpy.

Attention has shape (..., T, T), queries by keys, causal. Activations have shape (S, ...): every sample is flattened.
Over modules the literature takes the largest infinity norm and the mean kurtosis; that is left to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention_variants import sigmoid_attention, softmax_attention
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import BONDARENKO_2023, GU_2024
from theory.validation import finite_array, real, require


def importance(attention: ArrayLike) -> Float[Array, "*b t"]:
    """sum_{i >= k} A_ik / (T - k + 1) for every key k = 1..T: the mean weight that the queries which see k give it."""
    attention = _causal_attention(attention)
    return attention.sum(axis=-2) / np.arange(attention.shape[-1], 0, -1.0)


def sink_rate(attention: ArrayLike, *, key: int = 0, threshold: float = 0.3) -> float:
    """Sink_k^eps: the percentage of the leading axes (samples, layers, heads) where the importance of `key` (counted
    from 0) exceeds `threshold`. Only for weights whose rows sum to 1 or 0: see `normalised_attention`.
    """
    attention, threshold = _causal_attention(attention), real("threshold", threshold)
    length = attention.shape[-1]
    if isinstance(key, bool) or not isinstance(key, int | np.integer) or not 0 <= key < length:
        raise ValueError(f"key must be an integer in 0..{length - 1}, got {key!r}")
    return 100.0 * float((importance(attention)[..., key] > threshold).mean())


def normalised_attention(attention: ArrayLike) -> Float[Array, "*b t t"]:
    """|A_ij| / sum_k |A_ik|; a row of zeros stays zero, and so can be no sink."""
    magnitude = np.abs(_causal_attention(attention))
    total = magnitude.sum(axis=-1, keepdims=True)
    return magnitude / np.where(total == 0, 1.0, total)


def infinity_norm(activations: ArrayLike) -> float:
    """max |x| of every sample, averaged over samples."""
    return float(np.abs(_samples(activations)).max(axis=-1).mean())


def kurtosis(activations: ArrayLike, *, guard: float = 1e-6) -> float:
    """mean((x - mu)^4) / (std^4 + guard) of every sample, averaged over samples; std is the unbiased one.

    3 for normal activations; about B for a single spike among B. `ValueError` below two activations a sample, and where
    a sample is constant and the guard is 0.
    """
    samples, guard = _samples(activations), real("guard", guard)
    if guard < 0:
        raise ValueError(f"guard must be >= 0, got {guard!r}")
    if samples.shape[-1] < 2:
        raise ValueError(f"activations must have at least 2 entries a sample, got {samples.shape[-1]}")
    centred = samples - samples.mean(axis=-1, keepdims=True)
    scale = samples.var(axis=-1, ddof=1) ** 2 + guard
    if not (scale > 0).all():
        raise ValueError("activations must vary within every sample where guard is 0, got a constant sample")
    return float(((centred**4).mean(axis=-1) / scale).mean())


def _samples(activations: ArrayLike) -> Array:
    array = finite_array("activations", activations, (None, None))
    return array.reshape(len(array), -1)


def _causal_attention(attention: ArrayLike) -> Array:
    array = finite_array("attention", attention, (None, None))
    if array.shape[-1] != array.shape[-2]:
        raise ValueError(f"attention must have shape (..., T, T), got shape {array.shape}")
    if np.triu(array, 1).any():
        raise ValueError("attention must be causal, got a non-zero weight above the diagonal")
    return array


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class CausalAttention:
    """Causal weights (H, T, T) of H heads."""

    weights: Float[Array, "h t t"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _causal_attention(self.weights))


@dataclass(frozen=True, eq=False)
class NormalisedAttention(CausalAttention):
    """Hypotheses: weights >= 0 whose rows sum to 1, as softmax gives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        totals = self.weights.sum(axis=-1)
        require((self.weights >= 0).all().item(), f"weights must be >= 0, got {self.weights.min()}")
        require(np.allclose(totals, 1.0, rtol=0, atol=1e-9), f"rows must sum to 1, got {totals.flat[0]}")


@dataclass(frozen=True, eq=False)
class Activations:
    """Activations (S, B) that vary within every sample, with standard deviation >= 1e-3 of the largest."""

    values: Float[Array, "s b"]

    def __post_init__(self) -> None:
        spread = self.values.std(axis=-1)
        require((spread >= 1e-3 * np.abs(self.values).max()).all().item(), f"activations must vary, got std {spread}")


# ---------------------------------------------------------------------------------------------------------- claims


def _unnormalised() -> tuple[CausalAttention]:
    """ReLU attention that is dormant on the first row."""
    return (CausalAttention(np.array([[[0.0, 0.0], [0.0, 0.3]]])),)


@claim(
    statement="In causal softmax attention the importance of the first key is at least 1/T.",
    source=GU_2024,
    kind="inequality",
    tolerance=1e-9,
    fails_without=_unnormalised,
)
def first_key_has_importance(case: NormalisedAttention) -> float:
    return excess(1 / case.weights.shape[-1], importance(case.weights)[..., 0])


@claim(
    statement="In causal softmax attention sum_k (T - k + 1) importance_k = T.",
    source=GU_2024,
    kind="identity",
    tolerance=1e-9,
    fails_without=_unnormalised,
)
def importance_adds_up(case: NormalisedAttention) -> float:
    length = case.weights.shape[-1]
    total = importance(case.weights) @ np.arange(length, 0, -1.0)
    return relative_error(total, np.full_like(total, length))


@claim(
    statement="""The sink rate lies in [0, 100], never rises with its threshold, and does not depend on the order of
    samples, layers and heads.""",
    source=GU_2024,
    kind="identity",
    tolerance=1e-9,
)
def sink_rate_is_a_monotone_percentage(case: NormalisedAttention) -> float:
    """The largest rise, excursion from [0, 100], or change under reversal of the heads, over thresholds and keys."""
    worst = 0.0
    for key in range(case.weights.shape[-1]):
        rates = np.array([sink_rate(case.weights, key=key, threshold=e) for e in np.linspace(-0.1, 1.1, 25)])
        turned = np.array([sink_rate(case.weights[::-1], key=key, threshold=e) for e in np.linspace(-0.1, 1.1, 25)])
        worst = max(worst, *np.diff(rates), *-rates, *(rates - 100), *np.abs(rates - turned))
    return float(worst)


@claim(
    statement="""The sink rate applies to attention that is not normalised just as to softmax: where no key is preferred
    there is no sink.""",
    source=GU_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (CausalAttention(np.zeros((1, 64, 64))),),
)
def sink_rate_needs_normalised_attention(logits: CausalAttention) -> float:
    """The sink rate in percent that sigmoid gives to equal logits over that of softmax: 100 over 0, at 64 tokens."""
    return sink_rate(sigmoid_attention(logits.weights)) - sink_rate(softmax_attention(logits.weights))


@claim(
    statement="Without its guard the kurtosis does not change when activations are shifted or scaled.",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=1e-7,
)
def kurtosis_is_invariant(case: Activations) -> float:
    size = np.abs(case.values).max()
    moved = -3.7 * case.values + 0.5 * size
    return relative_error(kurtosis(moved, guard=0.0), kurtosis(case.values, guard=0.0))


@claim(
    statement="Without its guard the kurtosis of B activations is at least ((B - 1) / B)^2, attained by a fair +-1.",
    source=BONDARENKO_2023,
    kind="inequality",
    tolerance=1e-9,
)
def kurtosis_is_bounded_below(case: Activations) -> float:
    entries = case.values.shape[-1]
    return excess(((entries - 1) / entries) ** 2, kurtosis(case.values, guard=0.0))


@claim(
    statement="The infinity norm of activations is absolutely homogeneous and at least their root mean square.",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=1e-12,
)
def infinity_norm_is_a_norm(case: Activations) -> float:
    scaled = relative_error(infinity_norm(-3.7 * case.values), 3.7 * infinity_norm(case.values))
    root = np.sqrt((case.values**2).mean(axis=-1)).mean()
    return max(scaled, excess(root, infinity_norm(case.values)))
