"""A real text: attention concentrates on few of the words before the query, the more the larger the learning rate.

The same layer, without positions, on windows of 64 words and marks from the help text that every Python carries; the
last one is the query, the one after it the next token. Trained by SGD from zero parameters, measured on the last tenth
of the text. Lines: attention spread evenly, ln 63, and the loss of word frequencies alone. The published counterpart
used a larger text, positions and an MLP; the direction of the effect is what can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.scan_and_snap._training import BATCH, grid
from theory.claims import claim
from theory.papers import TIAN_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.scan_and_snap import TextWindows

HELD_OUT = 512


@dataclass(frozen=True)
class Config:
    """Plain SGD with one rate for both layers, on the most frequent words and `<unk>`."""

    rates: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0)
    seeds: str = "0:2"
    types: int = 200
    length: int = 64
    steps: int = 250

    def __post_init__(self) -> None:
        require(self, types=10, length=8, steps=10)


PROFILES = {"quick": Config(), "full": Config(types=1000, steps=1000)}


def text_of(config: Config) -> tuple[TextWindows, TextWindows]:
    """The part to train on and the part to measure on."""
    from toy_tasks.scan_and_snap import TextWindows

    return TextWindows.pydoc(config.types, config.length).split(0.9)


def parts(config: Config) -> list[Config]:
    """One rate at a time."""
    return [replace(config, rates=(rate,)) for rate in config.rates]


def simulate(config: Config) -> xr.Dataset:
    """Held-out loss and entropy of attention over training."""
    import torch
    import xarray as xr

    from toy_tasks.scan_and_snap import CountModel, TextMeasures
    from toy_tasks.simulator import SGD
    from toy_tasks.simulator import simulate as train

    text, rest = text_of(config)
    held_out = rest.windows(torch.linspace(0, len(rest.ids) - rest.length - 1, HELD_OUT).long())
    seeds = seed_range(config.seeds)
    rate, seed = grid(config.rates, seeds)
    model = CountModel().sized_for(text)
    trained = train(
        text,
        model,
        SGD(rate),
        seeds=seed.astype(int).tolist(),
        steps=config.steps,
        batch=BATCH,
        record=sorted({int(s) for s in np.linspace(0, config.steps, 11)}),
        measures=TextMeasures(model, held_out),
        evaluation=1,
        chunk=len(seeds),
    )
    shape = (len(config.rates), len(seeds), len(trained.steps))
    found = {name: (("rate", "seed", "step"), trained[name].double().numpy().reshape(shape)) for name in trained.values}
    return xr.Dataset(found, coords={"rate": list(config.rates), "seed": seeds, "step": list(trained.steps)})


def predict(config: Config) -> xr.Dataset:
    """ln(T - 1), the entropy of even attention; the loss of frequencies (one count more each) on the held-out part."""
    import xarray as xr

    text, rest = text_of(config)
    counts = np.bincount(text.ids, minlength=text.vocabulary) + 1.0
    frequency = -np.log(counts / counts.sum())[rest.ids].mean()
    return xr.Dataset({"even_entropy": np.log(config.length - 1), "frequency_loss": frequency})


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Windows of a real text, quick profile, seeds 0 and 1: the larger the learning rate, the lower the mean
    entropy of attention after training (rates 1 to 5).""",
    source=TIAN_2023,
    kind="trend",
    tolerance=0.0,
)
def larger_rates_concentrate_attention_on_text() -> float:
    """The largest rise of the mean entropy from one rate to the next."""
    return float(results("scan_and_snap_text").entropy.isel(step=-1).mean("seed").diff("rate").max())


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Even attention at the start, less entropy at larger rates, and a loss below that of frequencies."""
    last = data.isel(step=-1).mean("seed")
    return [
        Check("entropy of attention before training", float(data.even_entropy), float(data.entropy.isel(step=0).mean()),
              1e-5),
        Check("largest change of the entropy from one rate to the next", 0.0, float(last.entropy.diff("rate").max()),
              relation="<", claim=larger_rates_concentrate_attention_on_text),
        Check("entropy at the end, largest rate", float(data.even_entropy), float(last.entropy[-1]), relation="<"),
        Check("held-out loss at the end, largest rate, against frequencies", float(data.frequency_loss),
              float(last.loss[-1]), relation="<"),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Entropy and loss over training, and entropy against the rate."""
    from experiments.lab.figures import panels, points

    out, (entropy, rates, loss) = panels(3)
    for index, rate in enumerate(float(r) for r in data.rate.values):
        shown = data.sel(rate=rate)
        points(entropy, data.step, shown.entropy, index=index, label=f"rate {rate:g}")
        points(loss, data.step, shown.loss, index=index, label=f"rate {rate:g}")
    points(rates, data.rate, data.entropy.isel(step=-1).transpose("seed", "rate"), index=0, label="at the end")
    for axes in (entropy, rates):
        axes.axhline(float(data.even_entropy), color="0.3", label="even attention")
        axes.set(ylabel="nats")
    loss.axhline(float(data.frequency_loss), color="0.3", label="word frequencies")
    entropy.set(xlabel="training step", title="Entropy of attention, held-out text")
    rates.set(xlabel="learning rate", title="At the end of training")
    loss.set(xlabel="training step", ylabel="nats", title="Loss, held-out text")
    for axes in (entropy, rates, loss):
        axes.legend(loc="best", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
