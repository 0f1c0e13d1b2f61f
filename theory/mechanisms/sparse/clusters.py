"""Routing by clusters: a token attends to the tokens that have the same nearest centroid, on the unit sphere.

The centroids are given: how online k-means finds them, and how it keeps clusters equally large, is not part of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from theory.attention import attend
from theory.claims import claim, excess, relative_error
from theory.masks import same_group
from theory.mechanisms.counting import multiplications
from theory.numerics import Array
from theory.papers import ROY_2020
from theory.validation import finite_array, integer, require


def largest_dot(tokens: Float[Array, "n d"], centroids: Float[Array, "c d"]) -> Int[NDArray[np.int64], " n"]:
    """For every token the centroid of largest dot product, the first one among equals."""
    return np.asarray(tokens @ centroids.T).argmax(axis=-1)


def clustered_attention(
    tokens: Float[Array, "n d"], values: Float[Array, "n v"], centroids: Float[Array, "c d"]
) -> Float[Array, "n v"]:
    """Attention inside every cluster; the tokens are queries and keys at once."""
    cluster, mixed = largest_dot(tokens, centroids), np.empty(values.shape)
    for label in np.unique(cluster):
        own = cluster == label
        mixed[own] = attend(tokens[own], tokens[own], values[own])
    return mixed


def cluster_cost(length: int, sizes: Int[NDArray[np.int64], " c"], channels: int, value_channels: int) -> float:
    """n c d + sum_c m_c^2 (d + v) multiplications: routing to c centroids, then attention in clusters of m_c tokens."""
    return float(length * len(sizes) * channels + (np.asarray(sizes) ** 2).sum() * (channels + value_channels))


def best_cluster_count(length: float, channels: int, value_channels: int) -> float:
    """c = sqrt(n (d + v) / d): sqrt(n) where the scores alone are counted (v = 0), sqrt(2n) where v = d."""
    return float(np.sqrt(length * (1 + value_channels / channels)))


def least_cluster_cost(length: float, channels: int, value_channels: int) -> float:
    """2 n^{3/2} sqrt(d (d + v))."""
    return float(2 * length**1.5 * np.sqrt(channels * (channels + value_channels)))


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Clustered:
    """Tokens (n, d), not zero, their values (n, v) and centroids (c, d)."""

    tokens: Float[Array, "n d"]
    values: Float[Array, "n v"]
    centroids: Float[Array, "c d"]

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        values = finite_array("values", self.values, (len(tokens), None), leading=False)
        centroids = finite_array("centroids", self.centroids, (None, tokens.shape[1]), leading=False)
        for name, array in (("tokens", tokens), ("values", values), ("centroids", centroids)):
            object.__setattr__(self, name, array)

    @property
    def sizes(self) -> Int[NDArray[np.int64], " c"]:
        """How many tokens every cluster has."""
        return np.bincount(largest_dot(self.tokens, self.centroids), minlength=len(self.centroids))


@dataclass(frozen=True, eq=False)
class SphericalClusters(Clustered):
    """Hypothesis: tokens and centroids have norm 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tokens", "centroids"):
            norms = np.linalg.norm(getattr(self, name), axis=-1)
            require(np.allclose(norms, 1.0, rtol=0, atol=1e-12), f"{name} must have norm 1, got {norms[0]}")


@dataclass(frozen=True, eq=False)
class ClusterMates:
    """Two unit vectors (d,), at least 1e-3 apart so that distances are more than rounding, and a centroid (d,)."""

    first: Float[Array, " d"]
    second: Float[Array, " d"]
    centroid: Float[Array, " d"]

    def __post_init__(self) -> None:
        centroid = finite_array("centroid", self.centroid, (None,), leading=False)
        object.__setattr__(self, "centroid", centroid)
        for name in ("first", "second"):
            array = finite_array(name, getattr(self, name), (len(centroid),), leading=False)
            require(abs(np.linalg.norm(array) - 1.0) < 1e-12, f"{name} must have norm 1, got {np.linalg.norm(array)}")
            object.__setattr__(self, name, array)
        apart = np.linalg.norm(self.first - self.second)
        require(apart >= 1e-3, f"the vectors must be at least 1e-3 apart, got {apart}")

    @property
    def radius(self) -> float:
        """The larger distance from the centroid."""
        return float(max(np.linalg.norm(x - self.centroid) for x in (self.first, self.second)))


