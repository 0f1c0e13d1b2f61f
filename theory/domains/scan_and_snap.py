"""How to draw the instance types of Scan and Snap."""

from __future__ import annotations

from typing import Any

import hypothesis as hy
import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, simplex_rows
from theory.scan_and_snap.backpropagation import IndependentFeatures
from theory.scan_and_snap.bridges import FullVocabulary, MixtureRun, SharedQueryRun, SymmetricRun
from theory.scan_and_snap.decoder import DecoderSteps, DecoderTime
from theory.scan_and_snap.fates import OneCommonToken, ScanRun
from theory.scan_and_snap.identities import MixturePoint
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.scan_and_snap.sequences import SampledToken, TokenSequence
from theory.scan_and_snap.transition import Transition


def rate() -> st.SearchStrategy[float]:
    """A learning rate in [0.2, 5], log-uniform."""
    return floats(-0.7, 0.7).map(lambda x: 10.0**x)


def psi(classes: int) -> st.SearchStrategy[Any]:
    """A query for every class, numbered without gaps."""
    ids = st.lists(st.integers(0, classes - 1), min_size=classes, max_size=classes)
    return ids.map(lambda q: np.unique(q, return_inverse=True)[1])


@st.composite
def class_mixtures(draw: st.DrawFn) -> ClassMixture:
    """K in 1..5 classes over L in 1..6 tokens with holes in their laws, any psi, p_n >= 0.3 / K, M up to 6 spare."""
    classes, tokens = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    kept = draw(arrays((classes, tokens), 0.0, 1.0)) < 0.7
    kept[np.arange(classes), np.arange(classes) % tokens] = True
    law = draw(simplex_rows(classes, tokens, 0.2)) * kept
    law = law / law.sum(axis=1, keepdims=True)
    vocabulary = max(2, classes, tokens) + draw(st.integers(0, 6))
    return ClassMixture(law, draw(psi(classes)), draw(simplex_rows(1, classes, 0.3))[0], vocabulary)


@domain(MixturePoint)
@st.composite
def mixture_points(draw: st.DrawFn) -> MixturePoint:
    """|Z| and |Y| <= 5."""
    mixture = draw(class_mixtures())
    logits = draw(arrays((mixture.queries, mixture.tokens), -5.0, 5.0))
    return MixturePoint(mixture, logits, draw(arrays((mixture.tokens, mixture.vocabulary), -5.0, 5.0)))


@domain(MixtureRun)
def mixture_runs() -> st.SearchStrategy[MixtureRun]:
    """Rates in [0.2, 5]."""
    return st.builds(MixtureRun, class_mixtures(), rate(), rate())


@domain(SymmetricRun)
@st.composite
def symmetric_runs(draw: st.DrawFn) -> SymmetricRun:
    """K in 2..6, 1-6 common and 1-6 distinct tokens with weights in [0.1, 1], M up to 40 spare, rates in [0.2, 5]."""
    classes, common = draw(st.integers(2, 6)), draw(st.integers(1, 6))
    distinct = draw(st.lists(floats(0.1, 1.0), min_size=1, max_size=6))
    vocabulary = common + classes * len(distinct) + draw(st.integers(0, 40))
    shared = draw(st.booleans())
    symmetric = SymmetricMixture(classes, vocabulary, np.array(distinct), draw(floats(0.1, 1.0)), common, shared)
    return SymmetricRun(symmetric, draw(rate()), draw(rate()))


@st.composite
def common_token_mixtures(draw: st.DrawFn, *, shared_query: bool = False) -> ClassMixture:
    """2-4 classes of any psi with 1-3 distinct tokens each and a common one, weights in [0.05, 1], M up to 40 spare."""
    classes = draw(st.integers(2, 4))
    counts = draw(st.lists(st.integers(1, 3), min_size=classes, max_size=classes))
    owner = np.repeat(np.arange(classes), counts)
    weights = np.zeros((classes, 1 + len(owner)))
    weights[:, 0] = draw(arrays((classes,), 0.05, 1.0))
    weights[owner, 1 + np.arange(len(owner))] = draw(arrays((len(owner),), 0.05, 1.0))
    law = weights / weights.sum(axis=1, keepdims=True)
    queries = np.zeros(classes, dtype=int) if shared_query else draw(psi(classes))
    return ClassMixture(law, queries, None, law.shape[1] + draw(st.integers(0, 40)))


