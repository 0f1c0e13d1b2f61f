"""The simplified one-layer model of Bigram-Backcopy: an attention that can do two things only, and an MLP.

Its attention pattern, its value states and its MLP are the parts of which the reduced theory speaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.simulator.attention import Shapes
from toy_tasks.simulator.block import Edit, Layer, Params, causal, check_layers, unchanged
from toy_tasks.simulator.transformer import Forward
from toy_tasks.task import Batch
from toy_tasks.validation import count

VECTORS = ("sink_value", "value", "sink_logit", "copy_logit")


@dataclass(frozen=True)
class SimplifiedModel:
    """logits_i = sum_j softmax(s_i)_j v_j + W_2 relu(W_1 e_{x_i}), on one-hot tokens and without a residual stream.

    s_ij        query on a trigger t: copy_logit[t] at the previous position, else 0;
                any other query w: sink_logit[w] at position 0, else 0.
    v_j         sink_value at position 0 (W_o sink_value with `output`), value[k] e_k where x_j = k elsewhere.

    The four vectors (v,) start at N(0, 1); W_1 `up` (mlp, v), W_2 `down` (v, mlp) and W_o `output` (v, v) at
    U(+-1/sqrt(fan_in)). Which tokens are triggers is given, or taken with `vocabulary` from the task; without
    triggers every query can only look at position 0.
    """

    mlp: int = 128
    output: bool = False
    vocabulary: int | None = None
    triggers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        count("mlp", self.mlp)
        if not isinstance(self.output, bool):
            raise TypeError(f"output must be True or False, got {self.output!r}")
        if self.vocabulary is not None:
            count("vocabulary", self.vocabulary)
        if self.triggers is not None:
            if not isinstance(self.triggers, tuple):
                raise TypeError(f"triggers must be a tuple of token ids, got {self.triggers!r}")
            for k in self.triggers:
                if count("triggers", k, least=0) >= (self.vocabulary or math.inf):
                    raise ValueError(f"triggers must be below vocabulary {self.vocabulary}, got {k}")

    def sized_for(self, task: Any) -> SimplifiedModel:
        """This model with the task's vocabulary and triggers, where they were left open."""
        vocabulary = self.vocabulary if self.vocabulary is not None else task.vocabulary
        return replace(
            self, vocabulary=vocabulary, triggers=self.triggers if self.triggers is not None else task.trigger_ids
        )

    def shapes(self) -> Shapes:
        """Parameter names and shapes, in the order that keys their initial values."""
        if self.vocabulary is None or self.triggers is None:
            raise ValueError("vocabulary and triggers must be given, or taken from a task with sized_for(task)")
        v = self.vocabulary
        shapes: Shapes = dict.fromkeys(VECTORS, (v,)) | {"up": (self.mlp, v), "down": (v, self.mlp)}
        return shapes | ({"output": (v, v)} if self.output else {})

    def init(self, key: Key) -> Params:
        """Initial parameters in float64; parameter number n draws from split n of the key."""
        return {
            name: key.split(n).normal(*shape)
            if name in VECTORS
            else (2 * key.split(n).uniform(*shape) - 1) / math.sqrt(shape[-1])
            for n, (name, shape) in enumerate(self.shapes().items())
        }

    def forward(self, params: Params, tokens: Tensor, edit: Edit = unchanged) -> Forward:
        """All of it, for tokens (b, t) of one replica; one layer of one head, whose `output` are the logits.

        `edit` (site, layer, value) -> value works as in `Transformer`; there are no LayerNorms.
        """
        check_layers(edit, 1)
        one_hot = (tokens[..., None] == torch.arange(self.vocabulary or 0, device=tokens.device)).to(params["up"].dtype)
        first = torch.arange(tokens.shape[-1], device=tokens.device)[:, None] == 0
        sink_value = params["output"] @ params["sink_value"] if self.output else params["sink_value"]
        values = edit("values", 0, torch.where(first, sink_value, one_hot * params["value"])[:, None])
        scores = self._scores(params, tokens)
        weights = edit("weights", 0, torch.softmax(scores, dim=-1))
        attended = edit("attention", 0, (weights @ values)[:, 0])
        hidden = torch.relu(edit("mlp_input", 0, one_hot) @ params["up"].T)
        logits = edit("output", 0, attended + edit("mlp", 0, hidden @ params["down"].T))
        return Forward(logits, (Layer(scores, weights, values[:, 0], logits),))

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of `targets` given `tokens`, over batch and positions, in nats."""
        logits = self.forward(params, batch["tokens"]).logits
        return F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())

    def _scores(self, params: Params, tokens: Tensor) -> Tensor:
        """(b, 1, t, t), -inf at later keys. A trigger at position 0 has no previous key and scores 0."""
        copying = torch.zeros_like(tokens, dtype=torch.bool)
        for k in self.triggers or ():
            copying = copying | (tokens == k)
        position = torch.arange(tokens.shape[-1], device=tokens.device)
        is_previous = position == position[:, None] - 1
        to_previous = params["copy_logit"][tokens][..., None] * is_previous
        to_first = params["sink_logit"][tokens][..., None] * (position == 0)
        return causal(torch.where(copying[..., None], to_previous, to_first)[:, None])
