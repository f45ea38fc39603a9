"""The embedded data set ``mini``: scenes composed from the 1,797 handwritten digits that scikit-learn ships.

One digit is to be found among fragments of other digits (as in Cluttered MNIST, Mnih et al. 2014), at a random place,
scale and color. One scene in six holds a second whole digit of another class, drawn alike: the label names one of
them, as that of a photograph of several objects does, and nothing tells which. No network that answers once can be
right in more than 91.7 % of the scenes on the average. Labeled digits are as large, and lie alike, whether alone or
not. Every split is composed of digits of its own; scenes that show the same source digit are a cluster, not independent
images.
"""

import functools
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.core.files import write_atomically
from benchmarks.data.boxes import ObjectBox
from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet


class Sizes(NamedTuple):
    """How many scenes a data set has.

    Attributes:
        whole: Of each split.
        parts: By the name of a part of one, the split and how many of its first scenes: for what would take too long on
            all of it.
    """

    whole: Mapping[str, int]
    parts: Mapping[str, tuple[str, int]]


# Raise VERSION with every change of what is drawn: caches of other versions are drawn anew.
VERSION = 6
SEED = 2022
RESOLUTION = 64
DRAWN = 2 * RESOLUTION
SIZES = Sizes(
    {"train": 6000, "tune": 8000, "val": 8000, "val-v2": 8000},
    {"tune-part": ("tune", 2000), "val-part": ("val", 2000)},
)
# Percent of each class's digits. They add up to 100, so that no digit is in two splits.
DIGITS = {"train": 40, "tune": 12, "val": 24, "val-v2": 24}

CLASSES = [str(digit) for digit in range(10)]
# Side of a digit (8 cells) in pixels: of a whole one (two fit beside each other), and of one that is cut to fragments.
WHOLE, FRAGMENT = (52, 64), (32, 60)
FRAGMENT_CELLS = (3, 5)
SECOND_ONE_IN = 6
BACKGROUND, BACKGROUND_GRID, BACKGROUND_SPREAD = (40, 110), 4, 24
TINT = 30
OPAQUE = 128
VISIBLE = OPAQUE // 4

Mask = NDArray[np.int16]
Canvas = NDArray[np.int16]
Pixels = NDArray[np.uint8]
Facts = NDArray[np.int16]


class Clutter(NamedTuple):
    """How hard scenes are; ranges are half-open.

    Attributes:
        fragments: Number of fragments.
        contrast: Grey levels of ink above the background's mean.
        noise: Largest noise of a pixel in grey levels.
    """

    fragments: tuple[int, int]
    contrast: tuple[int, int]
    noise: int


CLUTTER = {split: Clutter(fragments=(1, 3), contrast=(120, 180), noise=4) for split in SIZES.whole}
CLUTTER["val-v2"] = Clutter(fragments=(2, 4), contrast=(105, 165), noise=9)


class Digit(NamedTuple):
    """A whole digit in a scene: its class, the box tight around its visible ink in pixels, and which one it is."""

    label: int
    x: int
    y: int
    width: int
    height: int
    source: int


NO_DIGIT = Digit(-1, 0, 0, 0, 0, -1)


class Drawn(ImageSet):
    """A drawn image set; its pixels are read when the first image is asked for: who plans a run needs none.

    Attributes:
        digest: SHA-256 (hexadecimal) of pixels and what they show.
    """

    digest: str
    load: Callable[[], Pixels]

    @functools.cached_property
    def pixels(self) -> Pixels:
        """RGB, uint8, (N, S, S, 3) with S = ``DRAWN``."""
        return self.load()

    def image(self, i: int) -> Image.Image:
        return Image.fromarray(self.pixels[i])

    def size(self, i: int) -> int:
        return DRAWN * DRAWN * 3

    @functools.cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (hexadecimal) of class names, manifest, pixels and what they show."""
        return hashlib.sha256(f"{super().manifest_hash} {self.digest}".encode()).hexdigest()


class Scenes(Drawn):
    """Drawn scenes with one digit to find."""

    def __init__(self, split: str, load: Callable[[], Pixels], boxes: Facts, digest: str) -> None:
        ids = [f"{split}/{i:06d}" for i in range(len(boxes))]
        super().__init__(f"mini-{split}", CLASSES, ids, boxes[:, 0, 0].tolist())
        self.load = load
        self.digest = digest
        self._boxes = boxes
        self.clusters = [Digit(*row).source for row in boxes[:, 0].tolist()]

    def boxes(self, i: int) -> list[ObjectBox]:
        """The whole digits of scene ``i``, the labeled one first: one or two; boxes are tight around visible ink."""
        digits = [Digit(*row) for row in self._boxes[i].tolist()]
        return [ObjectBox(*digit[:5]) for digit in digits if digit.label != NO_DIGIT.label]

    @property
    def boxes_hash(self) -> str:
        """The manifest's hash: it covers the boxes."""
        return self.manifest_hash


