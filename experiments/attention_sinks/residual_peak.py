"""Why a residual peaks under Adam and hardly at all under gradient descent: a toy with two numbers.

A layer norm turns the size m of the begin token's residual into a direction that a key-query strength y reads. Gradient
flow conserves a combination of y and m, so that m is a known function of y and grows like the square root of a
logarithm; under Adam both grow in a straight line. The same comparison on a published toy is recomputed beside its
drawing: there, the curve of gradient descent followed the gradient at Adam's position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.figure import Figure

    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch


@dataclass(frozen=True)
class Config:
    """The toy from y = m = start, by flow, by gradient descent, and by Adam."""

    overlap: float = 0.2
    start: float = 1.0
    last_time: float = 1e12
    learning_rate: float = 1e-3
    """Of Adam and of gradient descent; the time of the latter is rate x steps."""
    beta1: float = 0.9
    beta2: float = 0.99
    steps: int = 4000

    def __post_init__(self) -> None:
        require(self, last_time=1e4, steps=1000)


PROFILES = {"quick": Config(), "full": Config(steps=40_000)}


@dataclass(frozen=True, eq=False)
class PeakModel:
    """The toy as a model of the simulator: its loss as defined, differentiated by autograd."""

    overlap: float
    start: float

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """y = m = start."""
        import torch

        one = torch.full(key.seed.shape, self.start, dtype=torch.float64)
        return {"y": one, "m": one.clone()}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """exp(-y (m + c) / sqrt(m^2 + 2 c m + 1))."""
        import torch

        m = params["m"]
        direction = (m + self.overlap) / torch.sqrt(m**2 + 2 * self.overlap * m + 1)
        return torch.exp(-params["y"] * direction)


def record_of(config: Config) -> list[int]:
    """The steps that are recorded."""
    return sorted({*range(0, config.steps, max(1, config.steps // 40)), config.steps - 500, config.steps})


def simulate(config: Config) -> xr.Dataset:
    """The flow to the last time, both optimisers by autograd, and the three curves of the published toy."""
    import torch
    import xarray as xr

    from theory.sink_flow import ResidualPeak, published_size_dynamics
    from toy_tasks.simulator import SGD, Adam
    from toy_tasks.simulator import simulate as train
    from toy_tasks.task import NoData

    times = np.concatenate([[0.0], np.geomspace(1e-2, config.last_time, 57)])
    flow = ResidualPeak(config.overlap).flow(config.start, config.start, times)
    toy = PeakModel(config.overlap, config.start)
    record = record_of(config)
    runs = []
    optimizers = Adam(config.learning_rate, config.beta1, config.beta2, epsilon=0.0), SGD(config.learning_rate)
    for optimizer in optimizers:
        trained = train(
            NoData(),
            toy,
            optimizer,
            seeds=[0],
            steps=config.steps,
            record=record,
            measures=lambda params, batch: dict(params),
            batch=1,
            evaluation=1,
            dtype=torch.float64,
        )
        runs.append(np.stack([trained[name][0].numpy() for name in ("y", "m")]))
    published = published_size_dynamics()
    shown = np.arange(0, len(published.adam), 100)
    return xr.Dataset(
        {
            "flow": (("number", "time"), np.stack([flow.y, flow.m])),
            "trained": (("optimizer", "number", "step"), np.stack(runs)),
            "published": (("curve", "published_step"), np.stack(published)[:, shown]),
        },
        coords={
            "number": ["y", "m"],
            "time": times,
            "optimizer": ["adam", "descent"],
            "step": record,
            "curve": list(published._fields),
            "published_step": shown,
        },
    )


def predict(config: Config) -> xr.Dataset:
    """m as a function of y, the flow at the descent's times, and Adam's rate."""
    import xarray as xr

    from theory.sink_flow import ResidualPeak, adam_growth_rate

    peak, start = ResidualPeak(config.overlap), (config.start, config.start)
    rate = adam_growth_rate(learning_rate=config.learning_rate, beta1=config.beta1, beta2=config.beta2, decay=1.0)
    strengths = config.start + np.linspace(0, np.log(config.last_time), 200)
    exact = peak.adam(
        *start, steps=config.steps, learning_rate=config.learning_rate, beta1=config.beta1, beta2=config.beta2
    )
    steps = np.arange(0, config.steps + 1, 50)
    same_time = peak.flow(*start, config.learning_rate * steps)
    return xr.Dataset(
        {
            "size_of_strength": ("strength", peak.size_at(strengths, start=start)),
            "flow_size": ("every_step", same_time.m),
            "adam_size": ("step", exact.m[record_of(config)]),
            "adam_rate": rate,
        },
        coords={"strength": strengths, "every_step": steps, "step": record_of(config)},
    )


def checks(data: xr.Dataset) -> list[Check]:
    """The invariant in the form m(y), Adam's rate, and the published curves' ends."""
    from theory.sink_flow import published_peak, residual_peak

    y, m = data.flow.sel(number="y").values, data.flow.sel(number="m").values
    exact = np.interp(y, data.strength, data.size_of_strength)
    descent_end = float(data.trained.sel(optimizer="descent", number="m").isel(step=-1))
    adam = data.trained.sel(optimizer="adam")
    last = int(adam.step[-1])
    rates = ((adam.sel(step=last) - adam.sel(step=last - 500)) / 500 / data.adam_rate).values
    curve = (adam.sel(number="m") - data.adam_size).values
    drawn = data.published.isel(published_step=-1)
    return [
        Check("flow: largest error of m(y) from the invariant, interpolated", 0.0, float(np.abs(m - exact).max()), 1e-3,
              claim=residual_peak.peak_size_is_a_function_of_strength),
        Check("gradient descent: m at the end, against the flow", float(data.flow_size[-1]), descent_end, 0.005),
        Check("Adam: growth of y per step / predicted", 1.0, float(rates[0]), 0.01,
              claim=residual_peak.adam_grows_a_peak_linearly),
        Check("Adam: growth of m per step / predicted, which it approaches from below", 0.9, float(rates[1]),
              relation=">", claim=residual_peak.adam_grows_a_peak_linearly),
        Check("Adam by autograd against its exact curve: largest error of m", 0.0, float(np.abs(curve).max()), 1e-8),
        Check("published toy: end of gradient descent as drawn", 10.0017, float(drawn.sel(curve="published_descent")),
              1e-4, claim=published_peak.published_descent_follows_its_own_gradient),
        Check("published toy: end of gradient descent on its own gradient", 10.0127, float(drawn.sel(curve="descent")),
              1e-4, claim=published_peak.published_descent_follows_its_own_gradient),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """m against y, both optimisers against steps, and the published toy."""
    from experiments.lab.figures import panels, points

    out, (left, middle, right) = panels(3)
    flow = data.flow.values
    left.plot(data.strength, data.size_of_strength, color="C0")
    points(left, flow[0], flow[1][None], index=0, label="gradient flow, to t = 10^12", every=3)
    left.set(xlabel="strength y", ylabel="size m", title="m is a function of y")

    steps = data.step.values
    adam, descent = (data.trained.sel(optimizer=name, number="m").values for name in ("adam", "descent"))
    middle.plot(steps, data.adam_size, color="C1")
    middle.plot(data.every_step, data.flow_size, color="C0")
    points(middle, steps, adam[None], index=1, label="Adam; line: its exact curve", every=3)
    points(middle, steps, descent[None], index=0, label="gradient descent; line: flow", every=3)
    middle.set(xlabel="step", ylabel="size m", title="Adam grows a peak", ylim=(0, None))

    styles = {"adam": ("C1", "-"), "descent": ("C0", "-"), "published_descent": ("C0", "--")}
    labels = {
        "adam": "Adam",
        "descent": "descent, own gradient",
        "published_descent": "descent as drawn: Adam's gradient",
    }
    for curve in data.curve.values:
        color, line = styles[str(curve)]
        grown = data.published.sel(curve=curve)[1:] - 10
        right.plot(data.published_step[1:], grown, color=color, linestyle=line, label=labels[str(curve)])
    right.set(yscale="log", xlabel="step", ylabel="m - 10", title="Published toy, recomputed")
    for axes in (left, middle, right):
        axes.legend(loc="best")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
