"""The four dynamics: gradients against autograd, published and reference tables, and one against another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from theory.scan_and_snap import (
    ClassMixture,
    SymmetricMixture,
    attention_flow,
    decoder_gap,
    gradient_coefficients,
    population_flow,
    preconditioned_flow,
    symmetric_flow,
)

WEIGHTS = np.linspace(0.1, 1.0, 10)
TWO_QUERIES = SymmetricMixture(2, 34, WEIGHTS, common_tokens=10, shared_query=False)
ONE_QUERY = SymmetricMixture(2, 33, WEIGHTS, common_tokens=10)
BRIDGE = SymmetricMixture(5, 200, WEIGHTS)


def random_mixture(seed: int) -> ClassMixture:
    """K in 1..6, sparse laws, any prior and any psi, M from its least value up."""
    rng = np.random.default_rng(seed)
    classes, tokens = int(rng.integers(1, 7)), int(rng.integers(1, 9))
    law = rng.dirichlet(np.ones(tokens), classes) * (rng.random((classes, tokens)) < 0.7)
    law[np.arange(classes), rng.integers(0, tokens, classes)] += 0.1
    queries = np.unique(rng.integers(0, classes, classes), return_inverse=True)[1]
    vocabulary = max(2, classes, tokens) + int(rng.integers(0, 20))
    prior = rng.dirichlet(np.ones(classes)) + 0.01
    return ClassMixture(law / law.sum(axis=1, keepdims=True), queries, prior / prior.sum(), vocabulary)


def torch_loss(mixture: ClassMixture, logits: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
    """The definition, one class at a time: softmax over the tokens of the class, l2 normalisation, decoder."""
    loss = torch.zeros((), dtype=torch.float64)
    for n in range(mixture.classes):
        z = logits[int(mixture.query_of_class[n])]
        attention = torch.softmax(torch.log(torch.tensor(mixture.token_law[n])) + z, dim=-1)
        feature = attention / torch.sqrt((attention**2).sum())
        loss = loss - mixture.weight[n] * torch.log_softmax(feature @ decoder, dim=-1)[n]
    return loss


@pytest.mark.parametrize("seed", range(60))
def test_loss_and_gradient_equal_autograd(seed: int) -> None:
    mixture, rng = random_mixture(seed), np.random.default_rng(1000 + seed)
    logits = torch.tensor(rng.uniform(-5, 5, (mixture.queries, mixture.tokens)), requires_grad=True)
    decoder = torch.tensor(rng.uniform(-5, 5, (mixture.tokens, mixture.vocabulary)), requires_grad=True)
    loss = torch_loss(mixture, logits, decoder)
    loss.backward()  # type: ignore[no-untyped-call]
    point = logits.detach().numpy(), decoder.detach().numpy()
    assert mixture.loss(*point) == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(mixture.gradient(*point), (logits.grad, decoder.grad), strict=True):
        assert theirs is not None
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12)


def test_the_tail_is_not_rounded_away() -> None:
    """With a decoder 300 F the wrong probabilities are e^-300: loss and gradient keep their leading order."""
    mixture = ClassMixture([[1.0, 0.0], [0.0, 1.0]], [0, 0], None, 3)
    logits, decoder = np.zeros((1, 2)), np.array([[300.0, 0.0, 0.0], [0.0, 300.0, 0.0]])
    assert mixture.loss(logits, decoder) == pytest.approx(2 * np.exp(-300), rel=1e-13)
    d_decoder = mixture.gradient(logits, decoder)[1]
    expected = 0.5 * np.exp(-300) * np.array([[-2.0, 1.0, 1.0], [1.0, -2.0, 1.0]])
    np.testing.assert_allclose(d_decoder, expected, rtol=1e-13)


def test_leading_axes() -> None:
    mixture, rng = random_mixture(3), np.random.default_rng(0)
    logits = rng.normal(size=(4, 5, mixture.queries, mixture.tokens))
    decoder = rng.normal(size=(5, mixture.tokens, mixture.vocabulary))
    gradient = mixture.gradient(logits, decoder)
    for ours, one in zip(gradient, mixture.gradient(logits[2, 3], decoder[3]), strict=True):
        np.testing.assert_allclose(ours.sum(axis=0)[3] if ours.ndim == 3 else ours[2, 3], one, rtol=1e-12)
    assert mixture.loss(logits, decoder)[2, 3] == pytest.approx(float(mixture.loss(logits[2, 3], decoder[3])))


def test_kinds_of_tokens() -> None:
    mixture = ClassMixture([[0.5, 0.5, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]], [0, 1], None, 6)
    assert mixture.common.tolist() == [True, False, False, False]
    assert mixture.distinct.tolist() == [[False, True, False, False], [False, False, True, False]]


# ------------------------------------------------------------------------------------------------- reference tables

# t: common mass, attention to d10, d5, d1, entropy over distinct tokens, z_common, z_top (two queries, M = 34)
TWO_QUERY_TABLE = {
    1: (0.64511, 0.06453, 0.03226, 0.00645, 2.15125, -0.00010, 0.00026),
    3: (0.64435, 0.06477, 0.03230, 0.00645, 2.15078, -0.00147, 0.00378),
    10: (0.62780, 0.06999, 0.03305, 0.00648, 2.14063, -0.03089, 0.07783),
    30: (0.56641, 0.08978, 0.03565, 0.00651, 2.10366, -0.13521, 0.32539),
    100: (0.51115, 0.10538, 0.03825, 0.00647, 2.07695, -0.22764, 0.49586),
    300: (0.48157, 0.11158, 0.04029, 0.00643, 2.06885, -0.27934, 0.56096),
    1000: (0.45985, 0.11542, 0.04233, 0.00641, 2.06630, -0.31914, 0.60116),
}
# the same without d5 and d1 (one query, M = 33)
ONE_QUERY_TABLE = {
    1: (0.64508, 0.06454, 2.15125, -0.00021, 0.00027),
    3: (0.64399, 0.06484, 2.15077, -0.00299, 0.00386),
    10: (0.62123, 0.07116, 2.14094, -0.06012, 0.07563),
    30: (0.54790, 0.09174, 2.11099, -0.23630, 0.27911),
    100: (0.49309, 0.10494, 2.09497, -0.36723, 0.38809),
    300: (0.46567, 0.11009, 2.09135, -0.43539, 0.42503),
    1000: (0.44575, 0.11348, 2.09074, -0.48670, 0.44778),
}
# eta_Y = 10: common mass, top, entropy
FAST_DECODER = {
    "two": {
        10: (0.61534, 0.07435, 2.13225),
        100: (0.57339, 0.08940, 2.10396),
        1000: (0.53579, 0.10335, 2.07850),
        10000: (0.50571, 0.11363, 2.06021),
    },
    "one": {
        10: (0.60482, 0.07616, 2.13316),
        100: (0.55445, 0.09182, 2.10976),
        1000: (0.51353, 0.10465, 2.09142),
        10000: (0.48287, 0.11332, 2.07982),
    },
}


def measured(symmetric: SymmetricMixture, eta_y: float, times: list[int]) -> dict[str, Any]:
    """Columns of the tables for class 0 with eta_Z = 1."""
    path = population_flow(symmetric.mixture, eta_y, 1.0, times)
    attention = path.attention
    return {
        "common": attention[:, 0, :10].sum(axis=-1),
        "top": attention[:, 0, 19],
        "d5": attention[:, 0, 14],
        "d1": attention[:, 0, 10],
        "H": symmetric.mixture.distinct_entropy(attention)[:, 0],
        "z_c": path.logits[:, 0, 0],
        "z_top": path.logits[:, 0, 19],
    }


def compare(columns: list[Any], table: dict[int, tuple[float, ...]]) -> None:
    np.testing.assert_allclose(np.transpose(columns), list(table.values()), rtol=0, atol=0.5001e-5)


def test_population_flow_equals_the_reference_table() -> None:
    compare(list(measured(TWO_QUERIES, 1.0, list(TWO_QUERY_TABLE)).values()), TWO_QUERY_TABLE)
    one = measured(ONE_QUERY, 1.0, list(ONE_QUERY_TABLE))
    compare([one[name] for name in ("common", "top", "H", "z_c", "z_top")], ONE_QUERY_TABLE)


@pytest.mark.parametrize(("symmetric", "table"), [(TWO_QUERIES, "two"), (ONE_QUERY, "one")])
def test_a_fast_decoder_equals_the_reference_table(symmetric: SymmetricMixture, table: str) -> None:
    columns = measured(symmetric, 10.0, list(FAST_DECODER[table]))
    compare([columns[name] for name in ("common", "top", "H")], FAST_DECODER[table])


def test_loss_equals_the_reference() -> None:
    path = population_flow(TWO_QUERIES.mixture, 1.0, 1.0, [0, 1, 3, 10, 30, 100, 1000])
    expected = ["3.526", "3.064", "2.234", "0.7154", "0.1382", "0.02793", "0.002242"]
    assert [f"{loss:.4g}" for loss in path.loss] == [f"{float(e):.4g}" for e in expected]
    assert path.loss[0] == pytest.approx(np.log(34), rel=1e-14)


# eta_Y / eta_Z: z of the common token in Lemma 4 at tau = 0.5, 1, 2 log M; relative errors of the preconditioned flow
# for the common and for the heaviest distinct token; z of the common token in the gradient flow over Lemma 4's
BRIDGE_TABLE = {
    4: ((-0.27309, -0.55460, -0.74177), (-0.007, -0.054, -0.108), (-0.030, -0.127, -0.228), (0.066, 0.102, 0.134)),
    40: ((-0.03822, -0.11510, -0.20100), (0.001, -0.001, -0.010), (-0.001, -0.009, -0.025), (0.057, 0.086, 0.122)),
    400: ((-0.003993, -0.013171, -0.025605), (0, 0, -0.0009), (-0.0, -0.0007, -0.0024), (0.056, 0.081, 0.110)),
    4000: ((-0.000401, -0.001337, -0.002636), (0, 0, -0.0001), (0, -0.0001, -0.0002), (0.056, 0.080, 0.108)),
}


@pytest.mark.parametrize("ratio", BRIDGE_TABLE)
def test_bridge_from_lemma_4_to_the_preconditioned_and_the_true_flow(ratio: int) -> None:
    logits, common, top, true = BRIDGE_TABLE[ratio]
    times = 5 * np.array([0.5, 1.0, 2.0]) * np.log(200) / ratio
    flows = (attention_flow, preconditioned_flow, population_flow)
    paths = [flow(BRIDGE.mixture, ratio, 1.0, times).logits[:, 0] for flow in flows]
    digit = 0.5e-5 if ratio < 400 else 0.5e-6
    np.testing.assert_allclose(paths[0][:, 0], logits, rtol=0, atol=1.0001 * digit)
    unit = 0.0005 if ratio < 400 else 0.00016  # the table's last digit; "0" there hides up to 1.4e-4
    np.testing.assert_allclose(paths[1][:, 0] / paths[0][:, 0] - 1, common, rtol=0, atol=unit)
    np.testing.assert_allclose(paths[1][:, 10] / paths[0][:, 10] - 1, top, rtol=0, atol=unit)
    np.testing.assert_allclose(paths[2][:, 0] / paths[0][:, 0], true, rtol=0, atol=0.0005)


def test_lemma_4_is_first_order_in_the_ratio_of_rates() -> None:
    """Tenfold eta_Y / eta_Z leaves a tenth of the error of the preconditioned flow: slope -1 +- 0.03."""
    errors = []
    for ratio in (400, 4000):
        times = [5 * 2 * np.log(200) / ratio]
        exact, near = (f(BRIDGE.mixture, ratio, 1.0, times).logits for f in (preconditioned_flow, attention_flow))
        errors.append(float(np.abs(near - exact).max() / np.abs(exact).max()))
    assert np.log10(errors[1] / errors[0]) == pytest.approx(-1.0, abs=0.03)


# -------------------------------------------------------------------------------------------- one flow against another


@pytest.mark.parametrize("seed", range(12))
def test_symmetric_flow_equals_the_population_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, common, distinct = int(rng.integers(1, 7)), int(rng.integers(1, 7)), int(rng.integers(1, 7))
    spare = 0 if seed % 3 == 0 else int(rng.integers(1, 40))
    symmetric = SymmetricMixture(
        classes,
        max(2, common + classes * distinct) + spare,
        rng.uniform(0.1, 1, distinct),
        rng.uniform(0.1, 2),
        common,
        bool(seed % 2),
    )
    times, rates = [0.0, 1.0, 30.0, 300.0], (rng.uniform(0.3, 3), rng.uniform(0.3, 3))
    one, other = symmetric_flow(symmetric, *rates, times), population_flow(symmetric.mixture, *rates, times)
    np.testing.assert_allclose(one.logits, other.logits, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.attention, other.attention, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.decoder, other.decoder, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-7)


def test_next_tokens_may_fill_the_vocabulary() -> None:
    """K = M: no entry is left that is never the next token."""
    mixture = ClassMixture(np.full((3, 3), 0.1) + 0.7 * np.eye(3), [0, 0, 1], None, 3)
    path = population_flow(mixture, 1.0, 1.0, [0.0, 5.0])
    assert path.decoder.shape == (2, 3, 3)
    np.testing.assert_allclose(path.decoder.sum(axis=-1), 0.0, atol=1e-12)


def test_only_the_ratio_of_rates_matters() -> None:
    """(a eta_Y, a eta_Z, t / a) gives the same states, to 1e-9."""
    times, factor = np.array([1.0, 10.0, 100.0]), 3.7
    mixture = random_mixture(11)
    slow = population_flow(mixture, 0.7, 1.3, times, rtol=1e-12)
    fast = population_flow(mixture, factor * 0.7, factor * 1.3, times / factor, rtol=1e-12)
    np.testing.assert_allclose(fast.logits, slow.logits, rtol=0, atol=1e-9)
    np.testing.assert_allclose(fast.decoder, slow.decoder, rtol=0, atol=1e-9)


def test_flow_follows_gradient_descent_with_small_steps() -> None:
    """Explicit Euler on `gradient` approaches the flow: halving the step halves the error (slope 1 +- 0.1)."""
    mixture = random_mixture(7)
    exact = population_flow(mixture, 1.0, 0.5, [4.0])
    errors = []
    for step in (0.02, 0.01):
        logits, decoder = np.zeros((mixture.queries, mixture.tokens)), np.zeros((mixture.tokens, mixture.vocabulary))
        for _ in range(round(4.0 / step)):
            d_logits, d_decoder = mixture.gradient(logits, decoder)
            logits, decoder = logits - 0.5 * step * d_logits, decoder - step * d_decoder
        errors.append(float(np.abs(decoder - exact.decoder[0]).max()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1.0, abs=0.1)


def test_preconditioned_decoder_with_frozen_attention_has_the_closed_form() -> None:
    """With eta_Z = 0 every row of F^T Y is u (e_n - 1/M), and the decoder is that of `attention_flow`."""
    times = np.array([0.3, 3.0, 30.0, 300.0])
    path = preconditioned_flow(BRIDGE.mixture, 2.0, 0.0, times)
    rows = path.features @ path.decoder
    gap = decoder_gap(200, 2.0 * times / 5)
    np.testing.assert_allclose(rows, gap[:, None, None] * (np.eye(5, 200) - 1 / 200), rtol=0, atol=1e-9)
    lemma = attention_flow(BRIDGE.mixture, 2.0, 0.0, times)
    np.testing.assert_allclose(lemma.decoder, path.decoder, rtol=0, atol=1e-9)


def test_lemma_4_moves_logits_as_its_own_decoder_pulls() -> None:
    """The printed double sum over classes with beta equals the projected pull Y (e_n - alpha_n) of its decoder."""
    mixture = SymmetricMixture(3, 40, [0.2, 0.5, 0.9], common_tokens=2).mixture
    times = np.array([4.0, 4.001, 4.002])
    path = attention_flow(mixture, 5.0, 0.8, times, rtol=1e-13)
    slope = (path.logits[2] - path.logits[0]) / (times[2] - times[0])
    np.testing.assert_allclose(
        slope, -0.8 * mixture.gradient(path.logits[1], path.decoder[1])[0], rtol=1e-5, atol=1e-12
    )
    features, gap = path.features[1], decoder_gap(40, 5.0 * times[1] / 3)
    gamma = 39**2 / 40 * gap / (39 + np.exp(gap))
    beta = gradient_coefficients(features, 40).beta
    printed = np.zeros(mixture.tokens)
    for n in range(3):
        for k in range(3):
            printed += features[n] * beta[n, k] * ((features[n] @ features[k]) * features[n] - features[k])
    np.testing.assert_allclose(slope[0], 0.8 * gamma / 3 * printed, rtol=1e-5, atol=1e-12)
