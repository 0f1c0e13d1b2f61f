"""Credit, flow and search: numbers, second routes, attained bounds, counted costs and bad calls."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import hypergeom

from theory.attention import softmax
from theory.masks import causal
from theory.mechanisms.counting import multiplications
from theory.mechanisms.credit import (
    ablation,
    balanced_loss,
    fixations,
    head_scaling,
    leaks,
    leave_one_out,
    location_gradients,
    random_rollout,
    relevance,
    relu_relevance,
    rollout,
    search_asymmetry,
    shared_heads,
    uniform_rollout,
)

RNG = np.random.default_rng(0)
LAYERS = rollout.CausalRollout.drawn(7, 4, 1.5, 0.5, seed=3)


def derivative(function: Callable[[float], float], at: float = 0.0, step: float = 1e-3) -> float:
    """Central differences, fourth order."""
    near, far = (function(at + h) - function(at - h) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


def gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Every partial derivative by central differences."""
    units = np.eye(at.size).reshape(-1, *at.shape)
    return np.array([derivative(lambda h, u=unit: function(at + h * u)) for unit in units]).reshape(at.shape)


# ---------------------------------------------------------------------------------------------------- circuits of heads


def test_chance_overlap_is_scipys_hypergeometric_law() -> None:
    law = shared_heads.chance_overlap(144, 20, 30)
    assert law == pytest.approx(hypergeom(144, 20, 30).pmf(np.arange(21)), rel=1e-11, abs=1e-300)
    assert shared_heads.chance_of_sharing(144, 20, 30, 12) == pytest.approx(hypergeom(144, 20, 30).sf(11), rel=1e-9)
    assert law @ np.arange(21) == pytest.approx(20 * 30 / 144)


def test_chance_overlap_by_enumeration_of_sets() -> None:
    shared = [len(set(chosen) & {0, 1, 2, 3}) for chosen in combinations(range(9), 5)]
    assert shared_heads.chance_overlap(9, 4, 5) == pytest.approx(np.bincount(shared) / len(shared), rel=1e-14)


def test_a_rectifier_hides_backup_heads() -> None:
    (case,) = ablation.head_ablations_add_up_through_a_rectifier.counterexample()
    outputs, projection = case.added[:, :, None], np.ones((2, 1))
    effects = [
        ablation.ablation_effect(lambda r: np.maximum(0, r[:, 0] - 1), outputs, projection, heads)[0]
        for heads in ((0,), (1,), (0, 1))
    ]
    assert effects == [-1, -1, -1]


def test_two_factors_interact_by_products() -> None:
    """(r - 1)(2 r + 3) of a scalar stream: heads that move r by -a and -b interact by 4 a b."""
    outputs = np.array([[[2.0], [5.0], [1.0]], [[0.0], [1.0], [1.0]]])
    case = ablation.PolynomialReadOut(outputs, np.ones((3, 1)), np.array([[1.0], [2.0]]), np.array([-1.0, 3.0]))
    assert ablation.interaction(case, outputs, case.projection, (0, 1)) == pytest.approx([4 * 1 * 2, 4 * -1 * -2])


def test_scaling_and_emphasis_by_finite_differences() -> None:
    chosen, source = np.array([True, False, False, True, False]), np.array([False, True, True, False])
    case = head_scaling.ScaledHead(RNG.standard_normal(5), RNG.standard_normal(5), 0.7, chosen)
    slope = derivative(lambda h: head_scaling.mass(case.logits + h * case.written, chosen))
    assert head_scaling.mass_slope(case.logits, case.written, chosen) == pytest.approx(slope, rel=1e-9)
    scores, values = RNG.standard_normal(4), RNG.standard_normal((4, 5))
    logits = head_scaling.next_token_logits(scores, values, source, 0.3)
    inside, outside = head_scaling.split_means(scores + 0.3 * source, values, source)
    share = head_scaling.mass(scores + 0.3 * source, source)
    found = head_scaling.mass_slope(logits, share * (1 - share) * (inside - outside), chosen)
    slope = derivative(
        lambda b: head_scaling.mass(head_scaling.next_token_logits(scores, values, source, 0.3 + b), chosen)
    )
    assert found == pytest.approx(slope, rel=1e-9)


