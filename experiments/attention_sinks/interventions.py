"""What each part of a trained network is for: risks after taking it away, in one layer and in three.

One layer: without its attention the network still predicts bigrams and cannot copy; without its MLP its bigrams suffer;
with the ideal attention pattern put in by hand it does both. The dashed line is exact: the least copying risk of a
predictor that sees the current token alone. Three layers: layer 0, its MLP above all, prepares the sink of layer 1;
without it the sink logit falls and the value state of <s> comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


DEPTHS = (1, 3)
EDITS = ("none", "no attention", "no MLP", "identity attention", "ideal pattern", "no <s> value", "no layer 0")


@dataclass(frozen=True)
class Config(Training):
    """Networks of one and three layers on the synthetic table."""

    depths: tuple[int, ...] = DEPTHS
    seeds: str = "0:2"
    record: int = 600


PROFILES = {"quick": Config(), "full": Config(**PUBLISHED | {"record": 10_000})}


def edits() -> dict[str, Any]:
    """What each edit does, made from the mask of copying queries; all but "no layer 0" act on every layer."""
    from toy_tasks.simulator import interventions as act

    def no_layer_0(copying: Any) -> Any:
        return act.Chain((act.zero_attention((0,)), act.remove_mlp((0,))))

    made = {
        "none": lambda copying: act.Chain(()),
        "no attention": lambda copying: act.zero_attention(),
        "no MLP": lambda copying: act.remove_mlp(),
        "identity attention": lambda copying: act.identity_attention(),
        "ideal pattern": act.ideal_pattern,
        "no <s> value": lambda copying: act.zero_first_value(),
        "no layer 0": no_layer_0,
    }
    return {name: made[name] for name in EDITS}


def parts(config: Config) -> list[Config]:
    """One depth at a time, and its seeds apart."""
    return [replace(config, depths=(depth,), seeds=seed) for depth in config.depths for seed in config.apart()]


def simulate(config: Config) -> xr.Dataset:
    """Risks, and the signs of a sink in the only or the second layer, before and after training, under every edit."""
    import torch
    import xarray as xr

    from toy_tasks.bigram_backcopy import BackcopyMeasures
    from toy_tasks.simulator import Transformer

    task, runs = config.task(), []
    for depth in config.depths:
        model = Transformer(layers=depth, width=config.width).sized_for(task)
        edited = [BackcopyMeasures(task, model, min(1, depth - 1), edit) for edit in edits().values()]

        def measures(params: Any, batch: Any, edited: Any = edited) -> Any:
            found = [measure(params, batch) for measure in edited]
            return {name: torch.stack([one[name] for one in found]) for name in found[0]}

        run = config.train(task, model, measures, axes=("edit",))
        runs.append(run.assign_coords(edit=list(EDITS)).expand_dims(depth=[depth]))
    return xr.concat(runs, dim="depth")


def predict(config: Config) -> xr.Dataset:
    """The least risks of a predictor that sees the current token alone."""
    import xarray as xr

    if not set(config.depths) <= set(DEPTHS):
        raise ValueError(f"depths must be among {DEPTHS}, got {config.depths!r}")
    return xr.Dataset({"risk_without_attention": config.task().copy_entropy()})


# -------------------------------------------------------------------------------------------------------------- claims


def _last(data: xr.Dataset, depth: int, edit: str) -> xr.Dataset:
    return data.sel(depth=depth, edit=edit).isel(step=-1)


@claim(
    statement="""One layer, quick profile, seeds 0 and 1: zeroing the attention of the trained network changes its
    excess bigram risk by at most 0.02 nats, and leaves it a copying risk above 3 nats.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def attention_is_for_copying_alone() -> float:
    data = results("interventions")
    whole, without = _last(data, 1, "none"), _last(data, 1, "no attention")
    change = float(np.abs(without.bigram_excess - whole.bigram_excess).max())
    return max(change - 0.02, 3.0 - float(without.backcopy_risk.min()))


