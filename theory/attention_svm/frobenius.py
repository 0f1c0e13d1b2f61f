"""The minimum Frobenius norm: min ||W||_F subject to a_k^T W z_k >= b_k, solved on its dual in batches.

The dual is min p^T G p over p >= 0, b.p = 1, with G the Gram matrix: W* = M(p) / (p^T G p), and the program is
infeasible exactly where the minimum is 0. Three solvers follow one another, each on what those before left uncertified:

block pivoting    exact active sets by masked Cholesky factorisations, after Judice and Pires; 1-8 rounds.
interior point    Mehrotra's predictor-corrector on the normalised dual, for a singular Gram matrix.
least distance    Lawson and Hanson's active sets on the matrices A_k themselves, whose condition is not squared.

All of them only propose multipliers; `certificates` judges.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from theory.attention_svm.certificates import Certificate, certify, frobenius_certificate
from theory.attention_svm.problem import Margins

WANTED_GAP = 1e-10  # what a solver must reach before its answer is kept without asking the next one


def frobenius(program: Margins) -> Certificate:
    """Multipliers, weights and proven bounds for a flat batch."""
    found = frobenius_certificate(program, block_pivoting(program.gram, program.bounds))
    for propose in (interior_point, least_distance):
        open_ = found.open(WANTED_GAP)
        if not open_.any():
            break
        hard = program.take(open_)
        p = propose(hard)
        for certificate in (frobenius_certificate(hard, p), _polished(hard, p)):
            found = found.improved(open_, certificate)
    return found


def block_pivoting(gram: Tensor, bounds: Tensor, *, rounds: int = 60) -> Tensor:
    """lambda >= 0 (B, m) with G lambda >= b and complementary, by block principal pivoting; NaN where that failed.

    Flips every violated index at once; after three rounds that do not reduce their number, only the last one.
    """
    result, running = torch.full_like(bounds, torch.nan), torch.arange(len(bounds), device=gram.device)
    free = torch.ones_like(bounds, dtype=torch.bool)
    fewest, patience = torch.full_like(running, bounds.shape[1] + 1), torch.full_like(running, 3)
    last = torch.arange(bounds.shape[1], device=gram.device)
    for _ in range(rounds):
        x, failed = _solve_on(gram, bounds, free)
        slack = (gram * x[:, None]).sum(dim=2) - bounds
        wrong = torch.where(free, x < -1e-13 * x.abs().amax(dim=1, keepdim=True), slack < -1e-12)
        count = wrong.sum(dim=1)
        done = ~failed & (count == 0)
        result[running[done]] = x[done].clamp(min=0)
        patience = torch.where(count < fewest, 3, patience - 1)
        fewest = torch.minimum(fewest, count)
        only_last = wrong & (last == torch.where(wrong, last, -1).amax(dim=1, keepdim=True))
        free = free ^ torch.where((patience >= 0)[:, None], wrong, only_last)
        keep = ~done & ~failed
        if not keep.any():
            break
        if not keep.all():
            state = (running, gram, bounds, free, fewest, patience)
            running, gram, bounds, free, fewest, patience = (x[keep] for x in state)
    return result


def _solve_on(gram: Tensor, bounds: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """x with G_FF x_F = b_F and 0 elsewhere, and whether the factorisation failed."""
    largest = int(free.sum(dim=1).max())
    if largest > 0.8 * free.shape[1]:
        return _solve_masked(gram, bounds, free)
    order = free.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, : max(largest, 1)]
    first = torch.arange(len(gram), device=gram.device)[:, None] * gram.shape[1]
    rows = gram.flatten(0, 1).index_select(0, (first + order).flatten()).unflatten(0, order.shape)
    block = rows.gather(2, order[:, None, :].expand(-1, order.shape[1], -1))
    x, failed = _solve_masked(block, bounds.gather(1, order), free.gather(1, order))
    return torch.zeros_like(bounds).scatter(1, order, x), failed


def _solve_masked(gram: Tensor, bounds: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    factor, info = torch.linalg.cholesky_ex(_masked(gram, free).mT)  # LAPACK's own layout: no transposed copy
    x = torch.cholesky_solve(torch.where(free, bounds, 0.0)[..., None], factor)[..., 0]
    return x, (info != 0) | ~torch.isfinite(x).all(dim=1)


def _masked(gram: Tensor, free: Tensor) -> Tensor:
    """G with unit rows and columns outside F."""
    inside = free.to(gram.dtype)
    masked = (gram * inside[:, :, None]).mul_(inside[:, None, :])
    masked.diagonal(dim1=-2, dim2=-1).add_(1 - inside)
    return masked


def _polished(program: Margins, p: Tensor) -> Certificate:
    """Solve the equations of the support p > 0 for multipliers and weights, with residuals measured on the weights.

    Corrections are added to W itself: multipliers alone cannot give margins better than rounding times ||W||^2.
    """
    support = p > 1e-9 * p.amax(dim=1, keepdim=True)
    factor, _ = torch.linalg.cholesky_ex(_masked(program.gram, support))
    x, weights = torch.zeros_like(p), torch.zeros_like(program.combine(p))
    for _ in range(5):
        residual = torch.where(support, program.bounds - program.of(weights), 0.0)
        correction = torch.cholesky_solve(residual[..., None], factor)[..., 0]
        x, weights = x + correction, weights + program.combine(correction)
    return certify(program, x, weights, "frobenius")


def interior_point(program: Margins, *, rounds: int = 40) -> Tensor:
    """p (B, m) for min p^T G p / 2 over p >= 0, b.p = 1: predictor-corrector, one Cholesky a step.

    Optimal when G p - nu b = s >= 0 and p o s = 0; p is set to 0 where s is the larger of the two.
    """
    mean = program.gram.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp(min=torch.finfo(torch.float64).tiny)
    g, b = program.gram / mean[:, None, None], program.bounds
    p = torch.ones_like(b) / b.sum(dim=1, keepdim=True)
    s, nu = torch.ones_like(b), torch.zeros_like(b[:, :1])
    for _ in range(rounds):
        centre = (p * s).mean(dim=1, keepdim=True)
        if (centre < 1e-19).all():
            break
        matrix = g + torch.diag_embed(s / p)
        factor, info = torch.linalg.cholesky_ex(matrix)
        dual = (g @ p[..., None])[..., 0] - nu * b - s
        primal = 1 - (b * p).sum(dim=1, keepdim=True)
        step = _Newton(factor, b, p, s, dual, primal)
        dp, ds, _ = step(-p * s)
        length = _longest(p, dp, s, ds)
        aimed = ((p + length * dp) * (s + length * ds)).mean(dim=1, keepdim=True)
        dp, ds, dnu = step((aimed / centre) ** 3 * centre - p * s - dp * ds)
        length = (0.995 * _longest(p, dp, s, ds)).clamp(max=1)
        usable = (info == 0)[:, None] & torch.isfinite(dp).all(dim=1, keepdim=True) & (centre >= 1e-19)
        length = torch.where(usable & torch.isfinite(ds).all(dim=1, keepdim=True), length, 0.0)
        p, s, nu = (x + length * dx.nan_to_num() for x, dx in ((p, dp), (s, ds), (nu, dnu)))
    return torch.where(p > s, p, 0.0)


class _Newton:
    """The Newton step of the interior point for a wanted change of p o s."""

    def __init__(self, factor: Tensor, b: Tensor, p: Tensor, s: Tensor, dual: Tensor, primal: Tensor) -> None:
        self.factor, self.b, self.p, self.s, self.dual, self.primal = factor, b, p, s, dual, primal
        self.along_b = self._solve(b)

    def _solve(self, right: Tensor) -> Tensor:
        return torch.cholesky_solve(right[..., None], self.factor)[..., 0]

    def __call__(self, change: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        free = self._solve(-self.dual + change / self.p)
        along = (self.b * self.along_b).sum(dim=1, keepdim=True)
        dnu = (self.primal - (self.b * free).sum(dim=1, keepdim=True)) / along
        dp = free + dnu * self.along_b
        return dp, (change - self.s * dp) / self.p, dnu


def _longest(p: Tensor, dp: Tensor, s: Tensor, ds: Tensor) -> Tensor:
    """The longest common step <= 1 / 0.995 that keeps p and s >= 0, (B, 1)."""
    ratios = torch.cat([torch.where(d < 0, -x / d, torch.inf) for x, d in ((p, dp), (s, ds))], dim=1)
    return ratios.amin(dim=1, keepdim=True).clamp(max=1 / 0.995)


def least_distance(program: Margins) -> Tensor:
    """One problem after another on the CPU: min ||sum_k u_k (A_k, b_k) - (0, 1)|| over u >= 0, up to the scale of u.

    The residual's first part is -M(u), which vanishes exactly where the program is infeasible.
    """
    stacked = torch.einsum("bkd,bke->bkde", program.rows, program.row_queries).flatten(-2)
    length = stacked.norm(dim=-1).amax(dim=1)[:, None, None]
    matrices = torch.cat([stacked / length, program.bounds[..., None]], dim=-1).mT.cpu().numpy()
    target = np.zeros(matrices.shape[1])
    target[-1] = 1.0
    found = torch.as_tensor(np.stack([nnls(matrix, target, maxiter=100 * matrix.shape[1])[0] for matrix in matrices]))
    return found.to(program.rows)
