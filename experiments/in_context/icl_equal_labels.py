"""With every label in the context (L = N) the origin is a saddle: no head, or one of two, induction or its opposite.

The attention-only network stays at log N throughout. A minimal head leaves the saddle, by induction or by
anti-induction (attend to every label but the right one, and read out the negative): noise picks the side and the
moment, a small start decides both in the equation. Lines: the flow of three logits from either side of the saddle, and
the loss log N; points: trained networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.in_context._training import curves, train
from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.nested_logits.equal_labels import the_sign_of_the_start_decides
from theory.papers import REDDY_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """N = L = 4, D = 16; the classifier and the minimal head, each with its own number of steps."""

    network: tuple[str, ...] = ("classifier", "minimal")
    classifier_rate: float = 0.3
    classifier_steps: int = 1000
    minimal_rate: float = 1.0
    minimal_steps: int = 1500
    seeds: str = "0:4"

    def __post_init__(self) -> None:
        require(self, classifier_steps=1, minimal_steps=1)
        if not self.network or not set(self.network) <= {"classifier", "minimal"}:
            raise ValueError(f"network must hold 'classifier' or 'minimal', got {self.network!r}")


PROFILES = {"quick": Config(), "full": Config(classifier_steps=10_000, minimal_steps=4500, seeds="0:16")}
RECORDS = 25


def parts(config: Config) -> list[Config]:
    """One network at a time."""
    return [replace(config, network=(name,)) for name in config.network]


def simulate(config: Config) -> xr.Dataset:
    """Curves (network, seed, place) with `step` (network, place), and final `xi` and `alpha` of minimal heads."""
    import torch
    import xarray as xr
    from torch.func import vmap

    from toy_tasks.in_context_classification import InContextClassification, InContextMeasures, MinimalInductionHead
    from toy_tasks.randomness import Key
    from toy_tasks.simulator import SGD, simulate

    task = replace(InContextClassification.small(), classes=64, labels=4)
    seeds, out = seed_range(config.seeds), []
    for name in config.network:
        if name == "classifier":
            steps = config.classifier_steps
            trained = train(task, seeds=seeds, steps=steps, record=-(-steps // RECORDS),
                            learning_rate=config.classifier_rate)  # fmt: skip
            data = curves(trained)
        else:
            model, steps = MinimalInductionHead("all").sized_for(task), config.minimal_steps
            trained = simulate(
                task, model, SGD(config.minimal_rate), seeds=seeds, steps=steps, batch=128,
                record=-(-steps // RECORDS), measures=InContextMeasures(model), evaluation=500, chunk=len(seeds),
            )  # fmt: skip
            with torch.no_grad():
                overlap = vmap(model.overlap)(trained.params, task.label_embeddings(Key.of(tuple(seeds))))
            data = curves(trained)
            data["xi"], data["alpha"] = ("seed", overlap.numpy()), ("seed", trained.params["induction"].numpy())
        places = data.rename(step="place").assign(step=("place", data.step.values))
        out.append(places.assign_coords(place=np.arange(data.sizes["step"])).expand_dims(network=[name]))
    return xr.concat(out, "network", join="outer")


def predict(config: Config) -> xr.Dataset:
    """The flow of the logits from (d, d) and (-d, -d), d = 0.03, m = 1, 3, 5, 7 averaged: time and final signs."""
    import xarray as xr

    from theory.nested_logits import NestedLogits

    model = NestedLogits(4, 4, (1, 3, 5, 7), (1 / 4, 1.0, 1.0))
    times = np.linspace(0, config.minimal_rate * config.minimal_steps, 200)
    paths = [model.flow(times, (sign * 0.03, sign * 0.03, 0.0)) for sign in (1, -1)]
    return xr.Dataset(
        {
            "flow_loss": (("side", "grid"), [path.loss for path in paths]),
            "flow_attention": (("side", "grid"), [path.right_label for path in paths]),
            "plateau": float(np.log(4)),
        },
        coords={"side": [1, -1], "grid": times / config.minimal_rate},
    )


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""With L = N = 4 the attention-only network learns nothing in 1000 steps at rate 0.3: accuracy stays
    below 0.4 and no head forms, in each of 4 seeds.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def equal_labels_stop_the_classifier() -> float:
    last = results("icl_equal_labels").sel(network="classifier").dropna("place", how="all").isel(place=-1)
    return float(max(last.accuracy.max() - 0.4, last.induction.max() - 0.5))


@claim(
    statement="With L = N an induction head cannot be learned.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def equal_labels_cannot_be_learned() -> float:
    """By how much the best minimal head, started at zero, exceeds an accuracy of 0.9."""
    last = results("icl_equal_labels").sel(network="minimal").isel(place=-1)
    return float(last.accuracy.max() - 0.9)


@claim(
    statement="""A minimal head that solves L = N does it by induction with xi, alpha > 0 or by anti-induction with both
    negative, less than 1/N of attention on the right label, in every seed that learns.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def solutions_are_induction_or_its_opposite() -> float:
    last = results("icl_equal_labels").sel(network="minimal").isel(place=-1)
    learned = last.isel(seed=last.accuracy.values > 0.9)
    positive = np.minimum(np.minimum(learned.xi, learned.alpha), learned.induction - 0.5)
    negative = np.minimum(np.minimum(-learned.xi, -learned.alpha), 0.25 - learned.induction)
    return float((-np.maximum(positive, negative)).max()) if learned.sizes["seed"] else 1.0


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """The classifier at the end, and how minimal heads solve it."""
    found = []
    if "classifier" in data.network:
        last = data.sel(network="classifier").dropna("place", how="all").isel(place=-1)
        found = [
            Check("classifier: accuracy, most", 0.4, float(last.accuracy.max()), relation="<",
                  claim=equal_labels_stop_the_classifier),
            Check("classifier: loss at the end, mean", float(data.plateau), float(last.loss.mean()), 0.01),
        ]  # fmt: skip
    if "minimal" in data.network:
        last = data.sel(network="minimal").isel(place=-1)
        found += [
            Check("minimal heads: share above 0.9", 0.5, float((last.accuracy > 0.9).mean()), relation=">",
                  claim=equal_labels_cannot_be_learned),
            Check("minimal heads: sign of xi times sign of alpha, least", 1.0,
                  float((np.sign(last.xi) * np.sign(last.alpha)).min()), claim=solutions_are_induction_or_its_opposite),
        ]  # fmt: skip
    for side, name in ((1, "induction"), (-1, "anti-induction")):
        found.append(Check(f"equation, {name}: loss at the end", 0.1, float(data.flow_loss.sel(side=side)[-1]),
                           relation="<", claim=the_sign_of_the_start_decides))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Accuracy and loss of both networks, and the attention of minimal heads."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, middle, right) = panels(3)
    for panel, name, title in ((left, "classifier", "Attention-only network"), (middle, "minimal", "Minimal head")):
        if name not in data.network:
            continue
        one = data.sel(network=name).dropna("place", how="all")
        for row, seed in enumerate(one.seed.values):
            panel.plot(one.step, one.loss.sel(seed=seed), MARKERS[row % 7], color=f"C{row % 7}", markersize=3.5,
                       markerfacecolor="none", label=f"seed {seed}")  # fmt: skip
        panel.axhline(float(data.plateau), color="0.3", linestyle="--", label="log N")
        panel.set(xlabel="step", ylim=(-0.05, 1.6), title=f"{title}: loss")
    for side, style, name in ((1, "-", "induction"), (-1, ":", "anti-induction")):
        flow = data.sel(side=side)
        middle.plot(data.grid, flow.flow_loss, style, color="0.3", label=f"equation, {name}")
        right.plot(data.grid, flow.flow_attention, style, color="0.3", label=f"equation, {name}")
    if "minimal" in data.network:
        one = data.sel(network="minimal")
        for row, seed in enumerate(one.seed.values):
            right.plot(one.step, one.induction.sel(seed=seed), MARKERS[row % 7], color=f"C{row % 7}", markersize=3.5,
                       markerfacecolor="none", label=f"seed {seed}")  # fmt: skip
    right.set(xlabel="step", ylim=(-0.03, 1.03), title="Attention on the right label")
    left.legend(loc="lower left", fontsize=6.5)
    right.legend(loc="center right", fontsize=6)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
