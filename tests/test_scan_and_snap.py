"""The sequence classes of Scan and Snap against their definition: ids by hand, exact laws, enumeration, naive loops."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from toy_tasks.randomness import Key
from toy_tasks.scan_and_snap import CountModel, ScanAndSnap, SnapMeasures, recall
from toy_tasks.scan_and_snap.multinomial import Binomials, Multinomial, binomial_law

SMALL = ScanAndSnap(queries=2, next_per_query=2, common=1, common_per_query=1, distinct=2, length=4)
pytestmark = pytest.mark.usefixtures("_one_thread")


@st.composite
def tasks(draw: st.DrawFn, longest: int = 12) -> ScanAndSnap:
    """Any sizes that leave a class a contextual token."""
    common, own, distinct = draw(st.tuples(*[st.integers(0, 3)] * 3).filter(any))
    queries, following = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ScanAndSnap(queries, following, common, own, distinct, draw(st.integers(2, longest)))


# ------------------------------------------------------------------------------------------------- ids and laws
def test_token_ids_by_hand() -> None:
    """Common 0; of the queries 1, 2; distinct 3..10; queries 11, 12; next tokens 13..16."""
    assert (SMALL.contextual, SMALL.vocabulary, SMALL.classes) == (11, 17, 4)
    assert SMALL.tokens.tolist() == [[0, 1, 3, 4], [0, 1, 5, 6], [0, 2, 7, 8], [0, 2, 9, 10]]
    assert SMALL.query.tolist() == [0, 0, 1, 1]
    assert SMALL.target.tolist() == [13, 14, 15, 16]
    np.testing.assert_allclose(SMALL.probabilities, np.array([1, 1, 0.1, 1]) / 3.1, rtol=1e-15)
    assert np.flatnonzero(SMALL.is_distinct[2]).tolist() == [7, 8]


def test_published_sizes_and_probabilities() -> None:
    """M is 34 for one next token per query, where the paper's text says 30; f_n . f_n' = 0.7220 at uniform logits."""
    assert ScanAndSnap.syn_small() == ScanAndSnap(2, 1, 10, 0, 10, 128)
    assert ScanAndSnap.syn_small().vocabulary == 34
    assert [ScanAndSnap.syn_medium(q).vocabulary for q in (1, 3, 5, 10)] == [33, 79, 125, 240]
    law = ScanAndSnap.syn_small().law
    np.testing.assert_allclose(law[0, :11], [1 / 15.5] * 10 + [0.1 / 15.5], rtol=1e-14)
    np.testing.assert_allclose(law[1, [20, 29]], [0.1 / 15.5, 1 / 15.5], rtol=1e-14)
    assert not law[0, 20:].any()
    assert not law[1, 10:20].any()
    f = law / np.linalg.norm(law, axis=1, keepdims=True)
    assert f[0] @ f[1] == pytest.approx(10 / 13.85, rel=1e-14)


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(tasks())
def test_a_token_without_overlap_is_distinct(task: ScanAndSnap) -> None:
    """By the definition Omega(l) = {n : P(l | n) > 0}, token by token; rows of the law sum to 1."""
    np.testing.assert_allclose(task.law.sum(axis=1), 1.0, rtol=0, atol=1e-15)
    for token in range(task.contextual):
        omega = [n for n in range(task.classes) if task.law[n, token] > 0]
        assert omega
        assert [n for n in range(task.classes) if task.is_distinct[n, token]] == (omega if len(omega) == 1 else [])


def least_risk(task: ScanAndSnap) -> float:
    """Conditional entropy of the class given query and tokens, over every sequence there is."""
    assert task.length is not None
    risk = 0.0
    for query in range(task.queries):
        rows = task.law[task.query == query]
        for tokens in itertools.product(range(task.contextual), repeat=task.length - 1):
            joint = rows[:, list(tokens)].prod(axis=1) / task.classes
            seen = joint[joint > 0]
            risk -= float((seen * np.log(seen / seen.sum())).sum())
    return risk


@pytest.mark.parametrize(
    "task",
    [
        ScanAndSnap(1, 3, 2, 0, 1, 4),
        ScanAndSnap(2, 2, 1, 1, 1, 5),
        ScanAndSnap(1, 2, 0, 1, 2, 3),
        ScanAndSnap(2, 2, 1, 0, 0, 3),
        ScanAndSnap(2, 1, 1, 0, 1, 3),
        ScanAndSnap(1, 2, 0, 0, 2, 3),
    ],
)
def test_optimal_loss_by_enumeration(task: ScanAndSnap) -> None:
    assert task.optimal_loss() == pytest.approx(least_risk(task), abs=1e-14)


def test_optimal_loss_of_long_sequences() -> None:
    """Nothing is left once a class has tokens of its own, and the class of the query otherwise."""
    assert ScanAndSnap.syn_medium(3, length=None).optimal_loss() == 0.0
    assert ScanAndSnap(1, 3, distinct=0, length=None).optimal_loss() == math.log(3)


# ------------------------------------------------------------------------------------------------- drawing counts
@pytest.mark.parametrize(("trials", "share"), [(0, 0.3), (1, 0.5), (17, 0.9), (127, 1 / 15.5), (1023, 1e-3)])
def test_binomial_law_against_exact_fractions(trials: int, share: float) -> None:
    """Of that floating-point share, to 2^-40; the worst here was 1.0e-13 and draws resolve 2^-31."""
    p, q = Fraction(share), 1 - Fraction(share)
    exact = [float(math.comb(trials, k) * p**k * q ** (trials - k)) for k in range(trials + 1)]
    np.testing.assert_allclose(binomial_law(trials, share), exact, rtol=0, atol=2.0**-40)


def naive_binomial(trials: int, share: float, integer: int) -> int:
    """The k of the cumulative law, step by step, that a uniform integer in [0, 2^31) selects."""
    k = 0
    while round(stats.binom.cdf(k, trials, share) * 2**31) <= integer:
        k += 1
    return k


integers = st.integers(0, 2**31 - 1) | st.sampled_from([0, 1, 2**31 - 1])


@settings(derandomize=True, database=None, deadline=None, max_examples=25)
@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=6), st.integers(1, 40), st.data())
def test_counts_equal_naive_splitting(weights: list[float], total: int, data: st.DataObject) -> None:
    """The same integers through nested groups, one binomial after the other."""
    p = np.array(weights) / sum(weights)
    multinomial = Multinomial(p, total)
    words = [data.draw(integers) for _ in range(multinomial.integers)]
    level = [(list(range(len(p))), total)]
    queue = iter(words)
    while any(len(kinds) > 1 for kinds, _ in level):
        firsts, seconds, done = [], [], []
        for kinds, n in level:
            if len(kinds) == 1:
                done.append((kinds, n))
                continue
            first, second = kinds[: (len(kinds) + 1) // 2], kinds[(len(kinds) + 1) // 2 :]
            k = naive_binomial(n, p[first].sum() / p[kinds].sum(), next(queue))
            firsts.append((first, k))
            seconds.append((second, n - k))
        level = firsts + seconds + done
    expected = {kinds[0]: n for kinds, n in level}
    drawn = multinomial.draw(torch.tensor(words, dtype=torch.int64)[None])[0].tolist()
    assert dict(zip(multinomial.order, drawn, strict=True)) == expected


def test_no_integer_falls_outside_its_row() -> None:
    """The extreme integers, for every reachable number of trials: 0 <= k <= n, and the ends are what is promised."""
    table = Binomials([0.3, 1e-4, 0.9999], [(0, 40), (3, 40), (40, 40)])
    for column, low in enumerate([0, 3, 40]):
        trials = torch.full((41 - low, 3), 40)
        trials[:, column] = torch.arange(low, 41)
        for integer in (0, 2**31 - 1):
            k = table.draw(trials, torch.full_like(trials, integer))[:, column]
            assert ((k >= 0) & (k <= trials[:, column])).all()
            rest = trials[:, column] - k
            assert table.reached_first[column][0] <= k.min()
            assert k.max() <= table.reached_first[column][1]
            assert table.reached_second[column][0] <= rest.min()
            assert rest.max() <= table.reached_second[column][1]


def test_frequencies_of_all_count_vectors() -> None:
    """40,000 sequences of three tokens: chi-square of every count vector against the exact multinomial law."""
    batch = ScanAndSnap(1, 1, 1, 0, 3, 4).sample(Key.of((5,)), 40_000)
    seen, number = np.unique(batch["counts"][0].numpy(), axis=0, return_counts=True)
    expected = stats.multinomial.pmf(seen, 3, ScanAndSnap(1, 1, 1, 0, 3, 4).law[0]) * 40_000
    assert expected.sum() == pytest.approx(40_000)  # every vector was seen
    assert stats.chisquare(number, expected).pvalue > 1e-3


def test_moments_of_counts_equal_those_of_a_token_loop() -> None:
    """Covariance (T-1)(diag p - p p^T) of class 1 of Syn-Small within 5 standard errors, entry by entry."""
    task = ScanAndSnap.syn_small()
    batch = task.sample(Key.of((1,)), 20_000)
    own = batch["counts"][0][batch["target"][0] == task.target[1]][:, task.tokens[1]].double().numpy()
    p = task.probabilities
    np.testing.assert_allclose(own.mean(axis=0), 127 * p, rtol=0, atol=5 * np.sqrt(127 * p.max() / len(own)))
    exact = 127 * (np.diag(p) - np.outer(p, p))
    deviations = own - 127 * p
    products = deviations[:, :, None] * deviations[:, None, :]
    standard_error = products.std(axis=0) / np.sqrt(len(own))
    assert (np.abs(products.mean(axis=0) - exact) / standard_error).max() < 5


@settings(derandomize=True, database=None, deadline=None, max_examples=30)
@given(tasks(), st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=4))
def test_samples_are_sequences_of_their_class(task: ScanAndSnap, seeds: list[int]) -> None:
    """T - 1 tokens, of the class's support alone, with its query; a replica's data depend on its own seed only."""
    assert task.length is not None
    batch = task.sample(Key.of(tuple(seeds)), 16)
    n = batch["target"] - task.contextual - task.queries
    assert batch["counts"].shape == (len(seeds), 16, task.contextual)
    assert (batch["counts"].sum(dim=-1) == task.length - 1).all()
    assert (batch["counts"] >= 0).all()
    assert not batch["counts"][torch.from_numpy(task.law == 0)[n]].any()
    assert torch.equal(batch["query"], torch.from_numpy(task.query)[n])
    for r, seed in enumerate(seeds):
        alone = task.sample(Key.of((seed,)), 16)
        assert all(torch.equal(batch[name][r], alone[name][0]) for name in batch)


def test_classes_are_equally_likely() -> None:
    n = ScanAndSnap.syn_medium(3).sample(Key.of((2,)), 30_000)["target"][0]
    assert stats.chisquare(np.unique(n, return_counts=True)[1]).pvalue > 1e-3


def test_hoeffding() -> None:
    """|N_l/(T-1) - P(l|n)| <= sqrt(ln(2/delta)/(2(T-1))) but for a share delta of all draws; delta = 1e-9."""
    task = ScanAndSnap.syn_medium(3)
    batch = task.sample(Key.of(tuple(range(8))), 512)
    law = torch.tensor(task.law)[batch["target"] - task.contextual - task.queries]
    assert ((batch["counts"] / 127 - law).abs() <= math.sqrt(math.log(2e9) / (2 * 127))).all()


def test_without_a_length_counts_are_the_law() -> None:
    """And the same classes as with one: the class comes from its own integer."""
    finite, limit = (ScanAndSnap.syn_medium(2, length).sample(Key.of((3, 4)), 9) for length in (128, None))
    assert torch.equal(finite["target"], limit["target"])
    assert torch.equal(finite["query"], limit["query"])
    task = ScanAndSnap.syn_medium(2, None)
    n = limit["target"] - task.contextual - task.queries
    assert torch.equal(limit["counts"], torch.tensor(task.law)[n])


# ------------------------------------------------------------------------------------------------------ measures
def slow_measures(task: ScanAndSnap, z: np.ndarray, n: int) -> dict[str, float]:
    """Class n of one replica, by loops over tokens."""
    weight = {k: task.law[n, k] * math.exp(z[task.query[n], k]) for k in range(task.contextual)}
    c = {k: w / sum(weight.values()) for k, w in weight.items()}
    own = [c[k] for k in range(task.contextual) if task.law[n, k] > 0 and (task.law[:, k] > 0).sum() == 1]
    return {
        "common": 1 - sum(own),
        "distinct": sum(own),
        "top": max(own),
        "entropy": -sum(x / sum(own) * math.log(x / sum(own)) for x in own),
    }


def test_measures_equal_slow_loops() -> None:
    task = SMALL
    model = CountModel().sized_for(task)
    y, z = (np.random.default_rng(0).normal(size=shape) for shape in model.shapes().values())
    measured = SnapMeasures(task, model)({"Y": torch.tensor(y), "Z": torch.tensor(z)}, {})
    losses = []
    for n in range(task.classes):
        for name, value in slow_measures(task, z, n).items():
            assert measured[name][n].item() == pytest.approx(value, abs=1e-14), name
        c = measured["attention"][n].numpy()
        logits = c / np.linalg.norm(c) @ y
        losses.append(np.log(np.exp(logits).sum()) - logits[task.target[n]])
    assert measured["population_loss"].item() == pytest.approx(np.mean(losses), abs=1e-14)


def test_measures_before_training() -> None:
    """At Z = 0 attention is the law: published H = 2.15128, masses 0.645161 and 0.354839; the loss is ln M."""
    task = ScanAndSnap.syn_small()
    model = CountModel().sized_for(task)
    zeros = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in model.shapes().items()}
    measured = SnapMeasures(task, model)(zeros, {})
    np.testing.assert_allclose(measured["attention"], task.law, rtol=0, atol=1e-16)
    np.testing.assert_allclose(measured["entropy"], 2.15128, rtol=0, atol=5e-6)
    np.testing.assert_allclose(measured["common"], 0.645161, rtol=0, atol=5e-7)
    assert measured["population_loss"].item() == pytest.approx(math.log(34), abs=1e-14)


def test_recall_equals_loops_and_starts_at_one_over_the_number_of_tokens() -> None:
    z = np.random.default_rng(1).normal(size=(3, 2, 11))
    thresholds = np.array([0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
    curve = recall(SMALL, torch.tensor(z), thresholds)
    assert curve.shape == (3, 2, 6)
    own = {0: [3, 4, 5, 6], 1: [7, 8, 9, 10]}
    for r, m, k in itertools.product(range(3), range(2), range(6)):
        attention = np.exp(z[r, m]) / np.exp(z[r, m]).sum()
        assert curve[r, m, k] == sum(attention[token] >= thresholds[k] for token in own[m]) / 4
    uniform = recall(SMALL, torch.zeros(2, 11, dtype=torch.float64), np.array([0.999, 1.001]) / 11)
    assert uniform.tolist() == [[1.0, 0.0], [1.0, 0.0]]
