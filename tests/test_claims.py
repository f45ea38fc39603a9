"""Claims are decided by their tests, corrected for their number, never without records or by too few seeds."""

import csv
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tdam
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Absence
from benchmarks.measure.cost import count_parameters
from benchmarks.metrics.statistics import USUAL, Design
from benchmarks.networks.models import create
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam import PAPER, fig8, queries
from benchmarks.papers.tdam.claims import CLAIMS
from benchmarks.papers.tdam.recipes import MINI, PROFILES
from benchmarks.report import claim_tables
from benchmarks.report.claims import (
    Claim,
    ClaimResult,
    ClaimVerdict,
    Finding,
    Outlook,
    Part,
    beside_plain,
    judge_claims,
)
from benchmarks.report.endings import AT_THE_END, near_the_bound
from benchmarks.report.evidence import Evidence, Missing, Query
from benchmarks.report.prices import in_hours
from benchmarks.report.tables import FORMATS
from benchmarks.report.tests import Ask, above, alike, by_size, count, quicker, smaller, versus
from benchmarks.work.cost import FLOPS, PARAMETERS
from benchmarks.work.kinds import KINDS
from benchmarks.work.training import ENDED, HELD_OUT, diverged
from tests.recorded import recorded_all
from tests.sessions import make_session
from tests.worlds import World, counts, given

N = 2000
HOLDS, FAILS, UNDECIDED, NOT_RUN = ClaimVerdict
JUDGED_BY = PAPER.claim_rules
TIMED = Cell("efficiency", "resnet50", "mini", {"mode": "training"})
TD, PLAIN = "resnet50-td-joint-t2-m1", "resnet50"


def top1(rule: str) -> MetricKey:
    return MetricKey("top1", steps=rule)


def on(model: str) -> Ask:
    return lambda evidence: queries.accuracy(model, evidence)


PAIR = versus(on(TD), on(PLAIN), top1)
GAIN = above("a gain", PAIR, 1.0)


def timed(evidence: Evidence) -> Query:
    return Query("efficiency", "resnet50", {"mode": "training"})


def evidence(*records: Record, profile: str = "mini") -> Evidence:
    return Evidence(PROFILES[profile], Path("results"), records, command=f"tdam-bench run --profile {profile}")


def two(td: float, plain: float, world: World | None = None) -> Evidence:
    """Two networks by their top-1."""
    world = world or World(spread=0.3)
    return world.evidence(world.top1(TD, td), world.top1(PLAIN, plain))


def judged(part: Part, seen: Evidence, by_rule: bool = False) -> ClaimResult:
    (result,) = judge_claims([Claim(1, "4", "x", "accuracy", (part,), by_rule=by_rule)], seen, JUDGED_BY)
    return result


def missing(part: Part, seen: Evidence) -> str:
    result = judged(part, seen)
    assert result.verdict == NOT_RUN
    return result.parts["last"][0].missing


# ---------------------------------------------------------------- by seeds


@pytest.mark.parametrize(
    ("part", "td", "expected", "reason"),
    [
        (GAIN, 92.0, HOLDS, "above zero"),
        (GAIN, 88.0, FAILS, "below zero"),
        (GAIN, 90.0, FAILS, "no difference: within 0.5 points"),
        (GAIN, 90.4, UNDECIDED, "would decide at 80 % power"),
        (above("a gain", PAIR), 90.0, UNDECIDED, "more than 1,000 seeds would be needed"),
        (by_size("by 2 points", PAIR, 2.0), 92.0, HOLDS, "within 1 to 3 points"),
        (by_size("by 2 points", PAIR, 2.0), 90.2, FAILS, "below 1 points"),
        (by_size("by 2 points", PAIR, 2.0), 94.0, FAILS, "above 3 points"),
        # The size lies in the interval, which reaches beyond the band: not ruled out is not shown.
        (by_size("by 2 points", PAIR, 2.0), 91.2, UNDECIDED, "would decide at 80 % power"),
        (alike("alike", PAIR, 1.5), 90.1, HOLDS, "equal within 0.75 points"),
        (alike("alike", PAIR, 1.5), 85.0, FAILS, "more than 0.75 points below"),
        (alike("alike", PAIR, 1.5), 95.0, FAILS, "more than 0.75 points above"),
        (alike("alike", PAIR, 1.5), 90.7, UNDECIDED, "would decide at 80 % power"),
    ],
)
def test_a_difference_over_seeds(part: Part, td: float, expected: ClaimVerdict, reason: str) -> None:
    result = judged(part, two(td, 90.0))
    assert result.verdict == expected
    assert reason in result.reason


def test_a_difference_is_shown_with_students_interval() -> None:
    """By hand: differences 1, 2, 3, 4, 5 have mean 3, deviation 1.5811; t of 4 degrees at 97.5 % is 2.7764."""
    world = World(seeds=5, spread=0.0)
    records = [
        replace(one, metrics={key: replace(metric, value=80.0 + seed + 1) for key, metric in one.metrics.items()})
        for seed, one in enumerate(world.top1(TD, 0.0))
    ]
    seen = world.evidence(records, world.top1(PLAIN, 80.0))
    finding = GAIN.test(seen, "last")
    assert finding.measured == "+3.00 points (+1.04 to +4.96), 5 seeds"
    assert finding.p == pytest.approx(0.01324, abs=1e-4)  # two-sided, of t = 3 / (1.5811 / sqrt(5)) = 4.2426


def test_seeds_of_different_images_are_not_compared() -> None:
    """One network on all images, the other on a part of them."""
    world = World()
    whole = [replace(one, notes={**one.notes, "images": "all"}) for one in world.top1(TD, 92.0)]
    part = [replace(one, notes={**one.notes, "images": "some"}) for one in world.top1(PLAIN, 90.0)]
    assert missing(GAIN, world.evidence(whole, part)) == "the networks compared were not evaluated on the same images"


