"""Before the first cell: look once at each image set that a run needs, and keep its manifest beside the records."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from benchmarks.core.files import write_atomically
from benchmarks.core.progress import Progress
from benchmarks.core.records import Cell
from benchmarks.data.errors import DataError
from benchmarks.data.registry import find
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from benchmarks.work.training import TrainingKind

if TYPE_CHECKING:
    from benchmarks.data.images import ImageSet
    from benchmarks.data.preflight import Decode, Notice


def prepare(cells: Sequence[Cell], session: Session, progress: Progress) -> "list[Notice]":
    """Look at the image sets of cells that this results folder has not seen yet, and keep their manifests.

    A set that cannot be opened is left to the cells that need it: they tell why they cannot run.

    Returns:
        What is worth telling: warnings, and errors that a run can live with, such as single unreadable images.

    Raises:
        DataError: A network is to be trained, and preflight finds an error.
    """
    needed, trained_on = image_sets(cells)
    new = {split: images for split in sorted(needed) if (images := opened(split, session)) and is_new(images, session)}
    read = {split: images for split, images in new.items() if not images.drawn}
    layout = look_at(list(new), session, "none", progress)
    trained = look_at([split for split in new if split in trained_on], session, "headers", progress)
    others = look_at([split for split in read if split not in trained_on], session, "headers", progress)
    # What is wrong with an image that is only evaluated makes its cell partial.
    errors = [notice for notice in (*layout, *trained) if notice.level == "error"]
    if trained_on and errors:
        sets = " ".join(f"--data {name}" for name in dict.fromkeys(session.located(split)[0] for split in new))
        raise DataError(
            f"preflight found {len(errors)} errors in {session.data_root}, the first: {errors[0].what}; "
            f"`tdam-bench preflight {session.data_root} {sets}` names all of them"
        )
    notices = [one for one in dict.fromkeys([*layout, *trained, *others]) if one.level != "info"]
    for images in new.values():
        write_atomically(session.manifest_path(images), images.write_manifest)
    return [*notices, *told_of_limit(new.values(), session)]


def image_sets(cells: Iterable[Cell]) -> tuple[set[str], set[str]]:
    """The image sets that cells need, and those of them that networks are trained on."""
    trained_on, needed = set(), set()
    for cell in cells:
        kind = KINDS[cell.kind]
        trained_on |= {kind.images_of(cell)} if isinstance(kind, TrainingKind) else set()
        needed |= {str(cell.options["data"])} if "data" in cell.options else set()
    return needed | trained_on, trained_on


def inspect(cells: Sequence[Cell], session: Session, decode: "Decode", progress: Progress) -> "list[Notice]":
    """What preflight notices on all that cells need: image sets, and boxes where these are compared with.

    Args:
        cells: What is to be run.
        session: Names the data.
        decode: As for :func:`benchmarks.data.preflight.preflight`.
        progress: Told how far it is.
    """
    from benchmarks.data.preflight import Notice

    notices = look_at(sorted(image_sets(cells)[0]), session, decode, progress)
    for split in sorted({str(cell.options["data"]) for cell in cells if KINDS[cell.kind].boxed}):
        try:
            session.boxes(split)
        except DataError as error:
            notices.append(Notice("error", str(error)))
    return list(dict.fromkeys(notices))


def told_of_limit(sets: "Iterable[ImageSet]", session: Session) -> "list[Notice]":
    """What ``--limit`` does with image sets, and which it leaves whole since they have no more images."""
    from benchmarks.data.preflight import Notice

    if session.limit is None:
        return []
    return [
        Notice("info", f"{one.name}: {one.part}" if "--limit" in one.part else
               f"{one.name}: all its {len(one):,} images, at most {session.limit:,} were asked for (--limit)")
        for one in sets if len(one) <= session.limit
    ]  # fmt: skip


def opened(split: str, session: Session) -> "ImageSet | None":
    """The split's images, or None if they cannot be opened."""
    try:
        return session.image_set(split)
    except DataError:
        return None


def is_new(images: "ImageSet", session: Session) -> bool:
    """Whether this results folder has no manifest of these images yet."""
    return not session.manifest_path(images).exists()


def look_at(splits: Sequence[str], session: Session, decode: "Decode", progress: Progress) -> "list[Notice]":
    """What preflight notices on splits of the data folder; embedded data have nothing to look at."""
    by_set: dict[str, list[str]] = {}
    for name, split in map(session.located, splits):
        by_set.setdefault(name, []).append(split)
    notices: list[Notice] = []
    for name, parts in by_set.items():
        look = find(name).look
        if look is not None:
            notices += look(parts, session.source_of(parts[0]), decode, Stretch(f"preflight {name}", progress))
    return notices


class Stretch:
    """Progress as preflight tells it, done and total, on a run's bar."""

    def __init__(self, what: str, progress: Progress) -> None:
        self.what, self.progress = what, progress
        self.before = 0

    def __call__(self, done: int, total: int) -> None:
        if self.before == 0:
            self.progress.start(self.what, total, "images")
        self.progress.advance(done - self.before)
        self.before = done
