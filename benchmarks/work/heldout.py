"""Accuracy of a network on held-out images while it is trained: how far it has come, and whether it still gains."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from benchmarks.metrics.multilabel import average_precision
from benchmarks.work.collectors.transfer import TransferCollector
from benchmarks.work.passes import Show, View, run_pass


@dataclass(frozen=True)
class HeldOut:
    """Held-out images, and how they are shown.

    Attributes:
        show: The images.
        view: What the network sees of them.
        multi_label: Whether they show several classes at once.
    """

    show: Show
    view: View
    multi_label: bool = False

    def __call__(self, network: nn.Module) -> float:
        """Top-1 of the network's last step, or mAP where images show several classes, %."""
        (seen,) = run_pass([TransferCollector(self.view, network)], self.show, lambda images: None)
        scores, targets = seen.part["scores"], self.targets(seen.part["position"])
        if self.multi_label:
            return 100 * float(np.nanmean(average_precision(scores, targets)))
        return 100 * float((scores.argmax(axis=1) == targets).mean())

    def targets(self, positions: np.ndarray) -> np.ndarray:
        """Labels (N,), or ones and zeros (N, K), of images by their places."""
        return np.stack([np.asarray(self.show.images.target(place)) for place in positions.tolist()])

    @property
    def chance(self) -> float:
        """What guessing gives, %: one of all classes, or the share of images that show a class."""
        images = self.show.images
        if not self.multi_label:
            return 100 / len(images.classes)
        return 100 * float(self.targets(np.arange(self.show.total)).mean())
