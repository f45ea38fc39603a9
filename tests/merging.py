"""A second implementation of the released merging, one image at a time and with lists."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.metrics.accuracy import BOX
from benchmarks.metrics.boxes import Box, iou

# A row of predictions: of a data frame or a dictionary.
Row = Mapping[str, Any]


def released_places(steps: Sequence[Row]) -> list[Row]:
    """What stands in the list of the released merging, one place a step, with repetitions."""
    places: list[Row] = []
    for step in steps:
        coming = step
        for place, there in enumerate(places):
            if iou(box_of(there), box_of(coming)) > 0.5:
                places[place] = coming = max(there, coming, key=lambda row: float(row["score_1"]))
        places.append(coming)
    return places


def box_of(row: Row) -> Box:
    """x, y, w, h."""
    x, y, w, h = (int(row[name]) for name in BOX)
    return x, y, w, h
