"""MobileNetV3-Large (Howard et al., ICCV 2019, arXiv 1905.02244, table 1): torchvision's network with the two slots."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict, cast

import torch
from torch import Tensor, nn
from torchvision.models import mobilenetv3
from torchvision.ops import SqueezeExcitation
from typing_extensions import Unpack

from baselines.attentions import attention_factory
from baselines.backbone import Backbone, fill_slots, kaiming_fan_out, run_blocks, run_layers
from baselines.chain import ResidualBranch, Stage
from baselines.checkpoints import torchvision_weights

# Rows of the paper's table 1: input, kernel, expansion, output channels, squeeze-and-excitation, nonlinearity.
# A stage holds the rows of one output width.
SETTING = (
    (16, 3, 16, 16, False, "RE"),
    (16, 3, 64, 24, False, "RE"),
    (24, 3, 72, 24, False, "RE"),
    (24, 5, 72, 40, True, "RE"),
    (40, 5, 120, 40, True, "RE"),
    (40, 5, 120, 40, True, "RE"),
    (40, 3, 240, 80, False, "HS"),
    (80, 3, 200, 80, False, "HS"),
    (80, 3, 184, 80, False, "HS"),
    (80, 3, 184, 80, False, "HS"),
    (80, 3, 480, 112, True, "HS"),
    (112, 3, 672, 112, True, "HS"),
    (112, 5, 672, 160, True, "HS"),
    (160, 5, 960, 160, True, "HS"),
    (160, 5, 960, 160, True, "HS"),
)
STAGE_DEPTHS = (1, 2, 3, 4, 2, 3)
NORM_MOMENTUM = 0.01
# Of the first row of each stage.
STRIDES = (1, 2, 2, 2, 1, 2)
MAP_SIZES = [112, 56, 28, 14, 14, 7]


class InvertedResidual(ResidualBranch, mobilenetv3.InvertedResidual):
    """Expand, depthwise, project; the paper's own squeeze-and-excitation follows the depthwise stage's activation."""

    block: nn.Sequential
    use_res_connect: bool

    def __init__(self, cnf: mobilenetv3.InvertedResidualConfig, norm_layer: Callable[..., nn.Module]) -> None:
        super().__init__(cnf, norm_layer)
        self.open_slots()

    def chain(self) -> list[Stage]:
        stages: list[Stage] = []
        for part in self.block:
            if isinstance(part, SqueezeExcitation):
                after = cast(nn.Module, stages[-1].activation)
                stages[-1] = stages[-1].with_activation(partial(in_turn, after, part))
                continue
            layer, norm, *activation = cast(nn.Sequential, part)
            layer = cast(nn.Conv2d, layer)
            stages.append(
                Stage(layer, norm, activation[0] if activation else None, layer.in_channels, layer.out_channels)
            )
        return stages

    def remove_own_attention(self) -> None:
        self.block = nn.Sequential(*(part for part in self.block if not isinstance(part, SqueezeExcitation)))

    def forward(self, input: Tensor, steps: int | None = None) -> Tensor:
        result = self.branch(input, steps)
        return result + input if self.use_res_connect else result


def in_turn(first: nn.Module, second: nn.Module, x: Tensor) -> Tensor:
    """Apply two modules one after the other."""
    out: Tensor = second(first(x))
    return out


class MobileNetV3(Backbone, mobilenetv3.MobileNetV3):
    """MobileNetV3 with its residual blocks in stages of equal output width.

    Args:
        setting: Rows as in ``SETTING``.
        stage_depths: Rows in each stage.
        last_channel: Width of the classifier's hidden layer.
        num_classes: K.
    """

    features: nn.Sequential
    avgpool: nn.Module
    classifier: nn.Sequential

    def __init__(
        self,
        setting: Sequence[mobilenetv3.InvertedResidualConfig],
        stage_depths: Sequence[int],
        last_channel: int,
        num_classes: int,
    ) -> None:
        super().__init__(list(setting), last_channel, num_classes, block=InvertedResidual)
        self.stage_depths = tuple(stage_depths)

    def stages(self) -> list[list[ResidualBranch]]:
        blocks = cast(list[ResidualBranch], list(self.features)[1:-1])
        starts = [sum(self.stage_depths[:i]) for i in range(len(self.stage_depths) + 1)]
        return [blocks[a:b] for a, b in itertools.pairwise(starts)]

    def trunk(self, x: Tensor) -> Tensor:
        return run_layers(list(self.features)[: -1 - self.stage_depths[-1]], x)

    def feature_map(self, x: Tensor, steps: int | None = None) -> Tensor:
        *layers, last = list(self.features)
        out: Tensor = last(run_blocks(layers[-self.stage_depths[-1] :], x, steps))
        return out

    def classify(self, feature_map: Tensor) -> Tensor:
        logits: Tensor = self.classifier(torch.flatten(self.avgpool(feature_map), 1))
        return logits

    def drop_classifier(self) -> None:
        self.classifier = nn.Sequential()


class Options(TypedDict, total=False):
    """What MobileNetV3-Large takes besides the attention.

    ``num_classes`` is K, ``width`` a multiplier of all widths, ``weights`` the name of torchvision's own, for the plain
    network. ``squeeze_excitation`` keeps the network's own; None keeps it only where there is no attention: another one
    replaces it rather than joins it. ``strides`` are those of each stage's first row, ``depths`` the rows of each
    stage, the first ones of the paper's: small images want fewer and less. ``norm_momentum`` is the share by which
    running statistics follow a batch's; short trainings want more than 0.01.
    """

    num_classes: int
    width: float
    squeeze_excitation: bool | None
    strides: Sequence[int]
    depths: Sequence[int]
    norm_momentum: float
    weights: str | None


def mobilenet_v3_large(
    attention: str | Callable[[int], nn.Module] | None = None, **options: Unpack[Options]
) -> MobileNetV3:
    """MobileNetV3-Large with ``attention`` behind each block's last norm; options as in :class:`Options`.

    Raises:
        ValueError: An option is out of range.
    """
    factory = attention_factory(attention)
    num_classes, width = options.get("num_classes", 1000), options.get("width", 1.0)
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    depths = options.get("depths", STAGE_DEPTHS)
    setting = setting_of(width, options.get("strides", STRIDES), depths)
    last_channel = mobilenetv3.InvertedResidualConfig.adjust_channels(1280, width)
    network = MobileNetV3(setting, depths, last_channel, num_classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = options.get("norm_momentum", NORM_MOMENTUM)
    fill_slots(network, factory, MAP_SIZES)
    keeps = options.get("squeeze_excitation")
    for block in network.blocks():
        kaiming_fan_out(block.attention)
        if keeps is False or (keeps is None and attention is not None):
            block.remove_own_attention()
    return torchvision_weights(network, "mobilenet_v3_large", options.get("weights"))


def setting_of(width: float, strides: Sequence[int], depths: Sequence[int]) -> list[mobilenetv3.InvertedResidualConfig]:
    """The rows of a network as torchvision takes them.

    Raises:
        ValueError: Not a stride and a depth for each stage, or more rows than the paper has.
    """
    stages = len(STAGE_DEPTHS)
    if len(strides) != stages:
        raise ValueError(f"MobileNetV3-Large has {stages} stages; got strides {strides}")
    if len(depths) != stages or any(not 1 <= depths[stage] <= STAGE_DEPTHS[stage] for stage in range(stages)):
        raise ValueError(f"MobileNetV3-Large has {STAGE_DEPTHS} rows by stage; keep 1 to all of each, not {depths}")
    starts = [sum(STAGE_DEPTHS[:stage]) for stage in range(stages)]
    return [
        mobilenetv3.InvertedResidualConfig(*row, stride if place == 0 else 1, dilation=1, width_mult=width)
        for start, depth, stride in zip(starts, depths, strides, strict=True)
        for place, row in enumerate(SETTING[start : start + depth])
    ]
