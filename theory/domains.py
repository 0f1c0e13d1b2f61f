"""How to draw every instance type: one hypothesis strategy each, so that one generic hunt serves all claims.

A new instance type needs one function here, decorated with `@domain(TheType)`, that returns a strategy. Strategies draw
raw numbers within the hypotheses; the instance types themselves refuse anything outside them. Rooms above `theory`
register their own types with the same decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis as hy
import numpy as np
from hypothesis import strategies as st

from theory.attention_svm.claims import SeparableSelection, SquareMatrix, StrictlyScored, TwoLevelScores
from theory.attention_variants import CausalLogits, ClippedLogits, DormantLogits, GatedOutput, softmax_attention
from theory.joma.growth import ConstantDrive, Targets
from theory.joma.invariants import JointPoint, OneSample
from theory.numerics import Array
from theory.scan_and_snap.backpropagation import IndependentFeatures
from theory.scan_and_snap.bridges import FullVocabulary, MixtureRun, SharedQueryRun, SymmetricRun
from theory.scan_and_snap.decoder import DecoderSteps, DecoderTime
from theory.scan_and_snap.fates import OneCommonToken, ScanRun
from theory.scan_and_snap.identities import MixturePoint
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.scan_and_snap.sequences import SampledToken, TokenSequence
from theory.scan_and_snap.transition import Transition
from theory.sink_flow.adam import OrderedAdamTail
from theory.sink_flow.competitors import CompetingSinks
from theory.sink_flow.existence import ConstructedLayer, LayerInContext
from theory.sink_flow.interventions import ClippedSink, GatedSink
from theory.sink_flow.model import (
    ConstantValue,
    EqualLogits,
    FlowStart,
    PushedValue,
    SinkModel,
    SinkPoint,
)
from theory.sink_flow.random_contexts import RandomContexts, fluctuation
from theory.sink_flow.residual_peak import PeakStart, ResidualPeak
from theory.sink_metrics import Activations, NormalisedAttention

_DOMAINS: dict[type, Callable[[], st.SearchStrategy[Any]]] = {}


def domain(instance_type: type) -> Callable[[Callable[[], st.SearchStrategy[Any]]], Callable[[], Any]]:
    """Register the decorated function as the maker of the strategy that draws `instance_type`."""

    def register(make: Callable[[], st.SearchStrategy[Any]]) -> Callable[[], Any]:
        _DOMAINS[instance_type] = make
        return make

    return register


def strategy_for(instance_type: type) -> st.SearchStrategy[Any]:
    """The strategy that draws `instance_type`; `LookupError` says what to add when there is none."""
    if instance_type not in _DOMAINS:
        raise LookupError(
            f"no domain is registered for instance type {instance_type.__name__}: add a function decorated with "
            f"@domain({instance_type.__name__}) to theory/domains.py that returns a hypothesis strategy drawing it"
        )
    return _DOMAINS[instance_type]()


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite numbers in [low, high]."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False, width=64)


def arrays(shape: tuple[int, ...], low: float, high: float) -> st.SearchStrategy[Array]:
    """Arrays with entries in [low, high]."""
    size = int(np.prod(shape))
    return st.lists(floats(low, high), min_size=size, max_size=size).map(lambda xs: np.array(xs).reshape(shape))


def simplex_rows(rows: int, size: int, floor: float) -> st.SearchStrategy[Array]:
    """Probability vectors with entries >= floor / size; log-uniform weights reach the corners of the simplex."""

    def normalise(logits: Array) -> Array:
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return floor / size + (1.0 - floor) * weights / weights.sum(axis=1, keepdims=True)

    return arrays((rows, size), -12.0, 12.0).map(normalise)


# ------------------------------------------------------------------------------------------------ attention sinks


@st.composite
def sink_models(
    draw: st.DrawFn,
    *,
    floor: float = 1e-8,
    values: float = 10.0,
    weight: tuple[float, float] = (0.2, 40.0),
    frequency: tuple[float, float] = (0.05, 1.0),
    queries: tuple[int, int] = (1, 5),
) -> SinkModel:
    """Any reduced sink model with V in 2..8 tokens, N in 1..5 queries and full support."""
    tokens, rows = draw(st.integers(2, 8)), draw(st.integers(*queries))
    return SinkModel(
        next_token=draw(simplex_rows(rows, tokens, floor)),
        frequency=draw(arrays((rows,), *frequency)),
        value_sum=draw(arrays((tokens,), -values, values)),
        weight=draw(floats(*weight)),
    )


@domain(SinkPoint)
@st.composite
def sink_points(draw: st.DrawFn) -> SinkPoint:
    """Any point with |alpha|, |beta| <= 6."""
    model = draw(sink_models())
    alpha = draw(arrays((model.queries,), -6.0, 6.0))
    return SinkPoint(model, alpha, draw(arrays((model.tokens,), -6.0, 6.0)))


@domain(ConstantValue)
@st.composite
def constant_values(draw: st.DrawFn) -> ConstantValue:
    """p_vk >= 0.02 / V and |alpha| <= 3, so that flows are integrated in fractions of a second."""
    model = draw(sink_models(floor=0.02))
    alpha = draw(arrays((model.queries,), -3.0, 3.0))
    return ConstantValue(model, alpha, np.full(model.tokens, draw(floats(-6.0, 6.0))))


@domain(EqualLogits)
@st.composite
def equal_logits(draw: st.DrawFn) -> EqualLogits:
    """p_vk >= 0.02 / V and sink logits in [-2, 4]."""
    model = draw(sink_models(floor=0.02))
    alpha = np.full(model.queries, draw(floats(-2.0, 4.0)))
    return EqualLogits(model, alpha, draw(arrays((model.tokens,), -6.0, 6.0)))


def spread_values(model: SinkModel) -> bool:
    """Whether z varies by at least 1: a slower flow would not reach its limit in the time integrated."""
    return bool(np.ptp(model.value_sum) >= 1.0)


@domain(FlowStart)
@st.composite
def flow_starts(draw: st.DrawFn) -> FlowStart:
    """Starts whose flow converges within t = 1e7: p_vk >= 0.16 / V, W in [5, 30], pi in [0.2, 1], z varying by 1."""
    models = sink_models(floor=0.16, weight=(5.0, 30.0), frequency=(0.2, 1.0)).filter(spread_values)
    model = draw(models)
    alpha = draw(arrays((model.queries,), -1.5, 1.5))
    return FlowStart(model, alpha, draw(arrays((model.tokens,), -2.0, 2.0)))


@domain(PushedValue)
@st.composite
def pushed_values(draw: st.DrawFn) -> PushedValue:
    """beta = fraction * z / W: then D_v = -(1 - fraction) / fraction times a Jeffreys divergence, negative."""
    start = draw(flow_starts())
    fraction = draw(floats(0.1, 0.9))
    return PushedValue(start.model, start.alpha, fraction * start.model.mean_value)


@domain(RandomContexts)
@st.composite
def random_contexts(draw: st.DrawFn) -> RandomContexts:
    """2-5 contexts under a law shared by the queries or not, |z| <= 5, and F_v >= 1 so that t = 1e10 is late enough.

    Where the draw fluctuates less, the first token's value in the first context is raised until it does.
    """
    tokens, queries, contexts = draw(st.integers(2, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 5))
    laws = draw(simplex_rows(draw(st.sampled_from([1, queries])), contexts, 0.5))
    law = laws[0] if len(laws) == 1 else laws
    rows, frequency = draw(simplex_rows(queries, tokens, 0.3)), draw(arrays((queries,), 0.2, 1.0))
    values, weight = draw(arrays((contexts, tokens), -5.0, 5.0)), draw(arrays((contexts,), 5.0, 30.0))
    raised = np.zeros_like(values)
    raised[0, 0] = 1.0
    if fluctuation(SinkModel(rows, frequency, values, weight, law)).min() < 1.0:
        # sqrt(F) is a seminorm: raising by 2 / sqrt(F of the raise) leaves at least 1
        values = values + raised * 2.0 / np.sqrt(fluctuation(SinkModel(rows, frequency, raised, weight, law)).min())
    model = SinkModel(rows, frequency, values, weight, law)
    return RandomContexts(model, draw(arrays((queries,), -1.5, 1.5)), draw(arrays((tokens,), -2.0, 2.0)))


@domain(OrderedAdamTail)
@st.composite
def ordered_adam_tails(draw: st.DrawFn) -> OrderedAdamTail:
    """lr in [1e-4, 1e-2], beta2 in [0, 0.997], beta1 a fraction of it up to 1, k in [1/2, 4]."""
    beta2 = draw(st.one_of(floats(0.0, 0.9), floats(-2.5, -1.0).map(lambda x: 1 - 10.0**x)))
    rate = draw(floats(-4.0, -2.0).map(lambda x: 10.0**x))
    return OrderedAdamTail(rate, beta2 * draw(floats(0.0, 1.0)), beta2, draw(floats(0.5, 4.0)))


@domain(PeakStart)
@st.composite
def peak_starts(draw: st.DrawFn) -> PeakStart:
    """|c| <= 0.9, y in [0.1, 3], m + c in [0.1, 3]."""
    overlap = draw(floats(-0.9, 0.9))
    return PeakStart(ResidualPeak(overlap), draw(floats(0.1, 3.0)), draw(floats(0.1, 3.0)) - overlap)


def lone_queries(**changes: Any) -> st.SearchStrategy[SinkModel]:
    """Models of one query with p_k >= 0.16 / V, W in [1, 30], pi in [0.2, 1], and z varying by at least 1."""
    settings: dict[str, Any] = {"floor": 0.16, "weight": (1.0, 30.0), "frequency": (0.2, 1.0), "queries": (1, 1)}
    return sink_models(**settings | changes).filter(spread_values)


@domain(CompetingSinks)
@st.composite
def competing_sinks(draw: st.DrawFn) -> CompetingSinks:
    """2-4 sinks with logits in [-2, 2] on a grid of 0.01: either tied or apart enough to part within t = 1e16."""
    alpha = draw(st.lists(st.integers(-200, 200), min_size=2, max_size=4))
    return CompetingSinks(draw(lone_queries()), np.array(alpha) / 100)


@domain(GatedSink)
@st.composite
def gated_sinks(draw: st.DrawFn) -> GatedSink:
    """alpha - log W in [-1, 3] and gamma in [-2, 2]: a sink that starts much lower is still late at t = 1e20."""
    model = draw(lone_queries())
    alpha = float(np.log(model.weight)) + draw(floats(-1.0, 3.0))
    return GatedSink(model, alpha, draw(floats(-2.0, 2.0)))


@domain(ClippedSink)
@st.composite
def clipped_sinks(draw: st.DrawFn) -> ClippedSink:
    """alpha in [-2, 2], cut off at a total weight W + e^alpha between 1.5 and 50 times the start."""
    model, alpha = draw(lone_queries()), draw(floats(-2.0, 2.0))
    total = (model.weight + np.exp(alpha)) * draw(floats(1.5, 50.0))
    return ClippedSink(model, alpha, 1 / (total - 1))


@domain(LayerInContext)
@st.composite
def layers_in_context(draw: st.DrawFn) -> LayerInContext:
    """V in 2..8, contexts of 2..12 tokens, logits in [-10, 30], xi in [0, 30], any law with p_k >= 1e-8 / V."""
    tokens = draw(st.integers(2, 8))
    layer = ConstructedLayer(draw(floats(-10.0, 30.0)), draw(floats(-10.0, 30.0)), draw(floats(0.0, 30.0)), tokens)
    context = draw(st.lists(st.integers(0, tokens - 1), min_size=2, max_size=12))
    return LayerInContext(layer, np.array(context), draw(simplex_rows(1, tokens, 1e-8))[0])


# ---------------------------------------------------------------------------------------------- attention variants


@st.composite
def logit_arrays(draw: st.DrawFn, *, heads: int | None = None, low: float = -1.0, high: float = 1.0) -> Array:
    """Logits of 1-8 tokens, (T, T) or (heads, T, T), between low and high times a size up to 1000."""
    length, size = draw(st.integers(1, 8)), draw(st.sampled_from([1.0, 10.0, 1000.0]))
    leading = () if heads is None else (heads,)
    return draw(arrays((*leading, length, length), low * size, high * size))


@domain(CausalLogits)
def any_logits() -> st.SearchStrategy[CausalLogits]:
    """Any logits up to 1000 in size."""
    return logit_arrays().map(CausalLogits)


@domain(DormantLogits)
def dormant_logits() -> st.SearchStrategy[DormantLogits]:
    """Logits in [-1000, 0], zeros included."""
    return logit_arrays(high=0.0).map(DormantLogits)


@domain(ClippedLogits)
@st.composite
def clipped_logits(draw: st.DrawFn) -> ClippedLogits:
    """gamma in [-1, -1e-3] and zeta in [1, 1.5]."""
    return ClippedLogits(draw(logit_arrays()), draw(floats(-1.0, -1e-3)), draw(floats(1.0, 1.5)))


@domain(GatedOutput)
@st.composite
def gated_outputs(draw: st.DrawFn) -> GatedOutput:
    """1-6 queries of 1-4 channels, any gate."""
    queries = draw(st.integers(1, 6))
    output = draw(arrays((queries, draw(st.integers(1, 4))), -100.0, 100.0))
    return GatedOutput(output, draw(arrays((queries,), -50.0, 50.0)))


@domain(NormalisedAttention)
@st.composite
def normalised_attentions(draw: st.DrawFn) -> NormalisedAttention:
    """The softmax attention of 1-4 heads on any logits."""
    return NormalisedAttention(softmax_attention(draw(logit_arrays(heads=draw(st.integers(1, 4))))))


@domain(Activations)
@st.composite
def activations(draw: st.DrawFn) -> Activations:
    """1-3 samples of 2-12 activations, the first two of them 1 and -1 so that they vary."""
    samples, entries = draw(st.integers(1, 3)), draw(st.integers(2, 12))
    values = draw(arrays((samples, entries), -10.0, 10.0))
    values[:, :2] = 1.0, -1.0
    return Activations(draw(floats(0.1, 10.0)) * values)


# -------------------------------------------------------------------------------------------- joint dynamics of an MLP


@st.composite
def joint_points(draw: st.DrawFn, *, samples: int = 4) -> JointPoint:
    """1-4 samples of 1-5 tokens, 1-3 nodes, |z| <= 3, |v| and |D| <= 5."""
    count, tokens, nodes = draw(st.integers(1, samples)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    return JointPoint(
        draw(arrays((count, tokens), 0.01, 1.0)),
        draw(arrays((tokens,), -3.0, 3.0)),
        draw(arrays((nodes, tokens), -5.0, 5.0)),
        draw(arrays((count, nodes), -5.0, 5.0)),
    )


@domain(JointPoint)
def any_joint_points() -> st.SearchStrategy[JointPoint]:
    """As `joint_points` says."""
    return joint_points()


@domain(OneSample)
def one_samples() -> st.SearchStrategy[OneSample]:
    """`joint_points` with one sample."""
    return joint_points(samples=1).map(lambda p: OneSample(p.samples, p.logits, p.weights, p.drive))


@domain(ConstantDrive)
def constant_drives() -> st.SearchStrategy[ConstantDrive]:
    """1-6 drives in [-1, 1], the first of them at least 0.1."""
    rest = st.lists(floats(-1.0, 1.0), max_size=5)
    return st.tuples(floats(0.1, 1.0), rest).map(lambda parts: ConstantDrive(np.array([parts[0], *parts[1]])))


@domain(Targets)
def targets() -> st.SearchStrategy[Targets]:
    """1-5 targets in [0.1, 3]: up to e^4.5 = 90 in rate."""
    return st.lists(floats(0.1, 3.0), min_size=1, max_size=5).map(lambda mu: Targets(np.array(mu)))


# ------------------------------------------------------------------------------------------------------ scan and snap


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


# -------------------------------------------------------------------------------------------------- attention SVMs


@st.composite
def selection_sizes(draw: st.DrawFn, *, sequences: int = 6, length: int = 6) -> tuple[int, int, int, int]:
    """n in 1..6, T in 2..6, d from max(T - 1, n) + 2 to 12, and a seed for Gaussian tokens of unit norm."""
    n, tokens = draw(st.integers(1, sequences)), draw(st.integers(2, length))
    return n, tokens, draw(st.integers(max(tokens - 1, n) + 2, 12)), draw(st.integers(0, 2**31 - 1))


@domain(SeparableSelection)
def separable_selections() -> st.SearchStrategy[SeparableSelection]:
    """Any selection of unit-norm Gaussian tokens."""
    return selection_sizes().map(lambda size: SeparableSelection.drawn(*size))


@domain(StrictlyScored)
def strictly_scored() -> st.SearchStrategy[StrictlyScored]:
    """Small problems with scores of others 0.1 to 2.1 below the best; those close to degenerate are left out."""

    def made(size: tuple[int, int, int, int]) -> StrictlyScored | None:
        try:
            return StrictlyScored.drawn(*size)
        except ValueError:
            return None

    drawn: st.SearchStrategy[Any] = selection_sizes(sequences=3, length=4).map(made)
    return drawn.filter(lambda case: case is not None)


@domain(TwoLevelScores)
def two_level_scores() -> st.SearchStrategy[TwoLevelScores]:
    """Two scores per sequence."""
    return selection_sizes().map(lambda size: TwoLevelScores.drawn(*size))


@domain(SquareMatrix)
def square_matrices() -> st.SearchStrategy[SquareMatrix]:
    """Gaussian entries times a size up to 30."""
    sizes = st.tuples(st.integers(0, 2**31 - 1), floats(0.01, 30.0))
    return sizes.map(lambda pair: SquareMatrix.drawn(*pair))
