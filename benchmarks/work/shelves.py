"""Where a pass puts what it has so far: in memory, or on disk, where it outlives the process.

A stretch is what one network left of neighboring images of a set. A pass over many images writes one every few thousand
of them, so that its memory does not grow with their number, and so that a pass that was cut off goes on where it was.
"""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.core import distributed
from benchmarks.core.files import short_hash, write_atomically
from benchmarks.core.records import Cell, identity
from benchmarks.core.store import Store
from benchmarks.work.kind import Inputs
from benchmarks.work.session import Session

if TYPE_CHECKING:
    import pyarrow

# Arrays by name that share their first axis: one row for each image, or for whatever else adds up.
Part = dict[str, np.ndarray]
PARTS = "parts"
# Images that go on a shelf together, where a profile does not say otherwise.
TOGETHER = 2000


class Stretch(NamedTuple):
    """What a pass left of the images from one position to before another.

    Attributes:
        begin: First position.
        end: Behind the last one.
        part: Its arrays.
        reasons: A line for each of these images that was left out.
    """

    begin: int
    end: int
    part: Part
    reasons: list[str]


class Shelf(ABC):
    """Holds the stretches of one network and view."""

    @abstractmethod
    def put(self, stretch: Stretch) -> None:
        """Keep a stretch of this process."""

    @abstractmethod
    def covered(self) -> list[range]:
        """The positions that need not be shown again."""

    @abstractmethod
    def stretches(self) -> list[Stretch]:
        """All stretches of all processes, in the order of their images; every process must ask."""

    def clear(self) -> None:  # noqa: B027 - what is in memory goes by itself
        """Give up what is held, when it has become a record."""


class Memory(Shelf):
    """For what is small, and gone with the process."""

    def __init__(self) -> None:
        self.kept: list[Stretch] = []

    def put(self, stretch: Stretch) -> None:
        self.kept.append(stretch)

    def covered(self) -> list[range]:
        return []

    def stretches(self) -> list[Stretch]:
        return sorted((one for shard in distributed.gather(self.kept) for one in shard), key=lambda one: one.begin)


class Disk(Shelf):
    """A folder of Parquet files, named by the positions that they cover; processes share it, and none gathers.

    Args:
        folder: Made on first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, stretch: Stretch) -> None:
        import pyarrow.parquet as pq

        path = self.folder / f"{stretch.begin:09d}-{stretch.end:09d}.parquet"
        write_atomically(path, lambda temporary: pq.write_table(table_of(stretch), temporary))

    def covered(self) -> list[range]:
        return [range(*map(int, path.stem.split("-"))) for path in self.files()]

    def files(self) -> list[Path]:
        """The stretches' files in the order of their images."""
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def stretches(self) -> list[Stretch]:
        import pyarrow.parquet as pq

        return [stretch_of(pq.read_table(path)) for path in self.files()]

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def shelf_of(cell: Cell, inputs: Inputs, session: Session) -> Disk:
    """Where the parts of a cell lie while it is not done. Those of other inputs, which are void, go."""
    own = f"{cell.kind}-{cell.model}-{short_hash(str(cell))}"
    folder = session.store.path(PARTS, f"{own}-{identity(cell, inputs)}", "")
    if distributed.rank() == 0:
        for other in session.store.path(PARTS, own, "").parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return Disk(folder)


def clear_recorded(store: Store) -> None:
    """Remove the parts of what has become a record: a run may be killed between the two."""
    for folder in (store.folder / PARTS).glob("*"):
        if store.holds(folder.name.rpartition("-")[2]):
            shutil.rmtree(folder, ignore_errors=True)


def table_of(stretch: Stretch) -> "pyarrow.Table":
    """A stretch as a table: a row for each image, an array of more than one axis as lists of equal length."""
    import pyarrow as pa

    columns = {}
    for name, array in stretch.part.items():
        flat = pa.array(np.ascontiguousarray(array).reshape(-1))
        width = int(np.prod(array.shape[1:]))
        columns[name] = flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
    facts = {
        "begin": stretch.begin,
        "end": stretch.end,
        "reasons": stretch.reasons,
        "shapes": {name: array.shape[1:] for name, array in stretch.part.items()},
    }
    return pa.table(columns).replace_schema_metadata({"stretch": json.dumps(facts)})


def stretch_of(table: "pyarrow.Table") -> Stretch:
    """What :func:`table_of` made a table of."""
    facts = json.loads(table.schema.metadata[b"stretch"])
    part = {}
    for name, shape in facts["shapes"].items():
        column = table[name].combine_chunks()
        flat = column.flatten() if shape else column
        part[name] = flat.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
    return Stretch(facts["begin"], facts["end"], part, facts["reasons"])


def joined(parts: Sequence[Part]) -> Part:
    """Parts as one, row behind row."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Rows:
    """Where rows of batches lie until they are put on a shelf: in a few large arrays, one behind the other.

    Thousands of small arrays, each made between the large ones of a network, would keep the memory of those apart when
    they go: 455 networks and views came to 24 GB so, for 0.1 GB of rows.
    """

    def __init__(self) -> None:
        self.arrays: Part = {}
        self.filled = self.room = 0

    def hold(self, part: Part) -> Part:
        """The same rows, copied here."""
        count = len(part["position"])
        if self.filled + count > self.room or shapes_of(part) != shapes_of(self.arrays):
            self.filled, self.room = 0, max(count, TOGETHER)
            self.arrays = {name: np.empty((self.room, *rows.shape[1:]), rows.dtype) for name, rows in part.items()}
        held = {name: array[self.filled : self.filled + count] for name, array in self.arrays.items()}
        for name, rows in part.items():
            held[name][...] = rows
        self.filled += count
        return held


def shapes_of(part: Part) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """What the rows of each array are, by its name."""
    return {name: (rows.dtype, rows.shape[1:]) for name, rows in part.items()}
