"""What holds at every point (Z, Y) of a mixture, derived from its loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023
from theory.scan_and_snap.fates import initial_acceleration
from theory.scan_and_snap.mixture import ClassMixture
from theory.validation import finite_array


@dataclass(frozen=True, eq=False)
class MixturePoint:
    """A mixture with any logits (Q, L) and any decoder (L, M)."""

    mixture: ClassMixture
    logits: Float[Array, "q l"]
    decoder: Float[Array, "l m"]

    def __post_init__(self) -> None:
        shape = self.mixture.queries, self.mixture.tokens
        object.__setattr__(self, "logits", finite_array("logits", self.logits, shape, leading=False))
        shape = self.mixture.tokens, self.mixture.vocabulary
        object.__setattr__(self, "decoder", finite_array("decoder", self.decoder, shape, leading=False))


@claim(
    statement="""Along the flow dJ/dt = ||dY/dt||^2 / eta_Y + ||dZ/dt||^2 / eta_Z >= 0: the gradients are those of the
    loss.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-8,
)
def flow_climbs_at_the_rate_of_its_gradient(point: MixturePoint) -> float:
    """Fourth-order central difference of the loss along the flow with eta_Y = 1.9, eta_Z = 0.7, scaled to length 1."""
    d_logits, d_decoder = point.mixture.gradient(point.logits, point.decoder)
    rate = 0.7 * (d_logits**2).sum() + 1.9 * (d_decoder**2).sum()
    length = np.sqrt(((0.7 * d_logits) ** 2).sum() + ((1.9 * d_decoder) ** 2).sum()) + 1e-100

    def loss(step: float) -> float:
        moved = point.logits - step * 0.7 * d_logits / length, point.decoder - step * 1.9 * d_decoder / length
        return float(point.mixture.loss(*moved))

    step = 2e-3
    slope = (8 * (loss(step) - loss(-step)) - (loss(2 * step) - loss(-2 * step))) / (12 * step)
    return relative_error(slope, -rate / length, scale=1.0 + loss(0.0))


@claim(
    statement="Every row of dY/dt and every row of dZ/dt sums to zero.",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-12,
)
def gradient_rows_sum_to_zero(point: MixturePoint) -> float:
    d_logits, d_decoder = point.mixture.gradient(point.logits, point.decoder)
    size = float(np.abs(point.decoder).max()) + 1.0
    sums = [relative_error(g.sum(axis=-1), 0.0, scale=size) for g in (d_logits, d_decoder)]
    return max(sums)


@claim(
    statement="""A constant added to a row of Z changes nothing, and one vector added to every column of Y leaves the
    loss and the gradient of Y as they are.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-11,
)
def shifts_change_nothing(point: MixturePoint) -> float:
    mixture, logits, decoder = point.mixture, point.logits, point.decoder
    rows, columns = np.linspace(-3, 5, mixture.queries)[:, None], np.linspace(2, -1, mixture.tokens)[:, None]
    size = 1.0 + float(np.abs(decoder).max())
    worst = [relative_error(mixture.loss(logits + rows, decoder + columns), mixture.loss(logits, decoder), scale=size)]
    moved, still = mixture.gradient(logits + rows, decoder + columns), mixture.gradient(logits, decoder)
    return max(worst + [relative_error(a, b, scale=size) for a, b in zip(moved, still, strict=True)])


@claim(
    statement="Features are non-negative unit vectors, and attention is a probability on the tokens of the class.",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-13,
)
def features_are_unit_vectors(point: MixturePoint) -> float:
    features, attention = point.mixture.features(point.logits), point.mixture.attention(point.logits)
    outside = np.where(point.mixture.token_law > 0, 0.0, attention)
    errors = [(features**2).sum(axis=-1) - 1, attention.sum(axis=-1) - 1, np.minimum(features, 0), outside]
    return max(float(np.abs(e).max()) for e in errors)


@claim(
    statement="""With r_{l/l'|n} = f_nl^2 / f_nl'^2 - 1 and chi_l = e^{2 z_l}, r + 1 = (r(0) + 1) chi_l / chi_l' for any
    two tokens of a class, along any dynamics that starts at zero logits.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-10,
)
def relative_gain_is_a_ratio_of_growths(point: MixturePoint) -> float:
    mixture = point.mixture
    worst = 0.0
    features, start = mixture.features(point.logits), mixture.features(np.zeros_like(point.logits))
    for n in range(mixture.classes):
        own = np.flatnonzero(mixture.token_law[n])
        growth = np.exp(2 * point.logits[mixture.query_of_class[n], own])
        now, then = ((f[n, own, None] / f[n, own]) ** 2 for f in (features, start))
        worst = max(worst, float(np.abs(now / (then * growth[:, None] / growth) - 1).max()))
    return worst


@claim(
    statement="""Where the decoder is zero, dz/dt = 0 and d2z_m/dt2 = (eta_Y eta_Z / M) sum_{n in psi^-1(m)} p_n
    sum_k p_k f_n o ((f_n.f_k) f_n - f_k), for any logits, prior and psi.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-6,
)
def attention_starts_with_this_acceleration(point: MixturePoint) -> float:
    """Central difference of dz/dt along dY/dt."""
    mixture, zero = point.mixture, np.zeros_like(point.decoder)
    still, d_decoder = mixture.gradient(point.logits, zero)
    ahead, behind = (mixture.gradient(point.logits, step * d_decoder)[0] for step in (-1e-4, 1e-4))
    return max(
        float(np.abs(still).max()),
        relative_error(-(ahead - behind) / 2e-4, initial_acceleration(mixture, point.logits), scale=1e-3),
    )


@claim(
    statement="Where the decoder is zero no distinct token of any class is accelerated downwards.",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-15,
)
def distinct_tokens_rise_at_first(point: MixturePoint) -> float:
    push = initial_acceleration(point.mixture, point.logits)
    is_distinct = point.mixture._class_of_query @ point.mixture.distinct > 0
    return excess(np.where(is_distinct, -push, 0.0), 0.0, scale=1.0)
