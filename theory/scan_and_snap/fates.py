"""What becomes of a token: distinct tokens of a class gain attention, common ones lose it - in Lemma 4, not always.

Notation: c~_l = P(l|n) e^{z_l}; chi_l = e^{2 (z_l(t) - z_l(0))}; r_{l/l'} = c~_l^2 / c~_l'^2 - 1; xi_n as in `decoder`.
In Lemma 4 a distinct token of class n gains at rate (eta_Z / K) gamma xi_n f_nl^2, so that 1/c~_l^2 - 1/c~_l'^2 is
conserved between distinct tokens of a class and r_{l/l'}(t) = r_{l/l'}(0) chi_l(t) (Theorems 2 and 3 of Tian et al.
2023). The gradient flow obeys neither: its decoder remembers the features of earlier times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.backpropagation import gradient_coefficients
from theory.scan_and_snap.flows import AttentionTrajectory, MixtureTrajectory, attention_flow, attention_push
from theory.scan_and_snap.mixture import ClassMixture
from theory.validation import finite_array, integer, real


def initial_acceleration(mixture: ClassMixture, logits: ArrayLike) -> Float[Array, "... q l"]:
    """d2z/dt2 of the gradient flow per eta_Y eta_Z where the decoder is zero, for any logits, prior and psi:

    d2z_m/dt2 = (1/M) sum_{n in psi^-1(m)} p_n sum_k p_k f_n o ((f_n.f_k) f_n - f_k), and dz/dt = 0. It is the form of
    Lemma 4 with gamma beta_nk = eta_Y t p_k / M, and never negative at a distinct token.
    """
    features = mixture.features(logits)
    mean = (mixture.weight[:, None] * features).sum(axis=-2, keepdims=True)
    pull = features * ((features * mean).sum(axis=-1, keepdims=True) * features - mean)
    return mixture._class_of_query @ (mixture.weight[:, None] * pull) / mixture.vocabulary


def inverse_square_weight(mixture: ClassMixture, logits: ArrayLike) -> Float[Array, "... k l"]:
    """1 / c~_nl^2, infinite where class n lacks token l: Lemma 4 lowers it by one S_n for all distinct tokens of n."""
    logits = mixture._checked_logits(np.asarray(logits))
    return np.exp(-2 * (mixture._log_law + logits[..., mixture.query_of_class, :]))


class Gain(NamedTuple):
    """r_{l/l'} of the dominant distinct token l against the other distinct tokens l' of a class, and r(0) chi_l."""

    actual: Float[Array, "t d"]
    predicted: Float[Array, "t d"]


def dominant_token(mixture: ClassMixture, label: int) -> int:
    """The distinct token of class `label` with the largest probability; `ValueError` where there is none."""
    label = integer("label", label, least=0)
    if label >= mixture.classes:
        raise ValueError(f"label must be in 0..{mixture.classes - 1}, got {label}")
    if not mixture.distinct[label].any():
        raise ValueError(f"label must be a class with distinct tokens, got class {label} without")
    return int(np.where(mixture.distinct[label], mixture.token_law[label], 0.0).argmax())


def dominant_gain(path: MixtureTrajectory, label: int) -> Gain:
    """Theorem 3's law along a trajectory, l the dominant token of class `label` and l' its others in order.

    The two agree along `attention_flow`; along `population_flow` only as eta_Y / eta_Z grows.
    """
    mixture, dominant = path.mixture, dominant_token(path.mixture, label)
    others = np.flatnonzero(mixture.distinct[label])
    others = others[others != dominant]
    z, law = path.logits[:, mixture.query_of_class[label]], mixture.token_law[label]
    start = (law[dominant] / law[others]) ** 2
    lead = np.exp(2 * z[:, [dominant]])
    return Gain(start * lead * np.exp(-2 * z[:, others]) - 1, (start - 1) * lead)


def stubborn_mixture() -> ClassMixture:
    """Two classes with one query and one common token, on which the gradient flow lowers distinct tokens.

    With eta_Y = eta_Z the distinct tokens of class 0 end at t = 300 with logits -0.083 and -0.048 while those of class
    1 reach 0.353 and the common token -0.574. With eta_Y = 10 eta_Z they end at 0.056 and 0.015.
    """
    return ClassMixture([[0.5, 0.35, 0.15, 0.0, 0.0], [0.25, 0.0, 0.0, 0.375, 0.375]], [0, 0], None, 7)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- instance types, one per hypothesis


@dataclass(frozen=True, eq=False)
class OneCommonToken:
    """Hypotheses: one common token, a distinct token in every class, a uniform prior; any logits (Q, L)."""

    mixture: ClassMixture
    logits: Float[Array, "q l"]

    def __post_init__(self) -> None:
        mixture, shape = self.mixture, (self.mixture.queries, self.mixture.tokens)
        object.__setattr__(self, "logits", finite_array("logits", self.logits, shape, leading=False))
        if mixture.common.sum() != 1:
            raise ValueError(f"hypothesis broken: one common token is needed, got {mixture.common.sum()}")
        if not mixture.distinct.any(axis=1).all():
            raise ValueError("hypothesis broken: every class needs a distinct token, got a class without")
        if np.ptp(mixture.weight) > 1e-12:
            raise ValueError(f"hypothesis broken: the prior must be uniform, got {mixture.weight}")


@dataclass(frozen=True, eq=False)
class ScanRun(OneCommonToken):
    """The same, with rates > 0, seen from zero logits until three times K log M / eta_Y; `logits` is not used."""

    eta_y: float
    eta_z: float

    def __post_init__(self) -> None:
        super().__post_init__()
        real("eta_y", self.eta_y, above=0.0)
        real("eta_z", self.eta_z, above=0.0)

    def path(self) -> AttentionTrajectory:
        """Lemma 4 at nine times."""
        end = 3 * self.mixture.classes * float(np.log(self.mixture.vocabulary)) / self.eta_y
        return attention_flow(self.mixture, self.eta_y, self.eta_z, np.linspace(0, end, 9))


@dataclass(frozen=True, eq=False)
class LooseMixture:
    """A mixture with logits and no hypothesis: where statements about `OneCommonToken` may fail."""

    mixture: ClassMixture
    logits: Float[Array, "q l"]


def crowded_mixture() -> LooseMixture:
    """Class 0 barely overlaps class 1, which shares one token each with four classes that do not overlap one another.

    Class 1 is so crowded that to first order in the small overlap xi_0 is negative, of the order overlap / M.
    """
    law = np.zeros((6, 11))
    law[:2, 0] = 0.03
    law[1, 1:5] = 1.0
    law[2:, 1:5] = np.eye(4)
    law[:, 5:] = np.diag([1.0, 0.5, 1.0, 1.0, 1.0, 1.0])
    return LooseMixture(ClassMixture(law / law.sum(axis=1, keepdims=True), np.arange(6), None, 20), np.zeros((6, 11)))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""With a single common token xi_n >= 0 for every class, whatever its overlaps are: no weak correlation is
    needed.""",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-9,
    fails_without=lambda: (crowded_mixture(),),
)
def one_common_token_never_pushes_distinct_ones_down(point: OneCommonToken) -> float:
    features = point.mixture.features(point.logits)
    xi = gradient_coefficients(features, point.mixture.vocabulary).xi
    return excess(-xi, 0.0, scale=float(np.abs(xi).max()) + 1e-12)


