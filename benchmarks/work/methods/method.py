"""What a published method for another task consists of here: a head on a backbone, and what training makes small."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.backbone import Backbone
from benchmarks.work.loop import Objective

PROBE = 64


class Method(NamedTuple):
    """A method.

    Attributes:
        network: Builds the network from a backbone, whose classifier it takes away, and the number of classes. In
            evaluation mode it maps normalized images (N, 3, H, W) to probabilities (N, K).
        objective: Builds what its training makes small.
    """

    network: Callable[[Backbone, int], nn.Module]
    objective: Callable[[nn.Module], Objective]


def last_map(backbone: Backbone, x: Tensor) -> Tensor:
    """The last feature map (N, C, h, w), of the last step where there are several."""
    return backbone.feature_map(backbone.trunk(x))


def channels_of(backbone: Backbone) -> int:
    """C of the last feature map, found by a look at it."""
    training = backbone.training
    with torch.no_grad():
        channels = last_map(backbone.eval(), torch.zeros(1, 3, PROBE, PROBE)).shape[1]
    backbone.train(training)
    return channels
