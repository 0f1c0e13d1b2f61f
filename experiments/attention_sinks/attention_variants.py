"""Which attention still needs a sink: softmax and its relatives on one toy task, each trained from the same numbers.

Rows of softmax attention sum to one, so that a head with nothing to do must look somewhere. Clipping lets small weights
be exactly zero, a gate scales the head's output, ReLU attention may return nothing: the attention on <s> falls in that
order (clipped below softmax on average, not in every seed). Softmax with one more slot of logit and value zero ("off by
one") keeps its sink: in the reduced theory the slot only adds one to the number of the other keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.attention_sinks._training import PUBLISHED, Training
from experiments.lab.checks import Check
from experiments.lab.experiment import results
from theory.claims import claim
from theory.papers import GUO_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.simulator.attention import Attention

VARIANTS = ("relu", "gated", "clipped", "softmax", "off_by_one")  # in the order of the attention they pay to <s>
MEASURES = ("sink_weight", "backcopy_risk", "value_ratio", "inf_norm", "kurtosis")


@dataclass(frozen=True)
class Config(Training):
    """One-layer networks, 64 wide, on the synthetic table and sequences of 32 tokens."""

    variants: tuple[str, ...] = VARIANTS
    """All variants of a seed start from the same numbers and see the same data."""
    steps: int = 450
    gamma: float = -0.03
    """Clipped softmax: weights below -gamma / (1 - gamma) become 0."""
    gate: float = 0.25
    """Gated attention: the gates' initial value."""
    evaluation: int = 64


PROFILES = {"quick": Config(), "full": Config(**PUBLISHED)}


def attention_of(config: Config, variant: str) -> Attention:
    """The variant with the configuration's numbers; `ValueError` names the known ones."""
    from toy_tasks.simulator import Clipped, Gated, OffByOne, ReLU, Softmax

    if variant not in VARIANTS:
        raise ValueError(f"variants must be among {', '.join(VARIANTS)}, got {variant!r}")
    known = {"relu": ReLU(), "softmax": Softmax(), "off_by_one": OffByOne()}
    return (known | {"gated": Gated(config.gate), "clipped": Clipped(config.gamma)})[variant]


def parts(config: Config) -> list[Config]:
    """One variant at a time, and its seeds apart."""
    return [replace(config, variants=(variant,), seeds=seed) for variant in config.variants for seed in config.apart()]


def simulate(config: Config) -> xr.Dataset:
    """Risks and signs of sinks and outliers over training, per variant and seed."""
    import xarray as xr

    from toy_tasks.bigram_backcopy import BackcopyMeasures, SinkMeasures
    from toy_tasks.simulator import Transformer

    task, runs = config.task(), []
    for variant in config.variants:
        model = Transformer(width=config.width, attention=attention_of(config, variant)).sized_for(task)
        backcopy, sinks = BackcopyMeasures(task, model), SinkMeasures(task, model)

        def measures(params: Any, batch: Any, backcopy: Any = backcopy, sinks: Any = sinks) -> Any:
            outliers = sinks(params, batch)
            return backcopy(params, batch) | {name: outliers[name] for name in ("inf_norm", "kurtosis")}

        runs.append(config.train(task, model, measures).expand_dims(variant=[variant]))
    data = xr.concat(runs, dim="variant")
    return data.assign(value_ratio=data.value_norm / data.other_value_norm)


def predict(config: Config) -> xr.Dataset:
    """What uniform attention pays to <s>, and the least copying risk without attention."""
    import xarray as xr

    task = config.task()
    for variant in config.variants:
        attention_of(config, variant)
    exact = {"uniform_sink_weight": task.uniform_sink_weight(), "risk_without_attention": task.copy_entropy()}
    return xr.Dataset(exact)


# -------------------------------------------------------------------------------------------------------------- claims


def _final(measure: str) -> xr.DataArray:
    return results("attention_variants")[measure].isel(step=-1)


