"""Emphasis: a bias on the logits of some tokens, and the scale of a head that favours some next tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from theory.attention import softmax
from theory.claims import claim, relative_error
from theory.numerics import Array
from theory.papers import ARIF_2025
from theory.validation import finite_array, integer, require


def bias_that_holds_mass(before: int, after: int) -> float:
    """log(t / t_0): the bias that keeps the mass of a set, at equal logits, as the other tokens grow from t_0 to t."""
    return float(np.log(integer("after", after, least=1) / integer("before", before, least=1)))


def unsupported_probability(
    base: Float[Array, " v"], contribution: Float[Array, " v"], scale: float, unsupported: Bool[NDArray[np.bool_], " v"]
) -> float:
    """P(U) of next-token logits z + alpha u, with u what a head of scale alpha contributes."""
    return float(softmax(base + scale * contribution)[unsupported].sum())


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ChosenTokens:
    """Logits (n,) in +-15, a set of tokens that is neither empty nor all, and a bias in +-15."""

    logits: Float[Array, " n"]
    chosen: Bool[NDArray[np.bool_], " n"]
    bias: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "logits", finite_array("logits", self.logits, (len(self.chosen),), leading=False))
        require(np.abs(self.logits).max() <= 15, f"logits must be in +-15, got {np.abs(self.logits).max()}")
        require(self.chosen.any() and not self.chosen.all(), "some tokens must be chosen, and some not")
        require(abs(self.bias) <= 15, f"bias must be in +-15, got {self.bias}")


@dataclass(frozen=True)
class GrowingText:
    """`source` tokens and at first `before`, then `after` others, all at one logit."""

    source: int
    before: int
    after: int

    def __post_init__(self) -> None:
        for name in ("source", "before", "after"):
            integer(name, getattr(self, name), least=1)

    def source_mass(self, others: int, bias: float = 0.0) -> float:
        """The attention on the source."""
        logits = np.concatenate([np.full(self.source, bias), np.zeros(others)])
        return float(softmax(logits)[: self.source].sum())


@dataclass(frozen=True, eq=False)
class ScaledHead:
    """Next-token logits z + alpha u, z and u (v,) in +-10 and alpha in +-3, and which tokens nothing supports."""

    base: Float[Array, " v"]
    contribution: Float[Array, " v"]
    scale: float
    unsupported: Bool[NDArray[np.bool_], " v"]

    def __post_init__(self) -> None:
        for name, bound in (("base", 10.0), ("contribution", 10.0)):
            array = finite_array(name, getattr(self, name), (len(self.unsupported),), leading=False)
            require(np.abs(array).max() <= bound, f"{name} must be in +-{bound:g}, got {np.abs(array).max()}")
            object.__setattr__(self, name, array)
        require(abs(self.scale) <= 3, f"scale must be in +-3, got {self.scale}")
        require(self.unsupported.any() and not self.unsupported.all(), "some tokens must be supported, and some not")

    def slope(self) -> float:
        """dP(U)/d alpha = P(U) (1 - P(U)) (E_U[u] - E_S[u]), means under the present distribution."""
        p, u = softmax(self.base + self.scale * self.contribution), self.contribution
        bad, good = p[self.unsupported].sum(), p[~self.unsupported].sum()
        lure = p[self.unsupported] @ u[self.unsupported] / bad
        return float(bad * good * (lure - p[~self.unsupported] @ u[~self.unsupported] / good))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="A bias b on the logits of a set of tokens moves the log-odds of its attention mass by exactly b.",
    source=ARIF_2025,
    kind="identity",
    tolerance=1e-12,
)
def emphasis_moves_log_odds_by_its_bias(case: ChosenTokens) -> float:
    """Odds of masses that are added up on either side, against the plain ones times e^b."""

    def odds(weights: Array) -> float:
        return float(weights[case.chosen].sum() / weights[~case.chosen].sum())

    biased = odds(softmax(case.logits + case.bias * case.chosen))
    return relative_error(biased, odds(softmax(case.logits)) * np.exp(case.bias))


@claim(
    statement="""At equal logits n_v source tokens have the mass n_v / (n_v + t) among t others, and hold what they had
    at t_0 if biased by exactly log(t / t_0).""",
    source=ARIF_2025,
    kind="identity",
    tolerance=1e-12,
)
def a_logarithmic_bias_holds_the_source_mass(case: GrowingText) -> float:
    expected = case.source / (case.source + case.before)
    held = case.source_mass(case.after, bias_that_holds_mass(case.before, case.after))
    return max(relative_error(case.source_mass(case.before), expected), relative_error(held, expected))


@claim(
    statement="""Scaling a head by alpha changes the probability of unsupported tokens at the rate
    P(U) (1 - P(U)) (E_U[u] - E_S[u]): it helps iff the head's contribution u is on average higher on supported
    ones.""",
    source=ARIF_2025,
    kind="identity",
    tolerance=1e-11,
)
def head_scale_helps_iff_it_favours_supported_tokens(case: ScaledHead) -> float:
    """Against a complex step through exponentials."""
    grown = np.exp(case.base + (case.scale + 1e-30j) * case.contribution)
    slope = (grown[case.unsupported].sum() / grown.sum()).imag / 1e-30
    return relative_error(slope, case.slope(), scale=1e-3)


def _late_lure() -> tuple[ScaledHead]:
    """A head that at first favours the supported token, and has one rare unsupported one that it likes best."""
    unsupported = np.array([False, True, True])
    return (ScaledHead(np.array([0.0, 0.0, -6.0]), np.array([1.0, 0.0, 4.0]), 0.0, unsupported),)


@claim(
    statement="Where a larger scale of a head makes unsupported tokens less probable, an even larger one does too.",
    source=ARIF_2025,
    kind="refuted",
    tolerance=0.1,
    counterexample=_late_lure,
)
def more_of_a_helpful_head_helps_more(case: ScaledHead) -> float:
    """How much of P(U) scale 3 brings back over scale 1, where scale 1 is below scale 0 as well as the slope is."""
    none, some, more = (
        unsupported_probability(case.base, case.contribution, scale, case.unsupported) for scale in (0.0, 1.0, 3.0)
    )
    return more - some if case.slope() < 0 and some < none else -1.0
