"""The regression task: inputs from a law of tokens, labels from a target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from toy_tasks.random_feature_attention.targets import QueryPower, Target
from toy_tasks.random_feature_attention.tokens import CorrelatedKeys, GaussianTokens, Law, SphereTokens
from toy_tasks.random_feature_attention.truth import Truth
from toy_tasks.randomness import Key
from toy_tasks.task import Batch
from toy_tasks.validation import count, scalar


@dataclass(frozen=True)
class AttentionRegression:
    """Labels (f - E f) / sd f + noise of a target f, with exact mean and standard deviation, at tokens from a law.

    target      what is to be learned; its direction beta (and Z) belong to the replica: all its batches share them.
    dimension   d >= 2;   keys   N >= 1.
    noise       standard deviation of the label noise.
    Tasks that differ in their target or noise alone draw the same tokens.
    """

    target: Target = field(default_factory=QueryPower)
    dimension: int = 16
    keys: int = 16
    law: Law = field(default_factory=SphereTokens)
    noise: float = 0.0

    def __post_init__(self) -> None:
        count("dimension", self.dimension, least=2)
        if not isinstance(self.law, SphereTokens | GaussianTokens | CorrelatedKeys):
            raise TypeError(f"law must be a law of tokens, got {self.law!r}")
        if not isinstance(self.target, Target):
            raise TypeError(f"target must have check, values and moments, got {self.target!r}")
        self.target.check(self.law, count("keys", self.keys))
        scalar("noise", self.noise, low=0)

    def moments(self, key: Key) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of f: scalars, or one per replica of `key` where its truth decides them."""
        return self.target.moments(self.law, self.keys, Truth.of(key, self.dimension))

    def labels(self, key: Key, query: Tensor, keys: Tensor) -> Tensor:
        """(..., n) standardised values of f, without noise, at query (..., n, d) and keys (..., n, N, d)."""
        truth = Truth.of(key, self.dimension)
        mean, variance = (torch.as_tensor(x).to(query)[..., None] for x in self.moments(key))
        if not bool((variance > 0).all()):
            raise ValueError(f"target must vary under the law, got {self.target!r} for {self.law!r}")
        return (self.target.values(query, keys, self.law, truth) - mean) / variance.sqrt()

    def sample(self, key: Key, batch: int) -> Batch:
        """`query` (..., batch, d), `keys` (..., batch, N, d), `label` (..., batch), float64; ... the axes of the seeds.

        The first inputs of a larger batch are those of a smaller one.
        """
        query, keys = self.law.draw(key.split(0), count("batch", batch), self.keys, self.dimension)
        label = self.labels(key, query, keys)
        if self.noise:
            label = label + self.noise * key.split(1).normal(batch)
        return {"query": query, "keys": keys, "label": label}
