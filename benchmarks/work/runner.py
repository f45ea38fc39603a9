"""Plan cells, skip those with a valid record, run the rest, keep going after a failure."""

import contextlib
import errno
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.core.records import Cell, Record
from benchmarks.work import TASKS, Blocked, Task, Waiting
from benchmarks.work.session import Session
from benchmarks.work.workers import Group, Result, run_group, run_groups

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Report(Protocol):
    """Where a run tells how far it is."""

    def start(self, what: str, total: int, unit: str) -> None:
        """Begin a stretch of work of ``total`` units."""

    def advance(self, count: int) -> None:
        """So much more is done."""


@dataclass(frozen=True)
class Planned:
    """A cell and what a run would do with it.

    Attributes:
        cell: The cell.
        state: ``done``, ``run``, ``wait`` (for a cell of the same plan) or ``blocked``.
        record: The valid record of a cell that is done.
        reason: Why it is blocked.
        command: What would fill it.
    """

    cell: Cell
    state: str
    record: Record | None = None
    reason: str = ""
    command: str = ""


@dataclass(frozen=True)
class Summary:
    """What a run did: cells counted by outcome, and the failures with their reasons."""

    done_before: int
    ran: int
    failed: dict[str, str]
    blocked: list[Planned]


class DiskFull(ValueError):
    """Nothing more can be written."""

    def __init__(self, session: Session) -> None:
        super().__init__(
            f"no space left while writing to {session.store.folder}: free some and run again; "
            "what is finished stays and is not run again"
        )


def run_command(session: Session) -> str:
    """The command that runs what is missing."""
    return f"tdam-bench run --profile {session.profile.name} --device {session.device}"


def plan_cell(cell: Cell, session: Session) -> Planned:
    """What a run would do with one cell."""
    inputs = TASKS[cell.task].inputs(cell, session)
    if isinstance(inputs, Blocked):
        return Planned(cell, "blocked", reason=inputs.reason, command=inputs.command)
    if isinstance(inputs, Waiting):
        return Planned(cell, "wait", reason=f"waits for: {inputs.cell}", command=run_command(session))
    record = session.store.find(cell, inputs)
    return Planned(cell, "run" if record is None else "done", record)


def plan(cells: Iterable[Cell], session: Session) -> list[Planned]:
    """What a run would do, in the order of the cells."""
    return [plan_cell(cell, session) for cell in cells]


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Cells without repetition, by task in the order of ``TASKS``: what others wait for comes first."""
    ranks = {name: rank for rank, name in enumerate(TASKS)}
    return sorted(dict.fromkeys(cells), key=lambda cell: ranks[cell.task])


def run(cells: Sequence[Cell], session: Session, report: Report) -> Summary:
    """Run every cell that has no valid record; a failing group leaves a note and the others go on.

    Under torchrun every process calls this; the first one's plan counts, and only it writes.

    Args:
        cells: What to run.
        session: The run's settings; the first process must hold its store's lock.
        report: Where progress goes.

    Raises:
        DiskFull: A record could not be written; those finished before stay.
    """
    from benchmarks.core import distributed

    done_before, ran = 0, 0
    failed: dict[str, str] = {}
    blocked: list[Planned] = []
    for name, task in TASKS.items():
        planned = distributed.gather(plan((cell for cell in in_order(cells) if cell.task == name), session))[0]
        done_before += sum(one.state == "done" for one in planned)
        blocked += [one for one in planned if one.state in ("blocked", "wait")]
        to_run = [one.cell for one in planned if one.state == "run"]
        left = run_task(task, to_run, session, report) if distributed.rank() == 0 or task.shared else {}
        ran += len(to_run) - len(left)
        failed |= left
        distributed.wait()
    if distributed.rank() == 0:
        for one in blocked:
            session.store.note_missing(one.cell, one.reason, one.command)
    return Summary(done_before, ran, failed, blocked)


def run_task(task: Task, cells: Sequence[Cell], session: Session, report: Report) -> dict[str, str]:
    """Run cells of one task, group by group; returns the reasons of those that left no record."""
    from benchmarks.core import distributed

    if not cells:
        return {}
    grouped: dict[object, list[Cell]] = {}
    for cell in cells:
        grouped.setdefault(task.group(cell), []).append(cell)
    groups = list(grouped.values())
    alone = session.device_kind == "cpu" and distributed.size() == 1
    jobs = min(session.jobs, len(groups)) if task.parallel and alone else 1
    failed: dict[str, str] = {}
    with contextlib.closing(results(task, groups, session, jobs, report)) as found:
        left = {str(cell): cell for cell in cells}
        for group, result in found:
            if isinstance(result, Record):
                keep(result, session)
                del left[str(result.cell)]
            elif result.errno in NO_SPACE:
                raise DiskFull(session)
            else:
                for cell in (one for one in group if str(one) in left):
                    session.store.note_missing(cell, f"failed ({result.reason})", run_command(session))
                    failed[str(cell)] = result.reason
    return failed


def results(
    task: Task, groups: Sequence[Group], session: Session, jobs: int, report: Report
) -> Generator[tuple[Group, Result], None, None]:
    """What running groups gives, under progress bars: one for each group, or one for all that run at a time."""
    if jobs > 1:
        amounts = [task.amount(group, session) for group in groups]
        title = f"{task.name}: {len(groups)} runs, {jobs} at a time"
        report.start(title, sum(amount.total for amount in amounts), amounts[0].unit)
        yield from run_groups(task, groups, session, jobs, report.advance)
        return
    for group in groups:
        amount = task.amount(group, session)
        report.start(describe(group), amount.total, amount.unit)
        for result in run_group(task, group, session, report.advance):
            yield group, result


def describe(group: Group) -> str:
    """A group's title for its progress bar."""
    first = f"{group[0].task} {group[0].model}"
    seed = group[0].options.get("seed")
    seed_text = "" if seed is None else f" seed {seed}"
    return f"{first}{seed_text}" if len(group) == 1 else f"{first} and {len(group) - 1} more"


def keep(record: Record, session: Session) -> None:
    """Write a record, in the first process."""
    from benchmarks.core import distributed

    if distributed.rank() > 0:
        return
    try:
        session.store.write(record)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(session) from error
        raise
