"""Attention variants: from causal scores to weights, each one small class.

Scores have shape (..., t, t) with -inf at masked entries, which get weight 0 in every variant. A variant may own
parameters of its block and may change what the heads return. One topic, one table: `ATTENTION` names them all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toy_tasks.simulator.replicas import Part
from toy_tasks.validation import number

Params = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
Number = Any  # a float, or an array with one value per replica; inside the formulas always a scalar


class Attention(Part, ABC):
    """What a variant consists of. `heads` of `size` numbers each; p holds the parameters of one block."""

    @abstractmethod
    def weights(self, scores: Tensor) -> Tensor:
        """Weights (..., t, t) >= 0 of causal scores (..., t, t)."""

    def shapes(self, heads: int, size: int) -> Shapes:
        """Parameters of its own, by name."""
        return {}

    def constants(self) -> dict[str, Number]:
        """Initial values of those of its parameters that start at one number; the others start like linear maps."""
        return {}

    def attend(self, p: Params, query: Tensor, scores: Tensor) -> Tensor:
        """Weights (b, h, t, t) where queries (b, h, t, size) may matter beyond their scores."""
        return self.weights(scores)

    def gated(self, p: Params, x: Tensor, mixed: Tensor) -> Tensor:
        """The heads' outputs (b, h, t, size) from the mixed values and from each head's slice x of the input."""
        return mixed


@dataclass(frozen=True)
class Softmax(Attention):
    """weight_ij = exp(s_ij) / sum_k exp(s_ik): rows sum to 1, so that a head that is not needed must look somewhere."""

    def weights(self, scores: Tensor) -> Tensor:
        """Rows sum to 1."""
        return torch.softmax(scores, dim=-1)


@dataclass(frozen=True)
class ReLU(Attention):
    """weight_ij = relu(s_ij) / (number of keys that query i sees)."""

    def weights(self, scores: Tensor) -> Tensor:
        """Unnormalised; a row without a positive score is exactly 0."""
        return torch.relu(scores) / (scores > -torch.inf).sum(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Sigmoid(Attention):
    """weight_ij = 1 / (1 + exp(-s_ij)), not normalised."""

    def weights(self, scores: Tensor) -> Tensor:
        """Each entry in [0, 1], independent of the others."""
        return torch.sigmoid(scores)


@dataclass(frozen=True)
class Clipped(Attention):
    """weight = clip((zeta - gamma) p + gamma, 0, 1) of the softmax p, with gamma <= 0 and zeta >= 1.

    Exactly 0 where p <= -gamma / (zeta - gamma), and exactly 1 where p >= (1 - gamma) / (zeta - gamma).
    """

    gamma: Number = -0.03
    zeta: Number = 1.0

    def __post_init__(self) -> None:
        gamma = number("gamma", self.gamma, low=-np.inf, open_low=True)
        if np.any(gamma > 0):
            raise ValueError(f"gamma must be at most 0, so that masked keys keep weight 0, got {np.max(gamma)}")
        object.__setattr__(self, "gamma", gamma)
        object.__setattr__(self, "zeta", number("zeta", self.zeta, low=1))

    def weights(self, scores: Tensor) -> Tensor:
        """Each entry in [0, 1]; no gradient through clipped entries."""
        return torch.clamp((self.zeta - self.gamma) * torch.softmax(scores, dim=-1) + self.gamma, 0.0, 1.0)


@dataclass(frozen=True)
class OffByOne(Attention):
    """weight_ij = exp(s_ij) / (1 + sum_k exp(s_ik)): softmax with one more slot, of logit 0 and value 0."""

    def weights(self, scores: Tensor) -> Tensor:
        """Rows sum to less than 1."""
        return _with_empty_slot(scores, torch.zeros_like(scores[..., :1]))


@dataclass(frozen=True)
class KeyBias(Attention):
    """Softmax with one more slot per head, of value 0, whose logit is q_i k / sqrt(size) with a learned key k.

    Parameter `key_bias` (h, size), initially U(+-1/sqrt(size)).
    """

    def weights(self, scores: Tensor) -> Tensor:
        """As of a query that is orthogonal to the learned key: `OffByOne`."""
        return OffByOne().weights(scores)

    def shapes(self, heads: int, size: int) -> Shapes:
        """One key per head."""
        return {"key_bias": (heads, size)}

    def attend(self, p: Params, query: Tensor, scores: Tensor) -> Tensor:
        """Rows sum to less than 1."""
        slot = query @ p["key_bias"][..., None] / math.sqrt(query.shape[-1])
        return _with_empty_slot(scores, slot)


@dataclass(frozen=True)
class Gated(Attention):
    """Softmax whose head outputs are multiplied by sigmoid(g . x + b), x being the head's slice of the input.

    Parameters `gate` g (h, size), initially 0, and `gate_bias` b (h,), initially logit(initial): every gate starts at
    `initial`, in (0, 1).
    """

    initial: Number = 0.25

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", number("initial", self.initial, low=0, high=1, open_low=True))

    def weights(self, scores: Tensor) -> Tensor:
        """Softmax; the gate acts on what the heads return."""
        return torch.softmax(scores, dim=-1)

    def shapes(self, heads: int, size: int) -> Shapes:
        """A linear map to one number per head."""
        return {"gate": (heads, size), "gate_bias": (heads,)}

    def constants(self) -> dict[str, Number]:
        """No dependence on the input yet."""
        return {"gate": 0.0, "gate_bias": torch.logit(torch.as_tensor(self.initial, dtype=torch.float64))}

    def gated(self, p: Params, x: Tensor, mixed: Tensor) -> Tensor:
        """Each token's head output times its gate."""
        return torch.sigmoid(x @ p["gate"][..., None] + p["gate_bias"][..., None, None]) * mixed


def _with_empty_slot(scores: Tensor, slot: Tensor) -> Tensor:
    """Softmax over the keys and one slot of logit `slot` (..., t, 1), without the slot's weight."""
    return torch.softmax(torch.cat([slot, scores], dim=-1), dim=-1)[..., 1:]


ATTENTION: dict[str, type[Attention]] = {
    "softmax": Softmax,
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "clipped": Clipped,
    "off_by_one": OffByOne,
    "key_bias": KeyBias,
    "gated": Gated,
}
