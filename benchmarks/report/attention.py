"""Pictures with class activation maps and boxes, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.report.plots import STYLE, WIDTH, empty_figure, settle

if TYPE_CHECKING:
    from benchmarks.work.visualize import Visualized

# Perceptually uniform, and told apart without color vision.
COLORS = "magma"
BOX_COLOR = "#00FFFF"
SIDE = 1.25  # inches of a picture, at most
TEXT, HEAD = 0.2, 0.32  # inches above each row, and for the headings
MAP_WEIGHT = 0.55  # of the map over the picture
SMALL = 7.0  # points, of all text


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


def grid_figure(headings: Sequence[str], pictures: Sequence[Picture]) -> Figure:
    """A row for each picture; a column for the picture itself and for each look.

    Args:
        headings: Of the columns of looks.
        pictures: One or more, each with as many looks as there are headings.
    """
    columns = 1 + len(headings)
    side = min(SIDE, WIDTH / columns)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = empty_figure((side + TEXT) * len(pictures) + HEAD, side * columns)
        axes = figure.subplots(len(pictures), columns, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for row, picture in zip(axes, pictures, strict=True):
            row[0].imshow(picture.pixels)
            row[0].set_title(picture.caption, fontsize=SMALL)
            for axis, look in zip(row[1:], picture.looks, strict=True):
                draw_look(axis, picture.pixels, look)
        for axis, heading in zip(axes[0], ["image", *headings], strict=True):
            axis.set_title(f"{heading}\n{axis.get_title()}", fontsize=SMALL)
        settle(figure)
    return figure


def pictures_of(seen: "Visualized", classes: Sequence[str]) -> Figure:
    """A grid of what a network sees in the user's pictures: a row for each, a column for each step.

    Args:
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
    return grid_figure(headings, rows)


def draw_look(axis: Axes, pixels: npt.NDArray[np.uint8], look: Look) -> None:
    """The picture (R, R, 3), gray and dimmed, under the map, with the box and the prediction."""
    gray = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    colored = np.asarray(matplotlib.colormaps[COLORS](look.map))[..., :3]
    axis.imshow((1 - MAP_WEIGHT) * gray + MAP_WEIGHT * colored)
    x, y, w, h = look.box
    if w and h:
        # Dark on both sides, so that it stands out of light maps too, and in gray.
        for color, width in (("black", 2.2), (BOX_COLOR, 1.1)):
            axis.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=color, linewidth=width))
    mark = {True: "right: ", False: "wrong: ", None: ""}[look.right]
    axis.set_title(mark + look.caption, fontsize=SMALL)
