"""Update rules of one replica, as formulas. `step` counts from 0; every number may differ between replicas.

A learning rate may also be a dict with one such number for each parameter, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from toy_tasks.validation import number

Params = dict[str, Tensor]
State = dict[str, Params]
Number = Any  # a float, or an array with one value per replica; inside the formulas always a scalar


class Optimizer(Protocol):
    """An update rule of one replica: two pure functions."""

    def init(self, params: Params) -> State:
        """The state before the first step."""
        ...

    def update(self, params: Params, grads: Params, state: State, step: Tensor) -> tuple[Params, State]:
        """New parameters and state after step number `step`, from 0."""
        ...


def _zeros(params: Params) -> Params:
    return {name: torch.zeros_like(p) for name, p in params.items()}


def _check_rate(spec: object) -> None:
    rate = spec.learning_rate  # type: ignore[attr-defined]
    if isinstance(rate, dict):
        checked: Any = {k: number(f"learning_rate[{k!r}]", v, low=0, open_low=True) for k, v in rate.items()}
    else:
        checked = number("learning_rate", rate, low=0, open_low=True)
    object.__setattr__(spec, "learning_rate", checked)


def _rates(learning_rate: Number | dict[str, Number], params: Params) -> dict[str, Number]:
    """The learning rate of each parameter."""
    if not isinstance(learning_rate, dict):
        return dict.fromkeys(params, learning_rate)
    if learning_rate.keys() != params.keys():
        raise ValueError(f"learning_rate must name the trained parameters {[*params]}, got {[*learning_rate]}")
    return learning_rate


def _check(spec: object, bounds: dict[str, tuple[float, float, bool]]) -> None:
    for name, (low, high, open_low) in bounds.items():
        checked = number(name, getattr(spec, name), low=low, high=high, open_low=open_low)
        object.__setattr__(spec, name, checked)


@dataclass(frozen=True, eq=False)
class SGD:
    """v <- momentum v + g + weight_decay p;  p <- p - learning_rate v. With momentum 0, plain gradient descent."""

    learning_rate: Number | dict[str, Number]
    momentum: Number = 0.0
    weight_decay: Number = 0.0

    def __post_init__(self) -> None:
        _check_rate(self)
        _check(self, {"momentum": (0, 1, False), "weight_decay": (0, np.inf, False)})

    @property
    def _plain(self) -> bool:
        return isinstance(self.momentum, float) and self.momentum == 0.0

    def init(self, params: Params) -> State:
        """No state without momentum, else zero velocities."""
        _rates(self.learning_rate, params)
        return {} if self._plain else {"velocity": _zeros(params)}

    def update(self, params: Params, grads: Params, state: State, step: Tensor) -> tuple[Params, State]:
        """One step; as `torch.optim.SGD`."""
        force = {k: g + self.weight_decay * params[k] for k, g in grads.items()}
        if not self._plain:
            force = {k: self.momentum * state["velocity"][k] + f for k, f in force.items()}
            state = {"velocity": force}
        rates = _rates(self.learning_rate, params)
        return {k: p - rates[k] * force[k] for k, p in params.items()}, state


@dataclass(frozen=True, eq=False)
class Adam:
    """m <- beta1 m + (1-beta1) g;  v <- beta2 v + (1-beta2) g^2;  p <- p - learning_rate mhat / (sqrt(vhat) + epsilon).

    mhat = m / (1 - beta1^(step+1)), vhat likewise. `weight_decay` is decoupled: p shrinks by
    learning_rate weight_decay p.
    """

    learning_rate: Number | dict[str, Number]
    beta1: Number = 0.9
    beta2: Number = 0.999
    epsilon: Number = 1e-8
    weight_decay: Number = 0.0

    def __post_init__(self) -> None:
        _check_rate(self)
        _check(self, {"beta1": (0, 1, False), "beta2": (0, 1, False)})
        _check(self, {"epsilon": (0, np.inf, False), "weight_decay": (0, np.inf, False)})

    def init(self, params: Params) -> State:
        """Zero first and second moments."""
        _rates(self.learning_rate, params)
        return {"first": _zeros(params), "second": _zeros(params)}

    def update(self, params: Params, grads: Params, state: State, step: Tensor) -> tuple[Params, State]:
        """One step; as `torch.optim.AdamW` (and `torch.optim.Adam` where weight_decay is 0)."""
        first = {k: self.beta1 * m + (1 - self.beta1) * grads[k] for k, m in state["first"].items()}
        second = {k: self.beta2 * v + (1 - self.beta2) * grads[k] ** 2 for k, v in state["second"].items()}
        steps = step.to(next(iter(params.values())).dtype) + 1
        correction1, correction2 = 1 - self.beta1**steps, 1 - self.beta2**steps
        rates = _rates(self.learning_rate, params)

        def moved(k: str, p: Tensor) -> Tensor:
            direction = (first[k] / correction1) / (torch.sqrt(second[k] / correction2) + self.epsilon)
            return p - rates[k] * (direction + self.weight_decay * p)

        return {k: moved(k, p) for k, p in params.items()}, {"first": first, "second": second}


@dataclass(frozen=True, eq=False)
class AdamW(Adam):
    """`Adam` with torch's default decoupled weight decay of 0.01."""

    weight_decay: Number = 0.01