def open_mini(split: str, cache: Path, count: int | None = None) -> Scenes:
    """Open a split, from the cache or drawn anew; the same bytes on every machine.

    Args:
        split: One of ``SIZES``, whole or a part.
        cache: Folder that keeps what was drawn. A file that is damaged or of another version is replaced.
        count: The first so many scenes only, None for all.

    Raises:
        DataError: There is no such split, or it has fewer scenes.
        OSError: The cache folder cannot be written.
    """
    split, count = wanted(count, split, SIZES, "mini", f"the split {split}")
    key = json.dumps({"version": VERSION, "seed": SEED, "split": split, "count": count, "side": DRAWN})
    return Scenes(split, *cached(cache / f"mini-{split}-{count}.npz", key, functools.partial(draw, split, count)))


def wanted(count: int | None, name: str, sizes: Sizes, data_set: str, where: str) -> tuple[str, int]:
    """Which split scenes are taken of, and how many: ``count``, or all for None.

    Args:
        count: The first so many.
        name: Of a split, or of a part of one.
        sizes: Of the data set.
        data_set: Its name, for messages.
        where: The split, for messages.

    Raises:
        DataError: There is no such split, or it has fewer scenes.
    """
    known = {split: (split, size) for split, size in sizes.whole.items()} | dict(sizes.parts)
    if name not in known:
        raise DataError(f"unknown split {name!r} of {data_set}; choose one of {', '.join(known)}")
    split, size = known[name]
    count = size if count is None else count
    if not 0 < count <= size:
        raise DataError(f"cannot take {count} scenes of {where}; choose 1 to {size}")
    return split, count


def cached(path: Path, key: str, draw: Callable[[], tuple[Pixels, Facts]]) -> tuple[Callable[[], Pixels], Facts, str]:
    """What reads pixels, what they show, and the digest of both: from a file of this key, or drawn anew and kept there.

    Raises:
        OSError: The folder cannot be written.
    """
    facts, digest = read_head(path, key) or keep_drawn(path, key, draw)[1:]
    return functools.partial(read_pixels, path, key, draw), facts, digest


def keep_drawn(path: Path, key: str, draw: Callable[[], tuple[Pixels, Facts]]) -> tuple[Pixels, Facts, str]:
    """Draw, and keep what was drawn in a file, with the digest of it.

    Raises:
        OSError: The folder cannot be written.
    """
    pixels, facts = draw()
    digest = digest_of(pixels, facts)
    write_atomically(path, lambda file: np.savez(file, pixels=pixels, facts=facts, key=key, digest=digest))
    return pixels, facts, digest


def read_head(path: Path, key: str) -> tuple[Facts, str] | None:
    """What the pixels of a cache file show, and its digest; None as :func:`read_members`."""
    members = read_members(path, key, ("facts", "digest"))
    return None if members is None else (members[0], str(members[1]))


def read_pixels(path: Path, key: str, draw: Callable[[], tuple[Pixels, Facts]]) -> Pixels:
    """The pixels of a cache file, drawn anew where it does not hold what its digest says.

    Raises:
        OSError: The folder cannot be written.
    """
    members = read_members(path, key, ("pixels", "facts", "digest"))
    if members is not None and digest_of(members[0], members[1]) == str(members[2]):
        return members[0]
    return keep_drawn(path, key, draw)[0]


