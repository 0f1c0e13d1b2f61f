"""Ridge, gradient flow and descent on given data: how the three are related, whatever the features and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float

from theory.claims import claim, excess, relative_error
from theory.numerics import Array
from theory.papers import ALI_2019, FU_2023
from theory.random_features.predictors import (
    FLOW_OVER_RIDGE,
    descent_predictor,
    flow_predictor,
    largest_step,
    ridge_predictor,
)
from theory.validation import finite_array, real

TIMES = np.concatenate([[0.0], np.geomspace(1e-3, 1e6, 40)])


@dataclass(frozen=True, eq=False)
class Regression:
    """Features (n, P) with singular values 0 or in [1e-2, 1] times the largest, and labels (n,)."""

    features: Float[Array, "n p"]
    labels: Float[Array, " n"]

    def __post_init__(self) -> None:
        features = finite_array("features", self.features, (None, None), leading=False)
        object.__setattr__(self, "features", features)
        labels = finite_array("labels", self.labels, (len(features),), leading=False)
        object.__setattr__(self, "labels", labels)
        sizes = np.linalg.svd(features, compute_uv=False)
        if ((sizes > 1e-12 * sizes[0]) & (sizes < 0.99e-2 * sizes[0])).any() or sizes[0] == 0:
            raise ValueError(f"hypothesis: singular values must be 0 or within 100 of the largest > 0, got {sizes}")

    @classmethod
    def drawn(cls, sizes: Array, width: int, scale: float, seed: int) -> Self:
        """Singular values `sizes` (n,) times `scale`, in random directions; labels N(0, 1)."""
        rng, n = np.random.default_rng(seed), len(sizes)
        rank = min(n, width)
        left = np.linalg.qr(rng.standard_normal((n, n)))[0][:, :rank]
        right = np.linalg.qr(rng.standard_normal((width, width)))[0][:, :rank]
        return cls(scale * (left * sizes[:rank]) @ right.T, rng.standard_normal(n))

    @property
    def gram(self) -> Array:
        """K = Phi Phi^T."""
        return self.features @ self.features.T

    def flow(self, times: Array, labels: Array | None = None) -> Array:
        """theta (t, P) of gradient flow."""
        return flow_predictor(self.gram, self.labels if labels is None else labels, times) @ self.features

    def ridge(self, ridge: float, labels: Array | None = None) -> Array:
        """theta (P,) of ridge regression."""
        return ridge_predictor(self.gram, self.labels if labels is None else labels, ridge) @ self.features

    @property
    def scale(self) -> float:
        """|y| / sqrt(w_max): the length of values that fit the labels at the least cost; rounding is relative to it."""
        return float(np.linalg.norm(self.labels) / np.linalg.norm(self.features, 2))

    @property
    def slow(self) -> float:
        """n/w of the slowest direction that moves at all."""
        values = np.linalg.eigvalsh(self.gram)
        return float(len(values) / values[values > 1e-10 * values[-1]].min())


@dataclass(frozen=True)
class Time:
    """A time t > 0 of the flow, in units of n over the largest eigenvalue; its ridge is n/t."""

    time: float

    def __post_init__(self) -> None:
        real("time", self.time, above=0.0)

    def of(self, case: Regression) -> tuple[float, float]:
        """t and n/t."""
        top = float(np.linalg.eigvalsh(case.gram)[-1])
        return self.time * len(case.labels) / top, top / self.time


@claim(
    statement="Gradient flow and descent end at the least-norm solution, and so does ridge regression at ridge 0.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-9,
)
def predictors_end_at_the_pseudo_inverse(case: Regression) -> float:
    """Flow and descent after 50 times the slowest time constant."""
    end = np.linalg.pinv(case.features, rcond=1e-8) @ case.labels
    step = largest_step(case.gram) / 2
    descent = descent_predictor(case.gram, case.labels, step, [np.ceil(50 * case.slow / step)])[0] @ case.features
    flow = case.flow(np.array([50 * case.slow]))[0]
    return max(relative_error(theta, end, scale=case.scale) for theta in (flow, descent, case.ridge(0.0)))


@claim(
    statement="""Ridge regression misses the least-norm solution by at most the fraction ridge/w of its length, w the
    least positive eigenvalue: it tends to it as the ridge vanishes.""",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-8,
)
def small_ridge_misses_little(case: Regression) -> float:
    """At ridge/w = 1e-1, 1e-2 and 1e-3."""
    end = np.linalg.pinv(case.features, rcond=1e-8) @ case.labels
    fractions = np.array([1e-1, 1e-2, 1e-3])
    missed = [np.linalg.norm(case.ridge(f * len(case.labels) / case.slow) - end) for f in fractions]
    return excess(missed, fractions * np.linalg.norm(end), scale=case.scale)


@claim(
    statement="""The prediction from the values, theta = argmin |Phi theta - y|^2 + ridge |theta|^2, is that from the
    kernel matrix, sum_i a_i k(x, x_i) with a = (K + ridge)^-1 y.""",
    source=FU_2023,
    kind="identity",
    tolerance=1e-9,
)
def values_and_kernel_predict_alike(case: Regression, time: Time) -> float:
    """By least squares on the rows of Phi with sqrt(ridge) 1 below them."""
    _, ridge = time.of(case)
    width = case.features.shape[1]
    rows = np.concatenate([case.features, np.sqrt(ridge) * np.eye(width)])
    values = np.linalg.lstsq(rows, np.concatenate([case.labels, np.zeros(width)]), rcond=None)[0]
    return relative_error(case.ridge(ridge), values, scale=case.scale)


@claim(
    statement="Along gradient flow the training loss falls and the norm of the values grows, at all times.",
    source=FU_2023,
    kind="inequality",
    tolerance=1e-12,
)
def loss_falls_and_norm_grows_along_the_flow(case: Regression) -> float:
    path = case.flow(TIMES * case.slow)
    loss, norm = ((path @ case.features.T - case.labels) ** 2).sum(axis=1), (path**2).sum(axis=1)
    falling = excess(loss[1:], loss[:-1], scale=loss[0])
    return max(falling, excess(norm[:-1], norm[1:], scale=norm[-1]))


@claim(
    statement="Labels of the other sign give predictions of the other sign; predictions are linear in the labels.",
    source=FU_2023,
    kind="identity",
    tolerance=1e-9,
)
def predictions_are_linear_in_the_labels(case: Regression, time: Time) -> float:
    """So beta -> -beta turns the sign of what is learned of an odd target."""
    t, ridge = time.of(case)
    other = np.arange(len(case.labels)) - 1.0
    step, steps = largest_step(case.gram) / 3, [7.0]
    predictors = (
        lambda y: case.ridge(ridge, y),
        lambda y: case.flow(np.array([t]), y)[0],
        lambda y: descent_predictor(case.gram, y, step, steps)[0] @ case.features,
    )
    errors = []
    for predict in predictors:
        errors.append(relative_error(predict(-case.labels), -predict(case.labels), scale=case.scale))
        both = predict(2 * case.labels + other)
        errors.append(relative_error(both, 2 * predict(case.labels) + predict(other), scale=case.scale))
    return max(errors)


# ------------------------------------------------------------------------------------------- flow against ridge


@claim(
    statement="""At ridge n/t the bias of gradient flow at time t is at most that of ridge regression: on the training
    inputs, and in the values.""",
    source=ALI_2019,
    kind="inequality",
    tolerance=1e-12,
)
def flow_has_less_bias_than_ridge(case: Regression, time: Time) -> float:
    """For the values theta* = Phi^T y, which any other theta* may replace but for a part that neither learns."""
    t, ridge = time.of(case)
    truth = case.features.T @ case.labels
    labels = case.features @ truth
    flow, shrunk = case.flow(np.array([t]), labels)[0] - truth, case.ridge(ridge, labels) - truth
    values = excess(flow @ flow, shrunk @ shrunk, scale=truth @ truth)
    seen, scale = [((case.features @ v) ** 2).sum() for v in (flow, shrunk)], labels @ labels
    return max(values, excess(*seen, scale=scale))


@claim(
    statement="""At ridge n/t the variance of gradient flow at time t is at most 1.6860 times that of ridge regression,
    at every test input.""",
    source=ALI_2019,
    kind="inequality",
    tolerance=1e-9,
)
def flow_has_hardly_more_variance_than_ridge(case: Regression, time: Time) -> float:
    """Covariances of the values, from the predictors of unit labels: 1.686 ridge - flow is positive semi-definite."""
    t, ridge = time.of(case)
    units = np.eye(len(case.labels))
    flow = np.array([case.flow(np.array([t]), y)[0] for y in units])
    shrunk = np.array([case.ridge(ridge, y) for y in units])
    gap = FLOW_OVER_RIDGE**2 * shrunk.T @ shrunk - flow.T @ flow
    return excess(-np.linalg.eigvalsh(gap), 0.0, scale=np.trace(flow.T @ flow))


def _aimed_case() -> tuple[Regression, Time]:
    """Two inputs with kernel diag(1, 1/4): at w t/n = 1 and 1/4 ridge leaves 1/2 and 4/5, flow e^-1 and e^-1/4."""
    return Regression(np.diag([1.0, 0.5]), np.ones(2)), Time(1.0)


@claim(
    statement="""(A natural guess, not the paper's words.) At ridge n/t gradient flow at time t has at most the bias of
    ridge regression, at every test input.""",
    source=ALI_2019,
    kind="refuted",
    tolerance=1e-3,
    counterexample=_aimed_case,
)
def flow_has_less_bias_everywhere(case: Regression, time: Time) -> float:
    """At the test input where ridge regression errs by nothing, its errors in two directions cancelling."""
    t, ridge = time.of(case)
    truth = case.features.T @ case.labels
    flow, shrunk = case.flow(np.array([t]), case.features @ truth)[0] - truth, case.ridge(ridge, case.features @ truth)
    shrunk = shrunk - truth
    test = np.array([-shrunk[1], shrunk[0]]) / np.linalg.norm(shrunk)
    return float((flow @ test) ** 2 - (shrunk @ test) ** 2)
