"""Dots with their intervals, row by row, in panels side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.plots import NOTHING, STYLE, settle

SPREAD = 0.64  # of a row, that its dots are spread over
ROW_HEIGHT, HEAD = 0.62, 1.9  # inches


@dataclass(frozen=True)
class Look:
    """How a series looks: its marker and whether that is filled tell it apart without color.

    Attributes:
        color: Of marker and interval.
        marker: As matplotlib names it.
        filled: Whether the marker is.
    """

    color: str
    marker: str
    filled: bool = True


@dataclass(frozen=True)
class Dot:
    """A number of a row.

    Attributes:
        row: The row.
        series: What it is a number of.
        x: The number.
        low: Lower end of its interval, or None.
        high: Upper end.
    """

    row: str
    series: str
    x: float
    low: float | None = None
    high: float | None = None


def dots_figure(
    title: str, panels: Mapping[str, Sequence[Dot]], rows: Sequence[str], looks: Mapping[str, Look], label: str
) -> Figure:
    """Panels of dots on common axes; within a row the series stand below each other, in the order of the legend.

    Args:
        title: Above all panels.
        panels: Dots by the panel's heading.
        rows: From top to bottom; they are the same in all panels.
        looks: Of each series, in the order of the legend.
        label: Of the x axis, with its unit.

    Raises:
        ValueError: A dot is of a row or of a series that is not told.
    """
    for dot in (dot for dots in panels.values() for dot in dots):
        if dot.row not in rows or dot.series not in looks:
            raise ValueError(f"no place for the dot of {dot.row!r}, {dot.series!r}; name its row and its series' look")
    with rc_context(STYLE):
        size = (4.2 * len(panels) + 1.8, ROW_HEIGHT * max(1, len(rows)) + HEAD)
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        figure.suptitle(title)
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axis, (heading, dots) in zip(axes, panels.items(), strict=True):
            draw_panel(axis, dots, rows, looks)
            axis.set_title(heading, fontsize=10)
            axis.set_xlabel(label)
        axes[0].set_yticks(range(len(rows)), list(rows))
        axes[0].set_ylim(max(len(rows), 1) - 0.5, -0.5)
        figure.legend(handles=[handle(name, look) for name, look in looks.items()], loc="outside lower center", ncols=2)
        settle(figure)
    return figure


def draw_panel(axis: Axes, dots: Sequence[Dot], rows: Sequence[str], looks: Mapping[str, Look]) -> None:
    """One panel, with a line at zero and one between rows."""
    series = list(looks)
    step = SPREAD / max(1, len(series) - 1)
    axis.axvline(0, color="#555555", linewidth=1)
    axis.grid(False, axis="y")
    for place in range(1, len(rows)):
        axis.axhline(place - 0.5, color="#CCCCCC", linewidth=0.6)
    for dot in dots:
        look = looks[dot.series]
        y = rows.index(dot.row) + (series.index(dot.series) - (len(series) - 1) / 2) * step
        if dot.low is not None and dot.high is not None:
            axis.hlines(y, dot.low, dot.high, color=look.color, linewidth=1.2)
        axis.plot(dot.x, y, **marked(look))
    if not dots:
        axis.text(0.5, 0.5, NOTHING, transform=axis.transAxes, ha="center", va="center", color="#555555")


def marked(look: Look) -> dict[str, Any]:
    """What matplotlib is told of a marker."""
    face = look.color if look.filled else "white"
    return {
        "color": look.color,
        "marker": look.marker,
        "markerfacecolor": face,
        "markersize": 6.0,
        "markeredgewidth": 1.2,
        "linestyle": "none",
    }


def handle(name: str, look: Look) -> Line2D:
    """An entry of the legend."""
    return Line2D([], [], label=name, **marked(look))
