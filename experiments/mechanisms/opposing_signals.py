"""Opposing outliers narrow the valley to a known sharpness, unless the step of gradient descent is too large for it.

A two-layer linear net learns from a feature that every example shows, and from one that only two outliers show, large
and with opposite signs. Trained with a small step it follows the gradient flow, whose last sharpness is known from the
start. With a step eta the valley that descent settles in is never sharper than 2 / eta; on the way the outliers' weight
grows again, and the loss spikes after it had been small. Lines: theory; points: training, Hessians by autograd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.mechanisms.dynamics.opposing_signals import OpposedNet
    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch


@dataclass(frozen=True)
class Config:
    """The net's start, the examples, of which two are outliers, and the steps of gradient descent."""

    outer: float = 0.3
    signal: float = 0.02
    outlier: float = 0.1
    target: float = 1.0
    examples: int = 100
    size: float = 50.0
    """The outliers' own feature is plus and minus this; it weighs A = 2 size^2 / examples in the loss."""
    imbalance: float = 1e-6
    """By which share one outlier's feature is smaller: were it 0, rounding would lose what is left of the outliers."""
    small_step: float = 0.005
    last_time: float = 8.0
    """How long the small step follows the flow, as step x steps."""
    large_steps: tuple[float, ...] = (0.038, 0.045, 0.06)
    steps: int = 600

    def __post_init__(self) -> None:
        require(self, examples=2, small_step=1e-5, last_time=self.small_step, steps=100)
        if not self.large_steps or min(self.large_steps) <= 0:
            raise ValueError(f"large_steps must all be positive, got {self.large_steps!r}")


PROFILES = {"quick": Config(), "full": Config(small_step=0.0002, steps=5000)}


def net_of(config: Config) -> OpposedNet:
    """The loss on all examples as a function of three weights."""
    from theory.mechanisms.dynamics.opposing_signals import OpposedNet

    weight = 2 * config.size**2 / config.examples
    return OpposedNet(config.outer, config.signal, config.outlier, config.target, weight)


# ------------------------------------------------------------------------------------------------------------ training


@dataclass(frozen=True)
class Examples:
    """A task that always shows all examples: features (r, N, 2)."""

    config: Config

    def sample(self, key: Key, batch: int) -> Batch:
        """The first feature is 1 throughout; the second is plus and minus the size for two examples, else 0."""
        import torch

        features = torch.zeros(self.config.examples, 2, dtype=torch.float64)
        features[:, 0] = 1.0
        features[0, 1], features[1, 1] = self.config.size, -self.config.size * (1 - self.config.imbalance)
        return {"features": features.expand(*key.seed.shape, -1, -1)}


@dataclass(frozen=True)
class TwoLayers:
    """y = c (w . x), trained on half the mean squared error."""

    config: Config

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """The same start for all: weights (c, s, o)."""
        import torch

        start = [self.config.outer, self.config.signal, self.config.outlier]
        return {"weights": torch.tensor(start, dtype=torch.float64).expand(*key.seed.shape, -1)}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """1/2 mean (c w . x - target)^2."""
        outer, inner = params["weights"][0], params["weights"][1:]
        return ((outer * (batch["features"] @ inner) - self.config.target) ** 2).mean() / 2


def _train(config: Config, rates: tuple[float, ...], steps: int, record: list[int]) -> tuple[np.ndarray, ...]:
    """Weights (r, t, 3), sharpness and loss (r, t) of replicas that differ in nothing but their step."""
    import torch

    from toy_tasks.randomness import Key
    from toy_tasks.simulator import SGD
    from toy_tasks.simulator import simulate as train

    task, model = Examples(config), TwoLayers(config)
    trained = train(
        task,
        model,
        SGD(torch.tensor(rates, dtype=torch.float64)),
        seeds=list(range(len(rates))),
        steps=steps,
        record=record,
        measures=lambda params, batch: {"weights": params["weights"]},
        dtype=torch.float64,
        chunk=len(rates),
    )
    weights = trained["weights"]
    batch = task.sample(Key(torch.tensor(0)), 1)

    def loss(point: torch.Tensor) -> torch.Tensor:
        return model.loss({"weights": point}, batch)

    bends = torch.func.jacrev(torch.func.jacrev(loss))  # forward mode, torch.func.hessian, warns of torch's own code
    hessians, losses = (torch.func.vmap(torch.func.vmap(f))(weights).numpy() for f in (bends, loss))
    return weights.numpy(), np.linalg.eigvalsh(hessians)[..., -1], losses


