"""Attention maps of Syn-Small: how far it moves from common to distinct tokens, by SGD and by Adam.

Two maps of the attention of class 0 over training (ten common tokens, then its ten distinct ones by rising
probability), for a decoder as fast as the attention and ten times faster; the entropy over distinct tokens against the
gradient flow, at time 10 steps for momentum 0.9; and the tokens that win under Adam. A slower decoder makes attention
sparser; Adam pushes it further and by other rules. The published run has one next token per query and M = 34.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require, results, seed_range
from experiments.scan_and_snap._training import MOMENTUM, grid, mixture_of, momentum_descent, train
from theory.claims import claim, relative_error
from theory.papers import TIAN_2023

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.simulator.optimizers import Optimizer

SGD_RATES = (1.0, 2.0, 5.0, 10.0)
"""eta_Y at eta_Z = 1."""
ADAM_RATES = (0.1, 0.5, 1.0)
"""Of decoder and attention."""
SHOWN = 98
"""The last step of the published log."""
REFERENCE = {1.0: 1.938, 2.0: 1.998, 5.0: 2.060, 10.0: 2.080}
"""eta_Y -> entropy after 98 steps, mean of ten seeds, by an independent script."""
PUBLISHED_MASS = {0.1: 0.697, 0.5: 0.9933, 1.0: 1.0000}
"""Adam's rate -> attention on distinct tokens in the authors' code, one run, after 100 steps."""


@dataclass(frozen=True)
class Config:
    """SGD with eta_Z = 1 and momentum 0.9, and Adam, both from zero, on batches of 128 sequences of 128 tokens."""

    seeds: str = "0:10"
    steps: int = 100

    def __post_init__(self) -> None:
        require(self, steps=SHOWN)


PROFILES = {"quick": Config(), "full": Config(seeds="0:100")}


def recorded(config: Config) -> list[int]:
    """The published rows, and enough between them for a curve."""
    return [0, 2, 4, 6, 8, 10, 14, 20, 28, 38, 48, 64, 80, SHOWN, *([config.steps] * (config.steps > SHOWN))]


def simulate(config: Config) -> xr.Dataset:
    """Attention, mass on distinct tokens and entropy of both classes; population loss before the first step."""
    import xarray as xr

    from toy_tasks.simulator import Adam

    descent = _trained(config, SGD_RATES, lambda rates: momentum_descent(rates, np.ones(len(rates))))
    adam = _trained(config, ADAM_RATES, Adam)
    return xr.merge([descent.rename(rate="eta_y"), _prefixed(adam).rename(rate="adam_rate")])


def _prefixed(data: xr.Dataset) -> xr.Dataset:
    return data.rename({name: f"adam_{name}" for name in data.data_vars})


def _trained(config: Config, rates: tuple[float, ...], optimizer: Any) -> xr.Dataset:
    import xarray as xr

    from toy_tasks.scan_and_snap import ScanAndSnap

    seeds = seed_range(config.seeds)
    rate, seed = grid(rates, seeds)
    made: Optimizer = optimizer(rate)
    trained = train(
        ScanAndSnap.syn_small(),
        made,
        seeds=seed.astype(int).tolist(),
        steps=config.steps,
        record=recorded(config),
        measures=("attention", "distinct", "entropy"),
    )
    axes = {"attention": ("label", "token"), "distinct": ("label",), "entropy": ("label",), "loss": ()}
    found = {}
    for name, after in axes.items():
        values = trained[name].double().numpy()
        found[name] = (("rate", "seed", "step", *after), values.reshape(len(rates), len(seeds), *values.shape[1:]))
    return xr.Dataset(found, coords={"rate": list(rates), "seed": seeds, "step": recorded(config)})


def predict(config: Config) -> xr.Dataset:
    """The gradient flow at time step / (1 - momentum), and ln M, the loss before the first step."""
    import xarray as xr

    from theory.scan_and_snap import population_flow
    from toy_tasks.scan_and_snap import ScanAndSnap

    task = ScanAndSnap.syn_small()
    mixture, steps = mixture_of(task), np.array(recorded(config))
    paths = [population_flow(mixture, eta_y, 1.0, steps / (1 - MOMENTUM), rtol=1e-8) for eta_y in SGD_RATES]
    entropy = [mixture.distinct_entropy(path.attention).mean(axis=-1) for path in paths]
    return xr.Dataset(
        {
            "flow_entropy": (("eta_y", "step"), np.array(entropy)),
            "law": ("token", task.law[0]),
            "first_loss": np.log(task.vocabulary),
        },
        coords={"eta_y": list(SGD_RATES), "step": steps},
    )


# -------------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Syn-Small, SGD with momentum, ten seeds: the faster the decoder at a fixed rate of the attention, the
    less sparse the attention over distinct tokens ends (eta_Y / eta_Z = 1, 2, 5, 10).""",
    source=TIAN_2023,
    kind="trend",
    tolerance=0.0,
)
def a_slower_decoder_makes_attention_sparser() -> float:
    """The largest fall of the mean entropy from one rate to the next."""
    entropy = results("scan_and_snap_attention").entropy.sel(step=SHOWN).mean(["seed", "label"])
    return -float(entropy.diff("eta_y").min())


