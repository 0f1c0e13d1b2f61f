"""Token selection as a list of linear margins: what is asked of the attention weights, and the algebra shared by all.

Sequence i shows T tokens x_it to a query z_i and must select token alpha_i. Every other token t gives one difference
matrix A_it = (x_{i,alpha_i} - x_it) z_i^T and asks for the margin <A_it, W> = (x_{i,alpha_i} - x_it)^T W z_i >= 1.
`Margins` is that list in general form, rows a_k, queries z_k and bounds b_k: a_k^T W z_k >= b_k, k = 1..m, which also
holds relaxed bounds, causal lists and the program for a trainable prompt. Everything else follows from the two maps
W -> (a_k^T W z_k)_k and lambda -> M(lambda) = sum_k lambda_k A_k, and from the Gram matrix (A A^T) o (Z Z^T).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor, indices, same_dtype, same_leading


@dataclass(frozen=True, eq=False)
class Margins:
    """The program a_k^T W z_k >= b_k, k = 1..m, over W (..., d, e).

    rows      a, (..., m, d).
    queries   z, (..., n, e), each used by the constraints that `owner` gives it.
    owner     (m,) integers in 0..n-1: z_k = queries[owner[k]]. Defaults to 0..m-1, one query per constraint.
    bounds    b >= 0, (..., m). Defaults to 1; a bound 0 asks for the right sign only.
    Everything is kept in float64. Raises `ValueError` or `TypeError` naming the argument.
    """

    rows: Tensor
    queries: Tensor
    owner: Tensor = None  # type: ignore[assignment]
    bounds: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        rows, queries = float_tensor("rows", self.rows, 2), float_tensor("queries", self.queries, 2)
        same_dtype(rows=rows, queries=queries)
        leading = same_leading(rows=(rows, 2), queries=(queries, 2))
        m, n = rows.shape[-2], queries.shape[-2]
        if self.owner is None and m != n:
            raise ValueError(f"owner must be given unless each row has a query, got {m} rows and {n} queries")
        owner = torch.arange(m) if self.owner is None else indices("owner", self.owner, (m,), below=n)
        ones = torch.ones(*leading, m, dtype=rows.dtype, device=rows.device)
        bounds = ones if self.bounds is None else float_tensor("bounds", self.bounds, 1)
        if bounds.shape != (*leading, m):
            raise ValueError(f"bounds must have shape {(*leading, m)}, got shape {tuple(bounds.shape)}")
        if (bounds < 0).any():
            raise ValueError(f"bounds must be >= 0, got {bounds.min().item()} among its entries")
        if (bounds == 0).all(dim=-1).any():
            raise ValueError("bounds must have a positive entry in every problem, got only 0: W = 0 solves it")
        for name, value in {"rows": rows, "queries": queries, "bounds": bounds}.items():
            object.__setattr__(self, name, value.to(torch.float64))
        object.__setattr__(self, "owner", owner.to(rows.device))

    @property
    def batch(self) -> tuple[int, ...]:
        """The shape of the batch of problems."""
        return tuple(self.rows.shape[:-2])

    @property
    def size(self) -> int:
        """m, the number of constraints."""
        return self.rows.shape[-2]

    @cached_property
    def row_queries(self) -> Tensor:
        """z_k of every constraint, (..., m, e)."""
        return self.queries[..., self.owner, :]

    @cached_property
    def gram(self) -> Tensor:
        """<A_k, A_l> = (a_k . a_l)(z_k . z_l), (..., m, m)."""
        return (self.rows @ self.rows.mT).mul_(self.row_queries @ self.row_queries.mT)

    @cached_property
    def lengths(self) -> Tensor:
        """||A_k||_F = ||a_k|| ||z_k||, (..., m)."""
        return self.rows.norm(dim=-1) * self.queries.norm(dim=-1)[..., self.owner]

    def of(self, weights: Tensor) -> Tensor:
        """The margins a_k^T W z_k, (..., m), of weights (..., d, e)."""
        return ((self.rows @ weights) * self.row_queries).sum(dim=-1)

    def combine(self, multipliers: Tensor) -> Tensor:
        """M(lambda) = sum_k lambda_k a_k z_k^T, (..., d, e), of multipliers (..., m)."""
        return self.rows.mT @ (multipliers[..., None] * self.row_queries)

    def flat(self) -> Margins:
        """The same problems with one batch axis."""
        if len(self.batch) == 1:
            return self
        rows, queries = (x.reshape(-1, *x.shape[-2:]) for x in (self.rows, self.queries))
        return Margins(rows, queries, self.owner, self.bounds.reshape(-1, self.size))

    def take(self, which: Tensor) -> Margins:
        """The problems of a flat batch that a boolean or index tensor picks."""
        return Margins(self.rows[which], self.queries[which], self.owner, self.bounds[which])

    def reduced(self) -> tuple[Margins, Tensor, Tensor]:
        """The same program in R^{min(d, m) x min(e, n)}, with P and Q such that W = P W' Q^T: exact, not a projection.

        Both the Frobenius and the nuclear norm have a solution whose columns lie in the span of the a_k and whose rows
        lie in the span of the z_k, so orthonormal bases of those spans carry all of it.
        """
        rows, left = _in_own_span(self.rows)
        queries, right = _in_own_span(self.queries)
        return Margins(rows, queries, self.owner, self.bounds), left, right


def _in_own_span(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (..., k, r) of k vectors (..., k, d) in an orthonormal basis (..., d, r), r = min(k, d)."""
    if vectors.shape[-1] <= vectors.shape[-2]:
        eye = torch.eye(vectors.shape[-1], dtype=vectors.dtype, device=vectors.device)
        return vectors, eye.expand(*vectors.shape[:-2], *eye.shape)
    basis, coordinates = torch.linalg.qr(vectors.mT)
    return coordinates.mT, basis


