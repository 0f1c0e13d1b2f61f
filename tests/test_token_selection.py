"""Token selection: the published draws, gradients by three routes, and what training must conserve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor

from theory.attention_svm import TokenSelection, log_excess, solve, solve_entrywise
from toy_tasks.threads import one_thread
from toy_tasks.token_selection import (
    Arithmetic,
    Factors,
    GivenScores,
    GradientDescent,
    KernelWeights,
    LambdaHead,
    LinearHead,
    MirrorWeights,
    NormalizedDescent,
    PolyakStep,
    ReluHead,
    SelectionProblems,
    labelled_sequences,
    linear_layer,
    linear_problems,
    one_sequence,
    plane_example,
    prompt_problem,
    relu_problems,
    train,
    train_jointly,
)
from toy_tasks.token_selection.gradients import LOSSES, excess, pull
from toy_tasks.token_selection.rules import Rule

SEEDS = range(4)
PROBLEMS = linear_problems(SEEDS, sequences=3, length=4, dim=5)
WEIGHTS = 3 * linear_layer(SEEDS, 5, 5)
KEYS, QUERIES = (linear_layer(SEEDS, 5, 5, split=split) for split in (1, 2))


def with_head(name: str) -> SelectionProblems:
    """The same tokens with each kind of head."""
    normal = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    heads: dict[str, Any] = {
        "linear": PROBLEMS.head,
        "given": GivenScores(normal[:, :3, :4]),
        "lambda": LambdaHead(normal[:, :, 0], torch.tensor([0.0, 0.1, 0.5, 1.0])),
        "relu": ReluHead(normal),
    }
    return replace(PROBLEMS, head=heads[name])


def plain_output(problems: SelectionProblems, attention: Tensor) -> Tensor:
    """h(X^T s), written out a second time; a head that reads points has the attended point as its only token."""
    if isinstance(problems.head, GivenScores):
        return (attention * problems.head.values).sum(dim=-1)
    point = (attention[..., None] * problems.tokens).sum(dim=-2, keepdim=True)
    return problems.head.of(point)[..., 0]


def plain_loss(problems: SelectionProblems, weights: Tensor, loss: str = "logistic") -> Tensor:
    """(r,) mean loss as one writes it first."""
    attention = torch.softmax(torch.einsum("rntd,rde,rne->rnt", problems.tokens, weights, problems.queries), dim=-1)
    u = problems.labels * plain_output(problems, attention)
    return {"logistic": torch.nn.functional.softplus(-u), "exponential": torch.exp(-u), "linear": -u}[loss].mean(dim=1)


def autograd(problems: SelectionProblems, weights: Tensor, loss: str = "logistic") -> Tensor:
    leaf = weights.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(plain_loss(problems, leaf, loss).sum(), leaf)
    return gradient


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(-2, -1)) / (torch.linalg.matrix_norm(a) * torch.linalg.matrix_norm(b))


# --------------------------------------------------------------------------------------------------------------- data


def test_problems_are_the_published_draws() -> None:
    generator = torch.Generator().manual_seed(2)
    v = torch.randn(5, generator=generator)
    y = torch.where(torch.randn(3, generator=generator) > 0, 1.0, -1.0)
    x, z = torch.randn(3, 4, 5, generator=generator), torch.randn(3, 5, generator=generator)
    assert isinstance(PROBLEMS.head, LinearHead)
    assert torch.equal(PROBLEMS.head.vector[2], (v / torch.norm(v)).double())
    assert torch.equal(PROBLEMS.labels[2], y.double())
    assert torch.equal(PROBLEMS.tokens[2], (x / torch.norm(x, dim=-1, keepdim=True)).double())
    assert torch.equal(PROBLEMS.queries[2], (z / torch.norm(z, dim=-1, keepdim=True)).double())


def test_relu_problems_draw_the_head_first() -> None:
    generator = torch.Generator().manual_seed(7)
    matrix, x = torch.randn(5, 5, generator=generator), torch.randn(3, 4, 5, generator=generator)
    problems = relu_problems([7], sequences=3, length=4, dim=5)
    assert isinstance(problems.head, ReluHead)
    assert torch.equal(problems.head.matrix[0], (matrix / torch.norm(matrix)).double())
    assert torch.equal(problems.tokens[0], (x / torch.norm(x, dim=-1, keepdim=True)).double())


def test_self_attention_asks_with_the_first_token() -> None:
    own = linear_problems(SEEDS, sequences=3, length=4, dim=5, attention="self")
    assert torch.equal(own.queries, PROBLEMS.tokens[:, :, 0])
    assert torch.equal(own.tokens, PROBLEMS.tokens)


def test_local_optimality_by_hand() -> None:
    """(1, 0) with score 0.9 has neighbour (0, 0) alone: locally optimal iff that scores less. (-0.1, 1) always is."""
    for last, expected in ((0.0, True), (0.95, False)):
        problem = prompt_problem(*one_sequence(last))
        for selected, verdict, neighbours in ((1, expected, [[False, False, True]]), (0, True, None)):
            alpha = torch.tensor([[selected]])
            solution = solve(TokenSelection(problem.tokens, problem.queries.expand(1, 1, 2), alpha))
            prompt = torch.tensor([[[-0.1], [1.0]]]) / 1.01 if selected == 0 else torch.tensor([[[1.0], [0.0]]])
            assert problem.margins(alpha, prompt.double()).shape == (1, 1, 3)
            assert bool(problem.locally_optimal(alpha, prompt.double())) == verdict
            assert bool(solution.feasible)
            if neighbours:
                assert problem.neighbours(alpha, prompt.double())[0].tolist() == neighbours


def test_margins_are_those_of_the_program() -> None:
    alpha = torch.randint(4, (4, 3), generator=torch.Generator().manual_seed(0))
    selection = TokenSelection(PROBLEMS.tokens, PROBLEMS.queries, alpha)
    ours = PROBLEMS.margins(alpha, WEIGHTS).gather(-1, selection.others)
    torch.testing.assert_close(ours.flatten(1), selection.margins().of(WEIGHTS), rtol=0, atol=1e-13)
    solution = solve(selection)
    support = PROBLEMS.neighbours(alpha, solution.weights).gather(-1, selection.others)
    assert torch.equal(support, solution.support)


# ---------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("log_domain", [False, True])
@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("head", ["linear", "given", "lambda", "relu"])
def test_gradients_are_those_of_autograd(head: str, loss: str, log_domain: bool) -> None:
    problems = with_head(head)
    response = problems.head.along(problems.tokens)
    found = pull(problems.logits(WEIGHTS), problems.labels, response, LOSSES[loss], log_domain)
    c = found.coefficients * found.log_scale.exp()[:, None, None]
    ours = torch.einsum("rnt,rntd,rne->rde", c, problems.tokens, problems.queries)
    torch.testing.assert_close(ours, autograd(problems, WEIGHTS, loss), rtol=0, atol=1e-15)


def test_plain_and_log_domain_differ_by_rounding_alone() -> None:
    """The plain formula errs by a few eps of the gains, so by 1e-7 of c where 1 - s is 1e-8."""
    response = PROBLEMS.head.along(PROBLEMS.tokens)
    for size in (0.1, 1.0, 10.0, 30.0):
        logits = PROBLEMS.logits(size * WEIGHTS)
        plain, scaled = (pull(logits, PROBLEMS.labels, response, LOSSES["logistic"], log) for log in (False, True))
        unscaled = scaled.coefficients * scaled.log_scale.exp()[:, None, None]
        torch.testing.assert_close(unscaled, plain.coefficients, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [1.0, 40.0, 4000.0])
def test_log_domain_gradients_have_all_their_digits(size: float) -> None:
    """Against 4000 decimal digits, at attention down to e^-8000."""
    logits = PROBLEMS.logits(size * WEIGHTS)
    found = pull(logits, PROBLEMS.labels, PROBLEMS.head.along(PROBLEMS.tokens), LOSSES["linear"], True)
    gains = PROBLEMS.head.of(PROBLEMS.tokens)
    with mp.workdps(4000):
        for i in range(3):
            weights = [mp.exp(mp.mpf(float(x))) for x in logits[0, i]]
            s = [w / sum(weights) for w in weights]
            g = [mp.mpf(float(x)) for x in gains[0, i]]
            mean = sum(a * b for a, b in zip(s, g, strict=True))
            scale = -mp.mpf(float(PROBLEMS.labels[0, i])) / 3 * mp.exp(-mp.mpf(float(found.log_scale[0])))
            exact = [float(scale * a * (b - mean)) for a, b in zip(s, g, strict=True)]
            ours = found.coefficients[0, i].tolist()
            assert ours == pytest.approx(exact, rel=1e-11 + 1e-15 * size, abs=1e-300)


def test_excess_is_the_log_excess_of_theory() -> None:
    scores = PROBLEMS.scores()
    for size in (1.0, 30.0, 1000.0):
        logits = PROBLEMS.logits(size * WEIGHTS)
        ours = excess(logits, scores, LOSSES["logistic"], torch.zeros(4, dtype=torch.float64)).log()
        for r in range(4):
            theirs = log_excess(size * WEIGHTS[r], PROBLEMS.tokens[r], PROBLEMS.queries[r], scores[r])
            assert float(ours[r]) == pytest.approx(float(theirs), rel=1e-12)


# ----------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("rule", "mode"),
    [
        (GradientDescent(0.5), "author"),
        (GradientDescent(0.5), "stable"),
        (NormalizedDescent(0.1), "author"),
        (NormalizedDescent(0.1), "stable"),
        (PolyakStep(), "stable"),
    ],
)
def test_kernel_form_is_descent_on_the_matrix(rule: Rule, mode: str) -> None:
    optimal = solve(TokenSelection(PROBLEMS.tokens, PROBLEMS.queries, PROBLEMS.optimal()))
    start = WEIGHTS + 5 * optimal.weights  # where Polyak's steps are finite
    kernel, direct = (
        train(PROBLEMS, parameters, rule, steps=200, record=50, mode=mode).weights
        for parameters in (KernelWeights(start), MirrorWeights(2.0, start))
    )
    scale = torch.linalg.matrix_norm(direct)[..., None, None]
    torch.testing.assert_close(kernel / scale, direct / scale, rtol=0, atol=1e-10)


def test_descent_is_what_autograd_and_a_loop_give() -> None:
    weights, keys, queries = WEIGHTS.clone(), KEYS.clone(), QUERIES.clone()
    for _ in range(20):
        weights = weights - 0.5 * autograd(PROBLEMS, weights)
        gradient = autograd(PROBLEMS, keys @ queries.mT)
        steps = gradient @ queries + 2e-2 * keys, gradient.mT @ keys + 2e-2 * queries
        keys, queries = (
            block - 0.1 * step / torch.linalg.matrix_norm(step)[:, None, None]
            for block, step in zip((keys, queries), steps, strict=True)
        )
    ours = train(PROBLEMS, KernelWeights(WEIGHTS), GradientDescent(0.5), steps=20).weights[:, -1]
    torch.testing.assert_close(ours, weights, rtol=0, atol=1e-13)
    decayed = Arithmetic(decay=1e-2)
    factors = train(PROBLEMS, Factors(KEYS, QUERIES), NormalizedDescent(0.1), steps=20, mode=decayed).parameters
    torch.testing.assert_close(factors["keys"], keys, rtol=0, atol=1e-12)
    torch.testing.assert_close(factors["queries"], queries, rtol=0, atol=1e-12)


def test_gradient_flow_conserves_the_balance_of_factors() -> None:
    """K^T K - Q^T Q moves by O(rate^2) a step: half the rate, to the same time, leaves half the drift."""
    drifts = []
    for rate in (0.1, 0.05):
        final = train(PROBLEMS, Factors(KEYS, QUERIES), GradientDescent(rate), steps=round(20 / rate)).parameters
        balance = [final[k].mT @ final[k] - start.mT @ start for k, start in (("keys", KEYS), ("queries", QUERIES))]
        moved = torch.linalg.matrix_norm(balance[0])
        drifts.append(torch.linalg.matrix_norm(balance[0] - balance[1]) / moved)
    assert drifts[0].max() < 0.1
    torch.testing.assert_close(drifts[0] / drifts[1], torch.full((4,), 2.0, dtype=torch.float64), rtol=0, atol=0.2)


@pytest.mark.parametrize("parameters", ["kernel", "mirror", "factors"])
def test_batch_mates_do_not_matter(parameters: str) -> None:
    """Other problems in the batch never change a bit; being alone changes rounding at most."""

    def trained(which: list[int]) -> Tensor:
        starts: dict[str, Any] = {
            "kernel": KernelWeights(WEIGHTS[which]),
            "mirror": MirrorWeights(3.0, WEIGHTS[which]),
            "factors": Factors(KEYS[which], QUERIES[which]),
        }
        problems = PROBLEMS.take(torch.tensor(which))
        return train(problems, starts[parameters], NormalizedDescent(0.1), steps=100).weights[:, -1]

    assert torch.equal(trained([0, 1, 2])[1], trained([3, 1, 3])[1])
    alone = trained([1])[0]
    torch.testing.assert_close(trained([0, 1, 2])[1], alone, rtol=0, atol=1e-11 * float(alone.abs().max()))


def test_mirror_descent_finds_the_least_l_p_norm() -> None:
    problem = plane_example(5)
    selection = TokenSelection(problem.tokens, problem.queries, problem.optimal())
    for exponent in (1.5, 3.0):
        weights = train(problem, MirrorWeights(exponent), NormalizedDescent(0.1), steps=1000).weights[:, -1]
        solution = solve_entrywise(selection, exponent)
        size = torch.linalg.vector_norm(weights, ord=exponent)
        ratio = float(solution.value * selection.margins().of(weights).min() / size)
        assert 0.98 < ratio <= 1 + 1e-9
        miss, apart = (1 - float(cosine(w, solution.weights)) for w in (weights, solve(selection).weights))
        assert miss < 0.1 * apart


def test_polyak_steps_reach_the_margin_of_the_solution() -> None:
    problem = plane_example(5)
    selection = TokenSelection(problem.tokens, problem.queries, problem.optimal())
    weights = train(problem, KernelWeights(), PolyakStep(), steps=500).weights[:, -1]
    assert float(cosine(weights, solve(selection).weights)) > 0.9999


def test_a_normalised_step_has_the_length_of_its_rate() -> None:
    for parameters in (KernelWeights(1000 * WEIGHTS), MirrorWeights(2.0, 1000 * WEIGHTS)):
        weights = train(PROBLEMS, parameters, NormalizedDescent(0.1), steps=1).weights
        moved = torch.linalg.matrix_norm(weights[:, 1] - weights[:, 0])
        torch.testing.assert_close(moved, torch.full_like(moved, 0.1), rtol=1e-8, atol=0)


def test_lambda_head_attends_to_the_projection_on_the_simplex() -> None:
    """Orthonormal tokens, one sequence: softmax tends to the point of the simplex nearest to X v / (2 lambda)."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.linalg.qr(torch.randn(60, 8, 8, generator=generator, dtype=torch.float64))[0][:, None]
    v = torch.nn.functional.normalize(torch.randn(60, 8, generator=generator, dtype=torch.float64), dim=-1)
    penalty = torch.tensor([0.1, 0.2, 0.5], dtype=torch.float64).repeat(20)
    ones = torch.ones(60, 1, dtype=torch.float64)
    problems = SelectionProblems(tokens, ones[..., None], ones, LambdaHead(v, penalty))
    trained = train(problems, KernelWeights(), GradientDescent(0.5), steps=2000, loss="linear")
    wanted = torch.einsum("rntd,rd->rt", tokens, v) / (2 * penalty[:, None])
    descending = wanted.sort(dim=1, descending=True).values
    levels = (descending.cumsum(dim=1) - 1) / torch.arange(1, 9)
    active = (descending > levels).sum(dim=1, keepdim=True)
    projection = (wanted - levels.gather(1, active - 1)).clamp(min=0)
    error = (trained.log_attention[:, -1, 0].exp() - projection).abs().amax(dim=1)
    assert float(error.median()) < 2e-2


