"""Step rules and box rules as values: a paper supplies those that its numbers were counted by.

A network with feedback predicts once a step. A step rule says which of its steps stand; an image counts as correct if
any step that stands is correct. A box rule makes a box from a class activation map. Rules go to other processes with
their session, so their functions are named ones: lambdas cannot be pickled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.boxes import Box, gradcam_box

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StepRule:
    """Which steps of a network stand.

    Attributes:
        name: As in records.
        standing: From the highest probability of each step (images, steps) and the boxes of their best classes (images,
            steps, 4) as x, y, w, h in pixels of one size to a mask (images, steps).
        settled: From those probabilities to a mask (images, steps) of the steps that stand whatever the boxes are, one
            at least. None for a rule that does not look at boxes and lets one step of each image stand.
    """

    name: str
    standing: Callable[[Floats, Floats], Bools]
    settled: Callable[[Floats], Bools] | None = None

    def unsure(self, hits: Bools, scores: Floats) -> Bools:
        """Where boxes can change whether an image is right: some step is right, and none that surely stands.

        Args:
            hits: Whether each step is right (images, steps).
            scores: Highest probability of each step (images, steps).

        Returns:
            Mask (images,).
        """
        if self.settled is None:
            return np.zeros(len(hits), dtype=bool)
        return np.asarray(hits.any(axis=1) & ~(hits & self.settled(scores)).any(axis=1))


@dataclass(frozen=True)
class BoxRule:
    """How a box is made from a class activation map.

    Attributes:
        name: As in records.
        make: From a map (h, w) and the height and width that it is resized to, to a box in pixels of that size.
        side: Side of the square that the rule makes its boxes in, whatever the network's input; None: the input itself.
    """

    name: str
    make: Callable[[npt.NDArray[np.floating], tuple[int, int]], Box]
    side: int | None = None

    def box(self, cam: npt.NDArray[np.floating], size: tuple[int, int]) -> Box:
        """The rule's own box, whole pixels of its own square: what is compared with other boxes of the same rule.

        How far two of them overlap does not depend on where they are measured, so step rules take them as they are;
        scaled to another size they would be rounded, and overlaps at a bound could fall to its other side.

        Args:
            cam: Map (h, w) of the class, without ReLU.
            size: Height and width of the network's input in pixels; without a say where the rule has a ``side``.

        Returns:
            x, y, w, h.
        """
        return self.make(cam, size if self.side is None else (self.side, self.side))

    def box_in_input(self, cam: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
        """The same box (4,) as x, y, w, h in pixels of the network's input: what is compared with true boxes."""
        box = np.array(self.box(cam, size), dtype=np.float64)
        if self.side is None:
            return box
        height, width = size
        scaled: Floats = box * np.array([width, height, width, height]) / self.side
        return scaled


@dataclass(frozen=True)
class Rules:
    """What a paper's evaluation rests on.

    Attributes:
        version: Raised by the paper's author when a rule gives other numbers.
        steps: The step rules that every accuracy is counted under; the first is the one that claims are judged by.
        step_box: The box rule behind the boxes that step rules look at.
        boxes: The box rules that localization is counted under; the first is the one kept for paired tests.
    """

    version: int
    steps: tuple[StepRule, ...]
    step_box: BoxRule
    boxes: tuple[BoxRule, ...]


def one_step(scores: Floats, step: npt.NDArray[np.intp] | int) -> Bools:
    """A mask (images, steps) in which one step of each image stands.

    Args:
        scores: Highest probability of each step (images, steps).
        step: The step from 0, -1 for the last, of all images or of each (images,).
    """
    standing = np.zeros(scores.shape, dtype=bool)
    standing[np.arange(len(scores)), step] = True
    return standing


def last_step(scores: Floats, boxes: Floats) -> Bools:
    """The last step of each image as a mask (images, steps), whatever its boxes (images, steps, 4)."""
    return one_step(scores, -1)


LAST = StepRule("last", last_step)
GRADCAM = BoxRule("gradcam", gradcam_box)
PLAIN_RULES = Rules(1, (LAST,), GRADCAM, (GRADCAM,))
