"""The attention-only network of Reddy 2024: two attention layers, then an MLP that classifies the last token."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.task import Batch
from toy_tasks.validation import choice, count

Params = dict[str, Tensor]
Pattern = Literal["trained", "perfect"]


class Heads(NamedTuple):
    """Attention patterns: layer 1 (b, T, T), and layer 2 of the target (b, T)."""

    first: Tensor
    target: Tensor


@dataclass(frozen=True)
class AttentionOnlyClassifier:
    """Two causal single-head layers h <- h + softmax(q . k) V h, three ReLU layers and a linear read-out of the target.

    No scaling, no normalisation, no output projection; each MLP layer has one bias shared by its units. Initial entries
    are normal with variance 1/D for Q, K, V, 2/E for the MLP, 1/E for its biases and the read-out.

    Only the last token is read, so layer 2 and the MLP are evaluated there alone; `everywhere` evaluates all tokens and
    gives the same loss at more than twice the cost, to measure and test that. `previous_token` and `induction` clamp
    attention to its perfect pattern: of layer 1 from labels to their items, of layer 2 from the target to the labels of
    its own class (where there is one).
    """

    labels: int | None = None
    width: int | None = None
    dimension: int | None = None
    previous_token: Pattern = "trained"
    induction: Pattern = "trained"
    everywhere: bool = False

    def __post_init__(self) -> None:
        for name in ("labels", "width", "dimension"):
            if getattr(self, name) is not None:
                count(name, getattr(self, name))
        for name in ("previous_token", "induction"):
            choice(name, getattr(self, name), ("trained", "perfect"))

    def sized_for(self, task: Any) -> AttentionOnlyClassifier:
        """This model with the sizes of the task, where they were left open."""
        names = ("labels", "width", "dimension")
        return replace(self, **{name: getattr(task, name) for name in names if getattr(self, name) is None})

    def init(self, key: Key) -> Params:
        """Initial parameters in float64; parameter number k draws from split k of the key."""
        if self.labels is None or self.width is None or self.dimension is None:
            raise ValueError("labels, width and dimension must be given, or taken from a task with sized_for(task)")
        e = self.width
        scales: dict[str, tuple[tuple[int, ...], float]]
        scales = {f"{name}{layer}": ((e, e), 1 / self.dimension) for layer in (1, 2) for name in "QKV"}
        scales |= {f"W{layer}": ((e, e), 2 / e) for layer in (1, 2, 3)}
        scales |= {f"b{layer}": ((1,), 1 / e) for layer in (1, 2, 3)}
        scales |= {"readout": ((self.labels, e), 1 / e)}
        return {
            name: math.sqrt(variance) * key.split(k).normal(*shape)
            for k, (name, (shape, variance)) in enumerate(scales.items())
        }

    def logits(self, params: Params, batch: Batch) -> Tensor:
        """(b, L) of the target."""
        return self.run(params, batch)[0]

    def heads(self, params: Params, batch: Batch) -> Heads:
        """Where both layers look."""
        return self.run(params, batch)[1]

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of the target's label in nats."""
        return F.cross_entropy(self.logits(params, batch), batch["target"])

    def run(self, params: Params, batch: Batch) -> tuple[Tensor, Heads]:
        """Logits (b, L) and attention patterns."""
        x = batch["inputs"].to(params["Q1"].dtype)
        # q_i . k_j = x_i (Q^T K) x_j: one product with the tokens in place of two
        first = self._clamp_first(_causal(x @ (params["Q1"].T @ params["K1"]) @ x.mT))
        h = x + (first @ x) @ params["V1"].T
        if self.everywhere:
            second = _causal(h @ params["Q2"].T @ (h @ params["K2"].T).mT)
            second = torch.cat([second[:, :-1], self._clamp_target(second[:, -1], batch)[:, None]], dim=1)
            h, target = h + second @ (h @ params["V2"].T), second[:, -1]
        else:
            query = h[:, -1] @ (params["Q2"].T @ params["K2"])
            target = self._clamp_target(torch.softmax((h @ query[..., None]).squeeze(-1), dim=-1), batch)
            h = h[:, -1] + (target[:, None] @ h).squeeze(1) @ params["V2"].T
        for layer in "123":
            h = torch.relu(h @ params[f"W{layer}"].T + params[f"b{layer}"])
        logits = h @ params["readout"].T
        return logits[:, -1] if self.everywhere else logits, Heads(first, target)

    def _clamp_first(self, attention: Tensor) -> Tensor:
        if self.previous_token == "trained":
            return attention
        places = torch.arange(attention.shape[-1], device=attention.device)
        perfect = (places[:, None] - 1 == places).to(attention.dtype)
        return torch.where((places % 2 == 1)[:, None], perfect, attention)

    def _clamp_target(self, attention: Tensor, batch: Batch) -> Tensor:
        if self.induction == "trained":
            return attention
        own = torch.zeros_like(attention)
        own[:, 1::2] = batch["own"].to(attention.dtype)
        copies = own.sum(dim=-1, keepdim=True)
        return torch.where(copies > 0, own / copies.clamp(min=1), attention)


def _causal(scores: Tensor) -> Tensor:
    """Softmax over the tokens up to and including oneself."""
    size = scores.shape[-1]
    hidden = torch.ones(size, size, dtype=torch.bool, device=scores.device).triu(1)
    return torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1)
