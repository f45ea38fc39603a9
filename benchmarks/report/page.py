"""The report's page: one file that needs no network, from tables, figures, claims and records."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from benchmarks.core.records import Record
from benchmarks.report import claim_tables
from benchmarks.report.claims import ClaimResult, ClaimVerdict, PartResult
from benchmarks.report.comparison import (
    WITH_INTERVAL,
    best_digits,
    blocks,
    digits,
    judgements_of,
    missing_reason,
    value_of,
)
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.verdicts import Verdict, earned_by_plain

TEMPLATES = Path(__file__).parent / "templates"
SYMBOLS = {
    Verdict.REPRODUCED: "✓ reproduced",
    Verdict.CONSISTENT: "≈ consistent",
    Verdict.DIFFERS: "✗ differs",
    Verdict.UNDECIDED: "? undecided",
    Verdict.NOT_COMPARABLE: "· not comparable",
    Verdict.NOT_RUN: "- not run",
    Verdict.NEW: "new",
}


@dataclass(frozen=True)
class Section:
    """An experiment on the page.

    Attributes:
        name: The experiment's.
        title: Heading.
        table: Its table, or None where it has none.
        figures: SVG files by what they show.
    """

    name: str
    title: str
    table: Table | None
    figures: Mapping[str, Path]


@dataclass(frozen=True)
class Page:
    """All that the page shows.

    Attributes:
        title: Heading.
        subtitle: What was measured, on one line.
        sections: The experiments.
        claims: With their verdicts.
        claims_summary: How many hold, in a sentence.
        other_rule: Heading of the verdicts under the second step rule.
        deviations: Markdown, or nothing.
        environment: Names and values.
        records: By id, for what is told of a number.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    claims: Sequence[ClaimResult]
    claims_summary: str
    other_rule: str
    deviations: str
    environment: Sequence[tuple[str, str]]
    records: Mapping[str, Record]


def render_page(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"slug": slug, "ticks": ticks}
    used = {identity for section in page.sections for identity in records_of(section.table)}
    known = {identity: facts_of(page.records[identity]) for identity in sorted(used) if identity in page.records}
    judged = [one for section in page.sections if section.table for one in judgements_of(section.table)]
    context = {
        "title": page.title,
        "subtitle": page.subtitle,
        "claims_summary": page.claims_summary,
        "claim_counts": counted([str(result.verdict) for result in page.claims], [str(one) for one in ClaimVerdict]),
        "verdict_counts": counted([str(one.verdict) for one in judged], [str(one) for one in Verdict]),
        "earned_by_plain": earned_by_plain(judged),
        "claim_heads": ["#", "section", "statement", "verdict", page.other_rule],
        "claim_words": ["section", "statement"],
        "claim_rows": [claim_row(result) for result in page.claims],
        "sections": [section_context(section) for section in page.sections],
        "deviations": Markup(MarkdownIt("commonmark").enable("table").render(lowered(page.deviations))),
        "environment": page.environment,
    }
    return environment.get_template("page.html.j2").render(
        page=context,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        # In a script element "</script" ends it and "<!--" changes how it ends, wherever they stand.
        records=Markup(json.dumps(known, sort_keys=True).replace("<", "\\u003c")),
    )


def slug(name: str) -> str:
    """A verdict's name as a class."""
    return re.sub(r"[^a-z]+", "-", str(name).lower()).strip("-")


def ticks(text: str) -> Markup:
    """Prose in which backticks stand around commands."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def lowered(markdown: str) -> str:
    """Markdown whose headings stand below the page's sections."""
    return re.sub(r"^(#+) ", r"##\1 ", markdown, flags=re.MULTILINE)


def counted(verdicts: Sequence[str], names: Sequence[str]) -> list[tuple[str, int]]:
    """How often each name occurs; NEW only where it does."""
    counts = Counter(verdicts)
    return [(name, counts[name]) for name in names if counts[name] or name != str(Verdict.NEW)]


def records_of(table: Table | None) -> list[str]:
    """Ids of the records behind a table's numbers."""
    if table is None:
        return []
    values = [value for line in table.lines for value in line.values.values()]
    return [identity for value in values if value.record for identity in value.record.split()]


