"""In-context classification: sequences against their exact quantities, and networks against plain formulations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import chi, norm

from toy_tasks.in_context_classification import (
    AttentionOnlyClassifier,
    InContextClassification,
    InContextMeasures,
    MinimalInductionHead,
    bayes_accuracy,
    copy_accuracy,
    evaluate,
    ideal_head_accuracy,
    ideal_memory_accuracy,
    occurrence_probabilities,
)
from toy_tasks.randomness import DATA, Key
from toy_tasks.simulator import SGD, simulate

SMALL = InContextClassification.small()
KNOWN = replace(SMALL, novel=0.0)


def drawn(task: InContextClassification, batch: int, seeds: tuple[int, ...] = (0,), step: int = 0) -> dict:
    return task.sample(Key.of(seeds, DATA, step), batch)


def standard_errors(hits: torch.Tensor, expected: float) -> float:
    spread = math.sqrt(max(expected * (1 - expected), 1e-4) / hits.numel())
    return abs(hits.double().mean().item() - expected) / spread


# ------------------------------------------------------------------------------------------------- sequences


@pytest.mark.parametrize("copies", [1, 2, 4])
@pytest.mark.parametrize("novel", [0.0, 0.5])
def test_bursty_sequences_hold_distinct_labels_and_the_target(copies: int, novel: float) -> None:
    task = InContextClassification(
        classes=96, labels=12, dimension=5, pairs=8, window=9, burstiness=copies, novel=novel, novel_classes=29
    )
    batch = drawn(task, 2000)
    context = batch["labels"][0, :, :-1]
    counts = torch.nn.functional.one_hot(context, 12).sum(dim=1)
    assert set(counts.unique().tolist()) == {0, copies}
    assert (batch["own"].sum(dim=-1) == copies).all()
    assert (batch["labels"][..., -1] == batch["target"]).all()
    known = batch["classes"] < 96
    assert (batch["labels"] == torch.where(known, batch["classes"], batch["classes"] - 96) % 12).all()
    assert batch["classes"].max() == 96 + 29 - 1 if novel else known.all()
    if novel:
        assert standard_errors(~known[0, :, 0], 0.5) < 4


def test_every_class_of_a_label_is_equally_likely() -> None:
    for task, size in ((replace(KNOWN, within_class=0.0), 64), (replace(SMALL, novel_classes=21), 21)):
        classes = drawn(task, 50_000)["classes"][0, :, 0]
        shares = torch.bincount(classes - (0 if task.novel == 0 else 64), minlength=size) / len(classes)
        of_label = np.bincount(np.arange(size) % 16, minlength=16)[np.arange(size) % 16]
        expected = torch.tensor(1 / (16 * of_label))
        assert ((shares - expected).abs() / (expected / len(classes)).sqrt()).max() < 4.5


def test_positions_are_one_hot_at_one_random_shift() -> None:
    task = InContextClassification(classes=4, labels=4, dimension=3, pairs=2, window=5)
    hot = drawn(task, 3000)["inputs"][0, ..., : task.positions]
    place = hot.argmax(dim=-1)
    assert (hot.sum(dim=-1) == 1).all()
    assert (hot.max(dim=-1).values == 1).all()
    assert (place - place[:, :1] == torch.arange(5)).all()
    assert set(place[:, 0].tolist()) == set(range(7))


def test_items_have_unit_mean_square_and_labels_no_noise() -> None:
    task = replace(SMALL, dimension=64, within_class=0.75)
    content = drawn(task, 4000)["inputs"][0, ..., task.positions :].double()
    squares = content[:, 0::2].square().sum(dim=-1)
    assert squares.mean().item() == pytest.approx(1, abs=4 * math.sqrt(2 / 64 / 128))  # 128 classes decide
    labels = drawn(task, 4000)["labels"][0, :, 0]
    shown = content[:, 1]
    assert all((shown[labels == k] == shown[labels == k][0]).all() for k in range(16))


def test_embeddings_belong_to_the_run_and_novel_classes_to_the_step() -> None:
    task = replace(KNOWN, within_class=0.0)

    def mean_of(task: InContextClassification, step: int, which: int) -> torch.Tensor:
        batch = drawn(task, 4000, step=step)
        here = batch["classes"][0, :, 0] == which
        return batch["inputs"][0, here, 0, task.positions :][0]

    assert torch.equal(mean_of(task, 0, 7), mean_of(task, 5, 7))
    fresh = replace(SMALL, within_class=0.0)
    assert not torch.equal(mean_of(fresh, 0, 64 + 7), mean_of(fresh, 5, 64 + 7))


def test_a_replica_does_not_notice_its_batch_mates() -> None:
    together, alone = drawn(SMALL, 50, (3, 1, 4)), drawn(SMALL, 50, (1,))
    assert all(torch.equal(together[name][1], alone[name][0]) for name in alone)


def test_flipped_labels_are_shown_and_asked_for() -> None:
    plain, flipped = drawn(KNOWN, 100), drawn(KNOWN.evaluation("in_context_flipped"), 100)
    assert (flipped["labels"] == (plain["labels"] + 1) % 16).all()
    assert (flipped["classes"] == plain["classes"]).all()


# ------------------------------------------------------------------------------------------- exact quantities


@pytest.mark.parametrize(
    ("task", "measured"),
    [
        (InContextClassification(classes=64, labels=16, pairs=8, burstiness=2, distinct_labels=False), 0.2969),
        (InContextClassification(classes=64, labels=16, pairs=8, burstiness=2, zipf=1, distinct_labels=False), 0.3285),
        (InContextClassification(classes=256, labels=32, pairs=8, zipf=1.5, distinct_labels=False), 0.3011),
        (InContextClassification(classes=64, labels=16, pairs=8, burstiness=2), 0.25),
        (InContextClassification(classes=64, labels=16, pairs=4, bursty=0.3, novel=0.2), None),
    ],
)
def test_copying_a_random_label(task: InContextClassification, measured: float | None) -> None:
    task = replace(task, dimension=1, within_class=0.0)
    if measured is not None:
        assert copy_accuracy(task) == pytest.approx(measured, abs=5e-5)
    batch = drawn(task, 60_000)
    assert standard_errors(batch["labels"][0, :, 0] == batch["target"][0], copy_accuracy(task)) < 4


@pytest.mark.parametrize(("classes", "zipf", "measured"), [(1024, 0.0, (0.0078, 0.2243)), (256, 1.5, (0.579, 0.604))])
def test_contexts_that_should_not_help_do_at_times(classes: int, zipf: float, measured: tuple[float, float]) -> None:
    task = InContextClassification(classes=classes, dimension=1, zipf=zipf).evaluation("in_weights")
    expected = occurrence_probabilities(task)
    assert expected == pytest.approx(measured, abs=5e-4)
    batch = drawn(task, 40_000)
    assert standard_errors(batch["own"][0].any(dim=-1), expected.class_) < 4
    same_label = (batch["labels"][0, :, :-1] == batch["labels"][0, :, -1:]).any(dim=-1)
    assert standard_errors(same_label, expected.label) < 4


@pytest.mark.parametrize(
    ("dimension", "eps", "pairs", "head", "bayes"),
    [
        (63, 0.75, 8, 0.99948, 0.99994),
        (63, 1.0, 8, 0.98830, 0.99438),
        (16, 0.1, 4, 0.99819, 1.0),
        (16, 0.75, 4, 0.92407, 0.95752),
    ],
)
def test_ideal_head_and_bayes_rule(dimension: int, eps: float, pairs: int, head: float, bayes: float) -> None:
    task = InContextClassification(labels=16, dimension=dimension, pairs=pairs, within_class=eps, novel=1.0)
    assert ideal_head_accuracy(task) == pytest.approx(head, abs=6e-6)
    samples = 10_000
    spread = 4 * math.sqrt(max(bayes * (1 - bayes), 1e-4) / samples) + 1e-3
    assert bayes_accuracy(task, samples=samples) == pytest.approx(bayes, abs=spread)


def test_ideal_head_by_adaptive_quadrature_and_by_its_rule() -> None:
    task = replace(SMALL, pairs=4, burstiness=2, within_class=0.9, dimension=6, novel_classes=512)
    rho = 1 / (1 + 0.81)
    spread, own = math.sqrt(2 + 2 * rho), math.sqrt(2 * (1 - rho**2) + 2 * (rho - rho**2))
    direct, _ = dblquad(
        lambda u, r: chi.pdf(r, 6) * norm.pdf(u) * norm.cdf((2 * rho * r + own * u) / spread), 0, 12, -9, 9, epsabs=1e-9
    )
    assert ideal_head_accuracy(task) == pytest.approx(direct, abs=1e-8)
    batch = drawn(task, 40_000)
    items = batch["inputs"][0, :, 0::2, task.positions :].double()
    scores = (items[:, :-1] @ items[:, -1, :, None]).squeeze(-1)
    same = (batch["classes"][0, :, :-1, None] == batch["classes"][0, :, None, :-1]).double()
    best = (same @ scores[..., None]).squeeze(-1).argmax(dim=-1)
    assert standard_errors(batch["own"][0].gather(-1, best[:, None]), direct) < 5  # 512 shared means correlate samples


@pytest.mark.parametrize(
    ("dimension", "classes", "labels", "eps", "right_class"),
    [(16, 64, 16, 0.1, 0.9707), (16, 256, 16, 0.75, 0.6405), (63, 256, 32, 1.0, 0.9978)],
)
def test_ideal_memory(dimension: int, classes: int, labels: int, eps: float, right_class: float) -> None:
    task = InContextClassification(classes, labels, dimension, within_class=eps)
    by_luck = (classes / labels - 1) / (classes - 1)
    assert ideal_memory_accuracy(task) == pytest.approx(right_class + (1 - right_class) * by_luck, abs=6e-5)


def test_ideal_memory_over_many_runs() -> None:
    """The rule itself, with the means of 300 runs, 100 items each: label accuracy, within four standard errors."""
    task = InContextClassification(64, 16, 16, pairs=1, window=1, within_class=0.9, bursty=0.0)
    key = Key.of(tuple(range(300)), DATA)
    batch = task.sample(key, 100)
    means = task.means(key)
    guess = (batch["inputs"][:, :, -1, task.positions :] @ means.mT).argmax(dim=-1) % 16
    shares = (guess == batch["target"]).double().mean(dim=1)
    assert abs(shares.mean() - ideal_memory_accuracy(task)) < 4 * shares.std() / math.sqrt(300)


def test_ideal_accuracies_are_ordered() -> None:
    def head(**changes: float) -> float:
        return ideal_head_accuracy(replace(SMALL, pairs=8, window=8, **{"within_class": 1.0} | changes))

    assert head(burstiness=1) < head(burstiness=2) < head(burstiness=4)
    assert head(within_class=0.5) > head(within_class=1.0) > head(within_class=2.0)


# --------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("clamp", [{}, {"previous_token": "perfect"}, {"induction": "perfect"}])
def test_the_last_token_alone_gives_the_same_loss_and_gradient(clamp: dict) -> None:
    model = AttentionOnlyClassifier(**clamp).sized_for(SMALL)
    params = {k: p[0].requires_grad_() for k, p in model.init(Key.of((0,))).items()}
    batch = {k: v[0] for k, v in drawn(SMALL, 8).items()}
    results = []
    for version in (model, replace(model, everywhere=True)):
        loss = version.loss(params, batch)
        results.append((loss, torch.autograd.grad(loss, list(params.values()), allow_unused=True)))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-12, atol=0)
    for fast, slow in zip(results[0][1], results[1][1], strict=True):
        if fast is not None and slow is not None:
            torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-12)


def test_the_classifier_is_the_published_network() -> None:
    """Written out token by token, head by head."""
    model = AttentionOnlyClassifier().sized_for(SMALL)
    params = {k: p[0] for k, p in model.init(Key.of((5,))).items()}
    assert sum(p.numel() for p in params.values()) == 6028
    x = drawn(SMALL, 1)["inputs"][0, 0].double()
    for layer in "12":
        h = []
        for i in range(len(x)):
            query = params[f"Q{layer}"] @ x[i]
            scores = torch.stack([query @ (params[f"K{layer}"] @ x[j]) for j in range(i + 1)])
            weights = torch.softmax(scores, 0)
            h.append(x[i] + sum(weights[j] * (params[f"V{layer}"] @ x[j]) for j in range(i + 1)))
        x = torch.stack(h)
    out = x[-1]
    for layer in "123":
        out = torch.relu(params[f"W{layer}"] @ out + params[f"b{layer}"])
    batch = {k: v[0] for k, v in drawn(SMALL, 1).items()}
    torch.testing.assert_close(model.run(params, batch)[0][0], params["readout"] @ out, rtol=1e-11, atol=1e-12)


def test_relabelling_changes_nothing() -> None:
    """Permute label embeddings, targets and read-out rows together: here by the minimal head's own read-out."""
    model = MinimalInductionHead("all").sized_for(SMALL)
    key = Key.of((2,))
    params = {k: key.split(i).normal(*p.shape[1:])[0] for i, (k, p) in enumerate(model.init(key).items())}
    batch = {k: v[0] for k, v in drawn(SMALL, 16).items()}
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    renamed = params | {"readout": params["readout"][order.argsort()]}
    after = batch | {"target": order[batch["target"]]}
    torch.testing.assert_close(model.loss(renamed, after), model.loss(params, batch), rtol=1e-12, atol=0)


