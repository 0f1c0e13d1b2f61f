"""How to draw the instance types of the joint dynamics of attention and an MLP."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats
from theory.joma.growth import ConstantDrive, Targets
from theory.joma.invariants import JointPoint, OneSample


@st.composite
def joint_points(draw: st.DrawFn, *, samples: int = 4) -> JointPoint:
    """1-4 samples of 1-5 tokens, 1-3 nodes, |z| <= 3, |v| and |D| <= 5."""
    count, tokens, nodes = draw(st.integers(1, samples)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    return JointPoint(
        draw(arrays((count, tokens), 0.01, 1.0)),
        draw(arrays((tokens,), -3.0, 3.0)),
        draw(arrays((nodes, tokens), -5.0, 5.0)),
        draw(arrays((count, nodes), -5.0, 5.0)),
    )


@domain(JointPoint)
def any_joint_points() -> st.SearchStrategy[JointPoint]:
    """As `joint_points` says."""
    return joint_points()


@domain(OneSample)
def one_samples() -> st.SearchStrategy[OneSample]:
    """`joint_points` with one sample."""
    return joint_points(samples=1).map(lambda p: OneSample(p.samples, p.logits, p.weights, p.drive))


@domain(ConstantDrive)
def constant_drives() -> st.SearchStrategy[ConstantDrive]:
    """1-6 drives in [-1, 1], the first of them at least 0.1."""
    rest = st.lists(floats(-1.0, 1.0), max_size=5)
    return st.tuples(floats(0.1, 1.0), rest).map(lambda parts: ConstantDrive(np.array([parts[0], *parts[1]])))


@domain(Targets)
def targets() -> st.SearchStrategy[Targets]:
    """1-5 targets in [0.1, 3]: up to e^4.5 = 90 in rate."""
    return st.lists(floats(0.1, 3.0), min_size=1, max_size=5).map(lambda mu: Targets(np.array(mu)))
