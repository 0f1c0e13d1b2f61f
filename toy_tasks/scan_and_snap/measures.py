"""What to record of a model on the sequence classes: where the attention of each class goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from toy_tasks.randomness import DeviceConstant
from toy_tasks.scan_and_snap.model import CountModel
from toy_tasks.scan_and_snap.task import ScanAndSnap
from toy_tasks.task import Batch
from toy_tasks.validation import real_array


@dataclass(frozen=True, eq=False)
class SnapMeasures:
    """Measures of one replica, from the law of the classes and not from samples (K classes, L contextual tokens).

    attention (K, L)  c_n, the attention of class n's query on all occurrences of each token in a long sequence
    common (K,)       attention on tokens that other classes share;       distinct (K,)   on the class's own
    top (K,)          attention on the most attended distinct token
    entropy (K,)      entropy in nats of the attention over the distinct tokens, renormalised
    population_loss   the mean cross-entropy in nats for long sequences
    """

    task: ScanAndSnap
    model: CountModel

    def __post_init__(self) -> None:
        if not self.task.is_distinct.any():
            raise ValueError(f"task must have distinct tokens to measure the attention on them, got {self.task!r}")
        _ = self._population  # made before replicas' copies are, which share it

    @cached_property
    def _population(self) -> dict[str, DeviceConstant]:
        population = self.task.population() | {"is_distinct": torch.from_numpy(self.task.is_distinct)}
        return {name: DeviceConstant(value) for name, value in population.items()}

    def __call__(self, params: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Values by name, for one replica; the batch does not matter."""
        population = {name: value.on(params["Z"].device) for name, value in self._population.items()}
        attention = self.model.attention(params, population)
        own = torch.where(population["is_distinct"], attention, 0.0)
        mass = own.sum(dim=-1)
        return {
            "attention": attention,
            "common": torch.where(population["is_distinct"], 0.0, attention).sum(dim=-1),
            "distinct": mass,
            "top": own.amax(dim=-1),
            "entropy": torch.special.entr(own / mass[:, None]).sum(dim=-1),
            "population_loss": self.model.loss(params, population),
        }


def recall(task: ScanAndSnap, logits: Tensor, thresholds: np.ndarray) -> Tensor:
    """(..., Q, k) the share of each query's distinct tokens whose attention is at least each of thresholds (k,).

    The attention of query m is the softmax of its logits (..., Q, L) over the L contextual tokens, whatever a sequence
    holds: 1/L each when Z = 0. Distinct tokens are those of all classes of the query.
    """
    levels = torch.tensor(real_array("thresholds", thresholds, "an array of numbers")).to(logits)
    if levels.ndim != 1 or not len(levels):
        raise ValueError(f"thresholds must be a one-dimensional array, not empty, got shape {tuple(levels.shape)}")
    if logits.ndim < 2 or logits.shape[-2:] != (task.queries, task.contextual):
        raise ValueError(
            f"logits must end in the axes {(task.queries, task.contextual)} of the task, got {tuple(logits.shape)}"
        )
    if not task.distinct:
        raise ValueError(f"task must have distinct tokens, got {task!r}")
    own = torch.from_numpy(task.is_distinct.reshape(task.queries, task.next_per_query, -1).any(axis=1)).to(logits)
    tagged = (torch.softmax(logits, dim=-1)[..., None] >= levels).to(logits)  # (..., Q, L, k)
    return torch.einsum("...qlk,ql->...qk", tagged, own / own.sum(dim=-1, keepdim=True))
