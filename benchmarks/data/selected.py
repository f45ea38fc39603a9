"""Some classes of an image set, or some of its images."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from PIL import Image

from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet, Target

SHOWN = 3
# Of the draw of a limited set; another one draws other images.
LIMIT_SEED = 0


class Selected(ImageSet):
    """The images of some classes of another set, labeled by their rank among these.

    Args:
        name: Of the data set.
        images: The other set.
        classes: Names of the classes wanted; they keep the other set's order.

    Raises:
        DataError: The other set has no class of a name, or no image of all of them.
    """

    def __init__(self, name: str, images: ImageSet, classes: Sequence[str]) -> None:
        unknown = sorted(set(classes) - set(images.classes))
        if unknown:
            more = ", ..." if len(unknown) > SHOWN else ""
            raise DataError(
                f"{len(unknown)} classes that {images.name} does not have ({', '.join(unknown[:SHOWN])}{more}); "
                "a class list has one of its class names on each line"
            )
        wanted = [label for label, one in enumerate(images.classes) if one in set(classes)]
        rank = {label: place for place, label in enumerate(wanted)}
        self.of = images
        self.indices = [i for i, label in enumerate(images.labels) if label in rank]
        if not self.indices:
            raise DataError(f"{images.name} has no image of the classes chosen; choose at least one of its classes")
        ids = [images.ids[i] for i in self.indices]
        labels = [rank[images.labels[i]] for i in self.indices]
        super().__init__(f"{name}-{images.name}", [images.classes[label] for label in wanted], ids, labels)
        # ImageNet's evaluated sets have as many images of each class.
        self.published = images.published * len(wanted) // len(images.classes)
        self.clusters = [images.clusters[i] for i in self.indices]

    def image(self, i: int) -> Image.Image:
        return self.of.image(self.indices[i])

    def size(self, i: int) -> int:
        return self.of.size(self.indices[i])

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (hexadecimal) of the selection and of the whole set."""
        return hashlib.sha256(f"{super().manifest_hash} {self.of.manifest_hash}".encode()).hexdigest()


class Subset(ImageSet):
    """Some images of another set, in the order given.

    Args:
        images: The other set.
        ids: Of the images wanted.

    Raises:
        DataError: The other set has no image of an id.
    """

    def __init__(self, images: ImageSet, ids: Sequence[str]) -> None:
        places = {name: i for i, name in enumerate(images.ids)}
        unknown = [name for name in ids if name not in places]
        if unknown:
            raise DataError(f"{images.name} has no image {unknown[0]!r}; choose of its ids, such as {images.ids[0]!r}")
        self.of = images
        self.indices = [places[name] for name in ids]
        super().__init__(images.name, images.classes, ids, [images.labels[i] for i in self.indices])
        self.clusters = [images.clusters[i] for i in self.indices]

    def image(self, i: int) -> Image.Image:
        return self.of.image(self.indices[i])

    def target(self, i: int) -> Target:
        return self.of.target(self.indices[i])

    def size(self, i: int) -> int:
        return self.of.size(self.indices[i])


class Limited(Subset):
    """A random part of a set; what its images show is part of which data it is, also where they have no single label.

    Args:
        images: The set.
        ids: Of the part.
    """

    def __init__(self, images: ImageSet, ids: Sequence[str]) -> None:
        super().__init__(images, ids)
        self.published = max(images.published, len(images) + len(images.missing))
        # Of a folder that is itself a part of unknown choice, no draw speaks for the whole.
        self.drawn = not images.part
        self.limit = len(self)

    @property
    def part(self) -> str:
        """How much of the published set this is, in words; of an incomplete folder also what it was drawn of."""
        told = f"{len(self):,} of {self.published:,} images (--limit)"
        return told if self.drawn else f"{told}, drawn of the {len(self.of):,} that are there"

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (hexadecimal) of class names, manifest and, of several classes at once, what each image shows."""
        digest = hashlib.sha256(super().manifest_hash.encode())
        for i, label in enumerate(self.labels):
            target = self.target(i)
            digest.update(str(label).encode() if isinstance(target, int) else target.tobytes())
        return digest.hexdigest()


def limited(images: ImageSet, limit: int) -> ImageSet:
    """A random part of a set, balanced over its classes, in the order of the ids; the set itself if it has no more.

    Images are ranked by the hash of a seed and their id: the same ones wherever, and in whatever order, the files lie.
    A class gives its next image in turn; which classes give one more than others is drawn likewise.

    Args:
        images: The set.
        limit: Images wanted.
    """
    if limit >= len(images):
        return images
    by_class: dict[int, list[str]] = {}
    for name, label in zip(images.ids, images.labels, strict=True):
        by_class.setdefault(label, []).append(name)
    turns = [
        (turn, rank(f"class {images.classes[label] if label >= 0 else label}"), name)
        for label, names in by_class.items()
        for turn, name in enumerate(sorted(names, key=rank))
    ]
    return Limited(images, sorted(name for _, _, name in sorted(turns)[:limit]))


def rank(name: str) -> str:
    """Where a name stands in the draw: a hash (hexadecimal) that depends on nothing else."""
    return hashlib.sha256(f"{LIMIT_SEED} {name}".encode()).hexdigest()


def held_back(images: ImageSet, most: int) -> set[str]:
    """Ids of images drawn from every class: so many, but at most a tenth of the class, or one of a few.

    Drawn as a limited set is, apart from its draw: the same ones wherever, and in whatever order, the files lie.

    Args:
        images: The set; a class with a single image gives none.
        most: Images of a class.
    """
    by_class: dict[int, list[str]] = {}
    for name, label in zip(images.ids, images.labels, strict=True):
        by_class.setdefault(label, []).append(name)
    counts = {label: min(most, max(1, len(names) // 10), len(names) - 1) for label, names in by_class.items()}
    ranked = {label: sorted(names, key=lambda name: rank(f"held out {name}")) for label, names in by_class.items()}
    return {name for label, names in ranked.items() for name in names[: counts[label]]}


def read_class_list(path: Path) -> list[str]:
    """Class names from a file, one on each line; empty lines and what follows a ``#`` do not count.

    Raises:
        DataError: The file cannot be read, is empty, or names a class twice.
    """
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the class list {path} ({error}); name a text file") from error
    names = [line for line in lines if line]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise DataError(f"{path} {f'names {twice[0]} twice' if twice else 'names no class'}; put a class on each line")
    return names