def test_a_number_that_is_none_is_missing() -> None:
    world = World()
    broken = [replace(one, metrics={key: replace(metric, value=float("nan")) for key, metric in one.metrics.items()})
              for one in world.top1(TD, 92.0)]  # fmt: skip
    told = missing(GAIN, world.evidence(broken, world.top1(PLAIN, 90.0)))
    assert told == f"the record of accuracy {TD} has {top1('last')} nan; run it anew"


def test_networks_are_compared_by_the_seeds_that_all_have() -> None:
    world = World()
    td, plain = world.top1(TD, 92.0), world.top1(PLAIN, 90.0)
    finding = GAIN.test(world.evidence(td, plain[1:]), "last")
    assert finding.measured.endswith("5 seeds")
    assert finding.records == tuple(one.id for one in (*td[1:], *plain[1:]))
    other = world.evidence(td[:2], plain[2:])
    assert "no seed in common: `tdam-bench" in missing(GAIN, other)


def test_the_rule_that_a_verdict_rests_on() -> None:
    """Better under the second rule only: the first decides, and the claim is marked."""
    world = World()
    td, plain, better = (world.top1(*row) for row in ((TD, 88.0), (PLAIN, 90.0), (TD, 92.0)))
    other = top1("released")
    td = [replace(one, metrics={**one.metrics, other: two.metrics[other]}) for one, two in zip(td, better, strict=True)]
    result = judged(GAIN, world.evidence(td, plain), by_rule=True)
    assert (result.verdict, result.other, result.disputed) == (FAILS, HOLDS, True)
    assert claim_tables.row(result)["other rule"] == "HOLDS (!)"
    assert [row["rule"] for row in claim_tables.part_rows(result)] == ["last", "released"]
    told = claim_tables.summary([result], PROFILES["mini"], JUDGED_BY)
    assert "Networks trained on mini: 1 FAILS (1)." in told
    assert "The rule 'released' decides otherwise on 1." in told


def test_a_missing_record_says_what_fills_it() -> None:
    world = World()
    seen = world.evidence(world.top1(TD, 90.0))
    assert missing(GAIN, seen) == "not run: `tdam-bench run --profile mini`"
    wanted = replace(world.top1(PLAIN, 90.0)[0].cell)
    noted = replace(seen, absences=(Absence(wanted, "no weights of plain", "tdam-bench train plain"),))
    assert missing(GAIN, noted) == "no weights of plain: `tdam-bench train plain`"


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_fewer_than_five_seeds_tell_no_networks_apart(seeds: int) -> None:
    """However far apart they are."""
    result = judged(GAIN, two(99.0, 50.0, World(seeds=seeds)))
    assert result.verdict is UNDECIDED
    more = f"--models {TD},{PLAIN} --seeds 5`, about {0.2 * (5 - seeds):.1f} hours here"  # six minutes each
    assert result.reason.startswith(f"{seeds} of the 5 seeds that a statement about a method needs; `tdam-bench run")
    assert result.reason.endswith(more)


def test_a_price_is_of_the_median_seed() -> None:
    """One that took ten times as long, or that broke off, sets none."""
    seen = two(92.0, 90.0, World(seeds=3))
    times = {0: 360.0, 1: 3600.0, 2: 360.0}
    timed = [replace(one, notes={**one.notes, "seconds": times[int(str(one.cell.options["seed"]))]})
             if one.cell.kind == "train" else one for one in seen.records]  # fmt: skip
    assert "--seeds 5`, about 0.4 hours here" in judged(GAIN, replace(seen, records=timed)).reason


# ---------------------------------------------------------------- by images


