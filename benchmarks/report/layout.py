"""What a rendered table is made of, whatever it is rendered to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.core.records import MetricKey
from benchmarks.report.verdicts import Judgement, Verdict


@dataclass(frozen=True)
class Value:
    """One cell of a table: the paper's number, the measured one, and how they compare.

    Attributes:
        paper: The paper's digits as printed, or None where it prints nothing.
        measured: The measured number in the column's unit, or None.
        judgement: Verdict and reason, or None where there is nothing to compare.
        record: Id of the record that the measured number came from.
        missing: Why there is no measured number, and the command that fills it.
        low: Lower end of the 95 % interval.
        high: Upper end.
        note: A short remark on the number, such as ``partial, n=9,998``.
        key: Which number of its record it is, where it is one as it stands there, or the mean of several records'.
    """

    paper: str | None = None
    measured: float | None = None
    judgement: Judgement | None = None
    record: str | None = None
    missing: str | None = None
    low: float | None = None
    high: float | None = None
    note: str | None = None
    key: MetricKey | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Its verdict, NOT RUN where nothing was measured of the paper's number; None where nothing is compared."""
        if self.measured is None:
            return None if self.paper is None else Verdict.NOT_RUN
        return None if self.judgement is None else self.judgement.verdict


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        key: Name in CSV files.
        title: Heading.
        unit: Unit of the measured numbers, such as ``M`` or ``%``.
        group: Heading above several columns, or an empty string.
        decimals: Digits shown after the point.
        better: ``higher``, ``lower``, or None where neither is.
        view: The one of several ways of counting that it belongs to, of which the page shows one at a time; empty for
            columns that stand beside all of them.
        detail: Whether the page shows it only where it is asked for.
    """

    key: str
    title: str
    unit: str
    group: str = ""
    decimals: int = 2
    better: str | None = None
    view: str = ""
    detail: bool = False

    @property
    def measure(self) -> str:
        """Its unit and its view, as headings have them."""
        return ", ".join(part for part in (self.unit, self.view) if part)


@dataclass(frozen=True)
class Line:
    """A row: a method on a backbone, with its values by column key."""

    group: str
    label: str
    model: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        name: File name without its ending, such as ``table1``.
        title: One line.
        notes: What a reader must know: profile, device, protocols, seeds; one sentence each.
        columns: In order.
        lines: In order; ``group`` changes start a new block.
    """

    name: str
    title: str
    notes: Sequence[str]
    columns: Sequence[Column]
    lines: Sequence[Line] = field(default_factory=tuple)

    @property
    def has_numbers(self) -> bool:
        """Whether anything in it was measured."""
        return any(value.measured is not None for line in self.lines for value in line.values.values())
