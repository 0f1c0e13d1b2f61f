"""How to draw the instance types of sink flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, simplex_rows
from theory.sink_flow.adam import OrderedAdamTail
from theory.sink_flow.competitors import CompetingSinks
from theory.sink_flow.existence import ConstructedLayer, LayerInContext
from theory.sink_flow.interventions import ClippedSink, GatedSink
from theory.sink_flow.model import ConstantValue, EqualLogits, FlowStart, PushedValue, SinkModel, SinkPoint
from theory.sink_flow.random_contexts import RandomContexts, fluctuation
from theory.sink_flow.residual_peak import PeakStart, ResidualPeak


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
