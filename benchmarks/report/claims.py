"""What a claim of the paper is made of, and how its parts become a verdict.

A claim says one or more things; each is a part with a test of its own. A claim holds if all of its parts hold, so that
its p-value is the largest of theirs and they need no correction among themselves (Berger 1982). It fails if one of them
fails: to be sure of that at 5 % its p-value is that of all of them at once (Simes 1986). Claims of one family (counts,
speed, accuracy, ...) are corrected for being several (Holm 1979): more experiments never change the verdicts of another
family.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from benchmarks.core.records import MetricKey
from benchmarks.metrics.statistics import LEVEL, POWER, USUAL, Design, holm, simes
from benchmarks.report.evidence import Evidence, Missing, Query
from benchmarks.report.shares import part_of

# The families of claims that need no trained network.
COUNTS, SPEED = "counts", "speed"


class ClaimVerdict(Enum):
    """How a claim stands to what was measured."""

    HOLDS = "HOLDS"
    FAILS = "FAILS"
    UNDECIDED = "UNDECIDED"
    NOT_RUN = "NOT RUN"

    def __str__(self) -> str:
        return self.value

    @property
    def sign(self) -> str:
        """What stands for it where there is no room for the word."""
        return SIGNS[self]


SIGNS = {
    ClaimVerdict.HOLDS: "✓",
    ClaimVerdict.FAILS: "✗",
    ClaimVerdict.UNDECIDED: "?",
    ClaimVerdict.NOT_RUN: "○",
}


@dataclass(frozen=True)
class Outlook:
    """What would decide what is undecided.

    Attributes:
        units: How many units in all; None where more are needed than could ever be run.
        text: In words, with what to run and its price.
    """

    units: int | None
    text: str


@dataclass(frozen=True)
class Finding:
    """What a test found.

    Attributes:
        measured: What was compared, in words with numbers.
        favors: Which side the numbers are nearer to deciding for: the claim's, or the other.
        p: Of the numbers if that side were wrong; None for exact quantities, which need no test.
        test: Name of the test.
        reason: Why that side, such as on which side of a margin an effect lies; empty where the numbers say it.
        outlook: What would decide it for that side by a test of a level and a power; None for exact quantities.
        barred: Why nothing is decided whatever ``p`` is (too few seeds, or a network that was not trained to its end),
            with what to run and its price.
        records: Ids of the records behind it.
        keys: Which of their numbers.
        otherwise: What the numbers show for the other side as well, where they show both (above zero, and no difference
            that matters): it decides where the first is taken back for being one of several tests.
    """

    measured: str
    favors: bool
    p: float | None
    test: str
    reason: str = ""
    outlook: Callable[[Design], Outlook] | None = None
    barred: str = ""
    records: tuple[str, ...] = ()
    keys: tuple[MetricKey, ...] = ()
    otherwise: "Finding | None" = None

    @property
    def tested(self) -> bool:
        """Whether it could have decided for either side by a test."""
        return self.p is not None and not self.barred

    def by(self, design: Design) -> Outlook:
        """What would decide it by a test of a level and a power."""
        return Outlook(None, "") if self.outlook is None else self.outlook(design)


Test = Callable[[Evidence, str], Finding]


@dataclass(frozen=True)
class Part:
    """One thing that a claim says.

    Attributes:
        says: In a few words.
        test: Decides it from the records, under a step rule.
        asks: What it asks for, once the profile is known.
    """

    says: str
    test: Test
    asks: tuple[Callable[[Evidence], Query], ...] = ()


@dataclass(frozen=True)
class Claim:
    """A testable statement of the paper.

    Attributes:
        number: In the list of claims.
        section: Of the paper, where it stands.
        statement: In our words.
        family: Claims of one family are corrected together; those of ``COUNTS`` and ``SPEED`` need no trained network.
        parts: What it says, thing by thing.
        note: What a reader must know besides.
        contradicted: How the paper's own printed numbers contradict it; said first, whatever is measured.
        by_rule: Whether the step rule can change the verdict.
        experiments: Names of the experiments that run what it rests on; all where none is named.
    """

    number: int
    section: str
    statement: str
    family: str
    parts: tuple[Part, ...]
    note: str = ""
    contradicted: str = ""
    by_rule: bool = False
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartResult:
    """A part's own verdict, before any correction."""

    says: str
    verdict: ClaimVerdict
    finding: Finding | None
    missing: str = ""

    @property
    def why(self) -> str:
        """What decided it, or would."""
        if self.finding is None:
            return self.missing
        if self.verdict is ClaimVerdict.UNDECIDED:
            return self.finding.barred or self.finding.by(USUAL).text
        return self.finding.reason


