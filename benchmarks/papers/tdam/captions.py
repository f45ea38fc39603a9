"""What the captions of this paper's figures have in common."""

from collections.abc import Iterable

from benchmarks.report.evidence import Evidence, Query

# What curves and bands mean, as a clause.
BANDS = (
    "lines are means over seeds, bands Student's 95 % intervals (none for a single seed; cut where they reach far "
    "beyond the lines)"
)

PAIRED_BARS = (
    "bars are 95 % intervals, of trained networks Student's over seeds (none for a single one), of given weights over "
    "images"
)


def recorded(evidence: Evidence, asked: Iterable[Query]) -> str:
    """Profile and seeds of what is shown, as a sentence."""
    seeds = evidence.seeds_of(asked)
    return f"Profile {evidence.profile.name}, {'seed' if seeds.isdecimal() else 'seeds'} {seeds}."


def unmeasured(what: str, evidence: Evidence) -> str:
    """That something is not in a figure, and what fills it, as a remark."""
    return f"Not in the figures: {what}; measured by `{evidence.command}`."
