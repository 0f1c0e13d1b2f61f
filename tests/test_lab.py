"""The machinery of experiments: files are whole or absent, names follow content, verdicts decide the exit code."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from experiments import registry
from experiments.attention_sinks import bigram_backcopy, sink_flow
from experiments.lab import claims_table, cli, experiment, store
from experiments.lab.checks import Check
from experiments.lab.cli import main
from experiments.lab.experiment import seed_range
from experiments.lab.figures import house_style, panels, points, write_figure
from experiments.lab.progress import progress
from theory import claims
from theory.papers import GU_2024, GUO_2024

# ---------------------------------------------------------------------------------------------------------- the store


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    with pytest.raises(error):
        store.write_whole(target, write)
    assert names(tmp_path) == ["kept.txt"]
    assert target.read_text() == "old"


def test_a_write_replaces_the_whole_file_and_makes_its_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    for content in ("a long first content", "short"):
        store.write_whole(target, lambda temporary, content=content: temporary.write_text(content))  # type: ignore[misc]
        assert names(target.parent) == ["file.txt"]
        assert target.read_text() == content
    assert os.stat(target).st_mode & 0o777 == 0o644


def test_the_old_file_is_readable_until_the_new_one_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        assert target.read_text() == "old"

    store.write_whole(target, write)
    assert target.read_text() == "new"


def test_json_is_strict_and_names_what_json_lacks(tmp_path: Path) -> None:
    """A browser refuses a bare NaN; the report reads words."""
    store.write_json(tmp_path / "a.json", {"worst": [np.nan, -np.inf, 1.5], "in": {"a tuple": (np.inf,)}})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert content == {"worst": ["nan", "-inf", 1.5], "in": {"a tuple": ["inf"]}}


def a_dataset(value: float = 0.1) -> xr.Dataset:
    numbers = np.array([[1.0, np.nan, -np.inf], [value, 1e-300, 3.0]])
    return xr.Dataset(
        {"loss": (("table", "step"), numbers), "count": ("step", np.arange(3))},
        coords={"table": ["synthetic", "text"], "step": [0, 5, 10]},
        attrs={"code": "abc", "config": '{"seeds": "0:3"}'},
    )


def test_a_dataset_comes_back_as_it_was(tmp_path: Path) -> None:
    store.save(tmp_path / "a.nc", a_dataset())
    xr.testing.assert_identical(store.load(tmp_path / "a.nc"), a_dataset())
    assert names(tmp_path) == ["a.nc"]


def test_joined_parts_keep_whole_words(tmp_path: Path) -> None:
    """A file remembers the width of its words; joined with a file of longer words, it would cut them."""
    parts = []
    for variant in ("clipped", "off_by_one"):
        store.save(tmp_path / variant, xr.Dataset({"sink": ("variant", [1.0])}, coords={"variant": [variant]}))
        parts.append(store.load(tmp_path / variant))
    store.save(tmp_path / "joined", xr.combine_by_coords(parts))
    assert store.load(tmp_path / "joined").variant.values.tolist() == ["clipped", "off_by_one"]


def test_equal_datasets_give_equal_bytes_and_different_ones_do_not(tmp_path: Path) -> None:
    for name, data in (("a", a_dataset()), ("b", a_dataset()), ("c", a_dataset(np.nextafter(0.1, 1)))):
        store.save(tmp_path / name, data)
    a, b, c = (store.sha256(tmp_path / name) for name in "abc")
    assert a == b != c


CONFIG = bigram_backcopy.Config()
CHANGED = {"tables": ("synthetic",), "seeds": "0:4", "device": "cuda"}


@pytest.mark.parametrize("field", [f.name for f in fields(CONFIG)])
def test_every_setting_names_another_result(field: str) -> None:
    changed = replace(CONFIG, **{field: CHANGED.get(field) or 2 * getattr(CONFIG, field)})
    paths = {store.result_path("bigram_backcopy", config, "code", "part") for config in (CONFIG, changed, CONFIG)}
    assert len(paths) == 2


def test_the_nearest_float_code_stage_and_name_each_name_another_result() -> None:
    """Results named by a truncated float would overwrite each other."""
    near = replace(CONFIG, learning_rate=float(np.nextafter(CONFIG.learning_rate, 1)))
    made = [("bigram_backcopy", CONFIG, "code", "part"), ("bigram_backcopy", near, "code", "part")]
    made += [("bigram_backcopy", CONFIG, "cod", "part"), ("bigram_backcopy", CONFIG, "code", "data")]
    made += [("sink_flow", CONFIG, "code", "part")]
    assert len({store.result_path(*arguments) for arguments in made}) == len(made)


def test_results_are_placed_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.RESULTS_VARIABLE, "elsewhere")
    assert store.result_path("sink_flow", CONFIG, "code", "data").parent == Path("elsewhere", "sink_flow")
    monkeypatch.delenv(store.RESULTS_VARIABLE)
    assert store.results_folder() == Path("results")


@pytest.mark.parametrize("file", ["theory/a/law.py", "toy_tasks/data/counts.csv", "topic/_shared.py", "topic/one.py"])
def test_the_code_version_changes_with_each_file_that_matters(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("theory/a/law.py", "toy_tasks/data/counts.csv", "topic/_shared.py", "topic/one.py", "topic/other.py"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("before")
    monkeypatch.setattr(store, "ROOMS", tmp_path)
    module = ModuleType("one")
    module.__file__ = str(tmp_path / "topic" / "one.py")
    before = store.code_version(module)
    (tmp_path / "topic" / "other.py").write_text("after")
    assert store.code_version(module) == before
    (tmp_path / file).write_text("after")
    assert store.code_version(module) != before


# --------------------------------------------------------------------------------------------------- checks and seeds


@pytest.mark.parametrize(
    ("relation", "observed", "holds"),
    [
        ("=", 1.25, True),  # 1 +- 1/4: exact in binary
        ("=", 0.75, True),
        ("=", np.nextafter(1.25, 2), False),
        ("=", np.nextafter(0.75, 0), False),
        ("<", -np.inf, True),
        ("<", 1.25, True),
        ("<", np.nextafter(1.25, 2), False),
        (">", np.inf, True),
        (">", 0.75, True),
        (">", np.nextafter(0.75, 0), False),
        ("=", np.nan, False),
        ("<", np.nan, False),
        (">", np.nan, False),
        ("=", np.inf, False),
    ],
)
def test_a_check_holds_up_to_its_tolerance(relation: Literal["=", "<", ">"], observed: float, holds: bool) -> None:
    check = Check("what", 1.0, observed, 0.25, relation)
    assert check.holds is holds
    assert check.record()["holds"] is holds
    assert str(check).startswith("ok " if holds else "FAIL ")


@pytest.mark.parametrize("relation", ["=", "<", ">"])
def test_no_observation_meets_a_prediction_that_is_nan(relation: Literal["=", "<", ">"]) -> None:
    assert not Check("what", np.nan, 1.0, np.inf, relation).holds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0:5", [0, 1, 2, 3, 4]), ("7:8", [7]), ("0,3,7", [0, 3, 7]), ("7, 3", [7, 3]), ("2147483647", [2**31 - 1])],
)
def test_seeds_are_a_range_or_a_list(text: str, seeds: list[int]) -> None:
    assert seed_range(text) == seeds


# ------------------------------------------------------------------------------------------------------------ progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(io.StringIO(), False), (Terminal(), True)], ids=["pipe", "terminal"])
def test_progress_is_silent_unless_at_a_terminal(
    stream: io.StringIO, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(stream), progress("training", 3) as tick:
        for _ in range(3):
            tick(1)
    assert ("3/3" in stream.getvalue()) is shown
    assert bool(stream.getvalue()) is shown


# ------------------------------------------------------------------------------------------------------------- figures


def test_the_house_style_leaves_the_users_settings_alone() -> None:
    with mpl.rc_context({"lines.linewidth": 7.0, "svg.hashsalt": "mine"}):
        before = dict(mpl.rcParams)
        with house_style():
            assert mpl.rcParams["lines.linewidth"] == 1.4
            assert mpl.rcParams["svg.hashsalt"] == "attention-dynamics"
        assert dict(mpl.rcParams) == before
        with suppress(RuntimeError), house_style():
            raise RuntimeError
        assert dict(mpl.rcParams) == before


def draw(folder: Path) -> None:
    """A figure with everything that could differ between runs: ids, clip paths, fonts, mathematics, dates."""
    with house_style():
        figure, (left, right) = panels(2)
        x = np.linspace(0, 1, 20)
        points(left, x, np.sin(x) + np.array([[0.0], [0.1], [0.3]]), index=0, label="$\\alpha$ of three seeds", every=2)
        left.legend()
        right.set(title="$e^{-t}$", yscale="log")
        right.plot(x, np.exp(-x))
        write_figure(figure, folder / "figure")


def test_equal_figures_have_equal_bytes_here_and_in_another_process(tmp_path: Path) -> None:
    for run in ("first", "second"):
        draw(tmp_path / run)
    code = f"from pathlib import Path; from tests.test_lab import draw; draw(Path({str(tmp_path / 'third')!r}))"
    mine = dict(os.environ, PYTHONHASHSEED="77", MPLBACKEND="svg")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], env=mine, timeout=120)
    for suffix in (".svg", ".png"):
        contents = [(tmp_path / run / f"figure{suffix}").read_bytes() for run in ("first", "second", "third")]
        assert len(contents[0]) > 5_000
        assert contents[0] == contents[1] == contents[2]
    assert names(tmp_path / "first") == ["figure.png", "figure.svg"]


# ------------------------------------------------------------------------------------- registry and the command line

HEAVY = ("numpy", "scipy", "torch", "matplotlib", "xarray", "joblib", "tyro", "rich")


def test_the_registry_lists_every_experiment_file_with_its_headline() -> None:
    room = Path(registry.__file__).parent
    defining = [f for f in room.rglob("*.py") if re.search(r"^class Config\b", f.read_text(encoding="utf-8"), re.M)]
    listed = registry.experiment_modules()
    assert sorted(listed) == sorted(f.stem for f in defining)
    for name, module in listed.items():
        loaded = registry.load(name)
        assert loaded.__name__ == module
        assert registry.headline(name) == (loaded.__doc__ or "").partition("\n")[0] != ""


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["run", "--help"]])
def test_list_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv[1:] = {arguments}\n"
        "try: runpy.run_module('experiments', run_name='__main__')\n"
        "except SystemExit as stopped: code = stopped.code\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"
    assert ("usage: " if "--help" in arguments else "sink_flow ") in done.stdout


# -------------------------------------------------------------------------------------------------- the claims' table


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers claims `test_lab.<name>` that are violated by so much and may be by 0.5, for one test only."""
    monkeypatch.setattr(claims, "_REGISTRY", dict(claims._REGISTRY))

    def made(name: str, violation: float, **settings: Any) -> None:
        def measured() -> float:
            return violation

        measured.__module__, measured.__name__ = "tests.test_lab", name
        claims.claim(statement="Invented.", source=GUO_2024, tolerance=0.5, **settings)(measured)

    return made


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("value_gradient_sums", {"sink_flow.value_gradient_sums_to_zero"}),
        ("*.value_state_drains", {"sink_flow.value_state_drains"}),
        (
            "value_state_drains",
            {"sink_flow.value_state_drains", "attention_sinks.value_state_drains_in_training"},
        ),
    ],
)
def test_claims_are_chosen_by_a_part_of_their_name_or_a_wildcard(pattern: str, expected: set[str]) -> None:
    assert {claim.name for claim in claims_table.chosen_claims(pattern)} == expected


