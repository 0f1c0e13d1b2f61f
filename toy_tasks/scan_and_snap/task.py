"""The sequence classes of Tian et al. 2023 (Scan and Snap), and their exact population quantities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from toy_tasks.randomness import DeviceConstant, Key
from toy_tasks.scan_and_snap.multinomial import Multinomial
from toy_tasks.task import Batch
from toy_tasks.validation import count


@dataclass(frozen=True)
class ScanAndSnap:
    """A class n fixes the query psi(n) and the next token; its contextual tokens are independent draws from P(. | n).

    queries, next_per_query   Q queries, each with r possible next tokens: K = Q r classes, n being of query n // r.
    common            tokens that occur in every class.
    common_per_query  tokens that occur in the classes of one query only.
    distinct          tokens of one class only.
    length            tokens T of a sequence, the query included; None is the limit T -> infinity, where frequencies are
                      the law.

    Within a class the weights are 1 for each common token and linspace(0.1, 1) over its distinct tokens. Classes are
    equally likely. Token ids: common, then those of each query, then the distinct ones of each class, then the Q
    queries, then the K next tokens.
    """

    queries: int = 2
    next_per_query: int = 1
    common: int = 10
    common_per_query: int = 0
    distinct: int = 10
    length: int | None = 128

    def __post_init__(self) -> None:
        count("queries", self.queries), count("next_per_query", self.next_per_query)
        for name in ("common", "common_per_query", "distinct"):
            count(name, getattr(self, name), least=0)
        if self.common + self.common_per_query + self.distinct < 1:
            raise ValueError("common, common_per_query and distinct must leave a class a contextual token, got 0, 0, 0")
        if self.length is not None:
            count("length", self.length, least=2)

    @classmethod
    def syn_small(cls, length: int | None = 128) -> ScanAndSnap:
        """Two queries with one next token each (M = 34): the data of the published attention maps."""
        return cls(length=length)

    @classmethod
    def syn_medium(cls, queries: int, length: int | None = 128) -> ScanAndSnap:
        """Two next tokens per query (M = 33, 79, 125, 240 for 1, 3, 5, 10 queries): the published sweeps."""
        return cls(queries, 2, length=length)

    @property
    def classes(self) -> int:
        """K, the number of classes and of next tokens."""
        return self.queries * self.next_per_query

    @property
    def contextual(self) -> int:
        """L, the number of tokens that can occur before the query; their ids are 0..L-1."""
        return self.common + self.queries * self.common_per_query + self.classes * self.distinct

    @property
    def vocabulary(self) -> int:
        """M, the number of token ids."""
        return self.contextual + self.queries + self.classes

    @cached_property
    def query(self) -> np.ndarray:
        """(K,) the query psi(n) of each class, in 0..Q-1; its token id is L + psi(n)."""
        return np.arange(self.classes) // self.next_per_query

    @cached_property
    def target(self) -> np.ndarray:
        """(K,) the token id of each class's next token."""
        return self.contextual + self.queries + np.arange(self.classes)

    @cached_property
    def tokens(self) -> np.ndarray:
        """(K, s) the ids of the contextual tokens of each class, the distinct ones last."""
        n = np.arange(self.classes)[:, None]
        own = self.common + self.query[:, None] * self.common_per_query + np.arange(self.common_per_query)
        first = self.common + self.queries * self.common_per_query + n * self.distinct
        everywhere = np.broadcast_to(np.arange(self.common), (self.classes, self.common))
        return np.concatenate([everywhere, own, first + np.arange(self.distinct)], axis=1)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(s,) of `tokens`: the same in every class."""
        shared = np.ones(self.common + self.common_per_query)
        weights = np.concatenate([shared, np.linspace(0.1, 1, self.distinct)])
        return weights / weights.sum()

    @cached_property
    def law(self) -> np.ndarray:
        """(K, L) P(l | n)."""
        law = np.zeros((self.classes, self.contextual))
        np.put_along_axis(law, self.tokens, self.probabilities[None], axis=1)
        law.setflags(write=False)
        return law

    @cached_property
    def is_distinct(self) -> np.ndarray:
        """(K, L) whether l occurs in class n and in no other."""
        occurs = self.law > 0
        return occurs & (occurs.sum(axis=0) == 1)

    def optimal_loss(self) -> float:
        """The least mean cross-entropy of the next token in nats, given the query and all contextual tokens.

        A single token of one class alone gives the class away; without any the r classes of the query are equally
        likely: P(none)^(T-1) ln r, and 0 in the limit of long sequences when there are such tokens.
        """
        none = float(self.law[0, ~self.is_distinct[0]].sum())
        unseen = none ** (math.inf if self.length is None else self.length - 1) if none < 1 else 1.0
        return unseen * math.log(self.next_per_query)

    @cached_property
    def _counts(self) -> Multinomial:
        assert self.length is not None
        return Multinomial(self.probabilities, self.length - 1)

    @cached_property
    def _tokens(self) -> DeviceConstant:
        """The ids of each class in the order in which counts are drawn."""
        order = self._counts.order if self.length is not None else slice(None)
        return DeviceConstant(torch.from_numpy(self.tokens[:, order]))

    @cached_property
    def _law(self) -> DeviceConstant:
        return DeviceConstant(torch.tensor(self.law))

    def sample(self, key: Key, batch: int) -> Batch:
        """`counts` (..., batch, L) of the T - 1 contextual tokens, `query` (..., batch), `target` (..., batch).

        Counts are int64; without a length they are the law itself, float64.
        """
        size = len(self.probabilities)
        # both words of each pair: one for the class, one less than there are tokens for the counts
        words = torch.cat(key.bits(count("batch", batch), (size + 1) // 2), dim=-1)
        integers = (words & 0x7FFFFFFF).to(torch.int64)
        n = integers[..., 0] * self.classes >> 31
        counts = self._law.on(n.device)[n] if self.length is None else self.counts(n, integers[..., 1:size])
        return {"counts": counts, "query": n // self.next_per_query, "target": self.contextual + self.queries + n}

    def counts(self, n: Tensor, integers: Tensor) -> Tensor:
        """(..., L) counts of sequences of class n (...), driven by uniform integers (..., s - 1) in [0, 2^31)."""
        drawn = self._counts.draw(integers)
        dense = drawn.new_zeros(*n.shape, self.contextual)
        return dense.scatter(-1, self._tokens.on(n.device)[n], drawn)

    def population(self) -> Batch:
        """One example per class with the law for its counts: its mean loss is the exact one for long sequences."""
        return {
            "counts": torch.tensor(self.law),
            "query": torch.from_numpy(self.query),
            "target": torch.from_numpy(self.target),
        }
