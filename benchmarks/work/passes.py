"""One pass over an image set for all that is asked of it: each image is decoded once, each view of a batch made once.

What a pass keeps is its collectors' matter. Each gives, batch by batch, a part: a plain dictionary of arrays whose
first axis is the image. Parts of all processes come together in :func:`whole`, and nowhere else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from baselines.backbone import Backbone
from benchmarks.core import distributed
from benchmarks.data.boxes import resized_side
from benchmarks.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet, UnreadableImage
from benchmarks.work.session import Session

# A batch of several views holds as many images as fill this many times the pixels of a batch at its smallest demand.
VIEWS_FACTOR = 16

# Arrays (N, ...) by name; ``position`` (N,) is the images' place in their set.
Part = dict[str, np.ndarray]


class View(NamedTuple):
    """How an image is shown to a network: bicubic resize of the shorter side, then a center crop.

    Attributes:
        resolution: Side of the network's input in pixels.
        crop: Side of the center crop over the resized shorter side, see :func:`benchmarks.data.boxes.resized_side`.
        squashed: Both sides are resized to it, without regard to the image's proportions.
    """

    resolution: int
    crop: float
    squashed: bool = False


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
    side = resized_side(view.resolution, view.crop)
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


@dataclass(frozen=True)
class Show:
    """How images are shown to networks.

    Attributes:
        images: The image set.
        device: Where networks run.
        batch: Images of a step; fewer where views are many or large.
        workers: Loader processes.
        count: The first so many images, None for all.
    """

    images: ImageSet
    device: torch.device
    batch: int
    workers: int = 0
    count: int | None = None


def evaluated(split: str, session: Session) -> Show:
    """How a run shows an image set that networks are evaluated on."""
    device, count = torch.device(session.device), session.profile.val_count
    return Show(session.image_set(split), device, session.profile.batch, session.loaders(split), count)


class Shown(NamedTuple):
    """Images of a batch under one view.

    Attributes:
        inputs: Normalized, float32 (N, 3, R, R), on the device.
        pixels: The same images as uint8 (N, 3, R, R).
        positions: Their places in the set, int64 (N,).
        labels: Their class indices, int64 (N,).
        sizes: Height and width of each as stored, in pixels.
    """

    inputs: Tensor
    pixels: Tensor
    positions: np.ndarray
    labels: np.ndarray
    sizes: list[tuple[int, int]]

    def only(self, places: Sequence[int]) -> "Shown":
        """Some of the images, by their place in the batch."""
        return Shown(
            self.inputs[places].contiguous(memory_format=torch.channels_last),
            self.pixels[places],
            self.positions[places],
            self.labels[places],
            [self.sizes[place] for place in places],
        )


class Collector(ABC):
    """What is asked of one network under one view.

    Attributes:
        view: What the network sees of an image.
        network: The network; collectors may share one.
    """

    view: View
    network: nn.Module

    def __init__(self, view: View, network: nn.Module) -> None:
        self.view = view
        self.network = network

    def unusable(self, position: int, size: tuple[int, int]) -> str | None:
        """Why an image of this stored height and width is left out, in a line; None where it can be used."""
        return None

    @abstractmethod
    def collect(self, shown: Shown) -> Part:
        """The part of a batch: arrays (N, ...) by name, ``position`` among them."""

    def keep(self, kept: list[Part], part: Part) -> None:
        """Put a batch's part with those before it; a collector whose parts add up merges here, to keep memory flat."""
        kept.append(part)

    def merge(self, parts: Sequence[Part]) -> Part:
        """All parts as one, its images in the order of their positions; of none, no positions."""
        if not parts:
            return {"position": np.empty(0, np.int64)}
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(joined["position"], kind="stable")
        return {name: array[order] for name, array in joined.items()}


class Collected(NamedTuple):
    """What a collector has in the end.

    Attributes:
        part: Of all images.
        unreadable: One line for each image that was left out.
    """

    part: Part
    unreadable: list[str]


@dataclass
class Kept:
    """What one process has of one collector so far: parts, and reasons of images left out."""

    parts: list[Part]
    reasons: list[str]


def run_pass(collectors: Sequence[Collector], how: Show, advance: Callable[[int], None]) -> list[Collected]:
    """Show every image once to all collectors' networks; the processes share the images.

    Args:
        collectors: What is asked; each of their views is made once for all of them.
        how: Which images, and how.
        advance: Told how many images a step was, of all processes.

    Returns:
        For each collector what it has of every image, whatever the number of processes; complete on every process.
    """
    views = list(dict.fromkeys(collector.view for collector in collectors))
    kept = [Kept([], []) for _ in collectors]
    reasons: list[str] = []
    put((collector.network for collector in collectors), how.device)
    with torch.inference_mode():
        for batch in batches(how.images, views, how.device, how.batch, how.workers, how.count):
            for view, pixels in zip(views, batch.views, strict=False):
                shown = shown_batch(batch, pixels, how)
                for collector, own in zip(collectors, kept, strict=True):
                    if collector.view == view:
                        take(collector, shown, own)
            reasons += batch.reasons
            advance((len(batch.positions) + len(batch.reasons)) * distributed.size())
    shards = distributed.gather((kept, reasons))
    everywhere = [reason for _, shard in shards for reason in shard]
    return [
        whole(collector, [shard[place] for shard, _ in shards], everywhere)
        for place, collector in enumerate(collectors)
    ]


def shown_batch(batch: Batch, pixels: Tensor, how: Show) -> Shown:
    """A batch under one view, as collectors take it."""
    positions = np.array(batch.positions, np.int64)
    labels = np.array([how.images.labels[position] for position in batch.positions], np.int64)
    return Shown(normalized(pixels, how.device), pixels, positions, labels, batch.sizes)


def take(collector: Collector, shown: Shown, own: Kept) -> None:
    """Let a collector have a batch, but for the images that it cannot use."""
    why = [collector.unusable(*one) for one in zip(shown.positions.tolist(), shown.sizes, strict=True)]
    usable = [place for place, reason in enumerate(why) if reason is None]
    own.reasons += [reason for reason in why if reason is not None]
    if usable:
        part = collector.collect(shown if len(usable) == len(why) else shown.only(usable))
        collector.keep(own.parts, part)


def whole(collector: Collector, shards: Sequence[Kept], unreadable: Sequence[str]) -> Collected:
    """One collector's parts of all processes as one, with the reasons of the images that it lacks."""
    reasons = [*unreadable, *(reason for shard in shards for reason in shard.reasons)]
    return Collected(collector.merge([part for shard in shards for part in shard.parts]), sorted(reasons))


def put(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Make networks ready for evaluation on a device."""
    for network in networks:
        network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def run_steps(network: Backbone, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
    """The forward passes: feature maps (N, C, h, w) of each step, and logits (T, N, K)."""
    trunk = network.trunk(inputs)
    feature_maps = [network.feature_map(trunk, step) for step in range(1, network.steps + 1)]
    return feature_maps, torch.stack([network.classify(feature_map) for feature_map in feature_maps])
