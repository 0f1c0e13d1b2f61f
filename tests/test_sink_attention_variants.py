"""Attention variants and sink metrics against torch, loops, and values known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from theory.attention_variants import (
    clipped_softmax_attention,
    gated_output,
    key_bias_attention,
    off_by_one_attention,
    relu_attention,
    sigmoid_attention,
    softmax_attention,
)
from theory.sink_flow import SinkModel
from theory.sink_metrics import importance, infinity_norm, kurtosis, normalised_attention, sink_rate

LOGITS = 3 * np.random.default_rng(0).normal(size=(2, 3, 6, 6))


def test_softmax_equals_torch() -> None:
    """Also as what torch applies to values."""
    logits = torch.tensor(LOGITS)
    masked = logits.masked_fill(~torch.ones(6, 6).tril().bool(), -torch.inf)
    np.testing.assert_allclose(softmax_attention(LOGITS), torch.softmax(masked, dim=-1), rtol=1e-13)


def test_every_variant_equals_a_loop() -> None:
    """One row of one head at a time, from the definitions."""
    for row in range(6):
        x = LOGITS[1, 2, row, : row + 1]
        grown = np.exp(x)
        plain = grown / grown.sum()
        expected = {
            "relu": np.maximum(x, 0) / (row + 1),
            "sigmoid": 1 / (1 + np.exp(-x)),
            "clipped": np.clip(1.15 * plain - 0.1, 0, 1),
            "off by one": grown / (1 + grown.sum()),
            "key bias": np.array([np.exp(0.7), *grown]) / (np.exp(0.7) + grown.sum()),
        }
        ours = {
            "relu": relu_attention(LOGITS),
            "sigmoid": sigmoid_attention(LOGITS),
            "clipped": clipped_softmax_attention(LOGITS, gamma=-0.1, zeta=1.05),
            "off by one": off_by_one_attention(LOGITS),
            "key bias": key_bias_attention(LOGITS, bias=np.full(6, 0.7)),
        }
        for name, weights in ours.items():
            seen = len(expected[name])
            np.testing.assert_allclose(weights[1, 2, row, :seen], expected[name], rtol=1e-12, err_msg=name)
            assert not weights[1, 2, row, seen:].any(), name


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[-1e4, 0.0], [1e4, -1e4]])
    np.testing.assert_array_equal(off_by_one_attention(logits), [[0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(softmax_attention(logits), [[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(sigmoid_attention(logits), [[0.0, 0.0], [1.0, 0.0]])


def test_clipped_entries_pass_no_gradient() -> None:
    """Finite differences of the weights: exactly 0 on clipped entries however their own row moves, not elsewhere."""
    logits = LOGITS[0, 0]
    weights = clipped_softmax_attention(logits, gamma=-0.1)
    assert 0 < (weights[-1] == 0).sum() < 6
    for key in range(6):
        moved = logits.copy()
        moved[-1, key] += 1e-7
        change = clipped_softmax_attention(moved, gamma=-0.1)[-1] - weights[-1]
        assert not change[weights[-1] == 0].any()
    assert change[weights[-1] > 0].any()


def test_the_gate_bias_sets_the_initial_gate() -> None:
    """With zero gate weights every gate is sigmoid(b): 1/4 for b = -log 3."""
    output = np.ones((2, 5, 3))
    np.testing.assert_allclose(gated_output(output, np.full((2, 5), -math.log(3))), 0.25 * output, rtol=1e-14)


def test_off_by_one_on_keys_is_the_reduced_model_with_one_more_key() -> None:
    """The last of 5 tokens attends to a sink (key 0) and 4 keys with values: its perturbation is that of W + 1."""
    rng = np.random.default_rng(1)
    alpha, beta, values, law = 0.8, rng.normal(size=3), rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3))
    logits = np.zeros((5, 5))
    logits[-1, 0] = alpha
    output = off_by_one_attention(logits)[-1] @ np.vstack([beta, values])
    model = SinkModel(law[None], [1.0], values.sum(axis=0), 4.0 + 1)
    predicted = law * np.exp(output) / (law * np.exp(output)).sum()
    assert model.loss([alpha], beta) == pytest.approx(law @ np.log(law / predicted), rel=1e-10)


# ----------------------------------------------------------------------------------------------------- the metrics


def test_importance_of_uniform_attention() -> None:
    """Row i gives 1/i to each key: the first key's importance is H_T / T, the last one's 1/T."""
    uniform = softmax_attention(np.zeros((4, 64, 64)))
    harmonic = sum(1 / i for i in range(1, 65))
    assert importance(uniform)[2, 0] == pytest.approx(harmonic / 64)
    assert importance(uniform)[2, -1] == pytest.approx(1 / 64)
    assert sink_rate(uniform) == 0.0


def test_sink_rate_counts_heads() -> None:
    """Three of four heads look at the first key."""
    logits = np.zeros((1, 4, 64, 64))
    logits[:, :3, :, 0] = 10.0
    assert sink_rate(softmax_attention(logits)) == 75.0
    assert sink_rate(softmax_attention(logits), key=1) == 0.0


def test_unnormalised_attention_is_normalised_first() -> None:
    """Sigmoid at zero logits scores 100 raw and 0 normalised; a dormant ReLU head scores 0."""
    equal = np.zeros((1, 64, 64))
    assert sink_rate(sigmoid_attention(equal)) == 100.0
    assert sink_rate(normalised_attention(sigmoid_attention(equal))) == 0.0
    assert sink_rate(normalised_attention(relu_attention(equal))) == 0.0
    np.testing.assert_allclose(normalised_attention([[-2.0, 0.0], [-1.0, 3.0]]), [[1.0, 0.0], [0.25, 0.75]])


def test_kurtosis_of_normal_activations_and_of_a_spike() -> None:
    rng = np.random.default_rng(0)
    assert kurtosis(rng.normal(size=(20, 10_000))) == pytest.approx(3.0, abs=0.05)
    spike = np.zeros((1, 1000))
    spike[0, 3] = 50.0
    assert kurtosis(spike) == pytest.approx(1000, rel=0.01)


def test_outlier_metrics_equal_a_loop_over_samples() -> None:
    samples = np.random.default_rng(2).normal(size=(3, 4, 5)) ** 3
    norms, fourth = [], []
    for sample in samples:
        x = [float(v) for v in sample.ravel()]
        mean = sum(x) / 20
        variance = sum((v - mean) ** 2 for v in x) / 19
        norms.append(max(abs(v) for v in x))
        fourth.append(sum((v - mean) ** 4 for v in x) / 20 / (variance**2 + 1e-6))
    assert infinity_norm(samples) == pytest.approx(sum(norms) / 3)
    assert kurtosis(samples) == pytest.approx(sum(fourth) / 3)
