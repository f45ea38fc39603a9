"""Convolutional block attention module (Woo et al., ECCV 2018, arXiv 1807.06521), equations 1 to 3."""

import torch
from torch import Tensor, nn

from baselines.widths import hidden_width


class CBAM(nn.Module):
    """Gate the channels, then the places.

    Channel gate (their M_c): ``x' = sigmoid(MLP(avgpool(x)) + MLP(maxpool(x))) * x`` with one MLP for both.
    Spatial gate (their M_s): ``y = sigmoid(bn(conv7x7([max_c x', mean_c x']))) * x'``. The text names average
    before maximum; the authors' repository stacks the maximum first, and so do its weights and this module.

    Args:
        channels: C, channels of the map.
        bias: Biases in the MLP. The authors' repository has them; the TDAM paper's 28.07 M count has none.
        reduction: Hidden width of the MLP is ``max(1, channels // reduction)``.
        kernel_size: Side of the spatial gate's kernel, odd.

    Shape: (N, C, H, W) to the same.

    Raises:
        ValueError: An even kernel size, or a reduction below 1.
    """

    def __init__(self, channels: int, bias: bool = False, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"CBAM's kernel_size must be odd and positive, got {kernel_size}")
        hidden = hidden_width(channels, reduction)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=bias), nn.ReLU(), nn.Linear(hidden, channels, bias=bias)
        )
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        x = x * gate[:, :, None, None]
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.norm(self.conv(pooled)))
