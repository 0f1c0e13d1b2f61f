"""One experiment from configuration to record: simulate, predict, check, draw.

An experiment module has `Config` (a frozen dataclass), `PROFILES` (name -> Config), and

    simulate(config) -> Dataset      what training or integration shows
    predict(config) -> Dataset       what theory says, under other variable names
    checks(data) -> list[Check]      data is both, merged
    figure(data) -> Figure
    parts(config) -> list[Config]    optional: smaller configs that can be simulated apart and joined by coordinates
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from experiments import registry
from experiments.lab import store
from experiments.lab.checks import Check
from experiments.lab.sweep import Sweep, run_parts

if TYPE_CHECKING:
    import xarray as xr

VERSIONS = ("numpy", "scipy", "torch", "xarray", "matplotlib")


def seed_range(text: str) -> list[int]:
    """Seeds written as "0:5" (0 to 4) or "0,3,7"."""
    try:
        start, _, stop = text.partition(":")
        seeds = list(range(int(start), int(stop))) if stop else [int(s) for s in text.split(",")]
    except (AttributeError, ValueError):
        seeds = []
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**31 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must look like 0:5 or 0,3,7, each in [0, 2^31) and none twice, got {text!r}")
    return seeds


def require(config: Any, **least: float) -> None:
    """`ValueError` for a setting of `config` that is below the least value given for it, or NaN."""
    for name, bound in least.items():
        if not getattr(config, name) >= bound:
            raise ValueError(f"{name} must be at least {bound:g}, got {getattr(config, name)!r}")


def profile(module: ModuleType, name: str) -> Any:
    """A named configuration of an experiment."""
    if name not in module.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(module.PROFILES)}, got {name!r}")
    return module.PROFILES[name]


def results(name: str, config: Any | None = None, sweep: Sweep | None = None) -> xr.Dataset:
    """Simulation and prediction of an experiment (default: quick profile), computing only what is not stored yet."""
    return store.load(_data_file(name, registry.load(name), config, sweep or Sweep()))


def _data_file(name: str, module: ModuleType, config: Any | None, sweep: Sweep) -> Path:
    import xarray as xr

    config = profile(module, "quick") if config is None else config
    code = store.code_version(module)
    target = store.result_path(name, config, code, "data")
    if target.exists():
        return target
    predicted = module.predict(config)  # before any training: it refuses what no theory covers
    parts: list[Any] = module.parts(config) if hasattr(module, "parts") else [config]
    files = [store.result_path(name, part, code, "part") for part in parts]
    missing = [i for i, file in enumerate(files) if not file.exists()]
    for index, data in run_parts(name, [parts[i] for i in missing], sweep):
        store.save(files[missing[index]], data)
    simulated = xr.combine_by_coords(
        [store.load(file) for file in files], join="outer", compat="no_conflicts", combine_attrs="drop"
    )
    merged = xr.merge([simulated, predicted], join="exact", combine_attrs="drop")
    store.save(target, merged.assign_attrs(experiment=name, config=json.dumps(asdict(config)), code=code))
    return target


def run(
    name: str, config: Any, *, profile_name: str, output: Path, sweep: Sweep, say: Callable[[str], None]
) -> list[Check]:
    """Run an experiment and write its figure (SVG and PNG) and record (JSON) into `output`; returns its checks."""
    from experiments.lab.figures import house_style, write_figure

    module = registry.load(name)
    file = _data_file(name, module, config, sweep)
    say(f"{name}: {registry.headline(name)}")
    data = store.load(file)
    checks: list[Check] = module.checks(data)
    for check in checks:
        say(f"  {check}")
    stem = output / name
    with house_style():
        write_figure(module.figure(data), stem)
    hashes = {"data": store.sha256(file), "figure": store.sha256(stem.with_suffix(".svg"))}
    facts = {"code": data.attrs["code"][:12]} | hashes
    store.write_json(stem.with_suffix(".json"), _record(name, module, config, profile_name, checks, facts))
    return checks


def _words(value: Any) -> str:
    """A setting as it is written on the command line."""
    return shlex.join(map(str, value if isinstance(value, tuple) else (value,)))


def _record(
    name: str, module: ModuleType, config: Any, profile_name: str, checks: list[Check], facts: dict[str, str]
) -> dict[str, Any]:
    title, _, description = (module.__doc__ or "").partition("\n")
    changed = {k: v for k, v in asdict(config).items() if v != asdict(module.PROFILES[profile_name])[k]}
    options = "".join(f" --{k.replace('_', '-')} {_words(v)}" for k, v in changed.items())
    run_as = f"-m experiments run {name}" if set(changed) <= {"seeds", "device"} else f"-m {module.__name__}"
    return {
        "name": name,
        "title": title,
        "topic": module.__name__.split(".")[1],
        "description": description.strip(),
        "profile": profile_name,
        "config": asdict(config),
        "seeds": seed_range(config.seeds) if hasattr(config, "seeds") else [],
        "claims": sorted({check.claim.name for check in checks if check.claim}),
        "checks": [check.record() for check in checks],
        "command": f"python {run_as} --profile {profile_name}{options}",
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in VERSIONS},
        **facts,
    }
