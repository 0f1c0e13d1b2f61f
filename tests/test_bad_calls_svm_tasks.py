"""Misuse of token selection problems and their training is refused at once, by name and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from toy_tasks.token_selection import (
    Arithmetic,
    Factors,
    GivenScores,
    GradientDescent,
    KernelWeights,
    LambdaHead,
    LinearHead,
    MirrorWeights,
    NormalizedDescent,
    PolyakStep,
    ReluHead,
    SelectionProblems,
    linear_layer,
    linear_problems,
    plane_example,
    relu_problems,
    train,
    train_jointly,
)

NAN, INF = float("nan"), float("inf")
GENERATOR = torch.Generator().manual_seed(0)
TOKENS = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=GENERATOR)
QUERIES = torch.ones(2, 3, 5, dtype=torch.float64)
LABELS = torch.ones(2, 3, dtype=torch.float64)
HEAD = LinearHead(torch.ones(2, 5))
SIZES: Any = {"sequences": 3, "length": 4, "dim": 5}


def problems(tokens: Any = TOKENS, queries: Any = QUERIES, labels: Any = LABELS, head: Any = HEAD) -> SelectionProblems:
    return SelectionProblems(tokens, queries, labels, head)


def with_entry(tensor: torch.Tensor, value: float) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[1] = value
    return changed


def trained(parameters: Any = None, rule: Any = None, *, problem: Any = None, **options: Any) -> object:
    return train(
        problem or problems(),
        parameters or KernelWeights(),
        rule or NormalizedDescent(0.1),
        **({"steps": 1} | options),
    )


def jointly(prompt: Any, head: Any) -> object:
    return train_jointly(TOKENS, LABELS, prompt, head, NormalizedDescent(0.1), steps=1)


GOOD = problems()
SELECTED = torch.zeros(2, 3, dtype=torch.int64)
WEIGHTS = torch.zeros(2, 5, 5)

# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # problems
    (lambda: problems(TOKENS[:, :, :1]), ValueError, r"tokens .*T >= 2, got shape \(2, 3, 1, 5\)"),
    (lambda: problems(TOKENS[0]), ValueError, r"tokens must have 4 axes.*got shape \(3, 4, 5\)"),
    (lambda: problems(TOKENS[:0]), ValueError, r"tokens .*none empty, got shape \(0, 3, 4, 5\)"),
    (lambda: problems(with_entry(TOKENS, NAN)), ValueError, r"tokens must be finite, got nan"),
    (lambda: problems(with_entry(TOKENS, -INF)), ValueError, r"tokens must be finite, got -inf"),
    (lambda: problems(TOKENS.long()), TypeError, r"tokens must be float32 or float64, got torch\.int64"),
    (lambda: problems("words"), TypeError, r"tokens must be a tensor, got 'words'"),
    (lambda: problems(queries=with_entry(QUERIES, INF)), ValueError, r"queries must be finite, got inf"),
    (lambda: problems(queries=0 * QUERIES), ValueError, r"queries must not be zero.*got a zero vector"),
    (lambda: problems(queries=QUERIES[:1]), ValueError, r"queries .*leading shape \(2, 3\).*got shape \(1, 3, 5\)"),
    (lambda: problems(queries=QUERIES[0]), ValueError, r"queries must have 3 axes.*got shape \(3, 5\)"),
    (lambda: problems(queries=QUERIES.float()), TypeError, r"must have one dtype, got tokens .*64, queries .*float32"),
    (lambda: problems(labels=LABELS.float()), TypeError, r"must have one dtype, got .* labels torch\.float32"),
    (lambda: problems(labels=LABELS[:, :2]), ValueError, r"labels .*leading shape \(2, 3\).*got shape \(2, 2\)"),
    (lambda: problems(labels=0.5 * LABELS), ValueError, r"labels must be -1 or 1, got 0\.5"),
    (lambda: GOOD.margins(SELECTED + 4, WEIGHTS), ValueError, r"selected must be in 0\.\.3, got 4"),
    (lambda: GOOD.margins(SELECTED - 1, WEIGHTS), ValueError, r"selected must be in 0\.\.3, got -1"),
    (lambda: GOOD.margins(SELECTED.double(), WEIGHTS), TypeError, r"selected must hold integers, got torch\.float64"),
    (lambda: GOOD.neighbours(SELECTED[0], WEIGHTS), ValueError, r"selected .*\(2, 3\), got shape \(3,\)"),
    (lambda: GOOD.locally_optimal(SELECTED, WEIGHTS[0]), ValueError, r"weights .*\(2, 5, 5\), got shape \(5, 5\)"),
    # heads
    (lambda: LinearHead(torch.ones(5)), ValueError, r"vector must have 2 axes.*got shape \(5,\)"),
    (lambda: LinearHead(torch.full((2, 5), NAN)), ValueError, r"vector must be finite, got nan"),
    (
        lambda: problems(head=LinearHead(torch.ones(2, 4))),
        ValueError,
        r"head must fit tokens .*\(2, 3, 4, 5\), got Lin",
    ),
    (
        lambda: problems(head=LinearHead(torch.ones(3, 5))),
        ValueError,
        r"head must fit tokens .*\(2, 3, 4, 5\), got Lin",
    ),
    (lambda: problems(head=ReluHead(torch.ones(2, 4, 5))), ValueError, r"head must fit tokens .*, got ReluHead"),
    (lambda: problems(head=GivenScores(torch.ones(2, 3, 3))), ValueError, r"points must be the tokens, \(2, 3, 3\)"),
    (lambda: LambdaHead(torch.ones(2, 5), torch.ones(1)), ValueError, r"penalty .*\(2,\).*, got \(1,\)"),
    (lambda: LambdaHead(torch.ones(2, 5), -torch.ones(2)), ValueError, r"penalty must be >= 0, got -1\.0"),
    # generators
    (lambda: linear_problems([0], **(SIZES | {"length": 1})), ValueError, r"length must be an integer >= 2, got 1"),
    (lambda: linear_problems([0], **(SIZES | {"dim": 2.0})), TypeError, r"dim must be an integer >= 1, got 2\.0"),
    (lambda: relu_problems([0], **(SIZES | {"sequences": 0})), ValueError, r"sequences .*>= 1, got 0"),
    (lambda: linear_problems([-1], **SIZES), ValueError, r"seeds must be integers in .*, got -1"),
    (lambda: linear_problems([], **SIZES), ValueError, r"seeds must hold at least one seed, got \[\]"),
    (lambda: linear_problems([0], **SIZES, attention="both"), ValueError, r"attention .*'cross', 'self', got 'both'"),
    (lambda: linear_layer([0.5], 3, 3), ValueError, r"seeds must be integers .*, got 0\.5"),  # type: ignore[list-item]
    (lambda: plane_example(4), ValueError, r"tokens must be one of 3, 5, got 4"),
    # rules and arithmetic
    (lambda: GradientDescent(INF), ValueError, r"learning_rate must be finite and in \(0, inf\), got inf"),
    (lambda: GradientDescent(0.0), ValueError, r"learning_rate .*in \(0, inf\), got 0\.0"),
    (lambda: NormalizedDescent(NAN), ValueError, r"learning_rate must be finite .*, got nan"),
    (lambda: NormalizedDescent("fast"), TypeError, r"learning_rate must be a number .*, got 'fast'"),  # type: ignore[arg-type]
    (lambda: NormalizedDescent([0.1, 0.2]), TypeError, r"learning_rate must be one number, got \[0\.1, 0\.2\]"),  # type: ignore[arg-type]
    (lambda: NormalizedDescent(0.1, -1.0), ValueError, r"floor .*in \[0, inf\), got -1\.0"),
    (lambda: Arithmetic(decay=-1.0), ValueError, r"decay must be a finite number >= 0, got -1\.0"),
    (lambda: Arithmetic(floor=NAN), ValueError, r"floor must be a finite number >= 0, got nan"),
    (lambda: Arithmetic(log_domain=1), TypeError, r"log_domain must be True or False, got 1"),  # type: ignore[arg-type]
    # training
    (lambda: MirrorWeights(1.0), ValueError, r"exponent .*in \(1, inf\), got 1\.0"),
    (lambda: MirrorWeights([2.0, 3.0]), TypeError, r"exponent must be one number, got \[2\.0, 3\.0\]"),  # type: ignore[arg-type]
    (lambda: trained(KernelWeights(WEIGHTS[:1])), ValueError, r"initial .*\(2, 5, 5\), got shape \(1, 5, 5\)"),
    (lambda: trained(KernelWeights(WEIGHTS + NAN)), ValueError, r"initial must be finite, got nan"),
    (lambda: trained(Factors(WEIGHTS, WEIGHTS[:, :4])), ValueError, r"queries .*\(2, 5, 5\), got shape \(2, 4, 5\)"),
    (lambda: trained(Factors(WEIGHTS[..., :2], WEIGHTS)), ValueError, r"queries .*\(2, 5, 2\), got shape \(2, 5, 5\)"),
    (lambda: trained(Factors(WEIGHTS[:1], WEIGHTS)), ValueError, r"keys .*\(2, 5, 5\), got shape \(1, 5, 5\)"),
    (lambda: trained(steps=-1), ValueError, r"steps must be an integer >= 0, got -1"),
    (lambda: trained(record=[2]), ValueError, r"record must be increasing steps in 0\.\.1, got \(2,\)"),
    (lambda: trained(mode="fast"), ValueError, r"mode must be one of 'author', 'stable', 'path', got 'fast'"),
    (lambda: trained(loss="hinge"), ValueError, r"loss must be one of 'logistic', .*, got 'hinge'"),
    (lambda: trained(device="tpu"), ValueError, r"device must be 'cpu', 'cuda' .*, got 'tpu'"),
    (lambda: jointly(torch.ones(2, 4), torch.ones(2, 5)), ValueError, r"prompt .*\(2, 5\) as head, got shape \(2, 4\)"),
    (lambda: jointly(torch.ones(2, 5), torch.ones(5)), ValueError, r"head must have 2 axes.*got shape \(5,\)"),
    (lambda: jointly(torch.full((2, 5), NAN), torch.ones(2, 5)), ValueError, r"prompt must be finite, got nan"),
    (
        lambda: trained(rule=PolyakStep(), problem=problems(head=ReluHead(torch.ones(2, 5, 5)))),
        ValueError,
        r"rule must not need .* not linear, got PolyakStep",
    ),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for _, _, pattern in BAD_CALLS])
def test_bad_calls_are_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern) as caught:
        call()
    assert type(caught.value) is exception


def test_the_good_calls_beside_them_are_taken() -> None:
    """The same arguments at the edge of what is allowed."""
    problems(TOKENS[:, :, :2]), problems(TOKENS.float(), QUERIES.float(), LABELS.float()), problems(labels=-LABELS)
    assert GOOD.margins(SELECTED + 3, WEIGHTS).abs().max() == 0
    trained(Factors(WEIGHTS[..., :1] + 1, WEIGHTS[..., :1] + 1)), trained(steps=0), trained(record=[1])
    trained(MirrorWeights(1.5, WEIGHTS), GradientDescent(1e-9)), trained(mode=Arithmetic(False, 1e-9, 1e-9))
    assert linear_problems([0, 2**31 - 1], sequences=1, length=2, dim=1).problems == 2
