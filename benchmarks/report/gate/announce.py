"""How the outcomes are told: lines for people, JUnit XML for machines, annotations for GitHub."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.report.gate.compare import Outcome, State
from benchmarks.core.records import write_text

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


def by_cell(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes by cell, in their order."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.cell, []).append(outcome)
    return found


def lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[State, str]]:
    """What did not come out the same, a few lines for each cell, the gravest first."""
    for state, word in SAID.items():
        for cell, found in by_cell([one for one in outcomes if one.state is state]).items():
            for outcome in found[:SHOWN]:
                yield state, f"{word} {outcome}"
            if len(found) > SHOWN:
                yield state, f"{word} {cell}: and {len(found) - SHOWN} more of its numbers"


def summary(outcomes: Sequence[Outcome], code: int) -> str:
    """All counted, in one line."""
    counts = [f"{count} {state.value}" for state in State if (count := sum(one.state is state for one in outcomes))]
    return f"{VERDICTS[code]}: {len(outcomes)} numbers compared, {', '.join(counts) or 'none'}"


def annotation(state: State, line: str) -> str:
    """A line as a workflow command of GitHub Actions."""
    escaped = line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{LEVELS[state]} title=tdam-bench check::{escaped}"


def write_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """A JUnit file, one test case for each cell: failure, error (not measured), skipped (no verdict) or passed."""
    tags = {State.CHANGED: "failure", State.ABSENT: "error", State.NOISY: "skipped", State.REFUSED: "skipped"}
    cells = by_cell(outcomes)
    suite = ElementTree.Element("testsuite", name="tdam-bench check", tests=str(len(cells)))
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for cell, found in cells.items():
        case = ElementTree.SubElement(suite, "testcase", classname=cell.partition(" ")[0], name=cell)
        for state, tag in tags.items():
            said = [str(outcome) for outcome in found if outcome.state is state]
            if said:
                ElementTree.SubElement(case, tag, message=said[0]).text = "\n".join(said)
                counts[tag] += 1
                break
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    write_text(path, ElementTree.tostring(suite, encoding="unicode"))
