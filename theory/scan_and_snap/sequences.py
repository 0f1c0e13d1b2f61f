"""One finite sequence: the gradients of Lemma 1 on one-hot matrices, and the same from token counts alone.

Without positions a sequence acts through the counts N_l of its contextual tokens: it is the class of a mixture whose
token law is N_l / (T - 1). Endless sequences replace that frequency by P(l|n). Tian et al. 2023, Lemmas 1, 2 and 18.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.stats import binom

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.mixture import ClassMixture
from theory.validation import finite_array, fraction, integer, real


@dataclass(frozen=True, eq=False)
class TokenSequence:
    """Contextual tokens (T-1,), a query and a next token of one vocabulary, with Z and Y (M, M)."""

    tokens: Int[np.ndarray, " t"]
    query: int
    next_token: int
    logits: Float[Array, "m m"]
    decoder: Float[Array, "m m"]

    def __post_init__(self) -> None:
        logits = finite_array("logits", self.logits, (None, None), leading=False)
        size = len(logits)
        if size < 2:
            raise ValueError(f"logits must have shape (M, M) with M >= 2, got shape {logits.shape}")
        for name, value in (("logits", logits), ("decoder", self.decoder)):
            object.__setattr__(self, name, finite_array(name, value, (size, size), leading=False))
        tokens = np.array(self.tokens)
        if tokens.dtype.kind not in "iu" or tokens.ndim != 1 or not tokens.size:
            raise TypeError(f"tokens must be a non-empty list of integers, got {self.tokens!r}")
        for name, values in (("tokens", tokens), ("query", [self.query]), ("next_token", [self.next_token])):
            wrong = [v for v in values if not 0 <= integer(name, v, least=-(2**62)) < size]
            if wrong:
                raise ValueError(f"{name} must be in 0..{size - 1}, got {wrong[0]}")
        tokens.setflags(write=False)
        object.__setattr__(self, "tokens", tokens)

    def one_hot_gradient(self) -> tuple[Float[Array, "m m"], Float[Array, "m m"]]:
        """(dJ/dZ, dJ/dY) of J = log alpha as Lemma 1 prints them, on one-hot matrices X (T-1, M)."""
        one_hot = np.eye(len(self.logits))
        x, query, label = one_hot[self.tokens], one_hot[self.query], one_hot[self.next_token]
        attention = softmax(x @ self.logits.T @ query)
        context = x.T @ attention
        norm = np.linalg.norm(context)
        feature = context / norm
        error = label - softmax(self.decoder.T @ feature)
        projection = np.eye(len(x.T)) - np.outer(feature, feature)
        row = error @ self.decoder.T @ projection / norm @ x.T @ np.diag(attention) @ x
        return np.outer(query, row), np.outer(feature, error)

    def count_gradient(self, copies: int = 1) -> tuple[Float[Array, "m m"], Float[Array, "m m"]]:
        """The same from the counts of the tokens, multiplied by `copies`."""
        counts = copies * np.bincount(self.tokens, minlength=len(self.logits))
        order = np.roll(np.arange(len(counts)), -self.next_token)  # the next token is the mixture's class 0
        mixture = ClassMixture((counts / counts.sum())[None], np.array([0]), None, max(2, len(counts)))
        d_logits, d_decoder = mixture.gradient(self.logits[[self.query]], self.decoder[:, order])
        full = np.zeros_like(self.logits)
        full[self.query] = -d_logits[0]
        columns = np.zeros_like(self.decoder)
        columns[:, order] = -d_decoder
        return full, columns


def count_deviation(length: int, failure: float) -> float:
    """eps with |N_l / (T-1) - P(l|n)| <= eps at probability >= 1 - failure: sqrt(ln(2/failure) / (2 (T-1)))."""
    length = integer("length", length, least=2)
    return float(np.sqrt(np.log(2 / real("failure", failure, above=0.0, below=1.0)) / (2 * (length - 1))))


@dataclass(frozen=True)
class SampledToken:
    """A token of probability P(l|n) in sequences of T tokens, and a failure probability."""

    probability: float
    length: int
    failure: float

    def __post_init__(self) -> None:
        fraction("probability", self.probability)
        count_deviation(self.length, self.failure)


def deviation_probability(token: SampledToken, deviation: ArrayLike) -> Float[Array, ...]:
    """The exact probability that the frequency is further than `deviation` from P(l|n): both tails of a binomial."""
    draws, mean = token.length - 1, token.probability
    above = binom.sf(np.floor(draws * (mean + np.asarray(deviation))), draws, mean)
    return above + binom.cdf(np.ceil(draws * (mean - np.asarray(deviation))) - 1, draws, mean)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""The gradients of Lemma 1 depend on a sequence only through the counts of its contextual tokens, up to a
    common factor; rows of dZ other than the query's vanish.""",
    source=TIAN_2023,
    kind="identity",
    status="theorem",
    tolerance=1e-12,
)
def gradients_depend_on_counts_alone(sequence: TokenSequence) -> float:
    """One-hot matrices in the order of the tokens against counts, once and threefold."""
    printed = sequence.one_hot_gradient()
    size = 1.0 + float(np.abs(sequence.decoder).max())
    return max(
        relative_error(ours, theirs, scale=size)
        for copies in (1, 3)
        for ours, theirs in zip(sequence.count_gradient(copies), printed, strict=True)
    )


@claim(
    statement="""The frequency of a contextual token is within sqrt(ln(2/delta) / (2 (T-1))) of its probability at
    probability at least 1 - delta.""",
    source=TIAN_2023,
    kind="inequality",
    status="theorem",
    tolerance=1e-9,
)
def frequencies_concentrate(token: SampledToken) -> float:
    """The exact binomial tails, the edge left out, against delta."""
    deviation = count_deviation(token.length, token.failure) * (1 + 1e-12)
    return excess(deviation_probability(token, deviation), token.failure)
