"""The report page from invented records: it escapes, repeats itself byte by byte, names what fails or is broken."""

from __future__ import annotations

import base64
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from matplotlib.image import imread, imsave

from experiments.lab.report import write_report

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="480" height="320" viewBox="0 0 480 320">
<style>text { font: 14px sans-serif }</style>
<rect width="480" height="320" fill="white"/>
<path d="M60 20V270H460" fill="none" stroke="black"/>
<path d="M60 250C160 120 300 70 450 50" fill="none" stroke="#0072b2" stroke-width="2"/>
<g fill="#d55e00"><circle cx="110" cy="190" r="4"/><circle cx="220" cy="112" r="4"/><circle cx="350" cy="68" r="4"/></g>
<text x="240" y="305">log t</text><text x="20" y="30">alpha</text>
</svg>
"""
HOSTILE = """<script>alert("1")</script> & 'quoted' $script ${style} %s {name}"""


def a_source(key: str = "INVENTED_2024", number: int | None = 36, **changes: Any) -> dict[str, Any]:
    source = {"key": key, "number": number, "citation": "Doe, Roe (2024). Sinks, arXiv:0000.00000"}
    source |= {"claimed": "Sinks grow.", "read": "abstract; statements of the text are as recalled"}
    return source | {"limits": "No large model is looked at."} | changes


def a_check(**changes: Any) -> dict[str, Any]:
    check: dict[str, Any] = {
        "what": "slope of `alpha` against log t",
        "predicted": 0.5,
        "observed": 0.50031234,
        "tolerance": 0.01,
    }
    return check | {"relation": "=", "claim": "sink_flow.grows", "holds": True} | changes


def a_record(name: str = "sink_flow", **changes: Any) -> dict[str, Any]:
    record = {
        "name": name,
        "title": "The sink logit grows like half the logarithm of time",
        "topic": "attention_sinks",
        "description": "Theory is a line.\n\nSimulation is points.",
        "profile": "quick",
        "config": {"seeds": "0:5", "learning_rate": 1e-3, "device": None},
        "seeds": [0, 1, 2, 3, 4],
        "claims": ["sink_flow.grows"],
        "checks": [a_check(), a_check(what="largest logit", relation="<", predicted=0.35, observed=-0.0, claim=None)],
        "command": f"python -m experiments run {name} --profile quick",
        "versions": {"python": "3.11.7", "numpy": "2.0"},
        "code": "0a1b2c3d",
        "data": "d" * 64,
        "figure": "f" * 64,
    }
    return record | changes


def a_claim(name: str = "sink_flow.grows", **changes: Any) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "name": name,
        "statement": "The sink logit grows.",
        "source": a_source(),
        "also": [],
        "kind": "limit",
        "status": "theorem",
    }
    claim |= {"tolerance": 0.01, "examples": 100, "worst": 1.23456e-9, "tightness": None, "holds": True}
    return claim | {"instance": "(SinkPoint(alpha=1.0, beta=2.0),)"} | changes


THREE_CLAIMS = [
    a_claim(),
    a_claim("sink_flow.bound", kind="inequality", worst=-0.25, tightness=0.75),
    a_claim("sink_flow.printed_rate", kind="refuted", status="refuted", worst="inf", tolerance=1e-9),
]


def lay_out(folder: Path, *records: dict[str, Any], claims: list[dict[str, Any]] | None = None) -> Path:
    """Write the records with a figure each, and `claims.json` unless claims is None."""
    pixels = np.ones((640, 960, 4))
    pixels[100:500, 100:] = np.linspace(0, 1, 860)[:, None]
    for record in records:
        (folder / f"{record['name']}.json").write_text(json.dumps(record), encoding="utf-8")
        (folder / f"{record['name']}.svg").write_text(SVG, encoding="utf-8")
        imsave(folder / f"{record['name']}.png", pixels)
    if claims is not None:
        (folder / "claims.json").write_text(json.dumps({"claims": claims}), encoding="utf-8")
    return folder


class Reading(HTMLParser):
    """What a page says: its words, its elements, and whether every element is closed."""

    VOID = frozenset({"meta", "link", "img", "input", "wbr"})
    INLINE = frozenset({"a", "code", "span", "strong", "label", "option"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], "elements left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"<{tag}> repeats an attribute"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.words.append("" if tag in self.INLINE else " ")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value or "" for _, attributes in self.elements for key, value in attributes.items() if key == attribute]


def read(folder: Path) -> Reading:
    return Reading(write_report(folder).read_text(encoding="utf-8"))


def test_page_is_whole_and_links_lead_somewhere(tmp_path: Path) -> None:
    page = read(lay_out(tmp_path, a_record(), a_record("other"), claims=THREE_CLAIMS))
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {link.removeprefix("#") for link in page.values("href") if link != "data:,"} <= set(anchors)
    assert all(source.startswith("data:image/") for source in page.values("src"))
    for told in (
        "2 experiments",
        "3 claims",
        "1 paper",
        "4 checks hold",
        "0 checks fail",
        "0 to 4 (5 seeds)",
        "d" * 64,
    ):
        assert told in page.text


@pytest.mark.parametrize("place", ["title", "topic", "description", "command", "profile", "code", "what", "config"])
def test_hostile_text_in_a_record_stays_text(tmp_path: Path, place: str) -> None:
    if place == "what":
        record = a_record(checks=[a_check(what=HOSTILE, holds=False)], claims=[HOSTILE])
    elif place == "config":
        record = a_record(config={HOSTILE: HOSTILE}, versions={HOSTILE: HOSTILE})
    else:
        record = a_record(**{place: HOSTILE})
    page = read(lay_out(tmp_path, record, claims=THREE_CLAIMS))
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert HOSTILE in page.text


@pytest.mark.parametrize("kind", ["limit", "refuted"])
@pytest.mark.parametrize("place", ["statement", "status", "instance", "worst", "citation", "claimed", "read", "limits"])
def test_hostile_text_in_a_claim_stays_text(tmp_path: Path, place: str, kind: str) -> None:
    changes = {place: HOSTILE} if place in a_claim() else {"source": a_source(**{place: HOSTILE})}
    page = read(lay_out(tmp_path, a_record(), claims=[a_claim(kind=kind, **changes)]))
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert HOSTILE in page.text


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    pages = []
    for order in (1, -1):
        folder = tmp_path / str(order)
        folder.mkdir()
        lay_out(folder, *[a_record(), a_record("other")][::order], claims=THREE_CLAIMS[::order])
        pages.append(write_report(folder).read_bytes())
        assert write_report(folder).read_bytes() == pages[-1], "the page itself must not be an input"
    assert pages[0] == pages[1]


def test_numbers_are_short(tmp_path: Path) -> None:
    checks = [*a_record()["checks"], a_check(relation=">", observed=float("nan"), tolerance=0, claim=None)]
    text = read(lay_out(tmp_path, a_record(checks=checks), claims=THREE_CLAIMS)).text
    dash = "\N{EN DASH}"
    assert "0.5 0.5003 ± 0.01 sink_flow.grows" in text
    assert f"< 0.35 0 + 0.01 {dash}" in text
    assert f"> 0.5 nan 0 {dash}" in text
    assert f"100 1.235e-09 0.01 {dash}" in text
    assert "100 -0.25 0.01 0.75" in text
    assert f"100 inf 1e-09 {dash}" in text


def test_a_failing_check_is_told_in_words(tmp_path: Path) -> None:
    text = read(lay_out(tmp_path, a_record(checks=[a_check(), a_check(holds=False)]), claims=THREE_CLAIMS)).text
    assert "1 check fails" in text
    assert "✗ fails: slope of alpha against log t, in The sink logit" in text
    assert "✗ 1 of 2 checks fails" in text
    assert "sink_flow.grows ✗ fails" in text


def test_failing_claims_and_refuted_readings_are_told_apart(tmp_path: Path) -> None:
    fails, refuted = a_claim("a.fails", holds=False), THREE_CLAIMS[2]
    text = read(lay_out(tmp_path, a_record(), claims=[a_claim(), fails, refuted])).text
    assert "✗ fails: claim a.fails" in text
    assert "Sinks grow. ✗ fails 3 3 claims in full" in text
    assert "Found ✗ 1 of 2 claims fails, ✓ 1 of 1 reading refuted a.fails ✗ fails" in text
    assert "python -m experiments claims --check sink_flow.printed_rate" in text
    assert "at the counterexample the violation is inf; the statement allows 1e-09." in text
    text = read(lay_out(tmp_path, claims=[a_claim("x.y", kind="refuted", holds=False)])).text
    assert "✗ 0 of 1 reading refuted x.y ✗ not refuted" in text


FOUR_SOURCES = {
    "LATE_2024": a_source("LATE_2024", 70, citation="Late (2024). A", claimed="Late claims."),
    "EARLY_2020": a_source("EARLY_2020", 2, citation="Early (2020). B", claimed="Early claims."),
    "TOOL_2011": a_source("TOOL_2011", None, citation="Tool (2011). C", claimed="Tools."),
    "ONLY_ALSO_2021": a_source("ONLY_ALSO_2021", 9, citation="Also (2021). D", claimed="Also claims."),
}
ABOUT_FOUR = [
    a_claim("a.one", source=FOUR_SOURCES["LATE_2024"], also=[FOUR_SOURCES["EARLY_2020"]]),
    a_claim("b.two", source=FOUR_SOURCES["EARLY_2020"], kind="refuted", also=[FOUR_SOURCES["ONLY_ALSO_2021"]]),
    a_claim("c.three", source=FOUR_SOURCES["TOOL_2011"], holds=False),
    a_claim("d.four", source=FOUR_SOURCES["LATE_2024"], kind="inequality", tightness=0.97),
]


def test_papers_stand_by_number_and_other_sources_below(tmp_path: Path) -> None:
    page = read(lay_out(tmp_path, claims=ABOUT_FOUR))
    anchors = [anchor for anchor in page.values("id") if anchor.startswith("paper-")]
    assert anchors == [f"paper-{key}" for key in ("EARLY_2020", "ONLY_ALSO_2021", "LATE_2024", "TOOL_2011")]
    papers = page.text[page.text.index("A verdict is on our claims") :]
    assert "2 Early (2020). B Early claims. ✓ holds, with a refuted reading 2 2 claims in full" in papers
    assert "9 Also (2021). D Also claims. ✓ refuted 1 1 claim in full" in papers
    assert "70 Late (2024). A Late claims. ✓ holds 2 2 claims in full" in papers
    assert "Other sources of methods" in papers
    assert "Tool (2011). C Tools. ✗ fails 1 1 claim in full" in papers
    assert "3 papers" in page.text


def test_a_paper_opens_to_each_claim_in_full(tmp_path: Path) -> None:
    text = read(lay_out(tmp_path, claims=ABOUT_FOUR)).text
    late = text[text.index("70 Late") : text.index("Other sources")]
    assert "Not shown No large model is looked at." in late
    assert "How it is known abstract; statements of the text are as recalled" in late
    one = "limit; theorem; worst violation 1.235e-09; tolerance 0.01; 100 examples python -m experiments claims --check"
    assert f"a.one ✓ holds The sink logit grows. {one} a.one" in late
    assert "inequality; theorem; worst violation 1.235e-09; tolerance 0.01; tightness 0.97; 100 examples" in late
    assert "b.two" not in late


def test_without_claims_the_page_still_stands(tmp_path: Path) -> None:
    page = read(lay_out(tmp_path, a_record()))
    assert "0 claims" in page.text
    assert page.text.count("None in this folder.") == 3
    assert "#claim-sink_flow.grows" not in page.values("href")
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count("<article") == 1
    assert read(lay_out(tmp_path, a_record(checks=[], claims=[], seeds=[7], versions={}))).text.count("no checks") == 2


def test_an_empty_folder_gives_an_empty_page(tmp_path: Path) -> None:
    assert read(tmp_path).text.count("None in this folder.") == 5


def test_each_picture_is_embedded_once_and_its_thumbnail_is_small(tmp_path: Path) -> None:
    """The figure is the SVG's own text; the card has a picture of a few hundred pixels and a few kilobytes."""
    small, large = read(lay_out(tmp_path, a_record())).values("src")
    assert unquote(large.removeprefix("data:image/svg+xml,")).split() == SVG.split()
    png = base64.b64decode(small.removeprefix("data:image/png;base64,"))
    assert len(png) < 20_000
    pixels = imread(io.BytesIO(png), format="png")
    assert pixels.shape[:2] == (213, 320)
    assert pixels[:30].min() == 1  # the white border is still white
    assert 0.3 < pixels[100, 175, 0] < 0.6  # the middle of the ramp is grey


