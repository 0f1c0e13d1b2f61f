"""What experiments on the sequence classes share: the classes as theory sees them, many replicas in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from theory.scan_and_snap import ClassMixture
    from toy_tasks.scan_and_snap import ScanAndSnap
    from toy_tasks.simulator import Trajectories
    from toy_tasks.simulator.optimizers import Optimizer

MOMENTUM = 0.9
BATCH = 128


def mixture_of(task: ScanAndSnap) -> ClassMixture:
    """The sequence classes of a task in the limit of long sequences."""
    from theory.scan_and_snap import ClassMixture

    return ClassMixture(task.law, task.query, None, task.vocabulary)


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
    dtype: torch.dtype | None = None,
) -> Trajectories:
    """All replicas in one chunk, on batches of 128 sequences, with the named measures of `SnapMeasures`."""
    import torch

    from toy_tasks.scan_and_snap import CountModel, SnapMeasures
    from toy_tasks.simulator import simulate

    model = CountModel(spread).sized_for(task)
    everything = SnapMeasures(task, CountModel().sized_for(task))

    def chosen(params: Any, batch: Any) -> dict[str, torch.Tensor]:
        found = everything(params, batch)
        return {"loss": found["population_loss"]} | {name: found[name] for name in measures}

    return simulate(
        task,
        model,
        optimizer,
        seeds=seeds,
        steps=steps,
        batch=BATCH,
        record=record,
        measures=chosen,
        evaluation=1,
        dtype=dtype or torch.float32,
        chunk=len(seeds),
    )


def grid(*axes: Sequence[float]) -> list[np.ndarray]:
    """Every combination of the axes, the last one fastest: one flat array per axis."""
    return [values.ravel() for values in np.meshgrid(*axes, indexing="ij")]
