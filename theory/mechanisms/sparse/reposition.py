"""What distance takes from a reference token and aligning its position gives back: rotary and linear-bias positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.structure.rotary import angles, rotate
from theory.numerics import Array
from theory.papers import HE_2024_IR
from theory.validation import finite_array, integer, real, require


def distance_loss(feature: Float[Array, " d"], distance: float) -> float:
    """sum_f |k_f|^2 (1 - cos(theta_f D)): what a distance D takes from the logit of a token equal to the query."""
    sizes = (feature.reshape(-1, 2) ** 2).sum(axis=-1)
    return float(sizes @ (2 * np.sin(0.5 * distance * angles(len(feature))) ** 2))


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class RotatedPair:
    """Query and key (d,), d even, at two positions."""

    query: Float[Array, " d"]
    key: Float[Array, " d"]
    positions: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("query", "key"):
            array = finite_array(name, getattr(self, name), (None,), leading=False)
            require(len(array) % 2 == 0, f"the channels of {name} must come in pairs, got {len(array)}")
            object.__setattr__(self, name, array)

    @property
    def logit(self) -> float:
        """<R_m q, R_n k>."""
        turned = rotate(np.stack([self.query, self.key]), np.array(self.positions), angles(len(self.query)))
        return float(turned[0] @ turned[1])

    @property
    def aligned(self) -> float:
        """<q, k>: the logit at distance 0."""
        return float(self.query @ self.key)


@dataclass(frozen=True, eq=False)
class EqualPair(RotatedPair):
    """Hypothesis: the reference token has the query's features."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.array_equal(self.query, self.key), "query and key must be equal")


@dataclass(frozen=True, eq=False)
class DistantReference:
    """Logits (n,) before any distance bias; the first token is the reference, `distance` away under a slope >= 0."""

    logits: Float[Array, " n"]
    slope: float
    distance: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (None,), leading=False))
        require(len(self.logits) >= 2, "there must be another token beside the reference")
        real("slope", self.slope)
        integer("distance", self.distance, least=0)
        require(self.slope >= 0, f"the slope must be >= 0, got {self.slope}")

    def odds(self, distance: int) -> float:
        """p / (1 - p) of the reference at `distance`."""
        biased = self.logits - self.slope * distance * (np.arange(len(self.logits)) == 0)
        weights = softmax(biased)
        return float(weights[0] / weights[1:].sum())


# --------------------------------------------------------------------------------------------------------------- claims


def _unequal_features() -> tuple[RotatedPair]:
    return (RotatedPair(np.array([1.0, 0.0]), np.array([-1.0, 0.1]), (0.0, 3.0)),)


@claim(
    statement="""Rotary positions take sum_f |k_f|^2 (1 - cos(theta_f D)) from the logit of a token that has the query's
    features and is D positions away.""",
    source=HE_2024_IR,
    kind="identity",
    tolerance=1e-12,
    fails_without=_unequal_features,
)
def rotary_distance_loss_has_a_closed_form(case: EqualPair) -> float:
    distance = case.positions[1] - case.positions[0]
    return relative_error(case.aligned - case.logit, distance_loss(case.key, distance), scale=case.aligned)


@claim(
    statement="Aligning the position of a token that has the query's features never lowers its rotary logit.",
    source=HE_2024_IR,
    kind="inequality",
    tolerance=1e-12,
    fails_without=_unequal_features,
)
def aligning_an_equal_token_never_hurts(case: EqualPair) -> float:
    return excess(case.logit, case.aligned)


@claim(
    statement="""Under a distance bias -a |D| aligning the reference token multiplies its odds against all others by
    e^{a |D|} exactly.""",
    source=HE_2024_IR,
    kind="identity",
    tolerance=1e-12,
)
def aligning_restores_the_odds_of_a_reference(case: DistantReference) -> float:
    """The restored odds against those of the logits themselves."""
    gap = case.logits[0] - logsumexp(case.logits[1:])
    restored = np.log(case.odds(case.distance)) + case.slope * case.distance
    return relative_error(restored, gap, scale=1.0)
