"""Attention over objects in place of pixels: an object stands for its pixels, with the logarithm of their number.

Every pixel belongs to one object. `diameter` is the largest distance between two values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.normalisation.perturbation import total_variation_bound
from theory.numerics import Array, diameter
from theory.papers import FANG_2024
from theory.validation import finite_array, positive_array, real, require


def object_attention(
    logits: Float[Array, " o"], sizes: ArrayLike, values: Float[Array, "o v"], *, count: bool = True
) -> Float[Array, " v"]:
    """softmax(logits + log sizes) values over objects; `count=False` leaves the sizes out."""
    sizes = positive_array("sizes", sizes, np.shape(logits), leading=False)
    return softmax(logits + np.log(sizes) if count else logits) @ values


def pooled_objects(
    logits: ArrayLike, values: ArrayLike, object_of: ArrayLike
) -> tuple[Float[Array, " o"], Float[Array, " o"], Float[Array, "o v"]]:
    """Mean logit, size and mean value of every object, from pixels (n,), (n, v) and their object (n,)."""
    logits, values = np.asarray(logits, dtype=np.float64), np.asarray(values, dtype=np.float64)
    _, object_of = np.unique(object_of, return_inverse=True)
    member = (object_of == np.arange(object_of.max() + 1)[:, None]).astype(float)
    sizes = member.sum(axis=1)
    return member @ logits / sizes, sizes, member @ values / sizes[:, None]


def pooling_error_bound(spread: float) -> float:
    """tanh(d/4) + tanh(d^2/32) for logits that spread by at most `spread` d within any object: an upper bound of the
    error in units of the diameter of the values.

    The first term is from weighing an object's pixels equally. The second is from the log-mean-exp of its logits, which
    exceeds their mean by at most d^2/8 (Hoeffding).
    """
    d = real("spread", spread)
    require(d >= 0, f"the spread must be >= 0, got {d!r}")
    return total_variation_bound([0.0, d]) + total_variation_bound([0.0, d**2 / 8.0])


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Pixels:
    """Logits (n,) and values (n, v) of n pixels, values that differ, and the object (n,) of every pixel."""

    logits: Float[Array, " n"]
    values: Float[Array, "n v"]
    object_of: Int[NDArray[np.int64], " n"]

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        values = finite_array("values", self.values, (len(logits), None), leading=False)
        require(diameter(values) > 1e-6 * np.abs(values).max(), "the values must differ")
        require(np.shape(self.object_of) == logits.shape, f"every pixel needs an object, got {self.object_of!r}")
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "object_of", np.asarray(self.object_of, dtype=np.int64))

    @property
    def spread(self) -> float:
        """The largest range of the logits within an object."""
        return float(max(np.ptp(self.logits[self.object_of == o]) for o in np.unique(self.object_of)))

    @property
    def pixel_output(self) -> Float[Array, " v"]:
        """Attention over pixels."""
        return softmax(self.logits) @ self.values

    def object_output(self, *, count: bool = True) -> Float[Array, " v"]:
        """Attention over pooled objects."""
        return object_attention(*pooled_objects(self.logits, self.values, self.object_of), count=count)


@dataclass(frozen=True, eq=False)
class SpreadPixels(Pixels):
    """Hypothesis: within some object logits spread, by at least 1e-3."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.spread >= 1e-3, f"the logits of some object must spread by at least 1e-3, got {self.spread:g}")


@dataclass(frozen=True, eq=False)
class UniformPixels(Pixels):
    """Hypothesis: within an object all pixels have the same logit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.spread == 0, f"logits must be equal within an object, got a spread of {self.spread:g}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Where the pixels of an object have equal logits, attention over pixels is attention over objects with
    mean values and the logarithm of their size added to the logits.""",
    source=FANG_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (Pixels(np.array([0.0, 2.0, 0.0]), np.eye(3), np.array([0, 0, 1])),),
)
def object_attention_counts_pixels(case: UniformPixels) -> float:
    return relative_error(case.object_output(), case.pixel_output, scale=float(np.abs(case.values).max()))


@claim(
    statement="""Pooling objects whose logits spread by at most d moves the output of attention by at most the diameter
    of the values times tanh(d/4) + tanh(d^2/32); two pixels approach this as d vanishes.""",
    source=FANG_2024,
    kind="inequality",
    tolerance=1e-11,
)
def pooling_objects_costs_little(case: SpreadPixels) -> float:
    error = np.linalg.norm(case.pixel_output - case.object_output()) / diameter(case.values)
    return excess(error, pooling_error_bound(case.spread))


@claim(
    statement="Attention over objects needs no sizes: it is attention over their pixels.",
    source=FANG_2024,
    kind="refuted",
    tolerance=0.3,
    counterexample=lambda: (UniformPixels(np.zeros(10), np.eye(2)[[0] + [1] * 9], np.array([0] + [1] * 9)),),
)
def object_attention_needs_no_sizes(case: UniformPixels) -> float:
    """Objects of 1 and 9 pixels weigh 0.5 each without sizes, 0.1 and 0.9 with them."""
    return relative_error(case.object_output(count=False), case.pixel_output)
