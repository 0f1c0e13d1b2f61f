"""Pooling mechanisms: known numbers, second routes, attained bounds, counted costs and bad calls."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from theory.attention import attend, softmax
from theory.claims import Claim
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Logits
from theory.mechanisms.pooling import (
    batch_noise,
    binding,
    class_scores,
    codebook,
    condition_token,
    gaussian_weights,
    instance_masking,
    metric_learners,
    objects,
    product_kernel,
    repeated_attention,
    static_mixer,
    strips,
    subspace_maps,
    summaries,
)

RNG = np.random.default_rng


def standard_errors(draws: np.ndarray, expected: float) -> float:
    """How many standard errors the mean of independent `draws` is from `expected`."""
    return float(abs(draws.mean() - expected) / (draws.std(ddof=1) / np.sqrt(len(draws))))


# ------------------------------------------------------------------------------------- mixers, scores, conditions


@pytest.mark.parametrize(("channels", "error"), [(1, 0.75), (2, 0.5), (4, 0.0)])
def test_static_mixer_against_regression_on_drawn_tokens(channels: int, error: float) -> None:
    """The residual of a least-squares read-out of 50,000 drawn tokens, averaged over the selector."""
    rng = RNG(0)
    mixer, tokens = rng.standard_normal((channels, 4)), rng.standard_normal((50_000, 4))
    seen = tokens @ mixer.T
    residual = tokens - seen @ np.linalg.lstsq(seen, tokens, rcond=None)[0]
    assert (residual**2).mean() == pytest.approx(error, abs=0.01)
    assert static_mixer.static_mixer_error(mixer, np.eye(4)) == pytest.approx(error, abs=1e-12)
    assert static_mixer.static_mixer_bound(channels, np.eye(4)) == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize(("k", "strength", "error"), [(4, 4.0, 0.00129), (8, 2.0, 0.1137)])
def test_gate_error(k: int, strength: float, error: float) -> None:
    assert static_mixer.gate_error(k, strength) == pytest.approx(error, abs=5e-5)
    tokens = RNG(1).standard_normal((20_000, k))
    squared = (static_mixer.token_gate(tokens, 2, strength) - tokens[:, 2]) ** 2
    assert standard_errors(squared, static_mixer.gate_error(k, strength)) < 4


@pytest.mark.parametrize(("error", "gain"), [(0.0, 10.0), (0.2, 6.4), (0.5, 1.0), (0.7, 0.2)])
def test_semantic_gain_against_draws(error: float, gain: float) -> None:
    """Squared mean over variance of 20,000 pooled features, against that of the plain mean; 10 of 100 frames act."""
    assert class_scores.semantic_gain(0.1, error) == pytest.approx(gain, rel=5e-2)
    action = np.arange(100) < 10
    features = 5.0 * action + RNG(2).standard_normal((20_000, 100))
    weighted, plain = features @ np.where(action, 1 - error, error), features.mean(axis=1)
    found = (weighted.mean() ** 2 / weighted.var()) / (plain.mean() ** 2 / plain.var())
    assert found == pytest.approx(class_scores.semantic_gain(0.1, error), rel=0.05)


def test_conditional_entanglement_against_draws() -> None:
    """One minus the squared correlation of the embedding with its own attribute, for normal attributes."""
    values = RNG(3).standard_normal((200_000, 4))
    embedding = values @ softmax([1.0, 0.0, 0.0, 0.0])
    found = 1 - np.corrcoef(embedding, values[:, 0])[0, 1] ** 2
    assert found == pytest.approx(condition_token.conditional_entanglement(4, 1.0), abs=5e-3)
    assert condition_token.conditional_entanglement(4, 1.0) == pytest.approx(0.2888, abs=1e-4)
    assert condition_token.conditional_entanglement(8, 0.0) == pytest.approx(1 - 1 / 8, abs=1e-15)
    interacting = np.array([[[1.0], [-1.0]], [[-1.0], [1.0]]])
    assert condition_token.entanglements(interacting) == pytest.approx([1.0, 1.0])


# --------------------------------------------------------------------------------------------- objects, summaries


def test_object_pooling_bound_is_approached_by_two_pixels() -> None:
    pair = objects.SpreadPixels(np.array([1e-3, 0.0]), np.array([[1.0], [-1.0]]), np.zeros(2, dtype=int))
    assert -1e-3 < objects.pooling_objects_costs_little(pair) < 0


def test_summaries_with_and_without_counts() -> None:
    """Tight clusters of 2 to 30 tokens: leaving the counts out costs more than three times the error."""
    ratios = []
    for seed in range(10):
        made = summaries.Clusters.drawn([2, 4, 8, 16, 30], 0.05, 1.0, seed)
        ratios.append(made.error(count=False) / made.error())
    assert np.median(ratios) > 3


def test_a_second_task_disturbs_by_its_weight() -> None:
    own, other, rng = np.array([1.0, 2.0]), np.array([0.5, 0.0, 3.0]), RNG(4)
    share = softmax(np.r_[own, other])[2:].sum()
    assert summaries.disturbance(own, other) == pytest.approx(share, abs=1e-15)
    assert summaries.disturbance(own, other - 1e4) == 0.0
    keys, values, query = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), rng.standard_normal(3)
    alone = summaries.summarised_attention(query, keys, values, np.arange(5))
    assert alone == pytest.approx(attend(query[None], keys, values)[0], abs=1e-14)


@pytest.mark.parametrize(("m", "ratio"), [(10, 0.056), (20, 0.114), (50, 0.316)])
def test_pathway_costs(m: int, ratio: float) -> None:
    assert summaries.pathway_cost_ratio(196, 10, m) == pytest.approx(ratio, abs=5e-4)


# ------------------------------------------------------------------------------------------------ strips, batches


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
def test_strips_of_diagonal_squares(m: int) -> None:
    squares = strips.diagonal_rectangles(np.full(m, 3), np.full(m, 3))
    assert strips.overlap(strips.strip_product(squares), squares) == pytest.approx(1 / m, abs=1e-15)
    lost = ((squares - strips.best_strip_map(squares)) ** 2).sum() / squares.sum()
    assert lost == pytest.approx(1 - 1 / m, abs=1e-12)


@pytest.mark.parametrize(("value", "variance"), [(0.0, 1.0), (1.0, 1.5), (2.0, 3.0)])
def test_batch_norm_variance_against_draws(value: float, variance: float) -> None:
    """20,000 batches of 64; the fourth moment gives the standard error of a variance."""
    batch = RNG(5).standard_normal((64, 20_000))
    batch[0] = value
    output = batch_noise.batch_norm(batch)[0]
    assert standard_errors((output - output.mean()) ** 2, batch_noise.batch_norm_variance(value, 64)) < 4
    assert 4096 * batch_noise.batch_norm_variance(value, 4096) == pytest.approx(variance, rel=3e-3)
    assert batch_noise.batch_norm_variance(value, 64, nodes=30) == pytest.approx(
        batch_noise.batch_norm_variance(value, 64, nodes=90), rel=1e-10
    )


def test_group_norm_is_that_of_every_group() -> None:
    sample = RNG(6).standard_normal((3, 6))
    found = batch_noise.group_norm(sample, 2)
    for group in (slice(0, 3), slice(3, 6)):
        assert found[1, group] == pytest.approx((sample[1, group] - sample[1, group].mean()) / sample[1, group].std())


# ------------------------------------------------------------------------------ kernels, codebooks, maps, masking


def test_repeated_attention_among_drawn_tokens() -> None:
    """3,000 tokens at s = h = 1: 0.5, 0.1, 0.001 after one, two, three passes."""
    tokens = RNG(7).standard_normal((3000, 1))
    for expected, tolerance in ((0.5, 0.03), (0.1, 0.09), (0.001, 0.25)):
        tokens = repeated_attention.gaussian_attention(tokens, tokens, 1.0)
        assert tokens.std() == pytest.approx(expected, rel=tolerance)
    assert repeated_attention.contracted_spread(1.0, 1.0, 3) == pytest.approx(0.1**3 / 1.01, rel=1e-12)


def test_codebook_jacobian_against_differences() -> None:
    rng = RNG(8)
    scores, codes, x = rng.standard_normal((4, 3)), rng.standard_normal((4, 5)), rng.standard_normal(3)
    step = 1e-5 * np.eye(3)
    found = [
        (codebook.codebook_output(scores, codes, x + e) - codebook.codebook_output(scores, codes, x - e)) / 2e-5
        for e in step
    ]
    assert codebook.codebook_jacobian(scores, codes, x) == pytest.approx(np.array(found).T, abs=1e-8)


def test_subspace_maps() -> None:
    assert subspace_maps.two_scale_excess(0.5, 5, 15) == pytest.approx(1 / 30)
    window = subspace_maps.circular_window(15, 5)
    assert window.sum(axis=1) == pytest.approx(np.ones(15))
    features = RNG(9).standard_normal((15, 6))
    maps = np.array([window, np.eye(15), np.full((15, 15), 1 / 15)])
    mixed = subspace_maps.subspace_attention(maps, features)
    assert mixed[:, 2:4] == pytest.approx(features[:, 2:4])
    assert mixed[:, :2] == pytest.approx(window @ features[:, :2])


def test_two_windows_on_drawn_features() -> None:
    """Squared error a token of the mean map on white features: windows of 5 and 15 of 15 tokens, half the channels
    each.
    """
    maps = np.array([subspace_maps.circular_window(15, w) for w in (5, 15)])
    features = RNG(10).standard_normal((15, 4000))
    wanted = subspace_maps.subspace_attention(maps, features)
    squared = ((wanted - maps.mean(axis=0) @ features) ** 2).mean(axis=0)
    assert standard_errors(squared, 1 / 30) < 4


def test_gradient_outside_the_top_against_a_grid() -> None:
    """The sharp bound is the largest u (1 - s) + (1 - m - u) s over how the rest and the top are split."""
    u, t = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 101))
    for left in (0.05, 0.3, 0.5, 0.9):
        pooled = u * left + (1 - left) * t
        total = left * (u * (1 - pooled) + (1 - u) * pooled)
        assert total.max() == pytest.approx(float(instance_masking.outside_gradient_bound(left)), rel=1e-4)
    assert (instance_masking.outside_gradient_bound(np.linspace(0.01, 1, 99)) <= np.linspace(0.01, 1, 99)).all()


def test_logit_gradient_against_differences() -> None:
    logits, values, step = np.array([1.0, 0.0, -1.0]), np.array([0.3, 2.0, -1.0]), 1e-6
    found = [
        (softmax(logits + step * e) @ values - softmax(logits - step * e) @ values) / (2 * step) for e in np.eye(3)
    ]
    assert instance_masking.logit_gradient(logits, values) == pytest.approx(np.array(found), abs=1e-9)


def test_gaussian_heads_together_have_two_peaks() -> None:
    """One head cannot; the mean of two heads does, and puts least weight on the middle."""
    features = np.array([-1.0, 0.0, 1.0])
    heads = [gaussian_weights.product_of_gaussians(features, [offset], [0.3]) for offset in (-1.0, 1.0)]
    assert np.mean(heads, axis=0)[1] < 0.05
    assert gaussian_weights.product_of_gaussians(features, [-1.0, 1.0], [0.3, 0.3])[1] > 0.99
    assert gaussian_weights.one_gaussian([0.0, 3.0], [1.0, 0.5**0.5]) == pytest.approx((2.0, 3**-0.5))


# -------------------------------------------------------------------------------- metrics, binding, convolutions


def test_triplet_accuracy_of_four_attributes() -> None:
    found = [metric_learners.best_triplet_accuracy(4, learners) for learners in (1, 2, 3, 4)]
    assert found == pytest.approx([1 / 2, 5 / 6, 11 / 12, 1.0], abs=1e-15)


def test_triplets_are_those_of_the_definition() -> None:
    """Point by point for K = 3: y differs from x in j alone, z in i alone."""
    served, distances = np.array([0, 1, 1]), RNG(11).standard_normal((2, 8, 8))
    points = list(product([0, 1], repeat=3))
    index = {p: sum(bit << a for a, bit in enumerate(p)) for p in points}

    def flipped(point: tuple[int, ...], attribute: int) -> int:
        return index[tuple(1 - b if a == attribute else b for a, b in enumerate(point))]

    right = [
        distances[served[i]][index[x], flipped(x, j)] < distances[served[i]][index[x], flipped(x, i)]
        for i, j in product(range(3), repeat=2)
        if i != j
        for x in points
    ]
    assert metric_learners.triplet_accuracy(served, distances) == pytest.approx(np.mean(right))


@pytest.mark.parametrize(("distractors", "bound"), [(1, 0.583), (2, 0.491), (4, 0.428), (7, 0.365)])
def test_binding_bound_of_six_colours(distractors: int, bound: float) -> None:
    assert binding.pooled_accuracy_bound(distractors, 6) == pytest.approx(bound, abs=5e-4)
    counts = RNG(12).multinomial(distractors + 1, np.full(6, 1 / 6), 40_000).max(axis=1) / (distractors + 1)
    assert standard_errors(counts, binding.pooled_accuracy_bound(distractors, 6)) < 4


def test_binding_bound_is_exact() -> None:
    assert binding.expected_largest_multiplicity(2, 6) == Fraction(7, 6)
    assert binding.expected_largest_multiplicity(3, 1) == 3


def test_hyper_convolution() -> None:
    """Against numpy's linear convolution, wrapped."""
    kernel, gate, x = RNG(13).standard_normal((3, 7))
    wrapped = np.convolve(kernel * gate, x)
    wrapped[:6] += wrapped[7:]
    assert product_kernel.hyper_convolution(kernel, gate, x) == pytest.approx(wrapped[:7], abs=1e-13)


