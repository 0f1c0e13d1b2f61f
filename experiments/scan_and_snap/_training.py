"""What experiments on the sequence classes share: the classes as theory sees them, many replicas in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from theory.scan_and_snap import ClassMixture
    from toy_tasks.randomness import Key
    from toy_tasks.scan_and_snap import ScanAndSnap
    from toy_tasks.simulator import Trajectories
    from toy_tasks.simulator.optimizers import Optimizer
    from toy_tasks.task import Batch

MOMENTUM = 0.9
BATCH = 128


def mixture_of(task: ScanAndSnap) -> ClassMixture:
    """The sequence classes of a task in the limit of long sequences."""
    from theory.scan_and_snap import ClassMixture

    return ClassMixture(task.law, task.query, None, task.vocabulary)


@dataclass(frozen=True)
class Population:
    """A task whose every batch is the whole population of another: one example per class, with the law for counts."""

    task: ScanAndSnap

    def sample(self, key: Key, batch: int) -> Batch:
        """The population for every replica, whatever the key and the size of a batch."""
        return {name: x.expand(*key.seed.shape, *x.shape) for name, x in self.task.population().items()}


def momentum_descent(eta_y: Any, eta_z: Any, momentum: float = MOMENTUM) -> Optimizer:
    """SGD with one rate for the decoder and one for the attention; either may differ between replicas."""
    from toy_tasks.simulator import SGD

    return SGD({"Y": eta_y, "Z": eta_z}, momentum)


def train(
    task: ScanAndSnap,
    optimizer: Optimizer,
    *,
    seeds: Sequence[int],
    steps: int,
    record: int | Iterable[int],
    spread: Any = 0.0,
    measures: Sequence[str] = ("entropy",),
    exact: bool = False,
) -> Trajectories:
    """All replicas in one chunk, with the named measures of `SnapMeasures`.

    On batches of 128 sequences in float32; or, if `exact`, on population gradients in float64.
    """
    import torch

    from toy_tasks.scan_and_snap import CountModel, SnapMeasures
    from toy_tasks.simulator import simulate

    model = CountModel(spread).sized_for(task)
    everything = SnapMeasures(task, CountModel().sized_for(task))

    def chosen(params: Any, batch: Any) -> dict[str, torch.Tensor]:
        found = everything(params, batch)
        return {"loss": found["population_loss"]} | {name: found[name] for name in measures}

    return simulate(
        Population(task) if exact else task,
        model,
        optimizer,
        seeds=seeds,
        steps=steps,
        batch=BATCH,
        record=record,
        measures=chosen,
        evaluation=1,
        dtype=torch.float64 if exact else torch.float32,
        chunk=len(seeds),
    )


def grid(*axes: Sequence[float]) -> list[np.ndarray]:
    """Every combination of the axes, the last one fastest: one flat array per axis."""
    return [values.ravel() for values in np.meshgrid(*axes, indexing="ij")]
