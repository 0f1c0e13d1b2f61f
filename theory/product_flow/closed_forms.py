"""Clocks of the product flow with the squared loss: the time between two levels as the difference of one function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import SINGH_2024
from theory.product_flow.scalar import ProductFlow
from theory.validation import finite_array, integer, real


def balanced_clock(factors: int, value: ArrayLike) -> Float[Array, ...]:
    """G with t = G(u1) - G(u0) for `factors` (1, 2 or 3) equal factors u in (0, 1): du/dt = (1 - u^n) u^(n-1).

    n = 1: -log(1-u);  n = 2: log(u / sqrt(1-u^2));
    n = 3: -1/u - log(1-u)/3 + log(1+u+u^2)/6 - arctan((2u+1)/sqrt 3)/sqrt 3.
    """
    factors = integer("factors", factors, least=1)
    u = finite_array("value", value, ())
    if ((u <= 0) | (u >= 1)).any():
        raise ValueError(f"value must be in (0, 1), got {u[(u <= 0) | (u >= 1)].flat[0]} among its entries")
    match factors:
        case 1:
            return -np.log1p(-u)
        case 2:
            return np.log(u) - (np.log1p(-u) + np.log1p(u)) / 2
        case 3:
            angle = np.arctan((2 * u + 1) / np.sqrt(3)) / np.sqrt(3)
            return -1 / u - np.log1p(-u) / 3 + np.log1p(u + u**2) / 6 - angle
    raise ValueError(f"factors must be 1, 2 or 3, got {factors}; `ProductFlow.time_to` has any number")


def two_factor_clock(difference: float, product: ArrayLike) -> Float[Array, ...]:
    """H with t = H(P1) - H(P0) for two factors with |a^2 - b^2| = `difference` D >= 0 and product P in (0, 1).

    H(P) = log((D^2 + 4P + S sqrt(D^2 + 4P^2)) / (1 - P)) / S, S = sqrt(D^2 + 4); for D = 0 it is `balanced_clock`(2)
    of sqrt P up to a constant.
    """
    d = real("difference", difference)
    if d < 0:
        raise ValueError(f"difference must be >= 0, got {difference!r}")
    p = finite_array("product", product, ())
    if ((p <= 0) | (p >= 1)).any():
        raise ValueError(f"product must be in (0, 1), got {p[(p <= 0) | (p >= 1)].flat[0]} among its entries")
    if d == 0:
        return (np.log(p) - np.log1p(-p)) / 2
    root = np.hypot(d, 2.0)
    return (np.log(d**2 + 4 * p + root * np.hypot(d, 2 * p)) - np.log1p(-p)) / root


# ---------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True, eq=False)
class ClosedFormFlow(ProductFlow):
    """Hypothesis: squared loss, and two factors or up to three equal ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "squared":
            raise ValueError(f"hypothesis broken: loss must be 'squared', got {self.loss!r}")
        equal = len(self.factors) <= 3 and np.ptp(self.factors) == 0
        if not (equal or len(self.factors) == 2):
            raise ValueError(f"hypothesis broken: factors must be two, or up to three equal, got {self.factors}")


@claim(
    statement="""The time between two levels is a difference of elementary functions, G for equal factors and H for two
    unequal ones, equal to the quadrature over the orbit.""",
    source=SINGH_2024,
    kind="identity",
    tolerance=1e-9,
)
def levels_are_reached_by_closed_form(flow: ClosedFormFlow) -> float:
    start = float(flow.factors.prod())
    level = 1 - (1 - start) / 3
    if len(flow.factors) == 2:
        difference = float(abs(flow.factors[0] ** 2 - flow.factors[1] ** 2))
        clock = two_factor_clock(difference, [start, level])
    else:
        n = len(flow.factors)
        clock = balanced_clock(n, [flow.factors[0], level ** (1 / n)])
    return relative_error(clock[1] - clock[0], flow.time_to(level))
