"""CUB, Stanford Dogs and COCO: right labels from the official layouts, and one clear line for each usual mistake."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.data.coco import open_coco
from benchmarks.data.cub import open_cub
from benchmarks.data.dogs import open_dogs
from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageSet
from benchmarks.data.preflight import Notice, look_at_listed
from tests.trees import draw_coco, draw_cub, draw_dogs, write_dog_list, write_instances, write_lines

DRAW = {"cub": draw_cub, "dogs": draw_dogs, "coco": draw_coco}
OPEN: dict[str, Callable[[Path, str], ImageSet]] = {"cub": open_cub, "dogs": open_dogs, "coco": open_coco}
TEST = {"cub": "test", "dogs": "test", "coco": "val"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The official folder of each data set, drawn once."""
    return {name: draw(tmp_path_factory.mktemp(name)) for name, draw in DRAW.items()}


def copy(drawn: dict[str, Path], name: str, root: Path) -> Path:
    """A copy of a data set to spoil; returns its folder."""
    return Path(shutil.copytree(drawn[name], root / drawn[name].name))


def test_cub_labels_and_split(drawn: dict[str, Path]) -> None:
    train, test = (open_cub(drawn["cub"].parent, split) for split in ("train", "test"))
    assert train.classes == ["001.Bird_0", "002.Bird_1", "003.Bird_2", "004.Bird_3"]
    assert (len(train), len(test)) == (8, 4)
    assert all(name.startswith(train.classes[label]) for name, label in zip(train.ids, train.labels, strict=True))
    assert test.ids == [f"{one}/Bird_{i}_0002.jpg" for i, one in enumerate(test.classes)]
    assert train.image(0).mode == "RGB"
    assert not set(train.ids) & set(test.ids)


def test_class_numbers_are_no_strings(tmp_path: Path) -> None:
    """Class 10 follows class 9, not class 1."""
    draw_cub(tmp_path, classes=12, per_class=2)
    train = open_cub(tmp_path, "train")
    assert train.classes[9] == "010.Bird_9"
    assert train.labels == list(range(12))


