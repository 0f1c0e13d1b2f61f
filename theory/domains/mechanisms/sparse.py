"""How to draw the instance types of `theory.mechanisms.sparse`."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.domains.mechanisms.instances import sequences
from theory.domains.registry import arrays, domain, floats, log_uniform, seeds
from theory.masks import same_group
from theory.mechanisms.instances import Sequence, Tokens
from theory.mechanisms.sparse.clusters import Clustered, ClusterMates, ClusterPlan, SphericalClusters, SphericalMates
from theory.mechanisms.sparse.halo import BlockShift, HaloBlocks, HaloLayout
from theory.mechanisms.sparse.isolation import IsolatedGroups, MaskedLayers
from theory.mechanisms.sparse.local_rank import KernelMap, LocalLogits
from theory.mechanisms.sparse.neighbourhoods import GrowingWindows, Neighbourhood, WindowStack
from theory.mechanisms.sparse.pruning import PrunedQuery
from theory.mechanisms.sparse.regions import RegionPlan, Regions, best_region_count
from theory.mechanisms.sparse.relative_positions import (
    EqualTokens,
    EqualTokensUnderBias,
    PositionTarget,
    UnbiasedFactor,
)
from theory.mechanisms.sparse.reposition import DistantReference, EqualPair
from theory.mechanisms.sparse.shifted_groups import CausalGroups, Groups, SeveralGroups
from theory.mechanisms.sparse.tree_search import FallingRow, ScoreRow, TreeSize
from theory.numerics import Array

FEW = st.integers(1, 6)
ODD = st.integers(0, 5).map(lambda x: 2 * x + 1)


@st.composite
def sequences_of(draw: st.DrawFn, length: int) -> Sequence:
    """`length` tokens, as `sequences`."""
    made = Tokens.drawn(length, length, draw(FEW), draw(FEW), draw(floats(0.0, 5.0)), draw(seeds()))
    return Sequence(made.queries, made.keys, made.values)


def unit(vectors: Array) -> Array:
    """Every row divided by its norm; rows near 0 become the first axis."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    first = (np.arange(vectors.shape[-1]) == 0).astype(float)
    return np.where(norms > 1e-3, vectors / np.maximum(norms, 1e-3), first)


# ------------------------------------------------------------------------------------------------- windows and halos


@domain(Neighbourhood)
def neighbourhoods() -> st.SearchStrategy[Neighbourhood]:
    """Windows of 1-11 keys, dilations 1-5."""
    return st.builds(Neighbourhood, sequences(), ODD, st.integers(1, 5))


@domain(WindowStack)
def window_stacks() -> st.SearchStrategy[WindowStack]:
    """1-4 layers of width 3-7, dilations 1-9."""
    return st.builds(
        WindowStack, st.sampled_from([3, 5, 7]), st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
    )


@domain(GrowingWindows)
def growing_windows() -> st.SearchStrategy[GrowingWindows]:
    """Every width and depth with at most 350 tokens in reach."""
    sizes = [(w, depth) for w in (3, 5, 7, 9) for depth in range(1, 6) if w**depth <= 350]
    return st.sampled_from(sizes).map(lambda s: GrowingWindows(s[0], tuple(s[0] ** layer for layer in range(s[1]))))


