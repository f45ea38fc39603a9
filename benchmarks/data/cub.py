"""CUB-200-2011 (Wah et al. 2011): 200 birds, the official text files and split."""

from pathlib import Path

from benchmarks.data.errors import DataError
from benchmarks.data.images import ImageFiles
from benchmarks.data.listed import few, find_folder, on_disk, read_pairs, refuse_unknown

# Images of each split as published.
PUBLISHED = {"train": 5_994, "test": 5_794}
PLACES = ("CUB_200_2011", "CUB_200_2011/CUB_200_2011", "cub", ".")
FILES = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt", "images")
# Values of train_test_split.txt.
SPLITS = {"train": "1", "test": "0"}


def open_cub(root: Path, split: str) -> ImageFiles:
    """One split.

    Args:
        root: Folder that holds ``CUB_200_2011``, or that folder.
        split: ``train`` or ``test``.

    Raises:
        DataError: There is no such split; a file is missing or unreadable; the files do not fit each other; or no image
            is there. Single images that are missing are left out and named in ``missing``.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r} of CUB; choose one of {', '.join(SPLITS)}")
    folder = find_folder(root, PLACES, FILES, "CUB-200-2011")
    classes, images, class_of, split_of = (read_pairs(folder / name) for name in FILES[:4])
    strange_numbers = [key for key in classes if not key.isdecimal()]
    if strange_numbers:
        raise DataError(f"{folder / FILES[0]}: class numbers that are none ({few(strange_numbers)}); extract it again")
    refuse_unknown(f"{folder / FILES[2]}, images", class_of, images)
    refuse_unknown(f"{folder / FILES[2]}, classes", class_of.values(), classes)
    refuse_unknown(f"{folder / FILES[3]}, images", split_of, images)
    refuse_unknown(f"{folder / FILES[3]}, values other than 0 and 1", split_of.values(), tuple(SPLITS.values()))
    for name, listed in ((FILES[2], class_of), (FILES[3], split_of)):
        refuse_unknown(f"{folder / 'images.txt'}, images that {name} lacks", images, listed)
    strange = [name for key, name in images.items() if name.partition("/")[0] != classes[class_of[key]]]
    if strange:
        raise DataError(
            f"{folder}: {len(strange)} images lie in the folder of another class than image_class_labels.txt says "
            f"({few(strange)}); extract the official archive again"
        )
    order = {key: label for label, key in enumerate(sorted(classes, key=int))}
    keys = [key for key in images if split_of[key] == SPLITS[split]]
    there, missing = on_disk(folder / "images", [images[key] for key in keys])
    kept = [keys[i] for i in there]
    images_of_split = ImageFiles(
        f"cub-{split}",
        folder / "images",
        [classes[key] for key in order],
        [images[key] for key in kept],
        [order[class_of[key]] for key in kept],
    )
    images_of_split.missing = missing
    images_of_split.published = PUBLISHED[split]
    return images_of_split
