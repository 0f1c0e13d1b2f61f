"""The least entrywise l_p norm, p > 1: where mirror descent with potential sum |W_ij|^p / p is predicted to go.

min ||W||_p subject to a_k^T W z_k >= b_k. The dual norm is l_q with q = p / (p - 1); at the optimum
W = sign(M) |M|^{q-1} for M = M(lambda). cvxpy proposes, Newton's method on the support polishes, the certificate of
`certificates` judges. The norm is not invariant under rotations, so nothing is reduced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from theory.attention_svm.certificates import Certificate, certify
from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.reference import by_cvxpy
from theory.attention_svm.solver import Solution, as_solution
from theory.validation import real

PROMISED_GAP = 1e-7


def solve_entrywise(problem: TokenSelection | Margins, p: float) -> Solution:
    """The weights of least entrywise l_p norm, one problem at a time; `value`, `lower`, `gap` are of that norm.

    p > 1. Raises `ValueError` otherwise. Status INACCURATE where the gap exceeds 1e-7.
    """
    if not isinstance(problem, TokenSelection | Margins):
        raise TypeError(f"problem must be a TokenSelection or Margins, got {problem!r}")
    p = real("p", p, above=1.0)
    program = problem if isinstance(problem, Margins) else problem.margins()
    axes = (program.size,) if isinstance(problem, Margins) else tuple(problem.others.shape[-2:])
    flat = program.flat()
    found = by_cvxpy(flat, p)
    open_ = ~found.infeasible
    if open_.any():
        found = found.improved(open_, _polished(flat.take(open_), found.take(open_), p))
    return as_solution(program, found, PROMISED_GAP, axes, power=p)


def _polished(program: Margins, found: Certificate, p: float) -> Certificate:
    """Newton on the equations <A_k, W> = b_k of the support for its multipliers, W = sign(M) |M|^{q-1}."""
    q = p / (p - 1)
    support = found.multipliers > 1e-6 * found.multipliers.amax(dim=1, keepdim=True)
    matrices = torch.einsum("bkd,bke->bkde", program.rows, program.row_queries).flatten(-2) * support[..., None]
    unused = torch.diag_embed((~support).to(matrices.dtype))
    lam = torch.where(support, found.multipliers * found.lower[:, None] ** p, 0.0)
    for _ in range(6):
        combined = program.combine(lam)
        residual = torch.where(support, program.bounds - program.of(conjugate(combined, q)), 0.0)
        slope = (q - 1) * combined.abs().clamp(min=1e-150).flatten(1) ** (q - 2)
        jacobian = (matrices * slope[:, None]) @ matrices.mT + unused
        step, info = torch.linalg.solve_ex(jacobian, residual[..., None])
        lam = lam + torch.where((info == 0)[:, None], step[..., 0], 0.0)
    return certify(program, lam, conjugate(program.combine(lam), q), p)


def conjugate(matrix: Tensor, q: float) -> Tensor:
    """sign(M) |M|^{q-1}, the gradient of ||M||_q^q / q."""
    return torch.sign(matrix) * matrix.abs() ** (q - 1)
