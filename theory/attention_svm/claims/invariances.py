"""What may be done to a problem without changing its Frobenius solution, or with a known change."""

from __future__ import annotations

import torch

from theory.attention_svm.claims.instances import SeparableSelection, SquareMatrix
from theory.attention_svm.problem import Margins
from theory.attention_svm.solver import solve
from theory.claims import claim, relative_error
from theory.papers import TARZANAGH_2023


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


@claim(
    statement="The order of sequences, and of tokens within them, does not matter.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-9,
    examples=40,
)
def order_does_not_matter(case: SeparableSelection) -> float:
    p = case.problem
    selected = (p.length - 1 - p.selected).flip(0)
    flipped = case.changed(tokens=p.tokens.flip(0, 1), queries=p.queries.flip(0), selected=selected)
    return relative_error(flipped.weights, case.solved().weights)


@claim(
    statement="Without a token that is no support vector the solution is the same.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=40,
)
def tokens_beyond_the_margin_do_not_matter(case: SeparableSelection) -> float:
    s, program = case.solved(), case.problem.margins()
    farthest = s.margin.flatten().argmax()
    if s.support.flatten()[farthest]:
        return 0.0
    kept = torch.arange(program.size) != farthest
    less = Margins(program.rows[kept], program.queries, program.owner[kept])
    return relative_error(solve(less).weights, s.weights)
