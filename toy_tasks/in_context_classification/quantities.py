"""What is known exactly of the sequences: how far copying a label, a perfect head or a perfect memory gets.

Monte Carlo where it says so; all else in closed form or by quadrature to about 1e-10.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from toy_tasks.in_context_classification.task import InContextClassification
from toy_tasks.randomness import EVALUATION, Key
from toy_tasks.validation import count


class Occurrence(NamedTuple):
    """Probabilities that the target's class, and its label, occur in the context by chance."""

    class_: float
    label: float


def copy_accuracy(task: InContextClassification) -> float:
    """P(a context label picked at random is the target's), over the task's mixture of sequences.

    Bursty with distinct labels B/N; with independent classes B/N + (1 - B/N) sum_l P_l^2; not bursty sum_l P_l^2. For
    independent novel classes P_l is their own share of labels.
    """
    hit = task.burstiness / task.pairs
    by_chance = float((task.label_law**2).sum())
    if task.distinct_labels:
        bursty = fresh = hit
    else:
        of_label = np.bincount(np.arange(task.novel_classes) % task.labels, minlength=task.labels) / task.novel_classes
        bursty, fresh = (hit + (1 - hit) * p for p in (by_chance, float((of_label**2).sum())))
    return task.novel * fresh + (1 - task.novel) * (task.bursty * bursty + (1 - task.bursty) * by_chance)


def occurrence_probabilities(task: InContextClassification) -> Occurrence:
    """In a sequence that is not bursty: 1 - sum_k P_k (1 - P_k)^N, for classes and for labels."""

    def by_chance(law: np.ndarray) -> float:
        return 1 - float(law @ (1 - law) ** task.pairs)

    return Occurrence(by_chance(task.class_law), by_chance(task.label_law))


def ideal_head_accuracy(task: InContextClassification) -> float:
    """Of picking the class whose B copies have the largest total inner product with the target, novel classes.

    Conditioned on the target's length R / sqrt D, R ~ chi_D, scores are independent normals: with rho = 1/(1 + eps^2),

        E_R integral phi(u) Phi((B rho R + sqrt(Vm) u) / sqrt V)^(N/B - 1) du,
        V = B + B (B-1) rho,    Vm = B (1 - rho^2) + B (B-1) (rho - rho^2).
    """
    copies, rho = task.burstiness, 1 / (1 + task.within_class**2)
    variance = copies + copies * (copies - 1) * rho
    own = copies * (1 - rho**2) + copies * (copies - 1) * (rho - rho**2)
    return _winning(
        task.dimension, copies * rho / math.sqrt(variance), math.sqrt(own / variance), task.context_classes - 1
    )


def ideal_memory_accuracy(task: InContextClassification) -> float:
    """Of the label of the class whose true mean has the largest inner product with the target, equally likely classes.

    A wrong class has the right label with probability (K/L - 1)/(K - 1).
    """
    slope, others = 1 / math.sqrt(1 + task.within_class**2), task.classes - 1
    right = _winning(task.dimension, slope, math.sqrt(1 - slope**2), others)
    return right + (1 - right) * (task.classes / task.labels - 1) / others if others else right


def _winning(dimension: int, slope: float, spread: float, others: int) -> float:
    """E_R E_u Phi(slope R + spread u)^others for R ~ chi_dimension and u standard normal."""
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(200))
    low, high = max(0.0, math.sqrt(dimension) - 9), math.sqrt(dimension) + 9
    radius, u = low + (high - low) * (nodes + 1) / 2, 9 * nodes
    density = (dimension - 1) * torch.log(radius) - radius**2 / 2
    density = torch.softmax(density + torch.log(weights), dim=0)
    bell = torch.softmax(-(u**2) / 2 + torch.log(weights), dim=0)
    won = torch.special.log_ndtr(slope * radius[:, None] + spread * u) * others
    return float(density @ torch.exp(won) @ bell)


def bayes_accuracy(task: InContextClassification, *, samples: int, seed: int = 0) -> float:
    """Of the best rule for novel classes in bursty sequences with distinct labels, by Monte Carlo; unit_norm excluded.

    Given B copies of a class the target is normal with mean rho sum_j x_j / (1 + (B-1) rho) and a variance that is the
    same for all classes: the nearest mean is the likeliest.
    """
    if task.unit_norm or not task.distinct_labels:
        raise ValueError(f"task must have distinct_labels and not unit_norm, got {task!r}")
    batch = task.evaluation("in_context").sample(Key.of((seed,), EVALUATION), count("samples", samples))
    items = batch["inputs"][0, :, 0::2, task.positions :].to(torch.float64)
    classes, rho = batch["classes"][0], 1 / (1 + task.within_class**2)
    same = (classes[:, :-1, None] == classes[:, None, :-1]).to(torch.float64)
    means = rho / (1 + (task.burstiness - 1) * rho) * (same @ items[:, :-1])
    distance = (items[:, -1:] - means).square().sum(dim=-1)
    best: Tensor = distance.argmin(dim=-1)
    return float(batch["own"][0].gather(-1, best[:, None]).to(torch.float64).mean())
