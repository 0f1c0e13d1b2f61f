"""The phase transition: attention scans while the decoder learns, then it snaps and hardly moves any more.

Left to right: the bound e^{2B} on the growth of a dominant token with the time t0 where snapping begins (dotted); the
decoder's logit, step by step (points, by autograd) and in continuous time; the exponent B for fast and slow decoders;
and the closed form of B against Lemma 4, which it describes once the decoder has learned. Points of B integrate the
equation that the closed form solves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.lab.checks import Check
from experiments.lab.experiment import require

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.figure import Figure

    from theory.scan_and_snap import SymmetricMixture
    from toy_tasks.randomness import Key
    from toy_tasks.task import Batch


class Setting(NamedTuple):
    """Curves of one panel of B: rates (eta_Y, eta_Z) pairwise, to time `last`."""

    classes: int
    vocabulary: int
    eta_y: tuple[float, ...]
    eta_z: tuple[float, ...]
    last: float


ATTENTION_RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
GROWTH = {
    "growth": Setting(10, 1000, (0.5, 1.0, 2.0, 5.0), (0.5,) * 4, 700.0),
    "fast decoder": Setting(1, 100, tuple(10 * rate for rate in ATTENTION_RATES), ATTENTION_RATES, 5.0),
    "equal rates": Setting(1, 10_000, ATTENTION_RATES, ATTENTION_RATES, 50.0),
}
DECODERS = {50: (0.1, 0.2, 0.5, 1.0, 2.0), 1000: (0.2, 0.5, 1.0, 2.0, 4.0)}
"""Vocabulary -> decoder rates."""
DECODER_STEPS = 70
DRAWN = {"fast decoder": (0.8, 0.5098), "equal rates": (1.6, 1.3817)}
"""Published upper end of the axis of B, and B(t0), which the ratio of the rates fixes."""
OVERLAPS = (1.0, 0.3)
"""Weight of the common token of Lemma 4's mixtures: kappa = 0.206 and 0.023."""


@dataclass(frozen=True)
class Config:
    """Sizes and rates are those of the published drawings; `times` is how finely they are drawn."""

    times: int = 57
    lemma_ratio: float = 4.0
    """eta_Y / eta_Z of Lemma 4."""

    def __post_init__(self) -> None:
        require(self, times=8)


PROFILES = {"quick": Config(), "full": Config(times=141)}


def times_of(config: Config, panel: str) -> np.ndarray:
    """Times at which B of a panel is drawn."""
    return np.linspace(0, GROWTH[panel].last, config.times)


def taus_of(config: Config) -> np.ndarray:
    """tau / log M of Lemma 4."""
    return np.linspace(0, 3, config.times)


def lemma_mixture(weight: float) -> SymmetricMixture:
    """Ten classes with one query, one common token of this weight, and ten distinct ones each."""
    from theory.scan_and_snap import SymmetricMixture

    return SymmetricMixture(10, 1000, np.linspace(0.1, 1, 10), weight)


