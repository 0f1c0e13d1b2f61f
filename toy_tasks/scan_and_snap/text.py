"""Windows of a real text for the count model: the reference text that every Python carries, `pydoc_data.topics`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toy_tasks.randomness import DeviceConstant, Key
from toy_tasks.scan_and_snap.model import CountModel
from toy_tasks.task import Batch
from toy_tasks.validation import count, number

UNKNOWN = "<unk>"


@dataclass(frozen=True, eq=False)
class TextWindows:
    """`length` tokens in a row and the one after them, from anywhere in a text; the last of the `length` is the query.

    ids       token ids of the text in 0..M-1, one-dimensional, longer than `length`.
    symbols   what each of the M ids stands for.
    All ids can be contextual tokens, queries and next tokens; see `ScanAndSnap` for the batches.
    """

    ids: np.ndarray
    symbols: tuple[str, ...]
    length: int = 64

    def __post_init__(self) -> None:
        count("length", self.length, least=2)
        ids = np.array(self.ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise TypeError(f"ids must be a one-dimensional array of integers, got {self.ids!r}")
        if len(ids) <= self.length:
            raise ValueError(f"ids must be longer than length {self.length}, got {len(ids)} of them")
        if ids.min() < 0 or ids.max() >= len(self.symbols):
            raise ValueError(f"ids must be in 0..{len(self.symbols) - 1}, got {ids.min()}..{ids.max()}")
        ids.setflags(write=False)
        object.__setattr__(self, "ids", ids)

    @classmethod
    def of(cls, text: str, types: int = 1000, length: int = 64) -> TextWindows:
        """The lower-cased words and punctuation marks of a text: its `types` most frequent ones and `<unk>`, id 0."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {text!r}")
        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        # ties by alphabet, so that ids do not depend on the order of the text
        ranked = sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))[: count("types", types)]
        symbols = (UNKNOWN, *(token for token, _ in ranked))
        number_of = {token: k for k, token in enumerate(symbols)}
        return cls(np.array([number_of.get(token, 0) for token in tokens], dtype=np.int64), symbols, length)

    @classmethod
    def pydoc(cls, types: int = 1000, length: int = 64) -> TextWindows:
        """The help topics of the running Python in the order of their names; they differ between Python versions."""
        from pydoc_data.topics import topics

        return cls.of("\n".join(topics[name] for name in sorted(topics)), types, length)

    def split(self, fraction: float = 0.9) -> tuple[TextWindows, TextWindows]:
        """The first part of the text and the rest of it, to train on one and to evaluate on the other."""
        share = number("fraction", fraction, low=0, high=1, open_low=True)
        if not isinstance(share, float):
            raise TypeError(f"fraction must be one number, got {fraction!r}")
        at = round(share * len(self.ids))
        first, rest = (TextWindows(ids, self.symbols, self.length) for ids in (self.ids[:at], self.ids[at:]))
        return first, rest

    @property
    def vocabulary(self) -> int:
        """M, the number of token ids."""
        return len(self.symbols)

    @property
    def contextual(self) -> int:
        """Every token can occur before the query."""
        return self.vocabulary

    @property
    def queries(self) -> int:
        """Every token can be the query."""
        return self.vocabulary

    @cached_property
    def _ids(self) -> DeviceConstant:
        return DeviceConstant(torch.tensor(self.ids, dtype=torch.int64))

    def windows(self, starts: Tensor) -> Batch:
        """`counts` (..., M) of the tokens before the query, `query` (...), `target` (...) of windows at `starts`."""
        positions = starts[..., None] + torch.arange(self.length + 1, device=starts.device)
        tokens = self._ids.on(starts.device)[positions]
        context = tokens[..., : self.length - 1]
        counts = context.new_zeros(*starts.shape, self.vocabulary)
        counts = counts.scatter_add(-1, context, torch.ones_like(context))
        return {"counts": counts, "query": tokens[..., -2], "target": tokens[..., -1]}

    def sample(self, key: Key, batch: int) -> Batch:
        """Windows at independent uniform places: `counts` int64 (..., batch, M), `query`, `target` (..., batch)."""
        return self.windows(key.integers(count("batch", batch)) * (len(self.ids) - self.length) >> 31)


@dataclass(frozen=True, eq=False)
class TextMeasures:
    """Measures of one replica on windows: `loss` in nats and `entropy`, the mean entropy of the attention in nats.

    The attention of a sequence is over its T - 1 places before the query: its entropy is ln(T - 1) when Z = 0.
    `held_out` is a batch without replica axis to measure on, instead of the evaluation batch.
    """

    model: CountModel
    held_out: Any = None

    def __call__(self, params: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Scalars by name, for one replica."""
        batch = self.held_out or batch
        c = self.model.attention(params, batch)
        each = c / batch["counts"].clamp(min=1)  # every occurrence of a token gets the same weight
        return {
            "loss": self.model.loss(params, batch),
            "entropy": -torch.special.xlogy(c, each).sum(dim=-1).mean(),
        }
