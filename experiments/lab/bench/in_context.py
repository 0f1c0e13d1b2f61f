"""Speed of in-context classification: sequences, the last token alone, and 256 replicas on a GPU."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from experiments.lab.bench.timing import Say, seconds
from toy_tasks.threads import one_thread


def sequence_loop(task: Any, sequences: int, rng: np.random.Generator) -> list[Any]:
    """Novel-class sequences as one writes them first: Python loops over sequences and tokens, numpy draws."""
    scale, batch = task.dimension**-0.5, []
    means = rng.normal(size=(task.novel_classes, task.dimension)) * scale
    labels = rng.normal(size=(task.labels, task.dimension)) * scale
    for _ in range(sequences):
        chosen = []
        for label in rng.choice(task.labels, task.context_classes, replace=False):
            chosen += [rng.choice(np.arange(label, task.novel_classes, task.labels))] * task.burstiness
        order = rng.permutation(chosen)
        target = rng.choice(order)
        shift, rows = rng.integers(2 * (task.window - task.pairs) + 1), []
        for k in [*order, target]:
            item = means[k] + task.within_class * scale * rng.normal(size=task.dimension)
            for content in (item / np.sqrt(1 + task.within_class**2), labels[k % task.labels]):
                row = np.zeros(task.width)
                row[task.positions :] = content
                rows.append(row)
        rows.pop()  # the target's label is the answer
        for i, row in enumerate(rows):
            row[shift + i] = 1
        batch.append((np.array(rows), target % task.labels))
    return batch


@one_thread()
def in_context_sequences(device: str, say: Say) -> None:
    """Sequences of novel classes, one thread: keyed draws against a numpy loop, CPU time."""
    from toy_tasks.in_context_classification import InContextClassification
    from toy_tasks.randomness import Key

    sizes = {"published size": InContextClassification(novel=1.0), "small": InContextClassification.small()}
    for size, task in sizes.items():
        for batch in (128, 2048):
            fast = seconds(partial(task.sample, Key.of((0,)), batch), repeats=9, clock=time.process_time)
            loop = partial(sequence_loop, task, batch, np.random.default_rng(0))
            slow = seconds(loop, repeats=3, clock=time.process_time)
            say(f"  {size}, {batch}: {fast * 1e3:.1f} ms against {slow * 1e3:.0f} ms, ratio {slow / fast:.1f}")
            if size == "published size" and batch == 128:
                compiled = compiled_seconds(task, batch)
                say(f"    compiled: {compiled * 1e3:.1f} ms, ratio {slow / compiled:.1f}")


def compiled_seconds(task: Any, batch: int) -> float:
    """CPU time of the compiled generator, as a GPU run compiles it; here it takes a C++ compiler and half a minute."""
    import torch

    from toy_tasks.randomness import DATA, Key

    seeds, step = torch.zeros(1, dtype=torch.int32), torch.tensor(0)
    sample = torch.compile(lambda seeds, step: task.sample(Key(seeds, DATA, step), batch), dynamic=False)
    return seconds(lambda: sample(seeds, step), repeats=9, clock=time.process_time)


@one_thread()
def in_context_step(device: str, say: Say) -> None:
    """A gradient of the attention-only classifier at the published size, batch 128, one thread: last token or all."""
    import torch

    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextClassification
    from toy_tasks.randomness import Key

    task = InContextClassification(novel=1.0)
    batch = {name: x[0] for name, x in task.sample(Key.of((0,)), 128).items()}
    times = {}
    for everywhere in (False, True):
        model = AttentionOnlyClassifier(everywhere=everywhere).sized_for(task)
        params = {name: p[0].float() for name, p in model.init(Key.of((0,))).items()}
        gradient = torch.func.grad(model.loss)
        times[everywhere] = seconds(partial(gradient, params, batch), repeats=9)
    last, all_tokens = times[False], times[True]
    say(f"  {last * 1e3:.1f} ms against {all_tokens * 1e3:.1f} ms, ratio {all_tokens / last:.2f}")


def published_chunk(device: str, replicas: int, *, everywhere: bool = False, dtype: Any = None) -> Any:
    """The published network and task (N = 8, L = 32, D = 63, novel classes), 128 sequences a step, plain descent."""
    import torch

    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextClassification, InContextMeasures
    from toy_tasks.simulator import SGD
    from toy_tasks.simulator.engine import Chunk, Plan

    task = InContextClassification(novel=1.0)
    model = AttentionOnlyClassifier(everywhere=everywhere).sized_for(task)
    optimizer = SGD(0.3, weight_decay=1e-6 / 0.3)
    where = torch.device(device)
    plan = Plan(task, model, optimizer, 128, 500, InContextMeasures(model), (0,), where, dtype or torch.float32)
    return Chunk(plan, list(range(replicas)), {"model": {}, "optimizer": {}})


def in_context_replicas(device: str, say: Say) -> None:
    """256 replicas at the published size on a GPU: a compiled and captured step, and 10,000 steps with all measures."""
    import torch

    from toy_tasks.simulator.capture import Graph

    def rate(everywhere: bool) -> float:
        runner = Graph(published_chunk(device, 256, everywhere=everywhere), compiled=True)

        def block() -> None:
            for _ in range(20):
                runner.advance()

        return seconds(block, wait=torch.cuda.synchronize) / 20 / 256 * 1e6

    precision = torch.get_float32_matmul_precision()
    try:
        for name, products in (("float32", "highest"), ("TF32", "high")):
            torch.set_float32_matmul_precision(products)
            say(f"  {name}: {rate(False):.1f} us a replica-step, all tokens {rate(True):.1f} us")
            torch.cuda.empty_cache()
        whole_run(device, say)
    finally:
        torch.set_float32_matmul_precision(precision)
    in_context_agreement(device, say)


def whole_run(device: str, say: Say) -> None:
    """256 seeds, 10,000 steps, four learning rates by turns, measures every 100 steps, as `simulate` does it."""
    import torch

    from toy_tasks.in_context_classification import AttentionOnlyClassifier, InContextClassification, InContextMeasures
    from toy_tasks.simulator import SGD, simulate

    task = InContextClassification(novel=1.0)
    model = AttentionOnlyClassifier().sized_for(task)
    rates = np.tile([0.3, 0.1, 0.03, 0.01], 64)
    start = time.perf_counter()
    trained = simulate(
        task, model, SGD(rates, weight_decay=1e-6 / rates), seeds=range(256), steps=10_000, batch=128, record=100,
        measures=InContextMeasures(model), evaluation=500, device=device,
    )  # fmt: skip
    torch.cuda.synchronize()
    took = time.perf_counter() - start
    say(f"  256 seeds x 10,000 steps, TF32: {took:.0f} s in all, {took / 2.56:.1f} us a replica-step; {trained.engine}")
    above = trained["accuracy"] > 0.9
    for rate in rates[:4]:
        rows = above[rates == rate]
        first = np.array(trained.steps)[rows.int().argmax(dim=1).numpy()][rows.any(dim=1).numpy()]
        median = f", median first step {np.median(first):.0f}" if len(first) else ""
        say(f"    learning rate {rate}: {len(first)} of {len(rows)} seeds reach an accuracy of 0.9{median}")


def in_context_agreement(device: str, say: Say) -> None:
    """4 replicas on the GPU against float64 on the CPU, 50 steps."""
    import torch

    from toy_tasks.simulator.capture import Eager, Graph

    def trained(where: str, dtype: Any) -> Any:
        chunk = published_chunk(where, 4, dtype=dtype)
        runner = Eager(chunk) if where == "cpu" else Graph(chunk, compiled=True)
        for _ in range(50):
            runner.advance()
        return chunk

    reference = trained("cpu", torch.float64)
    for dtype in (torch.float64, torch.float32):
        chunk = trained(device, dtype)
        pairs = ((chunk.params[k].cpu().double(), p) for k, p in reference.params.items())
        error = max(float((a - b).norm() / b.norm()) for a, b in pairs)
        same = bool((chunk.batch()["labels"].cpu() == reference.batch()["labels"]).all())
        say(f"  {str(dtype)[6:]} against float64 on the CPU, 50 steps: parameters {error:.1e}, labels equal: {same}")
