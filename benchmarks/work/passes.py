"""One pass over an image set for all that is asked of it: each image is decoded once, each view of a batch made once.

What a pass keeps is its collectors' matter. Each gives, batch by batch, a part: a plain dictionary of arrays. Every few
thousand images they go to a shelf, see ``benchmarks.work.shelves``. A collector whose network is in trouble is left
out from there on; the others go on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
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
from benchmarks.core.processes import leave_endings, one_line
from benchmarks.data.boxes import resized_side
from benchmarks.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet, UnreadableImage
from benchmarks.measure.device import empty_cache
from benchmarks.work.finishing import Finish, Finishing
from benchmarks.work.profiles import PIXELS_ON_CPU
from benchmarks.work.session import Session
from benchmarks.work.shelves import TOGETHER, Memory, Part, Rows, Shelf, Stretch, joined

# A batch of several views holds as many images as fill this many times the pixels of a batch at its smallest demand.
VIEWS_FACTOR = 16

# What torch says where its allocator has no error of its own: on the CPU, on MPS.
NO_MEMORY = ("can't allocate memory", "MPS backend out of memory")


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


class ShownImages(Dataset[Sample]):
    """The images of a set by position; an unreadable one is passed on by its reason."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> Sample:
        try:
            return Sample(position, tensor_of(self.images.image(position)), "")
        except UnreadableImage as error:
            return Sample(position, None, str(error))


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


