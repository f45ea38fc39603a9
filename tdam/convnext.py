"""TD ConvNeXt-Tiny."""

from collections.abc import Sequence

from typing_extensions import Unpack

from baselines.convnext import ConvNeXt
from baselines.convnext import convnext_tiny as plain_network
from tdam.attention import AttentionOptions, split_options
from tdam.feedback import add_feedback
from tdam.placements import Blocks, layers_3_and_4


class Options(AttentionOptions, total=False):
    """What TD ConvNeXt-Tiny takes besides ``kind``, ``steps``, ``distance``, ``blocks`` and ``num_classes``.

    ``order``, ``reduction`` and ``filter`` are those of :class:`AttentionConfig`, the others the plain network's.
    """

    widths: Sequence[int]
    depths: Sequence[int]
    stochastic_depth: float
    layer_scale: float
    patches: Sequence[int]
    by_fan_in: bool


def convnext_tiny(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ConvNeXt:
    """TD ConvNeXt-Tiny: all blocks of stages 3 and 4; layer scale follows the loop, steps share the layer norm."""
    attention, rest = split_options(kind, options)
    network = plain_network(num_classes=num_classes, **rest)
    if blocks is None:
        blocks = layers_3_and_4([len(stage) for stage in network.stages()], distance)
    add_feedback(network, blocks, attention, steps, distance)
    return network
