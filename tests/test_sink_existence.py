"""The construction that solves Bigram-Backcopy, against a loop over its keys."""

from __future__ import annotations

import numpy as np
import pytest

from theory.sink_flow import ConstructedLayer, LayerInContext, backcopy_risk_bound, bigram_risk_bound


@pytest.mark.parametrize("seed", range(20))
def test_risks_equal_a_loop_over_the_keys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, length = int(rng.integers(2, 9)), int(rng.integers(2, 13))
    alpha, copy, scale = rng.uniform(-1, 6), rng.uniform(-1, 6), rng.uniform(0, 8)
    context, law = rng.integers(0, tokens, length), rng.dirichlet(np.ones(tokens))
    case = LayerInContext(ConstructedLayer(alpha, copy, scale, tokens), context, law)
    for trigger in (True, False):
        logits = dict.fromkeys(range(length + 1), 0.0)  # position 0 is the begin token
        logits[length - 1 if trigger else 0] = copy if trigger else alpha
        total = sum(np.exp(x) for x in logits.values())
        output = np.zeros(tokens)
        for position in range(1, length + 1):
            output[context[position - 1]] += scale * np.exp(logits[position]) / total
        unnormalised = np.exp(output) * (1.0 if trigger else law)
        predicted = unnormalised / unnormalised.sum()
        if trigger:
            assert case.backcopy_risk() == pytest.approx(-np.log(predicted[context[-2]]), rel=1e-10)
        else:
            assert case.bigram_excess() == pytest.approx(law @ np.log(law / predicted), rel=1e-8, abs=1e-14)


def test_bounds_at_known_points() -> None:
    """Uniform attention outputs: no better than chance at a = 1/2; nothing is lost at s = 1."""
    assert backcopy_risk_bound(value_scale=7.0, attention=0.5, tokens=5) == pytest.approx(np.log(5))
    assert backcopy_risk_bound(value_scale=50.0, attention=1.0, tokens=2) == pytest.approx(np.exp(-50.0))
    assert bigram_risk_bound(value_scale=4.0, ignored=0.0) == 0.0
    assert bigram_risk_bound(value_scale=4.0, ignored=0.5) == pytest.approx(0.5)


def test_bigram_risk_stays_when_the_sink_only_keeps_pace() -> None:
    """alpha = log xi: the excess tends to log(cosh 1) = 0.4338 nats on two equal keys, whatever xi is."""
    risks = []
    for scale in (1e3, 1e6, 1e9):
        layer = ConstructedLayer(float(np.log(scale)), 40.0, scale, 2)
        risks.append(LayerInContext(layer, np.array([0, 0]), np.array([0.5, 0.5])).bigram_excess())
    assert risks[-1] == pytest.approx(np.log(np.cosh(1)), abs=1e-8)
    assert risks == sorted(risks)
