"""An induction head appears: accuracy, attention and loss of a small attention-only network, eight seeds.

Every sequence shows novel classes, so that labels can only be read off the context. Accuracy rests for hundreds of
steps, then rises within about a hundred, together with both attention patterns; predictions are restricted to labels
of the context long before. How long the rest is differs from seed to seed by a factor of three; one seed of the eight
stays at log L throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.in_context._training import curves, first_step, train
from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.papers import REDDY_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.in_context_classification import InContextClassification


@dataclass(frozen=True)
class Config:
    """`size` "small" (L = D = 16, N = 4, no shift) or "published" (L = 32, N = 8, D = 63, window 32)."""

    size: str = "small"
    learning_rate: float = 0.3
    steps: int = 2000
    record: int = 50
    evaluation: int = 500
    seeds: str = "0:8"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.size not in ("small", "published"):
            raise ValueError(f"size must be 'small' or 'published', got {self.size!r}")
        require(self, steps=1, record=1, evaluation=1)


PROFILES = {
    "quick": Config(),
    "full": Config(size="published", steps=10_000, record=100, evaluation=2000, seeds="0:32", device="cuda"),
}


def parts(config: Config) -> list[Config]:
    """Four seeds at a time."""
    seeds = seed_range(config.seeds)
    return [replace(config, seeds=",".join(map(str, seeds[i : i + 4]))) for i in range(0, len(seeds), 4)]


def task(config: Config) -> InContextClassification:
    """Novel classes in every sequence."""
    from toy_tasks.in_context_classification import InContextClassification

    return InContextClassification.small() if config.size == "small" else InContextClassification(novel=1.0)


def simulate(config: Config) -> xr.Dataset:
    """All measures on held-out sequences of novel classes, over training."""
    trained = train(
        task(config),
        seeds=seed_range(config.seeds),
        steps=config.steps,
        record=config.record,
        learning_rate=config.learning_rate,
        evaluation=config.evaluation,
        device=config.device,
        chunk=4,
    )
    return curves(trained)


def predict(config: Config) -> xr.Dataset:
    """Floors of the loss, and what a perfect head can reach."""
    import xarray as xr

    from toy_tasks.in_context_classification import copy_accuracy, ideal_head_accuracy

    sequences = task(config)
    return xr.Dataset(
        {
            "no_idea": float(np.log(sequences.labels)),
            "labels_known": float(np.log(sequences.context_classes)),
            "copying": copy_accuracy(sequences),
            "ideal": ideal_head_accuracy(sequences),
        }
    )


# -------------------------------------------------------------------------------------------------------------- claims


def widths(data: xr.Dataset) -> np.ndarray:
    """(seed,) steps from accuracy 0.35 to 0.9."""
    late, early = first_step(data.accuracy, 0.9), first_step(data.accuracy, 0.35)
    return np.where(np.isfinite(late), late - np.where(np.isfinite(early), early, 0.0), np.inf)


@claim(
    statement="""In at least 7 of 8 seeds of the small network in-context accuracy passes 0.9 within 2000 steps, and it
    rises from 0.35 to 0.9 within 200: the head appears abruptly.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def induction_head_appears_abruptly() -> float:
    found = widths(results("icl_transition"))
    return float(max(7 - np.isfinite(found).sum(), found[np.isfinite(found)].max() / 200 - 1))