@dataclass(frozen=True)
class FirstLoss:
    """A vocabulary and the loss of a run before its first step, when all entries are equally likely."""

    vocabulary: int
    loss: float


@claim(
    statement="The published attention maps come from a vocabulary of 30 tokens, as the text says.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-3,
    counterexample=lambda: (FirstLoss(30, 3.526359796524048),),
)
def published_maps_have_thirty_tokens(run: FirstLoss) -> float:
    """The published log starts at ln 34: 30 contextual tokens, two queries and two next tokens, one for each query."""
    return relative_error(np.log(run.vocabulary), run.loss)


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Entropies under SGD, mass on distinct tokens under Adam, and the first loss."""
    entropy = data.entropy.sel(step=SHOWN).mean(["seed", "label"])
    mass = data.adam_distinct.isel(step=-1, label=0).mean("seed")
    return [
        *[Check(f"SGD, eta_Y = {rate:g}: entropy after {SHOWN} steps, mean over seeds", value,
                float(entropy.sel(eta_y=rate)), 0.015) for rate, value in REFERENCE.items()],
        Check("least rise of the entropy from one eta_Y to the next", 0.0, float(entropy.diff("eta_y").min()),
              relation=">", claim=a_slower_decoder_makes_attention_sparser),
        *[Check(f"Adam, rate {rate:g}: attention on distinct tokens", value, float(mass.sel(adam_rate=rate)), 0.02)
          for rate, value in PUBLISHED_MASS.items()],
        Check("loss before the first step, as in the published log (ln 34)", 3.526359796524048,
              float(data.loss.sel(step=0).max()), 1e-5, claim=published_maps_have_thirty_tokens),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Two maps, entropies over training, and Adam's distinct tokens."""
    from experiments.lab.figures import panels, points

    out, (slow, fast, entropy, adam) = panels(4, width=3.2, height=3.1)
    rows, used = [0, 2, 4, 6, 8, 10, 48, SHOWN], np.flatnonzero(data.law.values)
    for axes, eta_y in ((slow, SGD_RATES[0]), (fast, SGD_RATES[-1])):
        shown = data.attention.sel(eta_y=eta_y, step=rows).isel(label=0, token=used, seed=0)
        drawn = axes.imshow(shown, aspect="auto", cmap="cividis", vmin=0, vmax=0.2)
        axes.set_yticks(range(len(rows)), [str(row) for row in rows])
        axes.set(xlabel="token of class 0", title=f"Attention, $\\eta_Y$ = {eta_y:g}, $\\eta_Z$ = 1")
        axes.grid(False)
    slow.set(ylabel="training step")
    out.colorbar(drawn, ax=[slow, fast], shrink=0.8, pad=0.01)
    steps = data.step.values
    for index, eta_y in enumerate(SGD_RATES):
        found = data.sel(eta_y=eta_y)
        entropy.plot(steps, found.flow_entropy, color=f"C{index}")
        points(entropy, steps, found.entropy.mean("label"), index=index, label=f"$\\eta_Y$ = {eta_y:g}", every=2)
    entropy.set(xlabel="training step", ylabel="nats", title="Entropy; line: gradient flow")
    first = int(data.sizes["token"]) // 3
    own = np.flatnonzero(data.law.values)[first:]
    adam.plot(range(1, len(own) + 1), data.law[own], color="0.3", label="before training")
    for index, rate in enumerate(ADAM_RATES):
        last = data.adam_attention.sel(adam_rate=rate).isel(step=-1, label=0, token=own)
        points(adam, range(1, len(own) + 1), last, index=index, label=f"rate {rate:g}")
    adam.set(xlabel="distinct token", ylabel="attention", title="Adam, at the end")
    entropy.legend(loc="best", fontsize=6.5)
    adam.legend(loc="upper left", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
