"""The regularisation path: minimisers of the attention loss over balls of radius R, whose direction tends to W_mm.

For weights W the ball is ||W||_F <= R; for factors, W = K Q^T, it is ||K||_F^2 + ||Q||_F^2 <= 2 R, which is the nuclear
ball ||W||_* <= R when K and Q have min(n, d) columns. The loss is mean_i log(1 + e^{-u_i}) with u_i = gamma_i .
softmax(X_i W z_i) and scores gamma_it = Y_i v^T x_it. It has no minimiser of finite norm, so that solutions lie on the
sphere. There L - L* underflows long before R matters, and its
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
from theory.attention_svm.solver import Norm, solve

CLOSE = 1e-6  # at a gradient this close to radial, rounding of the loss could refuse the Newton step that is right
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


def regularization_path(
    problem: TokenSelection, scores: Tensor, radii: Tensor, *, norm: Norm = "frobenius", rounds: int = 60
) -> Tensor:
    """Minimisers W (..., R, d, d) of the logistic attention loss over ||W|| <= R, one for each of `radii` (R,).

    norm    "frobenius", or "nuclear" for the path of the factors: see `balanced_factors`.
    scores gamma (..., n, T), largest in each row, and only there, at `problem.selected`: the selection must be optimal
    and feasible, else `ValueError`. Newton's method on the sphere starts in the direction of W_mm, so at radii where
    the loss has several minimisers this is the one near W_mm. Raises `RuntimeError` if at the end -gradient is not,
    within 1e-8, what the ball allows: parallel to W, or with <-gradient, W> = R ||gradient||_op for the nuclear norm.
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
    solution = solve(problem, norm)
    if not solution.feasible.all():
        raise ValueError("problem must be feasible, got an infeasible selection")
    parts = _flat(problem.tokens, 3), _flat(problem.queries, 2), _flat(gamma, 2), _flat(solution.weights, 2)
    find = _minimiser if norm == "frobenius" else _factored_minimiser
    paths = [torch.stack([find(*one, r, rounds) for r in lengths]) for one in zip(*parts, strict=True)]
    return torch.stack(paths).reshape(*gamma.shape[:-2], *paths[0].shape)


def balanced_factors(weights: Tensor) -> tuple[Tensor, Tensor]:
    """K = U S^{1/2} and Q = V S^{1/2} (..., d, r) of W = U S V^T = K Q^T (..., d, e): the factors of least norm.

    Then K^T K = Q^T Q and (||K||_F^2 + ||Q||_F^2) / 2 = ||W||_*; every other pair with this product has more.
    """
    u, s, v = torch.linalg.svd(weights, full_matrices=False)
    root = s.sqrt()[..., None, :]
    return u * root, v.mT * root


def _flat(x: Tensor, own: int) -> Tensor:
    """With one batch axis before its own axes."""
    return x.reshape(-1, *x.shape[x.ndim - own :])


def _minimiser(
    tokens: Tensor, queries: Tensor, scores: Tensor, direction: Tensor, radius: Tensor, rounds: int
) -> Tensor:
    """One minimiser, in coordinates of the span of the difference matrices, in which the whole path lies."""
    basis = _span(tokens, queries)

    def weights(w: Tensor) -> Tensor:
        return (basis @ w).reshape(direction.shape)

    def loss(w: Tensor) -> Tensor:
        return log_excess(weights(w), tokens, queries, scores)

    w = _on_sphere(loss, basis.mT @ direction.flatten(), radius, rounds)
    g = torch.func.grad(loss)(w)
    _check(1 + (g @ w / (g.norm() * w.norm())).item(), radius)
    return weights(w)


def _factored_minimiser(
    tokens: Tensor, queries: Tensor, scores: Tensor, direction: Tensor, radius: Tensor, rounds: int
) -> Tensor:
    """One minimiser over the nuclear ball, as Q1 K Q^T Q2^T in the spans Q1 of token differences and Q2 of queries."""
    left, right = _row_span((tokens[:, 1:] - tokens[:, :1]).flatten(0, 1)), _row_span(queries)
    k, q = balanced_factors(left.mT @ direction @ right)
    shapes = k.shape, q.shape

    def weights(w: Tensor) -> Tensor:
        k, q = (part.reshape(shape) for part, shape in zip(w.split([k_size, len(w) - k_size]), shapes, strict=True))
        return left @ k @ q.mT @ right.mT

    def loss(w: Tensor) -> Tensor:
        return log_excess(weights(w), tokens, queries, scores)

    k_size = k.numel()
    # columns that W_mm does not use start away from 0, where the loss is stationary in them whether they help or not
    nudge = 1e-3 * k.norm() * torch.eye(max(k.shape[0], q.shape[0]), k.shape[1], dtype=k.dtype)
    start = torch.cat([(k + nudge[: len(k)]).flatten(), (q + nudge[: len(q)]).flatten()])
    found = weights(_on_sphere(loss, start, (2 * radius).sqrt(), rounds))
    gradient = torch.func.grad(log_excess)(found, tokens, queries, scores)
    pull = -(gradient * found).sum() / (torch.linalg.matrix_norm(gradient, 2) * radius)
    _check(1 - pull.item(), radius)
    return found


def _on_sphere(loss: Callable[[Tensor], Tensor], w: Tensor, radius: Tensor, rounds: int) -> Tensor:
    """A minimiser of `loss` on the sphere of this radius, by Newton's method from the direction of w."""
    w = radius * w / w.norm()
    gradient, hessian = torch.func.grad(loss), torch.func.jacrev(torch.func.grad(loss))
    before = math.inf
    for _ in range(rounds):
        g = gradient(w)
        off = ((g - (g @ w) / (w @ w) * w).norm() / g.norm()).item()
        if off <= 1e-12 or (before <= CLOSE and off >= before):  # rounding is reached
            break
        before = off
        step = _newton(w, g, hessian(w))
        w = radius * (w + step) / (w + step).norm() if off <= CLOSE else _searched(loss, w, step, radius)
    return w


def _check(miss: float, radius: Tensor) -> None:
    if not miss <= 1e-8:
        raise RuntimeError(f"the path did not converge at radius {radius.item():g}: off the optimality by {miss:.1e}")


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
    return _row_span(matrices)


def _row_span(matrix: Tensor) -> Tensor:
    """An orthonormal basis (d, r) of the span of the rows of a matrix (k, d)."""
    _, singular, vectors = torch.linalg.svd(matrix, full_matrices=False)
    return vectors[singular > 1e-12 * singular[0]].mT