@dataclass(frozen=True)
class DecoderRow:
    """Logits of one class with fixed features: gradient steps move them as F^T Y under the preconditioned decoder."""

    vocabulary: int

    def init(self, key: Key) -> dict[str, torch.Tensor]:
        """Zeros."""
        import torch

        return {"w": torch.zeros(self.vocabulary, dtype=torch.float64)}

    def loss(self, params: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Cross-entropy of entry 0."""
        return params["w"].logsumexp(dim=-1) - params["w"][0]


def simulate(config: Config) -> xr.Dataset:
    """Gradient steps of the decoder, integrated B, and Lemma 4's common logit."""
    import xarray as xr

    from theory.scan_and_snap import attention_flow

    found: dict[str, Any] = {}
    for vocabulary, rates in DECODERS.items():
        found[f"steps {vocabulary}"] = ((f"rate {vocabulary}", "step"), _decoder_steps(vocabulary, rates))
    for panel, setting in GROWTH.items():
        pairs = zip(setting.eta_y, setting.eta_z, strict=True)
        curves = [_integrated(setting, eta_y, eta_z, times_of(config, panel)) for eta_y, eta_z in pairs]
        found[f"integrated {panel}"] = ((f"curve {panel}", f"time {panel}"), np.array(curves))
    lemma = []
    for weight in OVERLAPS:
        mixture = lemma_mixture(weight).mixture
        times = taus_of(config) * np.log(1000) * 10 / config.lemma_ratio
        lemma.append(-attention_flow(mixture, config.lemma_ratio, 1.0, times).logits[:, 0, 0])
    found["lemma4"] = (("weight", "tau"), np.array(lemma))
    return xr.Dataset(found, coords=_coords(config))


def _integrated(setting: Setting, eta_y: float, eta_z: float, times: np.ndarray) -> np.ndarray:
    """B from dB/dt = eta_Z gamma e^{-4B}."""
    from theory.numerics import integrate
    from theory.scan_and_snap import backpropagated_scale

    def slope(t: float, b: np.ndarray) -> np.ndarray:
        return eta_z * backpropagated_scale(setting.vocabulary, eta_y * t / setting.classes) * np.exp(-4 * b)

    return integrate(slope, np.zeros(1), times)[:, 0]


def _decoder_steps(vocabulary: int, rates: tuple[float, ...]) -> np.ndarray:
    """(rate, step) h*, the gap between the logits of the next token and another entry over M."""
    import torch

    from toy_tasks.simulator import SGD
    from toy_tasks.simulator import simulate as train
    from toy_tasks.task import NoData

    trained = train(
        NoData(),
        DecoderRow(vocabulary),
        SGD(np.array(rates)),
        seeds=range(len(rates)),
        steps=DECODER_STEPS,
        record=1,
        measures=lambda params, batch: {"gap": (params["w"][0] - params["w"][1]) / vocabulary},
        dtype=torch.float64,
        chunk=len(rates),
    )
    return trained["gap"].numpy()


def predict(config: Config) -> xr.Dataset:
    """Closed forms: h in continuous time, B exact, B along Lemma 4 with its constant, and t0."""
    import xarray as xr

    from theory.scan_and_snap import decoder_gap, growth_factor, transition_times

    found: dict[str, Any] = {}
    steps = np.arange(DECODER_STEPS + 1)
    for vocabulary, rates in DECODERS.items():
        gaps = decoder_gap(vocabulary, np.array(rates)[:, None] * steps) / vocabulary
        found[f"h {vocabulary}"] = ((f"rate {vocabulary}", "step"), gaps)
    for panel, s in GROWTH.items():
        times, pairs = times_of(config, panel), list(zip(s.eta_y, s.eta_z, strict=True))
        snap = [transition_times(s.classes, s.vocabulary, eta_y).snapping for eta_y, _ in pairs]
        exact = [growth_factor(s.classes, s.vocabulary, *pair, times) for pair in pairs]
        at_snap = [growth_factor(s.classes, s.vocabulary, *pair, t0) for pair, t0 in zip(pairs, snap, strict=True)]
        curve = f"curve {panel}"
        found[f"B {panel}"] = ((curve, f"time {panel}"), np.array(exact))
        found[f"t0 {panel}"], found[f"B(t0) {panel}"] = (curve, np.array(snap)), (curve, np.array(at_snap))
    closed = []
    for weight in OVERLAPS:
        symmetric = lemma_mixture(weight)
        constant = 1 / (symmetric.overlap**2 * (symmetric.classes - 1))
        times = taus_of(config) * np.log(1000) * 10 / config.lemma_ratio
        closed.append(growth_factor(10, 1000, config.lemma_ratio, 1.0, times, constant=constant))
    found["closed_form"] = (("weight", "tau"), np.array(closed))
    return xr.Dataset(found, coords=_coords(config))


def _coords(config: Config) -> dict[str, Any]:
    coords: dict[str, Any] = {f"time {panel}": times_of(config, panel) for panel in GROWTH}
    coords |= {f"rate {vocabulary}": list(rates) for vocabulary, rates in DECODERS.items()}
    return coords | {"step": np.arange(DECODER_STEPS + 1), "tau": taus_of(config), "weight": list(OVERLAPS)}


def checks(data: xr.Dataset) -> list[Check]:
    """Closed forms against steps and integrals, and what the drawings show."""
    from theory.scan_and_snap import decoder, transition

    ahead, ratio = decoder.steps_are_ahead_by_at_most_one, transition.growth_depends_on_the_ratio_of_rates
    captions = {"fast decoder": transition.figure_nine_has_the_ratio_of_its_caption}
    found = []
    for vocabulary, rates in DECODERS.items():
        lead = data[f"steps {vocabulary}"] - data[f"h {vocabulary}"]
        bound = np.array(rates) / vocabulary
        found += [
            Check(f"decoder steps ahead of continuous time, M = {vocabulary}: largest lead / (eta_Y / M)", 1.0,
                  float((lead.max("step") / bound).max()), relation="<", claim=ahead),
            Check(f"decoder steps never fall behind, M = {vocabulary}: least lead", 0.0, float(lead.min()), 1e-12,
                  ">", claim=ahead),
        ]  # fmt: skip
    for panel in GROWTH:
        error = float(np.abs(data[f"integrated {panel}"] - data[f"B {panel}"]).max())
        found.append(Check(f"B, {panel}: closed form against its equation, largest difference", 0.0, error, 1e-7,
                           claim=transition.growth_in_closed_form))  # fmt: skip
    for panel, (axis, at_snap) in DRAWN.items():
        values = data[f"B(t0) {panel}"].values
        farthest = float(values[np.abs(values - at_snap).argmax()])
        found += [
            Check(f"B(t0), {panel}: the same for all eta_Z", at_snap, farthest, 1e-4, claim=ratio),
            Check(f"B, {panel}: largest, below the end of the drawn axis", axis, float(data[f"B {panel}"].max()),
                  relation="<", claim=captions.get(panel)),
        ]  # fmt: skip
    growth = data["B growth"]
    early = growth.interp({"time growth": 50.0})
    found += [
        Check("slower decoder, more growth: least difference of B at t = 700", 0.0,
              float(-growth.isel({"time growth": -1}).diff("curve growth").max()), relation=">"),
        Check("and later: B at t = 50, slowest minus fastest decoder", 0.0, float(early[0] - early[-1]), relation="<"),
    ]  # fmt: skip
    late = data.sel(tau=slice(1, None))
    for weight in OVERLAPS:
        error = np.abs(late.lemma4 / late.closed_form - 1).sel(weight=weight).max()
        kappa = lemma_mixture(weight).overlap
        found.append(Check(f"Lemma 4 / closed form - 1, tau >= log M, overlap {kappa:.3f}", 0.0, float(error), 0.12))
    return found


def figure(data: xr.Dataset) -> Figure:
    """Growth, decoder, exponents, and Lemma 4."""
    from experiments.lab.figures import panels, points

    out, (growth, decoder, fast, equal, lemma) = panels(5, width=2.9)
    for axes, panel in ((growth, "growth"), (fast, "fast decoder"), (equal, "equal rates")):
        rates = GROWTH[panel].eta_y if panel == "growth" else GROWTH[panel].eta_z
        time = data[f"time {panel}"]
        for index, rate in enumerate(rates):
            line, dots = (data[f"{what} {panel}"][index].values for what in ("B", "integrated"))
            if panel == "growth":
                line, dots = np.exp(2 * line), np.exp(2 * dots)
                axes.axvline(float(data["t0 growth"][index]), color=f"C{index}", linestyle=":", linewidth=0.9)
            axes.plot(time, line, color=f"C{index}")
            symbol = "Y" if panel == "growth" else "Z"
            points(
                axes, time, dots[None], index=index, label=f"$\\eta_{symbol}$ = {rate:g}", every=max(1, len(time) // 9)
            )
    growth.set(xlabel="t", ylabel="$e^{2B}$", title="K = 10, M = 1000, $\\eta_Z$ = 0.5")
    fast.set(xlabel="t", ylabel="B", title="$\\eta_Y / \\eta_Z$ = 10, K = 1, M = 100")
    equal.set(xlabel="t", ylabel="B", title="$\\eta_Y = \\eta_Z$, K = 1, M = 10,000")
    for index, rate in enumerate(DECODERS[50]):
        decoder.plot(data.step, data["h 50"][index], color=f"C{index}")
        points(
            decoder, data.step, data["steps 50"].values[[index]], index=index, label=f"$\\eta_Y$ = {rate:g}", every=7
        )
    decoder.set(xlabel="t", ylabel="h", title="Decoder, K = 1, M = 50")
    for index, weight in enumerate(OVERLAPS):
        lemma.plot(data.tau, data.closed_form.sel(weight=weight), color=f"C{index}")
        label = f"overlap {lemma_mixture(weight).overlap:.3f}"
        points(lemma, data.tau, data.lemma4.sel(weight=weight).values[None], index=index, label=label, every=2)
    lemma.set(xlabel="$\\tau\\,/\\,\\ln M$", ylabel="-z of the common token", title="Lemma 4; line: closed form")
    for axes in (growth, decoder, fast, equal, lemma):
        axes.legend(loc="best", fontsize=6.5)
    return out


if __name__ == "__main__":
    from experiments.lab.cli import run_module

    run_module(__file__)
