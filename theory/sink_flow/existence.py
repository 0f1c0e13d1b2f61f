"""One attention layer solves Bigram-Backcopy: an explicit construction, with the rate at which its risk vanishes.

A trigger query puts logit lambda on the key before it, any other query puts logit alpha on the begin token; all further
logits are 0. Token k has the value state xi e_k and the begin token none, beta = 0. A feed-forward layer adds log p_v
on non-trigger queries and nothing on triggers. In any context whatsoever,

    backcopy risk         <=  log(1 + (V - 1) e^{-xi (2 a - 1)}),   a the attention to the previous token,
    excess bigram risk    <=  (xi (1 - s))^2 / 8,                   s the attention to the begin token.

So the risk vanishes when lambda, xi and alpha - log xi grow together. Symbols: `sink_logit` alpha, `copy_logit` lambda,
`value_scale` xi.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from theory.attention import softmax
from theory.claims import claim, excess
from theory.numerics import Array, exp_remainder
from theory.papers import GUO_2024
from theory.validation import fraction, integer, probability_rows, real


def backcopy_risk_bound(*, value_scale: float, attention: float, tokens: int) -> float:
    """log(1 + (V - 1) e^{-xi (2 a - 1)}), with xi >= 0 and a in [0, 1] the attention to the previous token."""
    scale, weight = _at_least_zero("value_scale", value_scale), fraction("attention", attention)
    others = integer("tokens", tokens, least=2) - 1
    return float(np.logaddexp(0.0, np.log(others) - scale * (2 * weight - 1)))


def bigram_risk_bound(*, value_scale: float, ignored: float) -> float:
    """(xi (1 - s))^2 / 8, with xi >= 0 and `ignored` = 1 - s in [0, 1] the attention that the begin token does not get.

    By Hoeffding's lemma: the output perturbs log p_v by xi (1 - s) times a probability vector.
    """
    return (_at_least_zero("value_scale", value_scale) * fraction("ignored", ignored)) ** 2 / 8


def _at_least_zero(name: str, value: float) -> float:
    number = real(name, value)
    if number < 0:
        raise ValueError(f"{name} must be >= 0, got {number!r}")
    return number


@dataclass(frozen=True)
class ConstructedLayer:
    """The weights of the construction over `tokens` tokens: V >= 2, xi >= 0, any logits."""

    sink_logit: float
    copy_logit: float
    value_scale: float
    tokens: int

    def __post_init__(self) -> None:
        real("sink_logit", self.sink_logit)
        real("copy_logit", self.copy_logit)
        backcopy_risk_bound(value_scale=self.value_scale, attention=1.0, tokens=self.tokens)

    def attention(self, keys: int, *, trigger: bool) -> Float[Array, " k"]:
        """Weights of the last of `keys` positions, the begin token being the first and the query itself the last."""
        logits = np.zeros(keys)
        logits[-2 if trigger else 0] = self.copy_logit if trigger else self.sink_logit
        return softmax(logits)

    def output(self, context: ArrayLike, *, trigger: bool) -> Float[Array, " v"]:
        """The attention output of the last token of `context` (K,), which follows the begin token."""
        values = np.zeros((len(np.asarray(context)) + 1, self.tokens))
        values[np.arange(1, len(values)), np.asarray(context)] = self.value_scale
        return self.attention(len(values), trigger=trigger) @ values


@dataclass(frozen=True, eq=False)
class LayerInContext:
    """The layer, any context of at least two tokens after the begin token, and a next-token law of the last one."""

    layer: ConstructedLayer
    context: Int[np.ndarray[Any, Any], " k"]
    next_token: Float[Array, " v"]

    def __post_init__(self) -> None:
        context, tokens = np.asarray(self.context), self.layer.tokens
        if context.ndim != 1 or len(context) < 2 or context.dtype.kind not in "iu":
            raise ValueError(f"context must be at least two token ids, got {self.context!r}")
        if context.min() < 0 or context.max() >= tokens:
            raise ValueError(f"context must hold ids in 0..{tokens - 1}, got {self.context!r}")
        object.__setattr__(self, "context", context)
        law = probability_rows("next_token", self.next_token, (tokens,), leading=False)
        object.__setattr__(self, "next_token", law)

    def backcopy_risk(self) -> float:
        """Cross-entropy, in nats, against the token before the last where the last one is a trigger."""
        output, copied = self.layer.output(self.context, trigger=True), self.context[-2]
        return float(np.log1p(np.exp(np.delete(output, copied) - output[copied]).sum()))

    def bigram_excess(self) -> float:
        """KL(p || softmax(log p + output)) where the last token is not a trigger."""
        output = self.layer.output(self.context, trigger=False)
        return float(np.log1p(self.next_token @ exp_remainder(output - self.next_token @ output)))


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="""In any context the construction's backcopy risk is at most log(1 + (V - 1) e^{-xi (2 a - 1)}), a the
    attention of the trigger to the previous token.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
)
def backcopy_risk_is_bounded(case: LayerInContext) -> float:
    layer, keys = case.layer, len(case.context) + 1
    weight = float(layer.attention(keys, trigger=True)[-2])
    bound = backcopy_risk_bound(value_scale=layer.value_scale, attention=weight, tokens=layer.tokens)
    return excess(case.backcopy_risk(), bound)


@claim(
    statement="""In any context the construction's excess bigram risk is at most (xi (1 - s))^2 / 8, s the attention
    to the begin token.""",
    source=GUO_2024,
    kind="inequality",
    tolerance=1e-9,
)
def bigram_risk_is_bounded(case: LayerInContext) -> float:
    layer, keys = case.layer, len(case.context) + 1
    ignored = float(layer.attention(keys, trigger=False)[1:].sum())
    bound = bigram_risk_bound(value_scale=layer.value_scale, ignored=ignored)
    return excess(case.bigram_excess(), bound, scale=max(bound, 1e-25))


@claim(
    statement="""As lambda, xi and alpha - log xi grow without bound, beta = 0, the construction's backcopy risk and
    excess bigram risk vanish in every context.""",
    source=GUO_2024,
    kind="limit",
    tolerance=1e-9,
)
def construction_solves_bigram_backcopy(case: LayerInContext) -> float:
    """The larger risk in this context at lambda = xi = alpha - log xi = 40."""
    grown = ConstructedLayer(40.0 + np.log(40.0), 40.0, 40.0, case.layer.tokens)
    reached = LayerInContext(grown, case.context, case.next_token)
    return max(reached.backcopy_risk(), reached.bigram_excess())


def _sink_behind_values() -> tuple[LayerInContext]:
    """alpha = log xi = log 10^8: everything is large, but 1 - s is 2 / xi and the output keeps its size."""
    layer = ConstructedLayer(float(np.log(1e8)), 40.0, 1e8, 2)
    return (LayerInContext(layer, np.array([0, 0]), np.array([0.5, 0.5])),)


@claim(
    statement="""For the risk of the construction to vanish it suffices that alpha, lambda and xi each grow without
    bound (no relation between alpha and log xi is needed).""",
    source=GUO_2024,
    kind="refuted",
    tolerance=0.01,
    counterexample=_sink_behind_values,
)
def growing_separately_suffices(case: LayerInContext) -> float:
    """The excess bigram risk: the counterexample keeps alpha = log xi, where it tends to 0.43 nats instead of 0."""
    return case.bigram_excess()