@dataclass(frozen=True)
class ClaimResult:
    """A claim's verdict.

    Attributes:
        claim: The claim.
        verdict: Under the first of the paper's two rules for claims.
        parts: By step rule, the first first.
        other: The verdict under the second rule; the same for claims that no rule can change.
        p: Corrected within its family, under the first rule; None where nothing was tested.
        scope: What the verdict is about: what networks are made of, this device, these networks.
        together: Tests that it is corrected with, itself included.
        plain: What the plain network would have earned in the place of every network with feedback, under the first
            rule; None where that was not asked, or is no question.
    """

    claim: Claim
    verdict: ClaimVerdict
    parts: dict[str, list[PartResult]]
    other: ClaimVerdict
    p: float | None
    scope: str
    together: int
    plain: ClaimVerdict | None = None

    @property
    def disputed(self) -> bool:
        """Whether the second rule decides otherwise than the first."""
        return self.verdict != self.other

    @property
    def reason(self) -> str:
        """What decided it, or would, with its price."""
        return reason_of(next(iter(self.parts.values())), self.verdict, self.together)


def judge_claims(claims: Sequence[Claim], evidence: Evidence, rules: tuple[str, str]) -> list[ClaimResult]:
    """All claims, corrected within their families for the claims that were tested under one rule.

    Args:
        claims: The claims.
        evidence: What they rest on.
        rules: Names of the step rule that they are judged by and of the one that is told beside it.
    """
    seen = {names: evidence.run_by(names) for names in {claim.experiments for claim in claims}}
    parts_by_rule, p_by_rule = {}, {}
    for rule in dict.fromkeys(rules):
        attempted = [[attempt(part, seen[claim.experiments], rule) for part in claim.parts] for claim in claims]
        parts_by_rule[rule], p_by_rule[rule] = settled(claims, attempted)
    first = p_by_rule[rules[0]]
    results = []
    for place, claim in enumerate(claims):
        counted = rules if claim.by_rule else rules[:1]
        parts = {rule: parts_by_rule[rule][place] for rule in counted}
        verdicts = [verdict_of(parts[rule], p_by_rule[rule][place]) for rule in counted]
        together = sum(one.family == claim.family and p is not None for one, p in zip(claims, first, strict=True))
        scope = scope_of(claim.family, evidence)
        results.append(ClaimResult(claim, verdicts[0], parts, verdicts[-1], first[place], scope, together))
    return results


def beside_plain(results: Sequence[ClaimResult], evidence: Evidence, rules: tuple[str, str]) -> list[ClaimResult]:
    """Judged claims, each with what the plain network would have earned: what doing nothing earns tells little.

    Args:
        results: Of all claims.
        evidence: What they rest on.
        rules: As in :func:`judge_claims`.
    """
    nothing = judge_claims([one.claim for one in results], replace(evidence, do_nothing=True), rules)
    # Speed is told by the names of what ran, and an unknown number of the plain network is no verdict.
    asked = [one.claim.family != SPEED and one.verdict is not ClaimVerdict.NOT_RUN for one in nothing]
    pairs = zip(results, nothing, asked, strict=True)
    return [replace(own, plain=other.verdict if known else None) for own, other, known in pairs]


def attempt(part: Part, evidence: Evidence, rule: str) -> PartResult:
    """A part's finding; NOT RUN with the reason where a record is missing."""
    try:
        finding = part.test(evidence, rule)
    except Missing as error:
        return PartResult(part.says, ClaimVerdict.NOT_RUN, None, str(error))
    return PartResult(part.says, decided(finding), finding)


def decided(finding: Finding) -> ClaimVerdict:
    """A part's own verdict."""
    if finding.barred or (finding.p is not None and finding.p >= LEVEL):
        return ClaimVerdict.UNDECIDED
    return ClaimVerdict.HOLDS if finding.favors else ClaimVerdict.FAILS


def own_verdict(parts: Sequence[PartResult]) -> ClaimVerdict:
    """A claim fails if a part fails, else is not run if one is not, else holds if all hold."""
    verdicts = {part.verdict for part in parts}
    for one in (ClaimVerdict.FAILS, ClaimVerdict.NOT_RUN, ClaimVerdict.UNDECIDED):
        if one in verdicts:
            return one
    return ClaimVerdict.HOLDS


def own_p(parts: Sequence[PartResult]) -> float | None:
    """The p-value of a claim's own verdict: the largest of its parts if it holds, that of all at once if it fails.

    None where nothing was tested: exact quantities, and networks that bar a verdict. 1 where a test decided nothing: it
    could have, and counts among its family's.
    """
    verdict = own_verdict(parts)
    findings = [part.finding for part in parts if part.finding is not None]
    p_values = [one.p for one in findings if one.tested and one.p is not None]
    # An exact part that fails decides by itself.
    if not p_values or any(one.p is None and not one.favors for one in findings):
        return None
    if verdict is ClaimVerdict.FAILS:
        return simes([one.p if not one.favors else 1.0 for one in findings if one.tested and one.p is not None])
    return max(p_values) if verdict is ClaimVerdict.HOLDS else 1.0


