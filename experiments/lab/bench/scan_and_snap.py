"""Speed of the Scan and Snap model: token counts against one-hot tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def one_hot_step(task: Any, batch: int, every_position: bool) -> Callable[[], None]:
    """One momentum step of the Scan and Snap model as one writes it first: one-hot tokens, M x M matrices, autograd.

    b = softmax(X Z^T x_T), c = X^T b, logits Y^T c / |c|. `every_position` computes X Z^T, as self-attention does for
    all positions at once, before it picks the query; otherwise Z^T x_T comes first.
    """
    import torch
    from torch.nn import functional as F

    size, law, query = task.vocabulary, torch.tensor(task.law), torch.from_numpy(task.contextual + task.query)
    params = [torch.zeros(size, size, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD(params, lr=1.0, momentum=0.9)

    def step() -> None:
        y, z = params
        n = torch.randint(task.classes, (batch,))
        x = F.one_hot(torch.multinomial(law[n], task.length - 1, replacement=True), size).to(y.dtype)
        last = F.one_hot(query[n], size).to(y.dtype)[..., None]
        b = torch.softmax((x @ z.T) @ last if every_position else x @ (z.T @ last), dim=-2)
        c = (x.transpose(-1, -2) @ b).squeeze(-1)
        loss = F.cross_entropy(c / c.norm(dim=-1, keepdim=True) @ y, torch.from_numpy(task.target)[n])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


@one_thread()
def token_counts(device: str, say: Say) -> None:
    """Scan and Snap, a momentum step and its data, batch 128, T = 128: token counts against one-hot, one thread."""
    import torch

    from toy_tasks.scan_and_snap import CountModel, ScanAndSnap
    from toy_tasks.simulator import SGD
    from toy_tasks.simulator.engine import Chunk, Plan

    for task in (ScanAndSnap.syn_small(), ScanAndSnap.syn_medium(3), ScanAndSnap.syn_medium(10)):
        times = {}
        for replicas in (1, 32):
            rule, where = SGD({"Y": 1.0, "Z": 1.0}, momentum=0.9), torch.device("cpu")
            plan = Plan(task, CountModel().sized_for(task), rule, 128, 1, None, (0,), where, torch.float32)
            chunk = Chunk(plan, list(range(replicas)), {"model": {}, "optimizer": {}})
            times[replicas] = seconds(chunk.advance, repeats=9) / replicas
        among, alone = times[32], times[1]
        say(f"  M={task.vocabulary:>3}: {among * 1e3:.2f} ms a replica-step among 32, {alone * 1e3:.2f} ms alone")
        for what, every in (("at every position", True), ("at the query alone", False)):
            plain = seconds(one_hot_step(task, 128, every), repeats=9)
            say(f"    one-hot {what}: {plain * 1e3:.1f} ms, ratios {plain / among:.0f} and {plain / alone:.0f}")
