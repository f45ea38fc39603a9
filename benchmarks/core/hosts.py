"""The store of a run whose cells run on many hosts: a record counts wherever it was made."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.core.pack import read_pack
from benchmarks.core.records import Cell, Record, Scalar
from benchmarks.core.store import Store, files_in

# Inputs that name the host's processor. It decides the last bits of a training, and is told in every record.
OF_HOSTS = ("computes_with", "processor")


class StoreOfHosts(Store):
    """A results folder that hosts with different processors fill together.

    On one machine a record is valid if it was made with the same processor. Here that would have a host train again
    what another has trained, and look for weights that are there. The oldest record counts that differs by the
    processor alone, so that all hosts agree on it.

    Args:
        folder: As of :class:`benchmarks.core.store.Store`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # What was read so far, by id, and which cells it is of: records never change.
        self.known: dict[str, Record] = {}
        self.by_cell: dict[Cell, list[Record]] = {}
        # The pack, and how many records were files: while both are the same nothing has come.
        self.pack_read: Mapping[str, str] | None = None
        self.files = 0

    def find(self, cell: Cell, inputs: Mapping[str, Scalar]) -> Record | None:
        """The oldest record of a cell with these inputs, but for the host's; None if there is none.

        Raises:
            StoreError: As :meth:`records`.
        """
        wanted = but_host(inputs)
        if not self.fitting(cell, wanted):
            self.read_new()
        return min(self.fitting(cell, wanted), key=lambda one: (one.created, one.id), default=None)

    def fitting(self, cell: Cell, wanted: Mapping[str, Scalar]) -> list[Record]:
        """Those that were read of a cell's records that have these inputs."""
        return [one for one in self.by_cell.get(cell, []) if but_host(one.inputs) == wanted]

    def read_new(self) -> None:
        """Read the records that came since the last time, of whichever host."""
        folder = self.folder / "records"
        # Hidden ones are being written: counted, they would hide that they have come.
        files = sum(not name.startswith(".") for name in os.listdir(folder)) if folder.exists() else 0
        packed = read_pack(self.pack_path)
        if (files, packed) == (self.files, self.pack_read):
            return
        for path in files_in(folder):
            if path.stem.rpartition("-")[2] not in self.known:
                with contextlib.suppress(FileNotFoundError):  # it is packed since, and the pack read next time
                    self.keep(self.read(path).record)
        for name, line in packed.items():
            if name not in self.known:
                self.keep(self.unpacked(name, line))
        self.files, self.pack_read = files, packed

    def keep(self, record: Record) -> None:
        """Remember a record."""
        self.known[record.id] = record
        self.by_cell.setdefault(record.cell, []).append(record)


def but_host(inputs: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Inputs without those that name the host's processor."""
    return {name: value for name, value in inputs.items() if name not in OF_HOSTS}
