"""Linear attention, state spaces and memory: reference numbers, second routes, attained bounds, costs, bad calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.linalg import matmul_toeplitz

from theory.attention import attend, softmax
from theory.masks import causal
from theory.mechanisms.counting import multiplications
from theory.mechanisms.instances import Sequence, Tokens
from theory.mechanisms.linear import agents as ag
from theory.mechanisms.linear import dual_form as df
from theory.mechanisms.linear import feature_maps as fm
from theory.mechanisms.linear import finite_states as fs
from theory.mechanisms.linear import flow as fl
from theory.mechanisms.linear import injectivity as inj
from theory.mechanisms.linear import local_and_scan as ls
from theory.mechanisms.linear import memory as me
from theory.mechanisms.linear import state_space as ss
from theory.mechanisms.linear import tiling as ti
from theory.mechanisms.linear import toeplitz as tp
from theory.mechanisms.linear.masked import gate_products, powers

rng = np.random.default_rng(0)
ONE = np.ones((1, 1))


def sequence(length: int, width: int = 3, channels: int = 2, *, positive: bool = False) -> Sequence:
    q, k, v = (rng.standard_normal((length, n)) for n in (width, width, channels))
    return Sequence(np.exp(q), np.exp(k), v) if positive else Sequence(q, k, v)


# ------------------------------------------------------------------------------------------------------ masks of decay


def test_decay_masks_against_products() -> None:
    gates = np.array([0.3, 0.0, 2.0, 0.7])
    expected = [[np.prod(gates[s + 1 : t + 1]) if s <= t else 0.0 for s in range(4)] for t in range(4)]
    assert gate_products(gates) == pytest.approx(np.array(expected))
    assert powers(0.7, 5) == pytest.approx(gate_products(np.full(5, 0.7)), abs=1e-16)
    assert powers(0.0, 3) == pytest.approx(np.eye(3))


# ---------------------------------------------------------------------------------------------------------------- flow


def test_flow_attention_against_loops() -> None:
    q, k, v = (np.exp(rng.standard_normal((m, 3))) for m in (4, 6, 6))
    flow = np.array([[sum(a * b for a, b in zip(x, y, strict=True)) for y in k] for x in q])
    sinks = [sum(flow[i, j] / flow[:, j].sum() for j in range(6)) for i in range(4)]
    sources = [sum(flow[i, j] / flow[i].sum() for i in range(4)) for j in range(6)]
    competition = np.exp(sources) / np.exp(sources).sum()
    gathered = [sum(flow[i, j] / flow[i].sum() * competition[j] * v[j] for j in range(6)) for i in range(4)]
    expected = [g / (1 + np.exp(-s)) for g, s in zip(gathered, sinks, strict=True)]
    assert fl.flow_attention(q, k, v) == pytest.approx(np.array(expected), rel=1e-13)


def test_equal_queries_attain_the_mean_gate() -> None:
    flow = fl.Flow(np.ones((3, 2)), np.exp(rng.standard_normal((5, 2))), np.ones((5, 1)))
    sinks, _ = fl.conserved_flows(flow.queries, flow.keys)
    assert sinks == pytest.approx(5 / 3)
    assert fl.flow_gates_are_at_least_half(flow) >= -1e-12


def test_the_clamp_keeps_a_quarter() -> None:
    (flow,) = fl._strong_and_weak_source()
    assert fl.conserved_flows(flow.queries, flow.keys)[1] == pytest.approx([2.0, 6.0])
    assert fl.clamped_outgoing(flow.queries, flow.keys) == pytest.approx([1.0, 1.0])


def test_eps_alone_moves_the_flow_in_proportion() -> None:
    """Weak sources, so that the clamp is idle: the sum misses m by an amount of order eps."""
    q, k = np.ones((2, 2)), np.ones((6, 2))
    lost = [2 - fl.clamped_outgoing(q, k, eps=eps).sum() for eps in (1e-4, 1e-6)]
    assert lost[0] / lost[1] == pytest.approx(100.0, rel=1e-2)


# -------------------------------------------------------------------------------------------------------------- agents


def test_agents_at_sharp_queries_recover_softmax() -> None:
    tokens = sequence(6, 8)
    sharp = 30 * tokens.queries
    near = ag.agent_attention(sharp, tokens.keys, tokens.values, sharp)
    assert near == pytest.approx(attend(sharp, tokens.keys, tokens.values), abs=1e-12)


def test_two_queries_attain_the_distance_from_softmax() -> None:
    tokens = Tokens(rng.standard_normal((2, 3)), rng.standard_normal((5, 3)), np.ones((5, 1)))
    assert ag.queries_as_agents_are_near_softmax(ag.QueriesAsAgents(tokens, tokens.queries)) >= -1e-12


def test_few_agents_attain_the_rank() -> None:
    tokens = Tokens(rng.standard_normal((12, 6)), rng.standard_normal((15, 6)), np.ones((15, 1)))
    assert ag.agents_bound_the_rank(ag.Agency(tokens, rng.standard_normal((4, 6)))) == 0.0


# -------------------------------------------------------------------------------------------------------- state spaces


def test_a_scan_is_its_score_matrix() -> None:
    gates = rng.uniform(0, 1, (9, 3))
    system = ss.StateSpace(gates, *rng.standard_normal((2, 9, 3)), rng.uniform(1, 2, 9), rng.standard_normal((9, 2)))
    assert ss.state_scores(system) @ system.values == pytest.approx(ss.scan(system), abs=1e-13)
    assert ss.states_bound_the_rank(system) == 0.0


def test_two_tokens_attain_the_distance_from_finite_states() -> None:
    assert fs.exponential_scores_need_a_state_per_token(fs.SeparatedTokens(np.array([[0.0], [1.0]]))) >= -1e-15


def test_sixty_tokens_have_rank_sixty() -> None:
    points = 4 * rng.standard_normal((60, 8))
    assert fs.SeparatedTokens(points).overlap < 1
    assert np.linalg.matrix_rank(fs.SeparatedTokens(points).scores) == 60


def test_the_determinant_on_a_line_is_tiny_and_positive() -> None:
    """Twelve tokens: far below rounding, so only high precision can tell it from zero."""
    case = fs.ScalarTokens(np.linspace(-1, 1, 12), 2 / 11)
    assert fs.exponential_scores_have_full_rank_on_a_line(case) < 1e-20
    nodes = np.exp(case.spacing * case.points)
    logs = sum(np.log(b - a) for i, a in enumerate(nodes) for b in nodes[i + 1 :])
    assert -200 < logs < -60


def test_taylor_states_are_one_a_multi_index() -> None:
    """And give the truncated series; with degree two they have the inner products of the quadratic Taylor map."""
    q, k = rng.standard_normal((2, 5, 3))
    s = q @ k.T
    assert fs.monomials(q, 4).shape == (5, fs.state_count(3, 4)) == (5, 35)
    series = 1 + s + s**2 / 2 + s**3 / 6 + s**4 / 24
    assert fs.monomials(q, 4) @ fs.monomials(k, 4).T == pytest.approx(series, rel=1e-12, abs=1e-12)
    assert fs.monomials(q, 2) @ fs.monomials(k, 2).T == pytest.approx(fm.taylor(s), rel=1e-13)
    small = fs.TaylorStates(Tokens(0.01 * ONE, ONE, ONE), 0)
    assert -0.01 <= fs.taylor_states_approach_the_exponential(small) <= 0
    assert fs.taylor_states_approach_the_exponential(fs.TaylorStates(Tokens(1e-4 * ONE, ONE, ONE), 6)) == -1.0


# --------------------------------------------------------------------------------------------------------- injectivity


def test_softmax_tells_scaled_queries_apart() -> None:
    query, keys = np.abs(rng.standard_normal(3)), np.abs(rng.standard_normal((5, 3)))
    linear = [inj.linear_weights(inj.relu(c * query), inj.relu(keys)) for c in (1.0, 9.0)]
    assert linear[0] == pytest.approx(linear[1], abs=1e-15)
    assert np.abs(softmax(keys @ query) - softmax(keys @ (9 * query))).max() > 0.1


def test_focused_relu_keeps_the_length() -> None:
    x = rng.standard_normal((4, 3))
    assert np.linalg.norm(inj.focused_relu(x), axis=1) == pytest.approx(np.linalg.norm(inj.relu(x), axis=1))
    assert (inj.focused_relu(-np.ones((2, 3))) == 0).all()


# ------------------------------------------------------------------------------------------------- gradients and memory


def test_gradients_by_three_routes() -> None:
    tokens, weight = sequence(7), rng.standard_normal((2, 3))
    numerical = df.numerical_gradient(weight, tokens)
    step = df.descend(df.Demonstrations(tokens, weight, 0.01, 1))
    assert (weight - step) / 0.01 == pytest.approx(numerical, abs=1e-12)
    bent = weight.astype(complex)
    bent[1, 2] += 1e-20j
    residual = tokens.keys @ bent.T - tokens.values
    assert ((residual**2).sum() / 2).imag / 1e-20 == pytest.approx(numerical[1, 2], abs=1e-12)


def test_many_gradient_steps_reach_least_squares() -> None:
    tokens = sequence(4, 6)
    case = df.Demonstrations(tokens, np.zeros((2, 6)), 1 / np.linalg.norm(tokens.keys, 2) ** 2, 20_000)
    assert df.descend(case) == pytest.approx((np.linalg.pinv(tokens.keys) @ tokens.values).T, abs=1e-8)


def test_the_surprise_is_the_gradient_of_the_token_loss() -> None:
    """One step from M_1, against central differences, which are exact for a quadratic."""
    tokens = sequence(2)
    stream = me.Stream(tokens, np.array([0.7, 0.4]), np.zeros(2), np.zeros(2))
    first, second = me.memories(stream)

    def token_loss(memory: np.ndarray) -> float:
        return float(((memory @ tokens.keys[1] - tokens.values[1]) ** 2).sum() / 2)

    for place in np.ndindex(first.shape):
        nudge = np.zeros(first.shape)
        nudge[place] = 1.0
        slope = (token_loss(first + nudge) - token_loss(first - nudge)) / 2
        assert first[place] - second[place] == pytest.approx(0.4 * slope, abs=1e-13)


@pytest.mark.parametrize(("theta", "factor"), [(3.19, 0.9740), (3.21, 1.0241)])
def test_growth_at_the_threshold(theta: float, factor: float) -> None:
    """eta = 0.6, threshold 3.2: predicted from the roots and seen in the memory."""
    assert me.root_modulus(theta, 0.6) == pytest.approx(factor, abs=5e-5)
    errors = np.abs(me.RepeatedPair(theta, 0.6).errors(300))
    assert (errors[-1] / errors[-101]) ** 0.01 == pytest.approx(factor, abs=5e-5)


def test_root_modulus_against_polynomial_roots() -> None:
    for theta, eta, alpha in rng.uniform([0.01, 0, 0], [5, 1, 1], (200, 3)):
        roots = np.roots([1.0, -(1 - alpha + eta - theta), eta * (1 - alpha)])
        assert me.root_modulus(theta, eta, alpha) == pytest.approx(np.abs(roots).max(), rel=1e-7)


def test_at_the_largest_step_a_root_is_minus_one() -> None:
    for eta, alpha in rng.uniform(0, 1, (50, 2)):
        theta = me.largest_step(eta, alpha)
        assert 1 + (1 - alpha + eta - theta) + eta * (1 - alpha) == pytest.approx(0.0, abs=1e-14)
        assert me.root_modulus(theta, eta, alpha) == pytest.approx(1.0, abs=1e-12)


def test_longer_keys_lower_the_threshold() -> None:
    """theta |k|^2 takes the place of theta."""
    pair, long = me.RepeatedPair(0.9, 0.5), me.RepeatedPair(0.9 / 4, 0.5)
    assert long.errors(40, key=2.0) == pytest.approx(pair.errors(40), abs=1e-13)


def test_the_best_momentum_attains_the_square_root() -> None:
    for alpha in (0.0, 0.36):
        best = me.RepeatedPair(0.25, (np.sqrt(1 - alpha) - 0.5) ** 2, alpha)
        assert me.momentum_settles_at_most_by_a_square_root(best) >= -1e-7


def test_hebbian_memory_without_gates_is_plain() -> None:
    tokens, none = sequence(9), np.zeros(9)
    plain = np.where(causal(9), tokens.queries @ tokens.keys.T, 0.0) @ tokens.values
    assert me.recalled(me.Stream(tokens, np.ones(9), none, none), hebbian=True) == pytest.approx(plain, abs=1e-13)
    decayed = ti.direct(tokens.queries, tokens.keys, tokens.values, 0.8)
    forgetting = me.Stream(tokens, np.ones(9), none, np.full(9, 0.2))
    assert me.recalled(forgetting, hebbian=True) == pytest.approx(decayed, abs=1e-13)


# ------------------------------------------------------------------------------------------------- tiles and positions


@pytest.mark.parametrize("block", [1, 2, 5, 8, 16, 37, 50])
def test_every_block_size_gives_the_same(block: int) -> None:
    tokens = sequence(37)
    state, outputs = np.zeros((3, 2)), []
    for q, k, v in zip(tokens.queries, tokens.keys, tokens.values, strict=True):
        state = 0.9 * state + np.outer(k, v)
        outputs.append(q @ state)
    found = ti.tiled(tokens.queries, tokens.keys, tokens.values, 0.9, block)
    assert found == pytest.approx(np.array(outputs), abs=1e-13)


def test_costs_of_tiles_at_two_lengths() -> None:
    def counted(length: int) -> int:
        q, v = np.ones((length, 4)), np.ones((length, 6))
        return multiplications(lambda a, b, c: ti.tiled(a, b, c, 0.9, 8), q, q, v)

    assert counted(64) == 2 * counted(32) == 64 * ti.cost_per_token(4, 6, 8)
    assert ti.direct_cost(64, 4, 6) == 4 * ti.direct_cost(32, 4, 6)
    assert ti.cost_per_token(4, 6, 8) < 64 * 11  # of which the direct form takes n (d + 1 + v)


@pytest.mark.parametrize("shape", [(2, 3, 1), (5, 24, 2)])
def test_the_least_cost_is_attained(shape: tuple[int, int, int]) -> None:
    assert ti.the_best_tile_is_smaller_than_the_head(ti.TileShape(*shape, 1)) >= -1e-13


def test_toeplitz_sums_against_loops_and_scipy() -> None:
    factors, columns = rng.uniform(0, 1, 13), rng.standard_normal((7, 3))
    loops = [sum(factors[j - i + 6] * columns[j] for j in range(7)) for i in range(7)]
    found = tp.toeplitz_product(factors, columns)
    assert found == pytest.approx(np.array(loops), abs=1e-14)
    assert found == pytest.approx(matmul_toeplitz((factors[6::-1], factors[6:]), columns), abs=1e-14)


def test_relative_attention_against_loops() -> None:
    tokens, factors = sequence(6, positive=True), np.exp(rng.standard_normal(11))
    weights = np.array(
        [[factors[j - i + 5] * (tokens.queries[i] @ tokens.keys[j]) for j in range(6)] for i in range(6)]
    )
    expected = weights / weights.sum(axis=1, keepdims=True) @ tokens.values
    arguments = tokens.queries, tokens.keys, tokens.values, factors
    assert tp.relative_attention(*arguments) == pytest.approx(expected, abs=1e-13)
    assert tp.dense_relative_attention(*arguments) == pytest.approx(expected, abs=1e-13)


def test_the_fft_overtakes_the_dense_form() -> None:
    """Twice the length costs little more than twice; the dense form four times."""
    few, many = (tp.fft_cost(n, 3, 2) for n in (512, 1024))
    assert 2 < many / few < 2.25
    q, v, factors = np.ones((1024, 3)), np.ones((1024, 2)), np.ones(2047)
    assert many < multiplications(tp.dense_relative_attention, q, q, v, factors)


# -------------------------------------------------------------------------------------------- feature maps and windows


def test_taylor_scores_and_error_against_mpmath() -> None:
    for s in (-30.0, -1.0, -1e-5, 1e-3, 2.0, 40.0):
        exact = mpmath.mpf(s)
        assert fm.taylor(s) == pytest.approx(float(1 + exact + exact**2 / 2), rel=1e-15)
    assert fm.taylor(-1.0) == 0.5
    assert fm.taylor_error_is_cubic(fm.Score(1e-3)) >= -1e-3
    assert fm.taylor_error_is_cubic(fm.Score(-1e-3)) >= -1e-3


def test_independent_taylor_features() -> None:
    """d + 1 linear ones and the d (d + 1) / 2 distinct products."""
    assert np.linalg.matrix_rank(fm.taylor_features(rng.standard_normal((60, 4)))) == 1 + 4 + 10


def test_hedgehog_scores_often_invert_the_order() -> None:
    """Untrained, with d = 8 and 64 keys: about half of all neighbours in order of q.k."""
    q, k = rng.standard_normal((200, 8)), rng.standard_normal((64, 8))
    order = np.argsort(q @ k.T, axis=1)
    scores = np.take_along_axis(fm.hedgehog_features(q) @ fm.hedgehog_features(k).T, order, axis=1)
    assert 0.4 < (np.diff(scores, axis=1) < 0).mean() < 0.5


def test_equal_logits_attain_the_flatter_entropy() -> None:
    assert fm.taylor_weights_are_flatter_than_softmax(fm.HighLogits(np.full(5, 2.0))) >= -1e-15


@pytest.mark.parametrize(("states", "found"), [(1, 0.875), (2, 0.829), (4, 0.638), (8, 0.428)])
def test_decaying_scans(states: int, found: float) -> None:
    kept = ls.decaying_states(np.linspace(0.3, 0.97, states), 32)
    assert ls.selection_error(kept, 8) == pytest.approx(found, abs=6e-4)
    assert ls.selection_error(kept, 8) >= 1 - states / 8


def test_errors_against_regression_on_drawn_tokens() -> None:
    """Two states of 12 tokens: the residual variance of 40,000 draws within five standard errors."""
    states = rng.standard_normal((2, 12))
    x = rng.standard_normal((40_000, 12))
    targets = np.concatenate([np.eye(12)[-3:], np.full((1, 12), 12**-0.5)])
    kept, wanted = x @ states.T, x @ targets.T
    residual = wanted - kept @ np.linalg.lstsq(kept, wanted, rcond=None)[0]
    standard = (residual**2).std(axis=0) / 200
    assert (np.abs((residual**2).mean(axis=0) - ls.errors(states, targets)) < 5 * standard).all()


def test_errors_against_conditional_variance() -> None:
    states, target = rng.standard_normal((3, 9)), rng.standard_normal(9)
    explained = target @ states.T @ np.linalg.solve(states @ states.T, states @ target)
    assert ls.errors(states, target[None])[0] == pytest.approx(target @ target - explained, abs=1e-12)


def test_states_that_attain_the_selection_bounds() -> None:
    kept = np.eye(10)[-3:]
    assert ls.fixed_states_cannot_select(ls.LinearStates(kept, 5)) >= -1e-14
    differences = np.eye(10)[-3:-1] - np.eye(10)[-2:]
    summing = ls.SummingStates(np.concatenate([np.ones((1, 10)), differences]), 5)
    assert ls.a_summing_state_wastes_a_slot(summing) >= -1e-14
    assert ls.whole_error(ls.LocalWindow(32, 8).states) == pytest.approx(0.75)


# ----------------------------------------------------------------------------------------------------------- bad calls

TOKENS = Sequence(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1)))
HALF, NONE = np.full(3, 0.5), np.zeros(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fl.Flow(-ONE, ONE, ONE), "features of queries and keys must be positive, got -1"),
        (lambda: fl.BalancedFlow(np.ones((2, 1)), ONE, ONE), "as many sinks as sources, got 2 and 1"),
        (lambda: ag.Agency(TOKENS, 1e3 * np.ones((1, 2))), "logits must be at most 500 in size, got 2000"),
        (lambda: ag.Agency(TOKENS, np.ones((1, 3))), r"agents must have shape \(any, 2\)"),
        (lambda: ag.QueriesAsAgents(TOKENS, np.ones((1, 2))), "agents must be the queries, got 1 others"),
        (lambda: ss.StateSpace(ONE, ONE, ONE, np.ones(2), ONE), r"steps must have shape \(1\)"),
        (lambda: ss.ScalarGates(*ss_arrays([[1.0, 0.5]])), "all states must share one gate"),
        (lambda: ss.OpenGates(*ss_arrays([[1.0, 0.0]])), "gates must be positive, got 0"),
        (lambda: ss.OpenGates(*ss_arrays([[1e-60], [1e-60]])), "products of gates must be at least 1e-100"),
        (lambda: fs.SeparatedTokens(ONE), "at least 2 tokens, got 1"),
        (lambda: fs.SeparatedTokens(np.ones((2, 1))), r"\(n - 1\) exp\(-r\^2 / 2\) must be below 1, got 1"),
        (lambda: fs.ScalarTokens(np.zeros(2), 1.0), "tokens must increase"),
        (lambda: fs.ScalarTokens(np.zeros(1), 0.0), "spacing must be positive, got 0"),
        (lambda: inj.QueryAndKeys(np.ones(1), np.full((2, 1), 301.0)), "logits must be at most 300 in size, got 301"),
        (lambda: inj.SpanningKeys(np.ones(2), np.ones((4, 2))), "centred keys must have full column rank"),
        (lambda: inj.SpanningKeys(np.ones(2), np.eye(2)), "centred keys must have full column rank"),
        (lambda: inj.FlatKeys(np.ones(1), np.array([[0.0], [1.0]])), "centred keys must lack full column rank"),
        (lambda: inj.ScaledQuery(-np.ones(1), 2.0, ONE, inj.relu), "scores must not all vanish, got sum 0"),
        (lambda: inj.ScaledQuery(np.ones(1), 0.0, ONE, inj.relu), "the factor must be positive, got 0"),
        (lambda: inj.HomogeneouslyScaled(np.ones(1), 2.0, ONE, np.exp), "the feature map must be one of relu"),
        (lambda: df.Demonstrations(TOKENS, np.ones((1, 2)), 0.0, 1), r"rate must be finite and in \(0, inf\), got 0"),
        (lambda: df.Demonstrations(TOKENS, np.ones((2, 1)), 1.0, 1), r"start must have shape \(1, 2\)"),
        (lambda: df.Demonstrations(TOKENS, np.ones((1, 2)), 1.0, 0), "steps must be >= 1, got 0"),
        (lambda: me.Stream(TOKENS, -HALF, NONE, NONE), "theta must be >= 0, got -0.5"),
        (lambda: me.Stream(TOKENS, HALF, 3 * HALF, NONE), "eta must be <= 1, got 1.5"),
        (lambda: me.PlainStream(TOKENS, HALF, HALF, NONE), "there must be no momentum, got eta 0.5"),
        (lambda: me.SteadyStream(TOKENS, HALF, NONE, np.array([0, 0, 0.5])), "eta and alpha must not change"),
        (lambda: me.RepeatedPair(0.0, 0.5), r"theta must be finite and in \(0, inf\), got 0"),
        (lambda: me.RepeatedPair(1.0, 1.0), r"eta must be in \[0, 1\), got 1"),
        (lambda: me.RememberedPair(1.0, 0.5, 0.1), "there must be no forgetting, got alpha 0.1"),
        (lambda: me.SettledPair(4.0, 0.5), "the memory must settle by a factor of at most 0.8 a step"),
        (lambda: ti.Tiles(TOKENS, 1.5, 2), r"decay must be in \[0, 1\], got 1.5"),
        (lambda: ti.Tiles(TOKENS, 0.5, 0), "block must be >= 1, got 0"),
        (lambda: ti.Tiles(Sequence(ONE, ONE, ONE), 0.5, 1), "at least 2 tokens, got 1"),
        (lambda: ti.TileShape(1, 0, 1, 1), "channels must be >= 1, got 0"),
        (lambda: tp.RelativePositions(TOKENS, np.ones(3)), r"factors must have shape \(5\)"),
        (lambda: tp.RelativePositions(TOKENS, -np.ones(5)), "factors must be >= 0, got -1"),
        (lambda: tp.RelativePositions(TOKENS, np.array([1, 1, 0, 1, 1])), "the factor of offset 0 must be positive"),
        (lambda: tp.RelativePositions(TOKENS, np.geomspace(1, 1e5, 5)), r"must be within 10000 of each other"),
        (lambda: tp.DecayingFeatures(TOKENS, 0.5), "decay must be at least 0.7, got 0.5"),
        (lambda: tp.RelativeShape(0, 1, 1), "length must be >= 1, got 0"),
        (lambda: fm.Score(501.0), r"\|s\| must be from 1e-3 to 500, got 501"),
        (lambda: fm.Score(0.0), r"\|s\| must be from 1e-3 to 500, got 0"),
        (lambda: fs.TaylorStates(TOKENS, 7), "degree must be at most 6, got 7"),
        (lambda: fs.TaylorStates(Tokens(*3 * [np.ones((2, 4))]), 1), "at most 3 channels, got 4"),
        (lambda: fs.TaylorStates(Tokens(3 * ONE, 2 * ONE, ONE), 1), "scores must be at most 4 in size, got 6"),
        (lambda: inj.SpanningFeatures(np.zeros(1), ONE), "features must be positive, got 0"),
        (lambda: inj.SpanningFeatures(np.ones(2), np.ones((1, 2))), "key features must have full column rank"),
        (lambda: fm.OrderedScores(1.0, 0.0), "s <= t, got 1.0 > 0.0"),
        (lambda: fm.HighScores(-2.0, 0.0), "scores must be at least -1, got -2"),
        (lambda: fm.HighLogits(np.array([0.0, -1.5])), "logits must be at least -1, got -1.5"),
        (lambda: ls.LinearStates(np.ones((1, 3)), 4), "w <= T = 3, got 4"),
        (lambda: ls.SummingStates(np.eye(3), 2), "the first state must be the sum of all tokens"),
        (lambda: ls.LocalWindow(3, 4), "w <= T, got 4 > 3"),
    ],
)
def test_hypotheses_are_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def ss_arrays(gates: list[list[float]]) -> tuple[Any, ...]:
    """The fields of a state space with these gates."""
    shape = np.shape(gates)
    return np.array(gates), np.ones(shape), np.ones(shape), np.ones(shape[0]), np.ones((shape[0], 1))
