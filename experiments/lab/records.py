"""Reading the records that experiments and hunts leave, and refusing any that the report could not show.

A record is `<name>.json` with `<name>.svg` (and usually `<name>.png`) beside it; `claims.json` is the table of claims.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# The shape of the files: a type, a pattern for words, [the shape of every item], {key: shape}.
_NUMBER = int | float | str | None  # JSON has no nan and inf: they come as words
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # becomes an anchor
KINDS = ("identity", "inequality", "limit", "trend", "refuted")
_CHECK = {"what": str, "relation": re.compile("[=<>]"), "claim": str | None, "holds": bool}
_CHECK |= dict.fromkeys(("predicted", "observed", "tolerance"), _NUMBER)
_RECORD = {"name": _NAME, "config": dict, "versions": dict, "seeds": [int], "claims": [str], "checks": [_CHECK]}
_RECORD |= dict.fromkeys(("title", "topic", "description", "profile", "command", "code", "data", "figure"), str)
_CLAIM = {"name": _NAME, "kind": re.compile("|".join(KINDS)), "holds": bool, "examples": int}
_CLAIM |= dict.fromkeys(("statement", "status", "instance"), str)
_CLAIM |= dict.fromkeys(("tolerance", "worst", "tightness"), _NUMBER)
_CLAIM |= {"source": {"key": _NAME, "citation": str, "claimed": str, "read": str}}


def read_records(folder: Path) -> list[Json]:
    """The records by topic and name, each with its picture and a small copy (the lighter file) as data URIs."""
    if not folder.is_dir():
        raise ValueError(f"folder must be an existing folder, got {str(folder)!r}")
    records = []
    for path in sorted(folder.glob("*.json")):
        if path.name == "claims.json":
            continue
        record = _read(path, _RECORD)
        if record["name"] != path.stem:
            raise ValueError(f"{path.name}: key 'name' must be that of the file, got {record['name']!r}")
        svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
        if not svg.is_file():
            raise ValueError(f"{path.name}: there must be a figure {svg.name} beside it")
        small = png if png.is_file() and png.stat().st_size < svg.stat().st_size else svg
        records.append(record | {"image": _data_uri(svg), "thumbnail": _data_uri(small)})
    return sorted(records, key=lambda record: (record["topic"], record["name"]))


def read_claims(folder: Path) -> dict[str, Json]:
    """The claims by name; none where there is no `claims.json`."""
    path = folder / "claims.json"
    listed = _read(path, {"claims": [_CLAIM]})["claims"] if path.is_file() else []
    claims = {claim["name"]: claim for claim in sorted(listed, key=lambda claim: claim["name"])}
    if len(claims) < len(listed):
        raise ValueError(f"{path.name}: key 'claims' must not list a name twice")
    return claims


def _read(path: Path, shape: Json) -> Json:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} must be JSON: {error}") from error
    _expect(path.name, content, shape)
    return dict(content)


def _expect(where: str, value: Any, shape: Any) -> None:
    """Raise `ValueError`, naming the place, unless `value` has the shape."""
    pattern = shape if isinstance(shape, re.Pattern) else None
    kind = str if pattern else type(shape) if isinstance(shape, dict | list) else shape
    if not isinstance(value, kind) or (pattern and not pattern.fullmatch(value)):
        name = kind.__name__ if isinstance(kind, type) else kind
        wanted = f"text that matches {pattern.pattern}" if pattern else name
        raise ValueError(f"{where} must be {wanted}, got {value!r}")
    for key, inner in shape.items() if isinstance(shape, dict) else ():
        if key not in value:
            raise ValueError(f"{where}: key {key!r} is missing")
        _expect(f"{where}: key {key!r}", value[key], inner)
    for index, item in enumerate(value) if isinstance(shape, list) else ():
        _expect(f"{where}[{index}]", item, shape[0])


def _data_uri(path: Path) -> str:
    media = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"