@claim(
    statement="""One layer, quick profile, seeds 0 and 1: removing the MLP of the trained network raises its excess
    bigram risk by more than 0.5 nats.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def the_mlp_is_for_bigrams() -> float:
    data = results("interventions")
    return 0.5 - float((_last(data, 1, "no MLP") - _last(data, 1, "none")).bigram_excess.min())


@claim(
    statement="""Three layers, quick profile, seeds 0 and 1: without layer 0 the sink logit of layer 1 falls to less
    than a third, and its value state of <s> grows by more than half.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def layer_0_prepares_the_sink_of_layer_1() -> float:
    """How far the larger miss of both thresholds is, relative to them."""
    data = results("interventions")
    whole, without = _last(data, 3, "none"), _last(data, 3, "no layer 0")
    logit, value = (without.sink_logit / whole.sink_logit).max(), (without.value_norm / whole.value_norm).min()
    return max(3 * float(logit) - 1, 1 - float(value) / 1.5)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Of the trained networks, over all seeds."""
    found = []
    if 1 in data.depth:
        whole, blind, linear = (_last(data, 1, edit) for edit in ("none", "no attention", "no MLP"))
        change = float(np.abs(blind.bigram_excess - whole.bigram_excess).max())
        best = float(data.risk_without_attention)
        found += [
            Check("one layer, no attention: change of the bigram excess, largest seed", 0.0, change, 0.02,
                  claim=attention_is_for_copying_alone),
            Check("one layer, no attention: copying risk, at least the best without it", best,
                  float(blind.backcopy_risk.min()), 0.05, relation=">", claim=attention_is_for_copying_alone),
            Check("one layer, no MLP: rise of the bigram excess, least seed", 0.5,
                  float((linear - whole).bigram_excess.min()), relation=">", claim=the_mlp_is_for_bigrams),
            Check("one layer, ideal pattern: rise of the copying risk, largest seed", 0.0,
                  float((_last(data, 1, "ideal pattern") - whole).backcopy_risk.max()), 0.02, relation="<"),
        ]  # fmt: skip
    if 3 in data.depth:
        whole, without = _last(data, 3, "none"), _last(data, 3, "no layer 0")
        found += [
            Check("three layers, no layer 0: sink logit of layer 1 / whole network's, largest seed", 1 / 3,
                  float((without.sink_logit / whole.sink_logit).max()), relation="<",
                  claim=layer_0_prepares_the_sink_of_layer_1),
            Check("three layers, no layer 0: value norm of <s> in layer 1 / whole network's, least seed", 1.5,
                  float((without.value_norm / whole.value_norm).min()), relation=">",
                  claim=layer_0_prepares_the_sink_of_layer_1),
            Check("three layers, no attention: copying risk, at least the best without it",
                  float(data.risk_without_attention), float(_last(data, 3, "no attention").backcopy_risk.min()), 0.05,
                  relation=">"),
        ]  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Per depth: both risks under every edit; then sink logit and value norm of layer 1 of three."""
    from matplotlib.figure import Figure

    out = Figure(figsize=(11.5, 3.4))
    axes = out.subplots(1, 3, width_ratios=(1, 1, 0.7))
    place, last = np.arange(len(EDITS)), data.isel(step=-1)
    for ax, depth in zip(axes, [d for d in DEPTHS if d in data.depth], strict=False):
        ax.axhline(float(data.risk_without_attention), color="C1", linestyle="--")
        for index, (name, label) in enumerate((("bigram_excess", "bigrams"), ("backcopy_risk", "copying"))):
            values = last[name].sel(depth=depth).values
            for row, one in enumerate(values):
                ax.plot(place, one, "os"[index], color=f"C{index}", markerfacecolor="none",
                        label=label if row == 0 else None)  # fmt: skip
        ax.set_xticks(place, EDITS, rotation=40, ha="right")
        ax.set_yscale("symlog", linthresh=0.1)
        ax.set(ylim=(0, 40), ylabel="excess risk, nats", title=f"Layers: {depth}")
        ax.legend(loc="upper right", ncols=2)
    if 3 in data.depth:
        shown = ("none", "no MLP", "no layer 0")
        for index, (name, label) in enumerate((("sink_logit", "sink logit"), ("value_norm", "$\\|W_o v\\|$ of <s>"))):
            for row, one in enumerate(last[name].sel(depth=3, edit=list(shown)).values):
                axes[2].plot(range(len(shown)), one, "^D"[index], color=f"C{index + 2}", markerfacecolor="none",
                             label=label if row == 0 else None)  # fmt: skip
        axes[2].set_xticks(range(len(shown)), shown, rotation=40, ha="right")
        axes[2].set(title="Layer 1 of three", xlim=(-0.5, 2.5))
        axes[2].legend()
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
