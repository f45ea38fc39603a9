"""A paper's reference: what is left of its parts, and how long that will take.

It is what the project stands behind, wherever it was measured: a record of another processor is as good as one of this,
although a training repeats to the last bit only on its own.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.core.records import Cell, Record
from benchmarks.report.endings import near_the_bound
from benchmarks.report.evidence import read_evidence
from benchmarks.report.paper import Paper, Reference
from benchmarks.work.forecast import Forecast, forecast
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import plan
from benchmarks.work.session import Session


def reference_of(paper: Paper) -> Reference:
    """The reference of a paper.

    Raises:
        ValueError: It has none.
    """
    if paper.reference is None:
        raise ValueError(
            f"the paper {paper.name!r} has no reference; give its PAPER one, see benchmarks/report/paper.py"
        )
    return paper.reference


@dataclass(frozen=True)
class Stretch:
    """A part of a reference, planned.

    Attributes:
        name: What it is called.
        session: The settings that it is run under.
        cells: All its cells.
        left: Those that a run would run.
        blocked: How many cannot be run as things are.
        forecast: How long those left will take.
        time: What its experiment says of its time, for where nothing like it was measured yet.
    """

    name: str
    session: Session
    cells: Sequence[Cell]
    left: Sequence[Cell]
    blocked: int
    forecast: Forecast
    time: str

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def state(self) -> str:
        """How much is left."""
        blocked = f", {self.blocked} cannot run" if self.blocked else ""
        if not self.left:
            return f"all {len(self.cells) - self.blocked} cells done{blocked}"
        untold = f" ({self.time})" if self.forecast.unknown == len(self.left) else ""
        return f"{len(self.left)} of {len(self.cells)} cells left{blocked}, {self.forecast}{untold}"


def stretches(paper: Paper, session: Session, measured: Callable[[], Sequence[Record]]) -> Iterator[Stretch]:
    """The reference's parts, and more longer trainings of rows near the bound; each is planned when it is asked for.

    Args:
        paper: The paper.
        session: The reference's settings.
        measured: Gives what was measured so far, for the predictions.
    """
    for part in reference_of(paper).parts():
        experiment = paper.experiment(part.experiment)
        own = replace(session, seeds=tuple(range(part.seeds)), models=part.models)
        yield stretch(str(part), experiment.cells(own), own, experiment.time, measured())
    # Which rows these are is known when what comes before is measured.
    if any(one.cell.profile == session.profile.name and KINDS[one.cell.kind].longer for one in measured()):
        near = near_the_bound(read_evidence(session.store, paper.profiles, session.profile.name, None))
        yield stretch("rows near the bound of `endings`, longer trainings", near, session, "", measured())


def stretch(name: str, cells: Sequence[Cell], session: Session, time: str, records: Sequence[Record]) -> Stretch:
    """What is left of one part; attributes of :class:`Stretch`, and what was measured so far, for the prediction."""
    cells = list(dict.fromkeys(cells))
    planned = plan(cells, session)
    left = [one.cell for one in planned if one.state in ("run", "wait")]
    blocked = sum(one.state == "blocked" for one in planned)
    return Stretch(name, session, cells, left, blocked, forecast(left, records, session), time)


def overview(paper: Paper, session: Session) -> list[str]:
    """A line for each part, and one for all; a cell of several parts counts in the first."""
    records = session.store.records()
    lines: list[str] = []
    seen: set[Cell] = set()
    left, total = 0, Forecast(0.0, 0)
    for part in stretches(paper, session, lambda: records):
        one = without(part, seen, records)
        seen.update(one.cells)
        left, total = left + len(one.left), total + one.forecast
        lines.append(f"{one}" if one.cells else f"{part.name}: all its cells are of parts before")
    in_all = f"{left} of {len(seen)} cells left, {total}" if left else f"all {len(seen)} cells done"
    return [*lines, f"in all: {in_all}"]


def without(one: Stretch, seen: Container[Cell], records: Sequence[Record]) -> Stretch:
    """A planned part without the cells of others."""
    left = [cell for cell in one.left if cell not in seen]
    cells = [cell for cell in one.cells if cell not in seen]
    return replace(one, cells=cells, left=left, forecast=forecast(left, records, one.session))
