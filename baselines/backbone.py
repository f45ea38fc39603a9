"""What the suite may ask of every network: its stages, its last feature map, its logits at every step."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from baselines.attentions import AttentionFactory
from baselines.chain import ResidualBranch


class Backbone(nn.Module):
    """Base of all networks; subclasses say what their stages are and where the last one begins.

    ``forward(x) = classify(feature_map(trunk(x)))``, with ``x`` of shape (N, 3, H, W) and logits of shape (N, K).
    """

    def stages(self) -> list[list[ResidualBranch]]:
        """Residual blocks by stage; stage 1 of the papers is index 0."""
        raise NotImplementedError

    def trunk(self, x: Tensor) -> Tensor:
        """Input of the last stage: (N, 3, H, W) to (N, C, h, w)."""
        raise NotImplementedError

    def feature_map(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Last feature map before pooling, from the trunk's output; the last stage's loops run ``steps`` steps."""
        raise NotImplementedError

    def classify(self, feature_map: Tensor) -> Tensor:
        """Logits (N, K) from the last feature map (N, C, h, w)."""
        raise NotImplementedError

    def drop_classifier(self) -> None:
        """Take the classifier and its parameters away, for another head on the last feature map."""
        raise NotImplementedError

    def blocks(self) -> Iterator[ResidualBranch]:
        """All residual blocks in order."""
        for stage in self.stages():
            yield from stage

    @property
    def steps(self) -> int:
        """Computation steps T of the network: 1 for a feedforward one."""
        return max(block.loop.steps for block in self.blocks())

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.feature_map(self.trunk(x)))

    def forward_steps(self, x: Tensor) -> Tensor:
        """Logits after each step, (T, N, K): the last stage runs 1..T steps, earlier stages all of theirs.

        ``forward_steps(x)[-1]`` equals ``forward(x)``. This is how the authors' code reads a network's steps.
        """
        x = self.trunk(x)
        return torch.stack([self.classify(self.feature_map(x, step)) for step in range(1, self.steps + 1)])


def run_blocks(blocks: Iterable[nn.Module], x: Tensor, steps: int | None) -> Tensor:
    """Run residual blocks in order, each with at most ``steps`` steps."""
    for block in blocks:
        x = block(x, steps)
    return x


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Run modules in order."""
    for layer in layers:
        x = layer(x)
    return x


def fill_slots(network: Backbone, factory: AttentionFactory, map_sizes: list[int]) -> None:
    """Put ``factory(channels, map_size)`` into the attention slot of every block.

    Args:
        network: Network whose slots are filled.
        factory: Constructor of the attention.
        map_sizes: Side of each stage's maps at a 224x224 input.

    Raises:
        TypeError: The constructor returns something else than a module.
    """
    for stage, size in zip(network.stages(), map_sizes, strict=True):
        for block in stage:
            attention = factory(block.channels, size)
            if not isinstance(attention, nn.Module):
                raise TypeError(f"an attention's constructor must return an nn.Module, got {type(attention).__name__}")
            block.attention = attention


def kaiming_fan_out(module: nn.Module) -> None:
    """Initialise 2-d convolutions with Kaiming normal, fan-out (He et al. 2015), and batch norms with one and zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
