"""The one feedback loop of the package (TDAM section 3), for every backbone whose branches are chains of stages."""

import copy
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from baselines.backbone import Backbone
from baselines.chain import Chain, Loop, ResidualBranch, Stage
from tdam.attention import AttentionConfig


class Feedback(Loop):
    """Run a chain's first stages once and its last ``distance`` stages once per step, with attention in between.

    After every step but the last, the attention makes the next bottom map from the step's top map (the chain's
    output) and bottom map (the input of the looped stages). Each step past the first has batch norms of its own.
    At distance 0 no stage is repeated: the attention is applied ``steps`` times to its own output, top = bottom.

    Args:
        chain: The stages that the loop will run; their widths and norms are read here, not kept.
        attention: Which attention to build.
        steps: T, at least 1. A loop of one step repeats nothing and has no attention, unless the distance is 0.
        distance: m, from 0 to the number of stages.

    Raises:
        ValueError: ``steps`` or ``distance`` is out of range.
    """

    def __init__(self, chain: Chain, attention: AttentionConfig, steps: int, distance: int) -> None:
        super().__init__()
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}")
        if not isinstance(distance, int) or not 0 <= distance <= len(chain):
            raise ValueError(f"distance must be from 0 to {len(chain)}, the block's number of layers; got {distance!r}")
        self.steps = steps
        self.distance = distance
        self.start = len(chain) - distance
        top_channels = chain[-1].out_channels
        bottom_channels = chain[self.start].in_channels if distance else top_channels
        self.attention = attention.build(top_channels, bottom_channels) if steps > 1 or distance == 0 else None
        self.norms = nn.ModuleList(self.fresh_norms(chain) for _ in range(1, steps))

    def fresh_norms(self, chain: Chain) -> nn.ModuleDict:
        """New norms for one step, keyed by their stage's position in the chain."""
        norms = nn.ModuleDict()
        for position, stage in enumerate(chain):
            if position >= self.start and stage.norm is not None:
                norm = copy.deepcopy(stage.norm)
                norm.reset_parameters()  # type: ignore[operator]
                norms[str(position)] = norm
        return norms

    def stages_at(self, chain: Chain, step: int) -> list[Stage]:
        """The looped stages with the norms of step ``step``, counted from 1."""
        looped = enumerate(chain[self.start :], self.start)
        if step == 1:
            return [stage for _, stage in looped]
        own = self.norms[step - 2]
        return [
            stage if stage.norm is None else stage.with_norm(own[str(position)])  # type: ignore[index]
            for position, stage in looped
        ]

    def forward(self, chain: Chain, x: Tensor, steps: int | None = None) -> Tensor:
        """Run the chain with feedback.

        Args:
            chain: Stages, the same that the loop was built for.
            x: The branch's input (N, C, H, W).
            steps: Steps to run, from 1 to ``self.steps``; None runs all.
        """
        steps = self.steps if steps is None else steps
        if not 1 <= steps <= self.steps:
            raise ValueError(f"this loop can run from 1 to {self.steps} steps, got {steps}")
        bottom = x
        for stage in chain[: self.start]:
            bottom = stage.run(bottom)
        if self.distance == 0:
            for _ in range(steps):
                bottom = self.attend(bottom, bottom)
            return bottom
        for step in range(1, steps + 1):
            top = bottom
            for stage in self.stages_at(chain, step):
                top = stage.run(top)
            if step < steps:
                bottom = self.attend(top, bottom)
        return top

    def attend(self, top: Tensor, bottom: Tensor) -> Tensor:
        """The next bottom map."""
        assert self.attention is not None
        out: Tensor = self.attention(top, bottom)
        return out


def chosen_blocks(network: Backbone, blocks: Mapping[int, Iterable[int]]) -> list[ResidualBranch]:
    """The blocks that ``{stage from 1: indices from 0}`` names.

    Raises:
        ValueError: Not such a mapping, or a stage or an index that the network does not have.
    """
    stages = network.stages()
    if not isinstance(blocks, Mapping) or not all(isinstance(indices, Iterable) for indices in blocks.values()):
        raise ValueError(f"blocks must map stages to block indices, such as {{3: [0, 1], 4: [0]}}; got {blocks!r}")
    chosen: dict[tuple[int, int], ResidualBranch] = {}
    for stage, indices in blocks.items():
        if stage not in range(1, len(stages) + 1):
            raise ValueError(f"the network has stages 1 to {len(stages)}, got {stage!r}")
        depth = len(stages[stage - 1])
        for index in indices:
            if not isinstance(index, int) or index not in range(depth):
                raise ValueError(f"stage {stage} has blocks 0 to {depth - 1}, got {index!r}")
            chosen[stage, index] = stages[stage - 1][index]
    if not chosen:
        raise ValueError("blocks names no block; take the network from baselines if none shall loop")
    return list(chosen.values())


def add_feedback(
    network: Backbone, blocks: Mapping[int, Iterable[int]], attention: AttentionConfig, steps: int, distance: int
) -> list[ResidualBranch]:
    """Give the chosen blocks a feedback loop, in place of attention that their own paper put there.

    Args:
        network: Feedforward network; changed in place.
        blocks: Indices from 0 of the blocks by stage, stages counted from 1.
        attention: Which attention.
        steps: T.
        distance: m.

    Returns:
        The blocks that now loop.

    Raises:
        ValueError: A block that the network does not have, or steps or distance out of range.
    """
    chosen = chosen_blocks(network, blocks)
    for block in chosen:
        block.remove_own_attention()
        block.loop = Feedback(block.chain(), attention, steps, distance)
    return chosen
