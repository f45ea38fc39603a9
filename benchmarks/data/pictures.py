"""Images that can be shown without a folder of data: those of embedded sets, drawn anew."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from benchmarks.data.mini import CLASSES, SIZES, Scenes, draw, wanted


class Picture(NamedTuple):
    """An image to be shown.

    Attributes:
        id: As in its data set.
        label: Its class's name.
        image: RGB.
    """

    id: str
    label: str
    image: Image.Image


@functools.cache
def scenes(split: str, count: int) -> tuple[Picture, ...]:
    """The first ``count`` embedded scenes of a split; a few of them, for each takes some milliseconds.

    Raises:
        DataError: There is no such split, or it has fewer scenes.
    """
    split, count = wanted(count, split, SIZES, "mini", f"the split {split}")
    pixels, boxes = draw(split, count)
    drawn = Scenes(split, lambda: pixels, boxes, "")
    return tuple(Picture(drawn.ids[i], CLASSES[drawn.labels[i]], drawn.image(i)) for i in range(len(drawn)))


# What draws the first images of a split, by the name of the data set.
PICTURES: Mapping[str, Callable[[str, int], Sequence[Picture]]] = {"mini": scenes}