def claim_row(result: ClaimResult) -> dict[str, Any]:
    """A claim as the template takes it."""
    claim = result.claim
    return {
        "claim": claim.number,
        "section": claim.section,
        "statement": claim.statement,
        "note": claim.note,
        "plain": "" if result.plain is None else str(result.plain),
        "scope": result.scope,
        "why": claim_tables.why(result),
        "verdict": str(result.verdict),
        "other": str(result.other) if claim.by_rule else "",
        "disputed": result.disputed,
        "parts": [
            part_row(result, part, rule if claim.by_rule else "", f"claim-{claim.number}-{rule}-{place}")
            for rule, parts in result.parts.items()
            for place, part in enumerate(parts)
        ],
    }


def part_row(result: ClaimResult, part: PartResult, rule: str, cell: str) -> dict[str, Any]:
    """A part as the template takes it."""
    row = claim_tables.part_row(result, part, rule)
    return {"cell": cell, **{name: row[name] for name in ("says", "rule", "verdict", "measured", "test", "p", "why")}}


def section_context(section: Section) -> dict[str, Any]:
    """A section as the template takes it."""
    figures = [{"source": embedded(path), "alt": alt} for alt, path in section.figures.items()]
    table = section.table
    if table is None:
        return {
            "name": section.name,
            "title": section.title,
            "columns": [],
            "rows": [],
            "notes": [],
            "figures": figures,
        }
    return {
        "name": section.name,
        "title": table.title,
        "columns": ["group", "method", *(column_title(column) for column in table.columns)],
        "rows": [row for _, block in blocks(table) for row in block_context(table, block)],
        "notes": list(table.notes),
        "figures": figures,
    }


def column_title(column: Column) -> str:
    """A column's heading with its group and unit."""
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.group}: {column.title}{unit}" if column.group else f"{column.title}{unit}"


def block_context(table: Table, block: Sequence[Line]) -> list[dict[str, Any]]:
    """Rows of one backbone."""
    best = {column.key: best_digits(block, column) for column in table.columns}
    return [
        {
            "group": line.group,
            "label": line.label,
            "cells": [cell_context(table, line, column, best[column.key]) for column in table.columns],
        }
        for line in block
    ]


def cell_context(table: Table, line: Line, column: Column, best: str | None) -> dict[str, Any]:
    """One value, and what is told of it."""
    value = value_of(line, column)
    text = "" if value.measured is None else shown(value, column)
    verdict = value.judgement.verdict if value.judgement else None
    return {
        "name": f"{table.name}/{line.model}/{line.label}/{column.key}",
        "value": value.measured,
        "text": text,
        "best": value.measured is not None and digits(value.measured, column) == best,
        "missing": missing_reason(value) or value.note if value.measured is None else None,
        "records": value.record or "",
        "facts": json.dumps({key: fact for key, fact in facts_of_value(table, line, column, value).items() if fact}),
        "paper": value.paper or "",
        "verdict": str(verdict) if verdict else "",
        "symbol": SYMBOLS[verdict] if verdict and (value.paper or value.measured is not None) else "",
    }


def shown(value: Value, column: Column) -> str:
    """A measured number with half of its interval, as in the other formats."""
    assert value.measured is not None
    text = digits(value.measured, column)
    if column.unit in WITH_INTERVAL and value.low is not None and value.high is not None:
        text += "±" + digits((value.high - value.low) / 2, column)
    return text


def facts_of_value(table: Table, line: Line, column: Column, value: Value) -> dict[str, str | None]:
    """What is told of a number besides its records."""
    plain = value.judgement.plain if value.judgement else None
    interval = f"{value.low:.6g} to {value.high:.6g}" if value.low is not None and value.high is not None else None
    return {
        "what": f"{line.group} {line.label}: {column_title(column)}",
        "measured": None if value.measured is None else f"{value.measured:.6g} {column.unit}".strip(),
        "interval": interval,
        "paper": value.paper,
        "verdict": f"{value.judgement.verdict}: {value.judgement.reason}" if value.judgement else None,
        "the plain network's own number": f"would have earned {plain}" if plain else None,
        "missing": missing_reason(value) if value.measured is None else None,
        "note": value.note,
    }


def facts_of(record: Record) -> dict[str, str]:
    """What is told of a record."""
    options = ", ".join(f"{name}={value}" for name, value in sorted(record.cell.options.items()))
    inputs = ", ".join(f"{name}={value}" for name, value in sorted(record.inputs.items()))
    return {
        "work": f"{record.cell.kind} {record.cell.model}, profile {record.cell.profile}",
        "options": options,
        "rests on": inputs,
        "created": record.created,
    }


def embedded(path: Path) -> str:
    """An SVG file as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
