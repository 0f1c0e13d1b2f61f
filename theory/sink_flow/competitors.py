"""Several sinks compete for one query: the winner takes all.

One query in one fixed context, all sinks with constant values. Constants drop out, so that sinks act through a single
number, the fraction x = W / (W + sum_i e^{alpha_i}) of z / W that still reaches the output. L = pi KL(p || q_x), and
every parameter moves by -pi G dx/d(parameter) with G = dKL/dx > 0. `interventions` has others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from theory.claims import claim, relative_error
from theory.numerics import Array, fitted_slope, integrate
from theory.papers import GUO_2024
from theory.sink_flow.fixed_value import sink_logit_asymptote, value_variance
from theory.sink_flow.model import SinkModel, require_one_context, tail_times
from theory.validation import finite_array, increasing_times, require

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True, eq=False)
class OneQuery:
    """Hypotheses: one query, one fixed context, and z not constant on the tokens the query predicts."""

    model: SinkModel

    def __post_init__(self) -> None:
        require_one_context(self.model)
        require(self.model.queries == 1, f"one query is needed, got {self.model.queries}")
        variance = value_variance(self.model)[0]
        require(variance > 0, f"value_sum must vary on the tokens that next_token predicts, got variance {variance}")

    @property
    def _frequency(self) -> float:
        return float(self.model.frequency[0])

    @property
    def _log_keys(self) -> float:
        return float(np.log(self.model.weight))

    def loss_at(self, log_fraction: ArrayLike) -> Float[Array, ...]:
        """pi KL(p || q_x) at x = e^{log_fraction} <= 1."""
        logit = self._logit(log_fraction)[..., None]
        return self._frequency * self.model.divergence(logit, np.zeros(self.model.tokens))[..., 0]

    def push_at(self, log_fraction: ArrayLike) -> Float[Array, ...]:
        """pi G(x) = pi <q_x - p, z / W> >= 0 at x = e^{log_fraction} <= 1."""
        logit = self._logit(log_fraction)[..., None]
        residual = self.model.residual(logit, np.zeros(self.model.tokens))[..., 0, :]
        return self._frequency * (residual * self.model.mean_value).sum(axis=-1)

    def _logit(self, log_fraction: ArrayLike) -> Array:
        """The sink logit at which a lone sink leaves the fraction x: log W + log((1 - x) / x)."""
        log_fraction = np.asarray(log_fraction, dtype=np.float64)
        with np.errstate(divide="ignore"):  # x = 1 is a sink logit of -inf
            return self._log_keys + np.log(-np.expm1(log_fraction)) - log_fraction


@dataclass(frozen=True, eq=False)
class CompetingSinks(OneQuery):
    """Several sinks of one query, with logits `alpha` (S,) at the start."""

    alpha: Float[Array, " s"]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", finite_array("alpha", self.alpha, (None,), leading=False))

    def flow(self, times: ArrayLike) -> Float[Array, "t s"]:
        """alpha at the given times."""

        def field(_: float, alpha: Array) -> Array:
            total = logsumexp([*alpha, self._log_keys])
            shares = np.exp(alpha - total)  # -dx/d alpha_i = x e^{alpha_i} / (W + sum)
            return self.push_at(self._log_keys - total) * np.exp(self._log_keys - total) * shares

        return integrate(field, self.alpha, increasing_times("times", times))

    def limit(self) -> Float[Array, " s"]:
        """Where each logit goes: the largest to infinity, the others to -log(e^{-alpha_i} - e^{-max alpha})."""
        behind = self.alpha - self.alpha.max()
        with np.errstate(divide="ignore"):
            return self.alpha - np.log(-np.expm1(behind))

    def winner_asymptote(self, times: ArrayLike) -> Float[Array, " t"]:
        """(1/2) log t + (1/2) log(2 pi Var_p(z) / r^3) for each of r sinks that share the largest start."""
        winners = int((self.alpha == self.alpha.max()).sum())
        return sink_logit_asymptote(self.model, times)[:, 0] - 1.5 * np.log(winners)


# ---------------------------------------------------------------------------------------------------------- claims

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e8, 31)])


def one_query_example() -> SinkModel:
    """Three tokens and ten keys, on which claims are refuted."""
    return SinkModel(np.array([[0.5, 0.3, 0.2]]), np.array([1.0]), np.array([4.0, 0.0, -2.0]), 10.0)


def _conserved_difference() -> Iterator[sympy.Expr]:
    """d/dt (e^{-alpha_0} - e^{-alpha_1}) with d alpha_i/dt = -G dx/d alpha_i, for any G."""
    import sympy as sp

    alpha, weight, push = sp.symbols("alpha:3"), sp.Symbol("W", positive=True), sp.Symbol("G")
    fraction = weight / (weight + sum(sp.exp(a) for a in alpha))
    yield sum(sign * sp.exp(-a) * push * fraction.diff(a) for sign, a in zip((1, -1), alpha[:2], strict=True))


@claim(
    statement="""Between constant-value sinks of one query e^{-alpha_i} - e^{-alpha_j} is conserved by the flow.""",
    source=GUO_2024,
    kind="identity",
    tolerance=1e-7,
    symbolic=_conserved_difference,
    examples=20,
)
def competing_sinks_keep_their_differences(sinks: CompetingSinks) -> float:
    inverse = np.exp(-sinks.flow(TIMES))
    differences = inverse - inverse[:, :1]
    return relative_error(differences, np.broadcast_to(differences[0], differences.shape), scale=float(inverse.max()))


@claim(
    statement="""Between constant-value sinks of one query the winner takes all: the largest logit grows like
    (1/2) log t + (1/2) log(2 pi Var_p(z)), the others stop at -log(e^{-alpha_i} - e^{-max alpha}).""",
    source=GUO_2024,
    kind="limit",
    tolerance=0.01,
    examples=10,
)
def winning_sink_takes_all(sinks: CompetingSinks) -> float:
    """Over two decades before t = 1e16: the winners' slope and level, and the losers' values at the end."""
    times = tail_times(1e16)
    alpha, limit = sinks.flow(times), sinks.limit()
    winners, losers = np.isinf(limit), np.isfinite(limit) & (limit < 0.25 * np.log(times[-1]))
    slopes = [abs(fitted_slope(np.log(times), column) - 0.5) for column in alpha[:, winners].T]
    level = np.abs(alpha[-1, winners] - sinks.winner_asymptote(times)[-1]).max()
    return max(*slopes, float(level), *np.abs(alpha[-1, losers] - limit[losers]))


@claim(
    statement="With several constant-value sinks of one query every sink logit grows without bound.",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (CompetingSinks(one_query_example(), np.array([0.5, 0.0])),),
)
def every_competing_sink_grows(sinks: CompetingSinks) -> float:
    """The largest |slope - 1/2| over the last two decades before t = 1e10: the loser's slope is 0."""
    times = tail_times(1e10)
    return max(abs(fitted_slope(np.log(times), column) - 0.5) for column in sinks.flow(times).T)