def hits(right: int, wins: int = 0, losses: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Two networks that are right on the same images, but for those on which one of them wins."""
    first, second = np.arange(n) < right, np.arange(n) < right
    first[right : right + wins] = True
    second[right + wins : right + wins + losses] = True
    return first, second


def weighed(part: Part, first: np.ndarray, second: np.ndarray) -> ClaimResult:
    return judged(part, evidence(*given(TD, first), *given(PLAIN, second), profile="full"))


def test_given_weights_decide_nothing_on_images_that_share_their_sources() -> None:
    right = np.arange(N) < 1900
    records = [*given(TD, right, profile="mini"), *given(PLAIN, np.arange(N) < 1500, profile="mini")]
    result = judged(GAIN, evidence(*records))
    assert result.verdict is UNDECIDED
    assert "images of profile mini share their sources" in result.reason


def test_given_weights_decide_only_what_is_a_share_of_images() -> None:
    """Such as a median over channels: what would vary are trainings, of which there is one."""
    records = [*given(TD, np.ones(N, bool)), *given(PLAIN, np.ones(N, bool))]
    told = missing(GAIN, evidence(*(replace(one, outcomes={}) for one in records), profile="full"))
    assert told.startswith("not decidable for given weights: ")


@pytest.mark.parametrize(
    ("part", "wins", "losses", "expected"),
    [
        (GAIN, 60, 20, HOLDS),
        (GAIN, 20, 60, FAILS),
        (GAIN, 42, 40, UNDECIDED),
        (GAIN, 5, 5, FAILS),  # no difference: within half a point
        (GAIN, 0, 0, FAILS),
        (by_size("by 3 points", PAIR, 3.0), 70, 10, HOLDS),
        (by_size("by 1.5 points", PAIR, 1.5), 60, 20, UNDECIDED),
        # The sign hole: no net win and one net win are the same finding.
        (by_size("by 1.5 points", PAIR, 1.5), 0, 0, FAILS),
        (by_size("by 1.5 points", PAIR, 1.5), 1, 0, FAILS),
        (alike("alike", PAIR, 1.0), 5, 5, HOLDS),
        (alike("alike", PAIR, 1.0), 100, 20, FAILS),
    ],
)
def test_given_weights_are_compared_by_images(part: Part, wins: int, losses: int, expected: ClaimVerdict) -> None:
    result = weighed(part, *hits(1600, wins, losses))
    assert result.verdict == expected
    assert result.scope == "the paper's data, these weights"


def test_images_that_would_decide_have_a_price() -> None:
    """By the speed that was measured, or it says that none was."""
    first, second = hits(1600, 42, 40)
    result = weighed(GAIN, first, second)
    assert "images (" in result.reason
    assert (
        "more) would decide at 80 % power, if what was measured is so, of the same kind, hours unknown" in result.reason
    )
    speeds = {MetricKey("fps", of=name): Metric(0.1, "images/s", 6) for name in (TD, PLAIN)}
    run = new_record(replace(TIMED, profile="full"), {}, speeds)
    seen = evidence(*given(TD, first), *given(PLAIN, second), run, profile="full")
    more = int(result.reason.partition("images (")[2].partition(" more")[0].replace(",", ""))
    assert f"about {more * 20 / 3600:,.1f} hours here" in judged(GAIN, seen).reason


def test_other_images_are_not_compared() -> None:
    (first,), (second,) = given(TD, hits(1600)[0]), given(PLAIN, hits(1500)[0])
    other = replace(second, notes={"images": "others"})
    with pytest.raises(Missing, match="same images"):
        GAIN.test(evidence(first, other, profile="full"), "last")


# ---------------------------------------------------------------- trained to their end


def test_what_is_not_known_of_a_training_decides_nothing() -> None:
    world = World()
    records = [*world.top1(TD, 92.0), *world.top1(PLAIN, 90.0)]
    assert judged(GAIN, world.evidence(records)).verdict is HOLDS
    unrecorded = judged(GAIN, evidence(*records))
    assert unrecorded.verdict is UNDECIDED
    assert f"whether {TD} was trained to its end is not known: its training is not recorded" in unrecorded.reason
    uncurved = [replace(one, samples={}) for one in world.evidence(records).records]
    unfollowed = judged(GAIN, evidence(*uncurved)).reason
    assert (
        "its training kept no held-out accuracy; the profile keeps no images of it back, so no run of it" in unfollowed
    )
    assert "`" not in unfollowed, "a command that leaves it as it is"
    alone = judged(GAIN, two(92.0, 90.0, World(gain=None)))
    assert alone.verdict is UNDECIDED
    assert "no longer training of it is recorded" in alone.reason
    assert f"--models {TD} --seeds 6`, about 0.2 hours here" in alone.reason  # nine minutes


@pytest.mark.parametrize(("gain", "expected"), [(0.99, HOLDS), (1.0, UNDECIDED), (-3.0, HOLDS)])
def test_trained_to_its_end_is_less_than_a_point_more(gain: float, expected: ClaimVerdict) -> None:
    assert judged(GAIN, two(92.0, 90.0, World(gain=gain, held_out=50.0))).verdict == expected


def test_networks_trained_on_the_papers_data_are_judged_by_the_same_rules() -> None:
    """Those of the profile full count where their held-out images tell that they were trained to their end."""
    assert judged(GAIN, two(92.0, 90.0, World(profile="full"))).verdict is HOLDS
    for world, why in (
        (World(profile="full", gain=1.0), "was not trained to its end"),
        (World(profile="full", gain=None), "no longer training of it is recorded"),
        (World(profile="full", seeds=4), "4 of the 5 seeds that a statement about a method needs"),
    ):
        result = judged(GAIN, two(92.0, 90.0, world))
        assert result.verdict is UNDECIDED
        assert why in result.reason
        assert "run --profile full --train --" in result.reason


def test_a_longer_training_that_went_wrong_lets_nothing_pass() -> None:
    """Five points below the usual ones it says nothing of how these ended; a diverged one counts as chance."""
    low = judged(GAIN, two(92.0, 90.0, World(gain=-5.0, held_out=50.0)))
    assert low.verdict is UNDECIDED
    assert "its longer training went wrong, -5.0 points" in low.reason
    records = list(two(92.0, 90.0).records)
    for at, one in enumerate(records):
        if one.cell.kind == "train_longer":
            records[at] = replace(one, notes={**one.notes, "diverged": "the loss is nan"})
    assert "went wrong, -80.0 points" in judged(GAIN, evidence(*records)).reason
    # What was run already is not asked for again: the seed that is named first has its longer training.
    assert f"--models {TD} --seeds 1,0,2,3,4,5`, about 0.2 hours here" in low.reason


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((2.0, 2.0, -8.0), UNDECIDED),
        ((0.0, 0.2, -20.0), HOLDS),
        ((-8.0, -9.0, -9.0), UNDECIDED),
        ((-8.0,) * 7, UNDECIDED),
    ],
)
def test_one_longer_training_that_went_wrong_tells_nothing_of_the_others(
    gains: tuple[float, ...], expected: ClaimVerdict
) -> None:
    """It neither lets a row pass that others bar nor bars one that others let pass; all of them leave it open."""
    records = []
    for one in two(92.0, 90.0).records:
        if one.cell.kind == "train_longer":
            for seed, gain in enumerate(gains):
                own = replace(one.cell, options={**one.cell.options, "seed": seed})
                records.append(replace(one, cell=own, metrics={ENDED: Metric(90.0 + gain, "%")}))
        else:
            records.append(one)
    result = judged(GAIN, evidence(*records))
    assert result.verdict is expected
    if gains[0] > 0:
        assert "half as many epochs again bring +2.0 points" in result.reason
    elif expected is UNDECIDED:
        told = ", ".join(f"{gain:+.1f}" for gain in gains)
        assert f"its longer training went wrong, {told} points" in result.reason
        tried, rest = len(gains), ",".join(str(seed) for seed in range(6) if seed != len(gains))
        assert f"--models {TD} --seeds {tried},{rest}`" in result.reason


def test_seeds_that_a_row_has_already_are_not_paid_for_again() -> None:
    """Two networks of which one has ten seeds and the other four: the latter's one more is six minutes."""
    some, many = World(seeds=4), World(seeds=10)
    mine, others = some.evidence(some.top1(TD, 92.0)), many.evidence(many.top1(PLAIN, 90.0))
    result = judged(GAIN, evidence(*mine.records, *others.records))
    assert result.verdict is UNDECIDED
    assert f"--models {TD},{PLAIN} --seeds 5`, about 0.1 hours here" in result.reason


def test_a_seed_that_diverged_is_said_and_bars_the_row() -> None:
    """Comparing those that are left would choose among them: it left no weights, so that nothing else is of it."""
    records = two(92.0, 90.0).records
    lost = [one for one in records if one.cell.model == TD and one.cell.options.get("seed") == 3]
    assert {one.cell.kind for one in lost} == {"train", "accuracy"}
    (training,) = (one for one in lost if one.cell.kind == "train")
    broken = diverged(replace(training, notes={"chance": 10.0}), {"loss": [], "held_out": []}, "the loss is nan")
    result = judged(GAIN, evidence(broken, *(one for one in records if one not in lost)))
    assert result.verdict is UNDECIDED
    assert f"the training of {TD} diverged from 1 of 6 seeds; another recipe may train it" in result.reason


@pytest.mark.parametrize(("own", "others", "expected"), [(88.0, 90.1, HOLDS), (90.0, 88.7, UNDECIDED)])
def test_a_longer_training_is_compared_with_all_seeds(own: float, others: float, expected: ClaimVerdict) -> None:
    """It comes to 90.2: an unlucky seed of the usual length does not bar a row, a lucky one does not let it pass."""
    records = list(two(92.0, 90.0).records)
    for at, one in enumerate(records):
        if one.cell.options.get("data") == MINI.ended_on:
            end = own if one.cell.options["seed"] == 0 else others
            records[at] = replace(one, metrics={AT_THE_END: Metric(end, "%")})
    assert judged(GAIN, evidence(*records)).verdict is expected


@pytest.mark.parametrize(("gain", "near"), [(0.4, False), (0.6, True), (1.4, True), (1.6, False)])
def test_a_row_near_the_bound_needs_longer_trainings_of_three_seeds(gain: float, near: bool) -> None:
    """Whichever side the first one put it on; its own is named too, recorded or not."""
    records = [
        replace(one, metrics={ENDED: Metric(90.0 + gain, "%")}) if one.cell.kind == "train_longer" else one
        for one in two(92.0, 90.0).records
    ]
    rows = {one.cell.model for one in records if one.cell.kind == "train"}
    needed = near_the_bound(evidence(*records))
    assert {cell.kind for cell in needed} == ({"train_longer"} if near else set())
    named = [(cell.model, cell.options["seed"]) for cell in needed]
    assert sorted(named) == (sorted(itertools.product(rows, range(3))) if near else [])
    first = {one.cell for one in records if one.cell.kind == "train_longer"}
    assert first <= set(needed) if near else not needed


def test_whether_a_training_had_ended_is_judged_on_more_images_than_it_is_followed_on() -> None:
    """Its curve, on few images, rises by three points with a longer one: that decides nothing here."""
    records = list(two(92.0, 90.0).records)
    rising = [replace(one, samples={HELD_OUT: [40.0, 85.0, 93.0]}) if one.cell.kind == "train_longer" else one
              for one in records]  # fmt: skip
    assert judged(GAIN, evidence(*rising)).verdict is HOLDS
    unjudged = [one for one in records if one.cell.options.get("data") != MINI.ended_on]
    missing = judged(GAIN, evidence(*unjudged))
    assert missing.verdict is UNDECIDED
    assert f"its accuracy on {MINI.ended_on} is not recorded; `tdam-bench run" in missing.reason
    gained = [replace(one, metrics={ENDED: Metric(91.1, "%")}) if one.cell.kind == "train_longer" else one
              for one in records]  # fmt: skip
    unended = judged(GAIN, evidence(*gained))
    assert unended.verdict is UNDECIDED
    assert "half as many epochs again bring +1.1 points on tune" in unended.reason


def test_networks_at_chance_decide_nothing() -> None:
    """Twice chance is 20 % here."""
    low = judged(GAIN, two(92.0, 90.0, World(held_out={PLAIN: 19.9})))
    assert low.verdict is UNDECIDED
    assert f"{PLAIN} was not trained at all: 19.9 % of held-out images, chance is 10.0 %" in low.reason
    assert judged(GAIN, two(92.0, 90.0, World(held_out={PLAIN: 20.1}))).verdict is HOLDS


def test_a_fine_tuned_network_rests_on_its_pretraining_too() -> None:
    """Both are among its price; pretrained weights that were given are taken as they are."""
    part = above("a gain", versus(*(tuned(model) for model in (TD, PLAIN)), lambda rule: MetricKey("top1")))
    world = World(spread=8.0)
    records = [*world.transferred(TD, "cub", 92.0), *world.transferred(PLAIN, "cub", 90.0)]
    reason = judged(part, world.evidence(records)).reason
    assert "hours here" in reason
    assert f"--models {TD},{PLAIN} --targets cub --seeds " in reason, "the price is of no other task"
    behind = world.evidence(records)
    assert {one.cell.kind for one in behind.trainings_of(records[0])} == {"finetune", "train"}
    unended = World(spread=0.02, held_out={PLAIN: 19.0})
    shown = [*unended.transferred(TD, "cub", 92.0), *unended.transferred(PLAIN, "cub", 90.0)]
    assert "not trained at all" in judged(part, unended.evidence(shown)).reason
    only_tuned = [one for one in World().evidence(shown).records if one.cell.kind not in ("train", "accuracy")]
    assert "its training is not recorded" in judged(part, evidence(*only_tuned)).reason
    as_given = [replace(one, cell=replace(one.cell, options={**one.cell.options, "weights": "given", "seed": None}))
                for one in only_tuned]  # fmt: skip
    assert judged(part, evidence(*as_given)).verdict is HOLDS


def test_a_longer_fine_tuning_shortens_no_pretraining() -> None:
    """The number of epochs is one for all trainings: half as many again as the longest behind the row.

    Whatever rests on that pretraining is tuned anew with it, dogs too, and all of it is priced by its own epochs.
    """
    part = above("a gain", versus(*(tuned(model) for model in (TD, PLAIN)), lambda rule: MetricKey("top1")))
    world = World(gain=1.5, seconds=3600.0)
    shown = [*world.transferred(TD, "cub", 92.0), *world.transferred(PLAIN, "cub", 90.0)]
    shown += [*world.transferred(TD, "dogs", 92.0), *world.transferred(PLAIN, "dogs", 90.0)]
    records = [with_epochs(one, 12) if one.cell.kind == "train" else one for one in world.evidence(shown).records]
    ended = [replace(one, metrics={ENDED: Metric(90.1, "%")}) if one.cell.kind == "train_longer" else one
             for one in records]  # fmt: skip
    reason = judged(part, evidence(*ended)).reason
    assert "half as many epochs again bring +1.5 points" in reason
    # Six seeds and the longer one; of two networks each a pretraining of 12 epochs and two fine-tunings of 3.
    assert "--seeds 6 --epochs 18`" in reason
    assert f"about {2 * 7.5 * (18 / 12 + 2 * 18 / 3):,.1f} hours here" in reason


def with_epochs(training: Record, epochs: int) -> Record:
    return replace(training, notes={**training.notes, "recipe": {"epochs": epochs}})


def tuned(model: str) -> Ask:
    return lambda evidence: queries.transferred(model, "cub", evidence)


def test_a_training_without_time_has_no_price() -> None:
    result = judged(GAIN, two(92.0, 90.0, World(seeds=3, seconds=None)))
    assert result.reason.endswith("--seeds 5`, hours unknown: nothing recorded here tells how long it takes")


# ---------------------------------------------------------------- from parts to verdicts


def fixed(p: float | None, favors: bool, barred: str = "", units: int | None = 9) -> Part:
    def outlook(design: Design) -> Outlook:
        return Outlook(units, f"{units} units at {design.level:.4f}, {design.power:.2f}")

    return Part("says", lambda evidence, rule: Finding("measured", favors, p, "test", "", outlook, barred))


def lacking(says: str = "says") -> Part:
    def test(evidence: Evidence, rule: str) -> Finding:
        raise Missing("not run")

    return Part(says, test)


def decided(*claims: tuple[str, Sequence[Part]]) -> list[ClaimResult]:
    listed = [Claim(number, "4", "x", family, tuple(parts)) for number, (family, parts) in enumerate(claims)]
    return judge_claims(listed, evidence(), JUDGED_BY)


@pytest.mark.parametrize(
    ("parts", "expected", "p"),
    [
        ([fixed(0.001, True), fixed(None, True)], HOLDS, 0.001),
        ([fixed(0.02, True), fixed(0.03, True), fixed(0.04, True)], HOLDS, 0.04),  # all must: the weakest counts
        ([fixed(0.001, True), fixed(0.3, True)], UNDECIDED, 1.0),
        ([fixed(0.001, True), fixed(0.3, False)], UNDECIDED, 1.0),
        ([fixed(0.001, False), fixed(0.3, True)], FAILS, 0.002),  # one of two may: twice its p
        ([fixed(0.03, False), fixed(0.3, True)], UNDECIDED, 0.06),
        ([fixed(0.03, False), fixed(0.04, False)], FAILS, 0.04),  # the two together, as Simes has it
        ([fixed(None, False), fixed(0.3, True)], FAILS, None),  # what is exact decides by itself
        ([fixed(None, True)], HOLDS, None),
        ([fixed(0.001, True, barred="too few")], UNDECIDED, None),
        ([fixed(0.001, False), fixed(0.001, True, barred="too few")], FAILS, 0.001),
        ([fixed(0.001, True), fixed(0.001, True, barred="too few")], UNDECIDED, 1.0),
        ([fixed(0.001, True), lacking()], NOT_RUN, 1.0),
        ([fixed(0.001, False), lacking()], FAILS, 0.001),
        ([lacking()], NOT_RUN, None),
    ],
)
def test_parts_make_a_verdict(parts: Sequence[Part], expected: ClaimVerdict, p: float | None) -> None:
    (result,) = decided(("accuracy", parts))
    assert result.verdict == expected
    assert result.p == (None if p is None else pytest.approx(p))


def test_claims_of_a_family_are_corrected_together() -> None:
    """0.03 by itself would do, as one of two it does not; another family's tests change nothing."""
    alone = decided(("accuracy", [fixed(0.03, True)]), ("speed", [fixed(0.2, True)]))
    assert [one.verdict for one in alone] == [HOLDS, UNDECIDED]
    both = decided(("accuracy", [fixed(0.03, True)]), ("accuracy", [fixed(0.2, True)]))
    assert [one.verdict for one in both] == [UNDECIDED, UNDECIDED]
    assert both[0].reason == "9 units at 0.0250, 0.80"
    # What bars a verdict, and what is exact or was not run, is no test.
    untested: list[Sequence[Part]] = [[fixed(0.2, True, barred="x")], [fixed(None, True)], [lacking()]]
    assert decided(("accuracy", [fixed(0.03, True)]), *(("accuracy", one) for one in untested))[0].verdict is HOLDS


def test_what_the_correction_takes_back_is_decided_by_what_is_surer() -> None:
    """Above zero at 0.04, and no difference that matters at 1e-6: beside another test the first is gone."""
    other = Finding("measured", False, 1e-6, "test", "no difference", None)
    both = Part("says", lambda evidence, rule: Finding("measured", True, 0.04, "test", "above", None, otherwise=other))
    alone = decided(("accuracy", [both]))
    assert [one.verdict for one in alone] == [HOLDS]
    beside = decided(("accuracy", [both]), ("accuracy", [fixed(0.5, True)]))
    assert [(one.verdict, one.p) for one in beside] == [(FAILS, 2e-6), (UNDECIDED, 1.0)]
    assert beside[0].reason == "no difference"
    weak = replace(other, p=0.045)
    unsure = Part("says", lambda evidence, rule: Finding("measured", True, 0.04, "test", "above", otherwise=weak))
    assert decided(("accuracy", [unsure]), ("accuracy", [fixed(0.5, True)]))[0].verdict is UNDECIDED


def test_what_the_plain_network_would_have_earned() -> None:
    """In the place of every network with feedback; nothing where it was not asked, of speed, or without its records."""
    world = World(spread=0.3)
    se = "resnet50-se"
    rival = above("above SE", versus(on(TD), on(se), top1), 1.0)
    claims = [Claim(number, "4", "x", family, (part,)) for number, family, part in (
        (1, "accuracy", rival), (2, "ablation", GAIN), (3, "speed", GAIN), (4, "transfer", lacking()))]  # fmt: skip
    seen = world.evidence(world.top1(TD, 92.0), world.top1(PLAIN, 91.0), world.top1(se, 89.0))
    judged_once = judge_claims(claims, seen, JUDGED_BY)
    assert [one.plain for one in judged_once] == [None] * 4
    beside = beside_plain(judged_once, seen, JUDGED_BY)
    assert [one.verdict for one in beside] == [HOLDS, HOLDS, HOLDS, NOT_RUN]
    assert [one.plain for one in beside] == [HOLDS, FAILS, None, None]
    said = claim_tables.summary(beside, PROFILES["mini"], JUDGED_BY)
    assert (
        "If every network with feedback were the plain one, 1 of the 2 claims that hold, those on speed left out, "
        "would hold all the same (1)."
    ) in said


def test_more_experiments_change_no_verdict_of_another_family() -> None:
    """All claims on trained networks undecided, or not run at all: the speeds' verdicts and p-values are the same."""
    times = [1.1, 1.3, 1.2, 1.4, 1.1]
    speeds = [("speed", [fixed(0.01, True)]), ("speed", [fixed(0.02, False)])]
    few = decided(*speeds)
    many = decided(*speeds, *(("transfer", [fixed(0.04, True)]) for _ in times))
    assert [(one.verdict, one.p) for one in few] == [(one.verdict, one.p) for one in many[:2]]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        # To hold all must, the last of them with 12 units; one may fail first.
        ([fixed(0.3, True, units=12), fixed(0.2, True, units=7)], "says: 12 units at 0.0500, 0.90"),
        ([fixed(0.3, True, units=12), fixed(0.2, False, units=7)], "says: 7 units at 0.0250, 0.80"),
        ([fixed(0.3, False, units=None), fixed(0.2, False, units=7)], "says: 7 units at 0.0250, 0.80"),
        ([fixed(0.3, True, units=None), fixed(0.2, True, units=7)], "says: None units at 0.0500, 0.90"),
        ([fixed(0.3, True, units=12), fixed(0.2, True, barred="train longer")], "says: train longer"),
        ([fixed(0.3, True)], "9 units at 0.0500, 0.80"),
    ],
)
def test_what_would_decide_a_claim(parts: Sequence[Part], told: str) -> None:
    (result,) = decided(("accuracy", parts))
    assert result.reason == told
    assert told in str(claim_tables.row(result)["why"])


