"""Cells, records and the store: identity, schema, atomic files.

A record is one JSON file that is written once, when its cell ends, and never changed. Its name is the hash of all that
can change its numbers, so asking whether a cell is done is asking whether a file exists.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

SCHEMA = 1

Scalar = str | int | float | bool | None


class StoreError(ValueError):
    """A results folder that cannot be used as it is."""


@dataclass(frozen=True)
class Cell:
    """The smallest unit of work with an identity.

    Attributes:
        task: What kind of work: a name in ``benchmarks.work``.
        model: The suite's name of the model, or of the family that is measured together.
        profile: ``smoke``, ``mini`` or ``full``; ``any`` where the profile changes nothing.
        options: Whatever else changes the numbers (data set, seed, batch, dtype, ...), by name.
    """

    task: str
    model: str
    profile: str
    options: Mapping[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        options = " ".join(f"{key}={value}" for key, value in sorted(self.options.items()))
        return f"{self.task} {self.model} {self.profile} {options}".strip()

    def as_dict(self) -> dict[str, Any]:
        """The cell as JSON has it."""
        return {"task": self.task, "model": self.model, "profile": self.profile, "options": dict(self.options)}

    def __hash__(self) -> int:
        return hash((self.task, self.model, self.profile, frozenset(self.options.items())))


@dataclass(frozen=True)
class Metric:
    """One number of a record.

    Attributes:
        value: The number, or None where ``status`` says why there is none.
        unit: Such as ``%``, ``images/s``, ``bytes``, ``1``.
        n: How many things it was taken from (images, rounds); None for exact counts.
        low: Lower end of the 95 % interval, or None.
        high: Upper end.
        status: ``ok``, ``partial`` (some inputs were unreadable) or what went wrong.
    """

    value: float | None
    unit: str
    n: int | None = None
    low: float | None = None
    high: float | None = None
    status: str = "ok"


@dataclass(frozen=True)
class Record:
    """What running a cell left behind.

    Attributes:
        cell: The cell.
        inputs: All else that the numbers depend on: hashes of weights, data and measuring code, versions, device.
        metrics: Numbers by name.
        samples: Raw samples by name, in the order they were taken.
        notes: Facts for people: sizes, warnings, files left beside the record.
        created: UTC time, ISO 8601.
        id: Hash of cell and inputs; the file's name.
        schema: Version of this layout.
    """

    cell: Cell
    inputs: Mapping[str, Scalar]
    metrics: Mapping[str, Metric]
    samples: Mapping[str, list[float]]
    notes: Mapping[str, Any]
    created: str
    id: str
    schema: int = SCHEMA


def canonical(value: object) -> str:
    """JSON text that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def identity(cell: Cell, inputs: Mapping[str, Scalar]) -> str:
    """Hash of all that can change a cell's numbers, 16 hexadecimal digits."""
    return hashlib.sha256(canonical([SCHEMA, cell.as_dict(), dict(inputs)]).encode()).hexdigest()[:16]


def new_record(
    cell: Cell,
    inputs: Mapping[str, Scalar],
    metrics: Mapping[str, Metric],
    samples: Mapping[str, list[float]] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Record:
    """A record of now."""
    created = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    return Record(cell, dict(inputs), dict(metrics), samples or {}, notes or {}, created, identity(cell, inputs))


def from_json(content: dict[str, Any], source: Path) -> Record:
    """Read a record's JSON.

    Raises:
        StoreError: Another schema version, or not a record.
    """
    if content.get("schema") != SCHEMA:
        raise StoreError(f"{source} has schema {content.get('schema')!r}; this suite reads schema {SCHEMA}")
    try:
        cell = Cell(**content["cell"])
        metrics = {name: Metric(**metric) for name, metric in content["metrics"].items()}
        return Record(**{**content, "cell": cell, "metrics": metrics})
    except (TypeError, KeyError) as error:
        raise StoreError(f"{source} is not a record of this suite ({error})") from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # mkstemp's files are for their owner only
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, ending in a line break."""

    def write(temporary: Path) -> None:
        temporary.write_text(text + "\n", encoding="utf-8")

    write_atomically(path, write)


def file_hash(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file; one that has not changed is read once."""
    stat = path.stat()
    return hash_of_content(path, stat.st_mtime_ns, stat.st_size)


@functools.cache
def hash_of_content(path: Path, modified: int, size: int) -> str:
    """SHA-256 (hexadecimal) of a file as it was at that time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
            found = json.loads(version.read_text()).get("schema")
            if found != SCHEMA:
                raise StoreError(
                    f"{folder} has schema {found!r}, this suite writes schema {SCHEMA}; "
                    "name another folder with --results, or move this one away"
                )

    def path(self, kind: str, name: str, suffix: str) -> Path:
        """Where a file of this kind lies; a colon, which not every disk takes, becomes an underscore."""
        return self.folder / kind / f"{name.replace(':', '_')}{suffix}"

    def record_path(self, cell: Cell, record_id: str) -> Path:
        """Where a record lies; the name tells people what it is, the id makes it unique."""
        return self.path("records", f"{cell.task}-{cell.model}-{record_id}", ".json")

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
        found = [self.read(path) for path in sorted((self.folder / "records").glob("*.json"))]
        return sorted(found, key=lambda record: (record.created, record.id))

    def write(self, record: Record) -> Path:
        """Write a record; one that is there already is kept, for records never change."""
        self.mark()
        path = self.record_path(record.cell, record.id)
        if not path.exists():
            text = json.dumps(asdict(record), indent=1, sort_keys=True)
            write_text(path, text)
        self.failure_path(record.cell).unlink(missing_ok=True)
        return path

    def mark(self) -> None:
        """Leave the schema's version in the folder."""
        version = self.folder / "schema.json"
        if not version.exists():
            text = json.dumps({"schema": SCHEMA})
            write_text(version, text)

    def failure_path(self, cell: Cell) -> Path:
        """Where a failed cell's note lies."""
        name = hashlib.sha256(canonical(cell.as_dict()).encode()).hexdigest()[:16]
        return self.path("failures", f"{cell.task}-{cell.model}-{name}", ".json")

    def note_missing(self, cell: Cell, reason: str, command: str) -> None:
        """Leave a note of why a cell has no record; it is no record itself and goes when the cell succeeds."""
        self.mark()
        note = {"cell": cell.as_dict(), "reason": reason, "command": command}
        write_text(self.failure_path(cell), json.dumps(note, indent=1, sort_keys=True))

    def missing(self) -> dict[Cell, tuple[str, str]]:
        """Reason and command of each cell that could not be run, from the notes."""
        notes = [json.loads(path.read_text()) for path in sorted((self.folder / "failures").glob("*.json"))]
        return {Cell(**note["cell"]): (note["reason"], note["command"]) for note in notes}

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
