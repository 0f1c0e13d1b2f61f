"""Results on disk: written whole or not at all, named by the hash of what made them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

ROOMS = Path(__file__).parents[2]
RESULTS_VARIABLE = "ATTENTION_DYNAMICS_RESULTS"


def results_folder() -> Path:
    """Where results are kept: $ATTENTION_DYNAMICS_RESULTS, or `results` in the current folder."""
    return Path(os.environ.get(RESULTS_VARIABLE, "results"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk and rename it; on any error nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """`value` as readable JSON, whole or not at all; NaN and infinities, which JSON has not, as words."""
    text = json.dumps(_worded(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _worded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _worded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_worded(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_version(module: ModuleType) -> str:
    """Hash of all that can change an experiment's numbers: theory, toy_tasks, its module and its topic's helpers."""
    assert module.__file__ is not None
    own = Path(module.__file__)
    files = sorted(
        f for room in ("theory", "toy_tasks") for f in (ROOMS / room).rglob("*") if f.suffix in (".py", ".csv")
    )
    digest = hashlib.sha256()
    for file in [*files, *sorted(own.parent.glob("_*.py")), own]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def result_path(name: str, config: Any, code: str, stage: str) -> Path:
    """The file of one result: `stage` is "part" (simulated) or "data" (all parts with their predictions)."""
    identity = json.dumps([stage, name, asdict(config), code], sort_keys=True)
    return results_folder() / name / f"{stage}-{hashlib.sha256(identity.encode()).hexdigest()[:20]}.nc"


def save(path: Path, data: xr.Dataset) -> None:
    """Write a dataset as netCDF; equal datasets give equal bytes."""
    write_whole(path, lambda temporary: data.to_netcdf(temporary, engine="h5netcdf"))


def load(path: Path) -> xr.Dataset:
    """Read a whole dataset into memory, without its encoding: the width of one file's words would cut another's."""
    import xarray as xr

    with xr.open_dataset(path, engine="h5netcdf") as data:
        return data.load().drop_encoding()
