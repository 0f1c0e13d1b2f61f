"""Wall times for the benchmarks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Say = Callable[[str], None]


def seconds(action: Callable[[], Any], *, repeats: int = 5, wait: Callable[[], None] = lambda: None) -> float:
    """Median wall time of `action` after one warm-up; `wait` synchronises a device."""
    action()
    wait()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
