"""How long an induction head takes: a closed form against the flow of three logits, over sizes drawn at random.

The plateau ends by a finite-time blow-up, at t* in elementary functions of (N, L, m), plus what the read-out then still
needs. Simulation here is the integrated flow; with m = 2N and L = 4N the length grows like N^(3/2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require
from theory.nested_logits.escape import plateau_ends_on_time

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.nested_logits import NestedLogits

LIMIT = float(np.sqrt(16 / 3 * np.sqrt(np.pi / 2)))
"""t_half / N^(3/2) at m = 2N, L = 4N for large N: sqrt(2 s* N L / (kappa (L - N))) with s* = 2 N sqrt(pi/2)."""


@dataclass(frozen=True)
class Config:
    """Random sizes on the domain of the claim, and a ladder of N."""

    instances: int = 40
    ladder: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    seed: int = 0

    def __post_init__(self) -> None:
        require(self, instances=1, seed=0)
        if not self.ladder or min(self.ladder) < 2:
            raise ValueError(f"ladder must hold numbers of pairs of at least 2, got {self.ladder!r}")


PROFILES = {"quick": Config(), "full": Config(instances=400)}


def drawn(config: Config) -> list[NestedLogits]:
    """3 <= N <= 32, N + 2 <= L <= N + 257, 22 <= m <= 1000, each log-uniform."""
    from theory.nested_logits import NestedLogits

    rng = np.random.default_rng(config.seed)

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    sizes = [(int(between(3, 33)), int(between(2, 258)), between(22, 1000)) for _ in range(config.instances)]
    return [NestedLogits(n, n + absent, m) for n, absent, m in sizes]


def simulate(config: Config) -> xr.Dataset:
    """`half_time` (instance,) and `ladder_time` (pair_count,) of the integrated flow."""
    import xarray as xr

    from theory.nested_logits import NestedLogits, half_loss_time

    return xr.Dataset(
        {
            "half_time": ("instance", [half_loss_time(model) for model in drawn(config)]),
            "ladder_time": ("pair_count", [half_loss_time(NestedLogits(n, 4 * n, 2 * n)) for n in config.ladder]),
        },
        coords={"pair_count": list(config.ladder)},
    )


def predict(config: Config) -> xr.Dataset:
    """The closed form t* + t_ro of each, and the competitors m."""
    import xarray as xr

    from theory.nested_logits import plateau_length, readout_time

    models = drawn(config)
    return xr.Dataset(
        {
            "closed_form": ("instance", [plateau_length(model) + readout_time(model) for model in models]),
            "competitors": ("instance", [model.competitors for model in models]),
        }
    )


def checks(data: xr.Dataset) -> list[Check]:
    """Flow over closed form at both ends, by m, and the limit of the ladder."""
    ratio, found = (data.half_time / data.closed_form).values, []
    for low, least, most in ((22, 0.94, 1.08), (100, 0.991, 1.016)):
        some = ratio[data.competitors.values >= low]
        if some.size:
            what = f"half-loss time over closed form, m >= {low}"
            found.append(Check(f"{what}, least", least, float(some.min()), relation=">", claim=plateau_ends_on_time))
            found.append(Check(f"{what}, most", most, float(some.max()), relation="<", claim=plateau_ends_on_time))
    scaled = data.ladder_time.values / data.pair_count.values**1.5
    largest = int(data.pair_count[-1])
    found.append(Check(f"t_half / N^(3/2) at N = {largest}, off its limit by at most 10 / N", LIMIT, float(scaled[-1]),
                       10 / largest))  # fmt: skip
    return found


def figure(data: xr.Dataset) -> Figure:
    """Flow against closed form, their ratio against m, and the power law."""
    from experiments.lab.figures import panels

    out, (left, middle, right) = panels(3)
    ends = np.array([float(data.closed_form.min()), float(data.closed_form.max())])
    left.loglog(ends, ends, color="0.3", label="closed form")
    left.loglog(data.closed_form, data.half_time, "o", color="C0", markerfacecolor="none", label="integrated flow")
    left.set(xlabel="$t^* + t_{ro}$", ylabel="half-loss time", title="Random N, L, m")
    left.legend(loc="upper left", fontsize=6.5)
    middle.axhline(1.0, color="0.3", label="closed form")
    middle.semilogx(data.competitors, data.half_time / data.closed_form, "o", color="C0", markerfacecolor="none",
                    label="integrated flow")  # fmt: skip
    middle.set(xlabel="competitors m", title="Flow over closed form")
    middle.legend(loc="upper right", fontsize=6.5)
    n = data.pair_count.values.astype(float)
    right.loglog(n, LIMIT * n**1.5, color="0.3", label="$2.585\\, N^{3/2}$")
    right.loglog(n, data.ladder_time, "s", color="C1", markerfacecolor="none", label="integrated flow")
    right.set(xlabel="pairs N", ylabel="half-loss time", title="m = 2N, L = 4N")
    right.legend(loc="upper left", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
