"""How to draw the inputs that many mechanisms share."""

from __future__ import annotations

from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, seeds
from theory.mechanisms.instances import Logits, Sequence, Tokens


@domain(Logits)
@st.composite
def logits(draw: st.DrawFn) -> Logits:
    """2-8 logits in +-1, +-10 or +-300."""
    size = draw(st.sampled_from([1.0, 10.0, 300.0]))
    return Logits(size * draw(arrays((draw(st.integers(2, 8)),), -1.0, 1.0)))


@domain(Tokens)
def tokens() -> st.SearchStrategy[Tokens]:
    """1-8 queries, 2-24 keys, 1-6 channels; queries from 0 to 5 in scale."""
    few = st.integers(1, 6)
    return st.builds(Tokens.drawn, st.integers(1, 8), st.integers(2, 24), few, few, floats(0.0, 5.0), seeds())


@domain(Sequence)
@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    """As `tokens`, with 2-24 queries and keys."""
    length = draw(st.integers(2, 24))
    few = st.integers(1, 6)
    made = Tokens.drawn(length, length, draw(few), draw(few), draw(floats(0.0, 5.0)), draw(seeds()))
    return Sequence(made.queries, made.keys, made.values)
