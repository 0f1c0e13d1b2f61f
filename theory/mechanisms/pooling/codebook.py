"""A softmax codebook as a bottleneck, e(x) = softmax(W x) C: how little a disturbance of x can move it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.normalisation.perturbation import total_variation_bound
from theory.numerics import Array, diameter
from theory.papers import EFTEKHAR_2023
from theory.validation import finite_array, require


def codebook_output(
    scores: Float[Array, "K d"], codes: Float[Array, "K c"], x: Float[Array, " d"]
) -> Float[Array, " c"]:
    """softmax(W x) C: a mean of the K codes."""
    return softmax(scores @ x) @ codes


def codebook_jacobian(
    scores: Float[Array, "K d"], codes: Float[Array, "K c"], x: Float[Array, " d"]
) -> Float[Array, "c d"]:
    """C^T (diag(p) - p p^T) W, p = softmax(W x)."""
    p = softmax(scores @ x)
    return codes.T @ (p[:, None] * (scores - p @ scores))


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class Codebook:
    """Scores W (K, d) and K >= 2 codes (K, c) that differ, an input x (d,) and a disturbance (d,)."""

    scores: Float[Array, "K d"]
    codes: Float[Array, "K c"]
    x: Float[Array, " d"]
    disturbance: Float[Array, " d"]

    def __post_init__(self) -> None:
        scores = finite_array("scores", self.scores, (None, None), leading=False)
        codes = finite_array("codes", self.codes, (len(scores), None), leading=False)
        require(diameter(codes) > 1e-6 * np.abs(codes).max(), "the codes must differ")
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "codes", codes)
        for name in ("x", "disturbance"):
            array = finite_array(name, getattr(self, name), (scores.shape[1],), leading=False)
            object.__setattr__(self, name, array)

    @property
    def change(self) -> Float[Array, " K"]:
        """What the disturbance adds to the logits."""
        return self.scores @ self.disturbance

    @property
    def weights(self) -> Float[Array, " K"]:
        """The undisturbed weights of the codes."""
        return softmax(self.scores @ self.x)

    @property
    def moved(self) -> float:
        """How far the disturbance moves the output."""
        before = codebook_output(self.scores, self.codes, self.x)
        return float(np.linalg.norm(codebook_output(self.scores, self.codes, self.x + self.disturbance) - before))


@dataclass(frozen=True, eq=False)
class DisturbedCodebook(Codebook):
    """Hypothesis: the disturbance changes the logits against each other, by at least 1e-4."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(np.ptp(self.change) >= 1e-4, f"the logits must change by at least 1e-4, got {np.ptp(self.change):g}")


@dataclass(frozen=True, eq=False)
class DecidedCodebook(DisturbedCodebook):
    """Hypothesis: one code holds at least half the weight, and at most 1 - 1e-6."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.weights.max()
        require(0.5 <= share <= 1 - 1e-6, f"one code must hold at least half the weight, and not all, got {share}")


@dataclass(frozen=True, eq=False)
class UnseenDisturbance(Codebook):
    """Hypothesis: the disturbance adds the same to every logit, as one in the null space of W does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        size = np.abs(self.scores).max() * np.abs(self.disturbance).max()
        require(np.ptp(self.change) <= 1e-12 * size, f"the logits must not change, got {np.ptp(self.change):g}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""A disturbance d, however large, moves the output of a softmax codebook by at most the diameter of the
    codes times tanh(range(W d)/4); two codes with logits symmetric about 0 attain this.""",
    source=EFTEKHAR_2023,
    kind="inequality",
    tolerance=1e-12,
)
def codebook_bounds_any_disturbance(case: DisturbedCodebook) -> float:
    return excess(case.moved, diameter(case.codes) * total_variation_bound(case.change))


@claim(
    statement="A disturbance that adds the same to all logits, like one in the null space of W, leaves the output.",
    source=EFTEKHAR_2023,
    kind="identity",
    tolerance=1e-12,
    fails_without=lambda: (Codebook(np.eye(2), np.eye(2), np.zeros(2), np.array([1.0, 0.0])),),
)
def codebook_does_not_see_its_null_space(case: UnseenDisturbance) -> float:
    return case.moved / diameter(case.codes)


@claim(
    statement="""Where one code holds the share p >= 1/2 of the weight, the output moves along d at a rate of at most
    p (1 - p) range(W d) times the diameter of the codes; attained where all other codes are one.""",
    source=EFTEKHAR_2023,
    kind="inequality",
    tolerance=1e-9,
    fails_without=lambda: (
        Codebook(np.diag([1.0, 1.0, -1.0, -1.0]), np.eye(2)[[0, 0, 1, 1]], np.zeros(4), np.ones(4)),
    ),
)
def decided_codebook_has_little_gain(case: DecidedCodebook) -> float:
    rate = np.linalg.norm(codebook_jacobian(case.scores, case.codes, case.x) @ case.disturbance)
    share = case.weights.max()
    return excess(rate, share * (1.0 - share) * np.ptp(case.change) * diameter(case.codes))


@claim(
    statement="The Jacobian of a codebook with K codes has rank K - 1 at most.",
    source=EFTEKHAR_2023,
    kind="identity",
    tolerance=1e-12,
)
def codebook_has_rank_below_its_codes(case: Codebook) -> float:
    """The K-th singular value over the largest that W and C would allow."""
    values = np.linalg.svd(codebook_jacobian(case.scores, case.codes, case.x), compute_uv=False)
    allowed = np.linalg.norm(case.scores, 2) * np.linalg.norm(case.codes, 2)
    return relative_error(values[len(case.codes) - 1 :].sum(), 0.0, scale=max(float(allowed), 1e-300))
