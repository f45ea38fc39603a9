"""Before the first cell: look once at each image set that a run needs, and keep its manifest beside the records."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.data.images import DataError, ImageFiles, ImageSet
from benchmarks.records import Cell, write_atomically
from benchmarks.runner import Report
from benchmarks.session import Session

if TYPE_CHECKING:
    from benchmarks.data.preflight import Finding


def prepare(cells: Sequence[Cell], session: Session, report: Report) -> "list[Finding]":
    """Look at the image sets of cells that this results folder has not seen yet, and keep their manifests.

    A set that cannot be opened is left to the cells that need it: they tell why they cannot run.

    Returns:
        What is worth telling: warnings, and errors that a run can live with, such as single unreadable images.

    Raises:
        DataError: A network is to be trained, and preflight finds an error.
    """
    trains = any(cell.task == "train" for cell in cells)
    needed = {str(cell.options["data"]) for cell in cells if "data" in cell.options} | ({"train"} if trains else set())
    new = {split: images for split in sorted(needed) if (images := opened(split, session)) and is_new(images, session)}
    files = [split for split, images in new.items() if isinstance(images, ImageFiles)]
    findings = look_at(files, session, report)
    errors = [finding for finding in findings if finding.level == "error"]
    if trains and errors:
        raise DataError(
            f"preflight found {len(errors)} errors in {session.data_root}, the first: {errors[0].what}; "
            f"`tdam-bench preflight {session.data_root}` names all of them"
        )
    for images in new.values():
        write_atomically(session.manifest_path(images), images.write_manifest)
    return findings


def opened(split: str, session: Session) -> ImageSet | None:
    """The split's images, or None if they cannot be opened."""
    try:
        return session.image_set(split)
    except DataError:
        return None


def is_new(images: ImageSet, session: Session) -> bool:
    """Whether this results folder has no manifest of these images yet."""
    return not session.manifest_path(images).exists()


def look_at(splits: Sequence[str], session: Session, report: Report) -> "list[Finding]":
    """Preflight's findings on splits of the data folder."""
    if not splits:
        return []
    from benchmarks.data.preflight import preflight  # brings torchvision

    assert session.data_root is not None
    before = 0

    def progress(done: int, total: int) -> None:
        nonlocal before
        if before == 0:
            report.start("preflight", total, "images")
        report.advance(done - before)
        before = done

    found = preflight(session.data_root, session.classes, splits, "headers", progress)  # type: ignore[arg-type]
    return [finding for finding in found if finding.level != "info"]
