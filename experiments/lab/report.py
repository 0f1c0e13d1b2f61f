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

from experiments.lab.markup import DASH, code, command, count, fold, link, number, prose, table, tally, verdict
from experiments.lab.records import Json, read_claims, read_records
from experiments.lab.report_claims import claim_link, claims_section, errata_section, papers_checked, papers_section
from experiments.lab.store import write_whole

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
        "Claims": claims_section(claims),
        "Errata": errata_section(claims),
        "Papers": papers_section(claims),
    }
    page = _PAGE.substitute(
        style=style,
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        summary=_summary(records, claims),
        nav=" ".join(link(title.lower(), title) for title in sections),
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


# ---------------------------------------------------------------------------------------------------- sections


def _summary(records: Sequence[Json], claims: Mapping[str, Json]) -> str:
    """The counts, and every failure by name: nothing red hides further down."""
    holds = [check["holds"] for record in records for check in record["checks"]]
    failures = [
        f"{prose(check['what'])}, in {link('figure-' + record['name'], escape(record['title']))}"
        for record in records
        for check in record["checks"]
        if not check["holds"]
    ]
    failures += [f"claim {claim_link(name, claims)}" for name, claim in claims.items() if not claim["holds"]]
    items = [count(len(records), "experiment"), count(len(claims), "claim"), count(papers_checked(claims), "paper")]
    items.append(count(sum(holds), "check", "hold"))
    items.append(verdict(all(holds), count(holds.count(False), "check", "fail")))
    listed = "".join(f"<li>{verdict(False, 'fails')}: {failure}</li>" for failure in failures)
    return f'<ul class="counts"><li>{"</li><li>".join(items)}</li></ul><ul class="failures">{listed}</ul>'


def _topic(record: Json) -> str:
    return f'<span class="topic">{escape(record["topic"].replace("_", " "))}</span>'


def _gallery(records: Sequence[Json]) -> str:
    """One card per figure; picture and title are a single link to its section."""
    cards = ""
    for record in records:
        image = f'<img src="{record["thumbnail"]}" alt="">' if record["thumbnail"] else ""
        picture = f"{image}<strong>{escape(record['title'])}</strong>"
        held = tally([check["holds"] for check in record["checks"]], "check")
        cards += f"<li>{link('figure-' + record['name'], picture)}{_topic(record)} {held}</li>\n"
    return f'<ul class="cards">{cards}</ul>' if cards else ""


def _figure(record: Json, claims: Mapping[str, Json]) -> str:
    """The section of one figure: picture, checks, claims, and all it takes to make it again."""
    paragraphs = "".join(f"<p>{prose(part)}</p>" for part in re.split(r"\n\s*\n", record["description"].strip()))
    decided = "".join(
        f"<li>{claim_link(name, claims)} {prose(claims[name]['statement']) if name in claims else ''}</li>"
        for name in record["claims"]
    )
    return (
        f'<article id="figure-{record["name"]}"><h3>{escape(record["title"])}</h3>'
        f'<p class="under">{_topic(record)} {tally([check["holds"] for check in record["checks"]], "check")}</p>'
        f"{paragraphs}<figure><img src='{record['image']}' alt=\"Figure: {escape(record['title'])}\"></figure>\n"
        + (_checks(record, claims) if record["checks"] else "")
        + (f"<h4>Claims it decides</h4><ul>{decided}</ul>" if decided else "")
        + f"<h4>Make it again</h4>{command(record['command'])}{_provenance(record)}</article>\n"
    )


def _checks(record: Json, claims: Mapping[str, Json]) -> str:
    """The table of checks; a bound is written as such ("< 0.35"), its tolerance with the side that it widens."""
    signs = {"=": ("", "±"), "<": ("&lt; ", "+"), ">": ("&gt; ", "-")}
    columns = {"what": "", "predicted": "n", "observed": "n", "tolerance": "n", "claim": "", "verdict": ""}
    rows = {}
    for index, check in enumerate(record["checks"]):
        relation, side = signs[check["relation"]]
        rows[f"check-{record['name']}-{index}"] = (
            prose(check["what"]),
            relation + number(check["predicted"]),
            number(check["observed"]),
            f"{side} {number(check['tolerance'])}" if check["tolerance"] else number(check["tolerance"]),
            claim_link(check["claim"], claims) if check["claim"] else DASH,
            verdict(check["holds"], "holds" if check["holds"] else "fails"),
        )
    return table(f"Checks of {record['title']}", columns, rows)


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
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(text or DASH)}</dd></div>" for name, text in facts.items())
    rows = {
        f"config-{record['name']}-{index}": (code(key), code(value if isinstance(value, str) else json.dumps(value)))
        for index, (key, value) in enumerate(record["config"].items())
    }
    arguments = table(f"Configuration of {record['title']}", {"argument": "", "value": ""}, rows)
    return f"<dl>{listed}</dl>{fold('Configuration', arguments)}"