def test_a_problem_without_a_finite_step_is_frozen_alone() -> None:
    """From weights that select a token which is not the best, Polyak's step overshoots without bound."""
    weights = WEIGHTS.clone()
    worst = PROBLEMS.scores().argmin(dim=-1)
    weights[0] = 1e4 * solve(TokenSelection(PROBLEMS.tokens, PROBLEMS.queries, worst)).weights[0]
    with pytest.warns(RuntimeWarning, match=r"problem 0 was frozen at step 0"):
        trained = train(PROBLEMS, KernelWeights(weights), PolyakStep(), steps=5)
    assert trained.frozen.tolist() == [0, -1, -1, -1]
    assert torch.equal(trained.weights[0, 1], weights[0])
    alone = train(PROBLEMS, KernelWeights(WEIGHTS), PolyakStep(), steps=5)
    assert torch.equal(trained.weights[1:], alone.weights[1:])


def test_prompt_and_head_move_by_their_own_gradients() -> None:
    tokens, labels = (part.double()[None] for part in labelled_sequences(1.5))
    start = torch.tensor([[0.0, -1.0]], dtype=torch.float64), torch.tensor([[-1.0, 0.0]], dtype=torch.float64)
    p, v = (part.clone() for part in start)
    for _ in range(30):
        leaves = [part.clone().requires_grad_() for part in (p, v)]
        attention = torch.softmax(torch.einsum("rntd,rd->rnt", tokens, leaves[0]), dim=-1)
        output = torch.einsum("rnt,rntd,rd->rn", attention, tokens, leaves[1])
        loss = torch.nn.functional.softplus(-labels * output).mean()
        steps = torch.autograd.grad(loss, leaves)
        p, v = (part - 0.1 * step / step.norm() for part, step in zip((p, v), steps, strict=True))
    ours = train_jointly(tokens, labels, *start, NormalizedDescent(0.1), steps=30)
    torch.testing.assert_close(ours.prompts[:, -1], p, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.heads[:, -1], v, rtol=0, atol=1e-12)


def test_one_thread_is_for_the_inside_alone() -> None:
    def fail() -> None:
        with one_thread():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
