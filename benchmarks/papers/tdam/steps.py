"""Which steps stand: the paper's most confident one, and those that the released evaluation lets remain.

Sources: the paper's "most confident prediction" for ``CONFIDENT``; the authors' released evaluation for ``RELEASED``
(``tdam/DEVIATIONS.md``, entry 14). With a single step both agree with the last step.
"""

import numpy as np

from benchmarks.metrics.boxes import ious
from benchmarks.metrics.rules import Bools, Floats, StepRule, one_step

MERGED_ABOVE = 0.5  # IoU


def most_confident(scores: Floats) -> Bools:
    """The step with the highest probability of its best class; of equals, the earlier.

    Args:
        scores: Highest probability of each step (images, steps).

    Returns:
        Mask (images, steps).
    """
    return one_step(scores, scores.argmax(axis=1))


def confident_step(scores: Floats, boxes: Floats) -> Bools:
    """As :func:`most_confident`, whatever the boxes (images, steps, 4)."""
    return most_confident(scores)


def remaining_steps(scores: Floats, boxes: Floats) -> Bools:
    """Steps whose predictions remain when those that look at the same place are merged, as the released code does.

    Every step has a place in a list, and a place holds a prediction with its confidence and its box. A new step is
    compared with all places before its own, in order. Where the boxes overlap (IoU above 0.5), the more confident
    prediction stands for both, of equals the one that held the place: if the new one wins, it takes the place; if not,
    the place's prediction goes on to the next place instead of it, box and all. What has come to the end takes the
    step's own place. One prediction may so hold several places, and one that lost may still hold a place it had won.

    Args:
        scores: Highest probability of each step (images, steps).
        boxes: Boxes (images, steps, 4) as x, y, w, h, all in pixels of one size.

    Returns:
        Mask (images, steps).

    Source: the authors' released evaluation, as told by its golden cases (tests/golden/released_merging.json).
    """
    images = np.arange(len(scores))
    places = np.zeros(scores.shape, dtype=np.intp)  # the step that stands there
    for step in range(scores.shape[1]):
        coming = np.full(len(scores), step)
        for place in range(step):
            there = places[:, place]
            merged = ious(boxes[images, there], boxes[images, coming]) > MERGED_ABOVE
            better = scores[images, coming] > scores[images, there]
            places[:, place] = np.where(merged & better, coming, there)
            coming = np.where(merged & ~better, there, coming)
        places[:, step] = coming
    remaining = np.zeros(scores.shape, dtype=bool)
    remaining[images[:, None], places] = True
    return remaining


def standing_steps(confidence: Floats, boxes: Floats) -> set[int]:
    """The steps of one image that stand after merging, see :func:`remaining_steps`.

    Args:
        confidence: Highest probability of each step (T,).
        boxes: Box of each step's best class (T, 4) as x, y, w, h in pixels of one size.

    Returns:
        Steps, the first of which is 0.

    Raises:
        ValueError: The arrays have other shapes, or a box is unknown.
    """
    if confidence.ndim != 1 or boxes.shape != (len(confidence), 4):
        raise ValueError(
            f"got confidence {confidence.shape} and boxes {boxes.shape}; pass (T,) and (T, 4) of one image"
        )
    if np.isnan(boxes).any():
        raise ValueError("a step's box is unknown (nan); pass the boxes of all steps")
    return set(np.flatnonzero(remaining_steps(confidence[None], boxes[None])[0]).tolist())


CONFIDENT = StepRule("confident", confident_step)
# The most confident step (of equals the earliest) stands whatever the boxes are: it wins every comparison that it comes
# to, and no other step takes its place.
RELEASED = StepRule("released", remaining_steps, settled=most_confident)
