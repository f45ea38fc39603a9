"""TD MobileNetV3-Large."""

from collections.abc import Sequence

from baselines.mobilenet import STRIDES, MobileNetV3
from baselines.mobilenet import mobilenet_v3_large as plain_network
from tdam.attention import AttentionConfig
from tdam.feedback import add_feedback
from tdam.placements import Blocks


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
    strides: Sequence[int] = STRIDES,
) -> MobileNetV3:
    """TD MobileNetV3-Large: TD in place of squeeze-and-excitation in the last three blocks (stage 6).

    No code was released. The paper's 15 % fewer parameters fit a reduction of 4, the network's own ratio.
    """
    network = plain_network(num_classes=num_classes, width=width, strides=strides)
    blocks = {6: range(3)} if blocks is None else blocks
    add_feedback(network, blocks, AttentionConfig(kind, order, reduction, filter), steps, distance)
    return network
