"""Strip attention: a map that is the product of a row profile and a column profile, and what it cannot localise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import XU_2024
from theory.validation import require

Region = Bool[NDArray[np.bool_], "r c"]


def strip_product(region: ArrayLike) -> Region:
    """The product of the two strips that `region` (rows, columns) touches: pixel (i, j) where row i and column j have
    part of it.
    """
    region = np.asarray(region, dtype=bool)
    return np.outer(region.any(axis=1), region.any(axis=0))


def overlap(first: ArrayLike, second: ArrayLike) -> float:
    """Intersection over union of two regions of the same shape; `ValueError` where both are empty."""
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    require(bool((a | b).any()), "the regions must not both be empty")
    return float((a & b).sum() / (a | b).sum())


def best_strip_map(target: ArrayLike) -> Float[Array, "r c"]:
    """The product u v^T of real profiles that is nearest to `target` in squared error: its leading singular pair."""
    left, values, right = np.linalg.svd(np.asarray(target, dtype=np.float64))
    return values[0] * np.outer(left[:, 0], right[0])


def diagonal_rectangles(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> Region:
    """Rectangles of these sizes that share no row and no column, along the diagonal."""
    rows, columns = (np.repeat(np.arange(len(sizes)), sizes) for sizes in (heights, widths))
    return rows[:, None] == columns[None, :]


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Target:
    """A region that is not empty, of at most 6 x 6 pixels."""

    region: Region

    def __post_init__(self) -> None:
        object.__setattr__(self, "region", np.asarray(self.region, dtype=bool))
        require(self.region.ndim == 2 and max(self.region.shape) <= 6, "the region must be at most 6 x 6")
        require(self.region.any(), "the region must not be empty")


@dataclass(frozen=True, eq=False)
class Rectangles:
    """Rectangles of these heights and widths, at least one, none in another's rows or columns."""

    heights: Int[NDArray[np.int64], " m"]
    widths: Int[NDArray[np.int64], " m"]

    def __post_init__(self) -> None:
        for name in ("heights", "widths"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.int64))
        require(self.heights.shape == self.widths.shape and self.heights.ndim == 1, "every rectangle has both sides")
        require(len(self.heights) > 0 and min(self.heights.min(), self.widths.min()) >= 1, "every side must be >= 1")

    @property
    def region(self) -> Region:
        """Their union."""
        return diagonal_rectangles(self.heights, self.widths)

    @property
    def areas(self) -> Float[Array, " m"]:
        """Height times width of each."""
        return (self.heights * self.widths).astype(float)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Of all products of a set of rows and a set of columns that cover a region, the product of the strips
    that it touches overlaps it most.""",
    source=XU_2024,
    kind="inequality",
    tolerance=1e-12,
)
def strips_are_the_best_covering_product(case: Target) -> float:
    """Against every product set, by enumeration."""
    rows, columns = case.region.shape
    row_sets = (np.arange(2**rows)[:, None] >> np.arange(rows)) & 1
    column_sets = (np.arange(2**columns)[:, None] >> np.arange(columns)) & 1
    inside = row_sets @ case.region @ column_sets.T
    sizes = row_sets.sum(axis=1)[:, None] * column_sets.sum(axis=1)[None, :]
    best = (case.region.sum() / sizes[inside == case.region.sum()]).max()
    return excess(best, overlap(strip_product(case.region), case.region))


@claim(
    statement="""For rectangles of a_i x b_i pixels that share no row and no column the product of strips has an
    intersection over union of sum a_i b_i / (sum a_i sum b_i): 1/m for m equal ones.""",
    source=XU_2024,
    kind="identity",
    tolerance=1e-12,
)
def strips_blur_separate_rectangles(case: Rectangles) -> float:
    formula = case.areas.sum() / (case.heights.sum() * case.widths.sum())
    return relative_error(overlap(strip_product(case.region), case.region), formula)


@claim(
    statement="""No product of two real profiles keeps more of the energy of separate rectangles than the largest one's
    share of the area, and one does: of m equal rectangles it loses 1 - 1/m.""",
    source=XU_2024,
    kind="identity",
    tolerance=1e-12,
)
def best_strip_map_sees_one_rectangle(case: Rectangles) -> float:
    target = case.region.astype(float)
    lost = ((target - best_strip_map(target)) ** 2).sum() / (target**2).sum()
    return relative_error(1.0 - lost, case.areas.max() / case.areas.sum())


@claim(
    statement="Two one-dimensional strips localise the regions of interest exactly.",
    source=XU_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (Rectangles(np.array([1, 1, 1]), np.array([1, 1, 1])),),
)
def strips_localise_regions(case: Rectangles) -> float:
    """The share of the product of strips that is outside the regions: two thirds for three squares on the diagonal."""
    return 1.0 - overlap(strip_product(case.region), case.region)
