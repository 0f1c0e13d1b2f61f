"""Every experiment's quick profile: it runs, its checks hold, its record and figure are complete."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from experiments import registry
from experiments.lab.experiment import profile, results, run
from experiments.lab.records import read_records
from experiments.lab.sweep import Sweep

NAMES = list(registry.experiment_modules())
QUICK = (
    "icl_ideal_head",
    "rfa_training_staircase",
    "scan_and_snap_attention",
    "search_asymmetry",
    "sink_flow",
    "svm_trajectories",
)
"""One cheap experiment of each topic, always run; the others need the data that `make figures` makes."""
AS_FIGURES = (pytest.mark.figures, pytest.mark.xdist_group("training"))


@pytest.mark.parametrize("name", NAMES)
def test_experiment_has_the_five_parts_and_two_profiles(name: str) -> None:
    module = registry.load(name)
    assert is_dataclass(module.Config)
    assert {"quick", "full"} <= set(module.PROFILES)
    assert all(callable(getattr(module, part)) for part in ("simulate", "predict", "checks", "figure"))
    assert all(isinstance(value, module.Config) for value in module.PROFILES.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else AS_FIGURES) for n in NAMES])
def test_quick_profile_agrees_with_theory(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    config = profile(registry.load(name), "quick")
    checks = run(name, config, profile_name="quick", output=tmp_path, sweep=Sweep(), say=said.append)
    assert [str(check) for check in checks if not check.holds] == []
    assert len(said) == len(checks) + 1
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["command"] == f"python -m experiments run {name} --profile quick"
    assert set(record["config"]) == {f.name for f in fields(config)}
    assert len(read_records(tmp_path)) == 1
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.figures
@pytest.mark.xdist_group("training")
def test_quick_training_meets_the_small_configuration() -> None:
    """Sink weight above 0.5 at step 750 in 5 of 5 seeds, value ratio below 0.35 (synthetic table)."""
    last = results("bigram_backcopy").sel(table="synthetic", step=750)
    assert last.sizes["seed"] == 5
    assert (last.sink_weight > 0.5).all()
    assert (last.value_norm / last.other_value_norm < 0.35).all()
