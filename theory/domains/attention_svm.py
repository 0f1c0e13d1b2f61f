"""How to draw the instance types of attention SVMs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from theory.attention_svm.claims.factors import FactorFlow
from theory.attention_svm.claims.instances import (
    ScoredSelection,
    SeparableSelection,
    SquareMatrix,
    StrictlyScored,
    TwoLevelScores,
    WideSelection,
)
from theory.attention_svm.claims.several_tokens import KeptTokens, PenalisedHead
from theory.domains.registry import domain, floats


@st.composite
def selection_sizes(draw: st.DrawFn, *, sequences: int = 6, length: int = 6) -> tuple[int, int, int, int]:
    """n in 1..6, T in 2..6, d from max(T - 1, n) + 2 to 12, and a seed for Gaussian tokens of unit norm."""
    n, tokens = draw(st.integers(1, sequences)), draw(st.integers(2, length))
    return n, tokens, draw(st.integers(max(tokens - 1, n) + 2, 12)), draw(st.integers(0, 2**31 - 1))


@domain(WideSelection)
def wide_selections() -> st.SearchStrategy[WideSelection]:
    """Any selection of unit-norm Gaussian tokens."""
    return selection_sizes().map(lambda size: WideSelection.drawn(*size))


@domain(SeparableSelection)
def separable_selections() -> st.SearchStrategy[SeparableSelection]:
    """Any selection of unit-norm Gaussian tokens."""
    return selection_sizes().map(lambda size: SeparableSelection.drawn(*size))


@domain(ScoredSelection)
def scored_selections() -> st.SearchStrategy[ScoredSelection]:
    """Scores of the others 0.1 to 2.1 below the best."""
    return selection_sizes().map(lambda size: ScoredSelection.drawn(*size))


@domain(StrictlyScored)
def strictly_scored() -> st.SearchStrategy[StrictlyScored]:
    """Small problems with scores of others 0.1 to 2.1 below the best; those close to degenerate are left out."""

    def made(size: tuple[int, int, int, int]) -> StrictlyScored | None:
        try:
            return StrictlyScored.drawn(*size)
        except ValueError:
            return None

    drawn: st.SearchStrategy[Any] = selection_sizes(sequences=3, length=4).map(made)
    return drawn.filter(lambda case: case is not None)


@domain(TwoLevelScores)
def two_level_scores() -> st.SearchStrategy[TwoLevelScores]:
    """Two scores per sequence."""
    return selection_sizes().map(lambda size: TwoLevelScores.drawn(*size))


@domain(SquareMatrix)
def square_matrices() -> st.SearchStrategy[SquareMatrix]:
    """Gaussian entries times a size up to 30."""
    sizes = st.tuples(st.integers(0, 2**31 - 1), floats(0.01, 30.0))
    return sizes.map(lambda pair: SquareMatrix.drawn(*pair))


@domain(FactorFlow)
def factor_flows() -> st.SearchStrategy[FactorFlow]:
    """Small scored problems, factors with one to three columns."""

    def made(size: tuple[int, int, int, int], rank: int) -> FactorFlow:
        n, length, d, seed = size
        return FactorFlow.drawn(n, length, d, rank, seed)

    return st.builds(made, selection_sizes(sequences=3, length=4), st.integers(1, 3))


@domain(KeptTokens)
def kept_tokens() -> st.SearchStrategy[KeptTokens]:
    """One to three tokens kept, all of them where there are no more."""
    return selection_sizes().map(lambda size: KeptTokens.drawn(*size))


@domain(PenalisedHead)
def penalised_heads() -> st.SearchStrategy[PenalisedHead]:
    """Two to eight tokens with values in [-1, 1] and penalties from 0.05 to 1."""
    values = st.lists(floats(-1.0, 1.0), min_size=2, max_size=8).map(tuple)
    return st.builds(PenalisedHead, values, floats(0.05, 1.0))
