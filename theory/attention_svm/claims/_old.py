"""What holds for every attention SVM: optimality, invariances, bounds. Hunted on random and drawn instances.

Instances hold one problem each, n in 1..6, T in 2..6 and d >= max(T - 1, n) + 2, where the difference matrices are
independent for almost all tokens, so that every selection is feasible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from theory.attention_svm.certificates import norm
from theory.attention_svm.checks import float_tensor
from theory.attention_svm.path import regularization_path
from theory.attention_svm.problem import TokenSelection
from theory.attention_svm.second_order import logistic_loss_weights, second_order_shift
from theory.attention_svm.solver import Solution, solve
from theory.claims import claim, excess, relative_error
from theory.papers import TARZANAGH_2023


def _drawn(n: int, length: int, d: int, seed: int) -> TokenSelection:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n, length, d, generator=generator, dtype=torch.float64)
    queries = torch.randn(n, d, generator=generator, dtype=torch.float64)
    selected = torch.randint(length, (n,), generator=generator)
    unit = torch.nn.functional.normalize
    return TokenSelection(unit(tokens, dim=-1), unit(queries, dim=-1), selected)


@dataclass(frozen=True, eq=False)
class SeparableSelection:
    """Hypotheses: one problem with d >= max(T - 1, n) + 2 and a feasible selection."""

    problem: TokenSelection

    def __post_init__(self) -> None:
        n, length, d = self.problem.tokens.shape
        if d < max(length - 1, n) + 2:
            raise ValueError(f"hypothesis: d must be at least max(T - 1, n) + 2, got n, T, d = {n}, {length}, {d}")
        if not solve(self.problem).feasible:
            raise ValueError("hypothesis: the selection must be feasible, got an infeasible one")

    @classmethod
    def drawn(cls, n: int, length: int, d: int, seed: int) -> Self:
        """Unit-norm Gaussian tokens and queries and a uniform selection, from a seed."""
        return cls(_drawn(n, length, d, seed))

    def solved(self, norm: str = "frobenius") -> Solution:
        """The solution in one of the two norms."""
        return solve(self.problem, norm)  # type: ignore[arg-type]

    def changed(self, **changes: Tensor) -> Solution:
        """The Frobenius solution after replacing tokens, queries or selected."""
        return solve(replace(self.problem, **changes))


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
        logits = torch.einsum("ntd,de,ne->nt", self.problem.tokens, w, self.problem.queries)
        output = (torch.softmax(logits, dim=1) * self.scores).sum(dim=1)
        (gradient,) = torch.autograd.grad(torch.nn.functional.softplus(-output).mean(), w)
        return gradient


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


# ------------------------------------------------------------------------------------------------ optimality


@claim(
    statement="""The Frobenius solution meets its conditions: the smallest margin is 1, multipliers are >= 0, and each
    vanishes or its margin is 1.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def frobenius_conditions_hold(case: SeparableSelection) -> float:
    s = case.solved()
    slack = (s.multipliers * (s.margin - 1)).abs().max() / s.multipliers.sum()
    return max(abs(s.margin.min().item() - 1), -s.multipliers.min().item(), slack.item())