# ---------------------------------------------------------------- runs of several networks


def run_of(seconds: dict[str, list[float]], memory: dict[str, Metric] | None = None) -> Record:
    """A measurement of networks in turn."""
    samples = {MetricKey("seconds", of=name): times for name, times in seconds.items()}
    metrics = {MetricKey("memory", of=name): metric for name, metric in (memory or {}).items()}
    return new_record(replace(TIMED, options={**TIMED.options, "models": ",".join(seconds)}), {}, metrics, samples)


SLOWLY = [1.0, 1.5, 1.2, 2.0, 1.1]
TIMES = {"a": SLOWLY, "b": [1.1 * second * (1 + 0.01 * turn) for turn, second in enumerate(SLOWLY)]}
A_BEFORE_B, B_BEFORE_A = (quicker("first", timed, *pair, 1.2) for pair in (("a", "b"), ("b", "a")))


def test_samples_of_a_run_are_compared_in_turn() -> None:
    """Both networks slow down together: the ratio is what counts. Of one round nothing is known."""
    seen = evidence(run_of(TIMES))
    assert judged(A_BEFORE_B, seen).verdict is HOLDS
    slower = judged(B_BEFORE_A, seen)
    assert (slower.verdict, slower.reason) == (FAILS, "slower")
    level = [factor * one for factor, one in zip((1.001, 0.999, 1.001, 0.999, 1.0), SLOWLY, strict=True)]
    alike = judged(A_BEFORE_B, evidence(run_of({"a": SLOWLY, "b": level})))
    assert (alike.verdict, alike.reason) == (FAILS, "no difference: within 9.5%")
    once = evidence(run_of({name: times[:1] for name, times in TIMES.items()}))
    assert "single round" in missing(A_BEFORE_B, once)


