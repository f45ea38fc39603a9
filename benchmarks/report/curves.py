"""Curves with their bands, in small plots side by side: one for each method, so that none hides another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.metrics.statistics import over
from benchmarks.report.plots import GRAY, STYLE, Look, empty_figure, label_lowest, marker_size, say_nothing, settle

# What all others are compared with, in every plot: pale enough to stand behind, dashed to be told without color.
BEHIND = Look("#777777", dash="--")
HEIGHT, TALL, FOOT = 1.4, 1.9, 0.75  # inches of a row, of one of few plots, and of axis label and legend
FEW = 3  # columns
BAND = 0.22  # opacity
MARKERS = 5  # about so many on a curve
BEYOND, EDGE = 0.25, 0.05  # how far a row shows bands beyond its curves, of their range; free space above and below
WIDE = 9  # columns: letters of a heading before it is broken


@dataclass(frozen=True)
class Curve:
    """A curve.

    Attributes:
        look: How it looks.
        x: Where.
        y: What; as many.
        low: Lower ends of y's intervals, or empty.
        high: Upper ends.
    """

    look: Look
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = field(default_factory=tuple)
    high: Sequence[float] = field(default_factory=tuple)


@dataclass(frozen=True)
class Chart:
    """A plot.

    Attributes:
        heading: Above it.
        curves: Later ones on top; none says that nothing is measured.
    """

    heading: str
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Row:
    """Plots side by side on one y axis.

    Attributes:
        label: Of the y axis, with its unit.
        charts: From left to right.
    """

    label: str
    charts: Sequence[Chart]


def over_seeds(look: Look, x: Sequence[float], runs: Sequence[Sequence[float]]) -> list[Curve]:
    """The mean curve over seeds, with Student's 95 % interval where there are several; none where there is no seed.

    Args:
        look: See :class:`Curve`.
        x: Where.
        runs: What, seed by seed; it ends where the shortest does, for a training that diverged has fewer epochs.
    """
    effects = [over(values, "seeds") for values in zip(*runs, strict=False)]
    ends = [effect.interval() for effect in effects] if len(runs) > 1 else []
    y = [effect.value for effect in effects]
    low, high = [end[0] for end in ends], [end[1] for end in ends]
    return [Curve(look, list(x)[: len(y)], y, low, high)] if y else []


def level(x: Sequence[float]) -> Curve:
    """The line at zero, where a gain is one over what stands behind."""
    return Curve(BEHIND, [min(x), max(x)], [0.0, 0.0])


def wrapped(label: str, charts: Sequence[Chart], columns: int) -> list[Row]:
    """Plots in rows of at most so many."""
    return [Row(label, charts[start : start + columns]) for start in range(0, len(charts), columns)]


def charts_figure(rows: Sequence[Row], x_label: str, legend: Mapping[str, Look], marked: float | None = None) -> Figure:
    """Rows of small plots. The x axis is the same in all, the y axis in each row.

    Args:
        rows: From top to bottom; at least one, with a plot.
        x_label: Of all plots, with its unit.
        legend: What looks mean, where headings do not say it.
        marked: A place on the x axis to draw a line at, None for none.
    """
    columns = max(len(row.charts) for row in rows)
    height = TALL if columns <= FEW or len(rows) == 1 else HEIGHT
    with rc_context(STYLE):
        figure = empty_figure(height * len(rows) + FOOT)
        axes = figure.subplots(len(rows), columns, sharex=True, sharey="row", squeeze=False)
        above: list[str] = []
        for row, drawn_in in zip(rows, axes, strict=True):
            headings = [chart.heading for chart in row.charts]
            for axis, chart in zip(drawn_in, row.charts, strict=False):
                draw_chart(axis, chart, marked)
                if headings != above:
                    axis.set_title(broken(chart.heading))
            keep_in_view(drawn_in[0], [one for chart in row.charts for one in chart.curves])
            for axis in drawn_in[len(row.charts) :]:
                axis.set_axis_off()
            drawn_in[0].set_ylabel(row.label)
            above = headings
        label_lowest(axes)
        figure.align_ylabels(axes[:, 0])
        # The legend above, for matplotlib would lay it over the axis' label below.
        figure.supxlabel(x_label, fontsize=STYLE["axes.labelsize"])
        handles = [Line2D([], [], label=label, **drawn(look)) for label, look in legend.items()]
        if handles:
            figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)), handlelength=3.0)
        settle(figure)
    return figure


def draw_chart(axis: Axes, chart: Chart, marked: float | None) -> None:
    """A plot's curves, each with its band."""
    if not chart.curves:
        say_nothing(axis)
    if marked is not None and chart.curves:
        axis.axvline(marked, color=GRAY, linewidth=0.8, linestyle=":")
    for one in chart.curves:
        if one.low:
            axis.fill_between(one.x, one.low, one.high, color=one.look.color, alpha=BAND, linewidth=0)
        every = max(1, len(one.x) // MARKERS)
        axis.plot(one.x, one.y, **drawn(one.look), markevery=every)
    axis.locator_params(nbins=4)
    axis.margins(x=0.04)


def keep_in_view(axis: Axes, curves: Sequence[Curve]) -> None:
    """Let the curves tell a row's y axis, and cut bands that reach far beyond them.

    Student's intervals of two or three seeds are so wide that curves would be flat lines within them.

    Args:
        axis: One of the row's, which share their y axis.
        curves: All of the row's.
    """
    y = [value for one in curves for value in one.y if math.isfinite(value)]
    bands = [value for one in curves for value in (*one.low, *one.high) if math.isfinite(value)]
    beyond = BEYOND * (max(y) - min(y)) if y else 0.0
    if beyond:
        low, high = max(min([*y, *bands]), min(y) - beyond), min(max([*y, *bands]), max(y) + beyond)
        edge = EDGE * (high - low)
        axis.set_ylim(low - edge, high + edge)


def drawn(look: Look) -> dict[str, Any]:
    """What matplotlib is told of a curve."""
    face = look.color if look.filled else "white"
    return {
        "color": look.color,
        "linestyle": look.dash,
        "marker": look.marker or None,
        "markersize": 0.65 * marker_size(look.marker),
        "markerfacecolor": face,
    }


def broken(heading: str) -> str:
    """A heading in two lines where it is long and has an addition in brackets."""
    return heading.replace(" (", "\n(", 1) if len(heading) > WIDE else heading
