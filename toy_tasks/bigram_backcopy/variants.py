"""Relatives of Bigram-Backcopy that differ in what follows a trigger; x[j] below is the token after a trigger x[j-1].

Population quantities come from the same recursion as Bigram-Backcopy's, given the law `after_trigger`. Triggers may
follow each other here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from toy_tasks.bigram_backcopy.task import BigramBackcopy
from toy_tasks.randomness import CategoricalRows, DeviceConstant
from toy_tasks.validation import number


@dataclass(frozen=True, eq=False)
class MarkovChain(BigramBackcopy):
    """x[j] ~ P(. | x[j-1]) always: nothing to copy, and no use for attention."""

    def after_trigger(self) -> np.ndarray:
        """(V, K, V): the trigger's own row, whatever stood before."""
        shape = (self.vocabulary, len(self.trigger_ids), self.vocabulary)
        return np.broadcast_to(self.next_token[list(self.trigger_ids)], shape)

    def _following(self, before: Tensor, current: Tensor, drawn: Tensor) -> Tensor:
        return self._rows.draw(current, drawn)


@dataclass(frozen=True, eq=False)
class DormantCopy(BigramBackcopy):
    """x[j] ~ P(. | x[j-2]) after a trigger: the successor of what would have been copied."""

    def after_trigger(self) -> np.ndarray:
        """(V, K, V): the row of the token before, whichever the trigger."""
        shape = (self.vocabulary, len(self.trigger_ids), self.vocabulary)
        return np.broadcast_to(self.next_token[:, None], shape)

    def _following(self, before: Tensor, current: Tensor, drawn: Tensor) -> Tensor:
        is_trigger = self._is_trigger.on(drawn.device)
        return self._rows.draw(torch.where(is_trigger[current], before, current), drawn)


@dataclass(frozen=True, eq=False)
class InterpolatedCopy(BigramBackcopy):
    """x[j] = x[j-2] with probability `mix` after a trigger, else x[j] ~ P(. | x[j-1]); mix in [0, 1]."""

    mix: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        mix = number("mix", self.mix, low=0)
        if not isinstance(mix, float):
            raise TypeError(f"mix must be one number, since all replicas share the task, got {self.mix!r}")
        if mix > 1:
            raise ValueError(f"mix must be in [0, 1], got {mix}")
        object.__setattr__(self, "mix", mix)

    def after_trigger(self) -> np.ndarray:
        """(V, K, V): the mixture of a copy and the trigger's own row."""
        copy = np.eye(self.vocabulary)[:, None]
        return self.mix * copy + (1 - self.mix) * self.next_token[list(self.trigger_ids)]

    @cached_property
    def _every_row(self) -> CategoricalRows:
        """Row v for a non-trigger v, then one row per (token before, trigger)."""
        return CategoricalRows(np.concatenate([self.next_token, self.after_trigger().reshape(-1, self.vocabulary)]))

    @cached_property
    def _number(self) -> DeviceConstant:
        return DeviceConstant(torch.from_numpy(np.cumsum(self.is_trigger) - 1))

    def _following(self, before: Tensor, current: Tensor, drawn: Tensor) -> Tensor:
        is_trigger, number = (constant.on(drawn.device) for constant in (self._is_trigger, self._number))
        mixed = self.vocabulary + before * len(self.trigger_ids) + number[current]
        return self._every_row.draw(torch.where(is_trigger[current], mixed, current), drawn)
