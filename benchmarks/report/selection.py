"""Which records a table shows: the newest of each cell, and why there is none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.networks.names import REDUCED
from benchmarks.core.records import Cell, Metric, Record
from benchmarks.report.layout import Line, Value
from benchmarks.work.session import Session
from benchmarks.report.verdicts import Judgement, Verdict, judge_share


@dataclass(frozen=True)
class Selection:
    """The newest record of each cell.

    Attributes:
        newest: Records by cell.
        missing: Reasons and commands by cell, from the notes of runs.
        command: What to run where no run has left a note.
    """

    newest: dict[Cell, Record]
    missing: dict[Cell, tuple[str, str]]
    command: str

    def why_missing(self, cell: Cell) -> str:
        """Why a cell has no record, and the command that fills it."""
        reason, command = self.missing.get(cell, ("not run", self.command))
        return f"{reason}: `{command}`" if command else reason

    def value(self, cells: Sequence[Cell], metric: str, scale: float = 1.0) -> Value:
        """One number for a table from one cell, or the mean of several that differ in their seed.

        Args:
            cells: The cells; all must have a record.
            metric: The metric's name.
            scale: Factor from the metric's unit to the table's.

        Returns:
            The number with its interval: the metric's own, or the range over seeds. Without verdict.
        """
        absent = [cell for cell in cells if cell not in self.newest]
        if absent:
            return Value(missing=self.why_missing(absent[0]))
        records = [self.newest[cell] for cell in cells]
        if any(metric not in record.metrics for record in records):
            return Value(missing=f"nothing measured under {metric}")
        metrics = [record.metrics[metric] for record in records]
        numbers = [m.value * scale for m in metrics if m.value is not None]
        if len(numbers) < len(metrics):
            return Value(missing=next(m.status for m in metrics if m.value is None))
        low, high = interval(metrics, scale)
        return Value(
            measured=sum(numbers) / len(numbers),
            low=low,
            high=high,
            record=" ".join(record.id for record in records),
            note=next((m.status for m in metrics if m.status != "ok"), None),
        )


def line_of(session: Session, group: str, label: str, model: str, values: Mapping[str, Value]) -> Line:
    """A table's row; what was measured of a plug-in or a reduced network has no number of the paper's beside it."""
    if model.endswith(REDUCED):
        new = Judgement(Verdict.NEW, "ours: the network of the paper's row by less arithmetic")
    elif model.partition("-")[2] in session.plugins:
        new = Judgement(Verdict.NEW, "a plug-in: the paper has no such row")
    else:
        return Line(group, label, model, values)
    marked = {key: judged(value, None, new if value.measured is not None else None) for key, value in values.items()}
    return Line(group, label, model, marked)


def interval(metrics: Sequence[Metric], scale: float) -> tuple[float | None, float | None]:
    """The interval of one metric, or the range of several."""
    if len(metrics) == 1:
        (metric,) = metrics
        return tuple(None if end is None else end * scale for end in (metric.low, metric.high))  # type: ignore[return-value]
    numbers = [metric.value * scale for metric in metrics if metric.value is not None]
    return min(numbers), max(numbers)


def select(session: Session, records: Iterable[Record], experiment: str) -> Selection:
    """The newest record of each cell; ``records`` come oldest first."""
    command = f"tdam-bench run {experiment} --profile {session.profile.name} --device {session.device}"
    return Selection({record.cell: record for record in records}, session.store.missing(), command)


def judged(value: Value, paper: str | None, judgement: Judgement | None) -> Value:
    """A value with the paper's number and a verdict beside it."""
    return Value(paper, value.measured, judgement, value.record, value.missing, value.low, value.high, value.note)


def judged_share(value: Value, printed: str | None, target: str, session: Session) -> Value:
    """A share in percent (top-1, localization, ...) beside the paper's number, judged where the data are the paper's.

    Args:
        value: The measured one, with its interval.
        printed: The paper's digits, or None where it prints nothing.
        target: The make target that measures it on the paper's data.
        session: The run's settings.
    """
    if printed is None or value.measured is None:
        return judged(value, printed, None)
    if session.profile.name != "full":
        command = f"make {target} PROFILE=full DATA=... WEIGHTS=..."
        other = Judgement(Verdict.NOT_RUN, f"{session.profile.name} is another task than the paper's: `{command}`")
        return judged(value, printed, other)
    assert value.low is not None
    assert value.high is not None
    return judged(value, printed, judge_share(value.low, value.high, printed))


def recorded_seeds(
    cells: Callable[[Session], Sequence[Cell]], session: Session, newest: Mapping[Cell, Record]
) -> tuple[int, ...]:
    """The seeds of which every cell that has one is recorded; the session's where there is none such.

    Args:
        cells: The cells of a session.
        session: The run's settings.
        newest: Records by cell.
    """
    found = sorted({int(str(seed)) for cell in newest if (seed := cell.options.get("seed")) is not None})
    complete = []
    for seed in found:
        needed = [cell for cell in cells(replace(session, seeds=(seed,))) if "seed" in cell.options]
        if needed and all(cell in newest for cell in needed):
            complete.append(seed)
    return tuple(complete) or session.seeds