@claim(
    statement="""Predictions are restricted to labels of the context (four in five) before accuracy passes 1/2, in every
    seed.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def context_labels_are_known_first() -> float:
    data = results("icl_transition")
    learned = np.isfinite(widths(data))
    ahead = first_step(data.accuracy, 0.5)[learned] - first_step(data.context_accuracy, 0.8)[learned]
    return float(50 - ahead.min())


@claim(
    statement="""Accuracy and both attention patterns of the head, on the previous token and on the right label, pass
    1/2 within 100 steps of one another and end above 0.8, in every seed that learns.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def patterns_and_accuracy_rise_together() -> float:
    data = results("icl_transition")
    learned = np.isfinite(widths(data))
    crossings = [first_step(data[name], 0.5)[learned] for name in ("accuracy", "previous_token", "induction")]
    apart = np.ptp(crossings, axis=0).max() / 100 - 1
    last = data.isel(step=-1, seed=learned)
    return float(max(apart, 0.8 - last.previous_token.min(), 0.8 - last.induction.min()))


@claim(
    statement="Before the head appears the loss rests at log N, the loss of copying any label of the context.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def loss_rests_at_log_n() -> float:
    """By how much more than 0.1 nats above log N the loss is just before accuracy passes 0.35, in the closest seed."""
    data = results("icl_transition")
    early = first_step(data.accuracy, 0.35)
    before = [float(data.loss.isel(seed=i).sel(step=s - 50)) for i, s in enumerate(early) if np.isfinite(s) and s >= 50]
    return min(before) - float(data.labels_known) - 0.1


@claim(
    statement="The previous-token pattern only strengthens on the way to an induction head.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def previous_token_attention_only_rises() -> float:
    """Its median fall before accuracy passes 0.35, beyond 0.02, over the seeds that learn."""
    data = results("icl_transition")
    early = first_step(data.accuracy, 0.35)
    falls = []
    for row, step in enumerate(early):
        if np.isfinite(step):
            before = data.previous_token.isel(seed=row).sel(step=slice(None, step))
            falls.append(float(before[0] - before.min()))
    return float(np.median(falls)) - 0.02


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """How many learn, how fast, in which order, and how well at the end."""
    found, learned = widths(data), np.isfinite(widths(data))
    head, first = induction_head_appears_abruptly, context_labels_are_known_first
    last = data.isel(step=-1, seed=learned)
    ahead = first_step(data.accuracy, 0.5)[learned] - first_step(data.context_accuracy, 0.8)[learned]
    share = float(learned.mean())
    if not learned.any():
        return [Check("share of seeds above 0.9", 7 / 8, share, relation=">", claim=head)]
    return [
        Check("share of seeds above 0.9", 7 / 8, share, relation=">", claim=head),
        Check("steps from 0.35 to 0.9, slowest seed", 200, float(found[learned].max()), relation="<", claim=head),
        Check("steps by which context labels lead, least", 50, float(ahead.min()), relation=">", claim=first),
        *(
            Check(f"{name.replace('_', ' ')} at the end, least", 0.8, float(last[name].min()), relation=">",
                  claim=patterns_and_accuracy_rise_together)
            for name in ("previous_token", "induction")
        ),
        Check("accuracy at the end against a perfect head, least", float(data.ideal), float(last.accuracy.min()), 0.05,
              claim=head),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Accuracy and attention of every seed, and the loss."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, middle, right) = panels(3)
    for row, seed in enumerate(data.seed.values):
        one = data.sel(seed=seed)
        style: Any = {
            "marker": MARKERS[row % len(MARKERS)],
            "markevery": (row, 8),
            "linewidth": 0.8,
            "color": f"C{row % 5}",
        }
        left.plot(one.step, one.accuracy, markerfacecolor="none", label=f"seed {seed}", **style)
        right.plot(one.step, one.loss, markerfacecolor="none", **style)
    left.axhline(float(data.ideal), color="0.3", linestyle="--", label="perfect head")
    left.axhline(float(data.copying), color="0.3", linestyle=":", label="copying any label")
    left.set(xlabel="step", ylabel="accuracy", title="Labels read off the context")
    left.legend(loc="upper left", fontsize=5.5, bbox_to_anchor=(0, 0.96))
    example = data.isel(seed=0)
    for index, (name, label) in enumerate(
        (
            ("accuracy", "accuracy"),
            ("context_accuracy", "a label of the context"),
            ("previous_token", "layer 1: label to item"),
            ("induction", "layer 2: right label"),
            ("label_attention", "layer 2: any label"),
        )
    ):
        middle.plot(example.step, example[name], f"{MARKERS[index]}-", color=f"C{index}", markevery=(index, 6),
                    markerfacecolor="none", linewidth=0.8, label=label)  # fmt: skip
    middle.set(xlabel="step", title=f"Inside seed {int(data.seed[0])}")
    middle.legend(loc="center right", fontsize=6)
    for value, name, line in ((data.no_idea, "log L", "--"), (data.labels_known, "log N", ":")):
        right.axhline(float(value), color="0.3", linestyle=line, label=name)
    right.set(xlabel="step", ylabel="loss (nats)", title="No plateau at log N")
    right.legend(loc="lower left", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
