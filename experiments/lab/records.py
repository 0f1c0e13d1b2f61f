"""Reading the records that experiments and hunts leave, and refusing any that the report could not show.

A record is `<name>.json` with `<name>.svg` beside it, and usually `<name>.png`, whose small copy is for the gallery;
`claims.json` is the table of claims.
"""

from __future__ import annotations

import base64
import io
import json
import re
import urllib.parse
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
_SOURCE = dict.fromkeys(("citation", "claimed", "read", "limits"), str) | {"key": _NAME, "number": int | None}
_CLAIM |= {"source": _SOURCE, "also": [_SOURCE]}
_PLAIN = ' !"()*+,/:;<=>?@[]^`{|}$'  # what may stand in a data URI within single quotes
_COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"')
_THUMBNAIL = 320  # pixels across, about: twice the width of a card on a small screen


def read_records(folder: Path) -> list[Json]:
    """The records by topic and name, each with its picture and, where there is a PNG, a small copy as data URIs."""
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
        records.append(record | {"image": _svg_uri(svg), "thumbnail": _thumbnail(png) if png.is_file() else ""})
    return sorted(records, key=lambda record: (record["topic"], record["name"]))


def read_claims(folder: Path) -> dict[str, Json]:
    """The claims by name; none where there is no `claims.json`. A file of another version says how it is made again."""
    path = folder / "claims.json"
    try:
        listed = _read(path, {"claims": [_CLAIM]})["claims"] if path.is_file() else []
    except ValueError as error:
        raise ValueError(f"{error} (`python -m experiments claims --record` writes the file again)") from error
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


def _svg_uri(path: Path) -> str:
    """The figure as text to stand in single quotes: two thirds of what base64 takes, coordinates cut to 1/100 point."""
    text = " ".join(path.read_text(encoding="utf-8").split())  # line breaks become spaces: a URI has none
    text = _COORDINATES.sub(lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), text)
    return f"data:image/svg+xml,{urllib.parse.quote(text, safe=_PLAIN)}"


def _thumbnail(path: Path) -> str:
    """The figure at a few hundred pixels across and in few colours, some 10 kB; `ValueError` where it is no PNG."""
    from matplotlib.image import imread, imsave

    try:
        pixels = imread(path, format="png")[..., :3]
    except (OSError, SyntaxError) as error:  # the words of the reader for a broken file
        raise ValueError(f"{path.name} must be a PNG: {error}") from error
    step = max(1, round(pixels.shape[1] / _THUMBNAIL))
    height, width = (side // step for side in pixels.shape[:2])
    blocks = pixels[: height * step, : width * step].reshape(height, step, width, step, 3).mean(axis=(1, 3))
    made = io.BytesIO()
    settings: Json = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
    imsave(made, (blocks * 15).round() / 15, format="png", **settings)  # sixteen shades of each colour
    return f"data:image/png;base64,{base64.b64encode(made.getvalue()).decode()}"
