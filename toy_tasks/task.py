"""What a task is: keyed batches for every replica at once. Training code knows tasks through this protocol alone."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from toy_tasks.randomness import Key

Batch = dict[str, Tensor]


class Task(Protocol):
    """A data-generating process. Tasks are frozen dataclasses; their exact population quantities are methods.

    A sequence task also has `vocabulary` and `length`, from which a model can take its sizes.
    """

    def sample(self, key: Key, batch: int) -> Batch:
        """`batch` examples per replica: tensors whose leading axes are key.seed.shape + (batch,)."""
        ...


class NoData:
    """The empty task, for population losses that need no samples."""

    def sample(self, key: Key, batch: int) -> Batch:
        """No tensors at all."""
        return {}
