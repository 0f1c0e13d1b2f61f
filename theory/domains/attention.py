"""How to draw the instance types of attention variants and sink metrics."""

from __future__ import annotations

from hypothesis import strategies as st

from theory.attention_variants import CausalLogits, ClippedLogits, DormantLogits, GatedOutput, softmax_attention
from theory.domains.registry import arrays, domain, floats
from theory.numerics import Array
from theory.sink_metrics import Activations, NormalisedAttention


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
