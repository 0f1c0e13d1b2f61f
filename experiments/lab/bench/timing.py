"""Times for the benchmarks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Say = Callable[[str], None]


def seconds(
    action: Callable[[], Any],
    *,
    repeats: int = 5,
    wait: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Median wall time of `action` after one warm-up; `wait` synchronises a device.

    With `time.process_time` as the clock it is CPU time, which for one thread does not depend on how busy a machine is.
    """
    action()
    wait()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        wait()
        times.append(clock() - start)
    return statistics.median(times)
