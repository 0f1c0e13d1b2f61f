"""How the four dynamics relate, and which published statements do not carry over from Lemma 4 to the gradient flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.decoder import decoder_gap
from theory.scan_and_snap.fates import dominant_gain, stubborn_mixture
from theory.scan_and_snap.flows import attention_flow, population_flow, preconditioned_flow, symmetric_flow
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.validation import integer, real


@dataclass(frozen=True, eq=False)
class MixtureRun:
    """A mixture trained with rates > 0."""

    mixture: ClassMixture
    eta_y: float
    eta_z: float

    def __post_init__(self) -> None:
        real("eta_y", self.eta_y, above=0.0)
        real("eta_z", self.eta_z, above=0.0)


@dataclass(frozen=True, eq=False)
class SymmetricRun:
    """A symmetric mixture of K >= 2 classes trained with rates > 0."""

    symmetric: SymmetricMixture
    eta_y: float
    eta_z: float

    def __post_init__(self) -> None:
        real("eta_y", self.eta_y, above=0.0)
        real("eta_z", self.eta_z, above=0.0)
        if self.symmetric.classes < 2:
            raise ValueError(f"hypothesis broken: two classes are needed, got {self.symmetric.classes}")

    @property
    def transition(self) -> float:
        """K log M / eta_Y."""
        return self.symmetric.classes * float(np.log(self.symmetric.vocabulary)) / self.eta_y


@dataclass(frozen=True)
class EqualOverlaps:
    """K >= 2 features with overlaps rho in (0, 1), at rest, with a vocabulary of M >= K entries; tau = eta_Y t / K."""

    classes: int
    vocabulary: int
    overlap: float
    tau: float

    def __post_init__(self) -> None:
        classes = integer("classes", self.classes, least=2)
        integer("vocabulary", self.vocabulary, least=classes)
        real("overlap", self.overlap, above=0.0, below=1.0)
        real("tau", self.tau, above=0.0)

    def gaps(self) -> Float[Array, " k"]:
        """By how much class 0's logit for its next token exceeds every other column's, under plain gradient flow."""
        features = np.linalg.cholesky((1 - self.overlap) * np.eye(self.classes) + self.overlap)
        law = features / features.sum(axis=1, keepdims=True)
        mixture = ClassMixture(law, np.arange(self.classes), None, self.vocabulary)
        path = population_flow(mixture, 1.0, 0.0, [self.classes * self.tau])
        logits = path.features[0, 0] @ path.decoder_columns[0]
        return logits[0] - logits[1:]


class FullVocabulary(EqualOverlaps):
    """Hypothesis: every entry is a next token, K = M."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes != self.vocabulary:
            raise ValueError(f"hypothesis broken: K = M is needed, got {self.classes} and {self.vocabulary}")


WEIGHTS = np.linspace(0.1, 1.0, 10)


def syn_small_run(ratio: float = 1.0) -> SymmetricRun:
    """The paper's small data set: two classes, one query each, ten common and ten distinct tokens, M = 34."""
    return SymmetricRun(SymmetricMixture(2, 34, WEIGHTS, common_tokens=10, shared_query=False), ratio, 1.0)


def bridge_run(ratio: float) -> SymmetricRun:
    """Five classes of one query with one common token, M = 200."""
    return SymmetricRun(SymmetricMixture(5, 200, WEIGHTS), ratio, 1.0)


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="Gradient flow at rates (a eta_Y, a eta_Z) for a time t / a is the flow at (eta_Y, eta_Z) for t.",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-9,
    examples=15,
)
def only_the_ratio_of_rates_matters(run: MixtureRun) -> float:
    """a = 3.7, until t = 30 / max(rates)."""
    times = np.array([1.0, 30.0]) / max(run.eta_y, run.eta_z)
    slow = population_flow(run.mixture, run.eta_y, run.eta_z, times, rtol=1e-12)
    fast = population_flow(run.mixture, 3.7 * run.eta_y, 3.7 * run.eta_z, times / 3.7, rtol=1e-12)
    pairs = ((fast.logits, slow.logits), (fast.decoder_columns, slow.decoder_columns))
    return max(relative_error(a, b, scale=1.0) for a, b in pairs)


