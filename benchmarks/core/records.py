"""Cells and records: the smallest unit of work with an identity, and what running it left behind."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

from benchmarks.core.files import short_hash

# Raise SCHEMA with every change of a record's layout: an unknown one is refused by its number.
SCHEMA = 2

Scalar = str | int | float | bool | None
OptionsT = TypeVar("OptionsT")


class StoreError(ValueError):
    """A results folder or a record that cannot be used as it is."""


@dataclass(frozen=True)
class Cell:
    """The smallest unit of work with an identity.

    Attributes:
        kind: What kind of work: a name in ``benchmarks.work.kinds``.
        model: The suite's name of the model, or of the family that is measured together.
        profile: Name of the profile; ``any`` where it changes nothing.
        options: Whatever else changes the numbers (data set, seed, batch, dtype, ...), by name.
    """

    kind: str
    model: str
    profile: str
    options: Mapping[str, Scalar] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, model: str, profile: str, options: Any) -> "Cell":
        """A cell from its kind's options, an instance of their dataclass."""
        return cls(kind, model, profile, asdict(options))

    def __str__(self) -> str:
        options = " ".join(f"{key}={value}" for key, value in sorted(self.options.items()) if value is not None)
        return f"{self.kind} {self.model} {self.profile} {options}".strip()

    def as_dict(self) -> dict[str, Any]:
        """The cell as JSON has it."""
        return {"kind": self.kind, "model": self.model, "profile": self.profile, "options": dict(self.options)}

    def __hash__(self) -> int:
        return hash((self.kind, self.model, self.profile, frozenset(self.options.items())))


def options_of(cell: Cell, kind: type[OptionsT]) -> OptionsT:
    """A cell's options as the dataclass that its kind of work declares; options of other kinds are passed over.

    Raises:
        StoreError: The cell lacks one; it was made by another version of the suite.
    """
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    missing = [name for name in names if name not in cell.options]
    if missing:
        raise StoreError(f"the cell {cell} lacks {', '.join(missing)}; it is of another version, run it anew")
    return kind(**{name: cell.options[name] for name in names})


class MetricKey(NamedTuple):
    """What a number of a record is.

    Attributes:
        name: The metric, as its kind of work declares it, such as ``top1``.
        steps: The step rule that it was counted under, or nothing.
        boxes: The box rule, or nothing.
        of: Which of several things in the cell it belongs to: a network, a step, a kind of image; or nothing.
    """

    name: str
    steps: str = ""
    boxes: str = ""
    of: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.of, self.boxes, self.steps, self.name) if part)


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
        inputs: All else that the numbers depend on: the declared version of the measuring code, hashes of weights and
            data, versions of libraries, device.
        metrics: Numbers by key.
        samples: Raw samples by key, in the order they were taken.
        outcomes: By key, whether each image was right, packed (see ``benchmarks.metrics.outcomes``).
        notes: Facts for people: sizes, warnings, files left beside the record.
        created: UTC time, ISO 8601.
        id: Hash of cell and inputs; the file's name.
        schema: Version of this layout.
    """

    cell: Cell
    inputs: Mapping[str, Scalar]
    metrics: Mapping[MetricKey, Metric]
    samples: Mapping[MetricKey, list[float]]
    outcomes: Mapping[MetricKey, str]
    notes: Mapping[str, Any]
    created: str
    id: str
    schema: int = SCHEMA

    @property
    def device(self) -> Scalar:
        """The device that the numbers depend on, asked for or found; None where none has to do with them."""
        return {**self.inputs, **self.cell.options}.get("device")

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON has it; keys that are nothing are left out."""
        content = asdict(self)
        content["metrics"] = [{**named(key), **asdict(metric)} for key, metric in sorted(self.metrics.items())]
        content["samples"] = [{**named(key), "values": values} for key, values in sorted(self.samples.items())]
        content["outcomes"] = [{**named(key), "packed": packed} for key, packed in sorted(self.outcomes.items())]
        return content


def named(key: MetricKey) -> dict[str, str]:
    """A key's parts that are something, by name."""
    return {part: value for part, value in key._asdict().items() if value}


def taken(entry: Mapping[str, Any]) -> tuple[MetricKey, dict[str, Any]]:
    """The key of an entry of a record's JSON, and the rest of it."""
    rest = dict(entry)
    key = MetricKey(rest.pop("name"), rest.pop("steps", ""), rest.pop("boxes", ""), rest.pop("of", ""))
    return key, rest


def identity(cell: Cell, inputs: Mapping[str, Scalar]) -> str:
    """Hash of all that can change a cell's numbers, 16 hexadecimal digits."""
    return short_hash([SCHEMA, cell.as_dict(), dict(inputs)])


def new_record(
    cell: Cell,
    inputs: Mapping[str, Scalar],
    metrics: Mapping[MetricKey, Metric],
    samples: Mapping[MetricKey, list[float]] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Record:
    """A record of now, without outcomes."""
    created = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    return Record(cell, dict(inputs), dict(metrics), samples or {}, {}, notes or {}, created, identity(cell, inputs))


def from_json(content: dict[str, Any], source: str) -> Record:
    """Read a record's JSON; ``source`` says where it is from.

    Raises:
        StoreError: Another schema version, or not a record.
    """
    if content.get("schema") != SCHEMA:
        raise StoreError(f"{source} has schema {content.get('schema')!r}; this suite reads schema {SCHEMA}")
    try:
        read = {
            "cell": Cell(**content["cell"]),
            "metrics": {key: Metric(**rest) for key, rest in entries(content["metrics"])},
            "samples": {key: rest["values"] for key, rest in entries(content["samples"])},
            "outcomes": {key: rest["packed"] for key, rest in entries(content["outcomes"])},
        }
        return Record(**{**content, **read})
    except (TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{source} is not a record of this suite ({error})") from error


def entries(listed: Iterable[Mapping[str, Any]]) -> list[tuple[MetricKey, dict[str, Any]]]:
    """Entries of a record's JSON by their keys."""
    return [taken(entry) for entry in listed]
