"""Both box rules against the golden boxes and hand-made maps, and IoU by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.metrics.boxes import NO_BOX, Box, gradcam_box, iou, ious, segments
from benchmarks.metrics.rules import GRADCAM
from benchmarks.papers.tdam.boxes import LEVELS, LOWEST_KEPT, RELEASED_BOX, released_box
from tests.fill import fill

GOLDEN = json.loads((Path(__file__).parent / "golden" / "released_boxes.json").read_text())["boxes"]


def blob(shape: tuple[int, int], center: tuple[float, float], width: float) -> np.ndarray:
    """Gaussian (h, w) of height 1 around (y, x)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * width**2)))


def disk(shape: tuple[int, int], center: tuple[int, int], radius: int) -> np.ndarray:
    """1 within the radius around (y, x), 0 outside."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray((y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2, dtype=np.float32)


def golden_cam(index: str) -> np.ndarray:
    """Map (7, 7) that the golden file describes."""
    cy, cx = 3 + 1.5 * np.tanh(fill(f"blob{index}", (2,)))
    return (3 * blob((7, 7), (cy, cx), 1.2) + 0.3 * fill(f"cam{index}", (7, 7))).astype(np.float32)


@pytest.mark.parametrize("index", GOLDEN)
def test_golden_boxes(index: str) -> None:
    assert len(GOLDEN) == 12
    assert list(released_box(golden_cam(index), (224, 224))) == GOLDEN[index]


@pytest.mark.parametrize("size", [(224, 224), (64, 64), (448, 448), (96, 160)])
def test_released_boxes_are_made_at_224_whatever_the_input(size: tuple[int, int]) -> None:
    """In whole pixels of 224 for step rules, which compare them with each other; scaled for true boxes."""
    height, width = size
    for index, golden in GOLDEN.items():
        assert list(RELEASED_BOX.box(golden_cam(index), size)) == golden
        x, y, w, h = golden
        scaled = [x * width / 224, y * height / 224, w * width / 224, h * height / 224]
        assert RELEASED_BOX.box_in_input(golden_cam(index), size).tolist() == pytest.approx(scaled)


def test_a_rule_without_a_side_makes_boxes_in_the_input() -> None:
    cam = golden_cam("1")
    assert GRADCAM.box(cam, (64, 96)) == gradcam_box(cam, (64, 96)) != gradcam_box(cam, (224, 224))
    assert GRADCAM.box_in_input(cam, (64, 96)).tolist() == list(gradcam_box(cam, (64, 96)))


def test_kept_levels_are_those_of_the_colored_gray() -> None:
    """JET, gray and a threshold strictly above 38 keep levels 37 to 155; level 36 has exactly 38, level 37 has 41."""
    levels = np.arange(LEVELS + 1, dtype=np.uint8)
    gray = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2GRAY).ravel()
    _, bright = cv2.threshold(gray, int(0.15 * 255), 255, cv2.THRESH_BINARY)
    assert np.flatnonzero(bright.ravel()).tolist() == list(range(LOWEST_KEPT, LEVELS + 1))
    assert gray[36:38].tolist() == [38, 41]


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3])
def test_a_constant_map_has_no_box(value: float) -> None:
    assert released_box(np.full((7, 7), value, dtype=np.float32), (100, 60)) == NO_BOX


def test_a_rectangle_has_too_few_points() -> None:
    cam = np.zeros((40, 60), dtype=np.float32)
    cam[10:30, 20:50] = 1
    assert released_box(cam, (40, 60)) == NO_BOX


@pytest.mark.parametrize(("last_tooth", "points", "box"), [(1, 15, NO_BOX), (3, 16, (0, 4, 11, 6))])
def test_more_than_15_points(last_tooth: int, points: int, box: Box) -> None:
    """A comb with three teeth, one pixel wide, on a bar; the last tooth's height decides between 15 and 16 points."""
    cam = np.zeros((20, 30), dtype=np.float32)
    cam[7:10, :11] = 1
    cam[4:7, [2, 6]] = 1
    cam[7 - last_tooth : 7, 10] = 1
    (contour,), _ = cv2.findContours(cam.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contour) == points
    assert released_box(cam, (20, 30)) == box


