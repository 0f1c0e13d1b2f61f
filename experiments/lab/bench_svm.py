"""Speed of the attention SVM: batches of the package's solver against the published formulation in cvxpy.

The published code writes one constraint per token in a Python loop and minimises cvxpy's norm of W, with the default
solver: Clarabel for the Frobenius norm, the first-order SCS for the nuclear norm, whose answers are good to about 1e-5.
With Clarabel the nuclear norm is as accurate as here.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from theory.attention_svm import TokenSelection
    from theory.numerics import Array

Say = Callable[[str], None]
PROBLEMS = 200  # solved in one batch
COMPARED = 4  # of them by cvxpy, one after another
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


def timed(action: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median wall time of an action and its last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def attention_svm(device: str, say: Say) -> None:
    """Attention SVM, 200 problems in a batch against one by one in cvxpy as published: per problem, one thread."""
    import torch

    from theory.attention_svm import solve

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for norm, kind, solver, size in CASES:
        problem = drawn(*size, PROBLEMS)
        solve(problem, norm)  # type: ignore[arg-type]
        fast, solution = timed(lambda p=problem, norm=norm: solve(p, norm), 5)
        slow, error = [], 0.0
        for i in range(COMPARED + 1):
            parts = problem.tokens[i].numpy(), problem.queries[i].numpy(), problem.selected[i].tolist()
            took, value = timed(lambda parts=parts, k=kind, s=solver: one_by_one(*parts, k, s), 1)
            slow.append(took)
            error = max(error, abs(value / solution.value[i].item() - 1))
        ratio = float(np.median(slow[1:])) / (fast / PROBLEMS)  # the first one warms up
        say(
            f"  {norm} n, T, d = {size}: {fast / PROBLEMS * 1e3:.3f} ms, largest gap {solution.gap.max():.0e}; "
            f"cvxpy{f' with {solver}' if solver else ''} {np.median(slow[1:]) * 1e3:.0f} ms, "
            f"off by {error:.0e}: ratio {ratio:.0f}"
        )
    torch.set_num_threads(threads)
