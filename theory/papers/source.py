"""What a citation says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where a statement comes from.

    number    of the paper among the seventy that this package is about; None for a source of methods.
    claimed   what it asserts about attention, in our own words.
    read      how much of it was read here: a statement known only second-hand must never pass for a quotation.
    limits    what our checks of it do not show.
    """

    key: str
    title: str
    authors: str
    year: int
    identifier: str = ""
    number: int | None = None
    claimed: str = ""
    read: str = "in full"
    limits: str = ""

    def __str__(self) -> str:
        where = f", {self.identifier}" if self.identifier else ""
        return f"{self.authors} ({self.year}). {self.title}{where}"
