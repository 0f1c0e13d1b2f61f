"""A transformer for one replica, with everything a measure may ask for and a switch for everything to be taken away."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.simulator.attention import ATTENTION, Attention, Shapes
from toy_tasks.simulator.block import REMOVABLE, Block, Edit, Layer, Params, check_layers, layer_norm, unchanged
from toy_tasks.task import Batch
from toy_tasks.validation import choice, count


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

    attention   "softmax", "relu", "sigmoid", "clipped", "off_by_one", "key_bias", "gated", or an `Attention`.
    norm        "pre", or "post": h = LN(h + Attention(h)), h = LN(h + MLP(h)). The final LayerNorm is there in both.
    activation  "relu", or "linear" for a linear MLP.
    without     what to remove: "0.attention", "0.mlp" (each with its LayerNorm), "0.norm1", "0.norm2", of any layer,
                and "norm", the final one. A layer without attention reports weights and values of 0.
    frozen      parameters that keep their initial values in `simulate`, by name or by what their names begin with:
                "token", "0.value", "0.norm1", "0" for all of block 0.

    Parameters that a variant shares with the default network start at the same numbers.
    """

    layers: int = 1
    width: int = 64
    heads: int = 1
    mlp: int | None = None
    attention: str | Attention = "softmax"
    vocabulary: int | None = None
    length: int | None = None
    norm: str = "pre"
    activation: str = "relu"
    without: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads"):
            count(name, getattr(self, name))
        for name in ("mlp", "vocabulary", "length"):
            if getattr(self, name) is not None:
                count(name, getattr(self, name))
        if self.width % self.heads:
            raise ValueError(f"heads must divide width {self.width}, got {self.heads}")
        if not isinstance(self.attention, Attention):
            choice("attention", self.attention, ATTENTION)
        choice("norm", self.norm, ("pre", "post"))
        choice("activation", self.activation, ("relu", "linear"))
        for removed in _names("without", self.without):
            choice("without", removed, ("norm", *(f"{i}.{part}" for i in range(self.layers) for part in REMOVABLE)))
        for kept in _names("frozen", self.frozen):
            if not self._beginning_with(kept):
                raise ValueError(f"frozen must name parameters or blocks of this model, got {kept!r}")
        if len(self.frozen_names) == len(self._numbered(1, 1)):
            raise ValueError(f"frozen must leave a parameter to train, got {self.frozen!r}")

    def sized_for(self, task: Any) -> Transformer:
        """This model with the task's vocabulary and length, where they were left open."""
        vocabulary = self.vocabulary if self.vocabulary is not None else task.vocabulary
        return replace(self, vocabulary=vocabulary, length=self.length if self.length is not None else task.length)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every layer's formula."""
        attention = self.attention if isinstance(self.attention, Attention) else ATTENTION[self.attention]()
        mlp = self.mlp or 4 * self.width
        gone = [
            frozenset(w.partition(".")[2] for w in self.without if w.startswith(f"{i}.")) for i in range(self.layers)
        ]
        return tuple(
            Block(i, self.width, self.heads, mlp, attention, self.norm, self.activation, gone[i])
            for i in range(self.layers)
        )

    @property
    def frozen_names(self) -> frozenset[str]:
        """Names of the parameters that keep their initial values."""
        return frozenset(name for kept in self.frozen for name in self._beginning_with(kept))

    def _beginning_with(self, start: str) -> list[str]:
        return [name for name in self._numbered(1, 1) if f"{name}.".startswith(f"{start}.")]

    def shapes(self) -> Shapes:
        """Parameter names and shapes."""
        return {name: shape for name, (_, shape) in self._numbered(self.vocabulary, self.length).items()}

    def _numbered(self, vocabulary: int | None, length: int | None) -> dict[str, tuple[int, tuple[int, ...]]]:
        """Number and shape by name. What is removed leaves its numbers unused; what a variant adds comes last."""
        if vocabulary is None or length is None:
            raise ValueError("vocabulary and length must be given, or taken from a task with sized_for(task)")
        d, size = self.width, self.width // self.heads
        every: dict[str, tuple[tuple[int, ...], bool]] = {
            "token": ((vocabulary, d), True),
            "position": ((length, d), True),
        }
        for i, block in enumerate(self.blocks):
            every |= {f"{i}.{k}": (shape, block.has(k)) for k, shape in block.shapes().items()}
        every |= {f"norm.{k}": ((d,), "norm" not in self.without) for k in ("scale", "shift")}
        every |= {"readout": ((vocabulary, d), True)}
        for i, block in enumerate(self.blocks):
            own = block.attention.shapes(self.heads, size)
            every |= {f"{i}.{k}": (shape, block.has(k)) for k, shape in own.items()}
        return {name: (number, shape) for number, (name, (shape, used)) in enumerate(every.items()) if used}

    def init(self, key: Key) -> Params:
        """Initial parameters in float64; parameter number n draws from split n of the key."""
        params = {}
        constants = {"scale": 1.0, "shift": 0.0} | self.blocks[0].attention.constants()
        for name, (number, shape) in self._numbered(self.vocabulary, self.length).items():
            kind = name.rpartition(".")[2]
            if kind in constants:
                ones = torch.ones(key.seed.shape + shape, dtype=torch.float64, device=key.seed.device)
                params[name] = ones * constants[kind]
            elif kind in ("token", "position"):
                params[name] = key.split(number).normal(*shape)
            else:
                params[name] = (2 * key.split(number).uniform(*shape) - 1) / math.sqrt(shape[-1])
        return params

    def forward(self, params: Params, tokens: Tensor, edit: Edit = unchanged) -> Forward:
        """All of it, for tokens (b, t) of one replica.

        `edit` (site, layer, value) -> value sees, and may replace, what each site computes; see `interventions`.
        """
        check_layers(edit, self.layers)
        h = params["token"][tokens] + params["position"][: tokens.shape[-1]]
        layers = []
        for i, block in enumerate(self.blocks):
            own = {name.removeprefix(f"{i}."): p for name, p in params.items() if name.startswith(f"{i}.")}
            layer = block.forward(own, h, edit)
            layers.append(layer)
            h = layer.output
        if "norm" not in self.without:
            h = edit("norm", self.layers, layer_norm(params, "norm", h))
        return Forward(h @ params["readout"].T, tuple(layers))

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of `targets` given `tokens`, over batch and positions, in nats."""
        logits = self.forward(params, batch["tokens"]).logits
        return F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())


def _names(argument: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{argument} must be a tuple of names, got {value!r}")
    return value
