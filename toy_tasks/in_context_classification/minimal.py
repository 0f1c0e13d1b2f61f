"""An induction head of three numbers and a linear read-out: small enough for its training to be an equation.

Our reconstruction; Reddy 2024 describes a network of as few attention parameters with a deep classifier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.in_context_classification.classifier import Heads
from toy_tasks.randomness import Key
from toy_tasks.task import Batch
from toy_tasks.validation import choice, count

Params = dict[str, Tensor]


@dataclass(frozen=True)
class MinimalInductionHead:
    """Works on contents x_j alone. Layer 1: logit `previous` on a token's predecessor, 0 on the other visible ones;
    buffer b_i the attended content. Layer 2, target: logits `induction` x_target . b_j + `label` [j is a label].
    Output the attended content o; logits `readout` (L, D) o. Everything starts at 0.

    `attend`: "labels" only (no parameter `label`), "all" tokens, or "all_alike" ("all" with `label` fixed at 0).
    """

    attend: Literal["labels", "all", "all_alike"] = "labels"
    labels: int | None = None
    dimension: int | None = None

    def __post_init__(self) -> None:
        choice("attend", self.attend, ("labels", "all", "all_alike"))
        for name in ("labels", "dimension"):
            if getattr(self, name) is not None:
                count(name, getattr(self, name))

    def sized_for(self, task: Any) -> MinimalInductionHead:
        """This model with the sizes of the task, where they were left open."""
        names = ("labels", "dimension")
        return replace(self, **{name: getattr(task, name) for name in names if getattr(self, name) is None})

    def init(self, key: Key) -> Params:
        """Zeros in float64."""
        if self.labels is None or self.dimension is None:
            raise ValueError("labels and dimension must be given, or taken from a task with sized_for(task)")
        shape, device = key.seed.shape, key.seed.device
        scalars = ("previous", "induction", *(["label"] if self.attend == "all" else []))
        params = {name: torch.zeros(shape, dtype=torch.float64, device=device) for name in scalars}
        size = (*shape, self.labels, self.dimension)
        return params | {"readout": torch.zeros(size, dtype=torch.float64, device=device)}

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of the target's label in nats."""
        return F.cross_entropy(self.run(params, batch)[0], batch["target"])

    def run(self, params: Params, batch: Batch) -> tuple[Tensor, Heads]:
        """Logits (b, L) and attention patterns."""
        x = self._contents(params, batch)
        size = x.shape[-2]
        places = torch.arange(size, device=x.device)
        scores = torch.where(places[:, None] - 1 == places, params["previous"], 0.0)
        hidden = places[:, None] < places
        first = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1)
        is_label = (places % 2 == 1).to(x.dtype)
        # x_target . b_j = sum_k A1_jk x_target . x_k: the buffers themselves are never needed
        scores = params["induction"] * ((x @ x[:, -1, :, None]).squeeze(-1) @ first.T)
        if self.attend == "labels":
            scores = scores.masked_fill(is_label == 0, -torch.inf)
        elif self.attend == "all":
            scores = scores + params["label"] * is_label
        target = torch.softmax(scores, dim=-1)
        output = (target[:, None] @ x).squeeze(1)
        return output @ params["readout"].T, Heads(first.expand(len(x), size, size), target)

    def overlap(self, params: Params, embeddings: Tensor) -> Tensor:
        """xi: mean over labels of w_l . mu_l less the mean of w_l . mu_l' for l' != l; embeddings (L, D)."""
        table = params["readout"] @ embeddings.to(params["readout"]).T
        own = table.diagonal().mean()
        others = (table.sum() - table.diagonal().sum()) / (table.numel() - len(table))
        return own - others

    def _contents(self, params: Params, batch: Batch) -> Tensor:
        assert self.dimension is not None
        return batch["inputs"][..., -self.dimension :].to(params["readout"].dtype)
