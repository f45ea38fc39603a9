"""Predictions: the best classes of each image at every step, with boxes where step rules need them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.backbone import Backbone
from benchmarks.data.images import ImageSet
from benchmarks.metrics.accuracy import BOX, CLASSES, SCORES, TOP
from benchmarks.metrics.rules import Rules
from benchmarks.networks.maps import class_maps
from benchmarks.work.passes import Collector, Shown, View, require_finite, run_steps
from benchmarks.work.shelves import Part

UNKNOWN = -1


class AccuracyCollector(Collector):
    """Best classes and probabilities of a network at every step.

    Args:
        view: What the network sees of an image.
        network: The network.
        rules: Say for which images boxes are made, and how.

    Parts: int16 ``classes`` and float32 ``scores`` (N, T, k) with k at most 5, and int16 ``boxes`` (N, T, 4) of the top
    class, ``UNKNOWN`` where they cannot change what is right or how many guesses there are under any rule.
    """

    network: Backbone

    def __init__(self, view: View, network: Backbone, rules: Rules) -> None:
        super().__init__(view, network)
        self.rules = rules

    def collect(self, shown: Shown) -> Part:
        feature_maps, logits = run_steps(self.network, shown.inputs)
        scores, classes = logits.float().softmax(dim=2).topk(min(TOP, logits.shape[2]))
        best, shares = classes.cpu().numpy().astype(np.int16), scores.cpu().numpy()
        require_finite(shares.swapaxes(0, 1), shown)
        boxes = np.full((len(feature_maps), len(shown.positions), 4), UNKNOWN, np.int16)
        needed = self.needed(best, best == shown.labels[:, None], shares[:, :, 0].T)
        if needed.any():
            chosen = torch.from_numpy(np.flatnonzero(needed)).to(classes.device)
            for step, feature_map in enumerate(feature_maps):
                boxes[step, needed] = self.boxes_of(feature_map[chosen], classes[step, chosen, :1], shown.inputs)
        by_image = {"classes": best, "scores": shares, "boxes": boxes}
        return {"position": shown.positions, **{name: array.swapaxes(0, 1) for name, array in by_image.items()}}

    def needed(self, classes: np.ndarray, hits: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Where boxes can change something (N,): steps differ in their best class, or in whether one class is right.

        Args:
            classes: The best classes (T, N, k).
            hits: Whether each of them is right (T, N, k).
            scores: Highest probability of each step (N, T).
        """
        needed = np.zeros(len(scores), dtype=bool)
        for rule in self.rules.steps:
            if rule.settled is not None:
                # Where the best class of one step is right and that of another is not, they differ.
                needed |= (classes[:, :, 0] != classes[0, :, 0]).any(axis=0)
                needed |= rule.unsure(np.asarray(hits.any(axis=2)).T, scores)
        return needed

    def boxes_of(self, feature_map: Tensor, classes: Tensor, inputs: Tensor) -> list[tuple[int, ...]]:
        """Boxes of one class (n, 1) of each image by the rule that step rules look at."""
        maps = class_maps(self.network, feature_map, classes)[:, 0].float().cpu().numpy()
        return [self.rules.step_box.box(cam, (inputs.shape[2], inputs.shape[3])) for cam in maps]


def predictions_table(images: ImageSet, part: Part) -> pd.DataFrame:
    """Predictions as ``benchmarks.metrics.accuracy`` describes them, in the order of id and step."""
    known = np.where(part["boxes"] == UNKNOWN, np.nan, part["boxes"].astype(np.float32))
    return pd.DataFrame(table_columns(images, {**part, "boxes": known}, {}, {"boxes": BOX}))


def table_columns(
    images: ImageSet, part: Part, by_image: Mapping[str, str], by_step: Mapping[str, tuple[str, ...]]
) -> dict[str, np.ndarray]:
    """Columns of a table with one row for each image and step, in the order of id and step.

    Args:
        images: The image set that positions are of.
        part: With ``classes`` and ``scores`` (N, T, k).
        by_image: Columns by the names of further arrays (N,).
        by_step: Columns by the names of further arrays (N, T, len(columns)).

    Returns:
        ``id``, ``label``, ``cluster``, those of images, ``step``, ``CLASSES``, ``SCORES``, those of steps.
    """
    positions = part["position"].tolist()
    ids = np.array([images.ids[position] for position in positions], dtype=object)
    labels = np.array([images.labels[position] for position in positions])
    clusters = np.array([images.clusters[position] for position in positions])
    order = np.argsort(ids, kind="stable")
    count, steps, kept = part["classes"].shape
    facts = {
        "id": ids,
        "label": labels,
        "cluster": clusters,
        **{column: part[name] for name, column in by_image.items()},
    }
    columns = {name: array[order].repeat(steps) for name, array in facts.items()}
    columns["step"] = np.tile(np.arange(1, steps + 1), count)
    # Fewer classes than five leave the last columns without.
    columns |= dict.fromkeys(CLASSES, np.full(steps * count, UNKNOWN, part["classes"].dtype))
    columns |= dict.fromkeys(SCORES, np.full(steps * count, np.nan, np.float32))
    for array, names in (("classes", CLASSES[:kept]), ("scores", SCORES[:kept]), *by_step.items()):
        columns |= {name: part[array][order, :, k].reshape(-1) for k, name in enumerate(names)}
    return columns