@domain(OneCommonToken)
@st.composite
def common_token_points(draw: st.DrawFn) -> OneCommonToken:
    """|Z| <= 3."""
    mixture = draw(common_token_mixtures())
    return OneCommonToken(mixture, draw(arrays((mixture.queries, mixture.tokens), -3.0, 3.0)))


@domain(ScanRun)
def scan_runs() -> st.SearchStrategy[ScanRun]:
    """Rates in [0.2, 5]."""
    return st.builds(ScanRun, common_token_mixtures(), rate(), rate())


@domain(SharedQueryRun)
def shared_query_runs() -> st.SearchStrategy[SharedQueryRun]:
    """Rates in [0.2, 5]."""
    return st.builds(SharedQueryRun, common_token_mixtures(shared_query=True), rate(), rate())


@domain(DecoderTime)
def decoder_times() -> st.SearchStrategy[DecoderTime]:
    """M in 2..1e6 and tau from 1e-12 to 1e8, both log-uniform, or tau = 0."""
    entries = floats(float(np.log10(2)), 6.0).map(lambda x: max(2, round(10.0**x)))
    return st.builds(DecoderTime, entries, st.one_of(st.just(0.0), floats(-12.0, 8.0).map(lambda x: 10.0**x)))


@domain(DecoderSteps)
def decoder_steps() -> st.SearchStrategy[DecoderSteps]:
    """M in 2..5000, eta_Y in [0.01, 50], up to 500 steps."""
    return st.builds(
        DecoderSteps,
        st.integers(2, 5000),
        floats(-2.0, float(np.log10(50))).map(lambda x: 10.0**x),
        st.integers(1, 500),
    )


@domain(IndependentFeatures)
@st.composite
def independent_features(draw: st.DrawFn) -> IndependentFeatures:
    """K in 1..5 features on K + 1 to K + 4 tokens, entries in [0, 1] and a 1 each, M up to 1000 spare."""
    classes = draw(st.integers(1, 5))
    features = draw(arrays((classes, classes + draw(st.integers(1, 4))), 0.0, 1.0))
    features[np.arange(classes), np.arange(classes)] = 1.0
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    hy.assume(np.linalg.eigvalsh(features @ features.T).min() >= 2e-3)
    return IndependentFeatures(features, max(2, classes) + draw(st.integers(0, 1000)))


@domain(FullVocabulary)
def full_vocabularies() -> st.SearchStrategy[FullVocabulary]:
    """K = M in 2..8, rho in [0.05, 0.95], tau in [0.1, 30]."""
    return st.tuples(st.integers(2, 8), floats(0.05, 0.95), floats(0.1, 30.0)).map(
        lambda x: FullVocabulary(x[0], x[0], x[1], x[2])
    )


@domain(Transition)
def transitions() -> st.SearchStrategy[Transition]:
    """K in 1..20, M in 5..5000, rates in [0.2, 5], C0 in [0.1, 100]."""
    constant = floats(-1.0, 2.0).map(lambda x: 10.0**x)
    return st.builds(Transition, st.integers(1, 20), st.integers(5, 5000), rate(), rate(), constant)


@domain(TokenSequence)
@st.composite
def token_sequences(draw: st.DrawFn) -> TokenSequence:
    """M in 2..7, up to 12 contextual tokens, |Z| and |Y| <= 5."""
    size = draw(st.integers(2, 7))
    tokens = st.integers(0, size - 1)
    context = draw(st.lists(tokens, min_size=1, max_size=12))
    matrices = arrays((size, size), -5.0, 5.0)
    return TokenSequence(np.array(context), draw(tokens), draw(tokens), draw(matrices), draw(matrices))


@domain(SampledToken)
def sampled_tokens() -> st.SearchStrategy[SampledToken]:
    """Any probability, T in 2..2000, delta from 1e-9 to 0.9."""
    return st.builds(SampledToken, floats(0.0, 1.0), st.integers(2, 2000), floats(-9.0, -0.046).map(lambda x: 10.0**x))
