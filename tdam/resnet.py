"""TD ResNets. ``blocks=None`` is the paper's placement."""

from collections.abc import Sequence
from typing import cast

from torch import nn
from typing_extensions import Unpack

from baselines.chain import ResidualBranch
from baselines.resnet import ResNet
from baselines.resnet import build as build_plain
from tdam.attention import AttentionOptions, check_choice, split_options
from tdam.feedback import Feedback, add_feedback
from tdam.placements import PLACEMENTS, Blocks

ZERO_INITS = ("first", "last", "none")


class Options(AttentionOptions, total=False):
    """What TD ResNets take besides ``kind``, ``steps``, ``distance``, ``blocks`` and ``num_classes``.

    ``order``, ``reduction`` and ``filter`` are those of :class:`AttentionConfig`; ``widths``, ``depths``, ``strides``
    and ``resolution`` those of the plain network. ``zero_init`` tells which norm of a looping block starts at zero:
    ``first`` (the default), the last norm of step 1 as released, which can leave the searchlight's top path without
    gradient (see DEVIATIONS.md); ``last``, the last norm of the last step, which makes the block start as its
    shortcut; or ``none``.
    """

    widths: Sequence[int]
    depths: Sequence[int]
    strides: Sequence[int]
    resolution: int
    zero_init: str


class Sized(Options, total=False):
    """All that TD ResNets take besides the loop's own settings."""

    num_classes: int


def build(name: str, kind: str, steps: int, distance: int, blocks: Blocks | None, options: Sized) -> ResNet:
    """A TD ResNet from its plain constructor's name and the options that users give.

    Raises:
        ValueError: An option is out of range.
        TypeError: An option of another name.
    """
    zero_init = options.get("zero_init", "first")
    check_choice("zero_init", zero_init, ZERO_INITS)
    attention, rest = split_options(kind, options)
    network = build_plain(name, None, {**rest, "zero_init": zero_init != "none"})  # type: ignore[typeddict-item]
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


def resnet18(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet18: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's row has ``distance=2``."""
    return build("resnet18", kind, steps, distance, blocks, {"num_classes": num_classes, **options})


def resnet34(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet34: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's row has ``distance=2``."""
    return build("resnet34", kind, steps, distance, blocks, {"num_classes": num_classes, **options})


def resnet50(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet50: searchlight, T, m, blocks by stage (None: the paper's), K; the paper's main row is the default."""
    return build("resnet50", kind, steps, distance, blocks, {"num_classes": num_classes, **options})


def resnet101(
    kind: str = "joint",
    steps: int = 2,
    distance: int = 1,
    blocks: Blocks | None = None,
    num_classes: int = 1000,
    **options: Unpack[Options],
) -> ResNet:
    """TD ResNet101: searchlight, T, m, blocks by stage (None: the paper's), K; row L4 has ``blocks={4: range(3)}``."""
    return build("resnet101", kind, steps, distance, blocks, {"num_classes": num_classes, **options})
