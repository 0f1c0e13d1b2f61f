"""Misuse of the regression task, its targets, random layers and ridge is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from toy_tasks.random_feature_attention import (
    AbsoluteCorrelation,
    AttentionHeads,
    AttentionRegression,
    CorrelatedKeys,
    Correlation,
    GaussianTokens,
    Largest,
    MLPUnits,
    NormalEquations,
    Pairs,
    QueryPower,
    Truth,
    average,
    ridge_predictions,
)
from toy_tasks.random_feature_attention.targets import Target
from toy_tasks.randomness import Key

NAN, INF = float("nan"), float("inf")
KEY, CORRELATED = Key.of((0, 1)), CorrelatedKeys(0.5)
TASK = AttentionRegression(average(1), 3, 2)
SAMPLE = TASK.sample(KEY, 4)
QUERY, KEYS = SAMPLE["query"], SAMPLE["keys"]
HEADS = AttentionHeads(4)
INNER, LABELS = torch.eye(5)[:, :3], torch.zeros(3, 1)


def equations(n: int = 4) -> NormalEquations:
    made = NormalEquations(HEADS, KEY)
    made.add(QUERY, KEYS, torch.zeros(2, n, 1, dtype=torch.float64))
    return made


def drawn(target: Target, law: CorrelatedKeys) -> object:
    return AttentionRegression(target, 3, 2, law).sample(KEY, 2)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # the task
    (lambda: AttentionRegression(keys=0), ValueError, r"keys must be an integer >= 1, got 0"),
    (lambda: AttentionRegression(keys=2.0), TypeError, r"keys .*>= 1, got 2\.0"),  # type: ignore[arg-type]
    (lambda: AttentionRegression(dimension=1), ValueError, r"dimension must be an integer >= 2, got 1"),
    (lambda: AttentionRegression(noise=-0.1), ValueError, r"noise .*in \[0, inf\], got -0\.1"),
    (lambda: AttentionRegression(noise=INF), ValueError, r"noise .*finite.*, got inf"),
    (lambda: AttentionRegression(noise=[0.1, 0.2]), TypeError, r"noise must be one number, got \[0\.1"),  # type: ignore[arg-type]
    (lambda: AttentionRegression(law="sphere"), TypeError, r"law must be a law of tokens, got 'sphere'"),  # type: ignore[arg-type]
    (lambda: AttentionRegression("avg_2"), TypeError, r"target must have check, .*, got 'avg_2'"),  # type: ignore[arg-type]
    (lambda: AttentionRegression(Pairs(), keys=1), ValueError, r"keys must be an integer >= 2, got 1"),
    (lambda: TASK.sample(KEY, 0), ValueError, r"batch must be an integer >= 1, got 0"),
    (lambda: TASK.sample(KEY, -3), ValueError, r"batch .*>= 1, got -3"),
    # targets and laws
    (lambda: CorrelatedKeys(1.5), ValueError, r"rho .*in \[-1, 1\], got 1\.5"),
    (lambda: CorrelatedKeys(NAN), ValueError, r"rho .*finite.*, got nan"),
    (lambda: CorrelatedKeys([0.1, 0.2]), TypeError, r"rho must be one number, got \[0\.1"),  # type: ignore[arg-type]
    (lambda: QueryPower(0), ValueError, r"power .*>= 1, got 0"),
    (lambda: average(0), ValueError, r"power .*>= 1, got 0"),
    (lambda: average(1.5), TypeError, r"power .*>= 1, got 1\.5"),  # type: ignore[arg-type]
    (lambda: Correlation(-1, 1), ValueError, r"query_power .*>= 0, got -1"),
    (lambda: Correlation(1, "one"), TypeError, r"key_power .*>= 0, got 'one'"),  # type: ignore[arg-type]
    (lambda: Correlation(0, 0), ValueError, r"query_power and key_power must not both be 0"),
    (lambda: Correlation(alignment=-0.1), ValueError, r"alignment .*in \[0, 1\], got -0\.1"),
    (lambda: Correlation(alignment=2), ValueError, r"alignment .*in \[0, 1\], got 2"),
    (lambda: Correlation(alignment=[0.0, 1.0]), TypeError, r"alignment must be one number, got \[0"),  # type: ignore[arg-type]
    (lambda: AttentionRegression(Correlation(2, 0), law=CORRELATED), ValueError, r"law .*vary.*, got CorrelatedKeys"),
    (lambda: AttentionRegression(Largest(), law=CORRELATED), ValueError, r"law .*vary.*, got CorrelatedKeys"),
    (lambda: AttentionRegression(AbsoluteCorrelation(), law=CORRELATED), ValueError, r"law .*got CorrelatedKeys"),
    (
        lambda: AttentionRegression(Correlation(1, 1, 0.5), law=CORRELATED),
        ValueError,
        r"alignment must be 1 where keys depend on the query, got 0\.5",
    ),
    (lambda: drawn(Correlation(1, 1), CorrelatedKeys(0.0)), ValueError, r"target must vary .*, got Correlation.*rho=0"),
    (lambda: drawn(Pairs(), CorrelatedKeys(1.0)), ValueError, r"target must vary under the law, got Pairs.*rho=1"),
    (lambda: Truth.of(KEY, 1), ValueError, r"dimension .*>= 2, got 1"),
    # layers
    (lambda: AttentionHeads(0), ValueError, r"units .*>= 1, got 0"),
    (lambda: AttentionHeads(omega=-1.0), ValueError, r"omega .*in \[0, inf\], got -1\.0"),
    (lambda: AttentionHeads(omega=INF), ValueError, r"omega .*finite.*, got inf"),
    (lambda: AttentionHeads(omega=NAN), ValueError, r"omega .*finite.*, got nan"),
    (lambda: AttentionHeads(omega=[0.0, 1.0]), TypeError, r"omega must be one number, got \[0"),  # type: ignore[arg-type]
    (lambda: MLPUnits(2.5), TypeError, r"units .*>= 1, got 2\.5"),  # type: ignore[arg-type]
    (lambda: HEADS.width(1), ValueError, r"dimension .*>= 2, got 1"),
    (lambda: HEADS.features(KEY, 2 * QUERY, KEYS), ValueError, r"query must hold unit vectors .*length 2"),
    (lambda: HEADS.features(KEY, QUERY, KEYS / 2), ValueError, r"keys must hold unit vectors .*length 0\.5"),
    (lambda: MLPUnits(4).features(KEY, QUERY, NAN * KEYS), ValueError, r"keys must hold unit vectors .*length nan"),
    (lambda: HEADS.features(KEY, QUERY[:, :0], KEYS[:, :0]), ValueError, r"query .*n >= 1.*, got shape \(2, 0, 3\)"),
    (lambda: HEADS.features(KEY, QUERY[..., :1], KEYS[..., :1]), ValueError, r"query .*d >= 2.*got shape \(2, 4, 1\)"),
    (lambda: HEADS.features(KEY, QUERY, KEYS[:, :, :0]), ValueError, r"keys .*'N >= 1'.*, got \(2, 4, 0, 3\)"),
    (lambda: HEADS.features(KEY, QUERY, KEYS[:, :3]), ValueError, r"keys .*\(2, 4, .*, got \(2, 3, 2, 3\)"),
    (lambda: HEADS.features(KEY, QUERY.tolist(), KEYS), TypeError, r"query must be a floating-point tensor, got \[\["),
    (lambda: HEADS.features(KEY, QUERY[:1], KEYS[:1]), ValueError, r"query .*seeds, \(2,\), got \(1,\)"),
    (lambda: HEADS.features(KEY, QUERY, KEYS, memory=0), ValueError, r"memory .*>= 1, got 0"),
    (lambda: HEADS.inner_products(KEY, QUERY, KEYS, 0), ValueError, r"first .*>= 1, got 0"),
    (lambda: HEADS.inner_products(KEY, QUERY, KEYS, 5), ValueError, r"first .*at most .*4, got 5"),
    # ridge
    (lambda: ridge_predictions(INNER, LABELS, [0.1, -1.0]), ValueError, r"ridge must be finite and >= 0, got -1\.0"),
    (lambda: ridge_predictions(INNER, LABELS, [INF]), ValueError, r"ridge must be finite and >= 0, got inf"),
    (lambda: ridge_predictions(INNER, LABELS, []), ValueError, r"ridge must be one or more numbers >= 0"),
    (lambda: ridge_predictions(INNER, LABELS, ["small"]), TypeError, r"ridge .*, got \['small'\]"),  # type: ignore[list-item]
    (lambda: ridge_predictions(INNER[:3], LABELS, [0.1]), ValueError, r"inner .*1 <= m < n, got shape \(3, 3\)"),
    (lambda: ridge_predictions(INNER[:, :0], LABELS, [0.1]), ValueError, r"inner .*1 <= m < n, got shape \(5, 0\)"),
    (lambda: ridge_predictions(INNER, LABELS[:2], [0.1]), ValueError, r"labels .*\(3, 'k'\), got \(2, 1\)"),
    (lambda: equations(3), ValueError, r"labels .*\(2, 4, 'k'\), got \(2, 3, 1\)"),
    (lambda: equations().solve(-0.5), ValueError, r"ridge must be finite and >= 0, got -0\.5"),
    (lambda: equations().solve(0.0), ValueError, r"ridge must be > 0 for normal equations, got 0\.0"),
    (lambda: NormalEquations(HEADS, KEY).solve(0.1), ValueError, r"solve needs data: call add first"),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for _, _, pattern in BAD_CALLS])
def test_bad_calls_are_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern) as caught:
        call()
    assert type(caught.value) is exception


def test_the_good_calls_beside_them_are_taken() -> None:
    """The same arguments at the edge of what is allowed."""
    (
        AttentionRegression(Pairs(), 2, 2, CorrelatedKeys(-0.5)),
        AttentionRegression(Correlation(0, 2, 0.5), law=CORRELATED),
    )
    CorrelatedKeys(1), Correlation(alignment=0), AttentionHeads(1, 0)
    assert HEADS.features(KEY, QUERY, KEYS[:, :, :1], memory=1).shape == (2, 4, 16)
    longer = AttentionRegression(average(2), 3, 2, GaussianTokens()).sample(KEY, 1)
    AttentionHeads(4, on_sphere=False).features(KEY, longer["query"], longer["keys"])
    assert ridge_predictions(INNER, LABELS, [0.0]).shape == (1, 2, 1)
    equations().solve(1e-3)
