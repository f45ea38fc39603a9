"""From images and their boxes to localizations: class activation maps at every step, and what their boxes hit."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.data.boxes import AnnotationError, Boxed, check_boxes, shown_boxes
from benchmarks.data.images import ImageSet
from benchmarks.metrics.accuracy import BOX, CLASSES, SCORES, TOP
from benchmarks.metrics.boxes import gradcam_box, released_box
from benchmarks.metrics.localization import AT, best_iou, threshold_ious
from benchmarks.metrics.movement import GRADCAM_BOX
from benchmarks.networks.maps import class_maps
from benchmarks.work.passes import Batch, Predictions, View, batches, normalized, put


def localize(
    networks: Mapping[str, Backbone],
    images: ImageSet,
    boxes: Boxed,
    view: View,
    device: torch.device,
    batch: int,
    workers: int = 0,
    count: int | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> dict[str, Predictions]:
    """Localizations of all models in one pass over the images, shared among the processes.

    An image without usable boxes is left out, with its reason, like one that cannot be read.

    Args:
        networks: By name.
        images: The image set.
        boxes: Its boxes.
        view: What the networks see of an image.
        device: Where to run.
        batch: Images of a step.
        workers: Loader processes.
        count: The first so many images, None for all.
        progress: Called with the number of images of each step.

    Returns:
        By name, a table as ``benchmarks.metrics.localization`` describes it, with the columns ``objects`` (whole
        objects in the image, of any class) and ``gradcam_box_*`` (the top class's box by Grad-CAM's rule) beside.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in networks}
    reasons: list[str] = []
    put(networks.values(), device)
    with torch.inference_mode():
        for found in batches(images, [view], device, batch, workers, count):
            reasons += found.reasons
            truth, kept, unknown = true_boxes(images, boxes, found, view)
            reasons += unknown
            if kept:
                inputs = normalized(found.views[0][kept], device)
                for name, network in networks.items():
                    rows[name] += localize_batch(network, inputs, [truth[i] for i in kept])
            progress((len(found.positions) + len(found.reasons)) * distributed.size())
    shards = distributed.gather((rows, reasons))
    unreadable = sorted(reason for _, shard in shards for reason in shard)
    return {name: Predictions(as_table([row for shard, _ in shards for row in shard[name]]), unreadable)
            for name in networks}  # fmt: skip


def true_boxes(
    images: ImageSet, boxes: Boxed, found: Batch, view: View
) -> tuple[dict[int, dict[str, Any]], list[int], list[str]]:
    """What is known of a batch's images: facts with the true boxes by place in the batch, the places, the reasons."""
    truth, reasons = {}, []
    for place, (index, size) in enumerate(zip(found.positions, found.sizes, strict=True)):
        label = images.labels[index]
        try:
            everything = boxes.boxes(index)
            check_boxes(everything, size, images.ids[index])
            if label not in {box.label for box in everything}:
                raise AnnotationError(f"{images.ids[index]} has no box of its own class")
        except AnnotationError as error:
            reasons.append(str(error))
            continue
        own = [box for box in shown_boxes(everything, size, view.resolution, view.crop) if box.label == label]
        truth[place] = {
            "id": images.ids[index],
            "label": label,
            "objects": len(everything),
            "truth": np.array([box[1:] for box in own], dtype=np.float64).reshape(-1, 4),
        }
    return truth, list(truth), reasons


def localize_batch(network: Backbone, inputs: Tensor, truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each image and step."""
    size = (inputs.shape[2], inputs.shape[3])
    labels = torch.tensor([one["label"] for one in truth], device=inputs.device)
    trunk = network.trunk(inputs)
    rows = []
    for step in range(1, network.steps + 1):
        feature_map = network.feature_map(trunk, step)
        probabilities = network.classify(feature_map).float().softmax(dim=1)
        scores, classes = probabilities.topk(min(TOP, probabilities.shape[1]))
        # The top class's map and the true class's.
        wanted = torch.stack([classes[:, 0], labels], dim=1)
        maps = class_maps(network, feature_map, wanted).float().cpu().numpy()
        for one, top, values, cams in zip(truth, classes.tolist(), scores.tolist(), maps, strict=True):
            row = {"id": one["id"], "label": one["label"], "objects": one["objects"], "step": step}
            row |= dict.fromkeys(CLASSES, -1) | dict.fromkeys(SCORES, np.nan)
            row |= dict(zip(CLASSES, top, strict=False)) | dict(zip(SCORES, values, strict=False))
            rows.append(row | box_columns(cams[0], cams[1], size, one["truth"]))
    return rows


def box_columns(top: np.ndarray, true: np.ndarray, size: tuple[int, int], truth: np.ndarray) -> dict[str, float]:
    """Boxes of the top class's map (h, w), and how well those of the true class's map hit the true boxes (n, 4)."""
    columns: dict[str, float] = dict(zip(BOX, released_box(top, size), strict=True))
    columns |= dict(zip(GRADCAM_BOX, gradcam_box(top, size), strict=True))
    columns["iou_gradcam"] = best_iou([gradcam_box(true, size)], truth)
    columns["iou_released"] = best_iou([released_box(true, size)], truth)
    return columns | dict(zip(AT, threshold_ious(true, size, truth), strict=True))


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows in the order of id and step, IoUs in single precision."""
    if not rows:
        return pd.DataFrame(columns=["id", "label", "step", *CLASSES, *SCORES, *BOX])
    table = pd.DataFrame(rows).sort_values(["id", "step"], ignore_index=True)
    return table.astype({name: np.float32 for name in table.columns if name.startswith(("iou_", "score_"))})
