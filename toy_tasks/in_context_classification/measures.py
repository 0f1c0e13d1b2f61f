"""What to record of a network on these sequences: accuracies, and how much of an induction head there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap

from toy_tasks.in_context_classification.classifier import AttentionOnlyClassifier
from toy_tasks.in_context_classification.minimal import MinimalInductionHead
from toy_tasks.in_context_classification.task import InContextClassification
from toy_tasks.randomness import EVALUATION, Key
from toy_tasks.task import Batch
from toy_tasks.validation import count, seed_numbers

Params = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class InContextMeasures:
    """Measures of one replica, means over a batch:

    loss                cross-entropy of the target's label, nats
    accuracy            share of targets labelled right
    context_accuracy    share of predictions that are one of the context's labels
    previous_token      layer-1 attention of labels on their own items
    induction           layer-2 attention of the target on the labels of its own class
    label_attention     layer-2 attention of the target on all labels
    contrast            attention per label of the own class, less the mean on the other labels (0 where there are none)
    """

    model: AttentionOnlyClassifier | MinimalInductionHead

    def __call__(self, params: Params, batch: Batch) -> dict[str, Tensor]:
        """Values by name."""
        logits, heads = self.model.run(params, batch)
        guess, own = logits.argmax(dim=-1), batch["own"].to(logits.dtype)
        on_labels = heads.target[:, 1::2]
        on_own = (on_labels * own).sum(dim=-1)
        copies, others = own.sum(dim=-1), (1 - own).sum(dim=-1)
        contrast = on_own / copies.clamp(min=1) - (on_labels * (1 - own)).sum(dim=-1) / others.clamp(min=1)
        return {
            "loss": torch.nn.functional.cross_entropy(logits, batch["target"]),
            "accuracy": (guess == batch["target"]).to(logits.dtype).mean(),
            "context_accuracy": (guess[:, None] == batch["labels"][:, :-1]).any(dim=-1).to(logits.dtype).mean(),
            "previous_token": heads.first.diagonal(offset=-1, dim1=-2, dim2=-1)[:, 0::2].mean(),
            "induction": on_own.mean(),
            "label_attention": on_labels.sum(dim=-1).mean(),
            "contrast": torch.where((copies > 0) & (others > 0), contrast, 0.0).mean(),
        }


def evaluate(
    task: InContextClassification,
    measures: InContextMeasures,
    params: Params,
    *,
    seeds: Sequence[int],
    samples: int = 1000,
) -> dict[str, Tensor]:
    """Measures (replica,) of trained parameters (replica, ...) on another task of the same runs, such as one of
    `task.evaluation(...)`: seeds fix the embeddings, so they must be those of training.
    """
    seeds = seed_numbers("seeds", seeds)
    held = {len(p) for p in params.values()}
    if held != {len(seeds)}:
        raise ValueError(f"params must hold one row per seed ({len(seeds)}), got {sorted(held)}")
    device = next(iter(params.values())).device
    batch = task.sample(Key.of(seeds, EVALUATION, device=device), count("samples", samples))
    with torch.no_grad():
        return vmap(measures)(params, batch)
