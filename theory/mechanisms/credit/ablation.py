"""Mean-ablation of heads: what ablating a set does, and what ablating its heads one by one says about it.

Heads are summed into the residual stream, so single ablations tell everything where the read-out is linear. Through a
polynomial of degree D, groups of up to D heads interact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import MERULLO_2023
from theory.validation import finite_array, require

ReadOut = Callable[[Float[Array, "e d"]], Float[Array, " e"]]


def stream(
    outputs: Float[Array, "e h v"], projection: Float[Array, "hv d"], ablated: Iterable[int] = ()
) -> Float[Array, "e d"]:
    """concat(heads) W_O for every example, the `ablated` heads replaced by their mean over the examples."""
    mixed = np.array(outputs)
    for head in ablated:
        mixed[:, head] = outputs[:, head].mean(axis=0)
    return mixed.reshape(len(mixed), -1) @ projection


def ablation_effect(
    read_out: ReadOut, outputs: Float[Array, "e h v"], projection: Float[Array, "hv d"], heads: Iterable[int]
) -> Float[Array, " e"]:
    """How much the read-out of every example changes when `heads` are mean-ablated together."""
    return read_out(stream(outputs, projection, heads)) - read_out(stream(outputs, projection))


def interaction(
    read_out: ReadOut, outputs: Float[Array, "e h v"], projection: Float[Array, "hv d"], heads: tuple[int, ...]
) -> Float[Array, " e"]:
    """sum_{T in S} (-1)^{|S| - |T|} effect(T): what ablating S does beyond all of its proper subsets."""
    total = np.zeros(len(outputs))
    for size in range(1, len(heads) + 1):
        for subset in combinations(heads, size):
            total += (-1) ** (len(heads) - size) * ablation_effect(read_out, outputs, projection, subset)
    return total


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class PolynomialReadOut:
    """Outputs (e, h, v) of h heads on e examples, W_O (h v, d) and the read-out prod_k (w_k . r + c_k), k < degree."""

    outputs: Float[Array, "e h v"]
    projection: Float[Array, "hv d"]
    directions: Float[Array, "k d"]
    offsets: Float[Array, " k"]

    def __post_init__(self) -> None:
        outputs = finite_array("outputs", self.outputs, (None, None, None), leading=False)
        concatenated = outputs.shape[1] * outputs.shape[2]
        projection = finite_array("projection", self.projection, (concatenated, None), leading=False)
        directions = finite_array("directions", self.directions, (None, projection.shape[1]), leading=False)
        offsets = finite_array("offsets", self.offsets, (len(directions),), leading=False)
        require(outputs.shape[1] > len(directions), "there must be more heads than factors of the read-out")
        for name, array in (
            ("outputs", outputs),
            ("projection", projection),
            ("directions", directions),
            ("offsets", offsets),
        ):
            object.__setattr__(self, name, array)

    def __call__(self, residual: Float[Array, "e d"]) -> Float[Array, " e"]:
        """The read-out of every example."""
        return (residual @ self.directions.T + self.offsets).prod(axis=1)

    @property
    def scale(self) -> float:
        """The largest product of factors, none of them cancelled, that a subset of heads can give."""
        heads = np.abs(self.outputs).max(axis=0).ravel() @ np.abs(self.projection) @ np.abs(self.directions).T
        return float((2 * heads + np.abs(self.offsets)).prod())

    @classmethod
    def drawn(cls, examples: int, heads: int, width: int, degree: int, seed: int) -> PolynomialReadOut:
        """Independent N(0, 1) entries."""
        rng = np.random.default_rng(seed)
        return cls(
            rng.standard_normal((examples, heads, width)),
            rng.standard_normal((heads * width, 3)),
            rng.standard_normal((degree, 3)),
            rng.standard_normal(degree),
        )


@dataclass(frozen=True, eq=False)
class LinearReadOut(PolynomialReadOut):
    """Hypothesis: the read-out is linear."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.directions) == 1, f"the read-out must have one factor, got {len(self.directions)}")


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Through a linear read-out, mean-ablating a set of heads changes every example by the sum of what its
    heads change when ablated alone.""",
    source=MERULLO_2023,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (PolynomialReadOut.drawn(3, 3, 2, 2, seed=1),),
)
def head_ablations_add_up_in_a_linear_read_out(case: LinearReadOut) -> float:
    heads = range(case.outputs.shape[1])
    together = ablation_effect(case, case.outputs, case.projection, heads)
    alone = sum(ablation_effect(case, case.outputs, case.projection, (h,)) for h in heads)
    return relative_error(together, alone, scale=case.scale)


@claim(
    statement="""Through a product of D linear factors, D heads interact by the permanent of the D x D matrix of what
    each does to each factor, and more than D heads do not interact.""",
    source=MERULLO_2023,
    kind="identity",
    tolerance=1e-13,
)
def heads_interact_up_to_the_degree_of_the_read_out(case: PolynomialReadOut) -> float:
    degree = len(case.directions)
    moves = np.stack([stream(case.outputs, case.projection, (h,)) for h in range(degree)])
    moves = (moves - stream(case.outputs, case.projection)) @ case.directions.T  # (head, example, factor)
    permanent = sum(
        np.prod([moves[head, :, factor] for factor, head in enumerate(order)], axis=0)
        for order in permutations(range(degree))
    )
    exact = interaction(case, case.outputs, case.projection, tuple(range(degree)))
    beyond = interaction(case, case.outputs, case.projection, tuple(range(degree + 1)))
    return max(relative_error(exact, permanent, scale=case.scale), relative_error(beyond, 0 * beyond, scale=case.scale))


@dataclass(frozen=True, eq=False)
class TwoHeads:
    """What two heads add to a scalar stream on two examples (e, h)."""

    added: Float[Array, "e h"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "added", finite_array("added", self.added, (2, 2), leading=False))


@claim(
    statement="Single mean-ablations of heads add up to the ablation of all of them through a ReLU read-out, too.",
    source=MERULLO_2023,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (TwoHeads(np.array([[1.0, 1.0], [-1.0, -1.0]])),),
)
def head_ablations_add_up_through_a_rectifier(case: TwoHeads) -> float:
    """Read-out max(0, r - 1) of two heads that back each other up: -1 each, and -1 together instead of -2."""

    def rectified(residual: Float[Array, "e d"]) -> Float[Array, " e"]:
        return np.maximum(0.0, residual[:, 0] - 1.0)

    outputs, projection = case.added[:, :, None], np.ones((2, 1))
    together = ablation_effect(rectified, outputs, projection, (0, 1))
    alone = ablation_effect(rectified, outputs, projection, (0,)) + ablation_effect(
        rectified, outputs, projection, (1,)
    )
    return relative_error(together, alone)
