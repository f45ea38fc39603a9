"""From images to the mean activation of each class in each channel of the last stage, at every step."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.data.images import DataError, ImageSet
from benchmarks.work.passes import View, batches, normalized, put


class Activations(NamedTuple):
    """What one network's last feature map answers to the classes.

    Attributes:
        means: Mean over places and images by step, class and channel (T, K, C); classes without images are left out.
        images: Images that counted.
        unreadable: One line for each image that could not be read.
    """

    means: npt.NDArray[np.float64]
    images: int
    unreadable: list[str]


def activations(
    networks: Mapping[str, Backbone],
    images: ImageSet,
    view: View,
    device: torch.device,
    batch: int,
    workers: int = 0,
    count: int | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> dict[str, Activations]:
    """Class means of all networks in one pass over the images, shared among the processes.

    Args:
        networks: By name.
        images: The image set.
        view: What the networks see of an image.
        device: Where to run.
        batch: Images of a step.
        workers: Loader processes.
        count: The first so many images, None for all.
        progress: Called with the number of images of each step.

    Raises:
        DataError: No image could be read.
    """
    classes = len(images.classes)
    sums: dict[str, Tensor] = {}
    counts = torch.zeros(classes, dtype=torch.float64)
    reasons: list[str] = []
    put(networks.values(), device)
    with torch.inference_mode():
        for found in batches(images, [view], device, batch, workers, count):
            reasons += found.reasons
            labels = torch.tensor([images.labels[i] for i in found.positions], dtype=torch.int64)
            counts += torch.bincount(labels, minlength=classes)
            for pixels in found.views:
                inputs = normalized(pixels, device)
                for name, network in networks.items():
                    pooled = by_step(network, inputs).double().cpu()
                    total = torch.zeros(len(pooled), classes, pooled.shape[2], dtype=torch.float64)
                    sums[name] = sums.get(name, 0) + total.index_add_(1, labels, pooled)
            progress((len(found.positions) + len(found.reasons)) * distributed.size())
    shards = distributed.gather((sums, counts, reasons))
    seen = torch.stack([shard[1] for shard in shards]).sum(0)
    unreadable = sorted(reason for _, _, found_reasons in shards for reason in found_reasons)
    if not seen.sum():
        raise DataError(f"no image of {images.name} could be read; the first: {unreadable[0]}")
    whole = {name: torch.stack([shard[0][name] for shard in shards if name in shard[0]]).sum(0) for name in networks}
    shown = seen > 0
    return {
        name: Activations((total[:, shown] / seen[shown, None]).numpy(), int(seen.sum()), unreadable)
        for name, total in whole.items()
    }


def by_step(network: Backbone, inputs: Tensor) -> Tensor:
    """Spatial means of the last feature map (T, N, C)."""
    trunk = network.trunk(inputs)
    return torch.stack([network.feature_map(trunk, step).mean((2, 3)) for step in range(1, network.steps + 1)])
