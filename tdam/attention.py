"""The top-down attention: a searchlight from top and bottom maps, and how it changes the next bottom map.

TDAM (Jaiswal, Fernando & Tan, ECCV 2022, arXiv 2111.13470), equations 1 to 8. Symbols, theirs in brackets:
``bottom`` (X^t) is the input of the looped layers, ``top`` (Y^t) their output, ``searchlight`` (S, in the figures A)
one value per channel of the bottom map, before any sigmoid; ``reduction`` is r.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.backbone import kaiming_fan_out
from baselines.widths import hidden_width


class Searchlight(nn.Module):
    """Maps pooled top (N, C_top) and pooled bottom (N, C_bottom) to the searchlight's logits (N, C_bottom).

    Subclasses take the two widths and the hidden one. ``released_names`` are the layers' names in the authors'
    checkpoints.
    """

    released_names: ClassVar[dict[str, str]]

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        raise NotImplementedError


class JointSearchlight(Searchlight):
    """Equation 4: ``s = W [relu(W_top h), relu(W_bottom b)]``."""

    released_names: ClassVar[dict[str, str]] = {
        "from_top": "Ug_top_mlp.0",
        "from_bottom": "Ug_bottom_mlp.0",
        "out": "Ug_mlp.0",
    }
    parts = 2

    def __init__(self, top_channels: int, bottom_channels: int, hidden: int) -> None:
        super().__init__()
        self.from_top = nn.Linear(top_channels, hidden, bias=False)
        self.from_bottom = nn.Linear(bottom_channels, hidden, bias=False)
        self.out = nn.Linear(self.parts * hidden, bottom_channels, bias=False)

    def join(self, top: Tensor, bottom: Tensor) -> Tensor:
        """The two hidden vectors as one."""
        return torch.cat([top, bottom], dim=1)

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        hidden = self.join(torch.relu(self.from_top(top)), torch.relu(self.from_bottom(bottom)))
        logits: Tensor = self.out(hidden)
        return logits


class BilinearSearchlight(JointSearchlight):
    """A third kind of the released code, in no table: ``s = W (relu(W_top h) + relu(W_bottom b))``."""

    parts = 1

    def join(self, top: Tensor, bottom: Tensor) -> Tensor:
        """The sum of the two hidden vectors."""
        return top + bottom


class TopSearchlight(Searchlight):
    """Equation 5: ``s = W_2 relu(W_1 h)``."""

    released_names: ClassVar[dict[str, str]] = {"from_top": "Ug_mlp.0", "out": "Ug_mlp.2"}

    def __init__(self, top_channels: int, bottom_channels: int, hidden: int) -> None:
        super().__init__()
        self.from_top = nn.Linear(top_channels, hidden, bias=False)
        self.out = nn.Linear(hidden, bottom_channels, bias=False)

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        logits: Tensor = self.out(torch.relu(self.from_top(top)))
        return logits


KINDS: dict[str, type[JointSearchlight] | type[TopSearchlight]] = {
    "joint": JointSearchlight,
    "top": TopSearchlight,
    "joint_bilinear": BilinearSearchlight,
}


def channel_attention(bottom: Tensor, searchlight: Tensor) -> Tensor:
    """Equation 6: each channel of (N, C, H, W) scaled by the sigmoid of its logit (N, C)."""
    return bottom * torch.sigmoid(searchlight)[:, :, None, None]


def spatial_attention(bottom: Tensor, kernel: Tensor) -> Tensor:
    """Equations 7 and 8: (N, C, H, W) scaled by ``sigmoid(A)``, ``A = sum_c kernel_c bottom_c`` with kernel (N, C)."""
    searched = torch.einsum("nc,nchw->nhw", kernel, bottom)
    return bottom * torch.sigmoid(searched)[:, None]


# Each order maps (bottom, searchlight, spatial kernel) to the next bottom map. The first is the paper's; the others
# are its ablations (figure 8, right). How the two parallel results are joined is not told: they are added.
ORDERS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "channel->spatial": lambda x, s, k: spatial_attention(channel_attention(x, s), k),
    "spatial->channel": lambda x, s, k: channel_attention(spatial_attention(x, k), s),
    "channel||spatial": lambda x, s, k: channel_attention(x, s) + spatial_attention(x, k),
    "channel": lambda x, s, k: channel_attention(x, s),
    "spatial": lambda x, s, k: spatial_attention(x, k),
}
CONVOLUTION, CONSTANT = "convolution", "constant"

# What serves as the spatial filter: the searchlight as the released code and figure 2 have it, or its sigmoid, as the
# text after equation 4 can be read.
FILTERS: dict[str, Callable[[Tensor], Tensor]] = {"logit": lambda s: s, "sigmoid": torch.sigmoid}


class TopDownAttention(nn.Module):
    """Next bottom map from the present top and bottom maps (equations 2 and 3).

    Args:
        top_channels: C_top.
        bottom_channels: C_bottom.
        kind: Searchlight, a name in ``KINDS``.
        order: A name in ``ORDERS``.
        reduction: r; the hidden width is ``max(1, top_channels // reduction)`` for both branches.
        filter: A name in ``FILTERS``.

    Shape: top (N, C_top, H', W') and bottom (N, C_bottom, H, W) to (N, C_bottom, H, W).
    """

    def __init__(
        self,
        top_channels: int,
        bottom_channels: int,
        kind: str = "joint",
        order: str = "channel->spatial",
        reduction: int = 16,
        filter: str = "logit",
    ) -> None:
        super().__init__()
        check_choice("kind", kind, KINDS)
        check_choice("order", order, ORDERS)
        check_choice("filter", filter, FILTERS)
        self.searchlight = KINDS[kind](top_channels, bottom_channels, hidden_width(top_channels, reduction))
        self.order = order
        self.filter = filter

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        searchlight = self.searchlight(top.mean((2, 3)), bottom.mean((2, 3)))
        return ORDERS[self.order](bottom, searchlight, FILTERS[self.filter](searchlight))


class RecurrentConvolution(nn.Module):
    """Next bottom map as a 1x1 convolution of the top map, instead of attention (figure 8, right).

    The paper does not tell the kernel's size. Where the looped layers shrink the map, the result is brought back to
    the bottom map's size by bilinear interpolation.

    Shape: top (N, C_top, H', W') and bottom (N, C_bottom, H, W) to (N, C_bottom, H, W).
    """

    def __init__(self, top_channels: int, bottom_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(top_channels, bottom_channels, 1, bias=False)

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        out: Tensor = self.conv(top)
        if out.shape[-2:] != bottom.shape[-2:]:
            out = functional.interpolate(out, bottom.shape[-2:], mode="bilinear", align_corners=False)
        return out


class NoAttention(nn.Module):
    """Next bottom map as the present one: every gate of equations 6 and 8 is the constant 1 (a control, ours).

    Of the loop there remain its passes and the norms of its steps.

    Shape: top (N, C_top, H', W') and bottom (N, C_bottom, H, W) to (N, C_bottom, H, W).
    """

    def forward(self, top: Tensor, bottom: Tensor) -> Tensor:
        # With a weight of zero the top map stays in the graph: it costs what it costs with attention, counters see it,
        # and all processes of a distributed training have a gradient (of zero) for its norm.
        return bottom + 0.0 * top.mean((1, 2, 3), keepdim=True)


@dataclass(frozen=True)
class AttentionConfig:
    """Which attention a feedback loop applies; every ablation of figure 8 (right) is one such value.

    Attributes:
        kind: Searchlight: ``joint`` (equation 4), ``top`` (equation 5) or ``joint_bilinear``.
        order: A name in ``ORDERS``; or ``convolution`` for a recurrent convolution and ``constant`` for nothing instead
            of attention, for which kind, reduction and filter do not matter.
        reduction: r.
        filter: ``logit`` or ``sigmoid``, see ``FILTERS``.

    Raises:
        ValueError: A name is not allowed, or the reduction is below 1.
    """

    kind: str = "joint"
    order: str = "channel->spatial"
    reduction: int = 16
    filter: str = "logit"

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_choice("order", self.order, [*ORDERS, CONVOLUTION, CONSTANT])
        check_choice("filter", self.filter, FILTERS)
        hidden_width(1, self.reduction)

    def build(self, top_channels: int, bottom_channels: int) -> nn.Module:
        """The attention for maps of these widths, its layers initialised like convolutions (Kaiming, fan-out)."""
        module: nn.Module
        if self.order == CONVOLUTION:
            module = RecurrentConvolution(top_channels, bottom_channels)
        elif self.order == CONSTANT:
            module = NoAttention()
        else:
            module = TopDownAttention(top_channels, bottom_channels, self.kind, self.order, self.reduction, self.filter)
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        kaiming_fan_out(module)
        return module


class AttentionOptions(TypedDict, total=False):
    """What TD networks take of :class:`AttentionConfig` besides ``kind``."""

    order: str
    reduction: int
    filter: str


def split_options(kind: str, options: Mapping[str, Any]) -> tuple[AttentionConfig, dict[str, Any]]:
    """The attention of a TD network from the options that its constructor is given, and those that are left."""
    own = {one.name for one in fields(AttentionConfig)}
    attention = AttentionConfig(kind, **{key: value for key, value in options.items() if key in own})
    return attention, {key: value for key, value in options.items() if key not in own}


def check_choice(what: str, value: str, allowed: Iterable[str]) -> None:
    """Raise ValueError unless ``value`` is one of ``allowed``'s names."""
    names = list(allowed)
    if value not in names:
        raise ValueError(f"unknown {what} {value!r}; choose one of {', '.join(names)}")
