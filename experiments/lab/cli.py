"""The command line: list, run, claims, report, bench; and every experiment module by itself.

Exit codes: 0 all checks hold, 1 a check or claim fails, 2 bad usage (one line that says what was expected).
Only the standard library is imported before a command is chosen, so that `list` and `--help` answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

from experiments import registry

FIGURES = Path("paper_figures")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _usage_error(message)


def _usage_error(message: str) -> NoReturn:
    print(f"experiments: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of `python -m experiments`."""
    root = _Parser(prog="python -m experiments", description="Run experiments, check claims, build the report.")
    commands = root.add_subparsers(dest="command", required=True, metavar="{list,run,claims,report,bench}")
    commands.add_parser("list", help="the experiments, one line each")
    run = commands.add_parser("run", help="simulate, predict, check and draw experiments")
    run.add_argument("names", nargs="*", metavar="NAME")
    run.add_argument("--all", action="store_true", help="every experiment")
    run.add_argument("--profile", default="quick", help="quick (CPU, minutes) or full (paper size)")
    run.add_argument("--device", help="cpu or cuda")
    run.add_argument("--seeds", help="such as 0:256 or 0,3,7")
    _sweep_options(run)
    _scheduler_option(run)
    claims = commands.add_parser("claims", help="hunt counterexamples of every claim")
    claims.add_argument("--check", metavar="PATTERN", help="only claims whose name contains or matches PATTERN")
    claims.add_argument(
        "--examples", type=int, help="examples per claim (default: as in CI, 100 within each claim's cap)"
    )
    claims.add_argument("--seed", type=int, help="another stretch of the search than CI's")
    claims.add_argument(
        "--record", action="store_true", help="write the rows for the report; those of other claims stay"
    )
    _sweep_options(claims)
    report = commands.add_parser("report", help="build index.html over all records")
    report.add_argument("--output", type=Path, default=FIGURES)
    bench = commands.add_parser("bench", help="speed against the reference implementations, as ratios")
    bench.add_argument("--device", default="cpu")
    bench.add_argument("--only", help="the name of one benchmark")
    return root


def _sweep_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", type=_folder, default=FIGURES, help="folder of figures and records")
    command.add_argument("--results", type=_folder, help="folder of stored results (default: results)")
    command.add_argument("--workers", type=int, default=0, help="processes (default: all cores)")


def _scheduler_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786")


def _folder(text: str) -> Path:
    """A folder that exists or can be made; found out before any work is done."""
    path = Path(text)
    if not next(place for place in (path, *path.absolute().parents) if place.exists()).is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder, got {text!r}")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    _place_results(options)
    command: Callable[[argparse.Namespace], int] = globals()[f"_{options.command}"]
    try:
        return command(options)
    except ValueError as error:
        _usage_error(str(error))


def _place_results(options: argparse.Namespace) -> None:
    """Through the environment, so that processes started here know it too."""
    if getattr(options, "results", None):
        os.environ["ATTENTION_DYNAMICS_RESULTS"] = str(options.results)


def _list(options: argparse.Namespace) -> int:
    for name, module in registry.experiment_modules().items():
        print(f"{name:<28} {module.split('.')[1]:<18} {registry.headline(name)}")
    return 0


def _run(options: argparse.Namespace) -> int:
    from experiments.lab.experiment import profile

    if options.all == bool(options.names):
        raise ValueError("name the experiments to run, or give --all (`list` shows them)")
    names = list(registry.experiment_modules()) if options.all else options.names
    configs = [profile(registry.load(name), options.profile) for name in names]
    for option in ("device", "seeds"):
        value = getattr(options, option)
        if value is not None:
            able = [option in {f.name for f in fields(config)} for config in configs]
            if not any(able):
                raise ValueError(f"{option} is no setting of {', '.join(names)}")
            configs = [replace(c, **{option: value}) if ok else c for c, ok in zip(configs, able, strict=True)]
    return _run_all(list(zip(names, configs, strict=True)), options)


def _run_all(jobs: list[tuple[str, Any]], options: argparse.Namespace) -> int:
    from experiments.lab.experiment import run
    from experiments.lab.sweep import Sweep

    sweep = Sweep(options.workers, options.scheduler)
    checks = []
    for name, config in jobs:
        checks += run(name, config, profile_name=options.profile, output=options.output, sweep=sweep, say=_say)
    failed = sum(not check.holds for check in checks)
    _say(f"{len(checks) - failed} of {len(checks)} checks hold")
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)


def _claims(options: argparse.Namespace) -> int:
    from experiments.lab import claims_table
    from experiments.lab.sweep import Sweep

    workers = Sweep(options.workers).workers or os.cpu_count() or 1
    if options.record:
        claims_table.recorded(options.output)  # refuses a broken file before the hunt
    rows = claims_table.table(options.check, options.examples, options.seed, workers)
    _say(claims_table.HEADER)
    for row in rows:
        _say(claims_table.line(row))
    failed = sum(not row["holds"] for row in rows)
    _say(f"{len(rows) - failed} of {len(rows)} claims as stated")
    if options.record and (dropped := claims_table.write_claims(rows, options.output)):
        _say(f"no longer recorded, since the claim is gone or says something else: {', '.join(dropped)}")
    return 1 if failed else 0


def _report(options: argparse.Namespace) -> int:
    from experiments.lab.report import write_report

    _say(f"wrote {write_report(options.output)}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    from experiments.lab.bench import run_benchmarks

    run_benchmarks(options.device, options.only, _say)
    return 0


def run_module(main_file: str) -> NoReturn:
    """`python -m experiments.<topic>.<name>`: all settings of one experiment on the command line."""
    name = Path(main_file).stem
    module = registry.load(name)
    # without abbreviations: what is not spelled out in full is a setting of the experiment
    options = _Parser(prog=f"python -m {module.__name__}", add_help=False, allow_abbrev=False)
    options.add_argument("--profile", default="quick", choices=list(module.PROFILES))
    _sweep_options(options)
    _scheduler_option(options)
    known, rest = options.parse_known_args()
    _place_results(known)
    try:
        config = _parse_config(module.Config, module.PROFILES[known.profile], rest, module.__doc__ or "", options)
        sys.exit(_run_all([(name, config)], known))
    except ValueError as error:
        _usage_error(str(error))


def _parse_config(kind: type, default: Any, arguments: list[str], about: str, common: argparse.ArgumentParser) -> Any:
    """The configuration from the command line, by tyro; its error box becomes one line."""
    import contextlib
    import io

    import tyro

    box = io.StringIO()
    if "--help" in arguments or "-h" in arguments:
        common.print_help()
        print()
        return tyro.cli(kind, default=default, args=arguments, description=about, prog=common.prog)
    try:
        with contextlib.redirect_stderr(box), contextlib.redirect_stdout(box):
            return tyro.cli(kind, default=default, args=arguments, description=about)
    except SystemExit:
        raise ValueError(_inside(box.getvalue())) from None


def _inside(box: str) -> str:
    """The message in tyro's error box: what stands between its title and the next rule, drawn in Unicode or not."""
    lines = [line.strip("╭│╰─╯╮ ") for line in box.splitlines()]
    title, *rest = ("" if set(line) <= {"-"} else line for line in lines)
    return " ".join("\n".join(rest).strip().partition("\n\n")[0].split()) or title
