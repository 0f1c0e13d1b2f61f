"""The residual-peak toy against autograd and reference runs, and the published curves recomputed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from theory.sink_flow import ResidualPeak, adam_growth_rate, published_size_dynamics

START = (1.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_equals_autograd(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, y, m = rng.uniform(-0.9, 0.9), rng.uniform(-2, 5), rng.uniform(-2, 5)
    strength, size = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (y, m))
    loss = torch.exp(-strength * (size + c) / torch.sqrt(size**2 + 2 * size * c + 1))
    loss.backward()  # type: ignore[no-untyped-call]
    peak = ResidualPeak(c)
    assert float(peak.loss(y, m)) == pytest.approx(loss.item(), rel=1e-13)
    assert strength.grad is not None
    assert size.grad is not None
    assert [float(x) for x in peak.gradient(y, m)] == pytest.approx([strength.grad.item(), size.grad.item()], rel=1e-12)


def test_flow_and_gradient_descent_agree() -> None:
    """c = .2, y0 = m0 = 1: m = 1.40 at t = 5 and 1.80 at t = 20, by descent with learning rate 1e-3 as by the flow."""
    peak, (y, m) = ResidualPeak(0.2), START
    path = peak.flow(*START, [5.0, 20.0])
    for step in range(1, 20_001):
        d_y, d_m = peak.gradient(y, m)
        y, m = y - 1e-3 * d_y, m - 1e-3 * d_m
        if step == 5000:
            assert m == pytest.approx(1.40, abs=0.005)
            assert m == pytest.approx(path.m[0], abs=1e-4)
    assert m == pytest.approx(1.80, abs=0.005)
    assert m == pytest.approx(path.m[1], abs=1e-4)


def test_time_by_quadrature_equals_the_flow() -> None:
    peak = ResidualPeak(0.2)
    path = peak.flow(*START, [1e2, 1e6, 1e12])
    for time, y in zip(path.times, path.y, strict=True):
        assert peak.log_time_at(y, start=START) == pytest.approx(np.log(time), abs=1e-7)


def test_leading_order_is_slow() -> None:
    """At t = 1e12 strength and size are still 1% and 4% from their laws, and closer than at t = 1e6."""
    peak = ResidualPeak(0.2)
    path = peak.flow(*START, [1e6, 1e12])
    y, m = peak.leading_order([1e6, 1e12])
    strength, size = np.abs(path.y / y - 1), np.abs(path.m / m - 1)
    assert strength[1] == pytest.approx(0.012, abs=0.001)
    assert size[1] == pytest.approx(0.038, abs=0.001)
    assert strength[1] < strength[0]
    assert size[1] < size[0]


@pytest.mark.slow
def test_adam_reference_run() -> None:
    """c = .2, lr 1e-3: m = 9.78 and 91.5 after 10^4 and 10^5 steps; rates .9126 and .9104 lr, predicted .91257."""
    path = ResidualPeak(0.2).adam(*START, steps=100_000, learning_rate=1e-3)
    assert path.m[10_000] == pytest.approx(9.78, abs=0.01)
    assert path.m[100_000] == pytest.approx(91.5, abs=0.1)
    rate = adam_growth_rate(learning_rate=1e-3, beta1=0.9, beta2=0.99, decay=1.0)
    assert rate == pytest.approx(0.91257e-3, abs=5e-9)
    assert (path.y[-1] - path.y[-10_001]) / 10_000 == pytest.approx(rate, rel=1e-3)
    assert (path.m[-1] - path.m[-10_001]) / 10_000 == pytest.approx(rate, rel=3e-3)


def test_adam_equals_torch() -> None:
    strength, size = (torch.tensor(1.0, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([strength, size], lr=0.01, betas=(0.9, 0.99), eps=0.0)
    for _ in range(200):
        optimizer.zero_grad()
        torch.exp(-strength * (size + 0.2) / torch.sqrt(size**2 + 0.4 * size + 1)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    path = ResidualPeak(0.2).adam(*START, steps=200, learning_rate=0.01)
    assert [path.y[-1], path.m[-1]] == pytest.approx([strength.item(), size.item()], rel=1e-11)


def test_published_curves() -> None:
    """Adam 27.9, 41.6 and 64.0 after 1k, 5k and 10k steps; descent as drawn 10.0017, by its own gradient 10.0127."""
    curves = published_size_dynamics()
    assert curves.adam[[1000, 5000, 10_000]] == pytest.approx([27.86412, 41.64626, 63.97655], abs=1e-5)
    assert curves.published_descent[-1] == pytest.approx(10.001674, abs=1e-6)
    assert curves.descent[-1] == pytest.approx(10.012679, abs=1e-6)
