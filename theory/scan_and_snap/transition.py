"""The phase transition of Scan and Snap: how far attention has moved, first fast and then hardly at all.

Setting of Theorem 4: one common token, one query, the normaliser of the features held constant, so that

    dz/dt = -(eta_Z / C0) gamma e^{4z},    B = eta_Z integral of gamma e^{4z} / C0,    z(0) = 0,    B = -z.

With u the decoder's gap and nu = eta_Y / eta_Z the exact solution is B = log(1 + 2 K ((M-1)/M)^2 u^2 / (nu C0)) / 4.
The paper drops the lower limit -log(C0)/4 and gives two branches, before t0' = K log M / eta_Y and after
t0 = 2 K log M / eta_Y (to leading order). Tian et al. 2023, Theorem 4 and its proof; the exact form derived here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array
from theory.scan_and_snap.decoder import _at_least_zero, decoder_gap
from theory.validation import integer, real


class TransitionTimes(NamedTuple):
    """t0' where scanning ends and t0 where snapping begins."""

    scanning: float
    snapping: float


def transition_times(classes: int, vocabulary: int, eta_y: float) -> TransitionTimes:
    """t0' = K log M / eta_Y and t0 = 2 K log M / eta_Y, the leading order."""
    classes, vocabulary = integer("classes", classes, least=1), integer("vocabulary", vocabulary, least=2)
    scanning = classes * float(np.log(vocabulary)) / real("eta_y", eta_y, above=0.0)
    return TransitionTimes(scanning, 2 * scanning)


def growth_factor(
    classes: int,
    vocabulary: int,
    eta_y: float,
    eta_z: float,
    times: ArrayLike,
    *,
    constant: float = 1.0,
    branch: Literal["exact", "published", "scanning", "snapping"] = "exact",
    weight: float = 1.0,
) -> Float[Array, ...]:
    """weight x B(t), with `constant` C0; e^{2B} bounds the growth chi of a dominant distinct token.

    exact      B = log(1 + 2 K ((M-1) u / M)^2 eta_Z / (eta_Y C0)) / 4
    published  the same with 1 + x / C0 replaced by C0 + x: the lower limit is lost
    scanning   published, with u replaced by eta_Y t / K (stated for t <= t0')
    snapping   published, with u replaced by log(M eta_Y t / K) (stated for t >= t0, needs t > 0)
    `weight` is 1 for B = -z as in Theorem 4; for B_n of Theorem 3 in single-sequence time it is 1 / K.
    """
    classes, vocabulary = integer("classes", classes, least=1), integer("vocabulary", vocabulary, least=2)
    eta_y, eta_z = real("eta_y", eta_y, above=0.0), real("eta_z", eta_z, above=0.0)
    constant, weight = real("constant", constant, above=0.0), real("weight", weight, above=0.0)
    tau = eta_y / classes * _at_least_zero("times", times)
    if branch == "snapping" and not (tau > 0).all():
        raise ValueError(f"times must be positive for branch 'snapping', got {tau.min() * classes / eta_y}")
    match branch:
        case "exact" | "published":
            gap = decoder_gap(vocabulary, tau)
        case "scanning":
            gap = tau
        case "snapping":
            gap = np.log(vocabulary * tau)
        case _:
            raise ValueError(f"branch must be 'exact', 'published', 'scanning' or 'snapping', got {branch!r}")
    pushed = 2 * classes * ((vocabulary - 1) / vocabulary * gap) ** 2 * eta_z / eta_y  # 4 eta_Z integral of gamma
    moved = np.log1p(pushed / constant) if branch == "exact" else np.log(constant + pushed)
    return weight / 4 * moved
