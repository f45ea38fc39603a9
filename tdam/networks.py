"""TD versions of the six backbones. ``blocks=None`` is the paper's placement, read off its parameter counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from torch import nn

import baselines
from baselines.convnext import DEPTHS as CONVNEXT_DEPTHS
from baselines.convnext import WIDTHS as CONVNEXT_WIDTHS
from baselines.convnext import ConvNeXt
from baselines.mobilenet import MobileNetV3
from baselines.resnet import STRIDES, WIDTHS, ResNet
from tdam.attention import AttentionConfig, check_choice
from tdam.feedback import Feedback, add_feedback

Blocks = Mapping[int, Iterable[int]]

# The released placement in ResNet101's 23 blocks of layer3; the paper's text says ten alternating blocks.
RESNET101_LAYER3 = (0, 1, 2, 8, 13, 18, 22)

ZERO_INITS = ("first", "last", "none")


def layers_3_and_4(depths: Sequence[int], distance: int) -> Blocks:
    """All blocks of the last two stages: ResNet18 and 34, ConvNeXt."""
    return {3: range(depths[2]), 4: range(depths[3])}


def resnet50_blocks(depths: Sequence[int], distance: int) -> Blocks:
    """As :func:`layers_3_and_4`; at distance 3 the printed counts leave out one block of layer3, here its last."""
    return {3: range(depths[2] - (distance == 3)), 4: range(depths[3])}


def resnet101_blocks(depths: Sequence[int], distance: int) -> Blocks:
    """Seven of layer3's 23 blocks and all of layer4; other depths take the blocks at the same relative places."""
    last = RESNET101_LAYER3[-1]
    return {3: sorted({round(i * (depths[2] - 1) / last) for i in RESNET101_LAYER3}), 4: range(depths[3])}


def resnet(
    plain: Callable[..., ResNet],
    placement: Callable[[Sequence[int], int], Blocks],
    attention: AttentionConfig,
    steps: int,
    distance: int,
    blocks: Blocks | None,
    depths: Sequence[int],
    zero_init: str,
    **options: object,
) -> ResNet:
    """A TD ResNet from its feedforward constructor.

    Args:
        plain: Constructor from ``baselines``.
        placement: The paper's blocks for given depths and distance.
        attention: Which attention.
        steps: T.
        distance: m.
        blocks: Indices from 0 by stage from 1, or None for the paper's.
        depths: Blocks in each stage.
        zero_init: Which norm of a looping block starts at zero: ``first``, the last norm of step 1 as released (it
            leaves the top path of the searchlight without gradient, see DEVIATIONS.md); ``last``, the last norm of
            the last step, which makes the block start as its shortcut; ``none``.
        options: Passed to ``plain``.

    Raises:
        ValueError: An option is out of range.
    """
    check_choice("zero_init", zero_init, ZERO_INITS)
    network = plain(depths=depths, zero_init=zero_init != "none", **options)
    blocks = placement(depths, distance) if blocks is None else blocks
    for block in add_feedback(network, blocks, attention, steps, distance):
        loop = cast(Feedback, block.loop)
        if zero_init == "last" and loop.norms and distance > 0:
            chain = block.chain()
            nn.init.ones_(cast(nn.BatchNorm2d, chain[-1].norm).weight)
            nn.init.zeros_(cast(nn.BatchNorm2d, loop.stages_at(chain, steps)[-1].norm).weight)
    return network


def resnet18(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (2, 2, 2, 2),
    strides: Sequence[int] = STRIDES,
    zero_init: str = "first",
) -> ResNet:
    """TD ResNet18; options as in :func:`resnet` and ``AttentionConfig``. The paper's row has ``distance=2``."""
    attention = AttentionConfig(kind, order, reduction, filter)
    options = {"num_classes": num_classes, "widths": widths, "strides": strides}
    return resnet(baselines.resnet18, layers_3_and_4, attention, steps, distance, blocks, depths, zero_init, **options)


def resnet34(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 6, 3),
    strides: Sequence[int] = STRIDES,
    zero_init: str = "first",
) -> ResNet:
    """TD ResNet34; options as in :func:`resnet` and ``AttentionConfig``. The paper's row has ``distance=2``."""
    attention = AttentionConfig(kind, order, reduction, filter)
    options = {"num_classes": num_classes, "widths": widths, "strides": strides}
    return resnet(baselines.resnet34, layers_3_and_4, attention, steps, distance, blocks, depths, zero_init, **options)


def resnet50(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 6, 3),
    strides: Sequence[int] = STRIDES,
    zero_init: str = "first",
) -> ResNet:
    """TD ResNet50; options as in :func:`resnet` and ``AttentionConfig``. The paper's main row is the default."""
    attention = AttentionConfig(kind, order, reduction, filter)
    options = {"num_classes": num_classes, "widths": widths, "strides": strides}
    return resnet(baselines.resnet50, resnet50_blocks, attention, steps, distance, blocks, depths, zero_init, **options)


def resnet101(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = (3, 4, 23, 3),
    strides: Sequence[int] = STRIDES,
    zero_init: str = "first",
) -> ResNet:
    """TD ResNet101; options as in :func:`resnet` and ``AttentionConfig``. The row L4 has ``blocks={4: range(3)}``."""
    attention = AttentionConfig(kind, order, reduction, filter)
    options = {"num_classes": num_classes, "widths": widths, "strides": strides}
    return resnet(
        baselines.resnet101, resnet101_blocks, attention, steps, distance, blocks, depths, zero_init, **options
    )


def mobilenet_v3_large(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 4,
    filter: str = "logit",
    width: float = 1.0,
) -> MobileNetV3:
    """TD MobileNetV3-Large: TD in place of squeeze-and-excitation in the last three blocks (stage 6).

    No code was released. The paper's 15 % fewer parameters fit a reduction of 4, the network's own ratio.
    """
    network = baselines.mobilenet_v3_large(num_classes=num_classes, width=width)
    blocks = {6: range(3)} if blocks is None else blocks
    add_feedback(network, blocks, AttentionConfig(kind, order, reduction, filter), steps, distance)
    return network


def convnext_tiny(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = CONVNEXT_WIDTHS,
    depths: Sequence[int] = CONVNEXT_DEPTHS,
    stochastic_depth: float = 0.1,
) -> ConvNeXt:
    """TD ConvNeXt-Tiny: all blocks of stages 3 and 4; layer scale follows the loop, steps share the layer norm."""
    network = baselines.convnext_tiny(
        num_classes=num_classes, widths=widths, depths=depths, stochastic_depth=stochastic_depth
    )
    blocks = layers_3_and_4(depths, distance) if blocks is None else blocks
    add_feedback(network, blocks, AttentionConfig(kind, order, reduction, filter), steps, distance)
    return network
