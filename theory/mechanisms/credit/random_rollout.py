"""Rollout of random causal attention: its mean is that of uniform attention, its second moment that of two walkers.

The logits of every row are exchangeable over the keys it sees, rows and layers independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.mechanisms.credit.rollout import rollout
from theory.mechanisms.credit.uniform_rollout import uniform_attention, uniform_flow
from theory.numerics import Array
from theory.papers import LIN_2024
from theory.validation import finite_array, fraction, integer, real, require


def second_moments(mean_squares: Float[Array, "l n"], residual: float = 0.0) -> Float[Array, "n n"]:
    """E[R_na R_nb] of the last token's rollout R, from E[sum_j A_ij^2] of every layer (first to last) and row.

    Two walkers go down from the last token through the same layers. On different rows they move independently, each
    uniformly; on the same row their moves covary by v on equal keys and by -v / (i - 1) on different ones.
    """
    length = mean_squares.shape[1]
    uniform, rows = uniform_attention(length), np.arange(1, length + 1)
    keep, move = residual, 1 - residual
    walkers = np.zeros((length, length))
    walkers[-1, -1] = 1.0
    for squares in mean_squares[::-1]:
        apart = keep**2 * walkers + keep * move * (walkers @ uniform + uniform.T @ walkers)
        variance = np.diag(walkers) * (squares / rows - 1.0 / rows**2)  # of one weight, at the row where both are
        between = variance / np.maximum(rows - 1, 1)
        reach = np.minimum.outer(np.arange(length), np.arange(length))  # both keys are seen by rows >= the later one
        together = -_from_row(between)[np.arange(length)[:, None] + np.arange(length) - reach]
        np.fill_diagonal(together, _from_row(variance))
        walkers = apart + move**2 * (uniform.T @ walkers @ uniform + together)
    return walkers


def _from_row(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Sums over the rows from each one on."""
    return np.cumsum(values[::-1])[::-1]


def mean_square_weight(keys: int, spread: float) -> float:
    """E[sum_j p_j^2] for the softmax p of `keys` independent N(0, spread^2) logits: 1 for one key, about
    e^{spread^2} / keys for many.

    n int_0^inf t E[w^2 e^{-t w}] E[e^{-t w}]^{n-1} dt, w = e^x: Gauss-Hermite in x, trapezoids in log t.
    """
    keys, spread = integer("keys", keys, least=1), real("spread", spread)
    nodes, shares = np.polynomial.hermite_e.hermegauss(80)
    weights, shares = np.exp(spread * nodes), shares / shares.sum()
    log_t, step = np.linspace(-30.0, 30.0, 1201, retstep=True)
    t = np.exp(log_t)[:, None]
    laplace = np.exp(-t * weights)
    return float(
        step * keys * (t[:, 0] ** 2 * (laplace @ (shares * weights**2)) * (laplace @ shares) ** (keys - 1)).sum()
    )


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class DealtLayers:
    """Logits (l, 3, 3) of l <= 2 layers, of which row i uses the first i, and a residual share in [0, 1).

    Chance deals the logits of each row anew over its keys, every order equally likely, `pinned` rows of each layer
    apart (counted from the last).
    """

    logits: Float[Array, "l 3 3"]
    residual: float
    pinned: int = 0

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None, 3, 3), leading=False)
        require(len(logits) <= 2, f"there must be at most 2 layers, got {len(logits)}")
        object.__setattr__(self, "logits", logits)
        fraction("residual", self.residual, below_one=True)

    def mean(self, measured: Callable[[Float[Array, " n"]], Array]) -> Array:
        """Of a function of the last token's rollout, over all deals."""
        deals = [[self._dealt(layer, two, three) for two, three in self._orders()] for layer in self.logits]
        return np.mean([measured(rollout(np.stack(maps), self.residual)[-1]) for maps in product(*deals)], axis=0)

    def _orders(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        three = [(0, 1, 2)] if self.pinned else list(permutations(range(3)))
        return list(product(permutations(range(2)), three))

    @staticmethod
    def _dealt(layer: Float[Array, "3 3"], two: tuple[int, ...], three: tuple[int, ...]) -> Float[Array, "3 3"]:
        weights = np.zeros((3, 3))
        weights[0, 0] = 1.0
        weights[1, :2], weights[2] = softmax(layer[1, list(two)]), softmax(layer[2, list(three)])
        return weights


@dataclass(frozen=True, eq=False)
class ExchangeableLayers(DealtLayers):
    """Hypothesis: all rows are dealt."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pinned == 0, f"no row may be pinned, got {self.pinned}")


# ----------------------------------------------------------------------------------------------------------- claims


def _pinned() -> tuple[DealtLayers]:
    """The last row always looks at the second token."""
    return (DealtLayers(np.array([[[0.0, 0, 0], [0, 1, 0], [0, 3, 0]]]), 0.5, pinned=1),)


@claim(
    statement="""Where causal attention logits are exchangeable over the keys of each row and independent between rows
    and layers, rollout is on average that of uniform attention: position decides, content does not.""",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=_pinned,
)
def random_attention_rolls_out_like_uniform_on_average(case: ExchangeableLayers) -> float:
    """By enumeration of all deals."""
    return relative_error(case.mean(lambda row: row), uniform_flow(3, len(case.logits), case.residual))


@claim(
    statement="""Products of two entries of a query's rollout of such attention have the expectation of two walkers that
    share its layers; it depends on the logits through the expected squared weights of every row alone.""",
    source=LIN_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=_pinned,
)
def random_rollout_has_the_second_moments_of_two_walkers(case: ExchangeableLayers) -> float:
    """By enumeration of all deals."""
    squares = [[(softmax(layer[i, : i + 1]) ** 2).sum() for i in range(3)] for layer in case.logits]
    exact = case.mean(lambda row: np.outer(row, row))
    return relative_error(second_moments(np.array(squares), case.residual), exact)
