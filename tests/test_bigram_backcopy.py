"""Bigram-Backcopy against its definition: naive loops, enumeration of all sequences, sampling; and its tables."""

from __future__ import annotations

import runpy
import subprocess
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma

from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable, __main__
from toy_tasks.bigram_backcopy.table import _read_counts
from toy_tasks.randomness import Key

Draw = st.DrawFn
seeds = st.integers(0, 2**31 - 1)
TOLERANCE = 5e-15  # the worst of some 600 examples was 6e-16
pytestmark = pytest.mark.usefixtures("_one_thread")


@st.composite
def tasks(draw: Draw, least: int = 2, most: int = 6, longest: int = 20) -> BigramBackcopy:
    """Any table with zeros wherever they may be, any triggers that leave a non-trigger of positive frequency."""
    size = draw(st.integers(least, most))
    row = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1.0)), min_size=size, max_size=size).filter(any)
    weights = np.array(draw(st.lists(row, min_size=size + 1, max_size=size + 1)))
    weights /= weights.sum(axis=1, keepdims=True)
    spared = draw(st.sampled_from(np.flatnonzero(weights[0]).tolist()))
    others = [k for k in range(size) if k != spared]
    triggers = draw(st.sets(st.sampled_from(others), min_size=1))
    table = BigramTable(weights[0], weights[1:], tuple(map(str, range(size))))
    return BigramBackcopy(table, tuple(triggers), draw(st.integers(3, longest)))


def whole_sequences(task: BigramBackcopy, seed: int, number: int) -> np.ndarray:
    """x[0..n] of `number` sequences."""
    batch = task.sample(Key.of((seed,)), number)
    assert torch.equal(batch["tokens"][..., 1:], batch["targets"][..., :-1])
    return torch.cat([batch["tokens"], batch["targets"][..., -1:]], dim=-1)[0].numpy()


# ------------------------------------------------------------------------------------------------------ the generator


@given(tasks(), seeds)
@settings(max_examples=60, deadline=None)
def test_every_sequence_obeys_the_rules(task: BigramBackcopy, seed: int) -> None:
    """P1: <s> only first; no trigger second, none adjacent; copies after them; else only possible transitions."""
    for x in whole_sequences(task, seed, 4).tolist():
        assert len(x) == task.length + 1
        assert x.index(task.begin) == 0
        assert task.begin not in x[1:]
        assert x[1] not in task.trigger_ids
        assert task.table.unigram[x[1]] > 0
        assert not any(a in task.trigger_ids and b in task.trigger_ids for a, b in pairwise(x))
        for before, current, following in zip(x, x[1:], x[2:], strict=False):
            if current in task.trigger_ids:
                assert following == before
            else:
                assert task.table.transition[current, following] > 0


def naive_sequence(task: BigramBackcopy, integers: list[int]) -> list[int]:
    """The definition, one token at a time: row and column by plain search in units of 2^-31."""
    u = [0.0 if k in task.trigger_ids else p for k, p in enumerate(task.table.unigram.tolist())]
    x = [task.begin]
    for j, integer in enumerate(integers):
        if x[-1] in task.trigger_ids:
            x.append(x[-2])
            continue
        cumulative = list(accumulate(u if j == 0 else task.table.transition[x[-1]].tolist()))
        x.append(next(k for k, c in enumerate(cumulative) if round(c / cumulative[-1] * 2**31) > integer))
    return x


@given(tasks(), st.data())
@settings(max_examples=60, deadline=None)
def test_vectorised_sequences_equal_the_naive_loop(task: BigramBackcopy, data: st.DataObject) -> None:
    """P2, exactly."""
    drawn = st.one_of(st.sampled_from([0, 2**31 - 1]), st.integers(0, 2**31 - 1))
    integers = data.draw(st.lists(drawn, min_size=3 * task.length, max_size=3 * task.length))
    stacked = torch.tensor(integers).reshape(task.length, 3)
    sequences = task.sequences(stacked)
    for b in range(3):
        assert sequences[:, b].tolist() == naive_sequence(task, stacked[:, b].tolist())


def test_sequences_take_leading_axes_and_sample_shapes_them() -> None:
    task = BigramBackcopy(BigramTable.synthetic(5), 2, 7)
    key = Key.of((4, 9))
    batch = task.sample(key, 3)
    assert batch.keys() == {"tokens", "targets"}
    assert batch["tokens"].shape == batch["targets"].shape == (2, 3, 7)
    assert batch["tokens"].dtype == torch.int64
    naive = [naive_sequence(task, key.integers(7, 3)[r, :, b].tolist()) for r in range(2) for b in range(3)]
    assert batch["tokens"].reshape(6, 7).tolist() == [x[:-1] for x in naive]