@dataclass(frozen=True, eq=False)
class SphericalMates(ClusterMates):
    """Hypotheses: the centroid has norm 1 too, and both vectors are at most sqrt(2) away from it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        norm = np.linalg.norm(self.centroid)
        require(abs(norm - 1.0) < 1e-12, f"the centroid must have norm 1, got {norm}")
        require(self.radius <= np.sqrt(2), f"the radius must be at most sqrt(2), got {self.radius}")


@dataclass(frozen=True)
class ClusterPlan:
    """Sizes of c clusters, at least one token altogether, and the channels of keys and values."""

    sizes: tuple[int, ...]
    channels: int
    value_channels: int

    def __post_init__(self) -> None:
        require(len(self.sizes) >= 1 and sum(self.sizes) >= 1, "there must be a token")
        for size in self.sizes:
            integer("size", size, least=0)
        integer("channels", self.channels, least=1)
        integer("value_channels", self.value_channels, least=0)


# --------------------------------------------------------------------------------------------------------------- claims


def _long_centroid() -> tuple[Clustered]:
    return (Clustered(np.array([[1.0, 0.0]]), np.ones((1, 1)), np.array([[1.0, 0.0], [4.0, 3.0]])),)


def _twice_the_angle() -> list[Any]:
    """Opposite mates stand at twice the angle whose cosine is 1 - r^2/2."""
    import sympy as sp

    r = sp.symbols("r", positive=True)
    return [2 * (1 - r**2 / 2) ** 2 - 1 - (1 - 2 * r**2 + r**4 / 2)]


def _at_the_best_number() -> list[Any]:
    """c equal clusters cost the least where n = c^2 d / (d + v)."""
    import sympy as sp

    c, d, v = sp.symbols("c d v", positive=True)
    n = c**2 * d / (d + v)
    return [n * c * d + n**2 / c * (d + v) - 2 * sp.sqrt(n) ** 3 * sp.sqrt(d * (d + v))]


@claim(
    statement="On the unit sphere the nearest centroid is the one of largest dot product: |x - c|^2 = 2 - 2 x . c.",
    source=ROY_2020,
    kind="identity",
    tolerance=1e-12,
    fails_without=_long_centroid,
)
def nearest_centroid_has_the_largest_dot(case: SphericalClusters) -> float:
    """The squared distance to the centroid of largest dot product beyond the least one."""
    squares = ((case.tokens[:, None, :] - case.centroids[None, :, :]) ** 2).sum(axis=-1)
    chosen = np.take_along_axis(squares, largest_dot(case.tokens, case.centroids)[:, None], axis=-1)
    return float((chosen[:, 0] - squares.min(axis=-1)).max())


@claim(
    statement="""Unit vectors within r of one centroid, wherever it lies, satisfy x . y >= 1 - 2 r^2; attained where the
    centroid is their mean.""",
    source=ROY_2020,
    kind="inequality",
    tolerance=1e-13,
)
def cluster_mates_have_a_large_dot(case: ClusterMates) -> float:
    """As 1 - x . y <= 2 r^2."""
    apart = 0.5 * ((case.first - case.second) ** 2).sum()
    return excess(apart, 2 * case.radius**2)


@claim(
    statement="""If the centroid lies on the sphere as well, unit vectors within r <= sqrt(2) of it satisfy
    x . y >= 1 - 2 r^2 + r^4 / 2, attained on opposite sides of it.""",
    source=ROY_2020,
    kind="inequality",
    tolerance=1e-11,
    symbolic=_twice_the_angle,
    fails_without=lambda: (ClusterMates(np.array([0.6, 0.8]), np.array([0.6, -0.8]), np.array([0.6, 0.0])),),
)
def mates_of_a_spherical_centroid_have_a_larger_dot(case: SphericalMates) -> float:
    """As 1 - x . y <= 2 r^2 - r^4 / 2."""
    apart = 0.5 * ((case.first - case.second) ** 2).sum()
    return excess(apart, 2 * case.radius**2 - 0.5 * case.radius**4)


@claim(
    statement="Attention inside clusters is dense attention under the mask of equal nearest centroids.",
    source=ROY_2020,
    kind="identity",
    tolerance=1e-12,
)
def cluster_routing_is_masked_dense_attention(case: Clustered) -> float:
    mask = same_group(largest_dot(case.tokens, case.centroids))
    dense = attend(case.tokens, case.tokens, case.values, mask)
    return relative_error(clustered_attention(case.tokens, case.values, case.centroids), dense)


@claim(
    statement="Routing by clusters of m_c tokens makes n c d + sum_c m_c^2 (d + v) multiplications.",
    source=ROY_2020,
    kind="identity",
    tolerance=0.0,
)
def cluster_routing_cost_is_counted(case: Clustered) -> float:
    counted = multiplications(clustered_attention, case.tokens, case.values, case.centroids)
    (length, channels), value_channels = case.tokens.shape, case.values.shape[1]
    return relative_error(counted, cluster_cost(length, case.sizes, channels, value_channels))


@claim(
    statement="""Whatever the clusters, routing costs at least 2 n^{3/2} sqrt(d (d + v)), attained by
    c = sqrt(n (d + v) / d) equal ones.""",
    source=ROY_2020,
    kind="inequality",
    tolerance=1e-12,
    symbolic=_at_the_best_number,
)
def cluster_routing_costs_at_least_n_to_three_halves(case: ClusterPlan) -> float:
    length, sizes = sum(case.sizes), np.array(case.sizes)
    least = least_cluster_cost(length, case.channels, case.value_channels)
    return excess(least, cluster_cost(length, sizes, case.channels, case.value_channels))
