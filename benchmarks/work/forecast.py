"""How long cells will take, from how long like ones took."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.core.records import Cell, Record
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from benchmarks.work.workers import SECONDS, jobs_of

MINUTE = 60  # in seconds, and an hour in minutes


@dataclass(frozen=True)
class Forecast:
    """A prediction.

    Attributes:
        seconds: Of the cells that are like one measured before.
        unknown: How many are not.
    """

    seconds: float
    unknown: int

    def __add__(self, other: "Forecast") -> "Forecast":
        return Forecast(self.seconds + other.seconds, self.unknown + other.unknown)

    def __str__(self) -> str:
        unknown = f"{self.unknown} cells unlike all that was timed before" if self.unknown else ""
        known = in_words(self.seconds) if self.seconds or not unknown else ""
        return " and ".join(part for part in (known, unknown) if part)


def in_words(seconds: float) -> str:
    """A time as people say it, a minute at least."""
    hours, minutes = divmod(max(1, math.ceil(seconds / MINUTE)), MINUTE)
    return f"about {hours} h {minutes:02d} min" if hours else f"about {minutes} min"


def likeness(cell: Cell) -> list[tuple[object, ...]]:
    """What a cell is looked up by, the closest first; trainings of another number of epochs are not like it."""
    alike = (cell.kind, cell.profile, cell.options.get("epochs"))
    return [(*alike, cell.model), alike]


def of_its_device(records: Iterable[Record], session: Session) -> list[Record]:
    """The records that a session's kind of device made, and those that no device has to do with."""
    return [record for record in records if record.device in (None, session.device_kind)]


def own_seconds(record: Record) -> float:
    """How long a record's cell took."""
    return float(record.notes[SECONDS])


class Took:
    """How long cells like others took: its network's of the same kind of work and profile, else all networks'.

    Args:
        records: What was run before, by this or another machine.
        seconds_of: What counts of a record that tells how long it took.
    """

    def __init__(self, records: Iterable[Record], seconds_of: Callable[[Record], float] = own_seconds) -> None:
        self.seconds: dict[tuple[object, ...], list[float]] = {}
        for record in records:
            if SECONDS in record.notes:
                for key in likeness(record.cell):
                    self.seconds.setdefault(key, []).append(seconds_of(record))

    def of(self, cell: Cell) -> float | None:
        """The median of those that are closest to a cell; None where nothing like it was run."""
        return next((median(self.seconds[key]) for key in likeness(cell) if key in self.seconds), None)


def forecast(cells: Sequence[Cell], records: Iterable[Record], session: Session) -> Forecast:
    """How long a run of cells will take.

    Args:
        cells: What is to be run, each once.
        records: What was run before, by this or another machine.
        session: The run's settings.
    """
    took = Took(records)
    seconds = {cell: took.of(cell) for cell in cells}
    unknown = sum(one is None for one in seconds.values())
    return Forecast(spread({cell: one or 0.0 for cell, one in seconds.items()}, session), unknown)


def spread(seconds: Mapping[Cell, float], session: Session) -> float:
    """How long cells take together here: of kinds that run several groups at a time, as if all were equally long.

    Args:
        seconds: What each takes by itself.
        session: The run's settings.
    """
    total = 0.0
    for name, kind in KINDS.items():
        mine = [cell for cell in seconds if cell.kind == name]
        groups = len({kind.group(cell) for cell in mine})
        total += sum(seconds[cell] for cell in mine) / max(1, jobs_of(kind, groups, session))
    return total
