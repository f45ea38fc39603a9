"""What the rules of verdicts get wrong, and what they find: trials of which the truth is known.

    make calibration
    python -m benchmarks.suite.calibration --results results/reference --draws 2000

Networks are drawn with the variation over seeds, images and rounds that a results folder's records show, and decided by
the functions that decide reports. Their true difference is none (A/A), or given (A/B). What is wrong of each kind:

- *by a size*, of 1.5 points: HOLDS where the truth lies outside half to one and a half times the size; FAILS within.
- *above*, the paper having 1 point: HOLDS where the truth is zero; FAILS where it is half a point or more, or as "below
  zero" where it is not below. Between zero and half a point HOLDS and "no difference" are both right.
- *alike*, the paper's gain being 1.45 points: HOLDS where the truth is half of it or more; FAILS where it is less.
- *seed against seed*: one network told from itself, on either side of zero.
- *faster*, the paper having a tenth: as *above*, with half of it in logarithms.
- *share* and *ratio against the paper*: REPRODUCED where the truth is the plain network's, another row's, or off by
  half of the paper's difference to the plain network; CONSISTENT where it is off by the wider margin; DIFFERS where it
  is not.
- *drop*: as *above*, of what two networks lose from their best of the paper's resolutions, chosen on the images that
  they are judged on, to the largest. All but the largest are equally good: the choice is as free as it can be.
- *trained to its end*: passed where half as many epochs again bring twice as much as is allowed; barred where they
  bring nothing. Between, neither is wrong.
- *family*: one or more of the paper's claims on accuracy decided the other way than without any variation.

At most 5 % of each may be wrong: exits with 1 where a rate lies above by more than chance (99.9 %) explains. Writes
``calibration.json`` to the results folder, which its report shows.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.core.progress import Bar
from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.metrics.statistics import Effect, by_image, of_share, over
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.claims import CLAIMS
from benchmarks.papers.tdam.claims_counted import JOINT, RN50, RN101, TOP3
from benchmarks.papers.tdam.numbers import paper_rows
from benchmarks.report.calibration import Rate, Variation, variation_of, write
from benchmarks.report.claims import ClaimVerdict, Finding, decided
from benchmarks.report.differences import Seen, above_zero, similar, sized
from benchmarks.report.endings import STILL_GAINED
from benchmarks.report.evidence import Evidence, Query, read_evidence
from benchmarks.report.shares import printed_in, target_of
from benchmarks.report.tables import FORMATS
from benchmarks.report.tests import paired_p, quicker, speed_over
from benchmarks.report.verdicts import Target, word
from benchmarks.suite.arguments import count, plain_errors
from benchmarks.suite.families import Drops, Family, unfinished

SIZE, GAIN, PAPER_POINTS, PAPER_RATIO = 1.5, 1.45, 1.0, 1.1
POINTS = (0.0, 0.3, 0.5, 1.0, 2.0)
RATIOS = (0.0, 0.05, 0.15)
SEEDS, ROUNDS, IMAGES = (5, 10), (15,), 10_000
# Of the networks of each backbone: all alike, and as the reference has them.
FAMILIES = ({RN50: 5, RN101: 5}, {RN50: 10, RN101: 5})
STILL = (0.0, 0.5, 1.0, 1.5, 2.0)
# A row of the paper's table 1, its plain network, and a row that prints nearly the same.
ROW, PLAIN, OTHER, COLUMN = JOINT, RN50, TOP3, "v1_top1"
SE_RATIO = math.log(0.89)

# One draw: the true value, units, variation and generator, to what the verdict says.
Draw = Callable[[float, int, Variation, np.random.Generator], str]
Judge = Callable[[str, float], bool]


@dataclass(frozen=True)
class Kind:
    """A kind of verdict.

    Attributes:
        name: In tables.
        unit: What varies.
        units: How many of them are drawn.
        truths: True values, with what to call them.
        draw: Draws once.
        wrong: Whether what the verdict says is wrong, by the true value.
        right: Whether it says what is so, and not that it does not know.
    """

    name: str
    unit: str
    units: Sequence[int]
    truths: Sequence[tuple[str, float]]
    draw: Draw
    wrong: Judge
    right: Judge


def in_points(*values: float) -> list[tuple[str, float]]:
    """True differences with their names."""
    return [(f"{value:g} points" if value else "nothing there", value) for value in values]


def told(finding: Finding) -> str:
    """A finding's verdict, with the side of what fails."""
    verdict = decided(finding)
    return f"{verdict} {finding.reason}" if verdict is ClaimVerdict.FAILS else str(verdict)


