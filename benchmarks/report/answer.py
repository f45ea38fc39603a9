"""The answer to whether a paper reproduces, for each thing that it is about: its claims and its numbers, counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.report.claims import COUNTS, SPEED, ClaimResult, ClaimVerdict, scope_of
from benchmarks.report.closing import Told
from benchmarks.report.evidence import Evidence
from benchmarks.report.verdicts import Verdict

TOPICS = {COUNTS: "Architecture", SPEED: "Speed and memory"}
ACCURACY = "Accuracy"
# Those of a number that agrees with the paper's.
AGREE = (Verdict.REPRODUCED, Verdict.CONSISTENT)


@dataclass(frozen=True)
class Scope:
    """One thing that verdicts are about, such as this device.

    Attributes:
        topic: What it is, in a word or two.
        title: What exactly, as verdicts have it.
        claims: How many claims have each verdict.
        numbers: How many of the paper's numbers have each.
        command: What measures it, where nothing of it was.
    """

    topic: str
    title: str
    claims: Counter[ClaimVerdict] = field(default_factory=Counter)
    numbers: Counter[Verdict] = field(default_factory=Counter)
    command: str = ""

    @property
    def headline(self) -> str:
        """The answer in a few words."""
        if self.claims.total() > self.claims[ClaimVerdict.NOT_RUN]:
            return f"{self.claims[ClaimVerdict.HOLDS]} of {self.claims.total()} claims hold"
        agree = sum(self.numbers[verdict] for verdict in AGREE)
        other = self.numbers[Verdict.NOT_RUN] + self.numbers[Verdict.NOT_COMPARABLE]
        if self.numbers.total() > other:
            return f"{agree} of {self.numbers.total()} numbers agree"
        return "not comparable" if self.numbers[Verdict.NOT_COMPARABLE] else "not run"


def scopes(results: Sequence[ClaimResult], told: Iterable[Told], evidence: Evidence) -> list[Scope]:
    """The answer, scope by scope, in the order of the claims and then of the numbers; what two tables show, once."""
    claims: dict[str, Counter[ClaimVerdict]] = {}
    numbers: dict[str, Counter[Verdict]] = {}
    for result in results:
        claims.setdefault(result.scope, Counter())[result.verdict] += 1
    once = {(one.value.record or one.column.key, one.line.model, one.value.paper): one for one in told}
    for one in once.values():
        numbers.setdefault(one.scope, Counter())[one.verdict] += 1
    topics = {scope_of(family, evidence): topic for family, topic in TOPICS.items()}
    titles = dict.fromkeys([*claims, *numbers])
    return [
        Scope(topics.get(title, ACCURACY), title, claims.get(title, Counter()), numbers.get(title, Counter()))
        for title in titles
    ]


def not_run(program: str, profile: str, trains: bool) -> Scope:
    """What is said of the paper's own data where nothing was measured on them.

    Args:
        program: How the suite is called on the paper.
        profile: Name of the profile of the paper's data.
        trains: Whether a run on it trains its networks by itself.
    """
    weights = "" if trains else " --weights WEIGHTS"
    return Scope(
        ACCURACY, "the paper's own data", command=f"{program} run --profile {profile} --data-root DATA{weights}"
    )
