"""MS-COCO 2014 (Lin et al., ECCV 2014) for multi-label classification: which of 80 categories an image shows.

Images without any annotated object are left out, as the code of the asymmetric loss does: 82,081 for training and
40,137 for evaluation remain.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data.errors import DataError
from benchmarks.data.images import NO_LABEL, ImageFiles, MultiLabel
from benchmarks.data.listed import few, find_folder, on_disk, refuse_unknown

# Images with objects of each split as published.
PUBLISHED = {"train": 82_081, "val": 40_137}
PLACES = ("coco", "COCO", "coco2014", "MSCOCO2014", ".")
SPLITS = {"train": "train2014", "val": "val2014"}


class CocoImages(MultiLabel, ImageFiles):
    """Images with the categories that they show."""

    def __init__(
        self, name: str, folder: Path, classes: Sequence[str], ids: Sequence[str], present: Sequence[tuple[int, ...]]
    ) -> None:
        super().__init__(name, folder, classes, ids, [NO_LABEL] * len(ids))
        self.present = list(present)


def open_coco(root: Path, split: str) -> CocoImages:
    """One split.

    Args:
        root: Folder that holds ``coco`` with ``annotations/instances_<split>2014.json`` and ``<split>2014/``.
        split: ``train`` or ``val``.

    Raises:
        DataError: There is no such split; a file is missing or unreadable; annotations name images or categories that
            do not exist; or no image is there. Single images that are missing are left out and named in ``missing``.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r} of COCO; choose one of {', '.join(SPLITS)}")
    year = SPLITS[split]
    file = f"annotations/instances_{year}.json"
    folder = find_folder(root, PLACES, (file, year), "MS-COCO 2014")
    images, objects, categories = read_instances(folder / file)
    refuse_unknown(f"{folder / file}, images of annotations", (image for image, _ in objects), images)
    refuse_unknown(f"{folder / file}, categories of annotations", (category for _, category in objects), categories)
    order = {category: rank for rank, category in enumerate(sorted(categories))}
    shown: dict[int, set[int]] = {image: set() for image in images}
    for image, category in objects:
        shown[image].add(order[category])
    with_objects = [image for image in sorted(images) if shown[image]]
    there, missing = on_disk(folder / year, [images[image] for image in with_objects])
    kept = [with_objects[i] for i in there]
    images_of_split = CocoImages(
        f"coco-{split}",
        folder / year,
        [categories[category] for category in order],
        [images[image] for image in kept],
        [tuple(sorted(shown[image])) for image in kept],
    )
    images_of_split.missing = missing
    images_of_split.published = PUBLISHED[split]
    without = [images[image] for image in sorted(images) if not shown[image]]
    if without:
        images_of_split.remarks.append(
            f"coco/{split} leaves out {len(without)} images without objects ({few(without)})"
        )
    return images_of_split


def read_instances(path: Path) -> tuple[dict[int, str], list[tuple[int, int]], dict[int, str]]:
    """File names by image, (image, category) of every object, and names by category.

    Raises:
        DataError: The file is not a COCO file of instances.
    """
    try:
        content: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
        images = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        objects = [(int(one["image_id"]), int(one["category_id"])) for one in content["annotations"]]
        categories = {int(category["id"]): str(category["name"]) for category in content["categories"]}
    except (OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path} is not a COCO file of instances ({reason}); extract the annotations again") from error
    if not objects:
        raise DataError(f"{path} has no annotated object; images without objects cannot be used, fetch the file again")
    return images, objects, categories
