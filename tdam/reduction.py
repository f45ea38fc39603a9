"""TDAM without the arithmetic that cancels: the same network, in which no pass runs whose output is only pooled.

Of the top map ``y = norm(W z)`` of every step but the last, only the spatial mean ``h`` enters the searchlight, and
``W`` (the last layer of the loop) is linear. With ``<.>`` for the mean over positions of one image, ``E`` and ``Cov``
over the positions of all images of the batch:

- Evaluation: ``h = norm(W <z>)``, for the norm is affine. A 1x1 map takes the place of the whole one. Where ``W`` is a
  convolution with a larger kernel, ``<.>`` is taken over the positions that each of its taps sees: ``h`` is the sum
  over taps of ``W_tap <z>_tap``.
- Training: a batch norm takes the mean and variance of ``W z`` over the batch, and both follow from the first two
  moments of ``z``: ``mean = W E[z]`` and ``variance = diag(W Cov(z) W^T)``. Then
  ``h = gamma (W <z> - mean) / sqrt(variance + eps) + beta``; running statistics and gradients come out the same. The
  covariance costs C^2 multiplications a position where the layer costs C C_top, a quarter in a ResNet bottleneck;
  in batches so small that this does not pay, ``W z`` is computed, but not kept.

Source: TDAM, section 3 (the loop and equations 4 and 5); the algebra is not in the paper.

It holds where the loop's last layer is linear and nothing but a batch norm stands between it and the pooling:

- ResNet50 and 101, MobileNetV3 (pointwise last layer and batch norm) and ConvNeXt (pointwise, no norm): evaluation and
  training, any number of steps, any distance m from 1.
- ResNet18 and 34 (3x3 last layer): evaluation. In training the covariance of 3x3 patches would cost nine times the
  layer, so the literal pass runs.
- Not at m = 0 (no layer is repeated), nor for feedback by a convolution, which takes the whole top map, nor without
  attention, where no map is pooled.
- Not with synchronized batch norm, whose moments are those of other processes too: a clear error.

Between the steps, the searchlight's application reads the bottom map twice (to search it, and to scale it) and keeps
no map of its own for the backward pass; compiled, it is one fused kernel. Only first derivatives are supported.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from baselines.backbone import Backbone
from baselines.chain import Chain, ResidualBranch, Stage
from baselines.convnext import per_pixel
from tdam.attention import FILTERS, ORDERS, NoAttention, TopDownAttention
from tdam.feedback import Feedback


def reduce(network: Backbone) -> Backbone:
    """Let a TD network run without the passes whose output is only pooled; see the module's docstring.

    The same parameters under the same names, the same outputs, gradients and running statistics up to rounding.

    Args:
        network: A TD network; changed in place. Blocks to which the algebra does not apply stay as they are.

    Returns:
        The network.

    Raises:
        ValueError: The algebra applies to none of its blocks; the message says why.
    """
    reasons: dict[str, None] = {}
    for block in network.blocks():
        reason = why_not(block)
        if reason is None:
            block.loop = ReducedFeedback(cast(Feedback, block.loop))
        else:
            reasons[reason] = None
    if not any(isinstance(block.loop, ReducedFeedback) for block in network.blocks()):
        raise ValueError(f"nothing to reduce in this network: {'; '.join(reasons)}")
    return network


def why_not(block: ResidualBranch) -> str | None:
    """Why the algebra does not apply to a block, or None if it does."""
    loop, last = block.loop, block.chain()[-1]
    if not isinstance(loop, Feedback) or loop.steps == 1:
        return "it has blocks without feedback"
    if loop.distance == 0:
        return "at distance 0 no layer is repeated"
    if isinstance(loop.attention, NoAttention):
        return "without attention no map is pooled"
    if not isinstance(loop.attention, TopDownAttention):
        return f"{type(loop.attention).__name__} takes the whole top map, not its mean"
    if last.activation is not None or linear_of(last) is None:
        return "the last layer of its loops is not linear"
    return None


class Linear(NamedTuple):
    """A linear layer on maps: weight (C_out, C), or (C_out, C, k, k) of a convolution, bias, and how windows lie."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)

    # Not a property, which torch 2.4 does not trace for named tuples.
    def is_pointwise(self) -> bool:
        """Whether it acts on each position by itself, at all positions."""
        return self.weight.shape[2:].numel() == 1 and max(self.padding) == 0 and max(self.stride) == 1