def test_dogs_labels_and_split(drawn: dict[str, Path]) -> None:
    train, test = (open_dogs(drawn["dogs"].parent, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 4)
    assert test.labels == [0, 1, 2, 3]
    assert [name.partition("/")[0] for name in test.ids] == test.classes


def test_coco_shows_several_classes(drawn: dict[str, Path]) -> None:
    """Category numbers have gaps; an image without objects is left out and told."""
    val = open_coco(drawn["coco"].parent, "val")
    assert val.classes == ["thing 1", "thing 18", "thing 90"]
    assert val.present == [(0,), (1,), (1, 2), (0,), (1,)]
    assert val.target(2).tolist() == [0.0, 1.0, 1.0]
    assert len(val.remarks) == 1
    assert "leaves out 1 images without objects (COCO_val2014_000000000005.jpg)" in val.remarks[0]


def test_the_manifest_covers_what_coco_images_show(drawn: dict[str, Path], tmp_path: Path) -> None:
    before = open_coco(drawn["coco"].parent, "val").manifest_hash
    folder = copy(drawn, "coco", tmp_path)
    assert open_coco(tmp_path, "val").manifest_hash == before
    edit_instances(folder, lambda content: content["annotations"][0].update(category_id=90))
    assert open_coco(tmp_path, "val").manifest_hash != before


@pytest.mark.parametrize("name", DRAW)
def test_the_folder_itself_may_be_named(drawn: dict[str, Path], name: str) -> None:
    assert OPEN[name](drawn[name], TEST[name]).manifest_hash == OPEN[name](drawn[name].parent, TEST[name]).manifest_hash


@pytest.mark.parametrize("name", DRAW)
def test_missing_images_are_listed_and_the_set_goes_on(drawn: dict[str, Path], tmp_path: Path, name: str) -> None:
    copy(drawn, name, tmp_path)
    whole = OPEN[name](tmp_path, TEST[name])
    before = whole.manifest_hash
    gone = whole.path(1)  # type: ignore[attr-defined]
    gone.unlink()
    images = OPEN[name](tmp_path, TEST[name])
    assert images.missing == [str(gone)]
    assert len(images) == len(whole) - 1
    assert images.manifest_hash != before
    notices = look_at_listed({f"{name}/{TEST[name]}": lambda: images}, "headers")
    warnings = [notice.what for notice in notices if notice.level == "warning"]
    assert any("lacks 1 of the images that its lists name" in what for what in warnings)
    assert f"missing: {gone}" in warnings


def test_many_missing_images_are_counted(drawn: dict[str, Path], tmp_path: Path) -> None:
    folder = draw_cub(tmp_path, classes=4, per_class=12)
    for path in (folder / "images").rglob("*_000[0-9].jpg"):
        path.unlink()
    notices = look_at_listed({"cub/train": lambda: open_cub(tmp_path, "train")}, "none")
    said = [notice.what for notice in notices if notice.level == "warning"]
    assert said[0].startswith("cub/train lacks 40 of the images")
    assert len(said) == 1 + 20


def test_unreadable_images_are_named(drawn: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(drawn, "dogs", tmp_path)
    path = next((folder / "Images").rglob("*.jpg"))
    path.write_bytes(path.read_bytes()[:200])
    notices = look_at_listed({"dogs/train": lambda: open_dogs(tmp_path, "train")}, "headers")
    assert [notice.level for notice in notices] == ["info", "error"]
    assert str(path) in notices[1].what


def edit_instances(folder: Path, change: Callable[[dict[str, list[dict[str, object]]]], object]) -> None:
    """Change COCO's val annotations."""
    path = folder / "annotations" / "instances_val2014.json"
    content = json.loads(path.read_text())
    change(content)
    write_instances(folder, "val", content)


def replace_line(path: Path, number: int, line: str) -> None:
    """Change one line of a text file."""
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    write_lines(path, lines)


def empty(folder: Path) -> None:
    """Remove all pictures below a folder."""
    for path in list(folder.rglob("*.jpg")):
        path.unlink()


MISTAKES: list[tuple[str, Callable[[Path], object], str]] = [
    ("cub", lambda f: (f / "train_test_split.txt").unlink(), "lacks train_test_split.txt; extract"),
    ("cub", lambda f: replace_line(f / "classes.txt", 2, "two 002.Bird_1"), "class numbers that are none \\(two\\)"),
    ("cub", lambda f: shutil.rmtree(f / "images"), "lacks images; extract"),
    ("cub", lambda f: replace_line(f / "image_class_labels.txt", 2, "2 99"), "classes: 1 unknown \\(99\\)"),
    ("cub", lambda f: replace_line(f / "image_class_labels.txt", 2, "2 3"), "1 images lie in the folder of another"),
    ("cub", lambda f: replace_line(f / "train_test_split.txt", 1, "77 1"), "images: 1 unknown \\(77\\)"),
    ("cub", lambda f: replace_line(f / "train_test_split.txt", 1, "1 2"), "other than 0 and 1: 1 unknown \\(2\\)"),
    ("cub", lambda f: replace_line(f / "train_test_split.txt", 1, "2 1"), "line 2: a number that came before"),
    ("cub", lambda f: replace_line(f / "images.txt", 3, "3"), "images.txt, line 3: not a number and a value"),
    ("cub", lambda f: write_lines(f / "image_class_labels.txt", ["1 1"]), "image_class_labels.txt lacks: 11 unknown"),
    ("cub", lambda f: empty(f / "images"), "has none of the 4 images"),
    ("dogs", lambda f: (f / "test_list.mat").unlink(), "lacks test_list.mat"),
    ("dogs", lambda f: (f / "train_list.mat").write_bytes(b"no list"), "train_list.mat is not a list of Stanford Dogs"),
    ("dogs", lambda f: shutil.copy(f / "train_list.mat", f / "test_list.mat"), "8 images stand in both lists"),
    ("dogs", lambda f: write_dog_list(f / "test_list.mat", [("n02085620-Dog_0/x.jpg", 3)]), "labels and folders"),
    ("dogs", lambda f: write_dog_list(f / "test_list.mat", [("a/x.jpg", 9), ("a/x.jpg", 9)]), "names 1 images twice"),
    ("coco", lambda f: (f / "annotations" / "instances_val2014.json").unlink(), "lacks annotations/instances_val2014"),
    ("coco", lambda f: shutil.rmtree(f / "val2014"), "lacks val2014"),
    ("coco", lambda f: (f / "annotations" / "instances_val2014.json").write_text("{"), "is not a COCO file of inst"),
    ("coco", lambda f: edit_instances(f, lambda c: c.pop("categories")), "KeyError: 'categories'"),
    ("coco", lambda f: edit_instances(f, lambda c: c["annotations"][0].update(category_id=2)), "1 unknown \\(2\\)"),
    ("coco", lambda f: edit_instances(f, lambda c: c["annotations"][0].update(image_id=7)), "annotations: 1 unknown"),
    ("coco", lambda f: edit_instances(f, lambda c: c["annotations"].clear()), "has no annotated object"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), MISTAKES)
def test_mistakes_are_named_on_one_line(
    drawn: dict[str, Path], tmp_path: Path, name: str, spoil: Callable[[Path], object], message: str
) -> None:
    """Both when the set is opened and by preflight, which reports and does not raise."""
    spoil(copy(drawn, name, tmp_path))
    with pytest.raises(DataError, match=message) as caught:
        OPEN[name](tmp_path, TEST[name])
    assert "\n" not in str(caught.value)
    notices = look_at_listed({name: lambda: OPEN[name](tmp_path, TEST[name])}, "headers")
    assert notices == [Notice("error", str(caught.value))]


@pytest.mark.parametrize("name", DRAW)
def test_a_set_that_is_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"is missing: no folder .* below .*; put or link it there"):
        OPEN[name](tmp_path, TEST[name])


@pytest.mark.parametrize("name", DRAW)
def test_unknown_splits(drawn: dict[str, Path], name: str) -> None:
    with pytest.raises(DataError, match=r"unknown split 'v2' of .*; choose one of train, "):
        OPEN[name](drawn[name], "v2")
