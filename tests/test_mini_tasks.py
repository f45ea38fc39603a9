"""The embedded sets of other tasks: the same bytes everywhere, classes that differ in a small mark only."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import mini, mini_many, mini_marks
from benchmarks.data.errors import DataError
from benchmarks.data.images import NO_LABEL
from benchmarks.data.mini_many import open_many
from benchmarks.data.mini_marks import MARKS, open_marks

COUNT = 40
DIGESTS = {
    "dots": "9e5fe376a63452c7e92c16019f3a02fd8cec125d0dee4bfb7299cae92b713a6c",
    "strokes": "8c99562b15cf1e28e8c00e1c905aca872ffcf4caa2fe11f4c88a9b03697620e8",
    "many": "a71c5911a289e585a2ccbf9d0c7f7355ae85a4ab3c965ee02640bfd70a7879dc",
}


@pytest.mark.parametrize("name", MARKS)
def test_marked_scenes(tmp_path: Path, name: str) -> None:
    """After a wanted change of the drawing: raise VERSION, and put the new digest here."""
    scenes = open_marks(name, "train", tmp_path, COUNT)
    assert scenes.digest == DIGESTS[name]
    assert len(scenes.classes) == 20
    assert np.bincount(scenes.labels).tolist() == [2] * 20
    assert scenes.classes[3].startswith("1 with a ")
    assert open_marks(name, "train", tmp_path, COUNT).manifest_hash == scenes.manifest_hash


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_is_all_that_tells_two_classes_apart(name: str) -> None:
    """The same stream draws the same scene but for a patch of at most a third of the digit's side."""
    scenes = []
    for _, shape in MARKS[name]:
        artist = mini.Artist("train", 1)
        scenes.append(mini_marks.scene(artist, 3, shape)[0].astype(int))
    rows, columns = np.nonzero(np.abs(scenes[0] - scenes[1]).sum(axis=2))
    largest = mini_marks.DIGIT[1] // mini_marks.SMALLER
    assert len(rows)
    assert np.ptp(rows) < largest
    assert np.ptp(columns) < largest


def test_a_mark_hides_little_of_its_digit() -> None:
    """It lies beside or in the digit, within the picture: of most digits it hides nothing, of none a tenth."""
    artist = mini.Artist("train", 1)
    shares = []
    for i in range(60):
        side = artist.dice.between(*mini_marks.DIGIT)
        _, mask = artist.digit(i % 10, side)
        box = artist.place(i % 10, mask, 0, 0, mini.DRAWN, mini.DRAWN)
        mark = side // mini_marks.SMALLER
        x, y = mini_marks.beside(mask, box, mark, artist.dice)
        assert 0 <= x <= mini.DRAWN - mark
        assert box.y <= y <= mini.DRAWN - mark
        drawn = np.zeros((mini.DRAWN, mini.DRAWN))
        drawn[box.y : box.y + box.height, box.x : box.x + box.width] = mask
        shares.append(drawn[y : y + mark, x : x + mark].sum() / drawn.sum())
    assert np.median(shares) == 0
    assert max(shares) < 0.1


def test_sets_and_splits_are_apart(tmp_path: Path) -> None:
    sets = [open_marks(name, split, tmp_path, 20).pixels for name in MARKS for split in ("train", "test")]
    assert len({one.tobytes() for one in sets}) == 4


def test_several_digits(tmp_path: Path) -> None:
    """One to four different classes, about equally often; a shorter draw is a prefix."""
    scenes = open_many("train", tmp_path, 200)
    assert set(scenes.labels) == {NO_LABEL}
    numbers = np.bincount([len(present) for present in scenes.present], minlength=5)
    assert numbers[0] == 0
    # Binomial(200, 1/4): 50 expected, standard deviation 6.1.
    assert (numbers[1:] > 28).all()
    assert scenes.target(0).sum() == len(scenes.present[0])
    few = open_many("train", tmp_path, COUNT)
    assert few.digest == DIGESTS["many"]
    assert np.array_equal(few.pixels, scenes.pixels[:COUNT])
    assert few.present == scenes.present[:COUNT]


def test_shuffling_reaches_every_order() -> None:
    dice = mini.Dice(1)
    assert len({tuple(mini_many.shuffled(3, dice)) for _ in range(100)}) == 6


def test_unknown_splits_and_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown split 'val' of dots; choose one of train, tune, test"):
        open_marks("dots", "val", tmp_path)
    with pytest.raises(DataError, match="unknown split 'val' of many"):
        open_many("val", tmp_path)
    for count in (0, 5000):
        with pytest.raises(DataError, match=f"cannot take {count} scenes"):
            open_marks("strokes", "test", tmp_path, count)
        with pytest.raises(DataError, match=f"cannot take {count} scenes"):
            open_many("test", tmp_path, count)
