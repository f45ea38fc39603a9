"""From images to predictions: one pass, each image decoded once, for all models at all resolutions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet, UnreadableImage
from benchmarks.metrics.accuracy import BOX, CLASSES, SCORES, TOP, undecided
from benchmarks.metrics.boxes import released_box
from benchmarks.networks.maps import class_maps

# A batch of several views holds as many images as fill this many times the pixels of a batch at its smallest demand.
VIEWS_FACTOR = 16
UNKNOWN = -1


class View(NamedTuple):
    """How an image is shown to a network: bicubic resize of the shorter side to resolution / crop, then a center crop.

    Attributes:
        resolution: Side of the network's input in pixels.
        crop: Side of the center crop over the resized shorter side.
        squashed: Both sides are resized to it, without regard to the image's proportions.
    """

    resolution: int
    crop: float
    squashed: bool = False


@dataclass(frozen=True)
class Predictions:
    """What one model said of a set of images.

    Attributes:
        table: One row per image and step, see ``benchmarks.metrics.accuracy``.
        unreadable: One line for each image that could not be read.
    """

    table: pd.DataFrame
    unreadable: list[str]


class Sample(NamedTuple):
    """An image of a set by its position: uint8 (3, H, W), or None and why it cannot be read."""

    position: int
    pixels: Tensor | None
    reason: str


class Batch(NamedTuple):
    """Images: positions in the set, sizes, uint8 (N, 3, R, R) by view; and reasons for those left out."""

    positions: list[int]
    sizes: list[tuple[int, int]]
    views: list[Tensor]
    reasons: list[str]


class ShardedImages(Dataset[Sample]):
    """This process's share of an image set; an unreadable image is passed on by its reason."""

    def __init__(self, images: ImageSet, count: int | None) -> None:
        everything = range(len(images) if count is None else min(count, len(images)))
        self.indices = distributed.shard(everything, distributed.rank(), distributed.size())
        self.images = images

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Sample:
        index = self.indices[position]
        try:
            return Sample(index, tensor_of(self.images.image(index)), "")
        except UnreadableImage as error:
            return Sample(index, None, str(error))


def tensor_of(picture: Image.Image) -> Tensor:
    """An RGB picture as uint8 (3, H, W), channels varying fastest in memory as the picture has them."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def show(pixels: Tensor, view: View) -> Tensor:
    """A view of images: uint8 (..., 3, H, W) to (..., 3, R, R). Within 2 levels of Pillow's resize, and much faster."""
    side = round(view.resolution / view.crop)
    wanted = [side, side] if view.squashed else [side]
    if min(pixels.shape[-2:]) != side or (view.squashed and pixels.shape[-2] != pixels.shape[-1]):
        pixels = F.resize(pixels, wanted, interpolation=InterpolationMode.BICUBIC, antialias=True)
    if tuple(pixels.shape[-2:]) != (view.resolution, view.resolution):
        pixels = F.center_crop(pixels, [view.resolution])
    return pixels


def make_batch(samples: Sequence[Sample], views: Sequence[View]) -> Batch:
    """What each view shows of the images that could be read, and the reasons of those that could not."""
    positions = [sample.position for sample in samples if sample.pixels is not None]
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    sizes = [(one.shape[1], one.shape[2]) for one in pixels]
    reasons = [sample.reason for sample in samples if sample.pixels is None]
    if not pixels:
        return Batch([], [], [], reasons)
    if len(set(sizes)) == 1:  # images of one size are resized in one go
        together = torch.stack([one.permute(1, 2, 0) for one in pixels]).permute(0, 3, 1, 2)
        return Batch(positions, sizes, [show(together, view) for view in views], reasons)
    return Batch(positions, sizes, [torch.stack([show(one, view) for one in pixels]) for view in views], reasons)


def normalized(pixels: Tensor, device: torch.device) -> Tensor:
    """A network's input from uint8 (N, 3, H, W): ImageNet's normalization, float32, channels_last, on the device."""
    inputs = pixels.to(device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last)
    # In memory channels vary fastest: whole rows at a time, which is far quicker than three values.
    rows = inputs.permute(0, 2, 3, 1).flatten(2)
    mean = torch.tensor(IMAGENET_MEAN, device=device).mul_(255).repeat(inputs.shape[3])
    scale = torch.tensor(IMAGENET_STD, device=device).mul_(255).reciprocal_().repeat(inputs.shape[3])
    rows.sub_(mean).mul_(scale)
    return inputs


def batches(
    images: ImageSet, views: Sequence[View], device: torch.device, batch: int, workers: int, count: int | None
) -> Iterator[Batch]:
    """This process's images in batches, each decoded once; the memory of a batch does not grow with its views."""
    pixels = [view.resolution**2 for view in views]
    fitting = VIEWS_FACTOR * batch * min(pixels) // sum(pixels)
    yield from DataLoader(
        ShardedImages(images, count),
        max(1, min(batch, fitting)),
        num_workers=workers,
        collate_fn=partial(make_batch, views=views),
        pin_memory=device.type == "cuda",
    )


@dataclass
class Collected:
    """One model's predictions batch by batch: arrays (T, N, k) of classes and scores, and (T, N, 4) of boxes."""

    classes: list[np.ndarray] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)

    def add(self, found: "tuple[np.ndarray, np.ndarray, np.ndarray]") -> None:
        """Keep a batch's predictions."""
        for kept, array in zip((self.classes, self.scores, self.boxes), found, strict=True):
            kept.append(array)


