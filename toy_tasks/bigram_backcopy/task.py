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
from toy_tasks.validation import choice, count


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
    begin_tokens  how many <s> a sequence starts with, 0, 1 or 2; what follows them (or x[0] without any) is the
                non-trigger by unigram frequency.
    Token ids 0..C-1 are the table's; `begin` = C is the begin token <s>; `vocabulary` = C + 1.
    """

    table: BigramTable
    triggers: int | tuple[int, ...] = 3
    length: int = 64
    begin_tokens: int = 1

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
        object.__setattr__(
            self, "begin_tokens", choice("begin_tokens", count("begin_tokens", self.begin_tokens, least=0), (0, 1, 2))
        )

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
        """Token sequences x[0..n] (..., n + 1, b) driven by one uniform integer in [0, 2^31) per token but <s>.

        integers (..., n + 1 - begin_tokens, b).
        """
        before = current = torch.full_like(integers[..., 0, :], self.begin)
        tokens = [current] * self.begin_tokens
        for drawn in integers.unbind(dim=-2):
            before, current = current, self._following(before, current, drawn)
            tokens.append(current)
        return torch.stack(tokens, dim=-2)

    def _following(self, before: Tensor, current: Tensor, drawn: Tensor) -> Tensor:
        """The token after `current`, `before` being the one before it."""
        is_trigger = self._is_trigger.on(drawn.device)
        return torch.where(is_trigger[current], before, self._rows.draw(current, drawn))

    def sample(self, key: Key, batch: int) -> Batch:
        """`tokens` and `targets`, int64 (..., batch, length)."""
        drawn = key.integers(self.length + 1 - self.begin_tokens, count("batch", batch))
        x = self.sequences(drawn).transpose(-1, -2)
        return {"tokens": x[..., :-1], "targets": x[..., 1:]}

    # --------------------------------------------------------------------------------- exact population quantities

    def after_trigger(self) -> np.ndarray:
        """(V, K, V) the law of what follows the k-th of K triggers (axis 1) when v stood before it (axis 0)."""
        size = self.vocabulary
        return np.broadcast_to(np.eye(size)[:, None], (size, len(self.trigger_ids), size))

    def _states(self) -> tuple[np.ndarray, np.ndarray]:
        """The law of every position by forward recursion: on non-triggers (n + 1, V), on triggers (n + 1, V, K).

        The latter together with the token before the trigger.
        """
        triggers, after = list(self.trigger_ids), self.after_trigger()
        steps = self.length + 1 - self.begin_tokens
        plain = np.zeros((steps + 1, self.vocabulary))
        copying = np.zeros((steps + 1, self.vocabulary, len(triggers)))
        plain[0, self.begin] = 1.0
        for j in range(steps):
            followed = np.einsum("vk,vkw->kw", copying[j], after)
            plain[j + 1] = np.where(self.is_trigger, 0.0, plain[j] @ self.next_token + followed.sum(axis=0))
            copying[j + 1] = plain[j][:, None] * self.next_token[:, triggers]
            copying[j + 1, triggers] += followed[:, triggers]
        rows = [0] * self.begin_tokens + list(range(1, steps + 1))
        return plain[rows], copying[rows]

    def marginals(self) -> Marginals:
        """The law of every position."""
        plain, copying = self._states()
        return Marginals(plain, copying.sum(axis=-1))

    def uniform_sink_weight(self) -> float:
        """What uniform attention pays to position 0: the mean of 1 / (i + 1) over non-trigger queries i >= 1."""
        plain = self.marginals().plain[1 : self.length].sum(axis=1)
        return float(plain @ (1.0 / np.arange(2, self.length + 1)) / plain.sum())

    def query_frequency(self) -> np.ndarray:
        """(V,) how often, per sequence position in 0..length-1, a query stands on each non-trigger token or <s>."""
        return self.marginals().plain[:-1].mean(axis=0)

    def entropy(self) -> np.ndarray:
        """(V,) entropy in nats of the oracle's prediction after each non-trigger token."""
        return _entropy(self.next_token)

    def copy_entropy(self) -> float:
        """Least mean risk in nats on trigger queries, seeing the trigger alone (no attention); nan if there are none.

        For `BigramBackcopy` the mean entropy of the copied token given its trigger.
        """
        queries = self._states()[1][: self.length].sum(axis=0)
        followed = np.einsum("vk,vkw->kw", queries, self.after_trigger())
        with np.errstate(divide="ignore", invalid="ignore"):
            surprise = np.where(followed > 0, -followed * np.log(followed / followed.sum(axis=1, keepdims=True)), 0.0)
            return float(surprise.sum() / followed.sum())

    def optimal_loss(self) -> float:
        """The least mean cross-entropy over all positions that any predictor can reach, in nats."""
        plain, copying = self._states()
        drawn = plain[max(self.begin_tokens - 1, 0) : -1]  # that a begin token follows another is no surprise
        total = (drawn @ self.entropy()).sum() + (copying[:-1] * _entropy(self.after_trigger())).sum()
        return float(total / self.length)


def _entropy(rows: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rows > 0, -rows * np.log(rows), 0.0).sum(axis=-1)
