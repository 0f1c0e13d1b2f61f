"""A linear memory trained at test time: momentum gradient steps with forgetting on each token's own loss.

    S_t = eta_t S_{t-1} - theta_t grad,   M_t = (1 - alpha_t) M_{t-1} + S_t,   M in R^{v x d}

The gradient is taken at M_{t-1}: of 1/2 |M k_t - v_t|^2, or of the Hebbian loss -<M k_t, v_t>.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.masks import causal
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import BEHROUZ_2024
from theory.validation import finite_array, fraction, integer, real, require


@dataclass(frozen=True, eq=False)
class Stream:
    """A sequence with step theta, momentum eta in [0, 1] and forgetting alpha in [0, 1] of every token, each (n,)."""

    tokens: Sequence
    theta: Float[Array, " n"]
    eta: Float[Array, " n"]
    alpha: Float[Array, " n"]

    def __post_init__(self) -> None:
        for name in ("theta", "eta", "alpha"):
            value = finite_array(name, getattr(self, name), (len(self.tokens.keys),), leading=False)
            require((value >= 0).all(), f"{name} must be >= 0, got {value.min()}")
            require(name == "theta" or (value <= 1).all(), f"{name} must be <= 1, got {value.max()}")
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class PlainStream(Stream):
    """Hypothesis: no momentum."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require((self.eta == 0).all(), f"there must be no momentum, got eta {self.eta.max()}")


@dataclass(frozen=True, eq=False)
class SteadyStream(Stream):
    """Hypothesis: momentum and forgetting are the same for all tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        steady = np.ptp(self.eta) == 0 and np.ptp(self.alpha) == 0
        require(steady, f"eta and alpha must not change, got ranges {np.ptp(self.eta)} and {np.ptp(self.alpha)}")


def memories(stream: Stream, *, hebbian: bool = False) -> Float[Array, "n v d"]:
    """M_1..M_n from M_0 = 0."""
    keys, values = stream.tokens.keys, stream.tokens.values
    memory = surprise = np.zeros((values.shape[1], keys.shape[1]))
    found = []
    for k, v, theta, eta, alpha in zip(keys, values, stream.theta, stream.eta, stream.alpha, strict=True):
        residual = -v if hebbian else memory @ k - v
        surprise = eta * surprise - theta * np.outer(residual, k)
        memory = (1 - alpha) * memory + surprise
        found.append(memory)
    return np.array(found)


def recalled(stream: Stream, *, hebbian: bool = False) -> Float[Array, "n v"]:
    """M_t q_t."""
    return (memories(stream, hebbian=hebbian) @ stream.tokens.queries[:, :, None])[:, :, 0]


def delta_rule(stream: PlainStream) -> Float[Array, "v d"]:
    """sum_t theta_t v_t k_t^T prod_{s > t} ((1 - alpha_s) - theta_s k_s k_s^T): M_n without momentum."""
    keys, values = stream.tokens.keys, stream.tokens.values
    after, total = np.eye(keys.shape[1]), np.zeros((values.shape[1], keys.shape[1]))
    for k, v, theta, alpha in reversed(list(zip(keys, values, stream.theta, stream.alpha, strict=True))):
        total = total + theta * np.outer(v, k) @ after
        after = ((1 - alpha) * np.eye(len(k)) - theta * np.outer(k, k)) @ after
    return total


def hebbian_mask(eta: float, alpha: float, length: int) -> Float[Array, "n n"]:
    """D_ts = sum_{i <= t - s} eta^i (1 - alpha)^{t - s - i} for s <= t: what is left at t of a step made at s."""
    lags = [sum(eta**i * (1 - alpha) ** (lag - i) for i in range(lag + 1)) for lag in range(length)]
    distance = np.subtract.outer(np.arange(length), np.arange(length))
    return np.where(causal(length), np.array(lags)[np.maximum(distance, 0)], 0.0)


def root_modulus(theta: float, eta: float, alpha: float = 0.0) -> float:
    """Factor a step by which the error of a repeated unit-norm pair shrinks or grows in the long run.

    The larger root of z^2 - (1 - alpha + eta - theta) z + eta (1 - alpha) in modulus. For keys of length |k| put
    theta |k|^2 for theta.
    """
    middle, product = (1 - alpha + eta - theta) / 2, eta * (1 - alpha)
    discriminant = middle**2 - product
    return float(np.sqrt(product) if discriminant <= 0 else abs(middle) + np.sqrt(discriminant))


def largest_step(eta: float, alpha: float = 0.0) -> float:
    """(1 + eta)(2 - alpha): the memory of a repeated unit-norm pair settles iff theta is below it, for eta < 1."""
    return (1 + eta) * (2 - alpha)


@dataclass(frozen=True)
class RepeatedPair:
    """One pair (k, v) of scalars in R^1, |k| = 1, shown again and again: step theta > 0, momentum eta in [0, 1),
    forgetting alpha in [0, 1)."""

    theta: float
    eta: float
    alpha: float = 0.0

    def __post_init__(self) -> None:
        real("theta", self.theta, above=0.0)
        fraction("eta", self.eta, below_one=True)
        fraction("alpha", self.alpha, below_one=True)

    def errors(self, steps: int, *, key: float = 1.0) -> Float[Array, " t"]:
        """M_t k - v for t = 1..steps at v = 1, k = `key`, from the memory itself."""
        ones = np.ones(integer("steps", steps, least=1))
        tokens = Sequence(ones[:, None], key * ones[:, None], ones[:, None])
        stream = Stream(tokens, self.theta * ones, self.eta * ones, self.alpha * ones)
        return key * memories(stream)[:, 0, 0] - 1.0


@dataclass(frozen=True)
class RememberedPair(RepeatedPair):
    """Hypothesis: nothing is forgotten, alpha = 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha == 0, f"there must be no forgetting, got alpha {self.alpha}")


