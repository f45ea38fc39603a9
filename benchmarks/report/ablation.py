"""Panels of marked curves side by side, in rows: an ablation as measured and as the paper has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.plots import NOTHING, STYLE, settle, unique

# Colors that stay apart for color-blind readers (Okabe and Ito), and markers that do without color.
LOOKS = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "D"),
    ("#CC79A7", "^"),
    ("#555555", "*"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
)
SMALLEST, LARGEST = 20.0, 110.0  # square points
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
    """

    heading: str
    label: str
    marks: Sequence[Marks]
    ticks: Mapping[int, str]
    joined: bool = True


def ablation_figure(title: str, rows: Mapping[str, Sequence[Panel]], y_label: str) -> Figure:
    """Rows of panels; every panel has a y axis of its own.

    Args:
        title: One line.
        rows: Panels by the row's name, as many in each row.
        y_label: What all panels show, with its unit.
    """
    columns = max(len(panels) for panels in rows.values())
    marks = [one for panels in rows.values() for panel in panels for one in panel.marks]
    labels = unique(one.label for one in marks)
    looks = {label: LOOKS[place % len(LOOKS)] for place, label in enumerate(labels)}
    sizes = [size for one in marks for size in one.sizes if size]
    span = (min(sizes), max(sizes)) if sizes else None
    with rc_context(STYLE):
        figure = Figure(
            figsize=(max(7.0, 4.1 * columns), 3.3 * len(rows) + 0.5), layout="constrained", facecolor="white"
        )
        figure.suptitle(title)
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for row, (name, panels) in zip(axes, rows.items(), strict=True):
            for axis, panel in zip(row, panels, strict=True):
                draw_panel(axis, panel, looks, span)
            row[0].set_ylabel(f"{name}: {y_label}")
        handles = [Line2D([], [], color=color, marker=mark, label=label) for label, (color, mark) in looks.items()]
        if handles:
            across = min(len(handles), 3 * columns)
            sized = f"marker area: {span[0]:.2f} to {span[1]:.2f} M parameters; hollow: not counted" if span else None
            figure.legend(handles=handles, title=sized, loc="outside lower center", ncols=across)
        settle(figure)
    return figure


def draw_panel(axis: Axes, panel: Panel, looks: Mapping[str, tuple[str, str]], span: Span | None) -> None:
    """One plot."""
    for one in panel.marks:
        color, marker = looks[one.label]
        areas = [area(size, span) for size in one.sizes]
        fills = ["none" if size is None and span else color for size in one.sizes]
        axis.vlines(one.x, one.low, one.high, color=color, linewidth=1, alpha=0.6)
        axis.scatter(one.x, one.y, s=areas, facecolors=fills, edgecolors=color, marker=marker, zorder=3)
        if panel.joined:
            axis.plot(one.x, one.y, color=color, linewidth=1.2)
    axis.set_title(panel.heading, fontsize=10)
    axis.set_xlabel(panel.label)
    turned = any(len(text) > 3 for text in panel.ticks.values())
    axis.set_xticks(list(panel.ticks), list(panel.ticks.values()), rotation=20 if turned else 0, fontsize=8)
    axis.set_xlim(min(panel.ticks, default=0) - 0.5, max(panel.ticks, default=1) + 0.5)
    axis.margins(y=0.15)
    if not panel.marks:
        axis.text(0.5, 0.5, NOTHING, transform=axis.transAxes, ha="center", va="center", color="#555555")


def area(size: float | None, span: Span | None) -> float:
    """A marker's area in square points for a size; the smallest where it is unknown, and where all are alike."""
    if size is None or span is None or span[1] <= span[0]:
        return SMALLEST
    return SMALLEST + (LARGEST - SMALLEST) * (size - span[0]) / (span[1] - span[0])
