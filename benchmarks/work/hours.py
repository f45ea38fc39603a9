"""What cells cost: seconds of one device each, from what was measured, or by stated guesses; and how long jobs take."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from benchmarks.core.records import Cell, Record
from benchmarks.work.cluster.jobs import Job
from benchmarks.work.demand import Rates
from benchmarks.work.forecast import Took, of_its_device, own_seconds
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from benchmarks.work.workers import PROCESSES

# Seconds of a cell that shows no image and is no measurement of speed; and, of a measurement, of what comes before its
# rounds besides as many seconds as these take. Guessed, as mini was seen to take.
COUNTING, STARTING = 1.0, 15.0


class How(Enum):
    """What a price rests on."""

    LIKE = "as long as like ones took"
    SPEED = "by the speed measured"
    GUESS = "guessed"


@dataclass(frozen=True)
class Price:
    """What a cell costs.

    Attributes:
        seconds: Of one device, as if nothing was lost where several share the work.
        how: What that rests on.
    """

    seconds: float
    how: How


class Prices:
    """Prices of cells on the session's kind of device.

    Args:
        records: What was measured before.
        session: The run's settings.
    """

    def __init__(self, records: Iterable[Record], session: Session) -> None:
        self.session = session
        own = of_its_device(records, session)
        self.rates = Rates(own, session)
        self.took = Took(own, lambda record: own_seconds(record) * int(record.notes.get(PROCESSES, 1)))

    def of(self, cell: Cell) -> Price:
        """The price of a cell: as like ones took, else by measured speed, else a guess."""
        like = self.took.of(cell)
        if like is not None:
            return Price(like, How.LIKE)
        seconds = self.rates.seconds(cell)
        if seconds is None:
            # It warms up and measures memory before the rounds that its budget is for.
            rounds = 2 * float(str(cell.options.get("budget") or 0)) + STARTING
            return Price(rounds if KINDS[cell.kind].alone else COUNTING, How.GUESS)
        return Price(seconds, How.GUESS if self.rates.speed(cell) is None else How.SPEED)


def device_seconds(cells: Iterable[Cell], prices: Mapping[Cell, Price]) -> float:
    """What cells take of the session's devices together, seconds."""
    return sum(prices[cell].seconds for cell in cells if KINDS[cell.kind].on_device)


def duration(job: Job, prices: Mapping[Cell, Price]) -> float:
    """How long a job takes, seconds; its GPUs and the jobs that share its pass lose nothing."""
    return sum(prices[cell].seconds for cell in job.cells) / max(1, job.gpus) / job.share[1]


def makespan(jobs: Sequence[Job], prices: Mapping[Cell, Price], at_a_time: int) -> float:
    """How long jobs take, so many at a time, each after those that it needs, in their order, seconds."""
    ended: dict[str, float] = {}
    free = [0.0] * at_a_time
    for job in jobs:
        begin = max([heapq.heappop(free), *(ended.get(name, 0.0) for name in job.needs)])
        ended[job.name] = begin + duration(job, prices)
        heapq.heappush(free, ended[job.name])
    return max(ended.values(), default=0.0)
