"""The sources that claims cite, one module per family, and the table of the seventy papers (`all_papers`).

A citation lives once, in its family's module, and a claim carries it. Nothing here states a formula: what is checked of
a paper are the claims that cite it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from theory.papers.credit import (
    GUPTA_2021,
    HE_2024,
    LI_2017,
    LIN_2024,
    MERULLO_2023,
    PATHANIA_2024,
    REBUFFI_2020,
    WEI_2024,
)
from theory.papers.dynamics import HUANG_2023, MORAVVEJ_2023, ROSENFELD_2023
from theory.papers.linear import (
    BEHROUZ_2024,
    DAI_2022,
    FU_2024,
    HAN_2023,
    HAN_2024,
    LUO_2021,
    QIN_2024,
    QIN_2024_LENGTHS,
    SIEBER_2024,
    WU_2022,
    ZHANG_2024_HEDGEHOG,
)
from theory.papers.normalisation import (
    ARIF_2025,
    CHUNG_2023,
    GAO_2025,
    KANG_2025,
    KITADA_2020,
    KITADA_2021,
    RAMAPURAM_2024,
    ZHAI_2023,
    ZHANG_2024,
)
from theory.papers.pooling import (
    ABDULLAH_2024,
    ADIGA_2022,
    DE_MIN_2024,
    EFTEKHAR_2023,
    FANG_2024,
    IOANNIDES_2024,
    ITO_2024,
    SAINI_2020,
    SINHA_2019,
    SONG_2023,
    SRIDHAR_2021,
    XU_2024,
    ZHANG_2023,
    ZHANG_2024_HYPERZZW,
)
from theory.papers.source import Source
from theory.papers.sparse import (
    HASSANI_2022,
    HASSANI_2024,
    HE_2024_IR,
    LEE_2024,
    LIU_2024,
    LUO_2022,
    ROY_2020,
    VASWANI_2021,
    ZHANG_2024_SINKLORA,
    ZHU_2023,
)
from theory.papers.structure import (
    DING_2022,
    DING_2023,
    DWIVEDI_2020,
    JIN_2024,
    LI_2024,
    LIN_2025,
    VINYALS_2015,
    YANG_2022,
)
from theory.papers.topics import (
    ALI_2019,
    BONDARENKO_2023,
    FU_2023,
    GU_2024,
    GUO_2024,
    REDDY_2024,
    SALMON_2011,
    SINGH_2024,
    TARZANAGH_2023,
    TARZANAGH_2023_MMTS,
    TIAN_2023,
    TIAN_2023_JOMA,
)

if TYPE_CHECKING:
    from theory.claims import Claim

__all__ = [
    "ABDULLAH_2024",
    "ADIGA_2022",
    "ALI_2019",
    "ARIF_2025",
    "BEHROUZ_2024",
    "BONDARENKO_2023",
    "CHUNG_2023",
    "DAI_2022",
    "DE_MIN_2024",
    "DING_2022",
    "DING_2023",
    "DWIVEDI_2020",
    "EFTEKHAR_2023",
    "FANG_2024",
    "FU_2023",
    "FU_2024",
    "GAO_2025",
    "GUO_2024",
    "GUPTA_2021",
    "GU_2024",
    "HAN_2023",
    "HAN_2024",
    "HASSANI_2022",
    "HASSANI_2024",
    "HE_2024",
    "HE_2024_IR",
    "HUANG_2023",
    "IOANNIDES_2024",
    "ITO_2024",
    "JIN_2024",
    "KANG_2025",
    "KITADA_2020",
    "KITADA_2021",
    "LEE_2024",
    "LIN_2024",
    "LIN_2025",
    "LIU_2024",
    "LI_2017",
    "LI_2024",
    "LUO_2021",
    "LUO_2022",
    "MERULLO_2023",
    "MORAVVEJ_2023",
    "PATHANIA_2024",
    "QIN_2024",
    "QIN_2024_LENGTHS",
    "RAMAPURAM_2024",
    "REBUFFI_2020",
    "REDDY_2024",
    "ROSENFELD_2023",
    "ROY_2020",
    "SAINI_2020",
    "SALMON_2011",
    "SIEBER_2024",
    "SINGH_2024",
    "SINHA_2019",
    "SONG_2023",
    "SRIDHAR_2021",
    "TARZANAGH_2023",
    "TARZANAGH_2023_MMTS",
    "TIAN_2023",
    "TIAN_2023_JOMA",
    "VASWANI_2021",
    "VINYALS_2015",
    "WEI_2024",
    "WU_2022",
    "XU_2024",
    "YANG_2022",
    "ZHAI_2023",
    "ZHANG_2023",
    "ZHANG_2024",
    "ZHANG_2024_HEDGEHOG",
    "ZHANG_2024_HYPERZZW",
    "ZHANG_2024_SINKLORA",
    "ZHU_2023",
    "Paper",
    "Source",
    "Verdict",
    "all_papers",
]

Verdict = Literal["holds", "holds in part", "refuted", "unchecked"]


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
        refuted = [claim.kind == "refuted" for claim in self.claims]
        if not refuted:
            return "unchecked"
        return "refuted" if all(refuted) else "holds in part" if any(refuted) else "holds"


def all_papers() -> tuple[Paper, ...]:
    """The seventy papers by number, each with the claims that cite it. Imports every room that registers claims."""
    from theory.claims import all_claims

    claims = all_claims()
    sources = sorted((s for s in globals().values() if isinstance(s, Source) and s.number), key=lambda s: s.number or 0)
    return tuple(Paper(source, tuple(c for c in claims if source in c.sources)) for source in sources)
