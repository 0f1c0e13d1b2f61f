"""Nested logits: autograd, the spec's independently measured numbers, and what the closed forms leave out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from theory.nested_logits import (
    NestedLogits,
    critical_classes,
    half_loss_time,
    plateau_length,
    readout_time,
    saddle_rate,
    slow_phase,
    with_in_weights,
)

# (N, L, m): half-loss time of the flow, closed-form plateau; measured by another implementation, to the digits given.
PLATEAUS = {
    (4, 16, 8): (28.3, 25.2),
    (4, 16, 100): (106.6, 105.3),
    (8, 32, 16): (67.3, 64.7),
    (8, 32, 50): (119.1, 117.8),
    (8, 32, 200): (254.6, 253.9),
    (32, 64, 64): (597.8, 596.5),
}


@pytest.mark.parametrize("competitors", [7.0, (1.0, 3.0, 5.0)])
@pytest.mark.parametrize(("n", "labels"), [(3, 9), (4, 4)])
def test_field_is_autograd_of_a_network_of_softmaxes(n: int, labels: int, competitors: float) -> None:
    """The loss written with plain softmaxes over explicit tokens and labels, differentiated by torch."""
    model = NestedLogits(n, labels, competitors, (0.5, 2.0, 1.5))
    state = torch.tensor([1.3, -0.7, 0.4], dtype=torch.float64, requires_grad=True)
    xi, alpha, beta = state
    losses = []
    for m in np.atleast_1d(competitors):
        a1 = torch.exp(beta) / (torch.exp(beta) + m)
        a2 = torch.softmax(torch.cat([(alpha * a1)[None], torch.zeros(n - 1, dtype=torch.float64)]), 0)
        logits = torch.cat([xi * a2, torch.zeros(labels - n, dtype=torch.float64)])
        losses.append(-torch.log_softmax(logits, 0)[0])
    loss = torch.stack(losses).mean()
    (gradient,) = torch.autograd.grad(loss, state)
    np.testing.assert_allclose(model.loss(1.3, -0.7, 0.4), loss.item(), rtol=1e-13)
    np.testing.assert_allclose(model.field(1.3, -0.7, 0.4), -np.array(model.rates) * gradient.numpy(), rtol=1e-11)


@pytest.mark.parametrize("size", PLATEAUS)
def test_plateau_lengths(size: tuple[int, int, int]) -> None:
    model = NestedLogits(*size)
    half, plateau = PLATEAUS[size]
    assert half_loss_time(model) == pytest.approx(half, abs=0.06)
    assert plateau_length(model) == pytest.approx(plateau, abs=0.06)


@pytest.mark.parametrize(("alpha", "ratio"), [(-2.0, 0.9997), (-1.0, 1.011), (0.5, 1.006), (1.0, 0.997)])
def test_the_plateau_depends_on_the_start(alpha: float, ratio: float) -> None:
    model = NestedLogits(8, 32, 50)
    half = half_loss_time(model, (0.0, alpha, 0.0))
    assert half / plateau_length(model, alpha=alpha) == pytest.approx(ratio, abs=6e-4)


def test_the_published_network_takes_the_averaged_model() -> None:
    """Competitors 1, 3, 5 ... of the label at each position, read-out at rate 1/L."""
    for n, labels, expected in ((4, 16, 116.6), (8, 32, 309.8)):
        model = NestedLogits(n, labels, tuple(range(1, 2 * n, 2)), (1 / labels, 1.0, 1.0))
        assert half_loss_time(model) == pytest.approx(expected, abs=0.06)


def test_softmax_readout_is_best_at_twice_the_context_labels() -> None:
    times = {x: half_loss_time(NestedLogits(8, x, 50, (1 / x, 1.0, 1.0))) for x in (9, 12, 16, 24, 64)}
    assert times == pytest.approx({9: 879, 12: 599, 16: 566, 24: 610, 64: 1000}, abs=1.0)


def test_anti_induction_ends_where_it_was_measured() -> None:
    model = NestedLogits(4, 4, 8)
    end = model.flow([0.0, 1e6], (-1e-3, -1e-3, 0.0))
    assert [end.xi[-1], end.alpha[-1], end.beta[-1]] == pytest.approx([-38.2, -7.2, 5.1], abs=0.06)
    assert end.right_label[-1] < 1e-2
    assert end.loss[-1] == pytest.approx(9e-6, rel=0.1)


def test_saddle_rate_sets_the_length_of_a_decade() -> None:
    for n, m, measured in ((4, 8, 110.52), (8, 16, 357.88)):
        model = NestedLogits(n, n, m)
        starts = [half_loss_time(model, (size, size, 0.0)) for size in (1e-3, 1e-4)]
        assert starts[1] - starts[0] == pytest.approx(np.log(10) / saddle_rate(model), rel=1e-3)
        assert np.log(10) / saddle_rate(model) == pytest.approx(measured, abs=0.02)


def test_the_origin_rests_at_equal_labels() -> None:
    with pytest.raises(RuntimeError, match=r"does not fall to \(log N\)/2 before t = 1000"):
        half_loss_time(NestedLogits(4, 4, 8), longest=1000.0)


def test_slow_phase_starts_at_zero_and_rises_as_the_drift() -> None:
    model = NestedLogits(8, 9, 50)
    times = np.array([0.0, 1e-9, 1e-4])
    drift = 1 / (8 * 9)
    np.testing.assert_allclose(slow_phase(model, times), drift * times, rtol=1e-6, atol=0)


def test_readout_time_is_zero_when_the_readout_is_ahead() -> None:
    assert readout_time(NestedLogits(8, 32, 200)) == 0
    assert readout_time(NestedLogits(32, 34, 22)) > 0


def test_critical_classes_by_the_idle_clock() -> None:
    sizes = {(4, 16, 8): 3.47, (8, 32, 16): 8.22, (8, 32, 50): 15.4, (16, 64, 32): 20.4}
    for size, expected in sizes.items():
        assert critical_classes(NestedLogits(*size)) == pytest.approx(expected, rel=4e-3)


def test_half_the_critical_classes_memorise_and_twice_as_many_attend() -> None:
    """K_c of the full model is 21.7 at (8, 32, 50); where training loss is 0.01."""
    losses = {}
    for classes in (11, 43):
        model = with_in_weights(NestedLogits(8, 32, 50), np.full(classes, 1 / classes))
        path = model.flow(np.linspace(0, 400 * classes, 401))
        done = int(np.argmax(path.loss < 0.01))
        assert path.loss[done] < 0.01
        losses[classes] = path.context_loss[done] / np.log(8)
    assert losses[11] > 1.3
    assert losses[43] < 0.15