def test_supportive_bound_is_attained_by_two_levels() -> None:
    chosen = np.array([True, False, False, True])
    case = head_scaling.SupportiveHead(RNG.standard_normal(4), np.where(chosen, -1.0, 2.0), 0.5, chosen, 1.3)
    assert case.gap == 3
    assert head_scaling.supportive_head_lowers_unsupported_odds(case) == pytest.approx(0, abs=1e-13)


def test_emphasis_can_raise_unsupported_mass_for_every_strength() -> None:
    """The source votes for its own tokens, the text more firmly: unsupported mass only rises with emphasis."""
    (case,) = head_scaling.emphasising_the_source_lowers_unsupported_mass.counterexample()
    rises = [
        head_scaling.mass(head_scaling.next_token_logits(case.scores, case.values, case.source, b), case.unsupported)
        for b in np.linspace(0, 8, 30)
    ]
    assert (np.diff(rises) > 0).all()


# ------------------------------------------------------------------------------------------------ removal and editing


def test_gradient_score_by_finite_differences() -> None:
    logits, said = RNG.standard_normal(6), RNG.standard_normal(6)
    found = leave_one_out.gradient_score(logits, said)
    assert found == pytest.approx(gradient(lambda x: softmax(x) @ said, logits), rel=1e-8)
    free = gradient(lambda p: p @ said, softmax(logits))
    assert leave_one_out.attention_times_gradient(logits, said) == pytest.approx(softmax(logits) * free)


def test_removal_is_attention_over_what_is_left() -> None:
    logits, said = RNG.standard_normal(5), RNG.standard_normal(5)
    removed = np.array([False, True, False, True, False])
    left = softmax(logits[~removed]) @ said[~removed]
    found = leave_one_out.removal_effect(logits, said, removed)
    assert found == pytest.approx(left - softmax(logits) @ said, abs=1e-14)


def test_edit_bound_is_attained() -> None:
    edited = np.array([True, False, False])
    case = leave_one_out.MaskedEdit(
        np.zeros(3), np.zeros((3, 2)), np.array([1.0, 0, 0]), np.array([[3.0, 4.0], [0, 0], [0, 0]]), edited
    )
    assert case.moved == pytest.approx(5 * np.e / (np.e + 2))
    assert leave_one_out.an_edit_moves_the_output_by_its_mass(case) == pytest.approx(0, abs=1e-14)


# ----------------------------------------------------------------------------------------------- relevance and saliency


def test_relevance_gradients_by_finite_differences() -> None:
    tokens, key, value = RNG.standard_normal((5, 3)), RNG.standard_normal(3), RNG.standard_normal(3)

    def output(x: np.ndarray) -> float:
        return float(softmax(x @ key) @ (x @ value))

    assert relevance.attention_gradient(tokens, key, value) == pytest.approx(gradient(output, tokens), abs=1e-9)
    weights = softmax(tokens @ key)
    frozen = gradient(lambda x: float(weights @ (x @ value)), tokens)
    assert relevance.attention_gradient(tokens, key, value, frozen=True) == pytest.approx(frozen, abs=1e-9)
    head = relevance.SelfAttendingHead(tokens, RNG.standard_normal((3, 3)), value)

    def self_output(x: np.ndarray) -> float:
        return relevance.SelfAttendingHead(x, head.bilinear, value).asked.output

    assert head.gradient == pytest.approx(gradient(self_output, tokens), abs=1e-8)


def test_total_relevance_is_eulers_derivative() -> None:
    """d s(c X)/dc at c = 1, in 40 digits."""
    head = relevance.ScalarHead(RNG.standard_normal((4, 2)), np.array([1.0, -2.0]), np.array([0.5, 1.5]))
    logits, values = (mpmath.matrix(head.tokens @ d) for d in (head.key, head.value))

    def scaled(c: mpmath.mpf) -> mpmath.mpf:
        weights = [mpmath.exp(c * x) for x in logits]
        return mpmath.fsum(w * c * v for w, v in zip(weights, values, strict=True)) / mpmath.fsum(weights)

    with mpmath.workdps(40):
        exact = float(mpmath.diff(scaled, 1))
    assert head.output + head.defect == pytest.approx(exact, rel=1e-13)