def test_coordinates_are_cut_to_a_hundredth_of_a_point(tmp_path: Path) -> None:
    lay_out(tmp_path, a_record())
    fine = SVG.replace("M60 250C160", "M60.999999 250.125C160.1").replace(">log t<", ">0.5003 \N{DEGREE SIGN}<")
    (tmp_path / "sink_flow.svg").write_text(fine, encoding="utf-8")
    shown = unquote(read(tmp_path).values("src")[1])
    assert 'd="M60.99 250.12C160.1 120 300 70 450 50"' in shown
    assert ">0.5003 \N{DEGREE SIGN}<" in shown


def test_a_figure_without_png_has_a_card_without_picture(tmp_path: Path) -> None:
    (lay_out(tmp_path, a_record()) / "sink_flow.png").unlink()
    page = read(tmp_path)
    assert len(page.values("src")) == 1
    assert page.values("src")[0].startswith("data:image/svg+xml,")


def test_hostile_text_in_a_figure_stays_in_the_figure(tmp_path: Path) -> None:
    lay_out(tmp_path, a_record())
    hostile = SVG.replace("log t", HOSTILE.replace("&", "&amp;").replace("<", "&lt;") + '" onload="alert(1) #%41')
    (tmp_path / "sink_flow.svg").write_text(hostile, encoding="utf-8")
    page = read(tmp_path)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert page.values("onload") == []
    assert unquote(page.values("src")[1].removeprefix("data:image/svg+xml,")).split() == hostile.split()