@pytest.mark.parametrize("length", [2, 8, 64])
def test_hyper_convolution_costs(length: int) -> None:
    made = (np.ones(length),) * 3
    dense, fast = product_kernel.hyper_convolution, product_kernel.hyper_convolution_fft
    assert multiplications(dense, *made) == product_kernel.dense_multiplications(length)
    assert multiplications(fast, *made) == product_kernel.fft_multiplications(length)


# ---------------------------------------------------------------------------------------------------- attained bounds

SPLIT = codebook.Codebook(np.eye(2), np.eye(2), np.array([-1.0, 1.0]), np.array([2.0, -2.0]))
DECIDED = np.array([[1.0], [0.0], [0.0]])
ATTAINED: list[tuple[Claim, tuple[Any, ...]]] = [
    (
        static_mixer.static_mixer_of_white_tokens_loses,
        (static_mixer.WhiteStaticMixer(np.eye(4)[:1], np.eye(4)[:, :1], np.eye(4)),),
    ),
    (static_mixer.gated_channel_beats_any_static_channel, (static_mixer.SelectingGate(5, 0.0),)),
    (
        class_scores.semantic_gain_is_at_most_one_over_the_share,
        (class_scores.Frames(np.arange(10) < 3, 30.0 * (np.arange(10) < 3)),),
    ),
    (
        condition_token.shared_embedding_is_entangled,
        (condition_token.SharedEmbedding(np.array([[[0.0], [1.0]], [[2.0], [3.0]]])),),
    ),
    (
        objects.pooling_objects_costs_little,
        (objects.SpreadPixels(np.array([0.02, 0.0]), np.array([[1.0], [0.0]]), np.array([0, 0])),),
    ),
    (
        summaries.counted_summaries_are_accurate,
        (
            summaries.Clusters(
                np.array([1.0]), np.array([[0.02], [0.0]]), np.array([[1.0], [0.0]]), np.zeros(2, dtype=np.int64)
            ),
        ),
    ),
    (strips.strips_are_the_best_covering_product, (strips.Target(np.eye(3, dtype=bool)),)),
    (batch_noise.batch_norm_is_bounded_by_the_batch, (batch_noise.Batch(np.tile([[1e3, 0.0], [0, 1], [1, 0]], 2)),)),
    (
        repeated_attention.repeated_attention_collapses_doubly_exponentially,
        (repeated_attention.GaussianClass(0.1, 1.0, 1),),
    ),
    (
        codebook.codebook_bounds_any_disturbance,
        (codebook.DisturbedCodebook(SPLIT.scores, SPLIT.codes, -SPLIT.disturbance / 2, SPLIT.disturbance),),
    ),
    (
        codebook.decided_codebook_has_little_gain,
        (codebook.DecidedCodebook(DECIDED, DECIDED, np.array([1.5]), np.array([2.0])),),
    ),
    (
        subspace_maps.single_map_misses_the_spread,
        (
            subspace_maps.WantedMaps(
                np.array([np.eye(2), np.full((2, 2), 0.5)]), np.full(2, 0.5), np.array([[3, 1], [1, 3]]) / 4
            ),
        ),
    ),
    (
        instance_masking.other_instances_get_little_gradient,
        (instance_masking.Bag(np.array([3.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0]), 1),),
    ),
    (
        instance_masking.other_instances_get_little_gradient,
        (  # a quarter on top: the others split into 7/16 at 1 and 5/16 at 0, the top at 0
            instance_masking.Bag(np.log(np.r_[4.0, np.ones(12)]), np.r_[0.0, np.ones(7), np.zeros(5)], 1),
        ),
    ),
    (
        gaussian_weights.gaussian_weights_have_one_peak,
        (gaussian_weights.GaussianHead(np.array([-1.0, 0.0, 1.0]), np.array([0.0]), np.array([1.0])),),
    ),
    (
        metric_learners.shared_metric_answers_half,
        (metric_learners.Learners(np.array([0, 1, 0]), metric_learners.hamming_learners([0, 1, 0])),),
    ),
    (binding.pooled_sum_cannot_bind, (binding.AdditiveObjects.of(np.eye(7)[:3], np.eye(7)[3:]),)),
    (binding.softmax_guarantees_the_asked_object, (binding.AskedObject(Logits(np.array([2.0, 0.0, 0.0]))),)),
    (
        product_kernel.static_operator_cannot_shift_by_data,
        (product_kernel.UniformShiftTask(np.full((4, 4), 0.25), np.full(4, 0.25)),),
    ),
]


