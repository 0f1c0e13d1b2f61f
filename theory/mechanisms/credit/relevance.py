"""Relevance by gradient times input, through attention: what it adds up to, and what freezing the weights mends.

Tokens X (n, d); a head attends from one query to all of them with logits x_j and reads scalar values v_j = w . X_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import LI_2017
from theory.validation import finite_array, probability_rows, require


def attention_gradient(
    tokens: Float[Array, "n d"], key: Float[Array, " d"], value: Float[Array, " d"], *, frozen: bool = False
) -> Float[Array, "n d"]:
    """Gradient of s = sum_j p_j (value . X_j), p = softmax(X key), for a fixed query; `frozen` holds p constant."""
    p, v = softmax(tokens @ key), tokens @ value
    through_values = np.outer(p, value)
    return through_values if frozen else through_values + np.outer(p * (v - p @ v), key)


def covariance(weights: Float[Array, " n"], one: Float[Array, " n"], two: Float[Array, " n"]) -> float:
    """Cov_p(one, two)."""
    return float(weights @ (one * two) - (weights @ one) * (weights @ two))


def relevance(tokens: Float[Array, "n d"], gradient: Float[Array, "n d"]) -> Float[Array, " n"]:
    """<X_j, gradient_j> of every token."""
    return (tokens * gradient).sum(axis=1)


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ScalarHead:
    """Tokens (n, d), key direction W_k^T q (d,) of a fixed query and value direction (d,)."""

    tokens: Float[Array, "n d"]
    key: Float[Array, " d"]
    value: Float[Array, " d"]

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        object.__setattr__(self, "tokens", tokens)
        for name in ("key", "value"):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), tokens.shape[1:], leading=False))

    @property
    def output(self) -> float:
        """s."""
        return float(softmax(self.tokens @ self.key) @ (self.tokens @ self.value))

    @property
    def defect(self) -> float:
        """Cov_p of values and logits."""
        logits, values = self.tokens @ self.key, self.tokens @ self.value
        return covariance(softmax(logits), values, logits)

    @property
    def scale(self) -> float:
        """The largest |v| times 1 + the largest |x|."""
        logits, values = self.tokens @ self.key, self.tokens @ self.value
        return float(np.abs(values).max() * (1 + np.abs(logits).max()))


@dataclass(frozen=True, eq=False)
class SelfAttendingHead:
    """Tokens (n, d), of which the last one asks with logits X_n . B X_j, and the value direction (d,)."""

    tokens: Float[Array, "n d"]
    bilinear: Float[Array, "d d"]
    value: Float[Array, " d"]

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        width = tokens.shape[1]
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "bilinear", finite_array("bilinear", self.bilinear, (width, width), leading=False))
        object.__setattr__(self, "value", finite_array("value", self.value, (width,), leading=False))

    @property
    def asked(self) -> ScalarHead:
        """The same head with its query held fixed."""
        return ScalarHead(self.tokens, self.bilinear.T @ self.tokens[-1], self.value)

    @property
    def gradient(self) -> Float[Array, "n d"]:
        """That of the fixed query, plus what flows back into the asking token: sum_j p_j (v_j - s) B X_j."""
        fixed = self.asked
        p, v = softmax(self.tokens @ fixed.key), self.tokens @ self.value
        full = attention_gradient(self.tokens, fixed.key, self.value)
        full[-1] += (p * (v - p @ v)) @ self.tokens @ self.bilinear.T
        return full


@dataclass(frozen=True, eq=False)
class Layers:
    """Tokens (n, d) and layers X <- X + A(X) X V, X <- X + relu(X U) D, A = softmax(X B X^T); read-out r . X_n.

    Hypothesis: no biases and no normalisation.
    """

    tokens: Float[Array, "n d"]
    bilinear: Float[Array, "l d d"]
    value: Float[Array, "l d d"]
    up: Float[Array, "l d h"]
    down: Float[Array, "l h d"]
    read_out: Float[Array, " d"]

    @classmethod
    def drawn(cls, length: int, width: int, layers: int, scale: float, seed: int) -> Layers:
        """Independent N(0, 1) tokens and N(0, 1 / width) maps, the logits times `scale`; 2 hidden units a channel."""
        rng = np.random.default_rng(seed)
        size = width**-0.5
        square = (layers, width, width)
        return cls(
            rng.standard_normal((length, width)),
            scale * size * rng.standard_normal(square),
            size * rng.standard_normal(square),
            size * rng.standard_normal((layers, width, 2 * width)),
            size * rng.standard_normal((layers, 2 * width, width)),
            rng.standard_normal(width),
        )

    def forward(self, tokens: Float[Array, "n d"]) -> tuple[float, list[tuple[Array, Array]]]:
        """The read-out, and the attention weights and the active hidden units of every layer."""
        x, seen = tokens, []
        for bilinear, value, up, down in zip(self.bilinear, self.value, self.up, self.down, strict=True):
            weights = softmax(x @ bilinear @ x.T)
            x = x + weights @ x @ value
            active = x @ up > 0
            x = x + (x @ up * active) @ down
            seen.append((weights, active))
        return float(x[-1] @ self.read_out), seen

    def frozen_gradient(self) -> Float[Array, "n d"]:
        """Gradient of the read-out with respect to the tokens, all attention weights held constant."""
        gradient = np.zeros_like(self.tokens)
        gradient[-1] = self.read_out
        _, seen = self.forward(self.tokens)
        for layer in range(len(self.bilinear) - 1, -1, -1):
            weights, active = seen[layer]
            gradient = gradient + (gradient @ self.down[layer].T * active) @ self.up[layer].T
            gradient = gradient + weights.T @ gradient @ self.value[layer].T
        return gradient


@dataclass(frozen=True, eq=False)
class Spreading:
    """Relevance (n,) of n places and a kernel (m, n) with entries >= 0 that spreads it over m regions."""

    relevance: Float[Array, " n"]
    kernel: Float[Array, "m n"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "relevance", finite_array("relevance", self.relevance, (None,), leading=False))
        kernel = finite_array("kernel", self.kernel, (None, len(self.relevance)), leading=False)
        require((kernel >= 0).all(), f"the kernel must be >= 0, got {kernel.min()}")
        object.__setattr__(self, "kernel", kernel)


@dataclass(frozen=True, eq=False)
class WholeSpreading(Spreading):
    """Hypothesis: every place gives all it has: the kernel's columns sum to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        probability_rows("kernel.T", self.kernel.T, (None, None))


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Gradient times input, summed over the tokens that a fixed query attends to, is the output plus the
    covariance of values and logits under the attention.""",
    source=LI_2017,
    kind="identity",
    tolerance=1e-13,
)
def relevance_through_attention_misses_by_a_covariance(case: ScalarHead) -> float:
    total = relevance(case.tokens, attention_gradient(case.tokens, case.key, case.value)).sum()
    return relative_error(total, case.output + case.defect, scale=case.scale)


@claim(
    statement="""Where the asking token is one of the tokens, logits are quadratic in them and gradient times input
    misses the output by twice the covariance of values and logits.""",
    source=LI_2017,
    kind="identity",
    tolerance=1e-13,
)
def relevance_through_self_attention_misses_by_two_covariances(case: SelfAttendingHead) -> float:
    head = case.asked
    total = relevance(case.tokens, case.gradient).sum()
    return relative_error(total, head.output + 2 * head.defect, scale=head.scale)


@claim(
    statement="""With all attention weights held constant, gradient times input adds up to the output through any number
    of residual layers of attention and bias-free ReLU maps.""",
    source=LI_2017,
    kind="identity",
    tolerance=1e-12,
)
def frozen_weights_conserve_relevance(case: Layers) -> float:
    gradient = case.frozen_gradient()
    scale = float(np.abs(case.tokens * gradient).sum())
    output, _ = case.forward(case.tokens)
    return relative_error(relevance(case.tokens, gradient).sum(), output, scale=scale)


@claim(
    statement="Gradient times input, through the attention weights too, adds up to the output of an attention head.",
    source=LI_2017,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (ScalarHead(np.array([[2.0], [-2.0]]), np.array([1.0]), np.array([1.0])),),
)
def gradient_times_input_conserves_relevance_through_attention(case: ScalarHead) -> float:
    """The relative miss: s = 1.93 from two opposed tokens, relevance 2.21."""
    total = relevance(case.tokens, attention_gradient(case.tokens, case.key, case.value)).sum()
    return relative_error(total, case.output)


@claim(
    statement="Spreading relevance over regions by a kernel whose columns sum to 1 keeps its total.",
    source=LI_2017,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (Spreading(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.3, 0.7]])),),
)
def spreading_keeps_total_relevance(case: WholeSpreading) -> float:
    scale = float(np.abs(case.relevance).sum())
    return relative_error((case.kernel @ case.relevance).sum(), case.relevance.sum(), scale=scale)
