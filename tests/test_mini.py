"""The embedded scenes: the same bytes everywhere, apart by split, boxed, and never served from a bad cache."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from benchmarks.data import mini
from benchmarks.data.boxes import ObjectBox
from benchmarks.data.errors import DataError
from benchmarks.data.images import ManifestRow
from benchmarks.data.mini import DRAWN, SIZES, Scenes, open_mini

COUNT = 60
DIGESTS = {
    "train": "7dd374d1138292d33fdde0af3ba1d6b31ae41f255ba1b86672df3f2295476751",
    "tune": "ac373f549e8635e839a6aa4f0f6a4daa23d652c15330a4f8a0aec261c6ab2972",
    "val": "1d7421451d81d0806467688af0914d9e0372b9bd414880c26e12a5b897791c74",
    "val-v2": "6d0535823b12529e7c2294c85d13454142f3ebc2fc9fbb1a8e152aa89a9a85dd",
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scenes]:
    """A few scenes of every split."""
    cache = tmp_path_factory.mktemp("cache")
    return {split: open_mini(split, cache, COUNT) for split in SIZES.whole}


def count_drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits drawn from now on."""
    drawn: list[str] = []
    draw = mini.draw

    def counting(split: str, count: int) -> tuple[mini.Pixels, mini.Facts]:
        drawn.append(split)
        return draw(split, count)

    monkeypatch.setattr(mini, "draw", counting)
    return drawn


@pytest.mark.parametrize("split", SIZES.whole)
def test_the_drawing_is_pinned(scenes: dict[str, Scenes], split: str) -> None:
    """After a wanted change of the drawing: raise VERSION, and put the new digests here."""
    assert scenes[split].digest == DIGESTS[split]


def test_a_smaller_draw_is_a_prefix(scenes: dict[str, Scenes]) -> None:
    pixels, boxes = mini.draw("val", 7)
    assert np.array_equal(pixels, scenes["val"].pixels[:7])
    assert [ObjectBox(*row[:5]) for row in boxes[:, 0].tolist()] == [scenes["val"].boxes(i)[0] for i in range(7)]


def test_a_part_is_the_first_scenes_of_its_split(tmp_path: Path, scenes: dict[str, Scenes]) -> None:
    """So its images are known by the same names, and what rests on them is the same record."""
    for part, (split, size) in SIZES.parts.items():
        own = open_mini(part, tmp_path, COUNT)
        assert (own.digest, own.ids) == (scenes[split].digest, scenes[split].ids)
        assert own.manifest_hash == scenes[split].manifest_hash
        assert size < SIZES.whole[split]
        with pytest.raises(DataError, match=f"cannot take {size + 1} scenes of the split {part}; choose 1 to {size}"):
            open_mini(part, tmp_path, size + 1)


def test_splits_share_no_digit() -> None:
    used = [index for split in SIZES.whole for pool in mini.digits_of(split) for index in pool]
    assert sorted(used) == list(range(1797))


def test_digits_are_stratified() -> None:
    target = mini.sources()[1]
    for split in SIZES.whole:
        for label, pool in enumerate(mini.digits_of(split)):
            assert set(target[pool]) == {label}
            # 174 to 183 digits of a class; cut points are rounded down.
            assert abs(len(pool) - 1.797 * mini.DIGITS[split]) < 4


