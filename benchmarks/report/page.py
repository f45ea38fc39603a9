"""The report's page: one file that needs no network, from tables, figures, claims and records."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from PIL import Image

from benchmarks.core.records import Record
from benchmarks.report.answer import Scope
from benchmarks.report.claims import ClaimResult, ClaimVerdict
from benchmarks.report.comparison import value_of
from benchmarks.report.flips import Flips
from benchmarks.report.layout import Table
from benchmarks.report.packing import as_lines, as_webp, in_hundredths, packed
from benchmarks.report.page_claims import claim_context
from benchmarks.report.page_tables import PageFacts, command_of, facts_of, slug, table_context
from benchmarks.report.sources import Source, source_of
from benchmarks.report.verdicts import Judgement, Verdict, earned_by_plain
from benchmarks.work.attention import Attention

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """An experiment on the page.

    Attributes:
        name: The experiment's.
        table: Its table, whose title is the heading.
        figures: SVG files by what they show; beside each is the same figure as PNG.
    """

    name: str
    table: Table
    figures: Mapping[str, Path]


@dataclass(frozen=True)
class Page:
    """All that the page shows.

    Attributes:
        title: Heading.
        subtitle: What was measured, on one line.
        scopes: The answer.
        judged: Of the paper's numbers, each once.
        sections: The experiments.
        claims: With their verdicts.
        claims_summary: How many hold, in a sentence.
        rules: Names of the step rule that claims are judged by, and of the one that is told beside it.
        deviations: Markdown, or nothing.
        environment: Names and values.
        records: By id, for what is told of a number.
        command: What runs everything that was recorded.
        sources: Papers, by the part of a network's name.
        flips: What is compared image by image, None where nothing can be.
    """

    title: str
    subtitle: str
    scopes: Sequence[Scope]
    judged: Sequence[Judgement]
    sections: Sequence[Section]
    claims: Sequence[ClaimResult]
    claims_summary: str
    rules: tuple[str, str]
    deviations: str
    environment: Sequence[tuple[str, str]]
    records: Mapping[str, Record]
    command: str
    sources: Mapping[str, Source]
    flips: Flips | None = None


def render_page(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"slug": slug, "ticks": ticks}
    told = PageFacts(page.records, page.command, page.sources)
    # Tables first: claims link to the cells that they rest on.
    sections = [section_context(section, told) for section in page.sections]
    claims = [claim_context(result, page.rules, told) for result in page.claims]
    context = {
        "title": page.title,
        "subtitle": page.subtitle,
        "summary": page.claims_summary,
        "scopes": [scope_context(scope) for scope in page.scopes],
        "earned_by_plain": earned_by_plain(page.judged),
        "claims": claims,
        "verdicts": words_of(page),
        "views": views_of(page.sections),
        "sections": sections,
        "flips": page.flips,
        "looked": [one["name"] for one in sections if one["looked"]],
        "deviations": prose(page.deviations),
        "environment": page.environment,
    }
    return environment.get_template("page.html.j2").render(
        page=context,
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        data=packed(as_lines(data_of(page, told) | {"parts": {one["id"]: one["parts"] for one in claims}})),
    )


def data_of(page: Page, told: PageFacts) -> dict[str, Any]:
    """What the page's script reads: facts on each number, the records, papers by model, outcomes of images."""
    used = dict.fromkeys(identity for facts in told.cells.values() for identity in facts.get("records", ()))
    place = {identity: index for index, identity in enumerate(used)}
    cells = {
        name: {**facts, "records": [place[one] for one in facts["records"]]} if "records" in facts else facts
        for name, facts in told.cells.items()
    }
    models: dict[str, str] = {}
    for line in (line for section in page.sections for line in section.table.lines):
        models.setdefault(line.model, f"{line.group} {line.label}".strip())
    cited = {model: source.bibtex for model in models if (source := source_of(model, page.sources)) is not None}
    return {
        "cells": cells,
        "records": [{"record": one, **(facts_of(page.records[one]) if one in page.records else {})} for one in used],
        "bibtex": cited,
        "flips": None if page.flips is None else page.flips.as_dict(models),
    }


def scope_context(scope: Scope) -> dict[str, Any]:
    """One line of the answer: its headline, and how many claims and numbers have each verdict."""
    return {
        "topic": scope.topic,
        "title": scope.title,
        "headline": scope.headline,
        "command": scope.command,
        "claims": [(count, one.sign, one) for one in ClaimVerdict if (count := scope.claims[one])],
        "numbers": [(count, one.sign, one) for one in Verdict if (count := scope.numbers[one])],
    }


def words_of(page: Page) -> list[str]:
    """The verdicts that occur, those of claims first."""
    lines = [(section.table, line) for section in page.sections for line in section.table.lines]
    values = [value_of(line, column) for table, line in lines for column in table.columns]
    seen = {str(value.verdict) for value in values} | {str(result.verdict) for result in page.claims}
    return [word for word in dict.fromkeys([*map(str, ClaimVerdict), *map(str, Verdict)]) if word in seen]


def views_of(sections: Sequence[Section]) -> list[str]:
    """The ways of counting of which tables show one at a time."""
    columns = [column for section in sections for column in section.table.columns]
    return list(dict.fromkeys(column.view for column in columns if column.view))


def ticks(text: str) -> Markup:
    """Prose in which backticks stand around commands."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def prose(markdown: str) -> Markup:
    """Markdown as HTML: headings stand below the page's sections, and table cells know their column's name."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(re.sub(r"^(#+) ", r"##\1 ", markdown, flags=re.MULTILINE))
    name_cells(tokens)
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def name_cells(tokens: Sequence[Token]) -> None:
    """Name the column in each cell of the tables: on a small screen a row is a list."""
    heads: list[str] = []
    column = 0
    for token, following in pairwise(tokens):
        if token.type == "thead_open":
            heads = []
        elif token.type == "th_open":
            heads.append(following.content.replace("`", ""))
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-label", heads[column])
            column += 1


def section_context(section: Section, told: PageFacts) -> dict[str, Any]:
    """A section as the template takes it."""
    records = [told.records.get(one) for one in records_of(section.table)]
    return {
        "name": section.name,
        "title": section.table.title,
        "table": table_context(section.name, section.table, told),
        "notes": list(section.table.notes),
        "figures": [figure_context(path, alt) for alt, path in section.figures.items()],
        "looked": any(record is not None and record.cell.kind == Attention.name for record in records),
        "measured_by": "" if is_measured(section) else command_of(section.name, told.command),
    }


def is_measured(section: Section) -> bool:
    """Whether anything of a section is; of one that only shows the paper's numbers nothing is."""
    return section.table.has_numbers or bool(section.figures)


def figure_context(path: Path, alt: str) -> dict[str, str]:
    """A figure as the page embeds it: as outlines, or where it holds pictures as one, which is a quarter as large."""
    drawn = path.read_text(encoding="utf-8")
    if "<image" not in drawn:
        return {"alt": alt, "svg": packed(in_hundredths(drawn)), "picture": ""}
    with Image.open(path.with_suffix(".png")) as image:
        return {"alt": alt, "svg": "", "picture": as_webp(image.convert("RGB"), quality=70)}


def records_of(table: Table) -> list[str]:
    """Ids of the records behind a table's numbers."""
    values = [value for line in table.lines for value in line.values.values()]
    return [identity for value in values if value.record for identity in value.record.split()]
