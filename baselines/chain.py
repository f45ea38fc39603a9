"""The vocabulary that every residual branch is written in: a chain of stages, run by a loop.

A residual block computes ``join(x, attention(loop(chain, x)))``. The chain lists the branch's stages, each
``activation(norm(layer(x)))``; the loop decides how often which of them run. A feedforward network runs each stage
once (:class:`Once`); ``tdam`` puts a loop with feedback in the same place. The attention is the slot after the
branch's last norm that SE, CBAM, ECA and FCA fill.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

Map = Callable[[Tensor], Tensor]


class Stage(NamedTuple):
    """One link of a residual branch, ``activation(norm(layer(x)))``, on maps of shape (N, C, H, W).

    Attributes:
        layer: Convolution or per-pixel linear layer.
        norm: Batch norm that belongs to the layer, or None. A norm here is one that feedback gives each step anew.
        activation: What follows the norm, or None.
        in_channels: Channels of the stage's input.
        out_channels: Channels of the stage's output.
    """

    layer: Map
    norm: nn.Module | None
    activation: Map | None
    in_channels: int
    out_channels: int

    # Neither by a call nor by _replace, which torch 2.4 does not trace for named tuples.
    def run(self, x: Tensor) -> Tensor:
        """The stage's output (N, C_out, H', W') for its input (N, C_in, H, W)."""
        x = self.layer(x)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)

    def with_norm(self, norm: nn.Module) -> "Stage":
        """The same stage with another norm."""
        return Stage(self.layer, norm, self.activation, self.in_channels, self.out_channels)

    def with_activation(self, activation: Map) -> "Stage":
        """The same stage with another activation."""
        return Stage(self.layer, self.norm, activation, self.in_channels, self.out_channels)


Chain = Sequence[Stage]


class Loop(nn.Module):
    """How often a block runs the stages of its chain.

    Attributes:
        steps: Number of computation steps T of a full run.
    """

    steps: int = 1

    def forward(self, chain: Chain, x: Tensor, steps: int | None = None) -> Tensor:
        """Run the chain on ``x``; ``steps`` cuts the run short, None runs all of them."""
        raise NotImplementedError


class Once(Loop):
    """The feedforward loop: each stage once. It has a single step, whatever number is asked for."""

    def forward(self, chain: Chain, x: Tensor, steps: int | None = None) -> Tensor:
        for stage in chain:
            x = stage.run(x)
        return x


class ResidualBranch(nn.Module):
    """Mixin for residual blocks: a chain, the loop that runs it, and the attention slot behind it.

    Subclasses define :meth:`chain` and call :meth:`branch` in their forward pass.
    """

    loop: Loop
    attention: nn.Module

    def open_slots(self) -> None:
        """Give the block a feedforward loop and an empty attention slot."""
        self.loop = Once()
        self.attention = nn.Identity()

    def chain(self) -> list[Stage]:
        """The stages of the residual branch, in order."""
        raise NotImplementedError

    def branch(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Output of the residual branch, before it joins the shortcut: (N, C_in, H, W) to (N, C_out, H', W')."""
        out: Tensor = self.attention(self.loop(self.chain(), x, steps))
        return out

    @property
    def channels(self) -> int:
        """Channels of the branch's output."""
        return self.chain()[-1].out_channels

    def remove_own_attention(self) -> None:
        """Take out attention that the block's own paper put into its chain (only MobileNetV3's has some)."""
