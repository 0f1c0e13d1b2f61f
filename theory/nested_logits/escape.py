"""From the origin to the drop: the slow phase in Lambert's function, and the length of the plateau in closed form.

While attention is uniform the read-out grows alone, xi = N y with r e^y + y = r + eta_xi t / N^2 and r = N/(L-N). On
the clock s = integral of kappa xi the induction logit then obeys an equation of its own,

    d alpha/ds = eta_alpha e^beta / m,   beta = beta0 + rho (alpha^2 - alpha0^2)/2,   rho = eta_beta/eta_alpha,

which blows up at a finite s*; the plateau ends where the read-out's clock reaches it. All derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import erfcx, wrightomega

from theory.claims import claim, relative_error
from theory.nested_logits.model import LearnableStart, NestedLogits
from theory.numerics import Array, exp_remainder, integrate
from theory.papers import REDDY_2024
from theory.validation import finite_array, increasing_times, real


def _needs_absent_labels(model: NestedLogits) -> float:
    """r = N / (L - N)."""
    if model.absent == 0:
        raise ValueError(f"labels must exceed context_labels = {model.context_labels}, or the read-out never starts")
    return model.context_labels / model.absent


def slow_phase(model: NestedLogits, times: ArrayLike) -> Float[Array, " t"]:
    """xi(t) = N y from xi(0) = 0 while alpha = 0: y = c - W(r e^c), c = r + eta_xi t/N^2. Needs L > N."""
    ratio = _needs_absent_labels(model)
    elapsed = model.rates[0] * increasing_times("times", times) / model.context_labels**2
    # W(r e^c) - r through Wright's omega; y is small at first, so Newton steps of r (e^y - 1) + y = c - r mend it.
    y = ratio + elapsed - wrightomega(np.log(ratio) + ratio + elapsed).real
    for _ in range(2):
        y = y - (ratio * np.expm1(y) + y - elapsed) / (ratio * np.exp(y) + 1)
    return model.context_labels * y


def _escape_clock(model: NestedLogits, alpha0: float, beta0: float) -> float:
    """s*: (m/eta_alpha) e^{rho alpha0^2/2 - beta0} sqrt(pi/(2 rho)) erfc(alpha0 sqrt(rho/2))."""
    _, eta_alpha, eta_beta = model.rates
    rho = eta_beta / eta_alpha
    scaled = erfcx(alpha0 * np.sqrt(rho / 2))  # e^{x^2} erfc(x), safe for every sign
    return float(model.single_competitors / eta_alpha * np.exp(-beta0) * np.sqrt(np.pi / (2 * rho)) * scaled)


def _plateau_readout(model: NestedLogits, alpha0: float, beta0: float) -> float:
    """y*, where (kappa N^3/eta_xi) [r ((y-1) e^y + 1) + y^2/2] = s*."""
    ratio = _needs_absent_labels(model)
    size = model.contrast * model.context_labels**3 / model.rates[0]
    goal = np.log(_escape_clock(model, alpha0, beta0) / size)

    def missing(log_y: float) -> float:
        y = np.exp(log_y)
        inner = y * np.expm1(y) - exp_remainder(y)  # (y-1) e^y + 1
        return float(np.log(ratio * inner + y**2 / 2) - goal)

    return float(np.exp(brentq(missing, -60.0, np.log(500.0), xtol=1e-14, rtol=1e-14)))


def plateau_length(model: NestedLogits, *, alpha: float = 0.0, beta: float = 0.0) -> float:
    """t*, when attention escapes from the start (0, alpha, beta): (N^2/eta_xi) [r (e^{y*} - 1) + y*].

    Exact where z << 1 and e^beta << m until then. Domain: L > N, one m. Against the loss's half time at unit rates and
    zero start see the claims; with rates more than a factor e apart it is a rough guide.
    """
    alpha, beta = real("alpha", alpha), real("beta", beta)
    y = _plateau_readout(model, alpha, beta)
    return float(model.context_labels**2 / model.rates[0] * (_needs_absent_labels(model) * np.expm1(y) + y))


def readout_time(model: NestedLogits, *, alpha: float = 0.0, beta: float = 0.0) -> float:
    """What the read-out still needs after `plateau_length` until the loss is (log N)/2; 0 where it is already ahead.

    d xi/dt = eta_xi (1 - p_c) at a2 = 1 takes [(e^h - e^{xi*})/(L-1) + h - xi*]/eta_xi from xi* = N y* to
    h = log((L-1)/(sqrt N - 1)).
    """
    now = model.context_labels * _plateau_readout(model, real("alpha", alpha), real("beta", beta))
    half = np.log((model.labels - 1) / (np.sqrt(model.context_labels) - 1))
    if now >= half:
        return 0.0
    return float(((np.exp(half) - np.exp(now)) / (model.labels - 1) + half - now) / model.rates[0])


def half_loss_time(model: NestedLogits, start: ArrayLike = (0.0, 0.0, 0.0), *, longest: float = 1e9) -> float:
    """When the flow from `start` first has loss (log N)/2, by integration; several m are averaged.

    `RuntimeError` when that does not happen before `longest` (at L = N the origin rests for ever).
    """
    start, longest = finite_array("start", start, (3,), leading=False), real("longest", longest, above=0.0)
    target = np.log(model.context_labels) / 2

    def excess_loss(_: float, state: Array) -> float:
        return float(model.loss(*state) - target)

    excess_loss.terminal = True  # type: ignore[attr-defined]
    excess_loss.direction = -1  # type: ignore[attr-defined]
    solution = solve_ivp(
        lambda _, y: model.field(*y), (0.0, longest), start, "LSODA", events=excess_loss, rtol=1e-10, atol=1e-13
    )
    if not solution.success:
        raise RuntimeError(f"LSODA stopped before t = {longest:g}: {solution.message}")
    if not len(solution.t_events[0]):
        raise RuntimeError(f"the loss does not fall to (log N)/2 before t = {longest:g}")
    return float(solution.t_events[0][0])


# ---------------------------------------------------------------------------------------------------- claims


@claim(
    statement="While attention is uniform the read-out overlap is xi = N (c - W(r e^c)), c = r + eta_xi t / N^2.",
    source=REDDY_2024,
    kind="identity",
    tolerance=1e-7,
    examples=40,
)
def slow_phase_is_lambert(start: LearnableStart) -> float:
    """Against the equation of xi alone, up to t = 10 N^2."""
    model = start.model
    times = np.linspace(0, 10 * model.context_labels**2, 9)
    path = integrate(lambda _, y: model.field(y[0], 0.0, 0.0)[:1], np.zeros(1), times)
    return relative_error(slow_phase(model, times), path[:, 0])


@dataclass(frozen=True)
class ManyCompetitors(LearnableStart):
    """Hypothesis: 3 <= N <= 32, N + 2 <= L <= N + 257, 22 <= m <= 1000."""

    def __post_init__(self) -> None:
        super().__post_init__()
        model = self.model
        inside = 3 <= model.context_labels <= 32 and 2 <= model.absent <= 257
        if not (inside and 22 <= model.single_competitors <= 1000):
            raise ValueError(f"hypothesis broken: 3 <= N <= 32, N+2 <= L <= N+257, 22 <= m <= 1000, got {model}")


def few_competitors() -> LearnableStart:
    """m = 2: attention moves before the read-out's clock is worth anything."""
    return LearnableStart(NestedLogits(4, 16, 2.0))


