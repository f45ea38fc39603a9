"""What all figures share: style, looks, captions, files; and scatter plots. SVG, PDF and PNG.

Figures are as wide as a page of two columns, so that a journal shows them at their own size; what they are of is said
in their captions, not in titles. They are made without pyplot: no global state, and an import that is quicker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.core.files import write_atomically

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.typing import FillStyleType

# Color and marker of each method family.
Families = Mapping[str, tuple[str, str]]
FILLS: "tuple[FillStyleType, ...]" = ("full", "none", "left", "bottom")
WIDTH = 7.2  # inches, of every figure
GRAY = "#555555"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws alike
    "font.size": 7.5,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.5,
    # Publishers take TrueType fonts and refuse matplotlib's usual Type 3; a page shows outlines alike everywhere.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    # Without a fixed salt the ids in an SVG differ from run to run.
    "svg.hashsalt": "tdam-bench",
}
# Formats and the time stamps that they would carry.
FORMATS: Mapping[str, Mapping[str, None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
DOTS_PER_INCH = 200


@dataclass(frozen=True)
class Captioned:
    """A figure under its caption.

    Attributes:
        name: Of its files, without ending.
        caption: What is plotted and in which units, of which profile and seeds, and what bars and bands mean.
        figure: The figure; None where nothing of it is measured.
        lacks: What of it is not measured, with the command that fills it, or nothing.
    """

    name: str
    caption: str
    figure: Figure | None
    lacks: str = ""


@dataclass(frozen=True)
class Look:
    """How a series looks: marker, filling and dashes tell it apart without color.

    Attributes:
        color: Of lines and markers.
        marker: As matplotlib names it; nothing for none.
        filled: Whether the marker is.
        dash: Of lines, as matplotlib names it.
    """

    color: str
    marker: str = ""
    filled: bool = True
    dash: str = "-"


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


def scatter_figure(rows: Mapping[str, Sequence[Point]], panels: Sequence[Panel], families: Families) -> Figure:
    """Points over several x, one panel each, in rows that each have a y axis of their own, such as here and the paper.

    Args:
        rows: Points by the label of their y axis; there is at least one.
        panels: In order. Where no point of a row has a panel's x, its place stays free.
        families: Color and marker of each family, in the order of the legend.

    Raises:
        ValueError: A point's family has no color.
    """
    every = [point for points in rows.values() for point in points]
    fills = dict(zip(unique(point.group for point in every), FILLS, strict=False))
    with matplotlib.rc_context(STYLE):
        figure = empty_figure(2.1 * len(rows) + 0.7)
        axes = figure.subplots(len(rows), len(panels), sharey="row", squeeze=False)
        for row, (label, points) in zip(axes, rows.items(), strict=True):
            row[0].set_ylabel(label)
            for axis, panel in zip(row, panels, strict=True):
                scatter_panel(axis, panel, points, families, fills)
        drawn = {one: families[one] for one in families if any(point.family == one for point in every)}
        scatter_legends(figure, drawn, fills)
        settle(figure)
    return figure


def scatter_panel(
    axis: Axes, panel: Panel, points: Sequence[Point], families: Families, fills: "Mapping[str, FillStyleType]"
) -> None:
    """The points that have the panel's x."""
    drawn = [point for point in points if panel.key in point.x]
    axis.set_xlabel(panel.label)
    axis.margins(0.12)
    for point in drawn:
        draw_point(axis, point, point.x[panel.key], family_style(point.family, families), fills[point.group])
    if not drawn:
        say_nothing(axis)


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG, PDF and PNG; the same figure gives the same bytes.

    Returns:
        The files.
    """
    paths = files_of(folder, name)
    for path in paths:
        write_atomically(path, partial(save, figure, FORMATS[path.suffix]))
    return paths


def files_of(folder: Path, name: str) -> list[Path]:
    """The files of a figure."""
    return [folder / f"{name}{suffix}" for suffix in FORMATS]


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


def empty_figure(height: float, width: float = WIDTH) -> Figure:
    """A white figure whose parts never overlap.

    Args:
        height: Inches.
        width: Likewise.
    """
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def settle(figure: Figure) -> None:
    """Lay the figure out once: each of the three formats would do it anew, which takes half of the time."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)


def say_nothing(axis: Axes) -> None:
    """Take a plot's axes away and say why there is none; the figure's remarks name the command that fills it."""
    axis.set_axis_off()
    axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", color=GRAY)


def label_lowest(axes: "npt.NDArray[Any]") -> None:
    """Number the x axis below the lowest plot of each column of a grid whose columns share it.

    Args:
        axes: Rows and columns of plots; those that are taken away do not count.
    """
    for column in axes.T:
        for place, axis in enumerate([axis for axis in column if axis.axison][::-1]):
            axis.tick_params(labelbottom=place == 0)
            axis.set_xlabel(axis.get_xlabel() if place == 0 else "")


def draw_point(axis: Axes, point: Point, x: float, style: tuple[str, str], fill: "FillStyleType") -> None:
    """A marker with its error bar and label, in a color."""
    color, marker = style
    if point.low is not None and point.high is not None:
        axis.vlines(x, point.low, point.high, color=color, linewidth=0.8, alpha=0.7)
    size = marker_size(marker)
    axis.plot(x, point.y, color=color, marker=marker, fillstyle=fill, markersize=size, linestyle="none")
    if point.label:
        axis.annotate(point.label, (x, point.y), xytext=(6, -2.5), textcoords="offset points", fontsize=6.5)


def marker_size(marker: str) -> float:
    """Points; a star needs more to look as large as the others."""
    return 8.5 if marker == "*" else 5.5


def scatter_legends(figure: Figure, families: Families, fills: "Mapping[str, FillStyleType]") -> None:
    """What colors and markers mean, and, if there are several backbones, what the filling means."""
    methods = [marker_handle(family, color, marker, "full") for family, (color, marker) in families.items()]
    groups = [marker_handle(group, GRAY, "h", fill) for group, fill in fills.items()] if len(fills) > 1 else []
    # In columns of two; a free place keeps the backbones in a column of their own.
    free = [Line2D([], [], linestyle="none", label=" ")] if groups and len(methods) % 2 else []
    listed = [*methods, *free, *groups]
    figure.legend(handles=listed, loc="outside lower center", ncols=-(-len(listed) // 2))


def marker_handle(label: str, color: str, marker: str, fill: "FillStyleType") -> Line2D:
    """An entry of the legend."""
    size = marker_size(marker)
    return Line2D([], [], color=color, marker=marker, fillstyle=fill, markersize=size, linestyle="none", label=label)
