"""The store: a results folder of records, each written once and never changed.

A record's id is the hash of all that can change its numbers, so asking whether a cell is done is asking for an id. A
new record is a JSON file of its own; thousands of them are packed into one. Who reads sees no difference.
"""

import contextlib
import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import SoftFileLock, Timeout

from benchmarks.core.files import canonical, short_hash, write_new, write_text
from benchmarks.core.pack import PACK, line_of, read_pack, write_pack
from benchmarks.core.records import SCHEMA, Cell, Record, Scalar, StoreError, from_json, identity


@dataclass(frozen=True)
class Absence:
    """Why a cell has no record, and the command that fills it."""

    cell: Cell
    reason: str
    command: str


@dataclass(frozen=True)
class Loose:
    """A record that is a file of its own, and the line that it is in a pack."""

    path: Path
    record: Record
    line: str


@dataclass(frozen=True)
class Packing:
    """What packing did: files that went into the pack, and records that it now holds."""

    moved: int
    held: int


class Store:
    """A results folder: ``records/``, ``records.jsonl.gz``, ``failures/``, ``predictions/``, ``weights/``.

    Args:
        folder: Made on first write.

    Raises:
        StoreError: The folder was written by another schema version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        version = folder / "schema.json"
        if version.exists():
            kept = json.loads(version.read_text(encoding="utf-8")).get("schema")
            if kept != SCHEMA:
                raise StoreError(
                    f"{folder} has schema {kept!r}, this suite writes schema {SCHEMA}; "
                    "name another folder with --results, or move this one away"
                )

    def path(self, kind: str, name: str, suffix: str) -> Path:
        """Where a file of this kind lies; a colon, which not every disk takes, becomes an underscore."""
        return self.folder / kind / f"{name.replace(':', '_')}{suffix}"

    def record_path(self, cell: Cell, record_id: str) -> Path:
        """Where a loose record lies; the name tells people what it is, the id makes it unique."""
        return self.path("records", f"{cell.kind}-{cell.model}-{record_id}", ".json")

    @property
    def pack_path(self) -> Path:
        """Where packed records lie."""
        return self.folder / PACK

    def find(self, cell: Cell, inputs: Mapping[str, Scalar]) -> Record | None:
        """The valid record of a cell: everything that can change its numbers is equal. None if there is none.

        Raises:
            StoreError: As :meth:`records`, of this record or of the pack.
        """
        record_id = identity(cell, inputs)
        try:
            loose = self.read(self.record_path(cell, record_id))
        except FileNotFoundError:
            # Looked for before the pack is: one that another process packs meanwhile is in one of the two.
            packed = read_pack(self.pack_path).get(record_id)
            return None if packed is None else self.unpacked(record_id, packed)
        self.require_equal(loose, read_pack(self.pack_path).get(record_id))
        return loose.record

    def of(self, cell: Cell) -> list[Record]:
        """All records of a cell, whatever else their numbers depend on, oldest first.

        Raises:
            StoreError: As :meth:`records`, of these records or of the pack.
        """
        told = f'"cell":{canonical(cell.as_dict())}'
        packed = [self.unpacked(name, line) for name, line in read_pack(self.pack_path).items() if told in line]
        # An id has 16 digits.
        paths = (self.folder / "records").glob(self.record_path(cell, "?" * 16).name)
        loose = [self.read(path).record for path in paths]
        mine = {record.id: record for record in (*packed, *loose) if record.cell == cell}
        return sorted(mine.values(), key=lambda record: (record.created, record.id))

    def holds(self, record_id: str) -> bool:
        """Whether there is a record of an id."""
        loose = (self.folder / "records").glob(f"*-{record_id}.json")
        return record_id in read_pack(self.pack_path) or any(loose)

    def read(self, path: Path) -> Loose:
        """One loose record.

        Raises:
            StoreError: Torn, of another schema, or not a record.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{path} is not readable as JSON ({error}); remove it to measure its cell anew") from error
        return Loose(path, from_json(content, str(path)), line_of(content))

    def unpacked(self, record_id: str, line: str) -> Record:
        """One packed record.

        Raises:
            StoreError: Of another schema, or not a record.
        """
        return from_json(json.loads(line), f"{self.pack_path}, record {record_id},")

    def require_equal(self, loose: Loose, packed: str | None) -> None:
        """Refuse a loose record that says other things than the packed one of its id.

        Raises:
            StoreError: It does.
        """
        if packed not in (None, loose.line):
            raise StoreError(
                f"{loose.path} and {self.pack_path} hold different records of the id {loose.record.id}, and records "
                f"never change; remove {loose.path} to keep the packed one, or restore what was edited"
            )

    def contents(self) -> tuple[list[Loose], Mapping[str, str]]:
        """All loose records, and the lines of all packed ones by id; what is in both is equal.

        Raises:
            StoreError: As :meth:`records`.
        """
        loose = []
        for path in files_in(self.folder / "records"):
            # A file that went since the folder was listed has been packed, and the pack is read after this.
            with contextlib.suppress(FileNotFoundError):
                loose.append(self.read(path))
        packed = read_pack(self.pack_path)
        for one in loose:
            self.require_equal(one, packed.get(one.record.id))
        return loose, packed

    def records(self) -> list[Record]:
        """All records, oldest first.

        Raises:
            StoreError: One is torn, of another schema or no record, or the pack says something else of it; or the pack
                is damaged.
        """
        loose, packed = self.contents()
        ids = {one.record.id for one in loose}
        with no_collection():
            unpacked = [self.unpacked(name, line) for name, line in packed.items() if name not in ids]
        return sorted([*(one.record for one in loose), *unpacked], key=lambda record: (record.created, record.id))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each record's line by its id: the same for a loose record and a packed one.

        Raises:
            StoreError: As :meth:`records`.
        """
        loose, packed = self.contents()
        lines = {**packed, **{one.record.id: one.line for one in loose}}
        return {name: hashlib.sha256(line.encode()).hexdigest() for name, line in lines.items()}

    def pack(self) -> Packing:
        """Move all loose records into the pack; whoever packs must hold the lock.

        The files go after the new pack is in place, so that the folder has every record at any moment.

        Raises:
            StoreError: As :meth:`records`.
        """
        loose, packed = self.contents()
        lines = {**packed, **{one.record.id: one.line for one in loose}}
        if len(lines) > len(packed):
            write_pack(self.pack_path, lines)
        if read_pack(self.pack_path) != lines:
            raise StoreError(f"{self.pack_path} is not what was written to it; the loose records stay, pack them again")
        for one in loose:
            one.path.unlink()
        return Packing(len(loose), len(lines))

    def clear(self) -> None:
        """Remove all records, loose and packed; what lies beside them stays."""
        for path in (*files_in(self.folder / "records"), self.pack_path):
            path.unlink(missing_ok=True)

    def write(self, record: Record) -> Path:
        """Write a record; one that is there already is kept, for records never change.

        Returns:
            The file that holds it.
        """
        self.mark()
        path = self.record_path(record.cell, record.id)
        if record.id in read_pack(self.pack_path):
            path = self.pack_path
        else:
            write_new(path, json.dumps(record.as_dict(), indent=1, sort_keys=True))
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
        notes = []
        for path in files_in(self.folder / "failures"):
            # One that went since the folder was listed is of a cell that has its record now.
            with contextlib.suppress(FileNotFoundError):
                notes.append(json.loads(path.read_text(encoding="utf-8")))
        return [Absence(Cell(**note["cell"]), note["reason"], note["command"]) for note in notes]

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the folder for one run, by a file that names its process and host: no lock that shared disks break.

        The lock of a process that ended, however it did, falls where it ran on this host.

        Args:
            waiting: Called once if another run holds the folder; this one then waits for it.
        """
        self.mark()
        lock = SoftFileLock(self.folder / ".running")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Pause Python's search for cycles: among thousands of new records there are none, and it takes as long as they."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def files_in(folder: Path) -> list[Path]:
    """The JSON files of a folder in order; not the unfinished ones, hidden, that a killed process leaves."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