@pytest.mark.parametrize(("claim", "instances"), ATTAINED, ids=[f"{c.name}-{i}" for i, (c, _) in enumerate(ATTAINED)])
def test_bounds_are_attained(claim: Claim, instances: tuple[Any, ...]) -> None:
    assert -0.01 <= claim(*instances) <= claim.tolerance


# ---------------------------------------------------------------------------------------------------------- bad calls

ONE, TWO = np.ones(1), np.ones(2)
BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: static_mixer.WhiteStaticMixer(np.ones((1, 2)), np.ones((2, 1)), np.ones((2, 2))), "must be white"),
    (lambda: static_mixer.StaticMixer(np.ones((1, 2)), np.ones((2, 1)), -np.eye(2)), "covariance must be >= 0"),
    (lambda: static_mixer.StaticMixer(np.ones((1, 2)), np.ones((2, 1)), np.array([[1.0, 2], [0, 1]])), "symmetric"),
    (lambda: static_mixer.SelectingGate(2, -1.0), "strength must be >= 0"),
    (lambda: static_mixer.Gate(1, 1.0), "tokens must be >= 2"),
    (lambda: static_mixer.Gate(2, 11.0), "strength must be at most 10"),
    (lambda: class_scores.Frames(np.array([True, True]), TWO), "some frames must show the action and some must not"),
    (lambda: class_scores.TwoScores(3, 3, 1.0), "some frames must show the action, got 3 of 3"),
    (lambda: class_scores.TwoScores(3, 1, 21.0), "gap must be at most 20"),
    (lambda: class_scores.semantic_gain(2.0, 0.1), "share must be in"),
    (lambda: condition_token.ConditionedTokens(ONE, 0, 1.0), "at least 2 attributes"),
    (lambda: condition_token.ConditionedTokens(TWO, 2, 1.0), "asked must be one of the attributes"),
    (lambda: condition_token.ConditionedTokens(TWO, 0, 30.0), "gap must be at most 20"),
    (lambda: condition_token.EqualConditionedTokens(np.array([1.0, 2.0]), 0, 1.0), "variances must be equal"),
    (lambda: condition_token.SharedEmbedding(np.ones((2, 2, 1))), "must vary with the attributes"),
    (lambda: condition_token.AdditiveEmbedding(np.array([[[1.0], [0]], [[0], [1]]])), "must not interact"),
    (lambda: objects.Pixels(TWO, np.ones((2, 1)), np.zeros(2, dtype=int)), "values must differ"),
    (lambda: objects.Pixels(TWO, np.eye(2), np.zeros(3, dtype=int)), "every pixel needs an object"),
    (lambda: objects.UniformPixels(np.arange(2.0), np.eye(2), np.zeros(2, dtype=int)), "equal within an object"),
    (lambda: objects.SpreadPixels(TWO, np.eye(2), np.zeros(2, dtype=int)), "must spread by at least"),
    (lambda: objects.object_attention(TWO, [1.0, 0.0], np.eye(2)), "sizes must be positive"),
    (lambda: objects.pooling_error_bound(-1.0), "spread must be >= 0"),
    (lambda: summaries.TwoTasks(Logits(TWO), Logits(TWO), np.ones((3, 1)), np.ones((2, 1))), "own_values must have"),
    (lambda: summaries.Clusters(TWO, np.ones((2, 1)), np.eye(2), np.zeros(2, dtype=int)), "query must have shape"),
    (lambda: summaries.pathway_cost_ratio(0, 1, 1), "patches must be >= 1"),
    (lambda: strips.overlap(np.zeros((2, 2)), np.zeros((2, 2))), "must not both be empty"),
    (lambda: strips.Target(np.ones((7, 1))), "at most 6 x 6"),
    (lambda: strips.Target(np.zeros((2, 2))), "must not be empty"),
    (lambda: strips.Rectangles(np.array([1, 2]), np.array([1])), "every rectangle has both sides"),
    (lambda: strips.Rectangles(np.array([0]), np.array([1])), "every side must be >= 1"),
    (lambda: batch_noise.batch_norm(np.ones((3, 2))), "every channel must vary"),
    (lambda: batch_noise.group_norm(np.eye(3), 2), "groups must divide the channels"),
    (lambda: batch_noise.group_norm(np.eye(2, 4), 2), "every group must vary"),
    (lambda: batch_noise.batch_norm_variance(0.0, 3), "batch must be >= 4"),
    (lambda: batch_noise.BatchedValue(4.0), "value must be at most 3"),
    (lambda: batch_noise.Batch(np.ones((2, 3))), "an even number of channels"),
    (lambda: batch_noise.Batch(np.eye(2, 4)), "channels and halves of samples must vary"),
    (lambda: repeated_attention.GaussianClass(9.0, 1.0, 1), "ratio must be in"),
    (lambda: repeated_attention.GaussianClass(1.0, 0.0, 1), "width must be finite and in"),
    (lambda: repeated_attention.GaussianClass(1.0, 1.0, 4), "1 to 3 passes"),
    (lambda: repeated_attention.GaussianClass(0.1, 1.0, 2), "at least h/100"),
    (lambda: repeated_attention.contracted_spread(-1.0, 1.0), "spread must be positive"),
    (lambda: codebook.Codebook(np.eye(2), np.ones((2, 1)), TWO, TWO), "codes must differ"),
    (lambda: codebook.Codebook(np.eye(2), np.eye(2), ONE, TWO), "x must have shape"),
    (lambda: codebook.DisturbedCodebook(np.eye(2), np.eye(2), TWO, TWO), "logits must change"),
    (lambda: codebook.DecidedCodebook(np.eye(3), np.eye(3), np.zeros(3), np.eye(3)[0]), "at least half the weight"),
    (lambda: codebook.UnseenDisturbance(np.eye(2), np.eye(2), TWO, np.eye(2)[0]), "logits must not change"),
    (lambda: subspace_maps.subspace_attention(np.ones((2, 1, 1)), np.ones((1, 3))), "must divide 3 channels"),
    (lambda: subspace_maps.circular_window(4, 2), "width must be odd"),
    (lambda: subspace_maps.TwoWindows(9, 5, 3, 0.5), "widths must be odd, narrow <= wide"),
    (lambda: subspace_maps.WantedMaps(np.array([np.eye(2)] * 2), TWO / 2, np.eye(2)), "maps must differ"),
    (lambda: subspace_maps.WantedMaps(np.ones((2, 2, 2)), TWO / 2, np.eye(2)), "rows that sum to 1"),
    (lambda: subspace_maps.WantedMaps(np.full((2, 1, 2), 0.5), TWO / 2, np.eye(2)), "maps must be square"),
    (lambda: subspace_maps.GroupedChannels(1, 0, 1), "groups must be >= 1"),
    (lambda: instance_masking.top_instances(TWO, 2), "some instances must remain"),
    (lambda: instance_masking.Bag(TWO, TWO, 1), "values must differ"),
    (lambda: instance_masking.Bag(TWO, np.arange(2.0), 2), "top must leave an instance"),
    (lambda: instance_masking.expected_masked_weights(TWO, 1, 1.5), "chance must be in"),
    (lambda: gaussian_weights.product_of_gaussians(TWO, ONE, ONE), "features must vary"),
    (lambda: gaussian_weights.GaussianHead(0.01 * np.arange(2), ONE, ONE), "standard deviation must be in"),
    (lambda: gaussian_weights.GaussianHead(np.arange(2), 20 * ONE, ONE), "offsets must be at most 10"),
    (lambda: gaussian_weights.GaussianHead(np.arange(2), ONE, ONE / 10), "widths must be >= 0.3"),
    (lambda: gaussian_weights.CentredGaussianHead(np.arange(2), ONE, ONE), "offsets must be 0"),
    (lambda: metric_learners.assignment_bound([0]), "at least 2 attributes"),
    (lambda: metric_learners.Learners(np.zeros(6, dtype=int), np.ones((1, 64, 64))), "2 to 5 attributes"),
    (lambda: metric_learners.Learners(np.array([0, 1]), np.ones((1, 4, 4))), "every attribute must have one of the"),
    (lambda: metric_learners.Counts(3, 5), "learners must be 1 to K"),
    (lambda: metric_learners.Counts(6, 2), "2 to 5 attributes"),
    (lambda: binding.Objects(np.ones((2, 1, 1))), "at least 2 colours"),
    (lambda: binding.Objects(np.ones((11, 2, 1))), "at most 1,500 colourings"),
    (lambda: binding.Objects(np.full((1, 2, 1), 0.5)), "entries must be integers"),
    (lambda: binding.AdditiveObjects(np.array([[[0.0], [1.0]], [[0.0], [2.0]]])), "shape and colour must add"),
    (lambda: binding.SceneSize(1, 1), "2 colours"),
    (lambda: binding.SceneSize(11, 2), "at most 1,500 colourings"),
    (lambda: binding.pooled_accuracy_bound(-1, 6), "distractors must be >= 0"),
    (lambda: product_kernel.ShiftTask(np.ones((1, 1)), ONE), "at least 2 tokens"),
    (lambda: product_kernel.UniformShiftTask(np.eye(2), np.array([0.25, 0.75])), "equally likely"),
    (lambda: product_kernel.KernelAndContext(TWO, np.zeros(2), TWO), "context must not be all zero"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS, ids=[message for _, message in BAD_CALLS])
def test_bad_calls(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
