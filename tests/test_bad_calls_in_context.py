"""Bad calls of nested logits, product flows and in-context classification: refused with the argument and the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from theory.nested_logits import (
    NestedLogits,
    critical_classes,
    equal_labels_integral,
    first_integral,
    half_loss_time,
    memorised_logit,
    plateau_length,
    saddle_rate,
    slow_phase,
    with_in_weights,
)
from theory.nested_logits.equal_labels import EqualLabelsStart
from theory.nested_logits.escape import ManyCompetitors, SoftmaxReadout
from theory.nested_logits.model import LearnableStart
from theory.product_flow import (
    AdditiveHeads,
    OuterProduct,
    ProductFlow,
    balanced_clock,
    clamped,
    escape_time,
    two_factor_clock,
)
from toy_tasks.in_context_classification import (
    AttentionOnlyClassifier,
    InContextClassification,
    InContextMeasures,
    MinimalInductionHead,
    bayes_accuracy,
    evaluate,
)
from toy_tasks.randomness import Key

NAN, INF = float("nan"), float("inf")
MODEL = NestedLogits(4, 16, 8)
EQUAL = NestedLogits(4, 4, 8)
TOY = OuterProduct([1.0, 1, 1], [0.5, 0.5, 0.5], [1.0, 1, 1], 3)  # type: ignore[arg-type]
SMALL = InContextClassification.small()


def task(**changes: Any) -> InContextClassification:
    return InContextClassification(**{"classes": 64, "labels": 16, "dimension": 8, "pairs": 4, "window": 4} | changes)


CALLS: list[tuple[str, Callable[[], Any], str]] = [
    ("context labels", lambda: NestedLogits(1, 4, 8), "context_labels must be >= 2, got 1"),
    ("labels below context", lambda: NestedLogits(4, 3, 8), "labels must be >= context_labels = 4, got 3"),
    ("labels fraction", lambda: NestedLogits(4, 4.5, 8), "labels must be an integer >= 2, got 4.5"),  # type: ignore[arg-type]
    ("competitors", lambda: NestedLogits(4, 16, 0.0), "competitors must be positive, got 0.0"),
    ("competitors nan", lambda: NestedLogits(4, 16, NAN), "competitors must be finite, got nan"),
    ("rates", lambda: NestedLogits(4, 16, 8, (1.0, 0.0, 1.0)), "rates must be positive, got 0.0"),
    ("rates number", lambda: NestedLogits(4, 16, 8, (1.0, 1.0)), "rates must have shape (3)"),  # type: ignore[arg-type]
    ("state", lambda: MODEL.loss(INF, 0.0, 0.0), "xi must be finite, got inf"),
    ("start", lambda: MODEL.flow([0.0, 1.0], (0.0, 0.0)), "start must have shape (3)"),
    ("times", lambda: MODEL.flow([1.0, 0.5]), "times must be >= 0 and non-decreasing"),
    ("several m", lambda: first_integral(NestedLogits(4, 16, (1.0, 3.0)), 0.0, 0.0), "competitors must be a single"),
    ("plateau at L = N", lambda: plateau_length(EQUAL), "labels must exceed context_labels = 4"),
    ("slow phase at L = N", lambda: slow_phase(EQUAL, [1.0]), "labels must exceed context_labels = 4"),
    ("plateau start", lambda: plateau_length(MODEL, alpha=NAN), "alpha must be finite"),
    (
        "half time limit",
        lambda: half_loss_time(MODEL, longest=-1.0),
        "longest must be finite and in (0, inf), got -1.0",
    ),
    ("saddle at L > N", lambda: saddle_rate(MODEL), "labels must equal context_labels = 4, got 16"),
    ("energy at L > N", lambda: equal_labels_integral(MODEL, 0.0, 0.0, 0.0), "labels must equal context_labels"),
    (
        "energy rates",
        lambda: equal_labels_integral(NestedLogits(4, 4, 8, (1.0, 2.0, 1.0)), 0.0, 0.0, 0.0),
        "rates must be equal for xi and alpha, got (1.0, 2.0)",
    ),
    ("frequencies", lambda: with_in_weights(MODEL, [0.5, 0.6]), "frequencies must have rows that sum to 1"),
    ("frequency zero", lambda: with_in_weights(MODEL, [1.0, 0.0]), "frequencies must be positive, got 0.0"),
    ("exposure", lambda: memorised_logit(4, -1.0), "exposure must be >= 0, got -1.0"),
    ("remaining loss", lambda: critical_classes(MODEL, remaining_loss=2.0), "remaining_loss must be below log N"),
    ("hypothesis: absent labels", lambda: LearnableStart(EQUAL), "hypothesis broken: labels must exceed"),
    ("hypothesis: m", lambda: ManyCompetitors(MODEL), "hypothesis broken: 3 <= N <= 32"),
    ("hypothesis: readout", lambda: SoftmaxReadout(3, 100.0), "hypothesis broken: 4 <= N <= 32"),
    ("hypothesis: small start", lambda: EqualLabelsStart(EQUAL, 0.2, 0.0), "hypothesis broken: 0.1 max"),
    ("factors", lambda: ProductFlow([0.5, 0.0]), "factors must be positive, got 0.0"),  # type: ignore[arg-type]
    ("factors beyond target", lambda: ProductFlow([2.0, 1.0]), "factors must have a product below the target 1, got 2"),  # type: ignore[arg-type]
    ("loss name", lambda: ProductFlow([0.5], "hinge"), "loss must be one of squared, logistic, got 'hinge'"),  # type: ignore[arg-type]
    ("level", lambda: ProductFlow([0.5, 0.5]).time_to(0.2), "level must not lie below the product at the start 0.25"),  # type: ignore[arg-type]
    ("level at target", lambda: ProductFlow([0.5]).time_to(1.0), "level must be finite and in (0, 1), got 1.0"),  # type: ignore[arg-type]
    ("escape negative", lambda: escape_time(-1.0, 1.0, 1.0), "a must be >= 0, got -1.0"),
    ("escape two zeros", lambda: escape_time(0.0, 0.0, 1.0), "a, b, c must not have two zeros"),
    ("clamp too few", lambda: clamped(ProductFlow([0.5]), 2), "free must be at most the number of factors 1, got 2"),  # type: ignore[arg-type]
    ("clock factors", lambda: balanced_clock(4, 0.5), "factors must be 1, 2 or 3, got 4"),
    ("clock value", lambda: balanced_clock(2, 1.0), "value must be in (0, 1), got 1.0"),
    ("clock difference", lambda: two_factor_clock(-1.0, 0.5), "difference must be >= 0, got -1.0"),
    ("heads beyond target", lambda: AdditiveHeads([0.9, 0.9], 2), "start must have sum u^2 below the target 1"),  # type: ignore[arg-type]
    ("head factors", lambda: AdditiveHeads([0.5], 1), "factors must be >= 2, got 1"),  # type: ignore[arg-type]
    ("overlap", lambda: OuterProduct([1.0] * 3, [2.0] * 3, [1.0] * 3, 3), "overlap must obey overlap^2"),  # type: ignore[arg-type]
    ("clamped", lambda: TOY.descent(1.0, 5, (3,)), "clamped must name vectors 0, 1 or 2, got [3]"),
    ("descent rate", lambda: TOY.descent(0.0, 5), "rate must be finite and in (0, inf), got 0.0"),
    ("classes", lambda: task(classes=65), "classes must be a multiple of labels = 16, got 65"),
    ("burstiness", lambda: task(burstiness=3), "burstiness must divide pairs = 4, got 3"),
    ("distinct labels", lambda: task(classes=4, labels=2, window=9, pairs=8), "at most labels = 2 for distinct labels"),
    ("within class", lambda: task(within_class=-0.1), "within_class must be finite and in [0, inf], got -0.1"),
    ("bursty", lambda: task(bursty=1.5), "bursty must be finite and in [0, 1], got 1.5"),
    ("novel", lambda: task(novel=NAN), "novel must be finite and in [0, 1], got nan"),
    ("window", lambda: task(pairs=8), "pairs must be at most window = 4, got 8"),
    ("zipf", lambda: task(zipf=-1), "zipf must be finite and in [0, inf], got -1"),
    ("novel classes", lambda: task(novel_classes=8), "novel_classes must be >= labels = 16, got 8"),
    ("pairs", lambda: task(pairs=0), "pairs must be an integer >= 1, got 0"),
    ("evaluation", lambda: SMALL.evaluation("test"), "which must be one of 'training', 'in_context'"),  # type: ignore[arg-type]
    ("batch", lambda: SMALL.sample(Key.of((0,)), 0), "batch must be an integer >= 1, got 0"),
    ("bayes", lambda: bayes_accuracy(task(unit_norm=True), samples=10), "task must have distinct_labels and not unit"),
    ("clamp name", lambda: AttentionOnlyClassifier(induction="off"), "induction must be one of 'trained', 'perfect'"),  # type: ignore[arg-type]
    ("unsized", lambda: AttentionOnlyClassifier().init(Key.of((0,))), "labels, width and dimension must be given"),
    ("attend", lambda: MinimalInductionHead("items"), "attend must be one of 'labels', 'all', 'all_alike'"),  # type: ignore[arg-type]
    ("unsized head", lambda: MinimalInductionHead().init(Key.of((0,))), "labels and dimension must be given"),
    (
        "rows of params",
        lambda: evaluate(SMALL, InContextMeasures(MinimalInductionHead()), {"x": torch.zeros(3)}, seeds=(0, 1)),
        "params must hold one row per seed (2), got [3]",
    ),
]


@pytest.mark.parametrize(("call", "message"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_named_error(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ProductFlow(np.array([0.5])).factors[0] = 2.0
