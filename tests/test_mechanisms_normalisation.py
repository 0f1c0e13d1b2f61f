"""Normalisation, entropy, temperature and budgets: reference numbers, second routes, attained bounds, and bad calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit

from theory.attention import entropy, softmax
from theory.claims import Claim, excess
from theory.mechanisms.instances import Logits
from theory.mechanisms.normalisation import (
    blending,
    emphasis,
    entropy_bound,
    forced_sink,
    length_scaling,
    no_op,
    perturbation,
    sigmoid,
    sink_budget,
    temperature,
)

RNG = np.random.default_rng
Array = np.ndarray


# -------------------------------------------------------------------------------------------------- disturbed logits


@pytest.mark.parametrize("spread", [1e-3, 0.3, 2.0, 9.0])
def test_divergence_is_its_definition_and_its_bound_is_a_maximum(spread: float) -> None:
    """Over all pairs of keys, by a scalar maximisation; the maximiser is 1/R - 1/(e^R - 1)."""
    change = np.array([spread, 0.0])

    def loss(p: float) -> float:
        return -perturbation.divergence(np.log([p, 1 - p]), change)

    best = optimize.minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10})
    assert -best.fun == pytest.approx(perturbation.divergence_bound(change), rel=1e-8)
    assert best.x == pytest.approx(1 / spread - 1 / np.expm1(spread), abs=1e-4)
    logits, change = RNG(0).standard_normal((2, 5))
    p, q = softmax(logits), softmax(logits + spread * change)
    assert perturbation.divergence(logits, spread * change) == pytest.approx(stats.entropy(p, q), rel=1e-8)


def test_the_series_of_the_divergence_bound_meets_its_closed_form() -> None:
    below, above = (perturbation.divergence_bound([0.0, r]) / r**2 for r in (0.05 - 1e-9, 0.05 + 1e-9))
    assert below == pytest.approx(above, rel=1e-10)
    h = mpmath.mpf("0.02")
    exact = mpmath.log(mpmath.sinh(h) / h) + h * mpmath.coth(h) - 1
    assert perturbation.divergence_bound([0.0, 0.04]) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("spread", [1e-3, 1.0, 8.0])
def test_bounds_on_disturbed_weights_are_attained(spread: float) -> None:
    for keys in (2, 5):
        worst = perturbation.Disturbed.worst(spread, keys)
        assert perturbation.softmax_moves_at_most_tanh_of_a_quarter_range(worst) >= -1e-9
        assert perturbation.softmax_moves_at_most_half_the_norm(worst) >= -1e-9
    p = 1 / spread - 1 / np.expm1(spread)
    costly = perturbation.Disturbed(np.log([p, 1 - p]), np.array([spread, 0.0]))
    assert perturbation.divergence_is_at_most_that_of_two_keys(costly) >= -1e-9
    assert perturbation.divergence_is_half_a_variance_up_to_its_range(costly) <= 0


def test_simpler_bounds_follow_from_the_sharp_one() -> None:
    """|q - p|_1 <= |r|_inf, and a scalar output moves by at most range(V) |r|_inf / 2."""
    logits, change = 3 * RNG(1).standard_normal((2, 1000, 6))
    values = RNG(2).standard_normal((1000, 6))
    moved = softmax(logits + change) - softmax(logits)
    largest = np.abs(change).max(axis=1)
    assert excess(np.abs(moved).sum(axis=1), largest) < 0
    assert excess(np.abs((moved * values).sum(axis=1)), np.ptp(values, axis=1) * largest / 2) < 0


def test_no_direction_beats_the_worst_one() -> None:
    logits, length = np.array([1.0, 0.2, -0.5, 0.9]), 1e-3
    found = optimize.minimize(
        lambda d: -perturbation.divergence(logits, length * d / np.linalg.norm(d)) / length**2, RNG(0).normal(size=4)
    )
    worst = perturbation.worst_direction(logits)
    assert abs(found.x @ worst) / np.linalg.norm(found.x) == pytest.approx(1.0, abs=1e-5)
    top = np.linalg.eigvalsh(perturbation.curvature(logits))[-1]
    assert perturbation.divergence(logits, length * worst) / length**2 == pytest.approx(top / 2, rel=1e-3)


# ------------------------------------------------------------------------------------------------------- temperature


def test_temperature_needed_for_a_mass() -> None:
    needed = [temperature.temperature_for_mass(1.0, n, 0.9) for n in (10, 100, 1000)]
    assert needed == pytest.approx([4.39, 6.79, 9.10], abs=5e-3)
    fixed = [temperature.AmongOthers(1.0, np.zeros(n - 1), 0.9).mass_at(3.0) for n in (10, 100, 1000)]
    assert fixed == pytest.approx([0.69, 0.17, 0.020], abs=5e-3)
    equal = temperature.Singled(0.7, np.zeros(30), 0.8)
    assert temperature.temperature_gives_the_mass_it_promises(equal) == pytest.approx(0.0, abs=1e-14)


def test_temperature_that_restores_an_entropy() -> None:
    """Foreign keys flatten attention, and a temperature above 1 undoes that; found again by a scan."""
    logits = RNG(3).standard_normal((64, 64))
    target = temperature.mean_entropy(logits, 1.7)
    assert temperature.mean_entropy(logits, 1.0) > target
    scan = np.linspace(1.0, 3.0, 401)
    crossing = scan[np.argmin([abs(temperature.mean_entropy(logits[:4], t) - 3.0) for t in scan])]
    assert temperature.temperature_for_entropy(logits, target) == pytest.approx(1.7, rel=1e-10)
    assert temperature.temperature_for_entropy(logits[:4], 3.0) == pytest.approx(crossing, abs=5e-3)


# ----------------------------------------------------------------------------------------------------- entropy bound


@pytest.mark.parametrize(("keys", "norm"), [(2, 1.0), (3, 0.5), (5, 4.0), (16, 9.0)])
def test_least_entropy_is_what_minimisation_finds(keys: int, norm: float) -> None:
    def value(direction: Array) -> float:
        return float(entropy(softmax(norm * direction / np.linalg.norm(direction))))

    starts = [RNG(seed).standard_normal(keys) for seed in range(4)]
    found = min(optimize.minimize(value, start, options={"gtol": 1e-9}).fun for start in starts)
    assert found == pytest.approx(float(entropy_bound.least_entropy(norm, keys)), rel=1e-6)


def test_least_entropy_where_it_is_tiny_and_where_keys_are_many() -> None:
    n, sigma = 7, 100
    with mpmath.workdps(80):
        logits = [mpmath.mpf(sigma) * mpmath.sqrt(mpmath.mpf(n - 1) / n)]
        logits += [-mpmath.mpf(sigma) / mpmath.sqrt(n * (n - 1))] * (n - 1)
        total = mpmath.fsum(map(mpmath.exp, logits))
        exact = -mpmath.fsum(mpmath.exp(u) / total * (u - mpmath.log(total)) for u in logits)
    assert entropy_bound.least_entropy(sigma, n) == pytest.approx(float(exact), rel=1e-12)
    assert entropy_bound.entropy_of_logits(entropy_bound.attaining_logits(sigma, n)) == pytest.approx(float(exact))
    case = entropy_bound.NormAndKeys(30.0, 100_000)
    assert entropy_bound.the_entropy_bound_is_attained(case) < 1e-9
    assert entropy_bound.entropy_of_logits([1.0, 0.0]) == pytest.approx(float(entropy(softmax([1.0, 0.0]))))


def test_entropy_bounds_are_attained() -> None:
    row = Logits(entropy_bound.attaining_logits(6.0, 9))
    assert entropy_bound.entropy_is_bounded_by_the_norm_of_the_logits(row) >= -1e-12
    single = np.outer(np.eye(9)[0], row.values)
    head = entropy_bound.SelfAttention(np.eye(9), single, np.eye(9))
    assert entropy_bound.entropy_is_bounded_by_spectral_norms(head) == pytest.approx(0.0, abs=1e-12)
    assert entropy_bound.the_entropy_bound_falls_exponentially(entropy_bound.NormAndKeys(300.0, 4)) >= -1e-12


# ---------------------------------------------------------------------------------------------------- length scaling


def test_entropy_ratio_against_length() -> None:
    """Fixed deviation 1: the published values of 1 - s^2 / (2 log n); growing deviation: the level 1 - c^2 / 2."""
    lengths = [100, 1000, 10_000, 100_000]
    ratios = [1 - float(length_scaling.entropy_deficit(1.0, n)) / np.log(n) for n in lengths]
    assert ratios[1:] == pytest.approx([0.928, 0.946, 0.957], abs=6e-4)
    for scale in (0.3, 0.7):
        deviation = scale * np.sqrt(np.log(lengths[-1]))
        logits = deviation * RNG(5).standard_normal((4, lengths[-1]))
        measured = (entropy(softmax(logits)) / np.log(lengths[-1])).mean()
        assert measured == pytest.approx(length_scaling.entropy_ratio(scale), abs=0.01)


def test_mean_logit_by_sampling() -> None:
    """The identity that quadrature checks at 2 and 3 keys, at 20 keys within 4 standard errors."""
    logits = 1.5 * RNG(6).standard_normal((20_000, 20))
    weights = softmax(logits)
    difference = (weights * logits).sum(axis=1) - 1.5**2 * (1 - (weights**2).sum(axis=1))
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))


def test_softplus_attention_is_its_formula() -> None:
    logits = np.array([[0.0, 1.0, -40.0], [3.0, 300.0, 2.0]])
    plain = np.log1p(np.exp(logits))
    assert length_scaling.softplus_attention(logits) == pytest.approx(plain / plain.sum(axis=1, keepdims=True))
    assert length_scaling.sharpened([0.5, 0.25, 0.25], 2.0) == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    far_down = Logits(np.array([-30.0, -31.0, -33.0]))  # where softplus is the exponential
    assert length_scaling.softplus_is_never_sharper_than_softmax(far_down) >= -1e-10


# -------------------------------------------------------------------------------------------------------------- no-op


def test_gaps_for_doing_nothing() -> None:
    assert no_op.gap_for_noise(16, 1e-4) == pytest.approx(11.92, abs=5e-3)
    assert no_op.gap_for_zeros(16, -0.03) == pytest.approx(2.96, abs=5e-3)
    assert no_op.gap_for_zeros(40, -0.03) == -np.inf
    assert no_op.gap_for_one(16, -0.03, 1.0) == np.inf
    assert no_op.gap_for_zeros_at_any_length(-0.03) == pytest.approx(no_op.gap_for_zeros(2, -0.03))
    left = softmax([no_op.gap_for_noise(16, 1e-4), *np.zeros(15)])[1:].sum()
    assert left == pytest.approx(1e-4, rel=1e-10)


@pytest.mark.parametrize("step", [-1e-6, 1e-6])
def test_gaps_are_sharp(step: float) -> None:
    zeros = no_op.EqualOthers.at(no_op.gap_for_zeros(16, -0.03, 1.1) + step, 16, -0.03, 1.1)
    assert (not zeros.weights[1:].any()) == (step > 0)
    one = no_op.EqualOthers.at(no_op.gap_for_one(16, -0.03, 1.1) + step, 16, -0.03, 1.1)
    assert (one.weights[0] == 1) == (step > 0)
    pair = no_op.ClippedRow([-no_op.gap_for_zeros_at_any_length(-0.03) - step], -0.03, 1.0)
    assert (pair.weights[1] == 0) == (step > 0)
    assert no_op.silence_under_softmax_needs_a_logit_range(Logits([6.0, 0.0, 0.0])) >= -1e-12


# ------------------------------------------------------------------------------------------------- sigmoid attention


def test_sigmoid_bounds_are_attained() -> None:
    for keys in (1, 4, 9):
        alike = sigmoid.SelfMap.alike(keys, 1.3, -0.4)
        assert sigmoid.sigmoid_jacobian_is_bounded(alike) >= -1e-12
    assert sigmoid.biased_sigmoid_rows_are_bounded(Logits(np.zeros(7))) >= -1e-12
    assert expit(np.zeros(7) - np.log(7)).sum() == pytest.approx(7 / 8)


def test_worst_jacobians_on_an_interval() -> None:
    """256 scalar tokens in [-2, 2]: the largest softmax Jacobian found is far below sigmoid's at one point."""
    point = sigmoid.SelfMap.alike(256, 2.0, -np.log(256))
    at_one_point = np.linalg.norm(sigmoid.sigmoid_jacobian(point.tokens, point.matrix, point.bias), 2)
    assert at_one_point > 340
    assert point.softmax_ceiling == pytest.approx(84.0)
    tried = [np.r_[np.full(256 - k, low), np.full(k, 2.0)] for k in (1, 16, 128) for low in (-2.0, 1.0)]
    tried += [RNG(seed).uniform(-2, 2, 256) for seed in range(2)]
    found = max(np.linalg.norm(sigmoid.softmax_jacobian(x[:, None], point.matrix), 2) for x in tried)
    assert 1.0 < found < 12.0


