"""A check: one number that theory predicts and a simulation shows, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from theory.claims import Claim


@dataclass(frozen=True)
class Check:
    """`relation` "=": |observed - predicted| <= tolerance; "<", ">": observed beyond predicted by at most tolerance."""

    what: str
    predicted: float
    observed: float
    tolerance: float = 0.0
    relation: Literal["=", "<", ">"] = "="
    claim: Claim | None = None

    @property
    def holds(self) -> bool:
        """False also for NaN."""
        difference = float(self.observed) - float(self.predicted)
        miss = {"=": abs(difference), "<": difference, ">": -difference}[self.relation]
        return bool(miss <= self.tolerance)

    def __str__(self) -> str:
        verdict = "ok  " if self.holds else "FAIL"
        slack = f" +- {self.tolerance:g}" if self.tolerance else ""
        return f"{verdict} {self.what}: {self.observed:.5g}  (predicted {self.relation} {self.predicted:.5g}{slack})"

    def record(self) -> dict[str, Any]:
        """As plain values for the figure's record."""
        return {
            "what": self.what,
            "predicted": float(self.predicted),
            "observed": float(self.observed),
            "tolerance": float(self.tolerance),
            "relation": self.relation,
            "claim": self.claim.name if self.claim else None,
            "holds": self.holds,
        }
