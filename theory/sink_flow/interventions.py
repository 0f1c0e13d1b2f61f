"""What is put in place of a sink: a zero slot, an output gate, a clipped softmax. Only the last one stops its growth.

One query in one fixed context and a sink of constant value, as in `competitors`: each mechanism acts through the
fraction x of z / W that still reaches the output. It is sigmoid(gamma) W / (W + e^alpha) with an output gate
sigmoid(gamma), and with a softmax stretched to (1 + g) p - g and cut off at 0 the positive part of
(1 + g) W / (W + e^alpha) - g W. A softmax with 1 added to the denominator ("off by one") is a zero slot: one more key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, logsumexp

from theory.claims import claim, relative_error
from theory.numerics import Array, fitted_slope, integrate
from theory.papers import GUO_2024
from theory.sink_flow.competitors import OneQuery, one_query_example
from theory.sink_flow.fixed_value import value_variance
from theory.sink_flow.model import SinkModel, SinkPoint, tail_times
from theory.validation import increasing_times, real, require

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True, eq=False)
class GatedSink(OneQuery):
    """A sink of logit `alpha` and a gate sigmoid(`gate`) on the attention output, both trained, with beta = 0."""

    alpha: float
    gate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        real("alpha", self.alpha)
        real("gate", self.gate)

    def log_fraction(self, alpha: ArrayLike, gate: ArrayLike) -> Float[Array, ...]:
        """log x = log sigmoid(gate) + log(1 - s)."""
        return log_expit(np.asarray(gate, dtype=np.float64)) + log_expit(self._log_keys - np.asarray(alpha))

    def flow(self, times: ArrayLike) -> tuple[Float[Array, " t"], Float[Array, " t"]]:
        """(alpha, gate) at the given times."""

        def field(_: float, state: Array) -> Array:
            log_fraction = self.log_fraction(*state)
            moved = self.push_at(log_fraction) * np.exp(log_fraction)
            return moved * np.array([expit(state[0] - self._log_keys), -expit(-state[1])])

        alpha, gate = integrate(field, np.array([self.alpha, self.gate]), increasing_times("times", times)).T
        return alpha, gate

    def invariant(self, alpha: ArrayLike, gate: ArrayLike) -> Float[Array, ...]:
        """alpha - W e^{-alpha} + gate + e^{gate}, which the flow conserves."""
        alpha, gate = np.asarray(alpha, dtype=np.float64), np.asarray(gate, dtype=np.float64)
        return alpha - self.model.weight * np.exp(-alpha) + gate + np.exp(gate)

    def asymptote(self, times: ArrayLike) -> tuple[Float[Array, " t"], Float[Array, " t"]]:
        """(1/4) log t + (1/4) log(4 pi Var_p(z)) + K/2 for alpha, and K minus that for the gate, K the invariant."""
        kept = float(self.invariant(self.alpha, self.gate))
        level = np.log(4 * self._frequency * value_variance(self.model)[0])
        with np.errstate(divide="ignore"):
            alpha = 0.25 * (np.log(increasing_times("times", times)) + level) + kept / 2
        return alpha, kept - alpha


@dataclass(frozen=True, eq=False)
class ClippedSink(OneQuery):
    """A sink of logit `alpha` under clipped softmax (1 + stretch) p - stretch, cut off at 0, with stretch > 0.

    Hypothesis: W >= 1 keys of logit 0 that are not yet cut off, W + e^alpha < 1 + 1 / stretch.
    """

    alpha: float
    stretch: float

    def __post_init__(self) -> None:
        super().__post_init__()
        real("alpha", self.alpha)
        real("stretch", self.stretch, above=0.0)
        weight = np.asarray(self.model.weight).item()
        total = weight + np.exp(self.alpha)
        require(weight >= 1, f"weight must be at least one key, got {weight}")
        require(total < 1 + 1 / self.stretch, f"W + e^alpha must be below {1 + 1 / self.stretch:g}, got {total:g}")

    def fraction(self, alpha: ArrayLike) -> Float[Array, ...]:
        """x = W [(1 + stretch) / (W + e^alpha) - stretch]_+."""
        total = self.model.weight + np.exp(np.asarray(alpha, dtype=np.float64))
        return self.model.weight * np.maximum(0.0, (1 + self.stretch) / total - self.stretch)

    def flow(self, times: ArrayLike) -> Float[Array, " t"]:
        """alpha at the given times."""

        def field(_: float, alpha: Array) -> Array:
            fraction = self.fraction(alpha)
            if fraction[0] <= 0:
                return np.zeros(1)
            sink, ignored = expit(alpha - self._log_keys), expit(self._log_keys - alpha)
            return self.push_at(np.log(fraction)) * (1 + self.stretch) * sink * ignored

        return integrate(field, np.array([self.alpha]), increasing_times("times", times))[:, 0]

    def limit(self) -> float:
        """log(1 + 1 / stretch - W), where the other keys are cut off and the gradient ends."""
        return float(np.log(1 + 1 / self.stretch - self.model.weight))

    def rate(self) -> float:
        """The exponential rate pi Var_p(z) (da/d alpha)^2 of the approach, a the weight of one key at the limit."""
        slope = self.stretch**2 / (1 + self.stretch) * np.exp(self.limit())
        return float(self._frequency * value_variance(self.model)[0] * slope**2)


# ---------------------------------------------------------------------------------------------------------- claims

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e8, 31)])
LAST = 1e20  # a gated sink converges like t^(-1/4)


def _gate_invariant() -> Iterator[sympy.Expr]:
    """d/dt of the invariant with d alpha/dt = -G dx/d alpha and d gamma/dt = -G dx/d gamma, for any G."""
    import sympy as sp

    alpha, gamma, weight, push = sp.symbols("alpha gamma W G", real=True)
    fraction = weight / (weight + sp.exp(alpha)) / (1 + sp.exp(-gamma))
    invariant = alpha - weight * sp.exp(-alpha) + gamma + sp.exp(gamma)
    yield sum(-invariant.diff(x) * push * fraction.diff(x) for x in (alpha, gamma))


def _off_by_one(model: SinkModel) -> SinkModel:
    """The model whose ordinary softmax equals the off-by-one softmax of `model`."""
    return SinkModel(model.next_token, model.frequency, model.value_sum, np.asarray(model.weight).item() + 1)


@claim(
    statement="""Softmax off by one, which adds 1 to the denominator, is the ordinary reduced model with W replaced by
    W + 1 and the same z: the losses agree everywhere.""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-9,
)
def off_by_one_is_one_more_key(point: SinkPoint) -> float:
    """Against divergences written out from the attention weights e^{alpha} / (1 + e^{alpha} + W) and so on."""
    model, p = point.model, point.model.next_token
    odds = np.exp(point.alpha)[:, None]
    logits = np.log(p) + (odds * point.beta + model.value_sum) / (1 + odds + model.weight)
    log_ratio = np.log(p) - logits + logsumexp(logits, axis=-1, keepdims=True)
    written_out = float(model.frequency @ (p * log_ratio).sum(axis=-1))
    return relative_error(_off_by_one(model).loss(point.alpha, point.beta), written_out, scale=1e-4)


