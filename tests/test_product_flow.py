"""Product flows: closed forms against the published toy's loss, quadrature, and numbers of another implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from theory.product_flow import (
    AdditiveHeads,
    OuterProduct,
    ProductFlow,
    balanced_clock,
    clamped,
    escape_time,
    two_factor_clock,
)


def test_escape_time_leads_the_time_to_one_half() -> None:
    """T(P = 1/2) - R_F tends to -0.850251 for small balanced factors."""
    flow = ProductFlow(np.full(3, 1e-4))
    assert flow.time_to(0.5) - escape_time(1e-4, 1e-4, 1e-4) == pytest.approx(-0.850251, abs=1e-4)
    assert balanced_clock(3, 0.5 ** (1 / 3)) == pytest.approx(
        -0.850251 - np.arctan(1 / np.sqrt(3)) / np.sqrt(3), abs=1e-6
    )


@pytest.mark.parametrize("factors", [(0.1, 0.2, 0.3), (0.05, 0.5, 0.5), (0.01, 0.02, 0.6)])
def test_unequal_factors_escape_with_the_same_offset(factors: tuple[float, float, float]) -> None:
    assert -0.95 < ProductFlow(np.array(factors)).time_to(0.5) - escape_time(*factors) < -0.85


def test_logistic_loss_takes_twice_as_long() -> None:
    start = np.full(3, 1e-3)
    assert ProductFlow(start, "logistic").time_to(0.5) / escape_time(*start) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("factors", "measured"), [(4, 199.73), (5, 2666.62)])
def test_more_factors_wait_longer(factors: int, measured: float) -> None:
    """Balanced u0 = 0.05; the leading order u0^(2-n)/(n-2) is 200 and 2666.67."""
    assert ProductFlow(np.full(factors, 0.05)).time_to(0.5) == pytest.approx(measured, abs=0.01)


def test_clamping_removes_the_plateau() -> None:
    flow = ProductFlow(np.full(3, 0.01))
    times = [clamped(flow, free).time_to(0.5) for free in (3, 2, 1)]
    assert times == pytest.approx([99.15, np.log(100), np.log(2 * 0.99)], abs=0.01)


def test_two_factor_clock_continues_the_balanced_one() -> None:
    p = np.array([0.01, 0.2, 0.9])
    apart, together = np.diff(two_factor_clock(1e-7, p)), np.diff(two_factor_clock(0.0, p))
    np.testing.assert_allclose(apart, together, rtol=1e-9)
    np.testing.assert_allclose(together, np.diff(balanced_clock(2, np.sqrt(p))), rtol=1e-12)


def test_shares_of_three_heads() -> None:
    start = np.array([0.10, 0.12, 0.15])
    assert AdditiveHeads(start, 3).shares() == pytest.approx([0.012, 0.051, 0.936], abs=6e-4)
    assert AdditiveHeads(start, 2).shares() == pytest.approx([0.213, 0.307, 0.480], abs=6e-4)
    assert AdditiveHeads(np.array([0.2]), 4).shares() == pytest.approx([1.0])
    assert AdditiveHeads(np.full(4, 0.2), 3).shares() == pytest.approx(np.full(4, 0.25))


def test_outer_product_is_the_published_loss() -> None:
    """Loss and one gradient step, by torch on the full residual tensor."""
    rng = np.random.default_rng(1)
    vectors, targets = rng.normal(size=(2, 3, 20))
    x = [torch.tensor(v, requires_grad=True) for v in vectors]
    goal = torch.einsum("i,j,k->ijk", *torch.tensor(targets))
    loss = ((goal - torch.einsum("i,j,k->ijk", *x)) ** 2).mean() / 2
    gradients = torch.autograd.grad(loss, x)
    toy = OuterProduct.of(vectors, targets)
    assert toy.loss == pytest.approx(loss.item(), rel=1e-12)
    stepped = OuterProduct.of(np.array([(v - g).detach().numpy() for v, g in zip(x, gradients, strict=True)]), targets)
    descent = toy.descent(1.0, 1)
    np.testing.assert_allclose(descent.square[1], stepped.square, rtol=1e-12)
    np.testing.assert_allclose(descent.overlap[1], stepped.overlap, rtol=1e-12)


def test_clamping_orders_the_medians_over_seeds() -> None:
    """Steps to a tenth of the target's loss, 200 seeds."""
    draws = np.array([np.random.default_rng(seed).normal(size=(2, 3, 20)) for seed in range(200)])
    toy = OuterProduct.of(draws[:, 0], draws[:, 1])
    medians = []
    for which in ((), (2,), (1, 2)):
        reached = toy.descent(1.0, 1500, which).loss < toy.target_loss / 10
        medians.append(np.median(np.where(reached.any(axis=0), reached.argmax(axis=0), 1500)))
    none, one, two = medians
    assert none > 3 * one > 6 * two
