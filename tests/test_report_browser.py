"""The report page in a real browser: nothing fails, nothing is fetched; it serves phones, keyboards and dark rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devtools import Page, chromium
from test_report import HOSTILE, a_check, a_claim, a_record, a_source, lay_out

from experiments.lab.report import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH and none named by CHROME"),
]
WORST = {"a.first": 2e-9, "b.second": -0.5, "c.third": None, "d.fourth": "inf"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it: two figures, a failing check, hostile and endless words, all kinds of claims."""
    endless = "x" * 300
    claims = [a_claim(name, worst=worst, instance=endless) for name, worst in WORST.items()]
    claims[1] |= {"kind": "inequality", "tightness": 0.5, "statement": f"{HOSTILE} {endless}"}
    claims[3] |= {"kind": "refuted", "status": "refuted"}
    early = a_source("EARLY_2020", 2, citation=f"Early (2020). {endless}", limits=f"{HOSTILE} {endless}")
    claims[0] |= {"source": early, "also": [a_source("TOOL_2011", None)], "holds": False}
    claims[3] |= {"also": [early, a_source("LATE_2024", 70, claimed="Late heads read.")]}
    checks = [a_check(claim="a.first", holds=False), a_check(what=endless, claim=endless)]
    plain = a_record(claims=list(WORST), checks=checks, config={"steps": endless}, command=endless)
    hostile = a_record("other", title=HOSTILE, description=endless, claims=[endless])
    return write_report(lay_out(tmp_path_factory.mktemp("report"), plain, hostile, claims=claims))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    """The report, freshly loaded; whatever the test did to it, it must not have raised or logged an error."""
    browser.open(report)
    yield browser
    browser.evaluate("new Promise(requestAnimationFrame)")
    assert complaints(browser) == []


def complaints(page: Page) -> list[dict[str, Any]]:
    """Exceptions, console errors and log entries of level error."""
    return [
        event["params"]
        for event in page.events
        if event["method"] == "Runtime.exceptionThrown"
        or (event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "assert"))
        or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
    ]


def shown_names(page: Page, section: str = "claims") -> list[str]:
    """The first cells of the rows that show, in the first table of a section."""
    rows = f"[...document.querySelector('#{section} tbody').rows].filter(row => row.id && row.checkVisibility())"
    return list(page.evaluate(f"{rows}.map(row => row.cells[0].textContent)"))


def test_complaints_are_heard(browser: Page, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<script>console.error(1); undefinedName()</script><img src='no.png'>")
    browser.open(tmp_path / "bad.html")
    assert len(complaints(browser)) >= 3


def test_nothing_but_the_file_is_fetched(page: Page, report: Path) -> None:
    fetched = {e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in fetched if not url.startswith("data:")} == {report.as_uri()}


def test_every_picture_is_drawn_and_every_link_arrives(page: Page) -> None:
    assert page.evaluate("[...document.images].map(image => image.naturalWidth)") == [320, 320, 480, 480]
    links = page.evaluate("[...document.links].map(link => link.getAttribute('href'))")
    assert len(links) > 20
    assert [to for to in links if not page.evaluate(f"document.getElementById({to[1:]!r}) !== null")] == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(page: Page, width: int) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 768)
    try:
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        assert page.evaluate("innerWidth") == width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.querySelectorAll('.scroll')].some(box => box.scrollWidth > box.clientWidth)")
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")


