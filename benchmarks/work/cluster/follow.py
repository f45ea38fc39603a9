"""Submitting the jobs of a run, and following them to their end: a failed one comes once more, on another host."""

import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.core.records import Cell
from benchmarks.work.cluster.board import Attempt, Board, Posted
from benchmarks.work.cluster.engines import Engine, Place
from benchmarks.work.cluster.jobs import Job, jobs_of, waves
from benchmarks.work.cluster.task import Task
from benchmarks.work.runner import Planned, plan, run_command
from benchmarks.work.session import WHOLE, Session

# How often a job may fail.
TRIES = 2
# Between two looks at the jobs, seconds; and how many looks a disk may take to show what a job that is gone left there.
EVERY, LOOKS = 2.0, 3


@dataclass(frozen=True)
class Submission:
    """How a run's jobs are to be submitted.

    Attributes:
        command: What runs a job of so many processes, but for the option that names its file.
        gpus: Of each job that uses GPUs and whose work processes share.
        shares: Jobs that a pass over images is shared by.
        every: Seconds between two looks at the jobs.
    """

    command: Callable[[int], tuple[str, ...]]
    gpus: int = 0
    shares: int = 1
    every: float = EVERY


@dataclass
class Followed:
    """A job on its way.

    Attributes:
        posted: The job with its attempts.
        failures: Attempts that failed.
        state: ``open``, ``done``, ``failed``, or ``stopped`` where jobs were cancelled on purpose.
        after: What the newest attempt was submitted after.
        unseen: Looks since it went out of the queue without a word.
    """

    posted: Posted
    failures: int = 0
    state: str = "open"
    after: tuple[str, ...] = ()
    unseen: int = 0

    @property
    def job(self) -> Job:
        """The job."""
        return self.posted.job

    @property
    def attempt(self) -> str:
        """The engine's id of the newest attempt, empty where there is none."""
        return self.posted.attempts[-1].id if self.posted.attempts else ""


