"""The data sets by name. A new one needs its file, its test and a line here."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from benchmarks.data.errors import DataError

if TYPE_CHECKING:
    from benchmarks.data.boxes import Boxed
    from benchmarks.data.images import ImageSet
    from benchmarks.data.preflight import Decode, Notice, Progress


# What ImageNet's training folder is divided into: what networks are trained on, and what they are followed on.
IN_TRAINING_FOLDER = ("train", "tune")


class Source(NamedTuple):
    """Where data come from, and how much of them.

    Attributes:
        root: The user's data folder, or None.
        cache: Where embedded data are kept.
        num_classes: Classes that ImageNet's folders are declared to have.
        limit: Of embedded data the first so many images, None for all.
        reduced_classes: Classes of the reduced data set.
        class_list: The user's own list of them, or None.
    """

    root: Path | None
    cache: Path
    num_classes: int
    limit: int | None
    reduced_classes: int
    class_list: Path | None


class DataSet(NamedTuple):
    """A data set.

    Attributes:
        open: Opens a split by its name.
        splits: Their names.
        look: Looks at splits on disk for the usual mistakes, reading images up to the given depth; None where there is
            nothing on disk to look at.
        boxes: The boxes of a split's images, from the split and the user's data folder; None where there are none.
    """

    open: "Callable[[str, Source], ImageSet]"
    splits: tuple[str, ...]
    boxes: "Callable[[ImageSet, Path | None], Boxed] | None" = None
    look: "Callable[[Sequence[str], Source, Decode, Progress | None], list[Notice]] | None" = None


def root_of(source: Source) -> Path:
    """The user's data folder.

    Raises:
        DataError: None was named.
    """
    if source.root is None:
        raise DataError("the profile full needs the paper's data: name their folder with --data-root (make: DATA=...)")
    return source.root


def imagenet(split: str, source: Source) -> "ImageSet":
    """ImageNet, see ``benchmarks.data.imagenet``."""
    root = root_of(source)  # a missing one is said before anything is imported
    from benchmarks.data.imagenet import open_imagenet, open_training

    opens = open_training if split in IN_TRAINING_FOLDER else open_imagenet
    return opens(root, split, source.num_classes)  # type: ignore[arg-type]


def reduced_imagenet(split: str, source: Source) -> "ImageSet":
    """The classes of ImageNet that figure 8 (center) is about, see ``benchmarks.data.wordnet``."""
    from benchmarks.data.selected import Selected
    from benchmarks.data.wordnet import reduced_classes

    chosen = reduced_classes(root_of(source), source.reduced_classes, source.class_list)
    return Selected("imagenet-reduced", imagenet(split, source), chosen)


def mini(split: str, source: Source) -> "ImageSet":
    """The embedded scenes."""
    from benchmarks.data.mini import open_mini

    return open_mini(split, source.cache, source.limit)


def reduced_mini(split: str, source: Source) -> "ImageSet":
    """The first digits of the embedded scenes, or the user's."""
    from benchmarks.data.selected import Selected, read_class_list

    scenes = mini(split, source)
    listed = source.class_list
    chosen = scenes.classes[: source.reduced_classes] if listed is None else read_class_list(listed)
    return Selected("mini-reduced", scenes, chosen)


def cub(split: str, source: Source) -> "ImageSet":
    """CUB-200-2011."""
    from benchmarks.data.cub import open_cub

    return open_cub(root_of(source), split)


def dogs(split: str, source: Source) -> "ImageSet":
    """Stanford Dogs."""
    from benchmarks.data.dogs import open_dogs

    return open_dogs(root_of(source), split)


def coco(split: str, source: Source) -> "ImageSet":
    """MS-COCO 2014."""
    from benchmarks.data.coco import open_coco

    return open_coco(root_of(source), split)


def marks(name: str, split: str, source: Source) -> "ImageSet":
    """One of the embedded fine-grained sets."""
    from benchmarks.data.mini_marks import open_marks

    return open_marks(name, split, source.cache, source.limit)


def many(split: str, source: Source) -> "ImageSet":
    """The embedded multi-label set."""
    from benchmarks.data.mini_many import open_many

    return open_many(split, source.cache, source.limit)


