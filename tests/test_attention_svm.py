"""The attention SVM against independent solvers: verdicts by linear programming, values by cvxpy, known answers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from theory.attention_svm import INFEASIBLE, OPTIMAL, Margins, Solution, TokenSelection, solve

FULL_RANK = [(5, 5, 10), (6, 8, 10), (15, 5, 15), (5, 5, 100)]
DEFICIENT = [(15, 5, 5), (5, 5, 3), (10, 5, 4)]
SIZES = FULL_RANK + DEFICIENT
NORMS = ("frobenius", "nuclear")
PROMISED = {"frobenius": 1e-9, "nuclear": 1e-8}


def drawn(n: int, length: int, d: int, *, problems: int, seed: int = 0) -> TokenSelection:
    """Unit-norm Gaussian tokens and queries, any selection."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(problems, n, length, d, generator=generator, dtype=torch.float64)
    queries = torch.randn(problems, n, d, generator=generator, dtype=torch.float64)
    selected = torch.randint(length, (problems, n), generator=generator)
    return TokenSelection(
        tokens / tokens.norm(dim=-1, keepdim=True), queries / queries.norm(dim=-1, keepdim=True), selected
    )


def matrices(problem: TokenSelection, which: int) -> np.ndarray:
    """The difference matrices of one problem, written out by loops: (m, d d)."""
    rows = []
    for tokens, query, chosen in zip(
        problem.tokens[which].numpy(), problem.queries[which].numpy(), problem.selected[which].tolist(), strict=True
    ):
        rows += [np.outer(tokens[chosen] - x, query).ravel() for t, x in enumerate(tokens) if t != chosen]
    return np.array(rows)


def largest_margin(constraints: np.ndarray) -> float:
    """The best worst margin within the box |W| <= 1, by linear programming: positive iff the program is feasible."""
    m, size = constraints.shape
    result = linprog(
        np.r_[np.zeros(size), -1.0],
        A_ub=np.c_[-constraints, np.ones(m)],
        b_ub=np.zeros(m),
        bounds=[(-1, 1)] * size + [(None, 1)],
        method="highs",
    )
    assert result.success
    return float(result.x[-1])


def textbook_value(constraints: np.ndarray, d: int, norm: str) -> float:
    """The least norm by cvxpy and Clarabel at its default tolerances, nothing of ours involved."""
    import cvxpy as cp

    weights = cp.Variable((d, d))
    size = cp.norm(weights, "fro") if norm == "frobenius" else cp.normNuc(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = cp.Problem(cp.Minimize(size), [constraints @ cp.vec(weights, order="C") >= 1])
        problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-11, tol_feas=1e-11)
    return float(problem.value)


def assert_kept_promises(problem: TokenSelection, solution: Solution, norm: str) -> None:
    """Feasible: gap as promised unless the status says otherwise, margins kept. Infeasible: the proof is one."""
    optimal = torch.as_tensor(solution.status == OPTIMAL)
    assert (solution.gap[optimal] <= PROMISED[norm]).all()
    assert (solution.margin[solution.feasible] >= 1 - 1e-10).all()
    assert (solution.multipliers >= 0).all()
    assert (torch.as_tensor(solution.status == INFEASIBLE) == ~solution.feasible).all()
    assert torch.isinf(solution.value[~solution.feasible]).all()
    proof = problem.margins().combine(solution.multipliers.flatten(-2))
    assert (torch.linalg.matrix_norm(proof[~solution.feasible]) <= 1e-7).all()


# ------------------------------------------------------------------------------------------------- random problems


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_random_problems_keep_their_promises(size: tuple[int, int, int], norm: str) -> None:
    problem = drawn(*size, problems=40, seed=1)
    solution = solve(problem, norm)  # type: ignore[arg-type]
    assert_kept_promises(problem, solution, norm)
    assert (solution.status[solution.feasible.numpy()] == OPTIMAL).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_verdicts_agree_with_linear_programming(size: tuple[int, int, int]) -> None:
    count = 3 if size[2] == 100 else 25
    problem = drawn(*size, problems=count, seed=2)
    feasible = solve(problem).feasible.tolist()
    for which in range(count):
        assert feasible[which] == (largest_margin(matrices(problem, which)) > 1e-9)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [*FULL_RANK[:2], *DEFICIENT], ids=str)
