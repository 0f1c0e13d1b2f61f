"""How to draw the instance types of product flows."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats
from theory.numerics import Array
from theory.product_flow.closed_forms import ClosedFormFlow
from theory.product_flow.heads import AdditiveHeads, TwoFactorHeads
from theory.product_flow.outer import ThreeVectors
from theory.product_flow.scalar import ProductFlow, SmallBalancedStart, SmallTriple


@domain(ProductFlow)
def product_flows() -> st.SearchStrategy[ProductFlow]:
    """1-4 factors in [0.05, 0.99], either loss."""
    factors = st.integers(1, 4).flatmap(lambda n: arrays((n,), 0.05, 0.99))
    return st.builds(ProductFlow, factors, st.sampled_from(["squared", "logistic"]))


@domain(SmallTriple)
def small_triples() -> st.SearchStrategy[SmallTriple]:
    """Factors from 1e-3 to 1, one of them 0 at times."""
    sizes = arrays((3,), -3.0, 0.0).map(lambda e: 10.0**e)
    one_zero = sizes.map(lambda x: x * np.array([1.0, 1.0, 0.0]))
    return st.one_of(sizes, one_zero).map(SmallTriple)


@domain(SmallBalancedStart)
def small_balanced_starts() -> st.SearchStrategy[SmallBalancedStart]:
    """Starts from 1e-6 to 1e-3."""
    return floats(-6.0, -3.0).map(lambda e: SmallBalancedStart(min(1e-3, max(1e-6, 10.0**e))))


@domain(ClosedFormFlow)
def closed_form_flows() -> st.SearchStrategy[ClosedFormFlow]:
    """Two factors, or 1-3 equal ones, in [0.01, 0.99]."""
    equal = st.tuples(st.integers(1, 3), floats(0.01, 0.99)).map(lambda nu: np.full(nu[0], nu[1]))
    return st.one_of(equal, arrays((2,), 0.01, 0.99)).map(ClosedFormFlow)


@st.composite
def _heads(draw: st.DrawFn) -> AdditiveHeads:
    heads, factors = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    start: Array = draw(arrays((heads,), 0.1, 0.5))
    return AdditiveHeads(start * min(1.0, (0.9 / (start**factors).sum()) ** (1 / factors)), factors)


@domain(AdditiveHeads)
def additive_heads() -> st.SearchStrategy[AdditiveHeads]:
    """1-5 heads of 2-4 factors in [0.1, 0.5], together below 0.9 of the target."""
    return _heads()


@domain(TwoFactorHeads)
def two_factor_heads() -> st.SearchStrategy[TwoFactorHeads]:
    """1-4 heads with factors in [-1.5, 1.5]."""
    return st.integers(1, 4).flatmap(
        lambda h: st.builds(TwoFactorHeads, arrays((h,), -1.5, 1.5), arrays((h,), -1.5, 1.5))
    )


@domain(ThreeVectors)
def three_vectors() -> st.SearchStrategy[ThreeVectors]:
    """d = 1-5, entries in [-2, 2], no vector shorter than 0.1."""

    def away_from_zero(x: Array) -> Array:
        short = np.linalg.norm(x, axis=1) < 0.1
        return x + short[:, None] * 0.5

    return st.integers(1, 5).flatmap(
        lambda d: st.builds(
            ThreeVectors, arrays((3, d), -2.0, 2.0).map(away_from_zero), arrays((3, d), -2.0, 2.0).map(away_from_zero)
        )
    )
