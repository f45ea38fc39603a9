"""What kinds of work leave: shares in percent, what they say of images that are lacking, and files beside a record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.files import write_atomically
from benchmarks.core.records import Metric
from benchmarks.data.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmarks.data.images import ImageSet
    from benchmarks.metrics.statistics import Proportion


def percent(share: "Proportion", status: str = "ok") -> Metric:
    """A share with its interval in percent."""
    return Metric(100 * share.value, "%", share.n, 100 * share.low, 100 * share.high, status)


def part_notes(images: "ImageSet") -> dict[str, object]:
    """What a record notes of a part of a published set: how much, whether drawn at random, and by which ``--limit``."""
    if not images.part:
        return {}
    drawn: dict[str, object] = {"part": images.part, "drawn": images.drawn}
    return drawn if images.limit is None else {**drawn, "limit": images.limit}


def status_of_part(status: str, images: "ImageSet") -> str:
    """A status that also names the part of the published set that was evaluated, if it is no more than that."""
    if not images.part:
        return status
    return f"partial: {images.part}" + ("" if status == "ok" else f"; {status.removeprefix('partial: ')}")


def status_of(seen: int, wanted: int, lacking: str = "unreadable") -> str:
    """``ok``, or how many of the wanted images lack, and why."""
    return "ok" if seen == wanted else f"partial: {wanted - seen} of {wanted} images {lacking}"


def require_images(seen: int, split: str, unreadable: Sequence[str]) -> None:
    """Refuse a pass that no image came through.

    Raises:
        DataError: None did; the message names the first and says why.
    """
    if not seen:
        raise DataError(f"no image of {split} could be used; the first: {unreadable[0]}")


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as Parquet, from the first process."""
    from benchmarks.core import distributed

    if distributed.rank() == 0:
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))


def write_arrays(arrays: "Mapping[str, np.ndarray]", path: Path) -> None:
    """Write named arrays, compressed, from the first process."""
    import numpy as np

    from benchmarks.core import distributed

    if distributed.rank() == 0:
        write_atomically(path, lambda temporary: np.savez_compressed(temporary, **arrays))  # type: ignore[arg-type]