def test_the_minimal_head_written_out() -> None:
    model = MinimalInductionHead("all").sized_for(SMALL)
    params = {"previous": 1.3, "induction": 2.0, "label": 0.7}
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in params.items()}
    tensors["readout"] = torch.from_numpy(np.random.default_rng(0).normal(size=(16, 16)))
    batch = {k: v[0] for k, v in drawn(SMALL, 1).items()}
    x = batch["inputs"][0, :, SMALL.positions :].double().numpy()
    buffers = []
    for i in range(len(x)):
        weights = np.array([math.exp(1.3) if j == i - 1 else 1.0 for j in range(i + 1)])
        buffers.append(weights @ x[: i + 1] / weights.sum())
    scores = np.array([math.exp(2.0 * x[-1] @ b + 0.7 * (j % 2)) for j, b in enumerate(buffers)])
    output = scores @ x / scores.sum()
    logits, heads = model.run(tensors, batch)
    np.testing.assert_allclose(logits[0].numpy(), tensors["readout"].numpy() @ output, rtol=1e-12)
    np.testing.assert_allclose(heads.target[0].numpy(), scores / scores.sum(), rtol=1e-12)


def test_measures_at_the_start_are_those_of_uniform_attention() -> None:
    task = replace(SMALL, pairs=4)
    model = MinimalInductionHead("all").sized_for(task)
    params = {k: p[0] for k, p in model.init(Key.of((0,))).items()}
    found = InContextMeasures(model)(params, {k: v[0] for k, v in drawn(task, 64).items()})
    assert found["previous_token"].item() == pytest.approx(np.mean([1 / (2 * i) for i in (1, 2, 3, 4)]))
    assert found["induction"].item() == pytest.approx(1 / 9)
    assert found["label_attention"].item() == pytest.approx(4 / 9)
    assert found["contrast"].item() == pytest.approx(0, abs=1e-12)
    assert found["loss"].item() == pytest.approx(math.log(16))


def test_a_short_run_trains_and_is_evaluated_on_the_same_embeddings() -> None:
    """In weights: sixteen known classes are memorised within 300 steps, and novel ones are not."""
    task = replace(KNOWN, classes=16, labels=16)
    model = AttentionOnlyClassifier().sized_for(task)
    measures = InContextMeasures(model)
    run = simulate(task, model, SGD(0.1), seeds=(0, 1), steps=300, batch=64, chunk=2, measures=measures)
    memory = evaluate(task.evaluation("in_weights"), measures, run.params, seeds=(0, 1), samples=400)["accuracy"]
    fresh = evaluate(task.evaluation("in_context"), measures, run.params, seeds=(0, 1), samples=400)["accuracy"]
    assert (memory > 0.8).all()
    assert (fresh < 0.4).all()
