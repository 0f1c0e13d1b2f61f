"""Fates of tokens: the start of the flow, Lemma 4's conserved quantity and bounds, and where the true flow differs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson

from theory.scan_and_snap import (
    ClassMixture,
    SymmetricMixture,
    attention_flow,
    attention_push,
    backpropagated_scale,
    dominant_gain,
    dominant_token,
    initial_acceleration,
    inverse_square_weight,
    population_flow,
    stubborn_mixture,
)

WEIGHTS = np.linspace(0.1, 1.0, 10)
TWO_QUERIES = SymmetricMixture(2, 34, WEIGHTS, common_tokens=10, shared_query=False)
ONE_QUERY = SymmetricMixture(2, 33, WEIGHTS, common_tokens=10)


def one_common_token(seed: int) -> ClassMixture:
    """K in 2..4 classes of one query, one common token, 2 or 3 distinct tokens each."""
    rng = np.random.default_rng(seed)
    classes, distinct = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    law = np.zeros((classes, 1 + classes * distinct))
    law[:, 0] = rng.uniform(0.2, 2, classes)
    for n in range(classes):
        law[n, 1 + n * distinct : 1 + (n + 1) * distinct] = rng.uniform(0.1, 1, distinct)
    return ClassMixture(law / law.sum(axis=1, keepdims=True), [0] * classes, None, law.shape[1] + 20)


@pytest.mark.parametrize("seed", range(8))
def test_initial_acceleration_equals_finite_differences(seed: int) -> None:
    """dz/dt is linear in the decoder to leading order: its slope along dY/dt at Y = 0, by central differences."""
    rng = np.random.default_rng(seed)
    law = rng.dirichlet(np.ones(5), 4)
    mixture = ClassMixture(law, [0, 1, 0, 1], rng.dirichlet(np.ones(4)), 9)
    logits, zero = rng.uniform(-3, 3, (2, 5)), np.zeros((5, 9))
    d_logits, d_decoder = mixture.gradient(logits, zero)
    assert not d_logits.any()
    step = 1e-4
    ahead, behind = (mixture.gradient(logits, -sign * step * d_decoder)[0] for sign in (1, -1))
    slope = -(ahead - behind) / (2 * step)
    np.testing.assert_allclose(initial_acceleration(mixture, logits), slope, rtol=0, atol=1e-8 * np.abs(slope).max())


def test_initial_acceleration_starts_the_flow() -> None:
    """z = eta_Y eta_Z t^2 / 2 times it, up to O(t) relative."""
    path = population_flow(TWO_QUERIES.mixture, 2.0, 0.5, [1e-3])
    expected = initial_acceleration(TWO_QUERIES.mixture, np.zeros((2, 30))) * 1e-6 / 2
    np.testing.assert_allclose(path.logits[0], expected, rtol=0, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(5))
def test_lemma_4_conserves_differences_and_obeys_the_growth_law(seed: int) -> None:
    mixture = one_common_token(seed)
    path = attention_flow(mixture, 5.0, 2.0, np.linspace(0, 60, 13))
    inverse = inverse_square_weight(mixture, path.logits)
    for n in range(mixture.classes):
        own = inverse[:, n, mixture.distinct[n]]
        np.testing.assert_allclose(own - own[:, :1], np.broadcast_to(own[0] - own[0, 0], own.shape), rtol=1e-8)
        gain = dominant_gain(path, n)
        np.testing.assert_allclose(gain.actual, gain.predicted, rtol=1e-7)
        assert (np.diff(path.logits[:, 0, dominant_token(mixture, n)]) > 0).all()


def test_exponent_is_the_integral_of_xi() -> None:
    """Against Simpson's rule on a fine grid."""
    mixture, times = one_common_token(1), np.linspace(0, 10, 2001)
    path = attention_flow(mixture, 5.0, 2.0, times)
    scale = backpropagated_scale(mixture.vocabulary, 5.0 * times / mixture.classes)
    xi = attention_push(path.features, mixture.vocabulary).xi * scale[:, None]
    expected = 2.0 / mixture.classes * simpson(xi, x=times, axis=0)
    np.testing.assert_allclose(path.exponent[-1], expected, rtol=1e-7)


# relative error of r = r(0) chi in the flow at t = 2000: eta_Y / eta_Z, two queries, one query; partners 0.1, 0.5, 0.9
LAW_IN_THE_FLOW = {
    0.5: ((-0.036, -0.48, -0.61), (-0.031, -0.38, -0.49)),
    1.0: ((-0.023, -0.39, -0.59), (-0.020, -0.32, -0.48)),
    10.0: ((-0.004, -0.087, -0.257), (-0.003, -0.076, -0.222)),
    100.0: ((-0.0003, -0.006, -0.020), (-0.0002, -0.006, -0.019)),
}


@pytest.mark.parametrize("ratio", LAW_IN_THE_FLOW)
def test_growth_law_fails_in_the_flow_unless_the_decoder_is_fast(ratio: float) -> None:
    for symmetric, expected in zip((TWO_QUERIES, ONE_QUERY), LAW_IN_THE_FLOW[ratio], strict=True):
        gain = dominant_gain(population_flow(symmetric.mixture, ratio, 1.0, [2000.0]), 0)
        error = (gain.actual / gain.predicted - 1)[0, [0, 4, 8]]
        np.testing.assert_allclose(error, expected, rtol=0, atol=0.006 if ratio < 10 else 0.00051)


def test_distinct_tokens_fall_in_the_true_flow() -> None:
    """The counterexample's numbers, at eta_Y / eta_Z = 1 and 10."""
    times = np.linspace(0, 300, 3001)
    path = population_flow(stubborn_mixture(), 1.0, 1.0, times)
    np.testing.assert_allclose(path.logits[-1, 0], [-0.574, -0.083, -0.048, 0.353, 0.353], rtol=0, atol=5.001e-4)
    slope = np.gradient(path.logits[:, 0, 1], times)
    assert slope.min() == pytest.approx(-0.0017, abs=5e-5)
    assert times[slope.argmin()] == pytest.approx(17.8, abs=0.5)
    fast = population_flow(stubborn_mixture(), 10.0, 1.0, times)
    np.testing.assert_allclose(fast.logits[-1, 0, 1:3], [0.056, 0.015], rtol=0, atol=5.001e-4)
    lemma = attention_flow(stubborn_mixture(), 1.0, 1.0, times)
    assert (np.diff(lemma.logits[:, 0, 1:], axis=0) > 0).all()
    assert (np.diff(lemma.logits[:, 0, 0]) < 0).all()


def test_attention_hardly_moves_late() -> None:
    """Three decades after t = 1000 add 0.06 to the dominant logit, and entropy rises again (one query, M = 34)."""
    mixture = SymmetricMixture(2, 34, WEIGHTS, common_tokens=10).mixture
    path = population_flow(mixture, 1.0, 1.0, [1e3, 1e6])
    np.testing.assert_allclose(path.logits[:, 0, 19], [0.446, 0.509], rtol=0, atol=5.001e-4)
    entropy = mixture.distinct_entropy(path.attention)[:, 0]
    np.testing.assert_allclose(entropy, [2.0911, 2.0945], rtol=0, atol=5.001e-5)
