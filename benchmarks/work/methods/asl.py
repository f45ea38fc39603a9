"""Multi-label classification with the asymmetric loss (ASL, Ridnik et al., ICCV 2021, arXiv 2009.14119).

Symbols, theirs in brackets: ``gamma_negative`` and ``gamma_positive`` (gamma- and gamma+), ``clip`` (m), probability
(p). The head is global average pooling and one linear layer; with feedback, the last step's map is used.

As the equations have it, the gradient runs through the focusing weight too; the authors' training code cuts it there.
That code also sums over images, keeps biases and norms out of the weight decay, does not normalize images, reports the
better of weights and their moving average at their best epoch, and counts a class as present above 0.8, which is the
default threshold of F1 here.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.backbone import Backbone
from benchmarks.work.loop import Objective
from benchmarks.work.methods.method import Method, channels_of, last_map

GAMMA_NEGATIVE, GAMMA_POSITIVE, CLIP = 4.0, 0.0, 0.05


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    gamma_negative: float = GAMMA_NEGATIVE,
    gamma_positive: float = GAMMA_POSITIVE,
    clip: float = CLIP,
) -> Tensor:
    """Equations 4 to 7: focusing of negatives and positives apart, negatives shifted by a margin.

    Computed from the logarithms of p and 1 - p, so that gradients are finite and right however far logits reach.

    Args:
        logits: (N, K); half precision is widened.
        targets: Ones and zeros (N, K).
        gamma_negative: Focusing of absent classes.
        gamma_positive: Focusing of present ones.
        clip: Probability up to which an absent class costs nothing.

    Returns:
        The sum over classes, mean over images (the authors' code sums over images too).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_present, log_absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    positive = (gamma_positive * log_absent).exp() * log_present
    if clip:
        negative = shifted_negative(logits, gamma_negative, clip)
    else:
        negative = (gamma_negative * log_present).exp() * log_absent
    return -(targets * positive + (1 - targets) * negative).sum(dim=1).mean()


def shifted_negative(logits: Tensor, gamma: float, clip: float) -> Tensor:
    """``p_m ** gamma * log(1 - p_m)`` of equations 5 and 6, ``p_m = max(p - clip, 0)``, at logits of any shape.

    Where the margin takes all, the power's slope can be infinite though the product's is 0: it is not computed there.
    All comes from 1 - p, whose slope is exact where p is rounded to 1.
    """
    absent = torch.sigmoid(-logits)
    costs = absent < 1 - clip
    shifted = torch.where(costs, (1 - clip) - absent, 0.5)
    # Each logarithm where it is the more exact.
    small = shifted < 0.5
    log_rest = torch.where(small, torch.log1p(-torch.where(small, shifted, 0.0)), torch.log(absent + clip))
    return torch.where(costs, shifted**gamma * log_rest, 0.0)


class MultiLabelNetwork(nn.Module):
    """Global average pooling and a linear layer on a backbone's last feature map.

    Args:
        backbone: Its classifier is taken away.
        num_classes: K.

    Shape: (N, 3, H, W) to probabilities (N, K), each class by itself.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        channels = channels_of(backbone)
        backbone.drop_classifier()
        self.backbone = backbone
        self.classifier = nn.Linear(channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (N, K)."""
        out: Tensor = self.classifier(last_map(self.backbone, x).mean((2, 3)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x).float())


class AsymmetricLoss(Objective):
    """The asymmetric loss of a network's logits."""

    def __init__(self, network: MultiLabelNetwork) -> None:
        super().__init__()
        self.network: MultiLabelNetwork = network

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        return asymmetric_loss(self.network.logits(images), targets)


METHOD = Method(MultiLabelNetwork, lambda network: AsymmetricLoss(cast(MultiLabelNetwork, network)))
