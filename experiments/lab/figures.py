"""Figures in the house style: theory is always a line, simulation always points, with a band over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.lab.store import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("style.mplstyle")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's defaults under the house style, whatever the user's own settings are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.style.use(STYLE)
        yield


def panels(count: int, *, width: float = 3.3, height: float = 2.9) -> tuple[Figure, list[Axes]]:
    """A row of `count` axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * count, height))
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def points(axes: Axes, x: Any, over_seeds: Any, *, index: int, label: str | None = None, every: int = 1) -> None:
    """The median over seeds (first axis of `over_seeds`; all-NaN seeds are left out) as markers, least to largest as a
    band."""
    import numpy as np

    values = np.asarray(over_seeds)
    values = values[~np.isnan(values).all(axis=1)]
    color = f"C{index}"
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)
    shown = slice(None, None, every)
    middle = np.median(values, axis=0)
    axes.plot(x[shown], middle[shown], MARKERS[index], color=color, markerfacecolor="none", label=label)


def write_figure(figure: Figure, stem: Path) -> None:
    """`stem`.svg and `stem`.png, each whole or not at all; equal figures give equal bytes."""
    for suffix, metadata in ((".svg", {"Date": None, "Creator": None}), (".png", {"Software": None})):
        path = stem.with_suffix(suffix)

        def write(temporary: Path, suffix: str = suffix, metadata: Any = metadata) -> None:
            figure.savefig(temporary, format=suffix[1:], metadata=metadata)

        write_whole(path, write)
