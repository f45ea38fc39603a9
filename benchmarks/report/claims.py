"""What a claim of the paper is made of, and how its parts become a verdict.

A claim says one or more things; each is a part with a test of its own. Tests with a p-value are corrected for the
number of them that were made in the run (Holm 1979). A claim holds if all of its parts hold, and fails if one fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from benchmarks.metrics.statistics import holm
from benchmarks.report.evidence import Evidence, Missing

LEVEL = 0.05


class ClaimVerdict(Enum):
    """How a claim stands to what was measured."""

    HOLDS = "HOLDS"
    FAILS = "FAILS"
    UNDECIDED = "UNDECIDED"
    NOT_RUN = "NOT RUN"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """What a test found.

    Attributes:
        measured: What was compared, in words with numbers.
        favors: Whether the numbers are on the claim's side.
        p: Of the numbers if neither side were right; None for exact quantities, which need no test.
        test: Name of the test.
        detectable: The smallest difference that could have been seen, in words; empty for exact quantities.
        records: Ids of the records behind it.
    """

    measured: str
    favors: bool
    p: float | None
    test: str
    detectable: str = ""
    records: tuple[str, ...] = ()


Test = Callable[[Evidence, str], Finding]


@dataclass(frozen=True)
class Part:
    """One thing that a claim says.

    Attributes:
        says: In a few words.
        test: Decides it from the records, under a step rule.
    """

    says: str
    test: Test


@dataclass(frozen=True)
class Claim:
    """A testable statement of the paper.

    Attributes:
        number: In the list of claims.
        section: Of the paper, where it stands.
        statement: In our words.
        parts: What it says, thing by thing.
        note: What a reader must know besides.
        by_rule: Whether the step rule can change the verdict.
    """

    number: int
    section: str
    statement: str
    parts: tuple[Part, ...]
    note: str = ""
    by_rule: bool = False


@dataclass(frozen=True)
class PartResult:
    """A part's verdict, with its corrected p-value where it has one."""

    says: str
    verdict: ClaimVerdict
    finding: Finding | None
    p: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class ClaimResult:
    """A claim's verdict.

    Attributes:
        claim: The claim.
        verdict: Under the first of the paper's two rules for claims.
        parts: By step rule, the first first.
        other: The verdict under the second rule; the same for claims that no rule can change.
    """

    claim: Claim
    verdict: ClaimVerdict
    parts: dict[str, list[PartResult]]
    other: ClaimVerdict

    @property
    def disputed(self) -> bool:
        """Whether the second rule decides otherwise than the first."""
        return self.verdict != self.other


def judge(claims: Sequence[Claim], evidence: Evidence, rules: tuple[str, str]) -> list[ClaimResult]:
    """All claims, with p-values corrected for all tests that were made under one rule.

    Args:
        claims: The claims.
        evidence: What they rest on.
        rules: Names of the step rule that they are judged by and of the one that is told beside it.
    """
    corrected = {
        rule: correct([[attempt(part, evidence, rule) for part in claim.parts] for claim in claims]) for rule in rules
    }
    results = []
    for place, claim in enumerate(claims):
        counted = rules if claim.by_rule else rules[:1]
        parts = {rule: corrected[rule][place] for rule in counted}
        verdicts = [verdict_of(parts[rule]) for rule in counted]
        results.append(ClaimResult(claim, verdicts[0], parts, verdicts[-1]))
    return results


def attempt(part: Part, evidence: Evidence, rule: str) -> PartResult:
    """A part's finding, without correction; NOT RUN with the reason where a record is missing."""
    try:
        return PartResult(part.says, ClaimVerdict.UNDECIDED, part.test(evidence, rule))
    except Missing as error:
        return PartResult(part.says, ClaimVerdict.NOT_RUN, None, missing=str(error))


def correct(claims: Sequence[Sequence[PartResult]]) -> list[list[PartResult]]:
    """The same parts with p-values after Holm's correction, and their verdicts."""
    raw = [part.finding.p for parts in claims for part in parts if part.finding and part.finding.p is not None]
    adjusted = iter(holm(raw))
    decided = []
    for parts in claims:
        row = []
        for part in parts:
            p = next(adjusted) if part.finding and part.finding.p is not None else None
            row.append(PartResult(part.says, decide(part, p), part.finding, p, part.missing))
        decided.append(row)
    return decided


def decide(part: PartResult, p: float | None) -> ClaimVerdict:
    """A part's verdict from its finding and its corrected p-value."""
    finding = part.finding
    if finding is None:
        return ClaimVerdict.NOT_RUN
    if p is None or p < LEVEL:
        return ClaimVerdict.HOLDS if finding.favors else ClaimVerdict.FAILS
    return ClaimVerdict.UNDECIDED


def verdict_of(parts: Sequence[PartResult]) -> ClaimVerdict:
    """A claim fails if a part fails, else is not run if one is not, else holds if all hold."""
    verdicts = {part.verdict for part in parts}
    for one in (ClaimVerdict.FAILS, ClaimVerdict.NOT_RUN, ClaimVerdict.UNDECIDED):
        if one in verdicts:
            return one
    return ClaimVerdict.HOLDS
