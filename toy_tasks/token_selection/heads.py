"""What is read off the attended point o = X^T s of a sequence: heads h, batched over problems.

A head is used twice: on whole points, `head.of(points)`, and along training, `head.along(tokens)`, which prepares the
function attention -> (h(o), gains) with gains_t = grad h(o) . x_t, all that a gradient with respect to attention needs.
Shapes: r problems, n sequences, t tokens, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from toy_tasks.validation import finite_tensor

Response = Callable[[Tensor], tuple[Tensor, Tensor]]
"""attention (r, n, t) -> output (r, n) and gains (r, n, t)."""


class Head(Protocol):
    """A scalar function of points, with a gradient."""

    def of(self, points: Tensor) -> Tensor:
        """h at points (r, n, t, d): (r, n, t)."""
        ...

    def along(self, tokens: Tensor) -> Response:
        """Output and gains as a function of attention to tokens (r, n, t, d)."""
        ...


@dataclass(frozen=True, eq=False)
class LinearHead:
    """h(o) = v . o with v (r, d)."""

    vector: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", finite_tensor("vector", self.vector, 2))

    def of(self, points: Tensor) -> Tensor:
        """v . x."""
        return torch.einsum("rntd,rd->rnt", points, self.vector)

    def along(self, tokens: Tensor) -> Response:
        """Constant gains v . x_t."""
        return _constant(self.of(tokens))


@dataclass(frozen=True, eq=False)
class GivenScores:
    """A linear head that reads what attention does not see: token t of sequence i is worth `values` (r, n, t)."""

    values: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", finite_tensor("values", self.values, 3))

    def of(self, points: Tensor) -> Tensor:
        """The values, for the tokens themselves."""
        if points.shape[:-1] != self.values.shape:
            raise ValueError(
                f"points must be the tokens, {tuple(self.values.shape)} of them, got {tuple(points.shape[:-1])}"
            )
        return self.values

    def along(self, tokens: Tensor) -> Response:
        """Constant gains."""
        return _constant(self.of(tokens))


@dataclass(frozen=True, eq=False)
class LambdaHead:
    """h(o) = v . o - penalty |o|^2 with v (r, d) and penalty (r,): concave, so that attention spreads."""

    vector: Tensor
    penalty: Tensor

    def __post_init__(self) -> None:
        vector, penalty = finite_tensor("vector", self.vector, 2), finite_tensor("penalty", self.penalty, 1)
        if penalty.shape != vector.shape[:1]:
            raise ValueError(
                f"penalty must have shape {tuple(vector.shape[:1])}, one per problem, got {tuple(penalty.shape)}"
            )
        if (penalty < 0).any():
            raise ValueError(f"penalty must be >= 0, got {penalty.min().item()} among its entries")
        object.__setattr__(self, "vector", vector)
        object.__setattr__(self, "penalty", penalty)

    def of(self, points: Tensor) -> Tensor:
        """v . x - penalty |x|^2."""
        penalty = self.penalty[:, None, None]
        return torch.einsum("rntd,rd->rnt", points, self.vector) - penalty * points.square().sum(dim=-1)

    def along(self, tokens: Tensor) -> Response:
        """Gains v . x_t - 2 penalty o . x_t."""
        linear, penalty = torch.einsum("rntd,rd->rnt", tokens, self.vector), self.penalty[:, None]
        gram = tokens @ tokens.mT

        def response(attention: Tensor) -> tuple[Tensor, Tensor]:
            with_point = (gram @ attention[..., None])[..., 0]
            output = (attention * linear).sum(dim=-1) - penalty * (attention * with_point).sum(dim=-1)
            return output, linear - 2 * penalty[..., None] * with_point

        return response


@dataclass(frozen=True, eq=False)
class ReluHead:
    """h(o) = sum_m relu(V^T o)_m with V (r, d, m)."""

    matrix: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", finite_tensor("matrix", self.matrix, 3))

    def of(self, points: Tensor) -> Tensor:
        """Sum of the rectified features of each point."""
        return torch.relu(points @ self.matrix[:, None]).sum(dim=-1)

    def along(self, tokens: Tensor) -> Response:
        """Gains sum over the active features of o of those of x_t."""
        features = tokens @ self.matrix[:, None]

        def response(attention: Tensor) -> tuple[Tensor, Tensor]:
            hidden = (attention[..., None, :] @ features)[..., 0, :]
            active = (hidden > 0).to(features.dtype)
            return torch.relu(hidden).sum(dim=-1), (features @ active[..., None])[..., 0]

        return response


def _constant(gains: Tensor) -> Response:
    return lambda attention: ((attention * gains).sum(dim=-1), gains)
