"""How to draw the instance types of random-feature attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.random_features.claims.biased import BiasStrength, FewDegrees, HarmonicProduct
from theory.random_features.claims.inputs import Bias, JointRotation, Rotations, SphereInputs
from theory.random_features.claims.kernels import ModeratePair, NormalPair
from theory.random_features.claims.layer import ActiveHeads, CentredKeys, Heads, LayerInput
from theory.random_features.claims.norms import CorrelationPower, HeadCombination, PowerTarget
from theory.random_features.claims.regression import Regression, Time
from theory.random_features.claims.spectrum import KeysOnSphere, PowerOfKeys
from theory.random_features.layer import AttentionLayer


@domain(SphereInputs)
def sphere_inputs() -> st.SearchStrategy[SphereInputs]:
    """1-6 inputs with 1-5 keys in 2-8 dimensions; directions from nearly equal (1e-4 apart) to uniform."""
    sizes = st.integers(1, 6), st.integers(1, 5), st.integers(2, 8)
    return st.tuples(*sizes, log_uniform(-4.0, 1.0), seeds()).map(lambda x: SphereInputs.drawn(*x))


@domain(Bias)
def biases() -> st.SearchStrategy[Bias]:
    """0, or from 0.01 to 10."""
    return st.one_of(st.just(0.0), log_uniform(-2.0, 1.0)).map(Bias)


@domain(Rotations)
def rotations() -> st.SearchStrategy[Rotations]:
    """Two uniform ones."""
    return seeds().map(Rotations)


@domain(JointRotation)
def joint_rotations() -> st.SearchStrategy[JointRotation]:
    """A uniform one."""
    return seeds().map(JointRotation)


@domain(NormalPair)
def normal_pairs() -> st.SearchStrategy[NormalPair]:
    """Means in [-6, 6], any correlation, the ends as well."""
    means = floats(-6.0, 6.0)
    return st.builds(NormalPair, means, means, st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), floats(-1.0, 1.0)))


@domain(ModeratePair)
def moderate_pairs() -> st.SearchStrategy[ModeratePair]:
    """Means in [-6, 6], correlations in [-0.9, 0.9]."""
    return st.builds(ModeratePair, floats(-6.0, 6.0), floats(-6.0, 6.0), floats(-0.9, 0.9))


@domain(LayerInput)
@st.composite
def layer_inputs(draw: st.DrawFn) -> LayerInput:
    """1-3 heads, 1-3 dimensions, up to 4 keys in either list; entries in [-5, 5]."""
    count, d = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    layer = AttentionLayer(draw(arrays((count, d + 1, d + 1), -5, 5)), draw(arrays((count, d + 1), -5, 5)))
    lists = [draw(arrays((draw(st.integers(1, 4)), d), -5, 5)) for _ in range(2)]
    return LayerInput(layer, draw(arrays((d,), -5, 5)), *lists)


@domain(CentredKeys)
@st.composite
def centred_keys(draw: st.DrawFn) -> CentredKeys:
    """2-3 keys on 1-2 pairs of opposite points with entries in [-3, 3], in 1-3 dimensions; 1-2 queries."""
    d = draw(st.integers(1, 3))
    points = draw(arrays((draw(st.integers(1, 2)), d), -3, 3))
    points[0, 0] += np.copysign(0.1, points[0, 0])  # or the target vanishes
    queries = draw(arrays((draw(st.integers(1, 2)), d), -3, 3))
    return CentredKeys(np.concatenate([points, -points]), queries, draw(st.integers(2, 3)))


@domain(Heads)
def random_heads() -> st.SearchStrategy[Heads]:
    """1-3 heads with values of size 0.1 to 10."""
    return st.builds(Heads, seeds(), st.integers(1, 3), log_uniform(-1.0, 1.0))


@domain(ActiveHeads)
def active_heads() -> st.SearchStrategy[ActiveHeads]:
    """4-6 inputs with 1-5 keys in 2-8 dimensions, directions half a unit apart or more."""
    sizes = st.integers(4, 6), st.integers(1, 5), st.integers(2, 8)
    inputs = st.tuples(*sizes, floats(0.5, 10.0), seeds()).map(lambda x: SphereInputs.drawn(*x))
    return st.builds(ActiveHeads, inputs, floats(0.0, 2.0), seeds())


@domain(KeysOnSphere)
def keys_on_spheres() -> st.SearchStrategy[KeysOnSphere]:
    """2-64 dimensions, 1-64 keys, degrees up to 10."""
    return st.builds(KeysOnSphere, st.integers(2, 64), st.integers(1, 64), st.integers(0, 10))


@domain(BiasStrength)
def bias_strengths() -> st.SearchStrategy[BiasStrength]:
    """All of them."""
    return floats(0.1, 5.0).map(BiasStrength)


@domain(HarmonicProduct)
def harmonic_products() -> st.SearchStrategy[HarmonicProduct]:
    """3-20 dimensions, degrees up to 5."""
    return st.builds(HarmonicProduct, st.integers(3, 20), st.integers(0, 5), st.integers(0, 5))


@domain(FewDegrees)
def few_degrees() -> st.SearchStrategy[FewDegrees]:
    """3-20 dimensions, 1-20 keys, degrees up to 3."""
    return st.builds(FewDegrees, st.integers(3, 20), st.integers(1, 20), st.integers(0, 3))


@domain(PowerOfKeys)
def powers_of_keys() -> st.SearchStrategy[PowerOfKeys]:
    """2-24 dimensions, 2-8 keys, powers 2-5."""
    return st.builds(PowerOfKeys, st.integers(2, 24), st.integers(2, 8), st.integers(2, 5))


@domain(PowerTarget)
def power_targets() -> st.SearchStrategy[PowerTarget]:
    """2-64 dimensions, 1-8 keys, powers up to 6."""
    return st.builds(PowerTarget, st.integers(2, 64), st.integers(1, 8), st.integers(0, 6))


@domain(CorrelationPower)
def correlation_powers() -> st.SearchStrategy[CorrelationPower]:
    """Powers 0-5."""
    return st.integers(0, 5).map(CorrelationPower)


@domain(HeadCombination)
def head_combinations() -> st.SearchStrategy[HeadCombination]:
    """1-8 coefficients in [-1, 1], one of them at least 0.1."""
    drawn: st.SearchStrategy[Any] = st.integers(1, 8).flatmap(lambda k: arrays((k,), -1, 1))
    return drawn.filter(lambda g: np.abs(g).max() >= 0.1).map(HeadCombination)


@domain(Regression)
@st.composite
def regressions(draw: st.DrawFn) -> Regression:
    """1-6 labels, 1-8 features, singular values 0 or in [0.01, 1] times a scale from 0.01 to 100."""
    n = draw(st.integers(1, 6))
    others = st.one_of(st.just(0.0), log_uniform(-2.0, 0.0))
    sizes = np.array([1.0, *draw(st.lists(others, min_size=n - 1, max_size=n - 1))])
    return Regression.drawn(sizes, draw(st.integers(1, 8)), draw(log_uniform(-2.0, 2.0)), draw(seeds()))


@domain(Time)
def times() -> st.SearchStrategy[Time]:
    """1e-4 to 1e6 time constants of the fastest direction."""
    return log_uniform(-4.0, 6.0).map(Time)
