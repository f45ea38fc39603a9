"""Stanford Dogs (Khosla et al. 2011): 120 breeds, the official lists."""

import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageFiles
from benchmarks.data.listed import few, find_folder, on_disk

# Images of each split as published.
PUBLISHED = {"train": 12_000, "test": 8_580}
PLACES = ("StanfordDogs", "stanford_dogs", "dogs", ".")
LISTS = {"train": "train_list.mat", "test": "test_list.mat"}


def open_dogs(root: Path, split: str) -> ImageFiles:
    """One split.

    Args:
        root: Folder that holds ``StanfordDogs`` with ``Images/``, ``train_list.mat`` and ``test_list.mat``.
        split: ``train`` or ``test``.

    Raises:
        DataError: There is no such split; a list is missing or unreadable; labels do not fit the folders of the
            images; or no image is there. Single images that are missing are left out and named in ``missing``.
    """
    if split not in LISTS:
        raise DataError(f"unknown split {split!r} of Stanford Dogs; choose one of {', '.join(LISTS)}")
    folder = find_folder(root, PLACES, (*LISTS.values(), "Images"), "Stanford Dogs")
    lists = {name: read_list(folder / file) for name, file in LISTS.items()}
    both = set(lists["train"]) & set(lists["test"])
    if both:
        raise DataError(
            f"{folder}: {len(both)} images stand in both lists ({few(sorted(both))}); fetch the lists again"
        )
    breeds = breeds_by_label(folder, {**lists["train"], **lists["test"]})
    order = {label: rank for rank, label in enumerate(sorted(breeds))}
    names = list(lists[split])
    there, missing = on_disk(folder / "Images", names)
    kept = [names[i] for i in there]
    classes = [breeds[label] for label in order]
    images_of_split = ImageFiles(
        f"dogs-{split}", folder / "Images", classes, kept, [order[lists[split][name]] for name in kept]
    )
    images_of_split.missing = missing
    images_of_split.published = PUBLISHED[split]
    return images_of_split


def read_list(path: Path) -> dict[str, int]:
    """Labels, from 1, by path below ``Images``.

    Raises:
        DataError: The file is not one of the official lists.
    """
    try:
        content = loadmat(path, squeeze_me=True)
        names = [str(name) for name in np.atleast_1d(content["file_list"])]
        labels = [int(label) for label in np.atleast_1d(content["labels"])]
        labels_of = dict(zip(names, labels, strict=True))
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error, MatReadError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a list of Stanford Dogs ({reason}); extract lists.tar again") from error
    if len(labels_of) < len(names):
        raise DataError(f"{path} names {len(names) - len(labels_of)} images twice; extract lists.tar again")
    return labels_of


def breeds_by_label(folder: Path, labels: dict[str, int]) -> dict[int, str]:
    """The folder of each label's images.

    Raises:
        DataError: Images of one label lie in several folders, or several labels in one.
    """
    folders: dict[int, set[str]] = {}
    for name, label in labels.items():
        folders.setdefault(label, set()).add(name.partition("/")[0])
    breeds = {label: min(names) for label, names in folders.items()}
    if any(len(names) > 1 for names in folders.values()) or len(set(breeds.values())) < len(breeds):
        raise DataError(f"{folder}: labels and folders of the images do not fit each other; extract lists.tar again")
    return breeds