def test_what_the_plain_networks_twin_is_off_by_is_noise_too() -> None:
    """A tenth between two networks is no finding where the plain network differs as much from itself."""
    plain, twin = SLOWLY, [1.15 * one for one in SLOWLY]
    noisy = judged(A_BEFORE_B, evidence(run_of({**TIMES, "resnet50": plain, f"resnet50{TWIN}": twin})))
    assert noisy.verdict is UNDECIDED
    quiet = judged(A_BEFORE_B, evidence(run_of({**TIMES, "resnet50": plain, f"resnet50{TWIN}": plain})))
    assert quiet.verdict is HOLDS


def test_the_newest_run_of_both_networks_counts() -> None:
    """Later runs of other networks, or in which one network ran out of memory, say nothing of the two."""
    old, turned = run_of(TIMES), run_of({"a": TIMES["b"], "b": TIMES["a"], "plain": SLOWLY})
    others = [run_of({"a": SLOWLY, "c": SLOWLY}), run_of({"a": SLOWLY, "b": SLOWLY[:2], "d": SLOWLY})]
    assert A_BEFORE_B.test(evidence(old, *others), "last").records == (old.id,)
    assert judged(A_BEFORE_B, evidence(old, turned, *others)).verdict is FAILS
    assert missing(A_BEFORE_B, evidence(*others)) == "no run measured both a and b: `tdam-bench run --profile mini`"
    full = new_record(TIMED, {}, {MetricKey("fps", of="b"): Metric(None, "images/s", status="out of memory")})
    assert "both a and b (b: out of memory): `tdam-bench" in missing(A_BEFORE_B, evidence(full))


