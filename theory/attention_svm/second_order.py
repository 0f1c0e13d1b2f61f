"""Beyond the direction: the constant by which minimisers of the loss miss the max-margin ray.

For large weights the loss above its infimum is a sum of c_k e^{-<A_k, W>} over the constraints. On the sphere
||W||_F = R its minimiser is R What + W_0 + o(1), What = W_mm / ||W_mm||_F, with

    W_0 = sum_S (G_SS^{-1} r)_k A_k,   r_k = log(c_k / lambda_k) - b,   b their lambda-weighted mean, r.lambda = 0

over the support S, so W_0 is orthogonal to W_mm and 1 - cos(W_R, W_mm) -> ||W_0||_F^2 / (2 R^2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor
from theory.attention_svm.problem import TokenSelection
from theory.attention_svm.solver import Solution

STRICT = 1e-9  # multipliers below this fraction of the largest count as zero


def second_order_shift(problem: TokenSelection, solution: Solution, loss_weights: Tensor) -> Tensor:
    """W_0 (..., d, d) for the Frobenius solution of `problem` and c = `loss_weights` (..., n, T-1) > 0.

    For the loss mean_i l(Y_i f_i) with token scores gamma the weights are c_it = |l'(gamma_i,alpha)| (gamma_i,alpha -
    gamma_it) / n, see `logistic_loss_weights`; a common factor does not matter. Needs strict complementarity and
    independent support matrices. Raises `ValueError` for infeasible problems, dependent supports and weights <= 0.
    """
    c = float_tensor("loss_weights", loss_weights, 2).to(torch.float64)
    if c.shape != solution.multipliers.shape:
        raise ValueError(
            f"loss_weights must have shape {tuple(solution.multipliers.shape)}, got shape {tuple(c.shape)}"
        )
    if not solution.feasible.all():
        raise ValueError("solution must be feasible for every problem of the batch, got an infeasible one")
    program = problem.margins()
    lam, c = solution.multipliers.flatten(-2), c.flatten(-2)
    support = lam > STRICT * lam.amax(dim=-1, keepdim=True)
    if (support & (c <= 0)).any():
        raise ValueError(f"loss_weights must be positive on the support, got {c[support].min().item()}")
    log_ratio = torch.where(support, torch.where(support, c / lam, 1.0).log(), 0.0)
    b = (lam * log_ratio).sum(dim=-1, keepdim=True) / (lam * support).sum(dim=-1, keepdim=True)
    residual = torch.where(support, log_ratio - b, 0.0)
    masked = torch.where(support[..., :, None] & support[..., None, :], program.gram, 0.0)
    factor, info = torch.linalg.cholesky_ex(masked + torch.diag_embed((~support).to(masked.dtype)))
    if (info != 0).any():
        raise ValueError("problem must have linearly independent support matrices, got a singular Gram matrix")
    return program.combine(torch.cholesky_solve(residual[..., None], factor)[..., 0])


def logistic_loss_weights(scores: Tensor, selected: Tensor) -> Tensor:
    """c_it = (gamma_i,alpha - gamma_it) / (n (1 + e^{gamma_i,alpha})) for t != alpha_i, (..., n, T-1), logistic loss.

    scores gamma (..., n, T), signed by the label; selected (..., n). May be negative: then alpha is not optimal there.
    """
    gamma = float_tensor("scores", scores, 2).to(torch.float64)
    chosen = TokenSelection(gamma[..., None], torch.ones_like(gamma[..., :1]), selected)
    best = gamma.gather(-1, chosen.selected[..., None])
    return chosen.differences[..., 0] * torch.sigmoid(-best) / gamma.shape[-2]
