"""How to draw the instance types of `theory.mechanisms.pooling`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from theory.attention import softmax
from theory.domains.mechanisms.instances import logits
from theory.domains.registry import arrays, domain, floats, log_uniform, seeds, simplex_rows
from theory.mechanisms.instances import Logits
from theory.mechanisms.pooling.batch_noise import Batch, BatchedValue
from theory.mechanisms.pooling.binding import AdditiveObjects, AskedObject, SceneSize
from theory.mechanisms.pooling.class_scores import Frames, TwoScores
from theory.mechanisms.pooling.codebook import Codebook, DecidedCodebook, DisturbedCodebook, UnseenDisturbance
from theory.mechanisms.pooling.condition_token import AdditiveEmbedding, EqualConditionedTokens, SharedEmbedding
from theory.mechanisms.pooling.gaussian_weights import CentredGaussianHead, GaussianHead
from theory.mechanisms.pooling.instance_masking import Bag
from theory.mechanisms.pooling.metric_learners import Counts, Learners, hamming_learners
from theory.mechanisms.pooling.objects import Pixels, SpreadPixels, UniformPixels
from theory.mechanisms.pooling.product_kernel import KernelAndContext, ShiftTask, UniformShiftTask
from theory.mechanisms.pooling.repeated_attention import GaussianClass, KernelTokens, contracted_spread
from theory.mechanisms.pooling.static_mixer import Gate, SelectingGate, StaticMixer, WhiteStaticMixer
from theory.mechanisms.pooling.strips import Rectangles, Target
from theory.mechanisms.pooling.subspace_maps import GroupedChannels, TwoWindows, WantedMaps
from theory.mechanisms.pooling.summaries import Clusters, PathwaySizes, TwoTasks
from theory.numerics import Array

_FEW = st.integers(1, 4)


# ------------------------------------------------------------------------------------------- mixers, scores, conditions


@domain(StaticMixer)
@st.composite
def static_mixers(draw: st.DrawFn) -> StaticMixer:
    """2-6 tokens of any covariance, 1-4 channels; the read-out is near the best one or far from it."""
    rng = np.random.default_rng(draw(seeds()))
    channels, tokens = draw(_FEW), draw(st.integers(2, 6))
    mixer, root = rng.standard_normal((channels, tokens)), rng.standard_normal((tokens, draw(st.integers(1, 6))))
    covariance = root @ root.T
    best = covariance @ mixer.T @ np.linalg.pinv(mixer @ covariance @ mixer.T)
    return StaticMixer(mixer, best + draw(floats(0.0, 1.0)) * rng.standard_normal((tokens, channels)), covariance)


@domain(WhiteStaticMixer)
@st.composite
def white_static_mixers(draw: st.DrawFn) -> WhiteStaticMixer:
    """2-6 white tokens, 1-4 channels; the read-out is the best one or not."""
    rng = np.random.default_rng(draw(seeds()))
    mixer = rng.standard_normal((draw(_FEW), draw(st.integers(2, 6))))
    away = draw(floats(0.0, 1.0)) * rng.standard_normal(mixer.T.shape)
    return WhiteStaticMixer(mixer, np.linalg.pinv(mixer) + away, np.eye(mixer.shape[1]))


@domain(Gate)
def gates() -> st.SearchStrategy[Gate]:
    """2-64 tokens, strength in [-10, 10]."""
    return st.builds(Gate, st.integers(2, 64), floats(-10.0, 10.0))


@domain(SelectingGate)
def selecting_gates() -> st.SearchStrategy[SelectingGate]:
    """2-64 tokens, strength in [0, 10]."""
    return st.builds(SelectingGate, st.integers(2, 64), floats(0.0, 10.0))


@domain(Frames)
@st.composite
def frames(draw: st.DrawFn) -> Frames:
    """2-12 frames with scores in [-20, 20], half the time higher on the action by up to 20."""
    length = draw(st.integers(2, 12))
    action = np.roll(np.arange(length) < draw(st.integers(1, length - 1)), draw(st.integers(0, length - 1)))
    noise = draw(floats(0.0, 20.0)) * draw(arrays((length,), -1.0, 1.0))
    return Frames(action, noise + draw(floats(-1.0, 20.0)) * action)


@domain(TwoScores)
@st.composite
def two_scores(draw: st.DrawFn) -> TwoScores:
    """2-100 frames, gap in [-10, 10]."""
    length = draw(st.integers(2, 100))
    return TwoScores(length, draw(st.integers(1, length - 1)), draw(floats(-10.0, 10.0)))


@domain(EqualConditionedTokens)
@st.composite
def equal_conditioned_tokens(draw: st.DrawFn) -> EqualConditionedTokens:
    """2-7 attributes of the same variance, gap in [-5, 5]."""
    count = draw(st.integers(2, 7))
    variances = np.full(count, draw(log_uniform(-3, 3)))
    return EqualConditionedTokens(variances, draw(st.integers(0, count - 1)), draw(floats(-5.0, 5.0)))


@domain(SharedEmbedding)
@st.composite
def shared_embeddings(draw: st.DrawFn) -> SharedEmbedding:
    """2-4 attributes of 2-3 levels, 1-3 channels; interactions from none to all."""
    rng = np.random.default_rng(draw(seeds()))
    additive = draw(additive_embeddings()).table
    return SharedEmbedding(additive + draw(floats(0.0, 5.0)) * rng.standard_normal(additive.shape))


@domain(AdditiveEmbedding)
@st.composite
def additive_embeddings(draw: st.DrawFn) -> AdditiveEmbedding:
    """2-4 attributes of 2-3 levels, 1-3 channels."""
    rng = np.random.default_rng(draw(seeds()))
    levels = draw(st.lists(st.integers(2, 3), min_size=2, max_size=4))
    scales, width = 10.0 ** rng.uniform(-2, 2, len(levels)), draw(st.integers(1, 3))
    parts = [
        scale * rng.standard_normal([1] * i + [size] + [1] * (len(levels) - 1 - i) + [width])
        for i, (size, scale) in enumerate(zip(levels, scales, strict=True))
    ]
    return AdditiveEmbedding(sum(parts, start=np.zeros(width)))


# -------------------------------------------------------------------------------------------------- objects, summaries


@st.composite
def grouped(draw: st.DrawFn, spread: float) -> tuple[Array, Array, NDArray[np.int64]]:
    """Logits, values and objects of 2-10 pixels; the first two values differ, logits spread by up to `spread`."""
    count = draw(st.integers(2, 10))
    object_of = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    base = draw(floats(0.0, 10.0)) * draw(arrays((4,), -1.0, 1.0))
    values = draw(arrays((count, draw(st.integers(1, 3))), -1.0, 1.0))
    values[:2, 0] = 1.0, -1.0
    return base[object_of] + spread / 2 * draw(arrays((count,), -1.0, 1.0)), values, object_of


@domain(Pixels)
@st.composite
def pixels(draw: st.DrawFn) -> Pixels:
    """Logits that spread by 1e-2 to 30 within an object."""
    return Pixels(*draw(grouped(draw(log_uniform(-2, 1.5)))))


@domain(SpreadPixels)
@st.composite
def spread_pixels(draw: st.DrawFn) -> SpreadPixels:
    """As `pixels`, the first two in one object and apart by at least 1e-3."""
    spread = draw(log_uniform(-2, 1.5))
    logits, values, object_of = draw(grouped(spread))
    object_of[1] = object_of[0]
    logits[1] = logits[0] + spread
    return SpreadPixels(logits, values, object_of)


@domain(UniformPixels)
def uniform_pixels() -> st.SearchStrategy[UniformPixels]:
    """Logits that do not spread within an object."""
    return grouped(0.0).map(lambda made: UniformPixels(*made))


@domain(TwoTasks)
@st.composite
def two_tasks(draw: st.DrawFn) -> TwoTasks:
    """2-8 keys each."""
    own, other = draw(logits()), draw(logits())
    rng = np.random.default_rng(draw(seeds()))
    values = [rng.standard_normal((len(task.values), 2)) for task in (own, other)]
    return TwoTasks(own, other, *values)


@domain(Clusters)
@st.composite
def clusters(draw: st.DrawFn) -> Clusters:
    """1-5 clusters of 1-9 keys (at least 2 in all), noise from 1e-3 to 1, query scale up to 5."""
    sizes = [draw(st.integers(2, 9)), *draw(st.lists(st.integers(1, 9), max_size=4))]
    return Clusters.drawn(sizes, draw(log_uniform(-3, 0)), draw(floats(0.1, 5.0)), draw(seeds()))


@domain(PathwaySizes)
def pathway_sizes() -> st.SearchStrategy[PathwaySizes]:
    """1-30 patches, 1-8 prompts and summaries, width 1-4."""
    few = st.integers(1, 8)
    return st.builds(PathwaySizes, st.integers(1, 30), few, few, _FEW)


# -------------------------------------------------------------------------------------------------- strips, batches


@domain(Target)
@st.composite
def targets(draw: st.DrawFn) -> Target:
    """Any region of up to 6 x 6 pixels with its first pixel drawn in."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    pixels = draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    pixels[draw(st.integers(0, rows * columns - 1))] = True
    return Target(np.array(pixels).reshape(rows, columns))


