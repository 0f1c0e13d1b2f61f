"""How to draw the instance types of `theory.mechanisms.credit`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.attention import softmax
from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.mechanisms.credit.ablation import LinearReadOut, PolynomialReadOut
from theory.mechanisms.credit.balanced_loss import BalancedLoss, RegionLoss
from theory.mechanisms.credit.fixations import SearchDisplay
from theory.mechanisms.credit.head_scaling import EmphasisedSource, ScaledHead, SupportiveHead
from theory.mechanisms.credit.leaks import Reference, SealedReference
from theory.mechanisms.credit.leave_one_out import Answer, MaskedEdit
from theory.mechanisms.credit.location_gradients import AttendedValues, SharedWeights
from theory.mechanisms.credit.random_rollout import ExchangeableLayers
from theory.mechanisms.credit.relevance import Layers, ScalarHead, SelfAttendingHead, WholeSpreading
from theory.mechanisms.credit.relu_relevance import BiasFreeReluNet, ReluNet
from theory.mechanisms.credit.rollout import (
    CausalRollout,
    QueriedRollout,
    RepeatedLayer,
    StochasticLayers,
)
from theory.mechanisms.credit.search_asymmetry import TrainedSearch
from theory.mechanisms.credit.shared_heads import UnrelatedTasks
from theory.mechanisms.credit.subsets import Chosen
from theory.mechanisms.credit.uniform_rollout import UniformLayers
from theory.numerics import Array


def normal_arrays(shape: tuple[int, ...], low: float, high: float) -> st.SearchStrategy[Array]:
    """As `arrays`, without numbers so small that products of a few of them lose digits to underflow."""
    return arrays(shape, low, high).map(lambda a: np.where(np.abs(a) < 1e-60, 0.0, a))


def subsets(size: int) -> st.SearchStrategy[Chosen]:
    """Some, not all, of `size`."""
    flags = st.lists(st.booleans(), min_size=size, max_size=size)
    return flags.filter(lambda f: 0 < sum(f) < size).map(np.array)


# ------------------------------------------------------------------------------------------------ heads and tokens


@domain(UnrelatedTasks)
@st.composite
def unrelated_tasks(draw: st.DrawFn) -> UnrelatedTasks:
    """2-6 heads, circuits of any size."""
    heads = draw(st.integers(2, 6))
    size = st.integers(1, heads)
    rng = np.random.default_rng(draw(seeds()))
    one, two = rng.standard_normal((2, heads))
    return UnrelatedTasks(one, two, draw(size), draw(size))


@domain(PolynomialReadOut)
def polynomial_read_outs() -> st.SearchStrategy[PolynomialReadOut]:
    """1-3 factors, 4-5 heads of 1-3 channels, 2-4 examples."""
    few = st.integers(1, 3)
    return st.builds(PolynomialReadOut.drawn, st.integers(2, 4), st.integers(4, 5), few, few, seeds())


@domain(LinearReadOut)
def linear_read_outs() -> st.SearchStrategy[PolynomialReadOut]:
    """2-6 heads of 1-4 channels, 2-6 examples."""
    few = st.integers(2, 6)
    return st.builds(LinearReadOut.drawn, few, few, st.integers(1, 4), st.just(1), seeds())


@domain(ScaledHead)
@st.composite
def scaled_heads(draw: st.DrawFn) -> ScaledHead:
    """2-7 tokens, logits in +-10, scale in +-3."""
    size = draw(st.integers(2, 7))
    others, written = draw(normal_arrays((size,), -10.0, 10.0)), draw(normal_arrays((size,), -3.0, 3.0))
    return ScaledHead(others, written, draw(floats(-3.0, 3.0)), draw(subsets(size)))


@domain(SupportiveHead)
@st.composite
def supportive_heads(draw: st.DrawFn) -> SupportiveHead:
    """As `scaled_heads`: up to 1 of spread among unsupported and among supported tokens, a gap of 0.1 to 3."""
    size = draw(st.integers(2, 7))
    unsupported = draw(subsets(size))
    written = draw(normal_arrays((size,), 0.0, 1.0))
    written = np.where(unsupported, written - written[unsupported].max(), written + draw(floats(0.1, 3.0)))
    others = draw(normal_arrays((size,), -10.0, 10.0))
    return SupportiveHead(others, written, draw(floats(0.0, 3.0)), unsupported, draw(floats(0.1, 5.0)))


@domain(EmphasisedSource)
@st.composite
def emphasised_sources(draw: st.DrawFn) -> EmphasisedSource:
    """2-4 positions, 2-4 tokens, values in +-5, emphasis in +-5."""
    positions, tokens = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    scores, values = draw(normal_arrays((positions,), -5.0, 5.0)), draw(normal_arrays((positions, tokens), -5.0, 5.0))
    return EmphasisedSource(scores, values, draw(subsets(positions)), draw(subsets(tokens)), draw(floats(-5.0, 5.0)))


@domain(Answer)
@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """2-8 tokens, logits in +-3."""
    size = draw(st.integers(2, 8))
    return Answer(draw(normal_arrays((size,), -3.0, 3.0)), draw(normal_arrays((size,), -5.0, 5.0)), draw(subsets(size)))


@domain(MaskedEdit)
@st.composite
def masked_edits(draw: st.DrawFn) -> MaskedEdit:
    """2-4 tokens, 1-2 channels, logits in +-4."""
    size, channels = draw(st.integers(2, 4)), draw(st.integers(1, 2))
    edited = draw(subsets(size))
    logits, values = draw(normal_arrays((size,), -4.0, 4.0)), draw(normal_arrays((size, channels), -1.0, 1.0))
    new_logits = np.where(edited, draw(normal_arrays((size,), -4.0, 4.0)), logits)
    new_values = np.where(edited[:, None], draw(normal_arrays((size, channels), -1.0, 1.0)), values)
    return MaskedEdit(logits, values, new_logits, new_values, edited)


# ------------------------------------------------------------------------------------------ relevance and saliency


@domain(ScalarHead)
@st.composite
def scalar_heads(draw: st.DrawFn) -> ScalarHead:
    """2-6 tokens of 1-3 channels."""
    length, width = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    vector = normal_arrays((width,), -3.0, 3.0)
    return ScalarHead(draw(normal_arrays((length, width), -3.0, 3.0)), draw(vector), draw(vector))


@domain(SelfAttendingHead)
@st.composite
def self_attending_heads(draw: st.DrawFn) -> SelfAttendingHead:
    """2-6 tokens of 1-3 channels."""
    length, width = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    tokens, bilinear = draw(normal_arrays((length, width), -2.0, 2.0)), draw(normal_arrays((width, width), -2.0, 2.0))
    return SelfAttendingHead(tokens, bilinear, draw(normal_arrays((width,), -3.0, 3.0)))


@domain(Layers)
def relevance_layers() -> st.SearchStrategy[Layers]:
    """2-8 tokens of 2-6 channels, 1-4 layers."""
    return st.builds(Layers.drawn, st.integers(2, 8), st.integers(2, 6), st.integers(1, 4), floats(0.0, 3.0), seeds())


@domain(WholeSpreading)
@st.composite
def whole_spreadings(draw: st.DrawFn) -> WholeSpreading:
    """2-8 places, 2-8 regions."""
    rng = np.random.default_rng(draw(seeds()))
    places, regions = draw(st.integers(2, 8)), draw(st.integers(2, 8))
    return WholeSpreading(draw(normal_arrays((places,), -5.0, 5.0)), rng.dirichlet(np.ones(regions), places).T)


def first_alive(kind: type[ReluNet], widths: tuple[int, ...], bias: float, seed: int) -> ReluNet:
    """The net of the first seed from `seed` on that leaves no pre-activation at 0: a dead layer would, without bias."""
    while True:
        try:
            return kind.drawn(widths, bias, seed)
        except ValueError:
            seed += 1


def some_widths() -> st.SearchStrategy[tuple[int, ...]]:
    """An input and 1-3 hidden layers of 2-8 units."""
    return st.lists(st.integers(2, 8), min_size=2, max_size=4).map(tuple)


@domain(ReluNet)
def relu_nets() -> st.SearchStrategy[ReluNet]:
    """Biases of up to 2 in scale."""
    return st.builds(first_alive, st.just(ReluNet), some_widths(), floats(0.0, 2.0), seeds())


@domain(BiasFreeReluNet)
def bias_free_relu_nets() -> st.SearchStrategy[ReluNet]:
    """As `relu_nets`, without biases."""
    return st.builds(first_alive, st.just(BiasFreeReluNet), some_widths(), st.just(0.0), seeds())


@domain(SharedWeights)
@st.composite
def shared_weights(draw: st.DrawFn) -> SharedWeights:
    """1-6 places, 1-3 channels in and out, as many as in every other time."""
    places, width = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    out = draw(st.one_of(st.just(width), st.integers(1, 3)))
    features, upstream = draw(normal_arrays((places, width), -3.0, 3.0)), draw(normal_arrays((places, out), -3.0, 3.0))
    return SharedWeights(features, upstream, draw(st.integers(1, places)))


@domain(AttendedValues)
@st.composite
def attended_values(draw: st.DrawFn) -> AttendedValues:
    """1-5 queries, 1-6 tokens, 1-3 channels."""
    queries, tokens, width = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    weights = softmax(draw(normal_arrays((queries, tokens), -5.0, 5.0)))
    return AttendedValues(
        weights, draw(normal_arrays((tokens, width), -3.0, 3.0)), draw(normal_arrays((queries, width), -3.0, 3.0))
    )


# --------------------------------------------------------------------------------------------- masks and regions


@domain(Reference)
@st.composite
def references(draw: st.DrawFn) -> Reference:
    """A box in a frame of 2-8 tokens, 1-3 references, 1-3 layers."""
    box, isolated = draw(subsets(draw(st.integers(2, 8)))), draw(st.booleans())
    return Reference(box, draw(st.integers(1, 3)), draw(st.integers(1, 3)), isolated, draw(seeds()))


@domain(SealedReference)
def sealed_references() -> st.SearchStrategy[SealedReference]:
    """As `references`, isolated where there is more than one layer."""
    return references().map(
        lambda r: SealedReference(r.box, r.references, r.layers, r.isolated or r.layers > 1, r.seed)
    )


@domain(RegionLoss)
def region_losses() -> st.SearchStrategy[RegionLoss]:
    """Shares from 1 to 99 percent, weights from 0.01 to 100, power 2 or 1.3 to 5, optima 0.1 to 10 apart."""
    return st.builds(
        lambda share, weight, low, apart, power: RegionLoss(share, weight, low, low + apart, power),
        floats(0.01, 0.99), log_uniform(-2.0, 2.0), floats(-5.0, 5.0), floats(0.1, 10.0),
        st.one_of(st.just(2.0), floats(1.3, 5.0)),
    )  # fmt: skip


@domain(BalancedLoss)
def balanced_losses() -> st.SearchStrategy[BalancedLoss]:
    """As `region_losses`, balanced."""
    return region_losses().map(lambda r: BalancedLoss(r.share, (1 - r.share) / r.share, r.inside, r.outside, r.power))


# --------------------------------------------------------------------------------------------- search and flow


@domain(SearchDisplay)
@st.composite
def search_displays(draw: st.DrawFn) -> SearchDisplay:
    """2-5 objects, priorities in +-1 or +-10."""
    objects, size = draw(st.integers(2, 5)), draw(st.sampled_from([1.0, 10.0]))
    return SearchDisplay(size * draw(normal_arrays((objects,), -1.0, 1.0)), draw(st.integers(0, objects - 1)))


@domain(TrainedSearch)
@st.composite
def trained_searches(draw: st.DrawFn) -> TrainedSearch:
    """1-4 channels, training counts of 1 to 20, beta D of up to 12, 2-5 items."""
    width, count = draw(st.integers(1, 4)), st.integers(1, 20)
    a, b = draw(normal_arrays((width,), -2.0, 2.0)), draw(normal_arrays((width,), -2.0, 2.0))
    beta = draw(floats(0.0, 12.0)) / max(1.0, ((a - b) ** 2).sum())
    return TrainedSearch(a, b, draw(count), draw(count), beta, draw(st.integers(2, 5)))


@domain(StochasticLayers)
@st.composite
def stochastic_layers(draw: st.DrawFn) -> StochasticLayers:
    """2-8 tokens, 1-8 layers."""
    length, layers = draw(st.integers(2, 8)), draw(st.integers(1, 8))
    logits = draw(floats(0.0, 8.0)) * np.random.default_rng(draw(seeds())).standard_normal((layers, length, length))
    return StochasticLayers(softmax(logits), draw(floats(0.0, 0.95)))


@domain(CausalRollout)
@st.composite
def causal_rollouts(draw: st.DrawFn) -> CausalRollout:
    """2-8 tokens, 1-6 layers."""
    length, layers = draw(st.integers(2, 8)), draw(st.integers(1, 6))
    return CausalRollout.drawn(length, layers, draw(floats(0.0, 8.0)), draw(floats(0.0, 0.9)), draw(seeds()))


@domain(QueriedRollout)
def queried_rollouts() -> st.SearchStrategy[QueriedRollout]:
    """Any query of `stochastic_layers`."""
    return st.builds(
        lambda case, query: QueriedRollout(case, query % case.layers.shape[1]), stochastic_layers(), seeds()
    )


@domain(RepeatedLayer)
@st.composite
def repeated_layers(draw: st.DrawFn) -> RepeatedLayer:
    """2-8 tokens, of which one keeps 0.6 to 0.95 to itself and each other one at least 1.3 times less, as moved."""
    length, residual, most = draw(st.integers(2, 8)), draw(floats(0.0, 0.5)), draw(floats(0.6, 0.95))
    least = ((residual + (1 - residual) * most) / 1.3 - residual) / (1 - residual)
    rng = np.random.default_rng(draw(seeds()))
    kept = least * rng.uniform(0.1, 1.0, length)
    kept[draw(st.integers(1, length - 1))] = most
    weights = np.zeros((length, length))
    weights[0, 0] = 1.0
    for query in range(1, length):
        given = 0.2 / query + 0.8 * softmax(rng.standard_normal(query))
        weights[query, : query + 1] = [*((1 - kept[query]) * given), kept[query]]
    return RepeatedLayer(weights[None], residual)


@domain(UniformLayers)
def uniform_layers() -> st.SearchStrategy[UniformLayers]:
    """2-24 tokens, 1-12 layers."""
    return st.builds(UniformLayers, st.integers(2, 24), st.integers(1, 12), floats(0.0, 0.95))


@domain(ExchangeableLayers)
@st.composite
def exchangeable_layers(draw: st.DrawFn) -> ExchangeableLayers:
    """1-2 layers of 3 tokens, logits in +-6."""
    logits = draw(normal_arrays((draw(st.integers(1, 2)), 3, 3), -6.0, 6.0))
    return ExchangeableLayers(logits, draw(floats(0.0, 0.95)))
