"""ImageNet-1k (ILSVRC 2012) train and val, and ImageNet-V2 matched-frequency, from folders on disk.

A label is the rank of the class's WordNet id among all sorted ids, whatever the layout. Three layouts would give
other labels to a loader that only sorts folder names, and are handled or refused here: V2's folders ``0`` ... ``999``
(sorted as strings, ``10`` precedes ``2``), the official flat val folder, and the devkit's own class numbers, which
are not in WordNet order.
"""

import csv
import os
import re
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageFiles, ImageSet
from benchmarks.data.listed import few
from benchmarks.data.selected import held_back

Split = Literal["train", "val", "v2"]
SPLITS: tuple[Split, ...] = get_args(Split)
# Images of each split as published.
PUBLISHED: dict[Split, int] = {"train": 1_281_167, "val": 50_000, "v2": 10_000}

# Images of each class that trainings are followed on and do not see; of a class of fewer than 100 a tenth, or one.
HELD_OUT = 10
# Images of the sets that networks are trained, followed and evaluated on; the first two share the training folder.
SETS = {
    "train": PUBLISHED["train"] - 1000 * HELD_OUT,
    "tune": 1000 * HELD_OUT,
    "val": PUBLISHED["val"],
    "v2": PUBLISHED["v2"],
}

# Where a split is looked for, first hit wins: below the root, then below root/imagenet.
PLACES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "ILSVRC/Data/CLS-LOC/train", "ILSVRC2012_img_train"),
    "val": ("val", "ILSVRC/Data/CLS-LOC/val", "ILSVRC2012_img_val"),
    "v2": ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency", "."),
}
BASES = (".", "imagenet")
# What torchvision's ImageFolder takes for an image.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
DEVKIT = "ILSVRC2012_devkit_t12/data"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"


def open_imagenet(root: Path, split: Split, num_classes: int = 1000) -> ImageSet:
    """One split of ImageNet.

    Args:
        root: Folder that holds the split in one of the usual places (``PLACES``).
        split: ``train``, ``val``, or ``v2`` for ImageNet-V2 matched-frequency.
        num_classes: Number of classes the folder is declared to have; smaller for a reduced tree.

    Raises:
        DataError: The split is missing, incomplete, or laid out so that labels would be wrong.
    """
    images = open_folder(root, split, num_classes)
    images.published = PUBLISHED[split]
    return images


def open_training(root: Path, part: str, num_classes: int = 1000) -> ImageSet:
    """ImageNet's training images without those that are held out, or these alone; the draw depends on their ids only.

    Args:
        root: As for :func:`open_imagenet`.
        part: ``train``, or ``tune`` for the held-out images.
        num_classes: As there.

    Raises:
        DataError: As there, or no image can be held out.
    """
    whole = open_folder(root, "train", num_classes)
    apart = held_back(whole, HELD_OUT)
    if not apart:
        raise DataError(
            f"{whole.folder} has one image of each class, and none of them can be held out to follow trainings on; "
            "complete the folder"
        )
    chosen = [i for i, name in enumerate(whole.ids) if (name in apart) == (part == "tune")]
    ids, labels = [whole.ids[i] for i in chosen], [whole.labels[i] for i in chosen]
    images = ImageFiles(f"imagenet-{part}", whole.folder, whole.classes, ids, labels)
    images.published = SETS[part]
    return images


def open_folder(root: Path, split: Split, num_classes: int) -> ImageFiles:
    """The images of a split's folder; see :func:`open_imagenet`.

    Raises:
        DataError: As there.
    """
    folder = find_split(root, split)
    folders, loose_images = entries(folder)
    if split == "val" and loose_images and not folders:
        return open_flat_val(root, folder, num_classes)
    refuse(folder_problems(split, folders, loose_images, num_classes), folder)
    classes = [str(label) for label in range(num_classes)] if split == "v2" else folders
    class_to_label = {name: label for label, name in enumerate(classes)}
    samples = [(path, label) for name, label in sorted(class_to_label.items()) for path in images_below(folder / name)]
    labels = [label for _, label in samples]
    refuse(empty_class_problems(split, classes, {classes[label] for label in set(labels)}), folder)
    ids = [path.removeprefix(f"{folder}{os.sep}").replace(os.sep, "/") for path, _ in samples]
    return ImageFiles(f"imagenet-{split}", folder, classes, ids, labels)


