"""Objects with a key, a colour and a size in numbered slots, and one attention layer that is asked about them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.randomness import Key
from toy_tasks.task import Batch

QUESTIONS = ("key: colour", "key: size", "slot: colour")
"""What is given of the object, and what is asked."""


@dataclass(frozen=True)
class Objects:
    """`objects` of distinct keys among `keys`, one in each slot; colours and sizes uniform among `values` each."""

    objects: int = 8
    keys: int = 16
    values: int = 8

    def sample(self, key: Key, batch: int) -> Batch:
        """`key`, `colour`, `size` (..., batch, objects) and the asked slot (..., batch, questions)."""
        order = key.split(0).uniform(batch, self.keys).argsort(dim=-1)
        values = key.split(1).integers(batch, 2, self.objects) % self.values
        asked = key.split(2).integers(batch, len(QUESTIONS)) % self.objects
        return {
            "key": order[..., : self.objects],
            "colour": values[..., 0, :],
            "size": values[..., 1, :],
            "asked": asked,
        }


@dataclass(frozen=True)
class ObjectReader:
    """Objects embed as sums of tables for key, colour, size and slot; `heads` of width / heads channels attend to them.

    Each of the first `questions` questions has its own table of queries and its own read-out; the heads are shared.
    """

    task: Objects
    width: int = 24
    heads: int = 6
    questions: int = 3

    def init(self, key: Key) -> dict[str, Tensor]:
        """N(0, 1) tables and N(0, 1 / width) maps."""
        sizes = {"key": self.task.keys, "colour": self.task.values, "size": self.task.values, "slot": self.task.objects}
        asked = (self.task.keys, self.task.keys, self.task.objects)
        shapes = {name: (size, self.width) for name, size in sizes.items()}
        shapes |= {f"ask{q}": (asked[q], self.width) for q in range(self.questions)}
        shapes |= {f"read{q}": (self.width, self.task.values) for q in range(self.questions)}
        shapes |= {f"map_{name}": (self.width, self.width) for name in ("query", "key", "value", "out")}
        drawn = {name: key.split(i).normal(*shape) for i, (name, shape) in enumerate(shapes.items())}
        maps = [name for name in drawn if name.startswith(("map", "read"))]
        return drawn | {name: drawn[name] / self.width**0.5 for name in maps}

    def answer(self, params: dict[str, Tensor], batch: Batch, question: int) -> tuple[Tensor, Tensor]:
        """Logits (b, values) and attention (b, heads, objects) for one question."""
        x = sum(params[name][batch[name]] for name in ("key", "colour", "size")) + params["slot"]
        asked = batch["asked"][:, question]
        given = asked if question == 2 else batch["key"].gather(-1, asked[:, None]).squeeze(-1)
        query = params[f"ask{question}"][given]
        query, key, value = (
            (t @ params[f"map_{name}"]).unflatten(-1, (self.heads, -1))
            for name, t in (("query", query), ("key", x), ("value", x))
        )
        scores = (query[:, None] * key).sum(dim=-1) / (self.width / self.heads) ** 0.5  # (b, objects, heads)
        weights = torch.softmax(scores, dim=1)
        mixed = (weights[..., None] * value).sum(dim=1).flatten(-2)
        return mixed @ params["map_out"] @ params[f"read{question}"], weights.transpose(1, 2)

    def wanted(self, batch: Batch, question: int) -> Tensor:
        """The right answers (b,)."""
        asked = batch["asked"][:, question, None]
        return batch["size" if question == 1 else "colour"].gather(-1, asked).squeeze(-1)

    def loss(self, params: dict[str, Tensor], batch: Batch) -> Tensor:
        """Mean cross-entropy over questions."""
        losses = [
            F.cross_entropy(self.answer(params, batch, q)[0], self.wanted(batch, q)) for q in range(self.questions)
        ]
        return torch.stack(losses).mean()

    def measures(self, params: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """`accuracy` (questions,) and `mass` (questions, heads): mean attention of each head on the asked object."""
        accuracy, mass = [], []
        for question in range(self.questions):
            logits, weights = self.answer(params, batch, question)
            accuracy.append((logits.argmax(dim=-1) == self.wanted(batch, question)).to(logits.dtype).mean())
            asked = batch["asked"][:, question, None, None].expand(-1, self.heads, 1)
            mass.append(weights.gather(-1, asked).squeeze(-1).mean(dim=0))
        return {"accuracy": torch.stack(accuracy), "mass": torch.stack(mass)}