def test_defect_can_exceed_the_output_many_times() -> None:
    """Two opposed tokens of nearly equal attention: the output is small, the covariance is not."""
    head = relevance.ScalarHead(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([0.0, 0.05]), np.array([0.0, 1.0]))
    assert head.defect / head.output == pytest.approx(1.0, rel=1e-2)
    shifted = relevance.ScalarHead(head.tokens, 4 * head.key, np.array([-0.19, 1.0]))
    assert shifted.defect / abs(shifted.output) > 20


def test_frozen_gradient_by_finite_differences() -> None:
    """The weights and active units of the forward pass held, the stream moved."""
    case = relevance.Layers.drawn(4, 3, 2, 2.0, seed=5)
    _, seen = case.forward(case.tokens)

    def held(x: np.ndarray) -> float:
        for layer, (weights, active) in enumerate(seen):
            x = x + weights @ x @ case.value[layer]
            x = x + (x @ case.up[layer] * active) @ case.down[layer]
        return float(x[-1] @ case.read_out)

    assert case.frozen_gradient() == pytest.approx(gradient(held, case.tokens), abs=1e-9)
    free = gradient(lambda x: case.forward(x)[0], case.tokens)
    assert abs((case.tokens * free).sum() - case.forward(case.tokens)[0]) > 0.1


def test_propagated_relevance_on_a_net_by_hand() -> None:
    """relu(x - 2 y) + 3 relu(x + y) at (5, 1): 3 + 18; x gets 5 (1 + 3), y gets 1 (-2 + 3)."""
    weights = np.array([[1.0, 1.0], [-2.0, 1.0]]), np.array([[1.0], [3.0]])
    net = relu_relevance.BiasFreeReluNet(weights, (np.zeros(2), np.zeros(1)), np.array([5.0, 1.0]))
    assert net.output == 21
    assert relu_relevance.propagated_relevance(net) == pytest.approx([20.0, 1.0])


def test_relu_gradient_by_finite_differences() -> None:
    net = relu_relevance.ReluNet.drawn((4, 6, 5), 0.5, seed=2)

    def output(x: np.ndarray) -> float:
        return relu_relevance.ReluNet(net.weights, net.biases, x).output

    assert relu_relevance.input_gradient(net) == pytest.approx(gradient(output, net.features), abs=1e-10)


def test_location_gradients_by_finite_differences() -> None:
    """One copy of the weights per place, and loss sum_t c_t . tanh(W_t p_t)."""
    features, readout = RNG.standard_normal((5, 2)), RNG.standard_normal((5, 3))
    weight = RNG.standard_normal((3, 4))
    inputs = location_gradients.patches(features, 2)
    upstream = readout * (1 - np.tanh(inputs @ weight.T) ** 2)

    def loss(copies: np.ndarray) -> float:
        return float((readout * np.tanh(np.einsum("tow,tw->to", copies, inputs))).sum())

    found = gradient(loss, np.stack([weight] * 5))
    assert location_gradients.location_gradient(features, upstream, 2) == pytest.approx(found, abs=1e-9)
    saliency = location_gradients.saliency(features, upstream, 2)
    assert saliency == pytest.approx(np.linalg.norm(found, axis=(1, 2)), abs=1e-9)


def test_saliency_bounds_are_attained() -> None:
    alone = location_gradients.SharedWeights(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[1.0], [2.0]]))
    assert location_gradients.location_saliency_bounds_gradient_times_input(alone) == pytest.approx(0, abs=1e-14)
    query = location_gradients.AttendedValues(np.array([[0.3, 0.7]]), np.eye(2), np.array([[2.0, 1.0]]))
    assert location_gradients.attended_saliency_is_below_attention_weighted_norms(query) == pytest.approx(0, abs=1e-14)
    found = location_gradients.attended_saliency(query.weights, query.features, query.upstream)
    assert found == pytest.approx(np.array([0.3, 0.7]) * 5**0.5)


