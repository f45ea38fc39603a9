"""TD MobileNetV3-Large."""

from collections.abc import Sequence

from typing_extensions import Unpack

from baselines.mobilenet import MobileNetV3
from baselines.mobilenet import mobilenet_v3_large as plain_network
from tdam.attention import AttentionOptions, split_options
from tdam.feedback import add_feedback
from tdam.placements import Blocks

REDUCTION = 4


class Options(AttentionOptions, total=False):
    """What TD MobileNetV3-Large takes besides ``kind``, ``steps``, ``distance``, ``blocks`` and ``num_classes``.

    ``order``, ``reduction`` (4 where none is given) and ``filter`` are those of :class:`AttentionConfig`; the others
    those of the plain network.
    """

    width: float
    strides: Sequence[int]
    depths: Sequence[int]
    norm_momentum: float


def mobilenet_v3_large(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> MobileNetV3:
    """TD MobileNetV3-Large: TD in place of squeeze-and-excitation in the last three blocks (stage 6).

    No code was released. The paper's 15 % fewer parameters fit a reduction of 4, the network's own ratio.
    """
    attention, rest = split_options(kind, {"reduction": REDUCTION, **options})
    network = plain_network(num_classes=num_classes, **rest)
    blocks = {6: range(3)} if blocks is None else blocks
    add_feedback(network, blocks, attention, steps, distance)
    return network
