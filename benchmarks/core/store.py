"""The store: a results folder of records, each a JSON file that is written once and never changed.

A record's name is the hash of all that can change its numbers, so asking whether a cell is done is asking whether a
file exists.
"""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.core.files import short_hash, write_text
from benchmarks.core.records import SCHEMA, Cell, Record, Scalar, StoreError, from_json, identity


@dataclass(frozen=True)
class Absence:
    """Why a cell has no record, and the command that fills it."""

    cell: Cell
    reason: str
    command: str


class Store:
    """A results folder: ``records/``, ``failures/``, ``predictions/``, ``weights/``.

    Args:
        folder: Made on first write.

    Raises:
        StoreError: The folder was written by another schema version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        version = folder / "schema.json"
        if version.exists():
            kept = json.loads(version.read_text()).get("schema")
            if kept != SCHEMA:
                raise StoreError(
                    f"{folder} has schema {kept!r}, this suite writes schema {SCHEMA}; "
                    "name another folder with --results, or move this one away"
                )

    def path(self, kind: str, name: str, suffix: str) -> Path:
        """Where a file of this kind lies; a colon, which not every disk takes, becomes an underscore."""
        return self.folder / kind / f"{name.replace(':', '_')}{suffix}"

    def record_path(self, cell: Cell, record_id: str) -> Path:
        """Where a record lies; the name tells people what it is, the id makes it unique."""
        return self.path("records", f"{cell.kind}-{cell.model}-{record_id}", ".json")

    def find(self, cell: Cell, inputs: Mapping[str, Scalar]) -> Record | None:
        """The valid record of a cell: everything that can change its numbers is equal. None if there is none."""
        path = self.record_path(cell, identity(cell, inputs))
        return self.read(path) if path.exists() else None

    def read(self, path: Path) -> Record:
        """One record.

        Raises:
            StoreError: Torn, of another schema, or not a record.
        """
        try:
            content = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise StoreError(f"{path} is not readable as JSON ({error}); remove it to measure its cell anew") from error
        return from_json(content, path)

    def records(self) -> list[Record]:
        """All records, oldest first."""
        read = [self.read(path) for path in sorted((self.folder / "records").glob("*.json"))]
        return sorted(read, key=lambda record: (record.created, record.id))

    def write(self, record: Record) -> Path:
        """Write a record; one that is there already is kept, for records never change."""
        self.mark()
        path = self.record_path(record.cell, record.id)
        if not path.exists():
            write_text(path, json.dumps(record.as_dict(), indent=1, sort_keys=True))
        self.absence_path(record.cell).unlink(missing_ok=True)
        return path

    def mark(self) -> None:
        """Leave the schema's version in the folder."""
        version = self.folder / "schema.json"
        if not version.exists():
            write_text(version, json.dumps({"schema": SCHEMA}))

    def absence_path(self, cell: Cell) -> Path:
        """Where the note of a cell without record lies."""
        return self.path("failures", f"{cell.kind}-{cell.model}-{short_hash(cell.as_dict())}", ".json")

    def note_absence(self, cell: Cell, reason: str, command: str) -> None:
        """Leave a note of why a cell has no record; it is no record itself and goes when the cell succeeds."""
        self.mark()
        note = {"cell": cell.as_dict(), "reason": reason, "command": command}
        write_text(self.absence_path(cell), json.dumps(note, indent=1, sort_keys=True))

    def absences(self) -> list[Absence]:
        """The notes of cells that could not be run."""
        notes = [json.loads(path.read_text()) for path in sorted((self.folder / "failures").glob("*.json"))]
        return [Absence(Cell(**note["cell"]), note["reason"], note["command"]) for note in notes]

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the folder for one run; the lock falls with the process, however it ends.

        Args:
            waiting: Called once if another run holds the folder; this one then waits for it.
        """
        self.mark()
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
