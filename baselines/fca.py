"""Frequency channel attention, two-step selection (Qin et al., ICCV 2021, arXiv 2012.11879), equations 3 to 9."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.widths import hidden_width

# The 16 best frequencies of the paper's two-step selection on a 7x7 grid: along the height and along the width.
FREQUENCIES_U = (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2)
FREQUENCIES_V = (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2)

RESNET50_MAP_SIZES = {256: 56, 512: 28, 1024: 14, 2048: 7}


def dct_basis(frequency: int, size: int) -> Tensor:
    """One row of the orthonormal DCT-II: ``cos(pi u (i + 1/2) / L) / sqrt(L)``, times sqrt(2) for u > 0.

    Shape: (L,), float64, with u the frequency and L the size.
    """
    i = torch.arange(size, dtype=torch.float64)
    row = torch.cos(math.pi * frequency * (i + 0.5) / size) / math.sqrt(size)
    return row if frequency == 0 else row * math.sqrt(2)


def dct_filter(channels: int, size: int) -> Tensor:
    """Filter (C, L, L) in float32: the channels in 16 contiguous groups, each with one frequency of its own.

    Frequencies belong to a 7x7 grid and are scaled by ``size // 7``.
    """
    scale = size // 7
    planes = [
        torch.outer(dct_basis(u * scale, size), dct_basis(v * scale, size))
        for u, v in zip(FREQUENCIES_U, FREQUENCIES_V, strict=True)
    ]
    return torch.stack(planes).repeat_interleave(channels // len(planes), dim=0).float()


class FCA(nn.Module):
    """SE whose squeeze is a DCT coefficient instead of the mean (FCA-TS).

    ``y = sigmoid(W2 relu(W1 f)) * x`` with ``f_c = sum_hw D_c(h, w) x_c(h, w)``; maps of another size than the
    filter are pooled to it (average).

    Args:
        channels: C, a multiple of 16.
        map_size: L, side of the filter, at least 7; smaller maps than 7 are treated on a 7x7 grid. None takes the
            size that ResNet50's maps of this many channels have at a 224x224 input, 7 elsewhere.
        reduction: Hidden width is ``max(1, channels // reduction)``.

    Shape: (N, C, H, W) to the same.

    Raises:
        ValueError: The channels do not divide into 16 groups.
    """

    filter: Tensor

    def __init__(self, channels: int, map_size: int | None = None, reduction: int = 16) -> None:
        super().__init__()
        if channels % len(FREQUENCIES_U):
            raise ValueError(f"FCA splits the channels into {len(FREQUENCIES_U)} groups; {channels} do not divide")
        size = RESNET50_MAP_SIZES.get(channels, 7) if map_size is None else max(7, map_size)
        hidden = hidden_width(channels, reduction)
        # The filter follows from the size, so checkpoints need not carry it.
        self.register_buffer("filter", dct_filter(channels, size), persistent=False)
        self.reduce = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        fits = x.shape[-2:] == self.filter.shape[-2:]
        pooled = x if fits else functional.adaptive_avg_pool2d(x, self.filter.shape[-1])
        squeezed = (pooled * self.filter).sum((2, 3))
        gate = torch.sigmoid(self.expand(torch.relu(self.reduce(squeezed))))
        return x * gate[:, :, None, None]
