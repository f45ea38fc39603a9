"""Dots with their intervals, row by row, in panels side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.plots import GRAY, STYLE, Look, empty_figure, marker_size, say_nothing, settle

SPREAD = 0.64  # of a row, that its dots are spread over
DOT, GAP, HEAD = 0.075, 0.1, 0.75  # inches: of each series in a row, between rows, of headings and axis
LEGEND = 0.16  # inches of each of its lines
COLUMNS = 2  # of the legend


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
    panels: Mapping[str, Sequence[Dot]], rows: Sequence[str], looks: Mapping[str, Look], label: str
) -> Figure:
    """Panels of dots on common axes; within a row the series stand below each other, in the order of the legend.

    Args:
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
        height = (DOT * len(looks) + GAP) * len(rows) + HEAD + LEGEND * -(-len(looks) // COLUMNS)
        figure = empty_figure(height)
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        axes[0].set_yticks(range(len(rows)), list(rows))
        axes[0].set_ylim(max(len(rows), 1) - 0.5, -0.5)
        for axis, (heading, dots) in zip(axes, panels.items(), strict=True):
            draw_panel(axis, dots, rows, looks)
            axis.set_title(heading)
            axis.set_xlabel(label)
        handles = [handle(name, look) for name, look in looks.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(COLUMNS, len(handles)))
        settle(figure)
    return figure


def draw_panel(axis: Axes, dots: Sequence[Dot], rows: Sequence[str], looks: Mapping[str, Look]) -> None:
    """One panel, with a line at zero and one between rows."""
    if not dots:
        say_nothing(axis)
        return
    series = list(looks)
    step = SPREAD / max(1, len(series) - 1)
    axis.axvline(0, color=GRAY, linewidth=0.8)
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    for place in range(1, len(rows)):
        axis.axhline(place - 0.5, color="#CCCCCC", linewidth=0.6)
    for dot in dots:
        look = looks[dot.series]
        y = rows.index(dot.row) + (series.index(dot.series) - (len(series) - 1) / 2) * step
        if dot.low is not None and dot.high is not None:
            axis.hlines(y, dot.low, dot.high, color=look.color, linewidth=1.0)
        axis.plot(dot.x, y, **marked(look))


def marked(look: Look) -> dict[str, Any]:
    """What matplotlib is told of a marker."""
    face = look.color if look.filled else "white"
    return {
        "color": look.color,
        "marker": look.marker,
        "markerfacecolor": face,
        "markersize": 0.75 * marker_size(look.marker),
        "markeredgewidth": 0.9,
        "linestyle": "none",
    }


def handle(name: str, look: Look) -> Line2D:
    """An entry of the legend."""
    return Line2D([], [], label=name, **marked(look))
