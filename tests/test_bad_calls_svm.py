"""Misuse of the attention SVM is refused at once: every message names the argument and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from theory.attention_svm import (
    Margins,
    MultiTokenSelection,
    TokenSelection,
    causal_margins,
    factor_flow,
    head_margins,
    joint_margins,
    logistic_loss_weights,
    numerical_rank,
    penalised_attention,
    prompt_margins,
    regularization_path,
    second_order_shift,
    solve,
    solve_entrywise,
)

NAN, INF = float("nan"), float("inf")
TOKENS = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
QUERIES = torch.ones(2, 4, dtype=torch.float64)
SELECTED = torch.tensor([0, 1])
ATTENTION: Any = [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]


def selection(tokens: Any = TOKENS, queries: Any = QUERIES, selected: Any = SELECTED) -> TokenSelection:
    return TokenSelection(tokens, queries, selected)


def with_entry(value: float) -> torch.Tensor:
    tokens = TOKENS.clone()
    tokens[0, 1, 2] = value
    return tokens


PROBLEM = selection()
SOLUTION = solve(PROBLEM)
ROWS = PROBLEM.margins().rows
SCORES: Any = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
IMPOSSIBLE = selection(torch.ones(2, 3, 4, dtype=torch.float64))


def path(scores: Any = SCORES, radii: Any = (1.0,), problem: TokenSelection = PROBLEM, **options: Any) -> object:
    return regularization_path(problem, scores, radii, **options)


def flow(scores: Any = SCORES, key: Any = QUERIES.mT, query: Any = QUERIES.mT, times: Any = (1.0,)) -> object:
    return factor_flow(PROBLEM, scores, (key, query), times)


def several(attention: Any = ATTENTION, kept: Any = None) -> MultiTokenSelection:
    return MultiTokenSelection(TOKENS, QUERIES, attention, kept)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # the problem
    (lambda: selection(TOKENS[:, :1]), ValueError, r"tokens .*T >= 2, got shape \(2, 1, 4\)"),
    (lambda: selection(with_entry(NAN)), ValueError, r"tokens must be finite, got nan"),
    (lambda: selection(with_entry(-INF)), ValueError, r"tokens must be finite, got -inf"),
    (lambda: selection("words"), TypeError, r"tokens must be float32 or float64, got .*|tokens .*got 'words'"),
    (lambda: selection(TOKENS.long()), TypeError, r"tokens must be float32 or float64, got torch\.int64"),
    (lambda: selection(TOKENS[0]), ValueError, r"tokens .*at least 3 axes.*got shape \(3, 4\)"),
    (lambda: selection(queries=QUERIES.float()), TypeError, r"tokens and queries .*one dtype, got .*float32"),
    (lambda: selection(queries=torch.zeros(2, 4, dtype=torch.float64)), ValueError, r"queries must not be zero"),
    (lambda: selection(queries=QUERIES[:, :3]), ValueError, r"queries .*shape \(2, 4\), got shape \(2, 3\)"),
    (lambda: selection(queries=QUERIES[None]), ValueError, r"one batch shape, got tokens \(\), queries \(1,\)"),
    (lambda: selection(selected=torch.tensor([0, 3])), ValueError, r"selected must be in 0\.\.2, got 3"),
    (lambda: selection(selected=torch.tensor([-1, 0])), ValueError, r"selected must be in 0\.\.2, got -1"),
    (lambda: selection(selected=torch.tensor([0.0, 1.0])), TypeError, r"selected must hold integers, got .*float32"),
    (lambda: selection(selected=torch.tensor([0])), ValueError, r"selected .*shape \(2,\), got shape \(1,\)"),
    (lambda: PROBLEM.margins([1.0]), ValueError, r"bounds .*shape \(2,\), got shape \(1,\)"),  # type: ignore[arg-type]
    (lambda: PROBLEM.margins([1.0, -1.0]), ValueError, r"bounds must be >= 0, got -1\.0"),  # type: ignore[arg-type]
    (lambda: PROBLEM.margins([0.0, 0.0]), ValueError, r"bounds .*positive entry.*got only 0"),  # type: ignore[arg-type]
    (lambda: Margins(ROWS, QUERIES), ValueError, r"owner must be given .*got 4 rows and 2 queries"),
    (lambda: Margins(ROWS, QUERIES, torch.full((4,), 2)), ValueError, r"owner must be in 0\.\.1, got 2"),
    # the solvers
    (lambda: solve(TOKENS), TypeError, r"problem must be a TokenSelection or Margins, got tensor"),  # type: ignore[arg-type]
    (lambda: solve(PROBLEM, "l1"), ValueError, r"norm must be one of 'frobenius', 'nuclear', got 'l1'"),  # type: ignore[arg-type]
    (lambda: solve(PROBLEM, method="fast"), ValueError, r"method must be one of 'auto', 'cvxpy', got 'fast'"),  # type: ignore[arg-type]
    (lambda: solve_entrywise(PROBLEM, 1.0), ValueError, r"p must be finite and in \(1, inf\), got 1\.0"),
    (lambda: solve_entrywise(PROBLEM, "2"), TypeError, r"p must be a real number, got '2'"),  # type: ignore[arg-type]
    # variants
    (lambda: causal_margins(TOKENS, torch.ones(2, 3).long()), ValueError, r"selected .*after its position, got 1"),
    (lambda: causal_margins(TOKENS[:, :1], SELECTED[:, None]), ValueError, r"tokens .*T >= 2, got shape \(2, 1, 4\)"),
    (lambda: prompt_margins(TOKENS, SELECTED + 2), ValueError, r"selected must be in 0\.\.2, got 3"),
    (lambda: head_margins(QUERIES, [1.0, 2.0]), ValueError, r"labels must be -1 or 1, got 2\.0"),  # type: ignore[arg-type]
    (lambda: head_margins(QUERIES, [1.0]), ValueError, r"labels .*shape \(2,\), got shape \(1,\)"),  # type: ignore[arg-type]
    (
        lambda: joint_margins(IMPOSSIBLE.tokens, TOKENS, [1.0, -1.0], SELECTED),  # type: ignore[arg-type]
        ValueError,
        r"labels must be separable .*infeasible",
    ),
    # several tokens
    (
        lambda: several([[0.5, 0.4, 0.0], [1.0, 0.0, 0.0]]),
        ValueError,
        r"attention .*sum to 1, got .* off by 0\.0999",
    ),
    (lambda: several([[0.5, 0.5], [1.0, 0.0]]), ValueError, r"attention .*shape \(2, 3\), got \(2, 2\)"),
    (lambda: several(kept=torch.ones(2, 3)), ValueError, r"kept must be boolean .*got torch\.float32"),
    (lambda: several(kept=torch.ones(2, 3).bool()), ValueError, r"kept must hold .*positive attention, got others"),
    # path and second order
    (lambda: path([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), ValueError, r"scores .*largest at selected, .*ahead by 1\.0"),
    (lambda: path([[1.0, 0.0], [0.0, 1.0]]), ValueError, r"scores .*shape \(2, 3\), got shape \(2, 2\)"),
    (lambda: path(radii=[0.0]), ValueError, r"radii .*> 0, got \[0\.0\]"),
    (lambda: path(radii=[INF]), ValueError, r"radii must be finite, got inf"),
    (lambda: path(problem=IMPOSSIBLE), ValueError, r"problem must be feasible"),
    (lambda: second_order_shift(PROBLEM, SOLUTION, torch.ones(2, 3)), ValueError, r"loss_weights .*\(2, 2\), got .*3"),
    (lambda: second_order_shift(PROBLEM, SOLUTION, -torch.ones(2, 2)), ValueError, r"loss_weights .*positive.*-1\.0"),
    (
        lambda: second_order_shift(IMPOSSIBLE, solve(IMPOSSIBLE), torch.ones(2, 2)),
        ValueError,
        r"solution must be feasible",
    ),
    (lambda: path(norm="l1"), ValueError, r"norm must be one of 'frobenius', 'nuclear', got 'l1'"),
    (lambda: path(norm="nuclear", problem=IMPOSSIBLE), ValueError, r"problem must be feasible"),
    (lambda: logistic_loss_weights(SCORES, torch.tensor([0, 5])), ValueError, r"selected must be in 0\.\.2, got 5"),
    # factors, spectrum, penalty
    (lambda: flow([[1.0, 0.0], [0.0, 1.0]]), ValueError, r"scores .*shape \(2, 3\), got \(2, 2\)"),
    (lambda: flow(query=QUERIES), ValueError, r"start must hold .* shape \(4, 2\), got Q of shape \(2, 4\)"),
    (lambda: flow(key=QUERIES.mT * NAN), ValueError, r"K must be finite, got nan"),
    (lambda: flow(times=[1.0, 0.5]), ValueError, r"times must be .*non-decreasing, got array\(\[1\. , 0\.5\]\)"),
    (lambda: numerical_rank(QUERIES, 0.0), ValueError, r"rtol must be finite and in \(0, inf\), got 0\.0"),
    (lambda: penalised_attention(QUERIES, 0.0), ValueError, r"penalty must be finite and in \(0, inf\), got 0\.0"),
    (lambda: penalised_attention([NAN], 1.0), ValueError, r"values must be finite, got nan"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for _, _, pattern in BAD_CALLS])
def test_bad_calls_are_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern) as caught:
        call()
    assert type(caught.value) is exception
