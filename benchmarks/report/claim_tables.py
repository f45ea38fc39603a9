"""Judged claims as tables: for a terminal, in Markdown, LaTeX and CSV."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.files import write_text
from benchmarks.report.claims import ClaimResult, ClaimVerdict, PartResult
from benchmarks.report.tables import FORMATS, as_long_latex
from benchmarks.work.profiles import Profile

# Columns of the LaTeX tables, in mm; the records' ids are in the page and in CSV.
CLAIM_WIDTHS = {
    "claim": 8,
    "section": 11,
    "statement": 43,
    "scope": 20,
    "verdict": 19,
    "why": 46,
    "other rule": 19,
    "plain earns": 19,
    "parts that hold": 10,
    "note": 34,
}
TEST_WIDTHS = {
    "claim": 8,
    "says": 55,
    "rule": 14,
    "verdict": 20,
    "measured": 65,
    "test": 25,
    "p": 12,
    "why": 40,
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
        "scope": result.scope,
        "verdict": str(result.verdict),
        "why": why(result),
        "other rule": f"{other} (!)" if result.disputed else other,
        "plain earns": "" if result.plain is None else str(result.plain),
        "parts that hold": f"{held} of {len(parts)}",
        "note": claim.note,
    }


def why(result: ClaimResult) -> str:
    """What the paper's own numbers say of a claim, and what decided it or would."""
    corrected = "" if result.p is None else f" (p {result.p:.2g}, corrected within {result.claim.family})"
    decided = f"{result.reason}{corrected}" if result.reason else corrected.strip(" ")
    return " ".join(part for part in (result.claim.contradicted, decided) if part)


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
        "p": "" if finding is None or finding.p is None else f"{finding.p:.2g}",
        "why": part.why,
        "records": " ".join(finding.records) if finding else "",
    }


def summary(results: Sequence[ClaimResult], profile: Profile, rules: tuple[str, str]) -> str:
    """How many claims hold, by what they are about; never as one sum."""
    scopes = list(dict.fromkeys(result.scope for result in results))
    text = f"Profile {profile.name}, judged under the step rule {rules[0]!r}. "
    text += " ".join(of_scope(scope, [result for result in results if result.scope == scope]) for scope in scopes)
    disputed = [str(result.claim.number) for result in results if result.disputed]
    if disputed:
        text += f" The rule {rules[1]!r} decides otherwise on {', '.join(disputed)}."
    if any(len(parts) > 1 for result in results for parts in result.parts.values()):
        text += " Parts of claims are told as they stand by themselves, before any correction."
    if any(result.plain is not None for result in results):
        text += f" {doing_nothing(results)}"
    if any(result.verdict is ClaimVerdict.UNDECIDED for result in results):
        text += (
            " Choose numbers of seeds before you look again: adding some until a verdict comes decides wrongly more "
            "often than 5 %."
        )
    if not profile.papers_data:
        text += " Claims that need trained networks are tested on this profile's task, not on the paper's data."
    return text


def doing_nothing(results: Sequence[ClaimResult]) -> str:
    """Which claims that hold would hold of the plain network too, in the place of every network with feedback."""
    held = [result for result in results if result.verdict is ClaimVerdict.HOLDS and result.plain is not None]
    alike = [str(result.claim.number) for result in held if result.plain is ClaimVerdict.HOLDS]
    named = f" ({', '.join(alike)})" if alike else ""
    return (
        f"If every network with feedback were the plain one, {len(alike)} of the {len(held)} claims that hold, those "
        f"on speed left out, would hold all the same{named}."
    )


def of_scope(scope: str, results: Sequence[ClaimResult]) -> str:
    """How many claims about one thing hold."""
    return f"{scope[0].upper()}{scope[1:]}: {', '.join(counts_of(results))}."


def counts_of(results: Sequence[ClaimResult]) -> list[str]:
    """How many claims have each verdict, with their numbers."""
    numbers: dict[str, list[str]] = {}
    for result in results:
        numbers.setdefault(str(result.verdict), []).append(str(result.claim.number))
    known = [(str(verdict), numbers[str(verdict)]) for verdict in ClaimVerdict if str(verdict) in numbers]
    return [f"{len(claims)} {verdict} ({', '.join(claims)})" for verdict, claims in known]


def answer(results: Sequence[ClaimResult]) -> str:
    """The answer in a line for each thing that claims are about, in Markdown; the README has it word for word."""
    scopes = list(dict.fromkeys(result.scope for result in results))
    by_scope = {scope: [result for result in results if result.scope == scope] for scope in scopes}
    return "\n".join(f"- {scope[0].upper()}{scope[1:]}: {', '.join(counts_of(by_scope[scope]))}" for scope in scopes)


def write(results: Sequence[ClaimResult], folder: Path) -> list[Path]:
    """Write judged claims, and all parts with their tests."""
    files = []
    for name, rows, widths in (
        ("claims", [row(result) for result in results], CLAIM_WIDTHS),
        ("claims-tests", [one for result in results for one in part_rows(result)], TEST_WIDTHS),
    ):
        for style in ("md", "tex", "csv"):
            path = folder / "tables" / f"{name}.{style}"
            write_text(path, as_long_latex(rows, widths) if style == "tex" else FORMATS[style](rows))
            files.append(path)
    return files


def text_of(results: Sequence[ClaimResult], profile: Profile, rules: tuple[str, str]) -> str:
    """The claims for a terminal, with their notes below."""
    told = [{name: value for name, value in row(result).items() if name != "note"} for result in results]
    notes = [f"{result.claim.number}: {result.claim.note}" for result in results if result.claim.note]
    return "\n\n".join([FORMATS["md"](told), *(["\n".join(notes)] if notes else []), summary(results, profile, rules)])
