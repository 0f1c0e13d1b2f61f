"""The gradient of the attention loss in closed form, and gradient flow on the factors of W = K Q^T.

L(W) = mean_i log(1 + e^{-u_i}), u_i = gamma_i . s_i, s_i = softmax(X_i W z_i). Since sum_t s_it (gamma_it - u_i) = 0,

    -n grad L = sum_i sigmoid(-u_i) sum_{t != alpha_i} s_it (u_i - gamma_it) A_it    for any reference token alpha_i:

training moves inside the span of the difference matrices, and a token pushes towards its margin iff its score is below
the present average.
"""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from theory.attention_svm.checks import float_tensor
from theory.attention_svm.problem import TokenSelection
from theory.numerics import Array, integrate
from theory.validation import increasing_times


def attention_weights(weights: Tensor, problem: TokenSelection) -> Tensor:
    """softmax(X_i W z_i), (n, T), of weights (d, d)."""
    return torch.softmax(torch.einsum("ntd,de,ne->nt", problem.tokens, weights, problem.queries), dim=-1)


def loss_gradient(weights: Tensor, problem: TokenSelection, scores: Tensor) -> Tensor:
    """dL/dW (d, d) of one problem with scores gamma (n, T), as a sum over the difference matrices of the selection."""
    s = attention_weights(weights, problem)
    output = (s * scores).sum(dim=-1, keepdim=True)
    push = torch.sigmoid(-output) * (s * (output - scores)).gather(-1, problem.others)
    return -problem.margins().combine(push.flatten()) / problem.sequences


def factor_flow(
    problem: TokenSelection, scores: Tensor, start: tuple[Tensor, Tensor], times: ArrayLike, *, separately: bool = False
) -> tuple[Tensor, Tensor]:
    """K and Q (len(times), d, r) of dK/dt = -grad L Q, dQ/dt = -grad L^T K, from `start`, with W = K Q^T.

    separately   each factor at unit speed, as in the published training: then K^T K - Q^T Q is not conserved.
    """
    gamma = _scores(problem, scores)
    key, query = (float_tensor(name, x, 2).to(torch.float64) for name, x in zip(("K", "Q"), start, strict=True))
    expected = (problem.tokens.shape[-1], key.shape[-1])
    for name, x in (("K", key), ("Q", query)):
        if x.shape != expected:
            raise ValueError(f"start must hold K and Q of shape {expected}, got {name} of shape {tuple(x.shape)}")

    def speed(_: float, state: Array) -> Array:
        k, q = torch.as_tensor(state).reshape(2, *expected)
        gradient = loss_gradient(k @ q.mT, problem, gamma)
        rates = [-gradient @ q, -gradient.mT @ k]
        if separately:
            rates = [rate / rate.norm() for rate in rates]
        return torch.stack(rates).numpy().ravel()

    path = integrate(
        speed, torch.stack([key, query]).numpy().ravel(), increasing_times("times", times), method="DOP853"
    )
    found = torch.as_tensor(path).reshape(-1, 2, *expected)
    return found[:, 0], found[:, 1]


def _scores(problem: TokenSelection, scores: Tensor) -> Tensor:
    gamma = float_tensor("scores", scores, 2).to(torch.float64)
    if gamma.shape != problem.tokens.shape[:-1] or gamma.ndim != 2:
        raise ValueError(f"scores must have shape {tuple(problem.tokens.shape[-3:-1])}, got {tuple(gamma.shape)}")
    return gamma
