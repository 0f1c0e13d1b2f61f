"""Relatives of Bigram-Backcopy, with 0, 1 or 2 begin tokens, against naive loops, enumeration and sampling."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable, DormantCopy, InterpolatedCopy, MarkovChain
from toy_tasks.randomness import Key
from toy_tasks.simulator import AdamW, Transformer, simulate

seeds = st.integers(0, 2**31 - 1)
TOLERANCE = 5e-15
KINDS = (BigramBackcopy, MarkovChain, DormantCopy, InterpolatedCopy)


def cases(examples: int = 60) -> Any:
    return settings(derandomize=True, database=None, deadline=None, max_examples=examples)


pytestmark = pytest.mark.usefixtures("_one_thread")


@st.composite
def tasks(draw: st.DrawFn, least: int = 2, most: int = 6, longest: int = 20) -> BigramBackcopy:
    """Any variant of any table with zeros wherever they may be, any triggers, any number of begin tokens."""
    size = draw(st.integers(least, most))
    row = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1.0)), min_size=size, max_size=size).filter(any)
    weights = np.array(draw(st.lists(row, min_size=size + 1, max_size=size + 1)))
    weights /= weights.sum(axis=1, keepdims=True)
    spared = draw(st.sampled_from(np.flatnonzero(weights[0]).tolist()))
    triggers = draw(st.sets(st.sampled_from([k for k in range(size) if k != spared]), min_size=1))
    table = BigramTable(weights[0], weights[1:], tuple(map(str, range(size))))
    kind = draw(st.sampled_from(KINDS))
    mix = {"mix": draw(st.floats(0, 1))} if kind is InterpolatedCopy else {}
    return kind(table, tuple(triggers), draw(st.integers(3, longest)), draw(st.integers(0, 2)), **mix)


def whole_sequences(task: BigramBackcopy, seed: int, number: int) -> np.ndarray:
    """x[0..n] of `number` sequences."""
    batch = task.sample(Key.of((seed,)), number)
    assert torch.equal(batch["tokens"][..., 1:], batch["targets"][..., :-1])
    return torch.cat([batch["tokens"], batch["targets"][..., -1:]], dim=-1)[0].numpy()


def law(task: BigramBackcopy, x: list[int]) -> list[float]:
    """The definition: the law of the next content token, given all tokens so far."""
    rows = task.table.transition.tolist()
    if all(k == task.begin for k in x):
        return [0.0 if k in task.trigger_ids else p for k, p in enumerate(task.table.unigram.tolist())]
    copied = [float(len(x) > 1 and k == x[-2]) for k in range(task.begin)]
    if x[-1] not in task.trigger_ids or isinstance(task, MarkovChain):
        return rows[x[-1]]
    if isinstance(task, DormantCopy):
        return rows[x[-2]]
    if isinstance(task, InterpolatedCopy):
        return [task.mix * c + (1 - task.mix) * p for c, p in zip(copied, rows[x[-1]], strict=True)]
    return copied


# ---------------------------------------------------------------------------------------------------------- generators


@given(tasks(), seeds)
@cases()
def test_every_sequence_obeys_the_rules(task: BigramBackcopy, seed: int) -> None:
    """P1: begin tokens first and nowhere else, then a non-trigger; only possible transitions."""
    for x in whole_sequences(task, seed, 4).tolist():
        assert len(x) == task.length + 1
        assert [k == task.begin for k in x] == [j < task.begin_tokens for j in range(len(x))]
        assert x[task.begin_tokens] not in task.trigger_ids
        for j in range(task.begin_tokens, len(x)):
            assert law(task, x[:j])[x[j]] > 0
        if type(task) is BigramBackcopy:
            assert not any(a in task.trigger_ids and b in task.trigger_ids for a, b in pairwise(x))


@given(tasks(), st.data())
@cases(100)
def test_vectorised_sequences_equal_the_naive_loop(task: BigramBackcopy, data: st.DataObject) -> None:
    """P2, exactly: the column by plain search in units of 2^-31."""
    number = task.length + 1 - task.begin_tokens
    drawn = st.one_of(st.sampled_from([0, 2**31 - 1]), st.integers(0, 2**31 - 1))
    stacked = torch.tensor(data.draw(st.lists(drawn, min_size=3 * number, max_size=3 * number))).reshape(number, 3)
    sequences = task.sequences(stacked)
    for b in range(3):
        x = [task.begin] * task.begin_tokens
        for integer in stacked[:, b].tolist():
            cumulative = list(accumulate(law(task, x)))
            x.append(next(k for k, c in enumerate(cumulative) if round(c / cumulative[-1] * 2**31) > integer))
        assert sequences[:, b].tolist() == x


@given(tasks())
@cases()
def test_no_mixing_is_the_markov_chain_and_all_mixing_the_copy(task: BigramBackcopy) -> None:
    """The same tokens from the same integers, and the same population quantities."""
    own = (task.table, task.trigger_ids, task.length, task.begin_tokens)
    integers = Key.of((3,)).integers(task.length + 1 - task.begin_tokens, 4)[0]
    for mix, kind in ((0.0, MarkovChain), (1.0, BigramBackcopy)):
        mixed, pure = InterpolatedCopy(*own, mix=mix), kind(*own)
        assert torch.equal(mixed.sequences(integers), pure.sequences(integers))
        np.testing.assert_array_equal(mixed.after_trigger(), pure.after_trigger())
        assert mixed.optimal_loss() == pytest.approx(pure.optimal_loss(), abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begin_tokens", [0, 1, 2])
def test_sampling_is_equal_under_vmap_and_trains(kind: type[BigramBackcopy], begin_tokens: int) -> None:
    task = kind(BigramTable.synthetic(8), 3, 10, begin_tokens)
    chosen = torch.tensor([3, 1, 2], dtype=torch.int32)
    mapped = torch.vmap(lambda seed: task.sample(Key(seed, 1, 5), 4))(chosen)
    for name, tokens in task.sample(Key(chosen, 1, 5), 4).items():
        assert tokens.shape == (3, 4, 10)
        assert torch.equal(mapped[name], tokens)
    run = simulate(task, Transformer(width=8), AdamW(1e-2), seeds=[1, 2], steps=30, batch=16, record=[0, 30])
    assert (run["loss"][:, 1] < run["loss"][:, 0]).all()


def test_one_begin_token_is_the_default() -> None:
    """And the number of begin tokens changes nothing else: the same integers give the same content."""
    task = BigramBackcopy(BigramTable.synthetic(8), 3, 10)
    assert task.begin_tokens == 1
    integers = Key.of((3,)).integers(9, 4)[0]
    content = [replace(task, begin_tokens=k, length=8 + k).sequences(integers)[k:] for k in (0, 1, 2)]
    assert torch.equal(content[0], content[1])
    assert torch.equal(content[1], content[2])


# ----------------------------------------------------------------------------------------------- population quantities


@given(tasks(longest=40))
@cases()
def test_marginals_sum_to_one(task: BigramBackcopy) -> None:
    """P3: at every position, on a plain token or on a trigger; never a trigger as plain; <s> where it belongs."""
    plain, copying = task.marginals()
    assert plain.shape == copying.shape == (task.length + 1, task.vocabulary)
    np.testing.assert_allclose(plain.sum(axis=1) + copying.sum(axis=1), 1, rtol=0, atol=1e-15 * task.length)
    assert (plain >= 0).all()
    assert (copying >= 0).all()
    assert not plain[:, task.is_trigger].any()
    np.testing.assert_array_equal(plain[:, task.begin], np.arange(task.length + 1) < task.begin_tokens)
    assert not copying[: task.begin_tokens + 1].any()
    np.testing.assert_allclose(task.after_trigger().sum(axis=-1)[:-1], 1, rtol=0, atol=TOLERANCE)


@given(tasks(longest=8), seeds)
@cases(20)
def test_marginals_match_sampling(task: BigramBackcopy, seed: int) -> None:
    """P3: counts among 4000 sequences at 5 sigma, by the exact binomial law."""
    number = 4000
    x = whole_sequences(task, seed, number)
    plain, copying = task.marginals()
    on_trigger = task.is_trigger[x]
    for j in range(1, task.length + 1):
        seen = np.bincount(x[~on_trigger[:, j], j], minlength=task.vocabulary)
        before = np.bincount(x[on_trigger[:, j], j - 1], minlength=task.vocabulary)
        for observed, probability in ((seen, plain[j]), (before, copying[j])):
            p = np.clip(probability, 0, 1)
            tail = np.minimum(stats.binom.cdf(observed, number, p), stats.binom.sf(observed - 1, number, p))
            assert (tail > stats.norm.sf(5)).all(), f"position {j}: {observed} of {number} against {p * number}"


@given(tasks(longest=30), st.data())
@cases()
def test_relabelling_commutes_with_population_quantities(task: BigramBackcopy, data: st.DataObject) -> None:
    """P4: old token k becomes new token new[k]."""
    new = np.array(data.draw(st.permutations(range(task.begin))))
    old = np.argsort(new)
    table = BigramTable(task.table.unigram[old], task.table.transition[np.ix_(old, old)], tuple(map(str, old)))
    renamed = replace(task, table=table, triggers=tuple(new[list(task.trigger_ids)].tolist()))
    back = [*new, task.begin]
    for ours, theirs in zip(renamed.marginals(), task.marginals(), strict=True):
        np.testing.assert_allclose(ours[:, back], theirs, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(renamed.entropy()[back], task.entropy(), rtol=0, atol=TOLERANCE)
    assert renamed.optimal_loss() == pytest.approx(task.optimal_loss(), abs=TOLERANCE)
    assert renamed.copy_entropy() == pytest.approx(task.copy_entropy(), abs=1e-13, nan_ok=True)


@given(tasks(least=3, most=3, longest=5))
@cases()
def test_quantities_equal_enumeration_of_all_sequences(task: BigramBackcopy) -> None:
    """By the chain rule the least mean loss is the entropy of all tokens but the first, given it, over the length."""
    paths = [([task.begin] * task.begin_tokens, 1.0)]
    for _ in range(task.length + 1 - task.begin_tokens):
        longer = []
        for x, p in paths:
            weights = np.array(law(task, x))
            longer += [([*x, k], p * q) for k, q in enumerate(weights / weights.sum()) if p * q > 0]
        paths = longer
    probability = np.array([p for _, p in paths])
    assert probability.sum() == pytest.approx(1, abs=TOLERANCE)

    first, plain = np.zeros(task.vocabulary), np.zeros((task.length + 1, task.vocabulary))
    copying, followed = np.zeros_like(plain), np.zeros((task.vocabulary, task.vocabulary))
    for x, p in paths:
        first[x[0]] += p
        for j, token in enumerate(x):
            if token not in task.trigger_ids:
                plain[j, token] += p
                continue
            copying[j, x[j - 1]] += p
            if j < task.length:
                followed[token, x[j + 1]] += p
    np.testing.assert_allclose(task.marginals().plain, plain, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(task.marginals().copying, copying, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(task.query_frequency(), plain[:-1].mean(axis=0), rtol=0, atol=TOLERANCE)
    least = (stats.entropy(probability) - stats.entropy(first)) / task.length
    assert task.optimal_loss() == pytest.approx(least, abs=TOLERANCE)
    seen = followed[followed.sum(axis=1) > 0]
    expected = np.average(stats.entropy(seen, axis=1), weights=seen.sum(axis=1)) if len(seen) else np.nan
    assert task.copy_entropy() == pytest.approx(expected, abs=TOLERANCE, nan_ok=True)


def test_what_copying_is_worth() -> None:
    """The more is copied the less is left to learn: optimal losses fall with the mixture, on the synthetic table."""
    table = BigramTable.synthetic(16)
    losses = [InterpolatedCopy(table, 3, 32, mix=mix).optimal_loss() for mix in (0.0, 0.5, 0.9, 1.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == MarkovChain(table, 3, 32).optimal_loss()
    assert losses[-1] == BigramBackcopy(table, 3, 32).optimal_loss()
