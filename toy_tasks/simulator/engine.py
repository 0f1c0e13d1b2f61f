"""The training loop: all replicas of one chunk advance together, and none can notice the others.

Everything a replica does is one pure function of its own parameters, its own keyed data and its own numbers, batched by
`torch.func.vmap`. Replicas are processed in chunks of one fixed size (the last chunk is padded), so that the number of
seeds cannot change the arithmetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.utils._pytree import tree_map

from toy_tasks.randomness import DATA, EVALUATION, INITIAL, Key
from toy_tasks.simulator.capture import accelerate
from toy_tasks.simulator.optimizers import Optimizer, Params, State
from toy_tasks.simulator.replicas import bind, per_replica
from toy_tasks.task import Batch, Task
from toy_tasks.validation import choice, count, increasing_steps, seed_numbers, torch_device

Measures = Callable[[Params, Batch], dict[str, Tensor]]
Numbers = dict[str, dict[str, Tensor]]
GPU_CHUNK = 256


class Model(Protocol):
    """What can be trained: two pure functions of one replica.

    Optional: `sized_for(task)` returns a completed model; `frozen_names` are parameters that keep their initial values.
    """

    def init(self, key: Key) -> Params:
        """Initial parameters by name; any float dtype."""
        ...

    def loss(self, params: Params, batch: Batch) -> Tensor:
        """A differentiable scalar."""
        ...


class Diverged(NamedTuple):
    """A replica that was frozen because loss, gradient or new parameters were not finite at `step` (from 0)."""

    replica: int
    seed: int
    step: int


@dataclass(frozen=True)
class Trajectories:
    """Recorded measures: `values[name]` has axes (replica, step, ...) at `steps` (k,) for `seeds` (r,).

    `params` final parameters (replica, ...); a diverged replica keeps its last finite ones, its later records are NaN.
    `engine` says how the steps were executed.
    """

    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    values: dict[str, Tensor]
    params: Params
    diverged: tuple[Diverged, ...]
    engine: str

    axes = ("replica", "step")

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]


def simulate(
    task: Task,
    model: Model,
    optimizer: Optimizer,
    *,
    seeds: Sequence[int],
    steps: int,
    batch: int = 64,
    record: int | Iterable[int] | None = None,
    measures: Measures | None = None,
    evaluation: int = 256,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    chunk: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Trajectories:
    """Train one replica per seed for `steps` steps, each on fresh batches of `batch` examples, and record measures.

    record      every how many steps (0 and the last always included), or the steps themselves; default: first and last.
    measures    function (params, batch) -> {name: tensor} of one replica, on a fixed evaluation batch of `evaluation`
                examples per replica; `loss` on that batch is recorded too, unless the measures hold it.
    dtype       of parameters; initial values are drawn in float64 and rounded, so float32 and float64 runs are twins.
    chunk       replicas per chunk; default 1 on the CPU (more pays for tiny models), up to 256 on a GPU.
    progress    called with the number of replica-steps done since the last call.

    Any number of `model` and `optimizer` may be an array with one value per seed. On the CPU a replica's
    trajectory is bit for bit the same whatever the other seeds are, in any number and order. With chunk > 1 what its
    batch-mates are still never changes a bit, but its place in the chunk can change the rounding (the last numbers of a
    tensor and unaligned rows take other machine code). A replica whose loss,
    gradient or new parameters are not finite is frozen and reported in `diverged` and by a `RuntimeWarning`. Raises
    before any work on bad arguments.
    """
    seeds = seed_numbers("seeds", seeds)
    steps, batch, evaluation = count("steps", steps, least=0), count("batch", batch), count("evaluation", evaluation)
    recorded = increasing_steps("record", record, steps)
    choice("dtype", dtype, (torch.float32, torch.float64))
    target = torch_device(device)
    if hasattr(model, "sized_for"):
        model = model.sized_for(task)
    numbers = {
        "model": per_replica("model", model, len(seeds), dtype),
        "optimizer": per_replica("optimizer", optimizer, len(seeds), dtype),
    }
    size = _chunk_size(chunk, len(seeds), target)
    plan = Plan(task, model, optimizer, batch, evaluation, measures, recorded, target, dtype)
    parts = []
    for start in range(0, len(seeds), size):
        rows = list(range(start, min(start + size, len(seeds))))
        padded = rows + rows[-1:] * (size - len(rows))
        own = {who: {k: v[padded].to(target) for k, v in values.items()} for who, values in numbers.items()}
        chunk_run = Chunk(plan, [seeds[i] for i in padded], own)
        parts.append(chunk_run.run(len(rows), steps, progress))
    return _joined(seeds, recorded, parts)


def _chunk_size(chunk: int | None, replicas: int, device: torch.device) -> int:
    """On the CPU one, so that nothing about other seeds, their order included, can change the arithmetic of a seed."""
    if chunk is not None:
        return count("chunk", chunk)
    if device.type == "cuda":
        return min(GPU_CHUNK, replicas)
    return 1


@dataclass(frozen=True)
class Plan:
    """What all chunks of one call share."""

    task: Task
    model: Model
    optimizer: Optimizer
    batch: int
    evaluation: int
    measures: Measures | None
    recorded: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype


class Chunk:
    """A fixed number of replicas with static buffers that `advance` and `record` change in place."""

    def __init__(self, plan: Plan, seeds: list[int], numbers: Numbers) -> None:
        self.plan, self.numbers = plan, numbers
        self.seeds = torch.tensor(seeds, dtype=torch.int32, device=plan.device)
        draw = vmap(lambda seed, numbers: bind(plan.model, numbers).init(Key(seed, INITIAL)))
        # an initial value that ignores the seed comes back as one number seen by all replicas: each gets its own copy
        self.params: Params = {k: p.to(plan.dtype).contiguous() for k, p in draw(self.seeds, numbers["model"]).items()}
        self.state: State = tree_map(torch.Tensor.contiguous, vmap(plan.optimizer.init)(self.trained(self.params)))
        self.alive = torch.ones(len(seeds), dtype=torch.bool, device=plan.device)
        self.died = torch.full((len(seeds),), -1, dtype=torch.int64, device=plan.device)
        self.step = torch.zeros((), dtype=torch.int64, device=plan.device)
        self.slot = torch.zeros((1,), dtype=torch.int64, device=plan.device)
        self.held_out = plan.task.sample(Key(self.seeds, EVALUATION), plan.evaluation)
        self.buffers = {
            name: torch.full((len(seeds), len(plan.recorded), *value.shape[1:]), torch.nan, dtype=value.dtype).to(value)
            for name, value in self.measured().items()
        }

    def for_all(self, one_replica: Callable[..., Any]) -> Callable[..., Any]:
        """`one_replica` over the leading axis: `vmap`, but for one replica the function itself (faster on the CPU)."""
        if len(self.seeds) > 1:
            return vmap(one_replica)

        def alone(*stacked: Any) -> Any:
            return tree_map(lambda x: x.unsqueeze(0), one_replica(*tree_map(lambda x: x.squeeze(0), stacked)))

        return alone

    def trained(self, params: Params) -> Params:
        """The parameters that move: a frozen one has neither gradient nor state, and no weight decay."""
        frozen = getattr(self.plan.model, "frozen_names", ())
        return {name: p for name, p in params.items() if name not in frozen}

    def batch(self) -> Batch:
        """This step's data for every replica."""
        return self.plan.task.sample(Key(self.seeds, DATA, self.step), self.plan.batch)

    def inputs(self) -> tuple[Params, State, Tensor, Numbers, Tensor]:
        """What one step depends on besides its data, in the order of `moved`."""
        return self.params, self.state, self.alive, self.numbers, self.step

    def moved(
        self, params: Params, state: State, alive: Tensor, numbers: Numbers, step: Tensor, batch: Batch
    ) -> tuple[Params, State, Tensor]:
        """New parameters, optimiser state and survivors after one step on `batch`. Pure."""

        def one_replica(
            params: Params, state: State, alive: Tensor, numbers: Numbers, batch: Batch
        ) -> tuple[Params, State, Tensor]:
            model = bind(self.plan.model, numbers["model"])
            optimizer = bind(self.plan.optimizer, numbers["optimizer"])
            moving = self.trained(params)
            grads, loss = grad_and_value(lambda moving: model.loss(params | moving, batch))(moving)
            alive = alive & torch.isfinite(loss)
            for grad in grads.values():
                alive = alive & torch.isfinite(grad).all()
            new, new_state = optimizer.update(moving, grads, state, step)
            for p in new.values():
                alive = alive & torch.isfinite(p).all()  # a finite gradient may still overflow

            def kept(fresh: Params, old: Params) -> Params:
                return {k: torch.where(alive, fresh[k], old[k]) for k in old}

            return params | kept(new, moving), {k: kept(new_state[k], state[k]) for k in state}, alive

        return self.for_all(one_replica)(params, state, alive, numbers, batch)

    def measured(self) -> dict[str, Tensor]:
        """Measures of every replica on its evaluation batch; changes nothing."""

        def one_replica(params: Params, batch: Batch, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
            measures, model = self.plan.measures, bind(self.plan.model, numbers)
            if numbers and hasattr(measures, "model"):
                measures = bind(measures, {"model": model})  # it sees this replica's numbers too
            extra = measures(params, batch) if measures else {}
            return extra if "loss" in extra else {"loss": model.loss(params, batch)} | extra

        with torch.no_grad():
            values = self.for_all(one_replica)(self.params, self.held_out, self.numbers["model"])
        # counts and truth values become floats, which can hold the NaN of a diverged replica
        return {k: v.to(torch.promote_types(v.dtype, self.plan.dtype)) for k, v in values.items()}

    def write(self, params: Params, state: State, alive: Tensor) -> None:
        """Take over the result of `moved`, in place."""
        for old, new in [(self.params, params), *((self.state[k], state[k]) for k in state)]:
            for name in old:
                old[name].copy_(new[name])
        self.died.copy_(torch.where(self.alive & ~alive, self.step, self.died))
        self.alive.copy_(alive)
        self.step.add_(1)

    def advance(self) -> None:
        """One training step."""
        self.write(*self.moved(*self.inputs(), self.batch()))

    def record(self) -> None:
        """Write the measures into the next free slot; NaN for replicas that have diverged."""
        for name, value in self.measured().items():
            alive = self.alive.reshape(-1, *(1,) * (value.dim() - 1))
            self.buffers[name].index_copy_(1, self.slot, torch.where(alive, value, torch.nan).unsqueeze(1))
        self.slot.add_(1)

    def run(self, replicas: int, steps: int, progress: Callable[[int], None] | None) -> dict[str, Any]:
        """Train for `steps` steps and return the first `replicas` rows on the host."""
        runner = accelerate(self, steps)
        done = 0
        for target in sorted({*self.plan.recorded, steps}):
            for _ in range(target - done):
                runner.advance()
            if target in self.plan.recorded:
                runner.record()
            if progress is not None:
                progress((target - done) * replicas)
            done = target
        return {
            "values": {k: v[:replicas].cpu() for k, v in self.buffers.items()},
            "params": {k: v[:replicas].cpu() for k, v in self.params.items()},
            "died": self.died[:replicas].cpu(),
            "engine": runner.description,
        }


def _joined(seeds: tuple[int, ...], recorded: tuple[int, ...], parts: list[dict[str, Any]]) -> Trajectories:
    def joined(what: str) -> dict[str, Tensor]:
        return {k: torch.cat([part[what][k] for part in parts]) for k in parts[0][what]}

    died = torch.cat([part["died"] for part in parts]).tolist()
    diverged = tuple(Diverged(r, seeds[r], step) for r, step in enumerate(died) if step >= 0)
    for replica, seed, step in diverged:
        warnings.warn(
            f"replica {replica} (seed {seed}) diverged at step {step} and was frozen", RuntimeWarning, stacklevel=3
        )
    return Trajectories(seeds, recorded, joined("values"), joined("params"), diverged, parts[0]["engine"])
