"""Sparse mechanisms against loops, other routes, attained bounds, known numbers and counted costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog, minimize_scalar

from theory import masks
from theory.attention import attend, softmax
from theory.claims import Claim
from theory.mechanisms import network
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence, Tokens
from theory.mechanisms.sparse import (
    clusters,
    halo,
    isolation,
    local_rank,
    neighbourhoods,
    pruning,
    regions,
    relative_positions,
    reposition,
    shifted_groups,
    tree_search,
)
from theory.mechanisms.structure import rotary
from theory.numerics import fitted_slope

RNG = np.random.default_rng(0)


def sequence(length: int, width: int = 3, channels: int = 2, seed: int = 0) -> Sequence:
    made = Tokens.drawn(length, length, width, channels, 1.0, seed)
    return Sequence(made.queries, made.keys, made.values)


def by_loops(tokens: Sequence, seen: Callable[[int], list[int]]) -> np.ndarray:
    """Attention of every query to the keys that `seen` names, in plain exponentials."""
    rows = []
    for i, query in enumerate(tokens.queries):
        weight = np.exp([query @ tokens.keys[j] for j in seen(i)])
        rows.append(weight @ tokens.values[seen(i)] / weight.sum())
    return np.array(rows)


# ---------------------------------------------------------------------------------------------------- neighbourhoods


@pytest.mark.parametrize(("width", "dilation"), [(1, 1), (3, 1), (5, 2), (7, 3)])
def test_neighbourhoods_equal_loops(width: int, dilation: int) -> None:
    tokens, reach = sequence(23), (width - 1) // 2
    arrays = tokens.queries, tokens.keys, tokens.values

    def clipped(i: int) -> list[int]:
        return [j for s in range(-reach, reach + 1) if 0 <= (j := i + dilation * s) < 23]

    def nearest(i: int) -> list[int]:
        return sorted((j for j in range(23) if (i - j) % dilation == 0), key=lambda j: abs(i - j))[:width]

    ours = neighbourhoods.neighbourhood_attention(*arrays, width, dilation=dilation)
    slid = neighbourhoods.neighbourhood_attention(*arrays, width, dilation=dilation, slide=True)
    assert ours == pytest.approx(by_loops(tokens, clipped), abs=1e-14)
    assert slid == pytest.approx(by_loops(tokens, nearest), abs=1e-14)


def test_a_tile_costs_its_halo() -> None:
    """Inside, tiles of t queries make (t + w - 1)/w times the multiplications of the gathered form."""
    ones, width, tile = np.ones((120, 1)), 5, 10
    counted = multiplications(
        lambda q, k, v: neighbourhoods.tiled_neighbourhood_attention(q, k, v, width, tile), ones, ones, ones
    )
    missing = 2 * tile * 2 * 2  # the first and the last tile miss two keys
    assert counted == neighbourhoods.neighbourhood_cost(120, width, 1, 1) * (tile + width - 1) / width - missing


def test_receptive_fields() -> None:
    """Known numbers, the same counts by convolution, and the influence in a network."""
    for depth, field in enumerate([3, 9, 27, 81], start=1):
        stack = neighbourhoods.GrowingWindows(3, tuple(3**layer for layer in range(depth)))
        assert stack.span == field
    combs = [np.bincount([0, 2, 4]), np.bincount([0, 3, 6]), np.bincount([0, 1, 2])]
    convolved = np.convolve(np.convolve(combs[0], combs[1]), combs[2])
    assert neighbourhoods.paths(3, (2, 3, 1), 13) == pytest.approx(convolved)

    layers = tuple(masks.window(13, 3, dilation=dilation) for dilation in (2, 3))
    influence = network.influence(RNG.standard_normal((13, 3)), network.random_layers(2, 3, 1), layers)
    assert ((influence[6] > 0) == (neighbourhoods.paths(3, (2, 3), 13) > 0)).all()


# ----------------------------------------------------------------------------------------------------------------- halo


def test_halo_masks_equal_loops() -> None:
    mask = halo.halo_mask(12, 3, 2)
    for i in range(12):
        wanted = {j % 12 for j in range(i // 3 * 3 - 2, i // 3 * 3 + 3 + 2)}
        assert set(np.flatnonzero(mask[i])) == wanted
    ring = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    assert (halo.halo_mask(9, 1, 2) == (np.minimum(ring, 9 - ring) <= 2)).all()  # blocks of one: a window on a ring


def test_share_of_keys_that_a_shift_exchanges() -> None:
    assert halo.exchanged_share(8, 0, 4) == pytest.approx(0.5)
    assert halo.exchanged_share(8, 3, 4) == pytest.approx(8 / (2 * (8 + 6)))
    assert halo.exchanged_share(8, 3, 16) == 0.0


# ------------------------------------------------------------------------------------------------- relative positions


def test_row_totals_equal_loops() -> None:
    bias, factor = RNG.standard_normal(9), RNG.standard_normal(9)
    totals = []
    for i in range(5):
        weight = np.exp([bias[j - i + 4] for j in range(5)])
        totals.append(sum(factor[j - i + 4] * weight[j] for j in range(5)) / weight.sum())
    assert relative_positions.row_totals(bias, factor) == pytest.approx(totals)


def test_a_network_without_position_gives_the_middle_of_its_targets() -> None:
    still = relative_positions.EqualTokensUnderBias(np.zeros(1), np.zeros(5), np.ones(5))
    target = relative_positions.PositionTarget(still, np.array([-1.0, 0.5, 1.0]))
    assert relative_positions.relative_bias_misses_half_the_range_of_positions(target) == pytest.approx(0.0)


def test_a_factor_separates_in_proportion_to_its_departure_from_circulant() -> None:
    circulant = np.array([1.0, 2.0, 0.0, 1.0, 2.0])
    spreads = []
    for away in (0.0, 1e-3, 1e-2):
        moved = relative_positions.EqualTokens(np.ones(2), np.zeros(5), circulant + away * np.arange(5))
        spreads.append(np.ptp(moved.attended, axis=0).max())
    assert spreads[0] < 1e-15
    assert spreads[2] / spreads[1] == pytest.approx(10)


# ----------------------------------------------------------------------------------------------------------------- rank


def test_ranks_of_local_and_kernel_maps() -> None:
    queries, keys = RNG.standard_normal((2, 40, 4))
    assert local_rank.rank(local_rank.LocalLogits(queries @ keys.T, 5).weights) == 40
    assert local_rank.rank(local_rank.kernel_map(queries, keys)) == 4


@pytest.mark.parametrize(("width", "rounds"), [(3, 1), (3, 4), (5, 0), (5, 2), (7, 1), (9, 2)])
def test_equal_logits_attain_the_least_rank(width: int, rounds: int) -> None:
    """By singular values and, exactly, by elimination in rational numbers."""
    import sympy

    length = (width + 1) // 2 + rounds * width
    weights = local_rank.LocalLogits(np.zeros((length, length)), width).weights
    assert local_rank.rank(weights) == local_rank.least_local_rank(length, width) == length - (width - 1) // 2
    if length <= 12:
        assert sympy.Matrix(masks.window(length, width).astype(int)).rank() == length - (width - 1) // 2


def test_one_feature_attains_the_tail_of_the_identity() -> None:
    kernel = local_rank.KernelMap(np.zeros((2, 1)), np.zeros((2, 1)))
    local = local_rank.LocalLogits(np.zeros((2, 2)), 1)
    assert local_rank.kernel_attention_misses_the_tail_of_a_local_map(kernel, local) == pytest.approx(0, abs=1e-12)


# ------------------------------------------------------------------------------------------------------------ positions


def test_rotation_is_multiplication_of_complex_numbers() -> None:
    query, key = RNG.standard_normal((2, 6))
    turned = np.exp(1j * rotary.angles(6) * (11.0 - 4.0))
    as_complex = ((query[::2] - 1j * query[1::2]) * (key[::2] + 1j * key[1::2]) * turned).real.sum()
    pair = reposition.RotatedPair(query, key, (4.0, 11.0))
    assert pair.logit == pytest.approx(as_complex)
    assert reposition.RotatedPair(query, key, (104.0, 111.0)).logit == pytest.approx(as_complex)  # distance alone


def test_alignment_helps_unequal_features_half_of_the_time() -> None:
    """q and -q have opposite gains, so that any symmetric law of q gives 1/2: 2000 pairs, within 5 standard errors."""
    helped = 0
    for query, key in np.random.default_rng(1).standard_normal((2000, 2, 8)):
        pair = reposition.RotatedPair(query, key, (0.0, 9.0))
        mirrored = reposition.RotatedPair(-query, key, (0.0, 9.0))
        assert pair.aligned - pair.logit == pytest.approx(mirrored.logit - mirrored.aligned)
        helped += pair.aligned > pair.logit
    assert abs(helped / 2000 - 0.5) < 5 * np.sqrt(0.25 / 2000)


def test_odds_under_a_distance_bias() -> None:
    case = reposition.DistantReference(np.array([0.3, 1.0, -0.4]), 0.25, 8)
    assert case.odds(0) == pytest.approx(np.exp(0.3) / (np.e + np.exp(-0.4)))
    assert case.odds(0) / case.odds(8) == pytest.approx(np.exp(2.0))


# -------------------------------------------------------------------------------------------------------------- pruning


def test_dropped_mass_is_the_largest_error_over_values_in_a_unit_interval() -> None:
    """As a linear program over the values."""
    logits, kept = RNG.standard_normal(6), np.array([True, False, True, True, False, False])
    gain = np.zeros(6)
    for j in range(6):
        gain[j] = pruning.PrunedQuery(logits, np.eye(6)[:, [j]], kept).change[0]
    program = linprog(-gain, bounds=[(0, 1)] * 6)
    assert program.success
    assert -program.fun == pytest.approx(pruning.dropped_mass(logits, kept))


def test_the_bound_on_the_error_is_attained_by_two_values() -> None:
    kept = np.array([True, False, True, False])
    case = pruning.PrunedQuery(RNG.standard_normal(4), np.where(kept, 0.0, 2.0)[:, None], kept)
    assert pruning.pruning_error_is_at_most_mass_times_diameter(case) == pytest.approx(0, abs=1e-12)


# ---------------------------------------------------------------------------------------------------------- tree search


def search_by_loops(scores: np.ndarray, kept: int) -> list[int]:
    """One row, blocks as lists of positions."""
    size = len(scores) // kept
    parts = [list(range(b * size, (b + 1) * size)) for b in range(kept)]
    while len(parts[0]) > 1:
        half = len(parts[0]) // 2
        parts = [part[:half] for part in parts] + [part[half:] for part in parts]
        parts = sorted(parts, key=lambda part: -scores[part[len(part) // 2]])[:kept]
    return sorted(part[0] for part in parts)


@pytest.mark.parametrize(("keys", "kept"), [(16, 1), (32, 4), (48, 6), (64, 32)])
def test_tree_search_equals_loops(keys: int, kept: int) -> None:
    rows = RNG.standard_normal((5, keys))
    assert tree_search.search_rows(rows, kept).tolist() == [search_by_loops(row, kept) for row in rows]


def test_tree_search_numbers() -> None:
    """320 evaluations; the recall of white noise, 1000 rows, within 5 standard errors; 1 at a single key a block."""
    assert tree_search.evaluations(1024, 32) == 320
    rows = np.random.default_rng(2).standard_normal((1000, 1024))
    found = tree_search.recall(rows, tree_search.search_rows(rows, 32))
    assert abs(found.mean() - tree_search.recall_without_locality(1024, 32)) < 5 * found.std() / np.sqrt(1000)
    assert tree_search.recall_without_locality(1024, 32) == pytest.approx(0.12109375)
    assert tree_search.recall_without_locality(64, 32) == 1.0


def test_a_lost_key_attains_the_bound() -> None:
    """The best key is hidden beside a middle that is just beaten by two others."""
    row = tree_search.ScoreRow(np.array([1.0, 0.0, 0.0, 0.1, 0.0, 0.1, 0.0, 0.0]), 2)
    assert 0 not in tree_search.search_rows(row.scores[None], 2)[0]
    assert tree_search.tree_search_loses_little_where_scores_are_local(row) == pytest.approx(-0.1)
    assert not tree_search.all_middles_are_best(row.scores[None], 2)[0, 0]
    close = tree_search.ScoreRow(np.array([1.0, 0.0, 0.0, 1e-4, 0.0, 1e-4, 0.0, 0.0]), 2)
    assert tree_search.tree_search_loses_little_where_scores_are_local(close) > -0.01


# --------------------------------------------------------------------------------------------------- regions, clusters


def test_regions_of_an_image_equal_loops() -> None:
    """4 x 6 pixels in 2 x 2 regions: the layout is a reordering of the pixels."""
    tokens, place = sequence(24), np.arange(24).reshape(4, 6)
    order = place.reshape(2, 2, 2, 3).swapaxes(1, 2).reshape(-1)
    region = np.empty(24, dtype=int)
    region[order] = np.repeat(np.arange(4), 6)
    means = [np.array([a[region == r].mean(axis=0) for r in range(4)]) for a in (tokens.queries, tokens.keys)]
    best = np.argsort(-(means[0] @ means[1].T), axis=1)[:, :2]
    wanted = by_loops(tokens, lambda i: [j for j in range(24) if region[j] in best[region[i]]])
    ours = np.empty_like(wanted)
    ours[order] = regions.region_attention(*(a[order] for a in (tokens.queries, tokens.keys, tokens.values)), 4, 2)
    assert ours == pytest.approx(wanted, abs=1e-14)


def test_best_number_of_regions_and_its_exponent() -> None:
    def cost(log_regions: float) -> float:
        return regions.region_cost(4096.0, np.exp(log_regions), 4, 16, 8)

    found = minimize_scalar(cost, bounds=(0, 10), method="bounded", options={"xatol": 1e-10})
    assert np.exp(found.x) == pytest.approx(regions.best_region_count(4096.0, 4, 16, 8), rel=1e-6)
    assert found.fun == pytest.approx(regions.least_region_cost(4096.0, 4, 16, 8))
    lengths = 2.0 ** np.arange(6, 14)
    least = [regions.least_region_cost(n, 4, 16, 8) for n in lengths]
    assert fitted_slope(np.log(lengths), np.log(least)) == pytest.approx(4 / 3)
    # counted as 2 S^4 + 2 k n^2 / S^2 for every channel, with twice the affinities: S^6 = k n^2 / 2
    assert regions.best_region_count(4096.0, 4, 2, 0) == pytest.approx((4 * 4096.0**2 / 2) ** (1 / 3))


def test_best_number_of_clusters() -> None:
    assert clusters.best_cluster_count(4096, 8, 0) == 64
    assert clusters.least_cluster_cost(4096, 8, 0) == 2 * 4096**1.5 * 8
    plan = clusters.ClusterPlan(64 * (64,), 8, 0)
    assert clusters.cluster_routing_costs_at_least_n_to_three_halves(plan) == pytest.approx(0)
    found = minimize_scalar(lambda c: 512 * c * 8 + 512**2 / c * (8 + 8), bounds=(1, 512), method="bounded")
    assert found.x == pytest.approx(clusters.best_cluster_count(512, 8, 8), rel=1e-5)


def test_cluster_mates_attain_their_bounds() -> None:
    first, second = np.array([0.6, 0.8]), np.array([0.6, -0.8])
    middle = clusters.ClusterMates(first, second, (first + second) / 2)
    opposite = clusters.SphericalMates(first, second, np.array([1.0, 0.0]))
    assert clusters.cluster_mates_have_a_large_dot(middle) == pytest.approx(0, abs=1e-12)
    assert clusters.mates_of_a_spherical_centroid_have_a_larger_dot(opposite) == pytest.approx(0, abs=1e-12)
    radius = opposite.radius
    assert first @ second == pytest.approx(1 - 2 * radius**2 + radius**4 / 2)


# ------------------------------------------------------------------------------------------------------- shifted groups


def depth_by_search(layer: np.ndarray, wanted: np.ndarray) -> int:
    """The longest shortest path, by breadth-first search from every query."""
    longest = 0
    for start in range(len(layer)):
        seen, front, depth = {start}, {start}, 0
        while not set(np.flatnonzero(wanted[start])) <= seen:
            front = {int(k) for q in front for k in np.flatnonzero(layer[q])} - seen
            seen |= front
            depth += 1
        longest = max(longest, depth)
    return longest


@pytest.mark.parametrize(("length", "group", "layers"), [(32, 8, 7), (64, 8, 15), (64, 16, 7), (96, 12, 15)])
def test_layers_that_shifted_groups_need(length: int, group: int, layers: int) -> None:
    past, layer = masks.causal(length), shifted_groups.grouped(length, group)
    for causal in (layer & past, masks.with_sinks(layer, 2) & past):
        assert depth_by_search(causal, past) == masks.hops([causal], past) == layers
    everything = np.ones_like(past)
    assert depth_by_search(shifted_groups.grouped(length, group, wrap=True), everything) == length // group
    assert depth_by_search(masks.with_sinks(layer, 2), everything) == 2
    assert masks.hops([masks.with_sinks(masks.blocks(length, group), 2) & past], past) is None
    rolled = shifted_groups.causal_in_rolled_order(length, group)
    assert (rolled & ~past).sum() == (group // 2) ** 2


def test_causal_sinks_carry_nothing_between_other_tokens_of_a_network() -> None:
    past, layer = masks.causal(12), shifted_groups.grouped(12, 4)
    tokens, weights = RNG.standard_normal((12, 3)), network.random_layers(3, 3, 5)
    plain, sunk = (
        network.influence(tokens, weights, 3 * (mask & past,)) for mask in (layer, masks.with_sinks(layer, 1))
    )
    assert ((plain > 0) == (sunk > 0))[:, 1:].all()
    assert (sunk[:, 0] > 0).all()
    assert not (plain[:, 0] > 0).all()


# -------------------------------------------------------------------------------------------- bounds are attained


@pytest.mark.parametrize(
    ("claim", "instances"),
    [
        (neighbourhoods.receptive_field_is_bounded_by_span_and_by_paths, (neighbourhoods.WindowStack(3, (1, 3)),)),
        (neighbourhoods.receptive_field_is_bounded_by_span_and_by_paths, (neighbourhoods.WindowStack(5, (1, 1, 2)),)),
        (reposition.aligning_an_equal_token_never_hurts, (reposition.EqualPair(np.ones(4), np.ones(4), (3.0, 3.0)),)),
        (regions.region_routing_costs_at_least_n_to_four_thirds, (regions.RegionPlan(64.0, 32.0, 8.0, 4, 4),)),
        (local_rank.kernel_attention_has_low_rank, (local_rank.KernelMap(*RNG.standard_normal((2, 9, 3))),)),
    ],
    ids=lambda x: x.name if isinstance(x, Claim) else None,
)
def test_bounds_are_attained(claim: Claim, instances: tuple[Any, ...]) -> None:
    assert -1e-9 <= claim(*instances) <= claim.tolerance


def test_dense_attention_is_what_all_costs_are_compared_with() -> None:
    ones = np.ones((8, 2))
    assert multiplications(attend, ones, ones, ones) == neighbourhoods.neighbourhood_cost(8, 8, 2, 2)
    assert regions.region_cost(8, 1, 1, 2, 2) == 8 * 8 * 4 + 2
    assert softmax(np.zeros(2)) == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------------------ bad calls


EYE, ONES = np.eye(2), np.ones((2, 1))
BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: neighbourhoods.Neighbourhood(sequence(3), 2), "the width must be odd, got 2"),
    (lambda: neighbourhoods.Neighbourhood(sequence(3), 3, 0), "dilation must be >= 1, got 0"),
    (lambda: neighbourhoods.WindowStack(4, (1,)), "the width must be odd, got 4"),
    (lambda: neighbourhoods.WindowStack(3, ()), "there must be a layer"),
    (lambda: neighbourhoods.GrowingWindows(3, (1, 2)), r"the dilations must be \(1, 3\), got \(1, 2\)"),
    (lambda: halo.HaloBlocks(sequence(5), 2, 0), "blocks of 2 must fill the sequence, got 5 tokens"),
    (lambda: halo.HaloBlocks(sequence(4), 2, 2), "a block with its halos must fit into 4 tokens"),
    (lambda: halo.BlockShift(sequence(4), 2, 1, 3), "the shift must be a multiple of 2, got 3"),
    (lambda: halo.HaloLayout(2, 1, 2, 0), "there must be at least 6 tokens"),
    (lambda: relative_positions.EqualTokens(ONES[0], np.zeros(4), np.zeros(4)), r"2n - 1 offsets, got 4"),
    (lambda: relative_positions.EqualTokensUnderBias(ONES[0], np.zeros(3), np.zeros(3)), "factor must be 1"),
    (lambda: relative_positions.UnbiasedFactor(ONES[0], np.ones(3), np.ones(3)), "biases must be 0"),
    (lambda: local_rank.LocalLogits(EYE, 2), "the width must be odd, got 2"),
    (lambda: local_rank.LocalLogits(ONES, 1), r"logits must have shape \(any, 2\)"),
    (lambda: isolation.MaskedLayers(EYE, np.zeros(2, int), (~np.eye(2, dtype=bool),)), "must see itself"),
    (lambda: isolation.MaskedLayers(EYE, np.zeros(2, int), (np.eye(3, dtype=bool),)), "masks must be square"),
    (lambda: isolation.MaskedLayers(EYE, np.zeros(3, int), ()), "every token must have a group"),
    (lambda: isolation.IsolatedGroups(EYE, np.zeros(2, int), ()), "at least two groups"),
    (lambda: isolation.IsolatedGroups(EYE, np.arange(2), (EYE > -1,)), "every layer must be isolated"),
    (lambda: reposition.RotatedPair(np.ones(3), np.ones(3), (0.0, 1.0)), "must come in pairs, got 3"),
    (lambda: reposition.EqualPair(np.ones(2), np.zeros(2), (0.0, 1.0)), "query and key must be equal"),
    (lambda: reposition.DistantReference(np.ones(1), 0.1, 1), "another token beside the reference"),
    (lambda: reposition.DistantReference(np.ones(2), -0.1, 1), "the slope must be >= 0, got -0.1"),
    (lambda: pruning.PrunedQuery(np.ones(2), EYE, np.array([True, True])), "some keys must be kept and some dropped"),
    (lambda: pruning.PrunedQuery(np.ones(2), EYE, np.array([True])), "kept must have one entry a key"),
    (lambda: tree_search.ScoreRow(np.ones(6), 2), "a power of two, at least 2, got 6 / 2"),
    (lambda: tree_search.TreeSize(4, 4), "a power of two, at least 2, got 4 / 4"),
    (lambda: tree_search.FallingRow(0.0, 1, 2), "kept must be >= 2, got 1"),
    (lambda: regions.Regions(sequence(4), 3, 1), "3 regions must share 4 tokens evenly"),
    (lambda: regions.Regions(sequence(4), 2, 3), "at most 2 regions can be routed to, got 3"),
    (lambda: regions.RegionPlan(8.0, 0.5, 1.0, 1, 1), "regions must be >= 1, got 0.5"),
    (lambda: clusters.SphericalClusters(2 * EYE, ONES, EYE), "tokens must have norm 1, got 2.0"),
    (lambda: clusters.SphericalClusters(EYE, ONES, 2 * EYE), "centroids must have norm 1, got 2.0"),
    (lambda: clusters.ClusterMates(EYE[0], 2 * EYE[1], EYE[0]), "second must have norm 1, got 2.0"),
    (lambda: clusters.ClusterMates(EYE[0], EYE[0], EYE[1]), "the vectors must be at least 1e-3 apart, got 0"),
    (lambda: clusters.SphericalMates(EYE[0], EYE[1], 2 * EYE[0]), "the centroid must have norm 1, got 2.0"),
    (lambda: clusters.SphericalMates(EYE[0], EYE[1], -EYE[0]), r"the radius must be at most sqrt\(2\)"),
    (lambda: clusters.ClusterPlan((0,), 1, 1), "there must be a token"),
    (lambda: shifted_groups.Groups(2, 3), "the size of a group must be even, got 3"),
    (lambda: shifted_groups.Groups(1, 2, 2), "not every token can be a sink"),
    (lambda: shifted_groups.SeveralGroups(2, 4), "there must be a sink"),
    (lambda: shifted_groups.SeveralGroups(2, 4, 4), "two groups must hold tokens that are no sinks"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS, ids=[message for _, message in BAD_CALLS])
def test_bad_calls_name_the_hypothesis(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
