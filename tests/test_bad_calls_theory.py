"""Misuse of the sink theory is refused at once, naming the argument and what came."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from theory import attention_variants as variants
from theory import sink_metrics as metrics
from theory.sink_flow import (
    AdamTail,
    ClippedSink,
    CompetingSinks,
    ConstructedLayer,
    GatedSink,
    LayerInContext,
    OrderedAdamTail,
    PeakStart,
    RandomContexts,
    ResidualPeak,
    SinkModel,
    adam_growth_rate,
    backcopy_risk_bound,
    bigram_risk_bound,
    random_context_asymptote,
    random_context_tail,
    saturated_growth_rate,
)

NAN, INF = float("nan"), float("inf")
ROWS: Any = [[0.5, 0.5], [0.2, 0.8]]
VALUES: Any = [[1.0, 3.0], [2.0, 0.0], [0.0, 0.0]]


def contexts(value_sum: Any = VALUES, weight: Any = 2.0, law: Any = None, rows: Any = ROWS) -> SinkModel:
    return SinkModel(rows, [1.0] * len(rows), value_sum, weight, law)


FIXED, STILL = contexts([1.0, 3.0]), contexts([[1.0, 3.0], [2.0, 4.0]])
ONE: Any = contexts([1.0, 3.0], 2.0, rows=[[0.5, 0.5]])
PEAK = ResidualPeak(0.2)
SQUARE: Any = [[0.0, 0.0], [0.0, 0.0]]
LAYER = ConstructedLayer(1.0, 1.0, 1.0, 3)


def growth(**changes: Any) -> float:
    settings: dict[str, Any] = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.99, "decay": 2.0}
    return adam_growth_rate(**settings | changes)


def in_context(context: Any = (0, 1), law: Any = (0.5, 0.25, 0.25)) -> LayerInContext:
    return LayerInContext(LAYER, context, law)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # random contexts
    (lambda: contexts([[1.0], [2.0]]), ValueError, r"value_sum .*shape \(any, 2\).*got shape \(2, 1\)"),
    (lambda: contexts([[[1.0, 2.0]]]), ValueError, r"value_sum .*shape \(2\).*got shape \(1, 1, 2\)"),
    (lambda: contexts(weight=[1.0, 2.0]), ValueError, r"weight .*shape \(3\).*got shape \(2,\)"),
    (lambda: contexts(weight=[1.0, 0.0, 2.0]), ValueError, r"weight .*positive, got 0\.0"),
    (lambda: contexts(weight=-1.0), ValueError, r"weight .*positive, got -1\.0"),
    (lambda: contexts([1.0, 3.0], [1.0, 2.0]), TypeError, r"weight .*real number, got \[1\.0, 2\.0\]"),
    (lambda: contexts([1.0, 3.0], law=[1.0]), ValueError, r"context_probability needs .*got shape \(2,\)"),
    (lambda: contexts(law=[0.5, 0.5]), ValueError, r"context_probability .*shape \(3\).*got shape \(2,\)"),
    (lambda: contexts(law=[0.5, 0.5, 0.5]), ValueError, r"context_probability .*sum to 1, got .*1\.5"),
    (lambda: contexts(law=[[1.0, 0.0, 0.0]]), ValueError, r"context_probability .*shape \(2, 3\).*got shape \(1, 3\)"),
    (lambda: contexts().loss([0.0], [0.0, 0.0]), ValueError, r"alpha .*shape \(\.\.\., 2\).*got shape \(1,\)"),
    (lambda: random_context_tail(FIXED), ValueError, r"hypothesis .*random contexts .*got \(2,\)"),
    (lambda: random_context_tail(STILL), ValueError, r"hypothesis .*value_sum must fluctuate .*got F = \[0\."),
    (lambda: random_context_tail(contexts(rows=[[1.0, 0.0], [0.5, 0.5]])), ValueError, r"full support .*got 0\.0"),
    (lambda: random_context_asymptote(contexts(), [0.0, 1.0]), ValueError, r"times must be positive, got 0\.0"),
    (lambda: RandomContexts(FIXED, np.zeros(2), np.zeros(2)), ValueError, r"hypothesis .*random contexts .*got \(2,\)"),
    # Adam
    (lambda: growth(learning_rate=0.0), ValueError, r"learning_rate .*in \(0, inf\), got 0\.0"),
    (lambda: growth(beta1=-0.1), ValueError, r"beta1 must be in \[0, 1\), got -0\.1"),
    (lambda: growth(beta2=1.0), ValueError, r"beta2 must be in \[0, 1\), got 1\.0"),
    (lambda: growth(beta1=0.99, beta2=0.5), ValueError, r"beta1 must be at most beta2, got 0\.99 > 0\.5"),
    (lambda: growth(decay="2"), TypeError, r"decay .*real number, got '2'"),
    (lambda: saturated_growth_rate(beta2=NAN, decay=1.0), ValueError, r"beta2 .*finite.*, got nan"),
    (lambda: OrderedAdamTail(1e-3, 0.5, 0.4, 1.0), ValueError, r"hypothesis .*beta1 .*got 0\.5 > 0\.4"),
    (lambda: AdamTail(1e-3, 0.5, 0.4, 1.0).steps(0), ValueError, r"count must be >= 1, got 0"),
    (lambda: AdamTail(1e-3, 0.5, 0.4, 1.0).steps(2.5), TypeError, r"count must be an integer >= 1, got 2\.5"),  # type: ignore[arg-type]
    # residual peaks
    (lambda: ResidualPeak(1.0), ValueError, r"overlap .*in \(-1, 1\), got 1\.0"),
    (lambda: PEAK.flow(1.0, INF, [1.0]), ValueError, r"m must be finite.*, got inf"),
    (lambda: PEAK.flow(1.0, 1.0, [-1.0]), ValueError, r"times .*>= 0 .*got array\(\[-1\.\]\)|times .*got \[-1\.0\]"),
    (lambda: PEAK.size_at(0.5, start=(1.0, 1.0)), ValueError, r"y must be at least its start 1\.0, got 0\.5"),
    (lambda: PEAK.size_at(2.0, start=(1.0, -1.0)), ValueError, r"start must have .*-0\.2, got \(1\.0, -1\.0\)"),
    (lambda: PEAK.log_time_at(1.0, start=(1.0, 1.0)), ValueError, r"y .*in \(1, inf\), got 1\.0"),
    (lambda: PEAK.leading_order([1.0]), ValueError, r"times must be above 1, got 1\.0"),
    (lambda: PEAK.adam(1.0, 1.0, steps=0, learning_rate=0.1), ValueError, r"steps must be >= 1, got 0"),
    (lambda: PEAK.adam(1.0, 1.0, steps=1, learning_rate=0.1, beta2=1.0), ValueError, r"beta2 .*\[0, 1\), got 1\.0"),
    (lambda: PeakStart(PEAK, 0.0, 1.0), ValueError, r"hypothesis .*y must be positive, got 0\.0"),
    # competitors
    (lambda: CompetingSinks(FIXED, [0.0]), ValueError, r"hypothesis .*one query is needed, got 2"),  # type: ignore[arg-type]
    (lambda: CompetingSinks(ONE, []), ValueError, r"alpha .*non-empty, got shape \(0,\)"),  # type: ignore[arg-type]
    (lambda: GatedSink(contexts(rows=[[0.5, 0.5]]), 0.0, 0.0), ValueError, r"one fixed context .*got shape \(3, 2\)"),
    (lambda: GatedSink(ONE, 0.0, NAN), ValueError, r"gate .*finite.*, got nan"),
    (lambda: ClippedSink(ONE, 0.0, 0.0), ValueError, r"stretch .*in \(0, inf\), got 0\.0"),
    (lambda: ClippedSink(ONE, 0.0, 1.0), ValueError, r"hypothesis .*W \+ e\^alpha must be below 2, got 3"),
    # existence
    (lambda: backcopy_risk_bound(value_scale=-1.0, attention=0.5, tokens=3), ValueError, r"value_scale .*got -1\.0"),
    (lambda: backcopy_risk_bound(value_scale=1.0, attention=1.5, tokens=3), ValueError, r"attention .*\], got 1\.5"),
    (lambda: backcopy_risk_bound(value_scale=1.0, attention=0.5, tokens=1), ValueError, r"tokens .*>= 2, got 1"),
    (lambda: bigram_risk_bound(value_scale=1.0, ignored=-0.5), ValueError, r"ignored .*\[0, 1\], got -0\.5"),
    (lambda: in_context((0,)), ValueError, r"context must be at least two token ids, got \(0,\)"),
    (lambda: in_context((0, 3)), ValueError, r"context must hold ids in 0\.\.2, got \(0, 3\)"),
    (lambda: in_context(law=(0.5, 0.5)), ValueError, r"next_token .*shape \(3\).*got shape \(2,\)"),
    # attention variants and metrics
    (lambda: variants.softmax_attention([[1.0, 2.0]]), ValueError, r"logits .*\(\.\.\., T, T\), got shape \(1, 2\)"),
    (lambda: variants.relu_attention([[NAN]]), ValueError, r"logits .*finite, got nan"),
    (lambda: variants.sigmoid_attention("high"), TypeError, r"logits .*real numbers, got 'high'"),
    (lambda: variants.clipped_softmax_attention(SQUARE, gamma=0.1), ValueError, r"gamma must be <= 0, got 0\.1"),
    (lambda: variants.clipped_softmax_attention(SQUARE, gamma=0, zeta=0.9), ValueError, r"zeta must be >= 1, got 0\.9"),
    (lambda: variants.key_bias_attention(SQUARE, bias=[0.0]), ValueError, r"bias .*shape \(2\).*got shape \(1,\)"),
    (lambda: variants.gated_output(SQUARE, [[0.0, 0.0]]), ValueError, r"gate .*\(2,\), got shape \(1, 2\)"),
    (lambda: variants.DormantLogits(np.ones((2, 2))), ValueError, r"hypothesis .*logits must be <= 0, got 1\.0"),
    (lambda: metrics.importance([[0.5, 0.5], [0.5, 0.5]]), ValueError, r"attention must be causal, got a non-zero"),
    (lambda: metrics.sink_rate(SQUARE, key=2), ValueError, r"key .*0\.\.1, got 2"),
    (lambda: metrics.sink_rate(SQUARE, threshold=INF), ValueError, r"threshold .*finite.*, got inf"),
    (lambda: metrics.infinity_norm([1.0]), ValueError, r"activations .*got shape \(1,\)"),
    (lambda: metrics.kurtosis([[1.0]]), ValueError, r"activations .*at least 2 entries .*got 1"),
    (lambda: metrics.kurtosis([[1.0, 1.0]], guard=0.0), ValueError, r"activations must vary .*got a constant sample"),
    (lambda: metrics.kurtosis([[1.0, 2.0]], guard=-1.0), ValueError, r"guard must be >= 0, got -1\.0"),
    (lambda: metrics.NormalisedAttention(np.zeros((1, 2, 2))), ValueError, r"hypothesis .*rows must sum to 1, got 0"),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for *_, pattern in BAD_CALLS])
def test_a_bad_call_names_the_argument_and_the_value(
    call: Callable[[], object], exception: type[Exception], pattern: str
) -> None:
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    assert re.search(pattern, str(caught.value)), caught.value
