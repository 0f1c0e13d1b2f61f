"""A mixture of sequence classes read by one attention layer: its features, loss and gradients for endless sequences.

A sequence is a bag of contextual tokens, then a query token, then the next token. The next token n is drawn first, with
probability p_n; it fixes the query m = psi(n) and the law P(l|n) of the contextual tokens, which are independent. One
layer without positions attends from the query to the contextual tokens with logits z_m, normalises, and decodes:

    c_n = P(.|n) e^{z_m} / sum,    f_n = c_n / ||c_n||,    alpha_n = softmax(Y^T f_n),    L = -sum_n p_n log alpha_nn,

with a softmax over the whole vocabulary of M entries, in the limit of endless sequences (Tian et al. 2023, section 3).
Symbols: `token_law` P (K, L), `query_of_class` psi, `prior` p, `vocabulary` M, `logits` Z (Q, L), `decoder` Y (L, M).
Rows of Y and columns of Z that belong to no contextual token never move and are left out; so is every row of Z that
belongs to no query. Next token n is vocabulary entry n; contextual tokens may be any entries, it makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from theory.attention import entropy
from theory.numerics import Array
from theory.validation import finite_array, integer, positive_array, probability_rows, real


@dataclass(frozen=True, eq=False)
class ClassMixture:
    """K sequence classes over L contextual tokens and Q queries, with a vocabulary of M >= K, L entries.

    token_law (K, L) rows that sum to 1; query_of_class (K,) integers that use every query 0..Q-1; prior (K,) > 0 with
    sum 1, or None for uniform classes; vocabulary an integer. `ValueError` or `TypeError` otherwise.
    Methods accept leading axes: logits (..., Q, L), decoder (..., L, M).
    """

    token_law: Float[Array, "k l"]
    query_of_class: Int[np.ndarray, " k"]
    prior: Float[Array, " k"] | None
    vocabulary: int

    def __post_init__(self) -> None:
        law = finite_array("token_law", self.token_law, (None, None), leading=False)
        empty = np.flatnonzero((law == 0).all(axis=1))
        if empty.size:
            raise ValueError(f"token_law must give every class a token, got empty support for class {empty[0]}")
        law = probability_rows("token_law", law, (None, None), leading=False)
        classes, tokens = law.shape
        vocabulary = integer("vocabulary", self.vocabulary, least=2)
        if vocabulary < max(classes, tokens):
            raise ValueError(
                f"vocabulary must hold the K = {classes} next tokens and L = {tokens} contextual tokens of token_law, "
                f"got {vocabulary}"
            )
        prior = np.full(classes, 1 / classes) if self.prior is None else self.prior
        prior = probability_rows("prior", positive_array("prior", prior, (classes,), leading=False), (classes,))
        object.__setattr__(self, "token_law", law)
        object.__setattr__(self, "query_of_class", _checked_queries(self.query_of_class, classes))
        object.__setattr__(self, "prior", prior)
        object.__setattr__(self, "vocabulary", vocabulary)

    @property
    def classes(self) -> int:
        """K, the number of next tokens."""
        return self.token_law.shape[0]

    @property
    def tokens(self) -> int:
        """L, the number of contextual tokens."""
        return self.token_law.shape[1]

    @cached_property
    def queries(self) -> int:
        """Q, the number of query tokens."""
        return int(self.query_of_class.max()) + 1

    @property
    def weight(self) -> Float[Array, " k"]:
        """The prior p_n of every class."""
        assert self.prior is not None
        return self.prior

    @cached_property
    def distinct(self) -> Bool[np.ndarray, "k l"]:
        """Whether token l occurs in class n and in no other."""
        support = self.token_law > 0
        return support & (support.sum(axis=0) == 1)

    @cached_property
    def common(self) -> Bool[np.ndarray, " l"]:
        """Whether token l occurs in several classes."""
        return (self.token_law > 0).sum(axis=0) > 1

    @cached_property
    def _class_of_query(self) -> Array:
        """(Q, K) indicator of psi(n) = m."""
        return (np.arange(self.queries)[:, None] == self.query_of_class).astype(np.float64)

    @cached_property
    def _log_law(self) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(self.token_law)

    def attention(self, logits: ArrayLike) -> Float[Array, "... k l"]:
        """c_n, the attention of every class to every contextual token."""
        weights = self._weights(self._checked_logits(logits))
        return weights / weights.sum(axis=-1, keepdims=True)

    def features(self, logits: ArrayLike) -> Float[Array, "... k l"]:
        """f_n = c_n / ||c_n||, non-negative unit vectors."""
        return self._features(self._checked_logits(logits))

    def next_token_logits(self, logits: ArrayLike, decoder: ArrayLike) -> Float[Array, "... k m"]:
        """Y^T f_n for every class."""
        logits, decoder = self._checked(logits, decoder)
        return self._features(logits) @ decoder

    def loss(self, logits: ArrayLike, decoder: ArrayLike) -> Float[Array, ...]:
        """L = -J, the expected negative log-likelihood of the next token in nats, accurate when it is tiny."""
        logits, decoder = self._checked(logits, decoder)
        return self._loss(logits, decoder, np.ones(self.vocabulary))

    def gradient(
        self, logits: ArrayLike, decoder: ArrayLike
    ) -> tuple[Float[Array, "... q l"], Float[Array, "... l m"]]:
        """(dL/dZ, dL/dY); the wrong entries' probabilities are summed, never 1 - alpha_n."""
        logits, decoder = self._checked(logits, decoder)
        return self._gradient(logits, decoder, np.ones(self.vocabulary))

    def distinct_entropy(self, attention: ArrayLike) -> Float[Array, "... k"]:
        """Entropy in nats of every class's attention (..., K, L), renormalised over its distinct tokens."""
        attention = finite_array("attention", attention, (self.classes, self.tokens))
        share = np.where(self.distinct, attention, 0.0)
        total = share.sum(axis=-1, keepdims=True)
        if (total <= 0).any():
            without = np.argwhere(total <= 0)[0, -2]
            raise ValueError(f"attention must be positive on a distinct token of every class, got none for {without}")
        return entropy(share / total)

    def _checked_logits(self, logits: ArrayLike) -> Array:
        return finite_array("logits", logits, (self.queries, self.tokens))

    def _checked(self, logits: ArrayLike, decoder: ArrayLike) -> tuple[Array, Array]:
        return self._checked_logits(logits), finite_array("decoder", decoder, (self.tokens, self.vocabulary))

    def _weights(self, logits: Array) -> Array:
        """P(l|n) e^{z_ml}, scaled so that the largest of a class is 1."""
        log_weight = self._log_law + logits[..., self.query_of_class, :]
        return np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))

    def _features(self, logits: Array) -> Array:
        weights = self._weights(logits)
        return weights / np.sqrt((weights * weights).sum(axis=-1, keepdims=True))

    # Below, a decoder may have K + 1 columns, the last of them standing for all entries that are never next tokens;
    # `copies` says how many entries every column stands for.

    def _loss(self, logits: Array, decoder: Array, copies: Array) -> Array:
        odds, _ = self._wrong(self._features(logits) @ decoder, copies)
        return (self.weight * np.log1p(odds)).sum(axis=-1)

    def _gradient(self, logits: Array, decoder: Array, copies: Array) -> tuple[Array, Array]:
        features = self._features(logits)
        error = self.weight[:, None] * self._error(features @ decoder, copies)
        d_decoder = -np.swapaxes(features, -1, -2) @ error
        pull = features * ((error * copies) @ np.swapaxes(decoder, -1, -2))  # p_n f_n o g_n
        pull -= features * features * pull.sum(axis=-1, keepdims=True)
        return -self._class_of_query @ pull, d_decoder

    def _error(self, next_logits: Array, copies: Array) -> Array:
        """e_n - alpha_n for every class; the columns of never-next entries hold one entry's share."""
        odds, error = self._wrong(next_logits, copies)
        error *= -1.0 / (1.0 + odds)[..., None]
        own = np.arange(self.classes)
        error[..., own, own] = odds / (1.0 + odds)
        return error

    def _wrong(self, next_logits: Array, copies: Array) -> tuple[Array, Array]:
        """Odds alpha_k / alpha_n of every wrong entry k (0 for k = n), and before them their sum over entries."""
        own = np.arange(self.classes)
        odds = np.exp(next_logits - next_logits[..., own, own][..., None])
        odds[..., own, own] = 0.0
        return odds @ copies, odds