def test_jacobians_by_finite_differences() -> None:
    tokens, matrix = RNG(0).standard_normal((3, 2)), RNG(1).standard_normal((2, 2))

    def output(flat: Array) -> Array:
        x = flat.reshape(3, 2)
        return (expit(x @ matrix @ x.T - 0.5) @ x).ravel()

    steps = 1e-6 * np.eye(6)
    slopes = np.array([(output(tokens.ravel() + h) - output(tokens.ravel() - h)) / 2e-6 for h in steps]).T
    assert sigmoid.sigmoid_jacobian(tokens, matrix, -0.5) == pytest.approx(slopes, abs=1e-8)


# ---------------------------------------------------------------------------------------------------------------- sinks


def test_redistribution_on_a_small_head() -> None:
    weights, recipients = np.array([0.6, 0.3, 0.1]), np.array([False, True, True])
    assert sink_budget.redistributed(weights, 0, recipients, 0.5) == pytest.approx([0.3, 0.525, 0.175])
    only_last = np.array([False, False, True])
    assert sink_budget.redistributed(weights, 0, only_last, 0.5) == pytest.approx([0.3, 0.3, 0.4])
    assert weights[0] == 0.6  # the caller's weights stay as they are


def test_hull_distance_is_what_a_constrained_minimiser_finds() -> None:
    for seed in range(5):
        values = RNG(seed).standard_normal((6, 4)) + np.array([1.0, 0, 0, 0])
        found = optimize.minimize(
            lambda w, v=values: ((w @ v) ** 2).sum(),
            np.full(6, 1 / 6),
            bounds=[(0, 1)] * 6,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            tol=1e-14,
        )
        assert forced_sink.hull_distance(values) == pytest.approx(np.sqrt(found.fun), abs=1e-4)
    assert forced_sink.hull_distance(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(0.0, abs=1e-15)


def test_sink_bounds_are_attained() -> None:
    values = RNG(0).uniform(0.5, 2.0, (3, 3)) * np.array([[1, 1, -1], [1, -1, 1], [1, 0.1, 0.2]])
    nearest = forced_sink.nearest_in_hull(values)
    case = forced_sink.OutsideTheHull(np.log(np.r_[0.5, 0.5 * np.maximum(nearest, 1e-15)]), values)
    assert forced_sink.doing_nothing_needs_a_sink(case) >= -1e-9
    orthogonal = forced_sink.NoObtuseValues(np.array([1.0, 0.0, 0.0, 0.0]), 2 * np.eye(3))
    assert forced_sink.doing_nothing_needs_a_sink_among_acute_values(orthogonal) >= -1e-12


def test_descent_to_silence_makes_a_sink_with_softmax_alone() -> None:
    """Gradient descent on |o|^2 / 2 over logits: softmax ends on the sink, sigmoid with no large weight at all."""
    values = np.vstack([np.zeros(8), RNG(0).standard_normal((5, 8)) + 0.5])
    logits, gates = np.zeros(6), np.zeros(6)
    for _ in range(6000):
        p, w = softmax(logits), expit(gates)
        pull = values @ (p @ values)
        logits -= 0.5 * p * (pull - p @ pull)
        gates -= 0.5 * w * (1 - w) * (values @ (w @ values))
    assert softmax(logits)[0] > 0.97
    assert expit(gates)[1:].max() < 0.03
    assert expit(gates)[0] == 0.5  # a key of value zero gets no gradient
    head = forced_sink.OutsideTheHull(logits, values[1:])
    needed = 1 - head.output / forced_sink.hull_distance(values[1:])
    assert needed - 1e-9 <= head.weights[0] < needed + 0.05


# ------------------------------------------------------------------------------------------------ emphasis, style


def test_emphasis_reference_numbers() -> None:
    text = emphasis.GrowingText(576, 20, 400)
    assert text.source_mass(20) == pytest.approx(576 / 596)
    assert text.source_mass(400) == pytest.approx(576 / 976)
    assert text.source_mass(400, np.log(20)) == pytest.approx(576 / 596)
    assert emphasis.bias_that_holds_mass(20, 400) == pytest.approx(np.log(20))


def test_divergence_of_blended_queries() -> None:
    """Zero at full content, largest at full style; its slope by finite differences."""
    rng = RNG(4)
    case = blending.BlendedQueries(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(9, 3)), 0.4)
    curve = np.array([case.divergence(g) for g in np.linspace(0, 1, 21)])
    assert (np.diff(curve, axis=0) < 0).all()
    assert curve[-1] == pytest.approx(0.0, abs=1e-15)
    gap = (case.content - case.style) @ case.keys.T
    weights = case.attention(0.4)
    variance = (weights * gap**2).sum(axis=1) - (weights * gap).sum(axis=1) ** 2
    slope = (case.divergence(0.4 + 1e-5) - case.divergence(0.4 - 1e-5)) / 2e-5
    assert slope == pytest.approx(-0.6 * variance, rel=1e-7)


