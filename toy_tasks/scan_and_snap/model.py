"""The one-layer model of Scan and Snap, on token counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.task import Batch
from toy_tasks.validation import count, number

Params = dict[str, Tensor]
Number = Any  # a float, or an array with one value per replica; inside the formulas always a scalar


@dataclass(frozen=True, eq=False)
class CountModel:
    """logits = Y^T f, f = c / |c|_2, c_l = N_l e^{z_l} / sum_l' N_l' e^{z_l'}, z being the query's row of Z.

    There are no positions and the query does not see itself, so that a sequence matters through its counts N alone: a
    step costs O(batch L M). Parameters: decoder `Y` (L, M) and attention `Z` (Q, L), the entries that can move of the
    M x M matrices of the paper (rows Y_l of contextual tokens l; Z_ml of queries m). Both start at
    spread U(+-1/sqrt(M)): zero, or with spread 1 as `torch.nn.Linear`.
    """

    spread: Number = 0.0
    vocabulary: int | None = None
    contextual: int | None = None
    queries: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "spread", number("spread", self.spread, low=0))
        for name in ("vocabulary", "contextual", "queries"):
            if getattr(self, name) is not None:
                count(name, getattr(self, name))

    def sized_for(self, task: Any) -> CountModel:
        """This model with the sizes of the task, where they were left open."""
        names = ("vocabulary", "contextual", "queries")
        return replace(self, **{name: getattr(task, name) for name in names if getattr(self, name) is None})

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Parameter names and shapes, in the order that keys their initial values."""
        if self.vocabulary is None or self.contextual is None or self.queries is None:
            raise ValueError(
                "vocabulary, contextual and queries must be given, or taken from a task with sized_for(task)"
            )
        return {"Y": (self.contextual, self.vocabulary), "Z": (self.queries, self.contextual)}

    def init(self, key: Key) -> Params:
        """Initial parameters in float64; parameter number k draws from split k of the key."""
        shapes = self.shapes()
        bound = self.spread / math.sqrt(shapes["Y"][1])
        return {name: bound * (2 * key.split(k).uniform(*shape) - 1) for k, (name, shape) in enumerate(shapes.items())}

    def attention(self, params: Params, batch: Batch) -> Tensor:
        """c (b, L) for `counts` (b, L) and `query` (b,): the attention on all occurrences of each token together."""
        z = params["Z"][batch["query"]]
        return torch.softmax(z + batch["counts"].to(z.dtype).log(), dim=-1)

    def features(self, params: Params, batch: Batch) -> Tensor:
        """f (b, L), nonnegative rows of length 1."""
        c = self.attention(params, batch)
        return c * torch.rsqrt((c * c).sum(dim=-1, keepdim=True))

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """Mean cross-entropy of `target` (b,) over the whole vocabulary, in nats."""
        return F.cross_entropy(self.features(params, batch) @ params["Y"], batch["target"])
