"""Which images a picture of where networks look shows: those that tell most, and what comes nearest to them."""

import pandas as pd

from benchmarks.metrics.movement import MOVED_BELOW, spread, step_overlaps, telling_images


def shown_images(plain: pd.DataFrame, feedback: pd.DataFrame, count: int) -> list[str]:
    """Images to show: telling ones at equal distances, and where they are too few others after them.

    Next to tell are those of several objects whose box moves, then those whose box moves, then those of several
    objects, then any; each at equal distances in the order of their ids.

    Args:
        plain: See :func:`telling_images`.
        feedback: Likewise.
        count: How many, at most.
    """
    overlaps = step_overlaps(feedback)
    several, moved = overlaps["objects"] > 1, overlaps["iou"] < MOVED_BELOW
    others = (sorted(overlaps.index[one]) for one in (several & moved, moved, several))
    chosen: list[str] = []
    for items in (telling_images(plain, feedback), *others, sorted(overlaps.index)):
        chosen += spread([item for item in items if item not in chosen], count - len(chosen))
    return chosen
