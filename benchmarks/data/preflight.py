"""Look for the usual mistakes in ImageNet's folders before an hour is spent on them."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from benchmarks.data.errors import DataError
from benchmarks.data.imagenet import (
    PUBLISHED,
    SPLITS,
    Split,
    empty_class_problems,
    entries,
    find_split,
    folder_problems,
    is_image,
    is_wordnet_id,
    open_flat_val,
)
from benchmarks.data.images import ImageFiles, ImageSet, UnreadableImage, read_image, verify_image
from benchmarks.data.listed import few
from benchmarks.data.selected import Selected

Level = Literal["error", "warning", "info"]
Decode = Literal["none", "headers", "full"]
Progress = Callable[[int, int], None]

FULL_CLASSES = 1000
LISTED_FILES = 20
BATCH = 1024


class Notice(NamedTuple):
    """One thing that preflight has to say: an error forbids a run, a warning makes its numbers doubtful."""

    level: Level
    what: str


class SplitReport(NamedTuple):
    """What was found in one split: its images, the names of its classes, and what is to be said about it."""

    images: list[Path]
    classes: list[str]
    notices: list[Notice]


def preflight(
    root: Path,
    num_classes: int = 1000,
    splits: Sequence[Split] = SPLITS,
    decode: Decode = "headers",
    progress: Progress | None = None,
) -> list[Notice]:
    """Everything noteworthy about the folders of ImageNet; bad data is reported, never raised.

    Args:
        root: Folder that holds the splits; see :func:`benchmarks.data.imagenet.open_imagenet`.
        num_classes: Number of classes the folders are declared to have.
        splits: The splits to look at; each one that is missing is an error.
        decode: How closely to look at each image: not at all, at header and completeness, or by decoding it.
        progress: Called with the number of images looked at and their total.

    Raises:
        DataError: ``splits`` or ``decode`` is not one of the choices.
    """
    if not set(splits) <= set(SPLITS) or decode not in get_args(Decode):
        raise DataError(
            f"cannot look at splits {', '.join(splits)} with decode {decode!r};"
            f" choose splits from {', '.join(SPLITS)} and decode from {', '.join(get_args(Decode))}"
        )
    reports = {split: look_at_split(root, split, num_classes) for split in splits}
    notices = [notice for report in reports.values() for notice in report.notices]
    if "train" in reports and "val" in reports:
        notices += compare_classes(reports["train"].classes, reports["val"].classes)
    if decode != "none":
        images = [path for report in reports.values() for path in report.images]
        notices += look_at_images(images, read_image if decode == "full" else verify_image, progress)
    return notices


def look_at_listed(
    openers: Mapping[str, Callable[[], ImageSet]], decode: Decode, progress: Progress | None = None
) -> list[Notice]:
    """Everything noteworthy about sets whose images are named by files; bad data is reported, never raised.

    Args:
        openers: What opens each set, by its name.
        decode: As for :func:`preflight`.
        progress: Likewise.
    """
    notices: list[Notice] = []
    paths: list[Path] = []
    for name, opens in openers.items():
        try:
            images = opens()
        except (DataError, OSError) as error:
            notices.append(Notice("error", str(error)))
            continue
        notices.append(Notice("info", f"{name} has {len(images)} images of {len(images.classes)} classes"))
        notices += [Notice("warning", remark) for remark in images.remarks]
        if images.missing:
            what = f"{name} lacks {len(images.missing)} of the images that its lists name"
            shown = [Notice("warning", f"missing: {path}") for path in images.missing[:LISTED_FILES]]
            notices += [Notice("warning", f"{what}; what is computed from it is partial"), *shown]
        paths += paths_of(images)
    if decode != "none":
        notices += look_at_images(paths, read_image if decode == "full" else verify_image, progress)
    return notices


def paths_of(images: ImageSet) -> list[Path]:
    """The files of an image set; none of one that is not made of files."""
    if isinstance(images, Selected):
        whole = paths_of(images.of)
        return [whole[i] for i in images.indices] if whole else []
    return [images.path(i) for i in range(len(images))] if isinstance(images, ImageFiles) else []


def look_at_split(root: Path, split: Split, num_classes: int) -> SplitReport:
    """Layout, classes and file names of one split."""
    try:
        folder = find_split(root, split)
        files = sorted(file_ids(folder))
        images = [name for name in files if is_image(name)]
        classes, problems = look_at_layout(root, folder, split, num_classes, images)
    except (DataError, OSError) as error:
        return SplitReport([], [], [Notice("error", str(error))])
    notices = [
        Notice("info", f"{split} has {len(images)} images of {len(classes)} classes in {folder}"),
        *(Notice("error", problem) for problem in problems),
        *look_at_class_names(split, classes),
        *look_at_files(split, files, images, num_classes),
    ]
    return SplitReport([folder / name for name in images], classes, notices)


def file_ids(folder: Path) -> Iterator[str]:
    """Path of every file below a folder, relative to it and with ``/``.

    Raises:
        OSError: A folder cannot be listed.
    """
    for parent, _, names in os.walk(folder, onerror=throw, followlinks=True):
        prefix = Path(parent).relative_to(folder).as_posix()
        yield from (name if prefix == "." else f"{prefix}/{name}" for name in names)


def throw(error: OSError) -> None:
    """Raise an error that ``os.walk`` would pass over."""
    raise error


def look_at_layout(
    root: Path, folder: Path, split: Split, num_classes: int, images: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Names of a split's classes, and what is wrong with its layout.

    Raises:
        OSError: The folder cannot be listed.
    """
    folders, loose_images = entries(folder)
    if split == "val" and loose_images and not folders:
        try:
            return open_flat_val(root, folder, num_classes).classes, []
        except DataError as error:
            return [], [str(error)]
    with_images = {name.partition("/")[0] for name in images}
    problems = folder_problems(split, folders, loose_images, num_classes)
    return folders, problems + empty_class_problems(split, folders, with_images)


