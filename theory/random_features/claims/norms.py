"""How large targets are: bounds that hold in every dimension, the price of correlations, and what powers are not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import factorial, perm, prod
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess
from theory.numerics import Array, fitted_slope
from theory.papers import FU_2023
from theory.random_features.claims.inputs import Bias, SphereInputs
from theory.random_features.grams import attention_gram
from theory.random_features.harmonics import arc_cosine_coefficients
from theory.random_features.norms import mlp_monomial_bound, monomial_bound, rkhs_norm
from theory.random_features.rectified import head_coefficients
from theory.random_features.spectrum import (
    attention_spectrum,
    average_masses,
    correlation_masses,
    mlp_spectrum,
    query_masses,
)
from theory.validation import finite_array, integer


@dataclass(frozen=True)
class PowerTarget:
    """A power p >= 0 in d >= 2 dimensions with N >= 1 keys."""

    dimension: int
    keys: int
    power: int

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=2)
        integer("keys", self.keys, least=1)
        integer("power", self.power, least=0)

    def tensor(self) -> float:
        """|A|_F^2 of <x_0, x>^p <beta, x>, A symmetric in the slots of x_0 and in those of x: prod_k (d+k)/(p+1)!."""
        return prod(self.dimension + k for k in range(1, self.power + 1)) / factorial(self.power + 1)


@claim(
    statement="""The squared norm of (1/N) sum_i <A, x_0^(r) (x) x_i^(s)> under the attention kernel is at most
    4^k |A|_F^2 / (c_k C(k, r) C(k+1, s)), for powers of the query, of the keys, and correlations.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-9,
)
def norm_is_at_most_the_monomial_bound(case: PowerTarget) -> float:
    d, n, p = case.dimension, case.keys, case.power
    spectrum = attention_spectrum(d, n, p + 1)
    norms = [rkhs_norm(spectrum, t) for t in (query_masses(d, p), average_masses(d, n, p), correlation_masses(d, n, p))]
    return excess(norms, [monomial_bound(p, 0), monomial_bound(0, p), monomial_bound(p, p + 1, case.tensor())])


@claim(
    statement="""The squared norm of (1/N) sum_i <A, x_i^(p)> under the MLP kernel is at most
    (N+2)^k |A|_F^2 / (c_k N C(k, p)), no N at p = 0.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-9,
    examples=15,
)
def mlp_norm_is_at_most_the_monomial_bound(case: PowerTarget) -> float:
    d, n, p = case.dimension, case.keys, case.power
    return excess(rkhs_norm(mlp_spectrum(d, n, p), average_masses(d, n, p)), mlp_monomial_bound(n, p))


def correlation_constant(power: int) -> float:
    """lim |f|_K^2 / d^p of (1/N) sum_i <x_0, x_i>^p <beta, x_i> as d grows: p! over sum_k c_k 4^-k (k)_p (k+1)_(p+1).

    3.342, 5.351, 24.44, 42.73 and 23.34 for p = 0..4; (k)_p are falling factorials. The mode of degrees (p, p + 1)
    alone counts: it has the mass p! d^-(p+1) and the eigenvalue d^-(2p+1) times the sum.
    """
    c = arc_cosine_coefficients(integer("power", power, least=0) + 200)
    falling = [0.25**k * perm(k, power) * perm(k + 1, power + 1) for k in range(len(c))]
    return float(factorial(power) / (c @ falling))


@dataclass(frozen=True)
class CorrelationPower:
    """The power p >= 0 of a correlation."""

    power: int

    def __post_init__(self) -> None:
        integer("power", self.power, least=0)


@claim(
    statement="""The squared norm of (1/N) sum_i <x_0, x_i>^p <beta, x_i> under the attention kernel is d^p times a
    constant, up to a relative error of order 1/d.""",
    source=FU_2023,
    kind="limit",
    tolerance=0.02,
    examples=8,
)
def correlations_cost_a_power_of_the_dimension(case: CorrelationPower) -> float:
    """Slope of the log relative error in log d, d = 3e3..1e5, against -1."""
    dimensions = np.rint(np.geomspace(3e3, 1e5, 4)).astype(int)
    errors = []
    for d in map(int, dimensions):
        norm = rkhs_norm(attention_spectrum(d, 1, case.power + 1), correlation_masses(d, 1, case.power))
        errors.append(abs(norm / float(d) ** case.power / correlation_constant(case.power) - 1))
    return abs(fitted_slope(np.log(dimensions), np.log(errors)) + 1)


# ------------------------------------------------------------------------------------------- the biased layer


@dataclass(frozen=True, eq=False)
class HeadCombination:
    """F(m) = sum_k g_k a_k(m) / sqrt(k!) with any coefficients g (k,); see `head_coefficients`."""

    coefficients: Float[Array, " k"]

    def __post_init__(self) -> None:
        g = finite_array("coefficients", self.coefficients, (None,), leading=False)
        object.__setattr__(self, "coefficients", g)

    def __call__(self, mean: Array) -> Array:
        """F at means of any shape."""
        return head_coefficients(mean, len(self.coefficients)) @ self.coefficients

    def bound(self) -> float:
        """sum_k 4^k g_k^2."""
        return float(4.0 ** np.arange(len(self.coefficients)) @ self.coefficients**2)


@claim(
    statement="""(1/N) sum_i F(omega <x_0, x_i>) <beta, x_i> with F = sum_k g_k a_k / sqrt(k!) and |beta| = 1 has a
    squared norm of at most sum_k 4^k g_k^2 under the biased kernel, in any dimension.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-6,
)
def biased_norm_is_free_of_the_dimension(inputs: SphereInputs, bias: Bias, head: HeadCombination) -> float:
    """y^T (K + ridge)^-1 y on any inputs is a lower bound of the squared norm."""
    x0, x = inputs.queries, inputs.keys
    target = (head(bias.omega * (x @ x0[..., None])[..., 0]) * x[..., 0]).mean(axis=1)
    gram = attention_gram(x0, x, omega=bias.omega)
    ridge = 1e-9 * np.trace(gram) * np.eye(len(gram))
    return excess(target @ np.linalg.solve(gram + ridge, target), head.bound())


