"""The papers that the networks here come from, as they stand in ``results/paper/sources.csv``."""

from benchmarks.papers.tdam.numbers import read_paper
from benchmarks.report.sources import Source


def source(row: dict[str, str]) -> Source:
    """A paper by its line."""
    authors = tuple(row["authors"].split(" and "))
    return Source(row["key"], row["title"], authors, row["venue"], int(row["year"]), row["arxiv"], row["doi"])


SOURCES = {row["part"]: source(row) for row in read_paper("sources")}