def test_values_agree_with_cvxpy(size: tuple[int, int, int], norm: str) -> None:
    problem = drawn(*size, problems=6, seed=3)
    solution = solve(problem, norm)  # type: ignore[arg-type]
    for which in solution.feasible.nonzero().flatten().tolist():
        expected = textbook_value(matrices(problem, which), size[2], norm)
        assert solution.value[which].item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.nightly
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_two_thousand_problems(size: tuple[int, int, int]) -> None:
    """286 problems per size: every verdict by linear programming, both values by cvxpy in reduced coordinates."""
    problem = drawn(*size, problems=286, seed=4)
    small, _, _ = problem.margins().reduced()
    a, z = small.rows.numpy(), small.row_queries.numpy()
    solutions = {norm: solve(problem, norm) for norm in NORMS}  # type: ignore[arg-type]
    for norm, solution in solutions.items():
        assert_kept_promises(problem, solution, norm)
    for which in range(286):
        constraints = np.einsum("ki,kj->kij", a[which], z[which])
        feasible = largest_margin(constraints.reshape(len(constraints), -1)) > 1e-9
        for norm, solution in solutions.items():
            assert solution.feasible[which].item() == feasible
            if feasible:
                oracle = solve(Margins(small.rows[which], small.row_queries[which]), norm, method="cvxpy")  # type: ignore[arg-type]
                assert solution.value[which].item() == pytest.approx(oracle.value.item(), rel=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_the_textbook_method_is_certified_too(norm: str) -> None:
    problem = drawn(10, 5, 4, problems=12, seed=5)
    fast, slow = solve(problem, norm), solve(problem, norm, method="cvxpy")  # type: ignore[arg-type]
    assert (fast.feasible == slow.feasible).all()
    assert not slow.feasible.all()
    seen = fast.feasible
    torch.testing.assert_close(fast.value[seen], slow.value[seen], rtol=1e-7, atol=0)
    assert (slow.lower[seen] <= fast.upper[seen] * (1 + 1e-12)).all()
    assert (fast.lower[seen] <= slow.upper[seen] * (1 + 1e-12)).all()


# ---------------------------------------------------------------------------------------------------- known answers


def test_published_trajectory_example() -> None:
    """The first published picture, n = d = 2 and T = 3, drawn in float32 from seed 1 after a score vector."""
    generator = torch.Generator().manual_seed(1)
    torch.randn(2, generator=generator)
    tokens = 0.3 * torch.randn(2, 3, 2, generator=generator)
    tokens[0, :, 0] -= 1
    tokens[1, :, 0] += 1
    queries = torch.randn(2, 2, generator=generator)
    problem = TokenSelection(tokens, queries / queries.norm(dim=-1, keepdim=True), torch.tensor([0, 2]))
    solution = solve(problem)
    assert solution.value.item() == pytest.approx(8.685735, abs=2e-6)
    assert solution.weights.numpy() == pytest.approx(np.array([[2.85369, -2.70294], [5.37124, 5.58053]]), abs=1e-5)
    nuclear = solve(problem, "nuclear")
    assert nuclear.value.item() == pytest.approx(9.754810, abs=2e-6)
    assert torch.linalg.matrix_rank(nuclear.weights, rtol=1e-5) == 1


def test_one_sequence_of_two_tokens_by_hand() -> None:
    """One constraint: W = A / ||A||^2, with both norms equal to 1 / (||a|| ||z||)."""
    problem = TokenSelection([[[3.0, 0.0], [0.0, 4.0]]], [[0.0, 2.0]], [0])  # type: ignore[arg-type]
    for norm in NORMS:
        solution = solve(problem, norm)  # type: ignore[arg-type]
        assert solution.value.item() == pytest.approx(0.1, rel=1e-9)
        assert solution.weights.numpy() == pytest.approx(np.array([[0.0, 0.06], [0.0, -0.08]]), abs=1e-7)


def test_shapes_follow_the_batch() -> None:
    problem = drawn(3, 4, 6, problems=6)
    parts = (
        problem.tokens.reshape(2, 3, 3, 4, 6),
        problem.queries.reshape(2, 3, 3, 6),
        problem.selected.reshape(2, 3, 3),
    )
    solution = solve(TokenSelection(*parts))
    assert solution.weights.shape == (2, 3, 6, 6)
    assert solution.multipliers.shape == solution.margin.shape == solution.support.shape == (2, 3, 3, 3)
    assert solution.value.shape == solution.status.shape == (2, 3)
    torch.testing.assert_close(solution.weights.flatten(0, 1), solve(problem).weights)
    single = solve(TokenSelection(*(part[0, 0] for part in parts)))
    torch.testing.assert_close(single.weights, solution.weights[0, 0])


@pytest.mark.parametrize("norm", NORMS)
def test_a_duplicate_of_the_selected_token_is_infeasible(norm: str) -> None:
    problem = drawn(3, 4, 8, problems=2)
    tokens = problem.tokens.clone()
    tokens[0, 1, :] = tokens[0, 1, :1]
    solution = solve(TokenSelection(tokens, problem.queries, problem.selected), norm)  # type: ignore[arg-type]
    assert solution.feasible.tolist() == [False, True]
    assert solution.status.tolist() == [INFEASIBLE, OPTIMAL]
    assert torch.isnan(solution.weights[0]).all()


@pytest.mark.parametrize("norm", NORMS)
def test_repeated_tokens_and_sequences(norm: str) -> None:
    """Twice the same constraint changes nothing, singular as the Gram matrix is; contradicting ones are infeasible."""
    problem = drawn(4, 4, 8, problems=2, seed=1)
    alone = solve(problem, norm)  # type: ignore[arg-type]
    twice = problem.tokens.gather(2, problem.others[..., :1, None].expand(-1, -1, -1, 8))
    token = TokenSelection(torch.cat([problem.tokens, twice], dim=2), problem.queries, problem.selected)
    tokens, queries = (torch.cat([x, x], dim=1) for x in (problem.tokens, problem.queries))
    same, other = (torch.cat([problem.selected, (problem.selected + k) % 4], dim=1) for k in (0, 1))
    for repeated in (token, TokenSelection(tokens, queries, same)):
        torch.testing.assert_close(solve(repeated, norm).value, alone.value, rtol=PROMISED[norm], atol=0)  # type: ignore[arg-type]
    assert (solve(TokenSelection(tokens, queries, other), norm).status == INFEASIBLE).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_units_do_not_matter(factor: float, norm: str) -> None:
    problem = drawn(4, 4, 8, problems=2, seed=1)
    scaled = TokenSelection(factor * problem.tokens, factor * problem.queries, problem.selected)
    plain, other = (solve(p, norm) for p in (problem, scaled))  # type: ignore[arg-type]
    torch.testing.assert_close(other.value * factor**2, plain.value, rtol=PROMISED[norm], atol=0)
    assert (other.status == OPTIMAL).all()


def test_float32_draws_are_solved_in_float64() -> None:
    problem = drawn(3, 4, 8, problems=2)
    single = TokenSelection(problem.tokens.float(), problem.queries.float(), problem.selected)
    assert solve(single).weights.dtype == torch.float64
    assert solve(single).gap.max() < 1e-12


def test_relaxed_bounds_against_cvxpy() -> None:
    """Bounds 0 on some sequences: the value lies below the strict one and agrees with the textbook form."""
    problem = drawn(6, 4, 5, problems=20, seed=6)
    bounds = torch.ones(20, 6, dtype=torch.float64)
    bounds[:, ::2] = 0.0
    relaxed = problem.margins(bounds)
    for norm in NORMS:
        fast, slow = solve(relaxed, norm), solve(relaxed, norm, method="cvxpy")  # type: ignore[arg-type]
        assert (fast.feasible & slow.feasible).all()
        torch.testing.assert_close(fast.value, slow.value, rtol=1e-6, atol=0)
        strict = solve(problem, norm)  # type: ignore[arg-type]
        assert (fast.value <= strict.value * (1 + 1e-9)).all()
        assert (fast.margin >= -1e-9).all()