def test_scenes_are_an_image_set(scenes: dict[str, Scenes]) -> None:
    val = scenes["val"]
    assert (val.name, len(val), val.classes) == ("mini-val", COUNT, list("0123456789"))
    assert val.pixels.shape == (COUNT, DRAWN, DRAWN, 3)
    assert val.pixels.dtype == np.uint8
    assert val.manifest[3] == ManifestRow("val/000003", DRAWN * DRAWN * 3, 3)
    assert np.array_equal(np.asarray(val.image(3)), val.pixels[3])
    assert val.image(3).mode == "RGB"
    assert np.bincount(val.labels).tolist() == [COUNT // 10] * 10


def test_the_manifest_hash_covers_pixels(scenes: dict[str, Scenes]) -> None:
    val = scenes["val"]
    pixels = val.pixels.copy()
    pixels[0, 0, 0, 0] ^= 1
    boxes = val._boxes
    changed = Scenes("val", lambda: pixels, boxes, mini.digest_of(pixels, boxes))
    assert changed.manifest == val.manifest
    assert changed.manifest_hash != val.manifest_hash
    assert Scenes("val", lambda: val.pixels, boxes, val.digest).manifest_hash == val.manifest_hash


@pytest.mark.parametrize("split", SIZES.whole)
def test_boxes_lie_inside_and_apart(scenes: dict[str, Scenes], split: str) -> None:
    pairs = 0
    for i, label in enumerate(scenes[split].labels):
        boxes = scenes[split].boxes(i)
        assert boxes[0].label == label
        for box in boxes:
            assert min(box.x, box.y) >= 0
            assert max(box.x + box.width, box.y + box.height) <= DRAWN
        if len(boxes) == 2:
            first, second = boxes
            pairs += 1
            assert second.label != label
            beside = second.x >= first.x + first.width or first.x >= second.x + second.width
            assert beside or second.y >= first.y + first.height or first.y >= second.y + second.height
    # Binomial(60, 1/8): 7.5 expected, standard deviation 2.6.
    assert 1 <= pairs <= 18


def test_boxes_are_tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a flat background, without fragments and noise, the ink itself tells where the digit is."""
    bare = mini.Clutter(fragments=(0, 1), contrast=(140, 141), noise=0)
    monkeypatch.setitem(mini.CLUTTER, "val", bare)
    monkeypatch.setattr(mini, "BACKGROUND_SPREAD", 0)
    monkeypatch.setattr(mini, "TINT", 0)
    pixels, boxes = mini.draw("val", 20)
    for scene, (first, second) in zip(pixels.astype(int), boxes.tolist(), strict=True):
        if second[0] == mini.NO_DIGIT.label:
            rise = (scene - scene[0, 0]).max(axis=2)
            rows, columns = np.nonzero(rise >= rise.max() // 4)
            x, y = columns.min(), rows.min()
            assert first[1:5] == [x, y, columns.max() + 1 - x, rows.max() + 1 - y]


def test_every_second_digit_finds_room() -> None:
    """The two tallest digits fit below each other, so that drawing places anew must end."""
    tallest = max(mini.ink(digit, mini.WHOLE[1] - 1).shape[0] for digit in mini.sources()[0])
    assert 2 * tallest <= DRAWN


def test_labeled_digits_are_drawn_alike_alone_or_not() -> None:
    """Height and place do not tell whether there is a second digit (Welch's t; a fixed draw)."""
    _, boxes = mini.draw("val", 2000)
    first, two = boxes[:, 0], boxes[:, 1, 0] != mini.NO_DIGIT.label
    # Binomial(2000, 1/6): standard deviation 0.8 %.
    assert abs(two.mean() - 1 / mini.SECOND_ONE_IN) < 0.025
    for column in ("x", "y", "height"):
        values = first[:, mini.Digit._fields.index(column)].astype(float)
        assert ttest_ind(values[two], values[~two], equal_var=False).pvalue > 0.01, column


def test_scenes_of_one_source_are_a_cluster(scenes: dict[str, Scenes]) -> None:
    for split, of_split in scenes.items():
        pools = mini.digits_of(split)
        assert all(cluster in pools[label] for cluster, label in zip(of_split.clusters, of_split.labels, strict=True))


def test_a_cache_hit_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = count_drawings(monkeypatch)
    first, again = (open_mini("val", tmp_path / "new" / "folder", 5) for _ in range(2))
    assert drawn == ["val"]
    assert np.array_equal(first.pixels, again.pixels)
    assert first.manifest_hash == again.manifest_hash
    assert [first.boxes(i) for i in range(5)] == [again.boxes(i) for i in range(5)]
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["mini-val-5.npz"]


def test_a_cache_of_another_version_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_mini("val", tmp_path, 5)
    drawn = count_drawings(monkeypatch)
    monkeypatch.setattr(mini, "VERSION", mini.VERSION + 1)
    open_mini("val", tmp_path, 5)
    open_mini("val", tmp_path, 5)
    assert drawn == ["val"]
    assert len(list(tmp_path.iterdir())) == 1


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_a_pixel(path: Path) -> None:
    """A well-formed file whose pixels are not the ones of its digest."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["pixels"][0, 0, 0] ^= 1
    np.savez(path, **arrays)


def drop_an_array(path: Path) -> None:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file if key != "facts"}
    np.savez(path, **arrays)


DAMAGES = {
    "bit": flip_a_bit,
    "pixel": change_a_pixel,
    "array": drop_an_array,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not scenes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    good = open_mini("val", tmp_path, 5)
    drawn = count_drawings(monkeypatch)
    DAMAGES[damage](tmp_path / "mini-val-5.npz")
    for _ in range(2):
        assert np.array_equal(open_mini("val", tmp_path, 5).pixels, good.pixels)
    assert drawn == ["val"]


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, **arrays: object) -> None:
        Path(path).write_bytes(b"half of")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_mini("val", tmp_path, 5)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"unknown split 'test' of mini; choose one of train, tune, val, val-v2, tune-part"
    ):
        open_mini("test", tmp_path)


@pytest.mark.parametrize("count", [0, -1, SIZES.whole["val"] + 1])
def test_an_impossible_count_is_named(tmp_path: Path, count: int) -> None:
    with pytest.raises(
        DataError, match=rf"cannot take {count} scenes of the split val; choose 1 to {SIZES.whole['val']}"
    ):
        open_mini("val", tmp_path, count)
