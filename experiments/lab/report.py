"""The page a person opens: all records of a folder as one self-contained `index.html`.

    write_report(Path("paper_figures"))

It needs nothing but the file itself: style, script and figures are inside, and a content policy forbids every request.
The script only adds comfort (sorting, filtering, copying); without it the page says the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from experiments.lab.records import KINDS, Json, read_claims, read_records
from experiments.lab.store import write_whole

_DASH = "\N{EN DASH}"
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
script-src 'sha256-$digest'">
<link rel="icon" href="data:,">
<title>attention-dynamics: theory and simulation</title>
<style>
$style</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>attention-dynamics</h1>
<p class="lead">The executable theory of attention dynamics. Each statement about how attention trains is a function; \
a counterexample hunt and a toy simulation try to contradict it. This page shows what came out.</p>
$summary
</header>
<nav aria-label="Sections">$nav</nav>
<main id="main" tabindex="-1">
$main</main>
<script>$script</script>
</body>
</html>
""")


def write_report(folder: Path) -> Path:
    """Write `folder/index.html` from `folder/*.json` and the figures beside them, whole or not at all; return its path.

    The same files give the same bytes. A missing `claims.json` leaves the sections about claims empty. Raises
    `ValueError` naming the file and the key that is missing or wrong; the page of before stays as it was.
    """
    records, claims = read_records(folder), read_claims(folder)
    style, script = (Path(__file__).with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js"))
    sections = {
        "Gallery": _gallery(records),
        "Figures": "".join(_figure(record, claims) for record in records),
        "Claims": _claims(claims),
        "Errata": _errata(claims),
        "Papers": _papers(claims),
    }
    page = _PAGE.substitute(
        style=style,
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        summary=_summary(records, claims),
        nav=" ".join(_link(title.lower(), title) for title in sections),
        main="".join(
            f'<section id="{title.lower()}"><h2>{title}</h2>\n{html or "<p>None in this folder.</p>"}</section>\n'
            for title, html in sections.items()
        ),
    )
    content, path = page.encode(), folder / "index.html"

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_whole(path, write)
    return path


# ------------------------------------------------------------------------------------------------ small pieces


def _number(value: float | str | None) -> str:
    """Four significant digits; 0 for negative zero, an en dash for nothing, words such as nan as they are."""
    if value is None or isinstance(value, str):
        return escape(value or _DASH)
    return f"{value + 0.0:.4g}"


def _prose(text: str) -> str:
    """Escaped text whose `backticks` become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _link(anchor: str, html: str) -> str:
    return f'<a href="#{anchor}">{html}</a>'


def _fold(title: str, html: str) -> str:
    return f"<details><summary>{title}</summary>{html}</details>"


def _verdict(good: bool, words: str) -> str:
    """A verdict in colour, in a symbol and in words."""
    return f'<span class="{"good" if good else "bad"}">{"✓" if good else "✗"} {words}</span>'


def _table(label: str, columns: Mapping[str, str], rows: Mapping[str, Sequence[str]]) -> str:
    """A table that scrolls inside its own box. `columns`: heading -> class ("n": numbers); `rows`: anchor -> cells."""
    head = "".join(f'<th scope="col" class="{css}">{title}</th>' for title, css in columns.items())
    body = ""
    for anchor, row in rows.items():
        first, *rest = (f'class="{css}">{cell}' for cell, css in zip(row, columns.values(), strict=True))
        cells = "".join(f"<td {cell}</td>" for cell in rest)
        body += f'<tr id="{anchor}"><th scope="row" {first}</th>{cells}</tr>\n'
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def _code(text: str) -> str:
    """A name or value as code that may break after its dots and underscores, so that narrow columns can hold it."""
    return "<code>" + re.sub(r"([._])", r"\1<wbr>", escape(text)) + "</code>"


def _command(command: str) -> str:
    return f'<div class="command"><pre>{escape(command)}</pre></div>'


def _claim_link(name: str, claims: Mapping[str, Json]) -> str:
    """A link to the row of the claim; its bare name where the table has no such row."""
    return _link(f"claim-{name}", _code(name)) if name in claims else _code(name)


def _claim_verdict(claim: Json) -> str:
    """Holds or fails; a refuted reading links to its erratum and is good while its counterexample refutes it."""
    if claim["kind"] != "refuted":
        return _verdict(claim["holds"], "holds" if claim["holds"] else "fails")
    return _link(f"erratum-{claim['name']}", _verdict(claim["holds"], "refuted" if claim["holds"] else "not refuted"))


def _count(number: int, what: str, does: str = "") -> str:
    """A number with its noun and verb: "1 check holds", "2 checks hold"."""
    return f"{number} {what}{'s' * (number != 1)}" + (f" {does}{'s' * (number == 1)}" if does else "")


def _tally(holds: Sequence[bool], what: str) -> str:
    """One verdict over many, such as "3 checks hold" or "1 of 3 checks fails"."""
    failing = len(holds) - sum(holds)
    if failing:
        return _verdict(False, f"{failing} of {_count(len(holds), what)} fail{'s' * (failing == 1)}")
    return _verdict(True, _count(len(holds), what, "hold")) if holds else f"no {what}s"


# ---------------------------------------------------------------------------------------------------- sections


def _summary(records: Sequence[Json], claims: Mapping[str, Json]) -> str:
    """The counts, and every failure by name: nothing red hides further down."""
    holds = [check["holds"] for record in records for check in record["checks"]]
    failures = [
        f"{_prose(check['what'])}, in {_link('figure-' + record['name'], escape(record['title']))}"
        for record in records
        for check in record["checks"]
        if not check["holds"]
    ]
    failures += [f"claim {_claim_link(name, claims)}" for name, claim in claims.items() if not claim["holds"]]
    items = [_count(len(records), "experiment"), _count(len(claims), "claim"), _count(sum(holds), "check", "hold")]
    items.append(_verdict(all(holds), _count(holds.count(False), "check", "fail")))
    listed = "".join(f"<li>{_verdict(False, 'fails')}: {failure}</li>" for failure in failures)
    return f'<ul class="counts"><li>{"</li><li>".join(items)}</li></ul><ul class="failures">{listed}</ul>'


def _topic(record: Json) -> str:
    return f'<span class="topic">{escape(record["topic"].replace("_", " "))}</span>'


def _gallery(records: Sequence[Json]) -> str:
    """One card per figure; picture and title are a single link to its section."""
    cards = ""
    for record in records:
        picture = f'<img src="{record["thumbnail"]}" alt=""><strong>{escape(record["title"])}</strong>'
        verdict = _tally([check["holds"] for check in record["checks"]], "check")
        cards += f"<li>{_link('figure-' + record['name'], picture)}{_topic(record)} {verdict}</li>\n"
    return f'<ul class="cards">{cards}</ul>' if cards else ""


def _figure(record: Json, claims: Mapping[str, Json]) -> str:
    """The section of one figure: picture, checks, claims, and all it takes to make it again."""
    paragraphs = "".join(f"<p>{_prose(part)}</p>" for part in re.split(r"\n\s*\n", record["description"].strip()))
    decided = "".join(
        f"<li>{_claim_link(name, claims)} {_prose(claims[name]['statement']) if name in claims else ''}</li>"
        for name in record["claims"]
    )
    return (
        f'<article id="figure-{record["name"]}"><h3>{escape(record["title"])}</h3>'
        f'<p class="under">{_topic(record)} {_tally([check["holds"] for check in record["checks"]], "check")}</p>'
        f'{paragraphs}<figure><img src="{record["image"]}" alt="Figure: {escape(record["title"])}"></figure>\n'
        + (_checks(record, claims) if record["checks"] else "")
        + (f"<h4>Claims it decides</h4><ul>{decided}</ul>" if decided else "")
        + f"<h4>Make it again</h4>{_command(record['command'])}{_provenance(record)}</article>\n"
    )


def _checks(record: Json, claims: Mapping[str, Json]) -> str:
    """The table of checks; a bound is written as such ("< 0.35"), its tolerance with the side that it widens."""
    signs = {"=": ("", "±"), "<": ("&lt; ", "+"), ">": ("&gt; ", "-")}
    columns = {"what": "", "predicted": "n", "observed": "n", "tolerance": "n", "claim": "", "verdict": ""}
    rows = {}
    for index, check in enumerate(record["checks"]):
        relation, side = signs[check["relation"]]
        rows[f"check-{record['name']}-{index}"] = (
            _prose(check["what"]),
            relation + _number(check["predicted"]),
            _number(check["observed"]),
            f"{side} {_number(check['tolerance'])}" if check["tolerance"] else _number(check["tolerance"]),
            _claim_link(check["claim"], claims) if check["claim"] else _DASH,
            _verdict(check["holds"], "holds" if check["holds"] else "fails"),
        )
    return _table(f"Checks of {record['title']}", columns, rows)


def _provenance(record: Json) -> str:
    """Configuration, seeds, versions and hashes."""
    seeds = record["seeds"]
    run = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    facts = {
        "profile": record["profile"],
        "seeds": f"{seeds[0]} to {seeds[-1]} ({len(seeds)} seeds)" if run else ", ".join(map(str, seeds)),
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "code version": record["code"],
        "data hash": record["data"],
        "figure hash": record["figure"],
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(text or _DASH)}</dd></div>" for name, text in facts.items())
    rows = {
        f"config-{record['name']}-{index}": (_code(key), _code(value if isinstance(value, str) else json.dumps(value)))
        for index, (key, value) in enumerate(record["config"].items())
    }
    table = _table(f"Configuration of {record['title']}", {"argument": "", "value": ""}, rows)
    return f"<dl>{listed}</dl>{_fold('Configuration', table)}"


def _claims(claims: Mapping[str, Json]) -> str:
    """The table of claims; the script makes it sortable and shows the filter."""
    columns = {"name": "", "statement": "wide", "source": "", "kind": "", "status": "", "examples": "n"}
    columns |= {"worst violation": "n", "tolerance": "n", "tightness": "n", "verdict": ""}
    rows = {
        f"claim-{name}": (
            _code(name),
            _instance(_prose(claim["statement"]), claim) or _prose(claim["statement"]),
            _link(f"paper-{claim['source']['key']}", _code(claim["source"]["key"])),
            claim["kind"],
            escape(claim["status"]),
            str(claim["examples"]),
            *(_number(claim[key]) for key in ("worst", "tolerance", "tightness")),
            _claim_verdict(claim),
        )
        for name, claim in claims.items()
    }
    explained = (
        "<p>A claim holds where its worst violation, over all examples the hunt tried, is at most its tolerance. "
        "Tightness is the largest fraction of a bound that was attained. A reading is refuted where its "
        "counterexample violates it. A statement opens to the instance of its worst violation.</p>"
        '<p class="filter" hidden><label>Filter <input type="search"></label> <output></output></p>'
    )
    return explained + _table("Claims", columns, rows) if rows else ""


def _instance(title: str, claim: Json) -> str:
    return _fold(title, f"<pre>{escape(claim['instance'])}</pre>") if claim["instance"].strip() else ""


def _errata(claims: Mapping[str, Json]) -> str:
    """Every published or natural statement that fails, with the evidence and the command that shows it."""
    return "".join(
        f'<article id="erratum-{name}"><h3>{_claim_link(name, claims)}</h3>'
        f"<blockquote>{_prose(claim['statement'])}</blockquote><p>Source: {escape(claim['source']['citation'])}</p>"
        f"<p>{_claim_verdict(claim)}: at the counterexample the violation is {_number(claim['worst'])}; "
        f"the statement allows {_number(claim['tolerance'])}.</p>"
        f"{_instance('counterexample', claim)}{_command(f'python -m experiments claims --check {name}')}</article>\n"
        for name, claim in claims.items()
        if claim["kind"] == "refuted"
    )


def _papers(claims: Mapping[str, Json]) -> str:
    """One row per source of a claim, by citation: what it claims, how we know it, what we check, verdict."""
    by_source: dict[str, list[Json]] = {}
    for claim in sorted(claims.values(), key=lambda claim: (claim["source"]["citation"], claim["source"]["key"])):
        by_source.setdefault(claim["source"]["key"], []).append(claim)
    columns = {"source": "wide", "what it claims": "wide", "how we know it": "", "what we check": "", "verdict": ""}
    rows = {}
    for key, own in by_source.items():
        told = (_prose(own[0]["source"][part] or _DASH) for part in ("citation", "claimed", "read"))
        kinds = {kind: [claim["name"] for claim in own if claim["kind"] == kind] for kind in KINDS}
        links = {kind: "".join(f"<li>{_claim_link(n, claims)}</li>" for n in names) for kind, names in kinds.items()}
        checked = "".join(_fold(f"{kind}: {len(kinds[kind])}", f"<ul>{li}</ul>") for kind, li in links.items() if li)
        holds = [claim["holds"] for claim in own if claim["kind"] != "refuted"]
        refuted = "".join(f"<li>{_claim_verdict(claims[n])}: {_claim_link(n, claims)}</li>" for n in kinds["refuted"])
        rows[f"paper-{key}"] = (*told, checked, _tally(holds, "claim") * bool(holds) + f"<ul>{refuted}</ul>")
    return _table("Papers", columns, rows) if rows else ""