def test_without_a_pattern_every_claim_is_chosen() -> None:
    assert claims_table.chosen_claims(None) == list(claims.all_claims())


def test_a_row_says_what_was_claimed_tried_and_seen() -> None:
    row = claims_table.hunted("sink_flow.constant_value_pushes_every_sink_up", 7, None)
    assert row["examples"] == 7
    assert row["holds"] is True
    assert row["worst"] <= row["tolerance"] == 1e-12
    assert 0 <= row["tightness"] <= 1
    assert (row["source"]["key"], row["source"]["number"], row["also"]) == ("GUO_2024", 36, [])
    assert row["source"]["limits"] == GUO_2024.limits
    assert row["statement"].startswith("With a constant value state, more sink never hurts")
    assert row["instance"].startswith("ConstantValue(model=SinkModel(")
    json.dumps(row)


def test_checking_one_claim_prints_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--check", "value_gradient", "--examples", "20", "--workers", "1"]) == 0
    header, row, total = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["claim", "source", "kind"]
    verdict, name, source, kind, status, tried, *_ = row.split()
    assert (verdict, name, source) == ("ok", "sink_flow.value_gradient_sums_to_zero", "GUO_2024")
    assert (kind, status, tried) == ("identity", "derived", "20")
    assert total == "1 of 1 claims as stated"


