"""How the four dynamics relate: rescaling, symmetry, the limit of a fast decoder, and conjectures about the flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.decoder import decoder_gap
from theory.scan_and_snap.fates import ScanRun
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


class SharedQueryRun(ScanRun):
    """Hypothesis: all classes share one query."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixture.queries != 1:
            raise ValueError(f"hypothesis broken: one query is needed, got {self.mixture.queries}")


def separate_queries_run() -> ScanRun:
    """Two classes with a query each, one common and one distinct token, and a vocabulary of three."""
    law = np.array([[2 / 3, 1 / 3, 0.0], [0.8, 0.0, 0.2]])
    return ScanRun(ClassMixture(law, np.array([0, 1]), None, 3), 1.0, float(np.sqrt(10)))


def largest_rise(run: ScanRun) -> float:
    """How much the common token's logit rises between two times over its whole fall, until t = 3000 / min(rates)."""
    times = np.concatenate([[0.0], np.geomspace(0.3, 3000.0, 20) / min(run.eta_y, run.eta_z)])
    logits = population_flow(run.mixture, run.eta_y, run.eta_z, times).logits
    common = logits[:, :, run.mixture.common]
    return excess(np.diff(common, axis=0), 0.0, scale=float(np.abs(common).max()) + 1e-12)


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


@claim(
    statement="""While attention is at rest the plain decoder never pushes a distinct token of any class down.""",
    source=TIAN_2023,
    kind="inequality",
    status="conjecture",
    tolerance=1e-6,
    examples=25,
)
def resting_attention_favours_distinct_tokens(run: MixtureRun) -> float:
    """The least push on a distinct token over the largest on any, at ten times up to eta_Y t = 3000."""
    mixture = run.mixture
    path = population_flow(mixture, run.eta_y, 0.0, np.geomspace(0.01, 3000, 10) / run.eta_y)
    push = -mixture.gradient(path.logits, path.decoder)[0]
    own = mixture._class_of_query @ mixture.distinct > 0
    size = np.abs(push).max(axis=(1, 2), keepdims=True) + 1e-8  # rounding leaves pushes of 1e-16
    return excess(np.where(own, -push, -size), 0.0, scale=size)


@claim(
    statement="Under gradient flow a single common token falls where all classes share one query, at any rates.",
    source=TIAN_2023,
    kind="inequality",
    status="conjecture",
    tolerance=1e-6,
    examples=25,
    fails_without=lambda: (separate_queries_run(),),
)
def single_common_token_falls_in_the_flow(run: SharedQueryRun) -> float:
    return largest_rise(run)
