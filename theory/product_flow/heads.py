"""Several heads, each a product of equal or unequal factors, that add up to one target: do they share or does one win?

Two factors a head, loss (1 - sum_h a_h b_h)^2 / 2: heads grow in proportion and share. Three equal factors a head,
loss (1 - sum_h u_h^3)^2 / 2: the head that is ahead takes most. Derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, integrate
from theory.papers import SINGH_2024
from theory.validation import finite_array, increasing_times, integer, positive_array


@dataclass(frozen=True, eq=False)
class AdditiveHeads:
    """H heads, each of `factors` equal factors u_h > 0, with sum_h u_h^factors below the target 1."""

    start: Float[Array, " h"]
    factors: int

    def __post_init__(self) -> None:
        start = positive_array("start", self.start, (None,), leading=False)
        integer("factors", self.factors, least=2)
        if (start**self.factors).sum() >= 1:
            raise ValueError(f"start must have sum u^{self.factors} below the target 1, got {start}")
        object.__setattr__(self, "start", start)

    def path(self, times: ArrayLike) -> Float[Array, "t h"]:
        """The factor of each head at `times`: du_h/dt = (1 - sum_g u_g^n) u_h^(n-1), from the differential equation."""
        n = self.factors

        def field(_: float, u: Array) -> Array:
            return (1 - (u**n).sum()) * u ** (n - 1)

        return integrate(field, self.start, increasing_times("times", times), rtol=1e-11, atol=1e-14)

    def shares(self) -> Float[Array, " h"]:
        """The final share u_h^n of each head.

        All heads read one clock s: log u_h - s is conserved with two factors, u_h^(2-n) + (n-2) s with more, and s ends
        where the shares sum to 1.
        """
        n = self.factors
        if n == 2:
            return self.start**2 / (self.start**2).sum()
        slow = self.start ** (2.0 - n)
        behind = slow - slow.min()

        def at(leader: float) -> Array:
            return (behind + leader) ** (-n / (n - 2.0))

        # Alone the leader would end at 1; with all heads equal at 1 / H of the target.
        most = len(slow) ** ((n - 2.0) / n)
        leader = brentq(lambda x: float(at(x).sum()) - 1, 1.0, most * (1 + 1e-9), xtol=1e-15, rtol=1e-15)
        return at(float(leader))


@dataclass(frozen=True, eq=False)
class TwoFactorHeads:
    """Any H heads of two factors a_h, b_h, of either sign, with loss (1 - sum_h a_h b_h)^2 / 2."""

    left: Float[Array, " h"]
    right: Float[Array, " h"]

    def __post_init__(self) -> None:
        left = finite_array("left", self.left, (None,), leading=False)
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", finite_array("right", self.right, left.shape, leading=False))

    def path(self, times: ArrayLike) -> tuple[Float[Array, "t h"], Float[Array, "t h"]]:
        """a and b at `times`, from the differential equations."""
        heads = len(self.left)

        def field(_: float, state: Array) -> Array:
            left, right = state[:heads], state[heads:]
            return (1 - left @ right) * np.concatenate([right, left])

        start = np.concatenate([self.left, self.right])
        path = integrate(field, start, increasing_times("times", times), rtol=1e-12, atol=1e-15)
        return path[:, :heads], path[:, heads:]


# ---------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Heads of two factors grow in proportion: (a_h + b_h) (a_g - b_g) is conserved for all h, g, and with it
    every ratio (a_h + b_h) / (a_g + b_g).""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-9,
    examples=40,
)
def two_factor_heads_share(heads: TwoFactorHeads) -> float:
    left, right = heads.path(np.array([0.0, 0.5, 2.0, 8.0]))
    plus, minus = left + right, left - right
    products = plus[:, :, None] * minus[:, None, :]
    cross = plus[:, :, None] * plus[:1, None, :] - plus[:, None, :] * plus[:1, :, None]
    size = 1 + float(np.abs(products).max())
    return max(
        relative_error(products, np.broadcast_to(products[0], products.shape), scale=size),
        relative_error(cross, 0.0, scale=1 + float((np.abs(plus).max(axis=1) * np.abs(plus[0]).max()).max())),
    )


@claim(
    statement="""Heads of n equal factors end with the shares of the conserved differences of u_h^(2-n) (of log u_h for
    n = 2), where the shares sum to the target.""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-6,
    examples=40,
)
def shares_are_decided_at_the_start(heads: AdditiveHeads) -> float:
    """Against the flow, long after the slowest head's own escape time."""
    n, most = heads.factors, heads.start.max()
    escape = np.log(1 / most) if n == 2 else most ** (2.0 - n) / (n - 2)
    return relative_error(heads.path([3 * escape + 40])[-1] ** n, heads.shares())


@claim(
    statement="""Winner takes most: with three factors or more the leading head's final share exceeds the share
    u_h^2 / sum u_g^2 that heads of two factors would give it.""",
    source=SINGH_2024,
    kind="inequality",
    tolerance=1e-12,
)
def more_factors_favour_the_leader(heads: AdditiveHeads) -> float:
    two = AdditiveHeads(heads.start / np.sqrt(1 + (heads.start**2).sum()), 2)  # a common factor changes no share
    return excess(two.shares().max(), heads.shares().max()) if heads.factors > 2 else -1.0
