"""The answer to whether a paper reproduces, for each thing that it is about: its claims and its numbers, counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.report.claims import COUNTS, SPEED, ClaimResult, ClaimVerdict, scope_of
from benchmarks.report.closing import Told
from benchmarks.report.evidence import Evidence
from benchmarks.report.verdicts import Verdict

TOPICS = {COUNTS: "Architecture", SPEED: "Speed and memory"}
ACCURACY = "Accuracy"
NOT_RUN = "not run"
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
        """The answer in a few words, of what was measured; what was not is told beside it."""
        idle = self.claims[ClaimVerdict.NOT_RUN]
        run = self.claims.total() - idle
        if run:
            return f"{self.claims[ClaimVerdict.HOLDS]} of {run} claims hold{without(idle)}"
        idle, other = self.numbers[Verdict.NOT_RUN], self.numbers[Verdict.NOT_COMPARABLE]
        judged = self.numbers.total() - idle - other
        if judged:
            return f"{sum(self.numbers[verdict] for verdict in AGREE)} of {judged} numbers agree{without(idle)}"
        return "not comparable" if other else NOT_RUN


def without(idle: int) -> str:
    """How many were not run; nothing for none."""
    return f", {idle} {NOT_RUN}" if idle else ""


def scopes(results: Sequence[ClaimResult], told: Iterable[Told], evidence: Evidence) -> list[Scope]:
    """The answer, scope by scope, in the order of the claims and then of the numbers."""
    claims: dict[str, Counter[ClaimVerdict]] = {}
    numbers: dict[str, Counter[Verdict]] = {}
    # Names of the experiments that measure a scope; an empty one stands for all.
    asked: dict[str, list[str]] = {}
    for result in results:
        claims.setdefault(result.scope, Counter())[result.verdict] += 1
        asked.setdefault(result.scope, []).extend(result.claim.experiments or [""])
    for one in told:
        numbers.setdefault(one.scope, Counter())[one.verdict] += 1
        if one.scope not in claims:
            asked.setdefault(one.scope, []).append(one.table.name)
    topics = {scope_of(family, evidence): topic for family, topic in TOPICS.items()}
    found = [
        Scope(topics.get(title, ACCURACY), title, claims.get(title, Counter()), numbers.get(title, Counter()))
        for title in dict.fromkeys([*claims, *numbers])
    ]
    commands = {title: run_of(names, evidence) for title, names in asked.items()}
    return [replace(one, command=commands[one.title]) if one.headline == NOT_RUN else one for one in found]


def run_of(experiments: Sequence[str], evidence: Evidence) -> str:
    """The command that runs some experiments, each once; all of them where one has no name."""
    return evidence.run_by([] if "" in experiments else list(dict.fromkeys(experiments))).command


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
