"""Speed of in-context classification: sequences against a loop, and the last token alone against all of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def sequence_loop(task: Any, sequences: int, rng: np.random.Generator) -> list[Any]:
    """Novel-class sequences as one writes them first: Python loops over sequences and tokens, numpy draws."""
    scale, batch = task.dimension**-0.5, []
    means = rng.normal(size=(task.novel_classes, task.dimension)) * scale
    labels = rng.normal(size=(task.labels, task.dimension)) * scale
    for _ in range(sequences):
        chosen = []
        for label in rng.choice(task.labels, task.context_classes, replace=False):
            chosen += [rng.choice(np.arange(label, task.novel_classes, task.labels))] * task.burstiness
        order = rng.permutation(chosen)
        target = rng.choice(order)
        shift, rows = rng.integers(2 * (task.window - task.pairs) + 1), []
        for k in [*order, target]:
            item = means[k] + task.within_class * scale * rng.normal(size=task.dimension)
            for content in (item / np.sqrt(1 + task.within_class**2), labels[k % task.labels]):
                row = np.zeros(task.width)
                row[task.positions :] = content
                rows.append(row)
        rows.pop()  # the target's label is the answer
        for i, row in enumerate(rows):
            row[shift + i] = 1
        batch.append((np.array(rows), target % task.labels))
    return batch


@one_thread()
def in_context_sequences(device: str, say: Say) -> None:
    """128 sequences of novel classes at the published size (N = 8, D = 63), one thread: keyed draws against a loop."""
    from toy_tasks.in_context_classification import InContextClassification
    from toy_tasks.randomness import Key

    task = InContextClassification(novel=1.0)
    fast = seconds(lambda: task.sample(Key.of((0,)), 128), repeats=9)
    slow = seconds(lambda: sequence_loop(task, 128, np.random.default_rng(0)), repeats=3)
    say(f"  {fast * 1e3:.1f} ms against {slow * 1e3:.0f} ms, ratio {slow / fast:.0f}")


@one_thread()
def in_context_step(device: str, say: Say) -> None:
    """A gradient of the attention-only classifier at the published size, batch 128, one thread: last token or all."""
    import torch

    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextClassification
    from toy_tasks.randomness import Key

    task = InContextClassification(novel=1.0)
    batch = {name: x[0] for name, x in task.sample(Key.of((0,)), 128).items()}
    times = {}
    for everywhere in (False, True):
        model = AttentionOnlyClassifier(everywhere=everywhere).sized_for(task)
        params = {name: p[0].float() for name, p in model.init(Key.of((0,))).items()}
        gradient = torch.func.grad(model.loss)
        times[everywhere] = seconds(partial(gradient, params, batch), repeats=9)
    last, all_tokens = times[False], times[True]
    say(f"  {last * 1e3:.1f} ms against {all_tokens * 1e3:.1f} ms, ratio {all_tokens / last:.2f}")
