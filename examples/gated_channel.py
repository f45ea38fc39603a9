"""An attention of your own, compared fairly.

    tdam-bench run table1 table4 --plugin examples/gated_channel.py

Any callable ``channels -> nn.Module`` that keeps a map's shape (N, C, H, W) will do. Its name makes models such as
``resnet50-gated``, which get a row in every experiment.
"""

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    """Each channel scaled by a gate of its own mean: two numbers for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.weight * x.mean((2, 3)) + self.bias)
        return x * gate[:, :, None, None]


ATTENTIONS = {"gated": Gated}
