"""Token selection: n sequences of T tokens, one query each, and a head that makes some tokens worth more than others.

    output f_i(W) = h(X_i^T softmax(X_i W z_i)),  loss mean_i l(Y_i f_i(W))

over a batch of problems at once, the leading axis r of every tensor. Nothing here trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from toy_tasks.token_selection.heads import Head
from toy_tasks.validation import finite_tensor, index_tensor, one_dtype

SUPPORT_TOLERANCE = 1e-6  # a token whose margin exceeds 1 by less is a neighbour


@dataclass(frozen=True, eq=False)
class SelectionProblems:
    """A batch of r problems.

    tokens   X, (r, n, T, d) with T >= 2.
    queries  z, (r, n, e), none of them zero. Self-attention: `tokens[..., 0, :]`; a trainable prompt: ones (r, n, 1).
    labels   Y, (r, n) of -1 and 1.
    head     h, with r entries.
    Weights are W (r, d, e). All tensors have one floating dtype, are finite, and are kept in float64.
    """

    tokens: Tensor
    queries: Tensor
    labels: Tensor
    head: Head

    def __post_init__(self) -> None:
        tokens, queries = finite_tensor("tokens", self.tokens, 4), finite_tensor("queries", self.queries, 3)
        labels = finite_tensor("labels", self.labels, 2)
        one_dtype(tokens=self.tokens, queries=self.queries, labels=self.labels)
        r, n, length, _ = tokens.shape
        if length < 2:
            raise ValueError(f"tokens must have shape (r, n, T, d) with T >= 2, got shape {tuple(tokens.shape)}")
        for name, value in (("queries", queries), ("labels", labels)):
            if value.shape[:2] != (r, n):
                raise ValueError(f"{name} must have leading shape {(r, n)} as tokens, got shape {tuple(value.shape)}")
        if (queries == 0).all(dim=-1).any():
            raise ValueError("queries must not be zero: a zero query attends to every token alike, got a zero vector")
        if (labels.abs() != 1).any():
            raise ValueError(f"labels must be -1 or 1, got {labels[labels.abs() != 1][0].item()}")
        for name, value in {"tokens": tokens, "queries": queries, "labels": labels}.items():
            object.__setattr__(self, name, value)
        try:
            worth = self.head.of(tokens)
        except RuntimeError as error:
            raise ValueError(f"head must fit tokens of shape {tuple(tokens.shape)}, got {self.head!r}") from error
        if worth.shape != (r, n, length):
            raise ValueError(f"head must fit tokens of shape {tuple(tokens.shape)}, got {self.head!r}")

    @property
    def problems(self) -> int:
        """r, the number of problems."""
        return self.tokens.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(d, e), the shape of one problem's weights."""
        return self.tokens.shape[-1], self.queries.shape[-1]

    def scores(self) -> Tensor:
        """Y_i h(x_it), (r, n, T): what a sequence gains by attending to one token alone."""
        return self.labels[..., None] * self.head.of(self.tokens)

    def optimal(self) -> Tensor:
        """The token of the largest score, (r, n)."""
        return self.scores().argmax(dim=-1)

    def logits(self, weights: Tensor) -> Tensor:
        """X_i W z_i, (r, n, T), for weights (r, d, e)."""
        weights = self._weights("weights", weights)
        return (self.tokens @ (self.queries @ weights.mT)[..., None])[..., 0]

    def margins(self, selected: Tensor, weights: Tensor) -> Tensor:
        """(x_{i,alpha_i} - x_it)^T W z_i for alpha = `selected` (r, n): (r, n, T), 0 at the selected token."""
        logits, selected = self.logits(weights), self._selected(selected)
        return logits.gather(-1, selected[..., None]) - logits

    def neighbours(self, selected: Tensor, solution: Tensor, tolerance: float = SUPPORT_TOLERANCE) -> Tensor:
        """The tokens of margin at most 1 + tolerance, (r, n, T) boolean, without the selected ones.

        `solution` (r, d, e) is the max-margin weights of that selection: the support of its program.
        """
        margins = self.margins(selected, solution)
        others = torch.ones_like(margins, dtype=torch.bool).scatter(-1, self._selected(selected)[..., None], False)
        return others & (margins <= 1 + tolerance)

    def locally_optimal(self, selected: Tensor, solution: Tensor, tolerance: float = SUPPORT_TOLERANCE) -> Tensor:
        """Whether every selected token scores higher than all its neighbours, (r,) boolean."""
        scores = self.scores()
        lead = scores.gather(-1, self._selected(selected)[..., None]) - scores
        return ~(self.neighbours(selected, solution, tolerance) & (lead <= 0)).flatten(1).any(dim=-1)

    def take(self, which: Tensor) -> SelectionProblems:
        """The problems that a boolean or index tensor picks."""
        return self._mapped(lambda tensor: tensor[which])

    def to(self, device: torch.device | str) -> SelectionProblems:
        """The same on another device."""
        return self._mapped(lambda tensor: tensor.to(device))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> SelectionProblems:
        own = {name: change(getattr(self, name)) for name in ("tokens", "queries", "labels")}
        head: Any = self.head
        return SelectionProblems(head=replace(head, **{k: change(v) for k, v in vars(head).items()}), **own)

    def _weights(self, name: str, value: Tensor) -> Tensor:
        expected = (self.problems, *self.shape)
        if value.shape != expected:
            raise ValueError(f"{name} must have shape {expected}, got shape {tuple(value.shape)}")
        return value.to(torch.float64)

    def _selected(self, value: Tensor) -> Tensor:
        return index_tensor("selected", value, tuple(self.labels.shape), below=self.tokens.shape[-2])
