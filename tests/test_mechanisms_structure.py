"""Heads, pointers, channels, positions, modulation: reference numbers, second routes, attained bounds, costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.fft import dct
from scipy.optimize import minimize

from theory.attention import attend, softmax
from theory.masks import causal, hops
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence
from theory.mechanisms.structure import channel_attention as channels
from theory.mechanisms.structure import focal_modulation as focal
from theory.mechanisms.structure import graph_attention as graphs
from theory.mechanisms.structure import graph_positions as positions
from theory.mechanisms.structure import grouped_heads as grouped
from theory.mechanisms.structure import key_value_noise as noise
from theory.mechanisms.structure import mixture_of_heads as mixture
from theory.mechanisms.structure import pointer, random_blocks, rotary, staircase
from theory.mechanisms.structure import reversed_attention as reverse

RNG = np.random.default_rng(0)
NAN = float("nan")


# ------------------------------------------------------------------------------------------------- keys and values


def test_grouped_heads_with_repeated_keys_and_values() -> None:
    case = grouped.GroupedHeads.drawn((8, 2, 4), (3, 5, 2, 6), seed=1)
    keys, values = np.repeat(case.keys, 4, axis=0), np.repeat(case.values, 2, axis=0)
    weights = np.exp(np.einsum("hmd,hnd->hmn", case.queries, keys))
    expected = np.einsum("hmn,hnv->hmv", weights / weights.sum(axis=-1, keepdims=True), values)
    assert grouped.grouped_attention(case.queries, case.keys, case.values) == pytest.approx(expected, abs=1e-13)


def test_grouping_saves_cache_and_no_multiplications() -> None:
    case = grouped.GroupedHeads.drawn((8, 2, 4), (3, 5, 2, 6), seed=1)
    arrays = case.queries, case.keys, case.values
    assert multiplications(grouped.grouped_attention, *arrays) == 8 * 3 * 5 * (2 + 6)
    assert grouped.cache_entries(5, 2, 2, 4, 6) == case.keys.size + case.values.size


def test_bounds_of_tied_heads_are_attained() -> None:
    values = RNG.standard_normal((1, 4, 2)) + np.array([[[1.0, 2.0]], [[-3.0, 0.5]]])
    shifted = grouped.UntiedHeads(RNG.standard_normal((2, 3, 2)), RNG.standard_normal((2, 4, 2)), values)
    assert grouped.tied_values_cost_their_deviation(shifted) >= -1e-9
    r = 1.7  # head 0 sees its two tokens r apart after tying, and as far to the other side before
    keys = np.array([[[0.0], [r / 2]], [[0.0], [-1.5 * r]]])
    balanced = grouped.UntiedHeads(np.ones((2, 1, 1)), keys, np.array([[[0.0], [1.0]]] * 2))
    assert grouped.tied_keys_cost_the_range_of_their_logits(balanced) >= -1e-9
    free = grouped.UntiedHeads(shifted.queries, values, values)  # keys that differ by one vector
    tied = grouped.tied_heads(free.queries, free.keys.mean(axis=0, keepdims=True), free.values)
    assert tied == pytest.approx(grouped.tied_heads(free.queries, free.keys, free.values), abs=1e-12)


@pytest.mark.parametrize("scale", [0.3, 3.0, 10.0])
def test_noise_gains_against_gaussian_noise(scale: float) -> None:
    rng, draws, size = np.random.default_rng(7), 4000, 1e-4
    query, keys, values = scale * rng.standard_normal(8), rng.standard_normal((16, 8)), rng.standard_normal((16, 4))
    output = noise.read(query, keys, values)
    weights = softmax(keys @ query / np.sqrt(8))
    in_values = noise.read(query, keys, values + size * rng.standard_normal((draws, 16, 4))) - output
    in_keys = noise.read(query, keys + size * rng.standard_normal((draws, 16, 8)), values) - output
    for moved, gain in (
        (in_values, noise.value_noise_gain(weights, 4)),
        (in_keys, noise.key_noise_gain(query, weights, values)),
    ):
        squares = (moved**2).sum(axis=-1) / size**2
        assert abs(squares.mean() - gain) <= 4 * squares.std() / np.sqrt(draws) + 1e-6 * gain


def test_which_of_keys_and_values_tolerates_more_noise_depends_on_the_regime() -> None:
    rng, medians, below = np.random.default_rng(3), [], []
    for scale in (0.3, 3.0, 30.0):
        ratios = []
        for _ in range(200):
            query, keys = scale * rng.standard_normal(8), rng.standard_normal((16, 8))
            values = rng.standard_normal((16, 8))
            p = softmax(keys @ query / np.sqrt(8))
            ratios.append(noise.key_noise_gain(query, p, values) / noise.value_noise_gain(p, 8))
        medians.append(np.median(ratios))
        below.append(np.mean(np.array(ratios) < 1))
    assert medians == pytest.approx([0.0745, 2.35, 1.61e-5], rel=0.01)
    assert below[0] == 1.0
    assert below[1] < 0.5 < below[2] < 1.0


def test_the_bound_on_key_noise_is_attained_and_no_search_passes_it() -> None:
    for n in (2, 3, 9, 1000):
        t = (n - 1.0) ** (-1 / 3)
        logits = np.append(np.log(t), np.full(n - 1, -np.log(n - 1)))
        case = noise.ScalarReadout(logits, np.append(1.0, np.zeros(n - 1)))
        assert noise.key_noise_is_small_for_short_queries(case) == pytest.approx(0.0, abs=1e-12)

    def loss(x: np.ndarray) -> float:
        p, v = softmax(x[:4]), 1 / (1 + np.exp(-x[4:]))
        return -float(p**2 @ (v - p @ v) ** 2 / (np.ptp(v) ** 2 + 1e-30) / (p**2).sum())

    found = -min(minimize(loss, 2 * RNG.standard_normal(8), method="Nelder-Mead").fun for _ in range(5))
    t = 3 ** (-1 / 3)
    assert 0.7 < found / ((1 - t + t**2) / (1 + t) ** 2) <= 1 + 1e-9


def test_the_bound_for_decided_queries_is_attained_in_the_limit() -> None:
    case = noise.ScalarReadout(np.array([0.0, 9.0]), np.array([0.0, 1.0]))
    assert -1e-3 < noise.key_noise_is_small_for_decided_queries(case) <= 0


def test_a_key_cache_is_as_wide_as_what_queries_see() -> None:
    queries = RNG.standard_normal((10, 3)) @ RNG.standard_normal((3, 8))
    keys, values = RNG.standard_normal((16, 8)), RNG.standard_normal((16, 5))
    slim_queries, slim_keys = noise.narrow_keys(queries, keys)
    assert slim_keys.shape == (16, 3)
    assert attend(slim_queries, slim_keys, values) == pytest.approx(attend(queries, keys, values), abs=1e-12)


# -------------------------------------------------------------------------------------------------------- pointers


def test_pointer_floor_is_attained_at_every_length() -> None:
    for n in (2, 10, 1000):
        case = pointer.Scores(np.append(np.zeros(n - 1), 0.5), 4.0)
        assert pointer.pointer_weight_has_a_floor(case) == pytest.approx(0.0, abs=1e-12)
        assert softmax(4.0 * case.values).max() == pytest.approx(1 / (1 + (n - 1) * np.exp(-2.0)))


def test_sharpness_grows_with_the_logarithm_of_length() -> None:
    for n in (3, 100, 10_000):
        beta = pointer.needed_sharpness(n, 0.25, 0.05)
        assert softmax(beta * np.append(np.zeros(n - 1), 0.25)).max() == pytest.approx(0.95, abs=1e-12)
    assert pointer.needed_sharpness(1001, 1.0, 0.05) - pointer.needed_sharpness(11, 1.0, 0.05) == pytest.approx(
        np.log(100)
    )


def test_pointing_sorts() -> None:
    scores = np.random.default_rng(5).permutation(300).astype(float)
    beta = pointer.needed_sharpness(300, 1.0, 0.01)
    assert scores[pointer.pointed_order(scores, beta)].tolist() == sorted(scores, reverse=True)
    weights = pointer.pointer_weights(scores, beta)
    assert (weights.max(axis=1) >= 0.99).all()
    assert np.abs(weights @ scores - np.sort(scores)[::-1]).max() < 0.02  # far below the bound, 0.01 x range


# ------------------------------------------------------------------------------------------- heads, senders, channels


def test_routed_heads_cost_what_is_kept() -> None:
    heads, projection = RNG.standard_normal((4, 6, 3)), RNG.standard_normal((12, 5))
    gates = mixture.top_gates(RNG.random((6, 4)), 3)
    assert gates.sum(axis=1).tolist() == [3.0] * 6
    counted = multiplications(lambda h, w: mixture.routed(h, w, gates), heads, projection)
    assert counted == mixture.routed_multiplications(6, 3, 5, 3) == 6 * 3 * 5 * 4
    assert mixture.routed(heads, projection, np.ones((6, 4))) == pytest.approx(mixture.concatenated(heads, projection))


def test_dropped_parallel_heads_attain_their_norms() -> None:
    case = mixture.HeadSubset(np.outer([1.0, 3.0, 2.0, 0.5], [0.6, -0.8]), 2)
    assert mixture.dropped_heads_cost_at_most_their_norms(case) == pytest.approx(0.0, abs=1e-12)


def test_error_of_random_heads_against_draws() -> None:
    parts, rng, draws = RNG.standard_normal((8, 3)), np.random.default_rng(9), 20_000
    kept = mixture.top_gates(rng.random((draws, 8)), 5)
    squares = ((8 / 5 * kept @ parts - parts.sum(axis=0)) ** 2).sum(axis=1)
    assert abs(squares.mean() - mixture.random_subset_error(parts, 5)) <= 4 * squares.std() / np.sqrt(draws)


def test_reversed_attention_by_its_definition() -> None:
    q, k, v = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 3)), RNG.standard_normal((5, 2))
    out = np.zeros((5, 2))
    for sender in range(5):
        message = np.exp(q @ k[sender])
        out += np.outer(message / message.sum(), v[sender])
    assert reverse.reversed_attention(q, k, v) == pytest.approx(out, abs=1e-14)
    assert out.sum(axis=0) == pytest.approx(v.sum(axis=0), abs=1e-14)
    assert attend(q, k, v).sum(axis=0) != pytest.approx(v.sum(axis=0), abs=0.1)


def test_channel_attention_is_cheaper_for_many_tokens() -> None:
    case = channels.ChannelTokens.drawn(12, 6, 3, 1.0, seed=0)
    arrays = case.queries, case.keys, case.values
    counted = multiplications(lambda q, k, v: channels.channel_attention(q, k, v, 3), *arrays)
    assert counted == channels.channel_multiplications(12, 6, 3) == 2 * 12 * 6 * 2
    assert channels.channel_multiplications(6, 6) == multiplications(attend, *(a[:6] for a in arrays))
    loop = np.zeros_like(case.values)
    for own in ([0, 1], [2, 3], [4, 5]):
        loop[:, own] = case.values[:, own] @ softmax(case.queries[:, own].T @ case.keys[:, own]).T
    assert channels.channel_attention(*arrays, 3) == pytest.approx(loop, abs=1e-13)


# -------------------------------------------------------------------------------------------------------- positions


def test_rotations_as_matrices_and_as_complex_numbers() -> None:
    theta, x = rotary.angles(6), RNG.standard_normal((4, 6))
    where = np.array([0.0, 3.0, -2.5, 100.0])
    turned = rotary.rotate(x, where, theta)
    assert turned == pytest.approx(np.stack([rotary.rotation(m, theta) @ v for m, v in zip(where, x, strict=True)]))
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(x, axis=1), abs=1e-13)
    assert theta == pytest.approx([1.0, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)])


def test_enough_slope_is_attained() -> None:
    theta = np.array([0.9, 0.1, 2.0])
    phase = -(np.pi + theta) / 2
    query = np.stack([np.cos(phase), np.sin(phase)], axis=-1).ravel() * np.repeat([1.0, 2.0, 0.5], 2)
    case = rotary.RotaryPair(query, np.tile([1.0, 0.0], 3), theta)
    assert rotary.enough_slope_makes_scores_fall(case) == pytest.approx(0.0, abs=1e-12)
    distance = np.arange(200)
    biased = rotary.score_at(distance, case.query, case.key, theta) - distance * rotary.enough_slope(
        query, case.key, theta
    )
    assert np.diff(biased).max() <= 1e-12


def test_random_blocks_cost_what_they_keep() -> None:
    kept = random_blocks.random_blocks(6, 0.4, np.random.default_rng(2))
    q, k, v = RNG.standard_normal((24, 3)), RNG.standard_normal((24, 3)), RNG.standard_normal((24, 2))
    counted = multiplications(lambda *a: random_blocks.block_attention(*a, kept, 4), q, k, v)
    assert counted == kept.sum() * 4**2 * (3 + 2)
    assert (random_blocks.block_mask(kept, 4) <= causal(24)).all()


@pytest.mark.parametrize("redrawn", [False, True])
def test_joined_blocks_against_draws(redrawn: bool) -> None:
    rng, draws, gap, density = np.random.default_rng(4), 4000, 6, 0.3
    expected, hits = random_blocks.joined(gap, density, redrawn=redrawn), 0
    for _ in range(draws):
        first = random_blocks.random_blocks(gap + 1, density, rng)
        second = random_blocks.random_blocks(gap + 1, density, rng) if redrawn else first
        hits += bool((second[-1] & first[:, 0]).any())
    assert abs(hits / draws - expected) <= 4 * np.sqrt(expected * (1 - expected) / draws)


def test_error_of_quantised_values_against_rounding() -> None:
    """Values rounded to a grid of random offset; the closed form counts in units of a twelfth of the square range."""
    rng, draws, p = np.random.default_rng(8), 4000, np.array([0.5, 0.3, 0.15, 0.05])
    bits = staircase.best_bits(p, 4.0)
    steps = 2.0**-bits
    values, offset = rng.random((draws, 4)), rng.random((draws, 4))
    rounded = steps * (np.round(values / steps + offset) - offset)
    squares = 12 * ((rounded - values) @ p) ** 2
    expected = staircase.quantisation_error(p, bits)
    assert expected == pytest.approx(staircase.least_error(p, 4.0), rel=1e-13)
    assert abs(squares.mean() - expected) <= 4 * squares.std() / np.sqrt(draws)


def test_bits_fall_with_age_like_stairs() -> None:
    ageing = staircase.AgeingTokens(12, np.log(2) / 3)
    assert staircase.whole_bits(ageing.weights, 34).tolist() == [5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1]
    budget = staircase.BitBudget(np.zeros(4), np.full(4, 2.5), 0)
    assert staircase.bits_follow_the_logarithm_of_weights(budget) == pytest.approx(0.0, abs=1e-13)


def test_path_positions_are_the_cosine_transform() -> None:
    assert positions.path_positions(7) == pytest.approx(dct(np.eye(7), norm="ortho", axis=0).T, abs=1e-14)
    assert positions.path_frequencies(3) == pytest.approx([0.0, 1.0, 3.0], abs=1e-14)
    assert positions.laplacian(positions.grid_graph(2, 3)).diagonal().tolist() == [2, 3, 2, 2, 3, 2]
    square = np.linalg.eigvalsh(positions.laplacian(positions.ring_graph(4)))
    assert square == pytest.approx([0.0, 2.0, 2.0, 4.0], abs=1e-14)


def test_edges_cost_their_number_and_reach_the_diameter() -> None:
    graph = positions.ring_graph(9).astype(bool)
    case = Sequence.drawn(9, 9, 3, 2, 1.0, 0)
    edges = np.argwhere(graph)
    counted = multiplications(lambda *a: graphs.edge_attention(*a, edges), case.queries, case.keys, case.values)
    assert counted == 18 * (3 + 2)
    held = np.eye(9)[:, :1]
    looped = np.argwhere(graph | np.eye(9, dtype=bool))
    for _ in range(3):
        held = graphs.edge_attention(case.queries, case.keys, held, looped)
    assert (held[:, 0] > 0).tolist() == [i in (0, 1, 2, 3, 6, 7, 8) for i in range(9)]
    assert hops([graph | np.eye(9, dtype=bool)]) == 4


# ------------------------------------------------------------------------------------------------- focal modulation


def test_focal_field_of_three_kernels() -> None:
    assert focal.focal_field((3, 5, 7)) == 13
    block = focal.FocalBlock.drawn(20, 2, (3, 5, 7), seed=0)
    assert block.reached(everywhere=False).sum() == 13
    assert block.reached(everywhere=True).all()


def test_focal_modulation_is_linear_in_tokens() -> None:
    def run(tokens: Any, *arrays: Any) -> Any:
        made = object.__new__(focal.FocalBlock)
        names = ("query", "context", "output", "gates")
        for name, array in zip(("tokens", "kernels", *names), (tokens, arrays[:2], *arrays[2:]), strict=True):
            object.__setattr__(made, name, array)
        return made.run()

    for length in (13, 26):
        block = focal.FocalBlock.drawn(length, 3, (3, 5), seed=0)
        arrays = (block.tokens, *block.kernels, block.query, block.context, block.output, block.gates)
        assert multiplications(run, *arrays) == focal.focal_multiplications(length, 3, block.sizes)


# ------------------------------------------------------------------------------------------------------- bad calls

ONES = np.ones((4, 2))
LOOPS = np.eye(4, dtype=bool)
ORDER = np.arange(4)

BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (
        lambda: grouped.GroupedHeads.drawn((4, 3, 1), (2, 2, 2, 2), 0),
        ValueError,
        "keys must divide 4 query heads, got 3",
    ),
    (lambda: grouped.UntiedHeads.drawn((4, 2, 4), (2, 2, 2, 2), 0), ValueError, "own keys and values, got"),
    (lambda: grouped.GroupedHeads(ONES[None], ONES[None], ONES[None, :3]), ValueError, "values must have shape"),
    (lambda: noise.NoisyHead(np.ones(4), np.ones((4, 4)), ONES), ValueError, "at most 12 entries, got 16"),
    (lambda: noise.NoisyHead(np.ones(2), np.ones((1, 2)), np.ones((1, 1))), ValueError, "at least 2 keys, got 1"),
    (lambda: noise.ScalarReadout(np.ones(3), np.ones(3)), ValueError, "values must differ"),
    (lambda: pointer.Scores(np.array([1.0, 1.0]), 1.0), ValueError, "largest score must be alone"),
    (lambda: pointer.Scores(np.array([1.0, 0.0]), 0.0), ValueError, "sharpness must be finite and in"),
    (lambda: pointer.Scores(np.array([1.0]), 1.0), ValueError, "at least 2 scores, got 1"),
    (lambda: pointer.Unsorted(np.array([0.0, 0.0, 1.0]), 0.1), ValueError, "scores must be distinct"),
    (lambda: pointer.Unsorted(np.array([0.0, 1.0]), 0.5), ValueError, "error must be finite and in"),
    (lambda: mixture.HeadSubset(ONES, 4), ValueError, "1 to 3 heads must be kept, got 4"),
    (lambda: mixture.HeadSubset(np.ones((11, 1)), 4), ValueError, "2 to 10 heads, got 11"),
    (lambda: mixture.GatedHeads(ONES[None], ONES, ONES), ValueError, "projection must have shape"),
    (lambda: reverse.OpenSenders(100 * np.eye(2), np.eye(2), np.ones((2, 1))), ValueError, "more than 0.999"),
    (lambda: rotary.RotaryPair(np.ones(3), np.ones(3), np.ones(1)), ValueError, "width must be even, got 3"),
    (lambda: rotary.RotaryPair(np.ones(2), np.ones(2), np.zeros(1)), ValueError, r"angles must be in \(0, pi\]"),
    (lambda: rotary.RotarySequence(ONES[:, :1], ONES[:, :1], ONES, 1.0, 0.0), ValueError, "width must be even, got 1"),
    (lambda: rotary.RotarySequence(ONES, ONES, ONES, NAN, 0.0), ValueError, "slope must be finite"),
    (lambda: random_blocks.BlockChoice(ONES, 1), ValueError, "kept must be a square Boolean matrix"),
    (lambda: random_blocks.BlockChoice(LOOPS, 0), ValueError, "size must be >= 1, got 0"),
    (lambda: random_blocks.DiagonalChoice(~LOOPS, 1), ValueError, "every block must read itself"),
    (lambda: random_blocks.BlockLottery(4, 0.5, False), ValueError, "gap must be at most 3, got 4"),
    (lambda: random_blocks.BlockLottery(1, 1.5, False), ValueError, "density must be in"),
    (
        lambda: random_blocks.BlockSequence(ONES, ONES, ONES, random_blocks.DiagonalChoice(LOOPS, 2)),
        ValueError,
        "must cover 4 tokens, got 8",
    ),
    (lambda: staircase.BitBudget(np.ones(3), np.ones(2), 1), ValueError, "bits must have shape"),
    (lambda: staircase.BitBudget(np.ones(3), np.ones(3), -1), ValueError, "whole_bits must be >= 0, got -1"),
    (lambda: staircase.AgeingTokens(10, 31.0), ValueError, "at most 300, so that no weight underflows, got 310"),
    (lambda: channels.ChannelTokens(ONES, ONES, ONES, 3), ValueError, "groups must divide 2, got 3"),
    (
        lambda: channels.TurnedTokens(channels.ChannelTokens(ONES, ONES, ONES, 1), np.ones((4, 4))),
        ValueError,
        "mixing must be orthogonal",
    ),
    (lambda: positions.RingLength(2), ValueError, "tokens must be >= 3, got 2"),
    (lambda: positions.GridShape(1, 5), ValueError, "height must be >= 2, got 1"),
    (lambda: graphs.GraphTokens(ONES, ONES, ONES, ~(ONES @ ONES.T > 0), ORDER), ValueError, "must have a neighbour"),
    (lambda: graphs.GraphTokens(ONES, ONES, ONES, np.eye(4), ORDER), ValueError, "graph must be Boolean of shape"),
    (lambda: graphs.GraphTokens(ONES, ONES, ONES, LOOPS, ORDER[[0, 0, 1, 2]]), ValueError, "must be a permutation"),
    (lambda: focal.FocalBlock.drawn(9, 2, (3, 4), 0), ValueError, r"of odd length, got \(3, 4\)"),
    (lambda: focal.FocalBlock.drawn(9, 2, (3, 5, 7), 0), ValueError, "field of 13, got 9"),
]


@pytest.mark.parametrize(("call", "error", "pattern"), BAD_CALLS)
def test_bad_calls(call: Callable[[], object], error: type[Exception], pattern: str) -> None:
    with pytest.raises(error, match=pattern):
        call()
