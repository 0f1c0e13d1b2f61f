"""What makes a GPU fast: the compiled step and its CUDA graph, with a ladder of fallbacks that says where it stopped.

compiled graph   gradient, update and data traced, compiled and captured, one replay per step
graph            the same operations captured uncompiled
eager            one launch per operation; always used on the CPU
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from toy_tasks.simulator.engine import Chunk

COMPILE_FROM = 500  # steps below which compiling (about a minute) cannot pay


class Runner(Protocol):
    """How a chunk's steps are executed; `description` names the rung of the ladder."""

    description: str
    advance: Callable[[], None]
    record: Callable[[], None]


class Eager:
    """Every operation launched by Python."""

    description = "eager"

    def __init__(self, chunk: Chunk) -> None:
        self.advance = chunk.advance
        self.record = chunk.record


class Graph:
    """One CUDA graph for a step and one for a record; both only touch the chunk's static buffers."""

    def __init__(self, chunk: Chunk, *, compiled: bool) -> None:
        self.description = "compiled graph" if compiled else "graph"
        advance = compiled_advance(chunk) if compiled else chunk.advance
        self.advance = captured(chunk, advance)
        self.record = captured(chunk, chunk.record)


def compiled_advance(chunk: Chunk) -> Callable[[], None]:
    """`chunk.advance` with its gradient-and-update traced and compiled; the sampler is compiled on its own."""
    from torch.fx.experimental.proxy_tensor import make_fx

    sample = torch.compile(chunk.batch, dynamic=False)
    traced = make_fx(lambda *arguments: chunk.moved(*arguments))(*chunk.inputs(), chunk.batch())
    move = torch.compile(traced, dynamic=False)
    return lambda: chunk.write(*move(*chunk.inputs(), sample()))


def captured(chunk: Chunk, action: Callable[[], None]) -> Callable[[], None]:
    """`action` as a CUDA graph replay. The warm-up really runs, so the buffers it changes are put back."""
    buffers = [*chunk.params.values(), *(t for s in chunk.state.values() for t in s.values())]
    buffers += [chunk.alive, chunk.died, chunk.step, chunk.slot, *chunk.buffers.values()]
    saved = [b.clone() for b in buffers]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            action()
            chunk.slot.zero_()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        action()
    for buffer, value in zip(buffers, saved, strict=True):
        buffer.copy_(value)
    return graph.replay


def accelerate(chunk: Chunk, steps: int) -> Runner:
    """The fastest runner that works here. Each rung that fails is named in a `RuntimeWarning`, never silently."""
    if chunk.plan.device.type != "cuda":
        return Eager(chunk)
    for compiled in [True, False] if steps >= COMPILE_FROM else [False]:
        try:
            return Graph(chunk, compiled=compiled)
        except Exception as error:
            what = "compiled graph" if compiled else "graph"
            warnings.warn(f"{what} not available: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=2)
    return Eager(chunk)
