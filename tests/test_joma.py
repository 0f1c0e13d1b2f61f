"""JoMA: velocities against autograd of real nodes, invariants along flows, and the growth laws against other routes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from scipy.special import erf

from theory.joma import ConstantDrive, JointPoint, Targets, attention_entropy, joint_invariant, softmax_growth
from theory.joma.invariants import OneSample, softmax_defect

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda h: h,
    "tanh": torch.tanh,
    "square": lambda h: h * h / 2,
}
SAMPLES, HIDDEN, TOKENS = 5, 3, 4
RNG = np.random.default_rng(0)
X, BIAS, OUT = RNG.random((SAMPLES, TOKENS)), RNG.normal(size=HIDDEN), RNG.normal(size=HIDDEN)
TARGET = RNG.normal(size=SAMPLES)


def objective(kind: str, activation: str, z: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """J = -mean (out . phi(V b + bias) - target)^2 / 2, and the pre-activations of every sample."""
    x = torch.tensor(X)
    if kind == "softmax":
        b = x * torch.exp(z)
        b = b / b.sum(dim=1, keepdim=True)
    else:
        b = x * (z if kind == "linear" else torch.exp(z))
    inner = b @ v.T + torch.tensor(BIAS)
    error = ACTIVATIONS[activation](inner) @ torch.tensor(OUT) - torch.tensor(TARGET)
    return -(error**2).mean() / 2, inner


def ascent(kind: str, activation: str, z: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Autograd's dJ/dz and dJ/dv, and the drive D (S, H)."""
    logits, weights = torch.tensor(z, requires_grad=True), torch.tensor(v, requires_grad=True)
    value, inner = objective(kind, activation, logits, weights)
    d_z, d_v, d_inner = torch.autograd.grad(value, (logits, weights, inner))
    return d_z.numpy(), d_v.numpy(), SAMPLES * d_inner.numpy()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["linear", "exp", "softmax"])
