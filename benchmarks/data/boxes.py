"""Boxes of objects: what image sets that have them offer, and where a view of an image shows them."""

from typing import NamedTuple, Protocol

from benchmarks.data.errors import DataError

OUTSIDE = 1.0  # pixels by which annotated boxes may pass the image's edge: some do by rounding


class ObjectBox(NamedTuple):
    """An object: its class, and its box in pixels, x and width along the image's width."""

    label: int
    x: float
    y: float
    width: float
    height: float


class Boxed(Protocol):
    """An image set that has boxes."""

    def boxes(self, i: int) -> list[ObjectBox]:
        """The objects in image ``i``, in pixels of the stored image.

        Raises:
            AnnotationError: They are unknown; the message says why.
        """

    @property
    def boxes_hash(self) -> str:
        """Hash of all boxes."""


class AnnotationError(DataError):
    """The boxes of one image are missing or cannot be right."""


def check_boxes(boxes: list[ObjectBox], size: tuple[int, int], source: object) -> None:
    """Refuse boxes that cannot be boxes of an image of this (height, width).

    Raises:
        AnnotationError: There is none, one is empty, or one lies outside the image.
    """
    height, width = size
    if not boxes:
        raise AnnotationError(f"{source} has no box")
    for box in boxes:
        right, bottom = box.x + box.width, box.y + box.height
        inside = min(box.x, box.y) >= -OUTSIDE and right <= width + OUTSIDE and bottom <= height + OUTSIDE
        if box.width <= 0 or box.height <= 0 or not inside:
            raise AnnotationError(
                f"{source} has a box from ({box.x:g}, {box.y:g}) to ({right:g}, {bottom:g}) "
                f"in an image of {width} x {height} pixels"
            )


def resized_side(resolution: int, crop: float) -> int:
    """Side that an image is resized to before its center crop of a resolution: that over the crop, rounded down.

    The published evaluations round down, so that ResNet101's 224 / 0.95 is 235.
    """
    return int(resolution / crop)


def shown_boxes(boxes: list[ObjectBox], size: tuple[int, int], resolution: int, crop: float) -> list[ObjectBox]:
    """Where a view shows boxes: through the resize of the shorter side to resolution / crop and the center crop.

    Args:
        boxes: In pixels of the stored image.
        size: Its height and width.
        resolution: Side of the view.
        crop: See ``benchmarks.work.passes.View``.

    Returns:
        Boxes in pixels of the view, cut to it; those of which nothing is left are dropped.
    """
    height, width = size
    side = resized_side(resolution, crop)
    shorter = min(height, width)
    # As torchvision resizes: the longer side is rounded down.
    tall, wide = (side if length == shorter else int(side * length / shorter) for length in size)
    top, left = round((tall - resolution) / 2), round((wide - resolution) / 2)
    shown = []
    for box in boxes:
        x0, x1 = ((edge * wide / width - left) for edge in (box.x, box.x + box.width))
        y0, y1 = ((edge * tall / height - top) for edge in (box.y, box.y + box.height))
        x0, x1, y0, y1 = (min(max(edge, 0.0), float(resolution)) for edge in (x0, x1, y0, y1))
        if x1 > x0 and y1 > y0:
            shown.append(ObjectBox(box.label, x0, y0, x1 - x0, y1 - y0))
    return shown
