"""What experiments on in-context classification share: training as published, curves over seeds, first crossings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from toy_tasks.in_context_classification import InContextClassification
    from toy_tasks.simulator import Trajectories

MEASURES = ("loss", "accuracy", "context_accuracy", "previous_token", "induction", "label_attention", "contrast")
DECAY = 1e-6
"""Weights shrink by this factor per step, whatever the learning rate, as published."""


def train(
    task: InContextClassification,
    *,
    seeds: Sequence[int],
    steps: int,
    record: int,
    learning_rate: float,
    evaluation: int = 500,
    device: str = "cpu",
    chunk: int = 8,
) -> Trajectories:
    """The attention-only classifier by gradient descent on batches of 128, with all measures."""
    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextMeasures
    from toy_tasks.simulator import SGD, simulate

    model = AttentionOnlyClassifier().sized_for(task)
    return simulate(
        task,
        model,
        SGD(learning_rate, weight_decay=DECAY / learning_rate),
        seeds=seeds,
        steps=steps,
        batch=128,
        record=record,
        measures=InContextMeasures(model),
        evaluation=evaluation,
        device=device,
        chunk=None if device != "cpu" else min(chunk, len(seeds)),
    )


def curves(trained: Trajectories, **coordinates: Any) -> xr.Dataset:
    """Measures (seed, step), with further coordinates of length 1 in front."""
    import xarray as xr

    values = {name: (("seed", "step"), trained[name].double().numpy()) for name in MEASURES}
    data = xr.Dataset(values, coords={"seed": list(trained.seeds), "step": list(trained.steps)})
    for name, value in coordinates.items():
        data = data.expand_dims({name: [value]})
    return data


def crossing_time(time: np.ndarray, gap: np.ndarray) -> float:
    """When `gap` (k,), positive at first, passes 0 on the way down, interpolated; NaN where it never does."""
    below = np.flatnonzero(gap < 0)
    if not len(below):
        return float("nan")
    i = below[0]
    return float(np.interp(0.0, [-gap[i - 1], -gap[i]], [time[i - 1], time[i]]))


def first_step(data: xr.DataArray, level: float) -> np.ndarray:
    """(seed,) the first recorded step at which a curve (seed, step) exceeds `level`; infinity where it never does."""
    above = data.transpose("seed", "step").values > level
    return np.where(above.any(axis=1), data.step.values[above.argmax(axis=1)], np.inf)