def look_at_class_names(split: Split, classes: Sequence[str]) -> list[Notice]:
    """Whether the class names of train or val leave the order of the labels in doubt."""
    names = [name for name in classes if not is_wordnet_id(name) and not name.isdecimal()]
    if split == "v2" or not names:
        return []
    what = f"{split} has {len(names)} class folders that are not WordNet ids ({few(names)}): labels are in string order"
    return [Notice("warning", what)]


def look_at_files(split: Split, files: Sequence[str], images: Sequence[str], num_classes: int) -> list[Notice]:
    """Files that are no images, file names that occur twice, and images missing from the complete data set."""
    notices = []
    others = [name for name in files if not is_image(name)]
    if others:
        notices.append(Notice("info", f"{split} has {len(others)} files that are not images, ignored: {few(others)}"))
    stems = Counter(os.path.splitext(os.path.basename(name))[0] for name in images)
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        what = f"{split} has {len(twice)} image names more than once ({few(twice)}): is one image in two class folders?"
        notices.append(Notice("warning", what))
    expected = PUBLISHED[split]
    if num_classes == FULL_CLASSES and len(images) != expected:
        what = f"{split} has {len(images)} images where the complete data set has {expected}"
        notices.append(Notice("warning", what))
    return notices


def compare_classes(train: Sequence[str], val: Sequence[str]) -> list[Notice]:
    """Whether train and val have the same classes; not judged where either has none."""
    only_train, only_val = sorted(set(train) - set(val)), sorted(set(val) - set(train))
    if not train or not val or not (only_train or only_val):
        return []
    what = f"train and val differ in their classes: only in train: {few(only_train)}; only in val: {few(only_val)}"
    return [Notice("error", what)]


def look_at_images(
    paths: Sequence[Path], look: Callable[[Path], object], progress: Progress | None = None
) -> list[Notice]:
    """The images that cannot be read: the first ones by path, the rest as a count.

    Args:
        paths: Files to look at.
        look: Reads one file, or raises :class:`UnreadableImage`.
        progress: Called with the number of images looked at and their total.
    """
    errors: list[str] = []
    with ThreadPoolExecutor() as pool:
        # In batches, since a pool holds an object for each pending file and train has over a million.
        for start in range(0, len(paths), BATCH):
            failures = pool.map(lambda path: failure(look, path), paths[start : start + BATCH])
            for done, error in enumerate(failures, start + 1):
                errors += [error] if error else []
                if progress:
                    progress(done, len(paths))
    notices = [Notice("error", error) for error in errors[:LISTED_FILES]]
    if len(errors) > LISTED_FILES:
        notices.append(Notice("error", f"{len(errors) - LISTED_FILES} more images are unreadable"))
    return notices


def failure(look: Callable[[Path], object], path: Path) -> str | None:
    """Why an image cannot be read, or None."""
    try:
        look(path)
    except UnreadableImage as error:
        return str(error)
    return None
