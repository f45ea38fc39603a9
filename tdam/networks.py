"""TD versions of the six backbones. ``blocks=None`` is the paper's placement, read off its parameter counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from torch import nn
from typing_extensions import Unpack

import baselines
from baselines.chain import ResidualBranch
from baselines.convnext import DEPTHS as CONVNEXT_DEPTHS
from baselines.convnext import WIDTHS as CONVNEXT_WIDTHS
from baselines.convnext import ConvNeXt
from baselines.mobilenet import MobileNetV3
from baselines.resnet import ResNet
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


class Options(TypedDict, total=False):
    """What TD ResNets take besides ``kind``, ``steps``, ``distance``, ``blocks`` and ``num_classes``.

    ``order``, ``reduction`` and ``filter`` are those of :class:`AttentionConfig`; ``widths``, ``depths``, ``strides``
    and ``resolution`` those of the plain network. ``zero_init`` tells which norm of a looping block starts at zero:
    ``first`` (the default), the last norm of step 1 as released, which can leave the searchlight's top path without
    gradient (see DEVIATIONS.md); ``last``, the last norm of the last step, which makes the block start as its
    shortcut; or ``none``.
    """

    order: str
    reduction: int
    filter: str
    widths: Sequence[int]
    depths: Sequence[int]
    strides: Sequence[int]
    resolution: int
    zero_init: str


def build(
    name: str, kind: str, steps: int, distance: int, blocks: Blocks | None, num_classes: int, options: Options
) -> ResNet:
    """A TD ResNet from its plain constructor's name and the options that users give.

    Raises:
        ValueError: An option is out of range.
        TypeError: An option of another name.
    """
    zero_init = options.get("zero_init", "first")
    check_choice("zero_init", zero_init, ZERO_INITS)
    mine: dict[str, Any] = {key: value for key, value in options.items() if key in ATTENTION_OPTIONS}
    rest = {key: value for key, value in options.items() if key not in (*ATTENTION_OPTIONS, "zero_init")}
    attention = AttentionConfig(kind, **mine)
    plain: Callable[..., ResNet] = getattr(baselines, name)
    network = plain(num_classes=num_classes, zero_init=zero_init != "none", **rest)
    if blocks is None:
        blocks = PLACEMENTS[name]([len(stage) for stage in network.stages()], distance)
    for block in add_feedback(network, blocks, attention, steps, distance):
        if zero_init == "last":
            start_at_last_step(block)
    return network


def start_at_last_step(block: ResidualBranch) -> None:
    """Move the zero from step 1's last norm to the last step's, where the two differ."""
    loop, chain = cast(Feedback, block.loop), block.chain()
    if loop.norms and loop.distance:
        nn.init.ones_(cast(nn.BatchNorm2d, chain[-1].norm).weight)
        nn.init.zeros_(cast(nn.BatchNorm2d, loop.stages_at(chain, loop.steps)[-1].norm).weight)


ATTENTION_OPTIONS = ("order", "reduction", "filter")
PLACEMENTS: dict[str, Callable[[Sequence[int], int], Blocks]] = {
    "resnet18": layers_3_and_4,
    "resnet34": layers_3_and_4,
    "resnet50": resnet50_blocks,
    "resnet101": resnet101_blocks,
    "convnext_tiny": layers_3_and_4,
}


def resnet18(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet18: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's row has ``distance=2``."""
    return build("resnet18", kind, steps, distance, blocks, num_classes, options)


def resnet34(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet34: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's row has ``distance=2``."""
    return build("resnet34", kind, steps, distance, blocks, num_classes, options)


def resnet50(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet50: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's main row is the default."""
    return build("resnet50", kind, steps, distance, blocks, num_classes, options)


def resnet101(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet101: searchlight, T, m, blocks by stage (None: the paper's), K; row L4 has ``blocks={4: range(3)}``."""
    return build("resnet101", kind, steps, distance, blocks, num_classes, options)


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
