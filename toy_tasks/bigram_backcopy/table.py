"""Bigram statistics: the synthetic table, the shipped counts of a real text, and anybody's text.

The shipped counts come from Tiny Shakespeare (plays in the public domain, 1,115,394 characters, 65 distinct). Remake
them with `python -m toy_tasks.bigram_backcopy TEXT COUNTS.csv`.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np

from toy_tasks.validation import count, probabilities

SHIPPED = files("toy_tasks") / "data" / "shakespeare_bigrams.csv"


@dataclass(frozen=True, eq=False)
class BigramTable:
    """`unigram` (C,) and `transition` (C, C) with rows that sum to 1; `symbols` names the C tokens."""

    unigram: np.ndarray
    transition: np.ndarray
    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        unigram = probabilities("unigram", self.unigram)
        transition = probabilities("transition", self.transition)
        size = unigram.size
        if unigram.ndim != 1 or size < 2 or transition.shape != (size, size) or len(self.symbols) != size:
            raise ValueError(
                "unigram (C,), transition (C, C) and symbols (C,) must agree with C >= 2, got shapes "
                f"{unigram.shape}, {transition.shape} and {len(self.symbols)} symbols"
            )
        object.__setattr__(self, "unigram", unigram)
        object.__setattr__(self, "transition", transition)

    @classmethod
    def synthetic(cls, tokens: int = 64, seed: int = 0) -> BigramTable:
        """A table with the real one's statistics and none of its defects: full support, no absorbing pair.

        u_k ~ (k + 2.7)^-1.3; rows ~ Dirichlet(7.13 u), the concentration that gives a mean row entropy of 2.2 nats at
        64 tokens; then 1% of u mixed in. Tokens are ordered by falling frequency. Drawn by numpy's PCG64 from `seed`.
        """
        tokens, seed = count("tokens", tokens, least=2), count("seed", seed, least=0)
        unigram = (np.arange(1, tokens + 1) + 2.7) ** -1.3
        unigram /= unigram.sum()
        gammas = np.random.default_rng(seed).standard_gamma(7.13 * unigram, size=(tokens, tokens))
        transition = 0.99 * gammas / gammas.sum(axis=1, keepdims=True) + 0.01 * unigram
        return cls(unigram, transition, tuple(f"w{k}" for k in range(tokens)))

    @classmethod
    def shakespeare(cls) -> BigramTable:
        """The shipped character table of Tiny Shakespeare: 65 characters, 1,403 non-zero bigrams of 4,225.

        One defect to know: the character '3' is always followed by a space, so that with the space as a trigger the
        pair is absorbing. Use finite-horizon frequencies, not the stationary law.
        """
        return cls.from_counts(*_read_counts(SHIPPED.read_text(encoding="ascii")))

    @classmethod
    def from_text(cls, path: str | Path) -> BigramTable:
        """Count the characters and pairs of a UTF-8 text file: raw counts, no smoothing, symbols by code point."""
        return cls.from_counts(*count_text(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def from_counts(cls, single: Counter[str], pairs: Counter[tuple[str, str]]) -> BigramTable:
        """From counts of tokens and of ordered pairs. A token that nothing follows gets the unigram row."""
        symbols = tuple(sorted(single))
        if len(symbols) < 2:
            raise ValueError(f"a bigram table needs at least 2 distinct symbols, got {len(symbols)}")
        unigram = np.array([single[s] for s in symbols], dtype=np.float64)
        unigram /= unigram.sum()
        matrix = np.array([[pairs[a, b] for b in symbols] for a in symbols], dtype=np.float64)
        totals = matrix.sum(axis=1, keepdims=True)
        transition = np.where(totals > 0, matrix / np.maximum(totals, 1), unigram)
        return cls(unigram, transition, symbols)


def count_text(text: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """How often each character and each ordered pair of neighbours occurs."""
    return Counter(text), Counter(pairwise(text))


def _read_counts(lines: str) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Rows `current, next, count` in code points; an empty `next` counts the character itself."""
    single: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for row in csv.DictReader(lines.splitlines()):
        if row["next"]:
            pairs[chr(int(row["current"])), chr(int(row["next"]))] = int(row["count"])
        else:
            single[chr(int(row["current"]))] = int(row["count"])
    return single, pairs
