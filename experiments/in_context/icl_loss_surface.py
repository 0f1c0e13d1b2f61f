"""The loss that an induction head descends, over read-out and induction strength: a slope, or a saddle.

With absent labels (L > N) the origin is a slope towards induction. With none (L = N) it is a saddle between induction
and anti-induction, and a conserved energy draws the paths (lines); integrated flows run along them (points).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require
from theory.nested_logits.equal_labels import equal_labels_conserve_energy
from theory.nested_logits.model import origin_rests_only_without_absent_labels

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.nested_logits import NestedLogits

STARTS = ((0.4, 0.0), (-0.4, 0.0), (0.0, 3.0), (0.0, -3.0), (1.5, -6.0), (-1.5, 6.0), (2.5, -6.0), (-2.5, 6.0))


@dataclass(frozen=True)
class Config:
    """N pairs, L = N or `labels`, m competitors, previous-token logit frozen at `beta`."""

    pairs: int = 4
    labels: int = 16
    competitors: float = 8.0
    beta: float = 2.0
    time: float = 60.0

    def __post_init__(self) -> None:
        require(self, pairs=2, labels=self.pairs + 1)


PROFILES = {"quick": Config(), "full": Config()}


def models(config: Config) -> dict[int, NestedLogits]:
    """L - N -> model."""
    from theory.nested_logits import NestedLogits

    return {n - config.pairs: NestedLogits(config.pairs, n, config.competitors) for n in (config.pairs, config.labels)}


def simulate(config: Config) -> xr.Dataset:
    """`xi`, `alpha` (absent, start, time) along flows with beta frozen."""
    import xarray as xr

    from theory.numerics import integrate

    times, paths = np.linspace(0, config.time, 61), []
    for model in models(config).values():

        def field(_: float, y: np.ndarray, model: NestedLogits = model) -> np.ndarray:
            return model.field(y[0], y[1], config.beta)[:2]

        paths.append([integrate(field, np.array(start), times, rtol=1e-11, atol=1e-13) for start in STARTS])
    values = np.array(paths)
    dims = ("absent", "start", "time")
    coords = {"absent": list(models(config)), "time": times}
    return xr.Dataset({"xi": (dims, values[..., 0]), "alpha": (dims, values[..., 1])}, coords)


def predict(config: Config) -> xr.Dataset:
    """The loss on a grid for both, the energy on it at L = N, and the energy of every start."""
    import xarray as xr

    from theory.nested_logits import equal_labels_integral

    xi, alpha = np.linspace(-6, 6, 121), np.linspace(-9, 9, 121)
    surface = [model.loss(*np.meshgrid(xi, alpha), config.beta) for model in models(config).values()]
    equal = models(config)[0]
    energy = equal_labels_integral(equal, *np.meshgrid(xi, alpha), config.beta)
    starts = np.array(STARTS)
    return xr.Dataset(
        {
            "loss": (("absent", "alpha_grid", "xi_grid"), surface),
            "energy": (("alpha_grid", "xi_grid"), energy),
            "start_energy": ("start", equal_labels_integral(equal, starts[:, 0], starts[:, 1], config.beta)),
            "origin_drift": ("absent", [float(m.field(0, 0, config.beta)[0]) for m in models(config).values()]),
            "beta": config.beta, "pairs": config.pairs, "competitors": config.competitors,
        },
        coords={"xi_grid": xi, "alpha_grid": alpha, "absent": list(models(config))},
    )  # fmt: skip


def checks(data: xr.Dataset) -> list[Check]:
    """Energy along the flows at L = N, drift at the origin, and both ways down."""
    from theory.nested_logits import NestedLogits, equal_labels_integral

    n = int(data.pairs)
    equal, flow = NestedLogits(n, n, float(data.competitors)), data.sel(absent=0)
    energy = equal_labels_integral(equal, flow.xi.values, flow.alpha.values, float(data.beta))
    start = data.start_energy.values[:, None]
    absent = int(data.absent.max())
    end = data.sel(absent=absent).isel(time=-1)
    return [
        Check("energy along flows at L = N, relative drift", 0.0,
              float(np.abs((energy - start) / (1 + np.abs(start))).max()), 1e-6, claim=equal_labels_conserve_energy),
        Check("drift of the read-out at the origin, L = N", 0.0, float(data.origin_drift.sel(absent=0)), 1e-15,
              claim=origin_rests_only_without_absent_labels),
        Check("drift of the read-out at the origin, L > N", absent / (n * (n + absent)),
              float(data.origin_drift.sel(absent=absent)), 1e-12, claim=origin_rests_only_without_absent_labels),
        Check("flow from a quiet start, L > N: read-out and induction strength at the end, least", 0.0,
              float(min(end.xi.isel(start=0), end.alpha.isel(start=0))), relation=">"),
        Check("flows from (0.4, 0) and (-0.4, 0), L = N: product of their read-outs at the end", 0.0,
              float(flow.xi.isel(time=-1, start=0) * flow.xi.isel(time=-1, start=1)), relation="<"),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """The surface without and with absent labels."""
    from experiments.lab.figures import MARKERS, panels

    out, axes = panels(2, width=3.8, height=3.4)
    for panel, absent in zip(axes, sorted(data.absent.values), strict=True):
        one = data.sel(absent=absent)
        shades = panel.contourf(data.xi_grid, data.alpha_grid, one.loss.clip(max=6), 24, cmap="cividis")
        shades.set_edgecolor("face")
        shades.set_rasterized(True)
        if absent == 0:
            levels = np.unique(np.round(data.start_energy.values, 9))
            panel.contour(
                data.xi_grid, data.alpha_grid, data.energy, levels, colors="white", linewidths=0.9, linestyles="solid"
            )
        for row in range(data.sizes["start"]):
            panel.plot(one.xi.isel(start=row), one.alpha.isel(start=row), MARKERS[row % 7], color=f"C{row % 7}",
                       markersize=3, markeredgecolor="white", markeredgewidth=0.3)  # fmt: skip
        n = int(data.pairs)
        panel.set(xlim=(-6, 6), ylim=(-9, 9), xlabel="read-out overlap xi", title=f"N = {n}, L = {n + int(absent)}")
        out.colorbar(shades, ax=panel, label="loss (nats)", shrink=0.85)
    axes[0].set_ylabel("induction strength alpha")
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