def test_more_rounds_are_asked_for_as_a_budget() -> None:
    """A run of its own, of the two networks and their plain one: all rounds anew, with its warm-up, in both modes."""
    level = [factor * one for factor, one in zip((1.2, 0.9, 1.2, 0.9, 1.0), SLOWLY, strict=True)]
    run = run_of({"a": SLOWLY, "b": level, "other": SLOWLY})
    timed_for = 2 * sum(map(sum, run.samples.values()))
    result = judged(A_BEFORE_B, evidence(replace(run, notes={"seconds": timed_for})))
    assert result.verdict is UNDECIDED
    (rounds,) = re.findall(r"about ([\d,]+) rounds", result.reason)
    budget = math.ceil(int(rounds.replace(",", "")) * 2 * (np.median(SLOWLY) + np.median(level)))
    assert f"--budget {budget}`, {in_hours(2 * budget / 3600)}" in result.reason


def test_what_is_to_be_run_is_run_on_the_device_of_the_records() -> None:
    """What another device measured is not compared with them."""
    records = [replace(one, inputs={**one.inputs, "device": "cuda"}) for one in two(90.1, 90.0).records]
    assert " --device cuda --models " in judged(GAIN, evidence(*records)).reason
    some = [one for one in records if one.cell.model == TD]
    assert missing(GAIN, evidence(*some)) == "not run: `tdam-bench run --profile mini --device cuda`"
    assert "--device" not in judged(GAIN, two(90.1, 90.0)).reason


