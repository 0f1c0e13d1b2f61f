"""Focal modulation: contexts of growing width, gated and summed, multiply a query: no pair of tokens is ever compared.

Tokens x (n, c) on a ring. z_0 = x W_z and z_l = gelu(kernel_l * z_{l-1}), depthwise; the context of level L + 1 is the
mean of z_L over all tokens. y_i = (x_i W_q) . ((sum_l g_l(x_i) z_l(i)) W_h), gates g = x W_g, products entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import ndtr

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import YANG_2022
from theory.validation import finite_array, require


def gelu(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """x Phi(x), Phi the normal distribution function."""
    return x * ndtr(x)


def spread_on_ring(x: Float[Array, "n c"], kernel: Float[Array, "k c"]) -> Float[Array, "n c"]:
    """sum_o kernel_o x_{i - o}, offsets o from -(k - 1) / 2 to (k - 1) / 2, channel by channel."""
    reach = len(kernel) // 2
    terms = [weights * np.roll(x, offset - reach, axis=0) for offset, weights in enumerate(kernel)]
    return sum(terms[1:], start=terms[0])


def spread_by_fourier(x: Float[Array, "n c"], kernel: Float[Array, "k c"]) -> Float[Array, "n c"]:
    """The same as a product of transforms; the kernel is not longer than the ring."""
    padded = np.zeros_like(x)
    padded[: len(kernel)] = kernel
    centred = np.roll(padded, -(len(kernel) // 2), axis=0)
    return np.fft.irfft(np.fft.rfft(x, axis=0) * np.fft.rfft(centred, axis=0), n=len(x), axis=0)


def contexts(
    tokens: Float[Array, "n c"], kernels: tuple[Float[Array, "k c"], ...], *, everywhere: bool
) -> list[Float[Array, "n c"]]:
    """z_1 .. z_L and, if `everywhere`, the mean of z_L at every token."""
    levels, z = [], tokens
    for kernel in kernels:
        z = gelu(spread_on_ring(z, kernel))
        levels.append(z)
    return [*levels, np.zeros_like(z) + z.mean(axis=0)] if everywhere else levels


def focal_field(kernels: tuple[int, ...]) -> int:
    """1 + sum_l (k_l - 1): how many tokens reach an output without the context of everything."""
    return 1 + sum(k - 1 for k in kernels)


def focal_multiplications(length: int, channels: int, kernels: tuple[int, ...]) -> int:
    """3 n c^2 for three projections, n c (L + 1) for gates and as much again to apply them, n c sum_l k_l for kernels,
    n c L for gelu and n c to modulate: linear in the number of tokens.
    """
    levels = len(kernels)
    return length * channels * (3 * channels + 2 * (levels + 1) + sum(kernels) + levels + 1)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class FocalBlock:
    """Tokens (n, c), kernels (k_l, c), query, context and output maps (c, c), and gates (c, L + 1). Hypotheses: kernels
    are of odd length, and the ring holds their field.
    """

    tokens: Float[Array, "n c"]
    kernels: tuple[Float[Array, "k c"], ...]
    query: Float[Array, "c c"]
    context: Float[Array, "c c"]
    output: Float[Array, "c c"]
    gates: Float[Array, "c l"]

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        length, channels = tokens.shape
        kernels = tuple(finite_array("kernels", k, (None, channels), leading=False) for k in self.kernels)
        sizes = tuple(len(k) for k in kernels)
        require(len(sizes) > 0 and all(k % 2 for k in sizes), f"kernels must be of odd length, got {sizes}")
        require(focal_field(sizes) <= length, f"the ring must hold the field of {focal_field(sizes)}, got {length}")
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "kernels", kernels)
        for name, columns in (("query", channels), ("context", channels), ("output", channels)):
            array = finite_array(name, getattr(self, name), (channels, columns), leading=False)
            object.__setattr__(self, name, array)
        gates = finite_array("gates", self.gates, (channels, len(kernels) + 1), leading=False)
        object.__setattr__(self, "gates", gates)

    @classmethod
    def drawn(cls, length: int, channels: int, kernels: tuple[int, ...], seed: int) -> FocalBlock:
        """Normal maps and tokens; kernels with entries between 1/2 and 1 over the root of their length."""
        rng = np.random.default_rng(seed)
        maps = rng.standard_normal((3, channels, channels)) / np.sqrt(channels)
        taps = tuple((1 - rng.random((k, channels)) / 2) / np.sqrt(k) for k in kernels)
        tokens = rng.standard_normal((length, channels))
        query, context, output = maps
        return cls(tokens, taps, query, context, output, rng.standard_normal((channels, len(kernels) + 1)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the kernels."""
        return tuple(len(k) for k in self.kernels)

    def run(self, *, everywhere: bool = True) -> Float[Array, "n c"]:
        """The output y; `everywhere` is the last context, the mean over all tokens."""
        x = self.tokens
        levels = contexts(x @ self.context, self.kernels, everywhere=everywhere)
        gates = (x @ self.gates).T
        gathered = sum((g[:, None] * z for g, z in zip(gates, levels, strict=False)), start=np.zeros_like(x))
        return (x @ self.query) * (gathered @ self.output)

    def reached(self, *, everywhere: bool) -> NDArray[np.bool_]:
        """(n,): which tokens change the output of token 0 when they change."""
        before, changed = self.run(everywhere=everywhere)[0], []
        for token in range(len(self.tokens)):
            moved = self.tokens.copy()
            moved[token] += 1.0
            changed.append((replace(self, tokens=moved).run(everywhere=everywhere)[0] != before).any())
        return np.array(changed)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="Every context of focal modulation is a circular convolution, equal to a product of Fourier transforms.",
    source=YANG_2022,
    kind="identity",
    tolerance=1e-13,
)
def focal_contexts_are_convolutions(case: FocalBlock) -> float:
    kernel = case.kernels[-1]
    return relative_error(spread_on_ring(case.tokens, kernel), spread_by_fourier(case.tokens, kernel), scale=1.0)


