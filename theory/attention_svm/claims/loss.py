"""The attention loss: its gradient, its infimum, and where it falls."""

from __future__ import annotations

import torch

from theory.attention_svm.claims.instances import ScoredSelection, SquareMatrix, TwoLevelScores
from theory.attention_svm.flow import attention_weights, loss_gradient
from theory.attention_svm.path import log_excess
from theory.attention_svm.problem import TokenSelection
from theory.claims import claim, excess, relative_error
from theory.papers import TARZANAGH_2023


@claim(
    statement="""The gradient is a sum over difference matrices, -n grad L = sum_i |l'_i| sum_t s_it (u_i - gamma_it)
    A_it, with the selected token as reference.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-12,
    examples=40,
)
def gradient_is_a_sum_over_differences(case: ScoredSelection, noise: SquareMatrix) -> float:
    w = noise.leading(case.problem.tokens.shape[-1])
    exact = case.gradient(w)
    return relative_error(loss_gradient(w, case.problem, case.scores), exact, scale=0.01)


@claim(
    statement="""While no attention is within 1e-8 of 1, log(L - L*) in logarithms alone is that of the plain formula,
    and so is its gradient.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-6,
    examples=40,
)
def log_domain_is_the_plain_formula(case: ScoredSelection, noise: SquareMatrix) -> float:
    w = noise.leading(case.problem.tokens.shape[-1])
    if attention_weights(w, case.problem).max() > 1 - 1e-8:
        return 0.0
    p, infimum = case.problem, torch.nn.functional.softplus(-case.scores.amax(dim=1)).mean()
    above = case.loss(w) - infimum
    value = log_excess(w, p.tokens, p.queries, case.scores)
    slope = torch.func.grad(log_excess)(w, p.tokens, p.queries, case.scores)
    return max(relative_error(value.exp(), above), relative_error(slope * above, case.gradient(w)))


@claim(
    statement="""With two score levels per sequence, <grad L(W), W> = (1/n) sum_i l'_i D_i s_i,alpha sum_t s_it
    <A_it, W> for the score gap D_i.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-12,
    examples=40,
)
def radial_gradient_with_two_levels(case: TwoLevelScores, noise: SquareMatrix) -> float:
    p, w = case.problem, noise.leading(case.problem.tokens.shape[-1])
    s = attention_weights(w, p)
    chosen, rest = p.selected[:, None], p.others
    gap = (case.scores.gather(1, chosen) - case.scores.gather(1, rest[:, :1]))[:, 0]
    slope = -torch.sigmoid(-(s * case.scores).sum(dim=1))
    margins = p.margins().of(w).reshape(rest.shape)
    terms = slope * gap * s.gather(1, chosen)[:, 0] * (s.gather(1, rest) * margins).sum(dim=1)
    gradient = case.gradient(w)
    return relative_error(terms.mean(), (gradient * w).sum(), scale=w.norm().item())


@claim(
    statement="""No finite W attains the infimum of the loss, mean_i l(gamma_i,best), and along R W_mm the excess falls
    towards it like e^{-R}.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=1e-3,
    status="as recalled",
    examples=40,
)
def loss_falls_to_its_infimum_along_the_solution(case: ScoredSelection) -> float:
    """|slope + 1| of log(L - L*) between R = 1e3 and 2e3; L - L* > 0 because its logarithm is finite."""
    p, w = case.problem, case.solved().weights
    near, far = (log_excess(size * w, p.tokens, p.queries, case.scores).item() for size in (1e3, 2e3))
    return abs((far - near) / 1e3 + 1)


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
