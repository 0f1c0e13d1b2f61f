"""Rank of a solution, and whether it is the only one: the nuclear norm is not strictly convex.

An interior point ends in the relative interior of the solution set, so its rank is the largest that any solution has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from theory.attention_svm.problem import TokenSelection
from theory.attention_svm.solver import Solution
from theory.validation import real

POSITIVE = 1e-6  # multipliers above this fraction of the largest one count as positive


def numerical_rank(weights: Tensor, rtol: float = 1e-5) -> Tensor:
    """The number of singular values above `rtol` times the largest, (...,), of weights (..., d, e); 0 for NaN."""
    rtol = real("rtol", rtol, above=0.0)
    singular = torch.linalg.svdvals(weights.nan_to_num())
    return (singular > rtol * singular[..., :1].clamp(min=torch.finfo(singular.dtype).tiny)).sum(dim=-1)


def is_unique(problem: TokenSelection, solution: Solution, rtol: float = 1e-5) -> bool:
    """Whether the nuclear solution of one problem is the only one, given that it has the largest rank of all.

    With W = U S V^T of rank r every other solution is U B V^T with B symmetric and the same margins on the constraints
    with positive multipliers. So W is unique where B -> (a_k^T U B V^T z_k)_k is injective on symmetric B, which needs
    at least r (r + 1) / 2 positive multipliers. A sufficient condition, decided at singular values above 1e-8.
    """
    u, _, vt = torch.linalg.svd(solution.weights)
    r = int(numerical_rank(solution.weights, rtol))
    program = problem.margins()
    lam = solution.multipliers.flatten()
    used = lam > POSITIVE * lam.max()
    left, right = program.rows[used] @ u[:, :r], program.row_queries[used] @ vt[:r].mT
    products = left[:, :, None] * right[:, None, :]
    i, j = torch.triu_indices(r, r).unbind()
    basis = products[:, i, j] + torch.where(i == j, 0.0, products[:, j, i])
    if len(basis) < basis.shape[1]:
        return False
    singular = torch.linalg.svdvals(basis)
    return bool(singular[-1] > 1e-8 * singular[0])
