"""The Bigram-Backcopy process of Guo et al. 2024 and its exact population quantities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from toy_tasks.bigram_backcopy.table import BigramTable
from toy_tasks.randomness import CategoricalRows, DeviceConstant, Key
from toy_tasks.task import Batch
from toy_tasks.validation import count


class Marginals(NamedTuple):
    """Where the chain stands at positions 0..length.

    plain (length + 1, V): probability of standing on a non-trigger token v (or on the begin token).
    copying (length + 1, V): probability of standing on any trigger with v at the position before it.
    """

    plain: np.ndarray
    copying: np.ndarray


@dataclass(frozen=True, eq=False)
class BigramBackcopy:
    """x[0] = <s>; x[1] is a non-trigger by unigram frequency; then x[j] = x[j-2] after a trigger, else a bigram draw.

    triggers    token ids, or a number k for the k most frequent tokens.
    length      number of predicted positions n: inputs are x[0..n-1], targets x[1..n].
    Token ids 0..C-1 are the table's; `begin` = C is the begin token <s>; `vocabulary` = C + 1.
    """

    table: BigramTable
    triggers: int | tuple[int, ...] = 3
    length: int = 64

    def __post_init__(self) -> None:
        unigram = self.table.unigram
        if isinstance(self.triggers, tuple):
            chosen = {count("triggers", k, least=0) for k in self.triggers}
        else:
            number = count("triggers", self.triggers)
            chosen = set(np.argsort(-unigram, kind="stable")[:number].tolist())
        # summing the frequencies would let rounding pass triggers that leave nothing
        if not chosen or max(chosen) >= len(unigram) or not np.delete(unigram, list(chosen)).any():
            raise ValueError(
                f"triggers must be ids in 0..{len(unigram) - 1}, at least one, leaving a non-trigger of positive "
                f"frequency; got {self.triggers!r}"
            )
        object.__setattr__(self, "triggers", tuple(sorted(chosen)))
        object.__setattr__(self, "length", count("length", self.length, least=3))

    @property
    def trigger_ids(self) -> tuple[int, ...]:
        """The ids of the trigger tokens, however they were given."""
        assert isinstance(self.triggers, tuple)
        return self.triggers

    @property
    def begin(self) -> int:
        """The id of the begin token <s>."""
        return len(self.table.symbols)

    @property
    def vocabulary(self) -> int:
        """How many token ids there are, <s> included."""
        return self.begin + 1

    @cached_property
    def next_token(self) -> np.ndarray:
        """(V, V) the law of what follows each non-trigger token; the row of <s> is u restricted to non-triggers."""
        rows = np.zeros((self.vocabulary, self.vocabulary))
        rows[:-1, :-1] = self.table.transition
        rows[self.begin, :-1] = np.where(self.is_trigger[:-1], 0.0, self.table.unigram)
        rows[self.begin] /= rows[self.begin].sum()
        rows.setflags(write=False)
        return rows

    @cached_property
    def is_trigger(self) -> np.ndarray:
        """(V,) bool."""
        return np.isin(np.arange(self.vocabulary), self.trigger_ids)

    @cached_property
    def _rows(self) -> CategoricalRows:
        return CategoricalRows(self.next_token)

    @cached_property
    def _is_trigger(self) -> DeviceConstant:
        return DeviceConstant(torch.from_numpy(self.is_trigger))

    def sequences(self, integers: Tensor) -> Tensor:
        """Token sequences x[0..n] (..., n + 1, b) driven by uniform integers in [0, 2^31) (..., n, b)."""
        is_trigger = self._is_trigger.on(integers.device)
        before = current = torch.full_like(integers[..., 0, :], self.begin)
        tokens = [current]
        for drawn in integers.unbind(dim=-2):
            following = torch.where(is_trigger[current], before, self._rows.draw(current, drawn))
            before, current = current, following
            tokens.append(current)
        return torch.stack(tokens, dim=-2)

    def sample(self, key: Key, batch: int) -> Batch:
        """`tokens` and `targets`, int64 (..., batch, length)."""
        x = self.sequences(key.integers(self.length, count("batch", batch))).transpose(-1, -2)
        return {"tokens": x[..., :-1], "targets": x[..., 1:]}

    # --------------------------------------------------------------------------------- exact population quantities

    def marginals(self) -> Marginals:
        """The law of every position, by forward recursion over the chain."""
        plain = np.zeros((self.length + 1, self.vocabulary))
        copying = np.zeros_like(plain)
        plain[0, self.begin] = 1.0
        to_plain = np.where(self.is_trigger, 0.0, self.next_token)
        to_trigger = self.next_token @ self.is_trigger
        for j in range(self.length):
            plain[j + 1] = plain[j] @ to_plain + copying[j]
            copying[j + 1] = plain[j] * to_trigger
        return Marginals(plain, copying)

    def query_frequency(self) -> np.ndarray:
        """(V,) how often, per sequence position in 0..length-1, a query stands on each non-trigger token or <s>."""
        return self.marginals().plain[:-1].mean(axis=0)

    def entropy(self) -> np.ndarray:
        """(V,) entropy in nats of the oracle's prediction after each non-trigger token; after a trigger it is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(self.next_token > 0, -self.next_token * np.log(self.next_token), 0.0)
        return terms.sum(axis=1)

    def copy_entropy(self) -> float:
        """Mean entropy in nats of the copied token given only its trigger: the least copying risk without attention.

        nan where no trigger can occur.
        """
        before = self.marginals().plain[: self.length - 1].sum(axis=0)  # what stands before a trigger at 1..length-1
        joint = (before[:, None] * self.next_token)[:, list(self.trigger_ids)]
        with np.errstate(divide="ignore", invalid="ignore"):
            surprise = np.where(joint > 0, -joint * np.log(joint / joint.sum(axis=0)), 0.0)
            return float(surprise.sum() / joint.sum())

    def optimal_loss(self) -> float:
        """The least mean cross-entropy over all positions that any predictor can reach, in nats."""
        return float(self.query_frequency() @ self.entropy())
