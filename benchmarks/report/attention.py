"""Pictures with class activation maps and boxes step by step, and histograms of how far boxes move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.report.plots import NOTHING, STYLE, empty_figure, settle

if TYPE_CHECKING:
    from benchmarks.work.visualize import Visualized

# Perceptually uniform, and told apart without color vision.
COLORS = "magma"
BOX_COLOR = "#00FFFF"
SIDE = 1.7  # inches of a picture
MAP_WEIGHT = 0.55  # of the map over the picture
# Colors that stay apart for color-blind readers (Okabe and Ito), and hatches that do without color.
FILLS = (("#0072B2", ""), ("#E69F00", "///"), ("#009E73", "..."))


@dataclass(frozen=True)
class Look:
    """What a network makes of a picture at one step.

    Attributes:
        map: (R, R), 0 to 1.
        box: x, y, w, h in pixels; all zero for none.
        caption: The prediction, in a few letters.
        right: Whether it is right; None where that is not known.
    """

    map: npt.NDArray[np.floating]
    box: tuple[float, float, float, float]
    caption: str
    right: bool | None = None


@dataclass(frozen=True)
class Picture:
    """A row of the grid.

    Attributes:
        pixels: The picture (R, R, 3).
        caption: Above it.
        looks: One for each column.
    """

    pixels: npt.NDArray[np.uint8]
    caption: str
    looks: Sequence[Look]


def grid_figure(
    title: str, headings: Sequence[str], pictures: Sequence[Picture], nothing: str = "no image meets the rule"
) -> Figure:
    """A row for each picture; a column for the picture itself and for each look.

    Args:
        title: One line.
        headings: Of the columns of looks.
        pictures: Each with as many looks as there are headings; none draws an empty figure.
        nothing: What that one says.
    """
    rows, columns = max(1, len(pictures)), 1 + len(headings)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(SIDE * columns + 0.3, (SIDE + 0.32) * rows + 0.7), layout="constrained")
        figure.suptitle(title, fontsize=10)
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for row, picture in zip(axes, pictures, strict=False):
            row[0].imshow(picture.pixels)
            row[0].set_title(picture.caption, fontsize=8)
            for axis, look in zip(row[1:], picture.looks, strict=True):
                draw_look(axis, picture.pixels, look)
        for axis, heading in zip(axes[0], ["image", *headings], strict=True):
            above = axis.get_title()
            axis.set_title(f"{heading}\n{above}" if above else heading, fontsize=8)
        if not pictures:
            said = axes[0][0].text(0, 0.5, nothing, transform=axes[0][0].transAxes, color="#555555")
            said.set_in_layout(False)  # it runs over the empty columns beside it
        settle(figure)
    return figure


def pictures_of(model: str, seen: "Visualized", classes: Sequence[str]) -> Figure:
    """A grid of what a network sees in the user's pictures: a row for each, a column for each step.

    Args:
        model: The network's name.
        seen: What it sees.
        classes: Names of its classes.
    """
    steps = seen.maps.shape[1]
    rows = [
        Picture(
            seen.pixels[i],
            path.name,
            [
                Look(
                    seen.maps[i, step],
                    tuple(seen.boxes[i, step].tolist()),
                    f"{classes[seen.classes[i, step]]} ({seen.scores[i, step]:.0%})",
                )
                for step in range(steps)
            ],
        )
        for i, path in enumerate(seen.paths)
    ]
    headings = [f"step {step}" if steps > 1 else "map" for step in range(1, steps + 1)]
    return grid_figure(model, headings, rows)


def draw_look(axis: Axes, pixels: npt.NDArray[np.uint8], look: Look) -> None:
    """The picture (R, R, 3), gray and dimmed, under the map, with the box and the prediction."""
    gray = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    colored = np.asarray(matplotlib.colormaps[COLORS](look.map))[..., :3]
    axis.imshow((1 - MAP_WEIGHT) * gray + MAP_WEIGHT * colored)
    x, y, w, h = look.box
    if w and h:
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=BOX_COLOR, linewidth=1.3))
    mark = {True: "right: ", False: "wrong: ", None: ""}[look.right]
    axis.set_title(mark + look.caption, fontsize=8)


def histogram_figure(
    title: str, panels: Mapping[str, Mapping[str, npt.NDArray[np.float64]]], x_label: str, y_label: str
) -> Figure:
    """Shares in equal bins from 0 to 1, side by side for each name, in one panel for each network.

    Args:
        title: One line.
        panels: Shares (bins,) by their name, by the network's heading; none draws an empty figure.
        x_label: Of every panel.
        y_label: Of the first; the panels share the axis.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = empty_figure(title, max(1, len(panels)), 4.2 * max(1, len(panels)))
        for axis, (heading, named) in zip(axes, panels.items(), strict=False):
            for place, (name, shares) in enumerate(named.items()):
                width = 1 / len(shares) / (len(named) + 0.5)
                x = np.arange(len(shares)) / len(shares) + (place + 0.25) * width
                color, hatch = FILLS[place % len(FILLS)]
                axis.bar(x, shares, width, align="edge", color=color, hatch=hatch, edgecolor="white", label=name)
            axis.set_title(heading)
            axis.set_xlabel(x_label)
            axis.legend(loc="upper left")
        if not panels:
            axes[0].text(0.5, 0.5, NOTHING, transform=axes[0].transAxes, ha="center", va="center", color="#555555")
        axes[0].set_ylabel(y_label)
        # Room above the bars for the legends.
        axes[0].set_ylim(0, 1.35 * max((axis.get_ylim()[1] for axis in axes), default=1.0))
        settle(figure)
    return figure
