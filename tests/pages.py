"""What README and docs hold: blocks of code, commands in blocks and in the text, links, headings."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
# Programs whose calls in the text are commands too; alone, such a word is a name.
OWN = ("make", "tdam-bench", "torchrun")
# What a reader replaces: a word in capitals, such as DIR.
PLACEHOLDER = re.compile(r"[A-Z]+(_[A-Z]+)*(\.\.\.)?")


@dataclass(frozen=True)
class Command:
    """A command as a page gives it.

    Attributes:
        page: The page.
        text: As it stands there, without its comment.
    """

    page: Path
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell splits it."""
        return shlex.split(self.text, comments=True)

    @property
    def readers(self) -> list[str]:
        """What only a reader has: placeholders, values of ``make`` variables among them, and folders of a machine."""
        values = [word.partition("=")[2] if self.words[0] == "make" else word for word in self.words]
        return [value for value in values if PLACEHOLDER.fullmatch(value) or value.startswith("/")]

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[Command]:
    """Every command: lines of shell blocks, steps of workflows, and calls of our programs in the text."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if shlex.split(line, comments=True):
                yield Command(page, uncommented(line))
    for block in blocks(page, "yaml"):
        for line in re.findall(r"^- run: (.*)$", block, re.MULTILINE):
            yield Command(page, line)
    for text in INLINE.findall(prose(page)):
        program, _, rest = text.partition(" ")
        if program in OWN and rest:
            yield Command(page, text)


def uncommented(line: str) -> str:
    """A line of a shell block without its comment; commands here have no # but in one."""
    return line.partition(" #")[0].strip()


def headings(page: Path) -> set[str]:
    """The anchors that a repository browser gives a page's headings."""
    titles = HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    """Where a page's links and pictures lead, as written."""
    return LINK.findall(prose(page))
