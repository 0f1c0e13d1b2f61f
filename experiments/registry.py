"""Finding experiments: every module of a topic folder is one experiment, named by its file."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

ROOM = Path(__file__).parent


def experiment_modules() -> dict[str, str]:
    """Experiment name -> module path, sorted; reads file names only, imports nothing."""
    files = sorted(f for f in ROOM.glob("*/*.py") if f.parent.name != "lab" and not f.stem.startswith("_"))
    return {f.stem: f"experiments.{f.parent.name}.{f.stem}" for f in files}


def module_path(name: str) -> str:
    """Where experiment `name` lives; `ValueError` lists the known names."""
    modules = experiment_modules()
    if name not in modules:
        raise ValueError(f"experiment must be one of {', '.join(modules)}, got {name!r}")
    return modules[name]


def headline(name: str) -> str:
    """The first line of an experiment's docstring, without importing it."""
    path = ROOM.parent / (module_path(name).replace(".", "/") + ".py")
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def load(name: str) -> ModuleType:
    """The module of experiment `name`."""
    return importlib.import_module(module_path(name))
