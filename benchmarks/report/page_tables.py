"""A table as the page shows it: its heads in two levels, its rows in blocks, and what is told of each number."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from benchmarks.core.records import MetricKey, Record
from benchmarks.report.comparison import WITH_INTERVAL, best_digits, blocks, digits, value_of
from benchmarks.report.evidence import seed_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.sources import Source, own_of, source_of

# What tells a recorded number, see :meth:`PageFacts.ground`.
Ground = tuple[str, ...]


@dataclass
class PageFacts:
    """What the page tells of numbers besides their digits.

    Attributes:
        records: All that are shown, by id.
        command: What runs everything that was recorded, from which the command for one number is made.
        sources: Papers, by the part of a network's name.
        cells: Facts by a cell's id; filled table by table.
        grounds: Where each recorded number stands first: the cell's id and what it is; filled likewise.
    """

    records: Mapping[str, Record]
    command: str
    sources: Mapping[str, Source]
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    grounds: dict[Ground, tuple[str, str]] = field(default_factory=dict)

    def ground(self, record: str, key: MetricKey) -> Ground:
        """What tells a recorded number: its record, or, of exact counts, which no two records can differ in, itself."""
        one = self.records.get(record)
        metric = None if one is None else one.metrics.get(key)
        if one is None or metric is None or metric.n is not None:
            return (record, str(key))
        return (one.cell.kind, one.cell.model, str(key), repr(metric.value))


def slug(name: object) -> str:
    """A name as a class or a part of an id."""
    return re.sub(r"[^a-z0-9_]+", "-", str(name).lower()).strip("-")


def table_context(name: str, table: Table, told: PageFacts) -> dict[str, Any]:
    """A table as the template takes it.

    Args:
        name: The experiment's.
        table: It.
        told: Where facts on its numbers go.
    """
    ids = row_ids(table)
    return {
        "groups": [(group, len(list(columns))) for group, columns in groupby(table.columns, lambda one: one.group)],
        "columns": [column_context(column) for column in table.columns],
        "blocks": [
            {"name": group, "rows": rows_context(name, table, block, ids, told)} for group, block in blocks(table)
        ],
    }


def column_context(column: Column) -> dict[str, Any]:
    """A column's head."""
    return {
        "key": slug(column.key),
        "title": column.title,
        "unit": column.unit,
        "view": column.view,
        "detail": column.detail,
    }


def row_ids(table: Table) -> dict[int, str]:
    """An id for each line, by its identity: its model, with label and block as far as these are needed to tell it."""
    names = [
        [slug(line.model), slug(f"{line.model}.{line.label}"), slug(f"{line.model}.{line.label}.{line.group}")]
        for line in table.lines
    ]
    counts = [Counter(one[level] for one in names) for level in range(3)]
    return {
        id(line): next((own[level] for level in range(3) if own[level] and counts[level][own[level]] == 1), own[2])
        for line, own in zip(table.lines, names, strict=True)
    }


def rows_context(
    name: str, table: Table, block: Sequence[Line], ids: Mapping[int, str], told: PageFacts
) -> list[dict[str, Any]]:
    """Rows of one block."""
    best = {column.key: best_digits(block, column) for column in table.columns}
    rows = []
    for line in block:
        row = f"{name}.{ids[id(line)]}"
        cells = [cell_context(line, column, best[column.key]) for column in table.columns]
        for column in table.columns:
            tell(name, f"{row}.{slug(column.key)}", line, column, told)
        facts = {"source": source_of(line.model, told.sources), "own": own_of(line.model)}
        rows.append({"id": row, "label": line.label, "model": line.model, "cells": cells, **facts})
    return rows


def cell_context(line: Line, column: Column, best: str | None) -> dict[str, Any]:
    """One value."""
    value = value_of(line, column)
    verdict = value.verdict
    missing = value.missing or value.note if value.measured is None else None
    return {
        "text": "" if value.measured is None else digits(value.measured, column),
        "spread": spread(value, column),
        "best": value.measured is not None and digits(value.measured, column) == best,
        "missing": bool(missing),
        "paper": value.paper or "",
        "verdict": verdict,
        "said": f"{verdict.sign} {str(verdict).lower()}" if verdict else "",
    }


def spread(value: Value, column: Column) -> str:
    """Half of a measured number's interval, where the other formats show it."""
    if value.measured is None or value.low is None or value.high is None or column.unit not in WITH_INTERVAL:
        return ""
    return digits((value.high - value.low) / 2, column)


# ---------------------------------------------------------------- what is told of a number


def tell(name: str, identity: str, line: Line, column: Column, told: PageFacts) -> None:
    """Keep what is told of a value, and where the recorded numbers that it is made of stand."""
    value = value_of(line, column)
    facts = facts_of_value(name, line, column, told)
    if facts:
        told.cells[identity] = facts
    if value.key is None:
        return
    for record in (value.record or "").split():
        told.grounds.setdefault(told.ground(record, value.key), (identity, f"{line.label}, {heading(column)}"))


def heading(column: Column) -> str:
    """A column's heading in words."""
    return " ".join(part for part in (column.group, column.title, f"({column.view})" if column.view else "") if part)


def facts_of_value(name: str, line: Line, column: Column, told: PageFacts) -> dict[str, Any]:
    """What is told of a value, the first first; nothing of what nothing is known of."""
    value = value_of(line, column)
    judgement = value.judgement
    records = (value.record or "").split()
    known = [told.records[one] for one in records if one in told.records]
    seeds = sorted({seed for record in known if (seed := seed_of(record)) is not None})
    interval = f" ({value.low:.6g} to {value.high:.6g})" if value.low is not None and value.high is not None else ""
    measured = None if value.measured is None else f"{value.measured:.6g} {column.unit}".strip() + interval
    facts = {
        "sort": value.measured,
        "value": measured,
        "paper": value.paper,
        "verdict": f"{judgement.verdict}: {judgement.reason}" if judgement else None,
        "plain": str(judgement.plain) if judgement and judgement.plain else None,
        "missing": value.missing if value.measured is None else None,
        "note": value.note,
        "seeds": ", ".join(map(str, seeds)),
        "command": command_of(name, told.command, line.model, seeds) if known and line.model else None,
        "records": records,
    }
    kept = {key: fact for key, fact in facts.items() if fact not in (None, "", [])}
    return {"what": f"{line.group} {line.label}: {heading(column)}".strip(), **kept} if kept else {}


def command_of(name: str, command: str, model: str = "", seeds: Sequence[int] = ()) -> str:
    """What measures an experiment.

    Args:
        name: The experiment's.
        command: What runs everything.
        model: The row that is to be measured, empty for all.
        seeds: Those of its trainings, none for what a run has by default.
    """
    program, run, rest = command.partition(" run")
    chosen = ["--models", model] if model else []
    chosen += ["--seeds", str(len(seeds))] if seeds else []
    if seeds and list(seeds) != list(range(len(seeds))):
        chosen[-1] = ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")
    return " ".join([f"{program}{run} {name}{rest}", *chosen])


def facts_of(record: Record) -> dict[str, str]:
    """What is told of a record besides its id."""
    options = ", ".join(f"{name}={value}" for name, value in sorted(record.cell.options.items()))
    inputs = ", ".join(f"{name}={value}" for name, value in sorted(record.inputs.items()))
    return {
        "work": f"{record.cell.kind} {record.cell.model}, profile {record.cell.profile}",
        "options": options,
        "rests on": inputs,
        "created": record.created,
    }
