"""What every image set of the suite offers: images, labels, and a manifest that says which data they are."""

import csv
import hashlib
import json
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from benchmarks.data.errors import DataError

# Of RGB from 0 to 1: what every network here takes its images normalized by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# In place of a class index, of images with several.
NO_LABEL = -1

JPEG_END = b"\xff\xd9"

# What Pillow's readers raise, beside OSError, when the bytes of a file make no sense to them.
PARSE_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)


# What an image is trained to give: its class index, or for several classes at once ones and zeros (K,) in float32.
Target = int | npt.NDArray[np.float32]


class UnreadableImage(DataError):
    """An image file that cannot be decoded.

    Attributes:
        path: The file.
        reason: What is wrong with it, on one line.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        # Both arguments reach the base class, so that the error can be pickled by a loader's worker process.
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = " ".join(reason.split())

    def __str__(self) -> str:
        """One line naming the file."""
        return f"unreadable image {self.path}: {self.reason}; replace the file"


class ManifestRow(NamedTuple):
    """One image of a manifest: its id, its size in bytes, its class index."""

    id: str
    bytes: int
    label: int


class ImageSet(ABC):
    """Labeled images in a fixed order.

    Attributes:
        name: Name of the set, such as ``imagenet-val``.
        classes: Names of the classes; a label is an index into them.
        ids: One name for each image, unique in the set; for files the path below the set's folder, with ``/``.
        labels: The class index of each image.
        clusters: What each image shows, by number: images of one number are not independent. By default each its own.
        missing: Paths of images that an annotation names and the disk lacks; the set goes on without them.
        remarks: What else is worth telling, one line each.
        published: Images of the whole set as published; 0 where that is no question.
        drawn: Whether the images were drawn at random from the whole set.
        limit: How many images were asked for, of a part that ``--limit`` chose; else None.
    """

    def __init__(self, name: str, classes: Sequence[str], ids: Sequence[str], labels: Sequence[int]) -> None:
        self.name = name
        self.classes = list(classes)
        self.ids = list(ids)
        self.labels = list(labels)
        self.clusters = list(range(len(self.ids)))
        self.missing: list[str] = []
        self.remarks: list[str] = []
        self.published = 0
        self.drawn = False
        self.limit: int | None = None

    @property
    def part(self) -> str:
        """How much of the published set this is, in words; empty where it is the whole."""
        return f"{len(self):,} of {self.published:,} images" if len(self) < self.published else ""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.ids)

    @abstractmethod
    def image(self, i: int) -> Image.Image:
        """Image ``i`` in RGB, fully decoded.

        Raises:
            UnreadableImage: The image cannot be decoded.
        """

    def target(self, i: int) -> Target:
        """What image ``i`` is trained to give."""
        return self.labels[i]

    @abstractmethod
    def size(self, i: int) -> int:
        """Size of image ``i`` as stored, in bytes."""

    @cached_property
    def manifest(self) -> list[ManifestRow]:
        """One row for each image, sorted by id."""
        sizes = (self.size(i) for i in range(len(self)))
        return sorted(map(ManifestRow, self.ids, sizes, self.labels))

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (hexadecimal) of class names and manifest: equal wherever and in whatever order the files lie."""
        digest = hashlib.sha256()
        for line in (self.classes, *self.manifest):
            digest.update(json.dumps(line).encode() + b"\n")
        return digest.hexdigest()

    def write_manifest(self, path: Path) -> None:
        """Write the manifest as CSV with the columns ``id``, ``bytes`` and ``label``."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(ManifestRow._fields)
            writer.writerows(self.manifest)


class ImageFiles(ImageSet):
    """An image set whose images are files below one folder.

    Attributes:
        folder: The folder that the ids are relative to.
    """

    def __init__(
        self, name: str, folder: Path, classes: Sequence[str], ids: Sequence[str], labels: Sequence[int]
    ) -> None:
        super().__init__(name, classes, ids, labels)
        self.folder = folder

    def path(self, i: int) -> Path:
        """File of image ``i``."""
        return self.folder / self.ids[i]

    def image(self, i: int) -> Image.Image:
        """Image ``i`` in RGB, fully decoded; see :func:`read_image`."""
        return read_image(self.path(i))

    def size(self, i: int) -> int:
        """Size of the file of image ``i`` in bytes."""
        return self.path(i).stat().st_size


def read_image(path: Path) -> Image.Image:
    """An image file in RGB, fully decoded, in the stored orientation (EXIF rotation is not applied).

    Raises:
        UnreadableImage: The file is missing, cut short, damaged or not an image.
    """
    with naming_the_file(path), Image.open(path) as image:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")  # which would copy


def verify_image(path: Path) -> None:
    """Check an image file at a fraction of the cost of decoding it: header, and for JPEG that it is complete.

    Raises:
        UnreadableImage: The file is missing, cut short or not an image. Damage inside the data may go unseen.
    """
    with naming_the_file(path):
        with Image.open(path) as image:
            is_jpeg = image.format in ("JPEG", "MPO")
            image.verify()
        complete = not is_jpeg or ends_with(path, JPEG_END)
    if not complete:
        # Pillow's verify() does not see a JPEG cut short. Padding after the end marker is harmless: decoding decides.
        read_image(path)


def ends_with(path: Path, end: bytes) -> bool:
    """Whether a file's last bytes are ``end``."""
    with path.open("rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() == end


@contextmanager
def naming_the_file(path: Path) -> Iterator[None]:
    """Turn what Pillow raises for a bad file into one error that names it.

    Raises:
        UnreadableImage: Reading the file failed inside the block.
    """
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "not an image in a format that Pillow reads") from error
    except OSError as error:
        raise UnreadableImage(path, error.strerror or str(error)) from error
    except PARSE_ERRORS as error:
        raise UnreadableImage(path, str(error) or type(error).__name__) from error


class MultiLabel(ImageSet):
    """Mixin for sets whose images show several classes at once; their labels are all ``NO_LABEL``.

    Attributes:
        present: Indices of the classes in each image, ascending.
    """

    present: list[tuple[int, ...]]

    def target(self, i: int) -> npt.NDArray[np.float32]:
        """Ones for the classes in image ``i``, zeros for the others, (K,)."""
        ones = np.zeros(len(self.classes), np.float32)
        ones[list(self.present[i])] = 1
        return ones

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (hexadecimal) of class names, manifest and the classes of each image."""
        shown = sorted(zip(self.ids, self.present, strict=True))
        return hashlib.sha256(f"{super().manifest_hash} {json.dumps(shown)}".encode()).hexdigest()
