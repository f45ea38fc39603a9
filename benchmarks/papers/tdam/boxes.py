"""Boxes from class activation maps as the authors' released code makes them."""

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.boxes import NO_BOX, Box, check_map, resize_map
from benchmarks.metrics.rules import BoxRule

SIDE = 224  # pixels
LEVELS = 155
# The release colors the levels (JET), turns them gray and keeps what is brighter than int(0.15 * 255) = 38. Up to level
# 155 that gray rises with the level and is 38 at level 36 and 41 at level 37: it keeps level 37 and all above.
LOWEST_KEPT = 37
MOST_POINTS_LEFT_OUT = 15


def released_box(cam: npt.NDArray[np.floating], size: tuple[int, int]) -> Box:
    """Box of a class activation map by the released rule, which keeps 37 / 155 of the range and not the paper's 15 %.

    The signed map is resized bilinearly (half-pixel centers, float32), its minimum to maximum is scaled to 0..155 and
    rounded, and levels from 37 up are kept. Of their contours, holes included, the one with the most points after
    simple chain approximation gives the box if it has more than 15; among equals the first in OpenCV's flat list.
    Points are corners, not length or area: a rectangle has four and gives no box.

    Args:
        cam: Map (h, w) of the class, without ReLU.
        size: Height and width in pixels that the map is resized to; the release knows 224 x 224 only.

    Returns:
        The box in pixels of that size. A constant map is level 0 everywhere and has no box.

    Raises:
        ValueError: The map is not two-dimensional, is empty, or holds a value that is not finite.

    Source: the authors' released code, as told by its golden boxes (tests/golden/released_boxes.json).
    """
    import cv2

    cam = check_map(cam)
    if cam.min() == cam.max():  # decided here: resized, a constant may come out with a range of rounding errors
        return NO_BOX
    resized = resize_map(cam, size)
    levels = cv2.normalize(resized, np.empty(0), 0, LEVELS, cv2.NORM_MINMAX, cv2.CV_8U)
    kept = (levels >= LOWEST_KEPT).astype(np.uint8)
    contours, _ = cv2.findContours(kept, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    longest = max(contours, key=len, default=())
    if len(longest) <= MOST_POINTS_LEFT_OUT:
        return NO_BOX
    x, y, w, h = cv2.boundingRect(np.asarray(longest))
    return int(x), int(y), int(w), int(h)


RELEASED_BOX = BoxRule("released", released_box, side=SIDE)
