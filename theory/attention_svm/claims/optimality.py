"""What makes a Frobenius solution one, and what the certificate proves."""

from __future__ import annotations

from dataclasses import replace

import torch

from theory.attention_svm.claims.instances import AnySelection, SeparableSelection, SquareMatrix, WideSelection
from theory.attention_svm.problem import Margins
from theory.attention_svm.solver import INFEASIBLE, PROMISED_GAP, Norm, solve
from theory.claims import claim, excess, relative_error
from theory.papers import TARZANAGH_2023


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


# ------------------------------------------------------------------------------------------- certificate, feasibility


@claim(
    statement="""On separable problems the certificate closes: its gap is at most 1e-9 for the Frobenius norm and 1e-8
    for the nuclear norm.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=0.0,
    examples=20,
)
def gaps_are_as_promised(case: SeparableSelection) -> float:
    norms: tuple[Norm, ...] = ("frobenius", "nuclear")
    return max(excess(case.solved(norm).gap, PROMISED_GAP[norm]) for norm in norms)


@claim(
    statement="""The certified bounds hold for any other solver: no feasible weights that cvxpy finds are shorter than
    `lower`, and no bound that its multipliers prove is above `upper`, in both norms.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=1e-12,
    examples=5,
)
def bounds_hold_for_another_solver(case: SeparableSelection) -> float:
    violations = []
    norms: tuple[Norm, ...] = ("frobenius", "nuclear")
    for norm in norms:
        mine, other = case.solved(norm), solve(case.problem, norm, method="cvxpy")
        violations += [excess(mine.lower, other.upper), excess(other.lower, mine.upper)]
    return max(violations)


def _narrow() -> tuple[AnySelection]:
    """d = 2 for five sequences of five tokens."""
    return (AnySelection.drawn(5, 5, 2, 1),)


@claim(
    statement="""For almost all tokens with d >= max(T - 1, n) every selection is feasible. Hunted at d >= max(T - 1, n)
    + 2: there the difference matrices are independent, their Gram matrix having full rank in floating point.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=0.0,
    status="as recalled",
    fails_without=_narrow,
    examples=40,
)
def wide_selections_are_feasible(case: WideSelection) -> float:
    eigenvalues = torch.linalg.eigvalsh(case.problem.margins().gram)
    independent = excess(len(eigenvalues) * torch.finfo(torch.float64).eps, eigenvalues[0] / eigenvalues[-1], scale=1.0)
    return independent if solve(case.problem).feasible else 1.0


def _longest(program: Margins) -> float:
    """The largest ||A_k||; 1 where all are zero."""
    return program.lengths.max().item() or 1.0


@claim(
    statement="""A second token equal to the selected one makes the program infeasible in both norms, with multipliers
    that combine the differences to zero as the proof.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,  # the resolution to which a certificate of infeasibility is one
    examples=20,
)
def duplicates_are_infeasible(case: SeparableSelection) -> float:
    p, i = case.problem, case.problem.sequences - 1
    tokens = p.tokens.clone()
    tokens[i, p.others[i, 0]] = tokens[i, p.selected[i]]
    twice = replace(p, tokens=tokens)
    norms: tuple[Norm, ...] = ("frobenius", "nuclear")
    solutions = [solve(twice, norm) for norm in norms]
    if any(s.feasible or s.status != INFEASIBLE or torch.isfinite(s.value) for s in solutions):
        return 1.0
    program = twice.margins()
    return max(
        relative_error(program.combine(s.multipliers.flatten()), 0.0, scale=_longest(program)) for s in solutions
    )