@claim(
    statement="""The loss is at half of log N at 0.94 to 1.08 of the closed-form time t* + t_ro, with no fitted
    constant: the plateau ends by a finite-time blow-up of the induction logit.""",
    source=REDDY_2024,
    kind="limit",
    tolerance=0.0,
    examples=25,
    fails_without=lambda: (few_competitors(),),
)
def plateau_ends_on_time(start: ManyCompetitors) -> float:
    model = start.model
    ratio = half_loss_time(model) / (plateau_length(model) + readout_time(model))
    return max(ratio - 1.08, 0.94 - ratio)


@claim(
    statement="The three logits are learned one after the other, the read-out first and attention last.",
    source=REDDY_2024,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (NestedLogits(4, 16, 22.0, (1 / 16, 1.0, 1.0)),),
)
def attention_comes_last(model: NestedLogits) -> float:
    """By how much of the half-loss time attention on the right label passes 1/2 before the loss is at half of log N.

    With a softmax read-out, which learns each label once in L samples, the head waits for the read-out.
    """
    half = half_loss_time(model)
    times = np.linspace(0, half, 400)
    attended = model.flow(times).right_label > 0.5
    return 1 - float(times[attended.argmax()]) / half - 0.05 if attended.any() else -1.0


@dataclass(frozen=True)
class SoftmaxReadout:
    """N context labels and m competitors; the read-out learns each label once in L samples, at rate 1/L.

    Hypothesis: 4 <= N <= 32, 50 <= m <= 400.
    """

    context_labels: int
    competitors: float

    def __post_init__(self) -> None:
        if not (4 <= self.context_labels <= 32 and 50 <= real("competitors", self.competitors) <= 400):
            raise ValueError(f"hypothesis broken: 4 <= N <= 32 and 50 <= m <= 400, got {self}")

    def half_loss_time(self, labels: int) -> float:
        """Of the model with L = `labels`."""
        rates = (1 / labels, 1.0, 1.0)
        return half_loss_time(NestedLogits(self.context_labels, labels, self.competitors, rates))


@claim(
    statement="""With a softmax read-out (rate 1/L) the plateau is shortest at about L = 2N labels: the best even L up
    to 8N is in [1.5 N, 3 N].""",
    source=REDDY_2024,
    kind="limit",
    tolerance=0.0,
    examples=4,
)
def twice_the_context_labels_are_best(readout: SoftmaxReadout) -> float:
    """How far the minimum over a coarse grid of L, two points on either side, lies outside that interval, over N."""
    n = readout.context_labels
    coarse = sorted({2 * round(n * f / 2) for f in (1.25, 1.5, 2, 2.5, 3, 4, 8)} - {n})
    best = min((x for x in coarse if x > n), key=readout.half_loss_time)
    return max(1.5 - best / n, best / n - 3, 0.0)