# ---------------------------------------------------------------- differences


def over_seeds(decide: Callable[[Seen], Finding]) -> Draw:
    """A difference over pairs of seeds."""

    def draw(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
        return told(decide(Seen(over(rng.normal(value, variation.seeds, n).tolist(), "seeds"))))

    return draw


def over_images(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """A difference over images that two networks with given weights were shown."""
    share = max(variation.discordant, 1.5 * abs(value) / 100)
    chances = ((share + value / 100) / 2, (share - value / 100) / 2)
    wins, losses, _ = rng.multinomial(n, [*chances, 1 - share])
    first, second = np.zeros(n, bool), np.zeros(n, bool)
    first[:wins], second[wins : wins + losses] = True, True
    hits = [first, second]
    seen = Seen(by_image([100, -100], hits), p_none=paired_p([100, -100], hits))
    return told(above_zero(seen, PAPER_POINTS))


def run_of(ratio: float, n: int, variation: Variation, rng: np.random.Generator) -> Record:
    """A run in which a network is faster than the plain one by a ratio in logarithms; and the plain one's twin."""
    scale = variation.rounds / math.sqrt(2)  # of one network: a ratio is of two
    logs = {ROW: -ratio, PLAIN: 0.0, f"{PLAIN}{TWIN}": 0.0}
    times = {name: np.exp(log + rng.normal(0, scale, n)).tolist() for name, log in logs.items()}
    samples = {MetricKey("seconds", of=name): seconds for name, seconds in times.items()}
    return Record(Cell("efficiency", PLAIN, "mini", {"mode": "inference"}), {}, {}, samples, {}, {}, "", "drawn")


FASTER = quicker("faster", lambda evidence: Query("efficiency", PLAIN), ROW, PLAIN, PAPER_RATIO)


def over_rounds(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """Which of two networks is faster, in one run."""
    run = run_of(value, n, variation, rng)
    return told(FASTER.test(Evidence(next(iter(PAPER.profiles.values())), Path(), [run]), ""))


def drop(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """Whether the plain network loses more from its best resolution to the largest than another does."""
    return told(DROPS.seen(value, n, variation, rng))


def ended(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """Whether trainings came to their end, half as many epochs again bringing so many points."""
    return "barred" if unfinished(value, n, variation.ends, rng) else "passed"


def ended_wrong(says: str, value: float) -> bool:
    """Of what is said of trainings that longer ones are so many points above."""
    return (says == "passed" and value >= 2 * STILL_GAINED) or (says == "barred" and value <= 0)


def ended_right(says: str, value: float) -> bool:
    """As rule and truth have it."""
    return says == ("passed" if value < STILL_GAINED else "barred")


def within(low: float, value: float, high: float) -> bool:
    """Whether a value lies between two, not on them."""
    return low + 1e-9 < value < high - 1e-9


def size_wrong(says: str, value: float) -> bool:
    """Of a verdict that a difference is of a size."""
    inside = within(SIZE / 2, value, 1.5 * SIZE)
    return (says == "HOLDS" and not inside) or (says.startswith("FAILS") and inside)


def above_wrong(margin: float) -> Judge:
    """Of a verdict that something is above zero, where equality is within a margin."""

    def wrong(says: str, value: float) -> bool:
        if says.startswith("FAILS"):
            below = "below zero" in says or "slower" in says
            return value >= margin - 1e-9 or (below and value > 0)
        return says == "HOLDS" and value <= 0

    return wrong


def alike_wrong(says: str, value: float) -> bool:
    """Of a verdict that there is hardly a difference."""
    inside = abs(value) < GAIN / 2 - 1e-9
    return (says == "HOLDS" and not inside) or (says.startswith("FAILS") and inside)


def apart(says: str, value: float) -> bool:
    """Whether one network is told from itself."""
    return says == "HOLDS" or "below zero" in says


def unless(wrong: Judge) -> Judge:
    """What is decided, and not wrong."""
    return lambda says, value: says != "UNDECIDED" and not wrong(says, value)


# ---------------------------------------------------------------- numbers against the paper's


def printed_target() -> Target:
    """A row of the paper's table 1, as tables hold a share against it."""
    printed = printed_in({model: row[COLUMN] for model, row in paper_rows().items()}, ROW)
    assert printed is not None
    return target_of(printed)


def share_by_seeds(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """A share of networks that were trained from several seeds."""
    scale = variation.seeds / math.sqrt(2)  # of one network: a difference is of two
    return str(word(over(rng.normal(SHARE.paper + value, scale, n).tolist(), "seeds"), SHARE))


def share_by_images(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """A share of images that given weights have right."""
    right = rng.binomial(n, (SHARE.paper + value) / 100)
    return str(word(of_share(right / n, n), SHARE))


def ratio_by_rounds(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
    """A ratio of speeds in one run."""
    effect: Effect = speed_over(run_of(SPEED.paper + value, n, variation, rng), ROW, PLAIN)
    return str(word(effect, SPEED))


def word_wrong(target: Target) -> Judge:
    """Of a word on a number of the paper; the value is what the truth is off by."""

    def wrong(says: str, value: float) -> bool:
        elsewhere = any(abs(target.paper + value - other) < 1e-9 for other in target.others)
        if says == "REPRODUCED":
            return elsewhere or not within(-target.narrow, value, target.narrow)
        inside = within(-target.wide, value, target.wide)
        return not inside if says == "CONSISTENT" else says == "DIFFERS" and inside

    return wrong


SHARE, SPEED = printed_target(), Target(SE_RATIO, 0.0, math.log(1.1))
MARGIN = math.log(PAPER_RATIO) / 2
DROPS = Drops(PAPER.claim_rules[0])
DROP = above_wrong(DROPS.paper / 2)
ROWS_OFF = [
    ("the plain network's number", float(paper_rows()[PLAIN][COLUMN]) - SHARE.paper),
    ("another row's number", float(paper_rows()[OTHER][COLUMN]) - SHARE.paper),
]
OFF = [("the paper's number", 0.0), *((f"{value:g} points off", value) for value in POINTS[1:]), *ROWS_OFF]
RATIO_OFF = [(f"{value:.0%} off", math.log1p(value)) for value in RATIOS] + [("the plain network's ratio", -SE_RATIO)]
FASTER_BY = [(f"{value:.0%} faster" if value else "nothing there", math.log1p(value)) for value in RATIOS]
ABOVE, ALIKE = above_wrong(PAPER_POINTS / 2), in_points(*POINTS, GAIN / 2)
KINDS = (
    Kind("seed against seed", "seeds", SEEDS, in_points(0.0), over_seeds(lambda seen: above_zero(seen, PAPER_POINTS)),
         apart, lambda says, value: "no difference" in says),
    Kind("by a size", "seeds", SEEDS, in_points(*POINTS, SIZE, SIZE / 2, 1.5 * SIZE),
         over_seeds(lambda seen: sized(seen, SIZE)), size_wrong, unless(size_wrong)),
    Kind("above", "seeds", SEEDS, in_points(*POINTS), over_seeds(lambda seen: above_zero(seen, PAPER_POINTS)),
         ABOVE, unless(ABOVE)),
    Kind("above, given weights", "images", (IMAGES,), in_points(*POINTS), over_images, ABOVE, unless(ABOVE)),
    Kind("alike", "seeds", SEEDS, ALIKE, over_seeds(lambda seen: similar(seen, GAIN)), alike_wrong,
         unless(alike_wrong)),
    Kind("drop", "seeds", SEEDS, in_points(*POINTS), drop, DROP, unless(DROP)),
    Kind("trained to its end", "seeds", SEEDS, in_points(*STILL), ended, ended_wrong, ended_right),
    Kind("faster", "rounds", ROUNDS, [*FASTER_BY, ("half of the paper's", MARGIN)], over_rounds, above_wrong(MARGIN),
         unless(above_wrong(MARGIN))),
    Kind("share against the paper", "seeds", SEEDS, OFF, share_by_seeds, word_wrong(SHARE), unless(word_wrong(SHARE))),
    Kind("share against the paper, given weights", "images", (5 * IMAGES,), OFF, share_by_images, word_wrong(SHARE),
         unless(word_wrong(SHARE))),
    Kind("ratio against the paper", "rounds", ROUNDS, RATIO_OFF, ratio_by_rounds, word_wrong(SPEED),
         unless(word_wrong(SPEED))),
)  # fmt: skip


# ---------------------------------------------------------------- running


def rates(variation: Variation, draws: int, done: Callable[[], None]) -> Iterator[Rate]:
    """How often each kind is wrong and right under each truth.

    Args:
        variation: To draw with.
        draws: Of each.
        done: Called after each.
    """
    rng = np.random.default_rng(0)
    for kind in KINDS:
        for truth, value in kind.truths:
            for n in kind.units:
                says = [kind.draw(value, n, variation, rng) for _ in range(draws)]
                wrong, right = (sum(judge(one, value) for one in says) for judge in (kind.wrong, kind.right))
                yield Rate(kind.name, truth, value, n, kind.unit, draws, wrong, right)
                done()
    claims = [claim for claim in CLAIMS if claim.family == "accuracy"]
    for seeds in FAMILIES:
        family, most = Family(claims, PAPER.claim_rules[0], seeds), max(seeds.values())
        fewer = "".join(f", {n} of {backbone}" for backbone, n in seeds.items() if n < most)
        for truth, (shares, varied) in family.truths().items():
            wrong, right = family.tried(shares, varied * variation.seeds / math.sqrt(2), draws, rng)
            yield Rate("family of claims on accuracy", f"{truth}{fewer}", 0.0, most, "seeds", draws, wrong, right)
            done()


def steps() -> int:
    """How often :func:`rates` is done."""
    return sum(len(kind.truths) * len(kind.units) for kind in KINDS) + len(FAMILIES) * len(Family.TRUTHS)


@plain_errors()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, print and write; see the module."""
    options = parsed(arguments)
    store, variation = Store(options.results), Variation()
    if store.records():
        evidence = read_evidence(store, PAPER.profiles, options.profile, None)
        variation = variation_of(evidence.records, evidence.profile)
    with Bar(sys.stderr) as bar:
        bar.start("calibration", steps(), "truths")
        measured = list(rates(variation, options.draws, lambda: bar.advance(1)))
    print(FORMATS["md"]([rate.row for rate in measured]))
    print(f"{variation.said} {write(options.results, measured, variation)}")
    failing = [rate for rate in measured if rate.too_wrong]
    for rate in failing:
        print(f"too often wrong: {rate.kind}, {rate.truth}, {rate.units} {rate.unit}", file=sys.stderr)
    sys.exit(1 if failing else 0)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results/reference"), help="whose variation is drawn with")
    parser.add_argument("--profile", help="default: that of the newest record")
    parser.add_argument("--draws", type=count, default=2000, help="of each kind under each truth")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
