"""Whether a report still says what the records say: every number of its tables, its page and its LaTeX."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmarks.core.records import StoreError
from benchmarks.core.store import Store
from benchmarks.report.packing import as_lines, unpacked
from benchmarks.report.paper import Paper
from benchmarks.report.report import MANIFEST, Wanted, write_texts

# The page's packed data, and the attribute of its packed pictures.
PACKED, PICTURE = "application/gzip", "data-svg"
PICTURES = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")
LABEL = 60  # letters that tell which line is meant
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def verify(report: Path, store: Store, paper: Paper) -> list[str]:
    """What a report says that its records do not: one line for each record and each number; empty if all is well.

    The report is rendered anew from the records that the folder now holds, and compared text by text: a number whose
    cell was measured again since is named too.

    Args:
        report: The report's folder.
        store: The results folder.
        paper: The paper that the report is on.

    Raises:
        StoreError: There is no report, no manifest that can be read, or the report is on another paper.
    """
    made = read_manifest(report)
    if made["paper"] != paper.name:
        raise StoreError(f"{report} is on the paper {made['paper']}, not {paper.name}; name it with --paper")
    problems, gone = changed_records(made["records"], store)
    if gone == len(made["records"]):
        made_from = f"the {gone} records of {report}"
        raise StoreError(f"{store.folder} has none of {made_from}; name their folder with --results")
    models = None if made["models"] is None else tuple(made["models"])
    wanted = Wanted(paper, tuple(made["experiments"]), made["profile"], models)
    try:
        evidence = wanted.evidence(store)
    except ValueError as error:
        return [*problems, str(error)]
    environment = [(str(name), str(value)) for name, value in made["environment"]]
    with tempfile.TemporaryDirectory() as folder:
        write_texts(wanted, evidence, Path(folder), environment)
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
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key in ("paper", "profile", "models", "experiments", "files", "records", "environment"):
            manifest[key]
    except OSError as error:
        raise StoreError(
            f"{report} holds no report ({MANIFEST}: {error.strerror}); write one with tdam-bench report --out {report}"
        ) from error
    except (ValueError, KeyError) as error:
        raise StoreError(
            f"{path} is no report's manifest ({error}); write the report with tdam-bench report --out {report}"
        ) from error
    return manifest


def changed_records(made_from: Mapping[str, str], store: Store) -> tuple[list[str], int]:
    """Records that are gone or changed since a report was made, a line each; and how many are gone."""
    now = store.digests()
    gone = [identity for identity in made_from if identity not in now]
    changed = [identity for identity, digest in made_from.items() if now.get(identity, digest) != digest]
    problems = [f"record {identity} is gone from {store.folder}; run its experiment again" for identity in gone]
    problems += [f"record {identity} has changed since the report was made" for identity in changed]
    return problems, len(gone)


def read(path: Path) -> str:
    """A text file; empty where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def compare(name: str, expected: str, shown: str) -> list[str]:
    """Where a file differs from what the records render to."""
    if expected == shown:
        return []
    if not shown:
        return [f"{name} is missing"]
    if name.endswith(".html"):
        return compare_pages(name, expected, shown)
    return compare_lines(name, expected.splitlines(), shown.splitlines())


def compare_lines(name: str, expected: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Differing lines of a text, by the numbers in them."""
    problems = [
        f"{name}, line {number}: {told(theirs, ours)}"
        for number, (ours, theirs) in enumerate(zip(expected, shown, strict=False), start=1)
        if ours != theirs
    ]
    if len(expected) != len(shown):
        problems.append(f"{name} has {len(shown)} lines, the records render to {len(expected)}")
    return problems


def told(theirs: str, ours: str) -> str:
    """What a line shows against what the records say: the first number that differs, with what stands before it."""
    shown, right = NUMBER.findall(theirs), NUMBER.findall(ours)
    label = re.sub(r"[*|&\\]", " ", theirs).split("  ")[0].strip()[:LABEL] or theirs.strip()[:LABEL]
    for one, other in zip(shown, right, strict=False):
        if one != other:
            return f"{label!r} shows {one}, the records say {other}"
    return f"{theirs.strip()[:80]!r} where the records render {ours.strip()[:80]!r}"


class Cells(HTMLParser):
    """The texts of a page by their cell, and all other text in its order; what is packed is unpacked.

    A cell is called as the page's script does: by its row's id and its column's key.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.facts: list[str] = []
        self.rest: list[str] = []
        self.cell: str | None = None
        self.keys: list[str] = []
        self.row: str | None = None
        self.place = 0
        self.is_packed = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "table":
            self.keys = []
        if tag == "tr":
            self.row, self.place = named.get("id"), 0
        if "data-key" in named:
            self.keys.append(str(named["data-key"]))
        if tag == "td" and self.row is not None and self.place < len(self.keys):
            self.cell = f"{self.row}.{self.keys[self.place]}"
            self.named[self.cell] = ""
            self.place += 1
        self.is_packed = named.get("type") == PACKED
        # What is not seen at once: links, classes, pictures.
        for name, value in attrs:
            lines = lines_of(value or "") if name == PICTURE else [f"{name}={shortened(value or '')}"]
            self.facts += [f"{self.cell or tag}: {line}" for line in lines]

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.named[self.cell] = f"{self.named[self.cell]} {data.strip()}".strip()
        elif data.strip():
            if self.is_packed:
                self.take_packed(data)
            else:
                self.rest.append(data)

    def take_packed(self, text: str) -> None:
        """What the page's script reads: what claims rest on by its id, all else line by line."""
        try:
            data = json.loads(unpacked(text))
        except ValueError:
            self.rest.append(text)
            return
        for part in (part for parts in data.pop("parts", {}).values() for part in parts):
            self.named |= {f"{part['id']}, {key}": str(value) for key, value in part.items()}
        self.rest += shortened(as_lines(data)).splitlines()


def lines_of(text: str) -> list[str]:
    """Lines of what is packed; the text itself where it cannot be unpacked, which is then told as it is."""
    try:
        return unpacked(text).splitlines()
    except ValueError:
        return [text]


def shortened(text: str) -> str:
    """A text in which pictures are told by their hash: nobody reads their letters."""
    return PICTURES.sub(lambda found: f"picture {hashlib.sha256(found[0].encode()).hexdigest()[:12]}", text)


def compare_pages(name: str, expected: str, shown: str) -> list[str]:
    """Cells of a page that differ by their names; then all else."""
    ours, theirs = Cells(expected), Cells(shown)
    problems = [
        f"{name}, {cell}: shows {theirs.named.get(cell)!r}, the records say {ours.named.get(cell)!r}"
        for cell in dict.fromkeys([*ours.named, *theirs.named])
        if ours.named.get(cell) != theirs.named.get(cell)
    ]
    problems += compare_lines(name, ours.facts, theirs.facts)
    problems += compare_lines(name, ours.rest, theirs.rest)
    return problems or [f"{name} differs from what the records render to"]
