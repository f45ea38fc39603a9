"""What networks see in single images: a class activation map, a box and a prediction at every step."""

import numpy as np
import torch

from baselines.backbone import Backbone
from benchmarks.metrics.boxes import gradcam_box, resize_map
from benchmarks.networks.maps import class_maps
from benchmarks.work.passes import Collector, Shown
from benchmarks.work.shelves import Part


class AttentionCollector(Collector):
    """Maps of a network's top class at every step.

    Parts: uint8 ``pixels`` (N, R, R, 3); float32 ``maps`` (N, T, R, R), without their negative part, 0 to 1;
    ``classes`` and ``scores`` (N, T); ``boxes`` (N, T, 4) by Grad-CAM's rule.
    """

    network: Backbone

    def collect(self, shown: Shown) -> Part:
        trunk = self.network.trunk(shown.inputs)
        steps = [
            self.at_step(self.network.feature_map(trunk, step), shown) for step in range(1, self.network.steps + 1)
        ]
        part = {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}
        return {"position": shown.positions, "pixels": shown.pixels.permute(0, 2, 3, 1).numpy(), **part}

    def at_step(self, feature_map: torch.Tensor, shown: Shown) -> Part:
        """A step's arrays (N, ...)."""
        size = (shown.inputs.shape[2], shown.inputs.shape[3])
        scores, top = self.network.classify(feature_map).float().softmax(dim=1).max(dim=1)
        cams = class_maps(self.network, feature_map, top[:, None])[:, 0].float().cpu().numpy()
        return {
            "maps": np.stack([shown_map(cam, size) for cam in cams]),
            "classes": top.cpu().numpy(),
            "scores": scores.double().cpu().numpy(),
            "boxes": np.array([gradcam_box(cam, size) for cam in cams]),
        }


def shown_map(cam: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) without its negative part, resized to a height and width in pixels, 0 to 1."""
    positive = resize_map(np.maximum(cam, 0), size)
    return positive / positive.max() if positive.max() > 0 else positive
