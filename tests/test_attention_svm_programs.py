"""The programs around the attention SVM: prompts, causal lists, several tokens, other norms, path and second order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_attention_svm import drawn
from torch import Tensor

from theory.attention_svm import (
    Margins,
    MultiTokenSelection,
    TokenSelection,
    balanced_factors,
    causal_margins,
    is_unique,
    joint_margins,
    log_excess,
    logistic_loss_weights,
    numerical_rank,
    penalised_attention,
    prompt_margins,
    regularization_path,
    second_order_shift,
    solve,
    solve_entrywise,
    solve_multi_token,
)


def scored(n: int, length: int, d: int, *, problems: int, seed: int) -> tuple[TokenSelection, Tensor]:
    """Random problems that select the tokens with the largest score Y_i v^T x_it, and the scores."""
    generator = torch.Generator().manual_seed(seed)
    problem = drawn(n, length, d, problems=problems, seed=seed)
    head = torch.randn(problems, 1, d, 1, generator=generator, dtype=torch.float64)
    labels = 2.0 * torch.randint(2, (problems, n, 1), generator=generator) - 1
    scores = labels * (problem.tokens @ head)[..., 0]
    return TokenSelection(problem.tokens, problem.queries, scores.argmax(dim=-1)), scores


# --------------------------------------------------------------------------------------------- prompts, causal lists


@pytest.mark.parametrize(("selected", "half_square"), [(0, 0.5 / 1.01), (1, 0.5)])
def test_published_prompt_example(selected: int, half_square: float) -> None:
    """One sequence with tokens (-0.1, 1), (1, 0), (0, 0): ||p||^2 / 2 as the published solver logs print it."""
    tokens = torch.tensor([[[-0.1, 1.0], [1.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    solution = solve(prompt_margins(tokens, torch.tensor([selected])))
    assert solution.value.item() ** 2 / 2 == pytest.approx(half_square, rel=1e-12)


def test_joint_training_relaxes_the_sequences_that_do_not_support_the_head() -> None:
    """Heads by hand: selected tokens (1, 0), (3, 0) with label 1 give v = (1, 0), supported by the first alone."""
    tokens = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [2.0, 1.0]]], dtype=torch.float64)
    joint = joint_margins(tokens, tokens, torch.ones(2, dtype=torch.float64), torch.tensor([0, 0]))
    assert joint.head.weights[:, 0].tolist() == pytest.approx([1.0, 0.0])
    assert joint.head.support.tolist() == [True, False]
    # p . (1, 0) >= 1 and p . (1, -1) >= 0 leave p = (1, 0) as the shortest
    assert joint.prompt.weights[:, 0].tolist() == pytest.approx([1.0, 0.0])


def test_causal_lists_hold_the_constraints_written_out() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    selected = torch.tensor([[0, 1, 0, 3], [0, 0, 2, 1]])
    margins = causal_margins(x, selected)
    solution = solve(margins)
    values = []
    for i in range(2):
        for t in range(1, 4):
            chosen = int(selected[i, t])
            values += [
                float((x[i, chosen] - x[i, s]) @ solution.weights @ x[i, t]) for s in range(t + 1) if s != chosen
            ]
    assert len(values) == margins.size == 12
    assert solution.margin.numpy() == pytest.approx(np.array(values), rel=1e-10)
    assert min(values) == pytest.approx(1.0, abs=1e-10)
    slow = solve(margins, method="cvxpy")
    assert solution.value.item() == pytest.approx(slow.value.item(), rel=1e-9)


# ------------------------------------------------------------------------------------------------- several tokens


def limiting(n: int, length: int, seed: int) -> Tensor:
    """Softmax limits that keep one to three tokens per row."""
    generator = torch.Generator().manual_seed(seed)
    attention = torch.rand(n, length, generator=generator, dtype=torch.float64) + 0.1
    for row in range(n):
        attention[row, 1 + row % 3 :] = 0.0
    return attention / attention.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("seed", range(5))
def test_several_tokens_against_cvxpy(seed: int) -> None:
    import cvxpy as cp

    base = drawn(4, 5, 8, problems=1, seed=seed)
    problem = MultiTokenSelection(base.tokens[0], base.queries[0], limiting(4, 5, seed))
    solution = solve_multi_token(problem)
    finite, direction = cp.Variable((8, 8)), cp.Variable((8, 8))
    equations, rules = [], []
    for i in range(4):
        s, x, z = problem.attention[i], problem.tokens[i].numpy(), problem.queries[i].numpy()
        top = int(s.argmax())
        for t in range(5):
            if t == top:
                continue
            difference = x[top] - x[t]
            if problem.kept[i, t]:
                equations.append(difference @ finite @ z == float(torch.log(s[top] / s[t])))
                rules.append(difference @ direction @ z == 0)
            else:
                rules.append(difference @ direction @ z >= 1)
    for variable, constraints in ((finite, equations), (direction, rules)):
        cp.Problem(cp.Minimize(cp.sum_squares(variable)), constraints).solve(solver=cp.CLARABEL)
    assert solution.finite.numpy() == pytest.approx(finite.value, abs=1e-6)
    assert solution.direction.numpy() == pytest.approx(direction.value, abs=1e-6)
    trained = solution.finite + 7.0 * solution.direction
    torch.testing.assert_close(solution.nearest(trained), trained)


def test_all_tokens_kept_leave_no_direction() -> None:
    base = drawn(2, 2, 6, problems=1)
    half = torch.full((2, 2), 0.5, dtype=torch.float64)
    solution = solve_multi_token(MultiTokenSelection(base.tokens[0], base.queries[0], half))
    assert solution.feasible
    assert solution.margins is None
    assert not solution.direction.any()
    assert solution.nearest(torch.ones(6, 6, dtype=torch.float64)).equal(solution.finite)


# ---------------------------------------------------------------------------------------------------- other norms


def test_entrywise_two_is_frobenius() -> None:
    problem = drawn(4, 4, 8, problems=3, seed=8)
    torch.testing.assert_close(solve_entrywise(problem, 2.0).weights, solve(problem).weights, rtol=0, atol=1e-9)


@pytest.mark.parametrize("p", [1.75, 3.0])
def test_entrywise_optimality(p: float) -> None:
    """lambda >= 0, complementarity, and M(lambda) = sign(W) |W|^{p-1}: conditions sufficient for the least norm."""
    problem = drawn(4, 4, 8, problems=3, seed=9)
    solution = solve_entrywise(problem, p)
    assert solution.gap.max() < 1e-9
    combined = problem.margins().combine(solution.multipliers.flatten(-2))
    gradient = torch.sign(solution.weights) * solution.weights.abs() ** (p - 1)
    torch.testing.assert_close(combined, gradient, rtol=0, atol=1e-6)
    assert (solution.multipliers * (solution.margin - 1)).abs().max() < 1e-7
    expected = torch.linalg.vector_norm(solution.weights, ord=p, dim=(-2, -1))
    torch.testing.assert_close(solution.value, expected)


# --------------------------------------------------------------------------------------------- path and second order


def test_log_excess_against_the_loss_in_many_digits() -> None:
    import mpmath

    problem, scores = scored(3, 4, 6, problems=1, seed=1)
    generator = torch.Generator().manual_seed(0)
    for size in (0.3, 10.0, 300.0):
        weights = size * solve(problem).weights[0] + torch.randn(6, 6, generator=generator, dtype=torch.float64)
        with mpmath.workdps(400):
            total = mpmath.mpf(0)
            for x, z, gamma in zip(problem.tokens[0], problem.queries[0], scores[0], strict=True):
                logits = [
                    mpmath.fdot(map(mpmath.mpf, row), map(mpmath.mpf, (weights @ z).tolist())) for row in x.tolist()
                ]
                powers = [mpmath.exp(h) for h in logits]
                output = mpmath.fdot(powers, map(mpmath.mpf, gamma.tolist())) / mpmath.fsum(powers)
                total += mpmath.log1p(mpmath.exp(-output)) - mpmath.log1p(mpmath.exp(-mpmath.mpf(gamma.max().item())))
            expected = float(mpmath.log(total / 3))
        found = log_excess(weights, problem.tokens[0], problem.queries[0], scores[0]).item()
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-10)


def test_path_tends_to_the_shifted_ray() -> None:
    """W_R - R What approaches W_0, which is orthogonal to W_mm, and once other tokens are gone it does so like 1/R."""
    problem, scores = scored(4, 4, 8, problems=2, seed=2)
    solution = solve(problem)
    shift = second_order_shift(problem, solution, logistic_loss_weights(scores, problem.selected))
    radii = torch.tensor([1e4, 1e5], dtype=torch.float64) * solution.value.max()
    path = regularization_path(problem, scores, radii)
    assert path.shape == (2, 2, 8, 8)
    unit = (solution.weights / solution.value[:, None, None])[:, None]
    residual = path - radii[:, None, None] * unit
    miss = torch.linalg.matrix_norm(residual - shift[:, None]) / torch.linalg.matrix_norm(shift)[:, None]
    assert (miss[:, 1] < 1e-3).all()
    assert (miss[:, 0] / miss[:, 1]).tolist() == pytest.approx([10.0, 10.0], rel=0.05)
    assert (shift * solution.weights).sum(dim=(-2, -1)).abs().max() < 1e-10


def test_shift_solves_its_equations_from_the_loss() -> None:
    """Along W_0 + c W_mm the gradient of sum c_k e^{-<A_k, W>} over the support is parallel to W_mm: autograd."""
    problem, scores = scored(4, 4, 8, problems=1, seed=4)
    solution = solve(problem)
    c = logistic_loss_weights(scores, problem.selected)
    weights = (second_order_shift(problem, solution, c) + 3 * solution.weights)[0].requires_grad_()
    program = problem.margins()
    support = (solution.multipliers[0] > 1e-9).flatten()
    exponent = -program.of(weights[None])[0][support]
    (c[0].flatten()[support] * exponent.exp()).sum().backward()
    assert weights.grad is not None
    cosine = torch.nn.functional.cosine_similarity(-weights.grad.flatten(), solution.weights[0].flatten(), dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-12)


def test_reduction_is_exact() -> None:
    """d = 30 above every m and n: the answer in reduced coordinates, lifted, is the answer."""
    problem = drawn(3, 4, 30, problems=4)
    margins = problem.margins()
    small, left, right = margins.reduced()
    assert small.rows.shape[-1] == 9
    assert small.queries.shape[-1] == 3
    torch.testing.assert_close(small.gram, margins.gram)
    lifted = left @ solve(small).weights @ right.mT
    torch.testing.assert_close(lifted, solve(Margins(margins.rows, margins.queries, margins.owner)).weights)


# ---------------------------------------------------------------------------------- nuclear path, rank, uniqueness


def test_the_nuclear_path_beats_random_points_of_its_ball() -> None:
    """Loss at the minimiser against random points of nuclear norm R and small changes of it, and R = its norm."""
    problem, scores = scored(3, 4, 6, problems=1, seed=5)
    radius = 10 * solve(problem, "nuclear").value[0]
    path = regularization_path(problem, scores, radius[None], norm="nuclear")[0, 0]
    assert torch.linalg.matrix_norm(path, "nuc").item() == pytest.approx(radius.item(), rel=1e-9)
    parts = problem.tokens[0], problem.queries[0], scores[0]
    best, generator = log_excess(path, *parts), torch.Generator().manual_seed(0)
    for size in (1e-4, 1e-2, 1.0, 100.0):
        other = path / radius + size * torch.randn(6, 6, generator=generator, dtype=torch.float64)
        assert log_excess(radius * other / torch.linalg.matrix_norm(other, "nuc"), *parts) > best
    k, q = balanced_factors(path)
    assert ((k.square().sum() + q.square().sum()) / 2).item() == pytest.approx(radius.item(), rel=1e-9)


def test_rank_and_uniqueness_of_known_matrices() -> None:
    assert numerical_rank(torch.diag(torch.tensor([1.0, 1e-3, 1e-9]))) == 2
    assert numerical_rank(torch.full((2, 2), float("nan"))) == 0
    plane = torch.eye(2, dtype=torch.float64)
    alone = TokenSelection(torch.stack([plane[0], 0 * plane[0]])[None], plane[:1], torch.tensor([0]))
    assert is_unique(alone, solve(alone, "nuclear"))
    problem = drawn(5, 5, 10, problems=20, seed=11)
    solution = solve(problem, "nuclear")
    for which in range(20):
        one = TokenSelection(problem.tokens[which], problem.queries[which], problem.selected[which])
        assert is_unique(one, solve(one, "nuclear"))
    assert numerical_rank(solution.weights).max() <= 4


def test_more_rank_than_support_vectors_is_not_unique() -> None:
    """One support vector fixes one of the three numbers of a symmetric 2 x 2 matrix."""
    tokens = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    problem = TokenSelection(tokens, torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0]))
    solution = solve(problem, "nuclear")
    assert is_unique(problem, solution)
    assert not is_unique(problem, replace(solution, weights=torch.eye(2, dtype=torch.float64) / 2))


def test_penalised_attention_by_hand() -> None:
    values = torch.tensor([1.0, 0.6, -1.0], dtype=torch.float64)
    assert penalised_attention(values, 0.1).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert penalised_attention(values, 0.5).tolist() == pytest.approx([0.7, 0.3, 0.0])
    assert penalised_attention(values, 1e6).tolist() == pytest.approx([1 / 3] * 3, abs=1e-5)