def annotated_imagenet(images: "ImageSet", root: Path | None) -> "Boxed":
    """ILSVRC's boxes."""
    from benchmarks.data.imagenet_boxes import open_boxes

    assert root is not None
    return open_boxes(images, root)


def drawn_boxes(images: "ImageSet", root: Path | None) -> "Boxed":
    """The boxes of drawn scenes, which know them."""
    return cast("Boxed", images)


def look_at_imagenet(
    splits: Sequence[str], source: Source, decode: "Decode", progress: "Progress | None"
) -> "list[Notice]":
    """ImageNet's folders, layout by layout."""
    from benchmarks.data.preflight import preflight

    folders = dict.fromkeys("train" if split in IN_TRAINING_FOLDER else split for split in splits)
    return preflight(root_of(source), source.num_classes, tuple(folders), decode, progress)  # type: ignore[arg-type]


def look_at_lists(
    name: str, splits: Sequence[str], source: Source, decode: "Decode", progress: "Progress | None"
) -> "list[Notice]":
    """A data set whose images are named by files: whether it opens, what it lacks, whether its images can be read."""
    from benchmarks.data.preflight import look_at_listed

    openers = {f"{name}/{split}": partial(DATA_SETS[name].open, split, source) for split in splits}
    return look_at_listed(openers, decode, progress)


def look_at_reduced_imagenet(
    splits: Sequence[str], source: Source, decode: "Decode", progress: "Progress | None"
) -> "list[Notice]":
    """The chosen classes; with the training images those that are held out of them."""
    also = IN_TRAINING_FOLDER if "train" in splits else ()
    return look_at_lists("imagenet-reduced", tuple(dict.fromkeys([*splits, *also])), source, decode, progress)


DATA_SETS: dict[str, DataSet] = {
    "imagenet": DataSet(imagenet, ("train", "tune", "val", "v2"), annotated_imagenet, look_at_imagenet),
    "imagenet-reduced": DataSet(reduced_imagenet, ("train", "tune", "val"), look=look_at_reduced_imagenet),
    "cub": DataSet(cub, ("train", "test"), look=partial(look_at_lists, "cub")),
    "dogs": DataSet(dogs, ("train", "test"), look=partial(look_at_lists, "dogs")),
    "coco": DataSet(coco, ("train", "val"), look=partial(look_at_lists, "coco")),
    "mini": DataSet(mini, ("train", "tune", "tune-part", "val", "val-part", "val-v2"), drawn_boxes),
    "mini-reduced": DataSet(reduced_mini, ("train", "tune", "tune-part", "val")),
    "dots": DataSet(partial(marks, "dots"), ("train", "tune", "tune-part", "test")),
    "strokes": DataSet(partial(marks, "strokes"), ("train", "tune", "tune-part", "test")),
    "many": DataSet(many, ("train", "tune", "tune-part", "test")),
}


def find(name: str) -> DataSet:
    """A data set by its name.

    Raises:
        DataError: There is none of that name.
    """
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def boxes_of(name: str, images: "ImageSet", root: Path | None) -> "Boxed":
    """The boxes of a data set's images.

    Raises:
        DataError: It has none, or they are missing.
    """
    boxes = find(name).boxes
    if boxes is None:
        with_boxes = ", ".join(one for one, data in DATA_SETS.items() if data.boxes is not None)
        raise DataError(f"the data set {name} has no boxes of objects; choose one of {with_boxes}")
    return boxes(images, root)


def on_disk() -> tuple[str, ...]:
    """Names of the data sets that lie on disk and can be looked at."""
    return tuple(name for name, data in DATA_SETS.items() if data.look is not None)


def look_at(root: Path, names: Sequence[str], num_classes: int, decode: "Decode") -> "list[Notice]":
    """What is to be said of the folders of data sets before they are used.

    Args:
        root: Where they lie.
        names: Of the data sets, none for the first.
        num_classes: Classes that they are to have.
        decode: How far images are read.

    Raises:
        ValueError: There is none of a name.
    """
    known = on_disk()
    notices: list[Notice] = []
    for name in names or known[:1]:
        if name not in known:
            raise ValueError(f"unknown data set {name!r}; choose of {', '.join(known)}")
        data = find(name)
        assert data.look is not None
        notices += data.look(data.splits, Source(root, root, num_classes, None, num_classes, None), decode, None)
    return notices
