"""Misuse of the random-feature kernels, spectra, curves and predictors is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from theory import random_features as rf

NAN, INF = float("nan"), float("inf")
X0, X = np.eye(3)[0], np.eye(3)[:2]
GRAM, Y = np.eye(4), np.arange(4.0)
SPECTRUM = rf.attention_spectrum(4, 2, 2)
NO_TAIL = rf.Spectrum(((0, 0),), np.ones(1), np.ones(1), 0.0)
BIASED = rf.biased_attention_spectrum(3, 1, 1.0, 0)
TARGET = {(0, 1): 1.0}
MOMENTS = rf.TestMoments(GRAM, Y, 1.0)

# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # kernels
    (lambda: rf.attention_kernel(X0, X[:0], X0, X), ValueError, r"^x must have shape .*got shape \(0, 3\)"),
    (lambda: rf.attention_kernel(X0, X, X0, X[:, :2]), ValueError, r"^y must have shape .*, 3\).*\(2, 2\)"),
    (lambda: rf.attention_kernel([1.0], [[1.0]], [1.0], [[1.0]]), ValueError, r"^x0 .*dimension >= 2, got 1"),
    (lambda: rf.attention_kernel(2 * X0, X, X0, X), ValueError, r"^x0 must hold unit vectors .*length 2\.0"),
    (lambda: rf.mlp_kernel(X0, X, X0, 0.5 * X), ValueError, r"^y must hold unit vectors .*length 0\.5"),
    (lambda: rf.attention_kernel([NAN, 0, 1], X, X0, X), ValueError, r"^x0 must be finite, got nan"),
    (lambda: rf.attention_kernel("x", X, X0, X), TypeError, r"^x0 must be an array of real numbers, got 'x'"),
    (lambda: rf.attention_kernel([X0] * 2, [X] * 3, X0, X), ValueError, r"leading axes that broadcast.*\(2,\).*\(3,\)"),
    (lambda: rf.biased_attention_kernel(X0, X, X0, X, omega=-1), ValueError, r"omega must be >= 0, got -1\.0"),
    (lambda: rf.biased_attention_kernel(X0, X, X0, X, omega=INF), ValueError, r"omega must be finite .*got inf"),
    (lambda: rf.biased_attention_kernel(X0, X, X0, X, omega="1"), TypeError, r"omega must be a real number, got '1'"),  # type: ignore[arg-type]
    (lambda: rf.mlp_kernel(X0, X, X0, X[:1]), ValueError, r"y must have as many keys as x, 2, got 1"),
    (lambda: rf.attention_gram(X0, X), ValueError, r"x0 must have 2 axes in a Gram matrix, got shape \(3,\)"),
    (lambda: rf.attention_gram([X0], [X], [X0]), ValueError, r"y0 and y must be given together"),
    (lambda: rf.attention_gram([X0], [X, X]), ValueError, r"x0 and x, y0 and y must be as many, got 1, 2"),
    (lambda: rf.attention_gram([X0], [X], memory=0), ValueError, r"memory must be >= 1, got 0"),
    (lambda: rf.arc_cosine(1.1), ValueError, r"correlation must be in \[-1, 1\], got 1\.1"),
    (lambda: rf.biased_arc_cosine(INF, 0.0, 0.0), ValueError, r"a must be finite, got inf"),
    # spectra, targets, norms
    (lambda: rf.attention_spectrum(1, 2, 2), ValueError, r"dimension must be >= 2, got 1"),
    (lambda: rf.attention_spectrum(3, 0, 2), ValueError, r"keys must be >= 1, got 0"),
    (lambda: rf.mlp_spectrum(3, 2, -1), ValueError, r"max_degree must be >= 0, got -1"),
    (lambda: rf.mlp_spectrum(3, 2.0, 1), TypeError, r"keys must be an integer >= 1, got 2\.0"),  # type: ignore[arg-type]
    (lambda: rf.biased_attention_spectrum(2, 2, 1.0, 2), ValueError, r"dimension must be >= 3, got 2"),
    (lambda: rf.biased_attention_spectrum(3, 2, -1.0, 2), ValueError, r"omega must be >= 0, got -1\.0"),
    (lambda: BIASED.correlation_masses(-1), ValueError, r"^power must be >= 0, got -1"),
    (lambda: BIASED.weights(TARGET), ValueError, r"has modes \(l1, l2, j\), .*got \(0, 1\)"),
    (lambda: BIASED.eigenvalue(0, 1), ValueError, r"has modes \(l1, l2, j\), .*got \(0, 1\)"),
    (lambda: BIASED.correlation_masses(1, -2), ValueError, r"^key_power must be >= 0, got -2"),
    (lambda: BIASED.average_masses(0.5), TypeError, r"^power must be an integer >= 0, got 0\.5"),  # type: ignore[arg-type]
    (lambda: rf.average_masses(3, 2, -1), ValueError, r"power must be >= 0, got -1"),
    (lambda: rf.Spectrum(((0,),), np.zeros(1), np.ones(1), 0.0), ValueError, r"eigenvalues must be positive, got 0\.0"),
    (lambda: rf.Spectrum(((0,),), np.ones(1), np.ones(1), -0.5), ValueError, r"tail must be >= 0, got -0\.5"),
    (
        lambda: SPECTRUM.weights({(0, 0): -1.0}),
        ValueError,
        r"target must have finite masses >= 0, got -1\.0 at \(0, 0\)",
    ),
    (lambda: rf.rkhs_norm(SPECTRUM, {(0, 7): 1.0}), ValueError, r"target must lie in the modes .*mass 1 outside"),
    (lambda: rf.monomial_bound(0, 1, size=0.0), ValueError, r"size must be finite and in \(0, inf\), got 0\.0"),
    (lambda: rf.rademacher_bound(GRAM[:2], 1.0), ValueError, r"gram must be square .*\(2, 4\)"),
    (lambda: rf.rademacher_bound(GRAM, -2.0), ValueError, r"radius .*got -2\.0"),
    # curves and predictors
    (lambda: rf.learning_curve(SPECTRUM, TARGET, 0, 0.1), ValueError, r"samples must be >= 1, got 0"),
    (lambda: rf.learning_curve(SPECTRUM, TARGET, 5, -0.1), ValueError, r"ridge must be >= 0, got -0\.1"),
    (
        lambda: rf.learning_curve(SPECTRUM, TARGET, 5, 0.1, -1.0),
        ValueError,
        r"noise must be a variance >= 0, got -1\.0",
    ),
    (lambda: rf.learning_curve(NO_TAIL, TARGET, 5, 0), ValueError, r"ridge must be > 0 where .*no tail, got 0"),
    (lambda: rf.population_flow(SPECTRUM, TARGET, [2.0, 1.0]), ValueError, r"times must be >= 0 and non-decreasing"),
    (lambda: rf.ridge_predictor(GRAM, Y, -1.0), ValueError, r"ridge must be >= 0, got -1\.0"),
    (lambda: rf.ridge_predictor(-GRAM, Y, 1.0), ValueError, r"gram must be positive semi-definite, got .*-1\.0"),
    (lambda: rf.ridge_predictor(np.triu(np.ones((4, 4))), Y, 1.0), ValueError, r"gram must be square and symmetric"),
    (lambda: rf.flow_predictor(GRAM, Y[:3], [1.0]), ValueError, r"labels must have shape \(4\).*\(3,\)"),
    (lambda: rf.flow_predictor(GRAM, Y, [-1.0]), ValueError, r"times must be >= 0 .*-1"),
    (lambda: rf.descent_predictor(GRAM, Y, 0.0, [1]), ValueError, r"step must be .*got 0\.0"),
    (lambda: rf.descent_predictor(GRAM, Y, 0.1, [1.5]), ValueError, r"steps must be whole numbers, got 1\.5"),
    (lambda: MOMENTS.risk(Y[:2]), ValueError, r"weights must have shape .*\(2,\)"),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[p for _, _, p in BAD_CALLS])
def test_bad_call_is_refused_by_name(call: Callable[[], object], exception: type[Exception], pattern: str) -> None:
    with pytest.raises(exception, match=pattern):
        call()
