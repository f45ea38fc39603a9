"""Scatter plots and training curves as SVG, PDF and PNG.

Figures are made without pyplot: no global state, and an import that is quicker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.typing import FillStyleType

# Color and marker of each method family.
Families = Mapping[str, tuple[str, str]]
FILLS: "tuple[FillStyleType, ...]" = ("full", "none", "left", "bottom")
DASHES = ("-", "--", ":", "-.")
NOTHING = "nothing measured yet"
PAPER = "the paper (same color)"
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    # Without a fixed salt the ids in an SVG differ from run to run.
    "svg.hashsalt": "tdam-bench",
}
# Formats and the time stamps that they would carry.
FORMATS: Mapping[str, Mapping[str, None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Panel:
    """One of the plots side by side.

    Attributes:
        key: Under which points have their x.
        label: Of the x axis, with its unit.
    """

    key: str
    label: str


@dataclass(frozen=True)
class Point:
    """A model in a scatter plot.

    Attributes:
        family: Method, one of the families that the figure is given; it gives color and marker.
        group: Backbone; it gives the filling.
        x: By panel key; a panel without the point's x leaves it out.
        y: The same in all panels.
        low: Lower end of y's interval, or None.
        high: Upper end.
        label: A few letters beside the marker where family and group do not tell points apart, or nothing.
    """

    family: str
    group: str
    x: Mapping[str, float]
    y: float
    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Series:
    """A curve. Curves of one label, such as several seeds, look alike and stand once in the legend.

    Attributes:
        label: In the legend.
        family: Method, one of the families that the figure is given.
        x: Where.
        y: What; as many.
        low: Lower ends of y's intervals, or empty.
        high: Upper ends.
        faint: Drawn pale, without markers: the paper's curves behind the measured ones.
    """

    label: str
    family: str
    x: Sequence[float] = field(default_factory=tuple)
    y: Sequence[float] = field(default_factory=tuple)
    low: Sequence[float] = field(default_factory=tuple)
    high: Sequence[float] = field(default_factory=tuple)
    faint: bool = False


def scatter_figure(
    title: str, panels: Sequence[Panel], points: Sequence[Point], families: Families, y_label: str = ""
) -> Figure:
    """Points over several x, one panel each; the panels share the y axis.

    Args:
        title: Above all panels.
        panels: In order.
        points: Drawn in each panel that they have an x for.
        families: Color and marker of each family, in the order of the legend.
        y_label: Of the common axis, with its unit.

    Raises:
        ValueError: A point's family has no color.
    """
    fills = dict(zip(unique(point.group for point in points), FILLS, strict=False))
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(title, len(panels), 3.2 * len(panels) + 1.2)
        for panel, axis in zip(panels, axes, strict=True):
            drawn = [point for point in points if panel.key in point.x]
            for point in drawn:
                style = family_style(point.family, families)
                draw_point(axis, point, point.x[panel.key], style, fills.get(point.group, FILLS[-1]))
            finish_axis(axis, panel.label, bool(drawn), margin=0.1)
        axes[0].set_ylabel(y_label)
        drawn_families = {one: families[one] for one in families if any(point.family == one for point in points)}
        scatter_legends(figure, drawn_families, fills)
        settle(figure)
    return figure


def curves_figure(title: str, series: Sequence[Series], families: Families, labels: tuple[str, str]) -> Figure:
    """Curves in one plot, such as accuracy over epochs.

    Args:
        title: Above the plot.
        series: The curves, later ones on top.
        families: Color and marker of each family.
        labels: Of the x and the y axis, with their units.

    Raises:
        ValueError: A curve's family has no color.
    """
    dashes = label_dashes(series)
    handles: dict[str, Line2D] = {}
    with matplotlib.rc_context(STYLE):
        figure, (axis,) = empty_figure(title, 1, 8.0)
        for one in series:
            line = draw_curve(axis, one, family_style(one.family, families), dashes.get(one.label, ":"))
            handles.setdefault(PAPER if one.faint else one.label, line)
        finish_axis(axis, labels[0], bool(series), margin=0.03)
        axis.set_ylabel(labels[1])
        if handles:
            figure.legend(list(handles.values()), list(handles), loc="outside right upper", handlelength=3.5)
        settle(figure)
    return figure


def draw_curve(axis: Axes, one: Series, style: tuple[str, str], dash: str) -> Line2D:
    """A curve with its band, in a color and with a marker."""
    color, marker = style
    if one.faint:
        (line,) = axis.plot(one.x, one.y, color=color, linestyle=":", alpha=0.45, linewidth=1.0, zorder=1)
        return line
    if one.low:
        axis.fill_between(one.x, one.low, one.high, color=color, alpha=0.12, linewidth=0)
    # A marker now and then tells the curves apart without color.
    every = max(1, len(one.x) // 8)
    (line,) = axis.plot(one.x, one.y, color=color, linestyle=dash, marker=marker, markevery=every)
    line.set_markersize(0.75 * marker_size(marker))
    return line


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG, PDF and PNG; the same figure gives the same bytes.

    Returns:
        The files.
    """
    paths = [folder / f"{name}{suffix}" for suffix in FORMATS]
    for path in paths:
        write_atomically(path, partial(save, figure, FORMATS[path.suffix]))
    return paths


