"""How to draw the instance types of `theory.mechanisms.normalisation`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.mechanisms.normalisation.perturbation import Disturbed, SmallStep
from theory.mechanisms.normalisation.temperature import RowsAtTemperature, Scaled, Singled

# ------------------------------------------------------------------------------------------------- disturbed logits


@domain(Disturbed)
@st.composite
def disturbed(draw: st.DrawFn) -> Disturbed:
    """2-6 logits in +-10, and a change of range 1e-3 to 100."""
    keys = draw(st.integers(2, 6))
    change = np.array([0.0, 1.0, *draw(arrays((keys - 2,), 0.0, 1.0))])
    return Disturbed(draw(arrays((keys,), -10.0, 10.0)), draw(log_uniform(-3.0, 2.0)) * change)


@domain(SmallStep)
@st.composite
def small_steps(draw: st.DrawFn) -> SmallStep:
    """2-6 logits in +-10, and a step of 1e-4 to 0.5 in any direction."""
    keys = draw(st.integers(2, 6))
    direction = np.array([1.0, -1.0, *draw(arrays((keys - 2,), -2.0, 2.0))])
    return SmallStep(draw(arrays((keys,), -10.0, 10.0)), direction, draw(floats(-4.0, -0.3).map(lambda x: 10.0**x)))


# ----------------------------------------------------------------------------------------------------- temperature


@domain(Scaled)
@st.composite
def scaled(draw: st.DrawFn) -> Scaled:
    """2-8 logits in +-10 at a temperature of 0.01 to 5."""
    return Scaled(draw(arrays((draw(st.integers(2, 8)),), -10.0, 10.0)), draw(floats(0.01, 5.0)))


@domain(RowsAtTemperature)
@st.composite
def rows_at_temperature(draw: st.DrawFn) -> RowsAtTemperature:
    """1-4 rows of 2-16 keys."""
    rng = np.random.default_rng(draw(seeds()))
    logits = rng.standard_normal((draw(st.integers(1, 4)), draw(st.integers(2, 16))))
    return RowsAtTemperature(draw(floats(0.11, 2.9)) * logits / logits.std(axis=1).max(), draw(floats(0.1, 3.0)))


@domain(Singled)
@st.composite
def singled(draw: st.DrawFn) -> Singled:
    """2-8 tokens, or 1,000 equal others; a gap of 0.1 to 10 and a mass up to 1 - 1e-6."""
    below = draw(st.one_of(st.integers(1, 7).flatmap(lambda k: arrays((k,), 0.0, 5.0)), st.just(np.zeros(1000))))
    least = 1 / (1 + len(below))
    return Singled(draw(floats(0.1, 10.0)), below, least + draw(floats(0.0, 1.0)) * (1 - 1e-6 - least))
