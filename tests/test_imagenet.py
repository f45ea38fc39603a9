"""ImageNet's loaders give the right labels in every layout, and preflight names each usual mistake."""

import csv
import io
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import SETS, Split, open_imagenet, open_training
from benchmarks.data.images import ImageFiles, UnreadableImage, read_image, verify_image
from benchmarks.data.preflight import Level, Notice, preflight
from tests.trees import draw_imagenet, draw_imagenet_v2, picture, save, wordnet_ids, write_devkit, write_solution

CLASSES = 12  # with more than ten, "10" sorts before "2"
PER_CLASS = 2
DEVKIT = "ILSVRC2012_devkit_t12/data"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train, val in class folders and V2, drawn once; not to be changed."""
    root = tmp_path_factory.mktemp("drawn")
    draw_imagenet(root, CLASSES, PER_CLASS)
    draw_imagenet_v2(root, CLASSES, PER_CLASS)
    return root


@pytest.fixture(scope="module")
def drawn_flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a flat val and the devkit; not to be changed."""
    root = tmp_path_factory.mktemp("flat")
    draw_imagenet(root, CLASSES, PER_CLASS, flat_val=True)
    return root


@pytest.fixture
def tree(drawn: Path, tmp_path: Path) -> Path:
    """A copy of ``drawn`` to break."""
    return Path(shutil.copytree(drawn, tmp_path / "tree"))


@pytest.fixture
def flat(drawn_flat: Path, tmp_path: Path) -> Path:
    """A copy of ``drawn_flat`` to break."""
    return Path(shutil.copytree(drawn_flat, tmp_path / "flat"))


def labels_by_file(root: Path, split: Split = "val") -> dict[str, int]:
    images = open_imagenet(root, split, CLASSES)
    return {name.rpartition("/")[2]: label for name, label in zip(images.ids, images.labels, strict=True)}


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def said(root: Path, level: Level, *splits: Split, classes: int = CLASSES) -> list[str]:
    notices = preflight(root, classes, splits or ("train", "val", "v2"))
    assert all("\n" not in notice.what for notice in notices)
    return [notice.what for notice in notices if notice.level == level]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("split", ["train", "val"])
def test_class_folders_are_labeled_by_the_rank_of_their_wordnet_id(drawn: Path, split: Split) -> None:
    images = open_imagenet(drawn, split, CLASSES)
    assert images.name == f"imagenet-{split}"
    assert images.classes == wordnet_ids(CLASSES)
    assert len(images) == CLASSES * PER_CLASS
    assert [name.split("/")[0] for name in images.ids] == [images.classes[label] for label in images.labels]
    assert images.labels == sorted(images.labels)


def test_images_are_decoded_to_rgb(tree: Path) -> None:
    images = open_imagenet(tree, "val", CLASSES)
    assert isinstance(images, ImageFiles)
    Image.new("CMYK", (70, 60)).save(images.path(0), format="JPEG")
    Image.new("L", (70, 60)).save(images.path(1), format="PNG")
    assert [(images.image(i).mode, images.image(i).size) for i in (0, 1)] == [("RGB", (70, 60))] * 2


def test_v2_folders_are_numbers_and_not_strings(drawn: Path) -> None:
    images = open_imagenet(drawn, "v2", CLASSES)
    folders = [name.split("/")[0] for name in images.ids]
    assert images.name == "imagenet-v2"
    assert images.labels == [int(folder) for folder in folders]
    string_order = sorted(set(folders))
    wrong = [string_order.index(folder) for folder in folders]
    # Sorted as strings 10 and 11 move to ranks 2 and 3, and 2 ... 9 by two: only 0 and 1 keep their labels.
    assert sum(a == b for a, b in zip(wrong, images.labels, strict=True)) == 2 * PER_CLASS


def test_v2_may_be_the_root_itself(drawn: Path) -> None:
    folder = drawn / "imagenetv2-matched-frequency-format-val"
    assert open_imagenet(folder, "v2", CLASSES).labels == open_imagenet(drawn, "v2", CLASSES).labels


def test_a_base_without_numbered_folders_is_not_taken_for_v2(drawn_flat: Path, tmp_path: Path) -> None:
    (tmp_path / "imagenet").symlink_to(drawn_flat)
    for root in (tmp_path, drawn_flat):
        with pytest.raises(DataError, match="imagenet-v2 is missing"):
            open_imagenet(root, "v2", CLASSES)