@st.composite
def halo_parts(draw: st.DrawFn) -> tuple[Sequence, int, int]:
    """1-5 blocks of 1-5 tokens and a halo that fits."""
    block, blocks = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    halo = draw(st.integers(0, block * (blocks - 1) // 2))
    return draw(sequences_of(block * blocks)), block, halo


@domain(HaloBlocks)
def halo_blocks() -> st.SearchStrategy[HaloBlocks]:
    """Any shift."""
    return st.builds(
        lambda parts, shift: HaloBlocks(parts[0], parts[1], parts[2], shift), halo_parts(), st.integers(-10, 10)
    )


@domain(BlockShift)
def block_shifts() -> st.SearchStrategy[BlockShift]:
    """Shifts by -3 to 3 blocks."""
    return st.builds(
        lambda parts, count: BlockShift(parts[0], parts[1], parts[2], count * parts[1]),
        halo_parts(),
        st.integers(-3, 3),
    )


@domain(HaloLayout)
@st.composite
def halo_layouts(draw: st.DrawFn) -> HaloLayout:
    """Blocks of 1-8, halos of 0-8, up to 3 blocks more than needed, any shift."""
    block, halo = draw(st.integers(1, 8)), draw(st.integers(0, 8))
    least = -(-(2 * block + 2 * halo) // block)
    return HaloLayout(block, halo, least + draw(st.integers(0, 3)), draw(st.integers(-20, 20)))


# ------------------------------------------------------------------------------------------- positions, rank, isolation


@st.composite
def equal_tokens(draw: st.DrawFn, made: Any, *, biased: bool = True, factored: bool = True) -> Any:
    """2-8 copies of a token, 1-4 layers; biases in +-10, factors in +-3."""
    offsets, channels = 2 * draw(st.integers(2, 8)) - 1, draw(FEW)
    rng = np.random.default_rng(draw(seeds()))
    token = draw(floats(0.1, 3.0)) * rng.choice([-1.0, 1.0], channels) * rng.uniform(0.5, 1.5, channels)
    bias = rng.uniform(-10, 10, offsets) if biased else np.zeros(offsets)
    factor = rng.uniform(-3, 3, offsets) if factored else np.ones(offsets)
    return made(token, bias, factor, draw(st.integers(1, 4)), draw(seeds()))


@domain(EqualTokens)
def tokens_under_bias_and_factor() -> st.SearchStrategy[EqualTokens]:
    """Biases and factors."""
    return equal_tokens(EqualTokens)


@domain(EqualTokensUnderBias)
def tokens_under_bias() -> st.SearchStrategy[EqualTokensUnderBias]:
    """Biases only."""
    return equal_tokens(EqualTokensUnderBias, factored=False)


@domain(UnbiasedFactor)
def tokens_under_factor() -> st.SearchStrategy[UnbiasedFactor]:
    """Factors only."""
    return equal_tokens(UnbiasedFactor, biased=False)


@domain(PositionTarget)
@st.composite
def position_targets(draw: st.DrawFn) -> PositionTarget:
    """Targets at most 10 from the network's output, in steps of 0.01 so that their range is more than its rounding."""
    network = draw(equal_tokens(EqualTokensUnderBias, factored=False))
    around = network.outputs[0, 0]
    return PositionTarget(network, around + np.round(draw(arrays((len(network.copies),), -10.0, 10.0)), 2))


@domain(KernelMap)
@st.composite
def kernel_maps(draw: st.DrawFn) -> KernelMap:
    """2-24 queries and keys with 1-6 features."""
    made = draw(sequences())
    return KernelMap(made.queries, made.keys)


@domain(LocalLogits)
@st.composite
def local_logits(draw: st.DrawFn) -> LocalLogits:
    """2-24 tokens, windows of 1-11, logits from 0 to 5 in scale."""
    made = draw(sequences())
    return LocalLogits(made.queries @ made.keys.T, draw(ODD))


@st.composite
def token_groups(draw: st.DrawFn) -> tuple[Array, Any]:
    """2-7 tokens in two or three groups."""
    length = draw(st.integers(2, 7))
    groups = np.array([0, 1, *draw(st.lists(st.integers(0, 2), min_size=length - 2, max_size=length - 2))])
    return np.random.default_rng(draw(seeds())).standard_normal((length, draw(FEW))), groups


@domain(IsolatedGroups)
@st.composite
def isolated_groups(draw: st.DrawFn) -> IsolatedGroups:
    """1-3 layers, all isolated."""
    tokens, groups = draw(token_groups())
    return IsolatedGroups(tokens, groups, draw(st.integers(1, 3)) * (same_group(groups),), draw(seeds()))


@domain(MaskedLayers)
@st.composite
def masked_layers(draw: st.DrawFn) -> MaskedLayers:
    """1-3 layers with any masks, from sparse to dense."""
    tokens, groups = draw(token_groups())
    rng, share, size = np.random.default_rng(draw(seeds())), draw(floats(0.0, 0.7)), len(tokens)
    masks = tuple(np.eye(size, dtype=bool) | (rng.random((size, size)) < share) for _ in range(draw(st.integers(1, 3))))
    return MaskedLayers(tokens, groups, masks, draw(seeds()))


@domain(EqualPair)
@st.composite
def equal_pairs(draw: st.DrawFn) -> EqualPair:
    """2-8 channels in +-3, in steps of 1e-6 since the squares of tiny ones underflow; positions up to 300."""
    feature = np.round(draw(arrays((2 * draw(st.integers(1, 4)),), -3.0, 3.0)), 6)
    return EqualPair(feature, feature, (draw(floats(0.0, 300.0)), draw(floats(0.0, 300.0))))


@domain(DistantReference)
@st.composite
def distant_references(draw: st.DrawFn) -> DistantReference:
    """2-6 logits in +-5, slopes up to 1, distances up to 200."""
    logits = draw(arrays((draw(st.integers(2, 6)),), -5.0, 5.0))
    return DistantReference(logits, draw(floats(0.0, 1.0)), draw(st.integers(0, 200)))


@domain(Groups)
def groups() -> st.SearchStrategy[Groups]:
    """1-6 groups of 2-10 tokens with up to 3 sinks."""
    sizes = st.integers(1, 5).map(lambda x: 2 * x)
    return st.builds(lambda c, g, s: Groups(c, g, min(s, c * g - 1)), st.integers(1, 6), sizes, st.integers(0, 3))


@domain(CausalGroups)
def causal_groups() -> st.SearchStrategy[CausalGroups]:
    """As `groups`."""
    return groups().map(lambda made: CausalGroups(made.count, made.size, made.sinks))


@domain(SeveralGroups)
def several_groups() -> st.SearchStrategy[SeveralGroups]:
    """2-6 groups of 2-10 tokens with 1-3 sinks."""
    sizes = st.integers(1, 5).map(lambda x: 2 * x)
    fitting = st.builds(lambda c, g, s: (c, g, min(s, (c - 1) * g - 1)), st.integers(2, 6), sizes, st.integers(1, 3))
    return fitting.map(lambda parts: SeveralGroups(*parts))


# ----------------------------------------------------------------------------------------------- pruning and routing


@domain(PrunedQuery)
@st.composite
def pruned_queries(draw: st.DrawFn) -> PrunedQuery:
    """2-8 keys, logits in +-6, 1-3 value channels in +-2, in steps of 1e-6: the squares of tiny ones underflow."""
    size = draw(st.integers(2, 8))
    kept = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    kept[0], kept[1] = True, False
    values = np.round(draw(arrays((size, draw(st.integers(1, 3))), -2.0, 2.0)), 6)
    return PrunedQuery(draw(arrays((size,), -6.0, 6.0)), values, kept)


@domain(ScoreRow)
@st.composite
def score_rows(draw: st.DrawFn) -> ScoreRow:
    """1-4 kept of up to 32 scores in +-1, or of few levels: peaks among nearly equal scores come near the bound."""
    kept, levels = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    size = kept * 2**levels
    few = st.lists(st.sampled_from([0.0, 0.001, 0.1, 1.0]), min_size=size, max_size=size).map(np.array)
    return ScoreRow(draw(arrays((size,), -1.0, 1.0) | few), kept)


@domain(FallingRow)
@st.composite
def falling_rows(draw: st.DrawFn) -> FallingRow:
    """2-9 kept of up to 576 keys; the centre among them or a little outside, also on and between keys."""
    kept, levels = draw(st.integers(2, 9)), draw(st.integers(1, 6))
    last = kept * 2**levels + 3.0
    centre = draw(floats(-3.0, last) | st.integers(-6, int(2 * last)).map(lambda x: x / 2))
    return FallingRow(centre, kept, levels)


@domain(TreeSize)
def tree_sizes() -> st.SearchStrategy[TreeSize]:
    """All trees of at most 8 keys, so that all orders can be enumerated."""
    sizes = [(2, 1), (4, 1), (4, 2), (6, 3), (8, 1), (8, 2), (8, 4)]
    return st.sampled_from(sizes).map(lambda size: TreeSize(*size))


@domain(Regions)
@st.composite
def regions(draw: st.DrawFn) -> Regions:
    """1-5 regions of 1-5 tokens, any number routed."""
    count, size = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return Regions(draw(sequences_of(count * size)), count, draw(st.integers(1, count)))


@domain(RegionPlan)
@st.composite
def region_plans(draw: st.DrawFn) -> RegionPlan:
    """Lengths up to 10^6; the number of regions from the best one to 1000 times off."""
    length, routed, channels, values = (
        draw(log_uniform(1, 6)),
        draw(floats(1.0, 16.0)),
        draw(FEW),
        draw(st.integers(0, 6)),
    )
    best = best_region_count(length, routed, channels, values)
    return RegionPlan(length, max(1.0, best * draw(log_uniform(-3, 3))), routed, channels, values)


@st.composite
def clustered_parts(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """1-24 tokens, 1-6 centroids, 1-6 channels."""
    rng, channels = np.random.default_rng(draw(seeds())), draw(FEW)
    tokens = draw(floats(0.1, 3.0)) * rng.standard_normal((draw(st.integers(1, 24)), channels))
    return tokens, rng.standard_normal((len(tokens), draw(FEW))), rng.standard_normal((draw(FEW), channels))


@domain(Clustered)
def clustered() -> st.SearchStrategy[Clustered]:
    """Of any norm."""
    return clustered_parts().map(lambda parts: Clustered(*parts))


@domain(SphericalClusters)
def spherical_clusters() -> st.SearchStrategy[SphericalClusters]:
    """Of norm 1."""
    return clustered_parts().map(lambda parts: SphericalClusters(unit(parts[0]), parts[1], unit(parts[2])))


@domain(ClusterMates)
@st.composite
def cluster_mates(draw: st.DrawFn) -> ClusterMates:
    """2-4 channels; the centroid near the mean of both vectors."""
    channels = draw(st.integers(2, 4))
    first, second = draw(arrays((2, channels), -1.0, 1.0).map(unit).filter(lambda x: np.ptp(x, axis=0).max() > 1e-3))
    return ClusterMates(
        first, second, (first + second) / 2 + draw(floats(0.0, 1.0)) * draw(arrays((channels,), -1.0, 1.0))
    )


@domain(SphericalMates)
@st.composite
def spherical_mates(draw: st.DrawFn) -> SphericalMates:
    """2-4 channels; both vectors within 90 degrees of the centroid."""
    channels = draw(st.integers(2, 4))

    def to_its_side(vectors: Array) -> Array:
        """The first and the others, turned to the side of the first."""
        return vectors * np.where(vectors @ vectors[0] >= 0, 1.0, -1.0)[:, None]

    drawn = arrays((3, channels), -1.0, 1.0).map(unit).map(to_its_side)
    centroid, first, second = draw(drawn.filter(lambda x: np.ptp(x[1:], axis=0).max() > 1e-3))
    return SphericalMates(first, second, centroid)


@domain(ClusterPlan)
@st.composite
def cluster_plans(draw: st.DrawFn) -> ClusterPlan:
    """1-40 clusters: equal ones of 1-40 tokens, or of any sizes."""
    count = draw(st.integers(1, 40))
    equal = st.integers(1, 40).map(lambda size: count * (size,))
    uneven = st.lists(st.integers(0, 40), min_size=count, max_size=count).filter(any).map(tuple)
    return ClusterPlan(draw(equal | uneven), draw(FEW), draw(st.integers(0, 6)))
