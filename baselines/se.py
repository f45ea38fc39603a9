"""Squeeze-and-excitation (Hu, Shen & Sun, CVPR 2018, arXiv 1709.01507), equations 2 to 4."""

import torch
from torch import Tensor, nn

from baselines.widths import hidden_width


class SE(nn.Module):
    """Scale each channel by a gate computed from all channels' means.

    With ``z = avgpool(x)``: ``y = sigmoid(W2 relu(W1 z)) * x``. The layers have no biases, as in the counts of the
    TDAM paper's table 1 (28.07 M for ResNet50).

    Symbols: ``reduction`` is their r; ``reduce`` and ``expand`` are W1 (C/r x C) and W2 (C x C/r).

    Args:
        channels: C, channels of the map.
        reduction: Hidden width is ``max(1, channels // reduction)``.

    Shape: (N, C, H, W) to the same.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.reduce = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3))))))
        return x * gate[:, :, None, None]