def test_sampling_is_equal_under_vmap_over_the_seed() -> None:
    task = BigramBackcopy(BigramTable.synthetic(8), 3, 10)
    chosen = torch.tensor([3, 1, 2], dtype=torch.int32)
    mapped = torch.vmap(lambda seed: task.sample(Key(seed, 1, 5), 4))(chosen)
    for name, tokens in task.sample(Key(chosen, 1, 5), 4).items():
        assert torch.equal(mapped[name], tokens)


# ----------------------------------------------------------------------------------------------- population quantities


@given(tasks(longest=60))
@settings(max_examples=60, deadline=None)
def test_marginals_sum_to_one(task: BigramBackcopy) -> None:
    """P3: at every position, on a plain token or on a trigger; never a trigger as plain, nor <s> later."""
    plain, copying = task.marginals()
    np.testing.assert_allclose(plain.sum(axis=1) + copying.sum(axis=1), 1, rtol=0, atol=5e-16 * task.length)
    assert (plain >= 0).all()
    assert (copying >= 0).all()
    assert not plain[:, task.is_trigger].any()
    assert not copying[:, task.is_trigger].any()
    assert not plain[1:, task.begin].any()
    assert not copying[:2].any()
    assert task.query_frequency().sum() == pytest.approx(1 - copying[:-1].sum() / task.length, abs=1e-14)


@given(tasks(longest=8), seeds)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_marginals_match_sampling(task: BigramBackcopy, seed: int) -> None:
    """P3: counts among 4000 sequences at 5 sigma, by the exact binomial law (rare states are far from normal)."""
    number = 4000
    x = whole_sequences(task, seed, number)
    plain, copying = task.marginals()
    on_trigger = task.is_trigger[x]
    for j in range(1, task.length + 1):
        seen = np.bincount(x[~on_trigger[:, j], j], minlength=task.vocabulary)
        before = np.bincount(x[on_trigger[:, j], j - 1], minlength=task.vocabulary)
        for observed, law in ((seen, plain[j]), (before, copying[j])):
            law = np.clip(law, 0, 1)
            tail = np.minimum(stats.binom.cdf(observed, number, law), stats.binom.sf(observed - 1, number, law))
            assert (tail > stats.norm.sf(5)).all(), f"position {j}: {observed} of {number} against {law * number}"