def test_a_lure_reverses_a_helpful_head() -> None:
    (case,) = head_scaling._late_lure()

    def unsupported(scale: float) -> float:
        return head_scaling.mass(case.others + scale * case.written, case.unsupported)

    assert unsupported(1.0) < unsupported(0.0) < unsupported(3.0)
    step = 1e-5
    slope = head_scaling.mass_slope(case.logits, case.written, case.unsupported)
    assert slope == pytest.approx((unsupported(step) - unsupported(-step)) / (2 * step), rel=1e-8)


# ------------------------------------------------------------------------------------------------- regions and weights


def test_references_leak_in_the_second_layer_only_through_free_attention() -> None:
    box = np.array([True, False, True, False, False])

    def leak(layers: int, *, isolated: bool) -> float:
        return float(leaks.Reference(box, 2, layers, isolated, seed=4).influence[:5][~box, 5:].max())

    assert leak(1, isolated=False) == leak(2, isolated=True) == leak(3, isolated=True) == 0
    assert leak(2, isolated=False) > 0.01


def test_settled_parameter_by_search_and_by_least_squares() -> None:
    loss = balanced_loss.RegionLoss(0.2, 3.0, -1.0, 2.0, 3.5)

    def value(t: float) -> float:
        return 3.0 * 0.2 * abs(t + 1) ** 3.5 + 0.8 * abs(t - 2) ** 3.5

    searched = minimize_scalar(value, bounds=(-1, 2), method="bounded", options={"xatol": 1e-10}).x
    assert balanced_loss.settled(loss) == pytest.approx(searched, abs=1e-6)
    roots, targets = np.sqrt([3.0] * 2 + [1.0] * 8), np.array([-1.0] * 2 + [2.0] * 8)
    fitted = np.linalg.lstsq(roots[:, None], roots * targets, rcond=None)[0][0]
    assert balanced_loss.settled(balanced_loss.RegionLoss(0.2, 3.0, -1.0, 2.0)) == pytest.approx(fitted, rel=1e-14)


# ------------------------------------------------------------------------------------------------------ search


def test_fixations_by_draws() -> None:
    """20,000 searches by noisy priorities (Gumbel): the rank of the target, within 5 standard errors."""
    priorities = np.array([1.0, 0.0, -0.5, 2.0, 0.3])
    noisy = priorities + np.random.default_rng(7).gumbel(size=(20_000, 5))
    for target in range(5):
        looks = (noisy >= noisy[:, [target]]).sum(axis=1)
        error = looks.std() / np.sqrt(len(looks))
        assert abs(looks.mean() - fixations.expected_fixations(priorities, target)) < 5 * error


def test_scanpath_law_is_a_law() -> None:
    law = fixations.scanpath_law(np.array([0.5, -1.0, 2.0]))
    assert law.sum() == pytest.approx(1, abs=1e-14)
    weights = np.exp([0.5, -1.0, 2.0])
    first = weights[0] / weights.sum() * weights[1] / weights[1:].sum()
    assert law[0] == pytest.approx(first)  # in order 0, 1, 2


def test_search_without_return_attains_one_over_attention() -> None:
    case = fixations.SearchDisplay(np.array([20.0, 0.0, 0.0]), 0)
    assert -1e-7 < fixations.search_without_return_beats_one_over_attention(case) <= 0


@pytest.mark.parametrize(("share", "a_among_b", "b_among_a"), [(0.1, 0.0266, 0.4013), (0.3, 0.0573, 0.2315)])
def test_set_size_slopes(share: float, a_among_b: float, b_among_a: float) -> None:
    """beta D = 4; swapped roles are the mirrored share."""
    assert search_asymmetry.set_size_slope(share, 1.0, 4.0) == pytest.approx(a_among_b, abs=5e-5)
    assert search_asymmetry.set_size_slope(1 - share, 1.0, 4.0) == pytest.approx(b_among_a, abs=5e-5)


