"""Prompt and head trained together, each by normalised descent: f_i = v . X_i^T softmax(X_i p)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from toy_tasks.threads import one_thread
from toy_tasks.token_selection.gradients import LOSSES, pull
from toy_tasks.token_selection.heads import LinearHead
from toy_tasks.token_selection.problems import SelectionProblems
from toy_tasks.token_selection.rules import NormalizedDescent
from toy_tasks.validation import count, finite_tensor, increasing_steps


@dataclass(frozen=True, eq=False)
class JointlyTrained:
    """Recorded prompts p and heads v, both (r, k, d), at `steps` (k,)."""

    steps: tuple[int, ...]
    prompts: Tensor
    heads: Tensor


def train_jointly(
    tokens: Tensor,
    labels: Tensor,
    prompt: Tensor,
    head: Tensor,
    rule: NormalizedDescent,
    *,
    steps: int,
    record: int | Iterable[int] | None = None,
) -> JointlyTrained:
    """Minimise the mean logistic loss of r problems over prompt and head, both moving in every step.

    tokens (r, n, T, d), labels (r, n) of -1 and 1, initial prompt and head (r, d); `record` as in `train`. The prompt's
    gradient is exact at any norm; the head's underflows once labels are predicted with odds of e^700.
    """
    recorded = increasing_steps("record", record, count("steps", steps, least=0))
    p, v = finite_tensor("prompt", prompt, 2), finite_tensor("head", head, 2)
    queries = torch.ones(*labels.shape, 1, dtype=tokens.dtype)
    problems = SelectionProblems(tokens, queries, labels, LinearHead(v))
    if p.shape != v.shape:
        raise ValueError(f"prompt must have shape {tuple(v.shape)} as head, got shape {tuple(p.shape)}")
    found = []
    with one_thread():
        for step in range(steps + 1):
            if step in recorded:
                found.append((p, v))
            if step < steps:
                p, v = _moved(problems, p, v, rule)
    prompts, heads = (torch.stack(values, dim=1) for values in zip(*found, strict=True))
    return JointlyTrained(recorded, prompts, heads)


def _moved(problems: SelectionProblems, p: Tensor, v: Tensor, rule: NormalizedDescent) -> tuple[Tensor, Tensor]:
    logits, loss = problems.logits(p[..., None]), LOSSES["logistic"]
    gradient = pull(logits, problems.labels, LinearHead(v).along(problems.tokens), loss, True)
    toward = torch.einsum("rnt,rntd->rd", gradient.coefficients, problems.tokens)
    points = torch.einsum("rnt,rntd->rnd", torch.softmax(logits, dim=-1), problems.tokens)
    slope = problems.labels * loss.slope(problems.labels * torch.einsum("rnd,rd->rn", points, v))
    steps = toward, torch.einsum("rn,rnd->rd", slope, points)
    norms = torch.stack([torch.linalg.vector_norm(step, dim=-1) for step in steps])
    lengths = rule.lengths(norms, gradient.log_scale, None)[..., None]
    return p - lengths[0] * steps[0], v - lengths[1] * steps[1]