@claim(
    statement="The squared Frobenius norm of the solution is the sum of its multipliers, and W = M(lambda).",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def multipliers_sum_to_the_squared_norm(case: SeparableSelection) -> float:
    s = case.solved()
    combined = case.problem.margins().combine(s.multipliers.flatten())
    return max(relative_error(s.multipliers.sum(), s.value**2), relative_error(combined, s.weights))


@claim(
    statement="""At the nuclear solution the multipliers combine to a matrix of spectral norm 1 with <M, W> = ||W||_*,
    and they sum to the nuclear norm.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=40,
)
def nuclear_multipliers_are_a_subgradient(case: SeparableSelection) -> float:
    s = case.solved("nuclear")
    combined = case.problem.margins().combine(s.multipliers.flatten())
    pairing = (combined * s.weights).sum()
    return max(
        relative_error(torch.linalg.matrix_norm(combined, 2), 1.0),
        relative_error(pairing, s.value),
        relative_error(s.multipliers.sum(), s.value),
    )


@claim(
    statement="""||W_F||_F <= ||W_N||_F <= ||W_N||_* <= ||W_F||_* <= sqrt(min(n, d)) ||W_F||_F.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=1e-7,
    examples=40,
)
def norms_are_in_a_chain(case: SeparableSelection) -> float:
    frobenius, nuclear = case.solved().weights, case.solved("nuclear").weights
    n, _, d = case.problem.tokens.shape
    chain = [norm(frobenius, "frobenius"), norm(nuclear, "frobenius"), norm(nuclear, "nuclear")]
    chain += [norm(frobenius, "nuclear"), min(n, d) ** 0.5 * norm(frobenius, "frobenius")]
    return excess(chain[:-1], chain[1:])


@claim(
    statement="""Of any feasible W the margin ratio, min <A_k, W> ||W_mm|| / ||W||, bounds the cosine with W_mm
    from below.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=1e-9,
)
def margin_ratio_bounds_cosine(case: SeparableSelection, noise: SquareMatrix) -> float:
    s = case.solved()
    w = s.weights / s.value + 0.1 * noise.leading(s.weights.shape[0])
    size = torch.linalg.matrix_norm(w)
    ratio = case.problem.margins().of(w).min() * s.value / size
    return excess(ratio, (w * s.weights).sum() / (size * s.value), scale=1.0)


@claim(
    statement="The solution's rows lie in the span of the queries and its rank is at most min(n, d).",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def rows_lie_in_the_span_of_queries(case: SeparableSelection) -> float:
    w, basis = case.solved().weights, torch.linalg.qr(case.problem.queries.mT)[0]
    return relative_error(w @ basis @ basis.mT, w)


@claim(
    statement="Where G^{-1} 1 is nonnegative it is the vector of multipliers: every token is a support vector.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
)
def all_support_closed_form(case: SeparableSelection) -> float:
    program = case.problem.margins()
    closed = torch.linalg.solve(program.gram, program.bounds)
    return relative_error(case.solved().multipliers.flatten(), closed) if closed.min() >= 0 else 0.0


# ---------------------------------------------------------------------------------------------- invariances


@claim(
    statement="Rotating tokens by U and queries by V rotates the solution to U W V^T.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def solution_rotates_with_the_data(case: SeparableSelection, left: SquareMatrix, right: SquareMatrix) -> float:
    d = case.problem.tokens.shape[-1]
    u, v = left.rotation(d), right.rotation(d)
    rotated = case.changed(tokens=case.problem.tokens @ u.mT, queries=case.problem.queries @ v.mT)
    return relative_error(rotated.weights, u @ case.solved().weights @ v.mT)


@claim(
    statement="Tokens twice as long halve the solution, and so do queries twice as long.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def solution_scales_inversely(case: SeparableSelection) -> float:
    half, p = case.solved().weights / 2, case.problem
    tokens, queries = case.changed(tokens=2 * p.tokens), case.changed(queries=2 * p.queries)
    return max(relative_error(tokens.weights, half), relative_error(queries.weights, half))


@claim(
    statement="Adding one vector to all tokens of a sequence leaves the solution unchanged.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
)
def common_shifts_do_not_matter(case: SeparableSelection, noise: SquareMatrix) -> float:
    n, _, d = case.problem.tokens.shape
    shifted = case.problem.tokens + noise.entries[:n, None, :d]
    return relative_error(case.changed(tokens=shifted).weights, case.solved().weights)


@claim(
    statement="""A further token in the convex hull of those not selected leaves the solution unchanged.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
)
def tokens_within_the_hull_do_not_matter(case: SeparableSelection) -> float:
    p = case.problem
    index = p.others[..., None].expand(-1, -1, p.tokens.shape[-1])
    mean = p.tokens.gather(1, index).mean(dim=1, keepdim=True)
    more = case.changed(tokens=torch.cat([p.tokens, mean], dim=1))
    return relative_error(more.weights, case.solved().weights)


# ---------------------------------------------------------------------------------- the loss and its path


def _unequal_scores() -> tuple[ScoredSelection, SquareMatrix]:
    """Tokens e_0, -5 e_0 and 0 at W = 0: a bad third token makes the loss pull towards the second, of margin 6."""
    line = torch.tensor([[[1.0], [-5.0], [0.0]]], dtype=torch.float64)
    unit = torch.eye(6, dtype=torch.float64)[None, :1]
    problem = TokenSelection(line @ unit, unit[0], torch.tensor([0]))
    scores = torch.tensor([[1.0, 0.8, -9.0]], dtype=torch.float64)
    return ScoredSelection(problem, scores), SquareMatrix(torch.zeros(16, 16, dtype=torch.float64))


@claim(
    statement="""Where the scores of all other tokens of a sequence are equal, the loss falls towards W_mm at every W:
    <grad L(W), W_mm> < 0, so that there is no stationary point.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=0.0,
    status="as recalled",
    fails_without=_unequal_scores,
)
def loss_falls_towards_the_solution(case: TwoLevelScores, noise: SquareMatrix) -> float:
    s, d = case.solved(), case.problem.tokens.shape[-1]
    gradient = case.gradient(noise.leading(d))
    return excess((gradient * s.weights).sum() / (torch.linalg.matrix_norm(gradient) * s.value), 0.0, scale=1.0)


@claim(
    statement="""On the sphere ||W|| = R the loss minimiser is R What + W_0 + o(1), with W_0 in closed form.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=0.01,
    examples=8,
)
def path_follows_the_shifted_ray(case: StrictlyScored) -> float:
    """||W_R - R What - W_0|| at R = 1e5 ||W_mm||, relative to W_0 or to a hundredth of W_mm, whichever is larger."""
    s = case.solved()
    shift = second_order_shift(case.problem, s, logistic_loss_weights(case.scores, case.problem.selected))
    radius = 1e5 * s.value
    (minimiser,) = regularization_path(case.problem, case.scores, radius[None])
    scale = float(s.weights.abs().max()) / 100
    return relative_error(minimiser - radius * s.weights / s.value, shift, scale=scale)
