"""How long a step is. Every rule moves a block of parameters by -length times its gradient, the gradient being
known up to a factor e^{log_scale}. Shapes: p blocks (W, or K and Q), r problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from toy_tasks.validation import number


class Rule(Protocol):
    """A step length from gradient norms."""

    @property
    def needs_excess(self) -> bool:
        """Whether it needs the loss above its infimum."""
        ...

    def lengths(self, norms: Tensor, log_scale: Tensor, excess: Tensor | None) -> Tensor:
        """(p, r) step lengths for norms (p, r), log_scale (r,) and excess (r,), both without the factor e^{log_scale}.

        Not finite where a step has no meaning: the problem is then frozen.
        """
        ...


def _rate(rule: object) -> None:
    rate = number("learning_rate", rule.learning_rate, low=0, open_low=True)  # type: ignore[attr-defined]
    if not isinstance(rate, float):
        raise TypeError(f"learning_rate must be one number, got {rule.learning_rate!r}")  # type: ignore[attr-defined]
    object.__setattr__(rule, "learning_rate", rate)


@dataclass(frozen=True)
class GradientDescent:
    """W <- W - learning_rate grad."""

    learning_rate: float
    needs_excess = False

    def __post_init__(self) -> None:
        _rate(self)

    def lengths(self, norms: Tensor, log_scale: Tensor, excess: Tensor | None) -> Tensor:
        """The rate, with the factor that the gradient lacks."""
        return (self.learning_rate * torch.exp(log_scale)).expand_as(norms)


@dataclass(frozen=True)
class NormalizedDescent:
    """W <- W - learning_rate grad / (||grad|| + floor); of K and Q, each by the norm of its own gradient.

    The floor is that of the `Arithmetic`. Nothing moves where a gradient is zero.
    """

    learning_rate: float
    floor: float = 0.0
    needs_excess = False

    def __post_init__(self) -> None:
        _rate(self)
        object.__setattr__(self, "floor", number("floor", self.floor, low=0))

    def lengths(self, norms: Tensor, log_scale: Tensor, excess: Tensor | None) -> Tensor:
        """rate / norm."""
        floor = self.floor * torch.exp(-log_scale) if self.floor else torch.zeros_like(log_scale)
        return torch.where(norms == 0, 0.0, self.learning_rate / (norms + floor))


@dataclass(frozen=True)
class PolyakStep:
    """W <- W - (L - L*) / ||grad||^2 grad, L* being the loss when every sequence selects its best token.

    For heads that are linear. Where descent selects another token, L stays above L* and steps grow without bound.
    """

    needs_excess = True

    def lengths(self, norms: Tensor, log_scale: Tensor, excess: Tensor | None) -> Tensor:
        """excess / norm^2, one for all blocks."""
        assert excess is not None
        return (excess / norms.square().sum(dim=0)).expand_as(norms)
