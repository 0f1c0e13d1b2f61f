"""Gradients of the attention loss with respect to logits, in plain and in log-domain arithmetic.

With s_i = softmax(logits_i), output f_i and gains g_it = grad h(o_i) . x_it the gradient of mean_i l(Y_i f_i) is

    c_it = Y_i l'(Y_i f_i) / n  s_it (g_it - sum_t' s_it' g_it'),        dL/dW = sum_it c_it x_it z_i^T.

Once attention is nearly one token, the plain formula loses c at that token to cancellation and, below 1e-308, all else
to underflow. The log-domain one takes the token a of largest attention as reference, with lags r_t = g_a - g_t,

    c_t ~ e^{log s_t - M} (sum_t' s_t' r_t' - r_t) for t != a,   c_a = -sum_{t != a} c_t,   M = max_{i, t != a} log s_it

and returns M apart: normalised steps never need e^M. Shapes: r problems, n sequences, t tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.token_selection.heads import Response
from toy_tasks.validation import choice

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Arithmetic:
    """How gradients are computed.

    log_domain  whether in the log domain.
    floor       added to a gradient's norm before dividing by it.
    decay       lambda of the penalty lambda (||K||^2 + ||Q||^2) on factors; weights W have none.
    """

    log_domain: bool = True
    floor: float = 0.0
    decay: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.log_domain, bool):
            raise TypeError(f"log_domain must be True or False, got {self.log_domain!r}")
        for name in ("floor", "decay"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < np.inf):
                raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")


MODES = {
    "author": Arithmetic(log_domain=False, floor=EPS, decay=EPS),
    "stable": Arithmetic(),
    "path": Arithmetic(decay=EPS),
}
"""author: the published code. stable: exact at any norm. path: the same with the published penalty on factors."""


def arithmetic(mode: Any) -> Arithmetic:
    """An `Arithmetic`, or one of the named modes."""
    return mode if isinstance(mode, Arithmetic) else MODES[choice("mode", mode, MODES)]


class Loss(ABC):
    """l(u), decreasing: its slope and secants."""

    @abstractmethod
    def slope(self, u: Tensor) -> Tensor:
        """l'(u)."""

    @abstractmethod
    def secant(self, u: Tensor, drop: Tensor) -> Tensor:
        """(l(u - drop) - l(u)) / drop for drop >= 0, its limit -l'(u) at 0."""


class Logistic(Loss):
    """l(u) = log(1 + e^{-u})."""

    def slope(self, u: Tensor) -> Tensor:
        """-1 / (1 + e^u)."""
        return -torch.sigmoid(-u)

    def secant(self, u: Tensor, drop: Tensor) -> Tensor:
        """log1p(sigma(-u) expm1(drop)) / drop."""
        safe = drop.clamp(min=1e-300)
        return torch.log1p(torch.sigmoid(-u) * torch.expm1(safe)) / safe


class Exponential(Loss):
    """l(u) = e^{-u}."""

    def slope(self, u: Tensor) -> Tensor:
        """-e^{-u}."""
        return -torch.exp(-u)

    def secant(self, u: Tensor, drop: Tensor) -> Tensor:
        """e^{-u} expm1(drop) / drop."""
        safe = drop.clamp(min=1e-300)
        return torch.exp(-u) * torch.expm1(safe) / safe


class Linear(Loss):
    """l(u) = -u."""

    def slope(self, u: Tensor) -> Tensor:
        """-1."""
        return -torch.ones_like(u)

    def secant(self, u: Tensor, drop: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(u)


LOSSES: dict[str, Loss] = {"logistic": Logistic(), "exponential": Exponential(), "linear": Linear()}


class Pull(NamedTuple):
    """A gradient with respect to logits: coefficients c (r, n, t) times e^{log_scale}, log_scale (r,)."""

    coefficients: Tensor
    log_scale: Tensor


def pull(logits: Tensor, labels: Tensor, response: Response, loss: Loss, log_domain: bool) -> Pull:
    """The gradient of the loss at logits (r, n, t), for labels (r, n)."""
    if log_domain:
        log_attention = F.log_softmax(logits, dim=-1)
        output, gains = response(log_attention.exp())
        bare, log_scale = _log_domain(log_attention, gains)
    else:
        attention = torch.softmax(logits, dim=-1)
        output, gains = response(attention)
        bare = attention * (gains - (attention * gains).sum(dim=-1, keepdim=True))
        log_scale = logits.new_zeros(logits.shape[0])
    slope = labels * loss.slope(labels * output) / labels.shape[-1]
    return Pull(slope[..., None] * bare, log_scale)


def _log_domain(log_attention: Tensor, gains: Tensor) -> tuple[Tensor, Tensor]:
    """s_t (g_t - sum s g) without the factor e^M, and M."""
    top = log_attention.argmax(dim=-1, keepdim=True)
    rest = log_attention.scatter(-1, top, -torch.inf)
    log_scale = rest.amax(dim=(-2, -1))
    lag = gains.gather(-1, top) - gains
    mean_lag = (rest.exp() * lag).sum(dim=-1, keepdim=True)
    bare = torch.exp(rest - log_scale[:, None, None]) * (mean_lag - lag)  # 0 at the top token, for now
    return bare.scatter_add(-1, top, -bare.sum(dim=-1, keepdim=True)), log_scale


def excess(logits: Tensor, scores: Tensor, loss: Loss, log_scale: Tensor) -> Tensor:
    """(L(W) - L*) e^{-log_scale}, (r,), for a linear head with scores (r, n, t): L* has all attention on the best."""
    best = scores.amax(dim=-1, keepdim=True)
    gap = best - scores
    log_attention = F.log_softmax(logits, dim=-1)
    drop = (log_attention.exp() * gap).sum(dim=-1)
    scaled = (torch.exp(log_attention - log_scale[:, None, None]).where(gap > 0, 0.0) * gap).sum(dim=-1)
    return (scaled * loss.secant(best[..., 0], drop)).mean(dim=-1)
