"""How to draw the instance types of `theory.mechanisms.linear`."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.mechanisms.instances import Sequence, Tokens
from theory.mechanisms.linear.agents import Agency, QueriesAsAgents
from theory.mechanisms.linear.dual_form import Demonstrations
from theory.mechanisms.linear.feature_maps import HighLogits, HighScores, Score
from theory.mechanisms.linear.finite_states import ScalarTokens, SeparatedTokens, TaylorStates
from theory.mechanisms.linear.flow import BalancedFlow, Flow
from theory.mechanisms.linear.injectivity import (
    HOMOGENEOUS,
    FlatKeys,
    HomogeneouslyScaled,
    SpanningFeatures,
    SpanningKeys,
)
from theory.mechanisms.linear.local_and_scan import LinearStates, LocalWindow, SummingStates
from theory.mechanisms.linear.memory import PlainStream, RememberedPair, RepeatedPair, SettledPair, SteadyStream
from theory.mechanisms.linear.state_space import OpenGates, ScalarGates, StateSpace
from theory.mechanisms.linear.tiling import Tiles, TileShape
from theory.mechanisms.linear.toeplitz import DecayingFeatures, RelativePositions, RelativeShape
from theory.numerics import Array

few = st.integers(1, 5)
S = TypeVar("S", bound=StateSpace)


@st.composite
def sequences(draw: st.DrawFn, longest: int = 24, *, least: int = 1, positive: bool = False) -> Sequence:
    """`least` to `longest` normal tokens; `positive` queries and keys are their exponentials."""
    length = draw(st.integers(least, longest))
    made = Tokens.drawn(length, length, draw(few), draw(few), draw(floats(0.0, 2.0)), draw(seeds()))
    q, k = (np.exp(made.queries), np.exp(made.keys)) if positive else (made.queries, made.keys)
    return Sequence(q, k, made.values)


# ------------------------------------------------------------------------------------------------------ flow and agents


@domain(Flow)
@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """1-12 sinks and sources; features of spread e^{+-2 scale}."""
    made = Tokens.drawn(draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(few), draw(few), 1.0, draw(seeds()))
    scale = draw(floats(0.0, 2.0))
    return Flow(np.exp(scale * made.queries), np.exp(scale * made.keys), made.values)


@domain(BalancedFlow)
def balanced_flows() -> st.SearchStrategy[BalancedFlow]:
    """1-12 sinks and as many sources."""
    return sequences(12, positive=True).map(lambda t: BalancedFlow(t.queries, t.keys, t.values))


@domain(Agency)
@st.composite
def agencies(draw: st.DrawFn) -> Agency:
    """1-8 queries, 1-16 keys, 1-5 agents of scale 0 to 5."""
    width, seed = draw(few), draw(seeds())
    tokens = Tokens.drawn(draw(st.integers(1, 8)), draw(st.integers(1, 16)), width, draw(few), 1.0, seed)
    noise = np.random.default_rng(seed + 1).standard_normal((draw(few), width))
    return Agency(tokens, draw(floats(0.0, 5.0)) * noise)


@domain(QueriesAsAgents)
@st.composite
def queries_as_agents(draw: st.DrawFn) -> QueriesAsAgents:
    """2-6 queries of scale 0.1 to 4."""
    drawn = Tokens.drawn(
        draw(st.integers(2, 6)), draw(st.integers(2, 8)), draw(few), 1, draw(floats(0.1, 4.0)), draw(seeds())
    )
    return QueriesAsAgents(drawn, drawn.queries)


# -------------------------------------------------------------------------------------------------------- state spaces


def _state_space(kind: type[S], draw: Any, low: float) -> S:
    length, states, shared = draw(st.integers(1, 14)), draw(st.integers(1, 4)), kind is ScalarGates
    rng = np.random.default_rng(draw(seeds()))
    gates = rng.uniform(low, 1.0, (length, 1 if shared else states))
    if low == 0:
        gates[rng.random(gates.shape) < 0.1] = 0.0
    normal = rng.standard_normal
    return kind(
        np.broadcast_to(gates, (length, states)),
        normal((length, states)),
        normal((length, states)),
        rng.uniform(0.1, 2.0, length),
        normal((length, draw(few))),
    )


@domain(StateSpace)
@st.composite
def state_spaces(draw: st.DrawFn) -> StateSpace:
    """1-14 tokens, 1-4 states, a tenth of the gates closed."""
    return _state_space(StateSpace, draw, 0.0)


@domain(ScalarGates)
@st.composite
def scalar_gates(draw: st.DrawFn) -> ScalarGates:
    """As `state_spaces`, one gate a step."""
    return _state_space(ScalarGates, draw, 0.0)


@domain(OpenGates)
@st.composite
def open_gates(draw: st.DrawFn) -> OpenGates:
    """As `state_spaces`, gates from 1e-3 or from 0.5 up."""
    return _state_space(OpenGates, draw, draw(st.sampled_from([1e-3, 0.5])))


@domain(SeparatedTokens)
@st.composite
def separated_tokens(draw: st.DrawFn) -> SeparatedTokens:
    """2-10 points, scaled so that (n - 1) e^{-r^2/2} is between 0.05 and 0.95."""
    points = np.random.default_rng(draw(seeds())).standard_normal((draw(st.integers(2, 10)), draw(few)))
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)[~np.eye(len(points), dtype=bool)]
    wanted = 2 * np.log((len(points) - 1) / draw(floats(0.05, 0.95)))
    return SeparatedTokens(points * np.sqrt(wanted / squares.min()))


@domain(ScalarTokens)
@st.composite
def scalar_tokens(draw: st.DrawFn) -> ScalarTokens:
    """1-6 points with gaps of 0.01 to 2, spacing 0.1 to 2."""
    gaps = draw(arrays((draw(st.integers(1, 6)),), 0.01, 2.0))
    return ScalarTokens(np.cumsum(gaps) + draw(floats(-4.0, 0.0)), draw(floats(0.1, 2.0)))


@domain(TaylorStates)
@st.composite
def taylor_states(draw: st.DrawFn) -> TaylorStates:
    """1-6 queries and keys whose largest score is 0.1 to 4, degrees 0 to 6."""
    made = Tokens.drawn(draw(few), draw(st.integers(1, 6)), draw(st.integers(1, 3)), 1, 1.0, draw(seeds()))
    largest = np.abs(made.queries @ made.keys.T).max()
    wanted = draw(floats(0.1, 4.0)) * (1 - 1e-9)
    return TaylorStates(Tokens(made.queries * wanted / largest, made.keys, made.values), draw(st.integers(0, 6)))


# --------------------------------------------------------------------------------------------------------- injectivity


@domain(HomogeneouslyScaled)
@st.composite
def scaled_queries(draw: st.DrawFn) -> HomogeneouslyScaled:
    """1-5 channels, one of them positive throughout so that scores do not vanish; factors 1e-3 to 1e3."""
    rng, width = np.random.default_rng(draw(seeds())), draw(few)
    query, keys = rng.standard_normal(width), rng.standard_normal((draw(st.integers(2, 8)), width))
    query[0], keys[:, 0] = abs(query[0]) + 0.1, np.abs(keys[:, 0]) + 0.1
    features = HOMOGENEOUS[draw(st.sampled_from(sorted(HOMOGENEOUS)))]
    return HomogeneouslyScaled(query, draw(log_uniform(-3.0, 3.0)), keys, features)


@domain(SpanningKeys)
@st.composite
def spanning_keys(draw: st.DrawFn) -> SpanningKeys:
    """1-5 channels, orthonormal centred keys stretched by 0.1 to 3 each, queries of scale 0 to 5."""
    width, rng = draw(few), np.random.default_rng(draw(seeds()))
    centred = rng.standard_normal((width + draw(st.integers(1, 6)), width))
    frame = np.linalg.qr(centred - centred.mean(axis=0))[0]
    keys = frame * rng.uniform(0.1, 3.0, width) + rng.standard_normal(width)
    return SpanningKeys(draw(floats(0.0, 5.0)) * rng.standard_normal(width), keys)


@domain(SpanningFeatures)
@st.composite
def spanning_features(draw: st.DrawFn) -> SpanningFeatures:
    """1-5 features in [0.01, 1]; every key has one of them much more strongly, in turn."""
    width, rng = draw(few), np.random.default_rng(draw(seeds()))
    keys = rng.uniform(0.01, 1.0, (width + draw(st.integers(0, 6)), width))
    keys[np.arange(len(keys)), np.arange(len(keys)) % width] += 2.0 * width
    return SpanningFeatures(rng.uniform(0.01, 1.0, width), keys)


@domain(FlatKeys)
@st.composite
def flat_keys(draw: st.DrawFn) -> FlatKeys:
    """2-5 channels: too few keys, or keys that agree along a random direction."""
    width, rng = draw(st.integers(2, 5)), np.random.default_rng(draw(seeds()))
    keys = rng.standard_normal((draw(st.integers(2, 9)), width))
    if len(keys) > width:
        direction = rng.standard_normal(width)
        direction /= np.linalg.norm(direction)
        keys = keys - np.outer(keys @ direction - 0.7, direction)
    return FlatKeys(draw(floats(0.0, 3.0)) * rng.standard_normal(width), keys)


# ------------------------------------------------------------------------------------------------- gradients and memory


@domain(Demonstrations)
@st.composite
def demonstrations(draw: st.DrawFn) -> Demonstrations:
    """1-12 demonstrations, 1-6 steps of a rate below 2 over the largest curvature."""
    tokens = Tokens.drawn(
        draw(few), draw(st.integers(1, 12)), draw(few), draw(few), draw(floats(0.1, 3.0)), draw(seeds())
    )
    start = np.random.default_rng(draw(seeds())).standard_normal((tokens.values.shape[1], tokens.keys.shape[1]))
    curvature = float(np.linalg.norm(tokens.keys, 2)) ** 2
    return Demonstrations(tokens, start, draw(floats(0.01, 2.0)) / curvature, draw(st.integers(1, 6)))


def _streams(kind: Any, draw: Any, eta: Any, alpha: Any) -> Any:
    tokens = draw(sequences(14))
    keys = tokens.keys / np.linalg.norm(tokens.keys, axis=1, keepdims=True)
    length = len(keys)
    rng = np.random.default_rng(draw(seeds()))
    return kind(
        Sequence(tokens.queries, keys, tokens.values), rng.uniform(0, 1.5, length), eta(length), alpha(length, rng)
    )


@domain(PlainStream)
@st.composite
def plain_streams(draw: st.DrawFn) -> PlainStream:
    """1-14 unit-norm keys, steps up to 1.5, forgetting anywhere in [0, 1]."""
    return _streams(PlainStream, draw, np.zeros, lambda n, rng: rng.uniform(0, 1, n))


@domain(SteadyStream)
@st.composite
def steady_streams(draw: st.DrawFn) -> SteadyStream:
    """As `plain_streams`, with one momentum and one forgetting for all tokens."""
    eta, alpha = draw(floats(0.0, 1.0)), draw(floats(0.0, 1.0))
    return _streams(SteadyStream, draw, lambda n: np.full(n, eta), lambda n, rng: np.full(n, alpha))


@domain(RepeatedPair)
@st.composite
def repeated_pairs(draw: st.DrawFn) -> RepeatedPair:
    """Steps up to 5, a half of them without forgetting, a half with the momentum that settles fastest."""
    theta, alpha = draw(floats(0.01, 5.0)), draw(st.just(0.0) | floats(0.0, 0.9))
    best = (np.sqrt(1 - alpha) - np.sqrt(theta)) ** 2
    return RepeatedPair(theta, best if best < 0.95 and draw(st.booleans()) else draw(floats(0.0, 0.95)), alpha)


@domain(RememberedPair)
def remembered_pairs() -> st.SearchStrategy[RememberedPair]:
    """Steps up to 5."""
    return st.builds(RememberedPair, floats(0.01, 5.0), floats(0.0, 0.99))


@domain(SettledPair)
@st.composite
def settled_pairs(draw: st.DrawFn) -> SettledPair:
    """Steps of 0.4 to 1, momentum below 0.6, forgetting below 0.7."""
    return SettledPair(draw(floats(0.4, 1.0)), draw(floats(0.0, 0.6)), draw(floats(0.0, 0.7)))


# ------------------------------------------------------------------------------------------------- tiles and positions


@domain(Tiles)
def tiles() -> st.SearchStrategy[Tiles]:
    """2-40 tokens in blocks of 1-45."""
    return st.builds(Tiles, sequences(40, least=2), floats(0.0, 1.0), st.integers(1, 45))


@domain(TileShape)
def tile_shapes() -> st.SearchStrategy[TileShape]:
    """Up to 6 blocks of up to 8 tokens; the shapes that attain the bound are among them."""
    anything = st.builds(TileShape, st.integers(1, 6), st.integers(1, 24), st.integers(1, 8), st.integers(1, 6))
    return anything | st.sampled_from([TileShape(2, 3, 1, 5), TileShape(5, 24, 2, 3)])


@domain(RelativePositions)
@st.composite
def relative_positions(draw: st.DrawFn) -> RelativePositions:
    """1-24 tokens, biases within +-4, all offsets or the past alone."""
    features = draw(sequences(24, positive=True))
    length = len(features.keys)
    factors = np.exp(np.random.default_rng(draw(seeds())).uniform(-4.0, 4.0, 2 * length - 1))
    if draw(st.booleans()):
        factors[length:] = 0.0
    return RelativePositions(features, factors)


@domain(DecayingFeatures)
def decaying_features() -> st.SearchStrategy[DecayingFeatures]:
    """1-24 tokens."""
    return st.builds(DecayingFeatures, sequences(24, positive=True), floats(0.7, 1.0))


@domain(RelativeShape)
def relative_shapes() -> st.SearchStrategy[RelativeShape]:
    """1-70 tokens."""
    return st.builds(RelativeShape, st.integers(1, 70), few, few)


# -------------------------------------------------------------------------------------------- feature maps and windows


@domain(Score)
def scores() -> st.SearchStrategy[Score]:
    """0.001 to 400 in size."""
    signs = st.sampled_from([-1.0, 1.0])
    return st.builds(lambda s, x: Score(s * x), signs, log_uniform(-2.99, 2.6))


@domain(HighScores)
def high_scores() -> st.SearchStrategy[HighScores]:
    """From -1 to 50."""
    return st.tuples(floats(-1.0, 50.0), floats(-1.0, 50.0)).map(lambda pair: HighScores(*sorted(pair)))


@domain(HighLogits)
def high_logits() -> st.SearchStrategy[HighLogits]:
    """2-8 logits from -1 to 1 or 30."""
    some = st.tuples(st.integers(2, 8), st.sampled_from([1.0, 30.0]))
    return some.flatmap(lambda a: arrays((a[0],), -1.0, a[1]).map(HighLogits))


@st.composite
def _states(draw: st.DrawFn) -> tuple[Array, int]:
    """1-6 states of 2-12 tokens: dense, or sparse with entries in {-1, 0, 1}."""
    length = draw(st.integers(2, 12))
    shape = (draw(st.integers(1, min(6, length))), length)
    rng = np.random.default_rng(draw(seeds()))
    states = rng.standard_normal(shape)
    if draw(st.booleans()):
        states = np.eye(length)[rng.permutation(length)[: shape[0]]]
    return states, draw(st.integers(1, length))


@domain(LinearStates)
def linear_states() -> st.SearchStrategy[LinearStates]:
    """As `_states`."""
    return _states().map(lambda s: LinearStates(*s))


@domain(SummingStates)
def summing_states() -> st.SearchStrategy[SummingStates]:
    """As `_states`, a sum in front."""
    return _states().map(lambda s: SummingStates(np.concatenate([np.ones((1, s[0].shape[1])), s[0]]), s[1]))


@domain(LocalWindow)
@st.composite
def local_windows(draw: st.DrawFn) -> LocalWindow:
    """Up to 40 tokens."""
    length = draw(st.integers(1, 40))
    return LocalWindow(length, draw(st.integers(1, length)))
