"""Readable references for causal attention and its variants: from logits (..., T, T) to weights, in numpy.

Row i is the query, column j the key; keys j > i are masked, and their weight is exactly 0. A variant may give weights
that do not sum to 1, which is how it lets a head do nothing without a sink.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.masks import causal
from theory.numerics import Array
from theory.papers import BONDARENKO_2023, GU_2024, GUO_2024
from theory.validation import finite_array, real, require


def softmax_attention(logits: ArrayLike) -> Float[Array, "*b t t"]:
    """e^{l_ij} / sum_{k <= i} e^{l_ik}: rows sum to 1."""
    logits = causal_logits(logits)
    return softmax(logits, causal(logits.shape[-1]))


def relu_attention(logits: ArrayLike) -> Float[Array, "*b t t"]:
    """max(l_ij, 0) / i, with i the number of visible keys (counted from 1)."""
    logits = causal_logits(logits)
    keys = np.arange(1.0, logits.shape[-1] + 1)[:, None]
    return np.where(_visible(logits), np.maximum(logits, 0.0), 0.0) / keys


def sigmoid_attention(logits: ArrayLike) -> Float[Array, "*b t t"]:
    """sigmoid(l_ij), not normalised."""
    logits = causal_logits(logits)
    return np.where(_visible(logits), expit(logits), 0.0)


def clipped_softmax_attention(logits: ArrayLike, *, gamma: float, zeta: float = 1.0) -> Float[Array, "*b t t"]:
    """clip((zeta - gamma) p + gamma, 0, 1) of the softmax weights p, with gamma <= 0 and zeta >= 1."""
    gamma, zeta = real("gamma", gamma), real("zeta", zeta)
    if gamma > 0:
        raise ValueError(f"gamma must be <= 0, got {gamma!r}")
    if zeta < 1:
        raise ValueError(f"zeta must be >= 1, got {zeta!r}")
    weights = softmax_attention(logits)
    return np.where(_visible(weights), np.clip((zeta - gamma) * weights + gamma, 0.0, 1.0), 0.0)


def off_by_one_attention(logits: ArrayLike) -> Float[Array, "*b t t"]:
    """e^{l_ij} / (1 + sum_{k <= i} e^{l_ik}): rows sum to less than 1."""
    logits = causal_logits(logits)
    return key_bias_attention(logits, bias=np.zeros(logits.shape[-1]))[..., 1:]


def key_bias_attention(logits: ArrayLike, *, bias: ArrayLike) -> Float[Array, "*b t k"]:
    """Softmax with one more key in front, T + 1 columns: its logit is `bias` (T,) per query and its value is zero."""
    logits = causal_logits(logits)
    extra = finite_array("bias", bias, (logits.shape[-1],), leading=False)
    masked = np.where(_visible(logits), logits, -np.inf)
    columns = np.broadcast_to(extra[:, None], (*logits.shape[:-1], 1))
    return softmax(np.concatenate([columns, masked], axis=-1))


def gated_output(output: ArrayLike, gate: ArrayLike) -> Float[Array, "*b t d"]:
    """sigmoid(gate) * output: attention output (..., T, d) under one gate logit (..., T) per query."""
    output = finite_array("output", output, (None, None))
    gate = finite_array("gate", gate, (output.shape[-2],))
    if gate.shape != output.shape[:-1]:
        raise ValueError(f"gate must have shape {output.shape[:-1]}, got shape {gate.shape}")
    return expit(gate)[..., None] * output


def causal_logits(logits: ArrayLike) -> Float[Array, "*b t t"]:
    """Finite logits of shape (..., T, T); `ValueError` or `TypeError` otherwise."""
    array = finite_array("logits", logits, (None, None))
    if array.shape[-1] != array.shape[-2]:
        raise ValueError(f"logits must have shape (..., T, T), got shape {array.shape}")
    return array


def _visible(logits: Array) -> NDArray[np.bool_]:
    return causal(logits.shape[-1])


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class CausalLogits:
    """Any finite logits (T, T)."""

    logits: Float[Array, "t t"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", causal_logits(self.logits))


@dataclass(frozen=True, eq=False)
class DormantLogits(CausalLogits):
    """Hypothesis: all logits are <= 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.logits <= 0).all().item(), f"logits must be <= 0, got {self.logits.max()}")


@dataclass(frozen=True, eq=False)
class ClippedLogits(CausalLogits):
    """Hypotheses: gamma <= 0 and zeta >= 1."""

    gamma: float
    zeta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.gamma <= 0, f"gamma must be <= 0, got {self.gamma}")
        require(self.zeta >= 1, f"zeta must be >= 1, got {self.zeta}")

    @property
    def weights(self) -> Float[Array, "t t"]:
        """The clipped attention."""
        return clipped_softmax_attention(self.logits, gamma=self.gamma, zeta=self.zeta)


@dataclass(frozen=True, eq=False)
class GatedOutput:
    """Any attention output (T, d) with gate logits (T,)."""

    output: Float[Array, "t d"]
    gate: Float[Array, " t"]

    def __post_init__(self) -> None:
        gated_output(self.output, self.gate)


# ---------------------------------------------------------------------------------------------------------- claims

NEAR = 1e-12  # probabilities this close to a threshold may round to either side