def without(content: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """A copy that lacks what the path leads to."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return copy


BROKEN: list[tuple[str, Any, str]] = [
    *[("sink_flow.json", without(a_record(), key), rf"sink_flow\.json: key '{key}' is missing") for key in a_record()],
    *[
        (
            "sink_flow.json",
            without(a_record(), "checks", 1, key),
            rf"sink_flow\.json: key 'checks'\[1\]: key '{key}' is",
        )
        for key in a_check()
    ],
    *[
        ("claims.json", without({"claims": THREE_CLAIMS}, "claims", 2, key), rf"claims\.json: .*\[2\]: key '{key}' is")
        for key in a_claim()
    ],
    *[
        ("claims.json", without({"claims": ABOUT_FOUR}, "claims", 0, "source", key), rf"key 'source': key '{key}' is")
        for key in a_source()
    ],
    ("claims.json", without({"claims": ABOUT_FOUR}, "claims", 0, "also", 0, "limits"), r"'also'\[0\]: key 'limits' is"),
    ("claims.json", without({"claims": ABOUT_FOUR}, "claims", 0, "also"), r"`python -m experiments claims --record` w"),
    ("claims.json", {"claims": [a_claim(source=a_source(number="36"))]}, r"claims\.json: .*key 'number' must be int"),
    ("claims.json", {}, r"claims\.json: key 'claims' is missing"),
    ("claims.json", [], r"claims\.json must be dict, got \[\]"),
    ("claims.json", {"claims": [a_claim(), a_claim()]}, r"claims\.json: key 'claims' must not list a name twice"),
    ("claims.json", {"claims": [a_claim(kind="guess")]}, r"claims\.json: .*key 'kind' must be .*inequality.*'guess'"),
    ("claims.json", {"claims": [a_claim('"><b>')]}, r"claims\.json: .*key 'name' must be text that matches"),
    ("sink_flow.json", a_record("other"), r"sink_flow\.json: key 'name' must be that of the file, got 'other'"),
    ("sink_flow.json", a_record(seeds=["0"]), r"sink_flow\.json: key 'seeds'\[0\] must be int, got '0'"),
    ("sink_flow.json", a_record(title=3), r"sink_flow\.json: key 'title' must be str, got 3"),
    ("sink_flow.json", a_record(checks=[a_check(relation="~")]), r"sink_flow\.json: .*key 'relation' must be .*'~'"),
    ("sink_flow.json", a_record(checks=[a_check(observed=[])]), r"sink_flow\.json: .*key 'observed' must be .*float"),
    ("sink_flow.png", "no picture", r"sink_flow\.png must be a PNG"),
    ("no_figure.json", a_record("no_figure"), r"no_figure\.json: there must be a figure no_figure\.svg"),
]


@pytest.mark.parametrize(("file", "content", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_named_and_the_old_page_stays(tmp_path: Path, file: str, content: Any, message: str) -> None:
    before = write_report(lay_out(tmp_path, a_record(), claims=THREE_CLAIMS)).read_bytes()
    (tmp_path / file).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        write_report(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before


def test_what_is_no_json_and_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"name": "ha', encoding="utf-8")
    with pytest.raises(ValueError, match=r"half\.json must be JSON"):
        write_report(tmp_path)
    with pytest.raises(ValueError, match=r"folder must be an existing folder, got .*nowhere"):
        write_report(tmp_path / "nowhere")


def fail(*_: Any) -> None:
    raise OSError("disk full")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_page_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before = write_report(lay_out(tmp_path, a_record())).read_bytes()
    files = sorted(tmp_path.iterdir())
    lay_out(tmp_path, a_record(title="new"))
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files
