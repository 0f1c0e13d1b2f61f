"""Reversed attention: every token divides what it has among receivers, so that nothing is lost or made.

A_ij is what receiver i gets of sender j: a softmax over receivers, sum_i A_ij = 1; out_i = sum_j A_ij v_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.attention import attend, softmax
from theory.claims import claim, relative_error
from theory.mechanisms.instances import Sequence
from theory.numerics import Array
from theory.papers import DING_2023
from theory.validation import require


def sent_shares(queries: Float[Array, "m d"], keys: Float[Array, "n d"]) -> Float[Array, "m n"]:
    """A_ij = e^{q_i . k_j} / sum_r e^{q_r . k_j}: columns sum to 1."""
    return softmax(keys @ queries.T).T


def reversed_attention(
    queries: Float[Array, "m d"], keys: Float[Array, "n d"], values: Float[Array, "n v"]
) -> Float[Array, "m v"]:
    """sum_j A_ij v_j."""
    return sent_shares(queries, keys) @ values


def without_token(token: int, shares: Float[Array, "n n"], values: Float[Array, "n v"]) -> Float[Array, "n v"]:
    """What the others receive once `token` neither sends nor receives: sum_{k != j} A_ik v_k / (1 - A_jk); its own row
    is 0.
    """
    kept = np.arange(len(values)) != token
    out = np.zeros((len(shares), values.shape[1]))
    out[kept] = shares[np.ix_(kept, kept)] / (1 - shares[token, kept]) @ values[kept]
    return out


# -------------------------------------------------------------------------------------------------- instance types


@dataclass(frozen=True, eq=False)
class OpenSenders(Sequence):
    """Hypothesis: no sender gives the first token more than 99.9% of what it has, so that the rest is known well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        most = sent_shares(self.queries, self.keys)[0].max()
        require(most <= 0.999, f"no sender may give the first token more than 0.999, got {most}")


# ---------------------------------------------------------------------------------------------------------- claims


@claim(
    statement="What all tokens receive by reversed attention is what all tokens sent, layer after layer.",
    source=DING_2023,
    kind="identity",
    tolerance=1e-13,
)
def reversed_attention_conserves_messages(case: Sequence) -> float:
    """Through three layers."""
    messages = case.values
    for _ in range(3):
        messages = reversed_attention(case.queries, case.keys, messages)
    return relative_error(messages.sum(axis=0), case.values.sum(axis=0), scale=len(messages))


@claim(
    statement="""Silencing sender j takes exactly A_ij v_j from receiver i; in ordinary attention the removal of a key
    changes the weights of all others too.""",
    source=DING_2023,
    kind="identity",
    tolerance=1e-13,
)
def silent_sender_takes_what_it_sent(case: Sequence) -> float:
    """The first token leaves the list of senders."""
    whole = reversed_attention(case.queries, case.keys, case.values)
    silent = reversed_attention(case.queries, case.keys[1:], case.values[1:])
    sent = np.exp(case.queries @ case.keys[0] - (case.queries @ case.keys[0]).max())
    return relative_error(whole - silent, np.outer(sent / sent.sum(), case.values[0]), scale=1.0)


@claim(
    statement="""A token that neither sends nor receives leaves its share of every other sender k to the others in
    proportion: they receive sum_{k != j} A_ik v_k / (1 - A_jk).""",
    source=DING_2023,
    kind="identity",
    tolerance=1e-12,
)
def removed_receiver_is_shared_out(case: OpenSenders) -> float:
    """The first token, against attention recomputed without it."""
    shares = sent_shares(case.queries, case.keys)
    again = reversed_attention(case.queries[1:], case.keys[1:], case.values[1:])
    return relative_error(without_token(0, shares, case.values)[1:], again, scale=1.0)


@claim(
    statement="Reversed attention averages, as attention does: no receiver leaves the range of the values.",
    source=DING_2023,
    kind="refuted",
    tolerance=0.0,
    counterexample=lambda: (Sequence(np.array([[5.0], [0.0], [0.0], [0.0]]), np.ones((4, 1)), np.ones((4, 1))),),
)
def reversed_attention_averages(case: Sequence) -> float:
    """Ordinary attention returns values of one unchanged; a receiver that all prefer collects almost four."""
    received = reversed_attention(case.queries, case.keys, case.values)
    return float(received.max() - attend(case.queries, case.keys, case.values).max())
