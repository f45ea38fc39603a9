"""Papers that networks come from: a link for each row, and BibTeX."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.networks.names import BACKBONES, parse

FEEDBACK = "feedback"
CONTROL = "control, this suite's own"


@dataclass(frozen=True)
class Source:
    """A paper.

    Attributes:
        key: Of its BibTeX entry.
        title: As printed.
        authors: Given name and surname each, in order.
        venue: Such as ``CVPR``.
        year: Of the venue.
        arxiv: Its number.
        doi: Of the venue's version, empty where there is none.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    arxiv: str
    doi: str = ""

    @property
    def name(self) -> str:
        """Where it was published, for a link."""
        return f"{self.venue} {self.year}"

    @property
    def url(self) -> str:
        """Where anyone may read it."""
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def bibtex(self) -> str:
        """Its entry."""
        fields = {
            "title": f"{{{self.title}}}",
            "author": " and ".join(self.authors),
            "booktitle": self.venue,
            "year": str(self.year),
            "eprint": self.arxiv,
            "archiveprefix": "arXiv",
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@inproceedings{{{self.key},", *lines, "}"])


def source_of(model: str, sources: Mapping[str, Source]) -> Source | None:
    """The paper that a row's method is from: its feedback's, its attention's, or its backbone's.

    Returns:
        It; None where it is unknown, and of what no paper has, see :func:`own_of`.
    """
    try:
        parts = parse(model)
    except ValueError:  # a row that is no network
        return None
    if parts.is_control:
        return None
    name = FEEDBACK if parts.feedback else parts.attention
    return sources.get(name or BACKBONES[parts.backbone])


def own_of(model: str) -> str:
    """What stands in the place of a paper where a row is this suite's own and in none; empty for others."""
    try:
        return CONTROL if parse(model).is_control else ""
    except ValueError:  # a row that is no network
        return ""
