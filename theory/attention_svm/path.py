"""The regularisation path: minimisers of the attention loss over balls ||W||_F <= R, whose direction tends to W_mm.

The loss is mean_i log(1 + e^{-u_i}) with u_i = gamma_i . softmax(X_i W z_i) and scores gamma_it = Y_i v^T x_it. It has
no minimiser of finite norm, so that solutions lie on the sphere. There L - L* underflows long before R matters, and its
curvature with it; `log_excess` is the logarithm of L - L*, from logarithms only, and Newton's method on the sphere
minimises that.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor
from theory.attention_svm.problem import TokenSelection
from theory.attention_svm.solver import solve

NEAR = 1e-4  # below this share a Taylor polynomial replaces a quotient; its remainder is below 1e-12


def log_excess(weights: Tensor, tokens: Tensor, queries: Tensor, scores: Tensor) -> Tensor:
    """log(L(W) - L*) of one problem, L* = mean_i log(1 + e^{-max_t gamma_it}): accurate at any size of W.

    weights (d, d), tokens (n, T, d), queries (n, d), scores (n, T), each row with a unique largest entry.
    """
    logits = torch.einsum("ntd,de,ne->nt", tokens, weights, queries)
    best = scores.amax(dim=1, keepdim=True)
    gap = best - scores
    behind = torch.where(gap > 0, torch.log_softmax(logits, dim=1) + torch.where(gap > 0, gap, 1.0).log(), -torch.inf)
    log_loss = torch.logsumexp(behind, dim=1)  # log of delta_i = gamma_i,best - u_i
    log_slope = _log_slope(log_loss.exp(), torch.sigmoid(-best[:, 0]))
    return torch.logsumexp(log_loss + log_slope, dim=0) - math.log(len(scores))


def _log_slope(delta: Tensor, sigma: Tensor) -> Tensor:
    """log of log(1 + sigma (e^delta - 1)) / delta, the mean slope of the logistic loss over a drop of delta >= 0."""
    series = sigma * (1 + (1 - sigma) * delta / 2 * (1 + (1 - 2 * sigma) * delta / 3))
    safe = delta.clamp(min=NEAR)
    return torch.where(delta < NEAR, series, torch.log1p(sigma * torch.expm1(safe)) / safe).log()


def regularization_path(problem: TokenSelection, scores: Tensor, radii: Tensor, *, rounds: int = 60) -> Tensor:
    """Minimisers W (..., R, d, d) of the logistic attention loss over ||W||_F <= R, one for each of `radii` (R,).

    scores gamma (..., n, T), largest in each row, and only there, at `problem.selected`: the selection must be optimal
    and feasible, else `ValueError`. Newton's method on the sphere starts in the direction of W_mm, so at radii where
    the loss has several minimisers this is the one near W_mm. Raises `RuntimeError` if the gradient is not parallel to
    -W within 1e-8 at the end.
    """
    gamma = float_tensor("scores", scores, 2).to(torch.float64)
    lengths = float_tensor("radii", radii, 1).to(torch.float64)
    if gamma.shape != problem.tokens.shape[:-1]:
        raise ValueError(f"scores must have shape {tuple(problem.tokens.shape[:-1])}, got shape {tuple(gamma.shape)}")
    if lengths.ndim != 1 or (lengths <= 0).any():
        raise ValueError(f"radii must be a list of numbers > 0, got {lengths.tolist()}")
    gap = gamma.gather(-1, problem.selected[..., None]) - gamma.gather(-1, problem.others)
    if (gap <= 0).any():
        raise ValueError(f"scores must be largest at selected, got a token ahead by {-gap.min().item()}")
    solution = solve(problem)
    if not solution.feasible.all():
        raise ValueError("problem must be feasible, got an infeasible selection")
    parts = _flat(problem.tokens, 3), _flat(problem.queries, 2), _flat(gamma, 2), _flat(solution.weights, 2)
    paths = [torch.stack([_minimiser(*one, r, rounds) for r in lengths]) for one in zip(*parts, strict=True)]
    return torch.stack(paths).reshape(*gamma.shape[:-2], *paths[0].shape)


def _flat(x: Tensor, own: int) -> Tensor:
    """With one batch axis before its own axes."""
    return x.reshape(-1, *x.shape[x.ndim - own :])


def _minimiser(
    tokens: Tensor, queries: Tensor, scores: Tensor, direction: Tensor, radius: Tensor, rounds: int
) -> Tensor:
    """One minimiser, in coordinates of the span of the difference matrices, in which the whole path lies."""
    basis = _span(tokens, queries)

    def loss(coordinates: Tensor) -> Tensor:
        weights = (basis @ coordinates).reshape(direction.shape)
        return log_excess(weights, tokens, queries, scores)

    w = basis.mT @ direction.flatten()
    w = radius * w / w.norm()
    gradient, hessian = torch.func.grad(loss), torch.func.jacrev(torch.func.grad(loss))
    for _ in range(rounds):
        g = gradient(w)
        off = g - (g @ w) / (w @ w) * w
        if off.norm() <= 1e-12 * g.norm():
            break
        w = _searched(loss, w, _newton(w, g, hessian(w)), radius)
    g = gradient(w)
    miss = 1 + (g @ w / (g.norm() * w.norm())).item()
    if not miss <= 1e-8:
        raise RuntimeError(f"the path did not converge at radius {radius.item():g}: 1 + cos(gradient, W) = {miss:.1e}")
    return (basis @ w).reshape(direction.shape)


def _newton(w: Tensor, gradient: Tensor, hessian: Tensor) -> Tensor:
    """The Newton step in the tangent space of the sphere, with curvature made positive."""
    unit = w / w.norm()
    project = torch.eye(len(w), dtype=w.dtype) - torch.outer(unit, unit)
    pull = -(gradient @ unit) / w.norm()
    curvature, vectors = torch.linalg.eigh(project @ hessian @ project)
    curvature = (curvature + pull).abs().clamp(min=1e-6 * pull.abs() + 1e-300)
    return -project @ (vectors @ ((vectors.mT @ (project @ gradient)) / curvature))


def _searched(loss: Callable[[Tensor], Tensor], w: Tensor, step: Tensor, radius: Tensor) -> Tensor:
    """The first of w + step, w + step / 2, ... back on the sphere that does not raise the loss."""
    start = loss(w)
    for halvings in range(40):
        moved = w + step / 2**halvings
        moved = radius * moved / moved.norm()
        if loss(moved) <= start:
            return moved
    return w


def _span(tokens: Tensor, queries: Tensor) -> Tensor:
    """An orthonormal basis (d d, r) of the span of all (x_it - x_i0) z_i^T."""
    matrices = torch.einsum("ntd,ne->ntde", tokens[:, 1:] - tokens[:, :1], queries).flatten(0, 1).flatten(1)
    _, singular, vectors = torch.linalg.svd(matrices, full_matrices=False)
    return vectors[singular > 1e-12 * singular[0]].mT
