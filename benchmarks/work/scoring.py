"""From images to class probabilities of networks that were fine-tuned for another task, in one pass."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.core import distributed
from benchmarks.data.images import ImageSet
from benchmarks.work.passes import View, batches, normalized, put


class Scores(NamedTuple):
    """What one network says of a set of images.

    Attributes:
        positions: Of the images in their set, ascending (N,).
        scores: Probabilities (N, K).
        unreadable: One line for each image that could not be read.
    """

    positions: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    unreadable: list[str]


def score(
    networks: Mapping[str, nn.Module],
    images: ImageSet,
    view: View,
    device: torch.device,
    batch: int,
    workers: int = 0,
    count: int | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> dict[str, Scores]:
    """Probabilities of all networks in one pass over the images, shared among the processes.

    Args:
        networks: By name; each maps normalized images (N, 3, R, R) to probabilities (N, K).
        images: The image set.
        view: What the networks see of an image.
        device: Where to run.
        batch: Images of a step.
        workers: Loader processes.
        count: The first so many images, None for all.
        progress: Called with the number of images of each step.

    Returns:
        By name, every image once; complete on every process.
    """
    positions: list[int] = []
    reasons: list[str] = []
    found: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in networks}
    put(networks.values(), device)
    with torch.inference_mode():
        for one in batches(images, [view], device, batch, workers, count):
            for pixels in one.views:
                inputs = normalized(pixels, device)
                for name, network in networks.items():
                    found[name].append(network(inputs).float().cpu().numpy())
            positions += one.positions
            reasons += one.reasons
            progress((len(one.positions) + len(one.reasons)) * distributed.size())
    shards = distributed.gather((positions, found, reasons))
    everywhere = np.array([position for shard in shards for position in shard[0]], np.int64)
    order = np.argsort(everywhere)
    unreadable = sorted(reason for shard in shards for reason in shard[2])
    results = {}
    for name in networks:
        parts = [part for shard in shards for part in shard[1][name]]
        scores = np.concatenate(parts) if parts else np.empty((0, len(images.classes)), np.float32)
        results[name] = Scores(everywhere[order], scores[order], unreadable)
    return results
