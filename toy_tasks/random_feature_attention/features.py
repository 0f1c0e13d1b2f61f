"""Layers of random heads or units of which only the values are trained: linear models on random features.

Inputs are query (..., n, d) and keys (..., n, N, d), x~ = [x; 1]; leading axes are those of the key's seeds, and every
replica has its own heads. Head m is the same however many there are, however they are cut into blocks, on any device.
Fu, Guo, Bai, Mei 2023, as recalled; the factors 1/sqrt(M) make the limit M -> infinity a kernel.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from toy_tasks.random_feature_attention.tokens import check_tokens
from toy_tasks.randomness import Key
from toy_tasks.validation import count, scalar

HEADS = 5  # a stream beside the simulator's own: data, initial parameters, evaluation; and the truth of a replica
GROUP = 32  # units drawn together: group g has step g of the key, so that a block need not begin with the first unit
MEMORY = 2**25  # bytes; larger blocks are no faster


class RandomLayer(ABC):
    """`units` random units with `width(d)` features each."""

    units: int
    on_sphere: bool

    def features(self, key: Key, query: Tensor, keys: Tensor, *, memory: int = MEMORY) -> Tensor:
        """(..., n, units * width): all features at once, unit by unit."""
        return torch.cat(list(self.blocks(key, query, keys, memory=memory)), dim=-1)

    def inner_products(self, key: Key, query: Tensor, keys: Tensor, first: int, *, memory: int = MEMORY) -> Tensor:
        """(..., n, first) inner products of the features of all inputs with those of the first ones.

        Features are made and used block by block: beside the result no more than about `memory` bytes are needed.
        """
        first = count("first", first)
        if first > query.shape[-2]:
            raise ValueError(f"first must be at most the number of inputs, {query.shape[-2]}, got {first}")
        total = query.new_zeros(*query.shape[:-1], first)
        for block in self.blocks(key, query, keys, memory=memory):
            total += block @ block[..., :first, :].mT
        return total

    def blocks(self, key: Key, query: Tensor, keys: Tensor, *, memory: int = MEMORY) -> Iterator[Tensor]:
        """Features (..., n, m * width) of consecutive units, as many at once as `memory` bytes allow, a group at least.

        The streams of `key` do not matter: units are functions of its seed.
        """
        check_tokens(query, keys, self.on_sphere)
        if query.shape[:-2] != key.seed.shape:
            raise ValueError(
                f"query must have the leading axes of the seeds, {tuple(key.seed.shape)}, got {tuple(query.shape[:-2])}"
            )
        memory = count("memory", memory)
        inputs = self._inputs(query, keys)
        groups = -(-self.units // GROUP)
        at_once = max(1, int(memory / (GROUP * self._numbers(query, keys) * query.element_size())))
        for start in range(0, groups, at_once):
            steps = range(start, min(start + at_once, groups))
            drawn = [self._draw(replace(key, stream=HEADS, step=g), keys).to(query) for g in steps]
            weights = torch.cat(drawn, dim=-2)[..., : self.units - start * GROUP, :]
            yield self._features(weights, *inputs) / math.sqrt(self.units)

    @abstractmethod
    def width(self, dimension: int) -> int:
        """Features, and trained numbers, of one unit."""

    @abstractmethod
    def _inputs(self, query: Tensor, keys: Tensor) -> tuple[Tensor, ...]:
        """What `_features` needs of the inputs, made once for all blocks."""

    @abstractmethod
    def _draw(self, key: Key, keys: Tensor) -> Tensor:
        """(..., GROUP, k) frozen weights of a group of units."""

    @abstractmethod
    def _features(self, weights: Tensor, *inputs: Tensor) -> Tensor:
        """(..., n, m * width) features of units with `weights` (..., m, k)."""

    @abstractmethod
    def _numbers(self, query: Tensor, keys: Tensor) -> int:
        """How many numbers a unit needs while it is computed."""


@dataclass(frozen=True)
class AttentionHeads(RandomLayer):
    """Head m: (1/N) sum_i relu(x~_0^T W_m x~_i) x~_i / sqrt M, W_m = omega diag(I_d, 0) + N(0, 1/4) entries.

    units       M heads, with d + 1 trained numbers each.
    omega       >= 0, strength of the bias towards correlation of query and key.
    on_sphere   demand tokens of length 1, for which x~_0^T W_m x~_i has variance 1.
    Any number of keys will do, at any time.
    """

    units: int = 1000
    omega: float = 0.0
    on_sphere: bool = True

    def __post_init__(self) -> None:
        count("units", self.units)
        scalar("omega", self.omega, low=0)

    def width(self, dimension: int) -> int:
        """d + 1."""
        return count("dimension", dimension, least=2) + 1

    def _inputs(self, query: Tensor, keys: Tensor) -> tuple[Tensor, ...]:
        return tuple(F.pad(x, (0, 1), value=1.0) for x in (query, keys))

    def _draw(self, key: Key, keys: Tensor) -> Tensor:
        d = keys.shape[-1]
        bias = torch.diag(torch.tensor([self.omega] * d + [0.0], dtype=torch.float64, device=key.seed.device))
        return key.normal(GROUP, (d + 1) ** 2) / 2 + bias.flatten()

    def _features(self, weights: Tensor, *inputs: Tensor) -> Tensor:
        query, keys = inputs
        size, m = query.shape[-1], weights.shape[-2]
        w = weights.unflatten(-1, (size, size)).movedim(-3, -2).flatten(-2)  # (..., d + 1, m * (d + 1))
        projected = (query @ w).unflatten(-1, (m, size))  # x~_0^T W_m
        attention = torch.relu_(projected @ keys.mT)  # (..., n, m, N)
        return (attention @ keys / keys.shape[-2]).flatten(-2)

    def _numbers(self, query: Tensor, keys: Tensor) -> int:
        d, n = query.shape[-1], keys.shape[-2]
        return query[..., 0].numel() * (2 * (d + 1) + n) + query.shape[:-2].numel() * 2 * (d + 1) ** 2


@dataclass(frozen=True)
class MLPUnits(RandomLayer):
    """Unit p: relu(<w_p, [x_0; x_1; ..; x_N; 1]> / sqrt(N + 2)) / sqrt P, w_p ~ N(0, I); the order of keys matters.

    units       P units, with one trained number each.
    on_sphere   demand tokens of length 1, for which the argument of relu has variance 1.
    """

    units: int = 17_000
    on_sphere: bool = True

    def __post_init__(self) -> None:
        count("units", self.units)

    @classmethod
    def matching(cls, heads: AttentionHeads, dimension: int) -> MLPUnits:
        """As many trained numbers as in `heads`: P = M (d + 1)."""
        return cls(heads.units * heads.width(dimension), heads.on_sphere)

    def width(self, dimension: int) -> int:
        """1."""
        return 1

    def _inputs(self, query: Tensor, keys: Tensor) -> tuple[Tensor, ...]:
        x = torch.cat([query, keys.flatten(-2)], dim=-1)
        return (F.pad(x, (0, 1), value=1.0) / math.sqrt(keys.shape[-2] + 2),)

    def _draw(self, key: Key, keys: Tensor) -> Tensor:
        n, d = keys.shape[-2:]
        return key.split(0).normal(GROUP, (n + 1) * d + 1)

    def _features(self, weights: Tensor, *inputs: Tensor) -> Tensor:
        return torch.relu_(inputs[0] @ weights.mT)

    def _numbers(self, query: Tensor, keys: Tensor) -> int:
        n, d = keys.shape[-2:]
        return 2 * query[..., 0].numel() + query.shape[:-2].numel() * 2 * ((n + 1) * d + 1)
