"""Where the module is applied: the paper's placements, read off its parameter counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence

Blocks = Mapping[int, Iterable[int]]

# The released placement in ResNet101's 23 blocks of layer3; the paper's text says ten alternating blocks.
RESNET101_LAYER3 = (0, 1, 2, 8, 13, 18, 22)


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


PLACEMENTS: dict[str, Callable[[Sequence[int], int], Blocks]] = {
    "resnet18": layers_3_and_4,
    "resnet34": layers_3_and_4,
    "resnet50": resnet50_blocks,
    "resnet101": resnet101_blocks,
    "convnext_tiny": layers_3_and_4,
}
