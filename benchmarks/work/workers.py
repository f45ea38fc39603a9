"""Running groups of cells: one after the other in this process, or several at a time in processes of their own."""

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from benchmarks.core.processes import Terminated, ending, one_line, terminable
from benchmarks.core.records import Cell, Record
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.work.kind import Advance, Kind, Trouble
from benchmarks.work.session import Session

Group = Sequence[Cell]
# How long processes have to write what they have, seconds; clusters give half a minute between their signals.
GRACE = 20.0
# Seconds between two messages of how far a process is.
BETWEEN = 0.25
# The notes of how long a record took (where a group leaves several, each has its share; of a training that was cut off
# all of it), how long before it was cut off, how many processes shared the work where it was not one, and what decided
# the last bits of its numbers. Of a pass whose other parts were there, which share of the images it was shown here: as
# long as these took, in proportion, the whole is said to have taken. A training that was shown images which another one
# had made says what it took without making them.
HERE = "shown_here"
SECONDS, BEFORE, PROCESSES, COMPUTED_WITH = "seconds", "seconds_before", "processes", "computed_with"


@dataclass(frozen=True)
class Failure:
    """What ended a group before its last record.

    Attributes:
        reason: One line.
        errno: Of an error of the operating system, else None.
    """

    reason: str
    errno: int | None = None

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """An error in words."""
        return cls(one_line(error), getattr(error, "errno", None))


Result = Record | Trouble | Failure


def jobs_of(kind: Kind, groups: int, session: Session) -> int:
    """How many groups of a kind run at a time."""
    from benchmarks.core import distributed

    # A process that runs groups may have no loader processes of its own.
    alone = session.device_kind == "cpu" and distributed.size() == 1 and not session.workers
    return min(session.jobs, groups) if kind.parallel and alone else 1


def run_group(kind: Kind, group: Group, session: Session, advance: Advance) -> Iterator[Result]:
    """The records of one group, the troubles of its cells, and what ended it early, if anything did.

    Under torchrun errors go on: the other processes wait for this one, and only an end of all of them is clean.
    """
    from benchmarks.core import distributed
    from benchmarks.measure.device import computes_with

    stopwatch = Stopwatch()
    try:
        for result in kind.run(group, session, advance):
            if isinstance(result, Trouble):
                yield result
                continue
            # Groups leave their records when all of their work is done.
            facts: dict[str, object] = {COMPUTED_WITH: computes_with(session.device)}
            here = float(result.notes.get(HERE, 1.0))
            if here > 0:
                before = float(result.notes.get(BEFORE, 0.0))
                facts[SECONDS] = round(before + stopwatch.seconds() / len(group) / here, 3)
            facts |= {PROCESSES: distributed.size()} if kind.shared and distributed.size() > 1 else {}
            yield replace(result, notes={**result.notes, **facts})
    except Exception as error:
        if distributed.size() > 1:
            raise
        yield Failure.of(error)


def run_groups(
    kind: Kind, groups: Sequence[Group], session: Session, jobs: int, advance: Advance
) -> Iterator[tuple[Group, Result]]:
    """Run groups that do not depend on each other in ``jobs`` processes, which end with this one.

    Yields:
        A group and one of its results, in the order in which they come.
    """
    waiting = deque(groups)
    # What was opened here would be copied to every process; they open what they need.
    session = replace(session, opened={})
    workers = [Worker(kind, session) for _ in range(min(jobs, len(groups)))]
    try:
        for worker in workers:
            worker.begin(waiting.popleft())
        while busy := {worker.pipe: worker for worker in workers if worker.group is not None}:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                group = worker.group
                assert group is not None
                for result in worker.hear(advance):
                    yield group, result
                if worker.group is None and waiting:
                    worker.begin(waiting.popleft())
    except KeyboardInterrupt:
        stop(workers)
        raise
    finally:
        for worker in workers:
            worker.end()


def stop(workers: "Sequence[Worker]") -> None:
    """Ask processes to write what they have and to end, and wait a while for that."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE)


class Worker:
    """A process that runs one group at a time; one that died is started anew with the next group.

    Args:
        kind: What its groups are of.
        session: The run's settings.
    """

    def __init__(self, kind: Kind, session: Session) -> None:
        self.kind, self.session = kind, session
        self.group: Group | None = None
        self.process: BaseProcess
        self.pipe: Connection
        self.start()

    def start(self) -> None:
        """Start the process."""
        # Not fork: torch's threads do not survive it.
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, self.kind, self.session), daemon=True)
        self.process.start()
        other.close()

    def begin(self, group: Group) -> None:
        """Let the process run a group."""
        if not self.process.is_alive():
            self.start()
        self.group = group
        # A process that dies now is heard of by the end of its pipe.
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(group)

    def hear(self, advance: Advance) -> Iterator[Result]:
        """Take one message; ``group`` is None afterwards if it was the group's last."""
        try:
            message = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.group = None
            yield Failure(f"its process ended {ending(self.process.exitcode or 0)}")
            return
        if isinstance(message, int):
            advance(message)
        elif message is None:
            self.group = None
        else:
            yield message

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Sparingly:
    """Tells how far work came a few times a second: each message costs the process that hears it a millisecond.

    Args:
        tell: Told how much more is done.
    """

    def __init__(self, tell: Advance) -> None:
        self.tell, self.untold, self.since = tell, 0, Stopwatch()

    def __call__(self, amount: int) -> None:
        self.untold += amount
        if self.since.seconds() >= BETWEEN:
            self.catch_up()

    def catch_up(self) -> None:
        """Tell what was not told yet."""
        if self.untold:
            self.tell(self.untold)
        self.untold, self.since = 0, Stopwatch()


def serve(pipe: Connection, kind: Kind, session: Session) -> None:
    """The process: run each group that comes through the pipe; send advances, results, and None at a group's end."""
    advance = Sparingly(pipe.send)
    # Ctrl-C reaches all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # When the first process is gone, the pipe has no other end.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, Terminated), terminable():
        while True:
            for result in run_group(kind, pipe.recv(), session, advance):
                pipe.send(result)
            advance.catch_up()
            pipe.send(None)