@claim(
    statement="Softmax off by one removes the attention sink: with it the sink logit does not keep growing.",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (SinkPoint(one_query_example(), np.zeros(1), np.zeros(3)),),
)
def off_by_one_removes_the_sink(point: SinkPoint) -> float:
    """The slope of alpha against log t over the last two decades before t = 1e10: 1/2, as without the extra slot."""
    times = tail_times(1e10)
    path = _off_by_one(point.model).flow(point.alpha, point.beta, times, frozen="beta")
    return fitted_slope(np.log(times), path.alpha[:, 0])


@claim(
    statement="A sink and an output gate trained together conserve alpha - W e^{-alpha} + gamma + e^{gamma}.",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-7,
    symbolic=_gate_invariant,
    examples=20,
)
def gated_sink_has_a_first_integral(sink: GatedSink) -> float:
    values = sink.invariant(*sink.flow(TIMES))
    return relative_error(values, np.full_like(values, values[0]), scale=1.0)


@claim(
    statement="""A trained output gate halves the growth of the sink: alpha ~ (1/4) log t and gamma ~ -(1/4) log t with
    known intercepts, and t L -> 1/8.""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    examples=10,
)
def gate_halves_the_growth_of_the_sink(sink: GatedSink) -> float:
    """At t = 1e20, since the approach is like t^(-1/4): slopes over two decades, levels, and |8 t L - 1|."""
    times = tail_times(LAST)
    alpha, gate = sink.flow(times)
    slopes = fitted_slope(np.log(times), alpha) - 0.25, fitted_slope(np.log(times), gate) + 0.25
    levels = [path[-1] - law[-1] for path, law in zip((alpha, gate), sink.asymptote(times), strict=True)]
    risk = 8 * times[-1] * float(sink.loss_at(sink.log_fraction(alpha[-1], gate[-1]))) - 1
    return float(np.abs([*slopes, *levels, risk]).max())


@claim(
    statement="""Under clipped softmax (1 + g) p - g, cut off at 0, a constant-value sink stops growing at
    log(1 + 1/g - W), where every other key is cut off.""",
    source=GUO_2024,
    kind="limit",
    tolerance=1e-6,
    examples=20,
)
def clipped_sink_stops_growing(sink: ClippedSink) -> float:
    """Distance to the limit after 40 e-foldings of the final rate and 40 units of the start's own time."""
    last = 40 / sink.rate() + 40 / float(sink.push_at(np.log(sink.fraction(sink.alpha))))
    return abs(float(sink.flow(np.array([0.0, last]))[-1]) - sink.limit())
