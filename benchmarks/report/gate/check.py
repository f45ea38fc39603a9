"""What the gate of a paper runs, and what it makes of it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.core.progress import Progress
from benchmarks.core.records import Cell, Record
from benchmarks.core.store import Store
from benchmarks.report.gate.compare import Comparison, absent, compare_with_reference
from benchmarks.report.paper import Gate, Paper
from benchmarks.work.runner import run
from benchmarks.work.session import Session
from benchmarks.work.training import on_one_thread


def gate_of(paper: Paper) -> Gate:
    """The gate of a paper.

    Raises:
        ValueError: It has none.
    """
    if paper.gate is None:
        raise ValueError(f"the paper {paper.name!r} has no gate; give its PAPER one, see benchmarks/report/paper.py")
    return paper.gate


@contextmanager
def fresh_session(paper: Paper, keep: Path | None) -> Iterator[Session]:
    """A session of the gate in an empty folder: nothing from before, no record and no cache, can stand in for work.

    Args:
        paper: Whose gate.
        keep: Where its records stay; None for a temporary folder.

    Raises:
        ValueError: The paper has no gate, or ``keep`` holds something.
    """
    profile = paper.profiles[gate_of(paper).profile]
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise ValueError(f"{keep} is not empty; name an empty folder or a new one, for old records would stand in")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(keep or Path(folder) / "results")
        cache = Path(folder) / "cache"
        yield Session(profile, store, cache, paper.rules(), probes=paper.probes, program=paper.program)


def read_reference(folder: Path) -> list[Record]:
    """The records of a reference, oldest first.

    Raises:
        ValueError: There is none that could be compared.
    """
    records = Store(folder).records()
    if not records:
        raise ValueError(
            f"no records to compare with in {folder}; make them with `tdam-bench check --renew --against {folder}`"
        )
    return records


def check(reference: Sequence[Record], session: Session, progress: Progress, cells: Sequence[Cell]) -> list[Comparison]:
    """Run the gate's cells and compare with a reference; what could not be run is not measured, for its reason."""
    broken = [absent(cell, "one", reason) for cell, reason in measure(session, progress, cells).items()]
    return broken + compare_with_reference(reference, session.store.records())


def measure(session: Session, progress: Progress, cells: Sequence[Cell]) -> dict[str, str]:
    """Run the gate's cells; the reason for each cell that has no record afterwards."""
    with on_one_thread(session):
        summary = run(cells, session, progress)
    return summary.failed | {str(one.cell): one.reason for one in summary.blocked}


def renew(folder: Path, session: Session, progress: Progress, cells: Sequence[Cell]) -> None:
    """Run the gate's cells and put their records in the place of a reference's.

    Raises:
        ValueError: A cell could not be run; the reference stays as it was.
    """
    broken = measure(session, progress, cells)
    if broken:
        cell, reason = next(iter(broken.items()))
        raise ValueError(f"{folder} stays as it was, for {cell} could not be run: {reason}")
    store = Store(folder)
    store.clear()
    for record in session.store.records():
        store.write(record)
