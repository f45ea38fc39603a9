"""What thousands of records cost: planning, the tables, the page; and many processes that write at once.

    make scale-test

Records are made up, of every experiment by profile mini from as many seeds as it takes, with the inputs that a run
would find them by. Prints seconds for 1,000, 3,000 and 10,000 records, and ends with exit code 1 if 10,000 take longer
than people wait: 2 s to be read, 3 s to plan, 20 s for all tables, 60 s for the page; if a record costs more where
there are more; or if one is lost.
"""

import itertools
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.core.records import Cell, Record, new_record
from benchmarks.core.store import Store
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.papers.tdam import PAPER
from benchmarks.report.report import Wanted, text_of, write_report
from benchmarks.work.kind import Blocked, Waiting
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import in_order, plan
from benchmarks.work.session import Session
from tests.recorded import recorded
from tests.sessions import make_session

COUNTS = (1_000, 3_000, 10_000)
# Seconds that 10,000 records may take.
BOUNDS = {"reading": 2.0, "planning": 3.0, "all tables": 20.0, "the page": 60.0}
# How much more a record may cost than where there are fewer.
STEEPEST = 1.5
WRITERS, EACH = 100, 10


def cells_of(session: Session) -> list[Cell]:
    """The cells of all experiments."""
    return in_order(cell for name in PAPER.experiments for cell in PAPER.experiment(name).cells(session))


def filled(folder: Path, cache: Path, count: int) -> tuple[Session, list[Cell]]:
    """A results folder with so many records, packed; and the cells of a run that finds them all."""
    few, more = (len(cells_of(make_session(folder, "mini", seeds=tuple(range(seeds))))) for seeds in (6, 7))
    seeds = tuple(range(6 + max(0, -(-(count - few) // (more - few)))))
    session = replace(make_session(folder, "mini", seeds=seeds), cache=cache)
    cells = list(itertools.islice(made(session), count))
    session.store.pack()
    return session, cells


def made(session: Session) -> Iterator[Cell]:
    """Write the records of all cells, in the order in which they would come; each cell as it is written."""
    for cell in cells_of(session):
        inputs = KINDS[cell.kind].inputs(cell, session)
        if isinstance(inputs, Blocked | Waiting):
            raise ValueError(f"{cell} cannot be made up: {inputs}")
        one = recorded(cell)
        record = replace(new_record(cell, inputs, one.metrics, one.samples, one.notes), outcomes=one.outcomes)
        session.store.write(record)
        yield cell


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    watch = Stopwatch()
    work()
    return watch.seconds()


def measured(folder: Path, cache: Path, count: int) -> dict[str, float]:
    """Seconds of each thing that people wait for, with so many records."""
    session, cells = filled(folder, cache, count)
    again = replace(session, store=Store(session.store.folder), opened={})
    states = {one.state for one in plan(cells, again)}
    if states != {"done"}:
        raise ValueError(f"a run would not find what is recorded: {states}")
    wanted = Wanted(PAPER, PAPER.names, "mini", None)

    def tables() -> None:
        evidence = wanted.evidence(Store(again.store.folder))
        for name in wanted.names:
            text_of(wanted, name, evidence)

    return {
        "reading": timed(lambda: Store(again.store.folder).records()),
        "planning": timed(lambda: plan(cells, replace(again, store=Store(again.store.folder), opened={}))),
        "all tables": timed(tables),
        "the page": timed(lambda: write_report(wanted, Store(again.store.folder), folder / "report")),
    }


def write(folder: Path, writer: int) -> None:
    """Some records of one writer."""
    store = Store(folder)
    for seed in range(EACH):
        store.write(new_record(Cell("cost", f"network {writer}", "any", {"seed": seed}), {}, {}))


def written(folder: Path) -> list[Record]:
    """What is there after many processes wrote at once, while another packed."""
    writers = [multiprocessing.get_context("fork").Process(target=write, args=(folder, one)) for one in range(WRITERS)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        Store(folder).pack()
    return Store(folder).records()


def main() -> None:
    """Measure, print, and judge."""
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = len(written(folder / "many"))
        print(f"{WRITERS} processes wrote {WRITERS * EACH:,} records at once, {found:,} are there", flush=True)
        failures += [] if found == WRITERS * EACH else ["records were lost"]
        before: dict[str, float] = {}
        for count, fewer in zip(COUNTS, (None, *COUNTS), strict=False):
            seconds = measured(folder / str(count), folder / "cache", count)
            print(f"{count:,} records: " + ", ".join(f"{what} {s:.2f} s" for what, s in seconds.items()), flush=True)
            for what, earlier in before.items():
                if seconds[what] > STEEPEST * earlier * count / (fewer or 1):
                    grown = seconds[what] / earlier
                    failures.append(f"{what} grows faster than the records, {grown:.1f} times to {count:,}")
            before = seconds
        failures += [f"{what} takes {seconds[what]:.1f} s, over {bound:g}" for what, bound in BOUNDS.items()
                     if seconds[what] > bound]  # fmt: skip
    print("\n".join(failures) or "ok")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
