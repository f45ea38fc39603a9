"""Localizations: boxes of class activation maps at every step, and what they hit of an image's true boxes."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.backbone import Backbone
from benchmarks.data.boxes import AnnotationError, Boxed, check_boxes, shown_boxes
from benchmarks.data.images import ImageSet
from benchmarks.metrics.accuracy import BOX, TOP
from benchmarks.metrics.localization import MAX_BOX_COLUMNS
from benchmarks.metrics.movement import GRADCAM_BOX
from benchmarks.metrics.rules import Rules
from benchmarks.networks.maps import class_maps
from benchmarks.work.boxing import MAPS, TRUTHS, boxed, ragged
from benchmarks.work.collectors.accuracy import table_columns
from benchmarks.work.passes import Collector, Shown, View, require_finite
from benchmarks.work.shelves import Part

# Networks see a batch one after the other; what is longer ago is not asked for again.
KNOWN = 4096


class Truth(NamedTuple):
    """What is known of an image.

    Attributes:
        objects: Whole objects in it, of any class.
        boxes: True boxes of its class, in pixels of the view (n, 4).
    """

    objects: int
    boxes: np.ndarray


class Truths:
    """The true boxes of an image set under a view; those of an image are read once for all networks.

    Args:
        images: The image set.
        boxes: Its boxes.
        view: Where boxes are wanted.
    """

    def __init__(self, images: ImageSet, boxes: Boxed, view: View) -> None:
        self.images, self.boxes, self.view = images, boxes, view
        self.known: dict[int, Truth | str] = {}

    def of(self, position: int, size: tuple[int, int]) -> Truth | str:
        """What is known of an image of this stored height and width, or why nothing usable is."""
        if position not in self.known:
            if len(self.known) >= KNOWN:
                self.known.clear()
            try:
                self.known[position] = self.read(position, size)
            except AnnotationError as error:
                self.known[position] = str(error)
        return self.known[position]

    def read(self, position: int, size: tuple[int, int]) -> Truth:
        """What is known of an image.

        Raises:
            AnnotationError: Its boxes are missing or cannot be right, or none is of its class.
        """
        name, label = self.images.ids[position], self.images.labels[position]
        everything = self.boxes.boxes(position)
        check_boxes(everything, size, name)
        if label not in {box.label for box in everything}:
            raise AnnotationError(f"{name} has no box of its own class")
        shown = shown_boxes(everything, size, self.view.resolution, self.view.crop)
        own = [box[1:] for box in shown if box.label == label]
        return Truth(len(everything), np.array(own, dtype=np.float64).reshape(-1, 4))


class LocalizationCollector(Collector):
    """Predictions, boxes and their overlaps with true boxes at every step.

    Args:
        network: The network.
        truths: The true boxes; their view is what the network sees of an image.
        rules: The box rules.

    Parts: ``objects`` (N,); ``classes`` and ``scores`` (N, T, k) with k at most 5; of the top class's map ``boxes`` (N,
    T, 4) by the rule that step rules look at, in pixels of its own, and ``gradcam_boxes`` by Grad-CAM's; of the true
    class's map float32 ``iou_<rule>`` (N, T, 1) for each box rule and uint64 ``max_box`` (N, T, 16), see
    ``benchmarks.metrics.localization``. What needs no network, all boxes, is left to ``finish``.
    """

    network: Backbone

    def __init__(self, network: Backbone, truths: Truths, rules: Rules) -> None:
        super().__init__(truths.view, network)
        self.truths = truths
        side = truths.view.resolution
        self.finish = partial(boxed, size=(side, side), rules=rules)

    def unusable(self, position: int, size: tuple[int, int]) -> str | None:
        truth = self.truths.of(position, size)
        return truth if isinstance(truth, str) else None

    def collect(self, shown: Shown) -> Part:
        known = [self.truths.of(*one) for one in zip(shown.positions.tolist(), shown.sizes, strict=True)]
        truths = [truth for truth in known if isinstance(truth, Truth)]
        trunk = self.network.trunk(shown.inputs)
        steps = [
            self.at_step(self.network.feature_map(trunk, step), shown) for step in range(1, self.network.steps + 1)
        ]
        part = {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}
        objects = np.array([truth.objects for truth in truths])
        return {"position": shown.positions, "objects": objects, **part, TRUTHS: ragged([one.boxes for one in truths])}

    def at_step(self, feature_map: Tensor, shown: Shown) -> Part:
        """A step's best classes and scores (N, k), and maps (N, 2, h, w)."""
        probabilities = self.network.classify(feature_map).float().softmax(dim=1)
        scores, classes = probabilities.topk(min(TOP, probabilities.shape[1]))
        require_finite(scores.cpu().numpy(), shown)
        # The top class's map and the true class's.
        wanted = torch.stack([classes[:, 0], torch.from_numpy(shown.labels).to(classes.device)], dim=1)
        maps = class_maps(self.network, feature_map, wanted).float().cpu().numpy()
        return {"classes": classes.cpu().numpy(), "scores": scores.cpu().numpy(), MAPS: maps}


def localizations_table(images: ImageSet, part: Part, rules: Rules) -> pd.DataFrame:
    """Localizations as ``benchmarks.metrics.localization`` describes them, in the order of id and step.

    The columns ``objects`` (whole objects in the image, of any class), ``gradcam_box_*`` (the top class's box by
    Grad-CAM's rule) and ``stands_<rule>`` (whether a step stands under a step rule) stand beside.
    """
    scores, boxes = part["scores"][:, :, 0].astype(np.float64), part["boxes"].astype(np.float64)
    standing = {f"stands_{rule.name}": rule.standing(scores, boxes)[:, :, None] for rule in rules.steps}
    own = {name: (name,) for name in (*standing, *(f"iou_{rule.name}" for rule in rules.boxes))}
    by_step = {"boxes": BOX, "gradcam_boxes": GRADCAM_BOX, **own, "max_box": MAX_BOX_COLUMNS}
    return pd.DataFrame(table_columns(images, {**part, **standing}, {"objects": "objects"}, by_step))
