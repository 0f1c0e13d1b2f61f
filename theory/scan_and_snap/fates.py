"""What becomes of a token: distinct tokens of a class gain attention, common ones lose it - in Lemma 4, not always.

Notation: c~_l = P(l|n) e^{z_l}; chi_l = e^{2 (z_l(t) - z_l(0))}; r_{l/l'} = c~_l^2 / c~_l'^2 - 1; xi_n as in `decoder`.
In Lemma 4 a distinct token of class n gains at rate (eta_Z / K) gamma xi_n f_nl^2, so that 1/c~_l^2 - 1/c~_l'^2 is
conserved between distinct tokens of a class and r_{l/l'}(t) = r_{l/l'}(0) chi_l(t) (Theorems 2 and 3 of Tian et al.
2023). The gradient flow obeys neither: its decoder remembers the features of earlier times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.numerics import Array
from theory.scan_and_snap.flows import MixtureTrajectory
from theory.scan_and_snap.mixture import ClassMixture
from theory.validation import integer


def initial_acceleration(mixture: ClassMixture, logits: ArrayLike) -> Float[Array, "... q l"]:
    """d2z/dt2 of the gradient flow per eta_Y eta_Z where the decoder is zero, for any logits, prior and psi:

    d2z_m/dt2 = (1/M) sum_{n in psi^-1(m)} p_n sum_k p_k f_n o ((f_n.f_k) f_n - f_k), and dz/dt = 0. It is the form of
    Lemma 4 with gamma beta_nk = eta_Y t p_k / M, and never negative at a distinct token.
    """
    features = mixture.features(logits)
    mean = (mixture.weight[:, None] * features).sum(axis=-2, keepdims=True)
    pull = features * ((features * mean).sum(axis=-1, keepdims=True) * features - mean)
    return mixture._class_of_query @ (mixture.weight[:, None] * pull) / mixture.vocabulary


def inverse_square_weight(mixture: ClassMixture, logits: ArrayLike) -> Float[Array, "... k l"]:
    """1 / c~_nl^2, infinite where class n lacks token l: Lemma 4 lowers it by one S_n for all distinct tokens of n."""
    logits = mixture._checked_logits(np.asarray(logits))
    return np.exp(-2 * (mixture._log_law + logits[..., mixture.query_of_class, :]))


class Gain(NamedTuple):
    """r_{l/l'} of the dominant distinct token l against the other distinct tokens l' of a class, and r(0) chi_l."""

    actual: Float[Array, "t d"]
    predicted: Float[Array, "t d"]


def dominant_token(mixture: ClassMixture, label: int) -> int:
    """The distinct token of class `label` with the largest probability; `ValueError` where there is none."""
    label = integer("label", label, least=0)
    if label >= mixture.classes:
        raise ValueError(f"label must be in 0..{mixture.classes - 1}, got {label}")
    if not mixture.distinct[label].any():
        raise ValueError(f"label must be a class with distinct tokens, got class {label} without")
    return int(np.where(mixture.distinct[label], mixture.token_law[label], 0.0).argmax())


def dominant_gain(path: MixtureTrajectory, label: int) -> Gain:
    """Theorem 3's law along a trajectory, l the dominant token of class `label` and l' its others in order.

    The two agree along `attention_flow`; along `population_flow` only as eta_Y / eta_Z grows.
    """
    mixture, dominant = path.mixture, dominant_token(path.mixture, label)
    others = np.flatnonzero(mixture.distinct[label])
    others = others[others != dominant]
    z, law = path.logits[:, mixture.query_of_class[label]], mixture.token_law[label]
    start = (law[dominant] / law[others]) ** 2
    lead = np.exp(2 * z[:, [dominant]])
    return Gain(start * lead * np.exp(-2 * z[:, others]) - 1, (start - 1) * lead)


def stubborn_mixture() -> ClassMixture:
    """Two classes with one query and one common token, on which the gradient flow lowers distinct tokens.

    With eta_Y = eta_Z the distinct tokens of class 0 end at t = 300 with logits -0.083 and -0.048 while those of class
    1 reach 0.353 and the common token -0.574. With eta_Y = 10 eta_Z they end at 0.056 and 0.015.
    """
    return ClassMixture([[0.5, 0.35, 0.15, 0.0, 0.0], [0.25, 0.0, 0.0, 0.375, 0.375]], [0, 0], None, 7)  # type: ignore[arg-type]
