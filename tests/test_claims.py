"""Claims are decided by their tests, corrected for their number, and never without records."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import tdam
from benchmarks.core.records import Cell, Metric, Record, Store, new_record
from benchmarks.measure.cost import count_parameters
from benchmarks.metrics.outcomes import images_hash, pack
from benchmarks.papers.tdam.all_claims import CLAIMS, Claim, ClaimVerdict, Evidence, Finding, Part, judge
from benchmarks.report.evidence import Missing
from benchmarks.report.selection import Selection
from benchmarks.report.tests import above, alike, distributed_above, drawn_above, quicker, share_above
from benchmarks.work.profiles import PROFILES
from benchmarks.work.session import Session

ROOT = Path(__file__).resolve().parents[1]
N = 1000
HOLDS, FAILS, UNDECIDED, NOT_RUN = ClaimVerdict


def cell(model: str, seed: int = 0) -> Cell:
    return Cell("accuracy", model, "mini", {"seed": seed})


def cells(*models: str) -> list[Cell]:
    return [cell(model, seed) for model in models for seed in (0, 1)]


def record(model: str, right: float, seed: int = 0, released: float | None = None, images: str = "") -> Record:
    """A network that is right on the first part of the images; under the released rule on another part."""
    order = np.random.default_rng(7).permutation(N) if seed else np.arange(N)
    hits = {"last/top1": order < right * N, "released/top1": order < (right if released is None else released) * N}
    metrics = {name: Metric(100 * hit.mean(), "%", N) for name, hit in hits.items()}
    notes = {
        "outcomes": {name: pack(hit) for name, hit in hits.items()},
        "images": images or images_hash(map(str, range(N))),
    }
    return new_record(cell(model, seed), {}, metrics, notes=notes)


def evidence(*records: Record) -> Evidence:
    session = Session(PROFILES["mini"], Store(ROOT / "no" / "folder"), ROOT / "no" / "cache", seeds=(0, 1))
    return Evidence(session, Selection({one.cell: one for one in records}, {}, "tdam-bench run table1"))


def both(model: str, right: float, released: float | None = None) -> list[Record]:
    return [record(model, right, seed, released) for seed in (0, 1)]


def verdict(part: Part, found: Evidence, by_rule: bool = False) -> ClaimVerdict:
    (result,) = judge([Claim(1, "4", "x", (part,), by_rule=by_rule)], found)
    return result.verdict


def pair(first: str = "td", second: str = "plain") -> list[tuple[float, object]]:
    return [(1.0, lambda session: cells(first)), (-1.0, lambda session: cells(second))]


@pytest.mark.parametrize(
    ("td", "plain", "least", "expected"),
    [
        (0.90, 0.85, 0, HOLDS),
        (0.85, 0.90, 0, FAILS),
        (0.851, 0.85, 0, UNDECIDED),
        (0.90, 0.85, 4.5, HOLDS),  # five points, four and a half stated
        (0.90, 0.85, 5.5, HOLDS),  # the interval reaches it
        (0.90, 0.85, 9.0, FAILS),  # far short
    ],
)
def test_a_gain_in_accuracy(td: float, plain: float, least: float, expected: ClaimVerdict) -> None:
    found = evidence(*both("td", td), *both("plain", plain))
    assert verdict(above("a gain", pair(), "{rule}/top1", least), found) == expected


def test_a_gain_in_one_seed_only_decides_nothing() -> None:
    found = evidence(record("td", 0.99), record("td", 0.80, 1), record("plain", 0.80), record("plain", 0.82, 1))
    part = above("a gain", pair(), "{rule}/top1")
    assert verdict(part, found) == UNDECIDED
    assert "not in every seed" in part.test(found, "last").measured


@pytest.mark.parametrize(("td", "expected"), [(0.85, HOLDS), (0.90, FAILS), (0.858, UNDECIDED)])
def test_a_similar_accuracy(td: float, expected: ClaimVerdict) -> None:
    assert (
        verdict(alike("similar", pair(), "{rule}/top1", 1.0), evidence(*both("td", td), *both("plain", 0.85)))
        == expected
    )


def test_the_rule_that_a_verdict_rests_on() -> None:
    """Better under the released rule only: the last step decides, and the claim is marked."""
    found = evidence(*both("td", 0.80, released=0.90), *both("plain", 0.85))
    (result,) = judge([Claim(1, "4", "x", (above("a gain", pair(), "{rule}/top1"),), by_rule=True)], found)
    assert (result.verdict, result.released, result.disputed) == (FAILS, HOLDS, True)


def test_a_missing_record_says_what_fills_it() -> None:
    part = above("a gain", pair(), "{rule}/top1")
    (result,) = judge([Claim(1, "4", "x", (part,))], evidence(*both("td", 0.9)))
    assert result.verdict == NOT_RUN
    assert result.parts["last"][0].missing == "not run: `tdam-bench run table1`"


def test_other_images_are_not_compared() -> None:
    found = evidence(*both("td", 0.9), *(record("plain", 0.8, seed, images="others") for seed in (0, 1)))
    with pytest.raises(Missing, match="same images"):
        above("a gain", pair(), "{rule}/top1").test(found, "last")


def fixed(p: float | None, favors: bool) -> Part:
    return Part("says", lambda session: [], lambda evidence, rule: Finding("measured", favors, p, "test"))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(0.001, True), (None, True)], HOLDS),
        ([(0.001, True), (0.001, False)], FAILS),
        ([(0.001, True), (0.3, False)], UNDECIDED),
        ([(0.02, True), (0.03, True), (0.04, True)], UNDECIDED),  # each by itself would do, three together do not
        ([(None, False)], FAILS),
    ],
)
def test_parts_make_a_verdict(parts: Sequence[tuple[float | None, bool]], expected: ClaimVerdict) -> None:
    (result,) = judge([Claim(1, "4", "x", tuple(fixed(*part) for part in parts))], evidence())
    assert result.verdict == expected


def test_samples_of_a_run_are_compared_in_turn() -> None:
    """Both networks slow down together: the ratio is what counts. Of one round nothing is known."""
    timed = Cell("efficiency", "resnet50", "mini")
    slowly = [1.0, 1.5, 1.2, 2.0, 1.1]
    samples = {"a/seconds": slowly, "b/seconds": [1.1 * s * (1 + 0.01 * turn) for turn, s in enumerate(slowly)]}
    found = evidence(new_record(timed, {}, {}, samples))
    assert verdict(quicker("a before b", lambda session: timed, "a", "b"), found) == HOLDS
    assert verdict(quicker("b before a", lambda session: timed, "b", "a"), found) == FAILS
    once = evidence(new_record(timed, {}, {}, {name: times[:1] for name, times in samples.items()}))
    assert verdict(quicker("a before b", lambda session: timed, "a", "b"), once) == NOT_RUN


def test_draws_are_compared_by_their_place() -> None:
    """Two bootstrap series that scatter together differ clearly."""
    rng = np.random.default_rng(0)
    common = 5 * rng.standard_normal(200)
    first, second = (
        new_record(
            cell(name), {}, {"map": Metric(value, "%", N)}, {"map": (value + common + noise).tolist()}, {"images": "x"}
        )
        for name, value, noise in (("a", 91.0, 0.1 * rng.standard_normal(200)), ("b", 90.0, 0.0))
    )
    found = evidence(first, second)
    part = drawn_above("a above b", lambda session: [cell("a")], lambda session: [cell("b")], "map")
    assert verdict(part, found) == HOLDS


def test_shares_and_distributions() -> None:
    one = new_record(
        cell("td"), {}, {"moved/several": Metric(6.0, "%", 2000), "moved/one": Metric(2.0, "%", 6000)},
        {"step1": np.linspace(0, 0.8, 200).tolist(), "step2": np.linspace(0.2, 1, 200).tolist()},
    )  # fmt: skip
    found = evidence(one)
    mine = lambda session: [cell("td")]  # noqa: E731
    assert verdict(share_above("more", mine, "moved/several", "moved/one"), found) == HOLDS
    assert verdict(share_above("less", mine, "moved/one", "moved/several"), found) == FAILS
    assert verdict(distributed_above("up", mine, mine, ("step2", "step1")), found) == HOLDS
    assert verdict(distributed_above("same", mine, mine, ("step1", "step1")), found) == UNDECIDED


def test_all_claims_are_there_and_name_cells() -> None:
    """The 34 statements; each part rests on cells that an experiment runs."""
    from benchmarks.papers.tdam import EXPERIMENTS, find

    session = evidence().session
    run = {one for name in EXPERIMENTS for one in find(name).cells(session)}
    assert [claim.number for claim in CLAIMS] == list(range(1, 35))
    for claim in CLAIMS:
        for part in claim.parts:
            needed = set(part.cells(session))
            assert needed
            assert needed <= run, f"claim {claim.number}: no experiment runs {next(iter(needed - run))}"


def test_without_records_every_claim_is_not_run() -> None:
    for result in judge(CLAIMS, evidence()):
        assert result.verdict == NOT_RUN
        assert all("tdam-bench" in part.missing for parts in result.parts.values() for part in parts)


def test_claim_7_would_hold_with_all_blocks() -> None:
    """As its note says: 7 to 9 % more than TDjoint (m=1) and than TDtop (m=3) as printed."""
    everywhere = tdam.resnet50("joint", 2, 3, blocks={3: range(6), 4: range(3)})
    mine, *others = (count_parameters(one) for one in (everywhere, tdam.resnet50(), tdam.resnet50("top", 2, 3)))
    assert all(1.07 <= mine / other <= 1.09 for other in others)
    assert "in all blocks" in next(claim.note for claim in CLAIMS if claim.number == 7)
