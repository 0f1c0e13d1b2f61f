"""How large a target is for a kernel: its exact norm, bounds of it for monomials, and the complexity of norm balls."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike

from theory.random_features.harmonics import arc_cosine_coefficients
from theory.random_features.spectrum import Masses, Spectrum
from theory.validation import finite_array, integer, real


def rkhs_norm(spectrum: Spectrum, target: Masses) -> float:
    """The squared norm |f|_K^2 = sum v^2 / lambda; `ValueError` where the target has mass in a mode that is not listed.

    For averages over the keys it does not depend on their number under the attention kernel.
    """
    masses, unlisted = spectrum.weights(target)
    if unlisted > 0:
        raise ValueError(f"target must lie in the modes of spectrum, got mass {unlisted:g} outside: raise max_degree")
    return float((masses / spectrum.eigenvalues).sum())


def monomial_bound(query_degree: int, key_degree: int, size: float = 1.0) -> float:
    """Upper bound of |f|_K^2 for f = (1/N) sum_i <A, x_0^(r) (x) x_i^(s)>, A symmetric in each block, |A|_F^2 = size.

    The least over k of 4^k |A|_F^2 / (c_k C(k, r) C(k+1, s)), k >= r, k + 1 >= s, c_k > 0, in any dimension.
    """
    r, s = integer("query_degree", query_degree, least=0), integer("key_degree", key_degree, least=0)
    size, c = real("size", size, above=0.0), arc_cosine_coefficients(2 * (r + s) + 8)
    allowed = [k for k in np.flatnonzero(c) if k >= r and k + 1 >= s]
    return min(4.0**k * size / (c[k] * comb(k, r) * comb(k + 1, s)) for k in map(int, allowed))


def mlp_monomial_bound(keys: int, power: int, size: float = 1.0) -> float:
    """The same for (1/N) sum_i <A, x_i^(p)> under the MLP kernel: (N+2)^k |A|_F^2 / (c_k N C(k, p)), no N at p = 0."""
    n, p = integer("keys", keys, least=1), integer("power", power, least=0)
    size, c = real("size", size, above=0.0), arc_cosine_coefficients(2 * p + 8)
    allowed = [int(k) for k in np.flatnonzero(c) if k >= p]
    return min((n + 2.0) ** k * size / (c[k] * (n if p else 1) * comb(k, p)) for k in allowed)


def rademacher_bound(gram: ArrayLike, radius: float) -> float:
    """R sqrt(tr K)/n, an upper bound of the Rademacher complexity of {f : |f|_K <= R} on the n inputs of `gram`."""
    gram, radius = finite_array("gram", gram, (None, None), leading=False), real("radius", radius, above=0.0)
    if gram.shape[0] != gram.shape[1] or np.trace(gram) < 0:
        raise ValueError(f"gram must be square with trace >= 0, got shape {gram.shape}, trace {np.trace(gram[:, :1])}")
    return float(radius * np.sqrt(np.trace(gram)) / len(gram))
