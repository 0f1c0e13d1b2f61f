"""How to draw the instance types of `theory.mechanisms.normalisation`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform
from theory.mechanisms.normalisation.perturbation import Disturbed, SmallStep

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
