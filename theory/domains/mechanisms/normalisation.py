"""How to draw the instance types of `theory.mechanisms.normalisation`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory.domains.registry import arrays, domain, floats, log_uniform, seeds, simplex_rows
from theory.mechanisms.normalisation.blending import BlendedQueries, TwoImages
from theory.mechanisms.normalisation.emphasis import ChosenTokens, GrowingText
from theory.mechanisms.normalisation.entropy_bound import NormAndKeys, SelfAttention
from theory.mechanisms.normalisation.forced_sink import NoObtuseValues, OutsideTheHull, SinkOfNothing
from theory.mechanisms.normalisation.length_scaling import FewGaussianLogits, ManyGaussianLogits, Sharpened
from theory.mechanisms.normalisation.no_op import EqualOthers, WideRow, gap_for_zeros_at_any_length
from theory.mechanisms.normalisation.perturbation import Disturbed, SmallStep
from theory.mechanisms.normalisation.sigmoid import SelfMap
from theory.mechanisms.normalisation.sink_budget import DrainedSink, SharedWithAll, SinkHead
from theory.mechanisms.normalisation.temperature import RowsAtTemperature, Scaled, Singled

# ------------------------------------------------------------------------------------------------- disturbed logits


@domain(Disturbed)
@st.composite
def disturbed(draw: st.DrawFn) -> Disturbed:
    """2-6 logits in +-10, and a change of range 1e-3 to 100."""
    keys = draw(st.integers(2, 6))
    change = np.array([0.0, 1.0, *draw(arrays((keys - 2,), 0.0, 1.0))])
    return Disturbed(draw(arrays((keys,), -10.0, 10.0)), draw(log_uniform(-3.0, 2.0)) * change)


@domain(SmallStep)
@st.composite
def small_steps(draw: st.DrawFn) -> SmallStep:
    """2-6 logits in +-10, and a step of 1e-4 to 0.5 in any direction."""
    keys = draw(st.integers(2, 6))
    direction = np.array([1.0, -1.0, *draw(arrays((keys - 2,), -2.0, 2.0))])
    return SmallStep(draw(arrays((keys,), -10.0, 10.0)), direction, draw(floats(-4.0, -0.3).map(lambda x: 10.0**x)))


# ----------------------------------------------------------------------------------------------------- temperature


@domain(Scaled)
@st.composite
def scaled(draw: st.DrawFn) -> Scaled:
    """2-8 logits in +-10 at a temperature of 0.01 to 5."""
    return Scaled(draw(arrays((draw(st.integers(2, 8)),), -10.0, 10.0)), draw(floats(0.01, 5.0)))


@domain(RowsAtTemperature)
@st.composite
def rows_at_temperature(draw: st.DrawFn) -> RowsAtTemperature:
    """1-4 rows of 2-16 keys."""
    rng = np.random.default_rng(draw(seeds()))
    logits = rng.standard_normal((draw(st.integers(1, 4)), draw(st.integers(2, 16))))
    return RowsAtTemperature(draw(floats(0.11, 2.9)) * logits / logits.std(axis=1).max(), draw(floats(0.1, 3.0)))


@domain(Singled)
@st.composite
def singled(draw: st.DrawFn) -> Singled:
    """2-8 tokens, or 1,000 equal others; a gap of 0.1 to 10 and a mass up to 1 - 1e-6."""
    below = draw(st.one_of(st.integers(1, 7).flatmap(lambda k: arrays((k,), 0.0, 5.0)), st.just(np.zeros(1000))))
    least = 1 / (1 + len(below))
    return Singled(draw(floats(0.1, 10.0)), below, least + draw(floats(0.0, 1.0)) * (1 - 1e-6 - least))


# ---------------------------------------------------------------------------------------------------- entropy bound


@domain(NormAndKeys)
def norms_and_keys() -> st.SearchStrategy[NormAndKeys]:
    """A norm of 1e-2 to 400 over 2-48 keys."""
    return st.builds(NormAndKeys, log_uniform(-2.0, 2.6), st.integers(2, 48))


@domain(SelfAttention)
@st.composite
def self_attention(draw: st.DrawFn) -> SelfAttention:
    """2-12 tokens in 1-6 channels, one head of 1-4, with query weights of deviation 0.01 to 3."""
    rng, width, head = np.random.default_rng(draw(seeds())), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    tokens, keys = rng.standard_normal((draw(st.integers(2, 12)), width)), rng.standard_normal((width, head))
    return SelfAttention(tokens, draw(log_uniform(-2.0, 0.5)) * rng.standard_normal((width, head)), keys)


# --------------------------------------------------------------------------------------------------- length scaling


@domain(Sharpened)
@st.composite
def weights_to_sharpen(draw: st.DrawFn) -> Sharpened:
    """2-8 weights, to a power of 1 to 20."""
    return Sharpened(draw(simplex_rows(1, draw(st.integers(2, 8)), 0.0))[0], draw(floats(1.0, 20.0)))


@domain(FewGaussianLogits)
def few_gaussian_logits() -> st.SearchStrategy[FewGaussianLogits]:
    """2 or 3 keys, deviations of 0.01 to 1."""
    return st.builds(FewGaussianLogits, st.integers(2, 3), floats(0.01, 1.0))


@domain(ManyGaussianLogits)
def many_gaussian_logits() -> st.SearchStrategy[ManyGaussianLogits]:
    """512 to 2,048 keys, deviations of 0.05 to 1.2."""
    return st.builds(ManyGaussianLogits, st.integers(512, 2048), floats(0.05, 1.2), seeds())


# ---------------------------------------------------------------------------------------------- doing nothing, sigmoid


@domain(EqualOthers)
def equal_others() -> st.SearchStrategy[EqualOthers]:
    """2-40 keys, gaps of -2 to 12, gamma in -0.5 to -0.003 and zeta in 1 to 1.3."""
    gamma = log_uniform(-2.5, -0.3).map(lambda g: -g)
    return st.builds(EqualOthers.at, floats(-2.0, 12.0), st.integers(2, 40), gamma, floats(1.0, 1.3))


@domain(WideRow)
@st.composite
def wide_rows(draw: st.DrawFn) -> WideRow:
    """1-8 others from exactly the gap to 3 beyond it; gamma in -2 to -0.003, zeta in 1 to 1.3."""
    gamma, zeta = -draw(log_uniform(-2.5, 0.3)), draw(floats(1.0, 1.3))
    beyond = draw(arrays((draw(st.integers(1, 8)),), 0.0, 3.0))
    return WideRow(-gap_for_zeros_at_any_length(gamma, zeta) - beyond, gamma, zeta)


@domain(SelfMap)
@st.composite
def self_maps(draw: st.DrawFn) -> SelfMap:
    """1-5 tokens in 1-3 channels with entries in +-1.5, A with entries in +-1.5, a bias of -4 to 1."""
    n, d = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    matrix = draw(arrays((d, d), -1.5, 1.5))
    return SelfMap(draw(arrays((n, d), -1.5, 1.5)), matrix, draw(floats(-4.0, 1.0)))


# ------------------------------------------------------------------------------------------------------------ sinks


@st.composite
def _sink_heads(draw: st.DrawFn, kind: type[SinkHead]) -> SinkHead:
    """2-8 tokens with logits in +-6 and values in +-3, in 1-3 channels; the last token has one of at least 1/2."""
    n, shared = draw(st.integers(2, 8)), issubclass(kind, SharedWithAll)
    values = draw(arrays((n, draw(st.integers(1, 3))), -3.0, 3.0))
    values[0] *= not issubclass(kind, DrainedSink)
    values[-1, 0] = max(0.5, abs(values[-1, 0]))
    others = [True, *(shared or draw(st.booleans()) for _ in range(n - 2))]
    return kind(draw(arrays((n,), -6.0, 6.0)), values, np.array([False, *others]), draw(floats(0.0, 0.99)))


@domain(SinkHead)
def sink_heads() -> st.SearchStrategy[SinkHead]:
    """Any recipients."""
    return _sink_heads(SinkHead)


@domain(SharedWithAll)
def sinks_shared_with_all() -> st.SearchStrategy[SinkHead]:
    """Every other token receives."""
    return _sink_heads(SharedWithAll)


@domain(DrainedSink)
def drained_sinks() -> st.SearchStrategy[SinkHead]:
    """The sink's value is zero."""
    return _sink_heads(DrainedSink)