@claim(
    statement="""In Lemma 4 a distinct token of class n gains (eta_Z / K) xi_n f_nl^2, and a single common token loses
    (eta_Z / K) sum_n (1 - f_nl^2) xi_n (Theorem 2).""",
    source=TIAN_2023,
    kind="identity",
    status="theorem",
    tolerance=1e-8,
)
def fates_of_tokens_in_lemma_4(point: OneCommonToken) -> float:
    """The printed double sum over classes against both rates."""
    mixture = point.mixture
    features = mixture.features(point.logits)
    _, beta, xi = gradient_coefficients(features, mixture.vocabulary)
    overlap = features @ features.T
    terms = beta[..., None] * features[:, None] * (overlap[..., None] * features[:, None] - features)
    printed, size = terms.sum(axis=1), float(np.abs(terms).sum(axis=1).max()) + 1e-12
    worst = relative_error(printed, attention_push(features, mixture.vocabulary).push, scale=size)
    gained = np.where(mixture.distinct, xi[:, None] * features**2 - printed, 0.0)
    lost = printed[:, mixture.common][:, 0] + (1 - features[:, mixture.common][:, 0] ** 2) * xi
    return max(worst, relative_error(gained, 0.0, scale=size), relative_error(lost, 0.0, scale=size))


@claim(
    statement="""Along Lemma 4 the differences of 1 / c~_l^2 between distinct tokens of a class are conserved, and
    r_{l/l'}(t) = r_{l/l'}(0) chi_l(t) (Theorem 3).""",
    source=TIAN_2023,
    kind="identity",
    status="theorem",
    tolerance=1e-6,
    examples=25,
)
def lemma_4_obeys_the_growth_law(run: ScanRun) -> float:
    path = run.path()
    inverse, worst = inverse_square_weight(run.mixture, path.logits), 0.0
    for n in range(run.mixture.classes):
        own = inverse[:, n, run.mixture.distinct[n]]
        kept = own - own[:, :1]
        worst = max(worst, relative_error(kept, np.broadcast_to(kept[0], kept.shape), scale=float(own.max())))
        gain = dominant_gain(path, n)
        if gain.actual.size:
            worst = max(worst, relative_error(gain.actual, gain.predicted, scale=1.0))
    return worst


@claim(
    statement="""Along Lemma 4 with one common token the dominant distinct token of a class grows as
    exp(2 f(0)^2 B_n) <= chi <= exp(2 B_n), B_n = (eta_Z / K) integral of xi_n; distinct tokens keep their order and
    rise, and the common token falls.""",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-7,
    examples=25,
)
def lemma_4_bounds_the_dominant_token(run: ScanRun) -> float:
    mixture, path, worst = run.mixture, run.path(), -1.0
    start, small = path.features[0], 1e-6 * float(np.abs(path.logits).max()) + 1e-12
    common = path.logits[:, :, mixture.common]
    for n in range(mixture.classes):
        z = path.logits[:, mixture.query_of_class[n]]
        own, lead = np.flatnonzero(mixture.distinct[n]), dominant_token(mixture, n)
        log_growth, bound = 2 * z[1:, lead], 2 * path.exponent[1:, n]
        scale = bound + small
        lower, upper = start[n, lead] ** 2 * bound, bound
        worst = max(worst, excess(lower, log_growth, scale=scale), excess(log_growth, upper, scale=scale))
        weight = mixture.token_law[n, own] * np.exp(z[:, own])
        ordered = weight[:, np.argsort(mixture.token_law[n, own], kind="stable")]
        if len(own) > 1:
            worst = max(worst, excess(ordered[:, :-1], ordered[:, 1:]))
        worst = max(worst, excess(z[:-1, own], z[1:, own], scale=small * 1e6))
    return max(worst, excess(common[1:], common[:-1], scale=small * 1e6))
