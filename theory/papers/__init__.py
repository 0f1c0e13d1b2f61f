"""The sources that claims cite, one module per family, and the table of the seventy papers (`all_papers`).

A citation lives once, in its family's module, and a claim carries it. Nothing here states a formula: what is checked of
a paper are the claims that cite it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# Every constant of a family is a name of this package too: a new paper is written down in one place.
from theory.papers.credit import *  # noqa: F403
from theory.papers.dynamics import *  # noqa: F403
from theory.papers.linear import *  # noqa: F403
from theory.papers.normalisation import *  # noqa: F403
from theory.papers.pooling import *  # noqa: F403
from theory.papers.source import Source
from theory.papers.sparse import *  # noqa: F403
from theory.papers.structure import *  # noqa: F403
from theory.papers.topics import *  # noqa: F403

if TYPE_CHECKING:
    from theory.claims import Claim

Verdict = Literal["holds", "holds, with a refuted reading", "refuted", "unchecked"]
SOURCES = tuple(source for source in globals().values() if isinstance(source, Source))


@dataclass(frozen=True)
class Paper:
    """One of the seventy papers with every claim that is about it, by name."""

    source: Source
    claims: tuple[Claim, ...]

    @property
    def number(self) -> int:
        """1 to 70."""
        assert self.source.number is not None
        return self.source.number

    @property
    def key(self) -> str:
        """The name of its source."""
        return self.source.key

    @property
    def title(self) -> str:
        """As published."""
        return self.source.title

    @property
    def limits(self) -> str:
        """What the checks do not show."""
        return self.source.limits

    @property
    def verdict(self) -> Verdict:
        """What the registered claims say together: a refuted one is a reading of the paper that fails."""
        return verdict(claim.kind for claim in self.claims)


def verdict(kinds: Iterable[str]) -> Verdict:
    """The verdict over claims of these kinds, each of them as stated."""
    refuted = [kind == "refuted" for kind in kinds]
    if not refuted:
        return "unchecked"
    return "refuted" if all(refuted) else "holds, with a refuted reading" if any(refuted) else "holds"


def all_papers() -> tuple[Paper, ...]:
    """The seventy papers by number, each with the claims that cite it. Imports every room that registers claims."""
    from theory.claims import all_claims

    claims = all_claims()
    numbered = [source for source in SOURCES if source.number is not None]
    papers = (Paper(source, tuple(c for c in claims if source in c.sources)) for source in numbered)
    return tuple(sorted(papers, key=lambda paper: paper.number))
