"""Speed of training attention to select tokens: all runs together against one by one."""

from __future__ import annotations

from functools import partial
from typing import Any

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def attention_loop(problem: Any, steps: int, factors: bool) -> None:
    """One token selection run as one writes it first: float64 modules, autograd, normalised descent step by step."""
    import torch

    d, eps = problem.tokens.shape[-1], torch.finfo(torch.float64).eps
    layers = [torch.nn.Linear(d, d, bias=False, dtype=torch.float64) for _ in range(2 if factors else 1)]
    parameters = [layer.weight for layer in layers]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    x, z, y, v = problem.tokens[0], problem.queries[0][:, None], problem.labels[0], problem.head.vector[0]
    for _ in range(steps):
        optimizer.zero_grad()
        query = layers[1](z) if factors else z
        attention = torch.softmax(query @ layers[0](x).transpose(-2, -1), dim=-1)
        loss = torch.log(1 + torch.exp(-y * (attention @ x @ v)[:, 0])).mean()
        if factors:
            loss = loss + eps * sum(p.norm() ** 2 for p in parameters)
        loss.backward()
        for p in parameters:
            assert p.grad is not None
            p.grad /= p.grad.norm() + eps
        optimizer.step()


@one_thread()
def token_selection(device: str, say: Say) -> None:
    """Token selection, 100 runs of 2000 steps (n = 6, T = 8, d = 10) together against one by one, one thread."""
    from toy_tasks.token_selection import (
        Factors,
        KernelWeights,
        NormalizedDescent,
        linear_layer,
        linear_problems,
        train,
    )

    runs, steps, few = 100, 2000, 100
    problems = linear_problems(range(runs), sequences=6, length=8, dim=10)
    first, second = (linear_layer(range(runs), 10, 10, split=split) for split in (0, 1))
    rule = NormalizedDescent(0.1)
    for what, parameters in (("W", KernelWeights(first)), ("K, Q", Factors(first, second))):
        alone = seconds(partial(attention_loop, problems, few, what != "W"), repeats=3) * steps / few * runs
        for mode in ("author", "stable"):
            together = seconds(partial(train, problems, parameters, rule, steps=steps, mode=mode), repeats=1)
            say(f"  {what}, {mode}: {together:.2f} s against {alone:.0f} s, ratio {alone / together:.0f}")