# ---------------------------------------------------------------------------------------------------- what is refused


MODULES = (
    blending, emphasis, entropy_bound, forced_sink, length_scaling,
    no_op, perturbation, sigmoid, sink_budget, temperature,
)  # fmt: skip


def test_every_paper_of_the_family_has_a_claim_that_holds() -> None:
    claims = [c for module in MODULES for c in vars(module).values() if isinstance(c, Claim) and c.kind != "refuted"]
    assert {s.number for c in claims for s in c.sources} >= {5, 6, 10, 18, 24, 37, 40, 41, 43, 51, 52}


EYE, TWO = np.eye(2), np.zeros(2)
SUBSET = np.array([False, True])
BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: perturbation.total_variation_bound([np.nan, 0.0]), "change must be finite"),
    (lambda: perturbation.total_variation_bound(EYE), "change must have shape"),
    (lambda: perturbation.Disturbed(TWO, [1.0, 1.0]), "the change must differ between keys by at least 1e-4, got 0"),
    (lambda: perturbation.Disturbed(TWO, [1.0, 0.0, 0.0]), "change must have shape"),
    (lambda: perturbation.SmallStep(TWO, [1.0, 1.0], 0.1), "the direction must differ between keys"),
    (lambda: perturbation.SmallStep(TWO, [1.0, 0.0], 2.0), "length must be finite and in"),
    (lambda: temperature.temperature_for_entropy(TWO, 0.5), "target must be finite and in"),
    (lambda: temperature.temperature_for_entropy([0.0, 1.0], 0.7), "target must be finite and in"),
    (lambda: temperature.temperature_for_mass(0.0, 4, 0.9), "gap must be finite and in"),
    (lambda: temperature.temperature_for_mass(1.0, 4, 1.0), "mass must be finite and in"),
    (lambda: temperature.temperature_for_mass(1.0, 1, 0.9), "keys must be >= 2, got 1"),
    (lambda: temperature.Scaled(TWO, 6.0), "temperature must be in"),
    (lambda: temperature.Scaled([0.0, 60.0], 1.0), "logits must be in"),
    (lambda: temperature.RowsAtTemperature(EYE, 9.0), "temperature must be in"),
    (lambda: temperature.RowsAtTemperature(0 * EYE, 1.0), "largest deviation within a row"),
    (lambda: temperature.Singled(1.0, [-0.1], 0.9), "all others must be at least the gap below"),
    (lambda: temperature.Singled(1.0, [0.1], 0.4), "the mass must be >= 1/n"),
    (lambda: entropy_bound.least_entropy(-1.0, 4), "norm must be >= 0, got -1"),
    (lambda: entropy_bound.least_entropy(1.0, 1), "keys must be >= 2, got 1"),
    (lambda: entropy_bound.NormAndKeys(0.0, 4), "norm must be in"),
    (lambda: entropy_bound.SelfAttention(EYE[:1], EYE, EYE), "at least 2 tokens, got 1"),
    (lambda: entropy_bound.SelfAttention(EYE, EYE, np.eye(3)), "keys must have shape"),
    (lambda: length_scaling.l1_normalised([-1.0, 2.0]), "positive must be >= 0"),
    (lambda: length_scaling.l1_normalised([0.0, 0.0]), "positive must be >= 0 with positive sums"),
    (lambda: length_scaling.sharpened([0.5, 0.5], 0.0), "power must be finite and in"),
    (lambda: length_scaling.sharpened([0.5, 0.6], 2.0), "weights must have rows that sum to 1"),
    (lambda: length_scaling.entropy_ratio(1.5), "scale must be in"),
    (lambda: length_scaling.Sharpened([0.5, 0.5], 0.5), "power must be in"),
    (lambda: length_scaling.FewGaussianLogits(4, 1.0), "keys must be 2 or 3, got 4"),
    (lambda: length_scaling.FewGaussianLogits(2, 2.0), "deviation must be in"),
    (lambda: length_scaling.ManyGaussianLogits(100, 1.0, 0), "keys must be >= 512, got 100"),
    (lambda: length_scaling.ManyGaussianLogits(512, 2.0, 0), "deviation must be in"),
    (lambda: no_op.gap_for_noise(4, 0.0), "noise must be finite and in"),
    (lambda: no_op.gap_for_zeros(4, 0.0), "gamma must be negative, got 0"),
    (lambda: no_op.gap_for_zeros_at_any_length(-0.1, 0.9), "zeta must be at least 1, got 0.9"),
    (lambda: no_op.ClippedRow([0.0], 0.1, 1.0), "gamma must be negative, got 0.1"),
    (lambda: no_op.EqualOthers([0.0, 1.0], -0.1, 1.0), "all others must have one logit, got range 1"),
    (lambda: no_op.WideRow([-1.0], -0.03, 1.0), r"all others must be 3\.50656 below the token, got 1"),
    (lambda: sigmoid.SelfMap(EYE, 40 * EYE, 0.0), "logits must be in"),
    (lambda: sigmoid.SelfMap(EYE, np.eye(3), 0.0), "matrix must have shape"),
    (lambda: sigmoid.softmax_jacobian_bound(4, np.inf, 1.0), "radius must be finite"),
    (lambda: sink_budget.SinkHead(TWO, EYE, SUBSET, 1.0), r"share must be in \[0, 1\), got 1"),
    (lambda: sink_budget.SinkHead(TWO, EYE, ~SUBSET, 0.5), "other than the sink must receive"),
    (lambda: sink_budget.SinkHead(TWO, 0 * EYE, SUBSET, 0.5), "some value must be at least 1e-6, got 0"),
    (lambda: sink_budget.SinkHead([0.0, 20.0], EYE, SUBSET, 0.5), "logits must be in"),
    (lambda: sink_budget.SharedWithAll(np.zeros(3), np.eye(3), np.eye(3)[1] > 0, 0.5), "every token other than"),
    (lambda: sink_budget.DrainedSink(TWO, EYE, SUBSET, 0.5), "the value of the sink must be zero"),
    (lambda: forced_sink.SinkOfNothing(np.zeros(3), 0 * EYE), "no value may be zero except the sink's"),
    (lambda: forced_sink.SinkOfNothing(TWO, EYE), "logits must have shape"),
    (lambda: forced_sink.OutsideTheHull(np.zeros(3), np.array([[1.0], [-1.0]])), "outside the hull of the values"),
    (lambda: forced_sink.NoObtuseValues(np.zeros(3), np.array([[1.0], [-1.0]])), "obtuse angle"),
    (lambda: emphasis.bias_that_holds_mass(0, 4), "before must be >= 1, got 0"),
    (lambda: emphasis.ChosenTokens(TWO, SUBSET & False, 0.0), "some tokens must be chosen, and some not"),
    (lambda: emphasis.ChosenTokens(TWO, SUBSET, 20.0), "bias must be in"),
    (lambda: emphasis.GrowingText(0, 1, 1), "source must be >= 1, got 0"),
    (lambda: blending.blended_attention(EYE, EYE, EYE, 1.5), "share must be in"),
    (lambda: blending.BlendedQueries(EYE, 60 * EYE, EYE, 0.5), "logits must be in"),
    (lambda: blending.TwoImages(EYE, np.ones((3, 2))), "every channel of style must vary, got channel 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_calls(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
