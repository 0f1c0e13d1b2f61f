"""What is trained: the weights W themselves, in three ways of holding them, or factors W = K Q^T.

A specification says where training starts; `start` makes the state that steps, given the gradient c (r, n, t) with
respect to logits: `norms(c)` those of the parameters' gradients, `move(lengths)` the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.validation import finite_tensor, number


class State(Protocol):
    """Parameters of r problems on their way."""

    def logits(self) -> Tensor:
        """X_i W z_i, (r, n, t)."""
        ...

    def norms(self, coefficients: Tensor, log_scale: Tensor) -> Tensor:
        """(p, r) norms of the gradients of p blocks, without the factor e^{log_scale}; remembers them for `move`."""
        ...

    def move(self, lengths: Tensor) -> None:
        """Each block by -lengths (p, r) times its gradient."""
        ...

    def weights(self) -> Tensor:
        """W, (r, d, e)."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """The blocks by name."""
        ...


class Parameters(Protocol):
    """A parametrisation with its initial value."""

    def start(self, problems: SelectionProblems, decay: float) -> State:
        """The state before the first step."""
        ...


def _initial(name: str, value: Tensor | None, problems: SelectionProblems) -> Tensor:
    expected = (problems.problems, *problems.shape)
    if value is None:
        return problems.tokens.new_zeros(expected)
    tensor = finite_tensor(name, value, 3)
    if tensor.shape != expected:
        raise ValueError(f"{name} must have shape {expected}, got shape {tuple(tensor.shape)}")
    return tensor.to(problems.tokens.device)


@dataclass(frozen=True, eq=False)
class KernelWeights:
    """W = W_0 + sum_it C_it x_it z_i^T, held as C and the logits: a step costs (n T)^2, whatever d is.

    Gradients lie in the span of the x_it z_i^T, whose inner products (x_it . x_js)(z_i . z_j) are computed once.
    initial  W_0, (r, d, e); zero by default.
    """

    initial: Tensor | None = None

    def start(self, problems: SelectionProblems, decay: float) -> State:
        """The state before the first step; weights have no decay."""
        return _Kernel(problems, _initial("initial", self.initial, problems))


class _Kernel:
    def __init__(self, problems: SelectionProblems, initial: Tensor) -> None:
        self.problems, self.initial = problems, initial
        tokens = problems.tokens.flatten(1, 2)
        queries = problems.queries.repeat_interleave(problems.tokens.shape[2], dim=1)
        self.kernel = (tokens @ tokens.mT) * (queries @ queries.mT)
        self.sum = torch.zeros_like(problems.tokens[..., 0])
        self._logits = problems.logits(initial)

    def logits(self) -> Tensor:
        return self._logits

    def norms(self, coefficients: Tensor, log_scale: Tensor) -> Tensor:
        self._step = coefficients
        # the kernel is symmetric, and a row times a matrix is three times as fast as a matrix times a column
        self._effect = (coefficients.flatten(1)[:, None] @ self.kernel)[:, 0].reshape(coefficients.shape)
        square = (coefficients * self._effect).sum(dim=(-2, -1))
        return square.clamp(min=0).sqrt()[None]

    def move(self, lengths: Tensor) -> None:
        length = lengths[0, :, None, None]
        self.sum = self.sum - length * self._step
        self._logits = self._logits - length * self._effect

    def weights(self) -> Tensor:
        return self.initial + _combined(self.problems, self.sum)

    def parameters(self) -> dict[str, Tensor]:
        return {"weights": self.weights()}


@dataclass(frozen=True, eq=False)
class MirrorWeights:
    """W behind the mirror map of the potential sum |W_jk|^exponent / exponent: steps are taken by
    U = sign(W) |W|^{exponent - 1}, and the norm of a gradient is the dual one, l_q with 1/q = 1 - 1/exponent.

    exponent  > 1; with 2, U is W: gradient descent on the d x e matrix itself.
    initial   W_0, (r, d, e); zero by default.
    """

    exponent: float = 2.0
    initial: Tensor | None = None

    def __post_init__(self) -> None:
        exponent = number("exponent", self.exponent, low=1, open_low=True)
        if not isinstance(exponent, float):
            raise TypeError(f"exponent must be one number, got {self.exponent!r}")
        object.__setattr__(self, "exponent", exponent)

    def start(self, problems: SelectionProblems, decay: float) -> State:
        """The state before the first step; weights have no decay."""
        return _Mirror(problems, _initial("initial", self.initial, problems), self.exponent)


class _Mirror:
    def __init__(self, problems: SelectionProblems, initial: Tensor, exponent: float) -> None:
        self.problems, self.exponent = problems, exponent
        self.dual = _power(initial, exponent - 1)

    def logits(self) -> Tensor:
        return self.problems.logits(self.weights())

    def norms(self, coefficients: Tensor, log_scale: Tensor) -> Tensor:
        self._gradient = _combined(self.problems, coefficients)
        conjugate = self.exponent / (self.exponent - 1)
        return torch.linalg.vector_norm(self._gradient, ord=conjugate, dim=(-2, -1))[None]

    def move(self, lengths: Tensor) -> None:
        self.dual = self.dual - lengths[0, :, None, None] * self._gradient

    def weights(self) -> Tensor:
        return _power(self.dual, 1 / (self.exponent - 1))

    def parameters(self) -> dict[str, Tensor]:
        return {"weights": self.weights()}


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """sign(M) |M|^exponent."""
    return matrix if exponent == 1 else torch.sign(matrix) * matrix.abs() ** exponent


def _combined(problems: SelectionProblems, coefficients: Tensor) -> Tensor:
    """sum_it c_it x_it z_i^T, (r, d, e)."""
    points = (coefficients[..., None, :] @ problems.tokens)[..., 0, :]
    return points.mT @ problems.queries


@dataclass(frozen=True, eq=False)
class Factors:
    """W = K Q^T with K = `keys` (r, d, m) and Q = `queries` (r, e, m), two blocks of parameters.

    The decay lambda adds 2 lambda K and 2 lambda Q to their gradients.
    """

    keys: Tensor
    queries: Tensor

    def start(self, problems: SelectionProblems, decay: float) -> State:
        """The state before the first step."""
        d, e = problems.shape
        keys, queries = finite_tensor("keys", self.keys, 3), finite_tensor("queries", self.queries, 3)
        for name, value, size in (("keys", keys, d), ("queries", queries, e)):
            expected = (problems.problems, size, keys.shape[-1])
            if value.shape != expected:
                raise ValueError(f"{name} must have shape {expected}, got shape {tuple(value.shape)}")
        return _Factors(problems, keys.to(problems.tokens.device), queries.to(problems.tokens.device), decay)


class _Factors:
    def __init__(self, problems: SelectionProblems, keys: Tensor, queries: Tensor, decay: float) -> None:
        self.problems, self.decay = problems, decay
        self.keys, self.queries = keys, queries

    def logits(self) -> Tensor:
        return self.problems.logits(self.weights())

    def norms(self, coefficients: Tensor, log_scale: Tensor) -> Tensor:
        gradient = _combined(self.problems, coefficients)
        keys, queries = gradient @ self.queries, gradient.mT @ self.keys
        if self.decay:
            scaled = 2 * self.decay * torch.exp(-log_scale)[:, None, None]
            keys, queries = keys + scaled * self.keys, queries + scaled * self.queries
        self._gradients = keys, queries
        return torch.stack([torch.linalg.vector_norm(block, dim=(-2, -1)) for block in self._gradients])

    def move(self, lengths: Tensor) -> None:
        keys, queries = self._gradients
        self.keys = self.keys - lengths[0, :, None, None] * keys
        self.queries = self.queries - lengths[1, :, None, None] * queries

    def weights(self) -> Tensor:
        return self.keys @ self.queries.mT

    def parameters(self) -> dict[str, Tensor]:
        return {"keys": self.keys, "queries": self.queries}
