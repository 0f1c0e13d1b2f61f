"""The phase transition of Scan and Snap: how far attention has moved, first fast and then hardly at all.

Setting of Theorem 4: one common token, one query, the normaliser of the features held constant, so that

    dz/dt = -(eta_Z / C0) gamma e^{4z},    B = eta_Z integral of gamma e^{4z} / C0,    z(0) = 0,    B = -z.

With u the decoder's gap and nu = eta_Y / eta_Z the exact solution is B = log(1 + 2 K ((M-1)/M)^2 u^2 / (nu C0)) / 4.
The paper drops the lower limit -log(C0)/4 and gives two branches, before t0' = K log M / eta_Y and after
t0 = 2 K log M / eta_Y (to leading order). Tian et al. 2023, Theorem 4 and its proof; the exact form derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, excess, relative_error
from theory.numerics import Array, integrate
from theory.papers import TIAN_2023
from theory.scan_and_snap.backpropagation import backpropagated_scale
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


# ---------------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class Transition:
    """K >= 1 classes, M >= 2 entries, rates > 0 and C0 > 0."""

    classes: int
    vocabulary: int
    eta_y: float
    eta_z: float
    constant: float

    def __post_init__(self) -> None:
        self.growth([0.0])

    def growth(self, times: ArrayLike, *, factor: float = 1.0, **changes: Any) -> Float[Array, ...]:
        """`growth_factor`, with eta_Z multiplied by `factor`."""
        eta_z = factor * self.eta_z
        return growth_factor(self.classes, self.vocabulary, self.eta_y, eta_z, times, constant=self.constant, **changes)

    def times(self) -> Float[Array, " t"]:
        """t0', t0 and 3 K log M / eta_Y."""
        return np.array([1.0, 2.0, 3.0]) * transition_times(self.classes, self.vocabulary, self.eta_y).scanning

    def integrated(self) -> Float[Array, " t"]:
        """-z at `times`, from the ODE."""

        def field(t: float, z: Array) -> Array:
            scale = backpropagated_scale(self.vocabulary, self.eta_y * t / self.classes)
            return -self.eta_z / self.constant * scale * np.exp(4 * z)

        return -integrate(field, np.zeros(1), self.times(), rtol=1e-11, atol=1e-14)[:, 0]


@claim(
    statement="""In Theorem 4's setting B = -z = log(1 + 2 K (eta_Z / eta_Y) ((M-1)/M)^2 u^2 / C0) / 4 exactly.""",
    source=TIAN_2023,
    kind="identity",
    tolerance=1e-7,
    examples=40,
)
def growth_in_closed_form(setting: Transition) -> float:
    return relative_error(setting.growth(setting.times()), setting.integrated())


@claim(
    statement="""B grows from t0' to t0, does not depend on eta_Z at t0 for fixed eta_Y / eta_Z, and is larger for a
    larger eta_Z at fixed eta_Y and t.""",
    source=TIAN_2023,
    kind="inequality",
    tolerance=1e-12,
)
def growth_depends_on_the_ratio_of_rates(setting: Transition) -> float:
    """Rates scaled together by 2.7; eta_Z alone by 1.5."""
    scaled = replace(setting, eta_y=2.7 * setting.eta_y, eta_z=2.7 * setting.eta_z)
    growth, times = setting.growth(setting.times()), setting.times()
    same = relative_error(growth, scaled.growth(scaled.times()))
    return max(same, excess(growth[:-1], growth[1:]), excess(growth, setting.growth(times, factor=1.5)))


@claim(
    statement="B = log(C0 + 4 eta_Z integral of gamma) / 4, as Equations 14, 124 and 129 print it.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=1e-3,
    counterexample=lambda: (Transition(10, 1000, 0.5, 0.5, 20.0),),
)
def growth_as_published(setting: Transition) -> float:
    """Off by log(C0)/4 at all times: 0.75 at C0 = 20, where B(0) must be 0."""
    return relative_error(setting.growth(setting.times(), branch="published"), setting.integrated())


@claim(
    statement="Figure 9 (left) is drawn at eta_Z / eta_Y = 10, as its caption says.",
    source=TIAN_2023,
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (Transition(1, 100, 0.8, 8.0, 1.0),),
)
def figure_nine_has_the_ratio_of_its_caption(setting: Transition) -> float:
    """How far B(5) at eta_Z = 8 exceeds the top of the axis, 0.8; at eta_Y / eta_Z = 10 it is 0.7828."""
    return float(setting.growth(5.0)) / 0.8 - 1
