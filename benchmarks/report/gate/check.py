"""What the gate runs, and what it makes of it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.papers.tdam import table1, table7_wsol
from benchmarks.report.gate.compare import Outcome, absent, compare_with_reference, newest
from benchmarks.work.profiles import SMOKE
from benchmarks.core.records import Cell, Record, Store
from benchmarks.work.runner import Report, run
from benchmarks.work.session import Session
from benchmarks.work import Probes
from benchmarks.work.probe import NAMES

# Every kind of network is probed; these are trained too, for the whole way from images to accuracies.
TRAINED = ("resnet50", "resnet50-cbam", "resnet50-td-joint-t2-m1")
TRAINED_TASKS = ("train", "accuracy", "localization")


def cells(session: Session) -> list[Cell]:
    """The gate's cells: counts of table 1's rows, probes, and three small trainings with what follows from them."""
    counts = [cell for cell in table1.cells(session) if cell.task == "cost"]
    small = replace(session, models=TRAINED)
    trained = [cell for one in (table1, table7_wsol) for cell in one.cells(small) if cell.task in TRAINED_TASKS]
    return [*counts, *trained, *(Probes.cell(name) for name in NAMES)]


@contextmanager
def fresh_session(keep: Path | None) -> Iterator[Session]:
    """A session on ``smoke`` in an empty folder: nothing from before, no record and no cache, can stand in for work.

    Args:
        keep: Where its records stay; None for a temporary folder.

    Raises:
        ValueError: ``keep`` holds something.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise ValueError(f"{keep} is not empty; name an empty folder or a new one, for old records would stand in")
    with tempfile.TemporaryDirectory() as folder:
        yield Session(SMOKE, Store(keep or Path(folder) / "results"), Path(folder) / "cache")


def read_reference(folder: Path) -> Sequence[Record]:
    """The records of a reference.

    Raises:
        ValueError: There is none that could be compared.
    """
    records = Store(folder).records()
    if not newest(records):
        raise ValueError(
            f"no records to compare with in {folder}; make them with `tdam-bench check --renew --against {folder}`"
        )
    return records


def check(reference: Sequence[Record], session: Session, report: Report) -> list[Outcome]:
    """Run the gate's cells and compare with a reference; what could not be run is not measured, for its reason."""
    broken = [absent(cell, "one", reason) for cell, reason in measure(session, report).items()]
    return broken + compare_with_reference(reference, session.store.records())


def measure(session: Session, report: Report) -> dict[str, str]:
    """Run the gate's cells; the reason for each cell that has no record afterwards."""
    summary = run(cells(session), session, report)
    return summary.failed | {str(one.cell): one.reason for one in summary.blocked}


def renew(folder: Path, session: Session, report: Report) -> None:
    """Run the gate's cells and put their records in the place of a reference's.

    Raises:
        ValueError: A cell could not be run; the reference stays as it was.
    """
    broken = measure(session, report)
    if broken:
        cell, reason = next(iter(broken.items()))
        raise ValueError(f"{folder} stays as it was, for {cell} could not be run: {reason}")
    store = Store(folder)
    for old in (folder / "records").glob("*.json"):
        old.unlink()
    for record in session.store.records():
        store.write(record)
