"""How small the entropy of attention can be, given a norm of its logits: sharp for one row, and for a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.mechanisms.instances import Logits
from theory.numerics import Array
from theory.papers import ZHAI_2023
from theory.validation import finite_array, integer, real, require


def least_entropy(norm: ArrayLike, keys: int) -> Array:
    """The least entropy in nats of softmax(u), u in R^n of Euclidean norm at most sigma (any shape, >= 0).

    log(1 + (n - 1) b) + sigma sqrt(n (n - 1)) b / (1 + (n - 1) b) with b = exp(-sigma sqrt(n / (n - 1))).
    """
    n, sigma = integer("keys", keys, least=2), finite_array("norm", norm, ())
    if (sigma < 0).any():
        raise ValueError(f"norm must be >= 0, got {sigma.min()}")
    rest = (n - 1) * np.exp(-sigma * np.sqrt(n / (n - 1)))
    return np.log1p(rest) + sigma * np.sqrt(n / (n - 1)) * rest / (1 + rest)


def attaining_logits(norm: float, keys: int) -> Float[Array, " n"]:
    """The logits of norm sigma with the least entropy: the first key up by sigma sqrt((n - 1)/n), all others down."""
    n, sigma = integer("keys", keys, least=2), real("norm", norm)
    return np.concatenate([[sigma * np.sqrt((n - 1) / n)], np.full(n - 1, -sigma / np.sqrt(n * (n - 1)))])


def entropy_of_logits(logits: ArrayLike) -> Float[Array, "*b"]:
    """The entropy in nats of softmax(u) over the last axis, to full relative accuracy also where it is tiny.

    It is log Z - <u> with u measured from the largest logit; -sum p log p would lose the share of a weight near 1.
    """
    below = np.sort(finite_array("logits", logits, (None,)), axis=-1)
    below = below - below[..., -1:]
    grown = np.exp(below)
    rest = grown[..., :-1].sum(axis=-1)
    return np.log1p(rest) - (grown * below).sum(axis=-1) / (1 + rest)


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True)
class NormAndKeys:
    """A norm sigma in (0, 600] and a number of keys n >= 2."""

    norm: float
    keys: int

    def __post_init__(self) -> None:
        require(0 < self.norm <= 600, f"norm must be in (0, 600], got {self.norm}")
        integer("keys", self.keys, least=2)


@dataclass(frozen=True, eq=False)
class SelfAttention:
    """Tokens X (n, d), n >= 2, and query and key maps W_Q, W_K (d, h); logits X W_Q W_K^T X^T."""

    tokens: Float[Array, "n d"]
    queries: Float[Array, "d h"]
    keys: Float[Array, "d h"]

    def __post_init__(self) -> None:
        tokens = finite_array("tokens", self.tokens, (None, None), leading=False)
        queries = finite_array("queries", self.queries, (tokens.shape[1], None), leading=False)
        keys = finite_array("keys", self.keys, queries.shape, leading=False)
        require(len(tokens) >= 2, f"there must be at least 2 tokens, got {len(tokens)}")
        for name, array in (("tokens", tokens), ("queries", queries), ("keys", keys)):
            object.__setattr__(self, name, array)

    @property
    def logits(self) -> Float[Array, "n n"]:
        """Queries by keys."""
        return self.tokens @ self.queries @ (self.tokens @ self.keys).T


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""The entropy of softmax(u) is at least log(1 + (n-1) b) + sigma sqrt(n (n-1)) b / (1 + (n-1) b) where
    |u|_2 <= sigma and b = exp(-sigma sqrt(n / (n-1))).""",
    source=ZHAI_2023,
    kind="inequality",
    tolerance=1e-11,
)
def entropy_is_bounded_by_the_norm_of_the_logits(case: Logits) -> float:
    """A constant in u moves no weight, so that sigma is the norm of the centred logits."""
    bound = least_entropy(np.linalg.norm(case.values - case.values.mean()), len(case.values))
    return excess(bound, entropy_of_logits(case.values))


@claim(
    statement="""The bound on the entropy is attained for every sigma and n by logits of norm sigma: one key at
    sigma sqrt((n-1)/n), all others at -sigma / sqrt(n (n-1)).""",
    source=ZHAI_2023,
    kind="identity",
    tolerance=1e-11,
)
def the_entropy_bound_is_attained(case: NormAndKeys) -> float:
    logits = attaining_logits(case.norm, case.keys)
    norm = relative_error(np.linalg.norm(logits), case.norm)
    return max(norm, relative_error(entropy_of_logits(logits), least_entropy(case.norm, case.keys)))


@claim(
    statement="""The bound on the entropy falls exponentially in sigma: it is at most b (n - 1 + sigma sqrt(n (n-1))),
    b = exp(-sigma sqrt(n / (n-1))), and approaches that as sigma grows.""",
    source=ZHAI_2023,
    kind="inequality",
    tolerance=1e-12,
)
def the_entropy_bound_falls_exponentially(case: NormAndKeys) -> float:
    n, sigma = case.keys, case.norm
    envelope = np.exp(-sigma * np.sqrt(n / (n - 1))) * (n - 1 + sigma * np.sqrt(n * (n - 1)))
    return excess(least_entropy(sigma, n), envelope)


@claim(
    statement="""In self-attention every row's entropy is at least the bound at sigma = the spectral norm of the logits,
    and so at sigma = |W_Q W_K^T| |X|^2.""",
    source=ZHAI_2023,
    kind="inequality",
    tolerance=1e-11,
)
def entropy_is_bounded_by_spectral_norms(case: SelfAttention) -> float:
    keys = len(case.tokens)
    product = np.linalg.norm(case.queries @ case.keys.T, 2) * np.linalg.norm(case.tokens, 2) ** 2
    plain = least_entropy(np.linalg.norm(case.logits, 2), keys)
    return max(excess(plain, entropy_of_logits(case.logits).min()), excess(least_entropy(product, keys), plain))


@claim(
    statement="""The matrix form is attained by one row, in logits of rank one, and nearly by all rows at once: sigma
    times (the identity less 1/n) has norm sigma, and in every row the entropy of the bound at sigma sqrt((n-1)/n).""",
    source=ZHAI_2023,
    kind="identity",
    tolerance=1e-11,
)
def the_matrix_bound_is_nearly_attained(case: NormAndKeys) -> float:
    n, sigma = case.keys, case.norm
    single = np.outer(np.eye(n)[0], attaining_logits(sigma, n))
    every = sigma * (np.eye(n) - 1 / n)
    return max(
        *(relative_error(np.linalg.norm(logits, 2), sigma) for logits in (single, every)),
        relative_error(entropy_of_logits(single)[0], least_entropy(sigma, n)),
        relative_error(entropy_of_logits(every), least_entropy(sigma * np.sqrt((n - 1) / n), n)),
    )


def _random_logits() -> tuple[SelfAttention]:
    rng = np.random.default_rng(0)
    return (SelfAttention(rng.standard_normal((32, 32)), rng.standard_normal((32, 8)) / 4, np.eye(32, 8)),)


@claim(
    statement="At the spectral norm of random logits the bound is within a factor of 10 of the least row entropy.",
    source=ZHAI_2023,
    kind="refuted",
    tolerance=0.9,
    counterexample=_random_logits,
)
def the_matrix_bound_predicts_random_logits(case: SelfAttention) -> float:
    """The share of the least entropy that the bound misses."""
    bound = least_entropy(np.linalg.norm(case.logits, 2), len(case.tokens))
    return float(1 - bound / entropy_of_logits(case.logits).min())
