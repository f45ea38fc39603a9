"""Networks none of whose norms starts at zero, so that all that they do shows in what they give."""

import torch
from torch import Tensor, nn

from baselines.backbone import Backbone
from benchmarks.networks.models import create


def awake(name: str, num_classes: int, size: str = "paper") -> Backbone:
    """A network by its name, as ``create`` makes it, with every batch norm's weight at one."""
    network = create(name, num_classes, size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return network


def settled(name: str, images: Tensor, num_classes: int, size: str = "paper") -> Backbone:
    """An awake network for evaluation whose norms have the statistics of these images, so that signals keep their size.

    Fresh ones have mean 0 and variance 1, with which they die away or grow from layer to layer.
    """
    network = awake(name, num_classes, size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    return network.eval()


def apart(one: Tensor, other: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max())
