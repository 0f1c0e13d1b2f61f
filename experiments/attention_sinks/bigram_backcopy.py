"""Bigram-Backcopy: a one-layer transformer learns bigrams, then copying, and grows an attention sink on <s>.

Training with AdamW on the synthetic table and on the character bigrams of a real text, several seeds each. Lines are
exact population quantities of the task: the least loss any predictor can reach, the least loss of a predictor that sees
only the current token (copying must be learned to pass below it), and the sink weight of uniform attention.
Trained networks use AdamW, so their sink logits do not follow the half-logarithm of the gradient flow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.attention_sinks._training import PUBLISHED, TABLES, Training
from experiments.lab.checks import Check
from experiments.lab.experiment import results
from theory.claims import claim
from theory.papers import GUO_2024

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.bigram_backcopy import BigramBackcopy

DRAINED = {"synthetic": 0.35, "shakespeare": 0.5}  # the real text drains later


@dataclass(frozen=True)
class Config(Training):
    """The small configuration: a 64-wide, one-layer, one-head transformer on sequences of 64 tokens."""

    tables: tuple[str, ...] = TABLES
    """Bigram tables to train on, one after another."""
    seeds: str = "0:5"
    text_seeds: str = "0:3"
    """Seeds on the real table."""
    steps: int = 750
    record: int = 75
    length: int = 64
    batch: int = 64
    learning_rate: float = 1e-3


PROFILES = {"quick": Config(), "full": Config(**PUBLISHED, text_seeds="0:4")}


def seeds_of(config: Config, table: str) -> str:
    """The seeds of one table."""
    return config.text_seeds if table == "shakespeare" else config.seeds


def parts(config: Config) -> list[Config]:
    """One table and, on the CPU, one seed at a time; a GPU trains all seeds together."""
    made = []
    for table in config.tables:
        every = config.apart(seeds_of(config, table))
        made += [replace(config, tables=(table,), seeds=seeds, text_seeds=seeds) for seeds in every]
    return made


def simulate(config: Config) -> xr.Dataset:
    """Risks and signs of the sink over training, per table and seed; NaN for seeds that a table does not have."""
    import xarray as xr

    from toy_tasks.bigram_backcopy import BackcopyMeasures
    from toy_tasks.simulator import Transformer

    runs = []
    for table in config.tables:
        task = config.task(table)
        model = Transformer(width=config.width).sized_for(task)
        one = replace(config, seeds=seeds_of(config, table))
        runs.append(one.train(task, model, BackcopyMeasures(task, model)).expand_dims(table=[table]))
    return xr.concat(runs, dim="table")


def predict(config: Config) -> xr.Dataset:
    """Exact population quantities of each table's task."""
    import xarray as xr

    tables = sorted(config.tables)  # joined parts are ordered by their coordinates
    tasks = [config.task(table) for table in tables]
    optimal = np.array([task.optimal_loss() for task in tasks])
    copy_entropy = np.array([task.copy_entropy() for task in tasks])
    copied = np.array([task.marginals().copying[:-1].sum() / task.length for task in tasks])
    return xr.Dataset(
        {
            "optimal_loss": ("table", optimal),
            "loss_without_attention": ("table", optimal + copied * copy_entropy),
            "risk_without_attention": ("table", copy_entropy),
            "uniform_sink_weight": ("table", [task.uniform_sink_weight() for task in tasks]),
        },
        coords={"table": tables},
    )


# -------------------------------------------------------------------------------------------------------------- claims


def _worst(measure: str, table: str) -> tuple[float, float]:
    """(least, largest) final value of a measure over the seeds of the quick profile."""
    final = results("bigram_backcopy")[measure].sel(table=table).isel(step=-1)
    return float(final.min()), float(final.max())