@dataclass
class Following:
    """The jobs of one run.

    Args:
        board: Where they stand.
        engine: What runs them.
        submission: How they are submitted.
        say: Told what happens, a line each.
    """

    board: Board
    engine: Engine
    submission: Submission
    say: Callable[[str], None]
    jobs: dict[str, Followed] = field(default_factory=dict)

    def take_up(self, cells: Sequence[Cell], session: Session) -> list[Planned]:
        """Find what of a run is under way already, and make jobs of the rest.

        Args:
            cells: What the run is about.
            session: Its settings.

        Returns:
            Cells that nothing of the run can make possible.
        """
        for word in self.board.unsent():
            self.engine.take_back(word)
            self.board.sent(word)
        known = [one for one in self.board.posted() if one.engine == self.engine.name]
        alive = self.engine.alive([one.attempts[-1].id for one in known if one.attempts])
        for one in known:
            if one.attempts and one.attempts[-1].id in alive:
                self.jobs[one.job.name] = Followed(one)
        under_way = len(self.jobs)
        self.add_shares({one.job.name: one for one in known})
        makers: dict[Cell, tuple[str, ...]] = {}
        for name, followed in self.jobs.items():
            makers |= {cell: (*makers.get(cell, ()), name) for cell in followed.job.cells}
        if under_way:
            self.say(f"{under_way} jobs of an earlier run are under way; following them")
        rest = [cell for cell in cells if cell not in makers]
        jobs, blocked = jobs_of(rest, session, self.submission.gpus, self.submission.shares, makers)
        for job in jobs:
            self.add(job)
        return blocked

    def add(self, job: Job) -> None:
        """Take on a job that is to be submitted."""
        command = self.submission.command(max(1, job.gpus))
        self.jobs[job.name] = Followed(Posted(job, command, self.engine.name))
        self.board.post(self.jobs[job.name].posted)

    def add_shares(self, known: Mapping[str, Posted]) -> None:
        """Take on what is missing of passes that are under way: shares that failed, or were never submitted.

        Args:
            known: The jobs on the board by name.
        """
        for job in [one.job for one in self.jobs.values()]:
            own, parts = job.share
            for sibling in (replace(job, share=(part, parts)) for part in range(parts) if part != own):
                tried = known[sibling.name].attempts if sibling.name in known else ()
                ending = self.board.ending(sibling.name, tried[-1].id) if tried else None
                if sibling.name not in self.jobs and (ending is None or ending.code):
                    self.add(sibling)

    def submit(self) -> None:
        """Submit what was not yet, as far as the engine takes it; nothing where jobs were cancelled on purpose."""
        waiting = [one for one in self.jobs.values() if one.state == "open" and not one.attempt]
        if self.board.is_stopped():
            for one in waiting:
                one.state = "stopped"
            return
        for wave in waves([one.job for one in waiting]):
            ready = wave if self.engine.slots is None else self.fitting([job for job in wave if self.is_ready(job)])
            if ready:
                self.send(ready, "")

    def is_ready(self, job: Job) -> bool:
        """Whether all that a job needs has ended."""
        return all(self.jobs[name].state != "open" for name in job.needs if name in self.jobs)

    def fitting(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Those jobs that may run now beside what runs, of an engine that has so many places on one host."""
        running = [one.job for one in self.jobs.values() if one.state == "open" and one.attempt]
        if any(job.alone for job in (*running, *jobs[:1])):
            return jobs[:1] if not running else []
        return jobs[: max(0, (self.engine.slots or 0) - len(running))]

    def send(self, jobs: Sequence[Job], avoided: str) -> None:
        """Submit jobs that are alike; a process that is killed meanwhile leaves word of it."""
        after = [self.jobs[name].attempt for name in jobs[0].needs if name in self.jobs]
        open_ones = [one for one in after if one in self.engine.alive(after)]
        names, word = [job.name for job in jobs], uuid.uuid4().hex[:8]
        self.board.sending(word, names)
        results, notice = self.board.folder.parent, self.engine.notice
        commands = [(*self.jobs[name].posted.command, str(self.board.path(name))) for name in names]
        tasks = [Task(name, results, command, notice) for name, command in zip(names, commands, strict=True)]
        place = Place(jobs[0].gpus, jobs[0].alone, tuple(open_ones), avoided)
        ids = self.engine.submit(word, tasks, place)
        for name, attempt in zip(names, ids, strict=True):
            one = self.jobs[name]
            one.posted, one.after, one.unseen = one.posted.tried(Attempt(attempt, avoided)), tuple(after), 0
            self.board.post(one.posted)
        self.board.sent(word)
        if self.board.is_stopped():
            self.engine.cancel(ids)  # they were on their way while all others were stopped

    def look(self) -> None:
        """See what has ended since the last time, and submit anew what failed for the first time."""
        sent = [one for one in self.jobs.values() if one.state == "open" and one.attempt]
        alive = self.engine.alive([one.attempt for one in sent])
        for one in sent:
            if one.attempt in alive:
                one.unseen = 0
                continue
            ending = self.board.ending(one.job.name, one.attempt)
            if ending is not None and ending.code == 0:
                one.state = "done"
                self.say(f"done: {one.job.title}")
            elif ending is not None or one.unseen >= LOOKS:
                where = self.board.began(one.job.name, one.attempt)
                self.failed(one, where, ending.reason if ending else self.why_gone(one, where))
            else:
                one.unseen += 1

    def why_gone(self, one: Followed, where: str) -> str:
        """Why an attempt ended without a word, as far as that can be known; it is out of the queue then."""
        self.engine.drop(one.attempt)
        if where or self.board.log_of(one.attempt).exists():
            return "it was killed, or its host was lost"
        return f"it never began; can its host write to {self.board.folder.parent}?"

    def failed(self, one: Followed, where: str, reason: str) -> None:
        """Submit a job once more, or give it up."""
        if self.board.is_stopped():
            one.state = "stopped"
            self.say(f"stopped: {one.job.title}")
            return
        now = tuple(self.jobs[name].attempt for name in one.job.needs if name in self.jobs)
        # What it needs came again after it was submitted: its own failure was to be expected.
        one.failures += now == one.after
        log = self.board.log_of(one.attempt)
        if one.failures < TRIES:
            self.say(f"failed{f' on {where}' if where else ''}, once more: {one.job.title}: {reason}; log: {log}")
            self.send([one.job], where)
            return
        one.state = "failed"
        self.say(f"failed: {one.job.title}: {reason}; log: {log}")

    def to_the_end(self, session: Session) -> None:
        """Follow all jobs until each has left its records, or failed, or was stopped."""
        self.board.start()
        self.submit()
        while any(one.state == "open" for one in self.jobs.values()):
            time.sleep(self.submission.every)
            self.look()
            self.submit()
            if all(one.state != "open" for one in self.jobs.values()):
                self.join_left(session)

    def join_left(self, session: Session) -> None:
        """Submit anew a job of each pass whose parts are all there, and nobody has joined.

        Where two jobs end at once on a disk that shows a host late what another wrote, neither may see that it is last.
        """
        shared = [one for one in self.jobs.values() if one.job.share != WHOLE]
        last = {one.job.cells: one for one in shared}
        for cells, one in last.items():
            shown = all(other.state == "done" for other in shared if other.job.cells == cells)
            if shown and any(planned.state == "run" for planned in plan(cells, session)):
                one.state = "open"
                self.failed(one, "", "its cells have no record: whoever came last did not see all parts")

    def note_failures(self, session: Session) -> dict[str, str]:
        """Leave a note, with the log, of each cell of a failed job that has no record; the reasons by cell."""
        reasons: dict[str, str] = {}
        told = {absence.cell: absence for absence in session.store.absences()}
        for one in (followed for followed in self.jobs.values() if followed.state == "failed"):
            for cell in (planned.cell for planned in plan(one.job.cells, session) if planned.state != "done"):
                why = told[cell].reason if cell in told else "failed (its job ended before it)"
                reasons[str(cell)] = f"{why}; log: {self.board.log_of(one.attempt)}"
                session.store.note_absence(cell, reasons[str(cell)], run_command(session))
        return reasons


def command_of(paper: str, arguments: Sequence[str], processes: int) -> tuple[str, ...]:
    """What runs a job in its host's shell: the suite's command as it was given, in several processes for several GPUs.

    Args:
        paper: As the command line names it.
        arguments: Of ``run``.
        processes: One for each GPU.
    """
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return (sys.executable, *several, "-m", "benchmarks", "--paper", paper, "run", *arguments, "--job")
