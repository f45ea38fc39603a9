"""What a kind of work declares and offers: its options, its metrics, its version, and how its cells are run.

Importing a kind costs little: whatever needs torch, numpy or pictures is imported where a cell runs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from benchmarks.core.records import Cell, Record, Scalar
from benchmarks.work.session import Session

Inputs = Mapping[str, Scalar]
Advance = Callable[[int], None]


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
class Trouble:
    """A cell that came to nothing while others of its group go on: why, in one line."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Amount:
    """How much work there is: ``total`` units, such as images."""

    total: int
    unit: str


class Change(Enum):
    """When a number counts as changed, for the gate.

    ``EXACT``: beyond rounding. ``SHARE``: a share of images, beyond what chance makes. ``NEAR``: beyond the metric's
    tolerance, relative. ``TIME``: the ratio to the plain network of the same run has grown. ``MEMORY``: the ratio to
    the plain network has moved. ``NEVER``: it is judged through another number, which the metric's symptom names.
    """

    EXACT = "exact"
    SHARE = "share"
    NEAR = "near"
    TIME = "time"
    MEMORY = "memory"
    NEVER = "never"


@dataclass(frozen=True)
class MetricSpec:
    """A metric that a kind of work records, and what a regression of it is.

    Attributes:
        name: As in :class:`benchmarks.core.records.MetricKey`; of samples where ``change`` is ``TIME``.
        change: When it counts as changed.
        symptom: What is probably wrong then, for people.
        tolerance: Of ``NEAR``, relative.
    """

    name: str
    change: Change
    symptom: str = ""
    tolerance: float = 0.0


class Kind(ABC):
    """A kind of work.

    Attributes:
        name: As in cells.
        version: Raised by the author of a change that gives other numbers; records of other versions are not valid.
        options: Dataclass of what a cell says besides model and profile.
        choices: Dataclass of what the user of a run may choose for it (see ``benchmarks.work.choices``), or None.
        conditions: Options and inputs that all rows of one table must share; the newest record decides which.
        metrics: All that its records hold.
        per_image: Name of the note that names the Parquet file, in a folder of that name, of what is known of each
            image; None where nothing is kept so.
        longer: Name of the kind that trains half as long again, of a kind that trains.
        judged_by: Name of the kind that evaluates what it trains.
        trains_on: The option in which a kind that trains names its images; an unreadable one of them stops a run early.
        ruled: Whether its numbers rest on the paper's step and box rules.
        shared: Whether all processes of a torchrun share its work; else the first does it alone.
        parallel: Whether groups may run at the same time on the CPU, each in a process of its own.
        divisible: Whether a group is a pass over images that several jobs may share, see ``Session.share``.
        boxed: Whether it needs the boxes of the images that it evaluates.
        alone: Whether nothing else may run on its host meanwhile.
        on_device: Whether it uses the session's device; else the CPU whatever that is.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    options: ClassVar[type]
    choices: ClassVar[type | None] = None
    conditions: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[MetricSpec, ...]]
    per_image: ClassVar[str | None] = None
    longer: ClassVar[str | None] = None
    judged_by: ClassVar[str | None] = None
    trains_on: ClassVar[str | None] = None
    ruled: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    parallel: ClassVar[bool] = False
    divisible: ClassVar[bool] = False
    boxed: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    on_device: ClassVar[bool] = True

    @abstractmethod
    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """What the cell's numbers depend on besides the cell; see :meth:`versioned`."""

    @abstractmethod
    def group(self, cell: Cell) -> object:
        """Cells of equal group run in one go."""

    @abstractmethod
    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """How much work a group is, for the progress bar."""

    @abstractmethod
    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record | Trouble]:
        """Run a group; each cell's record as soon as it is there. ``advance`` is told what is done, in units."""

    def rests_on(self, cell: Cell, session: Session) -> Sequence[Cell]:
        """Cells of other kinds whose records a cell is made from, besides what trains its weights."""
        return ()

    def versioned(self, session: Session) -> Inputs:
        """The declared versions behind this kind's numbers: its own, and that of the paper's rules where they count."""
        own: dict[str, Scalar] = {"version": self.version}
        return {**own, "rules": session.rules.version} if self.ruled else own

    def spec(self, metric: str) -> MetricSpec:
        """What is declared of a metric.

        Raises:
            ValueError: Nothing is.
        """
        for one in self.metrics:
            if one.name == metric:
                return one
        names = ", ".join(one.name for one in self.metrics)
        raise ValueError(f"{self.name} declares no metric {metric!r}, only {names}; declare it in benchmarks/work")


def evaluated_images(split: str, session: Session) -> Amount:
    """The images of a set that one pass looks at."""
    images = len(session.image_set(split))
    return Amount(min(images, session.profile.val_count or images), "images")
