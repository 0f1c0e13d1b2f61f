"""The minimum nuclear norm: min ||W||_* subject to a_k^T W z_k >= b_k, by a batched primal-dual interior point.

As a semidefinite program over X = [[X11, W], [W^T, X22]] >= 0 it minimises (tr X11 + tr X22) / 2; the dual maximises
b.lambda subject to S = [[I, -M], [-M^T, I]] / 2 >= 0, that is ||M(lambda)||_op <= 1. The direction is the one of
Helmberg, Kojima and Monteiro; because every constraint matrix has rank 2, its Schur complement is four elementwise
products of m x m matrices, with no loop over constraints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from theory.attention_svm.certificates import Certificate, certify
from theory.attention_svm.problem import Margins

SHORTEN = 0.98  # of the way to the boundary of the cone
WANTED_GAP = 1e-11
CLOSE = 1e-3  # estimated gaps above this are not worth a certificate


def nuclear(program: Margins, start: Certificate, *, rounds: int = 60) -> Certificate:
    """Multipliers, weights and proven bounds for a flat batch of feasible programs, from their Frobenius solutions."""
    state = _State.near(program, start)
    best = certify(program, state.dual, state.weights(program), "nuclear")
    running = torch.arange(len(start.upper), device=start.upper.device)
    for _ in range(rounds):
        state, moved = state.step(program)
        if not moved.all() or (state.gap(program) < CLOSE).any():
            best = best.improved(running, certify(program, state.dual, state.weights(program), "nuclear"))
        keep = moved & best.take(running).open(WANTED_GAP)
        if not keep.any():
            break
        if not keep.all():
            running, state, program = running[keep], state.take(keep), program.take(keep)
    return best


@dataclass(frozen=True, eq=False)
class _State:
    """X (B, D, D), its slacks t = <A, W> - b and the multipliers lambda, (B, m) each."""

    primal: Tensor
    slack: Tensor
    dual: Tensor

    @classmethod
    def near(cls, program: Margins, start: Certificate) -> _State:
        """Well inside both cones: twice the Frobenius weights, so that the primal is feasible, and nine tenths of their
        multipliers with one tenth of the mean, scaled to ||M||_op = 1/2."""
        weights = 2 * start.weights
        d, e = weights.shape[1:]
        largest = torch.linalg.matrix_norm(weights, 2)[:, None, None]
        primal = 1.2 * largest * torch.eye(d + e, dtype=weights.dtype, device=weights.device)
        primal[:, :d, d:], primal[:, d:, :d] = weights, weights.mT
        slack = program.of(weights) - program.bounds
        slack = torch.maximum(slack, program.bounds.amax(dim=1, keepdim=True) / 10)
        dual = 0.9 * start.multipliers + 0.1 * start.multipliers.mean(dim=1, keepdim=True)
        level = 0.5 / torch.linalg.matrix_norm(program.combine(dual), 2)
        return cls(primal, slack, level[:, None] * dual)

    def take(self, which: Tensor) -> _State:
        return _State(self.primal[which], self.slack[which], self.dual[which])

    def weights(self, program: Margins) -> Tensor:
        d = program.rows.shape[-1]
        return self.primal[:, :d, d:]

    def gap(self, program: Margins) -> Tensor:
        """The relative duality gap, as far as the primal is feasible: an estimate without singular values, (B,)."""
        return 1 - 2 * (program.bounds * self.dual).sum(dim=1) / self.primal.diagonal(dim1=1, dim2=2).sum(dim=1)

    def step(self, program: Margins) -> tuple[_State, Tensor]:
        """One predictor-corrector step, and which problems it moved."""
        newton = _Newton(program, self)
        centre = newton.complementarity(self)
        towards = newton.direction(0.0 * centre)
        aimed = newton.complementarity(newton.moved(towards))
        sigma = (aimed / centre).clamp(0, 1) ** 2
        new = newton.moved(newton.direction(sigma * centre, towards))
        moved = newton.usable & torch.isfinite(new.primal).all(dim=(1, 2)) & torch.isfinite(new.dual).all(dim=1)
        return new, moved


@dataclass(frozen=True, eq=False)
class _Direction:
    primal: Tensor
    slack: Tensor
    dual: Tensor
    cone: Tensor  # of S


class _Newton:
    """The linear system of one iteration, shared by predictor and corrector."""

    def __init__(self, program: Margins, state: _State) -> None:
        self.program, self.state = program, state
        self.d = program.rows.shape[-1]
        self.eye = torch.eye(state.primal.shape[-1], dtype=state.primal.dtype, device=state.primal.device)
        self.cone = 0.5 * self.eye - self._embedded(program.combine(state.dual))
        self.cone_factor, info = torch.linalg.cholesky_ex(self.cone)
        self.primal_factor, primal_info = torch.linalg.cholesky_ex(state.primal)
        # of a failed factorisation `cholesky_inverse` would raise, for all problems
        self.inverse = torch.cholesky_inverse(torch.where((info == 0)[:, None, None], self.cone_factor, self.eye))
        self.schur_factor, schur_info = torch.linalg.cholesky_ex(self._schur())
        self.usable = (info == 0) & (primal_info == 0) & (schur_info == 0)

    def _embedded(self, matrix: Tensor) -> Tensor:
        """(1/2) [[0, M], [M^T, 0]]."""
        d, e = matrix.shape[-2:]
        full = matrix.new_zeros(*matrix.shape[:-2], d + e, d + e)
        full[..., :d, d:] = matrix / 2
        full[..., d:, :d] = matrix.mT / 2
        return full

    def _schur(self) -> Tensor:
        """<A_k, sym(X A_l S^{-1})> + diag(t / lambda), with the embedded constraint matrices A_k."""
        d, a, q, owner = self.d, self.program.rows, self.program.queries, self.program.owner
        x, s = self.state.primal, self.inverse

        def between_queries(matrix: Tensor) -> Tensor:
            return (q @ matrix @ q.mT).index_select(1, owner).index_select(2, owner)

        total = (a @ x[:, :d, :d] @ a.mT).mul_(between_queries(s[:, d:, d:]))  # in place: m x m blocks are the cost
        total.addcmul_(between_queries(x[:, d:, d:]), a @ s[:, :d, :d] @ a.mT)
        mixed, other = ((q @ y[:, d:, :d] @ a.mT).index_select(1, owner) for y in (x, s))
        cross = mixed.mul_(other.mT)
        total.add_(cross).add_(cross.mT)
        total.div_(4).diagonal(dim1=-2, dim2=-1).add_(self.state.slack / self.state.dual)
        return total

    def _of(self, matrix: Tensor) -> Tensor:
        """<A_k, Y> = a_k^T Y12 z_k of symmetric Y."""
        return self.program.of(matrix[:, : self.d, self.d :])

    def direction(self, target: Tensor, first: _Direction | None = None) -> _Direction:
        """The step to complementarity `target` (B,), corrected by the second-order terms of `first`."""
        mu, state = target[:, None], self.state
        right = self.program.bounds - mu * self._of(self.inverse) + mu / state.dual
        bend, bend_slack = torch.zeros_like(state.primal), torch.zeros_like(state.slack)
        if first is not None:
            bend = _symmetric(first.primal @ first.cone @ self.inverse)
            bend_slack = first.dual * first.slack / state.dual
        right = right + self._of(bend) - bend_slack
        dual = torch.cholesky_solve(right[..., None], self.schur_factor)[..., 0]
        cone = -self._embedded(self.program.combine(dual))
        primal = mu[..., None] * self.inverse - state.primal - _symmetric(state.primal @ cone @ self.inverse) - bend
        slack = mu / state.dual - state.slack - state.slack / state.dual * dual - bend_slack
        return _Direction(primal, slack, dual, cone)

    def moved(self, direction: _Direction) -> _State:
        """The state after the longest safe steps, separate for the primal and the dual."""
        state = self.state
        primal = torch.minimum(
            _to_boundary(self.primal_factor, direction.primal), _to_zero(state.slack, direction.slack)
        )
        dual = torch.minimum(_to_boundary(self.cone_factor, direction.cone), _to_zero(state.dual, direction.dual))
        x, y = (SHORTEN * primal).clamp(max=1)[:, None], (SHORTEN * dual).clamp(max=1)[:, None]
        return _State(
            state.primal + x[..., None] * direction.primal,
            state.slack + x * direction.slack,
            state.dual + y * direction.dual,
        )

    def complementarity(self, state: _State) -> Tensor:
        """(<X, S> + t.lambda) / (D + m)."""
        cone = 0.5 * self.eye - self._embedded(self.program.combine(state.dual))
        total = (state.primal * cone).sum(dim=(1, 2)) + (state.slack * state.dual).sum(dim=1)
        return total / (cone.shape[-1] + self.program.size)


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2


def _to_boundary(factor: Tensor, change: Tensor) -> Tensor:
    """The largest step that keeps L L^T + step * change positive semidefinite, (B,)."""
    half = torch.linalg.solve_triangular(factor, change, upper=False)
    scaled = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    scaled = torch.where(torch.isfinite(scaled).all(dim=(1, 2))[:, None, None], scaled, 0.0)
    lowest = torch.linalg.eigvalsh(_symmetric(scaled))[:, 0]
    return torch.where(lowest < 0, -1 / lowest, torch.inf)


def _to_zero(value: Tensor, change: Tensor) -> Tensor:
    return torch.where(change < 0, -value / change, torch.inf).amin(dim=1)
