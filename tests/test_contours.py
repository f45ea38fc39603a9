"""The sweep over a map's levels gives the contours that OpenCV traces above each threshold, of maps of every kind."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from benchmarks.metrics import contours as swept
from benchmarks.metrics.contours import contours

Draw = Callable[[np.random.Generator], np.ndarray]


def enlarged(side: int, size: int) -> Draw:
    """Noise, resized as class activation maps are."""
    return lambda dice: cv2.resize(dice.standard_normal((side, side)), (size, size), interpolation=cv2.INTER_CUBIC)


KINDS: dict[str, Draw] = {
    "enlarged from 4 x 4": enlarged(4, 48),
    "enlarged from 9 x 9": enlarged(9, 48),
    "without what is negative": lambda dice: np.maximum(enlarged(6, 40)(dice), 0),
    "noise": lambda dice: dice.random((20, 30)),
    "noise that no table holds": lambda dice: dice.random((64, 64)),
    "few levels": lambda dice: dice.integers(0, 4, (18, 25)).astype(float),
    "two levels": lambda dice: dice.integers(0, 2, (9, 9)).astype(float),
    "rings in each other": lambda dice: np.sin(np.hypot(*(np.mgrid[:50, :60] - dice.uniform(15, 35))) / 2),
    "a row": lambda dice: dice.random((1, 12)),
    "a column": lambda dice: dice.random((12, 1)),
    "four pixels": lambda dice: dice.random((2, 2)),
}


def heights_of(cam: np.ndarray, fine: bool = True) -> np.ndarray:
    """From 0 to 255 in 256ths, or whole levels."""
    low, high = cam.min(), cam.max()
    scaled = (cam - low) / (high - low) * 255 if high > low else np.zeros_like(cam)
    return np.asarray((256 * scaled).astype(np.uint16) if fine else scaled.astype(np.uint16) << 8)


def traced(heights: np.ndarray, threshold: int) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Boxes of all contours by OpenCV, sorted, and that of the largest."""
    above = ((heights >> 8) > threshold).astype(np.uint8)
    lines, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(lines, key=cv2.contourArea, default=None)
    return (
        sorted(tuple(cv2.boundingRect(line)) for line in lines),
        (0, 0, 0, 0) if largest is None else tuple(cv2.boundingRect(largest)),
    )


def check(heights: np.ndarray) -> None:
    """Compare all contours of maps (N, h, w) above all thresholds."""
    seen = contours(heights)
    for place, one in enumerate(heights):
        own = seen.of == place
        for threshold in range(255):
            boxes, largest = traced(one, threshold)
            ours = seen.boxes[own & (seen.threshold == threshold)]
            assert sorted(map(tuple, ours.tolist())) == boxes
            assert tuple(seen.largest[place, threshold].tolist()) == largest


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_contours_are_those_of_opencv(kind: str, fine: bool) -> None:
    dice = np.random.default_rng(len(kind))
    check(np.stack([heights_of(KINDS[kind](dice), fine) for _ in range(3)]))


def test_a_constant_map_has_none_and_its_neighbors_theirs() -> None:
    dice = np.random.default_rng(0)
    flat = np.zeros((48, 48))
    check(np.stack([heights_of(cam) for cam in (flat, enlarged(4, 48)(dice), flat, enlarged(5, 48)(dice), flat)]))
    assert len(contours(heights_of(flat)[None]).of) == 0


def test_opencv_is_asked_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of maps as networks make them the largest contour is known from the sweep at nearly all thresholds."""
    dice = np.random.default_rng(0)
    asked: list[int] = []
    trace = swept.traced_largest

    def counted(level: np.ndarray, threshold: int) -> tuple[int, ...]:
        asked.append(threshold)
        return trace(level, threshold)

    monkeypatch.setattr(swept, "traced_largest", counted)
    contours(np.stack([heights_of(enlarged(7, 112)(dice)) for _ in range(8)]))
    assert len(asked) < 0.02 * 8 * 255
