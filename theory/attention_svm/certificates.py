"""What multipliers prove, whoever found them: a lower bound, a feasible point and its gap, or that there is none.

Weak duality: for p >= 0 with b.p = 1 every feasible W has ||W|| >= <M(p), W> / ||M(p)||* >= 1 / ||M(p)||*, with the
dual norm: Frobenius for Frobenius, spectral for nuclear. A W with mu = min_k <A_k, W> / b_k > 0 gives the feasible
W / mu, so that the optimum lies between. A tiny ||M(p)||* proves infeasibility up to rounding: no W of moderate size
can do it. Bounds b_k = 0 are kept up to `RELAXED_ROUNDING` times ||A_k|| ||W||, since no scaling can repair them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from theory.attention_svm.problem import Margins

# ||M(p)|| below this fraction of the largest ||A_k|| is rounding: then the program counts as infeasible, since any
# solution would have a norm above 1e8 / max ||A_k||.
SMALLEST = 1e-8
RELAXED_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Certificate:
    """Proven bounds (B,) on the optimum of a flat batch.

    weights     a feasible W (B, d, e) where `upper` is finite.
    multipliers p >= 0 with b.p = 1; zero where they had no positive b.p.
    lower       1 / ||M(p)||*.
    upper       the norm of `weights`, infinite where there are none.
    gap         1 - lower / upper.
    infeasible  whether p proves infeasibility at the resolution `SMALLEST`.
    """

    weights: Tensor
    multipliers: Tensor
    lower: Tensor
    upper: Tensor
    infeasible: Tensor

    @property
    def gap(self) -> Tensor:
        """1 - lower / upper, at least 0; 1 where no feasible point is known."""
        return torch.where(torch.isfinite(self.upper), (1 - self.lower / self.upper).clamp(min=0), 1.0)

    def open(self, wanted: float) -> Tensor:
        """Which problems are neither solved to the wanted gap nor proven infeasible."""
        return ~(self.gap <= wanted) & ~self.infeasible

    def improved(self, which: Tensor, other: Certificate) -> Certificate:
        """With the better bound of each side wherever `other`, made for the problems `which`, has one."""
        mine = self.take(which)
        down, up = other.lower > mine.lower, other.upper < mine.upper
        best = {
            "weights": torch.where(up[:, None, None], other.weights, mine.weights),
            "multipliers": torch.where(down[:, None], other.multipliers, mine.multipliers),
            "lower": torch.where(down, other.lower, mine.lower),
            "upper": torch.where(up, other.upper, mine.upper),
            "infeasible": other.infeasible | mine.infeasible,
        }
        return Certificate(**{name: getattr(self, name).index_put((which,), value) for name, value in best.items()})

    def lifted(self, left: Tensor, right: Tensor) -> Certificate:
        """The same with W = P W' Q^T, for orthonormal P and Q."""
        return replace(self, weights=left @ self.weights @ right.mT)

    def for_norm(self, program: Margins, kind: Kind) -> Certificate:
        """What the same multipliers and weights prove for another norm; infeasibility is the same for all."""
        other = certify(program, self.multipliers, self.weights, kind)
        return replace(other, infeasible=self.infeasible, upper=torch.where(self.infeasible, torch.inf, other.upper))

    def take(self, which: Tensor) -> Certificate:
        """The certificates of a part of the batch."""
        return Certificate(*(getattr(self, f.name)[which] for f in fields(self)))


Kind = str | float  # "frobenius", "nuclear", or the exponent p > 1 of an entrywise norm


def norm(weights: Tensor, kind: Kind) -> Tensor:
    """The Frobenius, nuclear or entrywise l_p norm of matrices (..., d, e)."""
    if kind == "frobenius":
        return torch.linalg.matrix_norm(weights)
    if kind == "nuclear":
        return torch.linalg.svdvals(weights).sum(dim=-1)
    return torch.linalg.vector_norm(weights, ord=float(kind), dim=(-2, -1))


def dual_norm(weights: Tensor, kind: Kind) -> Tensor:
    """The dual norm max <V, W> over ||V|| <= 1: Frobenius, spectral, or l_q with q = p / (p - 1)."""
    if kind == "frobenius":
        return torch.linalg.matrix_norm(weights)
    if kind == "nuclear":
        return torch.linalg.svdvals(weights)[..., 0]
    return norm(weights, float(kind) / (float(kind) - 1))


def certify(program: Margins, multipliers: Tensor, weights: Tensor, kind: Kind) -> Certificate:
    """The certificate of multipliers (B, m) and weights (B, d, e) for a flat batch; NaN in either proves nothing."""
    p = multipliers.nan_to_num().clamp(min=0)
    total = (program.bounds * p).sum(dim=1)
    p = torch.where((total > 0)[:, None], p / total[:, None], 0.0)
    dual = dual_norm(program.combine(p), kind)
    lower = torch.where(total > 0, 1 / dual, 0.0)
    feasible, upper = _feasible_point(program, weights, kind)
    infeasible = (total > 0) & (dual <= SMALLEST * program.lengths.amax(dim=-1))
    return Certificate(feasible, p, lower, torch.where(infeasible, torch.inf, upper), infeasible)


def _feasible_point(program: Margins, weights: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """W / mu and its norm; NaN and infinity where W has no positive margin."""
    margins, size = program.of(weights), torch.linalg.matrix_norm(weights)
    rounding = RELAXED_ROUNDING * program.lengths * size[:, None]
    relaxed = program.bounds == 0
    worst = torch.where(relaxed, torch.inf, margins / program.bounds).amin(dim=1)
    fine = (worst > 0) & ~(relaxed & (margins < -rounding)).any(dim=1)
    feasible = torch.where(fine[:, None, None], weights / worst[:, None, None], torch.nan)
    return feasible, torch.where(fine, norm(feasible.nan_to_num(), kind), torch.inf)


def frobenius_certificate(program: Margins, multipliers: Tensor) -> Certificate:
    """The certificate of multipliers alone, the weights being M(p): then cos(M(p), W*) >= 1 - gap."""
    return certify(program, multipliers, program.combine(multipliers.nan_to_num().clamp(min=0)), "frobenius")
