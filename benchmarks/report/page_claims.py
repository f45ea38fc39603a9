"""Claims as the page shows them: verdict, statement, what decided it, and links to the numbers that they rest on."""

from collections.abc import Sequence
from typing import Any

from benchmarks.report import claim_tables
from benchmarks.report.claims import ClaimResult, ClaimVerdict, PartResult
from benchmarks.report.page_tables import PageFacts, slug


def said(verdict: ClaimVerdict) -> dict[str, str]:
    """A verdict as sign, word and class."""
    return {"sign": verdict.sign, "word": str(verdict), "class": slug(verdict)}


def claim_context(result: ClaimResult, rules: tuple[str, str], told: PageFacts) -> dict[str, Any]:
    """A claim as the template takes it; the cells that it rests on are told of it.

    Args:
        result: It.
        rules: Names of the step rule that it is judged by, and of the one that is told beside it.
        told: Knows the cells.
    """
    claim = result.claim
    places = [(rule, place, part) for rule, parts in result.parts.items() for place, part in enumerate(parts)]
    parts = [
        part_context(result, part, rule if claim.by_rule else "", f"claim-{claim.number}.{slug(rule)}.{place}", told)
        for rule, place, part in places
    ]
    for cell in {link["cell"] for part in parts for link in part["links"]}:
        told.cells[cell].setdefault("claims", []).append(claim.number)
    return {
        "id": f"claim-{claim.number}",
        "number": claim.number,
        "section": claim.section,
        "statement": claim.statement,
        "note": claim.note,
        "scope": result.scope,
        "why": claim_tables.why(result),
        "verdict": said(result.verdict),
        "other": f"{result.other} under the rule {rules[1]}" if result.disputed else "",
        "plain": "" if result.plain is None else str(result.plain),
        "parts": parts,
    }


def part_context(result: ClaimResult, part: PartResult, rule: str, identity: str, told: PageFacts) -> dict[str, Any]:
    """A part as the page's script takes it."""
    row = claim_tables.part_row(result, part, rule)
    shown = {name: row[name] for name in ("says", "rule", "measured", "test", "p", "why")}
    return {"id": identity, "verdict": said(part.verdict), "links": links_of(part, told), **shown}


def links_of(part: PartResult, told: PageFacts) -> Sequence[dict[str, str]]:
    """The cells that a part rests on, each once."""
    finding = part.finding
    if finding is None:
        return []
    grounds = [told.ground(record, key) for record in finding.records for key in finding.keys]
    cells = dict(told.grounds[one] for one in grounds if one in told.grounds)
    return [{"cell": cell, "what": what} for cell, what in cells.items()]
