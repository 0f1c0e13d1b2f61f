"""In context or in weights: few classes are memorised, many make the network read its context.

The small attention-only network, trained on known classes in bursty sequences, then asked three things: novel classes
(context alone can help), known classes with flipped labels (context against weights), known classes in contexts that do
not help (weights alone). Lines: what copying a random label and a perfect head reach; points: trained networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.in_context._training import train
from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from theory.claims import claim
from theory.papers import REDDY_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.in_context_classification import InContextClassification

SETS = ("in_context", "in_context_flipped", "in_weights")
SWEEPS: dict[str, tuple[int, dict[str, Any]]] = {
    "classes": (64, {}),
    "burstiness": (64, {"burstiness": (1, 2)}),
    "within_class": (256, {"within_class": (0.1, 0.75, 1.5)}),
    "zipf": (256, {"zipf": (0.0, 0.5, 1.0, 1.5), "distinct_labels": False}),
}


@dataclass(frozen=True)
class Config:
    """`sweep`: over the number of classes at B = 1, eps = 0.1, alpha = 0; or at fixed K over burstiness, width, skew.

    A Zipf exponent matters only where labels of a context may repeat, so that sweep lets them.
    """

    sweep: tuple[str, ...] = ("classes",)
    classes: tuple[int, ...] = (64, 1024)
    learning_rate: float = 0.2
    steps: int = 2000
    seeds: str = "0:2"

    def __post_init__(self) -> None:
        require(self, steps=1)
        for name in self.sweep:
            if name not in SWEEPS:
                raise ValueError(f"sweep must be among {', '.join(SWEEPS)}, got {name!r}")


PROFILES = {"quick": Config(), "full": Config(tuple(SWEEPS), (16, 64, 256, 1024), 0.1, 4000, "0:8")}


def points_of(config: Config) -> list[tuple[str, float, InContextClassification]]:
    """Sweep, value and task of every point, in the order of their names, which is that of joined parts."""
    from toy_tasks.in_context_classification import InContextClassification

    base, found = replace(InContextClassification.small(), novel=0.0), []
    for sweep in config.sweep:
        if sweep == "classes":
            found += [(sweep, float(k), replace(base, classes=k)) for k in config.classes]
            continue
        classes, changes = SWEEPS[sweep]
        fixed = {k: v for k, v in changes.items() if k != sweep}
        found += [(sweep, float(v), replace(base, classes=classes, **fixed, **{sweep: v})) for v in changes[sweep]]
    return sorted(found, key=lambda point: name_of(*point[:2]))


def name_of(sweep: str, value: float) -> str:
    """Of a point, such as "classes 64"."""
    return f"{sweep} {value:g}"


def parts(config: Config) -> list[Config]:
    """One sweep, and of the number of classes one at a time."""
    out = [replace(config, sweep=("classes",), classes=(k,)) for k in config.classes if "classes" in config.sweep]
    return out + [replace(config, sweep=(name,)) for name in config.sweep if name != "classes"]


def simulate(config: Config) -> xr.Dataset:
    """`accuracy` (point, set, seed) at the end, with attention `previous_token` and `induction` in context."""
    import xarray as xr

    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextMeasures, evaluate

    seeds, found, names = seed_range(config.seeds), points_of(config), []
    accuracy = np.empty((len(found), len(SETS), len(seeds)))
    attention = {name: np.empty((len(found), len(seeds))) for name in ("previous_token", "induction")}
    for row, (sweep, value, task) in enumerate(found):
        names.append(name_of(sweep, value))
        trained = train(task, seeds=seeds, steps=config.steps, record=config.steps, learning_rate=config.learning_rate)
        measures = InContextMeasures(AttentionOnlyClassifier().sized_for(task))
        for column, which in enumerate(SETS):
            seen = evaluate(task.evaluation(which), measures, trained.params, seeds=seeds)  # type: ignore[arg-type]
            accuracy[row, column] = seen["accuracy"].numpy()
            if which == "in_context":
                for name, values in attention.items():
                    values[row] = seen[name].numpy()
    data = {name: (("point", "seed"), values) for name, values in attention.items()}
    return xr.Dataset(
        {"accuracy": (("point", "set", "seed"), accuracy)} | data,
        coords={"point": names, "set": list(SETS), "seed": seeds},
    )


def predict(config: Config) -> xr.Dataset:
    """Copying a random label of the context, the perfect head and the perfect memory, at every point."""
    import xarray as xr

    from toy_tasks.in_context_classification import copy_accuracy, ideal_head_accuracy, ideal_memory_accuracy

    found = points_of(config)
    values = {
        "copying": [copy_accuracy(task.evaluation("in_context")) for *_, task in found],
        "ideal_head": [ideal_head_accuracy(task) for *_, task in found],
        "ideal_memory": [ideal_memory_accuracy(task) for *_, task in found],
    }
    coords = {"point": [name_of(sweep, value) for sweep, value, _ in found]}
    return xr.Dataset({name: ("point", value) for name, value in values.items()}, coords)


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""With 1024 classes the small network learns in context (novel classes above 0.9, weights alone below
    0.2); with 64 it learns in weights (above 0.9, novel classes below 0.2), in each of 2 seeds, after 2000 steps at
    rate 0.2.""",
    source=REDDY_2024,
    kind="trend",
    tolerance=0.0,
)
def many_classes_are_learned_in_context() -> float:
    accuracy = results("icl_or_iwl").accuracy
    many, few = accuracy.sel(point="classes 1024"), accuracy.sel(point="classes 64")
    high = (many.sel(set="in_context"), few.sel(set="in_weights"))
    low = (many.sel(set="in_weights"), few.sel(set="in_context"))
    return float(max(*(0.9 - x.min() for x in high), *(x.max() - 0.2 for x in low)))


