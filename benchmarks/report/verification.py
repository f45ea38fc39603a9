"""Whether a report still says what the records say: every number of its tables, its page and its LaTeX."""

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmarks.work.profiles import PROFILES
from benchmarks.core.records import StoreError, file_hash
from benchmarks.report.report import MANIFEST, write_texts
from benchmarks.work.session import Session

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def verify(report: Path, session: Session) -> list[str]:
    """What a report says that its records do not: one line for each record and each number; empty if all is well.

    The report is rendered anew from the records, and compared text by text.

    Args:
        report: The report's folder.
        session: Names the results folder; profile and seeds are those of the report.

    Raises:
        StoreError: There is no report, or no manifest that can be read.
    """
    made = read_manifest(report)
    session = replace(session, profile=PROFILES[made["profile"]], seeds=tuple(made["seeds"]))
    problems = list(changed_records(made["records"], session))
    environment = [tuple(row) for row in made["environment"]]
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_texts(session, Path(folder), environment, made["experiments"])
        except StoreError as error:
            return [*problems, str(error)]
        for name in made["files"]:
            problems += compare(name, read(Path(folder) / name), read(report / name))
    return problems


def read_manifest(report: Path) -> dict[str, Any]:
    """What a report was made from.

    Raises:
        StoreError: There is none, or it cannot be read.
    """
    path = report / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key in ("profile", "seeds", "files", "records", "environment", "experiments"):
            found[key]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{path} is no report's manifest ({error}); write the report with tdam-bench report"
        ) from error
    return found


def changed_records(made_from: dict[str, str], session: Session) -> Iterator[str]:
    """Records that are gone or changed since a report was made."""
    paths = {path.stem.rpartition("-")[2]: path for path in (session.store.folder / "records").glob("*.json")}
    for identity, digest in made_from.items():
        if identity not in paths:
            yield f"record {identity} is gone from {session.store.folder}; run its experiment again"
        elif file_hash(paths[identity]) != digest:
            yield f"record {identity} ({paths[identity].name}) has changed since the report was made"


def read(path: Path) -> str:
    """A text file; empty where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def compare(name: str, expected: str, found: str) -> list[str]:
    """Where a file differs from what the records render to."""
    if expected == found:
        return []
    if not found:
        return [f"{name} is missing"]
    if name.endswith(".html"):
        return compare_pages(name, expected, found)
    return compare_lines(name, expected.splitlines(), found.splitlines())


def compare_lines(name: str, expected: Sequence[str], found: Sequence[str]) -> list[str]:
    """Differing lines of a text, by the numbers in them."""
    problems = [
        f"{name}, line {number}: {told(theirs, ours)}"
        for number, (ours, theirs) in enumerate(zip(expected, found, strict=False), start=1)
        if ours != theirs
    ]
    if len(expected) != len(found):
        problems.append(f"{name} has {len(found)} lines, the records render to {len(expected)}")
    return problems


def told(theirs: str, ours: str) -> str:
    """What a line shows against what the records say: the first number that differs, with what stands before it."""
    shown, right = NUMBER.findall(theirs), NUMBER.findall(ours)
    label = re.sub(r"[*|&\\]", " ", theirs).split("  ")[0].strip() or theirs.strip()[:40]
    for one, other in zip(shown, right, strict=False):
        if one != other:
            return f"{label!r} shows {one}, the records say {other}"
    return f"{theirs.strip()[:80]!r} where the records render {ours.strip()[:80]!r}"


class Cells(HTMLParser):
    """The texts of a page by the name of their cell, and all other text in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.facts: list[str] = []
        self.rest: list[str] = []
        self.cell: str | None = None
        self.tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("data-cell"):
            self.cell, self.tag = str(found["data-cell"]), tag
            self.named[self.cell] = ""
        # What is not seen at once: the sorting value, provenance, pictures.
        self.facts += [f"{self.cell or tag}: {name}={value}" for name, value in attrs if name != "data-cell"]

    def handle_endtag(self, tag: str) -> None:
        if tag == self.tag:
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.named[self.cell] = f"{self.named[self.cell]} {data.strip()}".strip()
        elif data.strip():
            self.rest.append(data)


def compare_pages(name: str, expected: str, found: str) -> list[str]:
    """Cells of a page that differ by their names; then all else."""
    ours, theirs = Cells(expected), Cells(found)
    problems = [
        f"{name}, {cell}: shows {theirs.named.get(cell)!r}, the records say {ours.named.get(cell)!r}"
        for cell in dict.fromkeys([*ours.named, *theirs.named])
        if ours.named.get(cell) != theirs.named.get(cell)
    ]
    problems += compare_lines(name, ours.facts, theirs.facts)
    problems += compare_lines(name, ours.rest, theirs.rest)
    return problems or [f"{name} differs from what the records render to"]