@domain(Rectangles)
@st.composite
def rectangles(draw: st.DrawFn) -> Rectangles:
    """1-6 rectangles with sides of 1-6."""
    sides = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=6))
    return Rectangles(*np.array(sides).T)


@domain(BatchedValue)
def batched_values() -> st.SearchStrategy[BatchedValue]:
    """Values in [-3, 3]."""
    return floats(-3.0, 3.0).map(BatchedValue)


@domain(Batch)
@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """2-16 samples of 4-12 channels; the first sample may stand out by up to 100."""
    rng = np.random.default_rng(draw(seeds()))
    values = rng.standard_normal((draw(st.integers(2, 16)), 2 * draw(st.integers(2, 6))))
    values[0] += draw(floats(0.0, 100.0))
    return Batch(values)


# ---------------------------------------------------------------------------------- kernels, codebooks, maps, masking


@domain(GaussianClass)
@st.composite
def gaussian_classes(draw: st.DrawFn) -> GaussianClass:
    """Spread over width in [0.1, 5], width 1e-2 to 1e2, up to 3 passes while the spread lasts."""
    ratio, passes = draw(floats(0.1, 5.0)), draw(st.integers(1, 3))
    while contracted_spread(ratio, 1.0, passes - 1) < 1e-2:
        passes -= 1
    return GaussianClass(ratio, draw(log_uniform(-2, 2)), passes)


