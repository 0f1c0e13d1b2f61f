"""The nuclear solution: optimality, rank, uniqueness, balanced factors."""

from __future__ import annotations

import torch

from theory.attention_svm.certificates import norm
from theory.attention_svm.claims.instances import SeparableSelection, SquareMatrix
from theory.attention_svm.path import balanced_factors
from theory.attention_svm.spectrum import POSITIVE, is_unique, numerical_rank
from theory.claims import claim, excess, relative_error
from theory.papers import TARZANAGH_2023


@claim(
    statement="""At the nuclear solution the multipliers combine to a matrix of spectral norm 1 with <M, W> = ||W||_*,
    and they sum to the nuclear norm.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=20,
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
    examples=20,
)
def norms_are_in_a_chain(case: SeparableSelection) -> float:
    frobenius, nuclear = case.solved().weights, case.solved("nuclear").weights
    n, _, d = case.problem.tokens.shape
    chain = [norm(frobenius, "frobenius"), norm(nuclear, "frobenius"), norm(nuclear, "nuclear")]
    chain += [norm(frobenius, "nuclear"), min(n, d) ** 0.5 * norm(frobenius, "frobenius")]
    return excess(chain[:-1], chain[1:])


@claim(
    statement="""Rotating tokens by U and queries by V, and adding one vector to all tokens of a sequence, keeps the
    least nuclear norm, and turns the solution, where it is the only one, into U W V^T.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=15,
)
def nuclear_solution_moves_with_the_data(case: SeparableSelection, left: SquareMatrix, right: SquareMatrix) -> float:
    """The error of the norm, or 1e-4 times the error of W if that is larger: near its minimum the norm is flat."""
    n, _, d = case.problem.tokens.shape
    u, v = left.rotation(d), right.rotation(d)
    tokens = case.problem.tokens @ u.mT + right.entries[:n, None, :d] / (1 + right.entries.abs().max())
    s, moved = case.solved("nuclear"), case.changed("nuclear", tokens=tokens, queries=case.problem.queries @ v.mT)
    error = relative_error(moved.weights, u @ s.weights @ v.mT) if is_unique(case.problem, s) else 0.0
    return max(relative_error(moved.value, s.value), 1e-4 * error)


@claim(
    statement="""A nuclear solution of rank r has at least r (r + 1) / 2 support vectors with positive multipliers.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=0.0,
    examples=30,
)
def nuclear_rank_needs_support(case: SeparableSelection) -> float:
    s = case.solved("nuclear")
    r = float(numerical_rank(s.weights))
    return excess(r * (r + 1) / 2, float((s.multipliers > POSITIVE * s.multipliers.max()).sum()))


@claim(
    statement="""The factors K = U S^{1/2} and Q = V S^{1/2} of W = U S V^T are balanced, K^T K = Q^T Q, with
    (||K||_F^2 + ||Q||_F^2) / 2 = ||W||_*; every other pair with this product has a larger sum.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-10,
    examples=40,
)
def least_factors_are_balanced(case: SeparableSelection, mixing: SquareMatrix) -> float:
    w = case.solved().weights
    k, q = balanced_factors(w)
    mixer = torch.eye(len(w), dtype=w.dtype) + mixing.leading(len(w)) / (1 + torch.linalg.matrix_norm(mixing.entries))
    other = k @ mixer, torch.linalg.solve(mixer, q.mT).mT
    value = norm(w, "nuclear")
    size, more = ((a.square().sum() + b.square().sum()) / 2 for a, b in ((k, q), other))
    same = max(relative_error(a @ b.mT, w) for a, b in ((k, q), other))
    return max(same, relative_error(k.mT @ k, q.mT @ q), relative_error(size, value), excess(value, more))
