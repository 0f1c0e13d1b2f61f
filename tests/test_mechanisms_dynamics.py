"""Stiffness, focal loss and opposing signals: reference numbers, second routes, attained bounds, bad calls."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logit

from theory.mechanisms.dynamics import focal_loss as focal
from theory.mechanisms.dynamics import local_gate, stiffness
from theory.mechanisms.dynamics import opposing_signals as opposing
from theory.numerics import fitted_slope, integrate

NAN = float("nan")


# -------------------------------------------------------------------------------------------------------- stiffness


@pytest.mark.parametrize(("step", "expected"), [(0.0199, 8.05e-14), (0.0201, 9.2e12)])
def test_the_fastest_channel_sets_the_threshold(step: float, expected: float) -> None:
    state = np.ones(2)
    for _ in range(3000):
        state = stiffness.residual_step(state, np.diag([1.0, 100.0]), 0.0, step)
    assert np.abs(state).max() == pytest.approx(expected, rel=0.01)


def test_gated_step_against_an_integrated_flow() -> None:
    case = stiffness.Relaxation.drawn(np.array([0.3, 5.0, 80.0]), 1.0, seed=0)
    end = integrate(lambda _, x: case.drive - case.matrix @ x, case.state, np.array([0.0, 1.0]))[-1]
    assert stiffness.gated_step(case.state, case.matrix, case.drive) == pytest.approx(end, abs=1e-9)
    assert case.step == pytest.approx(2 / 80)


def test_gate_of_slow_and_fast_channels() -> None:
    assert stiffness.exact_gate([1e-12, 1.0, 100.0]) == pytest.approx([1.0, 1 - np.exp(-1), 0.01], rel=1e-9)
    for rate in (1e-10, 1e4):
        bound = stiffness.exact_gate_is_between_implicit_and_clipped(stiffness.Rates(np.array([rate])))
        assert bound == pytest.approx(0.0, abs=1e-3)


def test_the_best_common_step_is_attained() -> None:
    rates = np.array([1.0, 7.0, 100.0])
    best = stiffness.Relaxation.drawn(rates, 100 / 101, seed=1)
    assert stiffness.common_step_is_slow_where_stiff(best) == pytest.approx(0.0, abs=1e-9)
    found = minimize_scalar(lambda h: np.abs(1 - h * rates).max(), bounds=(0, 0.02), method="bounded")
    assert found.fun == pytest.approx(99 / 101, abs=1e-4)
    assert found.x == pytest.approx(best.step, rel=1e-3)


def test_flow_and_order_of_a_nonlinear_step() -> None:
    case = local_gate.Well(2.0, 1.5, -0.8)
    end = integrate(lambda _, x: -2.0 * x - 1.5 * x**3, np.array([-0.8]), np.array([0.0, 0.4]))[-1, 0]
    assert case.flow(0.4) == pytest.approx(end, abs=1e-9)
    steps = 0.005 * 0.5 ** np.arange(5)
    gated, plain = (
        fitted_slope(np.log(steps), np.log([abs(step(h) - case.flow(h)) for h in steps]))
        for step in (case.gated_step, case.plain_step)
    )
    assert gated == pytest.approx(3.0, abs=0.03)
    assert plain == pytest.approx(2.0, abs=0.03)
    assert abs(case.plain_step(1.0)) > 0.8 > abs(case.gated_step(1.0))


# ------------------------------------------------------------------------------------------------------- focal loss


@pytest.mark.parametrize(
    ("focus", "peak", "weight", "one"),
    [(0.5, 0.161, 1.076, 0.421), (1, 0.135, 1.135, np.exp(-1)), (2, 0.104, 1.225, 0.298), (5, 0.064, 1.394, 0.197)],
)
def test_where_the_focal_loss_is_loudest(focus: float, peak: float, weight: float, one: float) -> None:
    found = focal.loudest_probability(focus)
    assert found == pytest.approx(peak, abs=6e-4)
    assert focal.focal_weight(found, focus) == pytest.approx(weight, abs=6e-4)
    assert brentq(lambda p: focal.focal_weight(p, focus) - 1, found, 0.9) == pytest.approx(one, abs=6e-4)


def test_peak_of_focus_one_and_of_none() -> None:
    assert focal.loudest_probability(1.0) == pytest.approx(np.exp(-2), abs=1e-13)
    assert focal.focal_weight(np.exp(-2), 1.0) == pytest.approx(1 + np.exp(-2), abs=1e-13)
    assert focal.loudest_probability(1e-9) == pytest.approx(focal.LARGEST_PEAK, abs=1e-8)
    assert np.log(focal.LARGEST_PEAK) == pytest.approx(-2 * (1 - focal.LARGEST_PEAK), abs=1e-14)
    assert focal.focal_weight(0.3, 0.0) == 1.0  # cross entropy


def test_focal_gradient_against_many_digits() -> None:
    with mpmath.workdps(40):
        for z, focus in ((-3.0, 2.0), (0.7, 0.5), (6.0, 5.0)):

            def loss(x: mpmath.mpf, focus: float = focus) -> mpmath.mpf:
                p = 1 / (1 + mpmath.exp(-x))
                return -((1 - p) ** focus) * mpmath.log(p)

            p = 1 / (1 + np.exp(-z))
            assert -(1 - p) * focal.focal_weight(p, focus) == pytest.approx(float(mpmath.diff(loss, z)), rel=1e-12)
            assert focal.focal_loss(z, focus) == pytest.approx(float(loss(mpmath.mpf(z))), rel=1e-12)


@pytest.mark.parametrize(("focus", "share"), [(1e-12, 0.194), (1.0, 0.701), (2.0, 0.963)])
def test_share_of_a_minority_in_the_gradient(focus: float, share: float) -> None:
    """One positive of probability 0.4 for fifty easy negatives of 0.95."""
    odds = focal.minority_odds(0.4, 0.95, 50, focus)
    assert odds / (1 + odds) == pytest.approx(share, abs=6e-4)


# ------------------------------------------------------------------------------------------------- opposing signals

NET = opposing.OpposedNet(0.3, 0.02, 0.1, target=1.0, weight=50.0)


def test_flow_of_the_reference_net() -> None:
    path = NET.flow(np.linspace(0.0, 60.0, 1201))
    sharpness = NET.sharpness(path)
    assert sharpness[0] == pytest.approx(6.14, abs=0.005)
    assert sharpness.min() == pytest.approx(4.692, abs=0.002)
    assert sharpness[-1] == pytest.approx(52.030, abs=1e-3)
    assert NET.final_sharpness == pytest.approx(52.030, abs=5e-4)
    assert path[-1] == pytest.approx(NET.final, abs=1e-6)
    assert (np.diff(np.abs(path[:, 2])) <= 1e-12).all()  # up to what the integrator leaves


@pytest.mark.parametrize(("step", "final"), [(0.038, 51.896), (0.045, 43.205), (0.06, 31.463)])
def test_descent_ends_below_the_edge(step: float, final: float) -> None:
    run = opposing.SettledDescent(NET, step, 3000)
    sharpness = NET.sharpness(run.path[-1])
    assert sharpness == pytest.approx(final, abs=2e-3)
    assert sharpness < 2 / step


def test_descent_spikes_after_a_small_loss() -> None:
    loss = NET.loss(opposing.Descent(NET, 0.045, 1000).path)
    calm = int((loss < 1e-3).argmax())
    assert loss[calm:].max() == pytest.approx(0.358, abs=1e-3)


def test_gradient_and_hessian_by_differences() -> None:
    point, h = np.array([0.7, -0.4, 0.3]), 1e-5
    slopes = [(NET.loss(point + d) - NET.loss(point - d)) / (2 * h) for d in h * np.eye(3)]
    bends = [(NET.gradient(point + d) - NET.gradient(point - d)) / (2 * h) for d in h * np.eye(3)]
    assert NET.gradient(point) == pytest.approx(np.array(slopes), abs=1e-8)
    assert NET.hessian(point) == pytest.approx(np.array(bends), abs=1e-8)


def test_final_valley_without_cancellation() -> None:
    net = opposing.OpposedNet(1e-3, 1e4, 0.0, target=1.0, weight=1.0)
    c, s, _ = net.final
    assert c**2 - s**2 == pytest.approx(net.conserved, rel=1e-15)
    assert c * s == pytest.approx(1.0, rel=1e-15)


# -------------------------------------------------------------------------------------------------------- bad calls

EYE, ZERO = np.eye(2), np.zeros(2)

BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: stiffness.Relaxation(np.triu(np.ones((2, 2))), ZERO, ZERO, 0.1), ValueError, "must be symmetric"),
    (
        lambda: stiffness.Relaxation(-EYE, ZERO, ZERO, 0.1),
        ValueError,
        "must be positive definite, got the eigenvalue -1",
    ),
    (lambda: stiffness.Relaxation(EYE, ZERO, ZERO, 0.0), ValueError, "step must be finite and in"),
    (lambda: stiffness.Relaxation(EYE, np.zeros(3), ZERO, 0.1), ValueError, r"drive must have shape \(2\)"),
    (lambda: stiffness.Rates(np.array([0.0])), ValueError, "values must be positive"),
    (lambda: local_gate.Well(0.0, 1.0, 1.0), ValueError, "rate must be finite and in"),
    (lambda: local_gate.Well(1.0, -1.0, 1.0), ValueError, "cubic must be >= 0, got -1"),
    (lambda: local_gate.Well(1.0, 1.0, 0.0), ValueError, "state must not be 0"),
    (lambda: local_gate.Well(1.0, 1.0, 30.0), ValueError, "local rate must be at most 1000, got 2701"),
    (lambda: focal.FocusedExample(16.0, 1.0), ValueError, "logit must be within 15, got 16"),
    (lambda: focal.FocusedExample(0.0, 0.0), ValueError, r"focus must be in \(0, 20\], got 0"),
    (lambda: focal.FocusedPair(0.5, 0.4, 1.0), ValueError, "worse must be at most better"),
    (lambda: focal.FocusedPair(0.0, 0.4, 1.0), ValueError, "worse must be finite and in"),
    (lambda: focal.LearnedPair(0.2, 0.4, 1.0), ValueError, "at least 0.2032, got 0.2"),
    (lambda: opposing.OpposedNet(0.0, 0.1, 0.1, 1.0, 1.0), ValueError, "outer must be finite and in"),
    (lambda: opposing.OpposedNet(0.1, -0.1, 0.1, 1.0, 1.0), ValueError, "signal's weight must be >= 0, got -0.1"),
    (lambda: opposing.OpposedNet(0.1, 0.1, NAN, 1.0, 1.0), ValueError, "outlier must be finite"),
    (lambda: opposing.Descent(NET, 0.0, 10), ValueError, "step must be finite and in"),
    (lambda: opposing.Descent(NET, 0.1, 0), ValueError, "steps must be >= 1, got 0"),
    (lambda: opposing.SettledDescent(NET, 0.01, 10), ValueError, "descent must settle"),
    (lambda: opposing.SettledDescent(NET, 1.0, 100), ValueError, "must never be 0, nor infinite"),
    (
        lambda: opposing.SettledDescent(opposing.OpposedNet(0.3, 0.2, 0.0, 1.0, 20.0), 0.01, 10),
        ValueError,
        "must never be 0",
    ),
]


@pytest.mark.parametrize(("call", "error", "pattern"), BAD_CALLS)
def test_bad_calls(call: Callable[[], object], error: type[Exception], pattern: str) -> None:
    with pytest.raises(error, match=pattern):
        call()


def test_logits_of_the_domain_are_of_its_probabilities() -> None:
    assert focal.FocusedExample(float(logit(0.3)), 1.0).probability == pytest.approx(0.3)