@domain(KernelTokens)
@st.composite
def kernel_tokens(draw: st.DrawFn) -> KernelTokens:
    """2-12 tokens of 1-3 channels in [-3, 3], width 0.3 to 10."""
    tokens = draw(arrays((draw(st.integers(2, 12)), draw(st.integers(1, 3))), -3.0, 3.0))
    return KernelTokens(tokens, draw(log_uniform(-0.5, 1)))


@st.composite
def codebooks(draw: st.DrawFn) -> tuple[Array, Array, Array, Array]:
    """2-5 codes in [-1, 1] of 1-5 channels, the first two of which differ, and inputs of 5-6 channels that W reads out
    one by one, but for a mix of up to 0.1.
    """
    rng = np.random.default_rng(draw(seeds()))
    count, width = draw(st.integers(2, 5)), draw(st.integers(5, 6))
    codes = draw(arrays((count, draw(st.integers(1, 5))), -1.0, 1.0))
    codes[:2, 0] = 1.0, -1.0
    scores = np.eye(count, width) + draw(floats(0.0, 0.1)) * rng.standard_normal((count, width))
    size = draw(log_uniform(-2, 2))
    return scores, codes, draw(floats(0.0, 10.0)) * draw(arrays((width,), -1.0, 1.0)), size * rng.uniform(-1, 1, width)


@domain(Codebook)
def any_codebooks() -> st.SearchStrategy[Codebook]:
    """As `codebooks`."""
    return codebooks().map(lambda made: Codebook(*made))