def contrast(page: Page, selector: str) -> float:
    """The WCAG contrast of an element's text against the page."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    text = luminance(page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).color"))
    paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    return (max(text, paper) + 0.05) / (min(text, paper) + 0.05)


def test_both_colour_schemes_are_readable(page: Page) -> None:
    papers = set()
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for selector in ("body", "a[href='#claims']", ".lead", "table .good", "table .bad", "summary", "thead th"):
            assert contrast(page, selector) >= 4.5, f"{selector} in {scheme}"
        for card in ("figure", ".cards img"):
            assert page.evaluate(f"getComputedStyle(document.querySelector('{card}')).backgroundColor") == (
                "rgb(255, 255, 255)"
            )
    page.call("Emulation.setEmulatedMedia", features=[])
    assert len(papers) == 2


def test_tab_reaches_the_skip_link_first_and_it_skips(page: Page) -> None:
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_claims_sort_by_mouse_and_keyboard(page: Page) -> None:
    assert shown_names(page) == sorted(WORST)
    page.evaluate("document.querySelectorAll('#claims thead button')[0].click()")
    page.evaluate("document.querySelectorAll('#claims thead button')[0].click()")
    assert shown_names(page) == sorted(WORST, reverse=True)
    page.evaluate("document.querySelectorAll('#claims thead button')[6].focus()")
    for order, names in (
        ("ascending", ["b.second", "a.first", "d.fourth", "c.third"]),  # a missing number is last either way
        ("descending", ["d.fourth", "a.first", "b.second", "c.third"]),
    ):
        page.press("Enter")
        assert shown_names(page) == names
        assert page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')") == order
        assert page.evaluate("document.querySelectorAll('#claims [aria-sort]').length") == 1


def test_claims_filter_and_a_link_shows_what_it_hides(page: Page) -> None:
    page.evaluate("document.querySelector('#claims input').focus()")
    page.call("Input.insertText", text="LIMIT first")
    assert shown_names(page) == ["a.first"]
    assert page.evaluate("document.querySelector('#claims output').textContent") == "1 of 4 claims"
    page.evaluate("document.querySelector('#errata a[href=\"#claim-d.fourth\"]').click()")
    assert shown_names(page) == list(WORST)


def test_papers_sort_and_take_their_claims_with_them(page: Page) -> None:
    assert shown_names(page, "papers") == ["2", "36", "70"]
    page.evaluate("document.querySelectorAll('#papers thead button')[0].focus()")
    page.press("Enter")
    page.press("Enter")
    assert shown_names(page, "papers") == ["70", "36", "2"]
    after = "[...document.querySelectorAll('#papers tbody tr')].map(row => row.id || row.className)"
    assert page.evaluate(after) == [
        *("paper-LATE_2024", "more", "paper-INVENTED_2024", "more", "paper-EARLY_2020", "more"),
        *("paper-TOOL_2011", "more"),  # of the other sources
    ]
    page.evaluate("document.querySelectorAll('#papers thead button')[4].click()")
    assert shown_names(page, "papers")[0] == "70"  # by number of claims: 1, 2 and 3


def test_papers_filter_by_verdict_and_by_words_of_their_claims(page: Page) -> None:
    choose = "select => { select.value = %r; select.dispatchEvent(new Event('change')) }"
    verdicts = page.evaluate("[...document.querySelectorAll('#papers select')[0].options].map(one => one.text)")
    assert verdicts == ["any", "✓ holds, with a refuted reading", "✓ refuted", "✗ fails"]
    parts = {"✗ fails": ["2"], "✓ holds, with a refuted reading": ["36"], "✓ refuted": ["70"], "": ["2", "36", "70"]}
    for verdict, names in parts.items():
        page.evaluate(f"({choose % verdict})(document.querySelector('#papers select'))")
        assert shown_names(page, "papers") == names
    page.evaluate("document.querySelector('#papers input').focus()")
    page.call("Input.insertText", text="d.fourth LATE")  # a claim's name in what opens, and a word of the row
    assert shown_names(page, "papers") == ["70"]
    assert page.evaluate("document.querySelector('#papers output').textContent") == "1 of 3 papers"
    assert shown_names(page) == list(WORST), "the tables filter each for itself"
    page.evaluate("document.querySelector('#claims a[href=\"#paper-EARLY_2020\"]').click()")
    assert shown_names(page, "papers") == ["2", "36", "70"]


def test_a_paper_opens_by_keyboard(page: Page) -> None:
    page.evaluate("document.querySelector('#papers summary').focus()")
    page.press("Enter")
    assert page.evaluate("document.querySelector('#papers details').open")
    assert page.evaluate("document.querySelector('#papers .command').checkVisibility()")
    page.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#claim-a.first"


@pytest.mark.parametrize("width", [360, 768])
def test_on_a_phone_a_paper_is_read_without_scrolling_sideways(page: Page, width: int) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=True)
    try:
        page.evaluate("document.querySelectorAll('#papers details').forEach(fold => { fold.open = true })")
        boxes = "[...document.querySelectorAll('#papers .scroll')].map(box => box.scrollWidth - box.clientWidth)"
        assert page.evaluate(boxes) == [0, 0]
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")


def test_a_command_is_copied_or_at_least_selected(page: Page) -> None:
    page.evaluate("document.querySelector('.command button').click()")
    told = "new Promise(done => setTimeout(() => done(document.querySelector('.command button').textContent), 300))"
    assert page.evaluate(told) in ("Copied", "Selected")


def test_without_script_the_page_says_the_same(page: Page, report: Path) -> None:
    everything = page.evaluate("document.querySelector('main').textContent.length")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(report)
        assert shown_names(page) == sorted(WORST)
        assert page.evaluate("document.querySelectorAll('button').length") == 0
        assert shown_names(page, "papers") == ["2", "36", "70"]
        assert page.evaluate("[...document.querySelectorAll('.filter')].some(one => one.checkVisibility())") is False
        assert page.evaluate("document.querySelector('main').textContent.length") <= everything
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
