"""What runs, waits, has failed and is done, of the jobs of a results folder; and stopping them all."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.work.cluster.board import Board, Posted
from benchmarks.work.cluster.engines import Engine


class Told(NamedTuple):
    """A job as people want to know of it.

    Attributes:
        state: ``done``, ``failed``, ``killed``, ``not submitted``, or the engine's own word while it waits or runs.
        title: What it does.
        attempt: The engine's id of its last attempt.
        host: Where that ran last.
        reason: Why it failed.
        log: What it printed, where it failed.
    """

    state: str
    title: str
    attempt: str = ""
    host: str = ""
    reason: str = ""
    log: str = ""

    def __str__(self) -> str:
        where = f" on {self.host}" if self.host else ""
        job = f" (job {self.attempt}{where})" if self.attempt else ""
        why = f": {self.reason}; log: {self.log}" if self.reason else ""
        return f"{self.state:<14} {self.title}{job}{why}"


def status(board: Board, engines: Mapping[str, Engine]) -> list[Told]:
    """What there is to tell of each job.

    Args:
        board: Where the jobs stand.
        engines: Those that run them, by name.
    """
    posted = board.posted()
    alive: dict[str, str] = {}
    for name, engine in engines.items():
        alive |= engine.alive([one.attempts[-1].id for one in posted if one.attempts and one.engine == name])
    return [told_of(one, board, alive) for one in posted]


def told_of(one: Posted, board: Board, alive: Mapping[str, str]) -> Told:
    """What there is to tell of a job."""
    if not one.attempts:
        return Told("not submitted", one.job.title)
    attempt = one.attempts[-1].id
    host, log = board.began(one.job.name, attempt), str(board.log_of(attempt))
    if attempt in alive:
        return Told(alive[attempt], one.job.title, attempt, host)
    ending = board.ending(one.job.name, attempt)
    if ending is None:
        return Told("killed", one.job.title, attempt, host, "it ended without a word", log)
    if ending.code == 0:
        return Told("done", one.job.title, attempt, ending.host)
    return Told("failed", one.job.title, attempt, ending.host, ending.reason, log)


def counted(told: list[Told]) -> str:
    """How many jobs are in each state."""
    counts = Counter(one.state.partition(" (")[0] for one in told)
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "no jobs"


def cancel(board: Board, engines: Mapping[str, Engine]) -> int:
    """Stop all jobs that wait or run, so that none comes again; returns how many there were."""
    board.stop()
    count = 0
    for name, engine in engines.items():
        ids = [one.attempts[-1].id for one in board.posted() if one.attempts and one.engine == name]
        alive = list(engine.alive(ids))
        engine.cancel(alive)
        count += len(alive)
    return count
