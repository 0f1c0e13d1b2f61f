"""The table of all claims: hunt each, show and record the worst case seen."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

from experiments.lab.progress import progress
from experiments.lab.store import write_json
from theory.claims import Claim, all_claims, hunt

CI_EXAMPLES = 100


def chosen_claims(pattern: str | None) -> list[Claim]:
    """Claims whose name contains `pattern` or matches it as a wildcard; `ValueError` when none does."""
    claims = all_claims()
    chosen = [c for c in claims if pattern is None or pattern in c.name or fnmatch.fnmatch(c.name, pattern)]
    if not chosen:
        raise ValueError(f"check must match the name of a claim, got {pattern!r}")
    return chosen


def described(claim: Claim) -> dict[str, Any]:
    """What a row says of a claim before any hunt."""
    source, *also = (
        {"key": s.key, "number": s.number, "citation": str(s), "claimed": s.claimed, "read": s.read, "limits": s.limits}
        for s in claim.sources
    )
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": source,
        "also": also,
        "kind": claim.kind,
        "status": claim.status,
        "tolerance": claim.tolerance,
    }


def hunted(name: str, examples: int | None, seed: int | None) -> dict[str, Any]:
    """One row of the table. Without `examples`, as many as CI tries, within the claim's own cap."""
    claim = {c.name: c for c in all_claims()}[name]
    worst = hunt(claim, CI_EXAMPLES if examples is None else examples, seed=seed, cap=examples is None)
    return described(claim) | {
        "examples": worst.examples,
        "worst": worst.violation,
        "tightness": worst.tightness,
        "holds": worst.holds,
        "instance": ", ".join(map(repr, worst.instances)),
    }


def table(pattern: str | None, examples: int | None, seed: int | None, workers: int) -> list[dict[str, Any]]:
    """All rows, hunted in `workers` processes, in the order of names.

    What is not hunted (refutations and the verdicts of experiments) is decided here, one after another: the first
    verdict may have to run its experiment, in processes of its own, and the others then find its results.
    """
    import joblib

    claims = chosen_claims(pattern)
    jobs = [joblib.delayed(hunted)(c.name, examples, seed) for c in claims if c.is_hunted]
    with progress(f"hunting {len(claims)} claims", len(claims)) as tick:
        rows = [hunted(c.name, examples, seed) for c in claims if not c.is_hunted]
        tick(len(rows))
        for row in joblib.Parallel(n_jobs=max(1, min(workers, len(jobs))), return_as="generator")(jobs):
            tick(1)
            rows.append(row)
    return sorted(rows, key=lambda row: row["name"])


def line(row: dict[str, Any]) -> str:
    """One row for the terminal."""
    verdict = "ok  " if row["holds"] else "FAIL"
    tight = f"{row['tightness']:.3f}" if row["tightness"] is not None else "-"
    numbers = f"{row['examples']:>6} {row['worst']:>10.2g} {row['tolerance']:>8.0e} {tight:>6}"
    return f"{verdict} {row['name']:<60} {row['source']['key']:<12} {row['kind']:<10} {row['status']:<11} {numbers}"


HEADER = (
    f"     {'claim':<60} {'source':<12} {'kind':<10} {'status':<11} "
    f"{'tried':>6} {'worst':>10} {'allowed':>8} {'tight':>6}"
)


def write_claims(rows: list[dict[str, Any]], output: Path) -> list[str]:
    """Record the rows for the report, beside those recorded before: a long hunt of a few claims keeps the rest.

    A recorded row stays while its claim is registered with the same statement, kind and tolerance, and takes over what
    is said of the claim now; every other is dropped. Returns the names of the dropped; raises `ValueError` where
    `claims.json` is no table.
    """
    known = {claim.name: described(claim) for claim in all_claims()}
    before = {str(row.get("name")): row for row in recorded(output)}
    merged = {name: row | known[name] for name, row in before.items() if _still_said(row, known)}
    merged |= {row["name"]: row for row in rows}
    write_json(output / "claims.json", {"claims": [merged[name] for name in sorted(merged)]})
    return sorted(before.keys() - merged)


def recorded(output: Path) -> list[dict[str, Any]]:
    """The rows of `claims.json` as they are, none where there is no such file; `ValueError` where it is no table."""
    path = output / "claims.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["claims"] if path.is_file() else []
        return [dict(row) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path.name} must be a table of claims, or absent: {error!r}") from error


def _still_said(row: dict[str, Any], known: dict[str, dict[str, Any]]) -> bool:
    now = known.get(str(row.get("name")))
    found = {"examples", "worst", "tightness", "holds", "instance"} <= set(row)
    return now is not None and found and all(row.get(key) == now[key] for key in ("statement", "kind", "tolerance"))