def corrected_p(claims: Sequence[Claim], parts: Sequence[Sequence[PartResult]]) -> list[float | None]:
    """The claims' p-values after Holm's correction within their families."""
    corrected = [own_p(one) for one in parts]
    for family in dict.fromkeys(claim.family for claim in claims):
        raw = {place: p for place, p in enumerate(corrected) if p is not None and claims[place].family == family}
        for place, p in zip(raw, holm(list(raw.values())), strict=True):
            corrected[place] = p
    return corrected


def settled(
    claims: Sequence[Claim], parts: list[list[PartResult]]
) -> tuple[list[list[PartResult]], list[float | None]]:
    """The claims' parts and corrected p-values; where the correction takes a verdict back, what else is shown decides.

    A difference may be shown to be above zero, and to be less than matters: the first is decided by, unless it does not
    outlast the correction and the second, which is surer, does.
    """
    corrected = corrected_p(claims, parts)
    turned = [[other_side(part) for part in own] for own in parts]
    chosen = [
        other if verdict_of(own, p) is not own_verdict(own) and (own_p(other) or 0.0) < (own_p(own) or 0.0) else own
        for own, other, p in zip(parts, turned, corrected, strict=True)
    ]
    return chosen, corrected if chosen == parts else corrected_p(claims, chosen)


def other_side(part: PartResult) -> PartResult:
    """A part as decided by what its numbers show besides; itself where they show one thing."""
    other = None if part.finding is None else part.finding.otherwise
    return part if other is None else PartResult(part.says, decided(other), other)


def verdict_of(parts: Sequence[PartResult], p: float | None) -> ClaimVerdict:
    """A claim's verdict: its own, or none where the correction takes it back."""
    verdict = own_verdict(parts)
    decided = verdict in (ClaimVerdict.HOLDS, ClaimVerdict.FAILS)
    return ClaimVerdict.UNDECIDED if decided and p is not None and p >= LEVEL else verdict


def reason_of(parts: Sequence[PartResult], verdict: ClaimVerdict, together: int) -> str:
    """What decided a claim, or would: of the part that is first to, or last.

    Args:
        parts: Its parts.
        verdict: Its verdict.
        together: Tests that it is corrected with, itself included.
    """
    if verdict is ClaimVerdict.UNDECIDED:
        return what_would_decide(parts, together)
    deciding = [part for part in parts if part.verdict == verdict]
    if verdict is ClaimVerdict.NOT_RUN:
        return deciding[0].missing
    # The weakest of those that all must hold, or the strongest of those that fail; exact ones are that without a test.
    pick = max if verdict is ClaimVerdict.HOLDS else min
    one = pick(deciding, key=lambda part: -1.0 if part.finding is None else part.finding.p or 0.0)
    assert one.finding is not None
    return said(one, one.finding.reason or one.finding.measured, parts)


def what_would_decide(parts: Sequence[PartResult], together: int) -> str:
    """What would decide an undecided claim: longer training, else the part nearest to failing, else the last to hold.

    Args:
        parts: Its parts.
        together: Tests that it is corrected with, itself included.
    """
    known = [(part, part.finding) for part in parts if part.finding is not None]
    for part, finding in known:
        if finding.barred:
            return said(part, finding.barred, parts)
    tested = [(part, finding) for part, finding in known if finding.tested]
    doubted = [(part, finding) for part, finding in tested if not finding.favors]
    # One part that fails is enough, but it is one of several that might have; for the claim to hold all must, and all
    # that are undecided are to be decided at once.
    level = LEVEL / max(1, together) / (len(tested) if doubted else 1)
    several = 1 if doubted else sum(part.verdict is ClaimVerdict.UNDECIDED for part, _ in tested) or 1
    design = Design(level, 1 - (1 - POWER) / several)
    ways = [(part, finding.by(design)) for part, finding in doubted or tested]
    pick = min if doubted else max
    part, outlook = pick(ways, key=lambda way: math.inf if way[1].units is None else way[1].units)
    return said(part, outlook.text, parts)


def said(part: PartResult, text: str, parts: Sequence[PartResult]) -> str:
    """A text on a part, with what that says where it is one of several."""
    return f"{part.says}: {text}" if len(parts) > 1 else text


def scope_of(family: str, evidence: Evidence) -> str:
    """What verdicts of a family of claims are about."""
    if family == COUNTS:
        return "networks as the paper describes them"
    if family == SPEED:
        return "this device"
    weights = "these weights" if evidence.given_weights else f"trained on {evidence.profile.name}"
    part, drawn = part_of(evidence.records)
    if part:
        return f"a {'random ' if drawn else ''}part of the paper's data ({part}), {weights}"
    return "the paper's data, " + weights if evidence.profile.papers_data else f"networks {weights}"
