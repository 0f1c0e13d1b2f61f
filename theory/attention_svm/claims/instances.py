"""What the claims speak of: one problem each, with the hypotheses that it satisfies.

n in 1..6, T in 2..6 and d >= max(T - 1, n) + 2, where the difference matrices are independent for almost all tokens, so
that every selection is feasible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor
from theory.attention_svm.problem import TokenSelection
from theory.attention_svm.solver import Norm, Solution, solve


def _drawn(n: int, length: int, d: int, seed: int) -> TokenSelection:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n, length, d, generator=generator, dtype=torch.float64)
    queries = torch.randn(n, d, generator=generator, dtype=torch.float64)
    selected = torch.randint(length, (n,), generator=generator)
    unit = torch.nn.functional.normalize
    return TokenSelection(unit(tokens, dim=-1), unit(queries, dim=-1), selected)


@dataclass(frozen=True, eq=False)
class AnySelection:
    """One problem, without hypotheses."""

    problem: TokenSelection

    @classmethod
    def drawn(cls, n: int, length: int, d: int, seed: int) -> Self:
        """Unit-norm Gaussian tokens and queries and a uniform selection, from a seed."""
        return cls(_drawn(n, length, d, seed))


@dataclass(frozen=True, eq=False)
class WideSelection(AnySelection):
    """Hypothesis: one problem with d >= max(T - 1, n) + 2."""

    def __post_init__(self) -> None:
        n, length, d = self.problem.tokens.shape
        if d < max(length - 1, n) + 2:
            raise ValueError(f"hypothesis: d must be at least max(T - 1, n) + 2, got n, T, d = {n}, {length}, {d}")


@dataclass(frozen=True, eq=False)
class SeparableSelection(WideSelection):
    """Hypotheses: one problem with d >= max(T - 1, n) + 2 and a feasible selection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not solve(self.problem).feasible:
            raise ValueError("hypothesis: the selection must be feasible, got an infeasible one")

    def solved(self, norm: Norm = "frobenius") -> Solution:
        """The solution in one of the two norms."""
        return solve(self.problem, norm)

    def changed(self, norm: Norm = "frobenius", **changes: Tensor) -> Solution:
        """The solution after replacing tokens, queries or selected."""
        return solve(replace(self.problem, **changes), norm)


@dataclass(frozen=True, eq=False)
class ScoredSelection(SeparableSelection):
    """Hypothesis: the selected token of each sequence has the largest score of `scores` (n, T), by at least 0.1."""

    scores: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        gamma = float_tensor("scores", self.scores, 2)
        object.__setattr__(self, "scores", gamma)
        gap = gamma.gather(-1, self.problem.selected[:, None]) - gamma.gather(-1, self.problem.others)
        if gap.min() < 0.1:
            raise ValueError(f"hypothesis: scores must be largest at selected by 0.1, got a lead of {gap.min().item()}")

    @classmethod
    def drawn(cls, n: int, length: int, d: int, seed: int) -> Self:
        """The same with other scores 0.1 to 2.1 below the best, equal within a sequence for `TwoLevelScores`."""
        problem, generator = _drawn(n, length, d, seed), torch.Generator().manual_seed(seed + 1)
        levels = 1 if cls is TwoLevelScores else length - 1
        below = 0.1 + 2 * torch.rand(n, levels, generator=generator, dtype=torch.float64) + 1e-9
        scores = torch.randn(n, 1, generator=generator, dtype=torch.float64).expand(n, length).clone()
        below = (scores[:, :1] - below).expand(n, length - 1)
        return cls(problem, scores.scatter(1, problem.others, below))

    def gradient(self, weights: Tensor) -> Tensor:
        """dL/dW (d, d) of the logistic attention loss by automatic differentiation."""
        w = weights.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.loss(w), w)
        return gradient

    def loss(self, weights: Tensor) -> Tensor:
        """L(W) = mean_i log(1 + e^{-gamma_i . softmax(X_i W z_i)})."""
        logits = torch.einsum("ntd,de,ne->nt", self.problem.tokens, weights, self.problem.queries)
        output = (torch.softmax(logits, dim=1) * self.scores).sum(dim=1)
        return torch.nn.functional.softplus(-output).mean()


@dataclass(frozen=True, eq=False)
class TwoLevelScores(ScoredSelection):
    """Hypothesis: all scores of a sequence but the largest are equal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rest = self.scores.gather(-1, self.problem.others)
        if not (rest == rest[:, :1]).all():
            raise ValueError("hypothesis: scores of tokens not selected must be equal, got different ones")


@dataclass(frozen=True, eq=False)
class StrictlyScored(ScoredSelection):
    """Hypothesis: strict complementarity with room: margins are 1 or above 1.05, multipliers 0 or above 2% of the
    largest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        s = self.solved()
        share = s.multipliers / s.multipliers.max()
        if (s.support & (share < 0.02)).any() or (~s.support & (s.margin < 1.05)).any():
            raise ValueError("hypothesis: complementarity must be strict, got a margin or multiplier near its bound")


@dataclass(frozen=True, eq=False)
class SquareMatrix:
    """A matrix (16, 16) of which a claim uses the leading d x d part: noise for weights, or made orthogonal."""

    entries: Tensor

    @classmethod
    def drawn(cls, seed: int, size: float) -> Self:
        """Gaussian entries times `size`."""
        return cls(size * torch.randn(16, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))

    def leading(self, d: int) -> Tensor:
        """The d x d corner."""
        return self.entries[:d, :d]

    def rotation(self, d: int) -> Tensor:
        """An orthogonal d x d matrix, from the corner's QR factorisation."""
        return torch.linalg.qr(self.leading(d))[0]
