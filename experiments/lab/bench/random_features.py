"""Speed of random-feature attention: blocks of heads against one head at a time, blocks of inputs against pairs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def head_by_head(weights: Any, query: Any, keys: Any) -> Any:
    """Features (n, M (d + 1)) as one writes them first: a loop over the matrices (M, d + 1, d + 1)."""
    import torch

    x0, x = (torch.nn.functional.pad(tokens, (0, 1), value=1.0) for tokens in (query, keys))
    features = []
    for w in weights:
        attention = torch.relu(torch.einsum("nd,de,nie->ni", x0, w, x))
        features.append(torch.einsum("ni,nie->ne", attention, x) / keys.shape[1])
    return torch.cat(features, dim=-1) / len(weights) ** 0.5


@one_thread()
def random_heads(device: str, say: Say) -> None:
    """Features of 512 heads at 300 inputs, d = N = 16, float64, heads drawn by key: in blocks and one by one."""
    import torch

    from toy_tasks.random_feature_attention import AttentionHeads, AttentionRegression
    from toy_tasks.randomness import Key

    key, layer = Key.of((0,)), AttentionHeads(512)
    drawn = AttentionRegression().sample(key, 300)
    query, keys = drawn["query"], drawn["keys"]
    weights = torch.randn(512, 17, 17, dtype=torch.float64) / 2
    fast = seconds(lambda: layer.features(key, query, keys))
    slow = seconds(lambda: head_by_head(weights, query[0], keys[0]), repeats=3)
    say(f"  features: {fast * 1e3:.0f} ms with the drawing of heads, one by one {slow * 1e3:.0f}: {slow / fast:.1f}")
    inner = seconds(lambda: layer.inner_products(key, query, keys, 300))
    say(f"  inner products of all pairs without the matrix of features: {inner * 1e3:.0f} ms")


@one_thread()
def gram_blocks(device: str, say: Say) -> None:
    """Kernel matrix of 200 inputs, d = N = 16, infinitely many heads: in blocks of inputs and pair by pair."""
    from theory.random_features import attention_gram, attention_kernel
    from toy_tasks.random_feature_attention import AttentionRegression
    from toy_tasks.randomness import Key

    drawn = AttentionRegression().sample(Key.of((0,)), 200)
    x0, x = drawn["query"][0].numpy(), drawn["keys"][0].numpy()

    def pair_by_pair() -> np.ndarray:
        return np.array([[attention_kernel(x0[i], x[i], x0[j], x[j]) for j in range(i + 1)] for i in range(40)], object)

    slow = seconds(pair_by_pair, repeats=1) / (40 * 41 / 2)
    for omega in (0.0, 1.0):
        fast = seconds(partial(attention_gram, x0, x, omega=omega), repeats=3) / (200 * 201 / 2)
        ratio = f", pair by pair {slow * 1e6:.1f}, ratio {slow / fast:.1f}" if omega == 0 else ""
        whole = fast * 3000 * 3001 / 2
        say(f"  omega = {omega:g}: {fast * 1e6:.1f} us a pair{ratio}; 3000 inputs take {whole:.0f} s at that speed")