@claim(
    statement="A skewed class law makes frequent classes frequent in bursty training sequences, as published.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def zipf_skews_bursty_sequences() -> float:
    """0.1 less the change in the share of class 0 from alpha = 0 to 1.5, over 4000 sequences of distinct labels."""
    shares = []
    for zipf in (0.0, 1.5):
        task = replace(points_of(Config(classes=(64,)))[0][2], zipf=zipf)
        shares.append(float((drawn(task)["classes"] == 0).double().mean()))
    return 0.1 - abs(shares[1] - shares[0])


@claim(
    statement="Contexts of the in-weights evaluation do not show the target's label.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (),
)
def in_weights_contexts_do_not_help() -> float:
    """The share, beyond 0.05, of sequences that do, at K = 256, L = 32, N = 8, alpha = 1.5: by the formula 0.604."""
    from toy_tasks.in_context_classification import InContextClassification

    task = InContextClassification(256, 32, 1, zipf=1.5).evaluation("in_weights")
    labels = drawn(task)["labels"]
    return float((labels[..., :-1] == labels[..., -1:]).any(dim=-1).double().mean()) - 0.05


def drawn(task: InContextClassification) -> dict[str, Any]:
    """4000 sequences of seed 0."""
    from toy_tasks.randomness import EVALUATION, Key

    return task.sample(Key.of((0,), EVALUATION), 4000)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """The two ends of the grid of classes, worst seed."""
    found = []
    for point, right, wrong in (
        ("classes 64", "in_weights", "in_context"),
        ("classes 1024", "in_context", "in_weights"),
    ):
        if point in data.point:
            one = data.accuracy.sel(point=point)
            found += [
                Check(f"{point}: accuracy {right.replace('_', ' ')}, least", 0.9, float(one.sel(set=right).min()),
                      relation=">", claim=many_classes_are_learned_in_context),
                Check(f"{point}: accuracy {wrong.replace('_', ' ')}, most", 0.2, float(one.sel(set=wrong).max()),
                      relation="<", claim=many_classes_are_learned_in_context),
            ]  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """A panel per sweep."""
    from experiments.lab.figures import panels, points

    sweeps: dict[str, list[str]] = {}
    for point in data.point.values.tolist():
        sweeps.setdefault(point.split()[0], []).append(point)
    out, axes = panels(len(sweeps), width=4.2 if len(sweeps) == 1 else 3.3)
    for panel, (sweep, names) in zip(axes, sweeps.items(), strict=True):
        names = sorted(names, key=lambda name: float(name.split()[1]))
        x = [float(name.split()[1]) for name in names]
        one = data.sel(point=names)
        panel.plot(x, one.ideal_head, color="0.3", label="perfect head")
        panel.plot(x, one.ideal_memory, color="0.3", linestyle="--", label="perfect memory")
        panel.plot(x, one.copying, color="0.3", linestyle=":", label="copying any label")
        for index, which in enumerate(SETS):
            values = one.accuracy.sel(set=which).transpose("seed", "point")
            points(panel, x, values, index=index, label=which.replace("_", " "))
        panel.set(xlabel=sweep.replace("_", " "), ylim=(-0.03, 1.05), xscale="log" if sweep == "classes" else "linear")
        panel.set_title("Accuracy after training")
    axes[0].legend(loc="center right", fontsize=6)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
