"""Four dynamics of one layer: which of them the published formulas describe, and how far the others are.

Lemma 4 moves the attention alone, with a closed form for the decoder. Training decoder and attention jointly comes to
the same, to first order in eta_Z / eta_Y, if the decoder's gradient is preconditioned as in Lemma 3. Gradient flow does
not: its logits move 7 to 18 times less, for every ratio of the rates. K = 5 classes share one query and one common
token, M = 200, each class has ten distinct tokens; time is tau = eta_Y t / K.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.scan_and_snap import MixtureTrajectory, SymmetricMixture

TOKENS = ("common", "top distinct")
MOMENTS = (0.5, 1.0, 2.0)
"""tau / log M at which the dynamics are compared."""


@dataclass(frozen=True)
class Config:
    """One mixture, attention rate 1, decoder rates `ratios`."""

    ratios: tuple[float, ...] = (4.0, 40.0, 400.0, 4000.0)
    classes: int = 5
    vocabulary: int = 200
    distinct: int = 10
    times: int = 21

    def __post_init__(self) -> None:
        require(self, classes=2, distinct=1, times=5)


PROFILES = {
    "quick": Config(),
    "full": Config(ratios=tuple(4 * 10 ** (k / 2) for k in range(9)), times=81),
}


def mixture_of(config: Config) -> SymmetricMixture:
    """One common token of weight 1, distinct ones of weights 0.1 to 1."""
    from theory.scan_and_snap import SymmetricMixture

    return SymmetricMixture(config.classes, config.vocabulary, np.linspace(0.1, 1, config.distinct))


def taus_of(config: Config) -> np.ndarray:
    """tau / log M, up to 2, with the three moments among them."""
    return np.unique(np.concatenate([np.linspace(0, 2, config.times), MOMENTS]))


def _shown(path: MixtureTrajectory, config: Config) -> np.ndarray:
    """(token, time) logits of the common token and of the most probable distinct token of class 0."""
    return path.logits[:, 0, [0, config.distinct]].T


def _times(config: Config, ratio: float) -> np.ndarray:
    return taus_of(config) * np.log(config.vocabulary) * config.classes / ratio


def simulate(config: Config) -> xr.Dataset:
    """Decoder and attention integrated jointly: preconditioned, by plain gradient flow, and by its symmetric ODE."""
    import xarray as xr

    from theory.scan_and_snap import population_flow, preconditioned_flow, symmetric_flow

    symmetric = mixture_of(config)
    runs: dict[str, list[np.ndarray]] = {"preconditioned": [], "gradient_flow": [], "symmetric": []}
    for ratio in config.ratios:
        times = _times(config, ratio)
        for name, path in (
            ("preconditioned", preconditioned_flow(symmetric.mixture, ratio, 1.0, times)),
            ("gradient_flow", population_flow(symmetric.mixture, ratio, 1.0, times, rtol=1e-12)),
            ("symmetric", symmetric_flow(symmetric, ratio, 1.0, times, rtol=1e-12)),
        ):
            runs[name].append(_shown(path, config))
    axes = ("ratio", "token", "tau")
    return xr.Dataset({name: (axes, np.array(values)) for name, values in runs.items()}, coords=_coords(config))


def predict(config: Config) -> xr.Dataset:
    """Lemma 4."""
    import xarray as xr

    from theory.scan_and_snap import attention_flow

    mixture = mixture_of(config).mixture
    paths = [attention_flow(mixture, ratio, 1.0, _times(config, ratio)) for ratio in config.ratios]
    logits = np.array([_shown(path, config) for path in paths])
    return xr.Dataset({"lemma4": (("ratio", "token", "tau"), logits)}, coords=_coords(config))


def _coords(config: Config) -> dict[str, list[float] | list[str] | np.ndarray]:
    return {"ratio": list(config.ratios), "token": list(TOKENS), "tau": taus_of(config)}


def _errors(data: xr.Dataset) -> xr.DataArray:
    """|preconditioned / Lemma 4 - 1| after tau = 0."""
    later = data.sel(tau=slice(0.01, None))
    return np.abs(later.preconditioned / later.lemma4 - 1)


def _order(data: xr.Dataset, token: str) -> float:
    """Slope of the error's logarithm against that of eta_Z / eta_Y at tau = 2 log M, for ratios of 40 and more."""
    from theory.numerics import fitted_slope

    late = _errors(data).sel(tau=2.0, token=token, ratio=slice(40, None))
    return float(-fitted_slope(np.log(late.ratio.values), np.log(late.values)))


