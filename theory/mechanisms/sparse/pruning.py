"""Keeping some keys of a query and renormalising: the dropped mass decides the error."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.numerics import Array, diameter
from theory.papers import LEE_2024, ROY_2020, ZHU_2023
from theory.validation import finite_array, require

Kept = Bool[NDArray[np.bool_], " n"]


def top(scores: Float[Array, " n"], count: int) -> Kept:
    """The `count` largest scores, the first ones among equals."""
    kept = np.zeros(len(scores), dtype=bool)
    kept[np.argsort(-scores, kind="stable")[:count]] = True
    return kept


def dropped_mass(logits: Float[Array, " n"], kept: Kept) -> float:
    """m = sum of softmax weights that are not kept."""
    return float(softmax(logits)[~kept].sum())


def pruned_output(logits: Float[Array, " n"], values: Float[Array, "n v"], kept: Kept) -> Float[Array, " v"]:
    """Attention over the kept keys alone."""
    return softmax(logits[kept]) @ values[kept]


# ------------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class PrunedQuery:
    """Logits (n,) and values (n, v) of one query and which keys are kept: at least one, not all."""

    logits: Float[Array, " n"]
    values: Float[Array, "n v"]
    kept: Kept

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None,), leading=False)
        object.__setattr__(self, "logits", logits)
        object.__setattr__(self, "values", finite_array("values", self.values, (len(logits), None), leading=False))
        require(self.kept.shape == logits.shape, f"kept must have one entry a key, got shape {self.kept.shape}")
        require(self.kept.any() and not self.kept.all(), "some keys must be kept and some dropped")

    @property
    def change(self) -> Float[Array, " v"]:
        """Full output minus pruned output, from values relative to the first, which rounds less and changes nothing."""
        relative = self.values - self.values[0]
        return softmax(self.logits) @ relative - pruned_output(self.logits, relative, self.kept)


# --------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Pruning changes the output by m (o_dropped - o_kept): the dropped mass times the difference of what the
    dropped and the kept keys would give alone.""",
    source=LEE_2024,
    also=(ROY_2020, ZHU_2023),
    kind="identity",
    tolerance=1e-12,
)
def pruning_moves_the_output_by_the_dropped_mass(case: PrunedQuery) -> float:
    apart = pruned_output(case.logits, case.values, ~case.kept) - pruned_output(case.logits, case.values, case.kept)
    predicted = dropped_mass(case.logits, case.kept) * apart
    return relative_error(case.change, predicted, scale=np.abs(case.values).max())


@claim(
    statement="Pruning changes the output by at most the dropped mass times the diameter of the values.",
    source=LEE_2024,
    also=(ROY_2020, ZHU_2023),
    kind="inequality",
    tolerance=1e-9,
)
def pruning_error_is_at_most_mass_times_diameter(case: PrunedQuery) -> float:
    bound = dropped_mass(case.logits, case.kept) * diameter(case.values)
    return excess(float(np.linalg.norm(case.change)), bound)


@claim(
    statement="""Of all sets of k keys the k largest weights drop the least mass, which is the total variation between
    full and pruned attention: the largest error over scalar values of diameter 1.""",
    source=LEE_2024,
    kind="identity",
    tolerance=1e-12,
)
def top_keys_have_the_smallest_worst_error(case: Logits) -> float:
    """The largest deviation between the dropped mass of the top k and the least total variation over all k-sets."""
    worst, places = 0.0, np.arange(len(case.values))
    for count in places[1:]:
        kept = [np.isin(places, chosen) for chosen in combinations(places, int(count))]
        pruned = softmax(np.broadcast_to(case.values, (len(kept), len(places))), np.array(kept))
        variation = 0.5 * np.abs(case.weights - pruned).sum(axis=-1)
        worst = max(worst, abs(variation.min() - dropped_mass(case.values, top(case.values, int(count)))))
    return worst


@claim(
    statement="Keeping the k largest weights gives the smallest error among all sets of k keys, whatever the values.",
    source=LEE_2024,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (
        PrunedQuery(np.log([0.4, 0.35, 0.25]), np.array([[0.0], [1.0], [1.0]]), np.array([True, False, False])),
    ),
)
def top_keys_have_the_smallest_error_for_given_values(case: PrunedQuery) -> float:
    """By how much another single key beats the one of largest weight."""
    full = softmax(case.logits) @ case.values
    errors = np.linalg.norm(full - case.values, axis=-1)
    return float(errors[case.logits.argmax()] - errors.min())