def batches(how: "Show", views: Sequence[View], chosen: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """Batches of chosen positions, each image decoded once."""
    yield from DataLoader(
        ShownImages(how.images),
        batch_sampler=[list(positions) for positions in chosen],
        num_workers=how.workers,
        collate_fn=partial(make_batch, views=views),
        pin_memory=how.device.type == "cuda",
        worker_init_fn=leave_endings,
    )


@dataclass(frozen=True)
class Show:
    """How images are shown to networks.

    Attributes:
        images: The image set.
        device: Where networks run.
        batch: Images of a step; fewer where views are many, or large for the CPU.
        workers: Loader processes, and as many that finish batches.
        count: The first so many images, None for all.
        together: Images that are put on a shelf together.
        decode: Where pictures are decoded, ``cpu`` or ``device``.
        share: Which of the stretches this run shows, and of how many runs: those that follow each other so far apart.
    """

    images: ImageSet
    device: torch.device
    batch: int
    workers: int = 0
    count: int | None = None
    together: int = TOGETHER
    decode: str = "cpu"
    share: tuple[int, int] = (0, 1)

    @property
    def total(self) -> int:
        """How many images are shown."""
        return len(self.images) if self.count is None else min(self.count, len(self.images))

    def stretches(self, views: Sequence[View]) -> list[list[range]]:
        """The images in stretches, each in batches, the same for any number of processes.

        The memory of a batch does not grow with its views, and on the CPU not with their size.
        """
        pixels = [view.resolution**2 for view in views]
        size = min(self.batch, VIEWS_FACTOR * self.batch * min(pixels) // sum(pixels))
        size = max(1, size if self.device.type != "cpu" else min(size, PIXELS_ON_CPU // max(pixels)))
        whole = [range(begin, min(begin + self.together, self.total)) for begin in range(0, self.total, self.together)]
        return [[one[place : place + size] for place in range(0, len(one), size)] for one in whole]


def evaluated(split: str, session: Session) -> Show:
    """How a run shows an image set that networks are evaluated on."""
    profile, device = session.profile, torch.device(session.device)
    images, workers = session.image_set(split), session.loaders(split)
    return Show(images, device, profile.batch, workers, profile.val_count, profile.together, share=session.share)


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
        rows_are_images: Whether rows of a part are images, so that it may end at any of them; else parts add up, and
            only equal shares of the images give equal sums to the bit.
        finish: What is left to do with a batch's part, which needs no network; None for nothing. Processes may do it
            while the next batches are shown, see :class:`benchmarks.work.finishing.Finishing`.
    """

    view: View
    network: nn.Module
    rows_are_images = True
    finish: Finish | None = None

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
        """Parts as one, in their order; of none, no positions."""
        return joined(parts) if parts else {"position": np.empty(0, np.int64)}


class Collected(NamedTuple):
    """What a collector has in the end.

    Attributes:
        part: Of all images, in the order of their positions.
        unreadable: One line for each image that was left out.
    """

    part: Part
    unreadable: list[str]


def run_pass(collectors: Sequence[Collector], how: Show, advance: Callable[[int], None]) -> list[Collected]:
    """Show every image once to all collectors' networks, and keep in memory what they have.

    Args:
        collectors: What is asked; each of their views is made once for all of them.
        how: Which images, and how; the processes share them.
        advance: Told how many images a step was, of all processes.

    Returns:
        For each collector what it has of every image, whatever the number of processes; complete on every process.

    Raises:
        NetworkTrouble: A network gives numbers that are not finite, or does not fit into memory.
    """
    passed = [Passing(collector, Memory()) for collector in collectors]
    pass_over(passed, how, advance)
    for one in passed:
        if one.trouble is not None:
            raise NetworkTrouble(one.trouble)
    return [one.collected() for one in passed]


class NetworkTrouble(ValueError):
    """A network cannot be evaluated; in one line why."""


class Taken(NamedTuple):
    """What a collector has of a batch.

    Attributes:
        part: Of the images that it could use, or what processes make of it; None where there were none.
        reasons: A line for each of the others.
    """

    part: Part | Future[Part] | None
    reasons: list[str]


NOTHING = Taken(None, [])


class Underway(NamedTuple):
    """What a collector has of neighboring images that are not on its shelf yet.

    Attributes:
        begin: The first of them.
        end: Behind the last one.
        kept: Their parts.
        unfinished: Those that processes make.
        reasons: A line for each of them that was left out.
    """

    begin: int
    end: int
    kept: list[Part]
    unfinished: list[Future[Part]]
    reasons: list[str]


class Passing:
    """A collector on its way through the images.

    A signal may come at any moment. What is under way is therefore replaced as a whole, by one assignment, and a batch
    belongs to it only when all of it does.

    Args:
        collector: What is asked.
        shelf: Where its parts go, and are, as far as it came before.

    Attributes:
        trouble: Why it is left out from some batch on, None where all is well.
        expected: Images that were all there when last looked, where other runs share the pass; else None.
        seen: Images that this process has shown it.
    """

    def __init__(self, collector: Collector, shelf: Shelf) -> None:
        self.collector, self.shelf = collector, shelf
        self.trouble: str | None = None
        self.held = shelf.covered()
        self.underway: Underway | None = None
        self.rows = Rows()
        self.expected: int | None = None
        self.seen = 0

    def lacks(self, total: int) -> np.ndarray:
        """Which of so many positions are not on the shelf (total,)."""
        lacks = np.ones(total, dtype=bool)
        for one in self.held:
            lacks[one.start : one.stop] = False
        return lacks

    def place(self, device: torch.device) -> None:
        """Make the network ready for evaluation on a device; trouble, such as no memory for it, ends its way."""
        try:
            self.collector.network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        except Exception as error:  # as in take
            self.trouble = one_line(error)

    def has(self, position: int) -> bool:
        """Whether an image was on the shelf before."""
        return any(position in one for one in self.held)

    def take(self, shown: Shown, finishing: Finishing) -> Taken:
        """What the collector has of a batch, but for the images that it has or cannot use; trouble ends its way."""
        places = zip(shown.positions.tolist(), shown.sizes, strict=True)
        why = {place: self.collector.unusable(*one) for place, one in enumerate(places) if not self.has(one[0])}
        usable = [place for place, reason in why.items() if reason is None]
        part: Part | Future[Part] | None = None
        try:
            if usable:
                some = shown if len(usable) == len(shown.positions) else shown.only(usable)
                part = collected(self.collector, some)
                if self.collector.finish is not None:
                    part = finishing.finish(self.collector.finish, part)
        except Exception as error:  # whatever it is, it is this network's own
            self.trouble = one_line(error)
        return Taken(part, [reason for reason in why.values() if reason is not None])

    def reach(self, positions: Sequence[int], taken: Taken, reasons: Sequence[str]) -> None:
        """A batch of these positions is done; of images that nobody could read there are reasons."""
        mine = [position for position in positions if not self.has(position)]
        if mine and self.trouble is None:
            before = self.underway or Underway(mine[0], mine[0], [], [], [])
            kept, unfinished = before.kept.copy(), before.unfinished.copy()
            if isinstance(taken.part, Future):
                unfinished.append(taken.part)
            elif taken.part is not None:
                part = self.rows.hold(taken.part) if self.collector.rows_are_images else taken.part
                self.collector.keep(kept, part)
            told = [*before.reasons, *taken.reasons, *reasons]
            self.underway = Underway(before.begin, mine[-1] + 1, kept, unfinished, told)
            self.seen += len(mine)

    def put(self) -> None:
        """Put on the shelf what came since the last time."""
        if self.underway is not None and self.trouble is None:
            self.settle(self.underway)
        self.underway, self.rows = None, Rows()

    def settle(self, underway: Underway) -> None:
        """Wait for what is not finished, and put all of it on the shelf."""
        try:
            parts = [*underway.kept, *(one.result() for one in underway.unfinished)]
        except Exception as error:  # as in take
            self.trouble = one_line(error)
            return
        part = self.collector.merge(parts)
        self.shelf.put(Stretch(underway.begin, underway.end, part, underway.reasons))

    def complete(self, total: int) -> bool:
        """Whether there is something of each of so many images; some may be other runs' matter."""
        self.expected = total
        return sum(map(len, self.shelf.covered())) == total

    def collected(self) -> Collected:
        """What there is of all images, in the order of their positions; every process must ask.

        Raises:
            FileNotFoundError: Some of it went while it was read: another run has made a record of it.
        """
        stretches = self.shelf.stretches()
        if self.expected is not None and sum(one.end - one.begin for one in stretches) != self.expected:
            raise FileNotFoundError(f"parts of {self.expected} images were here, and some have gone")
        part = self.collector.merge([one.part for one in stretches if any(map(len, one.part.values()))])
        return Collected(part, sorted(reason for one in stretches for reason in one.reasons))


def pass_over(passed: Sequence[Passing], how: Show, advance: Callable[[int], None]) -> None:
    """Show every image that is not on all shelves to the networks that lack it; the processes share the images.

    An interrupted pass puts on the shelves what it has.

    Args:
        passed: Collectors and their shelves.
        how: Which images, and how.
        advance: Told how many images a step was, of all processes.
    """
    for one in passed:
        one.place(how.device)
    nothing = np.zeros(how.total, dtype=bool)
    wanted = np.any([nothing, *(one.lacks(how.total) for one in passed if one.trouble is None)], axis=0)
    advance(int(how.total - wanted.sum()))
    mine = distributed.shard(how.stretches(views_of(passed)), *how.share)
    plan = [
        [at for at in ([place for place in batch if wanted[place]] for batch in stretch) if at]
        for stretch in distributed.shard(mine, distributed.rank(), distributed.size())
    ]
    with torch.inference_mode(), Finishing(how.workers) as finishing:
        try:
            show_all(passed, plan, how, finishing, advance)
        except KeyboardInterrupt:
            for one in passed:
                if one.collector.rows_are_images:
                    one.put()
            raise
    share_troubles(passed)


def show_all(
    passed: Sequence[Passing],
    plan: Sequence[Sequence[Sequence[int]]],
    how: Show,
    finishing: Finishing,
    advance: Callable[[int], None],
) -> None:
    """Show the batches of stretches, and put each stretch on the shelves; the rest as of :func:`pass_over`.

    Ends early where every network is in trouble.
    """
    shown = given(how)(how, views_of(passed), [positions for stretch in plan for positions in stretch])
    for stretch in plan:
        for positions, batch in zip(stretch, shown, strict=False):
            if all(one.trouble is not None for one in passed):
                return
            taken = show_batch(passed, batch, how, finishing)
            for one in passed:
                one.reach(positions, taken.get(one, NOTHING), batch.reasons)
            advance(len(positions) * distributed.size())
        for one in passed:
            one.put()


def views_of(passed: Sequence[Passing]) -> list[View]:
    """The views that are asked for, each once."""
    return list(dict.fromkeys(one.collector.view for one in passed))


def given(how: Show) -> "Callable[[Show, Sequence[View], Sequence[Sequence[int]]], Iterator[Batch]]":
    """What makes batches: :func:`batches`, or its like on a device."""
    if how.decode == "cpu":
        return batches
    from benchmarks.work.decoding import decoded_batches

    return decoded_batches


def show_batch(passed: Sequence[Passing], batch: Batch, how: Show, finishing: Finishing) -> dict[Passing, Taken]:
    """Show a batch to all networks that are not in trouble, each under its view; what each takes."""
    taken: dict[Passing, Taken] = {}
    for view, pixels in zip(views_of(passed), batch.views, strict=False):
        asked = [one for one in passed if one.collector.view == view and one.trouble is None]
        if asked:
            shown = shown_batch(batch, pixels, how)
            for one in asked:
                taken[one] = one.take(shown, finishing)
    return taken


def share_troubles(passed: Sequence[Passing]) -> None:
    """Let every process know of every trouble; behind this all parts are on their shelves."""
    told = distributed.gather([one.trouble for one in passed])
    for place, one in enumerate(passed):
        one.trouble = next((shard[place] for shard in told if shard[place] is not None), None)


def collected(collector: Collector, shown: Shown) -> Part:
    """The part of a batch; where memory is short, of smaller and smaller batches.

    Raises:
        NetworkTrouble: It is too short for a single image.
    """
    try:
        return collector.collect(shown)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        count, side = len(shown.positions), shown.inputs.shape[3]
        if count == 1:
            raise NetworkTrouble(f"out of memory with a single image of {side} x {side} pixels") from error
    empty_cache(shown.inputs.device)
    halves = (range(count // 2), range(count // 2, count))
    return collector.merge([collected(collector, shown.only(list(half))) for half in halves])


def out_of_memory(error: Exception) -> bool:
    """Whether an error is the allocator's: Python's, CUDA's, or the CPU's and MPS's, which have no type."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or any(word in str(error) for word in NO_MEMORY)


def require_finite(numbers: np.ndarray, shown: Shown) -> None:
    """Refuse what a network gives for a batch, numbers (N, ...), if one of them is not finite.

    Raises:
        NetworkTrouble: One is; the message says for which image.
    """
    good = np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)
    if not good.all():
        first = int(shown.positions[int(good.argmin())])
        raise NetworkTrouble(f"the network gives numbers that are not finite, first for image {first + 1} of the set")


def shown_batch(batch: Batch, pixels: Tensor, how: Show) -> Shown:
    """A batch under one view, as collectors take it."""
    positions = np.array(batch.positions, np.int64)
    labels = np.array([how.images.labels[position] for position in batch.positions], np.int64)
    return Shown(normalized(pixels, how.device), pixels, positions, labels, batch.sizes)


def run_steps(network: Backbone, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
    """The forward passes: feature maps (N, C, h, w) of each step, and logits (T, N, K)."""
    trunk = network.trunk(inputs)
    feature_maps = [network.feature_map(trunk, step) for step in range(1, network.steps + 1)]
    return feature_maps, torch.stack([network.classify(feature_map) for feature_map in feature_maps])
