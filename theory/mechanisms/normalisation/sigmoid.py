"""Sigmoid self-attention: its Jacobian with respect to the tokens, bounds on it, and the bias that tames its rows.

f(X)_i = sum_j w(x_i^T A x_j) x_j with tokens X (n, d) and A (d, d); w is sigmoid(. + b) or softmax over j. Jacobians
have shape (n d, n d), outputs by inputs, token by token.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.numerics import Array
from theory.papers import RAMAPURAM_2024
from theory.validation import finite_array, real, require

Tokens = Float[Array, "n d"]
Matrix = Float[Array, "d d"]
Jacobian = Float[Array, "nd nd"]


def sigmoid_jacobian(tokens: Tokens, matrix: Matrix, bias: float) -> Jacobian:
    """df_i/dx_k = S_ik + [i = k] sum_j S'_ij x_j (A x_j)^T + S'_ik x_k (A^T x_i)^T, S' = S (1 - S)."""
    weights = expit(tokens @ matrix @ tokens.T + bias)
    slopes = weights * (1 - weights)
    own = np.einsum("ij,ja,jb->iab", slopes, tokens, tokens @ matrix.T)
    return _assembled(weights, own, slopes[:, :, None] * tokens, tokens @ matrix)


def softmax_jacobian(tokens: Tokens, matrix: Matrix) -> Jacobian:
    """df_i/dx_k = P_ik + [i = k] Cov_i A^T + P_ik (x_k - f_i) (A^T x_i)^T, Cov_i the covariance of tokens under P_i."""
    weights = softmax(tokens @ matrix @ tokens.T)
    centred = tokens - (weights @ tokens)[:, None]
    own = np.einsum("ij,ija,ijb->iab", weights, centred, centred @ matrix.T)
    return _assembled(weights, own, weights[..., None] * centred, tokens @ matrix)


def _assembled(weights: Float[Array, "n n"], own: Array, pull: Float[Array, "n n d"], probe: Tokens) -> Jacobian:
    """weights_ik 1 + [i = k] own_i + pull_ik probe_i^T, as a matrix."""
    n, d = probe.shape
    blocks = weights[:, :, None, None] * np.eye(d) + pull[..., None] * probe[:, None, None]
    blocks[np.arange(n), np.arange(n)] += own
    return blocks.transpose(0, 2, 1, 3).reshape(n * d, n * d)


def sigmoid_jacobian_bound(tokens: Tokens, matrix: Matrix, bias: float) -> float:
    """n max S + 2 max S (1 - S) |A|_2 sum_j |x_j|^2: at least the spectral norm of the Jacobian."""
    weights = expit(tokens @ matrix @ tokens.T + bias)
    slope = (weights * (1 - weights)).max()
    return float(len(tokens) * weights.max() + 2 * slope * np.linalg.norm(matrix, 2) * (tokens**2).sum())


def softmax_jacobian_bound(keys: int, radius: float, strength: float) -> float:
    """sqrt(n) (1 + |A|_2 r^2) + |A|_2 r^2: at least the spectral norm of the Jacobian wherever all |x_i| <= r."""
    pull = real("strength", strength) * real("radius", radius) ** 2
    return float(np.sqrt(keys) * (1 + pull) + pull)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class SelfMap:
    """Tokens (n, d), a matrix A (d, d) and a bias; all |x_i^T A x_j| <= 30."""

    tokens: Tokens
    matrix: Matrix
    bias: float

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        matrix = finite_array("matrix", self.matrix, 2 * tokens.shape[1:], leading=False)
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "matrix", matrix)
        real("bias", self.bias)
        largest = np.abs(tokens @ matrix @ tokens.T).max()
        require(largest <= 30, f"logits must be in +-30, got {largest}")

    @classmethod
    def alike(cls, keys: int, value: float, bias: float) -> SelfMap:
        """n equal scalar tokens and A = 1, which attain the bound of sigmoid."""
        return cls(np.full((keys, 1), value), np.eye(1), bias)

    @property
    def softmax_ceiling(self) -> float:
        """`softmax_jacobian_bound` on the smallest ball that holds the tokens."""
        radius = float(np.linalg.norm(self.tokens, axis=1).max())
        return softmax_jacobian_bound(len(self.tokens), radius, float(np.linalg.norm(self.matrix, 2)))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="The Jacobians of sigmoid and of softmax self-attention with respect to the tokens are as given.",
    source=RAMAPURAM_2024,
    kind="identity",
    tolerance=1e-12,
)
def self_attention_jacobians_are_exact(case: SelfMap) -> float:
    """Along one random direction, against a complex step through exponentials."""
    direction, step = np.random.default_rng(0).standard_normal(case.tokens.shape), 1e-30
    moved = case.tokens + 1j * step * direction
    logits = moved @ case.matrix @ moved.T
    grown = np.exp(logits)
    outputs = {"sigmoid": (1 / (1 + np.exp(-logits - case.bias))) @ moved}
    outputs["softmax"] = grown / grown.sum(axis=1, keepdims=True) @ moved
    jacobians = {
        "sigmoid": sigmoid_jacobian(case.tokens, case.matrix, case.bias),
        "softmax": softmax_jacobian(case.tokens, case.matrix),
    }
    return max(
        relative_error((jacobians[name] @ direction.ravel()), outputs[name].imag.ravel() / step, scale=1.0)
        for name in jacobians
    )


@claim(
    statement="""The Jacobian of sigmoid self-attention has spectral norm at most
    n max S + 2 max S(1-S) |A|_2 sum |x_j|^2: attained by equal scalar tokens.""",
    source=RAMAPURAM_2024,
    kind="inequality",
    tolerance=1e-12,
)
def sigmoid_jacobian_is_bounded(case: SelfMap) -> float:
    norm = np.linalg.norm(sigmoid_jacobian(case.tokens, case.matrix, case.bias), 2)
    return excess(norm, sigmoid_jacobian_bound(case.tokens, case.matrix, case.bias))


@claim(
    statement="""Where all |x_i| <= r the Jacobian of softmax self-attention has spectral norm at most
    sqrt(n) (1 + |A|_2 r^2) + |A|_2 r^2.""",
    source=RAMAPURAM_2024,
    kind="inequality",
    tolerance=1e-12,
)
def softmax_jacobian_is_bounded_on_a_ball(case: SelfMap) -> float:
    return excess(np.linalg.norm(softmax_jacobian(case.tokens, case.matrix), 2), case.softmax_ceiling)


@claim(
    statement="""On a ball of tokens the worst Jacobian of sigmoid self-attention with bias -log n is at most that of
    softmax (it is not for 256 scalar tokens in [-2, 2]).""",
    source=RAMAPURAM_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (SelfMap.alike(256, 2.0, -np.log(256)),),
)
def sigmoid_has_the_smaller_worst_jacobian(case: SelfMap) -> float:
    """Sigmoid's at one point over what softmax's cannot exceed anywhere on the ball."""
    norm = np.linalg.norm(sigmoid_jacobian(case.tokens, case.matrix, case.bias), 2)
    return float(norm - case.softmax_ceiling)


@claim(
    statement="""With bias -log n a row of sigmoid attention sums to at most n m / (n + m), m the mean of e^l: attained
    by equal logits, and n / (n + 1) at zero ones.""",
    source=RAMAPURAM_2024,
    kind="inequality",
    tolerance=1e-12,
)
def biased_sigmoid_rows_are_bounded(case: Logits) -> float:
    n = len(case.values)
    return excess(expit(case.values - np.log(n)).sum(), n / (1 + n / np.exp(case.values).mean()))
