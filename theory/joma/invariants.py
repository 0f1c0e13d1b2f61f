"""Invariants that tie attention logits to the MLP weights above them, whatever the loss, the data and phi are.

One query; hidden nodes h_k = phi(v_k . b + const) read the attention-weighted contextual tokens b of a sample x,

    linear  b = x o z        exp  b = x o e^z        softmax  b = x o e^{z/T} / sum.

A loss pulls node k by D_k = (dJ/dh_k) phi'_k on every sample. Gradient ascent at equal rates then moves

    dv_k/dt = E[D_k b],    dz/dt = E[(db/dz)^T sum_k D_k v_k].

Tian et al. 2023 (JoMA), Theorem 1, as recalled; the forms here are derived. Symbols: `logits` z (L,), `weights` v
(H, L), `drive` D (S, H), `samples` x (S, L).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import TIAN_2023_JOMA
from theory.validation import finite_array, real

if TYPE_CHECKING:
    import sympy

Kind = Literal["linear", "exp", "softmax"]


@dataclass(frozen=True, eq=False)
class JointPoint:
    """Any samples (S, L) >= 0 with a token each, logits (L,), weights (H, L) and drive (S, H)."""

    samples: Float[Array, "s l"]
    logits: Float[Array, " l"]
    weights: Float[Array, "h l"]
    drive: Float[Array, "s h"]

    def __post_init__(self) -> None:
        samples = finite_array("samples", self.samples, (None, None), leading=False)
        if (samples < 0).any() or not samples.any(axis=1).all():
            raise ValueError(f"samples must be >= 0 with a positive entry in every row, got {self.samples!r}")
        weights = finite_array("weights", self.weights, (None, samples.shape[1]), leading=False)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (samples.shape[1],), leading=False))
        drive = finite_array("drive", self.drive, (len(samples), len(weights)), leading=False)
        object.__setattr__(self, "drive", drive)

    def attention(self, kind: Kind) -> Float[Array, "s l"]:
        """b of every sample, at temperature 1."""
        match kind:
            case "linear":
                return self.samples * self.logits
            case "exp":
                return self.samples * np.exp(self.logits)
            case "softmax":
                weight = self.samples * np.exp(self.logits - self.logits.max())
                return weight / weight.sum(axis=1, keepdims=True)
        raise ValueError(f"kind must be 'linear', 'exp' or 'softmax', got {kind!r}")

    def velocity(self, kind: Kind) -> tuple[Float[Array, " l"], Float[Array, "h l"]]:
        """(dz/dt, dv/dt), averaged over samples."""
        attention, count = self.attention(kind), len(self.samples)
        pull = self.drive @ self.weights
        d_weights = self.drive.T @ attention / count
        if kind == "linear":
            return (self.samples * pull).mean(axis=0), d_weights
        if kind == "softmax":
            pull = pull - (attention * pull).sum(axis=1, keepdims=True)
        return (attention * pull).mean(axis=0), d_weights


def joint_invariant(
    kind: Kind,
    logits: ArrayLike,
    weights: ArrayLike,
    *,
    mean_attention: ArrayLike | None = None,
    rate_ratio: float = 1.0,
    temperature: float = 1.0,
) -> Float[Array, "... l"]:
    """What z and v (..., H, L) conserve elementwise, with S = sum_k v_k o v_k and q = eta_z / eta_v = `rate_ratio`:

    linear   z o z - q S                    along every flow
    exp      z - q S / 2                    along every flow
    softmax  z - q (S - sum_k ||v_k||^2 b) / (2 T)   only while the mean attention b is constant and uncorrelated with
             the drive, which real data break; needs `mean_attention` (L,)
    """
    weights = finite_array("weights", weights, (None, None))
    logits = finite_array("logits", logits, (weights.shape[-1],))
    ratio, temperature = real("rate_ratio", rate_ratio, above=0.0), real("temperature", temperature, above=0.0)
    squares = ratio * (weights**2).sum(axis=-2)
    match kind:
        case "linear":
            return logits**2 - squares
        case "exp":
            return logits - squares / 2
        case "softmax":
            if mean_attention is None:
                raise ValueError("mean_attention must be given for kind 'softmax', got None")
            mean = finite_array("mean_attention", mean_attention, (weights.shape[-1],))
            return logits - (squares - squares.sum(axis=-1, keepdims=True) * mean) / (2 * temperature)
    raise ValueError(f"kind must be 'linear', 'exp' or 'softmax', got {kind!r}")


# ---------------------------------------------------------------------------------------------------- claims


def _products(point: JointPoint, kind: Kind) -> tuple[Array, Array, float]:
    """dz/dt, sum_k v_k o dv_k/dt, and the size of the terms of the latter."""
    d_logits, d_weights = point.velocity(kind)
    size = np.abs(point.drive).T @ np.abs(point.attention(kind)) / len(point.samples)
    terms = (np.abs(point.weights) * size).sum(axis=0)
    return d_logits, (point.weights * d_weights).sum(axis=0), float(terms.max()) + 1e-100


def _velocity_proof(kind: Kind) -> Iterator[sympy.Expr]:
    """Two samples, two nodes, two tokens: dz from differentiating sum_k D_k v_k . b(z), against sum_k v_k dv_k."""
    import sympy as sp

    z, v, x, d = (sp.symbols(f"{name}:{n}") for name, n in (("z", 2), ("v", 4), ("x", 4), ("D", 4)))
    b = [[x[2 * s + i] * (z[i] if kind == "linear" else sp.exp(z[i])) for i in range(2)] for s in range(2)]
    pulled = sum(d[2 * s + k] * v[2 * k + i] * b[s][i] for s in range(2) for k in range(2) for i in range(2))
    for i in range(2):
        left = (z[i] if kind == "linear" else 1) * sp.diff(pulled, z[i])
        yield left - sum(v[2 * k + i] * sp.diff(pulled, v[2 * k + i]) for k in range(2))


@claim(
    statement="With exp attention dz/dt = sum_k v_k o dv_k/dt, so z - (1/2) sum_k v_k o v_k is conserved.",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-12,
    symbolic=lambda: _velocity_proof("exp"),
)
def exp_attention_conserves_half_squares(point: JointPoint) -> float:
    d_logits, products, size = _products(point, "exp")
    return relative_error(d_logits, products, scale=size)


@claim(
    statement="With linear attention z o dz/dt = sum_k v_k o dv_k/dt, so z o z - sum_k v_k o v_k is conserved.",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-12,
    symbolic=lambda: _velocity_proof("linear"),
)
def linear_attention_conserves_squares(point: JointPoint) -> float:
    d_logits, products, size = _products(point, "linear")
    return relative_error(point.logits * d_logits, products, scale=size)


@claim(
    statement="With softmax attention sum_l z_l is conserved.",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-12,
)
def softmax_attention_conserves_the_sum(point: JointPoint) -> float:
    d_logits, _, size = _products(point, "softmax")
    return relative_error(d_logits.sum(), 0.0, scale=len(d_logits) * size + float(np.abs(d_logits).sum()))


class OneSample(JointPoint):
    """Hypothesis: one sample, so that its attention is the mean attention and no correlation with the drive is left."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.samples) != 1:
            raise ValueError(f"hypothesis broken: one sample is needed, got {len(self.samples)}")