def _slowdown(data: xr.Dataset) -> xr.DataArray:
    """Gradient flow / Lemma 4, for the common token's logit."""
    later = data.sel(tau=slice(0.01, None), token="common")
    return later.gradient_flow / later.lemma4


# --------------------------------------------------------------------------------------------------- checks and figure


def checks(data: xr.Dataset) -> list[Check]:
    """Orders, sizes of the errors, and that two ways to integrate the gradient flow agree."""
    from theory.scan_and_snap import bridges, refutations

    slow = _slowdown(data).sel(tau=list(MOMENTS))
    symmetric = np.abs(data.symmetric - data.gradient_flow).max() / np.abs(data.gradient_flow).max()
    finest = _errors(data).isel(ratio=-1)
    followed, lags = bridges.lemma_4_is_first_order_in_the_ratio, refutations.gradient_flow_moves_as_far_as_lemma_4
    found = []
    if int((data.ratio >= 40).sum()) > 1:
        found = [Check(f"preconditioned against Lemma 4, {token} token: order of the error in eta_Z / eta_Y", 1.0,
                       _order(data, token), 0.1, claim=followed) for token in TOKENS]  # fmt: skip
    return [
        *found,
        Check(f"preconditioned against Lemma 4: largest relative error at eta_Y / eta_Z = {float(data.ratio[-1]):g}, "
              "times that ratio", 1.0, float((finest * data.ratio[-1]).max()), relation="<", claim=followed),
        Check("gradient flow / Lemma 4, common token: largest", 0.14, float(slow.max()), relation="<", claim=lags),
        Check("gradient flow / Lemma 4, common token: largest change as the decoder gets faster", 0.0,
              float(slow.diff("ratio").max()), relation="<", claim=lags),
        Check("gradient flow by its symmetric ODE: relative difference", 0.0, float(symmetric), 1e-8,
              claim=bridges.symmetric_mixtures_follow_the_reduced_flow),
    ]  # fmt: skip


def figure(data: xr.Dataset) -> Figure:
    """Logits over time, errors of preconditioned training against the ratio of the rates, and the lag of the flow."""
    from experiments.lab.figures import panels, points

    out, (left, middle, right) = panels(3)
    shown = data.isel(ratio=min(1, data.sizes["ratio"] - 1))
    for index, token in enumerate(TOKENS):
        left.plot(data.tau, shown.lemma4.sel(token=token), color="0.3", label="Lemma 4" if index == 0 else None)
        for color, name in ((0, "preconditioned"), (1, "gradient_flow")):
            label = name.replace("_", " ") if index == 0 else None
            points(left, data.tau, shown[name].sel(token=token).values[None], index=color, label=label, every=2)
    left.set(xlabel="$\\tau\\,/\\,\\ln M$", ylabel="attention logit")
    left.set_title(f"Top distinct and common token, $\\eta_Y / \\eta_Z$ = {float(shown.ratio):g}")

    errors = _errors(data)
    for index, moment in enumerate(MOMENTS[1:]):
        for token, shift in zip(TOKENS, (0, 2), strict=True):
            series = errors.sel(token=token, tau=moment)
            label = f"{token}, $\\tau$ = {moment:g} ln M"
            points(middle, data.ratio, series.values[None], index=index + shift, label=label)
    first = errors.sel(token="top distinct", tau=2.0)
    middle.plot(data.ratio, first.values[-1] * float(data.ratio[-1]) / data.ratio, color="0.3", label="slope -1")
    middle.set(xscale="log", yscale="log", xlabel="$\\eta_Y / \\eta_Z$", ylabel="relative error")
    middle.set_title("Preconditioned against Lemma 4")

    for index, moment in enumerate(MOMENTS):
        lag = _slowdown(data).sel(tau=moment)
        points(right, data.ratio, lag.values[None], index=index, label=f"$\\tau$ = {moment:g} ln M")
    right.axhline(1.0, color="0.3", label="Lemma 4")
    right.set(xscale="log", yscale="log", ylim=(0.03, 1.5), xlabel="$\\eta_Y / \\eta_Z$", ylabel="logit / Lemma 4")
    right.set_title("Gradient flow moves less")
    for axes in (left, middle, right):
        axes.legend(loc="best", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
