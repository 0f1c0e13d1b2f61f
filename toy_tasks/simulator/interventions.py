"""Reaching into a trained model: what becomes of it when one site of one layer computes something else?

An edit is any function (site, layer, value) -> value; `model.forward(params, tokens, edit)` calls it wherever a block
has computed something. `Intervention` acts at one site; `Chain` performs several. Everything is pure and vmap-able.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from toy_tasks.simulator.block import SITES, Edit
from toy_tasks.validation import choice, count

Layers = tuple[int, ...] | None  # None: every layer


@dataclass(frozen=True)
class Intervention:
    """`change` applied to what `site` computes in the given layers.

    norm1, norm2    output of a LayerNorm (b, t, d);    norm    of the final one, whose layer is the number of layers
    weights         attention (b, h, t, t);             values  value states of the heads (b, h, t, d / h)
    attention       output of the attention after W_o (b, t, d), before it joins the residual stream
    mlp_input, mlp  what enters and leaves the MLP (b, t, d);   output  the residual stream after the block (b, t, d)
    """

    site: str
    change: Callable[[Tensor], Tensor]
    layers: Layers = None

    def __post_init__(self) -> None:
        choice("site", self.site, SITES)
        if self.layers is not None:
            if not isinstance(self.layers, tuple):
                raise TypeError(f"layers must be a tuple of layer numbers or None, got {self.layers!r}")
            for layer in self.layers:
                count("layers", layer, least=0)

    def __call__(self, site: str, layer: int, value: Tensor) -> Tensor:
        """The value to go on with."""
        acts = site == self.site and (self.layers is None or layer in self.layers)
        return self.change(value) if acts else value


@dataclass(frozen=True)
class Chain:
    """Several edits, each acting on what the one before it left."""

    edits: tuple[Edit, ...]

    @property
    def layers(self) -> Layers:
        """All layers that an edit names."""
        return tuple(i for edit in self.edits for i in getattr(edit, "layers", None) or ())

    def __call__(self, site: str, layer: int, value: Tensor) -> Tensor:
        """The value to go on with."""
        for edit in self.edits:
            value = edit(site, layer, value)
        return value


def zero_attention(layers: Layers = None) -> Intervention:
    """All weights 0: the attention returns nothing."""
    return Intervention("weights", torch.zeros_like, layers)


def remove_mlp(layers: Layers = None) -> Intervention:
    """The MLP returns nothing; the residual stream stays."""
    return Intervention("mlp", torch.zeros_like, layers)


def identity_attention(layers: Layers = None) -> Intervention:
    """Every query attends to itself alone."""

    def change(weights: Tensor) -> Tensor:
        return torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device).expand_as(weights)

    return Intervention("weights", change, layers)


def ideal_pattern(copying: Tensor, layers: Layers = None) -> Intervention:
    """Rows of copying queries, bool (b, t), one-hot at the previous position; all other rows one-hot at position 0."""
    return Intervention("weights", lambda weights: _ideal(copying, weights), layers)


def ideal_copying_rows(copying: Tensor, layers: Layers = None) -> Intervention:
    """Rows of copying queries, bool (b, t), one-hot at the previous position; all other rows as the model has them."""

    def change(weights: Tensor) -> Tensor:
        return torch.where(copying[:, None, :, None], _ideal(copying, weights), weights)

    return Intervention("weights", change, layers)


def zero_first_value(layers: Layers = None) -> Intervention:
    """The value state of position 0 is 0 in every head."""
    return Intervention("values", _without_first, layers)


def zero_first_mlp_input(layers: Layers = None) -> Intervention:
    """What enters the MLP at position 0 is 0."""
    return Intervention("mlp_input", _without_first, layers)


def _ideal(copying: Tensor, weights: Tensor) -> Tensor:
    position = torch.arange(weights.shape[-1], device=weights.device)
    attended = torch.where(copying, (position - 1).clamp(min=0), 0)
    return (attended[:, None, :, None] == position).to(weights.dtype).expand_as(weights)


def _without_first(x: Tensor) -> Tensor:
    """x (..., t, d) with 0 at position 0."""
    first = torch.arange(x.shape[-2], device=x.device)[:, None] == 0
    return torch.where(first, 0.0, x)
