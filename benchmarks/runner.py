"""Plan cells, skip those with a valid record, run the rest, keep going after a failure."""

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.records import Cell, Record
from benchmarks.session import Session
from benchmarks.tasks import TASKS, Blocked, Report, Task, Waiting


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
    from benchmarks import distributed

    done_before, ran = 0, 0
    failed: dict[str, str] = {}
    blocked: list[Planned] = []
    for name, task in TASKS.items():
        planned = distributed.gather(plan((cell for cell in in_order(cells) if cell.task == name), session))[0]
        done_before += sum(one.state == "done" for one in planned)
        blocked += [one for one in planned if one.state in ("blocked", "wait")]
        groups: dict[object, list[Cell]] = {}
        for one in planned:
            if one.state == "run":
                groups.setdefault(task.group(one.cell), []).append(one.cell)
        for group in groups.values():
            left = run_group(task, group, session, report) if distributed.rank() == 0 or task.shared else {}
            ran += len(group) - len(left)
            failed |= left
            distributed.wait()
    if distributed.rank() == 0:
        for one in blocked:
            session.store.note_missing(one.cell, one.reason, one.command)
    return Summary(done_before, ran, failed, blocked)


def run_group(task: Task, cells: Sequence[Cell], session: Session, report: Report) -> dict[str, str]:
    """Run one group; returns the reasons of the cells that left no record."""
    from benchmarks import distributed

    left = {str(cell): cell for cell in cells}
    try:
        for record in task.run(cells, session, report):
            if distributed.rank() == 0:
                session.store.write(record)
            del left[str(record.cell)]
    except Exception as error:
        if distributed.size() > 1:
            raise  # the other processes wait for this one; only an end of all of them is clean
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no space left while writing to {session.store.folder}: free some and run again; "
                "what is finished stays and is not run again"
            ) from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        for cell in left.values():
            session.store.note_missing(cell, f"failed ({reason})", run_command(session))
        return dict.fromkeys(left, reason)
    return {}