def test_slopes_from_set_sizes_by_draws() -> None:
    """20,000 searches each among 3 and among 11 distractors after training on 4,000 noisy items; 5 standard errors."""
    rng = np.random.default_rng(11)
    items = np.array([[2.0, 0.0], [0.0, 0.0]])
    training = items[(rng.random(4000) >= 0.2).astype(int)] + 0.05 * rng.standard_normal((4000, 2))
    z_a, z_b = search_asymmetry.embed(items, training)
    looks = []
    for distractors in (3, 11):
        priorities = search_asymmetry.search_priorities(z_a, np.vstack([z_a, *[z_b] * distractors]), 0.5)
        noisy = priorities + rng.gumbel(size=(20_000, distractors + 1))
        looks.append((noisy >= noisy[:, :1]).sum(axis=1))
    error = np.sqrt(sum(x.var() for x in looks) / 20_000) / 8
    slope = (looks[1].mean() - looks[0].mean()) / 8
    share = 1 - (training[:, 0] < 1).mean()
    assert abs(slope - search_asymmetry.set_size_slope(share, 0.5, 4.0)) < 5 * error


# ------------------------------------------------------------------------------------------------------ rollout


def test_rollout_sums_over_paths() -> None:
    """Two layers, by hand: sum over the middle token."""
    one, two = LAYERS.moved[:2]
    paths = sum(np.outer(two[:, k], one[k]) for k in range(7))
    assert rollout.rollout(LAYERS.layers[:2], 0.5) == pytest.approx(paths, abs=1e-15)
    assert rollout.rollout_row(LAYERS.layers, 4, 0.5) == pytest.approx(LAYERS.flow[4], abs=1e-15)


def test_rollout_costs() -> None:
    row = multiplications(lambda maps: rollout.rollout_row(maps, 6, 0.5), LAYERS.layers)
    whole = multiplications(lambda maps: rollout.rollout(maps, 0.5), LAYERS.layers)
    assert row == rollout.row_multiplications(4, 7) == 4 * 7 * 9 - 7
    assert whole == 7 * row


def test_repeated_layer_by_powers() -> None:
    """The largest deficit, from the first column of the power itself."""
    logits = np.random.default_rng(2).standard_normal((6, 6)) - 2.0 * np.eye(6)
    logits[3, 3] += 6.0
    case = rollout.RepeatedLayer(softmax(logits, causal(6))[None], 0.2)
    deficits = [1 - np.linalg.matrix_power(case.moved[0], p)[:, 0].min() for p in (30, 40)]
    assert (deficits[1] / deficits[0]) ** 0.1 == pytest.approx(case.moved[0][3, 3], rel=1e-3)


def test_uniform_flow_numbers() -> None:
    flows = [uniform_rollout.uniform_flow(30, depth)[0] for depth in (1, 2, 5, 10)]
    assert flows == pytest.approx([0.033, 0.133, 0.641, 0.976], abs=5e-4)


def test_uniform_flow_is_a_moment() -> None:
    """Token 3 of 10 after 4 layers: C(9, 2) int t^2 (1 - t)^7 (-log t)^3 / 3! dt."""
    exact = 36 * mpmath.quad(lambda t: t**2 * (1 - t) ** 7 * (-mpmath.log(t)) ** 3 / 6, [0, 0.2, 1])
    assert uniform_rollout.uniform_flow(10, 4)[2] == pytest.approx(float(exact), rel=1e-10)


def test_uniform_flow_keeps_its_digits_at_length_500() -> None:
    flow = uniform_rollout.uniform_flow(500, 12, 0.5)
    maps = np.stack([uniform_rollout.uniform_attention(500)] * 12)
    assert flow == pytest.approx(rollout.rollout_row(maps, 499, 0.5), rel=1e-11)
    assert flow.sum() == pytest.approx(1, abs=1e-12)