def images_below(folder: Path) -> list[str]:
    """Paths of the images in a folder and in those below it, in the order that ImageFolder has."""
    walked = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(place, name) for place, _, names in walked for name in sorted(names) if is_image(name)]


def find_split(root: Path, split: Split) -> Path:
    """Folder of a split.

    Raises:
        DataError: None of the usual places below the root is a folder; the message lists them.
    """
    if split not in SPLITS:
        raise DataError(f"no split of ImageNet is called {split!r}; choose one of {', '.join(SPLITS)}")
    root = root.expanduser()
    places = [os.path.normpath(f"{base}/{place}") for base in BASES for place in PLACES[split]]
    for place in places:
        folder = root / place
        # V2's classes may lie in the base itself, which is taken for V2 only if it has any.
        if folder.is_dir() and (place not in BASES or has_numbered_folder(folder)):
            return folder
    raise DataError(
        f"imagenet-{split} is missing: no folder {' or '.join(places)} below {root}; put or link the images there"
    )


def has_numbered_folder(folder: Path) -> bool:
    """Whether a folder holds a sub-folder whose name is a number."""
    return any(name.isdecimal() for name in entries(folder)[0])


def entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the image files directly in a folder, each sorted."""
    with os.scandir(folder) as scanned:
        kinds = [(entry.name, entry.is_dir()) for entry in scanned]
    folders = sorted(name for name, is_folder in kinds if is_folder)
    images = sorted(name for name, is_folder in kinds if not is_folder and is_image(name))
    return folders, images


def is_image(name: str) -> bool:
    """Whether a file name has an image extension, in upper or lower case."""
    return name.lower().endswith(EXTENSIONS)


def is_wordnet_id(name: str) -> bool:
    """Whether a name is a WordNet id such as ``n01440764``."""
    return re.fullmatch(r"n\d{8}", name) is not None


def refuse(problems: Sequence[str], folder: Path) -> None:
    """Raise one error that names all problems of a folder, if it has any.

    Raises:
        DataError: There are problems.
    """
    if problems:
        raise DataError(f"{folder}: {'; '.join(problems)}")


def folder_problems(split: Split, folders: Sequence[str], loose_images: Sequence[str], num_classes: int) -> list[str]:
    """What makes a split's folders unusable, one line each; empty if nothing does.

    Args:
        split: The split.
        folders: Names of the class folders.
        loose_images: Names of the image files beside the class folders.
        num_classes: Number of classes declared.
    """
    if not folders:
        return [f"{split} has no class folders but {len(loose_images)} loose images; make one folder for each class"]
    problems = []
    if loose_images:
        problems.append(
            f"{split} has {len(loose_images)} images outside its class folders ({few(loose_images)});"
            " move them into their class folders or away"
        )
    if split == "v2":
        return problems + number_problems(folders, num_classes)
    numbers = [name for name in folders if name.isdecimal()]
    if numbers:
        problems.append(
            f"{split} has class folders named by number ({few(numbers)}), whose string order is not the class order;"
            " name them by WordNet id"
        )
    return problems + count_problems(split, folders, num_classes)


def number_problems(folders: Collection[str], num_classes: int) -> list[str]:
    """How V2's folders differ from the numbers of the classes."""
    numbers = [str(label) for label in range(num_classes)]
    missing = [name for name in numbers if name not in set(folders)]
    strays = [name for name in folders if name not in set(numbers)]
    if not missing and not strays:
        return []
    return [
        f"v2 has {len(folders)} class folders, expected {num_classes} named 0 to {num_classes - 1}"
        f" (missing: {few(missing)}; not expected: {few(strays)}); complete the folder or declare its number of classes"
    ]


def count_problems(split: Split, classes: Sequence[str], num_classes: int) -> list[str]:
    """Whether the number of classes is not the declared one."""
    if len(classes) == num_classes:
        return []
    strays = [name for name in classes if not is_wordnet_id(name)]
    which = f"not WordNet ids: {few(strays)}" if strays else few(classes)
    return [
        f"{split} has {len(classes)} classes, expected {num_classes} ({which});"
        " complete the folder or declare its number of classes"
    ]


def empty_class_problems(split: Split, classes: Sequence[str], with_images: Collection[str]) -> list[str]:
    """Which classes have no image."""
    empty = [name for name in classes if name not in with_images]
    if not empty:
        return []
    return [f"{split} has {len(empty)} class folders without images ({few(empty)}); extract them again"]


