"""Bad calls of the theory of Scan and Snap and JoMA: each refused before any work, with the argument and the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from theory import joma
from theory.scan_and_snap import (
    ClassMixture,
    DecoderSteps,
    FullVocabulary,
    IndependentFeatures,
    MixturePoint,
    MixtureRun,
    OneCommonToken,
    SampledToken,
    ScanRun,
    SharedQueryRun,
    SymmetricMixture,
    SymmetricRun,
    TokenSequence,
    attention_flow,
    backpropagated_scale,
    count_deviation,
    decoder_gap,
    discrete_decoder_gap,
    dominant_gain,
    gradient_coefficients,
    growth_factor,
    initial_acceleration,
    population_flow,
    preconditioned_flow,
    symmetric_flow,
    transition_times,
)

NAN, INF = float("nan"), float("inf")
LAW: Any = [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]]


def mixture(law: Any = LAW, queries: Any = (0, 0), prior: Any = None, vocabulary: Any = 5) -> ClassMixture:
    return ClassMixture(law, queries, prior, vocabulary)


MIXTURE = mixture()
TWINS: Any = mixture([[0.5, 0.5], [0.5, 0.5]])
SYMMETRIC = SymmetricMixture(2, 9, [0.5, 1.0])  # type: ignore[arg-type]
Z, Y = np.zeros((1, 3)), np.zeros((3, 5))
SQUARE = np.zeros((3, 3))


def symmetric(**changes: Any) -> SymmetricMixture:
    return SymmetricMixture(**{"classes": 2, "vocabulary": 9, "distinct_weight": [0.5]} | changes)


def growth(**changes: Any) -> Any:
    settings = {"classes": 2, "vocabulary": 9, "eta_y": 1.0, "eta_z": 1.0, "times": [1.0]}
    return growth_factor(**settings | changes)


def point(**changes: Any) -> joma.JointPoint:
    settings = {"samples": [[1.0, 1.0]], "logits": [0.0, 0.0], "weights": [[1.0, 2.0]], "drive": [[1.0]]}
    return joma.JointPoint(**settings | changes)


# (call, exception, pattern): the pattern asks for the argument's name and for the value that was refused
BAD_CALLS: list[tuple[Callable[[], object], type[Exception], str]] = [
    # mixtures
    (lambda: mixture([[0.5, 0.4], [0.5, 0.5]]), ValueError, r"token_law .*sum to 1, got a row that sums to 0\.9"),
    (lambda: mixture([[1.5, -0.5], [0.5, 0.5]]), ValueError, r"token_law .*>= 0, got -0\.5"),
    (lambda: mixture([[0.0, 0.0], [0.5, 0.5]]), ValueError, r"token_law .*got empty support for class 0"),
    (lambda: mixture([0.5, 0.5]), ValueError, r"token_law .*shape \(any, any\).*got shape \(2,\)"),
    (lambda: mixture([[NAN, 0.5], [0.5, 0.5]]), ValueError, r"token_law must be finite, got nan"),
    (lambda: mixture(queries=[0, 2]), ValueError, r"query_of_class must be in 0\.\.1, got 2"),
    (lambda: mixture(queries=[-1, 0]), ValueError, r"query_of_class must be in 0\.\.1, got -1"),
    (lambda: mixture(queries=[1, 1]), ValueError, r"query_of_class must use every query 0\.\.1, got \[1, 1\]"),
    (lambda: mixture(queries=[0]), ValueError, r"query_of_class .*shape \(2\).*got shape \(1,\)"),
    (lambda: mixture(queries=[0.0, 1.0]), TypeError, r"query_of_class .*integers, got \[0\.0, 1\.0\]"),
    (lambda: mixture(prior=[0.5, 0.4]), ValueError, r"prior .*sum to 1, got .*0\.9"),
    (lambda: mixture(prior=[1.0, 0.0]), ValueError, r"prior must be positive, got 0\.0"),
    (lambda: mixture(vocabulary=2), ValueError, r"vocabulary must hold .*K = 2 .*L = 3 .*got 2"),
    (lambda: mixture([[1.0]] * 3, [0, 0, 0], vocabulary=2), ValueError, r"vocabulary must hold the K = 3 .*got 2"),
    (lambda: mixture(vocabulary=5.0), TypeError, r"vocabulary must be an integer >= 2, got 5\.0"),
    (lambda: MIXTURE.loss(np.zeros((2, 3)), Y), ValueError, r"logits .*shape \(\.\.\., 1, 3\).*got shape \(2, 3\)"),
    (lambda: MIXTURE.gradient(Z, Y.T), ValueError, r"decoder .*shape \(\.\.\., 3, 5\).*got shape \(5, 3\)"),
    (
        lambda: MIXTURE.distinct_entropy([[0, 1.0, 0], [1.0, 0, 0]]),
        ValueError,
        r"attention must be positive .*got none for 1",
    ),
    (lambda: symmetric(classes=0), ValueError, r"classes must be >= 1, got 0"),
    (lambda: symmetric(distinct_weight=[0.0]), ValueError, r"distinct_weight must be positive, got 0\.0"),
    (lambda: symmetric(common_weight=-1.0), ValueError, r"common_weight .*in \(0, inf\), got -1\.0"),
    (lambda: symmetric(shared_query=1), TypeError, r"shared_query must be True or False, got 1"),
    (lambda: symmetric(vocabulary=2), ValueError, r"vocabulary must hold .*L = 3 .*got 2"),
    (lambda: MixturePoint(MIXTURE, Z, SQUARE), ValueError, r"decoder .*shape \(3, 5\).*got shape \(3, 3\)"),
    # flows
    (lambda: population_flow(MIXTURE, -1.0, 1.0, [1.0]), ValueError, r"eta_y must be >= 0, got -1\.0"),
    (lambda: population_flow(MIXTURE, 1.0, INF, [1.0]), ValueError, r"eta_z .*finite.*, got inf"),
    (lambda: population_flow(MIXTURE, "1", 1.0, [1.0]), TypeError, r"eta_y .*real number, got '1'"),  # type: ignore[arg-type]
    (
        lambda: population_flow(MIXTURE, 1.0, 1.0, [2.0, 1.0]),
        ValueError,
        r"times .*non-decreasing, got array\(\[2\., 1\.\]\)",
    ),
    (lambda: population_flow(MIXTURE, 1.0, 1.0, [1.0], rtol=0.0), ValueError, r"rtol .*in \(0, 1\), got 0\.0"),
    (lambda: symmetric_flow(SYMMETRIC, 1.0, -2.0, [1.0]), ValueError, r"eta_z must be >= 0, got -2\.0"),
    (lambda: preconditioned_flow(TWINS, 1.0, 1.0, [1.0]), ValueError, r"hypothesis .*independent, got an eigenvalue"),
    (
        lambda: attention_flow(mixture(prior=[0.3, 0.7]), 1.0, 1.0, [1.0]),
        ValueError,
        r"hypothesis .*prior must be uniform, got \[0\.3 0\.7\]",
    ),
    (lambda: initial_acceleration(MIXTURE, [[INF, 0, 0]]), ValueError, r"logits must be finite, got inf"),
    (lambda: dominant_gain(population_flow(MIXTURE, 1, 1, [1]), 2), ValueError, r"label must be in 0\.\.1, got 2"),
    (
        lambda: dominant_gain(population_flow(TWINS, 1, 1, [1]), 0),
        ValueError,
        r"label .*with distinct tokens, got class 0",
    ),
    # the decoder and what it sends back
    (lambda: decoder_gap(1, 1.0), ValueError, r"vocabulary must be >= 2, got 1"),
    (lambda: decoder_gap(5, -1e-3), ValueError, r"tau must be >= 0, got -0\.001"),
    (lambda: decoder_gap(5, [1.0, NAN]), ValueError, r"tau must be finite, got nan"),
    (lambda: backpropagated_scale(5, -1.0), ValueError, r"tau must be >= 0, got -1\.0"),
    (lambda: discrete_decoder_gap(5, 0.0, 3), ValueError, r"eta_y .*in \(0, inf\), got 0\.0"),
    (lambda: discrete_decoder_gap(5, 1.0, -1), ValueError, r"steps must be >= 0, got -1"),
    (lambda: DecoderSteps(5, 1.0, 0), ValueError, r"steps must be >= 1, got 0"),
    (lambda: gradient_coefficients([[2.0, 0.0]], 5), ValueError, r"features must be unit vectors, got a norm of 2\.0"),
    (lambda: gradient_coefficients([[1.0], [1.0]], 5), ValueError, r"features must be linearly independent, got"),
    (lambda: IndependentFeatures(np.eye(3), 2), ValueError, r"vocabulary must be at least K = 3, got 2"),
    # transition
    (lambda: growth(classes=0), ValueError, r"classes must be >= 1, got 0"),
    (lambda: growth(times=[-1.0]), ValueError, r"times must be >= 0, got -1\.0"),
    (lambda: growth(constant=0.0), ValueError, r"constant .*in \(0, inf\), got 0\.0"),
    (lambda: growth(weight=0.0), ValueError, r"weight .*in \(0, inf\), got 0\.0"),
    (lambda: growth(branch="late"), ValueError, r"branch must be .*, got 'late'"),
    (lambda: growth(times=[0.0], branch="snapping"), ValueError, r"times must be positive .*, got 0\.0"),
    (lambda: transition_times(2, 9, -1.0), ValueError, r"eta_y .*in \(0, inf\), got -1\.0"),
    # instances of claims
    (lambda: OneCommonToken(TWINS, np.zeros((1, 2))), ValueError, r"hypothesis .*one common token .*got 2"),
    (
        lambda: OneCommonToken(mixture([[0.5, 0.5], [1.0, 0.0]]), np.zeros((1, 2))),
        ValueError,
        r"hypothesis .*distinct token, got class 1",
    ),
    (lambda: ScanRun(MIXTURE, 1.0, -1.0), ValueError, r"eta_z .*in \(0, inf\), got -1\.0"),
    (lambda: SharedQueryRun(mixture(queries=[0, 1]), 1.0, 1.0), ValueError, r"one query .*got 2"),
    (lambda: SymmetricRun(symmetric(classes=1), 1.0, 1.0), ValueError, r"hypothesis .*two classes .*got 1"),
    (lambda: MixtureRun(MIXTURE, 0.0, 1.0), ValueError, r"eta_y .*in \(0, inf\), got 0\.0"),
    (lambda: FullVocabulary(2, 3, 0.5, 1.0), ValueError, r"hypothesis .*K = M is needed, got 2 and 3"),
    (lambda: TokenSequence([3], 0, 0, SQUARE, SQUARE), ValueError, r"tokens must be in 0\.\.2, got 3"),  # type: ignore[arg-type]
    (lambda: TokenSequence([0], 0, -1, SQUARE, SQUARE), ValueError, r"next_token must be in 0\.\.2, got -1"),  # type: ignore[arg-type]
    (lambda: TokenSequence([0.5], 0, 0, SQUARE, SQUARE), TypeError, r"tokens .*integers, got \[0\.5\]"),  # type: ignore[arg-type]
    (lambda: count_deviation(1, 0.1), ValueError, r"length must be >= 2, got 1"),
    (lambda: SampledToken(0.5, 10, 1.0), ValueError, r"failure .*in \(0, 1\), got 1\.0"),
    # JoMA
    (lambda: point(samples=[[0.0, 0.0]]), ValueError, r"samples must be >= 0 with a positive entry .*got \[\[0\.0, 0"),
    (lambda: point(drive=[[1.0], [1.0]]), ValueError, r"drive .*shape \(1, 1\).*got shape \(2, 1\)"),
    (lambda: point().velocity("sigmoid"), ValueError, r"kind must be .*, got 'sigmoid'"),  # type: ignore[arg-type]
    (lambda: joma.joint_invariant("softmax", [0.0], [[1.0]]), ValueError, r"mean_attention must be given .*got None"),
    (lambda: joma.joint_invariant("exp", [0.0], [[1.0]], rate_ratio=0.0), ValueError, r"rate_ratio .*got 0\.0"),
    (lambda: joma.ConstantDrive([0.0, 0.0]), ValueError, r"drive must not be all zero, got \[0\.0, 0\.0\]"),  # type: ignore[arg-type]
    (lambda: joma.ConstantDrive(np.ones(1)).weights([2.0]), ValueError, r"times .*before .*1\.25331, got 2\.0"),
    (lambda: joma.Targets([0.0]), ValueError, r"mu must be positive, got 0\.0"),  # type: ignore[arg-type]
    (lambda: joma.Targets([31.0]), ValueError, r"mu must be below 30.*got 31\.0"),  # type: ignore[arg-type]
    (lambda: joma.attention_entropy([1.0], temperature=-1.0), ValueError, r"temperature .*got -1\.0"),
    (
        lambda: joma.softmax_growth([1.0], 0.0, step=0.1, steps=-1, temperature=3.0),
        ValueError,
        r"steps must be >= 0, got -1",
    ),
]


@pytest.mark.parametrize(("call", "exception", "pattern"), BAD_CALLS, ids=[pattern for *_, pattern in BAD_CALLS])
def test_a_bad_call_names_the_argument_and_the_value(
    call: Callable[[], object], exception: type[Exception], pattern: str
) -> None:
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    assert re.search(pattern, str(caught.value)), caught.value
