"""Ridge regression on random features: from their inner products, or from normal equations in passes over the data.

Both minimise |Phi theta - y|^2 + ridge |theta|^2 on tensors of any device; leading axes (replicas) are batched.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from toy_tasks.random_feature_attention.features import MEMORY, RandomLayer
from toy_tasks.randomness import Key
from toy_tasks.validation import real_array


def ridge_predictions(inner: Tensor, labels: Tensor, ridges: Iterable[float]) -> Tensor:
    """(..., s, n - m, k) predictions at the n - m inputs after the first m, on which it trains, for each of s ridges.

    `inner` (..., n, m) inner products of all inputs with the first m (`RandomLayer.inner_products`), `labels`
    (..., m, k) of k targets. Ridges are >= 0; at 0 the interpolation of least norm, without directions of eigenvalue 0.
    """
    penalties = _ridges(ridges).to(inner)
    m = inner.shape[-1] if inner.ndim >= 2 else 0
    if not 1 <= m < inner.shape[-2]:
        raise ValueError(f"inner must have axes (..., n, m) with 1 <= m < n, got shape {tuple(inner.shape)}")
    if labels.shape[:-1] != (*inner.shape[:-2], m):
        raise ValueError(f"labels must have the shape {(*inner.shape[:-2], m, 'k')}, got {tuple(labels.shape)}")
    values, vectors = torch.linalg.eigh(inner[..., :m, :])
    seen = values > m * torch.finfo(values.dtype).eps * values[..., -1:]
    kept = torch.where(seen, values, 0.0)[..., None, :] + penalties[:, None]  # (..., s, m)
    inverse = torch.where(kept > 0, 1 / kept, 0.0)
    along = (inner[..., m:, :] @ vectors)[..., None, :, :]
    return along @ (inverse[..., None] * (vectors.mT @ labels)[..., None, :, :])


class NormalEquations:
    """Phi^T Phi and Phi^T y, summed over chunks of inputs: for more inputs than features, on a GPU if they are there.

    One replica or many; `layer` has P features, and P^2 numbers per replica must fit into memory.
    """

    def __init__(self, layer: RandomLayer, key: Key, *, memory: int = MEMORY) -> None:
        self.layer, self.key, self.memory = layer, key, memory
        self._gram: Tensor | None = None
        self._moment: Tensor | None = None

    def add(self, query: Tensor, keys: Tensor, labels: Tensor) -> None:
        """Take another chunk: query (..., n, d), keys (..., n, N, d), labels (..., n, k)."""
        if labels.shape[:-1] != query.shape[:-1]:
            raise ValueError(f"labels must have the shape {(*query.shape[:-1], 'k')}, got {tuple(labels.shape)}")
        phi = self.layer.features(self.key, query, keys, memory=self.memory)
        gram, moment = phi.mT @ phi, phi.mT @ labels
        self._gram = gram if self._gram is None else self._gram.add_(gram)
        self._moment = moment if self._moment is None else self._moment.add_(moment)

    def solve(self, ridge: float) -> Tensor:
        """(..., P, k) trained values, by Cholesky; the ridge must be > 0."""
        penalty = float(_ridges([ridge])[0])
        if penalty == 0:
            raise ValueError(f"ridge must be > 0 for normal equations, got {ridge!r}")
        if self._gram is None or self._moment is None:
            raise ValueError("solve needs data: call add first")
        damped = self._gram.clone()
        damped.diagonal(dim1=-2, dim2=-1).add_(penalty)
        return torch.cholesky_solve(self._moment, torch.linalg.cholesky(damped))

    def predict(self, values: Tensor, query: Tensor, keys: Tensor) -> Tensor:
        """(..., n, k) what the layer with `values` (..., P, k) says, block by block."""
        total, start = query.new_zeros(*query.shape[:-1], values.shape[-1]), 0
        for block in self.layer.blocks(self.key, query, keys, memory=self.memory):
            total += block @ values[..., start : start + block.shape[-1], :]
            start += block.shape[-1]
        return total


def _ridges(ridges: Iterable[float]) -> Tensor:
    values = real_array("ridge", list(ridges), "numbers >= 0")
    if values.ndim != 1 or not len(values):
        raise ValueError(f"ridge must be one or more numbers >= 0, got {values!r}")
    for value in values.tolist():
        if not 0 <= value < float("inf"):
            raise ValueError(f"ridge must be finite and >= 0, got {value!r}")
    return torch.from_numpy(values)
