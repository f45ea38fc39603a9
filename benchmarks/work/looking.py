"""What networks see in single images: a class activation map, a box and a prediction at every step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from baselines.backbone import Backbone
from benchmarks.metrics.boxes import gradcam_box, resize_map
from benchmarks.networks.maps import class_maps
from benchmarks.work.passes import View, normalized, put, show, tensor_of


def look(
    networks: Mapping[str, Backbone], pictures: Sequence[Image.Image], view: View, device: torch.device
) -> dict[str, np.ndarray]:
    """Look at pictures one by one.

    Args:
        networks: By name.
        pictures: RGB.
        view: What the networks see of them.
        device: Where to run.

    Returns:
        ``images`` (N, R, R, 3) uint8, and for each name: ``NAME/maps`` (N, T, R, R) float32, the top class's map
        without its negative part, 0 to 1; ``NAME/classes`` and ``NAME/scores`` (N, T); ``NAME/boxes`` (N, T, 4).
    """
    put(networks.values(), device)
    shown = [show(tensor_of(picture), view) for picture in pictures]
    found: dict[str, list[Any]] = {"images": [pixels.permute(1, 2, 0).numpy() for pixels in shown]}
    with torch.inference_mode():
        for pixels in shown:
            for name, network in networks.items():
                for key, value in seen(network, normalized(pixels[None], device)).items():
                    found.setdefault(f"{name}/{key}", []).append(value)
    return {key: np.stack(values) for key, values in found.items()}


def seen(network: Backbone, inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """Maps, classes, scores and boxes of one picture (1, 3, R, R), step by step."""
    size = (inputs.shape[2], inputs.shape[3])
    trunk = network.trunk(inputs)
    found: dict[str, list[Any]] = {"maps": [], "classes": [], "scores": [], "boxes": []}
    for step in range(1, network.steps + 1):
        feature_map = network.feature_map(trunk, step)
        score, top = network.classify(feature_map).float().softmax(dim=1).max(dim=1)
        cam = class_maps(network, feature_map, top[:, None])[0, 0].float().cpu().numpy()
        positive = resize_map(np.maximum(cam, 0), size)
        found["maps"].append(positive / positive.max() if positive.max() > 0 else positive)
        found["classes"].append(int(top))
        found["scores"].append(float(score))
        found["boxes"].append(gradcam_box(cam, size))
    return {key: np.array(values) for key, values in found.items()}
