"""Judged claims as tables: for a terminal, in Markdown, LaTeX and CSV."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.files import write_text
from benchmarks.report.claims import ClaimResult, ClaimVerdict, PartResult
from benchmarks.report.tables import FORMATS, as_long_latex
from benchmarks.work.profiles import Profile

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


def row(result: ClaimResult) -> dict[str, object]:
    """A claim's line."""
    claim = result.claim
    other = str(result.other) if claim.by_rule else ""
    parts = next(iter(result.parts.values()))
    held = sum(part.verdict == ClaimVerdict.HOLDS for part in parts)
    return {
        "claim": claim.number,
        "section": claim.section,
        "statement": claim.statement,
        "verdict": str(result.verdict),
        "other rule": f"{other} (!)" if result.disputed else other,
        "parts that hold": f"{held} of {len(parts)}",
    }


def part_rows(result: ClaimResult) -> list[dict[str, object]]:
    """A line for each part under each rule."""
    return [
        part_row(result, part, rule if result.claim.by_rule else "")
        for rule, parts in result.parts.items()
        for part in parts
    ]


def part_row(result: ClaimResult, part: PartResult, rule: str) -> dict[str, object]:
    """What one part says, and what was measured."""
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


def summary(results: Sequence[ClaimResult], profile: Profile, rules: tuple[str, str]) -> str:
    """How many claims hold, in a sentence or two."""
    counts = Counter(str(result.verdict) for result in results)
    said = ", ".join(f"{counts[str(verdict)]} {verdict}" for verdict in ClaimVerdict)
    disputed = [str(result.claim.number) for result in results if result.disputed]
    text = f"{len(results)} claims, profile {profile.name}, judged under the step rule {rules[0]!r}: {said}."
    if disputed:
        text += f" The rule {rules[1]!r} decides otherwise on {', '.join(disputed)}."
    if not profile.papers_data:
        text += " Claims that need trained networks are tested on this profile's task, not on the paper's data."
    return text


def write(results: Sequence[ClaimResult], folder: Path) -> list[Path]:
    """Write judged claims, and all parts with their tests."""
    files = []
    for name, rows in (
        ("claims", [row(result) for result in results]),
        ("claims-tests", [one for result in results for one in part_rows(result)]),
    ):
        for style in ("md", "tex", "csv"):
            path = folder / "tables" / f"{name}.{style}"
            long = name == "claims-tests" and style == "tex"
            write_text(path, as_long_latex(rows, TEST_WIDTHS) if long else FORMATS[style](rows))
            files.append(path)
    return files


def text_of(results: Sequence[ClaimResult], profile: Profile, rules: tuple[str, str]) -> str:
    """The claims for a terminal."""
    return f"{FORMATS['md']([row(result) for result in results])}\n\n{summary(results, profile, rules)}"
