"""Attention weights from a product of Gaussians of the normalised feature: one Gaussian, however many are
multiplied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import IOANNIDES_2024
from theory.validation import finite_array, positive_array, require


def product_of_gaussians(features: ArrayLike, offsets: ArrayLike, widths: ArrayLike) -> Float[Array, " n"]:
    """Normalised weights prod_i exp(-(y_i)^2 / (2 c_i^2)) with y_i = (x - mean - offset_i) / std over `features` (n,).

    Offsets are in units of the features, not of their standard deviation. Written as the plain product over i.
    """
    x = finite_array("features", features, (None,), leading=False)
    offsets = finite_array("offsets", offsets, (None,), leading=False)
    widths = positive_array("widths", widths, offsets.shape, leading=False)
    require(np.ptp(x) > 0, "the features must vary")
    logits = np.zeros(len(x))
    for offset, width in zip(offsets, widths, strict=True):
        logits = logits - ((x - x.mean() - offset) / x.std()) ** 2 / (2.0 * width**2)
    return softmax(logits)


def one_gaussian(offsets: ArrayLike, widths: ArrayLike) -> tuple[float, float]:
    """Offset and width of the single Gaussian that a product equals: the precision is the sum of the 1/c_i^2, the
    offset the mean of the offsets with these weights.
    """
    offsets = finite_array("offsets", offsets, (None,), leading=False)
    precisions = positive_array("widths", widths, offsets.shape, leading=False) ** -2
    return float(precisions @ offsets / precisions.sum()), float(precisions.sum() ** -0.5)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class GaussianHead:
    """A head with offsets and widths (K,) on features (n,) with a standard deviation in [0.1, 10] and |offset| <= 10;
    widths are at least 0.3.
    """

    features: Float[Array, " n"]
    offsets: Float[Array, " K"]
    widths: Float[Array, " K"]

    def __post_init__(self) -> None:
        features = finite_array("features", self.features, (None,), leading=False)
        offsets = finite_array("offsets", self.offsets, (None,), leading=False)
        widths = positive_array("widths", self.widths, offsets.shape, leading=False)
        require(0.1 <= features.std() <= 10, f"the features' standard deviation must be in [0.1, 10], {features.std()}")
        require(np.abs(offsets).max() <= 10, f"offsets must be at most 10 in size, got {np.abs(offsets).max()}")
        require(widths.min() >= 0.3, f"widths must be >= 0.3, got {widths.min()}")
        for name, array in (("features", features), ("offsets", offsets), ("widths", widths)):
            object.__setattr__(self, name, array)

    @property
    def weights(self) -> Float[Array, " n"]:
        """The head's attention."""
        return product_of_gaussians(self.features, self.offsets, self.widths)


@dataclass(frozen=True, eq=False)
class CentredGaussianHead(GaussianHead):
    """Hypothesis: all offsets are 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.offsets.any(), f"the offsets must be 0, got {self.offsets}")


# ---------------------------------------------------------------------------------------------------------- claims


def _two_gaussians() -> Iterator[Any]:
    """log of the product of two less log of the one has no slope in y."""
    import sympy as sp

    y, d1, d2 = sp.symbols("y d1 d2", real=True)
    c1, c2 = sp.symbols("c1 c2", positive=True)
    precision = c1**-2 + c2**-2
    offset = (d1 / c1**2 + d2 / c2**2) / precision
    product = -((y - d1) ** 2) / (2 * c1**2) - (y - d2) ** 2 / (2 * c2**2)
    yield sp.diff(product + (y - offset) ** 2 * precision / 2, y)


@claim(
    statement="""The product of K Gaussians gives the weights of one Gaussian, whose precision is the sum of theirs and
    whose offset is the mean of theirs, weighted by precision.""",
    source=IOANNIDES_2024,
    kind="identity",
    tolerance=1e-12,
    symbolic=_two_gaussians,
)
def product_of_gaussians_is_one_gaussian(case: GaussianHead) -> float:
    offset, width = one_gaussian(case.offsets, case.widths)
    y = (case.features - case.features.mean() - offset) / case.features.std()
    kernel = np.exp(-(y**2 - (y**2).min()) / (2.0 * width**2))
    return relative_error(case.weights, kernel / kernel.sum())


@claim(
    statement="A common shift of the features does not change the weights.",
    source=IOANNIDES_2024,
    kind="identity",
    tolerance=1e-11,
)
def gaussian_weights_are_shift_invariant(case: GaussianHead) -> float:
    moved = product_of_gaussians(case.features + 7.3, case.offsets, case.widths)
    return relative_error(moved, case.weights)


@claim(
    statement="Scaling the features does not change the weights if the offsets are 0.",
    source=IOANNIDES_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (GaussianHead(np.array([0.0, 1.0, 3.0]), np.array([1.0]), np.array([1.0])),),
)
def centred_gaussian_weights_are_scale_invariant(case: CentredGaussianHead) -> float:
    scaled = product_of_gaussians(-3.7 * case.features, case.offsets, case.widths)
    return relative_error(scaled, case.weights)


@claim(
    statement="""Within a head the weights rise to one peak and fall: of three features the middle one never has less
    weight than both others.""",
    source=IOANNIDES_2024,
    kind="inequality",
    tolerance=1e-12,
)
def gaussian_weights_have_one_peak(case: GaussianHead) -> float:
    """The lesser of the largest weights on either side of each feature against its own."""
    sorted_weights = case.weights[np.argsort(case.features, kind="stable")]
    before, after = np.maximum.accumulate(sorted_weights), np.maximum.accumulate(sorted_weights[::-1])[::-1]
    return excess(np.minimum(before, after), sorted_weights)


def _two_centres() -> tuple[GaussianHead]:
    """Two narrow Gaussians at -1 and +1, and features at both centres and between."""
    return (GaussianHead(np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 1.0]), np.array([0.3, 0.3])),)


@claim(
    statement="A head with several Gaussians attends to several separate feature values, and so fits any distribution.",
    source=IOANNIDES_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=_two_centres,
)
def several_gaussians_are_multimodal(case: GaussianHead) -> float:
    """The weight at a feature that is no centre less the largest weight at a centre."""
    centres = np.isclose(case.features[:, None] - case.features.mean(), case.offsets).any(axis=1)
    return float(case.weights[~centres].max() - case.weights[centres].max())