def linear_of(stage: Stage) -> Linear | None:
    """A stage's layer if it is a convolution without groups and dilation, or a linear layer for each pixel."""
    layer = stage.layer
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and max(layer.dilation) == 1 and layer.padding_mode == "zeros"
        numbers = not isinstance(layer.padding, str)
        if plain and numbers:
            return Linear(layer.weight, layer.bias, layer.stride, cast(tuple[int, ...], layer.padding))
    if isinstance(layer, partial) and layer.func is per_pixel and isinstance(layer.args[0], nn.Linear):
        return Linear(layer.args[0].weight, layer.args[0].bias)
    return None


class ReducedFeedback(Feedback):
    """A feedback loop that pools before the last layer in every step but the last.

    Args:
        literal: The loop whose attention and norms it takes over, under the same names.
    """

    def __init__(self, literal: Feedback) -> None:
        nn.Module.__init__(self)
        self.steps, self.distance, self.start = literal.steps, literal.distance, literal.start
        self.attention, self.norms = literal.attention, literal.norms
        self.training = literal.training

    def forward(self, chain: Chain, x: Tensor, steps: int | None = None) -> Tensor:
        steps = self.steps if steps is None else steps
        if not 1 <= steps <= self.steps:
            raise ValueError(f"this loop can run from 1 to {self.steps} steps, got {steps}")
        bottom = run(chain[: self.start], x)
        attention = cast(TopDownAttention, self.attention)
        for step in range(1, steps):
            top_mean, bottom_mean = pooled(self.stages_at(chain, step), bottom)
            searchlight = attention.searchlight(top_mean, bottom_mean)
            bottom = applied(attention, bottom, searchlight)
        return run(self.stages_at(chain, steps), bottom)


def run(stages: Sequence[Stage], x: Tensor) -> Tensor:
    """The stages in order."""
    for stage in stages:
        x = stage.run(x)
    return x


