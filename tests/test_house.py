"""The house rules that a machine can check: who imports whom, what is documented, what is pinned, what is portable."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("theory", "toy_tasks", "experiments")
ONLY_IN_EXPERIMENTS = {"matplotlib", "xarray", "tyro", "rich", "joblib"}
MACHINE_PATH = re.compile(rb"(?<![\w.~$})+-])/(?:home|Users|root|work|mnt|opt|scratch)/\w|\b[A-Za-z]:[\\/]+Users\b")


def room_files() -> list[str]:
    """Every Python file of the three rooms, as a path below the root with forward slashes."""
    return [p.relative_to(ROOT).as_posix() for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def repository_files() -> Iterator[Path]:
    """Every file below the root that .gitignore does not name; needs no git."""
    ignored = [".git", *(rule.rstrip("/") for rule in (ROOT / ".gitignore").read_text(encoding="utf-8").split())]

    def kept(names: list[str]) -> list[str]:
        return sorted(name for name in names if not any(fnmatch(name, rule) for rule in ignored))

    for folder, folders, files in os.walk(ROOT):
        folders[:] = kept(folders)
        yield from (Path(folder, name) for name in kept(files))


def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def report(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


# ----------------------------------------------------------------------------------------------------- who imports whom


class Imported(NamedTuple):
    """A module that a line imports; `from a import b` names both `a` and `a.b`, since b may be a module."""

    line: int
    module: str

    def within(self, *packages: str) -> bool:
        return any(self.module == p or self.module.startswith(p + ".") for p in packages)


def imports(tree: ast.Module, path: str) -> Iterator[Imported]:
    """Every import of a file, the lazy ones inside functions and `import_module("...")` included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (Imported(node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                here = path.split("/")[: -node.level] if node.level else []
                base = ".".join([*here, *([node.module] if node.module else [])])
                yield Imported(node.lineno, base)
                yield from (Imported(node.lineno, f"{base}.{alias.name}") for alias in node.names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield Imported(node.lineno, module)


def folders_of(room: str, *, besides: str) -> set[str]:
    """The packages directly inside a room, except one: its topics."""
    inits = (ROOT / room).glob("*/__init__.py")
    return {f"{room}.{init.parent.name}" for init in inits if init.parent.name != besides}


def forbidden(path: str, imported: Imported) -> str | None:
    """Why the file at `path` must not import this module, or None."""
    room, _, below = path.partition("/")
    folder = below.partition("/")[0]
    if room != "experiments" and imported.within(*ONLY_IN_EXPERIMENTS):
        return "is for experiments alone"
    if room == "theory":
        if imported.within("toy_tasks", "experiments"):
            return "is a room that theory must not know"
        if imported.within("torch") and folder != "attention_svm":
            return "is for theory/attention_svm alone"
    if room == "toy_tasks":
        if imported.module.partition(".")[0] not in sys.stdlib_module_names | {"numpy", "torch", "toy_tasks"}:
            return "is neither standard library, numpy, torch nor toy_tasks"
        if folder == "simulator" and imported.within(*folders_of("toy_tasks", besides="simulator")):
            return "is a task; the simulator knows the Task protocol alone"
    if room == "experiments":
        topics = folders_of("experiments", besides="lab")
        if folder == "lab" and imported.within(*topics):
            return "is a topic; the lab serves all of them"
        own = f"experiments.{folder}"
        if own in topics and imported.within(*topics) and not is_helper(imported, own):
            return "belongs to another experiment"
    return None


def is_helper(imported: Imported, topic: str) -> bool:
    """The topic itself or one of its `_private` modules; every other module of a topic is an experiment."""
    return imported.module == topic or imported.module.startswith(f"{topic}._")


def test_imports_go_one_way() -> None:
    report(
        [
            f"{path}:{imported.line}: {imported.module} {why}"
            for path in room_files()
            for imported in imports(parsed(path), path)
            if (why := forbidden(path, imported))
        ]
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("theory/a.py", "import toy_tasks"),
        ("theory/a.py", "from experiments import lab"),
        ("theory/a.py", "def f():\n    import torch.nn"),
        ("theory/joma/a.py", "from torch import Tensor"),
        ("theory/a.py", "import importlib\nimportlib.import_module('matplotlib.pyplot')"),
        ("toy_tasks/a.py", "import scipy"),
        ("toy_tasks/a.py", "import theory"),
        ("toy_tasks/simulator/a.py", "from toy_tasks.bigram_backcopy import BigramBackcopy"),
        ("toy_tasks/simulator/a.py", "from toy_tasks import bigram_backcopy"),
        ("toy_tasks/simulator/a.py", "from ..bigram_backcopy import BigramBackcopy"),
        ("experiments/lab/a.py", "from experiments.attention_sinks import sink_flow"),
        ("experiments/attention_sinks/a.py", "from experiments.attention_sinks.sink_flow import Config"),
        ("experiments/attention_sinks/a.py", "from . import sink_flow"),
    ],
)
def test_the_import_rule_sees(path: str, source: str) -> None:
    assert [i for i in imports(ast.parse(source), path) if forbidden(path, i)]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("theory/attention_svm/a.py", "import torch"),
        ("theory/a.py", "from theory.claims import claim\nimport cvxpy"),
        ("toy_tasks/a.py", "import json, numpy, torch\nfrom toy_tasks.task import Task"),
        ("toy_tasks/simulator/a.py", "from toy_tasks.task import Task\nfrom .b import c"),
        ("experiments/lab/a.py", "import rich\nfrom experiments import registry"),
        (
            "experiments/attention_sinks/a.py",
            "import theory, toy_tasks\nfrom experiments.lab import checks\nfrom . import _b",
        ),
    ],
)
def test_the_import_rule_allows(path: str, source: str) -> None:
    assert not [i for i in imports(ast.parse(source), path) if forbidden(path, i)]


