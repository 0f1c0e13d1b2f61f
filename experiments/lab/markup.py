"""Small pieces of the report page: escaped words, numbers, links, verdicts and tables, as HTML text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

DASH = "\N{EN DASH}"


def number(value: float | str | None) -> str:
    """Four significant digits; 0 for negative zero, an en dash for nothing, words such as nan as they are."""
    if value is None or isinstance(value, str):
        return escape(value or DASH)
    return f"{value + 0.0:.4g}"


def prose(text: str) -> str:
    """Escaped text whose `backticks` become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def link(anchor: str, html: str) -> str:
    """A link to a place on the page."""
    return f'<a href="#{anchor}">{html}</a>'


def fold(title: str, html: str) -> str:
    """Something that opens."""
    return f"<details><summary>{title}</summary>{html}</details>"


def verdict(good: bool, words: str) -> str:
    """A verdict in colour, in a symbol and in words."""
    return f'<span class="{"good" if good else "bad"}">{"✓" if good else "✗"} {words}</span>'


def code(text: str) -> str:
    """A name or value as code that may break after its dots and underscores, so that narrow columns can hold it."""
    return "<code>" + re.sub(r"([._])", r"\1<wbr>", escape(text)) + "</code>"


def command(text: str) -> str:
    """A line to copy; the script adds the button."""
    return f'<div class="command"><pre>{escape(text)}</pre></div>'


def count(many: int, what: str, does: str = "") -> str:
    """A number with its noun and verb: "1 check holds", "2 checks hold"."""
    return f"{many} {what}{'s' * (many != 1)}" + (f" {does}{'s' * (many == 1)}" if does else "")


def tally(holds: Sequence[bool], what: str) -> str:
    """One verdict over many, such as "3 checks hold" or "1 of 3 checks fails"."""
    failing = len(holds) - sum(holds)
    if failing:
        return verdict(False, f"{failing} of {count(len(holds), what)} fail{'s' * (failing == 1)}")
    return verdict(True, count(len(holds), what, "hold")) if holds else f"no {what}s"


def table(
    label: str, columns: Mapping[str, str], rows: Mapping[str, Sequence[str]], more: Mapping[str, str] | None = None
) -> str:
    """A table that scrolls inside its own box.

    `columns`: heading -> class ("n": numbers, sorted as such); `rows`: anchor -> cells; `more`: anchor -> what follows
    the row over the whole width.
    """
    head = "".join(f'<th scope="col" class="{css}">{title}</th>' for title, css in columns.items())
    body = ""
    for anchor, row in rows.items():
        first, *rest = (f'class="{css}">{cell}' for cell, css in zip(row, columns.values(), strict=True))
        cells = "".join(f"<td {cell}</td>" for cell in rest)
        body += f'<tr id="{anchor}"><th scope="row" {first}</th>{cells}</tr>\n'
        if more:
            body += f'<tr class="more"><td colspan="{len(columns)}">{more[anchor]}</td></tr>\n'
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def sortable(
    label: str, columns: Mapping[str, str], rows: Mapping[str, Sequence[str]], more: Mapping[str, str] | None = None
) -> str:
    """A table that the script makes sortable by heading and filterable by words and by the column "verdict"."""
    place = list(columns).index("verdict")
    verdicts = sorted({re.sub("<[^>]*>", "", row[place]) for row in rows.values()})
    options = "".join(f"<option>{words}</option>" for words in verdicts)
    return (
        '<div class="sortable"><p class="filter" hidden><label>Filter <input type="search"></label> '
        f'<label>Verdict <select><option value="">any</option>{options}</select></label> '
        f'<output data-rows="{escape(label.lower())}"></output></p>{table(label, columns, rows, more)}</div>\n'
    )