def pooled(stages: Sequence[Stage], bottom: Tensor) -> tuple[Tensor, Tensor]:
    """Spatial means of the top map that stages make of a bottom map, (N, C_top), and of the bottom map, (N, C)."""
    last = stages[-1]
    linear = cast(Linear, linear_of(last))
    z = run(stages[:-1], bottom)
    if last.norm is None:
        means = window_means(z, linear)
        top = project(means, linear)
    elif not takes_batch_statistics(last.norm):
        means = window_means(z, linear)
        top = evaluated(last.norm, project(means, linear))
    elif linear.is_pointwise():
        means, variance = Moments.apply(z, linear.weight.flatten(1))
        top = normalized(last.norm, project(means, linear), variance, z.numel() // z.shape[1])
    else:
        top = last.run(z).mean((2, 3))
    shared = z is bottom and linear.is_pointwise()
    bottom_mean = means.flatten(1) if shared else bottom.mean((2, 3))
    return top.to(z.dtype), bottom_mean.to(z.dtype)


def takes_batch_statistics(norm: nn.Module) -> bool:
    """Whether a batch norm normalizes by its batch.

    Raises:
        TypeError: Another kind of norm.
    """
    if type(norm) is not nn.BatchNorm2d:
        raise TypeError(
            f"a reduced loop takes moments of one process's BatchNorm2d, got {type(norm).__name__}; "
            "use the network as it is, without tdam.reduce"
        )
    return norm.training or norm.running_mean is None


def window_means(z: Tensor, linear: Linear) -> Tensor:
    """Means (N, C, taps) of a map (N, C, H, W) over the positions that each tap of a linear layer sees."""
    dtype = at_least_single(z)
    if linear.is_pointwise():
        return z.mean((2, 3), dtype=dtype)[:, :, None]
    padded = F.pad(z, (linear.padding[1],) * 2 + (linear.padding[0],) * 2)
    tall, wide = linear.weight.shape[2:]
    rows, columns = (
        (length - taps) // stride * stride + 1
        for length, taps, stride in zip(padded.shape[2:], (tall, wide), linear.stride, strict=True)
    )
    seen = [
        padded[:, :, y : y + rows : linear.stride[0], x : x + columns : linear.stride[1]]
        for y in range(tall)
        for x in range(wide)
    ]
    return torch.stack([one.mean((2, 3), dtype=dtype) for one in seen], dim=2)


def at_least_single(x: Tensor) -> torch.dtype:
    """The precision of sums over a tensor: its own, but not below float32."""
    return torch.promote_types(x.dtype, torch.float32)


def project(means: Tensor, linear: Linear) -> Tensor:
    """A linear layer of the means (N, C, taps) of its windows, (N, C_out), in the means' precision."""
    with torch.autocast(means.device.type, enabled=False):
        weight, bias = (None if one is None else one.to(means.dtype) for one in (linear.weight, linear.bias))
        assert weight is not None
        return F.linear(means.flatten(1), weight.flatten(1), bias)


class Moments(torch.autograd.Function):
    """Of a map (N, C, H, W) and a matrix (C_out, C): the means (N, C) of each image, and ``diag(W Cov(z) W^T)``.

    Sums are made in float32 at least, whatever the autocast. Kept for the backward pass: map and matrix, the means, and
    ``W Cov(z)`` (C_out, C), as large as the matrix whatever the batch. Where positions are few, the same variance is
    had cheaper as that of ``W z``, which is not kept.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variance (C_out,)."""
        with torch.autocast(z.device.type, enabled=False):
            rows = rows_of(z).to(at_least_single(z))
            means = rows.mean(1)
            centered, matrix = (rows - means.mean(0)).flatten(0, 1), weight.to(rows.dtype)
            if are_few(centered, matrix):
                ctx.save_for_backward(z, weight, means)
                return means, (centered @ matrix.T).square_().mean(0)
            product = matrix @ (centered.T @ centered / len(centered))
            ctx.save_for_backward(z, weight, means, product)
            return means, (product * matrix).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_means: Tensor, to_variance: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the map and the matrix."""
        z, weight, means, *kept = ctx.saved_tensors
        with torch.autocast(z.device.type, enabled=False):
            rows, matrix = rows_of(z).to(means.dtype), weight.to(means.dtype)
            share = 2 / (rows.shape[0] * rows.shape[1])
            if kept:
                to_rows = matrix.T @ ((share * to_variance)[:, None] * matrix)
                to_matrix = (2 * to_variance)[:, None] * kept[0]
                offset = to_means / rows.shape[1] - means.mean(0) @ to_rows
                to_z = torch.baddbmm(offset[:, None], rows, to_rows.expand(len(rows), -1, -1))
            else:
                centered = (rows - means.mean(0)).flatten(0, 1)
                to_product = (centered @ matrix.T).mul_(share * to_variance)
                to_z, to_matrix = (to_product @ matrix).view(rows.shape), to_product.T @ centered
                to_z += (to_means / rows.shape[1])[:, None]
            return map_of(to_z, z).to(z.dtype), to_matrix.to(weight.dtype)


def are_few(positions: Tensor, matrix: Tensor) -> bool:
    """Whether ``W z`` at positions (M, C) is less work than ``diag(W Cov(z) W^T)`` for a matrix (C_out, C).

    Counted are the products of both passes: of ``W z`` four, for it is made twice, of the covariance two for each side.
    """
    count, (wide, narrow) = len(positions), matrix.shape
    return 4 * count * narrow * wide < 2 * narrow**2 * (count + wide)


def rows_of(x: Tensor) -> Tensor:
    """A map (N, C, H, W) by position, (N, H W, C): a view in either memory format."""
    return x.flatten(2).transpose(1, 2)


def map_of(rows: Tensor, like: Tensor) -> Tensor:
    """Positions (N, H W, C) as a map of the shape of another: a view."""
    return rows.transpose(1, 2).view(like.shape)


def evaluated(norm: nn.Module, top: Tensor) -> Tensor:
    """A batch norm's output (N, C) for the means of maps, by its running statistics."""
    norm = cast(nn.BatchNorm2d, norm)
    return F.batch_norm(top, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


def normalized(norm: nn.Module, top: Tensor, variance: Tensor, count: int) -> Tensor:
    """A batch norm's output (N, C) for the means of maps, by batch statistics that are known; updates its running ones.

    Args:
        norm: The batch norm, in training.
        top: Spatial means (N, C) of the maps that it would see.
        variance: Their variance (C,) over all positions of the batch.
        count: How many positions those are.

    Raises:
        ValueError: A single position, which has no variance.
    """
    norm = cast(nn.BatchNorm2d, norm)
    if count < 2:
        raise ValueError("a batch norm in training needs more than one value per channel; use a larger batch or image")
    mean = top.mean(0)
    if norm.training and norm.running_mean is not None and norm.running_var is not None:
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
            norm.running_var.lerp_((variance * (count / (count - 1))).to(norm.running_var.dtype), share)
    out = (top - mean) * torch.rsqrt(variance + norm.eps)
    if norm.weight is None:
        return out
    return out * norm.weight + norm.bias


def applied(attention: TopDownAttention, bottom: Tensor, searchlight: Tensor) -> Tensor:
    """The next bottom map (equations 6 to 8) by a searchlight (N, C), in the attention's order."""
    kernel = FILTERS[attention.filter](searchlight)
    if attention.order != "channel->spatial":
        return ORDERS[attention.order](bottom, searchlight, kernel)
    if torch.is_grad_enabled():
        # A view of its own: torch.compile does not trace functions that are given one tensor twice.
        return cast(Tensor, ChannelThenSpatial.apply(bottom, searchlight, kernel.view_as(kernel)))
    return channel_then_spatial(bottom, searchlight, kernel)


def gates(rows: Tensor, searchlight: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of positions (N, P, C): channel gates and the filter for the map as it is, (N, C), and spatial gates (N, P, 1).

    Gates are made in float32 at least and rounded to the map's precision once.
    """
    dtype = at_least_single(rows)
    gate = torch.sigmoid(searchlight.to(dtype))
    folded = (kernel.to(dtype) * gate).to(rows.dtype)
    return gate.to(rows.dtype), folded, torch.sigmoid(search(rows, folded))


def search(rows: Tensor, filters: Tensor) -> Tensor:
    """Each position's product with its image's filter: (N, P, C) and (N, C) to (N, P, 1)."""
    if torch.compiler.is_compiling():
        return (rows * filters[:, None]).sum(2, keepdim=True)  # fused, where a matrix product would stand alone
    # Ten times as fast on a CPU as the same product the other way round.
    return torch.bmm(filters[:, None], rows.transpose(1, 2)).transpose(1, 2)


def channel_then_spatial(bottom: Tensor, searchlight: Tensor, kernel: Tensor) -> Tensor:
    """Equations 6 to 8 for a map (N, C, H, W), in two readings of it: ``sum_c k_c (g_c x_c) = sum_c (k_c g_c) x_c``."""
    rows = rows_of(bottom)
    gate, _, look = gates(rows, searchlight, kernel)
    return map_of((rows * gate[:, None]).mul_(look), bottom)


class ChannelThenSpatial(torch.autograd.Function):
    """As :func:`channel_then_spatial`; keeps its inputs only, and makes the gates anew in the backward pass."""

    @staticmethod
    def forward(ctx: Any, bottom: Tensor, searchlight: Tensor, kernel: Tensor) -> Tensor:
        """The next bottom map."""
        ctx.save_for_backward(bottom, searchlight, kernel)
        return channel_then_spatial(bottom, searchlight, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of map, searchlight and filter."""
        bottom, searchlight, kernel = ctx.saved_tensors
        rows, to_rows = rows_of(bottom), rows_of(to_out)
        gate, folded, look = gates(rows, searchlight, kernel)
        product = to_rows * rows
        to_gate = torch.bmm(look.transpose(1, 2), product)[:, 0]
        to_look = search(product, gate) * (look * (1 - look))
        to_folded = torch.bmm(to_look.transpose(1, 2), rows)[:, 0]
        del product  # its memory serves the next line
        to_bottom = (to_rows * gate[:, None]).mul_(look).baddbmm_(to_look, folded[:, None])
        to_searchlight = (to_gate + kernel * to_folded) * gate * (1 - gate)
        to_kernel = gate * to_folded
        return map_of(to_bottom, bottom), to_searchlight.to(searchlight.dtype), to_kernel.to(kernel.dtype)