@pytest.mark.parametrize("place", ["ILSVRC/Data/CLS-LOC/val", "ILSVRC2012_img_val", "imagenet/val"])
def test_usual_places(tree: Path, place: str) -> None:
    expected = labels_by_file(tree)
    shutil.copytree(tree / "val", tree / place, dirs_exist_ok=True)
    shutil.rmtree(tree / "val")
    assert labels_by_file(tree) == expected


def test_flat_val_has_the_labels_of_the_class_folders(drawn: Path, drawn_flat: Path) -> None:
    assert labels_by_file(drawn_flat) == labels_by_file(drawn)
    assert open_imagenet(drawn_flat, "val", CLASSES).classes == wordnet_ids(CLASSES)
    ground_truth = drawn_flat / DEVKIT / "ILSVRC2012_validation_ground_truth.txt"
    numbers = [int(line) for line in ground_truth.read_text().split()]
    by_number = [labels_by_file(drawn_flat)[f"ILSVRC2012_val_{i:08d}.JPEG"] for i in range(1, len(numbers) + 1)]
    assert by_number != [number - 1 for number in numbers], "the devkit's own order must not pass for the right one"


def test_flat_val_with_kaggles_solution(flat: Path, drawn: Path) -> None:
    labels = labels_by_file(flat)
    shutil.rmtree(flat / "ILSVRC2012_devkit_t12")
    write_solution(flat, wordnet_ids(CLASSES), list(labels.values()))
    assert labels_by_file(flat) == labels_by_file(drawn)


def test_flat_val_without_labels(flat: Path) -> None:
    (flat / DEVKIT / "meta.mat").unlink()
    with pytest.raises(
        DataError, match=r"flat.*ILSVRC2012_devkit_t12.*LOC_val_solution\.csv.*put one of them"
    ) as error:
        open_imagenet(flat, "val", CLASSES)
    assert said(flat, "error", "val") == [one_line(error)]


