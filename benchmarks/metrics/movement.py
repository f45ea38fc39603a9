"""Where a network looks from step to step: which images to show, and how far its box moves."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.metrics.accuracy import correct
from benchmarks.metrics.boxes import ious
from benchmarks.metrics.rules import LAST

GRADCAM_BOX = ("gradcam_box_x", "gradcam_box_y", "gradcam_box_w", "gradcam_box_h")
MOVED_BELOW = 0.5  # IoU
OBJECTS = {"one": "one object", "several": "several objects"}


def step_overlaps(table: pd.DataFrame) -> pd.DataFrame:
    """How far the top class's box moves: its IoU at the first and at the last step, with the image's objects.

    Args:
        table: Localizations, see ``benchmarks.work.collectors.localization``; of a network with several steps.

    Returns:
        Columns ``iou``, ``objects`` and ``cluster`` (images of one number show the same), by id in ascending order.

    Raises:
        ValueError: The network has one step.
    """
    steps = int(table["step"].max())
    if steps < 2:
        raise ValueError("a network with one step has no box that moves; pass one with feedback")
    table = table.sort_values(["id", "step"])
    boxes = table[list(GRADCAM_BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4)
    overlaps: npt.NDArray[np.float64] = ious(boxes[:, 0], boxes[:, -1])
    by_image = {name: table[name].to_numpy()[::steps] for name in ("objects", "cluster")}
    return pd.DataFrame({"iou": overlaps, **by_image}, index=pd.Index(table["id"].iloc[::steps], name="id"))


def telling_images(plain: pd.DataFrame, feedback: pd.DataFrame) -> list[str]:
    """Images worth showing, by a rule and not by hand, in the order of their ids.

    Several objects; the plain network wrong; the network with feedback right at its last step, with its boxes at the
    first and the last step apart (IoU below 0.5).

    Args:
        plain: Localizations of the plain network.
        feedback: Localizations of the network with feedback, of the same images.
    """
    overlaps = step_overlaps(feedback)
    right = pd.DataFrame({"plain": correct(plain, LAST, 1), "feedback": correct(feedback, LAST, 1)}).dropna()
    images = overlaps.join(right, how="inner")
    several, moved = images["objects"] > 1, images["iou"] < MOVED_BELOW
    return sorted(images.index[several & ~images["plain"].astype(bool) & images["feedback"].astype(bool) & moved])


def spread(items: list[str], count: int) -> list[str]:
    """At most ``count`` items at equal distances, the first one among them."""
    if len(items) <= count:
        return items
    return [items[i * len(items) // count] for i in range(count)]


def histogram(values: Iterable[float], bins: int = 10) -> npt.NDArray[np.float64]:
    """Shares of values from 0 to 1 in equal bins; all zero where there are none."""
    counts, _ = np.histogram(list(values), bins=bins, range=(0.0, 1.0))
    return np.asarray(counts / max(1, counts.sum()))
