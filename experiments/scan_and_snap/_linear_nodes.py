"""A linear MLP over one query's attention to 20 tokens, and its training: the small model of the JoMA experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch

Attention = Literal["softmax", "exp"]
TOKENS = SAMPLES = 20
DISTINCT = 10
TEMPERATURE: dict[Attention, float] = {"softmax": 0.5, "exp": 1.0}
RUNS: dict[str, tuple[str, Attention]] = {
    "bumps": ("bumps", "softmax"),
    "bumps, exp attention": ("bumps", "exp"),
    "random": ("random", "softmax"),
}


def samples(kind: str, seed: int) -> np.ndarray:
    """(sample, token) frequencies: uniform noise, of which "bumps" has a travelling bump in place of the first ten."""
    weights = np.random.default_rng(seed).uniform(size=(SAMPLES, TOKENS)) / 2
    if kind == "bumps":
        centre = np.arange(SAMPLES)[:, None] / SAMPLES * DISTINCT
        weights[:, :DISTINCT] = np.exp(-((np.arange(DISTINCT) - centre) ** 2) / 30)
    return weights / weights.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class FixedSamples:
    """A task whose every batch is all samples (r, s, l) of the replica with this seed."""

    kind: str
    seeds: tuple[int, ...]

    def sample(self, key: Key, batch: int) -> Batch:
        """`samples` (r, s, l), whatever the step."""
        import torch

        table = torch.tensor(np.array([samples(self.kind, seed) for seed in self.seeds]))
        row = (key.seed[..., None] == torch.tensor(self.seeds)).int().argmax(dim=-1)
        return {"samples": table[row]}


@dataclass(frozen=True)
class LinearNodes:
    """Label i of sample i from V b + c: b the attention on tokens, V (k, l) and c (k,) the weights of k nodes."""

    attention: Attention

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """N(0, 1) / 100."""
        return {
            "z": 0.01 * key.split(0).normal(TOKENS),
            "v": 0.01 * key.split(1).normal(SAMPLES, TOKENS),
            "c": 0.01 * key.split(2).normal(SAMPLES),
        }

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Mean cross-entropy."""
        import torch

        b = batch["samples"] * torch.exp(params["z"] / TEMPERATURE[self.attention])
        if self.attention == "softmax":
            b = b / b.sum(dim=-1, keepdim=True)
        logits = b @ params["v"].T + params["c"]
        return torch.nn.functional.cross_entropy(logits, torch.arange(SAMPLES, device=logits.device))


def trained(run: str, seeds: Sequence[int], steps: int, record: int, learning_rate: float) -> dict[str, np.ndarray]:
    """Logits z (seed, step, token) and weights v (seed, step, node, token), with the recorded steps."""
    import torch

    from toy_tasks.simulator import SGD
    from toy_tasks.simulator import simulate as train

    kind, attention = RUNS[run]
    found = train(
        FixedSamples(kind, tuple(seeds)),
        LinearNodes(attention),
        SGD(learning_rate),
        seeds=seeds,
        steps=steps,
        record=record,
        measures=lambda params, batch: {"z": params["z"], "v": params["v"]},
        evaluation=1,
        dtype=torch.float64,
        chunk=len(seeds),
    )
    return {"z": found["z"].numpy(), "v": found["v"].numpy(), "steps": np.array(found.steps)}
