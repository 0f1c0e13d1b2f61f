"""A loss re-weighted inside a region: where one shared parameter settles between two optima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from theory.claims import claim, relative_error
from theory.papers import WEI_2024
from theory.validation import real, require


@dataclass(frozen=True)
class RegionLoss:
    """weight share |t - inside|^power + (1 - share) |t - outside|^power, power > 1, 0 < share < 1, weight > 0."""

    share: float
    weight: float
    inside: float
    outside: float
    power: float = 2.0

    def __post_init__(self) -> None:
        real("share", self.share, above=0.0, below=1.0)
        real("weight", self.weight, above=0.0)
        real("power", self.power, above=1.0)
        require(real("inside", self.inside) < real("outside", self.outside), "inside must be less than outside")

    def slope(self, t: float) -> float:
        """Derivative of the loss, over its power."""
        pulls = (self.weight * self.share, self.inside), (1 - self.share, self.outside)
        return float(sum(size * np.sign(t - at) * abs(t - at) ** (self.power - 1) for size, at in pulls))


@dataclass(frozen=True)
class BalancedLoss(RegionLoss):
    """Hypothesis: the weight makes up for the region's size: weight share = 1 - share."""

    def __post_init__(self) -> None:
        super().__post_init__()
        balanced = abs(self.weight * self.share - (1 - self.share)) <= 1e-14 * (1 - self.share)
        require(balanced, f"the weight must be {(1 - self.share) / self.share:g}, got {self.weight:g}")


def settled(loss: RegionLoss) -> float:
    """The minimiser: (inside + r outside) / (1 + r), r = ((1 - share) / (weight share))^(1 / (power - 1)).

    For squared errors (power 2) the weighted mean of the two optima.
    """
    pull = ((1 - loss.share) / (loss.weight * loss.share)) ** (1 / (loss.power - 1))
    return (loss.inside + pull * loss.outside) / (1 + pull)


def _root(loss: RegionLoss) -> float:
    return float(brentq(loss.slope, loss.inside, loss.outside, xtol=1e-14, rtol=1e-14))


@claim(
    statement="""A parameter with optimum a on a share rho of the loss, weighted by lambda, and b on the rest settles
    where (t - a) / (b - t) = ((1 - rho) / (lambda rho))^(1 / (p - 1)) under errors to the power p > 1: at the weighted
    mean (lambda rho a + (1 - rho) b) / (lambda rho + 1 - rho) for p = 2.""",
    source=WEI_2024,
    kind="identity",
    tolerance=1e-11,
)
def reweighted_loss_settles_between_its_optima(loss: RegionLoss) -> float:
    """Against the root of the derivative, relative to the distance of the optima."""
    found, size = _root(loss), loss.outside - loss.inside
    worst = abs(settled(loss) - found) / size
    if loss.power == 2:
        pulls = np.array([loss.weight * loss.share, 1 - loss.share])
        worst = max(worst, abs(pulls @ [loss.inside, loss.outside] / pulls.sum() - found) / size)
    return float(worst)


@claim(
    statement="""The weight (1 - rho) / rho on a region of share rho puts the minimiser half-way between the two optima,
    for errors to any power > 1.""",
    source=WEI_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (RegionLoss(0.2, 1.0, 0.0, 1.0),),
)
def balancing_weight_settles_half_way(loss: BalancedLoss) -> float:
    return relative_error(_root(loss) - loss.inside, (loss.outside - loss.inside) / 2)