def test_velocity_equals_autograd(kind: str, activation: str) -> None:
    rng = np.random.default_rng(1)
    z, v = rng.normal(size=TOKENS), rng.normal(size=(HIDDEN, TOKENS))
    d_z, d_v, drive = ascent(kind, activation, z, v)
    ours = JointPoint(X, z, v, drive).velocity(kind)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours[0], d_z, rtol=0, atol=1e-13)
    np.testing.assert_allclose(ours[1], d_v, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ratio", [1.0, 2.5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["linear", "exp"])
def test_invariants_hold_along_the_flow_of_a_network(kind: str, activation: str, ratio: float) -> None:
    """Autograd of the network, integrated at rates eta_z = ratio eta_v while logits move."""
    rng = np.random.default_rng(2)
    start = np.concatenate([rng.normal(size=TOKENS), 0.5 * rng.normal(size=HIDDEN * TOKENS)])

    def field(_: float, state: np.ndarray) -> np.ndarray:
        d_z, d_v, _ = ascent(kind, activation, state[:TOKENS], state[TOKENS:].reshape(HIDDEN, TOKENS))
        return np.concatenate([ratio * d_z, d_v.ravel()])

    path = solve_ivp(field, (0, 5), start, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=[0, 1, 5]).y.T
    z, v = path[:, :TOKENS], path[:, TOKENS:].reshape(-1, HIDDEN, TOKENS)
    assert np.abs(z[-1] - z[0]).max() > 0.1
    invariant = joint_invariant(kind, z, v, rate_ratio=ratio)  # type: ignore[arg-type]
    np.testing.assert_allclose(invariant, np.broadcast_to(invariant[0], invariant.shape), rtol=0, atol=1e-8)


def test_temperature_divides_the_softmax_invariant() -> None:
    """One step along autograd at temperature 2 on one sample, to second order in the step."""
    rng, step = np.random.default_rng(3), 1e-6
    x, out = torch.tensor(rng.random(TOKENS)), torch.tensor(rng.normal(size=HIDDEN))
    z = torch.tensor(rng.normal(size=TOKENS), requires_grad=True)
    v = torch.tensor(rng.normal(size=(HIDDEN, TOKENS)), requires_grad=True)
    b = x * torch.exp(z / 2)
    b = b / b.sum()
    d_z, d_v = (g.numpy() for g in torch.autograd.grad(torch.tanh(v @ b) @ out, (z, v)))
    points = [(z.detach().numpy() + sign * step * d_z, v.detach().numpy() + sign * step * d_v) for sign in (1, -1)]
    after, before = (
        joint_invariant("softmax", *point, mean_attention=b.detach().numpy(), temperature=2.0) for point in points
    )
    np.testing.assert_allclose((after - before) / (2 * step), 0.0, rtol=0, atol=1e-9)


def test_the_half_belongs_to_both_terms_of_the_softmax_invariant() -> None:
    """On one sample the defect is rounding with 1/2 in both terms, and 0.020 with it in the first alone."""
    rng = np.random.default_rng(4)
    point = OneSample(rng.random((1, 4)), rng.normal(size=4), rng.normal(size=(2, 4)), np.array([[1.0, 0.5]]))
    assert softmax_defect(point, 0.5) < 1e-14
    assert softmax_defect(point, 1.0) == pytest.approx(0.0203, abs=1e-4)


# ------------------------------------------------------------------------------------------------------------- growth


def test_erf_law_and_blow_up() -> None:
    node = ConstantDrive(np.array([1.0, -0.5, 0.3, 0.0]))
    assert node.blow_up_time == pytest.approx(1.2533141373155)
    times = np.array([0.0, 0.5, 1.2])
    path = solve_ivp(
        lambda _, v: node.drive * np.exp(v**2 / 2), (0, 1.2), np.zeros(4), t_eval=times, rtol=1e-11, atol=1e-12
    ).y.T
    np.testing.assert_allclose(node.weights(times), path, rtol=0, atol=1e-8)
    assert np.isinf(node.limit[0])
    late = np.sqrt(2 / np.pi) * node.blow_up_time * node.drive[1:]
    np.testing.assert_allclose(erf(node.limit[1:] / np.sqrt(2)), late, rtol=1e-14)


def test_half_the_weight_breaks_the_erf_law() -> None:
    """erf(v / 2) / Delta differs between components by a quarter where erf(v / sqrt 2) / Delta does not."""
    node = ConstantDrive(np.array([1.0, 0.3]))
    weights = node.weights([0.99 * node.blow_up_time])[0]
    assert np.ptp(erf(weights / np.sqrt(2)) / node.drive) < 1e-14
    assert np.ptp(erf(weights / 2) / node.drive) > 0.2


def test_targets_are_reached_in_the_implicit_time() -> None:
    """t = integral from 0 to v of e^{-s^2/2} / (mu - s) ds, by quadrature."""
    node, time = Targets(np.array([4.0, 2.0, 0.5])), 0.1
    weights = node.approach([time]).weights[0]
    for mu, v in zip(node.mu, weights, strict=True):
        reached = quad(lambda s, mu=mu: np.exp(-(s**2) / 2) / (mu - s), 0, v, epsrel=1e-12)[0]
        assert reached == pytest.approx(time, rel=1e-8)


def test_attention_is_sparse_then_dense() -> None:
    """Entropy of softmax(v^2/2) for mu = (4, 3, 2, 1, 0.5) at t = 0, 0.6, 1.2, 3."""
    node = Targets(np.array([4.0, 3.0, 2.0, 1.0, 0.5]))
    entropy = attention_entropy(node.approach([0.0, 0.6, 1.2, 3.0]).weights)
    np.testing.assert_allclose(entropy, [1.6094, 0.0449, 0.1526, 0.1565], rtol=0, atol=5.001e-5)


def test_the_published_figure_of_sparsity() -> None:
    """Ten targets in U(1, 4): entropy 2.3026 at the start, least 0.9416 at step 669, 1.5493 at 5000, limit 1.6216."""
    targets = np.sort(1 + 3 * torch.rand(10, generator=torch.Generator().manual_seed(0)).numpy())
    path = softmax_growth(targets, 0.05, step=0.02, steps=5000, temperature=3.0)
    entropy = attention_entropy(path, temperature=3.0)
    assert entropy.argmin() == 669
    assert [entropy[0], entropy.min(), entropy[-1]] == pytest.approx([2.3026, 0.9416, 1.5493], abs=1e-4)
    assert attention_entropy(targets, temperature=3.0) == pytest.approx(1.6216, abs=1e-4)