@claim(
    statement="""Small configuration, synthetic table: after 750 steps every one of the seeds 0-4 pays more than half of
    its non-trigger attention to <s>.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def sink_emerges_on_the_synthetic_table() -> float:
    """How far the least seed stays below one half."""
    return 0.5 - _worst("sink_weight", "synthetic")[0]


@claim(
    statement="""Small configuration, characters of Tiny Shakespeare: after 750 steps every one of the seeds 0-2 pays
    more than half of its non-trigger attention to <s>.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def sink_emerges_on_a_real_text() -> float:
    return 0.5 - _worst("sink_weight", "shakespeare")[0]


def _value_ratio(data: xr.Dataset) -> xr.DataArray:
    return data.value_norm / data.other_value_norm


@claim(
    statement="""Small configuration: after 750 steps the value state of <s> is below 0.35 (synthetic table) and 0.5
    (characters of Tiny Shakespeare) of the mean value norm of the other positions, for every one of the seeds 0-4
    (0-2).""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def value_state_drains_in_training() -> float:
    largest = _value_ratio(results("bigram_backcopy")).isel(step=-1).max("seed")
    return max(float(largest.sel(table=table)) - limit for table, limit in DRAINED.items())


@claim(
    statement="""Small configuration, synthetic table and seeds 0-4, real table and seeds 0-2: the bigram excess falls
    to half of its start before the backcopy risk does.""",
    source=GUO_2024,
    kind="trend",
    tolerance=0.0,
)
def bigrams_are_learned_before_copying() -> float:
    """The largest lead of copying, in steps; negative where bigrams come first."""
    data = results("bigram_backcopy")
    return float((_half_step(data.bigram_excess) - _half_step(data.backcopy_risk)).max())


def _half_step(measure: xr.DataArray) -> xr.DataArray:
    """The first recorded step at which a measure is at most half its start."""
    reached = measure <= 0.5 * measure.isel(step=0)
    return measure.step.where(reached).min("step")


def _shipped_table() -> tuple[BigramBackcopy]:
    return (Config().task("shakespeare"),)


@claim(
    statement="""The published oracle, which predicts the plain unigram law after <s>, is the law of the data there.""",
    source=GUO_2024,
    kind="refuted",
    tolerance=1e-9,
    counterexample=_shipped_table,
)
def published_oracle_is_the_law_of_the_data(task: BigramBackcopy) -> float:
    """Total variation between both laws: the unigram mass of the triggers, which never occur at position 1.

    The excess bigram risk measured against that oracle therefore cannot reach zero.
    """
    published = np.append(task.table.unigram, 0.0)
    return float(0.5 * np.abs(published - task.next_token[task.begin]).sum())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Per table, at the last step and over all seeds."""
    found = []
    emerges = {"synthetic": sink_emerges_on_the_synthetic_table, "shakespeare": sink_emerges_on_a_real_text}
    for table in data.table.values:
        one = data.sel(table=table)
        last, first = one.isel(step=-1), one.isel(step=0)
        lead = (_half_step(one.backcopy_risk) - _half_step(one.bigram_excess)).min()
        found += [
            Check(f"{table}: sink weight, least seed", 0.5, float(last.sink_weight.min()), relation=">",
                  claim=emerges[str(table)]),
            Check(f"{table}: value norm of <s> / others, largest seed", DRAINED[str(table)],
                  float(_value_ratio(last).max()), relation="<", claim=value_state_drains_in_training),
            Check(f"{table}: steps by which bigrams precede copying, least seed", 0.0, float(lead), relation=">",
                  claim=bigrams_are_learned_before_copying),
            Check(f"{table}: loss at the end, mean over seeds, not below the optimum", float(one.optimal_loss),
                  float(last.loss.mean()), 0.02, relation=">"),
            Check(f"{table}: loss at the end, largest seed, below the best without attention",
                  float(one.loss_without_attention), float(last.loss.max()), relation="<"),
            Check(f"{table}: sink weight before training, mean over seeds, is that of uniform attention",
                  float(one.uniform_sink_weight), float(first.sink_weight.mean()), 0.02),
        ]  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Loss, risks, sink weight, and value norms and sink logit, against training steps."""
    from experiments.lab.figures import panels, points

    out, (loss, risk, sink, value) = panels(4, width=2.9)
    steps, every = data.step.values, max(1, data.sizes["step"] // 12)
    for index, table in enumerate(data.table.values):
        one = data.sel(table=table)
        loss.axhline(float(one.optimal_loss), color=f"C{index}")
        loss.axhline(float(one.loss_without_attention), color=f"C{index}", linestyle="--")
        points(loss, steps, one.loss, index=index, label=str(table), every=every)
        risk.axhline(float(one.risk_without_attention), color=f"C{index}", linestyle="--")
        points(risk, steps, one.backcopy_risk, index=index, label=f"{table}: copying", every=every)
        points(risk, steps, one.bigram_excess, index=index + 2, label=f"{table}: bigrams", every=every)
        sink.axhline(float(one.uniform_sink_weight), color=f"C{index}", linestyle="--")
        points(sink, steps, one.sink_weight, index=index, label=str(table), every=every)
        points(value, steps, _value_ratio(one), index=index, label=f"{table}: value ratio", every=every)
    sink.axhline(1.0, color="0.5", linewidth=0.8)
    loss.set(title="Loss, optimum, bigram plateau", ylabel="nats per token")
    risk.set(title="Excess risks", ylabel="nats")
    sink.set(title="Attention on <s>; dashed: uniform", ylabel="sink weight", ylim=(0, 1.05))
    value.set(title="Value state of <s> drains", ylabel="$\\|W_o v\\|$: <s> / others", ylim=(0, None))
    for axes in (loss, risk, sink, value):
        axes.set_xlabel("training step")
        axes.legend(loc=(0.5, 0.14) if axes is sink else "upper right")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
