"""Style injection: queries blended between content and style, and channels given another image's mean and deviation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import CHUNG_2023
from theory.validation import finite_array, fraction, require


def blended_attention(
    content: Float[Array, "m d"], style: Float[Array, "m d"], keys: Float[Array, "n d"], share: float
) -> Float[Array, "m n"]:
    """softmax((gamma Q_c + (1 - gamma) Q_s) K^T): queries blended with a share gamma in [0, 1] of content."""
    share = fraction("share", share)
    return softmax((share * content + (1 - share) * style) @ keys.T)


def geometric_mean(first: Float[Array, "m n"], second: Float[Array, "m n"], share: float) -> Float[Array, "m n"]:
    """p^gamma q^{1 - gamma} over its sum, row by row, of positive attention maps."""
    mean = first**share * second ** (1 - share)
    return mean / mean.sum(axis=1, keepdims=True)


def renormalised(content: Float[Array, "n c"], style: Float[Array, "m c"]) -> Float[Array, "n c"]:
    """AdaIN: every channel of content shifted and scaled to the mean and deviation that it has over style."""
    standard = (content - content.mean(axis=0)) / content.std(axis=0)
    return standard * style.std(axis=0) + style.mean(axis=0)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class BlendedQueries:
    """Queries of content and style (m, d), keys (n, d), all logits in +-50, and a share in [0, 1]."""

    content: Float[Array, "m d"]
    style: Float[Array, "m d"]
    keys: Float[Array, "n d"]
    share: float

    def __post_init__(self) -> None:
        keys = finite_array("keys", self.keys, (None, None), leading=False)
        content = finite_array("content", self.content, (None, keys.shape[1]), leading=False)
        style = finite_array("style", self.style, content.shape, leading=False)
        largest = max(np.abs(content @ keys.T).max(), np.abs(style @ keys.T).max())
        require(largest <= 50, f"logits must be in +-50, got {largest}")
        fraction("share", self.share)
        for name, array in (("keys", keys), ("content", content), ("style", style)):
            object.__setattr__(self, name, array)

    def attention(self, share: float) -> Float[Array, "m n"]:
        """At a share of content."""
        return blended_attention(self.content, self.style, self.keys, share)

    def divergence(self, share: float) -> Float[Array, " m"]:
        """KL(p_share || p_content) of every row, in nats."""
        blended, content = self.attention(share), self.attention(1.0)
        return (blended * np.log(blended / content)).sum(axis=1)


@dataclass(frozen=True, eq=False)
class TwoImages:
    """Features of content (n, c) and style (m, c); every channel has a deviation >= 1e-2 of its largest entry."""

    content: Float[Array, "n c"]
    style: Float[Array, "m c"]

    def __post_init__(self) -> None:
        content = finite_array("content", self.content, (None, None), leading=False)
        style = finite_array("style", self.style, (None, content.shape[1]), leading=False)
        for name, array in (("content", content), ("style", style)):
            varies = array.std(axis=0) >= 1e-2 * np.abs(array).max(axis=0)
            require(varies.all(), f"every channel of {name} must vary, got channel {varies.argmin()} that does not")
            object.__setattr__(self, name, array)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Attention of blended queries gamma Q_c + (1 - gamma) Q_s is the normalised geometric mean
    p_c^gamma p_s^{1 - gamma} of the two attention maps.""",
    source=CHUNG_2023,
    kind="identity",
    tolerance=1e-12,
)
def blended_queries_attend_as_a_geometric_mean(case: BlendedQueries) -> float:
    mean = geometric_mean(case.attention(1.0), case.attention(0.0), case.share)
    return relative_error(case.attention(case.share), mean)


@claim(
    statement="""The KL of the blended from the content map falls with gamma at the rate
    (1 - gamma) Var(k . (Q_c - Q_s)), the variance under the blended map.""",
    source=CHUNG_2023,
    kind="identity",
    tolerance=1e-10,
)
def divergence_from_content_falls_at_a_variance(case: BlendedQueries) -> float:
    """Against a complex step through the logarithms of exponentials."""
    step, content = 1e-30, case.content @ case.keys.T
    gap = (case.content - case.style) @ case.keys.T
    gap = gap - gap.mean(axis=1, keepdims=True)
    base = content - content.max(axis=1, keepdims=True)
    moved = base - (1 - case.share - 1j * step) * gap
    grown, plain = np.exp(moved), np.exp(base)
    total = grown.sum(axis=1)
    log_ratio = moved - base - np.log(total / plain.sum(axis=1))[:, None]
    slope = (grown / total[:, None] * log_ratio).sum(axis=1).imag / step
    weights = case.attention(case.share)
    variance = (weights * gap**2).sum(axis=1) - (weights * gap).sum(axis=1) ** 2
    return relative_error(slope, -(1 - case.share) * variance, scale=1e-3)


@claim(
    statement="The more content in a blended query, the smaller the KL of its attention map from the content map.",
    source=CHUNG_2023,
    kind="inequality",
    tolerance=1e-11,
)
def more_content_is_nearer_to_content(case: BlendedQueries) -> float:
    """At the share and half-way from it to 1; a KL below 1e-3 is measured on that scale."""
    further = case.divergence(case.share)
    return excess(case.divergence((1 + case.share) / 2), further, scale=np.maximum(further, 1e-3))


@claim(
    statement="""AdaIN gives content the mean and the deviation of style in every channel, and the result does not
    change when content is scaled by a positive number and shifted.""",
    source=CHUNG_2023,
    kind="identity",
    tolerance=1e-13,
)
def adain_takes_mean_and_deviation_from_style(case: TwoImages) -> float:
    made, size = renormalised(case.content, case.style), np.abs(case.style).max()
    moved = renormalised(2.5 * case.content - 3.0 * np.abs(case.content).max(axis=0), case.style)
    return max(
        relative_error(made.mean(axis=0), case.style.mean(axis=0), scale=size),
        relative_error(made.std(axis=0), case.style.std(axis=0)),
        relative_error(moved, made, scale=size),
    )