def test_of_two_blobs_the_one_with_more_points_wins() -> None:
    """Disks of radius 12 and 6, wherever they lie; in a map of the input's size the box is the disk's own."""
    for large, small in (((20, 20), (60, 80)), ((60, 80), (20, 20))):
        cam = disk((90, 110), large, 12) + disk((90, 110), small, 6)
        assert released_box(cam, (90, 110)) == (large[1] - 12, large[0] - 12, 25, 25)


def test_of_equal_blobs_the_first_of_opencv_wins() -> None:
    cam = disk((60, 100), (20, 20), 8) + disk((60, 100), (40, 70), 8)
    contours, _ = cv2.findContours(cam.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contours) == 2
    assert len(contours[0]) == len(contours[1]) > 15
    assert released_box(cam, (60, 100)) == tuple(cv2.boundingRect(contours[0]))


def test_a_hole_can_give_the_box() -> None:
    """A square plate with a round hole: the plate's contour has four points, the hole's many.

    The hole's contour runs over the plate's pixels beside it, one outside the radius of 15 on each side.
    """
    cam = np.zeros((80, 80), dtype=np.float32)
    cam[10:70, 10:70] = 1
    assert released_box(cam - disk((80, 80), (40, 40), 15), (80, 80)) == (24, 24, 33, 33)


def test_of_an_equal_hole_and_blob_the_lower_one_is_first_in_the_flat_list() -> None:
    """By levels of nesting, blobs would come before the holes of others; the flat list goes from below upwards."""
    cam = np.zeros((80, 120), dtype=np.float32)
    cam[5:75, 5:75] = 1
    cam -= disk((80, 120), (52, 45), 10)
    cam += disk((80, 120), (20, 100), 10)
    flat, nested = (
        cv2.findContours(cam.astype(np.uint8), mode, cv2.CHAIN_APPROX_SIMPLE)[0]
        for mode in (cv2.RETR_LIST, cv2.RETR_TREE)
    )
    hole, blob = (34, 41, 23, 23), (90, 10, 21, 21)
    assert cv2.boundingRect(max(flat, key=len)) == hole
    assert cv2.boundingRect(max(nested, key=len)) == blob
    assert released_box(cam, (80, 120)) == hole


def test_height_and_width_are_not_swapped() -> None:
    """A blob in the upper right of a wide input: x, y, w, h scale with their own side, 300 / 10 and 100 / 5."""
    cam = blob((5, 10), (1, 7), 0.9)
    x, y, w, h = released_box(cam, (100, 300))
    assert x + w <= 300
    assert y + h <= 100
    assert x + w / 2 == pytest.approx(30 * 7.5, abs=3)
    assert y + h / 2 == pytest.approx(20 * 1.5, abs=4)
    tall = released_box(np.ascontiguousarray(cam.T), (300, 100))
    assert np.abs(np.subtract(tall, (y, x, h, w))).max() <= 1


def test_the_map_is_signed_and_its_scale_is_free() -> None:
    cam = golden_cam("7")
    assert released_box(8 * cam - 16, (224, 224)) == released_box(cam, (224, 224))
    assert released_box(cam.astype(np.float64), (224, 224)) == released_box(cam, (224, 224))
    assert released_box(np.maximum(cam, 1), (224, 224)) != released_box(cam, (224, 224))


