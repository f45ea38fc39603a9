"""Boxes from class activation maps by Grad-CAM's rule, and how far boxes overlap.

A box is (x, y, w, h) in pixels, x and w along the width; (0, 0, 0, 0) stands for no box.
"""

import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]

NO_BOX: Box = (0, 0, 0, 0)
KEPT_SHARE = 0.15


def gradcam_box(cam: npt.NDArray[np.floating], size: tuple[int, int]) -> Box:
    """Box of a class activation map by Grad-CAM's rule, which the paper follows.

    What is negative becomes 0; the map is resized bilinearly (half-pixel centers), pixels of at least 15 % of the
    maximum are kept, and the box goes around their largest segment (neighbors share a side or a corner). Of segments of
    equal size the one whose first pixel comes first, row by row, stands.

    Args:
        cam: Signed map (h, w) of the class.
        size: Height and width of the network's input in pixels.

    Returns:
        The box in pixels of the input; a map without positive values has none.

    Raises:
        ValueError: The map is not two-dimensional, is empty, or holds a value that is not finite.

    Source: Selvaraju et al., ICCV 2017, section 4.1.
    """
    cam = np.maximum(check_map(cam), 0)
    resized = resize_map(cam, size)
    if resized.max() <= 0:
        return NO_BOX
    return segments(resized >= KEPT_SHARE * resized.max())[0]


def segments(kept: npt.NDArray[np.bool_]) -> list[Box]:
    """Boxes around the connected segments of a mask (H, W), the largest first; neighbors may share a corner only."""
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(kept.astype(np.uint8), connectivity=8)
    components = stats[1:]  # the first is the background
    order = np.argsort(-components[:, cv2.CC_STAT_AREA], kind="stable")
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h in components[order, :4]]


def check_map(cam: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """A map in float32.

    Raises:
        ValueError: It is not two-dimensional, is empty, or holds a value that is not finite.
    """
    if cam.ndim != 2 or not cam.size:
        raise ValueError(f"the map has shape {cam.shape}; pass one map (h, w) at a time")
    cam = cam.astype(np.float32)
    if not np.isfinite(cam).all():
        raise ValueError("the map holds values that are not finite; check the network's outputs")
    return cam


def resize_map(cam: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Bilinear with half-pixel centers, to a height and width in pixels."""
    import cv2  # here, as of all metrics only boxes need it

    height, width = size
    return np.asarray(cv2.resize(cam, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def ious(a: npt.NDArray[np.number], b: npt.NDArray[np.number]) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes (..., 4) with boxes (..., 4), pair by pair; 0 where one is empty."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    start = np.maximum(a[..., :2], b[..., :2])
    stop = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(stop - start, 0, None).prod(axis=-1)
    union = a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - shared
    overlaps: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return overlaps


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1; an empty box (w or h = 0) overlaps nothing, itself included."""
    return float(ious(np.array(a), np.array(b)))
