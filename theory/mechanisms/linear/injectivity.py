"""Which queries share their attention weights: linear attention forgets a query's length, softmax only the rank gap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import HAN_2024
from theory.validation import finite_array, positive_array, require

FeatureMap = Callable[[Array], Array]


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0.0)


def focused_relu(x: Array) -> Array:
    """relu(x)^3, rescaled to the length of relu(x): sharper, and still phi(c x) = c phi(x)."""
    positive = relu(x)
    length = np.linalg.norm(positive**3, axis=-1, keepdims=True)
    return positive**3 * np.linalg.norm(positive, axis=-1, keepdims=True) / np.where(length == 0, 1.0, length)


HOMOGENEOUS: dict[str, FeatureMap] = {
    "relu": relu,
    "absolute value": np.abs,
    "focused relu": focused_relu,
}
"""Non-negative feature maps with phi(c x) = c phi(x) for c > 0."""


def linear_weights(features: Float[Array, " r"], key_features: Float[Array, "n r"]) -> Float[Array, " n"]:
    """phi(q) . phi(k_j) / sum_k phi(q) . phi(k_k), for features that give no zero sum."""
    scores = key_features @ features
    return scores / scores.sum()


def subtracted_weights(features: Float[Array, " r"], key_features: Float[Array, "n r"]) -> Float[Array, " n"]:
    """phi(q) . phi(k_j) - mean_k phi(q) . phi(k_k) + 1 / n: sums to one, may be negative."""
    scores = key_features @ features
    return scores - scores.mean() + 1 / len(key_features)


def recovered(weights: Float[Array, " n"], keys: Float[Array, "n r"]) -> Float[Array, " r"]:
    """The shortest x with keys . x = weights up to a constant: least squares on centred keys and weights."""
    return np.linalg.lstsq(keys - keys.mean(axis=0), weights - weights.mean(), rcond=1e-10)[0]


@dataclass(frozen=True, eq=False)
class QueryAndKeys:
    """A query (d,) and keys (n, d) with logits of at most 300 in size, so that no weight is rounded to zero."""

    query: Float[Array, " d"]
    keys: Float[Array, "n d"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", finite_array("query", self.query, (None,), leading=False))
        object.__setattr__(self, "keys", finite_array("keys", self.keys, (None, len(self.query)), leading=False))
        largest = np.abs(self.keys @ self.query).max()
        require(largest <= 300, f"logits must be at most 300 in size, got {largest}")

    @property
    def condition(self) -> float:
        """Least singular value of the centred keys over the largest; 0 where there are fewer keys than d + 1."""
        if len(self.keys) <= len(self.query):
            return 0.0
        singular = np.linalg.svd(self.keys - self.keys.mean(axis=0), compute_uv=False)
        return float(singular[-1] / singular[0]) if singular[0] > 0 else 0.0


@dataclass(frozen=True, eq=False)
class SpanningKeys(QueryAndKeys):
    """Hypothesis: the centred keys have full column rank, with singular values within a factor of 1000."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.condition >= 1e-3, f"centred keys must have full column rank, got condition {self.condition}")


@dataclass(frozen=True, eq=False)
class FlatKeys(QueryAndKeys):
    """Hypothesis: the centred keys do not have full column rank."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.condition < 1e-12, f"centred keys must lack full column rank, got condition {self.condition}")


@dataclass(frozen=True, eq=False)
class ScaledQuery:
    """A query (d,), a factor > 0, keys (n, d) and a feature map; the scores of the query must not all vanish."""

    query: Float[Array, " d"]
    factor: float
    keys: Float[Array, "n d"]
    features: FeatureMap

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", finite_array("query", self.query, (None,), leading=False))
        object.__setattr__(self, "keys", finite_array("keys", self.keys, (None, len(self.query)), leading=False))
        require(self.factor > 0, f"the factor must be positive, got {self.factor}")
        total = (self.features(self.keys) @ self.features(self.query)).sum()
        require(total > 1e-100, f"the query's scores must not all vanish, got sum {total}")


@dataclass(frozen=True, eq=False)
class HomogeneouslyScaled(ScaledQuery):
    """Hypothesis: phi(c x) = c phi(x)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = any(self.features is f for f in HOMOGENEOUS.values())
        require(known, f"the feature map must be one of {', '.join(HOMOGENEOUS)}")


