"""Efficient channel attention (Wang et al., CVPR 2020, arXiv 1910.03151), equations 9 and 12."""

import math

import torch
from torch import Tensor, nn


def adaptive_kernel_size(channels: int, gamma: int = 2, b: int = 1) -> int:
    """Kernel size of the paper's equation 12: ``log2(C) / gamma + b / gamma`` truncated, made odd upwards."""
    size = int(abs(math.log2(channels) / gamma + b / gamma))
    return size if size % 2 else size + 1


class ECA(nn.Module):
    """Scale each channel by a gate computed from its neighbors' means.

    ``y = sigmoid(conv1d_k(avgpool(x))) * x``, the convolution running along the channels.

    Args:
        channels: C, channels of the map.
        kernel_size: k, odd. None takes the paper's adaptive size (5, 5, 5, 7 in ResNet50); the released networks
            use 3 in all stages.

    Shape: (N, C, H, W) to the same.

    Raises:
        ValueError: An even kernel size.
    """

    def __init__(self, channels: int, kernel_size: int | None = None) -> None:
        super().__init__()
        size = adaptive_kernel_size(channels) if kernel_size is None else kernel_size
        if size < 1 or size % 2 == 0:
            raise ValueError(f"ECA's kernel_size must be odd and positive, got {size}")
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv(x.mean((2, 3))[:, None])[:, 0])
        return x * gate[:, :, None, None]
