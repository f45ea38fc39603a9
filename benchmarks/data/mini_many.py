"""The embedded multi-label set: scenes of one to four digits of different classes. It stands for the paper's COCO."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data import mini
from benchmarks.data.images import NO_LABEL, MultiLabel
from benchmarks.data.mini import DRAWN, SEED, Artist, Canvas, Drawn, Facts, Pixels, Sizes

# Raise VERSION with every change of what is drawn.
VERSION = 1
SIZES = Sizes({"train": 2000, "tune": 4000, "test": 4000}, {"tune-part": ("tune", 500)})
DIGITS_OF = {"train": "train", "tune": "tune", "test": "val"}
MOST = 4
DIGIT = (36, 58)
FRAGMENTS = (1, 4)
SALT = 9
HALF = DRAWN // 2
QUARTERS = ((0, 0), (HALF, 0), (0, HALF), (HALF, HALF))


class Many(MultiLabel, Drawn):
    """Scenes of several digits."""

    def __init__(self, split: str, load: Callable[[], Pixels], shown: Facts, digest: str) -> None:
        ids = [f"{split}/{i:06d}" for i in range(len(shown))]
        super().__init__(f"mini-many-{split}", mini.CLASSES, ids, [NO_LABEL] * len(ids))
        self.load = load
        self.digest = digest
        self.present = [tuple(np.flatnonzero(row).tolist()) for row in shown]


def open_many(split: str, cache: Path, count: int | None = None) -> Many:
    """Open a split, from the cache or drawn anew; the same bytes on every machine.

    Args:
        split: One of ``SIZES``, whole or a part.
        cache: Folder that keeps what was drawn.
        count: The first so many scenes only, None for all.

    Raises:
        DataError: There is no such split, or it has fewer scenes.
        OSError: The cache folder cannot be written.
    """
    split, count = mini.wanted(count, split, SIZES, "many", f"many/{split}")
    key = json.dumps({"version": [mini.VERSION, VERSION], "seed": SEED, "split": split, "count": count})
    return Many(split, *mini.cached(cache / f"mini-many-{split}-{count}.npz", key, partial(draw, split, count)))


def draw(split: str, count: int) -> tuple[Pixels, Facts]:
    """The first ``count`` scenes of a split: pixels (N, S, S, 3), and ones for the classes that they show (N, K)."""
    artist = Artist(DIGITS_OF[split], SALT)
    pixels = np.empty((count, DRAWN, DRAWN, 3), np.uint8)
    shown = np.zeros((count, len(mini.CLASSES)), np.int16)
    for i in range(count):
        pixels[i], classes = scene(artist)
        shown[i, classes] = 1
    return pixels, shown


def scene(artist: Artist) -> tuple[Canvas, list[int]]:
    """One to four digits, each in a quarter of its own, and their classes."""
    dice = artist.dice
    base = [dice.between(*mini.BACKGROUND) for _ in range(3)]
    canvas = mini.background(base, dice)
    artist.scatter(canvas, base, mini.NO_DIGIT, FRAGMENTS)
    number = dice.between(1, MOST + 1)
    classes = shuffled(len(mini.CLASSES), dice)[:number]
    for label, quarter in zip(classes, shuffled(len(QUARTERS), dice), strict=False):
        mask = mini.ink(artist.cells(label), dice.between(*DIGIT))
        x, y = QUARTERS[quarter]
        box = artist.place(label, mask, x, y, x + HALF, y + HALF)
        mini.paste(canvas, mask, box.x, box.y, artist.color(base))
    return artist.finish(canvas), classes


def shuffled(count: int, dice: mini.Dice) -> list[int]:
    """The first integers in random order (Fisher and Yates)."""
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = dice.between(0, last + 1)
        order[last], order[other] = order[other], order[last]
    return order
