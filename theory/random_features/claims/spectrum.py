"""What holds for the eigenvalues under independent uniform tokens, in any dimension and for any number of keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.claims import claim, excess
from theory.papers import FU_2023
from theory.random_features.claims.inputs import Bias, SphereInputs
from theory.random_features.grams import attention_gram
from theory.random_features.norms import rkhs_norm
from theory.random_features.spectrum import Spectrum, attention_spectrum, average_masses, mlp_spectrum
from theory.validation import integer


@dataclass(frozen=True)
class KeysOnSphere:
    """N >= 1 keys in d >= 2 dimensions, and the largest degree that is looked at."""

    dimension: int
    keys: int
    degree: int

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=2)
        integer("keys", self.keys, least=1)
        integer("degree", self.degree, least=0)

    def spectrum(self) -> Spectrum:
        """Of the attention kernel, up to the degree."""
        return attention_spectrum(self.dimension, self.keys, self.degree)


@claim(
    statement="Every eigenvalue of the attention kernel is positive.",
    source=FU_2023,
    kind="inequality",
    tolerance=0.0,
)
def attention_eigenvalues_are_positive(case: KeysOnSphere) -> float:
    """Of one key, since `Spectrum` itself refuses others: by how much the smallest fails to be a positive number."""
    smallest = attention_spectrum(case.dimension, 1, case.degree).eigenvalues.min()
    return -float(smallest) if smallest > 0 else np.inf


@claim(
    statement="The eigenvalue of the attention kernel falls when the degree in the query or that in the keys rises.",
    source=FU_2023,
    kind="inequality",
    tolerance=0.0,
)
def attention_eigenvalues_fall_with_the_degree(case: KeysOnSphere) -> float:
    spectrum, degrees = case.spectrum(), range(case.degree + 1)
    table = np.array([[spectrum.eigenvalue(a, b) for b in degrees] for a in degrees])
    return -1.0 if case.degree == 0 else max(excess(table[1:], table[:-1]), excess(table[:, 1:], table[:, :-1]))


@claim(
    statement="""The eigenvalues make up the trace, E[K(x, x)] = 1 for one key: those of degree <= D in query and key
    never more, and in two or three dimensions all but 1/D^2 of it.""",
    source=FU_2023,
    kind="inequality",
    tolerance=0.0,
)
def attention_eigenvalues_sum_to_one(case: KeysOnSphere) -> float:
    """The closed form of the trace is not used: its own value is 1."""
    listed = []
    for dimension in (case.dimension, 2 + case.dimension % 2):
        s = attention_spectrum(dimension, 1, case.degree)
        listed.append(float(s.multiplicities @ s.eigenvalues))
    return max(max(listed) - 1 - 1e-13, 1 - listed[1] - 1 / max(1, case.degree) ** 2)


@dataclass(frozen=True)
class PowerOfKeys:
    """The target (1/N) sum_i <beta, x_i>^p for p >= 2, N >= 2 keys in d >= 2 dimensions."""

    dimension: int
    keys: int
    power: int

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=2)
        integer("keys", self.keys, least=2)
        integer("power", self.power, least=2)

    def advantage(self, keys: int) -> float:
        """The target's squared norm for the MLP over that for attention, with this number of keys."""
        target = average_masses(self.dimension, keys, self.power)
        mlp, attention = (s(self.dimension, keys, self.power) for s in (mlp_spectrum, attention_spectrum))
        return rkhs_norm(mlp, target) / rkhs_norm(attention, target)


@claim(
    statement="""For averages of p-th powers, p >= 2, the norm of the MLP over that of attention grows with every key
    from the second on.""",
    source=FU_2023,
    kind="inequality",
    tolerance=0.0,
    examples=6,
)
def advantage_over_the_mlp_grows_with_the_keys(case: PowerOfKeys) -> float:
    return excess(case.advantage(case.keys), case.advantage(case.keys + 1))


@claim(
    statement="""(A natural guess, not the paper's words.) For averages of p-th powers, p >= 2, the norm of the MLP over
    that of attention grows with every key.""",
    source=FU_2023,
    kind="refuted",
    tolerance=0.05,
    counterexample=lambda: (PowerOfKeys(8, 2, 2),),
)
def advantage_grows_from_the_first_key(case: PowerOfKeys) -> float:
    """Squares in eight dimensions: 8.31 with one key, 7.63 with two."""
    return case.advantage(1) / case.advantage(2) - 1


# ------------------------------------------------------------------------------------------------ complexity


@claim(
    statement="The Rademacher complexity of the ball |f|_K <= R on n inputs is at most R sqrt(tr K)/n.",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-13,
)
def rademacher_complexity_is_at_most_the_trace(inputs: SphereInputs, bias: Bias) -> float:
    """(R/n) E sqrt(s^T K s), exactly: the mean over all 2^n signs."""
    gram = attention_gram(inputs.queries, inputs.keys, omega=bias.omega)
    n = len(gram)
    signs = 1.0 - 2.0 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)  # s and -s have the same form
    forms = np.einsum("sn,nm,sm->s", signs, gram, signs)
    return excess(np.sqrt(np.maximum(forms, 0.0)).mean() / n, np.sqrt(np.trace(gram)) / n)