@claim(
    statement="""After 450 steps of the quick profile ReLU attention pays less to <s> than gated softmax, and gated
    softmax less than clipped softmax and softmax, in every one of the seeds 0-2.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def what_may_stay_silent_needs_less_sink() -> float:
    """The largest of weight(earlier) - weight(later) over neighbours in the order, and seeds."""
    relu, gated, clipped, softmax = (_final("sink_weight").sel(variant=variant) for variant in VARIANTS[:4])
    return float(max((relu - gated).max(), (gated - np.minimum(clipped, softmax)).max()))


def _trained() -> tuple[object]:
    return (results("attention_variants"),)


@claim(
    statement="""Clipped softmax pays less attention to <s> than softmax in every seed.""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=_trained,
)
def clipping_always_weakens_the_sink(data: object) -> float:
    """The largest of clipped - softmax over seeds: it holds on average, and fails where softmax shares its sink between
    <s> and the triggers."""
    last = data.sink_weight.isel(step=-1)  # type: ignore[attr-defined]
    return float((last.sel(variant="clipped") - last.sel(variant="softmax")).max())


@claim(
    statement="""After 450 steps of the quick profile ReLU attention pays less than 0.05 to <s>, in every one
    of the seeds 0-2.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def relu_attention_has_no_sink() -> float:
    return float(_final("sink_weight").sel(variant="relu").max()) - 0.05


@claim(
    statement="""After 450 steps of the quick profile softmax with one more slot of logit and value zero still
    pays more than half of its non-trigger attention to <s>, in every one of the seeds 0-2.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def an_empty_slot_does_not_remove_the_sink() -> float:
    return 0.5 - float(_final("sink_weight").sel(variant="off_by_one").min())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """At the last step; orderings in every seed."""
    last = data.isel(step=-1)
    present = [variant for variant in VARIANTS[:4] if variant in data.variant.values]
    found = []
    for before, after in pairwise(present):
        steps = (last.sink_weight.sel(variant=after) - last.sink_weight.sel(variant=before)).values
        softmax = after == "softmax"
        found.append(Check(f"attention on <s>: {after} - {before}, {'mean over seeds' if softmax else 'least seed'}",
                           0.0, float(steps.mean() if softmax else steps.min()), relation=">",
                           claim=None if softmax else what_may_stay_silent_needs_less_sink))  # fmt: skip
    if "relu" in present:
        largest = float(last.sink_weight.sel(variant="relu").max())
        found.append(Check("relu: attention on <s>, largest seed", 0.05, largest, relation="<",
                           claim=relu_attention_has_no_sink))  # fmt: skip
    if "off_by_one" in data.variant.values:
        least = float(last.sink_weight.sel(variant="off_by_one").min())
        found.append(Check("off by one: attention on <s>, least seed", 0.5, least, relation=">",
                           claim=an_empty_slot_does_not_remove_the_sink))  # fmt: skip
    worst = float(last.backcopy_risk.max())
    found.append(Check("every variant learns to copy: largest backcopy risk / least without attention", 0.2,
                       worst / float(data.risk_without_attention), relation="<"))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Attention on <s> over training, and five measures at the end, one mark per seed."""
    from experiments.lab.figures import MARKERS, panels, points

    out, axes = panels(1 + len(MEASURES), width=2.5)
    shown = [variant for variant in VARIANTS if variant in data.variant.values]
    axes[0].axhline(float(data.uniform_sink_weight), color="0.5", linestyle="--")
    for index, variant in enumerate(shown):
        points(axes[0], data.step.values, data.sink_weight.sel(variant=variant), index=index, label=variant)
    axes[0].set(xlabel="training step", title="Attention on <s>", ylim=(0, 1.3))
    axes[0].legend(loc="upper left", ncols=2, columnspacing=0.4, handletextpad=0.1)
    last = data.isel(step=-1)
    lines = {"sink_weight": data.uniform_sink_weight, "backcopy_risk": data.risk_without_attention}
    titles = (
        "Attention on <s>",
        "Copying risk, nats",
        "$\\|W_o v\\|$: <s> / others",
        "Largest |activation|",
        "Kurtosis",
    )
    for ax, measure, title in zip(axes[1:], MEASURES, titles, strict=True):
        for index, variant in enumerate(shown):
            values = last[measure].sel(variant=variant).values
            ax.plot(np.full(len(values), index), values, MARKERS[index], color=f"C{index}", markerfacecolor="none")
        if measure in lines:
            ax.axhline(float(lines[measure]), color="0.5", linestyle="--")
        ax.set(title=title, xticks=range(len(shown)), xlim=(-0.5, len(shown) - 0.5))
        ax.set(yscale="log") if measure == "backcopy_risk" else ax.set(ylim=(0, None))
        ax.set_xticklabels([variant.replace("_", " ") for variant in shown], rotation=40, ha="right")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