def read_members(path: Path, key: str, names: Sequence[str]) -> list[NDArray[Any]] | None:
    """Arrays of a cache file, or None if it is missing, damaged, or was drawn under another ``key``."""
    try:
        # np.load would leave a damaged file open.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return [file[name] for name in names] if str(file["key"]) == key else None
    except (OSError, EOFError, KeyError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None


def digest_of(pixels: Pixels, facts: Facts) -> str:
    """SHA-256 (hexadecimal) of pixels and what they show, in little-endian bytes."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data)
    digest.update(facts.astype("<i2").tobytes())
    return digest.hexdigest()


# Everything below is exact on every machine: integers throughout, and matrix products in float32 whose terms and sums
# are integers below 2^24, so that no order of summation can change a bit. RandomState's streams are frozen.


class Dice:
    """A stream of random integers; a shorter use of it is a prefix of a longer one."""

    def __init__(self, *seed: int) -> None:
        self.random = np.random.RandomState(seed)
        self.stream = self.words()

    def words(self) -> Iterator[int]:
        """Endless integers of 31 bits."""
        while True:
            yield from self.random.randint(0, 1 << 31, size=4096, dtype=np.int64).tolist()

    def between(self, low: int, stop: int) -> int:
        """An integer from ``low`` up to, without, ``stop``; the modulo's bias is below 1e-5 for the ranges here."""
        return low + next(self.stream) % (stop - low)

    def around(self, spread: int, *shape: int) -> NDArray[np.int64]:
        """An array of integers from ``-spread`` to ``spread``."""
        return self.random.randint(-spread, spread + 1, size=shape, dtype=np.int64)


@functools.cache
def sources() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scikit-learn's digits, (1797, 8, 8) with ink from 0 to 16, and their classes."""
    from sklearn.datasets import load_digits  # slow to import, and not needed where the scenes are drawn already

    digits = load_digits()
    return digits.images.astype(np.float32), digits.target.astype(np.int64)


def digits_of(split: str) -> list[list[int]]:
    """Indices of the digits that a split is composed of, by class."""
    names = list(DIGITS)
    start = sum(DIGITS[name] for name in names[: names.index(split)])
    random = np.random.RandomState(SEED)
    pools = []
    for label in range(len(CLASSES)):
        order = random.permutation(np.flatnonzero(sources()[1] == label))
        pools.append(order[len(order) * start // 100 : len(order) * (start + DIGITS[split]) // 100].tolist())
    return pools


def draw(split: str, count: int) -> tuple[Pixels, Facts]:
    """The first ``count`` scenes of a split: pixels (N, S, S, 3), and digits (N, 2, 6), rows of a :class:`Digit`."""
    artist = Artist(split)
    pixels = np.empty((count, DRAWN, DRAWN, 3), np.uint8)
    boxes = np.empty((count, 2, len(NO_DIGIT)), np.int16)
    for i in range(count):
        # Labels in turn, so that every prefix is balanced.
        pixels[i], digits = artist.scene(i % len(CLASSES))
        boxes[i] = [*digits, NO_DIGIT][:2]
    return pixels, boxes


class Artist:
    """Draws the scenes of a split, one after the other.

    Args:
        split: A whole one of ``SIZES``.
        salt: Of data sets that draw other scenes of the same digits.
    """

    def __init__(self, split: str, *salt: int) -> None:
        self.pools = digits_of(split)
        self.clutter = CLUTTER[split]
        self.dice = Dice(SEED, list(SIZES.whole).index(split), *salt)
        # One sheet of noise for all scenes, each under a window of it: fresh noise would cost half the drawing time.
        self.noise = self.dice.around(self.clutter.noise, 2 * DRAWN, 2 * DRAWN, 1).astype(np.int16)

    def scene(self, label: int) -> tuple[Canvas, list[Digit]]:
        """The next scene, (S, S, 3) from 0 to 255, and the boxes of its whole digits."""
        dice = self.dice
        two = dice.between(0, SECOND_ONE_IN) == 0
        base = [dice.between(*BACKGROUND) for _ in range(3)]
        canvas = background(base, dice)
        source, digit = self.digit(label, dice.between(*WHOLE))
        other = (label + dice.between(1, len(CLASSES))) % len(CLASSES)
        other_source, second = self.digit(other, dice.between(*WHOLE))
        # Both are placed in every scene, so that a labeled digit lies alike whether it is alone or not.
        box, beside = self.pair((label, digit), (other, second))
        boxes = [box._replace(source=source)]
        self.scatter(canvas, base, box, self.clutter.fragments)
        if two:
            boxes.append(beside._replace(source=other_source))
            paste(canvas, second, beside.x, beside.y, self.color(base))
        paste(canvas, digit, box.x, box.y, self.color(base))
        return self.finish(canvas), boxes

    def digit(self, label: int, side: int) -> tuple[int, Mask]:
        """A random digit of a class ``side`` pixels tall: its place among the sources, and its opacity."""
        source = self.source(label)
        return source, ink(sources()[0][source], side)

    def pair(self, labeled: tuple[int, Mask], other: tuple[int, Mask]) -> tuple[Digit, Digit]:
        """Random places for two labeled masks that do not overlap; the first one anywhere that leaves room."""
        while True:
            box = self.place(*labeled, 0, 0, DRAWN, DRAWN)
            strips = self.strips_beside(box, other[1])
            if strips:
                return box, self.place(*other, *strips[self.dice.between(0, len(strips))])

    def finish(self, canvas: Canvas) -> Canvas:
        """A canvas under noise, cut to 0 to 255."""
        x, y = self.dice.between(0, DRAWN), self.dice.between(0, DRAWN)
        canvas += self.noise[y : y + DRAWN, x : x + DRAWN]
        return np.minimum(np.maximum(canvas, 0), 255)

    def source(self, label: int) -> int:
        """A random digit of a class, by its place among the sources."""
        pool = self.pools[label]
        return pool[self.dice.between(0, len(pool))]

    def cells(self, label: int) -> NDArray[np.float32]:
        """A random digit of a class, (8, 8)."""
        cells: NDArray[np.float32] = sources()[0][self.source(label)]
        return cells

    def color(self, base: list[int]) -> Canvas:
        """A random ink, brighter than the background of mean color ``base``."""
        contrast = self.dice.between(*self.clutter.contrast)
        ink = [min(255, max(0, level + contrast + self.dice.between(-TINT, TINT + 1))) for level in base]
        return np.array(ink, np.int16)

    def place(self, label: int, mask: Mask, left: int, top: int, right: int, bottom: int) -> Digit:
        """A random place for a mask inside a rectangle that it fits into."""
        height, width = mask.shape
        x, y = self.dice.between(left, right - width + 1), self.dice.between(top, bottom - height + 1)
        return Digit(label, x, y, width, height, NO_DIGIT.source)

    def strips_beside(self, box: Digit, mask: Mask) -> list[tuple[int, int, int, int]]:
        """Where beside a box a mask fits: left of it, right of it, above, below, as left, top, right, bottom."""
        height, width = mask.shape
        strips = [
            (0, 0, box.x, DRAWN),
            (box.x + box.width, 0, DRAWN, DRAWN),
            (0, 0, DRAWN, box.y),
            (0, box.y + box.height, DRAWN, DRAWN),
        ]
        return [strip for strip in strips if strip[2] - strip[0] >= width and strip[3] - strip[1] >= height]

    def scatter(self, canvas: Canvas, base: list[int], box: Digit, fragments: tuple[int, int]) -> None:
        """Paste fragments of digits, none centered in the labeled digit's box: people must be able to read it."""
        dice = self.dice
        for _ in range(dice.between(*fragments)):
            cells = self.cells(dice.between(0, len(CLASSES)))
            height, width = dice.between(*FRAGMENT_CELLS), dice.between(*FRAGMENT_CELLS)
            top, left = dice.between(0, 9 - height), dice.between(0, 9 - width)
            mask = ink(cells[top : top + height, left : left + width], dice.between(*FRAGMENT))
            _, x, y, width, height, _ = self.place(-1, mask, 0, 0, DRAWN, DRAWN)
            inside_x = box.x <= x + width // 2 < box.x + box.width
            inside_y = box.y <= y + height // 2 < box.y + box.height
            if not (inside_x and inside_y):
                paste(canvas, mask, x, y, self.color(base))


@functools.cache
def stretch(cells: int, size: int) -> NDArray[np.float32]:
    """Bilinear interpolation from cells to pixels with half-pixel centers, (size, cells); rows sum to 64."""
    position = np.clip((2 * np.arange(size) + 1) * cells * 64 // (2 * size) - 32, 0, (cells - 1) * 64)
    low = np.minimum(position // 64, cells - 2)
    weights = np.zeros((size, cells), np.float32)
    weights[np.arange(size), low] = 64 * (low + 1) - position
    weights[np.arange(size), low + 1] = position - 64 * low
    return weights


def ink(cells: NDArray[np.float32], side: int) -> Mask:
    """Opacity from 0 to ``OPAQUE`` of a digit's cells, cut to its visible part; a whole digit is ``side`` tall."""
    height, width = cells.shape[0] + 2, cells.shape[1] + 2
    framed = np.zeros((height, width), np.float32)
    framed[1:-1, 1:-1] = cells
    stretched = stretch(height, height * side // 8) @ framed @ stretch(width, width * side // 8).T
    level: Mask = (stretched.astype(np.int32) // 512).astype(np.int16)
    # Level 128 is full ink; the steep ramp brings back the edges that scikit-learn's 8x8 averages blurred.
    mask = np.minimum(np.maximum(3 * level - 130, 0), OPAQUE)
    seen = mask >= VISIBLE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return mask[:0, :0]
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def background(base: list[int], dice: Dice) -> Canvas:
    """A soft random texture around a mean color, (S, S, 3)."""
    grid = np.array(base)[:, None, None] + dice.around(BACKGROUND_SPREAD, 3, BACKGROUND_GRID, BACKGROUND_GRID)
    weights = stretch(BACKGROUND_GRID, DRAWN)
    texture = weights @ np.clip(grid, 0, 255).astype(np.float32) @ weights.T
    return np.ascontiguousarray((texture.astype(np.int32) // 4096).transpose(1, 2, 0), dtype=np.int16)


def paste(canvas: Canvas, mask: Mask, x: int, y: int, color: Canvas) -> None:
    """Blend a color into the canvas, in place, where the mask is opaque."""
    region = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    # 255 * OPAQUE fits into 16 bits.
    region += ((color - region) * mask[..., None]) // OPAQUE
