"""A pre-norm transformer for one replica: the formula, with everything a measure may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.task import Batch
from toy_tasks.validation import choice, count

Params = dict[str, Tensor]


class Layer(NamedTuple):
    """What one block computed: b batch, h head, t token (query, then key), d model."""

    scores: Tensor  # (b, h, t, t) logits before the softmax; masked entries are -inf
    weights: Tensor  # (b, h, t, t) attention
    values: Tensor  # (b, t, d) value states after the output projection, W_o v_j
    output: Tensor  # (b, t, d) the residual stream after the block


class Forward(NamedTuple):
    """`logits` (b, t, v) and one `Layer` per block."""

    logits: Tensor
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Transformer:
    """h += W_o Attention(LN h); h += W_2 relu(W_1 LN h); then a final LayerNorm and an untied linear read-out.

    Token and learned position embeddings start at N(0, 1), linear maps at U(+-1/sqrt(fan_in)); no biases except in the
    LayerNorms (affine, eps 1e-5); causal mask, logits scaled by 1/sqrt(width / heads). `mlp` is the MLP's width
    (default 4 x width). `vocabulary` and `length` may be left to the task.
    """

    layers: int = 1
    width: int = 64
    heads: int = 1
    mlp: int | None = None
    attention: str = "softmax"
    vocabulary: int | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads"):
            count(name, getattr(self, name))
        for name in ("mlp", "vocabulary", "length"):
            if getattr(self, name) is not None:
                count(name, getattr(self, name))
        if self.width % self.heads:
            raise ValueError(f"heads must divide width {self.width}, got {self.heads}")
        choice("attention", self.attention, ("softmax",))

    def sized_for(self, task: Any) -> Transformer:
        """This model with the task's vocabulary and length, where they were left open."""
        vocabulary = self.vocabulary if self.vocabulary is not None else task.vocabulary
        return replace(self, vocabulary=vocabulary, length=self.length if self.length is not None else task.length)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter names and shapes, in the order that keys their initial values."""
        if self.vocabulary is None or self.length is None:
            raise ValueError("vocabulary and length must be given, or taken from a task with sized_for(task)")
        d, mlp = self.width, self.mlp or 4 * self.width
        shapes: dict[str, tuple[int, ...]] = {"token": (self.vocabulary, d), "position": (self.length, d)}
        norm: dict[str, tuple[int, ...]] = {"scale": (d,), "shift": (d,)}
        for i in range(self.layers):
            block = {f"norm1.{k}": s for k, s in norm.items()} | {f"norm2.{k}": s for k, s in norm.items()}
            block |= dict.fromkeys(("query", "key", "value", "output"), (d, d)) | {"up": (mlp, d), "down": (d, mlp)}
            shapes |= {f"{i}.{k}": s for k, s in block.items()}
        return shapes | {f"norm.{k}": s for k, s in norm.items()} | {"readout": (self.vocabulary, d)}

    def init(self, key: Key) -> Params:
        """Initial parameters in float64; parameter number n draws from split n of the key."""
        params = {}
        for number, (name, shape) in enumerate(self.shapes().items()):
            kind = name.rpartition(".")[2]
            if kind in ("scale", "shift"):
                fill = 1.0 if kind == "scale" else 0.0
                params[name] = torch.full(key.seed.shape + shape, fill, dtype=torch.float64, device=key.seed.device)
            elif kind in ("token", "position"):
                params[name] = key.split(number).normal(*shape)
            else:
                params[name] = (2 * key.split(number).uniform(*shape) - 1) / math.sqrt(shape[-1])
        return params

    def forward(self, params: Params, tokens: Tensor) -> Forward:
        """All of it, for tokens (b, t) of one replica."""
        h = params["token"][tokens] + params["position"][: tokens.shape[-1]]
        layers = []
        for i in range(self.layers):
            block = {name.removeprefix(f"{i}."): p for name, p in params.items() if name.startswith(f"{i}.")}
            layer = self._block(block, h)
            layers.append(layer)
            h = layer.output
        return Forward(_norm(params, "norm", h) @ params["readout"].T, tuple(layers))

    def _block(self, p: Params, h: Tensor) -> Layer:
        x = _norm(p, "norm1", h)
        query, key, value = (self._heads(x @ p[name].T) for name in ("query", "key", "value"))
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.width // self.heads)
        later = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
        weights = torch.softmax(scores, dim=-1)
        h = h + _merge(weights @ value) @ p["output"].T
        h = h + torch.relu(_norm(p, "norm2", h) @ p["up"].T) @ p["down"].T
        return Layer(scores, weights, _merge(value) @ p["output"].T, h)

    def _heads(self, x: Tensor) -> Tensor:
        """(b, t, d) -> (b, h, t, d / h)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of `targets` given `tokens`, over batch and positions, in nats."""
        logits = self.forward(params, batch["tokens"]).logits
        return F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())


def _merge(x: Tensor) -> Tensor:
    """(b, h, t, d / h) -> (b, t, d)."""
    return x.transpose(-2, -3).flatten(-2)


def _norm(params: Params, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], params[f"{name}.scale"], params[f"{name}.shift"], eps=1e-5)