def test_rollout_bounds_are_attained() -> None:
    two = rollout.CausalRollout(np.array([[[1.0, 0], [0.3, 0.7]], [[1.0, 0], [0.9, 0.1]]]), 0.5)
    assert rollout.flow_away_from_the_first_token_survives_self_attention(two) == pytest.approx(0, abs=1e-15)
    idle = rollout.CausalRollout(np.stack([np.eye(3), np.tri(3) / np.tri(3).sum(axis=1, keepdims=True)]), 0.5)
    assert rollout.a_lower_layer_adds_flow_to_the_first_token(idle) == pytest.approx(0, abs=1e-15)
    one_layer = uniform_rollout.UniformLayers(5, 1, 0.3)
    assert uniform_rollout.uniform_rollout_prefers_earlier_tokens(one_layer) == pytest.approx(0, abs=1e-15)


def test_mean_square_weight_by_draws_and_in_its_limits() -> None:
    weights = (softmax(1.3 * np.random.default_rng(5).standard_normal((40_000, 9))) ** 2).sum(axis=1)
    exact = random_rollout.mean_square_weight(9, 1.3)
    assert abs(weights.mean() - exact) < 5 * weights.std() / 200
    assert random_rollout.mean_square_weight(1, 1.3) == pytest.approx(1, rel=1e-12)
    assert random_rollout.mean_square_weight(7, 0.0) == pytest.approx(1 / 7, rel=1e-12)
    assert 10**5 * random_rollout.mean_square_weight(10**5, 0.5) == pytest.approx(np.exp(0.25), rel=1e-4)


def test_two_walkers_by_draws() -> None:
    """20,000 rollouts of 3 layers on 6 tokens with N(0, 1) logits; 5 standard errors."""
    logits = np.random.default_rng(9).standard_normal((3, 20_000, 6, 6))
    flow = np.broadcast_to(np.eye(6), (20_000, 6, 6))
    for layer in softmax(logits, causal(6)):
        flow = 0.3 * flow + 0.7 * layer @ flow
    pairs = flow[:, -1, :, None] * flow[:, -1, None, :]
    squares = np.array([random_rollout.mean_square_weight(keys, 1.0) for keys in range(1, 7)])
    exact = random_rollout.second_moments(np.stack([squares] * 3), 0.3)
    assert (np.abs(pairs.mean(axis=0) - exact) < 5 * pairs.std(axis=0) / np.sqrt(20_000)).all()


# ------------------------------------------------------------------------------------------------------ bad calls

