"""What the gate of a paper runs, and what it makes of it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.core.progress import Progress
from benchmarks.core.records import Cell, Record
from benchmarks.core.store import Store
from benchmarks.report.gate.compare import absent, compare_with_reference
from benchmarks.report.gate.numbers import Comparison
from benchmarks.report.paper import Gate, Paper
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import run
from benchmarks.work.session import Session
from benchmarks.work.training import on_one_thread

# Folders of what is known of each image.
KEPT = tuple(kind.per_image for kind in KINDS.values() if kind.per_image is not None)


@dataclass(frozen=True)
class Task:
    """What is compared with a reference, or takes its place.

    Attributes:
        folder: The reference.
        session: The run's settings.
        cells: What is run.
        decided: What is told without a run.
        said: Lines that are told at the end.
    """

    folder: Path
    session: Session
    cells: Sequence[Cell]
    decided: Sequence[Comparison] = ()
    said: Sequence[str] = ()


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
    gate = gate_of(paper)
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise ValueError(f"{keep} is not empty; name an empty folder or a new one, for old records would stand in")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(keep or Path(folder) / "results")
        cache = Path(folder) / "cache"
        yield Session(
            gate.profile, store, cache, paper.rules(),
            weights=gate.weights, probes=paper.probes, program=paper.program,
        )  # fmt: skip


def read_reference(folder: Path, command: str = "") -> list[Record]:
    """The records of a reference, oldest first.

    Args:
        folder: Where they are.
        command: What makes them; the gate on embedded data by default.

    Raises:
        ValueError: There is none that could be compared.
    """
    records = Store(folder).records()
    if not records:
        raise ValueError(
            f"no records to compare with in {folder}; make them with "
            f"`{command or f'tdam-bench check --renew --against {folder}'}`"
        )
    return records


def task_of(paper: Paper, session: Session, against: Path | None, renew: bool) -> Task:
    """What the gate compares on embedded data.

    Args:
        paper: The paper.
        session: Of the gate.
        against: Folder of the records to compare with, None for the paper's reference.
        renew: Whether these are to be made anew.

    Raises:
        ValueError: There is nothing to compare with, and it is not to be made.
    """
    own = gate_of(paper)
    folder = against or own.reference
    if not renew:
        read_reference(folder)  # said before minutes are spent
    return Task(folder, session, own.cells(session))


def named(cells: Sequence[Cell], text: str) -> list[Cell]:
    """The cells whose words hold a text.

    Raises:
        ValueError: There is none.
    """
    chosen = [cell for cell in cells if text in str(cell)]
    if not chosen:
        kinds = ", ".join(dict.fromkeys(cell.kind for cell in cells))
        raise ValueError(f"no cell of the gate holds {text!r}; they are such as '{cells[0]}', of the kinds {kinds}")
    return chosen


def check(task: Task, progress: Progress, only: str = "") -> list[Comparison]:
    """Run a gate's cells and compare with the reference, as far as it is of these cells.

    What could not be run is not measured, for its reason.

    Args:
        task: What is compared.
        progress: Where it is told how far the run is.
        only: Text that the cells hold that are run.

    Raises:
        ValueError: As :func:`read_reference` and :func:`named`; or what the reference keeps of images is missing.
    """
    if task.decided and not task.cells:
        return list(task.decided)
    cells, session = named(task.cells, only), task.session
    wanted = set(cells)
    reference = [record for record in read_reference(task.folder) if record.cell in wanted]
    broken = [absent(cell, "one", reason) for cell, reason in measure(session, progress, cells).items()]
    folders = task.folder, session.store.folder
    return [*task.decided, *broken, *compare_with_reference(reference, session.store.records(), folders)]


def measure(session: Session, progress: Progress, cells: Sequence[Cell]) -> dict[str, str]:
    """Run the gate's cells; the reason for each cell that has no record afterwards."""
    with on_one_thread(session):
        summary = run(cells, session, progress)
    return summary.failed | {str(one.cell): one.reason for one in summary.blocked}


def renew(task: Task, progress: Progress) -> None:
    """Run the gate's cells and put their records, and what they keep of each image, in the place of a reference's.

    Raises:
        ValueError: A cell could not be run; the reference stays as it was.
    """
    folder, session = task.folder, task.session
    broken = measure(session, progress, task.cells)
    if broken:
        cell, reason = next(iter(broken.items()))
        raise ValueError(f"{folder} stays as it was, for {cell} could not be run: {reason}")
    store = Store(folder)
    store.clear()
    for name in KEPT:
        shutil.rmtree(folder / name, ignore_errors=True)
    for record in session.store.records():
        store.write(record)
        kept = KINDS[record.cell.kind].per_image
        if kept is not None:
            (folder / kept).mkdir(exist_ok=True)
            shutil.copy(session.store.folder / kept / record.notes[kept], folder / kept)
    store.pack()
