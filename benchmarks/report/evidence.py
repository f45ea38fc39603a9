"""What claims are decided by: numbers and outcomes of records, or why there are none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.outcomes import unpack
from benchmarks.core.records import Cell, Record
from benchmarks.report.selection import Selection, recorded_seeds
from benchmarks.work.session import Session

Bools = npt.NDArray[np.bool_]


class Missing(Exception):
    """A record that a claim rests on is missing, or lacks what the claim needs."""


@dataclass(frozen=True)
class Evidence:
    """The records that claims are decided by.

    Attributes:
        session: Profile, seeds and models.
        selection: The newest record of each cell.
    """

    session: Session
    selection: Selection

    def of_recorded_seeds(self, cells: Callable[[Session], Sequence[Cell]]) -> "Evidence":
        """The same records, seen for the seeds of which all of these cells are recorded."""
        seeds = recorded_seeds(cells, self.session, self.selection.newest)
        return replace(self, session=replace(self.session, seeds=seeds))

    def record(self, cell: Cell) -> Record:
        """The record of a cell.

        Raises:
            Missing: There is none; the message says why and which command fills it.
        """
        if cell not in self.selection.newest:
            raise Missing(self.selection.why_missing(cell))
        return self.selection.newest[cell]

    def number(self, cells: Sequence[Cell], metric: str) -> float:
        """A metric's mean over cells that differ in their seed.

        Raises:
            Missing: A record or its value is missing.
        """
        values = []
        for cell in cells:
            found = self.record(cell).metrics.get(metric)
            if found is None or found.value is None:
                raise Missing(found.status if found else f"nothing measured under {metric}")
            values.append(found.value)
        return float(np.mean(values))

    def samples(self, cells: Sequence[Cell], name: str) -> list[list[float]]:
        """Raw samples of each cell.

        Raises:
            Missing: A record or its samples are missing.
        """
        return [self.kept(self.record(cell).samples, name, cell) for cell in cells]

    def outcomes(self, cells: Sequence[Cell], name: str) -> list[Bools]:
        """Whether each image was right, of each cell.

        Raises:
            Missing: A record or its outcomes are missing.
        """
        return [self.of_record(cell, name) for cell in cells]

    def of_record(self, cell: Cell, name: str) -> Bools:
        """Outcomes of one cell; see :meth:`outcomes`."""
        record = self.record(cell)
        packed = self.kept(record.notes.get("outcomes", {}), name, cell)
        return unpack(str(packed), record.metrics[name].n or 0)

    def images(self, cells: Sequence[Cell]) -> set[str]:
        """Hashes of the images that the cells' outcomes are of."""
        return {str(self.record(cell).notes.get("images")) for cell in cells}

    def kept(self, where: Any, name: str, cell: Cell) -> Any:
        """An entry of a record.

        Raises:
            Missing: It has none of that name.
        """
        if name not in where:
            raise Missing(f"the record of {cell.task} {cell.model} keeps no {name}: `{self.selection.command}`")
        return where[name]

    def ids(self, cells: Sequence[Cell]) -> tuple[str, ...]:
        """Ids of the records of cells."""
        return tuple(self.record(cell).id for cell in cells)