@dataclass(frozen=True, eq=False)
class TokenSelection:
    """n sequences of T tokens, one query each, and the token that attention is to select.

    tokens    x, (..., n, T, d) with T >= 2.
    queries   z, (..., n, d), none of them zero. Self-attention: `tokens[..., 0, :]`.
    selected  alpha, (..., n) integers in 0..T-1.
    tokens and queries have one floating dtype and are finite; they are kept in float64.
    """

    tokens: Tensor
    queries: Tensor
    selected: Tensor

    def __post_init__(self) -> None:
        tokens, queries = float_tensor("tokens", self.tokens, 3), float_tensor("queries", self.queries, 2)
        same_dtype(tokens=tokens, queries=queries)
        *_, n, length, d = tokens.shape
        if length < 2:
            raise ValueError(f"tokens must have shape (..., n, T, d) with T >= 2, got shape {tuple(tokens.shape)}")
        leading = same_leading(tokens=(tokens, 3), queries=(queries, 2))
        if queries.shape[-2:] != (n, d):
            raise ValueError(f"queries must have shape {(*leading, n, d)}, got shape {tuple(queries.shape)}")
        if (queries == 0).all(dim=-1).any():
            raise ValueError("queries must not be zero: a zero query attends to every token alike, got 0 vector")
        selected = indices("selected", self.selected, (*leading, n), below=length)
        for name, value in {"tokens": tokens, "queries": queries}.items():
            object.__setattr__(self, name, value.to(torch.float64))
        object.__setattr__(self, "selected", selected.to(tokens.device))

    @property
    def length(self) -> int:
        """T, the number of tokens per sequence."""
        return self.tokens.shape[-2]

    @property
    def sequences(self) -> int:
        """n, the number of sequences."""
        return self.tokens.shape[-3]

    @cached_property
    def others(self) -> Tensor:
        """The tokens that are not selected, ascending: (..., n, T-1) integers, the layout of every multiplier."""
        ascending = torch.arange(self.length - 1, device=self.tokens.device)
        return ascending + (ascending >= self.selected[..., None])

    @cached_property
    def differences(self) -> Tensor:
        """x_{i,alpha_i} - x_it for t != alpha_i, (..., n, T-1, d)."""
        d = self.tokens.shape[-1]
        chosen = self.tokens.gather(-2, self.selected[..., None, None].expand(*self.selected.shape, 1, d))
        return chosen - self.tokens.gather(-2, self.others[..., None].expand(*self.others.shape, d))

    def margins(self, bounds: Tensor | None = None) -> Margins:
        """The program in general form, with `bounds` (..., n) >= 0 per sequence (default 1) on all its tokens."""
        owner = torch.arange(self.sequences, device=self.tokens.device).repeat_interleave(self.length - 1)
        if bounds is not None:
            per_sequence = float_tensor("bounds", bounds, 1)
            if per_sequence.shape != self.selected.shape:
                raise ValueError(
                    f"bounds must have shape {tuple(self.selected.shape)}, got shape {tuple(per_sequence.shape)}"
                )
            bounds = per_sequence[..., owner]
        rows = self.differences.flatten(-3, -2)
        return Margins(rows, self.queries, owner, bounds)  # type: ignore[arg-type]
