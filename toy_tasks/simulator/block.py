"""One block of a transformer: the formula, with its switches and with the places where an edit may look or reach in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.simulator.attention import Attention, Shapes
from toy_tasks.validation import choice

Params = dict[str, Tensor]
Edit = Callable[[str, int, Tensor], Tensor]  # (site, layer, value) -> the value to go on with

SITES = ("norm1", "weights", "values", "attention", "norm2", "mlp_input", "mlp", "output", "norm")
REMOVABLE = ("attention", "mlp", "norm1", "norm2")


class Layer(NamedTuple):
    """What one block computed: b batch, h head, t token (query, then key), d model."""

    scores: Tensor  # (b, h, t, t) logits before the softmax; masked entries are -inf
    weights: Tensor  # (b, h, t, t) attention
    values: Tensor  # (b, t, d) value states after the output projection, W_o v_j
    output: Tensor  # (b, t, d) the residual stream after the block


def unchanged(site: str, layer: int, value: Tensor) -> Tensor:
    """The edit that changes nothing."""
    return value


def check_layers(edit: Edit, layers: int) -> None:
    """Refuse an edit that names a layer which a model of so many layers does not have; `layers` is the final norm's."""
    for i in getattr(edit, "layers", None) or ():
        choice("layers", i, range(layers + 1))


@dataclass(frozen=True)
class Block:
    """pre:  h += W_o Attention(LN1 h), h += W_2 act(W_1 LN2 h);   post:  h = LN1(h + ...), h = LN2(h + ...).

    `without` holds what is removed, of attention, mlp, norm1, norm2; a removed attention or MLP takes its norm along.
    """

    layer: int
    width: int
    heads: int
    mlp: int
    attention: Attention
    norm: str
    activation: str
    without: frozenset[str]

    def has(self, parameter: str) -> bool:
        """Whether the block, with what was removed from it, uses this parameter."""
        name = parameter.partition(".")[0]
        sublayer = "mlp" if name in ("norm2", "up", "down") else "attention"
        return not self.without & {name, sublayer}

    def shapes(self) -> Shapes:
        """Parameters that every variant has when nothing is removed."""
        d = self.width
        shapes: Shapes = {f"{norm}.{k}": (d,) for norm in ("norm1", "norm2") for k in ("scale", "shift")}
        return (
            shapes
            | dict.fromkeys(("query", "key", "value", "output"), (d, d))
            | {"up": (self.mlp, d), "down": (d, self.mlp)}
        )

    def forward(self, p: Params, h: Tensor, edit: Edit = unchanged) -> Layer:
        """The block on a residual stream h (b, t, d), with the block's own parameters p."""

        def site(name: str, value: Tensor) -> Tensor:
            return edit(name, self.layer, value)

        def normed(name: str, when: str, x: Tensor) -> Tensor:
            if name in self.without or when != self.norm:
                return x
            return site(name, layer_norm(p, name, x))

        if "attention" in self.without:
            scores = causal(h.new_zeros(h.shape[0], self.heads, h.shape[1], h.shape[1]))
            weights, values = torch.zeros_like(scores), torch.zeros_like(h)
        else:
            x = normed("norm1", "pre", h)
            query, key, value = (self._heads(x @ p[name].T) for name in ("query", "key", "value"))
            scores = causal(query @ key.transpose(-1, -2) / math.sqrt(self.width // self.heads))
            weights = site("weights", self.attention.attend(p, query, scores))
            value = site("values", value)
            mixed = self.attention.gated(p, self._heads(x), weights @ value)
            h = normed("norm1", "post", h + site("attention", _merge(mixed) @ p["output"].T))
            values = _merge(value) @ p["output"].T
        if "mlp" not in self.without:
            hidden = site("mlp_input", normed("norm2", "pre", h)) @ p["up"].T
            hidden = torch.relu(hidden) if self.activation == "relu" else hidden
            h = normed("norm2", "post", h + site("mlp", hidden @ p["down"].T))
        return Layer(scores, weights, values, site("output", h))

    def _heads(self, x: Tensor) -> Tensor:
        """(b, t, d) -> (b, h, t, d / h)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)


def causal(scores: Tensor) -> Tensor:
    """Scores (b, h, t, t) with -inf at keys later than their query."""
    later = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -torch.inf)


def layer_norm(params: Params, name: str, x: Tensor) -> Tensor:
    """Affine LayerNorm over the last axis, eps 1e-5."""
    return F.layer_norm(x, x.shape[-1:], params[f"{name}.scale"], params[f"{name}.shift"], eps=1e-5)


def _merge(x: Tensor) -> Tensor:
    """(b, h, t, d / h) -> (b, t, d)."""
    return x.transpose(-2, -3).flatten(-2)
