"""Windows of a text for the count model, against loops over its tokens; and training on the text every Python has."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from toy_tasks.randomness import Key
from toy_tasks.scan_and_snap import CountModel, TextMeasures, TextWindows
from toy_tasks.simulator import SGD, simulate

RHYME = "The cat, the hat; a cat's hat!\nThe cat sat."
TINY = TextWindows.of(RHYME, types=4, length=5)
pytestmark = pytest.mark.usefixtures("_one_thread")


def test_tokens_by_hand() -> None:
    """the 3, cat 3, hat 2, then eight that occur once: the first by alphabet is '!'."""
    assert TINY.symbols == ("<unk>", "cat", "the", "hat", "!")
    spelled = ["the", "cat", "<unk>", "the", "hat", "<unk>", "<unk>", "cat", "<unk>", "<unk>", "hat", "!", "the", "cat"]
    assert [TINY.symbols[k] for k in TINY.ids] == [*spelled, "<unk>", "<unk>"]
    assert (TINY.vocabulary, TINY.contextual, TINY.queries) == (5, 5, 5)


def test_windows_equal_slices() -> None:
    """Every start there is: counts of the T - 1 tokens before the query, the query, the token after it."""
    starts = torch.arange(len(TINY.ids) - 5)
    batch = TINY.windows(starts)
    for k in starts.tolist():
        window = TINY.ids[k : k + 6].tolist()
        occurs = Counter(window[:4])
        assert batch["counts"][k].tolist() == [occurs[token] for token in range(5)]
        assert (batch["query"][k].item(), batch["target"][k].item()) == (window[4], window[5])


def test_samples_reach_every_window_and_are_keyed() -> None:
    """Both ends of the text are drawn, all windows equally often; a replica's data depend on its own seed only."""
    starts = len(TINY.ids) - TINY.length
    every = {tuple(w.tolist()) for w in TINY.windows(torch.arange(starts))["counts"]}
    batch = TINY.sample(Key.of((1, 2)), 2000)
    assert {tuple(w.tolist()) for w in batch["counts"][0]} == every
    alone = TINY.sample(Key.of((2,)), 2000)
    assert all(torch.equal(batch[name][1], alone[name][0]) for name in batch)
    whole = TextWindows(np.arange(13), tuple(map(str, range(13))), 3)
    drawn = whole.sample(Key.of((5,)), 20_000)["query"][0]
    assert np.bincount(drawn, minlength=13).nonzero()[0].tolist() == [*range(2, 12)]
    assert abs(np.bincount(drawn)[2:12] / 2000 - 1).max() < 0.1


def test_split_shares_the_words_and_not_the_text() -> None:
    train, rest = TINY.split(0.5)
    assert np.array_equal(np.concatenate([train.ids, rest.ids]), TINY.ids)
    assert train.symbols == rest.symbols == TINY.symbols
    assert len(train.ids) == 8


def test_measures_equal_loops_over_places() -> None:
    model = CountModel().sized_for(TINY)
    y, z = (torch.tensor(np.random.default_rng(2).normal(size=(5, 5))) for _ in range(2))
    batch = TINY.windows(torch.arange(6))
    measured = TextMeasures(model)({"Y": y, "Z": z}, batch)
    entropies = []
    for k in range(6):
        weights = np.exp([z[TINY.ids[k + 4], token].item() for token in TINY.ids[k : k + 4]])
        b = weights / weights.sum()
        entropies.append(-(b * np.log(b)).sum())
    assert measured["entropy"].item() == pytest.approx(np.mean(entropies), abs=1e-14)
    assert measured["loss"].item() == pytest.approx(model.loss({"Y": y, "Z": z}, batch).item(), abs=1e-15)


def test_learning_from_the_help_topics() -> None:
    """Held-out loss falls well below ln M, and attention, at first uniform over 63 places, becomes sparser."""
    train, rest = TextWindows.pydoc().split()
    assert train.vocabulary == 1001
    assert np.mean(train.ids > 0) > 0.85  # most of the text is among the 1,000 most frequent words
    assert "python" in train.symbols
    model = CountModel().sized_for(train)
    held_out = {name: value[0] for name, value in rest.sample(Key.of((7,)), 64).items()}
    rule = SGD(5.0, momentum=0.9)
    measures = TextMeasures(model, held_out)
    out = simulate(train, model, rule, seeds=[0], steps=30, batch=64, evaluation=1, measures=measures)
    loss, entropy = out["loss"][0].tolist(), out["entropy"][0].tolist()
    assert loss[0] == pytest.approx(math.log(1001), rel=1e-6)
    assert entropy[0] == pytest.approx(math.log(63), rel=1e-6)
    assert loss[1] < 4.5
    assert entropy[1] < entropy[0] - 0.05
