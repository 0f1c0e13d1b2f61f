"""Speed of drawing Bigram-Backcopy: all sequences at once against a loop over tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def plain_loop(task: Any, sequences: int, rng: np.random.Generator) -> list[list[int]]:
    """The Bigram-Backcopy generator as one writes it first: one numpy draw per token."""
    tokens, rows, copies = np.arange(task.vocabulary), task.next_token, set(task.trigger_ids)
    batch = []
    for _ in range(sequences):
        x = [task.begin]
        for j in range(task.length):
            x.append(x[j - 1] if x[j] in copies else int(rng.choice(tokens, p=rows[x[j]])))
        batch.append(x)
    return batch


@one_thread()
def generator(device: str, say: Say) -> None:
    """512 sequences of 257 tokens: keyed vectorised sampling against the plain Python loop, one thread."""
    from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
    from toy_tasks.randomness import Key

    task = BigramBackcopy(BigramTable.shakespeare(), 3, 256)
    fast = seconds(lambda: task.sample(Key.of((0,)), 512), repeats=9)
    slow = seconds(lambda: plain_loop(task, 512, np.random.default_rng(0)), repeats=3)
    say(f"generator 512x257: {fast * 1e3:.1f} ms against {slow * 1e3:.0f} ms, ratio {slow / fast:.0f}")