def test_bad_maps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 7, 7\)"):
        released_box(np.zeros((1, 7, 7)), (224, 224))
    with pytest.raises(ValueError, match=r"shape \(0, 7\)"):
        released_box(np.zeros((0, 7)), (224, 224))
    with pytest.raises(ValueError, match="not finite"):
        released_box(np.full((7, 7), np.nan), (224, 224))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150),
        ((0, 0, 10, 10), (0, 0, 10, 5), 0.5),
        ((0, 0, 10, 10), (8, 9, 10, 10), 2 / 198),
        ((2, 3, 4, 5), (0, 0, 100, 50), 20 / 5000),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0.0),
        ((0, 0, 10, 10), (30, 30, 10, 10), 0.0),
        ((0, 0, 10, 10), (5, 5, 0, 3), 0.0),
        ((5, 5, 3, 0), (5, 5, 3, 0), 0.0),
        (NO_BOX, NO_BOX, 0.0),
    ],
)
def test_iou_by_hand(a: Box, b: Box, expected: float) -> None:
    assert iou(a, b) == iou(b, a) == pytest.approx(expected, abs=1e-15)


def test_ious_are_pairwise() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0], [2, 3, 4, 5]])
    b = np.array([[5, 0, 10, 10], [0, 0, 0, 0], [2, 3, 4, 5]])
    assert ious(a, b).tolist() == pytest.approx([1 / 3, 0, 1])


def plate(shape: tuple[int, int], *boxes: Box) -> np.ndarray:
    """1 within boxes, 0 outside."""
    cam = np.zeros(shape, dtype=np.float32)
    for x, y, w, h in boxes:
        cam[y : y + h, x : x + w] = 1
    return cam


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(5, 3, 20, 8)], (5, 3, 20, 8)),
        # The largest segment by pixels, not by its box.
        ([(2, 2, 4, 4), (20, 10, 9, 3)], (20, 10, 9, 3)),
        # Equal sizes: the one whose first pixel comes first, row by row.
        ([(20, 1, 4, 4), (2, 8, 4, 4)], (20, 1, 4, 4)),
        ([(20, 8, 4, 4), (2, 1, 4, 4)], (2, 1, 4, 4)),
        # Touching by a corner joins segments.
        ([(2, 2, 4, 4), (6, 6, 4, 4)], (2, 2, 8, 8)),
        ([(0, 0, 1, 1)], (0, 0, 1, 1)),
    ],
)
def test_gradcam_boxes_by_hand(boxes: list[Box], expected: Box) -> None:
    """Maps of the input's size, 16 high and 32 wide, so that nothing is interpolated."""
    assert gradcam_box(plate((16, 32), *boxes), (16, 32)) == expected
    assert gradcam_box(7.3 * plate((16, 32), *boxes), (16, 32)) == expected


def test_gradcam_keeps_15_percent_of_the_maximum() -> None:
    """0.15 itself is kept, less is not, and what is negative has no say in the scale."""
    cam = plate((8, 20), (2, 2, 3, 3))
    cam[2:5, 5:9] = 0.15
    cam[2:5, 9:12] = 0.1499
    cam[7, 19] = -50
    assert gradcam_box(cam, (8, 20)) == (2, 2, 7, 3)


@pytest.mark.parametrize("value", [0.0, -2.0])
def test_a_map_without_positive_values_has_no_gradcam_box(value: float) -> None:
    assert gradcam_box(np.full((7, 7), value, dtype=np.float32), (100, 60)) == NO_BOX


def test_a_constant_positive_map_is_all_box() -> None:
    assert gradcam_box(np.full((7, 7), 0.3, dtype=np.float32), (100, 60)) == (0, 0, 60, 100)


def test_gradcam_boxes_do_not_swap_height_and_width() -> None:
    cam = blob((5, 10), (1, 7), 0.9)
    x, y, w, h = gradcam_box(cam, (100, 300))
    assert x + w / 2 == pytest.approx(30 * 7.5, abs=3)
    assert y + h / 2 == pytest.approx(20 * 1.5, abs=10)
    tall = gradcam_box(np.ascontiguousarray(cam.T), (300, 100))
    assert np.abs(np.subtract(tall, (y, x, h, w))).max() <= 1


def test_segments_come_by_size() -> None:
    assert segments(plate((16, 32), (2, 2, 4, 4), (20, 10, 9, 3)) > 0) == [(20, 10, 9, 3), (2, 2, 4, 4)]
    assert segments(np.zeros((4, 4), dtype=bool)) == []
