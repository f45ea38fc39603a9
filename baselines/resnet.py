"""ResNet (He et al., CVPR 2016, arXiv 1512.03385), stride in the 3x3 convolution, with an attention slot per block.

State-dict keys are torchvision's, so torchvision's weights load by name into the plain networks.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypedDict, cast

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from baselines.attentions import attention_factory
from baselines.backbone import Backbone, fill_slots, kaiming_fan_out, run_blocks
from baselines.chain import ResidualBranch, Stage
from baselines.checkpoints import torchvision_weights

WIDTHS = (64, 128, 256, 512)
STRIDES = (1, 2, 2, 2)

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
        resolution: Side of the images in training; attention with a filter of the map's size (FCA) takes it from here.

    Shape: (N, 3, H, W) to logits (N, K).

    Raises:
        ValueError: Unknown attention, not four stages, or sizes below 1.
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
        resolution: int = 224,
    ) -> None:
        super().__init__()
        factory = attention_factory(attention)
        if not len(depths) == len(widths) == len(strides) == 4:
            raise ValueError(f"a ResNet has 4 stages; got depths {depths}, widths {widths}, strides {strides}")
        if min(num_classes, *depths, *widths) < 1:
            raise ValueError(f"sizes must be at least 1; got {num_classes} classes, depths {depths}, widths {widths}")
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
        self.fc: nn.Module = nn.Linear(channels, num_classes)
        # The stem halves the map twice.
        fill_slots(self, factory, [resolution // 4 // math.prod(strides[: i + 1]) for i in range(4)])
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

    def drop_classifier(self) -> None:
        self.fc = nn.Identity()


class Options(TypedDict, total=False):
    """What ResNet's constructors take besides the attention; see :class:`ResNet`.

    ``weights`` names torchvision's own (such as ``IMAGENET1K_V1`` or ``DEFAULT``), for the plain network.
    """

    num_classes: int
    widths: Sequence[int]
    depths: Sequence[int]
    strides: Sequence[int]
    resolution: int
    zero_init: bool
    weights: str | None


def build(name: str, attention: Attention, options: Options) -> ResNet:
    """A ResNet by torchvision's name; ``options`` go before the architecture's own."""
    block, depths = ARCHITECTURES[name]
    weights = options.get("weights")
    rest = {key: value for key, value in options.items() if key != "weights"}
    network = ResNet(block, **{"depths": depths, "attention": attention, **rest})  # type: ignore[arg-type]
    return torchvision_weights(network, name, weights)


ARCHITECTURES: dict[str, tuple[type[ResNetBlock], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
}


def resnet18(attention: Attention = None, **options: Unpack[Options]) -> ResNet:
    """ResNet18 with ``attention`` in its slots; options as in :class:`Options`."""
    return build("resnet18", attention, options)


def resnet34(attention: Attention = None, **options: Unpack[Options]) -> ResNet:
    """ResNet34 with ``attention`` in its slots; options as in :class:`Options`."""
    return build("resnet34", attention, options)


def resnet50(attention: Attention = None, **options: Unpack[Options]) -> ResNet:
    """ResNet50 with ``attention`` in its slots; options as in :class:`Options`."""
    return build("resnet50", attention, options)


def resnet101(attention: Attention = None, **options: Unpack[Options]) -> ResNet:
    """ResNet101 with ``attention`` in its slots; options as in :class:`Options`."""
    return build("resnet101", attention, options)