def save(figure: Figure, metadata: Mapping[str, None], path: Path) -> None:
    """Save a figure in the format of the path's ending."""
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata=dict(metadata))


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of first use."""
    return list(dict.fromkeys(names))


def family_style(family: str, families: Families) -> tuple[str, str]:
    """Color and marker of a family.

    Raises:
        ValueError: It has none.
    """
    if family not in families:
        raise ValueError(
            f"no color for the family {family!r}; known: {', '.join(families)}; add it to the paper's families"
        )
    return families[family]


def label_dashes(series: Sequence[Series]) -> dict[str, str]:
    """A dash pattern for each label: labels of one family differ by it."""
    dashes: dict[str, str] = {}
    drawn = [one for one in series if not one.faint]
    for family in unique(one.family for one in drawn):
        labels = unique(one.label for one in drawn if one.family == family)
        dashes |= {label: DASHES[index % len(DASHES)] for index, label in enumerate(labels)}
    return dashes


def empty_figure(title: str, panels: int, width: float) -> tuple[Figure, list[Axes]]:
    """A white figure whose parts never overlap, and its axes."""
    figure = Figure(figsize=(width, 4.0), layout="constrained", facecolor="white")
    figure.suptitle(title)
    return figure, list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])


def settle(figure: Figure) -> None:
    """Lay the figure out once: each of the three formats would do it anew, which takes half of the time."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)


def finish_axis(axis: Axes, label: str, drawn: bool, margin: float) -> None:
    """Name the x axis, and say so where there is nothing to see."""
    axis.set_xlabel(label)
    axis.margins(margin)
    if not drawn:
        axis.text(0.5, 0.5, NOTHING, transform=axis.transAxes, ha="center", va="center", color="#555555")


def draw_point(axis: Axes, point: Point, x: float, style: tuple[str, str], fill: "FillStyleType") -> None:
    """A marker with its error bar and label, in a color."""
    color, marker = style
    if point.low is not None and point.high is not None:
        axis.vlines(x, point.low, point.high, color=color, linewidth=1, alpha=0.6)
    axis.plot(x, point.y, color=color, marker=marker, fillstyle=fill, markersize=marker_size(marker), linestyle="none")
    if point.label:
        axis.annotate(point.label, (x, point.y), xytext=(6, -3), textcoords="offset points", fontsize=7.5)


def marker_size(marker: str) -> float:
    """Points; a star needs more to look as large as the others."""
    return 11.0 if marker == "*" else 7.0


def scatter_legends(figure: Figure, families: Families, fills: "Mapping[str, FillStyleType]") -> None:
    """What colors and markers mean, and, if there are several backbones, what the filling means."""
    methods = [marker_handle(family, color, marker, "full") for family, (color, marker) in families.items()]
    groups = [marker_handle(group, "#555555", "h", fill) for group, fill in fills.items()]
    if methods:
        figure.legend(handles=methods, title="Method", loc="outside right upper", alignment="left")
    if len(groups) > 1:
        figure.legend(handles=groups, title="Backbone", loc="outside right lower", alignment="left")


def marker_handle(label: str, color: str, marker: str, fill: "FillStyleType") -> Line2D:
    """An entry of the legend."""
    size = marker_size(marker)
    return Line2D([], [], color=color, marker=marker, fillstyle=fill, markersize=size, linestyle="none", label=label)