@claim(
    statement="""Through contexts of kernels k_1 .. k_L an output sees exactly 1 + sum_l (k_l - 1) tokens, around its
    own; with the mean over all tokens as a further context it sees all.""",
    source=YANG_2022,
    kind="identity",
    tolerance=0.0,
    examples=30,
)
def focal_field_adds_up(case: FocalBlock) -> float:
    """How many tokens are wrongly in or out, by changing one at a time."""
    length, reach = len(case.tokens), focal_field(case.sizes) // 2
    distance = np.minimum(np.arange(length), length - np.arange(length))
    near, far = case.reached(everywhere=False), case.reached(everywhere=True)
    return float((near != (distance <= reach)).sum() + (~far).sum())


@claim(
    statement="""Focal modulation on a ring, its global context included, moves with its tokens: a shift in is a shift
    out.""",
    source=YANG_2022,
    kind="identity",
    tolerance=1e-11,
    examples=40,
)
def focal_modulation_shifts_with_tokens(case: FocalBlock) -> float:
    """Through two layers, by every quarter of the ring or so."""

    def twice(tokens: Array) -> Array:
        return replace(case, tokens=replace(case, tokens=tokens).run()).run()

    before = twice(case.tokens)
    steps = range(1, len(before), max(1, len(before) // 4))
    return max(relative_error(twice(np.roll(case.tokens, s, axis=0)), np.roll(before, s, axis=0)) for s in steps)


@claim(
    statement="Focal modulation, like attention without positions, does not depend on the order of the tokens.",
    source=YANG_2022,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (FocalBlock.drawn(9, 2, (3, 5), 0),),
)
def focal_modulation_ignores_order(case: FocalBlock) -> float:
    """How much more than places change when tokens are dealt to two halves in turn, relative to the output."""
    order = np.argsort(np.arange(len(case.tokens)) % 2, kind="stable")
    return relative_error(replace(case, tokens=case.tokens[order]).run(), case.run()[order])
