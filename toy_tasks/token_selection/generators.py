"""The published random problems, drawn as their code draws them, and initial weights.

One `torch.Generator` per problem, seeded with the seed, and float32 draws in a fixed order; then float64. The code
leaves initial weights to torch's global generator: here they are keyed by the same seed (`toy_tasks.randomness`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from toy_tasks.randomness import INITIAL, Key
from toy_tasks.token_selection.heads import Head, LinearHead, ReluHead
from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.validation import choice, count, seed_numbers

Attention = Literal["cross", "self"]
Draw = Callable[..., Tensor]


def linear_problems(
    seeds: Sequence[int], *, sequences: int, length: int, dim: int, attention: Attention = "cross"
) -> SelectionProblems:
    """Linear head: v ~ N(0, I) / norm; Y = sign N; X ~ N, rows of unit norm; Z ~ N, rows of unit norm, in this order.

    One problem per seed, `sequences` n, `length` T, `dim` d. With attention "self" the query is the first token.
    """

    def drawn(normal: Draw) -> list[Tensor]:
        v, y = normal(dim), normal(sequences)
        return [v / v.norm(), _labels(y), _rows(normal(sequences, length, dim)), _rows(normal(sequences, dim))]

    return _problems(drawn, seeds, (sequences, length, dim), attention, LinearHead, order=(1, 2, 3, 0))


def relu_problems(
    seeds: Sequence[int], *, sequences: int, length: int, dim: int, attention: Attention = "cross"
) -> SelectionProblems:
    """Nonlinear head sum relu(V^T o): V ~ N / ||V||_F (d, d), X, Y, Z as in `linear_problems`, in this order."""

    def drawn(normal: Draw) -> list[Tensor]:
        matrix, x = normal(dim, dim), normal(sequences, length, dim)
        return [matrix / matrix.norm(), _rows(x), _labels(normal(sequences)), _rows(normal(sequences, dim))]

    return _problems(drawn, seeds, (sequences, length, dim), attention, ReluHead, order=(2, 1, 3, 0))


def linear_layer(seeds: Sequence[int], *shape: int, split: int = 0) -> Tensor:
    """Initial values U(-1/sqrt(fan_in), 1/sqrt(fan_in)), (r, *shape), as `torch.nn.Linear` draws its weights.

    fan_in is the first size: W, K and Q act on tokens and queries from the left. `split` numbers independent draws.
    """
    key = Key.of(seed_numbers("seeds", seeds), INITIAL).split(split)
    return (2 * key.uniform(*shape) - 1) / shape[0] ** 0.5


def _labels(normal: Tensor) -> Tensor:
    return 2.0 * (normal > 0) - 1.0


def _rows(normal: Tensor) -> Tensor:
    return normal / normal.norm(dim=-1, keepdim=True)


def _problems(
    drawn: Callable[[Draw], list[Tensor]],
    seeds: Sequence[int],
    sizes: tuple[int, int, int],
    attention: Attention,
    head: Callable[[Tensor], Head],
    *,
    order: tuple[int, int, int, int],
) -> SelectionProblems:
    """`order` says which of the drawn tensors are labels, tokens, queries and the head's."""
    for name, value, least in zip(("sequences", "length", "dim"), sizes, (1, 2, 1), strict=True):
        count(name, value, least=least)
    choice("attention", attention, ("cross", "self"))

    def one(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return drawn(lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float32))

    columns = zip(*(one(seed) for seed in seed_numbers("seeds", seeds)), strict=True)
    stacked = [torch.stack(column).to(torch.float64) for column in columns]
    labels, tokens, queries, weights = (stacked[k] for k in order)
    queries = tokens[:, :, 0] if attention == "self" else queries
    return SelectionProblems(tokens, queries, labels, head(weights))
