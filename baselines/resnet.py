"""ResNet (He et al., CVPR 2016, arXiv 1512.03385), stride in the 3x3 convolution, with an attention slot per block.

State-dict keys are torchvision's, so torchvision's weights load by name into the plain networks.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from baselines.attentions import attention_factory
from baselines.backbone import Backbone, fill_slots, kaiming_fan_out, run_blocks
from baselines.chain import ResidualBranch, Stage
from baselines.checkpoints import torchvision_weights

WIDTHS = (64, 128, 256, 512)
STRIDES = (1, 2, 2, 2)
MAP_SIZES = [56, 28, 14, 7]

Attention = str | Callable[[int], nn.Module] | None


def conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """Convolution without bias whose padding keeps the size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)


class ResNetBlock(ResidualBranch):
    """What ResNet's two blocks share: the shortcut, and the sum before the last ReLU."""

    expansion: int

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))
        self.open_slots()

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(self.branch(x, steps) + shortcut)
        return out


def stage_of(layer: nn.Conv2d, norm: nn.Module, activation: nn.Module | None) -> Stage:
    """A convolution with its norm and activation as a link of the chain."""
    return Stage(layer, norm, activation, layer.in_channels, layer.out_channels)


class BasicBlock(ResNetBlock):
    """Two 3x3 convolutions (figure 5, left); the blocks of ResNet18 and 34."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__(in_channels, width, stride)
        self.conv1 = conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)

    def chain(self) -> list[Stage]:
        return [stage_of(self.conv1, self.bn1, self.relu), stage_of(self.conv2, self.bn2, None)]


class Bottleneck(ResNetBlock):
    """1x1, 3x3 (strided), 1x1 convolutions (figure 5, right); the blocks of ResNet50 and 101."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__(in_channels, width, stride)
        self.conv1 = conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, width * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)

    def chain(self) -> list[Stage]:
        return [
            stage_of(self.conv1, self.bn1, self.relu),
            stage_of(self.conv2, self.bn2, self.relu),
            stage_of(self.conv3, self.bn3, None),
        ]


class ResNet(Backbone):
    """Residual network of four stages.

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        depths: Blocks in each of the four stages.
        widths: Channels of each stage's 3x3 convolutions; the first is also the stem's.
        num_classes: K.
        attention: What fills each block's slot: None, a name in ``ATTENTIONS`` or a callable.
        zero_init: Start the last norm of every branch at zero, so that each block starts as its shortcut.
        strides: Stride of each stage's first block. Small images want a smaller last one.

    Shape: (N, 3, H, W) to logits (N, K).
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        block: type[ResNetBlock],
        depths: Sequence[int],
        widths: Sequence[int] = WIDTHS,
        num_classes: int = 1000,
        attention: Attention = None,
        zero_init: bool = True,
        strides: Sequence[int] = STRIDES,
    ) -> None:
        super().__init__()
        factory = attention_factory(attention)
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = widths[0]
        for number, (depth, width, stride) in enumerate(zip(depths, widths, strides, strict=True), start=1):
            stage = []
            for index in range(depth):
                stage.append(block(channels, width, stride if index == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        fill_slots(self, factory, MAP_SIZES)
        kaiming_fan_out(self)
        if zero_init:
            for residual in self.blocks():
                norm = residual.chain()[-1].norm
                assert isinstance(norm, nn.BatchNorm2d)
                nn.init.zeros_(norm.weight)

    def stages(self) -> list[list[ResidualBranch]]:
        return [cast(list[ResidualBranch], list(s)) for s in (self.layer1, self.layer2, self.layer3, self.layer4)]

    def trunk(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3):
            x = stage(x)
        return x

    def feature_map(self, x: Tensor, steps: int | None = None) -> Tensor:
        return run_blocks(self.layer4, x, steps)

    def classify(self, feature_map: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.flatten(self.avgpool(feature_map), 1))
        return logits


def resnet18(
    attention: Attention = None,
    num_classes: int = 1000,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (2, 2, 2, 2),
    weights: str | None = None,
    zero_init: bool = True,
    strides: Sequence[int] = STRIDES,
) -> ResNet:
    """ResNet18; see :class:`ResNet`. ``weights`` names torchvision's own, for the plain network."""
    network = ResNet(BasicBlock, depths, widths, num_classes, attention, zero_init, strides)
    return torchvision_weights(network, "resnet18", weights)


def resnet34(
    attention: Attention = None,
    num_classes: int = 1000,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 6, 3),
    weights: str | None = None,
    zero_init: bool = True,
    strides: Sequence[int] = STRIDES,
) -> ResNet:
    """ResNet34; see :class:`ResNet`. ``weights`` names torchvision's own, for the plain network."""
    network = ResNet(BasicBlock, depths, widths, num_classes, attention, zero_init, strides)
    return torchvision_weights(network, "resnet34", weights)


def resnet50(
    attention: Attention = None,
    num_classes: int = 1000,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 6, 3),
    weights: str | None = None,
    zero_init: bool = True,
    strides: Sequence[int] = STRIDES,
) -> ResNet:
    """ResNet50; see :class:`ResNet`. ``weights`` names torchvision's own, for the plain network."""
    network = ResNet(Bottleneck, depths, widths, num_classes, attention, zero_init, strides)
    return torchvision_weights(network, "resnet50", weights)


def resnet101(
    attention: Attention = None,
    num_classes: int = 1000,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 23, 3),
    weights: str | None = None,
    zero_init: bool = True,
    strides: Sequence[int] = STRIDES,
) -> ResNet:
    """ResNet101; see :class:`ResNet`. ``weights`` names torchvision's own, for the plain network."""
    network = ResNet(Bottleneck, depths, widths, num_classes, attention, zero_init, strides)
    return torchvision_weights(network, "resnet101", weights)
