"""Many parts of an experiment on the cores of one machine, or on a Dask cluster: the same parts, the same bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.lab.progress import progress

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Sweep:
    """Where parts run. `scheduler` is a Dask address ("tcp://host:8786"); else `workers` processes (0: all cores)."""

    workers: int = 0
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 0:
            raise ValueError(f"workers must be an integer >= 0, got {self.workers!r}")
        if self.scheduler is not None and not re.fullmatch(r"[a-z]+://.+:\d+", str(self.scheduler)):
            raise ValueError(f"scheduler must be an address such as tcp://host:8786, got {self.scheduler!r}")


def simulate_part(name: str, config: Any) -> xr.Dataset:
    """One part, on one thread."""
    from experiments import registry
    from toy_tasks.threads import one_thread

    with one_thread():
        return registry.load(name).simulate(config)


def _numbered(index: int, name: str, config: Any) -> tuple[int, xr.Dataset]:
    return index, simulate_part(name, config)


def run_parts(name: str, parts: list[Any], sweep: Sweep) -> Iterator[tuple[int, xr.Dataset]]:
    """(index, data) of every part as it is done, in any order. Parts that use a GPU run one after another, here."""
    if not parts:
        return
    workers = min(sweep.workers or os.cpu_count() or 1, len(parts))
    if any(getattr(part, "device", "cpu") != "cpu" for part in parts) and sweep.scheduler is None:
        workers = 1
    with progress(f"{name}: {len(parts)} parts", len(parts)) as tick:
        if workers == 1 and sweep.scheduler is None:
            done: Iterator[tuple[int, xr.Dataset]] = (_numbered(i, name, part) for i, part in enumerate(parts))
        else:
            done = _parallel(name, parts, workers, sweep.scheduler)
        for result in done:
            tick(1)
            yield result


def _parallel(name: str, parts: list[Any], workers: int, scheduler: str | None) -> Iterator[tuple[int, xr.Dataset]]:
    import joblib

    jobs = (joblib.delayed(_numbered)(i, name, part) for i, part in enumerate(parts))
    with _backend(scheduler):
        n_jobs = -1 if scheduler else workers
        yield from joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(jobs)


@contextmanager
def _backend(scheduler: str | None) -> Iterator[None]:
    """joblib's own processes, or the workers of a running Dask cluster."""
    import joblib

    if scheduler is None:
        with joblib.parallel_config("loky"):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("scheduler needs the extra: pip install 'attention-dynamics[cluster]'") from None
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, TimeoutError) as error:
        raise ValueError(f"scheduler must be a running Dask scheduler, got {scheduler!r} ({error})") from None
    with client, joblib.parallel_config("dask", wait_for_workers_timeout=60):
        yield