# ------------------------------------------------------------------------------------------------------ documentation


def test_every_package_says_what_lives_there() -> None:
    inits = {p.rpartition("/")[0] + "/__init__.py" for p in room_files()} | {f"{room}/__init__.py" for room in ROOMS}
    missing = [f"{p}:1: this file is missing" for p in sorted(inits) if not (ROOT / p).is_file()]
    silent = [f"{p}:1: no docstring" for p in room_files() if p in inits and not ast.get_docstring(parsed(p))]
    report(missing + silent)


def undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Line and name of every public function, class and method without a docstring.

    A claim is documented by its `statement`, which `@claim` requires; an overload by its implementation.
    """
    for node in scope.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list}
        if not ast.get_docstring(node) and not decorators & {"claim", "claims.claim", "overload"}:
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            yield from ((line, f"{node.name}.{name}") for line, name in undocumented(node))


def test_every_public_name_is_documented() -> None:
    report(
        [
            f"{path}:{line}: {name} has no docstring"
            for path in room_files()
            for line, name in undocumented(parsed(path))
        ]
    )


# ---------------------------------------------------------------------------------------------- the files round about


def test_no_machine_is_named() -> None:
    """An absolute path below a home, work or mount folder holds on one machine only."""
    violations = []
    for file in repository_files():
        content = file.read_bytes()
        for found in MACHINE_PATH.finditer(content):
            line = content.count(b"\n", 0, found.start()) + 1
            violations.append(f"{file.relative_to(ROOT).as_posix()}:{line}: absolute path {found[0].decode()}...")
    report(violations)


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {number: line for number, line in enumerate(lines, 1) if not line.startswith("#")}
    assert "torch==2.13.*" in pins.values(), "constraints.txt: an open range of torch brings gigabytes of CUDA packages"
    exact = re.compile(r"[A-Za-z0-9_.-]+==[0-9][\w.]*")
    report(
        [
            f"constraints.txt:{n}: {p} is not exact"
            for n, p in pins.items()
            if p != "torch==2.13.*" and not exact.fullmatch(p)
        ]
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    pinned = {canonical(pin) for pin in pins.values()}
    report([f"constraints.txt:1: no pin for {w}" for w in wanted if canonical(w) not in pinned])


def canonical(requirement: str) -> str:
    """The name of a requirement as registries compare it."""
    name = re.match(r"[A-Za-z0-9_.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