def open_flat_val(root: Path, folder: Path, num_classes: int = 1000) -> ImageFiles:
    """The val split in the official layout: all images in one folder, labels in a file elsewhere.

    Args:
        root: Folder that holds the devkit or Kaggle's solution file.
        folder: Folder of the images.
        num_classes: Number of classes declared.

    Raises:
        DataError: No label file is found, it cannot be read, or it does not label every image.
    """
    classes, class_of = flat_labels(root, folder)
    refuse(count_problems("val", classes, num_classes), folder)
    ids = entries(folder)[1]
    unlabeled = [name for name in ids if Path(name).stem not in class_of]
    if unlabeled:
        what = f"{len(unlabeled)} images that its label file lacks ({few(unlabeled)})"
        raise DataError(f"{folder}: val has {what}; move them away or fetch the label file again")
    label_of = {name: label for label, name in enumerate(classes)}
    return ImageFiles("imagenet-val", folder, classes, ids, [label_of[class_of[Path(name).stem]] for name in ids])


def flat_labels(root: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Sorted WordNet ids of the classes, and the WordNet id of each val image by file name without extension.

    Raises:
        DataError: There is neither a devkit nor a solution file, or it cannot be read.
    """
    bases = [*(root.expanduser() / base for base in BASES), folder.parent]
    for base in bases:
        if all((base / DEVKIT / name).is_file() for name in ("meta.mat", GROUND_TRUTH)):
            return read_devkit(base / DEVKIT)
    for base in bases:
        if (base / SOLUTION).is_file():
            return read_solution(base / SOLUTION)
    raise DataError(
        f"{folder} is flat and nothing tells its labels: no {DEVKIT} (meta.mat and {GROUND_TRUTH}) and no {SOLUTION}"
        f" in {root}; put one of them there, or sort the images into folders named by WordNet id"
    )


def read_devkit(devkit: Path) -> tuple[list[str], dict[str, str]]:
    """Labels from the ILSVRC 2012 devkit's ``data`` folder; see :func:`flat_labels`.

    Raises:
        DataError: One of its files cannot be read, or the two do not fit.
    """
    wordnet_ids = read_meta(devkit / "meta.mat")
    lines = (devkit / GROUND_TRUTH).read_text(encoding="utf-8", errors="replace").split()
    unknown = sorted({line for line in lines if line not in wordnet_ids})
    if unknown:
        what = f"class numbers that meta.mat lacks ({few(unknown)})"
        raise DataError(f"{devkit / GROUND_TRUTH} has {what}; extract the devkit again")
    class_of = {f"ILSVRC2012_val_{i:08d}": wordnet_ids[line] for i, line in enumerate(lines, start=1)}
    return sorted(wordnet_ids.values()), class_of


def read_meta(path: Path) -> dict[str, str]:
    """WordNet id of each class by its devkit number, written as in the ground truth; inner WordNet nodes left out.

    Raises:
        DataError: The file is not the devkit's ``meta.mat``.
    """
    leaves = [node for node in load_meta(path) if node["num_children"] == 0]
    return {str(int(leaf["ILSVRC2012_ID"])): str(leaf["WNID"]) for leaf in leaves}


def load_meta(path: Path) -> Any:
    """The devkit's ``meta.mat``: a structured array with a row for each WordNet node.

    Raises:
        DataError: The file is not the devkit's.
    """
    try:
        synsets = np.atleast_1d(loadmat(path, squeeze_me=True)["synsets"])
        for name in ("ILSVRC2012_ID", "num_children"):
            synsets[name].astype(int)
        synsets[["WNID", "children"]]
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error, MatReadError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not the devkit's meta.mat ({reason}); extract the devkit again") from error
    return synsets


def read_solution(path: Path) -> tuple[list[str], dict[str, str]]:
    """Labels from Kaggle's ``LOC_val_solution.csv``; see :func:`flat_labels`.

    Raises:
        DataError: The file lacks a column, a class or a unique image id.
    """
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    class_of: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        image, boxes = row.get("ImageId"), (row.get("PredictionString") or "").split()
        if not image or not boxes or not is_wordnet_id(boxes[0]) or image in class_of:
            raise DataError(
                f"{path}: data row {number} is not a new ImageId with a PredictionString like 'n01751748 1 2 3 4'"
                f" (ImageId {image!r}); fetch the file again"
            )
        class_of[image] = boxes[0]
    return sorted(set(class_of.values())), class_of
