"""Search asymmetry from training statistics: a model that embeds relative to its training mean.

Items embed as z = x - mean of the training items, of which a share pi is A and the others B. The priority of an item is
beta z_target . z_item, and items are looked at by softmax without return. With D = |A - B|^2, one more distractor costs
sig(-beta (1 - pi) D) looks for A among B, sig(-beta pi D) for B among A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit

from theory.claims import claim, relative_error
from theory.mechanisms.credit.fixations import all_orders, looks_until, scanpath_law
from theory.numerics import Array
from theory.papers import GUPTA_2021
from theory.validation import finite_array, integer, real, require


def embed(items: Float[Array, "n d"], training: Float[Array, "m d"]) -> Float[Array, "n d"]:
    """Items relative to the mean of the training items."""
    return items - training.mean(axis=0)


def search_priorities(target: Float[Array, " d"], items: Float[Array, "n d"], beta: float) -> Float[Array, " n"]:
    """beta z_target . z_item for embedded items."""
    return beta * items @ target


def set_size_slope(share: float, beta: float, distance: float) -> float:
    """Looks per further distractor for a target that is `share` of the training set; `distance` = |A - B|^2."""
    return float(expit(-beta * (1 - share) * distance))


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class TrainedSearch:
    """Two items (d,), how often each was in the training set, the focus beta >= 0, and a display of 2 to 6 items."""

    a: Float[Array, " d"]
    b: Float[Array, " d"]
    count_a: int
    count_b: int
    beta: float
    display: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", finite_array("a", self.a, (None,), leading=False))
        object.__setattr__(self, "b", finite_array("b", self.b, self.a.shape, leading=False))
        integer("count_a", self.count_a, least=1)
        integer("count_b", self.count_b, least=1)
        require(real("beta", self.beta) >= 0, f"beta must be >= 0, got {self.beta}")
        require(2 <= integer("display", self.display, least=2) <= 6, f"display must be 2 to 6, got {self.display}")

    @property
    def share(self) -> float:
        """pi: the share of A in the training set."""
        return self.count_a / (self.count_a + self.count_b)

    @property
    def distance(self) -> float:
        """D = |A - B|^2."""
        return float(((self.a - self.b) ** 2).sum())

    @property
    def embedded(self) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """z_A and z_B."""
        training = np.vstack([np.tile(self.a, (self.count_a, 1)), np.tile(self.b, (self.count_b, 1))])
        z_a, z_b = embed(np.stack([self.a, self.b]), training)
        return z_a, z_b

    def mean_looks(self, target: Float[Array, " d"], distractor: Float[Array, " d"]) -> float:
        """Until the target among display - 1 equal distractors, by enumeration of all orders."""
        items = np.vstack([target, np.tile(distractor, (self.display - 1, 1))])
        law = scanpath_law(search_priorities(target, items, self.beta))
        return float(law @ looks_until(all_orders(self.display), 0))

    def slopes(self) -> tuple[float, float]:
        """Looks per distractor, by enumeration, for A among B and for B among A."""
        z_a, z_b = self.embedded
        a_among_b, b_among_a = self.mean_looks(z_a, z_b) - 1, self.mean_looks(z_b, z_a) - 1
        return a_among_b / (self.display - 1), b_among_a / (self.display - 1)


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Relative to the training mean, a target stands out from its distractors by its norm squared less their
    product: (1 - pi) D for A among B and pi D for B among A; and |z_A|^2 - |z_B|^2 = (1 - 2 pi) D.""",
    source=GUPTA_2021,
    kind="identity",
    tolerance=1e-12,
)
def rare_items_stand_out_from_the_training_mean(case: TrainedSearch) -> float:
    z_a, z_b = case.embedded
    found = [z_a @ z_a - z_a @ z_b, z_b @ z_b - z_a @ z_b, z_a @ z_a - z_b @ z_b]
    share, size = case.share, float((case.a**2).sum() + (case.b**2).sum())
    return relative_error(found, np.array([1 - share, share, 1 - 2 * share]) * case.distance, scale=size)


@claim(
    statement="""Each further equal distractor costs sig(-beta (1 - pi) D) looks for A among B and sig(-beta pi D) for B
    among A, whatever their number.""",
    source=GUPTA_2021,
    kind="identity",
    tolerance=1e-13,
)
def set_size_slopes_follow_training_frequency(case: TrainedSearch) -> float:
    closed = [set_size_slope(share, case.beta, case.distance) for share in (case.share, 1 - case.share)]
    return relative_error(case.slopes(), closed, scale=1.0)


@claim(
    statement="""Search is asymmetric by the norms of the embeddings alone: the log-odds of the two set-size slopes
    differ by beta (|z_A|^2 - |z_B|^2) = beta (1 - 2 pi) D, so the item that is rare in training is found faster.""",
    source=GUPTA_2021,
    kind="identity",
    tolerance=1e-10,
)
def search_asymmetry_is_a_difference_of_norms(case: TrainedSearch) -> float:
    """Relative to 1 + the largest log-odds: slopes themselves are enumerated to rounding only."""
    z_a, z_b = case.embedded
    a_among_b, b_among_a = logit(case.slopes())
    norms = case.beta * (z_a @ z_a - z_b @ z_b)
    return relative_error(b_among_a - a_among_b, norms, scale=1.0 + max(abs(a_among_b), abs(b_among_a)))


@claim(
    statement="How hard a search is depends on the similarity of target and distractors alone, not on their roles.",
    source=GUPTA_2021,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (TrainedSearch(np.array([2.0, 0.0]), np.zeros(2), 1, 9, beta=1.0),),
)
def search_is_symmetric(case: TrainedSearch) -> float:
    """The difference of the two set-size slopes: 0.027 against 0.401 looks a distractor at pi = 0.1, beta D = 4."""
    a_among_b, b_among_a = case.slopes()
    return abs(b_among_a - a_among_b)
