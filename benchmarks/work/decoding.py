"""Decoding pictures on a CUDA device, by torchvision, in place of Pillow on the CPU: faster, and with other pixels.

Loader processes read files; the device decodes and resizes. What it does not take (formats other than JPEG, files that
are cut short, color spaces that it does not know) Pillow decodes as ever, so that the same images count as unreadable.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg

from benchmarks.core.processes import leave_endings
from benchmarks.data.images import JPEG_END, ImageFiles, ImageSet, UnreadableImage
from benchmarks.work.passes import Batch, Sample, Show, View, make_batch, tensor_of

JPEG_BEGIN = b"\xff\xd8"


class Stored(NamedTuple):
    """An image of a set by its position, and its file's bytes, uint8 (n,); empty where they cannot be read."""

    position: int
    data: Tensor


class StoredImages(Dataset[Stored]):
    """The images of a set by position, as stored."""

    def __init__(self, images: ImageFiles) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> Stored:
        return Stored(position, stored(self.images.path(position)))


def stored(path: Path) -> Tensor:
    """A file's bytes; none where it cannot be read, which is told when it is decoded."""
    try:
        return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    except (OSError, ValueError):  # an empty file has no buffer
        return torch.empty(0, dtype=torch.uint8)


def whole_jpeg(data: Tensor) -> bool:
    """Whether bytes are a JPEG from its first marker to its last; padding behind that is left to Pillow."""
    begin, end = bytes(data[:2].tolist()), bytes(data[-2:].tolist())
    return (begin, end) == (JPEG_BEGIN, JPEG_END)


def decoded(one: Stored, images: ImageSet, device: torch.device) -> Sample:
    """An image as uint8 (3, H, W) on the device, or why it cannot be read."""
    if whole_jpeg(one.data):
        try:
            return Sample(one.position, decode_jpeg(one.data, mode=ImageReadMode.RGB, device=device), "")
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
    try:
        return Sample(one.position, tensor_of(images.image(one.position)).to(device), "")
    except UnreadableImage as error:
        return Sample(one.position, None, str(error))


def decoded_batches(how: Show, views: Sequence[View], chosen: Sequence[Sequence[int]]) -> Iterator[Batch]:
    """Batches of chosen positions as those of :func:`benchmarks.work.passes.batches`, decoded and resized on a device.

    Raises:
        ValueError: The images are no files.
    """
    if not isinstance(how.images, ImageFiles):
        raise ValueError(f"{how.images.name} are no files that a device could decode; leave --decode out")
    positions = [list(one) for one in chosen]
    loader = DataLoader(
        StoredImages(how.images),
        batch_sampler=positions,
        num_workers=how.workers,
        collate_fn=list[Stored],
        worker_init_fn=leave_endings,
    )
    for read in loader:
        made = make_batch([decoded(one, how.images, how.device) for one in read], views)
        yield made._replace(views=[view.cpu() for view in made.views])
