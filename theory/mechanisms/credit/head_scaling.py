"""Strengthening a head, or the source it reads: when that takes probability from what the source does not support.

Next-token logits are z + a u, where the head of scale a writes u; U are the unsupported tokens and S all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from theory.attention import softmax
from theory.claims import claim, excess, relative_error
from theory.mechanisms.credit.subsets import Chosen, proper_subset
from theory.numerics import Array
from theory.papers import ARIF_2025, HE_2024
from theory.validation import finite_array, real, require


def log_odds(logits: Float[Array, " n"], chosen: Chosen) -> float:
    """log of the mass of the `chosen` tokens over that of all others."""
    return float(logsumexp(logits[chosen]) - logsumexp(logits[~chosen]))


def mass(logits: Float[Array, " n"], chosen: Chosen) -> float:
    """The softmax mass of the `chosen` tokens."""
    return float(softmax(logits)[chosen].sum())


def split_means(logits: Float[Array, " n"], written: Array, chosen: Chosen) -> tuple[Array, Array]:
    """Means of `written` (n, ...) over the chosen and over the other tokens, each under its conditional softmax."""
    return softmax(logits[chosen]) @ written[chosen], softmax(logits[~chosen]) @ written[~chosen]


def mass_slope(logits: Float[Array, " n"], written: Float[Array, " n"], chosen: Chosen) -> float:
    """dP(U)/da = P(U) (1 - P(U)) (E_U[u] - E_S[u]) at the `logits` z + a u, for U = `chosen` and u = `written`."""
    inside, outside = split_means(logits, written, chosen)
    return mass(logits, chosen) * mass(logits, ~chosen) * float(inside - outside)


def next_token_logits(
    scores: Float[Array, " m"], values: Float[Array, "m n"], source: Chosen, emphasis: float
) -> Float[Array, " n"]:
    """sum_i p_i v_i, where p attends to m positions with `emphasis` added to the scores of the `source`."""
    return softmax(scores + emphasis * source) @ values


# --------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class ScaledHead:
    """Logits (n,) of the other heads, what one head writes (n,), its scale, and which tokens are unsupported."""

    others: Float[Array, " n"]
    written: Float[Array, " n"]
    scale: float
    unsupported: Chosen

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", finite_array("others", self.others, (None,), leading=False))
        object.__setattr__(self, "written", finite_array("written", self.written, self.others.shape, leading=False))
        real("scale", self.scale)
        proper_subset("unsupported", self.unsupported, len(self.others))

    @property
    def logits(self) -> Float[Array, " n"]:
        """z + a u."""
        return self.others + self.scale * self.written


@dataclass(frozen=True, eq=False)
class SupportiveHead(ScaledHead):
    """Hypothesis: the head writes more to every supported token than to any unsupported one. `more` > 0 is added to
    its scale."""

    more: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        real("more", self.more, above=0.0)
        require(self.gap > 0, "the head must write more to every supported token than to any unsupported one")

    @property
    def gap(self) -> float:
        """The least written to a supported token less the most written to an unsupported one."""
        return float(self.written[~self.unsupported].min() - self.written[self.unsupported].max())


@dataclass(frozen=True, eq=False)
class EmphasisedSource:
    """Scores (m,) of m positions, what they write (m, n) to n next-token logits, which of them are the source, which
    tokens are unsupported, and the emphasis b."""

    scores: Float[Array, " m"]
    values: Float[Array, "m n"]
    source: Chosen
    unsupported: Chosen
    emphasis: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", finite_array("scores", self.scores, (None,), leading=False))
        values = finite_array("values", self.values, (len(self.scores), None), leading=False)
        object.__setattr__(self, "values", values)
        real("emphasis", self.emphasis)
        proper_subset("source", self.source, len(values))
        proper_subset("unsupported", self.unsupported, values.shape[1])


# ----------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""Scaling a head that writes u moves the unsupported mass at the rate P(U) (1 - P(U)) (E_U[u] - E_S[u]):
    it falls iff the head writes more to supported tokens than to unsupported ones on average over each.""",
    source=HE_2024,
    also=(ARIF_2025,),
    kind="identity",
    tolerance=1e-14,
)
def scaling_a_head_helps_iff_it_favours_supported_tokens(case: ScaledHead) -> float:
    """Against the softmax Jacobian diag(p) - p p^T, relative to the largest |u|."""
    p = softmax(case.logits)
    jacobian = np.diag(p) - np.outer(p, p)
    slope = (jacobian @ case.written)[case.unsupported].sum()
    closed = mass_slope(case.logits, case.written, case.unsupported)
    return relative_error(slope, closed, scale=float(np.abs(case.written).max()))


