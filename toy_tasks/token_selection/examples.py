"""The published examples in the plane: two for trained weights W, four for a trained prompt.

A prompt p is W with the number 1 for every query, W = p (d, 1). Its head reads a coordinate that attention does not
see, so that scores are given apart from tokens in the plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from toy_tasks.token_selection.heads import GivenScores, LinearHead
from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.validation import choice


def plane_example(tokens: int) -> SelectionProblems:
    """One problem with n = d = 2: T = 3 tokens around (-1, 0) and (1, 0) (seed 1), or T = 5 of which the first are
    (1, 0.5) and (1, -0.5) and the others lie around (-1, 0) (seed 3); labels 1."""
    choice("tokens", tokens, (3, 5))
    generator = torch.Generator().manual_seed(1 if tokens == 3 else 3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float32)

    v, x, z = normal(2), normal(2, tokens, 2), normal(2, 2)
    left = torch.tensor([-1.0, 0.0])
    if tokens == 3:
        x = 0.3 * x + torch.stack([left, -left])[:, None]
    else:
        x = 0.5 * x + left
        x[:, 0] = torch.tensor([[1.0, 0.5], [1.0, -0.5]])
    parts = (x, z / z.norm(dim=-1, keepdim=True), torch.ones(2))
    x, z, labels = (part.to(torch.float64)[None] for part in parts)
    return SelectionProblems(x, z, labels, LinearHead((v / v.norm()).to(torch.float64)[None]))


def prompt_problem(tokens: Tensor, scores: Tensor, repeats: int = 1) -> SelectionProblems:
    """A prompt trained on tokens (n, T, d) with labels 1 and scores (n, T), or (repeats, n, T): the same tokens
    `repeats` times, so that training can start from several prompts or have several scores."""
    x = torch.as_tensor(tokens, dtype=torch.float64).expand(repeats, *tokens.shape)
    values = torch.as_tensor(scores, dtype=torch.float64).expand(x.shape[:-1])
    ones = torch.ones(*x.shape[:2], dtype=torch.float64)
    return SelectionProblems(x, ones[..., None], ones, GivenScores(values))


def one_sequence(last_score: float) -> tuple[Tensor, Tensor]:
    """Tokens (1, 3, 2) and scores: (-0.1, 1) with 1, (1, 0) with 0.9, (0, 0) with `last_score`, published 0.9 or 0."""
    tokens = torch.tensor([[[-0.1, 1.0], [1.0, 0.0], [0.0, 0.0]]])
    return tokens, torch.tensor([[1.0, 0.9, last_score]])


def three_sequences() -> tuple[Tensor, Tensor]:
    """Tokens (3, 7, 2) around (1, 0), (-1, 1) and (-0.5, -0.5) (seed 0); the first of each sequence scores 1, the
    others 0.5."""
    x = 0.2 * torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    centres = torch.tensor([[1.0, 0.0]] + [[-1.0, 1.0]] * 3 + [[-0.5, -0.5]] * 3)
    return x[..., :2] + centres, torch.tensor([1.0] + [0.5] * 6).expand(3, 7)


def two_sequences(score: float) -> tuple[Tensor, Tensor]:
    """Tokens (2, 2, 2): the origin with score 0 against (1, 1) with `score`, and against (1, -1) with score 1."""
    tokens = torch.tensor([[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, -1.0]]])
    return tokens, torch.tensor([[0.0, score], [0.0, 1.0]])


def labelled_sequences(height: float) -> tuple[Tensor, Tensor]:
    """Tokens (3, 2, 2) and labels for training prompt and head together: the origin against (1, 1), (1, -1) and
    (0.5, `height`), labels 1, -1, 1; published heights 1 (all support vectors of the head) and 1.5."""
    far: Sequence[Sequence[float]] = [[1.0, 1.0], [1.0, -1.0], [0.5, height]]
    tokens = torch.stack([torch.zeros(3, 2), torch.tensor(far)], dim=1)
    return tokens, torch.tensor([1.0, -1.0, 1.0])
