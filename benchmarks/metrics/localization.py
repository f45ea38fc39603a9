"""Weakly supervised localization: is the class right, and is the box of its class activation map?

Localizations are a table with one row for each image and step. Its columns are those of predictions (see
``benchmarks.metrics.accuracy``; every box is known here), and:

- ``iou_<box rule>`` for each box rule: IoU of its box of the true class's map with the best of the image's true boxes,
- ``MAX_BOX_COLUMNS``: at which thresholds that map has a box that hits, packed, for :func:`max_box_accuracy`.

A class is localized if its box overlaps a true box by at least half (IoU >= 0.5). Of the five best classes only the
true one can be right, so its box decides top-1 and top-5 localization alike.

Sources: Russakovsky et al., IJCV 2015 (top-1 and top-5 localization); Choe et al., CVPR 2020 and its extension
(GT-known, MaxBoxAcc, MaxBoxAccV2) and their published evaluator, which these two follow to the letter.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.metrics.accuracy import BOX, CLASSES, check_predictions, share_of
from benchmarks.metrics.boxes import check_map, ious
from benchmarks.metrics.contours import HIGHEST, LEVELS, Heights, Ints, contours
from benchmarks.metrics.rules import Bools, StepRule
from benchmarks.metrics.statistics import Proportion

Floats = npt.NDArray[np.float64]
Truth = npt.ArrayLike  # true boxes of a map (n, 4) as x0, y0, x1, y1 in whole pixels

OVERLAP = 0.5
METRICS = ("top1_loc", "top5_loc", "gt_known")

# What counts as a hit of the published evaluator: MaxBoxAcc asks for the largest contour, MaxBoxAccV2 for any of them.
LARGEST = "largest contour, IoU 0.5"
ANY = {"any contour, IoU 0.3": 0.3, "any contour, IoU 0.5": 0.5, "any contour, IoU 0.7": 0.7}
CRITERIA = (LARGEST, *ANY)
THRESHOLDS = np.arange(0, 1, 0.001)
# A map has 256 levels, and what counts is above the threshold's: so many different ones are there among the thousand.
LEVEL_OF = (THRESHOLDS * HIGHEST).astype(int)
WORDS = 4  # of 64 levels
MAX_BOX_COLUMNS = tuple(f"max_box_{name}_{word}" for name in ("largest_50", "30", "50", "70") for word in range(WORDS))
# Maps are swept together, so many that their pixels stay in a processor's cache.
PIXELS_AT_ONCE = 2**17


def best_iou(box: Floats, truth: Floats) -> float:
    """Largest IoU of a box (4,) with any true box (n, 4) as x, y, w, h; 0 where either is missing."""
    return float(ious(box, truth.reshape(-1, 4)).max(initial=0.0))


def localization(table: pd.DataFrame, rule: StepRule, boxes: str) -> dict[str, Proportion]:
    """Localization accuracies under one step rule and one box rule, with 95 % Wilson intervals.

    Args:
        table: Localizations, see the module.
        rule: Says which steps stand; any of them counts.
        boxes: Name of a box rule that the table has a column of.

    Returns:
        ``top1_loc`` and ``top5_loc`` (class and box right), ``gt_known`` (box right, whatever class was predicted), of
        all images, 0 to 1.

    Raises:
        ValueError: A box rule that the table has no column of, or a table that is none.
    """
    hits = localized(table, rule, boxes)
    return {name: share_of(hits[name].to_numpy(), table) for name in METRICS}


def localized(table: pd.DataFrame, rule: StepRule, boxes: str) -> pd.DataFrame:
    """For each image (index id, ascending) whether it is localized, by the columns ``METRICS``; as `localization`."""
    column = f"iou_{boxes}"
    if column not in table:
        known = [name.removeprefix("iou_") for name in table if name.startswith("iou_")]
        raise ValueError(f"the localizations have no box rule {boxes!r}; choose one of {', '.join(known)}")
    table = check_predictions(table)
    steps = int(table["step"].max())
    label = table[["label"]].to_numpy()
    right_box = table[column].to_numpy() >= OVERLAP
    by_step = {
        "top1_loc": (table[[CLASSES[0]]].to_numpy() == label).any(axis=1) & right_box,
        "top5_loc": (table[list(CLASSES)].to_numpy() == label).any(axis=1) & right_box,
        "gt_known": right_box,
    }
    standing = steps_that_count(table, rule, steps)
    hits = {name: (hit.reshape(-1, steps) & standing).any(axis=1) for name, hit in by_step.items()}
    return pd.DataFrame(hits, index=pd.Index(table["id"].iloc[::steps], name="id"))


def steps_that_count(table: pd.DataFrame, rule: StepRule, steps: int) -> Bools:
    """The steps (images, steps) that stand under a rule, of localizations in the order of id and step."""
    scores = table["score_1"].to_numpy(dtype=np.float64).reshape(-1, steps)
    return rule.standing(scores, table[list(BOX)].to_numpy(dtype=np.float64).reshape(-1, steps, 4))


def max_box_accuracy(table: pd.DataFrame, rule: StepRule) -> dict[str, float]:
    """MaxBoxAcc and MaxBoxAccV2 of localizations, in percent: an image is hit if any step that stands hits it.

    Args:
        table: Localizations, see the module.
        rule: As in :func:`localization`.

    Returns:
        As :func:`published_max_box_accuracy`.
    """
    table = check_predictions(table)
    steps = int(table["step"].max())
    hits = unpacked(table[list(MAX_BOX_COLUMNS)].to_numpy(np.uint64)).reshape(-1, steps, len(CRITERIA), HIGHEST)
    counted: Bools = hits & steps_that_count(table, rule, steps)[:, :, None, None]
    return best_accuracies(np.asarray(counted.any(axis=1)))


def published_max_box_accuracy(
    maps: Sequence[npt.NDArray[np.floating]], boxes: Sequence[Truth], size: int | tuple[int, int]
) -> dict[str, float]:
    """MaxBoxAcc and MaxBoxAccV2 as the published evaluator computes them, at the best of 1000 thresholds each.

    Args:
        maps: Of each image the class activation map (h, w) of its true class, before resizing.
        boxes: Of each image its true boxes, as x0, y0, x1, y1 in whole pixels of the size.
        size: Side, or height and width, that maps are resized to.

    Returns:
        In percent of the images ``max_box_acc`` (the largest contour overlaps a true box by at least 0.5) and
        ``max_box_acc_v2`` (any contour does, by 0.3, 0.5 and 0.7; the mean of the three).

    Raises:
        ValueError: No map, another number of boxes, or a map that is none.
    """
    return best_accuracies(box_hits(maps, boxes, size))


def best_accuracies(hits: Bools) -> dict[str, float]:
    """Both accuracies in percent from hits (N, criteria, 255), see :func:`box_hits`."""
    best = {name: float(accuracies.max()) for name, accuracies in accuracy_by_threshold(hits).items()}
    return {"max_box_acc": best[LARGEST], "max_box_acc_v2": float(np.mean([best[name] for name in ANY]))}


def accuracy_by_threshold(hits: Bools) -> dict[str, Floats]:
    """For each of ``CRITERIA`` the percentage of images that are hit at each of ``THRESHOLDS``.

    Args:
        hits: (N, criteria, 255), see :func:`box_hits`.
    """
    shares = hits.sum(axis=0) * 100.0 / len(hits)
    return {name: share[LEVEL_OF] for name, share in zip(CRITERIA, shares, strict=True)}


def box_hits(maps: Sequence[npt.NDArray[np.floating]], boxes: Sequence[Truth], size: int | tuple[int, int]) -> Bools:
    """Which maps hit a true box by which of ``CRITERIA`` above each level from 0 to 254 (N, criteria, 255).

    A map is resized (bicubic), scaled from its minimum to its maximum and brought to 256 levels. Contours of what lies
    above a level count, those of holes too. Each gives a box from its first pixel to one behind its last, cut at the
    image's last pixel. In overlaps the pixels at both ends of a box count. Without a contour, as of a constant map, the
    box is the image's first pixel.

    Args:
        maps: As for :func:`published_max_box_accuracy`.
        boxes: As there.
        size: As there.

    Raises:
        ValueError: As there.
    """
    if len(maps) != len(boxes) or not len(maps):
        raise ValueError(f"got {len(maps)} maps and boxes of {len(boxes)}; pass at least one map, and boxes for each")
    height, width = (size, size) if isinstance(size, int) else size
    together = max(1, PIXELS_AT_ONCE // (height * width))
    hits = np.zeros((len(maps), len(CRITERIA), HIGHEST), dtype=bool)
    for begin in range(0, len(maps), together):
        some = slice(begin, begin + together)
        any_contour, largest = overlaps(heights_of(maps[some], (height, width)), padded(boxes[some]))
        hits[some, 0] = largest >= OVERLAP
        hits[some, 1:] = any_contour[:, None] >= np.array(list(ANY.values()))[:, None]
    return hits


def heights_of(maps: Sequence[npt.NDArray[np.floating]], size: tuple[int, int]) -> Heights:
    """Maps as the evaluator takes them, resized and scaled (N, H, W), in 256ths of its gray levels."""
    import cv2

    height, width = size
    heights = np.zeros((len(maps), height, width), np.uint16)
    for place, cam in enumerate(map(check_map, maps)):
        if cam.min() == cam.max():  # decided here: resized, a constant may come out with a range of rounding errors
            continue
        scaled = np.asarray(cv2.resize(cam, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
        scaled -= scaled.min()
        if highest := scaled.max():
            scaled /= highest
        scaled *= HIGHEST
        scaled *= LEVELS  # a power of two, so that nothing is rounded
        heights[place] = scaled
    return heights


def padded(boxes: Sequence[Truth]) -> Ints:
    """True boxes of maps as one array (N, n, 4), with boxes that overlap nothing where one has fewer than others."""
    arrays = [np.asarray(one, dtype=np.int64).reshape(-1, 4) for one in boxes]
    together = np.full((len(arrays), max(1, *map(len, arrays)), 4), -1)
    together[:, :, :2] = 0
    for place, array in enumerate(arrays):
        together[place, : len(array)] = array
    return together


def overlaps(heights: Heights, truth: Ints) -> tuple[Floats, Floats]:
    """Best IoU above each level of any contour, and that of the largest, with any true box (N, n, 4); both (N, 255)."""
    end = np.array([heights.shape[2] - 1, heights.shape[1] - 1])
    seen = contours(heights)
    largest = inclusive_ious(seen.largest, truth[:, None], end)
    # Where nothing lies above, the only box is that of the largest contour: no box at all.
    best = np.where(seen.largest[:, :, 2] == 0, largest, 0.0)
    np.maximum.at(best, (seen.of, seen.threshold), inclusive_ious(seen.boxes, truth[seen.of], end))
    return best, largest


def inclusive_ious(boxes: Ints, truth: Ints, end: Ints) -> Floats:
    """Best IoU of boxes (..., 4) as x, y, w, h with true boxes (..., n, 4) as x0, y0, x1, y1, both ends included.

    Args:
        boxes: Of contours; they reach to one pixel behind them, but not beyond ``end``.
        truth: True boxes.
        end: Last column and row of the image.
    """
    start = boxes[..., None, :2]
    stop = np.minimum(boxes[..., :2] + boxes[..., 2:], end)[..., None, :]
    shared = (np.minimum(stop, truth[..., 2:]) - np.maximum(start, truth[..., :2]) + 1).clip(min=0).prod(axis=-1)
    areas = (stop - start + 1).prod(axis=-1) + (truth[..., 2:] - truth[..., :2] + 1).prod(axis=-1)
    best: Floats = (shared / (areas - shared)).max(axis=-1)
    return best


def packed(hits: Bools) -> npt.NDArray[np.uint64]:
    """Hits (N, criteria, 255) as numbers (N, len(MAX_BOX_COLUMNS)), a bit for each level."""
    return np.packbits(hits, axis=2, bitorder="little").view("<u8").reshape(len(hits), -1)


def unpacked(words: npt.NDArray[np.uint64]) -> Bools:
    """What was :func:`packed`."""
    octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8).reshape(len(words), len(CRITERIA), -1)
    return np.unpackbits(octets, axis=2, count=HIGHEST, bitorder="little").astype(bool)
