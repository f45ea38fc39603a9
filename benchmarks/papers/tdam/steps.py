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


def undecided(hits: Bools, scores: Floats) -> Bools:
    """Where the released rule needs boxes: some step is right, and the most confident one is not.

    The most confident step stands whatever it is merged with, and where no step is right, none that stands is.

    Args:
        hits: Whether each step is right (images, steps).
        scores: Highest probability of each step (images, steps).

    Returns:
        Mask (images,).
    """
    settled: Bools = hits[np.arange(len(hits)), scores.argmax(axis=1)]
    return hits.any(axis=1) & ~settled


def remaining_steps(scores: Floats, boxes: Floats) -> Bools:
    """Steps whose predictions remain when those that look at the same place are merged, as the released code does.

    Steps come in order. One whose box overlaps that of a prediction standing so far (IoU above 0.5) is merged with it,
    with the earliest if there are several: the more confident of the two stands for both with its class and box, of
    equals the earlier. Predictions that stood already are not compared again when a box changes. The choices for more
    than two steps are this suite's; the paper's tables have two.

    Args:
        scores: Highest probability of each step (images, steps).
        boxes: Boxes (images, steps, 4) as x, y, w, h in pixels.

    Returns:
        Mask (images, steps).
    """
    images = np.arange(len(scores))
    # A place keeps the step that stands there; -1 is a place that none has taken.
    places = np.full(scores.shape, -1)
    for step in range(scores.shape[1]):
        waiting = np.ones(len(scores), dtype=bool)
        for place in range(step):
            standing = places[:, place]
            overlap = ious(boxes[images, standing], boxes[:, step]) > MERGED_ABOVE
            merged = waiting & (standing >= 0) & overlap
            better = merged & (scores[:, step] > scores[images, standing])
            places[better, place] = step
            waiting &= ~merged
        places[waiting, step] = step
    taken = places >= 0
    remaining = np.zeros(scores.shape, dtype=bool)
    remaining[np.nonzero(taken)[0], places[taken]] = True
    return remaining


def standing_steps(confidence: Floats, boxes: Floats) -> set[int]:
    """The steps of one image that stand after merging, see :func:`remaining_steps`.

    Args:
        confidence: Highest probability of each step (T,).
        boxes: Box of each step's best class (T, 4) as x, y, w, h in pixels.

    Returns:
        Steps from 0.

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
RELEASED = StepRule("released", remaining_steps, unsure=undecided, settled=most_confident)