@domain(SinkOfNothing)
@st.composite
def sinks_of_nothing(draw: st.DrawFn) -> SinkOfNothing:
    """1-6 tokens besides the sink, logits in +-15."""
    n = draw(st.integers(1, 6))
    return SinkOfNothing(draw(arrays((n + 1,), -15.0, 15.0)), np.ones((n, 1)))


@domain(OutsideTheHull)
@st.composite
def outside_the_hull(draw: st.DrawFn) -> OutsideTheHull:
    """1-6 values in 1-4 channels, the first of which is at least 0.1 in all of them."""
    n, channels = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    values = draw(arrays((n, channels), -2.0, 2.0))
    values[:, 0] = 0.1 + np.abs(values[:, 0])
    return OutsideTheHull(draw(arrays((n + 1,), -6.0, 6.0)), values)


@domain(NoObtuseValues)
@st.composite
def no_obtuse_values(draw: st.DrawFn) -> NoObtuseValues:
    """1-5 values in the positive orthant, near the axes or not."""
    n = draw(st.integers(1, 5))
    values = draw(arrays((n,), 0.5, 2.0))[:, None] * np.eye(n) + draw(floats(0.0, 1.0)) * draw(arrays((n, n), 0.0, 1.0))
    return NoObtuseValues(draw(arrays((n + 1,), -6.0, 6.0)), values)