@dataclass(frozen=True, eq=False)
class SpanningFeatures:
    """Positive features (r,) of a query and (n, r) of keys. Hypothesis: the latter have full column rank, with singular
    values within a factor of 1000."""

    features: Float[Array, " r"]
    key_features: Float[Array, "n r"]

    def __post_init__(self) -> None:
        features = positive_array("features", self.features, (None,), leading=False)
        keys = positive_array("key_features", self.key_features, (None, len(features)), leading=False)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "key_features", keys)
        condition = np.linalg.cond(keys) if len(keys) >= len(features) else np.inf
        require(condition <= 1e3, f"key features must have full column rank, got condition number {condition}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Linear attention with a 1-homogeneous feature map gives q and c q, c > 0, the same weights: it is not
    injective, and no query can sharpen its attention by growing.""",
    source=HAN_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (ScaledQuery(np.array([1.0, 0.5]), 3.0, np.array([[1.0, 0.0], [0.0, 1.0]]), np.exp),),
)
def scaled_queries_collide_in_linear_attention(case: HomogeneouslyScaled) -> float:
    keys = case.features(case.keys)
    scaled = linear_weights(case.features(case.factor * case.query), keys)
    return relative_error(scaled, linear_weights(case.features(case.query), keys))


@claim(
    statement="""The length of phi(q) is all that division by the sum forgets: if the key features have full column
    rank, least squares on the weights gives back the direction of phi(q).""",
    source=HAN_2024,
    kind="identity",
    tolerance=1e-11,
)
def division_forgets_only_the_length(case: SpanningFeatures) -> float:
    weights = linear_weights(case.features, case.key_features)
    found = np.linalg.lstsq(case.key_features, weights, rcond=None)[0]
    return relative_error(found / np.linalg.norm(found), case.features / np.linalg.norm(case.features))


@claim(
    statement="""Softmax weights determine the query if the centred keys have full column rank: least squares on
    centred log-weights gives it back.""",
    source=HAN_2024,
    kind="identity",
    tolerance=1e-11,
    fails_without=lambda: (QueryAndKeys(np.array([1.0, 1.0]), np.array([[1.0, 2.0], [0.0, 2.0], [3.0, 2.0]])),),
)
def softmax_determines_the_query(case: SpanningKeys) -> float:
    found = recovered(np.log(softmax(case.keys @ case.query)), case.keys)
    return relative_error(found, case.query, scale=1.0)


@claim(
    statement="""Softmax weights determine the query only if the centred keys have full column rank: otherwise
    queries that differ along a direction in which the keys agree share their weights.""",
    source=HAN_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (SpanningKeys(np.array([1.0, 1.0]), np.array([[1.0, 2.0], [0.0, 1.0], [3.0, -2.0]])),),
)
def flat_keys_collide_in_softmax(case: FlatKeys) -> float:
    unseen = np.linalg.svd(case.keys - case.keys.mean(axis=0))[2][-1]
    moved = case.query + 3.0 * unseen
    return relative_error(softmax(case.keys @ moved), softmax(case.keys @ case.query))


@claim(
    statement="""Normalised by subtraction, linear attention has weights that sum to one and determine phi(q), if the
    centred key features have full column rank (here the instance's vectors are the features).""",
    source=HAN_2024,
    kind="identity",
    tolerance=1e-11,
    fails_without=lambda: (QueryAndKeys(np.array([1.0, 1.0]), np.array([[1.0, 2.0], [0.0, 2.0], [3.0, 2.0]])),),
)
def subtracted_weights_determine_the_features(case: SpanningKeys) -> float:
    weights = subtracted_weights(case.query, case.keys)
    size = max(1.0, float(np.abs(weights).max()))
    error = relative_error(recovered(weights, case.keys), case.query, scale=1.0)
    return max(abs(weights.sum() - 1.0) / size, error)


@claim(
    statement="""Subtraction in place of division makes linear attention injective in the query, whatever the feature
    map.""",
    source=HAN_2024,
    kind="refuted",
    tolerance=0.4,
    counterexample=lambda: (
        SpanningKeys(np.array([-2.0, 1.0]), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0], [1.0, 1.0]])),
    ),
)
def subtracted_weights_determine_the_query(case: SpanningKeys) -> float:
    """With ReLU features (-2, 1) and (0, 1) share their weights; what is recovered is the latter."""
    weights = subtracted_weights(relu(case.query), relu(case.keys))
    return relative_error(recovered(weights, relu(case.keys)), case.query)
