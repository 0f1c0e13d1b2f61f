"""How to draw the instance types of `theory.mechanisms.structure`."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from theory.domains.mechanisms.instances import sequences
from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.mechanisms.instances import Sequence
from theory.mechanisms.structure.channel_attention import ChannelTokens, TurnedTokens
from theory.mechanisms.structure.focal_modulation import FocalBlock
from theory.mechanisms.structure.graph_attention import GraphTokens
from theory.mechanisms.structure.graph_positions import GridShape, RingLength
from theory.mechanisms.structure.grouped_heads import GroupedHeads, UntiedHeads
from theory.mechanisms.structure.key_value_noise import NoisyHead, ScalarReadout
from theory.mechanisms.structure.mixture_of_heads import GatedHeads, HeadSubset
from theory.mechanisms.structure.pointer import Scores, Unsorted
from theory.mechanisms.structure.random_blocks import (
    BlockLottery,
    BlockSequence,
    DiagonalChoice,
    random_blocks,
)
from theory.mechanisms.structure.reversed_attention import OpenSenders
from theory.mechanisms.structure.rotary import RotaryPair, RotarySequence
from theory.mechanisms.structure.staircase import AgeingTokens, BitBudget


@domain(GroupedHeads)
@st.composite
def grouped_heads(draw: st.DrawFn) -> GroupedHeads:
    """1-8 query heads over any numbers of key and value heads that divide them; 1-6 queries and keys."""
    heads = draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    shared = st.sampled_from([n for n in range(1, heads + 1) if heads % n == 0])
    m, n, d, v = (draw(st.integers(1, 6)) for _ in range(4))
    return GroupedHeads.drawn((heads, draw(shared), draw(shared)), (m, n, d, v), draw(seeds()))


@domain(UntiedHeads)
@st.composite
def untied_heads(draw: st.DrawFn) -> UntiedHeads:
    """2-4 heads on 2-6 keys, or two heads on two keys of one channel, entry by entry."""
    if draw(st.booleans()):
        heads, few = draw(st.integers(2, 4)), st.integers(1, 4)
        sizes = draw(few), draw(st.integers(2, 6)), draw(few), draw(few)
        return UntiedHeads(**vars(GroupedHeads.drawn((heads, heads, heads), sizes, draw(seeds()))))
    query, keys = draw(arrays((2, 1, 1), -2.0, 2.0)), draw(arrays((2, 2, 1), -3.0, 3.0))
    return UntiedHeads(query, keys, draw(arrays((2, 2, 1), -1.0, 1.0)))


@domain(NoisyHead)
@st.composite
def noisy_heads(draw: st.DrawFn) -> NoisyHead:
    """2-4 keys and values of 1-2 channels; queries from 0 to 5 in scale."""
    n, d, v = draw(st.integers(2, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    query = draw(arrays((d,), -5.0, 5.0))
    return NoisyHead(query, draw(arrays((n, d), -1.0, 1.0)), draw(arrays((n, v), -1.0, 1.0)))


@domain(ScalarReadout)
@st.composite
def scalar_readouts(draw: st.DrawFn) -> ScalarReadout:
    """2-6 values in [0, 1], from 0 to 1."""
    n = draw(st.integers(2, 6))
    values = np.concatenate([[0.0, 1.0], draw(arrays((n - 2,), 0.0, 1.0))])
    return ScalarReadout(draw(st.sampled_from([3.0, 10.0])) * draw(arrays((n,), -1.0, 1.0)), values)


@domain(Scores)
@st.composite
def scores(draw: st.DrawFn) -> Scores:
    """2-8 scores, or up to 2,000 of which all but one tie or are drawn below it."""
    sharpness = draw(log_uniform(-1.0, 2.0))
    if draw(st.booleans()):
        values = draw(arrays((draw(st.integers(2, 8)),), -1.0, 1.0))
    else:
        rng = np.random.default_rng(draw(seeds()))
        rivals = draw(st.sampled_from([0.0, 1.0])) * rng.random(draw(st.integers(1, 2000)))
        values = np.append(-rivals, draw(floats(0.001, 1.0)))
    second, first = np.sort(values)[-2:]
    assume(first > second)
    return Scores(values, sharpness)


@domain(Unsorted)
@st.composite
def unsorted(draw: st.DrawFn) -> Unsorted:
    """2-40 scores, evenly spaced or not, in any order; errors from 1e-4 to 0.4."""
    n, rng = draw(st.integers(2, 40)), np.random.default_rng(draw(seeds()))
    steps = 1.0 + draw(floats(0.0, 3.0)) * rng.random(n)
    return Unsorted(rng.permutation(np.cumsum(steps)) * draw(log_uniform(-2.0, 2.0)), draw(log_uniform(-4.0, -0.4)))


@domain(GatedHeads)
@st.composite
def gated_heads(draw: st.DrawFn) -> GatedHeads:
    """1-8 heads of 1-5 channels, 1-10 tokens, any number of heads kept."""
    heads = draw(st.integers(1, 8))
    length, channels, width = draw(st.integers(1, 10)), draw(st.integers(1, 5)), draw(st.integers(1, 12))
    return GatedHeads.drawn(heads, length, channels, width, draw(st.integers(0, heads)), draw(seeds()))


@domain(HeadSubset)
@st.composite
def head_subsets(draw: st.DrawFn) -> HeadSubset:
    """2-6 heads that contribute 1-3 numbers, at least one of them not 0."""
    heads = draw(st.integers(2, 6))
    parts = draw(arrays((heads, draw(st.integers(1, 3))), -1.0, 1.0))
    assume(np.abs(parts).max() > 0.01)
    return HeadSubset(parts, draw(st.integers(1, heads - 1)))


@domain(OpenSenders)
@st.composite
def open_senders(draw: st.DrawFn) -> OpenSenders:
    """2-24 tokens whose logits are a few units in size."""
    rng = np.random.default_rng(draw(seeds()))
    n, d, scale = draw(st.integers(2, 24)), draw(st.integers(1, 6)), draw(floats(0.0, 1.0))
    queries, keys = rng.uniform(-1, 1, (2, n, d))
    return OpenSenders(scale * queries, keys, rng.standard_normal((n, 3)))


@domain(RotaryPair)
@st.composite
def rotary_pairs(draw: st.DrawFn) -> RotaryPair:
    """1-3 complex channels, in steps of 1e-6: products of tiny numbers underflow."""
    pairs = draw(st.integers(1, 3))
    query, key = (np.round(draw(arrays((2 * pairs,), -1.0, 1.0)), 6) for _ in range(2))
    return RotaryPair(query, key, draw(arrays((pairs,), 1e-3, np.pi)))


@domain(RotarySequence)
@st.composite
def rotary_sequences(draw: st.DrawFn) -> RotarySequence:
    """2-24 tokens of 2-6 channels that start within 1,000 of 0; slopes in +-2."""
    n, d, start = draw(st.integers(2, 24)), 2 * draw(st.integers(1, 3)), draw(floats(-1000.0, 1000.0))
    parts = vars(Sequence.drawn(n, n, d, 2, draw(floats(0.0, 2.0)), draw(seeds())))
    return RotarySequence(**parts, slope=draw(floats(-2.0, 2.0)), start=start)


@st.composite
def _choices(draw: st.DrawFn) -> DiagonalChoice:
    rng = np.random.default_rng(draw(seeds()))
    kept = random_blocks(draw(st.integers(1, 6)), draw(floats(0.0, 1.0)), rng)
    return DiagonalChoice(kept | (rng.random(kept.shape) < draw(floats(0.0, 0.5))), draw(st.integers(1, 4)))


@domain(DiagonalChoice)
def diagonal_choices() -> st.SearchStrategy[DiagonalChoice]:
    """1-6 blocks of 1-4 tokens; blocks of the future may be asked for."""
    return _choices()


@domain(BlockSequence)
@st.composite
def block_sequences(draw: st.DrawFn) -> BlockSequence:
    """As many tokens as the blocks hold."""
    choice = draw(_choices())
    n = choice.size * len(choice.kept)
    return BlockSequence(**vars(Sequence.drawn(n, n, 3, 2, draw(floats(0.0, 5.0)), draw(seeds()))), choice=choice)


@domain(BlockLottery)
def block_lotteries() -> st.SearchStrategy[BlockLottery]:
    """All gaps and densities."""
    return st.builds(BlockLottery, st.integers(1, 3), floats(0.0, 1.0), st.booleans())


@domain(BitBudget)
@st.composite
def bit_budgets(draw: st.DrawFn) -> BitBudget:
    """2-5 tokens and up to 8 bits, or as many that each token has some; shares anywhere or near the best."""
    n = draw(st.integers(2, 5))
    case = BitBudget(draw(arrays((n,), -3.0, 3.0)), np.zeros(n), draw(st.integers(0, 8)))
    near = (
        case.best_bits - case.best_bits.mean() + draw(st.sampled_from([0.0, 0.1, 2.0])) * draw(arrays((n,), -1.0, 1.0))
    )
    return BitBudget(case.logits, near, case.whole_bits)


@domain(AgeingTokens)
def ageing_tokens() -> st.SearchStrategy[AgeingTokens]:
    """2-60 tokens, slopes from 0.001 to 2."""
    return st.builds(AgeingTokens, st.integers(2, 60), log_uniform(-3.0, 0.3))


@st.composite
def _channel_tokens(draw: st.DrawFn, longest: int) -> ChannelTokens:
    groups = draw(st.integers(1, 4))
    width = groups * draw(st.integers(1, 4))
    return ChannelTokens.drawn(draw(st.integers(1, longest)), width, groups, draw(floats(0.0, 20.0)), draw(seeds()))


@domain(ChannelTokens)
def channel_tokens() -> st.SearchStrategy[ChannelTokens]:
    """1-30 tokens, 1-4 groups of 1-4 channels, logits up to 20 in size."""
    return _channel_tokens(30)


@domain(TurnedTokens)
@st.composite
def turned_tokens(draw: st.DrawFn) -> TurnedTokens:
    """1-16 tokens, permuted or turned at random."""
    tokens = draw(_channel_tokens(16))
    n, rng = len(tokens.keys), np.random.default_rng(draw(seeds()))
    turn = np.eye(n)[rng.permutation(n)] if draw(st.booleans()) else np.linalg.qr(rng.standard_normal((n, n)))[0]
    return TurnedTokens(tokens, turn)


@domain(GridShape)
def grid_shapes() -> st.SearchStrategy[GridShape]:
    """Up to 9 x 9 patches."""
    return st.builds(GridShape, st.integers(2, 9), st.integers(2, 9))


@domain(RingLength)
def ring_lengths() -> st.SearchStrategy[RingLength]:
    """3-40 tokens."""
    return st.builds(RingLength, st.integers(3, 40))


@domain(GraphTokens)
@st.composite
def graph_tokens(draw: st.DrawFn) -> GraphTokens:
    """Any density of edges on 2-24 tokens."""
    return GraphTokens.on_graph(draw(sequences()), draw(floats(0.0, 1.0)), draw(seeds()))


@domain(FocalBlock)
@st.composite
def focal_blocks(draw: st.DrawFn) -> FocalBlock:
    """1-3 kernels of length 1-7, 1-4 channels, on a ring up to 6 tokens longer than the field."""
    kernels = tuple(draw(st.lists(st.sampled_from([1, 3, 5, 7]), min_size=1, max_size=3)))
    length = 1 + sum(k - 1 for k in kernels) + draw(st.integers(1, 6))
    return FocalBlock.drawn(length, draw(st.integers(1, 4)), kernels, draw(seeds()))
