"""The paper's testable statements and their verdicts.

tdam-bench show claims --seeds 0,1,2 --results results/reference
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Cell, Record, write_text
from benchmarks.papers.tdam.all_claims import CLAIMS, ClaimResult, Evidence, PartResult, judge
from benchmarks.report.selection import select
from benchmarks.report.tables import FORMATS, as_long_latex
from benchmarks.work.session import Session

NAME = "claims"
TITLE = "Claims: 34 statements of the paper, tested"
# Columns of the tests' LaTeX table, in mm; the records' ids are in the page and in CSV.
TEST_WIDTHS = {
    "claim": 8,
    "says": 55,
    "rule": 14,
    "verdict": 20,
    "measured": 65,
    "test": 32,
    "p, corrected": 14,
    "could have been seen": 28,
}
TIME = "no work of its own: judged from the records of the other experiments"


def cells(session: Session) -> list[Cell]:
    """Nothing of its own; the other experiments run what claims rest on."""
    return []


def results(session: Session, records: Sequence[Record]) -> list[ClaimResult]:
    """All claims with their verdicts."""
    return judge(CLAIMS, Evidence(session, select(session, records, "all experiments")))


def row(result: ClaimResult) -> dict[str, object]:
    """A claim's line."""
    claim = result.claim
    released = str(result.released) if claim.by_rule else ""
    parts = next(iter(result.parts.values()))
    held = sum(part.verdict == result.verdict.HOLDS for part in parts)
    return {
        "claim": claim.number,
        "section": claim.section,
        "statement": claim.statement,
        "verdict": str(result.verdict),
        "released rule": f"{released} (!)" if result.disputed else released,
        "parts that hold": f"{held} of {len(parts)}",
    }


def part_rows(result: ClaimResult) -> list[dict[str, object]]:
    """A line for each part under each protocol."""
    return [
        part_row(result, part, rule if result.claim.by_rule else "")
        for rule, parts in result.parts.items()
        for part in parts
    ]


def part_row(result: ClaimResult, part: PartResult, rule: str) -> dict[str, object]:
    """What one part says, and what was found."""
    finding = part.finding
    return {
        "claim": result.claim.number,
        "says": part.says,
        "rule": rule,
        "verdict": str(part.verdict),
        "measured": finding.measured if finding else part.missing,
        "test": finding.test if finding else "",
        "p, corrected": "" if part.p is None else f"{part.p:.2g}",
        "could have been seen": finding.detectable if finding else "",
        "records": " ".join(finding.records) if finding else "",
    }


def summary(found: Sequence[ClaimResult], session: Session) -> str:
    """How many claims hold, in a sentence or two."""
    counts = Counter(str(result.verdict) for result in found)
    said = ", ".join(f"{counts[name]} {name}" for name in ("HOLDS", "FAILS", "UNDECIDED", "NOT RUN"))
    disputed = [str(result.claim.number) for result in found if result.disputed]
    text = f"{len(found)} claims, profile {session.profile.name}, judged by the last step's prediction: {said}."
    if disputed:
        text += f" The released evaluation rule decides otherwise on {', '.join(disputed)}."
    if session.profile.name != "full":
        text += " Claims that need trained networks are tested on this profile's task, not on ImageNet."
    return text


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the claims, and all parts with their tests."""
    return write(results(session, records), folder)


def write(found: Sequence[ClaimResult], folder: Path) -> list[Path]:
    """Write judged claims."""
    files = []
    for name, rows in (
        ("claims", [row(result) for result in found]),
        ("claims-tests", [one for result in found for one in part_rows(result)]),
    ):
        for style in ("md", "tex", "csv"):
            path = folder / "tables" / f"{name}.{style}"
            long = name == "claims-tests" and style == "tex"
            write_text(path, as_long_latex(rows, TEST_WIDTHS) if long else FORMATS[style](rows))
            files.append(path)
    return files


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The claims for a terminal."""
    found = results(session, records)
    return f"{FORMATS['md']([row(result) for result in found])}\n\n{summary(found, session)}"
