"""What a claim of the paper is made of, and how its parts become a verdict.

A claim says one or more things; each is a part with a test of its own. Tests with a p-value are corrected for the
number of them that were made in the run (Holm 1979). A claim holds if all of its parts hold, and fails if one fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from benchmarks.metrics.statistics import holm
from benchmarks.report.evidence import Evidence, Missing
from benchmarks.core.records import Cell
from benchmarks.work.session import Session

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
        cells: What it rests on.
        test: Decides it from the records, under a step protocol.
    """

    says: str
    cells: Callable[[Session], Sequence[Cell]]
    test: Test


@dataclass(frozen=True)
class Claim:
    """A testable statement of the paper.

    Attributes:
        number: In the list of claims.
        section: Of the paper, where it stands.
        statement: In our words.
        parts: What it says, thing by thing.
        scope: ``any``: decidable on every profile; ``data``: needs trained models, so that on another profile than
            ``full`` it is a test of the statement on that profile's task.
        note: What a reader must know besides.
        by_rule: Whether the step protocol can change the verdict.
    """

    number: int
    section: str
    statement: str
    parts: tuple[Part, ...]
    scope: str = "data"
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
        verdict: Under the last step's prediction, which treats all networks alike.
        parts: By step protocol, ``last`` first.
        released: The verdict under the released evaluation rule; the same for claims that no protocol can change.
    """

    claim: Claim
    verdict: ClaimVerdict
    parts: dict[str, list[PartResult]]
    released: ClaimVerdict

    @property
    def disputed(self) -> bool:
        """Whether the released rule decides otherwise than the last step."""
        return self.verdict != self.released


def judge(claims: Sequence[Claim], evidence: Evidence) -> list[ClaimResult]:
    """All claims, with p-values corrected for all tests that were made under one protocol.

    Each claim rests on the seeds of which all that it needs is recorded.
    """
    seen = [evidence.of_recorded_seeds(claim_cells(claim)) for claim in claims]
    found = {
        rule: [[attempt(part, one, rule) for part in claim.parts] for claim, one in zip(claims, seen, strict=True)]
        for rule in RULES
    }
    corrected = {rule: correct(parts) for rule, parts in found.items()}
    results = []
    for place, claim in enumerate(claims):
        rules = RULES if claim.by_rule else RULES[:1]
        parts = {rule: corrected[rule][place] for rule in rules}
        verdicts = [verdict_of(parts[rule]) for rule in rules]
        results.append(ClaimResult(claim, verdicts[0], parts, verdicts[-1]))
    return results


RULES = ("last", "released")


def claim_cells(claim: Claim) -> Callable[[Session], list[Cell]]:
    """All cells that a claim rests on."""
    return lambda session: [cell for part in claim.parts for cell in part.cells(session)]


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