@domain(DisturbedCodebook)
@st.composite
def disturbed_codebooks(draw: st.DrawFn) -> DisturbedCodebook:
    """As `codebooks`; half of the inputs lie opposite to half the disturbance, so that the bound is met nearly."""
    scores, codes, x, disturbance = draw(codebooks())
    disturbance[0] = np.abs(disturbance).max() + 0.01
    disturbance[1] = -disturbance[0]
    if draw(st.booleans()):
        x = -disturbance / 2 - draw(floats(0.0, 30.0)) * (np.arange(len(x)) > 1)
    return DisturbedCodebook(scores, codes, x, disturbance)


@domain(DecidedCodebook)
@st.composite
def decided_codebooks(draw: st.DrawFn) -> DecidedCodebook:
    """As `codebooks`, with one code's logit above the sum of the others' by up to 12."""
    scores, codes, x, disturbance = draw(codebooks())
    mixed = scores @ x
    lead = np.log(np.exp(mixed[1:] - mixed[1:].max()).sum()) + mixed[1:].max() + draw(floats(0.01, 12.0)) - mixed[0]
    x = x + np.linalg.pinv(scores) @ (lead * (np.arange(len(codes)) == 0))
    disturbance = np.linalg.pinv(scores) @ np.where(
        np.arange(len(codes)) == 0, 1.0, draw(arrays((len(codes),), -1.0, 0))
    )
    return DecidedCodebook(scores, codes, x, disturbance)


@domain(UnseenDisturbance)
@st.composite
def unseen_disturbances(draw: st.DrawFn) -> UnseenDisturbance:
    """As `codebooks`, with the last channel unread and disturbed by up to 1e3, and all logits raised by up to 3."""
    scores, codes, x, _ = draw(codebooks())
    scores = np.concatenate([scores, np.zeros((len(scores), 1))], axis=1)
    common = draw(floats(-3.0, 3.0)) * np.linalg.pinv(scores) @ np.ones(len(codes))
    hidden = np.r_[np.zeros(len(x)), draw(floats(-1e3, 1e3))]
    return UnseenDisturbance(scores, codes, np.r_[x, 0.0], common + hidden)


@domain(WantedMaps)
@st.composite
def wanted_maps(draw: st.DrawFn) -> WantedMaps:
    """2-4 maps of 2-6 tokens, and a single map from their mean to far away."""
    rng = np.random.default_rng(draw(seeds()))
    groups, tokens = draw(st.integers(2, 4)), draw(st.integers(2, 6))
    maps = softmax(draw(floats(0.5, 5.0)) * rng.standard_normal((groups, tokens, tokens)))
    shares = draw(simplex_rows(1, groups, 0.2))[0]
    single = np.tensordot(shares, maps, axes=1) + draw(floats(0.0, 1.0)) * rng.standard_normal((tokens, tokens))
    return WantedMaps(maps, shares, single)