TWO = np.array([True, False])
SQUARE = np.full((1, 2, 2), 0.5)
BAD_CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: shared_heads.chance_overlap(3, 4, 1), "first must be at most heads = 3, got 4"),
    (lambda: shared_heads.chance_of_sharing(3, 2, 1, -1), "least must be >= 0, got -1"),
    (lambda: shared_heads.TaskScores(np.arange(9.0), np.arange(9.0), 1, 1), "2 to 7 heads, got 9"),
    (lambda: shared_heads.TaskScores(np.ones(3), np.arange(3.0), 1, 1), "must differ from head to head"),
    (lambda: shared_heads.UnrelatedTasks(np.arange(3.0), np.arange(3.0), 1, 1, pinned=1), "no head may be pinned"),
    (lambda: shared_heads.CircuitSizes(4, 5), "size must be at most 4, got 5"),
    (lambda: ablation.PolynomialReadOut.drawn(2, 2, 1, 2, 0), "more heads than factors"),
    (lambda: ablation.LinearReadOut.drawn(2, 4, 1, 2, 0), "the read-out must have one factor, got 2"),
    (lambda: head_scaling.ScaledHead(np.zeros(2), np.zeros(2), 1.0, ~TWO & TWO), "unsupported must name some, not all"),
    (lambda: head_scaling.SupportiveHead(np.zeros(2), np.ones(2), 1.0, TWO), "must write more to every supported"),
    (lambda: head_scaling.SupportiveHead(np.zeros(2), 1.0 - TWO, 1.0, TWO, more=0.0), "more must be finite and in"),
    (
        lambda: head_scaling.EmphasisedSource(np.zeros(2), np.zeros((2, 3)), TWO, TWO, 1.0),
        r"unsupported must be a Boolean array of shape \(3,\)",
    ),
    (lambda: leave_one_out.Answer(np.array([9.0, 0]), np.zeros(2), TWO), "at most 0.999 of the attention"),
    (
        lambda: leave_one_out.MaskedEdit(np.zeros(2), np.zeros((2, 1)), np.ones(2), np.zeros((2, 1)), TWO),
        "tokens outside the edit must keep",
    ),
    (lambda: relevance.Spreading(np.ones(2), -np.ones((2, 2))), "the kernel must be >= 0"),
    (lambda: relevance.WholeSpreading(np.ones(2), np.ones((2, 2))), "rows that sum to 1"),
    (lambda: relu_relevance.ReluNet((np.ones((1, 1)),), (np.zeros(1),), np.zeros(1)), "no pre-activation may be 0"),
    (lambda: relu_relevance.ReluNet((np.ones((1, 2)),), (np.zeros(2),), np.ones(1)), "one output, got 2"),
    (lambda: relu_relevance.BiasFreeReluNet.drawn((2, 2), 1.0, 0), "all biases must be 0"),
    (lambda: location_gradients.SharedWeights(np.ones((2, 1)), np.ones((2, 1)), 3), "width must be at most"),
    (lambda: location_gradients.AttendedValues(np.ones((1, 2)), np.ones((2, 1)), np.ones((1, 1))), "sum to 1"),
    (lambda: leaks.SealedReference(TWO, 1, 2, False, 0), "self-attention isolated by the box"),
    (lambda: balanced_loss.RegionLoss(0.5, 1.0, 1.0, 1.0), "inside must be less than outside"),
    (lambda: balanced_loss.RegionLoss(0.5, 1.0, 0.0, 1.0, power=1.0), "power must be finite and in"),
    (lambda: balanced_loss.BalancedLoss(0.2, 1.0, 0.0, 1.0), "the weight must be 4, got 1"),
    (lambda: fixations.SearchDisplay(np.zeros(7), 0), "2 to 6 objects, got 7"),
    (lambda: fixations.SearchDisplay(np.zeros(3), 3), "target must name one, got 3"),
    (lambda: search_asymmetry.TrainedSearch(np.zeros(2), np.ones(2), 1, 1, -1.0), "beta must be >= 0"),
    (lambda: search_asymmetry.TrainedSearch(np.zeros(2), np.ones(2), 1, 1, 1.0, display=9), "display must be 2 to 6"),
    (lambda: rollout.RolledLayers(np.ones((1, 2, 3))), r"layers must be \(l, n, n\)"),
    (lambda: rollout.RolledLayers(-SQUARE), "weights must be >= 0"),
    (lambda: rollout.RolledLayers(SQUARE, residual=1.0), r"residual must be in \[0, 1\)"),
    (lambda: rollout.StochasticLayers(2 * SQUARE), "rows that sum to 1"),
    (lambda: rollout.CausalRollout(SQUARE), "attention must be causal"),
    (lambda: rollout.QueriedRollout(rollout.StochasticLayers(SQUARE), 2), "query must be below 2, got 2"),
    (lambda: rollout.RepeatedLayer(LAYERS.layers, 0.5), "one layer to repeat, got 4"),
    (lambda: rollout.RepeatedLayer(np.eye(3)[None], 0.5), "weights on seen keys must be >= 1e-3"),
    (
        lambda: rollout.RepeatedLayer(uniform_rollout.uniform_attention(3)[None], 0.9),
        "one self-weight must be 1.25 times all others",
    ),
    (lambda: random_rollout.DealtLayers(np.zeros((3, 3, 3)), 0.5), "at most 2 layers, got 3"),
    (lambda: random_rollout.ExchangeableLayers(np.zeros((1, 3, 3)), 0.5, pinned=1), "no row may be pinned, got 1"),
    (lambda: random_rollout.mean_square_weight(0, 1.0), "keys must be >= 1, got 0"),
    (lambda: uniform_rollout.UniformLayers(25, 1, 0.5), "length must be 2 to 24, got 25"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_calls_name_the_hypothesis(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
