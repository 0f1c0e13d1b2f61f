"""Keyed randomness against published vectors, an independent implementation, and the laws it promises."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from toy_tasks.randomness import CategoricalRows, Key, threefry2x32

Words = tuple[int, int]
MASK = 0xFFFFFFFF
words = st.integers(0, MASK)
seeds = st.integers(0, 2**31 - 1)
pytestmark = pytest.mark.usefixtures("_one_thread")


# ------------------------------------------------------------------------------------------------------- the generator


def in_tensors(key: Words, counter: Words) -> Words:
    """`threefry2x32` on single words, unsigned."""

    def signed(pair: Words) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = (torch.tensor(w - 2**32 * (w >> 31), dtype=torch.int32) for w in pair)
        return first, second

    first, second = threefry2x32(signed(key), signed(counter))
    return int(first) & MASK, int(second) & MASK


def threefry_of_the_paper(key: Words, counter: Words) -> Words:
    """Salmon et al. 2011, section 4.3: 20 rounds of add, rotate, xor; a subkey before round 0 and after every 4th."""
    extended = [*key, key[0] ^ key[1] ^ 0x1BD11BDA]
    x, y = counter
    for turn in range(21):
        if turn % 4 == 0:
            s = turn // 4
            x, y = (x + extended[s % 3]) & MASK, (y + extended[(s + 1) % 3] + s) & MASK
        if turn < 20:
            x = (x + y) & MASK
            by = (13, 15, 26, 6, 17, 29, 16, 24)[turn % 8]
            y = ((y << by | y >> (32 - by)) & MASK) ^ x
    return x, y


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((MASK, MASK), (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_known_answers_of_random123(key: Words, counter: Words, answer: Words) -> None:
    assert in_tensors(key, counter) == answer
    assert threefry_of_the_paper(key, counter) == answer


@given(st.tuples(words, words), st.tuples(words, words))
@settings(max_examples=300, deadline=None)
def test_threefry_equals_plain_python(key: Words, counter: Words) -> None:
    assert in_tensors(key, counter) == threefry_of_the_paper(key, counter)


@given(seeds, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_a_key_is_seed_and_stream_and_its_counter_step_and_index(seed: int, stream: int, step: int, n: int) -> None:
    first, second = Key.of((seed,), stream, step).bits(n)
    expected = [threefry_of_the_paper((seed, stream), (step, index)) for index in range(n)]
    assert [(a & MASK, b & MASK) for a, b in zip(first[0].tolist(), second[0].tolist(), strict=True)] == expected


# -------------------------------------------------------------------------------------------------- keys of replicas


@given(st.lists(seeds, min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_draws_of_a_replica_do_not_depend_on_its_batch_mates(chosen: list[int], data: st.DataObject) -> None:
    together = Key.of(tuple(chosen), stream=3, step=5).split(2)
    order = data.draw(st.permutations(range(len(chosen))))
    shuffled = Key.of(tuple(chosen[i] for i in order), stream=3, step=5).split(2)
    for draw in ("integers", "uniform", "normal"):
        values = getattr(together, draw)(2, 3)
        assert values.shape == (len(chosen), 2, 3)
        assert torch.equal(getattr(shuffled, draw)(2, 3), values[list(order)])
        for seed, own in zip(chosen, values, strict=True):
            assert torch.equal(getattr(Key.of((seed,), stream=3, step=5).split(2), draw)(2, 3)[0], own)


@pytest.mark.parametrize("draw", ["integers", "uniform", "normal"])
def test_draws_are_equal_under_vmap_over_the_seed(draw: str) -> None:
    chosen = torch.tensor([0, 1, 7, 2**31 - 1], dtype=torch.int32)
    step = torch.tensor(4)  # a tensor, as in the training loop
    mapped = torch.vmap(lambda seed: getattr(Key(seed, 2, step).split(9), draw)(3, 2))(chosen)
    assert torch.equal(mapped, getattr(Key(chosen, 2, 4).split(9), draw)(3, 2))


def test_every_stream_step_seed_and_index_gives_other_words() -> None:
    """No pair of words twice in 8 x 8 x 8 x 16 neighbouring keys: 2e-12 is the chance of one by accident."""
    seen = set()
    for stream in range(8):
        for step in range(8):
            first, second = Key.of(tuple(range(8)), stream, step).bits(16)
            seen.update(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True))
    assert len(seen) == 8 * 8 * 8 * 16


@pytest.mark.parametrize("root", [1, 2, 3])
def test_split_streams_are_distinct_and_three_deep(root: int) -> None:
    """One level completely, then the corners of all three levels; the fourth split raises."""
    numbers = (0, 1, 100, 254)
    levels = [[Key.of((5,), root)]]
    assert len({levels[0][0].split(number).stream for number in range(255)}) == 255
    for _ in range(3):
        levels.append([key.split(number) for key in levels[-1] for number in numbers])
    streams = [key.stream for level in levels for key in level]
    assert len(set(streams)) == len(streams) == 1 + 4 + 16 + 64
    assert max(streams) < 2**31
    for key in levels[-1]:
        with pytest.raises(ValueError, match="at most three times"):
            key.split(0)


@pytest.mark.parametrize("number", [-1, 255])
def test_split_refuses_numbers_that_would_collide(number: int) -> None:
    with pytest.raises(ValueError, match=rf"number must be in 0..254 .* got {number}"):
        Key.of((0,)).split(number)


# ------------------------------------------------------------------------------------------------------- laws of draws


class ExtremeKey(Key):
    """A key whose words are the smallest, the largest and the middle ones."""

    def bits(self, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The unsigned words 0, 2^32 - 1, 2^31 - 1 and 2^31, whatever the shape."""
        extreme = torch.tensor([0, -1, 2**31 - 1, -(2**31)], dtype=torch.int32)
        return extreme, extreme