@claim(
    statement="A symmetric mixture follows its reduced ODE of 3 + 4 N_d numbers.",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
    examples=15,
)
def symmetric_mixtures_follow_the_reduced_flow(run: SymmetricRun) -> float:
    times = run.transition * np.array([0.5, 3.0])
    full = population_flow(run.symmetric.mixture, run.eta_y, run.eta_z, times, rtol=1e-12)
    reduced = symmetric_flow(run.symmetric, run.eta_y, run.eta_z, times, rtol=1e-12)
    pairs = ((full.logits, reduced.logits), (full.decoder_columns, reduced.decoder_columns))
    return max(relative_error(a, b, scale=1.0) for a, b in pairs)


@claim(
    statement="""In Lemma 4 on a symmetric mixture every common token falls and every distinct token rises, however many
    common tokens there are (Corollary 2).""",
    source=TIAN_2023,
    kind="inequality",
    status="theorem",
    tolerance=1e-9,
    examples=25,
)
def symmetric_mixtures_shed_common_tokens(run: SymmetricRun) -> float:
    mixture = run.symmetric.mixture
    logits = attention_flow(mixture, run.eta_y, run.eta_z, np.linspace(0, 3, 9) * run.transition).logits
    rising = np.diff(logits, axis=0)
    own = mixture._class_of_query @ mixture.distinct > 0
    size = float(np.abs(rising).max())
    return max(
        excess(rising[:, :, mixture.common], 0.0, scale=size),
        excess(np.where(own, -rising, -size), 0.0, scale=size),
    )


@claim(
    statement="""The preconditioned flow approaches Lemma 4 as eta_Y / eta_Z grows, with an error of order
    eta_Z / eta_Y.""",
    source=TIAN_2023,
    kind="limit",
    tolerance=0.03,
    examples=10,
)
def lemma_4_is_first_order_in_the_ratio(run: SymmetricRun) -> float:
    """|slope + 1| of the error between eta_Y / eta_Z = 3e3 and 3e4, largest over times to 2 K log M / eta_Y."""
    errors = []
    for ratio in (3e3, 3e4):
        times = np.array([0.5, 1.0, 1.5, 2.0]) * run.transition * run.eta_y / ratio
        flows = (preconditioned_flow, attention_flow)
        joint, lemma = (flow(run.symmetric.mixture, ratio, 1.0, times, rtol=1e-13).logits for flow in flows)
        errors.append(float(np.abs(joint - lemma).max() / np.abs(lemma).max()))
    return abs(float(np.log10(errors[1] / errors[0])) + 1)


