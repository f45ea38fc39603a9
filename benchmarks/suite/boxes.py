"""MaxBoxAcc's thousand thresholds from one sweep over a map's levels against tracing them one by one, single-threaded.

    make bench-boxes

Maps are a blob in noise, of the sides that last feature maps have. Both ways begin with such maps and end with the same
hits at every threshold, which is checked. Times are the processor's, so that other processes lengthen them little.
"""

import argparse
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.metrics.contours import HIGHEST, Ints
from benchmarks.metrics.localization import (
    ANY,
    LEVEL_OF,
    OVERLAP,
    THRESHOLDS,
    Floats,
    box_hits,
    inclusive_ious,
)
from benchmarks.metrics.rules import Bools
from benchmarks.metrics.statistics import log_ratio
from benchmarks.suite.arguments import count, plain_errors

# Sides of the feature map and of the input.
SHAPES = ((7, 224), (14, 224), (4, 64), (8, 64))
NOISE = 0.3


class Case(NamedTuple):
    """Maps of one shape.

    Attributes:
        maps: Class activation maps (h, w).
        boxes: True boxes of each (n, 4) as x0, y0, x1, y1.
        size: Side that maps are resized to.
    """

    maps: list[Floats]
    boxes: list[Ints]
    size: int


def drawn(maps: int, side: int, size: int) -> Case:
    """Blobs in noise, each with a box around its center."""
    dice = np.random.default_rng(side)
    case = Case([], [], size)
    for _ in range(maps):
        center = dice.uniform(0.2, 0.8, 2)
        away = (np.mgrid[:side, :side] + 0.5) / side - center[:, None, None]
        case.maps.append(np.exp(-(away**2).sum(axis=0) / 0.06) + NOISE * dice.standard_normal((side, side)))
        first, last = (center - 0.2).clip(0), (center + 0.2).clip(max=1)
        case.boxes.append((np.concatenate([first[::-1], last[::-1]]) * (size - 1)).astype(int)[None])
    return case


def literal_hits(cam: Floats, truth: Ints, size: int) -> Bools:
    """Which criteria a map meets at each threshold (criteria, thresholds), as the published evaluator goes about it."""
    resized = cv2.resize(cam.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    scaled = (resized - resized.min()) / (resized.max() - resized.min())
    image = (scaled * HIGHEST).astype(np.uint8)
    boxes: list[Sequence[int]] = []
    begins, largest = [], []
    for threshold in THRESHOLDS:
        _, above = cv2.threshold(image, int(threshold * image.max()), HIGHEST, cv2.THRESH_BINARY)
        traced, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        begins.append(len(boxes))
        largest.append(len(boxes) + max(range(len(traced)), key=lambda at: cv2.contourArea(traced[at])))
        boxes += [cv2.boundingRect(contour) for contour in traced]
    overlaps = inclusive_ious(np.array(boxes), truth, np.array([size - 1, size - 1]))
    best = np.maximum.reduceat(overlaps, begins)
    return np.stack([overlaps[largest] >= OVERLAP, *(best >= bound for bound in ANY.values())])


def one_round(case: Case) -> tuple[float, float]:
    """Seconds of the processor for all maps threshold by threshold, and in one sweep over their levels.

    Raises:
        ValueError: The two do not agree.
    """
    begin = time.process_time()
    literal = np.stack([literal_hits(cam, truth, case.size) for cam, truth in zip(case.maps, case.boxes, strict=True)])
    between = time.process_time()
    swept = box_hits(case.maps, case.boxes, case.size)
    end = time.process_time()
    if not np.array_equal(literal, swept[:, :, LEVEL_OF]):
        raise ValueError("the sweep and the literal evaluation disagree; do the tests of localization pass?")
    return between - begin, end - between


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print times of every round and the ratios with their 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=count, default=32)
    parser.add_argument("--rounds", type=count, default=6)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    for side, size in SHAPES:
        case = drawn(options.maps, side, size)
        one_round(case)  # warms up
        literal, swept = zip(*(one_round(case) for _ in range(options.rounds)), strict=True)
        shape = f"{side} x {side} maps at {size}"
        for name, seconds in (("by threshold", literal), ("one sweep", swept)):
            print(f"{shape} {name:<12} {' '.join(f'{1000 * one / options.maps:.2f}' for one in seconds)} ms a map")
        ratio = log_ratio(literal, swept)
        center, low, high = map(math.exp, (ratio.value, *ratio.interval()))
        print(f"{shape}: {center:.1f} ({low:.1f} to {high:.1f}) times faster")


if __name__ == "__main__":
    main()
