"""Sequences of items and labels, and a last item to be labelled (Reddy 2024, as read from public code)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from toy_tasks.randomness import RUN, CategoricalRows, Key
from toy_tasks.task import Batch
from toy_tasks.validation import choice, count, scalar

Evaluation = Literal["training", "in_context", "in_context_flipped", "in_weights"]


@dataclass(frozen=True)
class InContextClassification:
    """N pairs of an item and its label, then a target item; class k has label k mod L.

    classes, labels     K classes, a multiple of the L labels.
    dimension           D of an embedding; those of labels and the means of classes are N(0, I/D), drawn once per run.
    pairs, window       N pairs, placed by a random shift into a window that holds `window` of them and a target.
    within_class        eps: an item of class k is (mu_k + eps eta) / sqrt(1 + eps^2), eta ~ N(0, I/D).
    burstiness          B copies of each of N/B classes in a bursty sequence, whose target is of one of them.
    bursty              the share of bursty sequences; in the others all N + 1 classes are independent draws.
    novel               the share of sequences, bursty ones, of classes never seen before: `novel_classes` new means are
                        drawn at every step.
    zipf                exponent a of the class law P_k ~ k^-a. It has no effect on bursty sequences whose labels are
                        distinct.
    distinct_labels     whether the classes of a bursty sequence have different labels, drawn uniformly (as published);
                        otherwise they are independent draws of the class law.
    flipped             show, and ask for, label l + 1 mod L in place of l: contradicts the weights, not the context.
    unit_norm           scale class means and label embeddings to length 1.
    """

    classes: int = 128
    labels: int = 32
    dimension: int = 63
    pairs: int = 8
    window: int = 32
    within_class: float = 0.1
    burstiness: int = 1
    bursty: float = 1.0
    novel: float = 0.0
    zipf: float = 0.0
    distinct_labels: bool = True
    novel_classes: int = 128
    flipped: bool = False
    unit_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("classes", "labels", "dimension", "pairs", "window", "burstiness", "novel_classes"):
            count(name, getattr(self, name))
        for name in ("bursty", "novel"):
            scalar(name, getattr(self, name), low=0, high=1)
        for name in ("within_class", "zipf"):
            scalar(name, getattr(self, name), low=0)
        if self.classes % self.labels:
            raise ValueError(f"classes must be a multiple of labels = {self.labels}, got {self.classes}")
        if self.novel_classes < self.labels:
            raise ValueError(f"novel_classes must be >= labels = {self.labels}, got {self.novel_classes}")
        if self.pairs > self.window:
            raise ValueError(f"pairs must be at most window = {self.window}, got {self.pairs}")
        if self.pairs % self.burstiness:
            raise ValueError(f"burstiness must divide pairs = {self.pairs}, got {self.burstiness}")
        if self.distinct_labels and self.context_classes > self.labels:
            raise ValueError(
                f"pairs / burstiness must be at most labels = {self.labels} for distinct labels, got {self.pairs} / "
                f"{self.burstiness}"
            )

    @classmethod
    def small(cls) -> InContextClassification:
        """L = 16, D = 16, N = 4, no shift, novel classes only: an induction head in seconds on a CPU."""
        return cls(classes=64, labels=16, dimension=16, pairs=4, window=4, novel=1.0)

    @property
    def context_classes(self) -> int:
        """N / B, the classes of a bursty sequence."""
        return self.pairs // self.burstiness

    @property
    def length(self) -> int:
        """T = 2 N + 1 tokens."""
        return 2 * self.pairs + 1

    @property
    def positions(self) -> int:
        """2 window + 1 entries of the one-hot position."""
        return 2 * self.window + 1

    @property
    def width(self) -> int:
        """E, the length of an input vector: position and content."""
        return self.positions + self.dimension

    @cached_property
    def class_law(self) -> np.ndarray:
        """(K,) the probability of each class in a sequence that is not bursty."""
        weights = np.arange(1, self.classes + 1, dtype=np.float64) ** -self.zipf
        law = weights / weights.sum()
        law.setflags(write=False)
        return law

    @cached_property
    def label_law(self) -> np.ndarray:
        """(L,) the probability of each label there."""
        return self.class_law.reshape(-1, self.labels).sum(axis=0)

    def evaluation(self, which: Evaluation) -> InContextClassification:
        """As in training; novel classes; known classes with flipped labels; contexts that do not help."""
        match choice("which", which, ("training", "in_context", "in_context_flipped", "in_weights")):
            case "in_context":
                return replace(self, bursty=1.0, novel=1.0)
            case "in_context_flipped":
                return replace(self, bursty=1.0, novel=0.0, flipped=True)
            case "in_weights":
                return replace(self, bursty=0.0, novel=0.0)
        return self

    def sample(self, key: Key, batch: int) -> Batch:
        """Per replica and sequence, with leading axes (..., batch):

        inputs (T, E) float32     one-hot position, then content: items and labels by turns, the target last
        classes (N + 1,)          of the items, the target's last; novel classes are K, K + 1, ...
        labels (N + 1,)           as shown and asked for
        target ()                 the label to predict, labels[N]
        own (N,)                  whether a context item is of the target's class
        """
        classes = self._classes(key, count("batch", batch))
        labels = torch.where(classes < self.classes, classes, classes - self.classes) % self.labels
        labels = (labels + 1) % self.labels if self.flipped else labels
        return {
            "inputs": torch.cat([self._positions(key, batch), self._contents(key, classes, labels)], dim=-1),
            "classes": classes,
            "labels": labels,
            "target": labels[..., -1],
            "own": classes[..., :-1] == classes[..., -1:],
        }

    def means(self, key: Key) -> Tensor:
        """(..., K, D) of the known classes. Drawn once per run: they depend on the seed of the key alone."""
        return self._embeddings(Key(key.seed, RUN).split(0), self.classes)

    def label_embeddings(self, key: Key) -> Tensor:
        """(..., L, D), drawn once per run."""
        return self._embeddings(Key(key.seed, RUN).split(1), self.labels)

    # ------------------------------------------------------------------------------------------------ classes

    def _classes(self, key: Key, batch: int) -> Tensor:
        """(..., batch, N + 1)."""
        novel = _coins(key.split(0), batch, self.novel)
        chosen = self._bursty(key.split(2), batch, novel)
        if self.bursty < 1 and self.novel < 1:
            helped = novel | _coins(key.split(1), batch, self.bursty)
            chosen = torch.where(helped[..., None], chosen, self._draw(key.split(3), batch, self.pairs + 1))
        return chosen

    def _bursty(self, key: Key, batch: int, novel: Tensor) -> Tensor:
        """N/B classes, each B times in random order, and the class of a random one of the N items."""
        n = self.context_classes
        if self.distinct_labels:
            label = key.split(0).uniform(batch, self.labels).argsort(dim=-1)[..., :n]
            of_label = torch.where(
                novel[..., None],
                (self.novel_classes - 1 - label) // self.labels + 1,
                torch.full_like(label, self.classes // self.labels),
            )
            distinct = label + self.labels * (key.split(1).integers(batch, n) * of_label >> 31)
            distinct = torch.where(novel[..., None], distinct + self.classes, distinct)
        else:
            fresh = self.classes + (key.split(1).integers(batch, n) * self.novel_classes >> 31)
            distinct = torch.where(novel[..., None], fresh, self._draw(key.split(0), batch, n))
        order = key.split(2).uniform(batch, self.pairs).argsort(dim=-1)
        context = distinct.repeat_interleave(self.burstiness, dim=-1).gather(-1, order)
        place = key.split(3).integers(batch, 1) * self.pairs >> 31
        return torch.cat([context, context.gather(-1, place)], dim=-1)

    @cached_property
    def _law(self) -> CategoricalRows:
        return CategoricalRows(self.class_law[None])

    def _draw(self, key: Key, *shape: int) -> Tensor:
        """Independent draws of the class law."""
        integers = key.integers(*shape)
        return self._law.draw(torch.zeros_like(integers), integers)

    # ----------------------------------------------------------------------------------------------- contents

    def _embeddings(self, key: Key, number: int) -> Tensor:
        """(..., number, D) with entries N(0, 1/D)."""
        drawn = key.normal(number, self.dimension, dtype=torch.float32) / math.sqrt(self.dimension)
        return torch.nn.functional.normalize(drawn, dim=-1) if self.unit_norm else drawn

    def _contents(self, key: Key, classes: Tensor, labels: Tensor) -> Tensor:
        """(..., batch, T, D)."""
        tables = [self.means(key)] if self.novel < 1 else []
        tables += [self._embeddings(key.split(4), self.novel_classes)] if self.novel > 0 else []
        items = _rows(torch.cat(tables, dim=-2), classes - (0 if self.novel < 1 else self.classes))
        if self.within_class > 0:
            noise = key.split(5).normal(*items.shape[key.seed.dim() :], dtype=torch.float32)
            spread = self.within_class / math.sqrt(self.dimension)
            items = (items + spread * noise) / math.sqrt(1 + self.within_class**2)
        shown = _rows(self.label_embeddings(key), labels[..., :-1])
        pairs = torch.stack([items[..., :-1, :], shown], dim=-2).flatten(-3, -2)
        return torch.cat([pairs, items[..., -1:, :]], dim=-2)

    def _positions(self, key: Key, batch: int) -> Tensor:
        """(..., batch, T, P): token i at a random shift + i."""
        shift = key.split(6).integers(batch) * (2 * (self.window - self.pairs) + 1) >> 31
        eye = torch.eye(self.positions, device=shift.device)
        return eye[shift[..., None] + torch.arange(self.length, device=shift.device)]


def _coins(key: Key, batch: int, probability: float) -> Tensor:
    """(..., batch) of independent truth values; nothing is drawn where they are certain."""
    if probability in (0, 1):
        shape = (*key.seed.shape, batch)
        return torch.full(shape, probability == 1, device=key.seed.device)
    return key.uniform(batch) < probability


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """(..., b, n, D) the rows of each replica's table (..., M, D) that index (..., b, n) names."""
    flat = index.flatten(-2)
    rows = table.gather(-2, flat[..., None].expand(*flat.shape, table.shape[-1]))
    return rows.unflatten(-2, index.shape[-2:])
