"""Other programs that are lists of margins too: causal attention, a trainable prompt, and prompt with head.

Each function writes down the list; `solve` takes it from there. In the programs for a prompt p the weights are a
column (d, 1): a_k^T p >= b_k, every query being the number 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from theory.attention_svm.checks import float_tensor, indices
from theory.attention_svm.problem import Margins, TokenSelection
from theory.attention_svm.solver import Solution, solve


def causal_margins(tokens: Tensor, selected: Tensor) -> Margins:
    """Every position t >= 1 attends to tokens 0..t and selects one: (x_{sel(t)} - x_s)^T W x_t >= 1 for s <= t.

    tokens (..., n, T, d) with T >= 2; selected (..., n, T) with selected[..., t] <= t. Constraints run over sequences,
    then t, then s != sel(t) ascending: m = n T (T - 1) / 2. Raises `ValueError` for a selected token in the future.
    """
    x = float_tensor("tokens", tokens, 3)
    *leading, n, length, _ = x.shape
    if length < 2:
        raise ValueError(f"tokens must have shape (..., n, T, d) with T >= 2, got shape {tuple(x.shape)}")
    chosen = indices("selected", selected, (*leading, n, length), below=length).to(x.device)
    future = chosen > torch.arange(length, device=x.device)
    if future.any():
        raise ValueError(f"selected must not lie after its position, got {chosen[future][0].item()}")
    lists = []
    for t in range(1, length):
        queries = torch.ones_like(x[..., t, :])  # only the tokens matter here: the queries follow below
        lists.append(TokenSelection(x[..., : t + 1, :], queries, chosen[..., t]).differences)
    rows = torch.cat(lists, dim=-2).flatten(-3, -2)
    position = torch.cat([torch.full((t,), t) for t in range(1, length)])
    owner = (torch.arange(n)[:, None] * length + position).flatten()
    return Margins(rows, x.flatten(-3, -2).to(rows.dtype), owner)


def prompt_margins(keys: Tensor, selected: Tensor, bounds: Tensor | None = None) -> Margins:
    """The program for a trainable prompt p (d, 1): p^T (k_{i,alpha_i} - k_it) >= b_i for t != alpha_i.

    keys (..., n, T, d), the tokens after the key matrix; selected (..., n); bounds (..., n) >= 0, by default 1.
    """
    keys = float_tensor("keys", keys, 3)
    selection = TokenSelection(keys, torch.ones_like(keys[..., 0, :]), selected).margins(bounds)
    return Margins(selection.rows, torch.ones_like(selection.queries[..., :1]), selection.owner, selection.bounds)


def head_margins(tokens: Tensor, labels: Tensor) -> Margins:
    """The program for a head v (d, 1) without intercept on one token per sequence: Y_i v^T x_i >= 1.

    tokens (..., n, d); labels (..., n) in {-1, 1}.
    """
    tokens, labels = float_tensor("tokens", tokens, 2), float_tensor("labels", labels, 1)
    if labels.shape != tokens.shape[:-1]:
        raise ValueError(f"labels must have shape {tuple(tokens.shape[:-1])}, got shape {tuple(labels.shape)}")
    if (labels.abs() != 1).any():
        raise ValueError(f"labels must be -1 or 1, got {labels[labels.abs() != 1][0].item()}")
    rows = labels[..., None] * tokens
    return Margins(rows, torch.ones_like(rows[..., :1]))


@dataclass(frozen=True, eq=False)
class JointSolution:
    """Head and prompt trained together: the head's max-margin solution, then the prompt's with relaxed bounds."""

    head: Solution
    prompt: Solution


def joint_margins(tokens: Tensor, keys: Tensor, labels: Tensor, selected: Tensor) -> JointSolution:
    """Where joint training of head v and prompt p is predicted to go, in the exact selection `selected`.

    First min ||v|| with Y_i v^T x_{i,alpha_i} >= 1; then min ||p|| with bound 1 on the sequences that are support
    vectors of v and bound 0 on the others. tokens and keys (..., n, T, d), labels and selected (..., n).
    Raises `ValueError` where the head's program is infeasible.
    """
    x = float_tensor("tokens", tokens, 3)
    index = indices("selected", selected, tuple(x.shape[:-2]), below=x.shape[-2])
    chosen = x.gather(-2, index[..., None, None].expand(*index.shape, 1, x.shape[-1]))[..., 0, :]
    head = solve(head_margins(chosen, labels))
    if not head.feasible.all():
        raise ValueError("labels must be separable on the selected tokens without intercept, got an infeasible program")
    return JointSolution(head, solve(prompt_margins(keys, selected, head.support.to(torch.float64))))
