"""What the regressions share: names of targets, ridges that the test inputs do not choose, errors against theory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from experiments.random_features import _regression as shared
from experiments.random_features._thresholds import FACTORS, measured
from theory.random_features import ridge_predictor
from toy_tasks.random_feature_attention import AbsoluteCorrelation, Correlation, Largest, Pairs, average

NAMES = ["average 2", "correlation 1 1"]


@pytest.fixture(scope="module")
def sample() -> shared.Sample:
    return shared.Sample.draw(NAMES, 4, 3, train=40, held_out=30, seeds=(0, 1))


def test_targets_by_name() -> None:
    assert shared.target("average 3") == average(3)
    assert shared.target("correlation 3 1") == Correlation(3, 1)
    assert shared.target("correlation 1 1 alone") == Correlation(1, 1, without_query_part=True)
    assert shared.target("mixed 3 1 0.5") == Correlation(3, 1, 0.5)
    assert [shared.target(name) for name in ("absolute", "largest", "pairs")] == [
        AbsoluteCorrelation(),
        Largest(),
        Pairs(),
    ]
    with pytest.raises(ValueError, match=r"target must be named like .*, got 'mean 2'"):
        shared.target("mean 2")


@pytest.mark.parametrize("name", [*NAMES, "correlation 2 1", "correlation 1 1 alone", "correlation 2 0"])
@pytest.mark.parametrize("model", shared.MODELS)
def test_masses_are_those_of_the_standardised_target(model: str, name: str) -> None:
    """They sum to 1 and leave nothing to the constant; without bias both spectra of attention give the same curve."""
    modes = shared.spectrum(model, 5, 3)
    found = shared.masses(modes, name, 5, 3)
    if name == "correlation 2 0" and model != "biased attention":
        assert found is None
        return
    assert found is not None
    assert sum(found.values()) == pytest.approx(1.0, rel=1e-12)
    if model == "attention":
        unbiased = [shared.curves(m, name, 5, 3, [50, 500], [0.01], 0.0) for m in ("attention", "biased attention")]
        np.testing.assert_allclose(unbiased[0], unbiased[1], atol=2e-3)  # lists of modes to degrees 6 and 5


@pytest.mark.parametrize("name", ["largest", "absolute", "pairs", "mixed 1 1 0.5"])
def test_no_curve_is_made_up(name: str) -> None:
    assert np.isnan(shared.curves("attention", name, 5, 3, [50, 500], [0.01, 0.1])).all()


@pytest.mark.parametrize("model", shared.MODELS)
def test_kernels_and_layers_have_the_same_inner_products(sample: shared.Sample, model: str) -> None:
    """A layer of 4000 heads against infinitely many, all inputs against the training inputs."""
    limit = sample.kernel(model)
    assert limit.shape == (2, 100, 40)
    assert float((sample.layer(model, 4000) - limit).abs().max()) < 0.08
    np.testing.assert_allclose(sample.first(12).kernel(model), limit[:, :12, :12], atol=1e-14)


def test_errors_are_those_of_ridge_regression(sample: shared.Sample) -> None:
    inner, labels = sample.kernel("attention"), sample.labels.numpy()
    found = shared.errors(inner, sample, [15, 40], [0.1, 1e-3])
    assert found.shape == (2, 2, 2, 2, 2)
    fitted = inner[1, 40:, :15].numpy() @ ridge_predictor(inner[1, :15, :15].numpy(), labels[1, :15, 0], 1e-3)
    miss, truth = (fitted - labels[1, 40:, 0]) ** 2, labels[1, 40:, 0] ** 2
    expected = [miss[:30].mean() / truth[:30].mean(), miss[30:].mean() / truth[30:].mean()]
    np.testing.assert_allclose(found[:, 1, 0, 1, 0], expected, rtol=1e-9)


def test_the_test_inputs_choose_nothing(sample: shared.Sample) -> None:
    """Tuned errors are test errors at the best held-out ridge; other test labels leave the choice alone."""
    inner = sample.kernel("attention")
    held_out, test = shared.errors(inner, sample, [40], shared.RIDGES)
    choice = held_out.argmin(axis=-2)
    expected = np.take_along_axis(test, choice[..., None, :], axis=-2)[..., 0, :]
    np.testing.assert_array_equal(shared.tuned_errors(inner, sample, [40]), expected)
    labels = torch.cat([sample.labels[:, :70], -sample.labels[:, 70:]], dim=1)
    others = dataclasses.replace(sample, labels=labels)
    again = shared.errors(inner, others, [40], shared.RIDGES)
    np.testing.assert_array_equal(again[0].argmin(axis=-2), choice)
    assert (shared.tuned_errors(inner, others, [40]) > expected).all()


def test_thresholds_are_interpolated() -> None:
    """An error of 0.5 (n / n*)^-1 crosses 1/2 at n*, and one that stays above does not."""
    import xarray as xr

    error = np.stack([0.5 / np.array(FACTORS), np.full(len(FACTORS), 0.9)])[:, :, None]
    found = measured(xr.Dataset({"error": (("key_count", "factor", "seed"), error)}))
    assert float(found[0]) == pytest.approx(1.0, abs=0.01)
    assert np.isnan(float(found[1]))
