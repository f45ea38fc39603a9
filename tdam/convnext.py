"""TD ConvNeXt-Tiny."""

from collections.abc import Sequence

from baselines.convnext import DEPTHS, WIDTHS, ConvNeXt
from baselines.convnext import convnext_tiny as plain_network
from tdam.attention import AttentionConfig
from tdam.feedback import add_feedback
from tdam.placements import Blocks, layers_3_and_4


def convnext_tiny(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    order: str = "channel->spatial",
    reduction: int = 16,
    filter: str = "logit",
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = DEPTHS,
    stochastic_depth: float = 0.1,
    layer_scale: float = 1e-6,
) -> ConvNeXt:
    """TD ConvNeXt-Tiny: all blocks of stages 3 and 4; layer scale follows the loop, steps share the layer norm."""
    network = plain_network(
        num_classes=num_classes,
        widths=widths,
        depths=depths,
        stochastic_depth=stochastic_depth,
        layer_scale=layer_scale,
    )
    blocks = layers_3_and_4(depths, distance) if blocks is None else blocks
    add_feedback(network, blocks, AttentionConfig(kind, order, reduction, filter), steps, distance)
    return network