def two_samples() -> JointPoint:
    """Two samples that share no token and are driven apart."""
    return JointPoint(np.eye(2), np.zeros(2), np.array([[1.0, 2.0]]), np.array([[1.0], [-1.0]]))


def softmax_defect(point: JointPoint, half: float) -> float:
    """Relative error of dz/dt = sum_k v_k o dv_k/dt - 2 half b sum_k v_k . dv_k/dt."""
    d_logits, products, size = _products(point, "softmax")
    mean = point.attention("softmax").mean(axis=0)
    return relative_error(d_logits, products - 2 * half * mean * products.sum(), scale=size)


@claim(
    statement="""With softmax attention on one sample dz/dt = sum_k (v_k o dv_k/dt - (v_k . dv_k/dt) b): it moves like
    (1/2) sum_k (v_k o v_k - ||v_k||^2 b) at fixed b.""",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (two_samples(),),
)
def softmax_attention_on_one_sample(point: OneSample) -> float:
    return softmax_defect(point, 0.5)


@claim(
    statement="""With softmax attention dz/dt = sum_k (v_k o dv_k/dt - (v_k . dv_k/dt) b), b the mean attention, without
    hypotheses on the data.""",
    source=TIAN_2023_JOMA,
    kind="refuted",
    tolerance=1e-3,
    counterexample=lambda: (two_samples(),),
)
def softmax_invariant_holds_for_all_data(point: JointPoint) -> float:
    """On two samples without a common token attention cannot move, but the weights do."""
    return softmax_defect(point, 0.5)


@claim(
    statement="""One step of gradient ascent of any size at equal rates changes z - (1/2) sum_k v_k o v_k by exactly
    -(1/2) sum_k (step of v_k)^2 with exp attention: it never increases.""",
    source=TIAN_2023_JOMA,
    kind="identity",
    tolerance=1e-12,
)
def discrete_steps_lower_the_exp_invariant(point: JointPoint) -> float:
    """A step of size 0.7."""
    d_logits, d_weights = point.velocity("exp")
    after = joint_invariant("exp", point.logits + 0.7 * d_logits, point.weights + 0.7 * d_weights)
    before, drop = joint_invariant("exp", point.logits, point.weights), (0.49 * d_weights**2).sum(axis=0) / 2
    size = 1 + np.abs(before).max() + drop.max() + _products(point, "exp")[2]
    return relative_error(after - before, -drop, scale=float(size + (point.weights**2).sum(axis=0).max()))
