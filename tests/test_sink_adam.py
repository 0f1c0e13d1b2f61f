"""A logit under Adam: reference rates, uniqueness of the root, and plain Adam beside the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from theory.sink_flow import AdamTail, adam_growth_rate, saturated_growth_rate
from theory.sink_flow.adam import _right_side


@pytest.mark.parametrize(
    ("learning_rate", "fraction"), [(3e-4, 0.946886), (1e-3, 0.831170), (3e-3, 0.576855), (3e-2, 0.083226)]
)
def test_reference_rates(learning_rate: float, fraction: float) -> None:
    """k = 2, betas (.9, .99): the rate over the learning rate, to the six digits known; the exact steps reach it."""
    rate = adam_growth_rate(learning_rate=learning_rate, beta1=0.9, beta2=0.99, decay=2.0)
    assert rate / learning_rate == pytest.approx(fraction, abs=5e-7)
    assert AdamTail(learning_rate, 0.9, 0.99, 2.0).steps(10_000)[-1] == pytest.approx(rate, rel=1e-9)


def roots(tail: AdamTail) -> int:
    """Sign changes of rho - right side on a fine grid between 0 and the pole or the saturated rate."""
    largest = saturated_growth_rate(beta2=tail.beta2, decay=tail.decay)
    pole = -np.log(tail.beta1) / tail.decay
    grid = np.linspace(0, min(largest, pole) * (1 - 1e-9), 4001)
    surplus = grid - [_right_side(tail, rho) for rho in grid]
    return int((np.diff(np.sign(surplus)) != 0).sum())


@pytest.mark.parametrize("seed", range(20))
def test_there_is_one_root_when_beta1_is_at_most_beta2(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beta2 = 1 - 10 ** rng.uniform(-3, -0.3)
    tail = AdamTail(10 ** rng.uniform(-4, 0), beta2 * rng.uniform(0.01, 1), beta2, rng.uniform(0.5, 4))
    assert roots(tail) == 1


@pytest.mark.parametrize(("learning_rate", "number"), [(1e-3, 2), (1e-2, 0)])
def test_otherwise_there_may_be_two_or_none(learning_rate: float, number: int) -> None:
    """Betas (.99, .5): two candidates at lr 1e-3, and at lr 1e-2 no constant rate exists."""
    assert roots(AdamTail(learning_rate, 0.99, 0.5, 2.0)) == number


def test_exact_steps_equal_torch_adam() -> None:
    """300 steps of torch.optim.Adam in float64 on the loss itself, before anything underflows."""
    tail = AdamTail(0.01, 0.8, 0.95, 2.0)
    alpha = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([alpha], lr=0.01, betas=(0.8, 0.95), eps=0.0)
    path = []
    for _ in range(300):
        optimizer.zero_grad()
        torch.exp(-2.0 * alpha).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        path.append(alpha.item())
    np.testing.assert_allclose(np.cumsum(tail.steps(300)), path, rtol=1e-11)


def test_without_a_second_average_every_step_is_the_learning_rate() -> None:
    assert adam_growth_rate(learning_rate=0.1, beta1=0.0, beta2=0.0, decay=3.0) == 0.1
    np.testing.assert_allclose(AdamTail(0.1, 0.0, 0.0, 3.0).steps(50), 0.1, rtol=1e-14)
    assert saturated_growth_rate(beta2=0.0, decay=1.0) == np.inf


def test_epsilon_stops_the_growth() -> None:
    """lr 3e-4, betas (.9, .99), C = 1: after 60,000 steps alpha is 10.8 with epsilon 1e-8 and 17.0 without."""
    alpha = first = second = 0.0
    for t in range(1, 60_001):
        gradient = -2 * np.exp(-2 * alpha)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        alpha -= 3e-4 * first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.99**t)) + 1e-8)
    assert alpha == pytest.approx(10.8, abs=0.05)
    assert AdamTail(3e-4, 0.9, 0.99, 2.0).steps(60_000).sum() == pytest.approx(17.0, abs=0.1)
