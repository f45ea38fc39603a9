"""Panels of marked curves side by side, in rows: an ablation as measured and as the paper has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.curves import drawn
from benchmarks.report.plots import GRAY, STYLE, Look, empty_figure, label_lowest, say_nothing, settle, unique

# Colors that stay apart for color-blind readers (Okabe and Ito); markers and dashes do without color.
LOOKS = (
    Look("#0072B2", "P", dash="--"),
    Look("#D55E00", "o", dash="-"),
    Look("#000000", "D", dash=":"),
    Look("#009E73", "^", dash="-."),
    Look("#CC79A7", "s", dash="-"),
    Look("#E69F00", "v", dash="--"),
    Look("#56B4E9", "X", dash=":"),
    Look("#555555", "*", dash="-."),
)
SMALLEST, LARGEST = 14.0, 70.0  # square points
Span = tuple[float, float]


@dataclass(frozen=True)
class Marks:
    """A curve's points.

    Attributes:
        label: In the legend.
        x: Places.
        y: Values.
        low: Lower ends of their intervals.
        high: Upper ends.
        sizes: What the markers' areas show, such as parameters; None where it is unknown.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    sizes: Sequence[float | None]


@dataclass(frozen=True)
class Panel:
    """A plot.

    Attributes:
        heading: Above it.
        label: Of the x axis.
        marks: Its curves.
        ticks: Text at each place of the x axis.
        joined: Whether points are joined by a line.
        remarks: Text that stands upright at places where no point is, such as why.
    """

    heading: str
    label: str
    marks: Sequence[Marks]
    ticks: Mapping[int, str]
    joined: bool = True
    remarks: Mapping[int, str] = field(default_factory=dict)


def ablation_figure(rows: Mapping[str, Sequence[Panel]]) -> Figure:
    """Rows of panels; every panel has a y axis of its own, and a column one x axis.

    Args:
        rows: Panels by the label of their y axes, as many in each row, alike in each column; there is at least one row.
    """
    columns = max(len(panels) for panels in rows.values())
    marks = [one for panels in rows.values() for panel in panels for one in panel.marks]
    labels = unique(one.label for one in marks)
    looks = {label: LOOKS[place % len(LOOKS)] for place, label in enumerate(labels)}
    sizes = [size for one in marks for size in one.sizes if size]
    span = (min(sizes), max(sizes)) if sizes else None
    with rc_context(STYLE):
        figure = empty_figure(1.8 * len(rows) + 1.1)
        axes = figure.subplots(len(rows), columns, sharex="col", squeeze=False)
        for row, (name, panels) in zip(axes, rows.items(), strict=True):
            for axis, panel in zip(row, panels, strict=True):
                draw_panel(axis, panel, looks, span)
            row[0].set_ylabel(name)
        label_lowest(axes)
        figure.align_ylabels(axes[:, 0])
        handles = [Line2D([], [], label=label, **drawn(look)) for label, look in looks.items()]
        if handles:
            across = min(len(handles), 5)
            figure.legend(handles=handles, loc="outside lower center", ncols=across, handlelength=3.0)
        settle(figure)
    return figure


def draw_panel(axis: Axes, panel: Panel, looks: Mapping[str, Look], span: Span | None) -> None:
    """One plot."""
    axis.set_title(panel.heading)
    if not panel.marks:
        say_nothing(axis)
        return
    for one in panel.marks:
        look = looks[one.label]
        areas = [area(size, span) for size in one.sizes]
        fills = ["none" if size is None and span else look.color for size in one.sizes]
        axis.vlines(one.x, one.low, one.high, color=look.color, linewidth=0.8, alpha=0.7)
        axis.scatter(
            one.x, one.y, s=areas, facecolors=fills, edgecolors=look.color, marker=look.marker, linewidths=0.8, zorder=3
        )
        if panel.joined:
            axis.plot(one.x, one.y, color=look.color, linestyle=look.dash)
    axis.set_xlabel(panel.label)
    long = any(len(text) > 3 for text in panel.ticks.values())
    turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if long else {}
    axis.set_xticks(list(panel.ticks), list(panel.ticks.values()), **turned)
    axis.set_xlim(min(panel.ticks) - 0.5, max(panel.ticks) + 0.5)
    axis.margins(y=0.15)
    for place, text in panel.remarks.items():
        upright: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "center", "color": GRAY, "fontsize": 6.5}
        axis.text(place, 0.5, text, transform=axis.get_xaxis_transform(), **upright)


def area(size: float | None, span: Span | None) -> float:
    """A marker's area in square points for a size; the smallest where it is unknown, and where all are alike."""
    if size is None or span is None or span[1] <= span[0]:
        return SMALLEST
    return SMALLEST + (LARGEST - SMALLEST) * (size - span[0]) / (span[1] - span[0])
