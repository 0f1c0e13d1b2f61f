"""What experiments that train token selection share: published starts, the programs of what was selected, cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from theory.attention_svm import TokenSelection
    from toy_tasks.token_selection import Factors, KernelWeights, SelectionProblems

RATE = 0.1
"""Step length of normalised descent in all published runs."""


def random_weights(seeds: Sequence[int], dim: int) -> KernelWeights:
    """W from a linear layer's initial values."""
    from toy_tasks.token_selection import KernelWeights, linear_layer

    return KernelWeights(linear_layer(seeds, dim, dim))


def random_factors(seeds: Sequence[int], dim: int) -> Factors:
    """Square K and Q, each from a linear layer's initial values."""
    from toy_tasks.token_selection import Factors, linear_layer

    return Factors(*(linear_layer(seeds, dim, dim, split=split) for split in (1, 2)))


def selection(problems: SelectionProblems, selected: Tensor) -> TokenSelection:
    """The max-margin program that asks for these tokens."""
    from theory.attention_svm import TokenSelection

    return TokenSelection(problems.tokens, problems.queries, selected)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """<A, B> / (||A||_F ||B||_F) over the last two axes."""
    from torch.linalg import matrix_norm

    return (a * b).sum(dim=(-2, -1)) / (matrix_norm(a) * matrix_norm(b))
