"""What the report says of claims: their table, the errata, and per paper what is checked and what is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from experiments.lab.markup import (
    DASH,
    code,
    command,
    count,
    fold,
    link,
    number,
    prose,
    sortable,
    tally,
    verdict,
)
from experiments.lab.records import Json
from theory.papers import verdict as verdict_of_kinds


def claim_link(name: str, claims: Mapping[str, Json]) -> str:
    """A link to the row of the claim; its bare name where the table has no such row."""
    return link(f"claim-{name}", code(name)) if name in claims else code(name)


def claims_section(claims: Mapping[str, Json]) -> str:
    """The table of claims; a statement opens to the instance of its worst violation."""
    columns = {"name": "", "statement": "wide", "source": "", "kind": "", "status": "", "examples": "n"}
    columns |= {"worst violation": "n", "tolerance": "n", "tightness": "n", "verdict": "verdict"}
    rows = {
        f"claim-{name}": (
            code(name),
            _instance(prose(claim["statement"]), claim) or prose(claim["statement"]),
            " ".join(link(f"paper-{source['key']}", code(source["key"])) for source in _sources(claim)),
            claim["kind"],
            escape(claim["status"]),
            str(claim["examples"]),
            *(number(claim[key]) for key in ("worst", "tolerance", "tightness")),
            _verdict(claim),
        )
        for name, claim in claims.items()
    }
    explained = (
        "<p>A claim holds where its worst violation, over all examples the hunt tried, is at most its tolerance. "
        "Tightness is the largest fraction of a bound that was attained. A reading is refuted where its "
        "counterexample violates it. A statement opens to the instance of its worst violation.</p>"
    )
    return explained + sortable("Claims", columns, rows) if rows else ""


def errata_section(claims: Mapping[str, Json]) -> str:
    """Every published or natural statement that fails, with the evidence and the command that shows it."""
    return "".join(
        f'<article id="erratum-{name}"><h3>{claim_link(name, claims)}</h3>'
        f"<blockquote>{prose(claim['statement'])}</blockquote><p>Source: {escape(claim['source']['citation'])}</p>"
        f"<p>{_verdict(claim)}: at the counterexample the violation is {number(claim['worst'])}; "
        f"the statement allows {number(claim['tolerance'])}.</p>"
        f"{_instance('counterexample', claim)}{command(_check(name))}</article>\n"
        for name, claim in claims.items()
        if claim["kind"] == "refuted"
    )


def papers_section(claims: Mapping[str, Json]) -> str:
    """The numbered papers that claims cite, by number, then the other sources; each opens to what is checked of it."""
    sources = {source["key"]: source for claim in claims.values() for source in _sources(claim)}
    numbered = sorted((s for s in sources.values() if s["number"] is not None), key=lambda s: (s["number"], s["key"]))
    others = sorted((s for s in sources.values() if s["number"] is None), key=lambda s: (s["citation"], s["key"]))
    html = ""
    if numbered:
        html += (
            "<p>A verdict is on our claims about a paper, which are about mechanisms and statements at small scale, "
            "never benchmarks. With a refuted reading: all hold as stated, and one or more of them say that a natural "
            "reading of the paper, or a published statement, fails. Each paper opens to its claims, the commands that "
            "check them, and what they do not show.</p>"
        ) + _sources_table("Papers", numbered, claims)
    if others:
        html += "<h3>Other sources of methods</h3>" + _sources_table("Sources", others, claims)
    return html


def papers_checked(claims: Mapping[str, Json]) -> int:
    """How many numbered papers the claims are about."""
    return len({s["key"] for claim in claims.values() for s in _sources(claim) if s["number"] is not None})


# ------------------------------------------------------------------------------------------------ one claim, one paper


def _sources(claim: Json) -> list[Json]:
    return [claim["source"], *claim["also"]]


def _check(name: str) -> str:
    return f"python -m experiments claims --check {name}"


def _verdict(claim: Json) -> str:
    """Holds or fails; a refuted reading links to its erratum and is good while its counterexample refutes it."""
    if claim["kind"] != "refuted":
        return verdict(claim["holds"], "holds" if claim["holds"] else "fails")
    return link(f"erratum-{claim['name']}", verdict(claim["holds"], "refuted" if claim["holds"] else "not refuted"))


def _instance(title: str, claim: Json) -> str:
    return fold(title, f"<pre>{escape(claim['instance'])}</pre>") if claim["instance"].strip() else ""


def _sources_table(label: str, sources: Sequence[Json], claims: Mapping[str, Json]) -> str:
    """One row per source, opening to its claims; with a column of numbers where the sources have one."""
    rows, more = {}, {}
    for source in sources:
        about = [claim for claim in claims.values() if source["key"] in {s["key"] for s in _sources(claim)}]
        numbers = [str(source["number"])] * (source["number"] is not None)
        told = (prose(source["citation"]), prose(source["claimed"] or DASH), _paper_verdict(about), str(len(about)))
        rows[f"paper-{source['key']}"] = (*numbers, *told)
        more[f"paper-{source['key']}"] = fold(f"{count(len(about), 'claim')} in full", _opened(source, about, claims))
    columns = {"no.": "n"} if sources[0]["number"] is not None else {}
    columns |= {"paper": "wide", "what it claims": "wide", "verdict": "verdict", "claims": "n"}
    return sortable(label, columns, rows, more)


def _paper_verdict(about: Sequence[Json]) -> str:
    """What the registered claims say together, unless the hunt contradicts one of them."""
    holds = all(claim["holds"] for claim in about)
    return verdict(holds, verdict_of_kinds(claim["kind"] for claim in about) if holds else "fails")


def _opened(source: Json, about: Sequence[Json], claims: Mapping[str, Json]) -> str:
    """What the checks of a source do not show, how it is known, and its claims: the failing first, the refuted last."""
    told = {"Not shown": prose(source["limits"] or DASH), "How it is known": prose(source["read"] or DASH)}
    told |= {"Found": _found(about)}
    listed = "".join(f"<div><dt>{what}</dt><dd>{html}</dd></div>" for what, html in told.items())
    ordered = sorted(about, key=lambda claim: (claim["holds"], claim["kind"] == "refuted", claim["name"]))
    return f"<dl>{listed}</dl><ul>{''.join(_in_full(claim, claims) for claim in ordered)}</ul>"


def _in_full(claim: Json, claims: Mapping[str, Json]) -> str:
    """One claim: what it states, what the hunt found, and the command that checks it."""
    facts = [escape(word) for word in dict.fromkeys((claim["kind"], claim["status"]))]
    facts += [f"worst violation {number(claim['worst'])}", f"tolerance {number(claim['tolerance'])}"]
    facts += [f"tightness {number(claim['tightness'])}"] * (claim["tightness"] is not None)
    facts += [count(claim["examples"], "example")]
    return (
        f"<li>{claim_link(claim['name'], claims)} {_verdict(claim)}\n<p>{prose(claim['statement'])}</p>"
        f'<p class="facts">{"; ".join(facts)}</p>{command(_check(claim["name"]))}</li>\n'
    )


def _found(about: Sequence[Json]) -> str:
    standing = [claim["holds"] for claim in about if claim["kind"] != "refuted"]
    refuted = [claim["holds"] for claim in about if claim["kind"] == "refuted"]
    said = [tally(standing, "claim")] * bool(standing)
    if refuted:
        said.append(verdict(all(refuted), f"{sum(refuted)} of {count(len(refuted), 'reading')} refuted"))
    return ", ".join(said)