def predict(
    networks: Mapping[str, Backbone],
    wanted: Mapping[View, Sequence[str]],
    images: ImageSet,
    device: torch.device,
    batch: int,
    workers: int = 0,
    count: int | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> dict[tuple[View, str], Predictions]:
    """Predictions of all models under all views in one pass over the images, shared among the processes.

    Args:
        networks: By name.
        wanted: The names of the networks that see each view.
        images: The image set.
        device: Where to run.
        batch: Images of a step; fewer where views are many or large.
        workers: Loader processes.
        count: The first so many images, None for all.
        progress: Called with the number of images of each step.

    Returns:
        By view and name, every image once, whatever the number of processes; complete on every process.
    """
    views = list(wanted)
    collected = {(view, name): Collected() for view in views for name in wanted[view]}
    indices: list[int] = []
    reasons: list[str] = []
    put(networks.values(), device)
    with torch.inference_mode():
        for found in batches(images, views, device, batch, workers, count):
            labels = np.array([images.labels[i] for i in found.positions])
            for view, pixels in zip(views, found.views, strict=False):
                inputs = normalized(pixels, device)
                for name in wanted[view]:
                    collected[view, name].add(predict_batch(networks[name], inputs, labels))
            indices += found.positions
            reasons += found.reasons
            progress((len(found.positions) + len(found.reasons)) * distributed.size())
    shards = distributed.gather((indices, collected, reasons))
    unreadable = sorted(reason for _, _, found in shards for reason in found)
    return {
        key: Predictions(assemble(images, [(shard[0], shard[1][key]) for shard in shards]), unreadable)
        for key in collected
    }


def put(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Make networks ready for evaluation on a device."""
    for network in networks:
        network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def run_steps(network: Backbone, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
    """The forward passes: feature maps (N, C, h, w) of each step, and logits (T, N, K)."""
    trunk = network.trunk(inputs)
    feature_maps = [network.feature_map(trunk, step) for step in range(1, network.steps + 1)]
    return feature_maps, torch.stack([network.classify(feature_map) for feature_map in feature_maps])


def predict_batch(network: Backbone, inputs: Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best classes and probabilities (T, N, k) by step, k at most 5, and released boxes (T, N, 4) of the top class.

    A box is made only where it can change a result (see ``undecided``), and is ``UNKNOWN`` elsewhere.
    """
    feature_maps, logits = run_steps(network, inputs)
    scores, classes = logits.float().softmax(dim=2).topk(min(TOP, logits.shape[2]))
    best, shares = classes.cpu().numpy().astype(np.int16), scores.cpu().numpy()
    boxes = np.full((len(feature_maps), len(inputs), 4), UNKNOWN, np.int16)
    if len(feature_maps) > 1:
        hits, confidence = best == labels[:, None], shares[:, :, 0].T
        needed = undecided(hits[:, :, 0].T, confidence) | undecided(hits.any(axis=2).T, confidence)
        chosen = torch.from_numpy(np.flatnonzero(needed)).to(inputs.device)
        for step, feature_map in enumerate(feature_maps if len(chosen) else []):
            maps = class_maps(network, feature_map[chosen], classes[step, chosen, :1])[:, 0].float().cpu().numpy()
            boxes[step, needed] = [released_box(cam, (inputs.shape[2], inputs.shape[3])) for cam in maps]
    return best, shares, boxes


def assemble(images: ImageSet, shards: Sequence[tuple[list[int], Collected]]) -> pd.DataFrame:
    """All processes' predictions as one table, in the order of id and step."""
    positions = [position for found, _ in shards for position in found]
    parts = [collected for _, collected in shards if collected.classes]
    if not parts:
        return pd.DataFrame(columns=["id", "label", "step", *CLASSES, *SCORES, *BOX])
    ids = np.array([images.ids[i] for i in positions], dtype=object)
    order = np.argsort(ids, kind="stable")
    classes, scores, boxes = (joined(parts, name)[order] for name in ("classes", "scores", "boxes"))
    steps = classes.shape[1]
    columns: dict[str, np.ndarray] = {
        "id": ids[order].repeat(steps),
        "label": np.array([images.labels[i] for i in positions])[order].repeat(steps),
        "step": np.tile(np.arange(1, steps + 1), len(order)),
    }
    # Fewer classes than five leave the last columns without.
    columns |= dict.fromkeys(CLASSES, np.full(steps * len(order), UNKNOWN, np.int16))
    columns |= dict.fromkeys(SCORES, np.full(steps * len(order), np.nan, np.float32))
    known = np.where(boxes == UNKNOWN, np.nan, boxes.astype(np.float32))
    for names, array in ((CLASSES, classes), (SCORES, scores), (BOX, known)):
        columns |= {name: array[:, :, k].reshape(-1) for k, name in enumerate(names[: array.shape[2]])}
    return pd.DataFrame(columns)


def joined(parts: Sequence[Collected], name: str) -> np.ndarray:
    """All batches' arrays (T, n, k) of one kind as one (N, T, k)."""
    return np.concatenate([array for part in parts for array in getattr(part, name)], axis=1).transpose(1, 0, 2)
