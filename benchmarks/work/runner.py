"""Plan cells, skip those with a valid record, run the rest, keep going after a failure."""

import contextlib
import errno
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.core.progress import Progress
from benchmarks.core.records import Cell, Record
from benchmarks.work.kind import Blocked, Kind, Trouble, Waiting
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import SHOWN, Session
from benchmarks.work.workers import Failure, Group, Result, jobs_of, run_group, run_groups

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Planned:
    """A cell and what a run would do with it.

    Attributes:
        cell: The cell.
        state: ``done``, ``run``, ``wait`` (for a cell of the same plan) or ``blocked``.
        record: The valid record of a cell that is done.
        reason: Why it is blocked.
        command: What would fill it.
        awaits: The cell that it waits for, if it does.
    """

    cell: Cell
    state: str
    record: Record | None = None
    reason: str = ""
    command: str = ""
    awaits: tuple[Cell, ...] = ()


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
    return f"{session.program} run --profile {session.profile.name} --device {session.device}{session.limit_told}"


def plan_cell(cell: Cell, session: Session) -> Planned:
    """What a run would do with one cell."""
    inputs = KINDS[cell.kind].inputs(cell, session)
    if isinstance(inputs, Blocked):
        return Planned(cell, "blocked", reason=inputs.reason, command=inputs.command)
    if isinstance(inputs, Waiting):
        why = f"waits for: {inputs.cell}"
        return Planned(cell, "wait", reason=why, command=run_command(session), awaits=(inputs.cell,))
    record = session.store.find(cell, inputs)
    return Planned(cell, "run" if record is None else "done", record)


def plan(cells: Iterable[Cell], session: Session) -> list[Planned]:
    """What a run would do, in the order of the cells."""
    return [plan_cell(cell, session) for cell in cells]


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Cells without repetition, by kind of work in the order of ``KINDS``: what others wait for comes first."""
    ranks = {name: rank for rank, name in enumerate(KINDS)}
    return sorted(dict.fromkeys(cells), key=lambda cell: ranks[cell.kind])


def run(cells: Sequence[Cell], session: Session, progress: Progress) -> Summary:
    """Run every cell that has no valid record; a failing group leaves a note and the others go on.

    Under torchrun every process calls this; the first one's plan counts, and only it writes.

    Args:
        cells: What to run.
        session: The run's settings; the first process must hold its store's lock.
        progress: Where it is told how far the run is.

    Raises:
        DiskFull: A record could not be written; those finished before stay.
    """
    from benchmarks.core import distributed

    done_before, ran = 0, 0
    failed: dict[str, str] = {}
    blocked: list[Planned] = []
    for name, kind in KINDS.items():
        planned = distributed.gather(plan((cell for cell in in_order(cells) if cell.kind == name), session))[0]
        done_before += sum(one.state == "done" for one in planned)
        blocked += [one for one in planned if one.state in ("blocked", "wait")]
        to_run = [one.cell for one in planned if one.state == "run"]
        if distributed.rank() == 0 or kind.shared:
            kept, lost = run_kind(kind, to_run, session, progress)
            ran += kept
            failed |= lost
        distributed.wait()
    if distributed.rank() == 0:
        for one in blocked:
            session.store.note_absence(one.cell, one.reason, one.command)
    return Summary(done_before, ran, failed, blocked)


def run_kind(kind: Kind, cells: Sequence[Cell], session: Session, progress: Progress) -> tuple[int, dict[str, str]]:
    """Run cells of one kind, group by group.

    Returns:
        How many left a record, and the reasons of those that failed; the others' parts wait for runs that share a pass.
    """
    if not cells:
        return 0, {}
    grouped: dict[object, list[Cell]] = {}
    for cell in cells:
        grouped.setdefault(kind.group(cell), []).append(cell)
    # Seed by seed: a run that is stopped has whole seeds, and networks of one seed are shown the same images.
    groups = sorted(grouped.values(), key=lambda group: int(str(group[0].options.get("seed") or 0)))
    jobs = jobs_of(kind, len(groups), session)
    kept, failed = 0, {}
    with (
        keeping_shown(kind, len(groups), session) as own,
        contextlib.closing(results(kind, groups, own, jobs, progress)) as results_so_far,
    ):
        left = {str(cell): cell for cell in cells}
        for group, result in results_so_far:
            if isinstance(result, Record):
                keep(result, session)
                kept += 1
                del left[str(result.cell)]
                continue
            if isinstance(result, Failure) and result.errno in NO_SPACE:
                raise DiskFull(session)
            ended = [result.cell] if isinstance(result, Trouble) else [one for one in group if str(one) in left]
            for cell in ended:
                session.store.note_absence(cell, f"failed ({result.reason})", run_command(session))
                failed[str(cell)] = result.reason
                del left[str(cell)]
    return kept, failed


@contextlib.contextmanager
def keeping_shown(kind: Kind, groups: int, session: Session) -> Iterator[Session]:
    """The session with a folder for what several trainings are shown, which goes afterwards.

    It lies in the results folder: jobs that share one may take each other's epochs away, and make them anew.
    """
    folder = session.store.folder / SHOWN
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    if kind.trains_on is None or groups == 1:
        yield session
        return
    try:
        yield replace(session, shown=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def results(
    kind: Kind, groups: Sequence[Group], session: Session, jobs: int, progress: Progress
) -> Generator[tuple[Group, Result], None, None]:
    """What running groups gives, under progress bars: one for each group, or one for all that run at a time."""
    if jobs > 1:
        amounts = [kind.amount(group, session) for group in groups]
        title = f"{kind.name}: {len(groups)} runs, {jobs} at a time"
        progress.start(title, sum(amount.total for amount in amounts), amounts[0].unit)
        yield from run_groups(kind, groups, session, jobs, progress.advance)
        return
    for group in groups:
        amount = kind.amount(group, session)
        progress.start(describe(group), amount.total, amount.unit)
        for result in run_group(kind, group, session, progress.advance):
            yield group, result


def describe(group: Group) -> str:
    """A group's title for its progress bar."""
    first = f"{group[0].kind} {group[0].model}"
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