@given(tasks(longest=30), st.data())
@settings(max_examples=60, deadline=None)
def test_relabelling_commutes_with_population_quantities(task: BigramBackcopy, data: st.DataObject) -> None:
    """P4: old token k becomes new token new[k]."""
    size = task.begin
    new = np.array(data.draw(st.permutations(range(size))))
    old = np.argsort(new)
    table = BigramTable(task.table.unigram[old], task.table.transition[np.ix_(old, old)], tuple(map(str, old)))
    renamed = BigramBackcopy(table, tuple(new[list(task.trigger_ids)].tolist()), task.length)
    back = [*new, size]
    for ours, theirs in zip(renamed.marginals(), task.marginals(), strict=True):
        np.testing.assert_allclose(ours[:, back], theirs, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(renamed.query_frequency()[back], task.query_frequency(), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(renamed.entropy()[back], task.entropy(), rtol=0, atol=TOLERANCE)
    assert renamed.optimal_loss() == pytest.approx(task.optimal_loss(), abs=TOLERANCE)


def every_sequence(task: BigramBackcopy) -> list[tuple[list[int], float]]:
    """All sequences with their probabilities, by the definition alone."""
    u = np.where(task.is_trigger[:-1], 0, task.table.unigram)
    paths = [([task.begin, k], p / u.sum()) for k, p in enumerate(u)]
    for _ in range(task.length - 1):
        longer = []
        for x, p in paths:
            copies = x[-1] in task.trigger_ids
            row = [float(k == x[-2]) for k in range(task.begin)] if copies else task.table.transition[x[-1]]
            longer += [([*x, k], p * q) for k, q in enumerate(row)]
        paths = [(x, p) for x, p in longer if p > 0]
    return paths


@given(tasks(least=3, most=3, longest=5))
@settings(max_examples=60, deadline=None)
def test_quantities_equal_enumeration_of_all_sequences(task: BigramBackcopy) -> None:
    """By the chain rule the least mean loss is the entropy of the whole sequence over its length."""
    paths = every_sequence(task)
    probability = np.array([p for _, p in paths])
    assert probability.sum() == pytest.approx(1, abs=TOLERANCE)

    frequency = np.zeros(task.vocabulary)
    plain = np.zeros((task.length + 1, task.vocabulary))
    copies = np.zeros((task.vocabulary, task.vocabulary))  # trigger, what is copied after it
    for x, p in paths:
        for j, (current, following) in enumerate(pairwise(x)):
            if current in task.trigger_ids:
                copies[current, following] += p
            else:
                frequency[current] += p / task.length
                plain[j, current] += p
    np.testing.assert_allclose(task.query_frequency(), frequency, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(task.marginals().plain[:-1], plain[:-1], rtol=0, atol=TOLERANCE)
    assert task.optimal_loss() == pytest.approx(stats.entropy(probability) / task.length, abs=TOLERANCE)

    seen = copies[copies.sum(axis=1) > 0]
    expected = np.average(stats.entropy(seen, axis=1), weights=seen.sum(axis=1)) if len(seen) else np.nan
    assert task.copy_entropy() == pytest.approx(expected, abs=TOLERANCE, nan_ok=True)


def test_uniform_attention_on_the_first_position() -> None:
    """The exact mean against 20,000 sampled sequences, within 5 standard errors."""
    task = BigramBackcopy(BigramTable.synthetic(8), 2, 9)
    tokens = whole_sequences(task, 3, 20_000)[:, 1:-1]
    plain = ~task.is_trigger[tokens]
    share = plain / np.arange(2, task.length + 1)
    ratio = share.sum() / plain.sum()
    residual = share.sum(axis=1) - ratio * plain.sum(axis=1)
    error = residual.std() / np.sqrt(len(tokens)) / plain.sum(axis=1).mean()
    assert task.uniform_sink_weight() == pytest.approx(ratio, abs=5 * error)


@given(tasks())
@settings(max_examples=60, deadline=None)
def test_next_token_and_entropy_by_row(task: BigramBackcopy) -> None:
    rows = task.next_token
    np.testing.assert_array_equal(rows[:-1, :-1], task.table.transition)
    first = np.where(task.is_trigger[:-1], 0, task.table.unigram)
    np.testing.assert_allclose(rows[-1, :-1], first / first.sum(), rtol=1e-15)
    assert not rows[:, -1].any()
    np.testing.assert_allclose(task.entropy(), stats.entropy(rows, axis=1), rtol=0, atol=TOLERANCE)


# ------------------------------------------------------------------------------------------------------- which triggers

UNEVEN = BigramTable(np.array([0.1, 0.4, 0.2, 0.3, 0.0]), np.full((5, 5), 0.2), tuple("abcde"))


@pytest.mark.parametrize(
    ("triggers", "ids"),
    [(1, (1,)), (3, (1, 2, 3)), (np.int64(2), (1, 3)), ((4, 0), (0, 4)), ((3, 3, 1), (1, 3))],
)
def test_triggers_by_number_or_by_id(triggers: Any, ids: tuple[int, ...]) -> None:
    """A number means the most frequent; ids are sorted, each once."""
    task = BigramBackcopy(UNEVEN, triggers)
    assert task.trigger_ids == ids
    assert np.flatnonzero(task.is_trigger).tolist() == list(ids)


@pytest.mark.parametrize("triggers", [4, 99, (0, 1, 2, 3), (5,), ()])
def test_triggers_must_leave_a_token(triggers: Any) -> None:
    with pytest.raises(ValueError, match=r"triggers must be ids in 0..4, at least one, leaving a non-trigger"):
        BigramBackcopy(UNEVEN, triggers)


def test_rounding_does_not_hide_that_triggers_leave_nothing() -> None:
    """.7 + .2 + .1 < 1 in floats, and yet token 3 has frequency 0."""
    table = BigramTable(np.array([0.7, 0.2, 0.1, 0.0]), np.full((4, 4), 0.25), tuple("abcd"))
    with pytest.raises(ValueError, match="leaving a non-trigger of positive frequency"):
        BigramBackcopy(table, (0, 1, 2))


@pytest.mark.parametrize("triggers", [0, -1, (-1,), True, (True,), 1.0, (1.0,), "a", [1]])
def test_triggers_that_are_no_ids_are_named(triggers: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="triggers must be an integer"):
        BigramBackcopy(UNEVEN, triggers)


# ----------------------------------------------------------------------------------------------------------- the tables


def entropy(rows: np.ndarray) -> np.ndarray:
    """Nats, by the last axis."""
    return np.asarray(stats.entropy(rows, axis=-1))


def test_shipped_table() -> None:
    """What the specification measured on Tiny Shakespeare."""
    table = BigramTable.shakespeare()
    task = BigramBackcopy(table, 3, 256)
    assert len(table.symbols) == 65
    assert list(table.symbols) == sorted(table.symbols)
    assert np.count_nonzero(table.transition) == 1403
    assert [table.symbols[k] for k in task.trigger_ids] == [" ", "e", "t"]
    np.testing.assert_allclose(table.unigram[list(task.trigger_ids)], [0.1523, 0.0848, 0.0601], rtol=0, atol=5e-5)
    assert entropy(table.unigram) == pytest.approx(3.313, abs=5e-4)
    assert table.transition[table.symbols.index("3"), table.symbols.index(" ")] == 1.0
    on_trigger = task.marginals().copying[:-1].sum() / task.length
    assert on_trigger == pytest.approx(0.2555, abs=5e-5)


def test_synthetic_table_has_the_stated_statistics() -> None:
    """Mean row entropy over 20 tables 2.234 +- 0.007; the 1% of u adds about 0.03 to the 2.2 of the Dirichlet rows."""
    tables = [BigramTable.synthetic(64, seed) for seed in range(20)]
    u = tables[0].unigram
    assert entropy(u) == pytest.approx(3.54, abs=5e-3)
    assert u[:3].sum() == pytest.approx(0.299, abs=5e-4)
    assert list(u) == sorted(u, reverse=True)
    assert digamma(8.13) - (u * digamma(7.13 * u + 1)).sum() == pytest.approx(2.2, abs=1e-4)
    assert np.mean([entropy(t.transition).mean() for t in tables]) == pytest.approx(2.234, abs=0.02)
    assert all((t.transition >= 0.01 * u * (1 - 1e-12)).all() for t in tables), "every bigram must be possible"
    assert BigramBackcopy(tables[0]).trigger_ids == (0, 1, 2)


def test_synthetic_table_is_a_function_of_its_seed() -> None:
    again, other = BigramTable.synthetic(16, 3), BigramTable.synthetic(16, 4)
    np.testing.assert_array_equal(again.transition, BigramTable.synthetic(16, 3).transition)
    assert np.abs(again.transition - other.transition).max() > 0.1
    np.testing.assert_array_equal(again.unigram, other.unigram)


def test_tables_cannot_be_changed() -> None:
    mine = np.full((2, 2), 0.5)
    table = BigramTable(np.array([0.5, 0.5]), mine, ("a", "b"))
    mine[0] = [1.0, 0.0]
    np.testing.assert_array_equal(table.transition, 0.5)
    with pytest.raises(ValueError, match="read-only"):
        table.transition[0, 0] = 1.0


def test_from_text_by_hand(tmp_path: Path) -> None:
    """In `abacab.` the dot ends the text: nothing follows it, so its row is the unigram."""
    text = tmp_path / "text.txt"
    text.write_text("abacab.", encoding="utf-8")
    table = BigramTable.from_text(text)
    assert table.symbols == (".", "a", "b", "c")
    u = np.array([1, 3, 2, 1]) / 7
    np.testing.assert_allclose(table.unigram, u, rtol=1e-15)
    rows = [u, [0, 0, 2 / 3, 1 / 3], [1 / 2, 1 / 2, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_allclose(table.transition, rows, rtol=1e-15)


def test_a_text_of_one_symbol_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("aaaa", encoding="utf-8")
    with pytest.raises(ValueError, match="at least 2 distinct symbols, got 1"):
        BigramTable.from_text(text)


def assert_reads_back(text: Path, counts: Path) -> None:
    """The counts give the same table as the text."""
    direct = BigramTable.from_text(text)
    read = BigramTable.from_counts(*_read_counts(counts.read_text(encoding="ascii")))
    assert read.symbols == direct.symbols
    np.testing.assert_array_equal(read.unigram, direct.unigram)
    np.testing.assert_array_equal(read.transition, direct.transition)


@given(st.text(st.sampled_from('ab, "\n\t;é漢😀\x00'), min_size=2, max_size=30).filter(lambda t: len(set(t)) > 1))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_of_any_text_read_back(tmp_path: Path, text: str) -> None:
    source, counts = tmp_path / "text.txt", tmp_path / "counts.csv"
    source.write_text(text, encoding="utf-8", newline="")
    __main__.write_counts(source, counts)
    assert_reads_back(source, counts)


@pytest.mark.slow
def test_counting_script(tmp_path: Path) -> None:
    source, counts = tmp_path / "text.txt", tmp_path / "counts.csv"
    source.write_text("to be, or not to be\n", encoding="utf-8")
    command = [sys.executable, "-m", "toy_tasks.bigram_backcopy", str(source), str(counts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert counts.read_text(encoding="ascii").splitlines()[:3] == ["current,next,count", "10,,1", "32,,5"]
    assert_reads_back(source, counts)


def test_counting_script_says_how_to_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bigram_backcopy", "only-one-argument"])
    with pytest.raises(SystemExit, match=r"usage: python -m toy_tasks.bigram_backcopy TEXT COUNTS.csv"):
        runpy.run_path(__main__.__file__, run_name="__main__")
