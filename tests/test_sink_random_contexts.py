"""Sinks in random contexts: the averaged loss against autograd, its reduction to one context, and its tail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import fsolve

from theory.sink_flow import (
    ConstantValue,
    FlowStart,
    SinkModel,
    SinkPoint,
    drain_rate,
    drained_value,
    first_integrals,
    fluctuation,
    joint_limit,
    loss_bound,
    monotone_quantity,
    pushed_logit_asymptote,
    random_context_asymptote,
    random_context_tail,
    sink_logit_asymptote,
    sink_logit_bounds,
)


def random_model(seed: int, *, law: str = "uniform", contexts: int = 5) -> SinkModel:
    """N 2-4, V 3-7, weights and values that vary with the context."""
    rng = np.random.default_rng(seed)
    queries, tokens = int(rng.integers(2, 5)), int(rng.integers(3, 8))
    laws = {
        "uniform": None,
        "shared": rng.dirichlet(np.ones(contexts)),
        "per query": rng.dirichlet(np.ones(contexts), queries),
    }
    return SinkModel(
        0.02 + (1 - 0.02 * tokens) * rng.dirichlet(np.ones(tokens), queries),
        rng.uniform(0.2, 1.0, queries),
        rng.uniform(0, 10, (contexts, tokens)),
        rng.uniform(5, 15, contexts),
        laws[law],
    )


def torch_loss(model: SinkModel, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """The definition, one query and one context at a time."""
    contexts = len(model.value_sum)
    law = np.broadcast_to(np.asarray(model.context_probability), (model.queries, contexts))
    loss = torch.zeros((), dtype=torch.float64)
    for v in range(model.queries):
        p = torch.tensor(model.next_token[v])
        for c in range(contexts):
            weight, z = float(np.asarray(model.weight)[c]), torch.tensor(model.value_sum[c])
            delta = (torch.exp(alpha[v]) * beta + z) / (torch.exp(alpha[v]) + weight)
            divergence = (p * (torch.log(p) - torch.log_softmax(torch.log(p) + delta, dim=-1))).sum()
            loss = loss + model.frequency[v] * law[v, c] * divergence
    return loss


@pytest.mark.parametrize("law", ["uniform", "shared", "per query"])
@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_equal_autograd(seed: int, law: str) -> None:
    model, rng = random_model(seed, law=law), np.random.default_rng(100 + seed)
    alpha = torch.tensor(2 * rng.normal(size=model.queries), requires_grad=True)
    beta = torch.tensor(2 * rng.normal(size=model.tokens), requires_grad=True)
    loss = torch_loss(model, alpha, beta)
    loss.backward()  # type: ignore[no-untyped-call]
    point = alpha.detach().numpy(), beta.detach().numpy()
    assert model.loss(*point) == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip(model.gradient(*point), (alpha.grad, beta.grad), strict=True):
        assert theirs is not None
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-14)


def test_equal_contexts_are_one_context() -> None:
    """The fixed-context numbers, whatever the law of the copies; leading axes as with one context."""
    rng = np.random.default_rng(0)
    rows, frequency, values = rng.dirichlet(np.ones(4), 3), rng.uniform(0.2, 1, 3), rng.normal(size=4)
    one = SinkModel(rows, frequency, values, 3.0)
    copies = SinkModel(rows, frequency, np.tile(values, (5, 1)), 3.0, rng.dirichlet(np.ones(5), 3))
    alpha, beta = rng.normal(size=(2, 6, 3)), rng.normal(size=(2, 6, 4))
    assert copies.residual(alpha, beta).shape == (2, 6, 5, 3, 4)
    np.testing.assert_allclose(copies.divergence(alpha, beta)[..., 2, :], one.divergence(alpha, beta), rtol=1e-14)
    np.testing.assert_allclose(copies.loss(alpha, beta), one.loss(alpha, beta), rtol=1e-13)
    for ours, theirs in zip(copies.gradient(alpha, beta), one.gradient(alpha, beta), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_a_context_law_weighs_contexts() -> None:
    """All probability on one context leaves that context alone."""
    model = random_model(1)
    law = np.eye(5)[3]
    chosen = SinkModel(model.next_token, model.frequency, model.value_sum, model.weight, law)
    weight = float(np.asarray(model.weight)[3])
    alone = SinkModel(model.next_token, model.frequency, model.value_sum[3], weight)
    alpha, beta = np.linspace(-1, 1, model.queries), np.linspace(0, 1, model.tokens)
    assert chosen.loss(alpha, beta) == pytest.approx(float(alone.loss(alpha, beta)), rel=1e-13)


MODEL = random_model(2)
ALPHA, BETA = np.zeros(MODEL.queries), np.zeros(MODEL.tokens)


@pytest.mark.parametrize(
    "statement",
    [
        lambda: first_integrals(MODEL, ALPHA, BETA),
        lambda: monotone_quantity(MODEL, ALPHA, BETA),
        lambda: joint_limit(MODEL, ALPHA, BETA),
        lambda: sink_logit_bounds(MODEL, ALPHA, [1.0]),
        lambda: sink_logit_asymptote(MODEL, [1.0]),
        lambda: loss_bound(MODEL, ALPHA, BETA, [1.0]),
        lambda: pushed_logit_asymptote(MODEL, BETA, [1.0]),
        lambda: drained_value(MODEL, 0.0, BETA),
        lambda: drain_rate(MODEL, 0.0),
        lambda: MODEL.full_sink_pull(BETA),
        lambda: SinkPoint(MODEL, ALPHA, BETA),
        lambda: ConstantValue(MODEL, ALPHA, BETA),
        lambda: FlowStart(MODEL, ALPHA, BETA),
    ],
)
def test_statements_about_one_context_refuse_many(statement: Callable[[], object]) -> None:
    with pytest.raises(
        ValueError, match=r"hypothesis broken: one fixed context is needed, value_sum \(V,\), got shape"
    ):
        statement()


# ------------------------------------------------------------------------------------------------------- the tail


@pytest.mark.parametrize("law", ["uniform", "shared", "per query"])
@pytest.mark.parametrize("seed", range(5))
def test_tail_equals_a_root_finder_on_the_raw_equations(seed: int, law: str) -> None:
    """N + V unknowns, the equations as the module states them, by MINPACK from a perturbed start."""
    model = random_model(seed, law=law)
    weights = np.broadcast_to(np.asarray(model.context_probability), (model.queries, 5))
    sigma = [np.diag(p) - np.outer(p, p) for p in model.next_token]
    means = weights @ model.value_sum
    covariances = [np.cov(model.value_sum.T, aweights=w, ddof=0) for w in weights]

    def equations(unknowns: np.ndarray) -> np.ndarray:
        kappa, b = unknowns[: model.queries], unknowns[model.queries :]
        gaps = [sigma[v] @ (kappa[v] * means[v] - b) for v in range(model.queries)]
        pushes = [
            model.frequency[v] * kappa[v] * (kappa[v] * np.trace(sigma[v] @ covariances[v]) + means[v] @ gaps[v]) - 0.5
            for v in range(model.queries)
        ]
        return np.concatenate([pushes, model.frequency @ np.array(gaps) + b.mean()])

    kappa, b = random_context_tail(model)
    solution, _, found, message = fsolve(
        equations, np.concatenate([kappa * 1.1, b + 0.01]), xtol=1e-13, full_output=True
    )
    assert found == 1 or np.abs(equations(solution)).max() < 1e-12, message
    np.testing.assert_allclose(np.concatenate([kappa, b]), solution, rtol=1e-9, atol=1e-10)


def test_one_query_knows_its_tail_in_closed_form() -> None:
    """The value state cancels its mean entirely: kappa = (2 pi F)^(-1/2) and b = kappa (mu - mean)."""
    model = SinkModel([[0.5, 0.3, 0.2]], [0.4], [[4.0, 0.0, -2.0], [0.0, 3.0, 1.0]], [10.0, 7.0], [0.25, 0.75])
    kappa, b = random_context_tail(model)
    mean = np.array([1.0, 2.25, 0.25])
    difference = np.array([4.0, -3.0, -3.0])
    variance = 0.25 * 0.75 * ([0.5, 0.3, 0.2] @ difference**2 - ([0.5, 0.3, 0.2] @ difference) ** 2)
    assert fluctuation(model)[0] == pytest.approx(variance, rel=1e-14)
    assert kappa[0] == pytest.approx((2 * 0.4 * variance) ** -0.5, rel=1e-14)
    np.testing.assert_allclose(b, kappa[0] * (mean - mean.mean()), rtol=1e-12)


@pytest.mark.parametrize("law", ["shared", "per query"])
@pytest.mark.parametrize("seed", range(2))
def test_flow_against_the_tail_at_1e8(seed: int, law: str) -> None:
    """Reference accuracy at t = 1e8: alpha to 4e-3, the level 4 t L / N to 4e-3; sum(beta) stays as it was."""
    model, rng = random_model(seed, law=law, contexts=6), np.random.default_rng(seed)
    beta = rng.normal(size=model.tokens)
    path = model.flow(rng.normal(size=model.queries), beta, [0.0, 1e8])
    alpha, _ = random_context_asymptote(model, [1e8])
    assert np.abs(path.alpha[-1] - alpha[0]).max() < 4e-3
    assert 4e8 * path.loss[-1] / model.queries == pytest.approx(1.0, abs=4e-3)
    assert path.beta[-1].sum() == pytest.approx(beta.sum(), abs=1e-8)