def test_memory_of_one_run() -> None:
    less, more, unknown = Metric(1e9, "bytes"), Metric(2e9, "bytes"), Metric(None, "bytes", status="out of memory")
    part = smaller("a below b", timed, "memory", "a", "b")
    seen = [run_of({}, {"a": less, "b": more}), run_of({"b": SLOWLY}, {"a": less, "b": unknown})]
    assert judged(part, evidence(seen[0])).verdict is HOLDS
    assert judged(smaller("b below a", timed, "memory", "b", "a"), evidence(seen[0])).verdict is FAILS
    assert part.test(evidence(*seen), "last").records == (seen[0].id,)
    assert "(b: out of memory): `tdam-bench" in missing(part, evidence(seen[1]))


def test_counts_are_exact() -> None:
    seen = evidence(*counts({TD: (1.0, 0.001), PLAIN: (2.5, 0.0025)}))
    asks = [lambda evidence, model=model: queries.counted(model) for model in (TD, PLAIN)]
    part = count("fewer", asks, PARAMETERS, lambda a, b: a < b, "{0:.2f} and {1:.2f} M")
    finding = part.test(seen, "last")
    assert (finding.measured, finding.favors, finding.p) == ("1.00 and 2.50 M", True, None)
    more = count("more", asks, FLOPS, lambda a, b: a > b, "{0:.4f} and {1:.4f} G")
    assert more.test(seen, "last").measured == "0.0010 and 0.0025 G"
    assert judged(more, seen).verdict is FAILS


# ---------------------------------------------------------------- the paper's claims


def planned(seeds: tuple[int, ...] = (0, 1, 2, 3, 4)) -> list[Record]:
    """A record of every cell that the paper's experiments plan."""
    return recorded_all(make_session(Path("results"), "mini", seeds=seeds))


def test_all_claims_are_there_and_rest_on_what_experiments_run() -> None:
    """The 34 statements; the records of all experiments decide each part, under keys that their kinds declare."""
    records = planned()
    assert [claim.number for claim in CLAIMS] == list(range(1, 35))
    named: dict[str, set[str]] = {}
    for one in records:
        keys = {*one.metrics, *one.samples, *one.outcomes}
        named.setdefault(one.cell.kind, set()).update(key.name for key in keys)
    assert named == {kind: {spec.name for spec in KINDS[kind].metrics} for kind in named}
    for result in judge_claims(CLAIMS, evidence(*records), JUDGED_BY):
        assert result.parts
        for parts in result.parts.values():
            for part in parts:
                assert part.finding, f"claim {result.claim.number}, {part.says}: {part.missing}"
                assert part.finding.records
                assert not part.finding.barred


