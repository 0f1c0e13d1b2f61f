"""The reduced sink flow against independent routes: autograd, other integrators, high precision, and its references."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from theory.numerics import exp_remainder, fitted_slope, integrate
from theory.sink_flow import (
    ConstantValue,
    FlowStart,
    SinkModel,
    drain_rate,
    drained_value,
    first_integrals,
    joint_limit,
    loss_bound,
    sink_logit_asymptote,
    sink_logit_bounds,
)


def random_model(rng: np.random.Generator, *, floor: float = 0.0) -> SinkModel:
    """An instance as in the reference runs: N 3-5, V 3-8, W 7-30, z in [0, 10]."""
    queries, tokens = int(rng.integers(3, 6)), int(rng.integers(3, 9))
    rows = floor + (1 - floor * tokens) * rng.dirichlet(np.ones(tokens), queries)
    return SinkModel(rows, rng.dirichlet(np.ones(queries)), rng.uniform(0, 10, tokens), float(rng.uniform(7, 30)))


def torch_loss(model: SinkModel, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """The definition, written without any of the tail-safe tricks."""
    p = torch.tensor(model.next_token)
    sink = torch.exp(alpha) / (torch.exp(alpha) + model.weight)
    delta = sink[:, None] * beta + (1 - sink)[:, None] * torch.tensor(model.mean_value)
    log_q = torch.log_softmax(torch.log(p) + delta, dim=-1)
    return (torch.tensor(model.frequency) * (p * (torch.log(p) - log_q)).sum(dim=-1)).sum()


@pytest.mark.parametrize("seed", range(20))
def test_loss_and_gradient_equal_autograd(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    alpha = torch.tensor(3 * rng.normal(size=model.queries), requires_grad=True)
    beta = torch.tensor(3 * rng.normal(size=model.tokens), requires_grad=True)
    loss = torch_loss(model, alpha, beta)
    loss.backward()  # type: ignore[no-untyped-call]
    point = alpha.detach().numpy(), beta.detach().numpy()
    assert model.loss(*point) == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(model.gradient(*point), (alpha.grad, beta.grad), strict=True):
        assert theirs is not None
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 10.0, 20.0, 40.0])
def test_tail_is_exact_where_subtraction_fails(alpha: float) -> None:
    """Divergences down to 1e-34 against 60-digit arithmetic."""
    model = SinkModel(np.array([[0.5, 0.3, 0.2]]), np.array([1.0]), np.array([3.0, -1.0, 2.0]), 4.0)
    mpmath.mp.dps = 60
    sink = mpmath.exp(alpha) / (mpmath.exp(alpha) + 4)
    p = [mpmath.mpf(float(x)) for x in model.next_token[0]]
    total = sum(p)  # the floats sum to 1 only within rounding
    delta = [(1 - sink) * z / 4 for z in (3, -1, 2)]
    exact = mpmath.log(sum(a / total * mpmath.exp(d) for a, d in zip(p, delta, strict=True)))
    exact -= sum(a / total * d for a, d in zip(p, delta, strict=True))
    assert model.divergence([alpha], np.zeros(3))[0] == pytest.approx(float(exact), rel=1e-12)


def test_exp_remainder_to_full_precision() -> None:
    mpmath.mp.dps = 50
    for x in [*np.linspace(-3, 3, 61), 1e-9, -1e-5, 0.4999999, 0.5, -0.5000001]:
        exact = float(mpmath.exp(float(x)) - 1 - mpmath.mpf(float(x)))
        assert float(exp_remainder(x)) == pytest.approx(exact, rel=4e-15, abs=0.0)


@pytest.mark.slow
def test_joint_limit_equals_integration_on_200_instances() -> None:
    """Closed form against LSODA at tolerance 1e-12 to t = 1e9: alpha and beta to 1e-9 on every instance."""
    worst = 0.0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        model = random_model(rng, floor=0.02)
        alpha, beta = rng.normal(size=model.queries), rng.normal(size=model.tokens)
        path = model.flow(alpha, beta, [0.0, 1e9], rtol=1e-12)
        limit, value = joint_limit(model, alpha, beta)
        assert path.loss[-1] < 1e-26, f"seed {seed}: the flow has not converged at t = 1e9, loss {path.loss[-1]:g}"
        worst = max(worst, np.abs(path.alpha[-1] - limit).max(), np.abs(path.beta[-1] - value).max())
    assert worst <= 1e-9


@pytest.mark.parametrize("method", ["DOP853", "Radau"])
def test_flow_equals_other_integrators(method: str) -> None:
    rng = np.random.default_rng(3)
    model = random_model(rng, floor=0.02)
    alpha, beta = rng.normal(size=model.queries), rng.normal(size=model.tokens)
    n = model.queries

    def field(_: float, y: np.ndarray) -> np.ndarray:
        return -np.concatenate(model.gradient(y[:n], y[n:]))

    times = [0.0, 1.0, 30.0, 1e3]
    other = solve_ivp(
        field, (0, 1e3), np.concatenate([alpha, beta]), method=method, t_eval=times, rtol=1e-11, atol=1e-13
    )
    path = model.flow(alpha, beta, times)
    np.testing.assert_allclose(np.hstack([path.alpha, path.beta]), other.y.T, atol=2e-8)


@pytest.mark.parametrize("seed", range(10))
def test_half_log_slope_and_quarter_level(seed: int) -> None:
    """Slope 1/2 +- 0.01 at t >= 1e8 and 4 t L / N within 1%, on the reference instances (V = 10, N = 3, W = 10)."""
    rng = np.random.default_rng(seed)
    model = SinkModel(rng.dirichlet(np.ones(10), 3), rng.dirichlet(np.ones(3)), rng.uniform(0, 10, 10), 10.0)
    times = np.geomspace(1e8, 1e10, 11)
    path = ConstantValue(model, rng.normal(size=3), np.full(10, 0.7)).flow(times, frozen="beta")
    for column in path.alpha.T:
        assert fitted_slope(np.log(times), column) == pytest.approx(0.5, abs=0.01)
    assert 4 * times[-1] * path.loss[-1] / 3 == pytest.approx(1.0, abs=0.01)
    assert np.abs(path.alpha[-1] - sink_logit_asymptote(model, times)[-1]).max() < 0.01


def test_bounds_enclose_and_tighten_with_the_spread_of_values() -> None:
    """Lower and upper curve meet when z varies little: the two-sided bound is then sharp."""
    gaps = []
    for spread in (4.0, 1.0, 0.1):
        model = SinkModel(np.array([[0.5, 0.5]]), np.array([1.0]), np.array([spread, 0.0]), 0.01)
        lower, upper = sink_logit_bounds(model, [0.0], [1e8])
        gaps.append(float((upper - lower)[0, 0]))
    assert gaps == sorted(gaps, reverse=True)
    start = ConstantValue(model, np.zeros(1), np.zeros(2))
    path = start.flow([0.0, 1e8], frozen="beta")
    assert lower[0, 0] <= path.alpha[-1, 0] <= upper[0, 0]
    assert (path.loss <= loss_bound(model, [0.0], [0.0, 0.0], [0.0, 1e8])[:, 0] * (1 + 1e-9)).all()


def test_value_drains_at_the_predicted_rate() -> None:
    """Rate within 0.1% of the second eigenvalue (three tokens, third eigenvalue twice the second), limit to 1e-11."""
    model = SinkModel(np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]]), np.ones(2), np.array([4.0, -1.0, 0.0]), 10.0)
    alpha, beta = 0.5, np.array([1.0, -1.0, 0.5])
    target, rate = drained_value(model, alpha, beta), drain_rate(model, alpha)
    times = np.linspace(12, 16, 9) / rate
    path = model.flow(np.full(model.queries, alpha), beta, [*times, 60 / rate], frozen="alpha", rtol=1e-12)
    distances = np.linalg.norm(path.beta - target, axis=1)
    assert -fitted_slope(times, np.log(distances[:-1])) == pytest.approx(rate, rel=1e-3)
    assert distances[-1] < 1e-11


def test_flow_starts_at_its_start_and_first_integrals_take_leading_axes() -> None:
    model = random_model(np.random.default_rng(0))
    start = FlowStart(model, np.zeros(model.queries), np.ones(model.tokens))
    path = start.flow([0.0, 0.0, 2.0])
    np.testing.assert_allclose(path.beta[:2], [start.beta, start.beta], rtol=1e-13)
    np.testing.assert_allclose(path.alpha[:2], [start.alpha, start.alpha], atol=1e-13)
    total, energy = first_integrals(model, path.alpha, path.beta)
    assert total.shape == energy.shape == (3,)


def test_an_unfinished_integration_is_never_returned() -> None:
    with np.errstate(over="ignore"), pytest.raises(RuntimeError, match=r"LSODA stopped before t = 2"):
        integrate(lambda t, y: y**2, np.array([1.0]), np.array([0.0, 2.0]))  # blows up at t = 1
