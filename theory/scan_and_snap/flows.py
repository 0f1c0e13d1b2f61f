"""Four dynamics of one mixture, from zero logits and a zero decoder.

    population_flow      gradient flow of the loss
    symmetric_flow       the same for a symmetric mixture, as an ODE of 3 + 4 N_d numbers
    preconditioned_flow  the decoder's gradient preconditioned as in Lemma 3, the attention trained jointly
    attention_flow       Lemma 4: the attention alone, with the decoder that has forgotten how the features moved

The last two describe one another as eta_Y / eta_Z grows; the first two do not follow them except in signs and shapes.
Time counts steps that see one sequence of every class in proportion to its prior, so that Lemma 4 carries a weight
1/K. Momentum mu multiplies time by 1/(1 - mu). Only eta_Y / eta_Z and eta_Z t matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array, integrate
from theory.scan_and_snap.backpropagation import _coefficients, _overlap, backpropagated_scale
from theory.scan_and_snap.decoder import decoder_gap
from theory.scan_and_snap.mixture import ClassMixture, SymmetricMixture
from theory.validation import increasing_times, real


@dataclass(frozen=True, eq=False)
class MixtureTrajectory:
    """A solution at `times` (T,): logits Z (T, Q, L) and, per column that differs from others, the decoder.

    `decoder_columns` (T, L, K+1): the columns of the K next tokens, then the one that all M - K other entries share
    (absent for M = K). `decoder` is the same in full.
    """

    mixture: ClassMixture
    times: Float[Array, " t"]
    logits: Float[Array, "t q l"]
    decoder_columns: Float[Array, "t l c"]

    @property
    def attention(self) -> Float[Array, "t k l"]:
        """c_n of every class."""
        return self.mixture.attention(self.logits)

    @property
    def features(self) -> Float[Array, "t k l"]:
        """f_n of every class."""
        return self.mixture.features(self.logits)

    @property
    def decoder(self) -> Float[Array, "t l m"]:
        """Y, with all M columns: T L M numbers."""
        return np.repeat(self.decoder_columns, _copies(self.mixture).astype(int), axis=-1)

    @property
    def loss(self) -> Float[Array, " t"]:
        """The expected negative log-likelihood in nats."""
        return self.mixture._loss(self.logits, self.decoder_columns, _copies(self.mixture))


def population_flow(
    mixture: ClassMixture, eta_y: float, eta_z: float, times: ArrayLike, *, rtol: float = 1e-10
) -> MixtureTrajectory:
    """dY/dt = -eta_Y dL/dY, dZ/dt = -eta_Z dL/dZ at `times`; rates >= 0. Syn-Small to t = 1000 takes 0.03 s."""
    eta_y, eta_z = _rates(eta_y, eta_z)
    copies = _copies(mixture)

    def field(logits: Array, decoder: Array) -> tuple[Array, Array]:
        d_logits, d_decoder = mixture._gradient(logits, decoder, copies)
        return -eta_z * d_logits, -eta_y * d_decoder

    return _joint(mixture, field, times, rtol)


def preconditioned_flow(
    mixture: ClassMixture, eta_y: float, eta_z: float, times: ArrayLike, *, rtol: float = 1e-10
) -> MixtureTrajectory:
    """dY/dt = eta_Y sum_n p_n (F G^{-1})_n (e_n - alpha_n)^T, dZ/dt = -eta_Z dL/dZ, rates >= 0.

    The features must be linearly independent; `ValueError` where they are not at the start.
    """
    eta_y, eta_z = _rates(eta_y, eta_z)
    copies = _copies(mixture)
    _require_independent(mixture)

    def field(logits: Array, decoder: Array) -> tuple[Array, Array]:
        features = mixture._features(logits)
        error = mixture.weight[:, None] * mixture._error(features @ decoder, copies)
        d_decoder = features.T @ np.linalg.solve(features @ features.T, error)
        return -eta_z * mixture._gradient(logits, decoder, copies)[0], eta_y * d_decoder

    return _joint(mixture, field, times, rtol)


@dataclass(frozen=True, eq=False)
class AttentionTrajectory(MixtureTrajectory):
    """A solution of Lemma 4, with `exponent` (T, K): B_n = (eta_Z / K) times the integral of xi_n."""

    exponent: Float[Array, "t k"]


def attention_flow(
    mixture: ClassMixture, eta_y: float, eta_z: float, times: ArrayLike, *, rtol: float = 1e-10
) -> AttentionTrajectory:
    """Lemma 4: dz_m/dt = (eta_Z/K) gamma sum_n f_n o sum_k beta_nk ((f_n.f_k) f_n - f_k), beta exact, rates >= 0.

    Its decoder is F G^{-1} W^T with w_n = (M-1) h zeta_n. Hypotheses: uniform prior, linearly independent features.
    """
    eta_y, eta_z = _rates(eta_y, eta_z)
    times = increasing_times("times", times)
    classes, vocabulary = mixture.classes, mixture.vocabulary
    if np.ptp(mixture.weight) > 1e-12:
        raise ValueError(f"hypothesis broken: the prior must be uniform, got {mixture.weight}")
    _require_independent(mixture)
    shape = mixture.queries, mixture.tokens

    def field(t: float, state: Array) -> Array:
        features = mixture._features(state[classes:].reshape(shape))
        push, xi = attention_push(features, vocabulary)
        rate = eta_z / classes * backpropagated_scale(vocabulary, eta_y * t / classes)
        return rate * np.concatenate([xi, (mixture._class_of_query @ push).ravel()])

    start = np.zeros(classes + shape[0] * shape[1])
    states = integrate(field, start, times, method="DOP853", rtol=rtol, atol=rtol / 100)
    logits = states[:, classes:].reshape(-1, *shape)
    features = mixture.features(logits)
    gap = decoder_gap(vocabulary, eta_y * times / classes)
    rows = np.eye(classes, len(_copies(mixture))) - 1 / vocabulary  # (M-1)/M zeta_n
    inner = np.linalg.solve(features @ np.swapaxes(features, -1, -2), gap[:, None, None] * rows)
    return AttentionTrajectory(mixture, times, logits, np.swapaxes(features, -1, -2) @ inner, states[:, :classes])


class AttentionPush(NamedTuple):
    """f_n o sum_k beta_nk ((f_n.f_k) f_n - f_k) and xi_n / gamma, for every class."""

    push: Float[Array, "... k l"]
    xi: Float[Array, "... k"]


def attention_push(features: Float[Array, "... k l"], vocabulary: int) -> AttentionPush:
    """What Lemma 4 multiplies by eta_Z gamma / K, for unit features that are linearly independent (not checked)."""
    coefficients = _coefficients(_overlap(features), vocabulary)
    push = features * (coefficients.xi[..., None] * features - coefficients.beta @ features)
    return AttentionPush(push, coefficients.xi)


def symmetric_flow(
    symmetric: SymmetricMixture, eta_y: float, eta_z: float, times: ArrayLike, *, rtol: float = 1e-10
) -> MixtureTrajectory:
    """`population_flow` of a symmetric mixture by its reduced ODE, whose size does not depend on K or M."""
    eta_y, eta_z = _rates(eta_y, eta_z)
    times = increasing_times("times", times)
    field = _reduced_field(symmetric, eta_y, eta_z)
    start = np.zeros(3 + 4 * len(symmetric.distinct_weight))
    state = integrate(field, start, times, method="DOP853", rtol=rtol, atol=rtol / 100)
    return MixtureTrajectory(symmetric.mixture, times, *_expanded(symmetric, state))


def _reduced_field(s: SymmetricMixture, eta_y: float, eta_z: float) -> Callable[[float, Array], Array]:
    """The slope of (z_c, A, B, z_j, a_j, b_j, c_j).

    A and B are the decoder's entries of a common token for a next token and for any other entry; a_j, b_j, c_j those
    of a distinct token for its own class, another class, and any other entry.
    """
    count, others, never = s.common_tokens, s.classes - 1, s.vocabulary - s.classes
    rate_y, rate_z = eta_y / s.classes, eta_z / s.classes
    rate_common = eta_z if s.shared_query else rate_z

    def field(_: float, state: Array) -> Array:
        (z_c, in_common, out_common), (z, a, b, c) = state[:3], state[3:].reshape(4, -1)
        common, distinct = s.common_weight * np.exp(z_c), s.distinct_weight * np.exp(z)
        norm = np.sqrt(count * common**2 + distinct @ distinct)
        common, distinct = common / norm, distinct / norm
        shared = count * common * in_common
        logits = np.array([shared + distinct @ a, shared + distinct @ b, count * common * out_common + distinct @ c])
        odds = np.exp(logits - logits[0])
        wrong = others * odds[1] + never * odds[2]
        _, q, r = odds / (1 + wrong)
        wrong = wrong / (1 + wrong)
        g_c = (in_common - out_common) * never * r
        g = a * wrong - others * b * q - never * c * r
        mean = count * common * g_c + distinct @ g
        return np.concatenate(
            [
                [rate_common * common * (g_c - common * mean)],
                [rate_y * common * never * r, -eta_y * common * r],
                rate_z * distinct * (g - distinct * mean),
                rate_y * distinct * wrong,
                -rate_y * distinct * q,
                -rate_y * distinct * r,
            ]
        )

    return field


def _expanded(s: SymmetricMixture, state: Array) -> tuple[Array, Array]:
    """Logits (T, Q, L) and decoder columns (T, L, C) of the full mixture."""
    steps, (classes, columns) = len(state), (s.classes, len(_copies(s.mixture)))
    z, a, b, c = np.moveaxis(state[:, 3:].reshape(steps, 4, -1), 1, 0)
    own = np.eye(classes)
    copies = np.ones((1, classes)) if s.shared_query else own
    tail = np.einsum("qk,td->tqkd", copies, z).reshape(steps, len(copies), -1)
    head = np.broadcast_to(state[:, :1, None], (steps, len(copies), s.common_tokens))
    common = np.broadcast_to(state[:, 1, None, None], (steps, s.common_tokens, columns)).copy()
    distinct = np.einsum("td,kc->tkdc", a, own) + np.einsum("td,kc->tkdc", b, 1 - own)
    if columns > classes:
        common[:, :, -1] = state[:, 2, None]
        last = np.broadcast_to(c[:, None, :, None], (*distinct.shape[:3], 1))
        distinct = np.concatenate([distinct, last], axis=-1)
    decoder = np.concatenate([common, distinct.reshape(steps, -1, columns)], axis=1)
    return np.concatenate([head, tail], axis=-1), decoder


def _joint(
    mixture: ClassMixture, field: Callable[[Array, Array], tuple[Array, Array]], times: ArrayLike, rtol: float
) -> MixtureTrajectory:
    """Integrate logits and decoder columns together from zero."""
    times = increasing_times("times", times)
    shape, columns = (mixture.queries, mixture.tokens), len(_copies(mixture))
    split = shape[0] * shape[1]

    def slope(_: float, state: Array) -> Array:
        moved = field(state[:split].reshape(shape), state[split:].reshape(-1, columns))
        return np.concatenate([part.ravel() for part in moved])

    start = np.zeros(split + mixture.tokens * columns)
    states = integrate(slope, start, times, method="DOP853", rtol=rtol, atol=rtol / 100)
    return MixtureTrajectory(
        mixture, times, states[:, :split].reshape(-1, *shape), states[:, split:].reshape(-1, mixture.tokens, columns)
    )


def _copies(mixture: ClassMixture) -> Array:
    """How many vocabulary entries every decoder column stands for."""
    never = mixture.vocabulary - mixture.classes
    return np.array([1.0] * mixture.classes + [float(never)] * (never > 0))


def _rates(eta_y: float, eta_z: float) -> tuple[float, float]:
    rates = real("eta_y", eta_y), real("eta_z", eta_z)
    for name, rate in zip(("eta_y", "eta_z"), rates, strict=True):
        if rate < 0:
            raise ValueError(f"{name} must be >= 0, got {rate}")
    return rates


def _require_independent(mixture: ClassMixture) -> None:
    features = mixture.features(np.zeros((mixture.queries, mixture.tokens)))
    smallest = float(np.linalg.eigvalsh(features @ features.T).min())
    if smallest < 1e-12:
        raise ValueError(
            f"hypothesis broken: features must be linearly independent, got an eigenvalue {smallest:.3g} of F^T F"
        )
