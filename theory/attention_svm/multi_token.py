"""Several tokens per sequence keep attention: where training then goes, W ~ W_fin + R W_mm.

With a nonlinear head the limiting softmax s_i need not be one token. Let O_i be the tokens that keep mass, t*_i the
heaviest, and A_it = (x_{i,t*_i} - x_it) z_i^T. The finite part W_fin is the least-norm W that reproduces the ratios
within O_i, <A_it, W> = log(s_{i,t*_i} / s_it); the direction W_mm the least-norm W with <A_it, W> = 0 within O_i and
>= 1 for the other tokens. With one token per O_i, W_fin = 0 and W_mm is the solution for `TokenSelection`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor
from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.solver import Solution, solve
from theory.validation import real


@dataclass(frozen=True, eq=False)
class MultiTokenSelection:
    """One problem: tokens (n, T, d), queries (n, d) and the limiting softmax `attention` (n, T).

    kept (n, T) marks O_i; by default the tokens with attention >= 1e-3, the published rule. Rows of `attention` sum
    to 1 within 1e-6, and kept tokens have positive attention.
    """

    tokens: Tensor
    queries: Tensor
    attention: Tensor
    kept: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        attention = float_tensor("attention", self.attention, 2).to(torch.float64)
        selection = TokenSelection(self.tokens, self.queries, attention.argmax(dim=-1))
        if attention.ndim != 2 or attention.shape[-1] != selection.length:
            raise ValueError(
                f"attention must have shape {tuple(selection.tokens.shape[:2])}, got {tuple(attention.shape)}"
            )
        worst = (attention.sum(dim=-1) - 1).abs().max()
        if worst > 1e-6 or (attention < 0).any():
            raise ValueError(f"attention must be >= 0 with rows that sum to 1, got a row off by {worst.item()}")
        kept = attention >= 1e-3 if self.kept is None else torch.as_tensor(self.kept)
        if kept.dtype != torch.bool or kept.shape != attention.shape:
            raise ValueError(f"kept must be boolean of shape {tuple(attention.shape)}, got {kept.dtype}")
        if (kept & (attention <= 0)).any() or not kept.gather(1, selection.selected[:, None]).all():
            raise ValueError("kept must hold the heaviest token and only tokens with positive attention, got others")
        checked = {"tokens": selection.tokens, "queries": selection.queries, "attention": attention, "kept": kept}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def selection(self) -> TokenSelection:
        """The problem of selecting the heaviest token alone."""
        return TokenSelection(self.tokens, self.queries, self.attention.argmax(dim=-1))


@dataclass(frozen=True, eq=False)
class MultiTokenSolution:
    """finite W_fin (d, d); direction W_mm (d, d), zero where every token is kept and NaN where infeasible; `margins`
    the solution of the projected inequality program, with its certificate (None where every token is kept)."""

    finite: Tensor
    direction: Tensor
    margins: Solution | None

    @property
    def feasible(self) -> bool:
        """Whether there is a direction that keeps exactly the kept tokens."""
        return bool(torch.isfinite(self.direction).all())

    def nearest(self, weights: Tensor) -> Tensor:
        """W_fin + R W_mm for the R that is closest to `weights` (..., d, d): the prediction for trained weights."""
        size = (self.direction**2).sum()
        if size == 0:
            return self.finite.expand_as(weights)
        scale = ((weights - self.finite) * self.direction).sum(dim=(-2, -1), keepdim=True) / size
        return self.finite + scale * self.direction


def solve_multi_token(problem: MultiTokenSelection) -> MultiTokenSolution:
    """W_fin and W_mm of one problem. Raises `ValueError` where the equations within O_i are linearly dependent."""
    selection, shape = problem.selection, (problem.tokens.shape[-1],) * 2
    program = selection.margins()
    matrices = torch.einsum("kd,ke->kde", program.rows, program.row_queries).flatten(1)
    kept = problem.kept.gather(1, selection.others).flatten()
    equal, above = matrices[kept], matrices[~kept]
    basis, triangle = torch.linalg.qr(equal.mT)
    diagonal = triangle.diagonal().abs()
    if len(equal) > matrices.shape[1] or (len(equal) and diagonal.min() <= 1e-12 * matrices.norm(dim=1).max()):
        raise ValueError(f"kept must leave linearly independent equations, got {len(equal)} dependent ones")
    heaviest = problem.attention.amax(dim=1, keepdim=True)
    ratios = (heaviest / problem.attention.gather(1, selection.others)).flatten()[kept].log()
    finite = basis @ torch.linalg.solve_triangular(triangle.mT, ratios[:, None], upper=False)
    if not len(above):
        return MultiTokenSolution(finite.reshape(shape), torch.zeros_like(finite).reshape(shape), None)
    projected = above - (above @ basis) @ basis.mT
    projected = projected - (projected @ basis) @ basis.mT
    solution = solve(Margins(projected, torch.ones_like(projected[:, :1])))
    return MultiTokenSolution(finite.reshape(shape), solution.weights.reshape(shape), solution)


def penalised_attention(values: Tensor, penalty: float) -> Tensor:
    """The limiting softmax (..., T) of one sequence under the head v^T o - penalty ||o||^2, for orthonormal tokens.

    values  X v, (..., T); penalty > 0. It is the Euclidean projection of X v / (2 penalty) on the simplex: with u
    sorted downwards the first k entries stay positive, k the last with u_k > (u_1 + ... + u_k - 1) / k.
    """
    worth = float_tensor("values", values, 1).to(torch.float64) / (2 * real("penalty", penalty, above=0.0))
    ordered = worth.sort(dim=-1, descending=True).values
    counts = torch.arange(1, worth.shape[-1] + 1, dtype=worth.dtype, device=worth.device)
    levels = (ordered.cumsum(dim=-1) - 1) / counts
    last = (ordered > levels).sum(dim=-1, keepdim=True) - 1
    return (worth - levels.gather(-1, last)).clamp(min=0)
