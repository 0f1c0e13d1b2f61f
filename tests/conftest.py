"""What test modules share: one store of results, so that an experiment trains once, and one thread for small work."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from experiments.lab.store import RESULTS_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def _session_results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Results go to a temporary folder shared by all workers, unless the environment names one."""
    if RESULTS_VARIABLE in os.environ:
        yield
        return
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ[RESULTS_VARIABLE] = str(shared / "results")
    yield
    del os.environ[RESULTS_VARIABLE]


@pytest.fixture(scope="module")
def _one_thread() -> Iterator[None]:
    """torch on one thread for a module of small tensors: starting a second one costs more than all the work."""
    from toy_tasks.threads import one_thread

    with one_thread():
        yield
