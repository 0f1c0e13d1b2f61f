"""Several sinks, gates and clipped softmax against losses written out key by key and other integrators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from theory.sink_flow import ClippedSink, CompetingSinks, GatedSink, SinkModel

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
VALUES = torch.tensor([[2.0, 0.0, 0.0], [0.0, -1.0, 1.0], [1.0, 1.0, -3.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
MODEL = SinkModel([[0.5, 0.3, 0.2]], [0.7], VALUES.sum(dim=0).numpy(), 4.0)


def divergence(output: torch.Tensor) -> torch.Tensor:
    """pi KL(p || softmax(log p + output))."""
    return 0.7 * (P * (torch.log(P) - torch.log_softmax(torch.log(P) + output, dim=-1))).sum()


def attention_output(weights: torch.Tensor) -> torch.Tensor:
    """The sinks come first and carry the value 5 for every token; the four keys of VALUES follow."""
    sinks = 5.0 * torch.ones(len(weights) - 4, 3, dtype=torch.float64)
    return weights @ torch.cat([sinks, VALUES])


def competing(alpha: torch.Tensor) -> torch.Tensor:
    return divergence(attention_output(torch.softmax(torch.cat([alpha, torch.zeros(4)]), dim=0)))


def gated(state: torch.Tensor) -> torch.Tensor:
    weights = torch.softmax(torch.cat([state[:1], torch.zeros(4)]), dim=0)
    return divergence(torch.sigmoid(state[1]) * attention_output(weights))


def clipped(alpha: torch.Tensor) -> torch.Tensor:
    weights = 1.1 * torch.softmax(torch.cat([alpha, torch.zeros(4)]), dim=0) - 0.1
    return divergence(attention_output(weights.clamp(0.0, 1.0)))


@pytest.mark.parametrize(
    ("loss", "start", "flow"),
    [
        (competing, [0.5, 0.1, -1.0], lambda x, t: CompetingSinks(MODEL, x).flow(t)),
        (gated, [0.5, -0.3], lambda x, t: np.stack(GatedSink(MODEL, *x).flow(t), axis=1)),
        (clipped, [0.5], lambda x, t: ClippedSink(MODEL, *x, 0.1).flow(t)[:, None]),
    ],
)
def test_flow_descends_the_loss_written_out(
    loss: Callable[[torch.Tensor], torch.Tensor],
    start: list[float],
    flow: Callable[[list[float], list[float]], np.ndarray],
) -> None:
    """Autograd through the attention weights of every key, integrated by DOP853."""

    def field(_: float, x: np.ndarray) -> np.ndarray:
        parameters = torch.tensor(x, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(parameters), parameters)
        return -gradient.numpy()

    times = [0.0, 1.0, 30.0, 1000.0]
    other = solve_ivp(field, (0, 1000.0), start, method="DOP853", t_eval=times, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(flow(start, times), other.y.T, atol=1e-7)


def test_a_lone_sink_competes_with_nobody() -> None:
    """With one sink the flow is that of the reduced model."""
    path = MODEL.flow([0.3], np.zeros(3), [0.0, 10.0, 1e4], frozen="beta")
    np.testing.assert_allclose(CompetingSinks(MODEL, [0.3]).flow([0.0, 10.0, 1e4]), path.alpha, atol=1e-8)


def test_tied_sinks_share() -> None:
    """Two winners both go to infinity, each below a lone sink by (3/2) log 2; the third stops."""
    sinks = CompetingSinks(MODEL, [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(np.isinf(sinks.limit()), [True, True, False])
    assert sinks.limit()[2] == pytest.approx(-np.log(1 - np.exp(-0.5)))
    alone = CompetingSinks(MODEL, [0.5]).flow([0.0, 1e12])[-1, 0]
    assert sinks.flow([0.0, 1e12])[-1, :2] == pytest.approx(alone - 1.5 * np.log(2), abs=1e-4)


def test_a_clipped_sink_stops_where_the_keys_vanish() -> None:
    sink = ClippedSink(MODEL, 0.5, 0.1)
    assert sink.limit() == pytest.approx(np.log(7))
    assert float(sink.fraction(sink.limit())) == pytest.approx(0.0, abs=1e-15)
    times = np.linspace(6, 8, 9) / sink.rate()
    gaps = sink.limit() - sink.flow(times)
    assert np.diff(np.log(gaps)) / np.diff(times) == pytest.approx(-sink.rate(), rel=0.02)
