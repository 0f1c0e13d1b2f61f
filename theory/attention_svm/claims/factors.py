"""Gradient flow on the factors of W = K Q^T."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from theory.attention_svm.claims.instances import ScoredSelection
from theory.attention_svm.flow import factor_flow
from theory.claims import claim
from theory.papers import TARZANAGH_2023


@dataclass(frozen=True, eq=False)
class _Factors:
    """A scored problem and where K and Q, (d, r) each, start."""

    case: ScoredSelection
    key: Tensor
    query: Tensor
    separately: ClassVar[bool] = False

    @classmethod
    def drawn(cls, n: int, length: int, d: int, rank: int, seed: int) -> Self:
        """Gaussian factors with entries of variance 1 / d."""
        generator = torch.Generator().manual_seed(seed + 2)
        k, q = torch.randn(2, d, rank, generator=generator, dtype=torch.float64) / d**0.5
        return cls(ScoredSelection.drawn(n, length, d, seed), k, q)

    def run(self, time: float) -> tuple[Tensor, Tensor]:
        """K and Q at a time."""
        start = self.key, self.query
        k, q = factor_flow(self.case.problem, self.case.scores, start, [time], separately=self.separately)
        return k[0], q[0]


class FactorFlow(_Factors):
    """Hypothesis: K and Q follow the gradient flow of L(K Q^T)."""


class SeparateFactorFlow(_Factors):
    """Each factor moves at unit speed along its own gradient."""

    separately = True


def _at_unit_speed() -> tuple[SeparateFactorFlow]:
    return (SeparateFactorFlow.drawn(3, 4, 7, 2, 0),)


@claim(
    statement="Gradient flow on K and Q conserves K^T K - Q^T Q; with each factor at unit speed it is not conserved.",
    source=TARZANAGH_2023,
    kind="identity",
    tolerance=1e-6,
    examples=15,
    fails_without=_at_unit_speed,
)
def factor_flow_conserves_the_imbalance(flow: FactorFlow) -> float:
    """The change of K^T K - Q^T Q up to t = 3, over that of K^T K."""
    k, q = flow.run(3.0)
    before, after = flow.key.mT @ flow.key, k.mT @ k
    drift = (after - q.mT @ q) - (before - flow.query.mT @ flow.query)
    return (drift.norm() / (after - before).norm()).item()