def _disagreements(clipped: NDArray[np.bool_], beyond: NDArray[np.bool_], distance: Array) -> float:
    """The number of visible entries on which two verdicts differ, apart from those within `NEAR` of the threshold."""
    return float(((clipped != beyond) & (np.abs(distance) >= NEAR) & _visible(distance)).sum())


@claim(
    statement="""Clipped softmax gives exactly 0 iff the softmax weight is at most -gamma / (zeta - gamma), for
    gamma < 0.""",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=0.0,
)
def clipped_weight_is_zero_below_its_threshold(case: ClippedLogits) -> float:
    """The number of entries that disagree; where the weight is within 1e-12 of the threshold none counts."""
    weights, threshold = softmax_attention(case.logits), -case.gamma / (case.zeta - case.gamma)
    return _disagreements(case.weights == 0, weights <= threshold, weights - threshold)


@claim(
    statement="Clipped softmax gives exactly 1 iff the softmax weight is at least (1 - gamma) / (zeta - gamma).",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=0.0,
)
def clipped_weight_is_one_above_its_threshold(case: ClippedLogits) -> float:
    """As for 0."""
    weights, threshold = softmax_attention(case.logits), (1 - case.gamma) / (case.zeta - case.gamma)
    return _disagreements(case.weights == 1, weights >= threshold, weights - threshold)


@claim(
    statement="Clipped softmax weights lie in [0, 1], grow with the softmax weights of a row, and are 0 where masked.",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=1e-12,
)
def clipped_weight_is_monotone(case: ClippedLogits) -> float:
    """The largest drop from one key to the key with the next larger softmax weight, or excursion from [0, 1]."""
    order = np.argsort(softmax_attention(case.logits), axis=-1)
    drops = -np.diff(np.take_along_axis(case.weights, order, axis=-1), axis=-1)
    excursions = np.maximum(-case.weights, case.weights - 1)
    hidden = np.where(_visible(case.weights), 0.0, np.abs(case.weights))
    return float(max(0.0, *drops.flat, excursions.max(), hidden.max()))


@claim(
    statement="Clipped softmax with gamma = 0 and zeta = 1 is softmax.",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=1e-14,
)
def unclipped_softmax_is_softmax(case: CausalLogits) -> float:
    plain = clipped_softmax_attention(case.logits, gamma=0.0, zeta=1.0)
    return relative_error(plain, softmax_attention(case.logits), scale=1.0)


@claim(
    statement="""Clipped softmax lets a head do nothing without a sink: a row of n equal logits has output exactly 0 iff
    1/n <= -gamma / (zeta - gamma), for gamma < 0.""",
    source=BONDARENKO_2023,
    kind="identity",
    tolerance=0.0,
)
def clipped_uniform_rows_vanish(case: ClippedLogits) -> float:
    """The number of row lengths n up to T that disagree, rounding apart."""
    keys = np.arange(1, len(case.logits) + 1)
    threshold = -case.gamma / (case.zeta - case.gamma)
    weights = clipped_softmax_attention(np.zeros_like(case.logits), gamma=case.gamma, zeta=case.zeta)
    silent, doubtful = (weights == 0).all(axis=-1), np.abs(1 / keys - threshold) < NEAR
    return float(((silent != (1 / keys <= threshold)) & ~doubtful).sum())


def _positive_logits() -> tuple[CausalLogits]:
    return (CausalLogits(np.array([[0.5, 0.0], [-1.0, 2.0]])),)


@claim(
    statement="ReLU attention is exactly 0 on rows whose logits are all <= 0: a dormant head needs no sink.",
    source=GUO_2024,
    kind="identity",
    tolerance=0.0,
    fails_without=_positive_logits,
)
def relu_rows_go_dormant(case: DormantLogits) -> float:
    return float(np.abs(relu_attention(case.logits)).max())


@claim(
    statement="Softmax off by one is softmax with one more key of logit 0, whose value is zero.",
    source=GU_2024,
    kind="identity",
    tolerance=1e-13,
)
def off_by_one_is_a_zero_key(case: CausalLogits) -> float:
    """Against e^l / (1 + sum e^l), written with the row's largest logit factored out."""
    top = np.maximum(np.where(_visible(case.logits), case.logits, -np.inf).max(axis=-1, keepdims=True), 0.0)
    grown = np.where(_visible(case.logits), np.exp(np.minimum(case.logits - top, 0.0)), 0.0)
    expected = grown / (np.exp(-top) + grown.sum(axis=-1, keepdims=True))
    return relative_error(off_by_one_attention(case.logits), expected, scale=1.0)


@claim(
    statement="A bias key with zero value takes the same share of every key: the weights are (1 - its own) softmax.",
    source=GU_2024,
    kind="identity",
    tolerance=1e-13,
)
def key_bias_scales_softmax(case: CausalLogits) -> float:
    weights = key_bias_attention(case.logits, bias=np.diag(case.logits))
    kept = weights[..., 1:].sum(axis=-1, keepdims=True)
    return relative_error(weights[..., 1:], kept * softmax_attention(case.logits), scale=1.0)


@claim(
    statement="An output gate never enlarges the norm of a head's output.",
    source=BONDARENKO_2023,
    kind="inequality",
    tolerance=1e-14,
)
def gate_never_enlarges(case: GatedOutput) -> float:
    gated = gated_output(case.output, case.gate)
    return excess(np.linalg.norm(gated, axis=-1), np.linalg.norm(case.output, axis=-1))
