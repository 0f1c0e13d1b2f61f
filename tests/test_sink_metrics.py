"""Sink and outlier metrics against loops, statements that hold for all inputs, and numpy/scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from toy_tasks.randomness import INITIAL, Key
from toy_tasks.simulator import Transformer
from toy_tasks.simulator.attention import ATTENTION
from toy_tasks.simulator.block import causal
from toy_tasks.simulator.sink_metrics import (
    delta_logits,
    importance,
    inf_norm,
    kurtosis,
    module_outputs,
    outliers,
    sink_logits,
    sink_rate,
    spread,
)

seeds = st.integers(0, 2**31 - 1)
cases = settings(derandomize=True, database=None, deadline=None, max_examples=60)
pytestmark = pytest.mark.usefixtures("_one_thread")


def normal(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * Key(torch.tensor(seed, dtype=torch.int32)).normal(*shape)


def attention(seed: int, length: int, name: str = "softmax", scale: float = 3.0) -> Tensor:
    """Weights (3, 2, t, t) of random logits."""
    return ATTENTION[name]().weights(causal(normal(seed, 3, 2, length, length, scale=scale)))


# ------------------------------------------------------------------------------------------------------ delta logits


@given(seeds, st.integers(3, 9), st.integers(1, 6))
@cases
def test_delta_logits_equal_loops(seed: int, length: int, vocabulary: int) -> None:
    key = Key(torch.tensor(seed, dtype=torch.int32), 1)
    scores = causal(normal(seed, 3, 2, length, length))
    tokens = key.split(0).integers(3, length) % vocabulary
    where = key.split(1).integers(3, length) % 3 > 0
    found: list[list[float]] = [[] for _ in range(vocabulary)]
    for b in range(3):
        for i in range(2, length):
            each = [float(s[i, 0]) - float(np.mean([float(s[i, j]) for j in range(1, i)])) for s in scores[b]]
            assert sink_logits(scores)[b, :, i - 2].tolist() == pytest.approx(each, abs=1e-13)
            if where[b, i]:
                found[int(tokens[b, i])].append(float(np.mean(each)))
    deltas = delta_logits(scores, tokens, vocabulary, where)
    assert deltas.isnan().tolist() == [not f for f in found]
    expected = [float(np.mean(f)) for f in found if f]
    assert deltas[~deltas.isnan()].tolist() == pytest.approx(expected, abs=1e-13)
    if expected:
        mean, low, high = (float(x) for x in spread(deltas))
        assert mean == pytest.approx(np.mean(expected), abs=1e-13)
        assert (low, high) == pytest.approx(tuple(np.quantile(expected, [0.1, 0.9])), abs=1e-13)


# ------------------------------------------------------------------------------------------- importance and sink rate


@given(seeds, st.integers(1, 12), st.floats(0, 12))
@cases
def test_importance_of_normalised_attention(seed: int, length: int, scale: float) -> None:
    """P20: the first key has at least 1/T; all together sum_k (T - k + 1) importance_k = T."""
    each = importance(attention(seed, length, scale=scale))
    assert (each[..., 0] >= 1 / length - 1e-14).all()
    seen_by = torch.arange(length, 0, -1)
    torch.testing.assert_close((seen_by * each).sum(dim=-1), torch.full((3, 2), float(length)).double())


@pytest.mark.parametrize("name", sorted(ATTENTION))
@given(seeds, st.integers(1, 8))
@cases
def test_importance_and_sink_rate_equal_loops(name: str, seed: int, length: int) -> None:
    """Rows normalised first; a row of zeros counts as no attention at all."""
    weights = attention(seed, length, name)
    rows = weights.numpy()
    expected = np.zeros((3, 2, length))
    for b, h, k in np.ndindex(3, 2, length):
        shares = [rows[b, h, i, k] / rows[b, h, i].sum() if rows[b, h, i].any() else 0.0 for i in range(k, length)]
        expected[b, h, k] = np.sum(shares) / (length - k)
    np.testing.assert_allclose(importance(weights).numpy(), expected, rtol=1e-12, atol=1e-15)
    for epsilon in (0.0, 0.123, 0.3):
        for position in range(length):
            rate = 100 * np.mean(expected[..., position] > epsilon)
            assert float(sink_rate(weights, epsilon, position)) == pytest.approx(rate, abs=1e-12)


@given(seeds, st.integers(1, 8), st.floats(0, 1), st.floats(0, 1))
@cases
def test_sink_rate_is_a_falling_percentage(seed: int, length: int, one: float, other: float) -> None:
    """P20: in [0, 100], non-increasing in epsilon, blind to the order of heads and samples."""
    weights = attention(seed, length)
    low, high = sorted((one, other))
    assert 0 <= sink_rate(weights, high) <= sink_rate(weights, low) <= 100
    shuffled = weights[[2, 0, 1]][:, [1, 0]]
    torch.testing.assert_close(sink_rate(shuffled, low), sink_rate(weights, low))
    torch.testing.assert_close(sink_rate(torch.stack([weights, weights]), low), sink_rate(weights, low))


def test_no_attention_is_no_sink_and_all_attention_is_one() -> None:
    assert sink_rate(torch.zeros(2, 2, 4, 4)) == 0
    first = torch.zeros(2, 2, 4, 4)
    first[..., 0] = 0.1  # unnormalised
    assert sink_rate(first, 0.99) == 100
    assert torch.equal(importance(first), torch.tensor([1.0, 0, 0, 0]).expand(2, 2, 4))


# ---------------------------------------------------------------------------------------------------------- outliers


@given(seeds, st.integers(1, 4), st.integers(2, 6), st.floats(-5, 5), st.floats(0.2, 20))
@cases
def test_kurtosis_and_norm(seed: int, length: int, width: int, shift: float, scale: float) -> None:
    """P21: shift- and scale-invariant without the guard, at least ((B-1)/B)^2; the norm scales; both as in scipy."""
    x = normal(seed, 3, length, width)
    size = length * width
    assert float(kurtosis(scale * x + shift, 0.0)) == pytest.approx(float(kurtosis(x, 0.0)), rel=1e-9)
    assert kurtosis(x, 0.0) >= ((size - 1) / size) ** 2 * (1 - 1e-12)
    assert float(inf_norm(-scale * x)) == pytest.approx(scale * float(inf_norm(x)), rel=1e-12)
    flat = x.flatten(1).numpy()
    biased = stats.kurtosis(flat, axis=1, fisher=False) * ((size - 1) / size) ** 2
    assert float(kurtosis(x, 0.0)) == pytest.approx(biased.mean(), rel=1e-10)
    guarded = np.mean(np.mean((flat - flat.mean(1, keepdims=True)) ** 4, 1) / (flat.std(1, ddof=1) ** 4 + 1e-6))
    assert float(kurtosis(x)) == pytest.approx(guarded, rel=1e-10)
    assert float(inf_norm(x)) == pytest.approx(np.abs(flat).max(1).mean(), rel=1e-14)


def test_known_kurtosis() -> None:
    """Two values in equal parts attain the bound; a spike among B entries has about B; a Gaussian 3."""
    two = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64).reshape(1, 4, 4)
    assert float(kurtosis(two, 0.0)) == pytest.approx((15 / 16) ** 2, rel=1e-14)
    spike = torch.zeros(1, 20, 50, dtype=torch.float64)
    spike[0, 3, 4] = 1e3
    assert float(kurtosis(spike)) == pytest.approx(1000, rel=0.01)
    assert float(kurtosis(normal(1, 8, 64, 64))) == pytest.approx(3, abs=4 * np.sqrt(24 / 8 / 64**2))


def test_module_outputs_are_those_of_the_formula() -> None:
    """Every module once; recomputed from its inputs with plain matrices."""
    model = Transformer(layers=2, width=8, heads=2, vocabulary=5, length=6)
    params = model.init(Key(torch.tensor(0, dtype=torch.int32), INITIAL))
    tokens = Key(torch.tensor(1, dtype=torch.int32)).integers(3, 6) % 5
    out, modules = model.forward(params, tokens), module_outputs(model, params, tokens)
    names = {f"{i}.{m}" for i in (0, 1) for m in ("norm1", "attention", "norm2", "mlp", "output")} | {"norm"}
    assert modules.keys() == names
    h = params["token"][tokens] + params["position"]
    for i, layer in enumerate(out.layers):
        x = torch.nn.functional.layer_norm(h, (8,))
        torch.testing.assert_close(modules[f"{i}.norm1"], x)
        h = h + modules[f"{i}.attention"]
        x = torch.nn.functional.layer_norm(h, (8,))
        torch.testing.assert_close(modules[f"{i}.norm2"], x)
        hidden = (x @ params[f"{i}.up"].T).clamp(min=0)
        torch.testing.assert_close(modules[f"{i}.mlp"], hidden @ params[f"{i}.down"].T)
        h = h + modules[f"{i}.mlp"]
        assert torch.equal(modules[f"{i}.output"], layer.output)
        torch.testing.assert_close(h, layer.output)
    torch.testing.assert_close(modules["norm"] @ params["readout"].T, out.logits)
    found = outliers(modules)
    assert found.inf_norm == max(inf_norm(x) for x in modules.values())
    assert float(found.kurtosis) == pytest.approx(np.mean([float(kurtosis(x)) for x in modules.values()]))


def test_all_metrics_under_vmap_and_traced() -> None:
    """Three replicas together equal each alone, and a trace bakes nothing in."""
    model = Transformer(layers=2, width=8, heads=2, vocabulary=5, length=6)
    params = model.init(Key.of((0, 1, 2), INITIAL))
    tokens = Key.of((0, 1, 2)).integers(3, 6) % 4  # token 4 never occurs

    def measured(p: dict[str, Tensor], x: Tensor) -> dict[str, Any]:
        out = model.forward(p, x)
        deltas = delta_logits(out.layers[0].scores, x, 5, x > 0)
        return {
            **spread(deltas)._asdict(),
            "rate": sink_rate(torch.stack([layer.weights for layer in out.layers])),
            **outliers(module_outputs(model, p, x))._asdict(),
        }

    together = torch.vmap(measured)(params, tokens)
    for r in range(3):
        for name, value in measured({k: p[r] for k, p in params.items()}, tokens[r]).items():
            torch.testing.assert_close(together[name][r], value, rtol=0, atol=1e-12, msg=name)
    other = Key.of((5, 6, 7)).integers(3, 6) % 5
    traced = make_fx(torch.vmap(measured))(params, tokens)
    for name, value in torch.vmap(measured)(params, other).items():
        torch.testing.assert_close(traced(params, other)[name], value, rtol=0, atol=1e-12, msg=name)
