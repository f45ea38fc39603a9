"""How comparisons are told: lines for people, JUnit XML for machines, annotations for GitHub."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.core.files import write_text
from benchmarks.report.gate.numbers import Comparison, State

# Of one cell's numbers; the rest are counted, and all of them stand in the JUnit file.
SHOWN = 3
SAID = {
    State.CHANGED: "REGRESSION",
    State.ABSENT: "NOT MEASURED",
    State.NOISY: "NO VERDICT",
    State.REFUSED: "NOT COMPARABLE",
}
VERDICTS = {
    0: "nothing regressed",
    1: "regression",
    2: "something was not measured",
    3: "no verdict: too noisy, or not comparable",
}
LEVELS = {State.CHANGED: "error", State.ABSENT: "error", State.NOISY: "warning", State.REFUSED: "warning"}


def by_cell(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Comparisons by cell, in their order."""
    grouped: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        grouped.setdefault(comparison.cell, []).append(comparison)
    return grouped


def lines(comparisons: Sequence[Comparison]) -> Iterator[tuple[State, str]]:
    """What did not come out the same, a few lines for each cell, the gravest first."""
    for state, word in SAID.items():
        for cell, told in by_cell([one for one in comparisons if one.state is state]).items():
            for comparison in told[:SHOWN]:
                yield state, f"{word} {comparison}"
            if len(told) > SHOWN:
                yield state, f"{word} {cell}: and {len(told) - SHOWN} more of its numbers"


def summary(comparisons: Sequence[Comparison], code: int) -> str:
    """All counted, in one line."""
    counts = [f"{count} {state.value}" for state in State if (count := sum(one.state is state for one in comparisons))]
    return f"{VERDICTS[code]}: {len(comparisons)} numbers compared, {', '.join(counts) or 'none'}"


def annotation(state: State, line: str) -> str:
    """A line as a workflow command of GitHub Actions."""
    escaped = line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{LEVELS[state]} title=tdam-bench check::{escaped}"


def write_junit(comparisons: Sequence[Comparison], path: Path) -> None:
    """A JUnit file, one test case for each cell: failure, error (not measured), skipped (no verdict) or passed."""
    tags = {State.CHANGED: "failure", State.ABSENT: "error", State.NOISY: "skipped", State.REFUSED: "skipped"}
    cells = by_cell(comparisons)
    suite = ElementTree.Element("testsuite", name="tdam-bench check", tests=str(len(cells)))
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for cell, told in cells.items():
        case = ElementTree.SubElement(suite, "testcase", classname=cell.partition(" ")[0], name=cell)
        for state, tag in tags.items():
            said = [str(comparison) for comparison in told if comparison.state is state]
            if said:
                ElementTree.SubElement(case, tag, message=said[0]).text = "\n".join(said)
                counts[tag] += 1
                break
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    write_text(path, ElementTree.tostring(suite, encoding="unicode"))