@domain(TwoWindows)
@st.composite
def two_windows(draw: st.DrawFn) -> TwoWindows:
    """2-24 tokens, odd widths."""
    length = draw(st.integers(2, 24))
    narrow = 2 * draw(st.integers(0, (length - 1) // 2)) + 1
    wide = narrow + 2 * draw(st.integers(0, (length - narrow) // 2))
    return TwoWindows(length, narrow, wide, draw(floats(0.0, 1.0)))


@domain(GroupedChannels)
def grouped_channels() -> st.SearchStrategy[GroupedChannels]:
    """1-12 tokens, 1-6 groups of 1-6 channels."""
    return st.builds(GroupedChannels, st.integers(1, 12), st.integers(1, 6), st.integers(1, 6))


@domain(Bag)
@st.composite
def bags(draw: st.DrawFn) -> Bag:
    """2-8 instances, values in [0, 1] with 0 and 1 among them."""
    made = draw(logits())
    values = draw(arrays(made.values.shape, 0.0, 1.0))
    values[draw(st.permutations(range(len(values))))[:2]] = 0.0, 1.0
    return Bag(made.values, values, draw(st.integers(1, len(values) - 1)))


@st.composite
def gaussian_parts(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """2-8 features, the first two of them apart by 2, 1-4 offsets in [-2, 2] and widths in [0.3, 3]."""
    features, count = draw(arrays((draw(st.integers(2, 8)),), -3.0, 3.0)), draw(_FEW)
    features[:2] = -1.0, 1.0
    return features + draw(floats(-5.0, 5.0)), draw(arrays((count,), -2.0, 2.0)), draw(arrays((count,), 0.3, 3.0))


@domain(GaussianHead)
def gaussian_heads() -> st.SearchStrategy[GaussianHead]:
    """As `gaussian_parts`."""
    return gaussian_parts().map(lambda made: GaussianHead(*made))


@domain(CentredGaussianHead)
def centred_gaussian_heads() -> st.SearchStrategy[CentredGaussianHead]:
    """As `gaussian_parts`, without offsets."""
    return gaussian_parts().map(lambda made: CentredGaussianHead(made[0], 0.0 * made[1], made[2]))


# --------------------------------------------------------------------------------------- metrics, binding, convolutions


@domain(Learners)
@st.composite
def learners(draw: st.DrawFn) -> Learners:
    """2-5 attributes and 1-5 learners; Hamming distances of what each serves, with noise from none to all."""
    rng = np.random.default_rng(draw(seeds()))
    count = draw(st.integers(2, 5))
    served = np.array(draw(st.lists(st.integers(0, count - 1), min_size=count, max_size=count)))
    distances = hamming_learners(served)
    return Learners(served, distances + draw(floats(0.0, 3.0)) * rng.standard_normal(distances.shape))


@domain(Counts)
@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """2-5 attributes, up to one learner more than these."""
    attributes = draw(st.integers(2, 5))
    return Counts(attributes, draw(st.integers(1, attributes + 1)))


@st.composite
def scene_sizes(draw: st.DrawFn) -> tuple[int, int]:
    """2-6 colours and as many objects as keep the colourings below 1,500."""
    colours = draw(st.integers(2, 6))
    return draw(st.integers(1, int(np.log(1500) / np.log(colours) + 1e-9))), colours


@domain(SceneSize)
def scenes() -> st.SearchStrategy[SceneSize]:
    """As `scene_sizes`."""
    return scene_sizes().map(lambda made: SceneSize(*made))


@domain(AdditiveObjects)
@st.composite
def additive_objects(draw: st.DrawFn) -> AdditiveObjects:
    """Integer vectors of 1-3 channels, up to 1 or 1,000 in size: sums collide, or do not."""
    objects, colours = draw(scene_sizes())
    rng = np.random.default_rng(draw(seeds()))
    size, width = draw(st.sampled_from([1, 1000])), draw(st.integers(1, 3))
    shapes, paints = (rng.integers(-size, size + 1, (count, width)) for count in (objects, colours))
    return AdditiveObjects.of(shapes, paints)


@domain(AskedObject)
@st.composite
def asked_objects(draw: st.DrawFn) -> AskedObject:
    """2-8 objects; the asked one leads or trails by up to the size of the logits, or all others are equal."""
    values = np.array(draw(logits()).values)
    if draw(st.booleans()):
        values[1:] = values[1]
    return AskedObject(Logits(values))


@domain(ShiftTask)
@st.composite
def shift_tasks(draw: st.DrawFn) -> ShiftTask:
    """2-8 tokens, any distribution of shifts, any operator."""
    tokens = draw(st.integers(2, 8))
    shares = draw(simplex_rows(1, tokens, 0.0))[0]
    return ShiftTask(np.random.default_rng(draw(seeds())).standard_normal((tokens, tokens)), shares)


@domain(UniformShiftTask)
@st.composite
def uniform_shift_tasks(draw: st.DrawFn) -> UniformShiftTask:
    """2-12 tokens; operators from the mean shift to far away."""
    tokens = draw(st.integers(2, 12))
    away = draw(floats(0.0, 1.0)) * np.random.default_rng(draw(seeds())).standard_normal((tokens, tokens))
    return UniformShiftTask(1.0 / tokens + away, np.full(tokens, 1.0 / tokens))


@domain(KernelAndContext)
@st.composite
def kernels_and_contexts(draw: st.DrawFn) -> KernelAndContext:
    """2-12 tokens, standard normal entries."""
    return KernelAndContext(*np.random.default_rng(draw(seeds())).standard_normal((3, draw(st.integers(2, 12)))))
