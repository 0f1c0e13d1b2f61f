"""What is true in a replica, whatever is sampled from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from toy_tasks.random_feature_attention.tokens import unit
from toy_tasks.randomness import Key
from toy_tasks.validation import count

TRUTH = 4  # a stream beside the simulator's own: data, initial parameters, evaluation


@dataclass(frozen=True, eq=False)
class Truth:
    """A direction beta and a matrix Z of independent N(0, 1/d) for each replica: functions of its seed alone."""

    key: Key
    dimension: int

    @classmethod
    def of(cls, key: Key, dimension: int) -> Truth:
        """The truth of the replicas of `key`, whatever its stream and step."""
        return cls(Key(key.seed, TRUTH), count("dimension", dimension, least=2))

    @cached_property
    def beta(self) -> Tensor:
        """(..., d) uniform on the unit sphere."""
        return unit(self.key.split(0).normal(self.dimension))

    @cached_property
    def mixing(self) -> Tensor:
        """(..., d, d) Z."""
        return self.key.split(1).normal(self.dimension, self.dimension) / math.sqrt(self.dimension)

    def along(self, tokens: Tensor) -> Tensor:
        """<beta, x> of tokens (..., n, d) or (..., n, N, d), where ... are the axes of the seeds."""
        axes = (1,) * (tokens.ndim - self.beta.ndim)
        return (tokens * self.beta.reshape(*self.beta.shape[:-1], *axes, self.dimension)).sum(dim=-1)
