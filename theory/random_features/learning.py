"""Learning curves from a spectrum alone: test risk of kernel ridge regression in n, and of gradient flow in t.

`learning_curve` is the deterministic equivalent of kernel ridge regression (Bordelon, Canatar, Pehlevan 2020; Simon et
al. 2021): asymptotic, not a bound at finite n. `population_flow` is exact where n is without limit.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from theory.numerics import Array
from theory.random_features.spectrum import Masses, Spectrum
from theory.validation import finite_array, increasing_times, real


def effective_ridge(spectrum: Spectrum, samples: ArrayLike, ridge: float) -> Float[Array, ...]:
    """kappa, the root of sum_i m_i lambda_i/(lambda_i + kappa) + (ridge + tail)/kappa = n, for `samples` n >= 1.

    It lies between (ridge + tail)/n and (ridge + trace)/n. `ridge` >= 0 is added to the kernel matrix itself; with a
    ridge of 0 the spectrum must have a tail.
    """
    samples = _samples(samples)
    total = _ridge(ridge) + spectrum.tail
    if total == 0:
        raise ValueError(f"ridge must be > 0 where the spectrum has no tail, got {ridge!r}")
    return np.array([_root(spectrum, float(n), total) for n in samples.flat]).reshape(samples.shape)


def learning_curve(
    spectrum: Spectrum, target: Masses, samples: ArrayLike, ridge: float, noise: float = 0.0
) -> Float[Array, ...]:
    """Excess test risk E (f^ - f*)^2 of ridge regression on n = `samples` labels of noise variance `noise`, any shape.

    With L_i = lambda_i/(lambda_i + kappa) and E_0 = n/(n - sum_i m_i L_i^2) it is
    E_0 (sum_i (1 - L_i)^2 v_i^2 + noise) - noise. Mass of the target outside the listed modes counts as never learned.
    """
    noise = real("noise", noise)
    if noise < 0:
        raise ValueError(f"noise must be a variance >= 0, got {noise!r}")
    n, kappa = _samples(samples), effective_ridge(spectrum, samples, ridge)
    learned = spectrum.eigenvalues / (spectrum.eigenvalues + kappa[..., None])
    masses, unlisted = spectrum.weights(target)
    amplified = n / (n - learned**2 @ spectrum.multiplicities)
    return amplified * ((1 - learned) ** 2 @ masses + unlisted + noise) - noise


def population_flow(spectrum: Spectrum, target: Masses, times: ArrayLike) -> Float[Array, " t"]:
    """R(t) = sum_i v_i^2 e^{-2 lambda_i t}: risk of gradient flow on half the mean squared error, f_0 = 0, n -> inf.

    A staircase: modes are learned in the order of their eigenvalues, each around t = 1/lambda.
    """
    times = increasing_times("times", times)
    masses, unlisted = spectrum.weights(target)
    return np.exp(-2 * times[:, None] * spectrum.eigenvalues) @ masses + unlisted


def samples_to_reach(
    spectrum: Spectrum, target: Masses, level: float, ridges: ArrayLike, *, most: float = 1e9, ratio: float = 0.1
) -> float:
    """First n on a grid of ratio e^`ratio` where the best of `ridges` has risk below `level` times the target's mass.

    Infinite where no n <= `most` does.
    """
    level, ratio, most = real("level", level, above=0.0), real("ratio", ratio, above=0.0), real("most", most, above=1.0)
    ridges = finite_array("ridges", ridges, (None,), leading=False)
    wanted = level * sum(target.values())
    for n in np.unique(np.rint(np.exp(np.arange(0.0, np.log(most), ratio)))):
        if min(float(learning_curve(spectrum, target, n, ridge)) for ridge in ridges) < wanted:
            return float(n)
    return float("inf")


def _root(spectrum: Spectrum, n: float, total: float) -> float:
    eigenvalues, many = spectrum.eigenvalues, spectrum.multiplicities

    def surplus(log_kappa: float) -> float:
        kappa = np.exp(log_kappa)
        return float(many @ (eigenvalues / (eigenvalues + kappa)) + total / kappa - n)

    low, high = np.log(total / n), np.log((total + many @ eigenvalues) / n)
    return float(np.exp(brentq(surplus, low - 1e-9, high + 1e-9, xtol=1e-14, rtol=1e-14)))


def _samples(samples: ArrayLike) -> Array:
    n = finite_array("samples", samples, ())
    if n.min() < 1:
        raise ValueError(f"samples must be >= 1, got {n.min()} among its entries")
    return n


def _ridge(ridge: float) -> float:
    ridge = real("ridge", ridge)
    if ridge < 0:
        raise ValueError(f"ridge must be >= 0, got {ridge!r}")
    return ridge