def small_steps(config: Config) -> list[int]:
    """Eighty recorded steps of the small size, and the last."""
    last = round(config.last_time / config.small_step)
    return sorted({*range(0, last + 1, max(1, last // 80)), last})


def simulate(config: Config) -> xr.Dataset:
    """Weights and sharpness along a small step, and sharpness and loss along the large ones."""
    import xarray as xr

    recorded, every = small_steps(config), sorted({*range(20), *range(0, config.steps + 1, 3), config.steps})
    weights, sharpness, _ = _train(config, (config.small_step,), recorded[-1], recorded)
    _, edges, losses = _train(config, config.large_steps, config.steps, every)
    return xr.Dataset(
        {
            "weights": (("time", "weight"), weights[0]),
            "sharpness": ("time", sharpness[0]),
            "sharpness_of_step": (("large_step", "step"), edges),
            "loss_of_step": (("large_step", "step"), losses),
        },
        coords={
            "time": config.small_step * np.array(recorded),
            "large_step": list(config.large_steps),
            "step": every,
        },
    )


# -------------------------------------------------------------------------------------------------------------- theory


def predict(config: Config) -> xr.Dataset:
    """The integrated flow at the recorded times and on a fine grid, and its closed-form end."""
    import xarray as xr

    net, times = net_of(config), config.small_step * np.array(small_steps(config))
    fine = np.linspace(0.0, times[-1], 401)
    return xr.Dataset(
        {
            "flow": (("time", "weight"), net.flow(times)),
            "flow_sharpness": ("fine_time", net.sharpness(net.flow(fine))),
            "final_sharpness": net.final_sharpness,
            "final_outer": net.final[0],
            "conserved": net.conserved,
        },
        coords={"time": times, "fine_time": fine, "large_step": list(config.large_steps)},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The small step against the flow and its end; every large step against 2 / eta; the loss after it was small."""
    from theory.mechanisms.dynamics import opposing_signals as theory

    squares = (data.weights**2).values @ np.array([1.0, -1.0, -1.0])
    end = data.isel(time=-1)
    found = [
        Check("small step against the flow: largest difference of a weight", 0.0,
              float(np.abs(data.weights - data.flow).max()), 2e-3),
        Check("drift of c^2 - s^2 - o^2 along the small step", 0.0,
              float(np.abs(squares - float(data.conserved)).max()), 1e-3, claim=theory.opposed_flow_conserves_a_square),
        Check("last outer weight c over the closed form", 1.0, float(end.weights[0] / data.final_outer), 5e-4,
              claim=theory.opposed_flow_ends_in_a_known_valley),
        Check("last sharpness over the closed form", 1.0, float(end.sharpness / data.final_sharpness), 1e-3,
              claim=theory.opposed_flow_ends_in_a_known_valley),
        Check("least sharpness of the small step over its start", 1.0, float(data.sharpness.min() / data.sharpness[0]),
              relation="<", claim=theory.sharpness_of_the_flow_only_rises),
    ]  # fmt: skip
    for eta in data.large_step.values:
        run = data.sel(large_step=eta)
        last = float(run.sharpness_of_step[-1])
        found.append(
            Check(f"last sharpness at eta = {eta:g}, at most 2 / eta", 2 / eta, last, relation="<",
                  claim=theory.descent_settles_below_two_over_its_step)
        )  # fmt: skip
        if 2 / eta < float(data.final_sharpness):
            calm = int((run.loss_of_step.values < 1e-3).argmax())
            spike = float(run.loss_of_step[calm:].max())
            found.append(Check(f"largest loss at eta = {eta:g} after it was below 0.001", 0.1, spike, relation=">"))
    return found


def figure(data: xr.Dataset) -> Figure:
    """Sharpness of the small step against time; sharpness and loss of the large steps against steps."""
    from experiments.lab.figures import MARKERS, panels

    out, (left, middle, right) = panels(3)
    left.plot(data.fine_time, data.flow_sharpness, color="0.3", label="gradient flow")
    left.plot(data.time, data.sharpness, MARKERS[0], color="C0", markerfacecolor="none", label="small step")
    left.axhline(float(data.final_sharpness), color="0.3", linestyle="--", label="known from the start")
    left.set(xlabel="time = step size x steps", ylabel="sharpness", title="The valley narrows")
    left.legend(loc="center right")

    start = data.sel(step=slice(0, 400))
    for index, eta in enumerate(data.large_step.values):
        run, color, line = start.sel(large_step=eta), f"C{index}", (":", "--", "-.", "-")[index % 4]
        marks: dict[str, Any] = {
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": "none",
            "markerfacecolor": "none",
        }
        middle.plot(run.step[::5], run.sharpness_of_step[::5], color=color, label=f"step {eta:g}", **marks)
        middle.axhline(2 / eta, color=color, linestyle=line)
        middle.text(400, 2 / eta + 0.5, f"2 / {eta:g}", fontsize=7, color=color, ha="right")
        right.plot(run.step, run.loss_of_step, color=color, label=f"step {eta:g}", markersize=2.5, **marks)
    middle.set(ylim=(0, 58), xlabel="steps", ylabel="sharpness", title="No sharper than 2 over the step")
    right.set(yscale="log", ylim=(1e-9, 20), xlabel="steps", ylabel="loss", title="Large steps: the loss spikes again")
    middle.legend(loc="lower right", fontsize=7)
    right.legend(loc="upper right", fontsize=7)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
