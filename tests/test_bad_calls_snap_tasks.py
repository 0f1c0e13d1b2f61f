"""Misuse of the sequence classes, the count model, its measures, texts and rates per parameter is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from toy_tasks.randomness import Key
from toy_tasks.scan_and_snap import CountModel, ScanAndSnap, SnapMeasures, TextMeasures, TextWindows, recall
from toy_tasks.simulator import SGD, Adam, AdamW, simulate

NAN, INF = float("nan"), float("inf")
TASK = ScanAndSnap(1, 2, 1, 0, 2, 4)
MODEL = CountModel().sized_for(TASK)
TEXT = TextWindows.of("a rose is a rose is a rose is a rose", types=2, length=4)
LOGITS = torch.zeros(1, 5)


def trained(optimizer: Any, model: Any = MODEL, **options: Any) -> object:
    return simulate(TASK, model, optimizer, **({"seeds": [0, 1], "steps": 1} | options))


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # the sequence classes
    (lambda: ScanAndSnap(0), ValueError, r"queries must be an integer >= 1, got 0"),
    (lambda: ScanAndSnap(1.0), TypeError, r"queries must be an integer >= 1, got 1\.0"),  # type: ignore[arg-type]
    (lambda: ScanAndSnap(next_per_query=0), ValueError, r"next_per_query .*>= 1, got 0"),
    (lambda: ScanAndSnap(next_per_query=True), TypeError, r"next_per_query .*>= 1, got True"),
    (lambda: ScanAndSnap(common=-1), ValueError, r"common .*>= 0, got -1"),
    (lambda: ScanAndSnap(common_per_query="two"), TypeError, r"common_per_query .*>= 0, got 'two'"),  # type: ignore[arg-type]
    (lambda: ScanAndSnap(distinct=-2), ValueError, r"distinct .*>= 0, got -2"),
    (lambda: ScanAndSnap(2, 1, 0, 0, 0), ValueError, r"common, common_per_query and distinct .*, got 0, 0, 0"),
    (lambda: ScanAndSnap(length=1), ValueError, r"length .*>= 2, got 1"),
    (lambda: ScanAndSnap(length=INF), TypeError, r"length .*>= 2, got inf"),  # type: ignore[arg-type]
    (lambda: ScanAndSnap.syn_medium(-3), ValueError, r"queries .*>= 1, got -3"),
    (lambda: TASK.sample(Key.of((0,)), 0), ValueError, r"batch .*>= 1, got 0"),
    (lambda: TASK.sample(Key.of((0,)), 2.5), TypeError, r"batch .*>= 1, got 2\.5"),  # type: ignore[arg-type]
    # the model
    (lambda: CountModel(-1.0), ValueError, r"spread .*in \[0, inf\), got -1\.0"),
    (lambda: CountModel(NAN), ValueError, r"spread .*finite.*, got nan"),
    (lambda: CountModel("uniform"), TypeError, r"spread .*number.*, got 'uniform'"),
    (lambda: CountModel(vocabulary=0), ValueError, r"vocabulary .*>= 1, got 0"),
    (lambda: CountModel(contextual=2.0), TypeError, r"contextual .*>= 1, got 2\.0"),  # type: ignore[arg-type]
    (lambda: CountModel(queries=-1), ValueError, r"queries .*>= 1, got -1"),
    (lambda: CountModel(vocabulary=4).shapes(), ValueError, r"vocabulary, contextual and queries must be given"),
    (lambda: trained(SGD(0.1), CountModel([0.0, 1.0, 2.0])), ValueError, r"model\.spread .*\(2\), got shape \(3,\)"),
    # rates per parameter
    (lambda: SGD({"Y": 0.1, "Z": -0.1}), ValueError, r"learning_rate\['Z'\] .*in \(0, inf\), got -0\.1"),
    (lambda: SGD({"Y": 0}), ValueError, r"learning_rate\['Y'\] .*in \(0, inf\), got 0\.0"),
    (lambda: Adam({"Y": NAN}), ValueError, r"learning_rate\['Y'\] .*finite.*, got nan"),
    (lambda: AdamW({"Y": "fast"}), TypeError, r"learning_rate\['Y'\] .*number.*, got 'fast'"),  # type: ignore[dict-item]
    (lambda: SGD({"Y": {"Z": 1.0}}), TypeError, r"learning_rate\['Y'\] .*number.*, got \{'Z': 1\.0\}"),
    (lambda: trained(SGD({"Y": 0.1})), ValueError, r"learning_rate must name .*\['Y', 'Z'\], got \['Y'\]"),
    (lambda: trained(Adam({"y": 0.1, "z": 0.1})), ValueError, r"learning_rate must name .*'Z'\], got \['y', 'z'\]"),
    (lambda: trained(SGD({})), ValueError, r"learning_rate must name the trained parameters .*, got \[\]"),
    (
        lambda: trained(SGD({"Y": 0.1, "Z": [0.1, 0.2, 0.3]})),
        ValueError,
        r"optimizer\.learning_rate\.Z must hold one value per seed \(2\), got shape \(3,\)",
    ),
    # measures
    (lambda: SnapMeasures(ScanAndSnap(distinct=0), MODEL), ValueError, r"task must have distinct tokens .*distinct=0"),
    (lambda: recall(ScanAndSnap(1, 1, 5, 0, 0), LOGITS, np.array([0.1])), ValueError, r"task must have .*distinct=0"),
    (lambda: recall(TASK, torch.zeros(5), np.array([0.1])), ValueError, r"logits .*\(1, 5\) of the task, got \(5,\)"),
    (lambda: recall(TASK, torch.zeros(2, 5), np.array([0.1])), ValueError, r"logits .*\(1, 5\).*, got \(2, 5\)"),
    (lambda: recall(TASK, LOGITS, np.array([])), ValueError, r"thresholds .*not empty, got shape \(0,\)"),
    (lambda: recall(TASK, LOGITS, np.array(0.1)), ValueError, r"thresholds .*one-dimensional.*, got shape \(\)"),
    (lambda: recall(TASK, LOGITS, ["high"]), TypeError, r"thresholds must be an array .*, got \['high'\]"),  # type: ignore[arg-type]
    # texts
    (lambda: TextWindows.of("a b c", length=4), ValueError, r"ids must be longer than length 4, got 3"),
    (lambda: TextWindows.of("a b c", types=0), ValueError, r"types .*>= 1, got 0"),
    (lambda: TextWindows.of("a b c", length=1), ValueError, r"length .*>= 2, got 1"),
    (lambda: TextWindows(np.array([0.0, 1.0]), ("a", "b"), 2), TypeError, r"ids must be .* integers, got array"),
    (lambda: TextWindows(np.array([0, 1, 2]), ("a", "b"), 2), ValueError, r"ids must be in 0\.\.1, got 0\.\.2"),
    (lambda: TextWindows(np.array([0, -1, 1]), ("a", "b"), 2), ValueError, r"ids must be in 0\.\.1, got -1\.\.1"),
    (lambda: TEXT.split(0.0), ValueError, r"fraction .*in \(0, 1\), got 0\.0"),
    (lambda: TEXT.split(1.0), ValueError, r"fraction .*in \(0, 1\), got 1\.0"),
    (lambda: TEXT.split([0.5, 0.9]), TypeError, r"fraction must be one number, got \[0\.5, 0\.9\]"),  # type: ignore[arg-type]
    (lambda: TEXT.split(0.9), ValueError, r"ids must be longer than length 4, got 1 of them"),
    (lambda: TextWindows.of(b"a b c"), TypeError, r"text must be a string, got b.a b c."),  # type: ignore[arg-type]
    (lambda: TEXT.sample(Key.of((0,)), -1), ValueError, r"batch .*>= 1, got -1"),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for _, _, pattern in BAD_CALLS])
def test_bad_calls_are_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern) as caught:
        call()
    assert type(caught.value) is exception


def test_the_good_calls_beside_them_are_taken() -> None:
    """The same arguments at the edge of what is allowed."""
    assert ScanAndSnap(1, 1, 0, 0, 1, 2).sample(Key.of((0,)), 1)["counts"].tolist() == [[[1]]]
    assert CountModel(0).sized_for(TASK) is not None
    trained(SGD({"Z": [0.1, 0.2], "Y": 0.1}))
    assert recall(TASK, LOGITS, np.array([0.2])).tolist() == [[1.0]]
    TextWindows.of("a b c", length=2), TEXT.split(0.5), TextMeasures(MODEL)
