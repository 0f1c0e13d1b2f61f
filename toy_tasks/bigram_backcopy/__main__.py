"""Make a table of bigram counts from a text: `python -m toy_tasks.bigram_backcopy TEXT COUNTS.csv`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from toy_tasks.bigram_backcopy.table import count_text


def write_counts(text: Path, target: Path) -> None:
    """Count a text and write the table that `BigramTable` reads."""
    single, pairs = count_text(text.read_text(encoding="utf-8"))
    rows: list[tuple[int, int | str, int]] = [(ord(a), "", n) for a, n in sorted(single.items())]
    rows += [(ord(a), ord(b), n) for (a, b), n in sorted(pairs.items())]
    with target.open("w", encoding="ascii", newline="\n") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("current", "next", "count"))
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m toy_tasks.bigram_backcopy TEXT COUNTS.csv")
    write_counts(Path(sys.argv[1]), Path(sys.argv[2]))