# --------------------------------------------------------------------------------------------- emphasis and blending


@st.composite
def _proper_subset(draw: st.DrawFn, size: int) -> np.ndarray:
    """Which of `size` tokens are chosen: at least one is and one is not."""
    bits = draw(st.integers(1, 2**size - 2))
    return np.array([bits >> i & 1 == 1 for i in range(size)])


@domain(ChosenTokens)
@st.composite
def chosen_tokens(draw: st.DrawFn) -> ChosenTokens:
    """2-8 tokens, logits in +-15 and a bias in +-10."""
    n = draw(st.integers(2, 8))
    return ChosenTokens(draw(arrays((n,), -15.0, 15.0)), draw(_proper_subset(n)), draw(floats(-10.0, 10.0)))


@domain(GrowingText)
def growing_text() -> st.SearchStrategy[GrowingText]:
    """Up to 600 source tokens and up to 2,000 others."""
    return st.builds(GrowingText, st.integers(1, 600), st.integers(1, 2000), st.integers(1, 2000))


@domain(BlendedQueries)
@st.composite
def blended_queries(draw: st.DrawFn) -> BlendedQueries:
    """1-3 queries, 2-12 keys, 1-4 channels."""
    rng, m, d = np.random.default_rng(draw(seeds())), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    content, style = draw(floats(0.1, 2.0)) * rng.standard_normal((2, m, d))
    return BlendedQueries(content, style, rng.standard_normal((draw(st.integers(2, 12)), d)), draw(floats(0.0, 1.0)))


@domain(TwoImages)
@st.composite
def two_images(draw: st.DrawFn) -> TwoImages:
    """8-40 positions each, 1-4 channels, with different means and deviations."""
    rng, channels = np.random.default_rng(draw(seeds())), draw(st.integers(1, 4))
    content, style = (
        rng.uniform(-3, 3, channels) + rng.uniform(0.3, 3, channels) * rng.standard_normal((size, channels))
        for size in (draw(st.integers(8, 40)), draw(st.integers(8, 40)))
    )
    return TwoImages(content, style)
