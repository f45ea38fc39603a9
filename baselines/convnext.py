"""ConvNeXt-Tiny (Liu et al., CVPR 2022, arXiv 2201.03545): torchvision's network with the two slots."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict, cast

from torch import Tensor, nn
from torchvision.models import convnext
from typing_extensions import Unpack

from baselines.attentions import attention_factory
from baselines.backbone import Backbone, fill_slots, kaiming_fan_out, run_blocks, run_layers
from baselines.chain import Map, ResidualBranch, Stage
from baselines.checkpoints import torchvision_weights

WIDTHS = (96, 192, 384, 768)
DEPTHS = (3, 3, 9, 3)
# Side and stride of the stem's patches and of each downsampling.
PATCHES = (4, 2, 2, 2)
MAP_SIZES = [56, 28, 14, 7]

Attention = str | Callable[[int], nn.Module] | None


def per_pixel(module: Map, x: Tensor) -> Tensor:
    """Apply a module over the channels of a map (N, C, H, W); the permutations are views."""
    return module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(ResidualBranch, convnext.CNBlock):
    """Depthwise 7x7 and layer norm, pointwise to 4C and GELU, pointwise to C; layer scale after the branch.

    The layer norm counts as part of its stage's activation: feedback gives only batch norms to each step anew.
    """

    block: nn.Sequential
    layer_scale: nn.Parameter
    stochastic_depth: nn.Module

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float) -> None:
        super().__init__(dim, layer_scale, stochastic_depth_prob)
        self.open_slots()

    def chain(self) -> list[Stage]:
        depthwise, _, norm, expand, gelu, project, _ = self.block
        dim, wide = cast(nn.Linear, expand).in_features, cast(nn.Linear, expand).out_features
        return [
            Stage(depthwise, None, partial(per_pixel, norm), dim, dim),
            Stage(partial(per_pixel, expand), None, gelu, dim, wide),
            Stage(partial(per_pixel, project), None, None, wide, dim),
        ]

    def forward(self, input: Tensor, steps: int | None = None) -> Tensor:
        out: Tensor = self.stochastic_depth(self.layer_scale * self.branch(input, steps)) + input
        return out


class ConvNeXt(Backbone, convnext.ConvNeXt):
    """ConvNeXt of four stages.

    Args:
        attention: What fills the slot at the end of each branch, before layer scale; see ``attention_factory``.
        num_classes: K.
        widths: Channels of the four stages.
        depths: Blocks in each stage.
        stochastic_depth: Probability of dropping the last block's branch in training; earlier blocks' rise to it.
        layer_scale: What each channel of a branch is scaled by at the start of training.
        patches: Side and stride of the stem's patches and of the three downsamplings. Small images want smaller ones.
        by_fan_in: Whether weights are drawn with a standard deviation of one over the root of a unit's inputs, in place
            of torchvision's 0.02, with which signals die away in layers much narrower than those of the paper.
    """

    features: nn.Sequential
    avgpool: nn.Module
    classifier: nn.Sequential

    def __init__(
        self,
        attention: Attention = None,
        num_classes: int = 1000,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] = DEPTHS,
        stochastic_depth: float = 0.1,
        layer_scale: float = 1e-6,
        patches: Sequence[int] = PATCHES,
        by_fan_in: bool = False,
    ) -> None:
        factory = attention_factory(attention)
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        setting = [
            convnext.CNBlockConfig(width, following, depth)
            for width, following, depth in zip(widths, (*widths[1:], None), depths, strict=True)
        ]
        super().__init__(setting, stochastic_depth, layer_scale, num_classes, block=ConvNeXtBlock)
        self.set_patches(patches)
        if by_fan_in:
            self.apply(draw_by_fan_in)
        fill_slots(self, factory, MAP_SIZES)
        for block in self.blocks():
            kaiming_fan_out(block.attention)

    def set_patches(self, patches: Sequence[int]) -> None:
        """Give stem and downsamplings patches of other sides, drawn as torchvision draws them.

        Raises:
            ValueError: Not one for each, or a side below 1.
        """
        if len(patches) != len(PATCHES) or min(patches) < 1:
            raise ValueError(f"ConvNeXt has a stem and three downsamplings, of patches from 1; got {tuple(patches)}")
        # The stem's convolution comes before its norm, those of the downsamplings after.
        layers = [cast(nn.Sequential, self.features[at]) for at in (0, 2, 4, 6)]
        for layer, place, usual, side in zip(layers, (0, 1, 1, 1), PATCHES, patches, strict=True):
            if side != usual:
                old = cast(nn.Conv2d, layer[place])
                new = nn.Conv2d(old.in_channels, old.out_channels, side, side)
                nn.init.trunc_normal_(new.weight, std=0.02)
                nn.init.zeros_(cast(nn.Parameter, new.bias))
                layer[place] = new

    def stages(self) -> list[list[ResidualBranch]]:
        # features: stem, stage 1, downsampling, stage 2, ...
        return [cast(list[ResidualBranch], list(cast(nn.Sequential, self.features[i]))) for i in (1, 3, 5, 7)]

    def trunk(self, x: Tensor) -> Tensor:
        return run_layers(list(self.features)[:-1], x)

    def feature_map(self, x: Tensor, steps: int | None = None) -> Tensor:
        return run_blocks(cast(nn.Sequential, self.features[-1]), x, steps)

    def classify(self, feature_map: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(feature_map))
        return logits

    def drop_classifier(self) -> None:
        self.classifier = nn.Sequential()


def draw_by_fan_in(layer: nn.Module) -> None:
    """Draw the weights of a convolution or linear layer so that its outputs vary as its inputs do."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)


class Options(TypedDict, total=False):
    """What ConvNeXt-Tiny takes besides the attention; see :class:`ConvNeXt`.

    ``weights`` names torchvision's own (such as ``IMAGENET1K_V1`` or ``DEFAULT``), for the plain network.
    """

    num_classes: int
    widths: Sequence[int]
    depths: Sequence[int]
    stochastic_depth: float
    layer_scale: float
    patches: Sequence[int]
    by_fan_in: bool
    weights: str | None


def convnext_tiny(attention: Attention = None, **options: Unpack[Options]) -> ConvNeXt:
    """ConvNeXt-Tiny with ``attention`` in its slots; options as in :class:`Options`."""
    rest = {key: value for key, value in options.items() if key != "weights"}
    network = ConvNeXt(attention, **rest)  # type: ignore[arg-type]
    return torchvision_weights(network, "convnext_tiny", options.get("weights"))
