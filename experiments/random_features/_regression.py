"""What the regressions share: targets by name, samples, layers or their kernels, ridges chosen on held-out inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from theory.random_features import Masses, Spectrum
    from toy_tasks.random_feature_attention.targets import Target
    from toy_tasks.randomness import Key

RIDGES = tuple(float(f"1e{k}") for k in range(-6, 1))
MODELS = ("attention", "biased attention", "MLP")
MAX_DEGREE = {"attention": 6, "biased attention": 5, "MLP": 7}
"""Of the modes that theory lists: more change no line visibly."""


# ------------------------------------------------------------------------------------------------------------- targets


def target(name: str) -> Target:
    """The target of a name; p, q are powers as in `Correlation`.

    "average p", "correlation p q", "correlation p q alone" (without its part of the query), "mixed p q alignment",
    "absolute", "largest", "pairs".
    """
    from toy_tasks import random_feature_attention as tasks

    kind, *numbers = name.split()
    match kind:
        case "average":
            return tasks.average(int(numbers[0]))
        case "correlation":
            return tasks.Correlation(int(numbers[0]), int(numbers[1]), without_query_part="alone" in numbers)
        case "mixed":
            return tasks.Correlation(int(numbers[0]), int(numbers[1]), float(numbers[2]))
        case "absolute":
            return tasks.AbsoluteCorrelation()
        case "largest":
            return tasks.Largest()
        case "pairs":
            return tasks.Pairs()
    raise ValueError(f"target must be named like 'average 2' or 'correlation 1 1', got {name!r}")


@cache
def spectrum(model: str, dimension: int, keys: int, omega: float = 1.0) -> Spectrum:
    """Eigenvalues of a model with infinitely many units."""
    from theory.random_features import attention_spectrum, biased_attention_spectrum, mlp_spectrum

    if model == "biased attention":
        return biased_attention_spectrum(dimension, keys, omega, MAX_DEGREE[model])
    return {"attention": attention_spectrum, "MLP": mlp_spectrum}[model](dimension, keys, MAX_DEGREE[model])


def masses(modes: Spectrum, name: str, dimension: int, keys: int) -> Masses | None:
    """Mass per mode of the standardised target on the sphere; None where no closed form is known."""
    from theory.random_features import BiasedSpectrum, average_masses, centred, correlation_masses

    kind, *words = name.split()
    powers = [int(word) for word in words if word.isdigit()]
    without = [(a, 0) for a in range(sum(powers) + 1 if "alone" in words else 1)]
    found: Masses
    if kind not in ("average", "correlation"):
        return None
    if isinstance(modes, BiasedSpectrum):
        p, q = powers if kind == "correlation" else (0, *powers)  # the average is a correlation with x_0 to the power 0
        found = modes.correlation_masses(p, q, without)
    elif kind == "average":
        found = centred(average_masses(dimension, keys, *powers))
    elif powers[1] == 1:
        found = centred(correlation_masses(dimension, keys, powers[0]), *without)
    else:
        return None
    total = sum(found.values())
    return {mode: mass / total for mode, mass in found.items()}


def curves(
    model: str,
    name: str,
    dimension: int,
    keys: int,
    samples: Sequence[int],
    ridges: Sequence[float],
    omega: float = 1.0,
) -> np.ndarray:
    """(s, n) risk of infinitely many units at each of s ridges; NaN where no closed form is known."""
    from theory.random_features import learning_curve

    modes = spectrum(model, dimension, keys, omega)
    found = masses(modes, name, dimension, keys)
    if found is None:
        return np.full((len(ridges), len(samples)), np.nan)
    return np.stack([learning_curve(modes, found, samples, ridge) for ridge in ridges])


# ------------------------------------------------------------------------------------------------------------- samples


@dataclass(frozen=True, eq=False)
class Sample:
    """Inputs of every seed and the standardised labels (r, n, k) of k targets; the first `train` are to train on."""

    key: Key
    query: Tensor
    keys: Tensor
    labels: Tensor
    train: int

    @classmethod
    def draw(
        cls,
        names: Sequence[str],
        dimension: int,
        keys: int,
        *,
        train: int,
        held_out: int,
        seeds: Sequence[int],
        directions: int = 1,
    ) -> Sample:
        """`held_out` inputs to choose by and as many again to test on; tokens uniform on the sphere.

        Labels of each target come for so many `directions` beta, one after another: those of far-away seeds.
        """
        import torch

        from toy_tasks.random_feature_attention import AttentionRegression
        from toy_tasks.randomness import DATA, Key

        key = Key.of(tuple(seeds), DATA)
        truths = [Key.of(tuple(seed + 1_000_000 * c for seed in seeds)) for c in range(directions)]
        tasks = [AttentionRegression(target(name), dimension, keys) for name in names]
        drawn = tasks[0].sample(key, train + 2 * held_out)
        query, tokens = drawn["query"], drawn["keys"]
        labels = torch.stack([task.labels(truth, query, tokens) for task in tasks for truth in truths], dim=-1)
        return cls(key, query, tokens, labels, train)

    def first(self, count: int) -> Sample:
        """The first inputs alone, all of them to train on."""
        kept = slice(0, count)
        return Sample(self.key, self.query[:, kept], self.keys[:, kept], self.labels[:, kept], count)

    def layer(self, model: str, heads: int, omega: float = 1.0) -> Tensor:
        """(r, n, train) inner products in a layer of so many heads, or in the MLP of as many trained numbers."""
        from toy_tasks.random_feature_attention import AttentionHeads, MLPUnits

        attention = AttentionHeads(heads, omega if model == "biased attention" else 0.0)
        layer = MLPUnits.matching(attention, self.query.shape[-1]) if model == "MLP" else attention
        return layer.inner_products(self.key, self.query, self.keys, self.train)

    def kernel(self, model: str, omega: float = 1.0) -> Tensor:
        """(r, n, train) the same with infinitely many units, from the closed form."""
        import torch

        from theory.random_features import attention_gram, mlp_gram

        def gram(*tokens: np.ndarray) -> np.ndarray:
            if model == "MLP":
                return mlp_gram(*tokens)
            return attention_gram(*tokens, omega=omega if model == "biased attention" else 0.0)

        n, found = self.train, []
        for x0, x in zip(self.query.numpy(), self.keys.numpy(), strict=True):
            others = [gram(x0[n:], x[n:], x0[:n], x[:n])] if len(x) > n else []
            found.append(np.concatenate([gram(x0[:n], x[:n]), *others]))
        return torch.from_numpy(np.stack(found))


# -------------------------------------------------------------------------------------------------------------- errors


def errors(inner: Tensor, sample: Sample, samples: Sequence[int], ridges: Sequence[float]) -> np.ndarray:
    """(2, r, n, s, k) mean squared error over mean squared label, on the held-out inputs and on the test inputs.

    Trains on the first n of the training inputs, for each n of `samples` and each of s ridges.
    """
    import torch

    from toy_tasks.random_feature_attention import ridge_predictions

    truth = sample.labels[:, sample.train :]
    found = []
    for n in samples:
        rows = torch.cat([inner[:, :n, :n], inner[:, sample.train :, :n]], dim=1)
        miss = (ridge_predictions(rows, sample.labels[:, :n], ridges) - truth[:, None]) ** 2  # (r, s, inputs, k)
        halves = zip(miss.tensor_split(2, dim=-2), truth.tensor_split(2, dim=-2), strict=True)
        found.append(torch.stack([m.mean(dim=-2) / (t**2).mean(dim=-2)[:, None] for m, t in halves]))
    return torch.stack(found, dim=2).numpy()


def tuned_errors(inner: Tensor, sample: Sample, samples: Sequence[int], ridges: Sequence[float] = RIDGES) -> np.ndarray:
    """(r, n, k) test errors at the ridge of least error on the held-out inputs: the test inputs choose nothing."""
    held_out, test = errors(inner, sample, samples, ridges)
    best = held_out.argmin(axis=-2)[..., None, :]
    return np.take_along_axis(test, best, axis=-2)[..., 0, :]