@pytest.mark.parametrize(
    ("violation", "settings", "code"),
    [
        (0.5, {"kind": "trend"}, 0),
        (0.6, {"kind": "trend"}, 1),
        (np.nan, {"kind": "trend"}, 1),
        (0.6, {"kind": "refuted", "counterexample": tuple}, 0),
        (0.5, {"kind": "refuted", "counterexample": tuple}, 1),
    ],
    ids=["holds", "fails", "is NaN", "refuted", "refuted in vain"],
)
def test_a_claim_that_is_not_as_stated_fails_the_command(
    violation: float,
    settings: dict[str, Any],
    code: int,
    register: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register("invented", violation, **settings)
    assert main(["claims", "--check", "test_lab.invented", "--record", "--output", str(tmp_path)]) == code
    assert ("FAIL test_lab.invented" in capsys.readouterr().out) is bool(code)
    (row,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert (row["name"], row["holds"]) == ("test_lab.invented", code == 0)


def test_recording_some_claims_keeps_the_rows_of_the_others(
    register: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long hunt of one topic is recorded beside the others; what no longer says what is registered is dropped."""
    for name in ("one", "two", "reworded"):
        register(name, 0.1, kind="trend", also=(GU_2024,))
    record = ["claims", "--record", "--output", str(tmp_path), "--check"]
    assert main([*record, "test_lab.*"]) == 0
    one, reworded, two = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert [source["key"] for source in two["also"]] == ["GU_2024"]
    old = [one | {"worst": 9.0}, two | {"examples": 5000, "also": None}, reworded | {"statement": "As it was."}]
    old += [two | {"name": "test_lab.gone"}, {"name": "test_lab.half"}]
    (tmp_path / "claims.json").write_text(json.dumps({"claims": old}))
    assert main([*record, "test_lab.one"]) == 0
    assert json.loads((tmp_path / "claims.json").read_text())["claims"] == [one, two | {"examples": 5000}]
    told = "no longer recorded, since the claim is gone or says something else: "
    assert capsys.readouterr().out.endswith(f"{told}test_lab.gone, test_lab.half, test_lab.reworded\n")


@pytest.mark.parametrize("content", ["{", "[]", '{"claims": 3}', '{"claims": [3]}'])
def test_a_file_that_is_no_table_of_claims_is_refused_before_the_hunt(
    content: str, register: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register("invented", 0.1, kind="trend")
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main(["claims", "--check", "test_lab.invented", "--record", "--output", str(tmp_path)])
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("experiments: claims.json must be a table of claims, or absent: ")
    assert (tmp_path / "claims.json").read_text() == content


def test_the_verdict_of_one_claim_does_not_hide_another(
    register: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    register("bad", 0.6, kind="trend")
    register("good", 0.1, kind="trend")
    assert main(["claims", "--check", "test_lab.*"]) == 1
    _, bad, good, total = capsys.readouterr().out.splitlines()
    assert bad.startswith("FAIL test_lab.bad")
    assert good.startswith("ok   test_lab.good")
    assert total == "1 of 2 claims as stated"


# ------------------------------------------------------------------------------------------------ runs and their record


def a_line(data: xr.Dataset) -> Any:
    figure, (axes,) = panels(1)
    axes.plot(data.time, data.observed)
    return figure


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """`sink_flow` with a simulation that takes no time; returns the command that runs it into `tmp_path`."""
    times = {"time": [0.0, 1.0]}
    monkeypatch.setattr(sink_flow, "simulate", lambda config: xr.Dataset({"observed": ("time", [0.0, 1.0])}, times))
    monkeypatch.setattr(sink_flow, "predict", lambda config: xr.Dataset({"predicted": ("time", [0.0, 1.0])}, times))
    monkeypatch.setattr(sink_flow, "figure", a_line)
    monkeypatch.setenv(store.RESULTS_VARIABLE, str(tmp_path / "results"))
    return ["run", "sink_flow", "--workers", "1", "--output", str(tmp_path / "figures")]


@pytest.mark.parametrize("observed", [1.0, 2.0, np.nan])
def test_a_failing_check_fails_the_command_and_is_recorded(
    observed: float,
    quick: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    holds = observed == 1.0
    monkeypatch.setattr(sink_flow, "checks", lambda data: [Check("sure", 0, 0), Check("level", 1.0, observed, 0.5)])
    assert main(quick) == (0 if holds else 1)
    out = capsys.readouterr().out
    assert f"{'ok  ' if holds else 'FAIL'} level" in out
    assert out.endswith(f"{1 + holds} of 2 checks hold\n")
    record = json.loads((tmp_path / "figures" / "sink_flow.json").read_text())
    assert [check["holds"] for check in record["checks"]] == [True, holds]
    assert names(tmp_path / "figures") == ["sink_flow.json", "sink_flow.png", "sink_flow.svg"]
    assert record["figure"] == store.sha256(tmp_path / "figures" / "sink_flow.svg")
    (data,) = (tmp_path / "results" / "sink_flow").glob("data-*.nc")
    assert record["data"] == store.sha256(data)


def test_a_second_run_computes_nothing(quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_flow, "checks", lambda data: [])
    assert main(quick) == 0

    def never(config: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(sink_flow, "simulate", never)
    monkeypatch.setattr(sink_flow, "predict", never)
    assert main(quick) == 0
    with pytest.raises(AssertionError, match="computed again"):
        main([*quick, "--seeds", "0:6"])


def test_what_theory_refuses_is_not_simulated(
    quick: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(config: object) -> None:
        raise ValueError("tokens must be few")

    monkeypatch.setattr(sink_flow, "predict", refuse)
    with pytest.raises(SystemExit, match="2"):
        main(quick)
    assert names(tmp_path) == []


def test_the_recorded_command_gives_the_recorded_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the record says to type is understood, and gives the same configuration back."""
    config = replace(CONFIG, tables=("synthetic",), seeds="0, 3", learning_rate=2e-4, steps=6)
    record = experiment._record("bigram_backcopy", bigram_backcopy, config, "quick", [], {})
    assert record["command"].startswith("python -m experiments.attention_sinks.bigram_backcopy --profile quick ")
    got: list[Any] = []
    monkeypatch.setattr(sys, "argv", shlex.split(record["command"])[2:])
    monkeypatch.setattr(cli, "_run_all", lambda jobs, options: got.extend(jobs))
    with pytest.raises(SystemExit):
        cli.run_module(str(bigram_backcopy.__file__))
    assert got == [("bigram_backcopy", config)]
    plain = experiment._record("bigram_backcopy", bigram_backcopy, replace(CONFIG, seeds="0:9"), "quick", [], {})
    assert plain["command"] == "python -m experiments run bigram_backcopy --profile quick --seeds 0:9"
