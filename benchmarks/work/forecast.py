"""How long cells will take, from how long like ones took."""

import math
from collections.abc import Iterable, Mapping, Sequence
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


def forecast(cells: Sequence[Cell], records: Iterable[Record], session: Session) -> Forecast:
    """How long a run of cells will take.

    A cell takes the median time of its network's cells of the same kind of work and profile; where there is none, that
    of all networks' cells of that kind.

    Args:
        cells: What is to be run.
        records: What was run before, by this or another machine.
        session: The run's settings.
    """
    took: dict[tuple[str, ...], list[float]] = {}
    for record in records:
        if SECONDS in record.notes:
            for key in likeness(record.cell):
                took.setdefault(key, []).append(float(record.notes[SECONDS]))
    seconds, unknown = 0.0, 0
    for name, kind in KINDS.items():
        mine = [cell for cell in cells if cell.kind == name]
        alike = [next((took[key] for key in likeness(cell) if key in took), None) for cell in mine]
        unknown += alike.count(None)
        groups = len({kind.group(cell) for cell in mine})
        seconds += sum(median(times) for times in alike if times) / max(1, jobs_of(kind, groups, session))
    return Forecast(seconds, unknown)


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


def likeness(cell: Cell) -> list[tuple[str, ...]]:
    """What a cell is looked up by, the closest first."""
    return [(cell.kind, cell.profile, cell.model), (cell.kind, cell.profile)]