@claim(
    statement="""With equal overlaps rho and K = M the plain decoder at rest opens the gap of Lemma 6 at the rate
    (1 - rho) eta_Y.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
    examples=20,
    fails_without=lambda: (EqualOverlaps(2, 34, 0.722, 2 * float(np.log(34))),),
)
def equal_overlaps_slow_the_decoder(instance: FullVocabulary) -> float:
    expected = decoder_gap(instance.vocabulary, (1 - instance.overlap) * instance.tau)
    return relative_error(instance.gaps(), expected)


# ---------------------------------------------------------------------------------- what fails, with its counterexample


@claim(
    statement="""With equal overlaps rho the plain decoder at rest opens the gap of Lemma 6 at the rate (1 - rho) eta_Y
    for every K and M (Remark 1).""",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (EqualOverlaps(2, 34, 0.7220216606, 2 * float(np.log(34))),),
)
def equal_overlaps_slow_every_decoder(instance: EqualOverlaps) -> float:
    """Gaps 1.545 to the other class and 4.440 to entries that are never next; 1.856 predicted for both."""
    return relative_error(instance.gaps(), decoder_gap(instance.vocabulary, (1 - instance.overlap) * instance.tau))


@claim(
    statement="Distinct tokens always gain under gradient flow, at any ratio of rates (Theorem 2a).",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-3,
    counterexample=lambda: (MixtureRun(stubborn_mixture(), 1.0, 1.0),),
)
def distinct_tokens_always_gain(run: MixtureRun) -> float:
    """How far the lowest distinct logit is below zero at t = 300: by 0.083."""
    logits = population_flow(run.mixture, run.eta_y, run.eta_z, [300.0]).logits[0]
    return -float(logits[:, run.mixture.distinct.any(axis=0)].min())


@claim(
    statement="Under gradient flow the logits move as far as Lemma 4 says when eta_Y is much larger than eta_Z.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (bridge_run(4000.0),),
)
def gradient_flow_moves_as_far_as_lemma_4(run: SymmetricRun) -> float:
    """Relative error at 2 K log M / eta_Y: the flow has moved 9 times less."""
    times, mixture = [2 * run.transition], run.symmetric.mixture
    flow, lemma = (f(mixture, run.eta_y, run.eta_z, times).logits for f in (population_flow, attention_flow))
    return relative_error(flow, lemma)


@claim(
    statement="""Lemma 4 without the class weight 1/K describes the preconditioned flow in single-sequence time, as
    Equations 10 and 12 are printed.""",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.1,
    counterexample=lambda: (bridge_run(4000.0),),
)
def lemma_4_needs_no_class_weight(run: SymmetricRun) -> float:
    """Without the weight attention moves K times as far."""
    times, mixture = [2 * run.transition], run.symmetric.mixture
    printed = attention_flow(mixture, run.eta_y, run.symmetric.classes * run.eta_z, times).logits
    return relative_error(printed, preconditioned_flow(mixture, run.eta_y, run.eta_z, times).logits)


@claim(
    statement="Under gradient flow r_{l/l'}(t) = r_{l/l'}(0) chi_l(t) (Theorem 3) at equal rates.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.02,
    counterexample=lambda: (syn_small_run(),),
)
def gradient_flow_obeys_the_growth_law(run: SymmetricRun) -> float:
    """Largest relative error over partners at t = 2000: 59% against the distinct token of weight 0.9."""
    gain = dominant_gain(population_flow(run.symmetric.mixture, run.eta_y, run.eta_z, [2000.0]), 0)
    return float(np.abs(gain.actual / gain.predicted - 1).max())


@claim(
    statement="Under gradient flow attention over the distinct tokens of a class only becomes sparser.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-4,
    counterexample=lambda: (SymmetricRun(SymmetricMixture(2, 34, WEIGHTS, common_tokens=10), 1.0, 1.0),),
)
def distinct_entropy_only_falls(run: SymmetricRun) -> float:
    """The largest rise of the entropy over a decade until t = 1e6: it is 2.0911 at 1e3 and 2.0945 at 1e6."""
    path = symmetric_flow(run.symmetric, run.eta_y, run.eta_z, 10.0 ** np.arange(7))
    return float(np.diff(run.symmetric.mixture.distinct_entropy(path.attention)[:, 0]).max())


@claim(
    statement="The synthetic data satisfy the weak correlation of Assumption 2, |lambda_1(E)| < 1/K.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (syn_small_run(),),
)
def synthetic_data_are_weakly_correlated(run: SymmetricRun) -> float:
    """lambda_1 - 1/K at zero logits: 0.722 - 0.5."""
    mixture = run.symmetric.mixture
    features = mixture.features(np.zeros((mixture.queries, mixture.tokens)))
    return float(np.linalg.eigvalsh(features @ features.T).max() - 1 - 1 / mixture.classes)


@dataclass(frozen=True)
class FigureThree:
    """The setting of the paper's figure 3."""

    classes: int = 10
    vocabulary: int = 1000


@claim(
    statement="Equal overlaps can satisfy both bounds of Assumption 2, sqrt(6/M) <= rho and (K-1) rho < 1/K, for K = 10"
    " and M = 1000.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (FigureThree(),),
)
def figure_three_admits_equal_overlaps(figure: FigureThree) -> float:
    """The lower bound over the upper, minus 1: 0.0775 against 0.0111. It takes M > 6 K^2 (K-1)^2 = 48600."""
    lower = np.sqrt(6 / figure.vocabulary)
    return float(lower * figure.classes * (figure.classes - 1) - 1)