def test_the_experiments_that_a_claim_names_run_all_that_it_rests_on() -> None:
    """Else what it says to run would not fill what it lacks, such as the controls of the claims of cause."""
    session = make_session(Path("results"), "mini", seeds=(0,))
    seen = evidence()
    for claim in CLAIMS:
        cells = [cell for name in claim.experiments for cell in PAPER.experiment(name).cells(session)]
        for query in (ask(seen) for part in claim.parts for ask in part.asks):
            assert any(query.matches(cell) and cell.kind == query.kind for cell in cells), (claim.number, query)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("models", [None, ("resnet18",), ("resnet50-se", "vgg")])
def test_without_records_every_claim_is_not_run(profile: str, models: tuple[str, ...] | None) -> None:
    for result in judge_claims(CLAIMS, replace(evidence(profile=profile), models=models), JUDGED_BY):
        assert result.verdict == NOT_RUN
        assert result.p is None
        assert all("`tdam-bench" in part.missing for parts in result.parts.values() for part in parts)


def test_records_of_some_models_or_of_another_profile_do_no_harm() -> None:
    records = planned(seeds=(0,))
    some = [one for one in records if one.cell.model in ("resnet50", "resnet50-se")]
    for seen in (
        evidence(*some),
        evidence(*records, profile="full"),
        replace(evidence(*records), models=("resnet18",)),
    ):
        assert len(judge_claims(CLAIMS, seen, JUDGED_BY)) == len(CLAIMS)


def test_what_the_paper_contradicts_itself_is_said_first() -> None:
    results = {one.claim.number: one for one in judge_claims(CLAIMS, evidence(), JUDGED_BY)}
    assert {number for number, one in results.items() if one.claim.contradicted} == {5, 6, 21, 29}
    assert str(claim_tables.row(results[5])["why"]).startswith("The paper's own table 1 has 5.98 against 4.59 G: 30 %.")


def test_claims_without_findings_are_written(tmp_path: Path) -> None:
    results = judge_claims(CLAIMS, evidence(), JUDGED_BY)
    for path in claim_tables.write(results, tmp_path):
        assert "NOT RUN" in path.read_text()
    with (tmp_path / "tables" / "claims.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["claim"]) for row in rows] == list(range(1, 35))
    assert {row["verdict"] for row in rows} == {"NOT RUN"}
    with (tmp_path / "tables" / "claims-tests.csv").open(newline="") as file:
        assert all(row["measured"] and not row["test"] for row in csv.DictReader(file))
    shown = claim_tables.text_of(results, PROFILES["mini"], JUDGED_BY)
    assert "Networks as the paper describes them: 9 NOT RUN (1, 2, 3, 4, 5, 6, 7, 8, 9)." in shown
    assert "This device: 4 NOT RUN (10, 11, 12, 13)." in shown
    assert "Networks trained on mini: 21 NOT RUN (14, 15, " in shown
    assert "34 NOT RUN" not in claim_tables.summary(results, PROFILES["mini"], JUDGED_BY)  # never as one sum


def test_no_claims_are_written_as_nothing(tmp_path: Path) -> None:
    """A paper may state none: tables without rows have no columns either."""
    files = claim_tables.write([], tmp_path)
    assert {path.read_text() for path in files if path.suffix != ".tex"} == {"\n"}
    assert len(files) == 6
    assert {style: render([]) for style, render in FORMATS.items()} == {"md": "", "tex": "", "csv": "", "json": "[]"}


def test_claim_7_hangs_on_a_placement() -> None:
    """The three readings that its note has: 8 % over both in all blocks and over the printed count, and less."""
    blocks = {3: range(6), 4: range(3)}
    text = count_parameters(create(fig8.AS_IN_TEXT))
    assert text == count_parameters(tdam.resnet50("joint", 2, 3, blocks=blocks))
    near, printed = count_parameters(tdam.resnet50()), count_parameters(tdam.resnet50("top", 2, 3))
    fitted = count_parameters(tdam.resnet50("joint", 2, 3)) / printed
    everywhere = text / count_parameters(tdam.resnet50("top", 2, 3, blocks=blocks))
    assert (f"{printed / 1e6:.2f}", round(100 * (text / near - 1)), round(100 * (text / printed - 1))) == (
        "27.66",
        8,
        8,
    )
    note = next(claim.note for claim in CLAIMS if claim.number == 7)
    assert (
        f"left out of both it is {100 * (fitted - 1):.1f} %, with all blocks in both {100 * (everywhere - 1):.1f} %"
        in note
    )


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ({"3": range(2, 22, 2), "4": range(2)}, "all blocks of layer4: 2 blocks of layer4"),
        ({"3": range(2, 12), "4": range(3)}, "they alternate: 10 blocks of layer3"),
    ],
)
def test_claim_6_asks_for_every_word(blocks: dict[str, range], reason: str) -> None:
    (claim,) = (claim for claim in CLAIMS if claim.number == 6)
    seen = evidence(*counts({"resnet101-td-joint-t2-m1": (46.75, 8.4)}, blocks))
    (result,) = judge_claims([claim], seen, JUDGED_BY)
    assert result.verdict is FAILS
    assert reason in result.reason


def test_a_diverged_training_counts_as_guessing() -> None:
    """Claim 31; its price is that of the seeds that came to their end."""
    (claim,) = (claim for claim in CLAIMS if claim.number == 31)
    world = World()
    model = "resnet50-td-joint-t2-m1-spatial"
    records = world.learned(model, 11.0, longer=11.0)
    ended = [
        replace(one, samples={HELD_OUT: [9.0]}, notes={"chance": 10.0, "diverged": "the loss is nan", "seconds": 1.0})
        if one.cell.options["seed"] in (2, 5)
        else one
        for one in records
    ]
    finding = claim.parts[0].test(evidence(*ended), "last")
    assert finding.favors
    assert not finding.barred
    assert finding.measured.startswith("10.7 %")  # four at 11 and two at 10
    assert finding.p is not None
    assert finding.p < 1e-5
    assert finding.by(USUAL).text == claim.parts[0].test(evidence(*records), "last").by(USUAL).text