@dataclass(frozen=True)
class SettledPair(RepeatedPair):
    """Hypothesis: the factor a step is at most 0.8, so that the memory has settled after 200 steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        factor = root_modulus(self.theta, self.eta, self.alpha)
        require(factor <= 0.8, f"the memory must settle by a factor of at most 0.8 a step, got {factor}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Without momentum the memory is M_n = sum_t theta_t v_t k_t^T prod_{s > t} ((1 - alpha_s) - theta_s k_s
    k_s^T): the gated delta rule.""",
    source=BEHROUZ_2024,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (Stream(Sequence(*3 * [np.ones((3, 1))]), np.ones(3), np.full(3, 0.5), np.zeros(3)),),
)
def memory_without_momentum_is_a_delta_rule(stream: PlainStream) -> float:
    return relative_error(memories(stream)[-1], delta_rule(stream), scale=1e-3)


@claim(
    statement="""With the Hebbian loss a memory of steady momentum eta and forgetting alpha is causal linear attention
    of the values theta_s v_s under the mask sum_{i <= t - s} eta^i (1 - alpha)^{t - s - i}: plain for eta = alpha = 0,
    decayed by 1 - alpha for eta = 0.""",
    source=BEHROUZ_2024,
    kind="identity",
    tolerance=1e-12,
)
def hebbian_memory_is_linear_attention(stream: SteadyStream) -> float:
    tokens, length = stream.tokens, len(stream.tokens.keys)
    mask = hebbian_mask(stream.eta[0], stream.alpha[0], length)
    scores = (tokens.queries @ tokens.keys.T) * mask * stream.theta
    return relative_error(recalled(stream, hebbian=True), scores @ tokens.values, scale=1e-3)


@claim(
    statement="""The error of a repeated unit-norm pair obeys e_{t+1} = (1 + eta - theta) e_t - eta e_{t-1} if nothing
    is forgotten.""",
    source=BEHROUZ_2024,
    kind="identity",
    tolerance=1e-13,
    fails_without=lambda: (RepeatedPair(0.5, 0.5, 0.1),),
)
def repeated_pair_obeys_a_two_step_recurrence(pair: RememberedPair) -> float:
    errors = np.concatenate([[-1.0], pair.errors(12)])
    expected = (1 + pair.eta - pair.theta) * errors[1:-1] - pair.eta * errors[:-2]
    return relative_error(errors[2:], expected, scale=float(np.abs(errors).max()))


@claim(
    statement="""The memory of a repeated unit-norm pair settles iff theta < (1 + eta)(2 - alpha), which is 2 (1 + eta)
    without forgetting: its changes fall below 1e-6 of the largest one or grow beyond 1e6.""",
    source=BEHROUZ_2024,
    kind="identity",
    tolerance=0.0,
    examples=40,
)
def memory_settles_below_the_largest_step(pair: RepeatedPair) -> float:
    """1 where the memory does otherwise; no verdict where the factor a step is within 2 percent of one."""
    limit = largest_step(pair.eta, pair.alpha)
    factor = root_modulus(pair.theta, pair.eta, pair.alpha)
    if abs(factor - 1) < 0.02:
        return 0.0
    steps = 30 if factor == 0 else 30 + int(min(25 / abs(np.log(factor)), 1500))
    changes = np.abs(np.diff(pair.errors(steps), prepend=-1.0))
    settles, grows = changes[-5:].max() < 1e-6 * changes.max(), changes.max() > 1e6
    return float((settles, grows) != (pair.theta < limit, pair.theta > limit))


@claim(
    statement="""No momentum makes the memory of a repeated pair settle faster than by sqrt b |sqrt b - sqrt theta| a
    step, b = 1 - alpha; eta = (sqrt b - sqrt theta)^2 attains it: |1 - sqrt theta| without forgetting.""",
    source=BEHROUZ_2024,
    kind="inequality",
    tolerance=1e-13,
)
def momentum_settles_at_most_by_a_square_root(pair: RepeatedPair) -> float:
    kept = np.sqrt(1 - pair.alpha)
    return excess(kept * abs(kept - np.sqrt(pair.theta)), root_modulus(pair.theta, pair.eta, pair.alpha), scale=1.0)


@claim(
    statement="""A memory that forgets settles at theta / (theta + alpha (1 - eta)) of the value of a repeated unit-norm
    pair: full recall only without forgetting; momentum lifts it.""",
    source=BEHROUZ_2024,
    kind="identity",
    tolerance=1e-13,
    examples=40,
)
def forgetting_limits_recall(pair: SettledPair) -> float:
    level = pair.theta / (pair.theta + pair.alpha * (1 - pair.eta))
    return relative_error(pair.errors(200)[-1] + 1.0, level)


@claim(
    statement="Momentum stores a repeated pair in fewer steps than a memory without it.",
    source=BEHROUZ_2024,
    kind="refuted",
    tolerance=0.5,
    counterexample=lambda: (RepeatedPair(1.0, 0.5),),
)
def momentum_always_helps(pair: RepeatedPair) -> float:
    """Factor a step with momentum less that without: at theta = 1 the plain memory stores the pair in one step."""
    return root_modulus(pair.theta, pair.eta, pair.alpha) - root_modulus(pair.theta, 0.0, pair.alpha)
