"""Self-attention with a Gaussian kernel, applied again and again to one class of tokens: its spread collapses.

Tokens are N(m, s^2), very many of them; queries, keys and values are the tokens themselves, the kernel has width h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import SINHA_2019
from theory.validation import finite_array, integer, positive_array, real, require


def gaussian_attention(
    queries: ArrayLike, tokens: ArrayLike, width: float, log_counts: ArrayLike = 0.0
) -> Float[Array, "m d"]:
    """Means of `tokens` (n, d) with weights e^{log_counts} exp(-|query - token|^2 / (2 width^2)), one for every query
    (m, d), as softmax attention: logits q.k / h^2 with the bias -|k|^2 / (2 h^2) on the keys.
    """
    queries, tokens = np.asarray(queries, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    bias = np.asarray(log_counts) - (tokens**2).sum(axis=-1) / (2.0 * width**2)
    return softmax(queries @ tokens.T / width**2 + bias) @ tokens


def contracted_spread(spread: ArrayLike, width: float, passes: int = 1) -> Float[Array, "*b"]:
    """The standard deviation after `passes`: s -> s^3 / (s^2 + h^2), and the tokens stay Gaussian with their mean."""
    s = positive_array("spread", spread, ())
    width = real("width", width, above=0)
    for _ in range(integer("passes", passes, least=0)):
        s = s**3 / (s**2 + width**2)
    return s


def tabulated_spread(spread: float, width: float, passes: int = 1, *, nodes: int = 161) -> float:
    """The same by real attention among tokens on a fine grid, each with its normal count; accurate while
    spread / width <= 5. The counts stay, the tokens move.
    """
    grid = np.linspace(-8.0, 8.0, nodes)[:, None]
    log_counts, tokens = -(grid[:, 0] ** 2) / 2.0, spread * grid
    for _ in range(passes):
        tokens = gaussian_attention(tokens, tokens, width, log_counts)
    return float(np.sqrt(softmax(log_counts) @ tokens[:, 0] ** 2))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class GaussianClass:
    """Tokens of standard deviation s in [0.1, 5] times the kernel's width h > 0, and 1 to 3 passes; before the last one
    the spread is still at least h/100, so that rounding does not hide it.
    """

    ratio: float
    width: float
    passes: int

    def __post_init__(self) -> None:
        require(0.1 <= real("ratio", self.ratio) <= 5, f"the ratio must be in [0.1, 5], got {self.ratio!r}")
        real("width", self.width, above=0)
        require(1 <= self.passes <= 3, f"there must be 1 to 3 passes, got {self.passes!r}")
        last = float(contracted_spread(self.ratio, 1.0, self.passes - 1))
        require(last >= 1e-2, f"the last pass must find a spread of at least h/100, got {last:g} h")

    @property
    def spread(self) -> float:
        """s."""
        return self.ratio * self.width


@dataclass(frozen=True, eq=False)
class KernelTokens:
    """Tokens (n, d) and a width h > 0."""

    tokens: Float[Array, "n d"]
    width: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", finite_array("tokens", self.tokens, (None, None), leading=False))
        real("width", self.width, above=0)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""One pass of self-attention with a Gaussian kernel of width h maps a Gaussian class of spread s to a
    Gaussian class of spread s^3/(s^2 + h^2), and further passes repeat this map.""",
    source=SINHA_2019,
    kind="identity",
    tolerance=1e-11,
)
def repeated_attention_contracts_a_class(case: GaussianClass) -> float:
    found = tabulated_spread(case.spread, case.width, case.passes)
    return relative_error(found, contracted_spread(case.spread, case.width, case.passes))


@claim(
    statement="""The collapse is at least cubic: in units of the width the spread after t passes is at most the 3^t-th
    power of what it was.""",
    source=SINHA_2019,
    kind="inequality",
    tolerance=1e-12,
)
def repeated_attention_collapses_doubly_exponentially(case: GaussianClass) -> float:
    return excess(contracted_spread(case.ratio, 1.0, case.passes), case.ratio ** (3**case.passes))


@claim(
    statement="""Attention by dot products with the bias -|k|^2/(2 h^2) on the keys is attention by a Gaussian kernel of
    width h, and moves no token out of the bounding box of the tokens.""",
    source=SINHA_2019,
    kind="identity",
    tolerance=1e-13,
)
def key_norm_bias_makes_a_gaussian_kernel(case: KernelTokens) -> float:
    squared = ((case.tokens[:, None] - case.tokens[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-squared / (2.0 * case.width**2))
    plain = (kernel @ case.tokens) / kernel.sum(axis=1, keepdims=True)
    found = gaussian_attention(case.tokens, case.tokens, case.width)
    outside = np.maximum(found - case.tokens.max(axis=0), case.tokens.min(axis=0) - found).max()
    return max(relative_error(found, plain), float(outside) / max(1e-300, np.abs(case.tokens).max()))


@claim(
    statement="Self-attention applied again and again keeps what varies within a class.",
    source=SINHA_2019,
    kind="refuted",
    tolerance=0.99,
    counterexample=lambda: (GaussianClass(1.0, 1.0, 3),),
)
def repeated_attention_keeps_variation(case: GaussianClass) -> float:
    """The share of the spread that the passes destroy: 0.999 after three where s = h."""
    return 1.0 - tabulated_spread(case.spread, case.width, case.passes) / case.spread
