"""How minimisers of the loss over growing balls approach the solutions, and by which constant they miss them."""

from __future__ import annotations

import torch
from torch import Tensor

from theory.attention_svm.claims.instances import StrictlyScored
from theory.attention_svm.path import regularization_path
from theory.attention_svm.second_order import logistic_loss_weights, second_order_shift
from theory.claims import claim, relative_error
from theory.numerics import fitted_slope
from theory.papers import TARZANAGH_2023

RADII = torch.tensor([1e3, 1e4, 1e5], dtype=torch.float64)  # in units of the least norm
NEGLIGIBLE = 0.01  # a constant below this fraction of ||W_mm|| counts as zero: then no rate can be fitted


def _shift(case: StrictlyScored) -> Tensor:
    """W_0."""
    weights = logistic_loss_weights(case.scores, case.problem.selected)
    return second_order_shift(case.problem, case.solved(), weights)


def _rate_and_constant(misses: Tensor, rate: int, constant: float) -> float:
    """The error of the fitted rate of `misses` over `RADII`, or of their level times R^-rate if that is larger."""
    level = misses * RADII**-rate
    error = relative_error(level[-1], constant, scale=NEGLIGIBLE**-rate)
    if constant <= NEGLIGIBLE**-rate:
        return error
    return max(error, abs(fitted_slope(RADII.log(), misses.log()) - rate))


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


@claim(
    statement="""On the sphere ||W|| = R the angle of the loss minimiser to W_mm closes like 1 / R: 1 - cos =
    ||W_0||^2 / (2 R^2), up to higher order.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=0.01,
    examples=5,
)
def path_direction_converges_at_rate_two(case: StrictlyScored) -> float:
    s = case.solved()
    path = regularization_path(case.problem, case.scores, RADII * s.value)
    unit = path / torch.linalg.matrix_norm(path)[:, None, None]
    misses = (unit - s.weights / s.value).square().sum(dim=(1, 2)) / 2
    return _rate_and_constant(misses, -2, (torch.linalg.matrix_norm(_shift(case)) / s.value).item() ** 2 / 2)


@claim(
    statement="""The margin ratio of the loss minimiser, min <A_k, W> ||W_mm|| / R, tends to 1 like 1 / R: it misses
    1 by -min_S <A_k, W_0> ||W_mm|| / R, up to higher order.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=0.01,
    examples=5,
)
def path_margin_converges_at_rate_one(case: StrictlyScored) -> float:
    s, program = case.solved(), case.problem.margins()
    path = regularization_path(case.problem, case.scores, RADII * s.value)
    misses = torch.stack([1 - program.of(w).min() for w in path / RADII[:, None, None]])
    support = s.support.flatten()
    return _rate_and_constant(misses, -1, -program.of(_shift(case))[support].min().item())


@claim(
    statement="""Over balls ||K||^2 + ||Q||^2 <= 2 R the minimiser K Q^T tends to the nuclear solutions: its margins,
    times ||W||_* / R, tend to at least 1 like 1 / R.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=0.02,
    status="as recalled",
    examples=4,
)
def factor_path_tends_to_nuclear_solutions(case: StrictlyScored) -> float:
    """The error of the fitted rate; a ball's minimiser with margin ratio 1 has the least nuclear norm, up to R."""
    s, program = case.solved("nuclear"), case.problem.margins()
    path = regularization_path(case.problem, case.scores, RADII * s.value, norm="nuclear")
    misses = torch.stack([1 - program.of(w).min() for w in path / RADII[:, None, None]])
    if misses[0] * RADII[0] <= NEGLIGIBLE:
        return misses[-1].item()
    return abs(fitted_slope(RADII.log(), misses.log()) + 1)
