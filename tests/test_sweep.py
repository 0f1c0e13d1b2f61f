"""Same configuration, same bytes: whatever the processes, after a kill, and on a cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MODULE = "experiments.attention_sinks.bigram_backcopy"
TINY = ["--tables", "synthetic", "--seeds", "0:3", "--steps", "6", "--record", "3", "--length", "8", "--batch", "4"]
TINY += ["--width", "8", "--evaluation", "4"]
SLOWER = [*TINY[:5], "400", *TINY[6:]]  # the same with 400 steps: a second or two a part, long enough to be killed

pytestmark = pytest.mark.slow


def command(folder: Path, *options: str, settings: list[str] = TINY) -> list[str]:
    places = ["--results", str(folder / "results"), "--output", str(folder / "figures")]
    return [sys.executable, "-m", MODULE, *settings, *places, *options]


def run(folder: Path, *options: str, settings: list[str] = TINY) -> None:
    """Six steps teach nothing: the checks fail, and so does the command, with all files in place."""
    done = subprocess.run(command(folder, *options, settings=settings), capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    record = json.loads((folder / "figures" / "bigram_backcopy.json").read_text())
    assert done.returncode == (0 if all(check["holds"] for check in record["checks"]) else 1)


def made(folder: Path) -> dict[str, bytes]:
    """Every file that a run leaves, by name."""
    files = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")}
    assert sum(name.startswith("part-") for name in files) == 3
    assert sum(name.startswith("data-") for name in files) == 1
    assert {"bigram_backcopy.svg", "bigram_backcopy.png", "bigram_backcopy.json"} < set(files)
    return files


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of the tiny configuration."""
    folder = tmp_path_factory.mktemp("reference")
    run(folder, "--workers", "1")
    return made(folder)


def test_two_processes_make_the_same_bytes(tmp_path: Path, reference: dict[str, bytes]) -> None:
    run(tmp_path, "--workers", "2")
    assert made(tmp_path) == reference


def test_a_second_run_computes_nothing(tmp_path: Path) -> None:
    run(tmp_path, "--workers", "1")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("*.nc")}
    run(tmp_path, "--workers", "1")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("*.nc")} == before


def test_killed_and_restarted(tmp_path: Path) -> None:
    """SIGKILL when the first part is on disk; the restart keeps it, and everything equals an undisturbed run."""
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = subprocess.Popen(
        command(killed, "--workers", "1", settings=SLOWER), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (parts := list(killed.rglob("part-*.nc"))):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    parts = list(killed.rglob("part-*.nc"))
    assert 1 <= len(parts) < 3
    assert not list(killed.rglob("data-*.nc"))
    kept = {p: p.stat().st_mtime_ns for p in parts}
    run(killed, "--workers", "2", settings=SLOWER)
    run(undisturbed, "--workers", "1", settings=SLOWER)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert made(killed) == made(undisturbed)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A Dask scheduler and two workers of one thread as processes; yields the scheduler's address."""
    environment = os.environ | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    dask = [sys.executable, "-m", "dask"]
    place = ["--scheduler-file", str(folder / "scheduler.json")]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    commands += [
        ["worker", "--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
    ] * 2
    processes = []
    try:
        for arguments in commands:
            log = (folder / "dask.log").open("ab")
            with log:
                processes.append(subprocess.Popen([*dask, *arguments, *place], env=environment, stdout=log, stderr=log))
        deadline = time.monotonic() + 60
        while not (folder / "scheduler.json").exists():
            assert time.monotonic() < deadline, (folder / "dask.log").read_text()
            time.sleep(0.1)
        yield json.loads((folder / "scheduler.json").read_text())["address"]
    finally:
        for process in processes[::-1]:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the extra 'cluster' (distributed)")
def test_two_dask_workers_make_the_same_bytes(tmp_path: Path, reference: dict[str, bytes]) -> None:
    with cluster(tmp_path) as address:
        run(tmp_path / "run", "--scheduler", address)
    assert made(tmp_path / "run") == reference
