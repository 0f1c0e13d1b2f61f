"""Adam makes a sink logit grow in a straight line, gradient descent like half a logarithm.

A scalar with tail loss e^{-k alpha} is trained by the simulator's Adam at several learning rates and decays k; a fixed
equation, solved once per setting, predicts the growth per step. Where beta2 limits the step, the rate saturates at
-ln(beta2) / (2k) whatever the learning rate. A query with one sink (two tokens, constant value state, k = 2 in the
tail) shows both laws on one loss: Adam's line, gradient descent's (1/2) ln t. Adam's epsilon, once the gradient is
smaller, brings the growth to a crawl.
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

    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch

CURVES = ("adam", "adam, epsilon", "gradient descent")


@dataclass(frozen=True)
class Config:
    """Every learning rate with every decay, and the three optimisers on one sink."""

    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    decays: tuple[float, ...] = (1.0, 2.0, 4.0)
    beta1: float = 0.9
    beta2: float = 0.99
    steps: int = 4000
    window: int = 200
    """The rate is measured over the last steps, this many."""
    sink_rate: float = 3e-3
    """Learning rate of Adam on the sink."""
    descent_rate: float = 2.0
    """Learning rate of gradient descent on the sink; its time is rate x steps."""
    epsilon: float = 1e-4
    """Of the second curve; the usual 1e-8 has the same effect later, at alpha = 9."""
    pull: float = 2.0
    """z / W = (pull, -pull), the mean value state of the other keys."""

    def __post_init__(self) -> None:
        require(self, steps=1000, window=10)  # the transient must be over


PROFILES = {"quick": Config(), "full": Config(steps=20_000)}


@dataclass(frozen=True, eq=False)
class ExponentialTail:
    """loss = e^{-decay alpha} from alpha = 0; the decay may differ between replicas."""

    decay: Any

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """alpha = 0."""
        import torch

        return {"alpha": torch.zeros(key.seed.shape, dtype=torch.float64)}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """The tail itself."""
        import torch

        return torch.exp(-self.decay * params["alpha"])


@dataclass(frozen=True, eq=False)
class OneSink(ExponentialTail):
    """Two equally likely tokens, value state 0, z / W = (pull, -pull): KL = ln cosh(pull / (1 + e^alpha)), W = 1."""

    decay: Any = 2.0
    pull: float = 2.0

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """ln cosh x = log1p(2 sinh^2(x/2)), exact in the tail."""
        import torch

        ignored = torch.sigmoid(-params["alpha"])
        return torch.log1p(2 * torch.sinh(0.5 * self.pull * ignored) ** 2)


def simulate(config: Config) -> xr.Dataset:
    """alpha over training, in float64, all settings of one optimiser together."""
    import torch
    import xarray as xr

    from toy_tasks.simulator import SGD, Adam
    from toy_tasks.simulator import simulate as train
    from toy_tasks.task import NoData

    rates, decays = np.meshgrid(config.learning_rates, config.decays, indexing="ij")
    record = sorted({*range(0, config.steps, max(1, config.steps // 40)), config.steps - config.window, config.steps})

    def trained(model: ExponentialTail, optimizer: Adam | SGD, replicas: int) -> np.ndarray:
        run = train(
            NoData(),
            model,
            optimizer,
            seeds=range(replicas),
            steps=config.steps,
            record=record,
            measures=lambda params, batch: {"alpha": params["alpha"]},
            evaluation=1,
            batch=1,
            dtype=torch.float64,
            chunk=replicas,
        )
        return run["alpha"].numpy()

    betas = {"beta1": config.beta1, "beta2": config.beta2}
    tail = trained(ExponentialTail(decays.ravel()), Adam(rates.ravel(), **betas, epsilon=0.0), rates.size)
    sink = OneSink(pull=config.pull)
    adam = trained(sink, Adam(config.sink_rate, **betas, epsilon=np.array([0.0, config.epsilon])), 2)
    descent = trained(sink, SGD(config.descent_rate), 1)
    return xr.Dataset(
        {
            "alpha": (("learning_rate", "decay", "step"), tail.reshape(*rates.shape, len(record))),
            "sink_logit": (("curve", "step"), np.concatenate([adam, descent])),
        },
        coords={
            "learning_rate": list(config.learning_rates),
            "decay": list(config.decays),
            "step": record,
            "curve": list(CURVES),
        },
    )


def predict(config: Config) -> xr.Dataset:
    """The growth rates, and both laws of the sink."""
    import xarray as xr

    from theory.sink_flow import SinkModel, adam_growth_rate, sink_logit_asymptote

    betas = {"beta1": config.beta1, "beta2": config.beta2}

    def rate(learning_rate: float, decay: float) -> float:
        return adam_growth_rate(learning_rate=learning_rate, decay=decay, **betas)

    rates = [[rate(r, k) for k in config.decays] for r in config.learning_rates]
    fine = np.geomspace(min(config.learning_rates), max(config.learning_rates), 49)
    model = SinkModel(np.array([[0.5, 0.5]]), np.ones(1), config.pull * np.array([1.0, -1.0]), 1.0)
    steps = np.arange(1, config.steps + 1)
    return xr.Dataset(
        {
            "rate": (("learning_rate", "decay"), rates),
            "fine_rate": (("fine", "decay"), [[rate(r, k) for k in config.decays] for r in fine]),
            "saturation": ("decay", [-np.log(config.beta2) / (2 * k) for k in config.decays]),
            "sink_rate": rate(config.sink_rate, 2.0),
            "window": config.window,
            "half_log": ("every_step", sink_logit_asymptote(model, config.descent_rate * steps)[:, 0]),
        },
        coords={
            "learning_rate": list(config.learning_rates),
            "decay": list(config.decays),
            "fine": fine,
            "every_step": steps,
        },
    )


def _late_rate(alpha: xr.DataArray, window: int) -> xr.DataArray:
    """Growth per step over the last `window` steps."""
    last = int(alpha.step[-1])
    return (alpha.sel(step=last) - alpha.sel(step=last - window)) / window


def checks(data: xr.Dataset) -> list[Check]:
    """Measured against predicted growth, and the other two curves of the sink."""
    from theory.sink_flow import adam

    ratio = (_late_rate(data.alpha, int(data.window)) / data.rate).values
    sink = data.sink_logit.isel(step=-1)
    line = float(_late_rate(data.sink_logit.sel(curve="adam"), int(data.window)) / data.sink_rate)
    return [
        Check("growth per step / predicted, worst setting", 1.0, float(ratio.flat[np.abs(ratio - 1).argmax()]), 1e-6,
              claim=adam.adam_reaches_its_growth_rate),
        Check("the sink under Adam: growth per step / predicted", 1.0, line, 1e-3,
              claim=adam.sink_logits_grow_linearly_under_adam),
        Check("the sink under gradient descent: alpha minus (1/2) ln t + level, at the end", 0.0,
              float(sink.sel(curve="gradient descent") - data.half_log[-1]), 0.02),
        Check("Adam's epsilon slows the sink: alpha / alpha without epsilon", 0.9,
              float(sink.sel(curve="adam, epsilon") / sink.sel(curve="adam")), relation="<"),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Growth against steps, rate against learning rate, and three optimisers on one sink."""
    from experiments.lab.figures import panels, points

    out, (left, middle, right) = panels(3)
    steps = data.step.values
    for index, rate in enumerate(data.learning_rate.values):
        one = data.sel(learning_rate=rate, decay=2.0)
        late = steps >= 0.3 * steps[-1]
        left.plot(steps[late], float(one.alpha[-1]) + float(one.rate) * (steps[late] - steps[-1]), color=f"C{index}")
        points(left, steps, one.alpha.values[None], index=index, label=f"rate {rate:g}", every=3)
    left.set(xlabel="step", ylabel="$\\alpha$", title="Adam on $e^{-2\\alpha}$: predicted slopes")

    measured = _late_rate(data.alpha, int(data.window))
    for index, decay in enumerate(data.decay.values):
        middle.plot(data.fine, data.fine_rate.sel(decay=decay), color=f"C{index}")
        middle.axhline(float(data.saturation.sel(decay=decay)), color=f"C{index}", linestyle=":", linewidth=0.8)
        points(middle, data.learning_rate.values, measured.sel(decay=decay).values[None], index=index,
               label=f"k = {decay:g}")  # fmt: skip
    middle.set(
        xscale="log", yscale="log", xlabel="learning rate", ylabel="growth per step", title="It saturates (dots)"
    )

    right.plot(data.every_step, data.half_log, color="C2")
    adam = data.sink_logit.sel(curve="adam")
    right.plot(steps, float(adam[-1]) + float(data.sink_rate) * (steps - steps[-1]), color="C0")
    for index, curve in enumerate(CURVES):
        points(right, steps, data.sink_logit.sel(curve=curve).values[None], index=index, label=curve, every=3)
    right.set(xlabel="step", ylabel="sink logit $\\alpha$", title="One sink, three optimisers", ylim=(-1, None))
    for axes in (left, middle, right):
        axes.legend(loc="best")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
