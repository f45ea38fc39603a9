"""Boxes of class activation maps, and what they hit: the part of a localization that needs no network, and no torch."""

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.boxes import gradcam_box
from benchmarks.metrics.localization import best_iou, box_hits, packed
from benchmarks.metrics.rules import Rules

if TYPE_CHECKING:
    from benchmarks.work.shelves import Part

# What goes in beside all else: float32 (N, T, 2, h, w), the top class's map and the true class's of each step; and of
# each image its true boxes (n, 4) as x, y, w, h in pixels of the view.
MAPS, TRUTHS = "maps", "truths"


def boxed(part: "Part", size: tuple[int, int], rules: Rules) -> "Part":
    """A part with boxes and overlaps in place of ``MAPS`` and ``TRUTHS``.

    Args:
        part: Of a batch.
        size: Height and width of the network's input in pixels.
        rules: The box rules.

    Returns:
        Besides the other arrays ``boxes``, ``gradcam_boxes``, ``iou_<rule>`` and ``max_box``, see
        :class:`benchmarks.work.collectors.localization.LocalizationCollector`.
    """
    maps, truths = part[MAPS], part[TRUTHS].tolist()
    steps = [boxed_step(maps[:, step], truths, size, rules) for step in range(maps.shape[1])]
    others = {name: array for name, array in part.items() if name not in (MAPS, TRUTHS)}
    return others | {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}


def boxed_step(maps: np.ndarray, truths: list[np.ndarray], size: tuple[int, int], rules: Rules) -> "Part":
    """A step's arrays (N, ...) from its maps (N, 2, h, w)."""
    top = [top_boxes(pair[0], size, rules) for pair in maps]
    true = [true_overlaps(pair[1], size, boxes, rules) for pair, boxes in zip(maps, truths, strict=True)]
    measured = {name: np.array([one[name] for one in top]) for name in top[0]}
    measured |= {name: np.array([one[name] for one in true], np.float32) for name in true[0]}
    measured["max_box"] = packed(box_hits(list(maps[:, 1]), [corners(boxes) for boxes in truths], size))
    return measured


def top_boxes(cam: np.ndarray, size: tuple[int, int], rules: Rules) -> dict[str, tuple[int, ...]]:
    """Boxes of the top class's map (h, w)."""
    return {"boxes": rules.step_box.box(cam, size), "gradcam_boxes": gradcam_box(cam, size)}


def true_overlaps(cam: np.ndarray, size: tuple[int, int], boxes: np.ndarray, rules: Rules) -> dict[str, list[float]]:
    """How well boxes of the true class's map (h, w) hit the true ones (n, 4)."""
    return {f"iou_{rule.name}": [best_iou(rule.box_in_input(cam, size), boxes)] for rule in rules.boxes}


def corners(boxes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) as x, y, w, h in pixels as the published evaluator takes them: x0, y0, x1, y1, rounded down."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.int64)


def ragged(boxes: list[np.ndarray]) -> np.ndarray:
    """Arrays of any lengths as one array (N,) of them."""
    array = np.empty(len(boxes), dtype=object)
    array[:] = boxes
    return array