@dataclass(frozen=True)
class CorrelationNodes:
    """The power p >= 1 of omega <x_0, x_i> = m at `counts` Chebyshev nodes of [-1, 1] each."""

    power: int
    counts: tuple[int, ...]

    def norm(self, nodes: int) -> float:
        """Least squared norm sum_k 4^k g_k^2 of an F that equals m^p at so many nodes, in 60 digits."""
        import mpmath as mp

        with mp.workdps(60):
            m = [mp.cos(mp.pi * (2 * j + 1) / (2 * nodes)) for j in range(nodes)]
            table = mp.matrix([_exact_heads(x, 120) for x in m])
            gram = table * table.T
            y = mp.matrix([x**self.power for x in m])
            return float((y.T * mp.lu_solve(gram, y))[0])


def _exact_heads(mean: Any, count: int) -> list[Any]:
    """2^-k a_k(m)/sqrt(k!) in mpmath's precision, k < count."""
    import mpmath as mp

    values = [mean * mp.ncdf(mean) + mp.npdf(mean), mp.ncdf(mean)]
    hermite = [mp.npdf(mean), -mean * mp.npdf(mean)]
    for j in range(count - 2):
        values.append(hermite[j])
        hermite.append(-(mean * hermite[j + 1] + (j + 1) * hermite[j]))
    return [v / mp.sqrt(mp.factorial(k) * mp.mpf(4) ** k) for k, v in enumerate(values)]


@claim(
    statement="""(A natural reading, not the paper's words.) Powers m^p are among the functions F of finite norm
    sum_k 4^k g_k^2, so that <x_0, x_i>^p <beta, x_i> has a norm free of the dimension under the biased kernel.""",
    source=FU_2023,
    kind="refuted",
    tolerance=10.0,
    counterexample=lambda: (CorrelationNodes(1, (4, 8, 14)),),
)
def powers_have_a_norm_free_of_the_dimension(case: CorrelationNodes) -> float:
    """How many times the norm that interpolates m rises from one number of nodes to the next: 2e4, 4e7, 7e11.

    It cannot be finite: F'' = sum_k g_k a_k''/sqrt(k!) is phi times a Hermite series with square summable coefficients,
    while p (p - 1) m^(p-2) over phi has none, and over the vanishing second derivative of m^1 stands g = 0.
    """
    norms = [case.norm(n) for n in case.counts]
    return min(b / a for a, b in pairwise(norms))
