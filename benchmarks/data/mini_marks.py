"""Two embedded fine-grained sets: the same digit twice, told apart by a small mark beside it, in its own ink.

They stand for the paper's CUB-200 and Stanford Dogs: 20 classes each, ten digits by two marks. The mark of ``dots`` is
a disc or a dash, that of ``strokes`` a rising or a falling stroke. It is a third of its digit tall at most, and lies
beside or inside the digit where it hides the least of it.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import mini
from benchmarks.data.mini import DRAWN, SEED, Artist, Canvas, Drawn, Facts, Mask, Pixels, Sizes

# Raise VERSION with every change of what is drawn.
VERSION = 3
SIZES = Sizes({"train": 4000, "tune": 4000, "test": 4000}, {"tune-part": ("tune", 1000)})
# No test scene shows a digit of a training scene, neither of these nor of those that networks are pretrained on.
DIGITS_OF = {"train": "train", "tune": "tune", "test": "val"}
DIGIT = (72, 100)
FRAGMENTS = (1, 4)
SMALLER = 3  # a mark's side is its digit's over this

Shape = NDArray[np.bool_]


def offsets(side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of a square, twice their distance from its center: odd or even integers, exact."""
    position = 2 * np.arange(side) - (side - 1)
    return position[:, None], position[None, :]


def disc(side: int) -> Shape:
    """A filled circle."""
    y, x = offsets(side)
    inside: Shape = x * x + y * y <= side * side
    return inside


def dash(side: int) -> Shape:
    """A level bar."""
    y, x = offsets(side)
    inside: Shape = np.abs(y + 0 * x) * 3 <= side
    return inside


def rising(side: int) -> Shape:
    """A stroke from the lower left to the upper right."""
    y, x = offsets(side)
    inside: Shape = np.abs(x + y) * 3 <= side
    return inside


def falling(side: int) -> Shape:
    """A stroke from the upper left to the lower right."""
    y, x = offsets(side)
    inside: Shape = np.abs(x - y) * 3 <= side
    return inside


# The two marks of each set.
MARKS: dict[str, tuple[tuple[str, Callable[[int], Shape]], ...]] = {
    "dots": (("disc", disc), ("dash", dash)),
    "strokes": (("rising stroke", rising), ("falling stroke", falling)),
}


class Marked(Drawn):
    """Scenes of one digit with a mark; its class is digit and mark."""

    def __init__(self, name: str, split: str, load: Callable[[], Pixels], labels: Facts, digest: str) -> None:
        classes = [f"{digit} with a {mark}" for digit in mini.CLASSES for mark, _ in MARKS[name]]
        ids = [f"{split}/{i:06d}" for i in range(len(labels))]
        super().__init__(f"mini-{name}-{split}", classes, ids, labels[:, 0].tolist())
        self.clusters = labels[:, 1].tolist()
        self.load = load
        self.digest = digest


def open_marks(name: str, split: str, cache: Path, count: int | None = None) -> Marked:
    """Open a split of a set, from the cache or drawn anew; the same bytes on every machine.

    Args:
        name: A key of ``MARKS``.
        split: One of ``SIZES``, whole or a part.
        cache: Folder that keeps what was drawn.
        count: The first so many scenes only, None for all.

    Raises:
        DataError: There is no such split, or it has fewer scenes.
        OSError: The cache folder cannot be written.
    """
    split, count = mini.wanted(count, split, SIZES, name, f"{name}/{split}")
    key = json.dumps({"version": [mini.VERSION, VERSION], "seed": SEED, "set": name, "split": split, "count": count})
    drawn = mini.cached(cache / f"mini-{name}-{split}-{count}.npz", key, partial(draw, name, split, count))
    return Marked(name, split, *drawn)


def draw(name: str, split: str, count: int) -> tuple[Pixels, Facts]:
    """The first ``count`` scenes of a split: pixels (N, S, S, 3), and labels with the sources of the digits (N, 2)."""
    artist = Artist(DIGITS_OF[split], 1 + list(MARKS).index(name))
    pixels = np.empty((count, DRAWN, DRAWN, 3), np.uint8)
    shown = np.empty((count, 2), np.int16)
    for i in range(count):
        label = i % (2 * len(mini.CLASSES))
        pixels[i], source = scene(artist, label // 2, MARKS[name][label % 2][1])
        shown[i] = label, source
    return pixels, shown


def scene(artist: Artist, digit: int, shape: Callable[[int], Shape]) -> tuple[Canvas, int]:
    """One marked digit among a few fragments, and which one it is."""
    dice = artist.dice
    base = [dice.between(*mini.BACKGROUND) for _ in range(3)]
    canvas = mini.background(base, dice)
    side = dice.between(*DIGIT)
    source, mask = artist.digit(digit, side)
    box = artist.place(digit, mask, 0, 0, DRAWN, DRAWN)
    artist.scatter(canvas, base, box, FRAGMENTS)
    color = artist.color(base)
    mini.paste(canvas, mask, box.x, box.y, color)
    mark = shape(side // SMALLER) * np.int16(mini.OPAQUE)
    mini.paste(canvas, mark, *beside(mask, box, len(mark), dice), color)
    return artist.finish(canvas), source


def beside(mask: Mask, box: mini.Digit, side: int, dice: mini.Dice) -> tuple[int, int]:
    """Where a mark of some side begins, x and y: at random, at the digit's height, where it hides the least of it."""
    drawn = np.zeros((DRAWN + 1, DRAWN + 1), np.int64)
    drawn[box.y + 1 :, box.x + 1 :][: box.height, : box.width] = mask
    sums = drawn.cumsum(axis=0).cumsum(axis=1)
    hidden = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = box.y, max(0, box.x - side)
    near = hidden[top : max(top, box.y + box.height - side) + 1, left : box.x + box.width + 1]
    rows, columns = np.nonzero(near == near.min())
    chosen = dice.between(0, len(rows))
    return left + int(columns[chosen]), top + int(rows[chosen])
