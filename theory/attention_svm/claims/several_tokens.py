"""Selections that keep several tokens per sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from theory.attention_svm.claims.instances import AnySelection, SeparableSelection
from theory.attention_svm.multi_token import MultiTokenSelection, penalised_attention, solve_multi_token
from theory.claims import claim, excess, relative_error
from theory.numerics import Array, integrate
from theory.papers import TARZANAGH_2023


@dataclass(frozen=True, eq=False)
class KeptTokens:
    """One problem with d >= max(T - 1, n) + 2 whose limiting attention keeps one to three tokens per sequence."""

    problem: MultiTokenSelection

    @classmethod
    def drawn(cls, n: int, length: int, d: int, seed: int) -> Self:
        """Attention proportional to 0.1 + a uniform number on the kept tokens."""
        base, rng = AnySelection.drawn(n, length, d, seed).problem, np.random.default_rng(seed)
        attention = 0.1 + rng.uniform(size=(n, length))
        attention[np.arange(length) >= rng.integers(1, 4, size=(n, 1))] = 0.0
        rows = torch.as_tensor(attention / attention.sum(axis=1, keepdims=True))
        return cls(MultiTokenSelection(base.tokens, base.queries, rows))


@dataclass(frozen=True, eq=False)
class PenalisedHead:
    """Head v^T o - penalty ||o||^2 on orthonormal tokens of values v^T x_t, (T,); penalty > 0."""

    values: tuple[float, ...]
    penalty: float

    @property
    def attention(self) -> Tensor:
        """The predicted limit."""
        return penalised_attention(torch.tensor(self.values, dtype=torch.float64), self.penalty)


@claim(
    statement="""With several tokens kept, W_fin reproduces the attention ratios within them, W_mm treats them alike and
    puts all others a margin of at least 1 behind, and the two are orthogonal.""",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=40,
)
def several_tokens_meet_their_conditions(case: KeptTokens) -> float:
    p, s = case.problem, solve_multi_token(case.problem)
    program, others = p.selection.margins(), p.selection.others
    kept = p.kept.gather(1, others).flatten()
    ratio = (p.attention.amax(dim=1, keepdim=True) / p.attention.gather(1, others)).flatten()[kept].log()
    finite, margin = program.of(s.finite), program.of(s.direction)
    errors = [abs((s.finite * s.direction).sum().item()) / (1 + s.finite.norm() * s.direction.norm()).item()]
    if kept.any():
        errors += [relative_error(finite[kept], ratio, scale=1.0), relative_error(margin[kept], 0.0, scale=1.0)]
    if not kept.all():
        errors.append(abs(margin[~kept].min().item() - 1))
    return max(errors)


@claim(
    statement="With one token kept per sequence W_fin = 0 and W_mm is the Frobenius solution.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-8,
    examples=40,
)
def one_kept_token_is_the_plain_problem(case: SeparableSelection) -> float:
    p = case.problem
    attention = torch.zeros(p.tokens.shape[:2], dtype=torch.float64).scatter(1, p.selected[:, None], 1.0)
    s = solve_multi_token(MultiTokenSelection(p.tokens, p.queries, attention))
    return max(relative_error(s.direction, case.solved().weights), s.finite.abs().max().item())


@claim(
    statement="""Training the logits of one sequence under the head v^T o - lambda ||o||^2 on orthonormal tokens ends
    with softmax at the Euclidean projection of X v / (2 lambda) on the simplex.""",
    source=TARZANAGH_2023,
    kind="limit",
    tolerance=2e-3,
    examples=15,
)
def penalised_head_projects_on_the_simplex(head: PenalisedHead) -> float:
    """The largest error at t = 1e6 of dh/dt = (diag(s) - s s^T)(X v - 2 lambda s): tokens are lost like 1 / t."""
    values = np.array(head.values)

    def field(_: float, logits: Array) -> Array:
        s = np.exp(logits - logits.max())
        s /= s.sum()
        gain = values - 2 * head.penalty * s
        return np.asarray(s * (gain - s @ gain))

    end = integrate(field, np.zeros(len(values)), np.array([1e6]), rtol=1e-8, atol=1e-8)[0]
    softmax = torch.softmax(torch.as_tensor(end), dim=0)
    return (softmax - head.attention).abs().max().item()


@claim(
    statement="""The projection is the best attention: no point of the simplex has a larger X v . s - lambda
    ||s||^2.""",
    source=TARZANAGH_2023,
    kind="inequality",
    tolerance=1e-12,
)
def projection_maximises_the_penalised_output(head: PenalisedHead) -> float:
    """Against every vertex: to first order, that the gradient at the optimum does not point towards any of them."""
    s, values = head.attention, torch.tensor(head.values, dtype=torch.float64)
    gain = values - 2 * head.penalty * s
    feasible = max(abs(s.sum().item() - 1), -s.min().item())
    return max(feasible, excess(gain.max(), (s * gain).sum(), scale=1 + values.abs().max()))
