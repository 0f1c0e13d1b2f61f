"""How to draw the instance types of `theory.mechanisms.dynamics`."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.mechanisms.dynamics.focal_loss import LARGEST_PEAK, FocusedExample, FocusedPair, LearnedPair
from theory.mechanisms.dynamics.local_gate import Well
from theory.mechanisms.dynamics.opposing_signals import Descent, OpposedNet, SettledDescent
from theory.mechanisms.dynamics.stiffness import Rates, Relaxation


@domain(Relaxation)
@st.composite
def relaxations(draw: st.DrawFn) -> Relaxation:
    """1-5 channels with rates from 1e-2 to 1e2, steps up to 1.5 times the threshold or the best common step."""
    rates = 10.0 ** draw(arrays((draw(st.integers(1, 5)),), -2.0, 2.0))
    best = float(rates.max() / (rates.max() + rates.min()))
    return Relaxation.drawn(rates, draw(st.just(best) | floats(0.01, 1.5)), draw(seeds()))


@domain(Rates)
def rates() -> st.SearchStrategy[Rates]:
    """One channel, rates from 1e-8 to 1e4."""
    return floats(-8.0, 4.0).map(lambda x: Rates(np.array([10.0**x])))


@domain(Well)
def wells() -> st.SearchStrategy[Well]:
    """Both rates from 1e-2 to 10, or no cubic one; states in +-3, at least 1e-3 in size."""
    cubic = st.just(0.0) | log_uniform(-2.0, 1.0)
    state = st.builds(lambda sign, size: sign * size, st.sampled_from([-1.0, 1.0]), floats(1e-3, 3.0))
    return st.builds(Well, log_uniform(-2.0, 1.0), cubic, state)


_FOCUS = log_uniform(-2.0, 1.3)


@domain(FocusedExample)
def focused_examples() -> st.SearchStrategy[FocusedExample]:
    """Logits in +-15."""
    return st.builds(FocusedExample, floats(-15.0, 15.0), _FOCUS)


@domain(FocusedPair)
def focused_pairs() -> st.SearchStrategy[FocusedPair]:
    """Probabilities from 0.001 to 0.95."""
    return st.tuples(floats(0.001, 0.95), floats(0.001, 0.95), _FOCUS).map(
        lambda x: FocusedPair(min(x[:2]), max(x[:2]), x[2])
    )


@domain(LearnedPair)
def learned_pairs() -> st.SearchStrategy[LearnedPair]:
    """Probabilities from where the weight can peak to 0.999."""
    learned = floats(LARGEST_PEAK, 0.999)
    return st.tuples(learned, learned, _FOCUS).map(lambda x: LearnedPair(min(x[:2]), max(x[:2]), x[2]))


@domain(OpposedNet)
def opposed_nets() -> st.SearchStrategy[OpposedNet]:
    """Small starts, outliers of any strength up to 50, and an outlier's weight of 0 or at least 1e-9."""
    outlier = floats(-1.0, 1.0).map(lambda o: o if abs(o) >= 1e-9 else 0.0)
    return st.builds(OpposedNet, floats(0.1, 1.0), floats(0.0, 1.0), outlier, floats(0.5, 2.0), floats(0.5, 50.0))


@domain(SettledDescent)
@st.composite
def settled_descents(draw: st.DrawFn) -> SettledDescent:
    """Steps from 0.3 to 1.4 of what the end of the flow could bear; runs that do not settle are drawn anew."""
    outlier = draw(st.sampled_from([-1.0, 1.0])) * draw(floats(0.05, 0.3))
    net = OpposedNet(
        draw(floats(0.2, 0.5)), draw(floats(0.05, 0.5)), outlier, draw(floats(0.5, 1.5)), draw(floats(2.0, 20.0))
    )
    run = Descent(net, 2 * draw(floats(0.3, 1.4)) / net.final_sharpness, 3000)
    try:
        return SettledDescent(run.net, run.step, run.steps)
    except ValueError:
        assume(False)
        raise
