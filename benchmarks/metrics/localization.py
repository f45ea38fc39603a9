"""Weakly supervised localization: is the class right, and is the box of its class activation map?

Localizations are a table with one row for each image and step. Its columns are those of predictions (see
``benchmarks.metrics.accuracy``; every box is known here), and:

- ``iou_<box rule>`` for each box rule: IoU of its box of the true class's map with the best of the image's true boxes,
- ``iou_at_<percent>``: the same for the best of all segments of that map at a threshold, for :func:`max_box_accuracy`.

A class is localized if its box overlaps a true box by at least half (IoU >= 0.5). Of the five best classes only the
true one can be right, so its box decides top-1 and top-5 localization alike.

Sources: Russakovsky et al., IJCV 2015 (top-1 and top-5 localization); Choe et al., CVPR 2020 and its extension
(GT-known, MaxBoxAccV2).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.metrics.accuracy import BOX, CLASSES, check_predictions
from benchmarks.metrics.boxes import Box, ious, resize_map, segments
from benchmarks.metrics.rules import Bools, StepRule
from benchmarks.metrics.statistics import Proportion, wilson

OVERLAP = 0.5
OVERLAPS = (0.3, 0.5, 0.7)
PERCENTS = tuple(range(5, 100, 5))
AT = tuple(f"iou_at_{percent:02d}" for percent in PERCENTS)
METRICS = ("top1_loc", "top5_loc", "gt_known")


def best_iou(boxes: Iterable[Box | npt.NDArray[np.float64]], truth: npt.NDArray[np.float64]) -> float:
    """Largest IoU of any box with any true box (n, 4) as x, y, w, h; 0 where either is missing."""
    candidates = np.array(list(boxes), dtype=np.float64).reshape(-1, 1, 4)
    return float(ious(candidates, truth.reshape(1, -1, 4)).max(initial=0.0))


def threshold_ious(cam: npt.NDArray[np.float32], size: tuple[int, int], truth: npt.NDArray[np.float64]) -> list[float]:
    """Best IoU of all segments of a map at each threshold of ``PERCENTS``, as MaxBoxAccV2 scores them.

    The map (h, w) is resized to the input's size and scaled from its minimum to its maximum; a constant map has no
    segment.
    """
    resized = resize_map(cam, size)
    low, high = resized.min(), resized.max()
    if high <= low:
        return [0.0] * len(PERCENTS)
    scaled = (resized - low) / (high - low)
    return [best_iou(segments(scaled >= percent / 100), truth) for percent in PERCENTS]


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
    return {name: wilson(int(hits[name].sum()), len(hits)) for name in METRICS}


def localized(table: pd.DataFrame, rule: StepRule, boxes: str) -> pd.DataFrame:
    """For each image (index id, ascending) whether it is localized, by the columns ``METRICS``; as `localization`."""
    column = f"iou_{boxes}"
    if column not in table:
        known = [name.removeprefix("iou_") for name in table if name.startswith("iou_") and name not in AT]
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


def max_box_accuracy(table: pd.DataFrame, tuning: pd.DataFrame, rule: StepRule) -> dict[str, float]:
    """MaxBoxAccV2: the share of images with a right box, averaged over the IoU bounds 0.3, 0.5 and 0.7.

    For each bound the threshold is the one that is best on other images; the score is that of the table's images at it.

    Args:
        table: Localizations of the test images.
        tuning: Localizations of other images; those of the test images among them are left out of the test.
        rule: As in :func:`localization`.

    Returns:
        ``max_box_acc_v2``, 0 to 1, and the percent chosen for each bound (``threshold_at_0.3``, ...).
    """
    test = table[~table["id"].isin(set(tuning["id"]))]
    best = box_accuracies(tuning, rule).argmax(axis=0)
    scores = box_accuracies(test, rule)[best, np.arange(len(OVERLAPS))]
    chosen = {f"threshold_at_{overlap}": float(PERCENTS[at]) for overlap, at in zip(OVERLAPS, best, strict=True)}
    return {"max_box_acc_v2": float(scores.mean()), **chosen}


def box_accuracies(table: pd.DataFrame, rule: StepRule) -> npt.NDArray[np.float64]:
    """Share of images with a right box at each threshold and for each IoU bound, (thresholds, bounds)."""
    table = check_predictions(table)
    steps = int(table["step"].max())
    overlaps = table[list(AT)].to_numpy().reshape(-1, steps, len(AT), 1)
    right = (overlaps >= np.array(OVERLAPS)) & steps_that_count(table, rule, steps)[:, :, None, None]
    return np.asarray(right.any(axis=1).mean(axis=0))