@pytest.mark.parametrize("content", [b"", b"not a matrix" * 40])
def test_broken_meta(flat: Path, content: bytes) -> None:
    (flat / DEVKIT / "meta.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"not the devkit's meta\.mat") as error:
        open_imagenet(flat, "val", CLASSES)
    assert said(flat, "error", "val") == [one_line(error)]


def test_ground_truth_of_another_devkit(flat: Path) -> None:
    write_devkit(flat / DEVKIT, wordnet_ids(CLASSES), [0] * CLASSES * PER_CLASS)
    (flat / DEVKIT / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n99\n")
    with pytest.raises(DataError, match=r"class numbers that meta\.mat lacks \(99\)"):
        open_imagenet(flat, "val", CLASSES)


def test_flat_image_without_label(flat: Path) -> None:
    save(picture(0, CLASSES, [0]), flat / "val" / "ILSVRC2012_val_00050001.JPEG")
    with pytest.raises(DataError, match=r"1 images that its label file lacks \(ILSVRC2012_val_00050001\.JPEG\)"):
        open_imagenet(flat, "val", CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        "ImageId,Boxes\na,n00000001 1 2 3 4\n",
        "ImageId,PredictionString\na,\n",
        "ImageId,PredictionString\na,n00000001 1 2 3 4\na,n00000002 1 2 3 4\n",
    ],
    ids=["no column", "no class", "duplicate id"],
)
def test_broken_solution(flat: Path, text: str) -> None:
    shutil.rmtree(flat / "ILSVRC2012_devkit_t12")
    (flat / "LOC_val_solution.csv").write_text(text)
    with pytest.raises(DataError, match=r"data row \d is not a new ImageId"):
        open_imagenet(flat, "val", CLASSES)


def test_missing_split_names_the_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder val or ILSVRC/Data/CLS-LOC/val or .*imagenet/val.*below") as error:
        open_imagenet(tmp_path, "val")
    assert said(tmp_path, "error", "val") == [one_line(error)]
    assert len(said(tmp_path / "nowhere", "error")) == 3


def test_unknown_choices(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'valid'; choose one of train, val, v2"):
        open_imagenet(tmp_path, "valid")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"decode 'some'; .* decode from none, headers, full"):
        preflight(tmp_path, decode="some")  # type: ignore[arg-type]


def test_class_count(tree: Path) -> None:
    shutil.rmtree(tree / "val" / wordnet_ids(CLASSES)[0])
    with pytest.raises(DataError, match=r"11 classes, expected 12 \(n01441977, n01443190, n01444403, \.\.\.\)"):
        open_imagenet(tree, "val", CLASSES)
    assert any("11 classes, expected 12" in what for what in said(tree, "error", "val"))
    assert any("12 classes, expected 1000" in what for what in said(tree, "error", "train", classes=1000))
    assert said(tree, "warning", "train", classes=1000) == [
        "train has 24 images where the complete data set has 1281167"
    ]


def test_stray_folder_among_the_classes(tree: Path) -> None:
    (tree / "val" / ".cache").mkdir()
    with pytest.raises(DataError, match=r"13 classes, expected 12 \(not WordNet ids: \.cache\)"):
        open_imagenet(tree, "val", CLASSES)


def test_classes_of_train_and_val_differ(tree: Path) -> None:
    first, last = wordnet_ids(CLASSES)[0], wordnet_ids(CLASSES)[-1]
    (tree / "val" / first).rename(tree / "val" / "n99999999")
    assert f"train and val differ in their classes: only in train: {first}; only in val: n99999999" in said(
        tree, "error"
    )
    (tree / "train" / last).rename(tree / "train" / "n88888888")
    assert any(f"only in train: {first}, n88888888; only in val: {last}, n99999999" in w for w in said(tree, "error"))


def test_classes_of_train_and_flat_val_agree(drawn_flat: Path) -> None:
    assert said(drawn_flat, "error", "train", "val") == []


def test_folders_named_by_word(tree: Path) -> None:
    for number, name in enumerate(wordnet_ids(CLASSES)):
        (tree / "train" / name).rename(tree / "train" / f"dog{number}")
    assert open_imagenet(tree, "train", CLASSES).classes[:3] == ["dog0", "dog1", "dog10"]
    assert any("not WordNet ids (dog0, dog1, dog10, ...)" in what for what in said(tree, "warning", "train"))
    assert said(tree, "error", "train") == []


def test_folders_named_by_number(tree: Path) -> None:
    for number, name in enumerate(wordnet_ids(CLASSES)):
        (tree / "train" / name).rename(tree / "train" / str(number))
    with pytest.raises(DataError, match=r"named by number \(0, 1, 10, \.\.\.\)"):
        open_imagenet(tree, "train", CLASSES)
    assert any("named by number" in what for what in said(tree, "error", "train"))


def test_v2_folders_must_be_the_numbers(tree: Path) -> None:
    folder = tree / "imagenetv2-matched-frequency-format-val"
    (folder / "11").rename(folder / "011")
    with pytest.raises(DataError, match=r"expected 12 named 0 to 11 \(missing: 11; not expected: 011\)"):
        open_imagenet(tree, "v2", CLASSES)
    assert any("not expected: 011" in what for what in said(tree, "error", "v2"))


def test_empty_class_folder(tree: Path) -> None:
    name = wordnet_ids(CLASSES)[3]
    for path in (tree / "train" / name).iterdir():
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(DataError, match=rf"1 class folders without images \({name}\)"):
        open_imagenet(tree, "train", CLASSES)
    assert any(name in what for what in said(tree, "error", "train"))
    assert any(f"2 files that are not images, ignored: {name}/" in what for what in said(tree, "info", "train"))


def test_images_half_sorted_into_class_folders(tree: Path) -> None:
    image = next((tree / "val" / wordnet_ids(CLASSES)[0]).iterdir())
    image.rename(tree / "val" / image.name)
    with pytest.raises(DataError, match=rf"1 images outside its class folders \({image.name}\)"):
        open_imagenet(tree, "val", CLASSES)
    assert any(image.name in what for what in said(tree, "error", "val"))


def test_flat_train_is_refused(tmp_path: Path) -> None:
    save(picture(0, CLASSES, [0]), tmp_path / "train" / "n01440764_10026.JPEG")
    with pytest.raises(DataError, match="no class folders but 1 loose images"):
        open_imagenet(tmp_path, "train", CLASSES)
    assert any("no class folders" in what for what in said(tmp_path, "error", "train"))


def test_image_in_two_class_folders(tree: Path) -> None:
    first, second = wordnet_ids(CLASSES)[:2]
    image = next((tree / "val" / first).iterdir())
    shutil.copy(image, tree / "val" / second)
    assert any(f"more than once ({image.stem})" in what for what in said(tree, "warning", "val"))


def test_complete_tree_has_nothing_but_info(drawn: Path) -> None:
    steps: list[tuple[int, int]] = []
    notices = preflight(drawn, CLASSES, decode="full", progress=lambda done, total: steps.append((done, total)))
    assert [notice.level for notice in notices] == ["info"] * 3
    total = 3 * CLASSES * PER_CLASS
    assert steps == [(done, total) for done in range(1, total + 1)]
    assert notices[0] == Notice("info", f"train has 24 images of 12 classes in {drawn / 'train'}")


def test_preflight_names_bad_images(tree: Path) -> None:
    images = open_imagenet(tree, "val", CLASSES)
    assert isinstance(images, ImageFiles)
    truncated, text = images.path(0), images.path(5)
    cut(truncated)
    text.write_text("404 not found")
    errors = said(tree, "error", "val")
    assert [what.split(":")[0] for what in errors] == [f"unreadable image {path}" for path in (truncated, text)]
    assert preflight(tree, CLASSES, ("val",), decode="none")[1:] == []


def test_preflight_counts_the_images_beyond_the_first(tree: Path) -> None:
    for path in (tree / "train").rglob("*.JPEG"):
        path.write_bytes(b"")
    errors = said(tree, "error", "train")
    assert len(errors) == 21
    assert errors[-1] == "4 more images are unreadable"


def test_full_decoding_finds_what_headers_cannot(tmp_path: Path) -> None:
    path = tmp_path / "damaged.JPEG"
    save(picture(0, CLASSES, [0]), path)
    content = path.read_bytes()
    # The counts of a Huffman table, which start five bytes after its marker, cannot all be 255.
    counts = content.index(b"\xff\xc4") + 5
    path.write_bytes(content[:counts] + b"\xff" * 16 + content[counts + 16 :])
    verify_image(path)
    with pytest.raises(UnreadableImage, match="broken data stream"):
        read_image(path)


def test_jpeg_with_padding_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "padded.JPEG"
    save(picture(0, CLASSES, [0]), path)
    path.write_bytes(path.read_bytes() + bytes(16))
    verify_image(path)
    assert read_image(path).mode == "RGB"


def test_unreadable_image_names_its_path_and_survives_pickling(tmp_path: Path) -> None:
    path = tmp_path / "gone.JPEG"
    with pytest.raises(UnreadableImage, match="No such file") as error:
        read_image(path)
    assert isinstance(error.value, ValueError)
    assert one_line(error).startswith(f"unreadable image {path}: ")
    copy = pickle.loads(pickle.dumps(error.value))
    assert (str(copy), copy.path, copy.reason) == (str(error.value), path, error.value.reason)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("extension", ["jpeg", "png", "webp", "tiff", "gif", "bmp"])
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, extension: str) -> None:
    buffer = io.BytesIO()
    picture(1, CLASSES, [1]).resize((24, 20)).save(buffer, format=extension)
    rng = np.random.default_rng(0)
    path = tmp_path / f"damaged.{extension}"
    for _ in range(60):
        content = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        content[rng.integers(0, min(200, content.size), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(content[: rng.integers(1, content.size + 1)].tobytes())
        for look in (verify_image, read_image):
            with suppress(UnreadableImage):
                look(path)


def test_manifest_does_not_depend_on_the_place(drawn: Path, tree: Path) -> None:
    here, there = open_imagenet(drawn, "val", CLASSES), open_imagenet(tree, "val", CLASSES)
    assert here.manifest == there.manifest
    assert here.manifest_hash == there.manifest_hash
    assert len(here.manifest_hash) == 64
    assert isinstance(there, ImageFiles)
    backwards = ImageFiles(there.name, there.folder, there.classes, there.ids[::-1], there.labels[::-1])
    assert backwards.manifest_hash == here.manifest_hash


def test_training_images_and_held_out_ones_share_the_folder(drawn: Path, tmp_path: Path) -> None:
    """Each image is in one of the two, by its name alone: also in a copy whose files were written in another order."""
    for path in sorted((drawn / "train").rglob("*.JPEG"), reverse=True):
        target = tmp_path / path.relative_to(drawn)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    seen, apart = (open_training(drawn, part, CLASSES) for part in ("train", "tune"))
    assert [seen.name, apart.name] == ["imagenet-train", "imagenet-tune"]
    assert sorted(seen.ids + apart.ids) == sorted(open_imagenet(drawn, "train", CLASSES).ids)
    assert apart.labels == list(range(CLASSES))
    assert seen.classes == apart.classes == wordnet_ids(CLASSES)
    assert all(images.classes[label] in name for images in (seen, apart)
               for name, label in zip(images.ids, images.labels, strict=True))  # fmt: skip
    assert apart.image(0).tobytes() == read_image(drawn / "train" / apart.ids[0]).tobytes()
    copies = [open_training(tmp_path, part, CLASSES).manifest_hash for part in ("train", "tune")]
    assert copies == [seen.manifest_hash, apart.manifest_hash]
    assert (SETS["train"], SETS["tune"]) == (1_271_167, 10_000)
    assert apart.part == f"{CLASSES} of 10,000 images"


def test_of_single_images_none_can_be_held_out(tmp_path: Path) -> None:
    draw_imagenet(tmp_path, classes=2, per_class=1)
    with pytest.raises(DataError, match="has one image of each class, and none of them can be held out") as error:
        open_training(tmp_path, "tune", 2)
    assert "complete the folder" in one_line(error)


def test_manifest_hash_changes_with_the_data(tree: Path) -> None:
    images = open_imagenet(tree, "val", CLASSES)
    assert isinstance(images, ImageFiles)
    first = images.path(0)
    hashes = {images.manifest_hash}
    labels = [images.labels[-1], *images.labels[1:]]
    hashes.add(ImageFiles(images.name, images.folder, images.classes, images.ids, labels).manifest_hash)
    hashes.add(ImageFiles(images.name, images.folder, images.classes[::-1], images.ids, images.labels).manifest_hash)
    first.write_bytes(first.read_bytes() + b"\0")
    hashes.add(open_imagenet(tree, "val", CLASSES).manifest_hash)
    first.rename(first.with_stem("renamed"))
    hashes.add(open_imagenet(tree, "val", CLASSES).manifest_hash)
    assert len(hashes) == 5


def test_manifest_as_csv(drawn: Path, tmp_path: Path) -> None:
    images = open_imagenet(drawn, "v2", CLASSES)
    images.write_manifest(tmp_path / "manifest.csv")
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "bytes", "label"]
    size = (drawn / "imagenetv2-matched-frequency-format-val" / "0" / "00000000.jpeg").stat().st_size
    assert rows[1] == ["0/00000000.jpeg", str(size), "0"]
    assert len(rows) == 1 + CLASSES * PER_CLASS
    assert [row[0] for row in rows[1:]] == sorted(images.ids)


def test_trees_are_the_same_each_time(drawn: Path, tmp_path: Path) -> None:
    draw_imagenet(tmp_path, CLASSES, PER_CLASS)
    assert open_imagenet(tmp_path, "train", CLASSES).manifest == open_imagenet(drawn, "train", CLASSES).manifest
    sizes = [open_imagenet(drawn, "train", CLASSES).image(i).size for i in range(CLASSES * PER_CLASS)]
    assert all(width != height and min(width, height) >= 60 and max(width, height) <= 121 for width, height in sizes)


def test_images_are_in_the_order_of_imagefolder(tmp_path: Path) -> None:
    """Also where class folders have folders of their own, names in capitals, and files that are no images."""
    draw_imagenet(tmp_path, classes=3, per_class=2)
    first = sorted((tmp_path / "train").iterdir())[0]
    (first / "a").mkdir()
    for name in ("Z.JPG", "a/b.webp", "a.png", "notes.txt"):
        (first / name).touch()
    images = open_imagenet(tmp_path, "train", 3)
    expected = ImageFolder(tmp_path / "train").samples
    assert [str(tmp_path / "train" / name) for name in images.ids] == [path for path, _ in expected]
    assert images.labels == [label for _, label in expected]
