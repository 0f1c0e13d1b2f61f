"""The noise that the rest of a batch puts into a normalised activation, and group normalisation, which has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import XU_2024
from theory.validation import finite_array, integer, real, require


def batch_norm(batch: ArrayLike) -> Float[Array, "b c"]:
    """(x - mean) / standard deviation over the batch (first axis), channel by channel; no channel may be constant."""
    batch = finite_array("batch", batch, (None, None), leading=False)
    spread = batch.std(axis=0)
    require((spread > 0).all(), "every channel must vary over the batch")
    return (batch - batch.mean(axis=0)) / spread


def group_norm(batch: ArrayLike, groups: int) -> Float[Array, "b c"]:
    """(x - mean) / standard deviation over each of `groups` groups of neighbouring channels, sample by sample."""
    batch = finite_array("batch", batch, (None, None), leading=False)
    require(batch.shape[1] % integer("groups", groups, least=1) == 0, "the groups must divide the channels")
    split = batch.reshape(len(batch), groups, -1)
    spread = split.std(axis=-1, keepdims=True)
    require((spread > 0).all(), "every group must vary within every sample")
    return ((split - split.mean(axis=-1, keepdims=True)) / spread).reshape(batch.shape)


def batch_norm_variance(value: float, batch: int, *, nodes: int = 60) -> float:
    """Variance of a sample's batch-normalised `value` x over its B - 1 >= 3 standard normal batch-mates.

    The output is sqrt(B-1) t / sqrt(S + t^2), where t = sqrt((B-1)/B) (x - mean of the mates) is normal and S, the
    mates' sum of squares about their mean, is chi^2 with B - 2 degrees of freedom and independent of it: a double
    integral, Gauss-Hermite in t by Gauss-Legendre in log S.
    """
    x, mates = real("value", value), integer("batch", batch, least=4) - 1
    normal, weight = np.polynomial.hermite_e.hermegauss(nodes)
    t = np.sqrt(mates / (mates + 1.0)) * (x + normal / np.sqrt(mates))
    shape = (mates - 1) / 2.0
    unit, legendre = np.polynomial.legendre.leggauss(2 * nodes)
    log_ratio = 12.0 / np.sqrt(shape) * unit  # log(S / 2 shape), twelve standard deviations each way
    density = legendre * np.exp(shape * (log_ratio - np.expm1(log_ratio)))
    output = np.sqrt(mates) * t[:, None] / np.sqrt(2.0 * shape * np.exp(log_ratio) + t[:, None] ** 2)
    joint = (weight / weight.sum())[:, None] * (density / density.sum())
    return float((joint * (output - (joint * output).sum()) ** 2).sum())


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class BatchedValue:
    """A sample's value |x| <= 3 before batch normalisation."""

    value: float

    def __post_init__(self) -> None:
        require(abs(real("value", self.value)) <= 3, f"the value must be at most 3 in size, got {self.value!r}")


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch (B, C), B >= 2 and C even, that varies over samples and within every half of a sample's channels."""

    values: Float[Array, "b c"]

    def __post_init__(self) -> None:
        values = finite_array("values", self.values, (None, None), leading=False)
        require(len(values) >= 2 and values.shape[1] % 2 == 0, "there must be 2 samples and an even number of channels")
        halves = values.reshape(len(values), 2, -1)
        least = min(values.std(axis=0).min(), halves.std(axis=-1).min())
        require(least > 1e-6 * np.abs(values).max(), "channels and halves of samples must vary")
        object.__setattr__(self, "values", values)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""With standard normal batch-mates the variance of a batch-normalised value x is
    (1 + x^2/2)/B + (3 - x^2/8 - 3 x^4/2)/B^2 + O(B^-3).""",
    source=XU_2024,
    kind="limit",
    tolerance=1e-3,
)
def batch_norm_noise_is_known(case: BatchedValue) -> float:
    """B^2 times the variance less its leading term, against the next coefficient, at B = 65,536."""
    x, size = case.value, 2**16
    rest = size * (size * batch_norm_variance(x, size) - (1.0 + x**2 / 2.0))
    return relative_error(rest, 3.0 - x**2 / 8.0 - 1.5 * x**4, scale=3.0)


@claim(
    statement="A batch-normalised value is at most sqrt(B - 1), which a single outlier attains.",
    source=XU_2024,
    kind="inequality",
    tolerance=1e-11,
)
def batch_norm_is_bounded_by_the_batch(case: Batch) -> float:
    return excess(np.abs(batch_norm(case.values)).max(), np.sqrt(len(case.values) - 1.0))


@claim(
    statement="""Group normalisation of a sample is the same whatever else is in the batch, and does not change when the
    sample is shifted or scaled.""",
    source=XU_2024,
    kind="identity",
    tolerance=1e-9,
)
def group_norm_has_no_batch_noise(case: Batch) -> float:
    together = group_norm(case.values, 2)
    alone = group_norm(2.5 * case.values[:1] + np.abs(case.values).max(), 2)
    return relative_error(alone, together[:1])


@claim(
    statement="Batch normalisation of a sample does not depend on the rest of the batch.",
    source=XU_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (Batch(np.array([[1.0, 2.0], [0.0, 3.0], [20.0, -40.0]])[:, [0, 1, 0, 1]]),),
)
def batch_norm_has_no_batch_noise(case: Batch) -> float:
    """The first sample normalised with the whole batch and with the second sample only."""
    return relative_error(batch_norm(case.values[:2])[0], batch_norm(case.values)[0])