@claim(
    statement="""Adding c > 0 to the scale of a head that writes to every supported token at least g more than to any
    unsupported one lowers the log-odds of unsupported mass by at least c g, exactly where it writes two values.""",
    source=HE_2024,
    also=(ARIF_2025,),
    kind="inequality",
    tolerance=1e-11,
)
def supportive_head_lowers_unsupported_odds(case: SupportiveHead) -> float:
    fall = log_odds(case.logits, case.unsupported) - log_odds(case.logits + case.more * case.written, case.unsupported)
    return excess(case.more * case.gap, fall)


def _late_lure() -> tuple[ScaledHead]:
    """A head that at first favours the supported token, and has one rare unsupported one that it likes best."""
    unsupported = np.array([False, True, True])
    return (ScaledHead(np.array([0.0, 0.0, -6.0]), np.array([1.0, 0.0, 4.0]), 0.0, unsupported),)


@claim(
    statement="Where a larger scale of a head makes unsupported tokens less probable, an even larger one does too.",
    source=ARIF_2025,
    also=(HE_2024,),
    kind="refuted",
    tolerance=0.1,
    counterexample=_late_lure,
)
def more_of_a_helpful_head_helps_more(case: ScaledHead) -> float:
    """How much unsupported mass two more units of scale bring back, where the slope and one more unit lower it."""
    none, some, more = (mass(case.logits + extra * case.written, case.unsupported) for extra in (0.0, 1.0, 3.0))
    falls = mass_slope(case.logits, case.written, case.unsupported) < 0 and some < none
    return more - some if falls else -1.0


@claim(
    statement="""Emphasising the attention scores of a source of mass m moves the unsupported mass at the rate
    P(U) (1 - P(U)) m (1 - m) (E_U[d] - E_S[d]), where d is what the source writes on average less what the other
    positions write: it helps iff the source favours supported tokens more than those positions do already.""",
    source=HE_2024,
    also=(ARIF_2025,),
    kind="identity",
    tolerance=1e-14,
)
def emphasis_helps_iff_the_source_is_more_supportive(case: EmphasisedSource) -> float:
    """Against the product of the two softmax Jacobians, relative to the largest value."""
    scores = case.scores + case.emphasis * case.source
    inside, outside = split_means(scores, case.values, case.source)
    logits = next_token_logits(case.scores, case.values, case.source, case.emphasis)
    written = mass(scores, case.source) * mass(scores, ~case.source) * (inside - outside)
    p, q = softmax(scores), softmax(logits)
    moved = ((np.diag(p) - np.outer(p, p)) @ case.source) @ case.values
    slope = ((np.diag(q) - np.outer(q, q)) @ moved)[case.unsupported].sum()
    scale = float(np.abs(case.values).max())
    return relative_error(slope, mass_slope(logits, written, case.unsupported), scale=scale)


@claim(
    statement="""Emphasising the attention scores of a source whose every token votes for itself alone lowers the mass
    of the tokens that the source does not hold.""",
    source=HE_2024,
    also=(ARIF_2025,),
    kind="refuted",
    tolerance=0.01,
    counterexample=lambda: (
        EmphasisedSource(
            scores=np.zeros(3),
            values=np.array([[1.0, 0, 0], [0, 1, 0], [4, 0, 0]]),
            source=np.array([True, True, False]),
            unsupported=np.array([False, False, True]),
            emphasis=2.0,
        ),
    ),
)
def emphasising_the_source_lowers_unsupported_mass(case: EmphasisedSource) -> float:
    """The rise of unsupported mass: the text (third position) already repeats the source more firmly than it speaks."""
    before, after = (
        mass(next_token_logits(case.scores, case.values, case.source, b), case.unsupported) for b in (0, case.emphasis)
    )
    return after - before
