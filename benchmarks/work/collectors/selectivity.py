"""The mean activation of each class in each channel of the last stage, at every step."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.backbone import Backbone
from benchmarks.work.passes import Collector, Shown, View, require_finite
from benchmarks.work.shelves import Part


class SelectivityCollector(Collector):
    """Sums of a network's activations by class.

    Args:
        view: What the network sees of an image.
        network: The network.
        classes: K.

    Parts hold no images, but add up: float64 ``sums`` (K, T, C) of the spatial means of the last feature map, and
    ``counts`` (K,) of the images.
    """

    network: Backbone
    rows_are_images = False

    def __init__(self, view: View, network: Backbone, classes: int) -> None:
        super().__init__(view, network)
        self.classes = classes

    def collect(self, shown: Shown) -> Part:
        pooled = pooled_steps(self.network, shown.inputs).cpu().double()
        sums = torch.zeros(len(pooled), self.classes, pooled.shape[2], dtype=torch.float64)
        require_finite(pooled.permute(1, 0, 2).numpy(), shown)
        sums.index_add_(1, torch.from_numpy(shown.labels), pooled)
        return {"sums": sums.permute(1, 0, 2).numpy(), "counts": np.bincount(shown.labels, minlength=self.classes)}

    def keep(self, kept: list[Part], part: Part) -> None:
        kept[:] = [self.merge([*kept, part])]

    def merge(self, parts: Sequence[Part]) -> Part:
        nothing = {"sums": np.zeros((self.classes, self.network.steps, 0)), "counts": np.zeros(self.classes, np.int64)}
        return {name: reduce(np.add, [part[name] for part in parts]) for name in nothing} if parts else nothing


def pooled_steps(network: Backbone, inputs: Tensor) -> Tensor:
    """Spatial means of the last feature map (T, N, C)."""
    trunk = network.trunk(inputs)
    return torch.stack([network.feature_map(trunk, step).mean((2, 3)) for step in range(1, network.steps + 1)])


def class_means(part: Part) -> npt.NDArray[np.float64]:
    """Mean over places and images by step, class and channel (T, K, C); classes without images are left out."""
    seen = part["counts"] > 0
    return np.asarray(part["sums"][seen].swapaxes(0, 1) / part["counts"][seen, None])
