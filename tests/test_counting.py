"""Counted multiplications of computations whose number is known."""

from __future__ import annotations

import numpy as np
import pytest

from theory.attention import attend
from theory.mechanisms.counting import multiplications


def test_products_are_counted() -> None:
    a, b = np.ones((2, 3)), np.ones((3, 5))
    assert multiplications(lambda x, y: x @ y, a, b) == 2 * 3 * 5
    assert multiplications(lambda x: 2.0 * x + x * x - x, a) == 12
    assert multiplications(lambda x, y: np.concatenate([x[:1], x[1:]]) @ y, a, b) == 30
    assert multiplications(lambda x: np.swapaxes(x, 0, 1) @ np.ones(2), a) == 6


def test_dense_attention_costs_n_squared() -> None:
    n, d, v = 7, 3, 2
    assert multiplications(attend, np.ones((n, d)), np.ones((n, d)), np.ones((n, v))) == n * n * (d + v)


def test_an_fft_counts_by_convention() -> None:
    assert multiplications(np.fft.fft, np.ones(8)) == 8 * 3
    assert multiplications(lambda x: np.fft.rfft(x, n=16), np.ones((2, 8))) == 2 * 16 * 4
    assert multiplications(lambda x: np.fft.irfft(x), np.ones((5, 2))) == 5 * 2 * 1


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(TypeError, match="must use @ and \\*, got einsum"):
        multiplications(lambda x: np.einsum("ij->", x), np.ones((2, 2)))
