"""Attention variants and sink metrics are there twice, as theory's numpy and as the simulator's torch: one answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from theory import attention_variants as theory
from theory import sink_metrics
from toy_tasks.simulator import Clipped, OffByOne, ReLU, Sigmoid, Softmax, attention
from toy_tasks.simulator import sink_metrics as simulated
from toy_tasks.simulator.block import causal

Array = NDArray[np.float64]
LOGITS = 4 * np.random.default_rng(0).normal(size=(3, 2, 7, 7))
PAIRS: list[tuple[attention.Attention, Callable[[Array], Array]]] = [
    (Softmax(), theory.softmax_attention),
    (ReLU(), theory.relu_attention),
    (Sigmoid(), theory.sigmoid_attention),
    (OffByOne(), theory.off_by_one_attention),
    (Clipped(-0.1, 1.2), lambda logits: theory.clipped_softmax_attention(logits, gamma=-0.1, zeta=1.2)),
]


@pytest.mark.parametrize(("variant", "reference"), PAIRS, ids=[type(variant).__name__ for variant, _ in PAIRS])
def test_variants_and_sink_rates_agree(variant: attention.Attention, reference: Callable[[Array], Array]) -> None:
    ours, expected = variant.weights(causal(torch.tensor(LOGITS))), reference(LOGITS)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12, atol=1e-15)
    rows = sink_metrics.normalised_attention(expected)
    np.testing.assert_allclose(simulated.importance(ours).numpy(), sink_metrics.importance(rows), rtol=1e-12)
    for threshold in (0.1, 0.3):
        assert float(simulated.sink_rate(ours, threshold)) == sink_metrics.sink_rate(rows, threshold=threshold)


def test_outlier_metrics_agree() -> None:
    activations = np.random.default_rng(1).standard_t(3, size=(5, 7, 4))
    ours = torch.tensor(activations)
    assert float(simulated.inf_norm(ours)) == pytest.approx(sink_metrics.infinity_norm(activations), rel=1e-14)
    assert float(simulated.kurtosis(ours)) == pytest.approx(sink_metrics.kurtosis(activations), rel=1e-12)
