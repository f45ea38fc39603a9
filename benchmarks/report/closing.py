"""What a run or a report says last: how many of the paper's numbers came out, by what they are about, the oddest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import claim_tables
from benchmarks.report.claims import COUNTS, SPEED, judge_claims, scope_of
from benchmarks.report.comparison import digits
from benchmarks.report.evidence import Evidence
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import CLAIMS
from benchmarks.report.verdicts import Verdict
from benchmarks.work.cost import COST
from benchmarks.work.efficiency import EFFICIENCY

if TYPE_CHECKING:
    from benchmarks.report.report import Wanted

# How many are named.
MOST = 3
PAGE, PDF = "index.html", "report.pdf"
# What a column without a record is about, by its unit; by any other it is about speed and memory.
FAMILIES = {"M": COUNTS, "G": COUNTS, "%": "", "points": ""}


@dataclass(frozen=True)
class Told:
    """A number of the paper and what became of it.

    Attributes:
        table: Its table.
        line: Its row.
        column: Its column.
        value: The paper's and the measured number.
        verdict: The verdict.
        scope: What that is about.
    """

    table: Table
    line: Line
    column: Column
    value: Value
    verdict: Verdict
    scope: str

    @property
    def off(self) -> float:
        """How far the measured number is from the paper's, in what margin and interval allow together."""
        return 0.0 if self.value.judgement is None else self.value.judgement.off

    @property
    def what(self) -> str:
        """Row and column in words."""
        names = (self.line.group, self.line.label, self.column.group, self.column.title, self.column.view)
        return f"{self.table.name}, {' '.join(dict.fromkeys(filter(None, names)))}"

    def __str__(self) -> str:
        measured = self.value.measured
        assert measured is not None
        assert self.value.paper is not None
        unit = f" {self.column.unit}" if self.column.unit else ""
        side = "above" if measured > float(self.value.paper) else "below"
        here = f"{digits(measured, self.column)}{unit} here, {self.value.paper}{unit} in the paper"
        return f"{self.what}: {here}: {side} it by {self.off:,.1f} times what margin and interval allow"


def closing(wanted: "Wanted", evidence: Evidence, out: Path) -> list[str]:
    """The answer, in lines.

    Args:
        wanted: The experiments that were run or are reported.
        evidence: The records.
        out: Where the page, tables and figures were written.
    """
    tables = [wanted.paper.experiment(name).table(evidence) for name in wanted.experiments]
    told = list(numbers_of(tables, evidence))
    lines = [*verdict_lines(told), *claim_lines(wanted, evidence), *surprising(told)]
    printed = f"; for print: {out / PDF}" if (out / PDF).exists() else ""
    return [*lines, f"tables and figures: {out}; the page: {out / PAGE}{printed}"]


def numbers_of(tables: Sequence[Table], evidence: Evidence) -> Iterator[Told]:
    """The numbers of tables; what a table repeats of one before it counts once."""
    before: set[tuple[str | None, ...]] = set()
    for table in tables:
        own = [(named_by(one), one) for one in told_by(table, evidence)]
        yield from (one for name, one in own if name not in before)
        before.update(name for name, _ in own)


def named_by(one: Told) -> tuple[str | None, ...]:
    """What a number is known by in whatever table it stands."""
    return one.value.record, one.line.model, one.value.paper, one.column.unit


def told_by(table: Table, evidence: Evidence) -> Iterator[Told]:
    """The paper's numbers in a table with their verdicts; those that nothing is held against are left out."""
    kinds = {record.id: record.cell.kind for record in evidence.records}
    for column in table.columns:
        for line in table.lines:
            value = line.values.get(column.key, Value())
            if value.verdict not in (None, Verdict.NEW):
                scope = scope_of(family_of(value, column, kinds), evidence)
                yield Told(table, line, column, value, value.verdict, scope)


def family_of(value: Value, column: Column, kinds: dict[str, str]) -> str:
    """What a number is about, by the kind of its records, or by its unit where it has none."""
    own = {kinds.get(name) for name in (value.record or "").split()}
    if COST.name in own:
        return COUNTS
    if EFFICIENCY.name in own:
        return SPEED
    return "" if own else FAMILIES.get(column.unit, SPEED)


def verdict_lines(told: Sequence[Told]) -> list[str]:
    """How many numbers have each verdict, a line for each scope."""
    lines = []
    for scope in dict.fromkeys(one.scope for one in told):
        counts = Counter(one.verdict for one in told if one.scope == scope)
        known = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        lines.append(f"{scope[0].upper()}{scope[1:]}, of {counts.total()} numbers: {known}")
    return lines


def claim_lines(wanted: "Wanted", evidence: Evidence) -> list[str]:
    """How many claims hold of those that the experiments decide, a line for each scope."""
    paper, run = wanted.paper, {*wanted.names}
    results = judge_claims(paper.claims(), evidence, paper.claim_rules)
    own = [one for one in results if CLAIMS in run or (one.claim.experiments and run.issuperset(one.claim.experiments))]
    return [line.removeprefix("- ").replace(": ", ", claims: ", 1) for line in claim_tables.answer(own).splitlines()]


def surprising(told: Sequence[Told]) -> list[str]:
    """The numbers farthest outside of what margin and interval allow, ``MOST`` at most; what two tables show, once."""
    outside = sorted((one for one in told if one.off > 1 and one.value.measured is not None), key=lambda one: -one.off)
    seen = {(one.value.record, one.line.model, one.value.paper): one for one in reversed(outside)}
    first = sorted(seen.values(), key=lambda one: -one.off)[:MOST]
    return ["most surprising:", *(f"  {one}" for one in first)] if first else []
