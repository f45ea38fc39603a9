"""What every kind of work offers to the runner."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.core.records import Cell, Record, Scalar
from benchmarks.work.session import Session

Inputs = Mapping[str, Scalar]


@dataclass(frozen=True)
class Blocked:
    """A cell that cannot run: why, and the command that would change that."""

    reason: str
    command: str


@dataclass(frozen=True)
class Waiting:
    """A cell whose inputs another cell of this plan makes."""

    cell: Cell


@dataclass(frozen=True)
class Amount:
    """How much work there is: ``total`` units, such as images."""

    total: int
    unit: str


Advance = Callable[[int], None]


class Task(Protocol):
    """A kind of work.

    Attributes:
        name: As in cells.
        shared: Whether all processes of a torchrun share its work; else the first does it alone.
        parallel: Whether groups may run at the same time on the CPU, each in a process of its own.
    """

    name: str
    shared: bool
    parallel: bool

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """What the cell's numbers depend on besides the cell."""

    def group(self, cell: Cell) -> object:
        """Cells of equal group run in one go."""

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """How much work a group is, for the progress bar."""

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Run a group; each cell's record as soon as it is there. ``advance`` is told what is done, in units."""


def evaluated_images(cells: Sequence[Cell], session: Session) -> Amount:
    """The images of the set that a group of cells looks at in one pass."""
    images = len(session.image_set(str(cells[0].options["data"])))
    return Amount(min(images, session.profile.val_count or images), "images")