def _checked_queries(query_of_class: ArrayLike, classes: int) -> np.ndarray:
    queries = np.array(query_of_class)
    if queries.dtype.kind not in "iu":
        raise TypeError(f"query_of_class must be an array of integers, got {query_of_class!r}")
    if queries.shape != (classes,):
        raise ValueError(f"query_of_class must have shape ({classes}), one query per class, got shape {queries.shape}")
    wrong = queries[(queries < 0) | (queries >= classes)]
    if wrong.size:
        raise ValueError(f"query_of_class must be in 0..{classes - 1}, got {wrong[0]} among its entries")
    if len(set(queries.tolist())) != queries.max() + 1:
        raise ValueError(f"query_of_class must use every query 0..{queries.max()}, got {queries.tolist()}")
    queries.setflags(write=False)
    return queries


@dataclass(frozen=True, eq=False)
class SymmetricMixture:
    """K classes that differ only by the names of their distinct tokens.

    Every class has the same `common_tokens` N_c >= 1 tokens of weight `common_weight` > 0 and its own distinct tokens
    with weights `distinct_weight` (N_d,) > 0; weights are normalised to probabilities. The prior is uniform.
    `shared_query` says whether all classes have one query or each its own.
    """

    classes: int
    vocabulary: int
    distinct_weight: Float[Array, " d"]
    common_weight: float = 1.0
    common_tokens: int = 1
    shared_query: bool = True

    def __post_init__(self) -> None:
        for name, least in (("classes", 1), ("vocabulary", 2), ("common_tokens", 1)):
            integer(name, getattr(self, name), least=least)
        distinct = positive_array("distinct_weight", self.distinct_weight, (None,), leading=False)
        common = real("common_weight", self.common_weight, above=0.0)
        if not isinstance(self.shared_query, bool | np.bool_):
            raise TypeError(f"shared_query must be True or False, got {self.shared_query!r}")
        total = self.common_tokens * common + distinct.sum()
        object.__setattr__(self, "distinct_weight", distinct / total)
        object.__setattr__(self, "common_weight", common / total)
        _ = self.mixture  # refuses a vocabulary that is too small

    @cached_property
    def mixture(self) -> ClassMixture:
        """The same as a `ClassMixture`; tokens are ordered: common, then the distinct ones of class 0, 1, ..."""
        blocks = np.kron(np.eye(self.classes), self.distinct_weight)
        law = np.hstack([np.full((self.classes, self.common_tokens), self.common_weight), blocks])
        queries = np.zeros(self.classes, dtype=int) if self.shared_query else np.arange(self.classes)
        return ClassMixture(law, queries, None, self.vocabulary)

    @property
    def overlap(self) -> float:
        """kappa = f_n . f_n' of any two classes at zero logits."""
        common = self.common_tokens * self.common_weight**2
        return common / (common + float((self.distinct_weight**2).sum()))
