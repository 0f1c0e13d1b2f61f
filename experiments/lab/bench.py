"""Speed as ratios: the package's way against a plain reference, on one machine, in one run.

Needs torch and numpy only, so that it runs on a bare GPU machine. Absolute times depend on the machine; the ratios are
what may be quoted, with the machine.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.lab.bench_random_features import gram_blocks, random_heads
from experiments.lab.timing import Say, one_thread, seconds


def plain_loop(task: Any, sequences: int, rng: np.random.Generator) -> list[list[int]]:
    """The Bigram-Backcopy generator as one writes it first: one numpy draw per token."""
    tokens, rows, copies = np.arange(task.vocabulary), task.next_token, set(task.trigger_ids)
    batch = []
    for _ in range(sequences):
        x = [task.begin]
        for j in range(task.length):
            x.append(x[j - 1] if x[j] in copies else int(rng.choice(tokens, p=rows[x[j]])))
        batch.append(x)
    return batch


def generator(device: str, say: Say) -> None:
    """512 sequences of 257 tokens: keyed vectorised sampling against the plain Python loop, one thread."""
    from toy_tasks.bigram_backcopy import BigramBackcopy, BigramTable
    from toy_tasks.randomness import Key

    task = BigramBackcopy(BigramTable.shakespeare(), 3, 256)
    with one_thread():
        fast = seconds(lambda: task.sample(Key.of((0,)), 512), repeats=9)
        slow = seconds(lambda: plain_loop(task, 512, np.random.default_rng(0)), repeats=3)
    say(f"generator 512x257: {fast * 1e3:.1f} ms against {slow * 1e3:.0f} ms, ratio {slow / fast:.0f}")


def tiny_replicas(device: str, say: Say) -> None:
    """Softmax regression of 10 features: 256 replicas together against one by one, CPU, float64."""
    import torch

    from toy_tasks.simulator import SGD, simulate
    from toy_tasks.task import NoData

    class Tiny:
        def init(self, key: Any) -> dict[str, torch.Tensor]:
            return {"w": key.normal(10)}

        def loss(self, params: dict[str, torch.Tensor], batch: Any) -> torch.Tensor:
            return torch.logsumexp(params["w"], dim=0) - params["w"][0]

    def train(chunk: int, replicas: int) -> Callable[[], Any]:
        return lambda: simulate(
            NoData(), Tiny(), SGD(0.1), seeds=range(replicas), steps=50, chunk=chunk, dtype=torch.float64
        )

    together, alone = seconds(train(256, 256)) / 256, seconds(train(1, 8)) / 8
    say(
        f"tiny model: {together * 2e4:.2f} us against {alone * 2e4:.0f} us a replica-step, ratio {alone / together:.0f}"
    )


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


def transformer_chunk(device: str, replicas: int, dtype: Any = None) -> Any:
    """W2: a 1-layer transformer (64 wide) on Bigram-Backcopy, 64 sequences of 64 tokens a step, AdamW."""
    import torch

    from toy_tasks.bigram_backcopy import BackcopyMeasures, BigramBackcopy, BigramTable
    from toy_tasks.simulator import AdamW, Transformer
    from toy_tasks.simulator.engine import Chunk, Plan

    task = BigramBackcopy(BigramTable.synthetic(), 3, 64)
    model = Transformer().sized_for(task)
    optimizer = AdamW(1e-3, beta2=0.99, weight_decay=1e-4)
    where, measures = torch.device(device), BackcopyMeasures(task, model)
    plan = Plan(task, model, optimizer, 64, 64, measures, (0,), where, dtype or torch.float32)
    return Chunk(plan, list(range(replicas)), {"model": {}, "optimizer": {}})


def gpu_replicas(device: str, say: Say) -> None:
    """W2 on a GPU: 256 replicas, compiled and captured, against one captured replica; replica-steps per second."""
    import torch

    from toy_tasks.simulator.capture import Graph

    def rate(replicas: int, compiled: bool, steps: int) -> float:
        start = time.perf_counter()
        runner = Graph(transformer_chunk(device, replicas), compiled=compiled)
        ready = time.perf_counter() - start

        def block() -> None:
            for _ in range(steps):
                runner.advance()

        took = seconds(block, wait=torch.cuda.synchronize) / steps / replicas
        what = f"  {runner.description:>14}, {replicas:>3} replicas"
        say(f"{what}: {took * 1e6:8.1f} us a replica-step (ready in {ready:.0f} s)")
        torch.cuda.empty_cache()
        return took

    single = rate(1, False, 50)
    captured = rate(256, False, 10)
    compiled = rate(256, True, 10)
    say(f"  against one captured replica: captured {single / captured:.1f}x, compiled {single / compiled:.1f}x")


def gpu_agreement(device: str, say: Say) -> None:
    """W2: 8 replicas on the GPU against float64 on the CPU, 100 steps; and a replica among 8 against among 64."""
    import torch

    from toy_tasks.simulator.capture import Eager, Graph

    def trained(where: str, replicas: int, dtype: Any, steps: int = 100) -> Any:
        chunk = transformer_chunk(where, replicas, dtype)
        runner = Eager(chunk) if where == "cpu" else Graph(chunk, compiled=dtype == torch.float32)
        for _ in range(steps):
            runner.advance()
        return chunk

    def error(chunk: Any, reference: Any) -> float:
        pairs = ((chunk.params[k].cpu().double()[:8], p.double()) for k, p in reference.params.items())
        return max(float((a - b).norm() / b.norm()) for a, b in pairs)

    reference = trained("cpu", 8, torch.float64)
    wide = trained(device, 64, torch.float32)
    narrow = trained(device, 8, torch.float32)
    same = torch.equal(reference.batch()["tokens"], narrow.batch()["tokens"].cpu())
    say(f"  data of step 100 equal to the CPU's: {same}")
    double = error(trained(device, 8, torch.float64), reference)
    say(f"  relative error after 100 steps against float64 on the CPU, largest parameter tensor: float64 {double:.1e},")
    loss = float((narrow.measured()["loss"].cpu().double() - reference.measured()["loss"]).abs().max())
    say(f"    float32 {error(narrow, reference):.1e}; largest error of the loss, float32: {loss:.1e} (8 seeds)")
    say(f"  a replica among 64 against among 8, float32: {error(wide, on_cpu(narrow)):.1e}")


def on_cpu(chunk: Any) -> Any:
    """The chunk with its parameters on the CPU in float64, to compare with."""
    chunk.params = {k: p.cpu().double() for k, p in chunk.params.items()}
    return chunk


ON_CPU = {
    "generator": generator,
    "tiny_replicas": tiny_replicas,
    "token_counts": token_counts,
    "random_heads": random_heads,
    "gram_blocks": gram_blocks,
}
ON_GPU = {"gpu_replicas": gpu_replicas, "gpu_agreement": gpu_agreement}


def run_benchmarks(device: str, only: str | None, say: Say) -> None:
    """Run all benchmarks of a device, or one by name; says the machine first."""
    import torch

    available = ON_CPU if device == "cpu" else ON_GPU
    if only is not None and only not in available:
        raise ValueError(f"only must be one of {', '.join(available)} on {device}, got {only!r}")
    if device != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"device must be available, got {device!r} on a machine without CUDA")
    card = (
        torch.cuda.get_device_name() if device != "cpu" else f"{platform.machine()}, {torch.get_num_threads()} threads"
    )
    say(f"{card}, torch {torch.__version__}, float32 products in {torch.get_float32_matmul_precision()!r} precision")
    for name, benchmark in available.items():
        if only in (None, name):
            say(f"{name}: {(benchmark.__doc__ or '').strip()}")
            benchmark(device, say)