def test_extreme_words_stay_inside() -> None:
    """Uniform in the open interval, symmetric; normal at most 6.764 = sqrt(66 log 2); integers in [0, 2^31)."""
    key = ExtremeKey(torch.tensor([0], dtype=torch.int32))
    assert key.uniform(4).tolist() == [2.0**-33, 1 - 2.0**-33, 0.5 - 2.0**-33, 0.5 + 2.0**-33]
    assert key.normal(4).abs().max().item() == pytest.approx(math.sqrt(66 * math.log(2)), rel=1e-12)
    assert key.integers(4).tolist() == [0, 2**31 - 1, 2**31 - 1, 0]


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_float32_is_the_rounded_float64(draw: str) -> None:
    key = Key.of((11, 12), 1)
    exact, single = getattr(key, draw)(5000), getattr(key, draw)(5000, dtype=torch.float32)
    assert single.dtype == torch.float32
    assert torch.equal(single, exact.to(torch.float32))


@pytest.mark.parametrize("seed", range(5))
def test_uniform_and_normal_follow_their_laws(seed: int) -> None:
    """100,000 numbers: Kolmogorov-Smirnov p > 1e-3, first four moments within 4 standard errors."""
    n = 100_000
    key = Key.of((seed,))
    u, z = key.uniform(n)[0].numpy(), key.split(1).normal(n)[0].numpy()
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert stats.kstest(z, "norm").pvalue > 1e-3
    powers = np.arange(1, 5)
    for sample, mean, square in [(u, 1 / (powers + 1), 1 / (2 * powers + 1)), (z, [0, 1, 0, 3], [1, 3, 15, 105])]:
        standard_error = np.sqrt((np.array(square) - np.square(mean)) / n)  # of the powers, from E x^k and E x^2k
        moments = np.array([np.mean(sample**k) for k in powers])
        np.testing.assert_array_less(np.abs(moments - mean) / standard_error, 4)


def test_the_two_words_and_neighbouring_keys_are_uncorrelated() -> None:
    """Correlations over 100,000 words within 4 / sqrt(n): word to word; each index, step, seed, stream to the next."""
    n = 100_000
    first, second = (w.numpy().astype(np.float64)[0] for w in Key.of((0,), 1, 0).bits(n))
    others = [Key.of((0,), 1, 1), Key.of((1,), 1, 0), Key.of((0,), 2, 0)]
    pairs = [(first, second), (first[:-1], first[1:])]
    pairs += [(first, key.bits(n)[0].numpy().astype(np.float64)[0]) for key in others]
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in pairs]
    np.testing.assert_array_less(np.abs(correlations), 4 / math.sqrt(n))


# ----------------------------------------------------------------------------------------------------- categorical rows

entries = st.one_of(st.just(0.0), st.floats(1e-6, 1.0))
tables = st.integers(1, 6).flatmap(
    lambda columns: st.lists(
        st.lists(entries, min_size=columns, max_size=columns).filter(any), min_size=1, max_size=4
    ).map(np.array)
)
integers = st.one_of(st.sampled_from([0, 1, 2**31 - 2, 2**31 - 1]), st.integers(0, 2**31 - 1))


def searched(weights: list[float], integer: int) -> int:
    """The first column whose rounded cumulative probability, in units of 2^-31, exceeds the integer."""
    cumulative = list(accumulate(weights))
    return next(k for k, c in enumerate(cumulative) if round(c / cumulative[-1] * 2**31) > integer)


@given(tables, st.lists(integers, min_size=1, max_size=8))
@example(np.array([[0.0, 0.0, 0.3, 0.0, 0.7, 0.0, 0.0]]), [0, 1, 2**31 - 1])
@example(np.array([[0.1] * 10 + [0.0], [0.0] + [0.1] * 10]), [0, 2**31 - 1])  # ten tenths do not sum to one
@settings(max_examples=300, deadline=None)
def test_rows_equal_a_plain_search_and_never_draw_probability_zero(table: np.ndarray, drawn: list[int]) -> None:
    rows = CategoricalRows(table)
    for row, weights in enumerate(table.tolist()):
        columns = rows.draw(torch.full((len(drawn),), row), torch.tensor(drawn)).tolist()
        assert columns == [searched(weights, integer) for integer in drawn]
        assert all(weights[column] > 0 for column in columns)


def test_rows_are_searched_elementwise() -> None:
    """Row indices of any shape, each with its own integer."""
    rows = CategoricalRows(np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]))
    row = torch.tensor([[0, 1, 1], [2, 0, 2]])
    integer = torch.tensor([[2**31 - 1, 2**30 - 1, 2**30], [0, 0, 2**31 - 1]])
    assert rows.draw(row, integer).tolist() == [[0, 1, 2], [2, 0, 2]]


def test_rows_follow_their_law() -> None:
    """Chi-square of 50,000 draws per row, p > 1e-3."""
    table = np.random.default_rng(0).dirichlet(np.full(7, 0.7), 5)
    table[0, 2:4] = 0.0
    table /= table.sum(axis=1, keepdims=True)
    n = 50_000
    drawn = CategoricalRows(table).draw(torch.arange(5)[:, None].expand(5, n), Key.of(tuple(range(5))).integers(n))
    for law, columns in zip(table, drawn, strict=True):
        counts = np.bincount(columns.numpy(), minlength=7)
        assert counts[law == 0].sum() == 0
        seen = law * n >= 5  # the usual condition of the test; rarer entries are pooled
        observed, expected = [*counts[seen], counts[~seen].sum()], [*(law[seen] * n), law[~seen].sum() * n]
        keep = np.array(expected) > 0
        assert stats.chisquare(np.array(observed)[keep], np.array(expected)[keep]).pvalue > 1e-3
