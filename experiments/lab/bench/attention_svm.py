"""Speed of the attention SVM: batches of the package's solver against the published formulation in cvxpy.

The published code writes one constraint per token in a Python loop and minimises cvxpy's norm of W, with the default
solver: Clarabel for the Frobenius norm, the first-order SCS for the nuclear norm, whose answers are good to about 1e-5.
With Clarabel the nuclear norm is as accurate as here.
"""

from __future__ import annotations

import warnings
from functools import partial
from time import process_time
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread

if TYPE_CHECKING:
    from theory.attention_svm import TokenSelection
    from theory.numerics import Array

PROBLEMS = 200  # solved in one batch
REPEATS = {"frobenius": 25, "nuclear": 5}  # a batch takes 0.03 or 1 second
COMPARED = 5  # of them by cvxpy, one after another
# norm, cvxpy's name of it and its solver (None: the default), and n, T, d
CASES: tuple[tuple[str, str, str | None, tuple[int, int, int]], ...] = (
    ("frobenius", "fro", None, (6, 8, 10)),
    ("nuclear", "nuc", None, (6, 8, 10)),
    ("nuclear", "nuc", "CLARABEL", (6, 8, 10)),
    ("frobenius", "fro", None, (5, 5, 100)),
    ("nuclear", "nuc", None, (5, 5, 100)),
)


def drawn(n: int, length: int, d: int, problems: int) -> TokenSelection:
    """Unit-norm Gaussian tokens and queries, any selection."""
    import torch

    from theory.attention_svm import TokenSelection

    generator, unit = torch.Generator().manual_seed(0), torch.nn.functional.normalize
    tokens = torch.randn(problems, n, length, d, generator=generator, dtype=torch.float64)
    queries = torch.randn(problems, n, d, generator=generator, dtype=torch.float64)
    selected = torch.randint(length, (problems, n), generator=generator)
    return TokenSelection(unit(tokens, dim=-1), unit(queries, dim=-1), selected)


def one_by_one(tokens: Array, queries: Array, selected: list[int], kind: str, solver: str | None) -> float:
    """The least norm by the published formulation: W (d, d) free, one constraint per token that is not selected."""
    import cvxpy as cp

    weights = cp.Variable((tokens.shape[-1],) * 2)
    margins = []
    for x, z, chosen in zip(tokens, queries, selected, strict=True):
        margins += [(x[chosen] - x[t]) @ weights @ z >= 1 for t in range(len(x)) if t != chosen]
    problem = cp.Problem(cp.Minimize(cp.norm(weights, kind)), margins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver=solver)
    return float(problem.value)


@one_thread()
def attention_svm(device: str, say: Say) -> None:
    """Attention SVM, 200 problems in a batch against one by one in cvxpy as published: CPU time per problem."""
    from theory.attention_svm import solve

    for norm, kind, solver, size in CASES:
        problem = drawn(*size, PROBLEMS)
        solution = solve(problem, norm)  # type: ignore[arg-type]
        batch = partial(solve, problem, norm)  # type: ignore[arg-type]
        fast = seconds(batch, repeats=REPEATS[norm], clock=process_time) / PROBLEMS
        slow, error = [], 0.0
        for i in range(COMPARED):
            parts = problem.tokens[i].numpy(), problem.queries[i].numpy(), problem.selected[i].tolist()
            slow.append(seconds(partial(one_by_one, *parts, kind, solver), repeats=1, clock=process_time))
            error = max(error, abs(one_by_one(*parts, kind, solver) / solution.value[i].item() - 1))
        say(
            f"  {norm} n, T, d = {size}: {fast * 1e3:.3f} ms, largest gap {solution.gap.max():.0e}; "
            f"cvxpy{f' with {solver}' if solver else ''} {np.median(slow) * 1e3:.0f} ms, "
            f"off by {error:.0e}: ratio {np.median(slow) / fast:.0f}"
        )
