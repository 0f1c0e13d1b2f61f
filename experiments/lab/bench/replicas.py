"""Speed and agreement of replicas trained together, on the CPU and on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from experiments.lab.bench.timing import Say, seconds


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
