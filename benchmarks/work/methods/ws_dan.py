"""Fine-grained classification by weakly supervised data augmentation (WS-DAN, Hu et al. 2019, arXiv 1901.09891).

Symbols, theirs in brackets: ``feature_map`` (F), ``maps`` (A, M of them), ``matrix`` (P, one part feature f_k for each
map), ``centers`` (c_k), ``rate`` (beta), ``threshold`` (theta_c and theta_d).

There are the authors' code in TensorFlow and another in PyTorch, which mostly agree. Where the paper and they differ,
or the paper is silent:

- maps come from a 1 x 1 convolution, batch norm and ReLU, as in PyTorch; the authors take them from inside Inception;
- the signed square root, the L2 norm and the factor of 100 before the classifier are the codes';
- centers are kept for each class, as in both codes; ``centers="global"`` has one for all, as equation 6 reads. They
  move by the mean over a batch's images of a class (the codes: by the sum, or by the last image), and are not brought
  to length 1 before use, as both codes do;
- one map, drawn uniformly, guides crop and drop, with thresholds of 0.5 of its range, as the paper has them; the codes
  draw a map for each, by the roots of their means, and threshold at random shares (0.4 to 0.6, 0.2 to 0.5) of its
  maximum;
- the threshold of the object (0.1, here of the range, there of the maximum), and that a crop grows by a tenth of the
  image on each side in training and by a twentieth in testing, are the codes';
- the prediction is the mean of both probabilities, as the paper and the authors have it; PyTorch averages logits.

With feedback, the last step's map is used.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from baselines.backbone import Backbone
from benchmarks.work.loop import Objective
from benchmarks.work.methods.method import Method, channels_of, last_map

MAPS = 32
SCALE = 100.0
RATE = 0.05
THRESHOLD = 0.5
OBJECT_THRESHOLD = 0.1
TRAINING_PADDING, TESTING_PADDING = 0.1, 0.05
EPSILON = 1e-12


class Parts(NamedTuple):
    """What the network sees in images.

    Attributes:
        matrix: Part features (N, M * C), of length 1 for each image.
        maps: Attention maps (N, M, h, w), not negative.
        logits: (N, K).
    """

    matrix: Tensor
    maps: Tensor
    logits: Tensor


def bilinear_attention_pooling(feature_map: Tensor, maps: Tensor) -> Tensor:
    """Equations 2 and 3: each map times the features, averaged over the places; then signed root and L2 norm.

    Args:
        feature_map: (N, C, h, w).
        maps: (N, M, h, w).

    Returns:
        (N, M * C), the C features of the first map first.
    """
    area = feature_map.shape[2] * feature_map.shape[3]
    matrix = torch.einsum("nmhw,nchw->nmc", maps.float(), feature_map.float()).flatten(1) / area
    # The root's slope at zero is infinite. In half precision the small number would be zero: WS-DAN trains without.
    rooted = matrix.sign() * torch.sqrt(matrix.abs() + EPSILON)
    return F.normalize(rooted, dim=1)


def min_max(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Equation 8: maps (N, h, w) resized to the images' size and scaled from 0 to 1; a constant map is all zeros."""
    large = F.interpolate(maps[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
    low, high = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
    return torch.where(high > low, (large - low) / (high - low).clamp(min=EPSILON), torch.zeros_like(large))


def crop_boxes(scaled: Tensor, threshold: float, padding: float) -> Tensor:
    """Equation 9: boxes around what of the scaled maps (N, H, W) lies above the threshold, enlarged.

    Args:
        scaled: From 0 to 1.
        threshold: Below 1.
        padding: Enlargement at each side, as a share of the image's side.

    Returns:
        (N, 4) as x0, y0, x1, y1 in pixels, edges included; the whole image where nothing lies above.
    """
    height, width = scaled.shape[1:]
    above = scaled > threshold
    edges = []
    for seen, side in ((above.any(dim=1), width), (above.any(dim=2), height)):
        there = seen.any(dim=1)
        first = seen.int().argmax(dim=1)
        last = side - seen.int().flip(1).argmax(dim=1)
        low = (first - padding * side).clamp(min=0) * there
        high = torch.where(there, (last + padding * side).clamp(max=side), torch.full_like(low, side))
        edges.append((low, high))
    (x0, x1), (y0, y1) = edges
    return torch.stack([x0, y0, x1, y1], dim=1)


def cropped(images: Tensor, boxes: Tensor) -> Tensor:
    """The boxes of images (N, 3, H, W), resized to the images' size (bilinear)."""
    size = (images.shape[2], images.shape[3])
    one_each = list(boxes.to(images.dtype)[:, None].unbind(0))
    out: Tensor = roi_align(images, one_each, size, sampling_ratio=1, aligned=True)
    return out


class WSDAN(nn.Module):
    """Attention maps, bilinear attention pooling and a classifier on a backbone's last feature map.

    Args:
        backbone: Its classifier is taken away.
        num_classes: K.
        maps: M.

    Shape: (N, 3, H, W) to probabilities (N, K), coarse to fine: the mean of those of the image and of its object.
    """

    def __init__(self, backbone: Backbone, num_classes: int, maps: int = MAPS) -> None:
        super().__init__()
        channels = channels_of(backbone)
        backbone.drop_classifier()
        self.backbone = backbone
        self.attention = nn.Sequential(nn.Conv2d(channels, maps, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU())
        self.classifier = nn.Linear(maps * channels, num_classes, bias=False)
        nn.init.kaiming_normal_(cast(nn.Conv2d, self.attention[0]).weight, mode="fan_out", nonlinearity="relu")

    def parts(self, x: Tensor) -> Parts:
        """What the network sees in normalized images."""
        feature_map = last_map(self.backbone, x)
        maps = self.attention(feature_map)
        matrix = bilinear_attention_pooling(feature_map, maps)
        return Parts(matrix, maps, self.classifier(SCALE * matrix))

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.parts(x)
        scaled = min_max(coarse.maps.mean(dim=1), (x.shape[2], x.shape[3]))
        fine = self.parts(cropped(x, crop_boxes(scaled, OBJECT_THRESHOLD, TESTING_PADDING)))
        return (coarse.logits.float().softmax(dim=1) + fine.logits.float().softmax(dim=1)) / 2


class AttentionCenters(nn.Module):
    """Attention regularization (equations 6 and 7): part features are drawn to centers that follow them.

    The centers start at zero. Under several processes each follows its own images, and the first one's centers count.

    Args:
        rows: Centers kept: K for one of each class, 1 for one of all.
        width: M * C.
        rate: Share of the way that a center moves towards the mean of a batch's part features.
    """

    centers: Tensor

    def __init__(self, rows: int, width: int, rate: float = RATE) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("centers", torch.zeros(rows, width))

    def forward(self, matrix: Tensor, labels: Tensor) -> Tensor:
        """The mean over images of the squared distance to the center (before the move); then move the centers."""
        rows = labels % len(self.centers)
        away = matrix - self.centers[rows]
        self.move(away.detach(), rows)
        return away.square().sum(dim=1).mean()

    @torch.no_grad()
    def move(self, away: Tensor, rows: Tensor) -> None:
        """Move each center by the mean of what its images are away from it."""
        counts = torch.bincount(rows, minlength=len(self.centers)).clamp(min=1)
        total = torch.zeros_like(self.centers).index_add_(0, rows, away)
        self.centers += self.rate * total / counts[:, None]


class WSDANObjective(Objective):
    """Cross-entropy of the image, of a crop and of a drop guided by one of its maps, plus attention regularization.

    Args:
        network: The network.
        centers: ``class`` or ``global``, see the module's docstring.
    """

    def __init__(self, network: WSDAN, centers: str = "class") -> None:
        super().__init__()
        if centers not in ROWS:
            raise ValueError(f"unknown centers {centers!r}; choose one of {', '.join(ROWS)}")
        self.network: WSDAN = network
        self.centers = AttentionCenters(ROWS[centers](network.classifier), network.classifier.in_features)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        seen = self.network.parts(images)
        crops, drops = augmented(images, seen.maps.detach())
        views = (seen.logits, self.network.parts(crops).logits, self.network.parts(drops).logits)
        classified = torch.stack([F.cross_entropy(logits, targets) for logits in views]).mean()
        loss: Tensor = classified + self.centers(seen.matrix, targets)
        return loss


ROWS: dict[str, Callable[[nn.Linear], int]] = {"class": lambda last: last.out_features, "global": lambda last: 1}


def augmented(images: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Equations 8 to 10: of each image a crop around one of its maps, drawn at random, and a drop of the same place.

    Args:
        images: (N, 3, H, W).
        maps: (N, M, h, w).

    Returns:
        Crops, resized to the images' size, and images that are zero where the map is high, both (N, 3, H, W).
    """
    chosen = torch.randint(maps.shape[1], (len(maps),), device=maps.device)
    guide = maps[torch.arange(len(maps), device=maps.device), chosen]
    scaled = min_max(guide, (images.shape[2], images.shape[3]))
    crops = cropped(images, crop_boxes(scaled, THRESHOLD, TRAINING_PADDING))
    return crops, images * (scaled <= THRESHOLD)[:, None]


METHOD = Method(WSDAN, lambda network: WSDANObjective(cast(WSDAN, network)))
