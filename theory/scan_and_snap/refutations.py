"""Published or natural statements about Scan and Snap that fail, each with a counterexample.

Most of them hold for Lemma 4 and do not carry over to the gradient flow; others are assumptions that the paper's own
data break. `backpropagation` and `transition` have those about a single formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.claims import claim, relative_error
from theory.papers import TIAN_2023
from theory.scan_and_snap.bridges import (
    EqualOverlaps,
    MixtureRun,
    SymmetricRun,
    largest_rise,
    separate_queries_run,
)
from theory.scan_and_snap.decoder import decoder_gap
from theory.scan_and_snap.fates import ScanRun, dominant_gain, stubborn_mixture
from theory.scan_and_snap.flows import attention_flow, population_flow, preconditioned_flow, symmetric_flow
from theory.scan_and_snap.mixture import SymmetricMixture

WEIGHTS = np.linspace(0.1, 1.0, 10)


def syn_small_run(ratio: float = 1.0) -> SymmetricRun:
    """The paper's small data set: two classes, one query each, ten common and ten distinct tokens, M = 34."""
    return SymmetricRun(SymmetricMixture(2, 34, WEIGHTS, common_tokens=10, shared_query=False), ratio, 1.0)


def bridge_run(ratio: float) -> SymmetricRun:
    """Five classes of one query with one common token, M = 200."""
    return SymmetricRun(SymmetricMixture(5, 200, WEIGHTS), ratio, 1.0)


# ---------------------------------------------------------------------------------------------------------- claims


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
    statement="Under gradient flow a single common token falls for every query (Theorem 2b).",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-4,
    counterexample=lambda: (separate_queries_run(),),
)
def single_common_token_always_falls(run: ScanRun) -> float:
    """With a query for each class that of class 1 takes the token from -0.5109 at t = 63 back to -0.5065 at 3000."""
    return largest_rise(run)


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
