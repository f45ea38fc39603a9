"""Claims are decided by their tests, corrected for their number, and never without records."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tdam
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Absence
from benchmarks.measure.cost import count_parameters
from benchmarks.metrics.outcomes import images_hash, pack
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.claims import CLAIMS
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.report import claim_tables
from benchmarks.report.claims import Claim, ClaimVerdict, Finding, Part, judge
from benchmarks.report.evidence import Evidence, Missing, Query
from benchmarks.report.tables import FORMATS
from benchmarks.report.tests import (
    Ask,
    Term,
    above,
    alike,
    count,
    distributed_above,
    drawn_above,
    quicker,
    share_above,
    smaller,
)
from benchmarks.work.cost import FLOPS, PARAMETERS
from benchmarks.work.kinds import KINDS
from tests.recorded import recorded_all
from tests.sessions import make_session

N = 1000
HOLDS, FAILS, UNDECIDED, NOT_RUN = ClaimVerdict
JUDGED_BY = PAPER.claim_rules
TIMED = Cell("efficiency", "resnet50", "mini", {"mode": "training"})


def top1(rule: str) -> MetricKey:
    return MetricKey("top1", steps=rule)


def cell(model: str, seed: int = 0) -> Cell:
    return Cell("accuracy", model, "mini", {"seed": seed})


def of(model: str) -> Ask:
    return lambda evidence: Query("accuracy", model)


def timed(evidence: Evidence) -> Query:
    return Query("efficiency", "resnet50", {"mode": "training"})


def record(model: str, right: float, seed: int = 0, released: float | None = None, images: str = "") -> Record:
    """A network that is right on the first part of the images; under the released rule on another part."""
    order = np.random.default_rng(7).permutation(N) if seed else np.arange(N)
    shares = {"last": right, "released": right if released is None else released}
    hits = {top1(rule): order < share * N for rule, share in shares.items()}
    metrics = {key: Metric(100 * float(hit.mean()), "%", N) for key, hit in hits.items()}
    notes = {"images": images or images_hash(map(str, range(N)))}
    outcomes = {key: pack(hit) for key, hit in hits.items()}
    return replace(new_record(cell(model, seed), {}, metrics, notes=notes), outcomes=outcomes)


def evidence(*records: Record, profile: str = "mini") -> Evidence:
    return Evidence(PROFILES[profile], Path("results"), records, command="tdam-bench run table1")


def both(model: str, right: float, released: float | None = None) -> list[Record]:
    return [record(model, right, seed, released) for seed in (0, 1)]


def verdict(part: Part, seen: Evidence, by_rule: bool = False) -> ClaimVerdict:
    (result,) = judge([Claim(1, "4", "x", (part,), by_rule=by_rule)], seen, JUDGED_BY)
    return result.verdict


def missing(part: Part, seen: Evidence) -> str:
    (result,) = judge([Claim(1, "4", "x", (part,))], seen, JUDGED_BY)
    assert result.verdict == NOT_RUN
    return result.parts["last"][0].missing


def pair(first: str = "td", second: str = "plain") -> list[Term]:
    return [(1.0, of(first)), (-1.0, of(second))]


# ---------------------------------------------------------------- outcomes on the same images


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
    seen = evidence(*both("td", td), *both("plain", plain))
    assert verdict(above("a gain", pair(), top1, least), seen) == expected


def test_a_gain_in_one_seed_only_decides_nothing() -> None:
    seen = evidence(record("td", 0.99), record("td", 0.80, 1), record("plain", 0.80), record("plain", 0.82, 1))
    part = above("a gain", pair(), top1)
    assert verdict(part, seen) == UNDECIDED
    assert "not in every seed" in part.test(seen, "last").measured


def test_networks_are_compared_by_the_seeds_that_all_have() -> None:
    seen = evidence(*both("td", 0.90), record("plain", 0.85, 1))
    finding = above("a gain", pair(), top1).test(seen, "last")
    assert finding.measured.endswith("n=1,000")
    assert finding.records == (seen.records[1].id, seen.records[2].id)
    other = evidence(record("td", 0.90), record("plain", 0.85, 1))
    assert "no seed in common: `tdam-bench" in missing(above("a gain", pair(), top1), other)


@pytest.mark.parametrize(("td", "expected"), [(0.85, HOLDS), (0.90, FAILS), (0.858, UNDECIDED)])
def test_a_similar_accuracy(td: float, expected: ClaimVerdict) -> None:
    seen = evidence(*both("td", td), *both("plain", 0.85))
    assert verdict(alike("similar", pair(), top1, 1.0), seen) == expected


def test_the_rule_that_a_verdict_rests_on() -> None:
    """Better under the second rule only: the first decides, and the claim is marked."""
    seen = evidence(*both("td", 0.80, released=0.90), *both("plain", 0.85))
    results = judge([Claim(1, "4", "x", (above("a gain", pair(), top1),), by_rule=True)], seen, JUDGED_BY)
    (result,) = results
    assert (result.verdict, result.other, result.disputed) == (FAILS, HOLDS, True)
    assert claim_tables.row(result)["other rule"] == "HOLDS (!)"
    assert [row["rule"] for row in claim_tables.part_rows(result)] == ["last", "released"]
    told = claim_tables.summary(results, PROFILES["mini"], JUDGED_BY)
    assert "0 HOLDS, 1 FAILS, 0 UNDECIDED, 0 NOT RUN" in told
    assert "The rule 'released' decides otherwise on 1." in told


def test_a_missing_record_says_what_fills_it() -> None:
    part = above("a gain", pair(), top1)
    seen = evidence(*both("td", 0.9))
    assert missing(part, seen) == "not run: `tdam-bench run table1`"
    noted = replace(seen, absences=(Absence(cell("plain"), "no weights of plain", "tdam-bench train plain"),))
    assert missing(part, noted) == "no weights of plain: `tdam-bench train plain`"


def test_other_images_are_not_compared() -> None:
    seen = evidence(*both("td", 0.9), *(record("plain", 0.8, seed, images="others") for seed in (0, 1)))
    with pytest.raises(Missing, match="same images"):
        above("a gain", pair(), top1).test(seen, "last")


# ---------------------------------------------------------------- verdicts


def fixed(p: float | None, favors: bool) -> Part:
    return Part("says", lambda evidence, rule: Finding("measured", favors, p, "test"))


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
    (result,) = judge([Claim(1, "4", "x", tuple(fixed(*part) for part in parts))], evidence(), JUDGED_BY)
    assert result.verdict == expected


# ---------------------------------------------------------------- runs of several networks


def run_of(seconds: dict[str, list[float]], memory: dict[str, Metric] | None = None) -> Record:
    """A measurement of networks in turn."""
    samples = {MetricKey("seconds", of=name): times for name, times in seconds.items()}
    metrics = {MetricKey("memory", of=name): metric for name, metric in (memory or {}).items()}
    return new_record(replace(TIMED, options={**TIMED.options, "models": ",".join(seconds)}), {}, metrics, samples)


SLOWLY = [1.0, 1.5, 1.2, 2.0, 1.1]
TIMES = {"a": SLOWLY, "b": [1.1 * second * (1 + 0.01 * turn) for turn, second in enumerate(SLOWLY)]}
A_BEFORE_B, B_BEFORE_A = quicker("a before b", timed, "a", "b"), quicker("b before a", timed, "b", "a")


def test_samples_of_a_run_are_compared_in_turn() -> None:
    """Both networks slow down together: the ratio is what counts. Of one round nothing is known."""
    seen = evidence(run_of(TIMES))
    assert verdict(A_BEFORE_B, seen) == HOLDS
    assert verdict(B_BEFORE_A, seen) == FAILS
    once = evidence(run_of({name: times[:1] for name, times in TIMES.items()}))
    assert "single round" in missing(A_BEFORE_B, once)


def test_the_newest_run_of_both_networks_counts() -> None:
    """Later runs of other networks, or in which one network ran out of memory, say nothing of the two."""
    old, turned = run_of(TIMES), run_of({"a": TIMES["b"], "b": TIMES["a"], "plain": SLOWLY})
    others = [run_of({"a": SLOWLY, "c": SLOWLY}), run_of({"a": SLOWLY, "b": SLOWLY[:2], "d": SLOWLY})]
    assert A_BEFORE_B.test(evidence(old, *others), "last").records == (old.id,)
    assert verdict(A_BEFORE_B, evidence(old, turned, *others)) == FAILS
    assert missing(A_BEFORE_B, evidence(*others)) == "no run measured both a and b: `tdam-bench run table1`"
    full = new_record(TIMED, {}, {MetricKey("fps", of="b"): Metric(None, "images/s", status="out of memory")})
    assert "both a and b (b: out of memory): `tdam-bench" in missing(A_BEFORE_B, evidence(full))


def test_memory_of_one_run() -> None:
    less, more, unknown = Metric(1e9, "bytes"), Metric(2e9, "bytes"), Metric(None, "bytes", status="out of memory")
    part = smaller("a below b", timed, "memory", "a", "b")
    seen = [run_of({}, {"a": less, "b": more}), run_of({"b": SLOWLY}, {"a": less, "b": unknown})]
    assert verdict(part, evidence(seen[0])) == HOLDS
    assert verdict(smaller("b below a", timed, "memory", "b", "a"), evidence(seen[0])) == FAILS
    assert part.test(evidence(*seen), "last").records == (seen[0].id,)
    assert "(b: out of memory): `tdam-bench" in missing(part, evidence(seen[1]))


# ---------------------------------------------------------------- counts, draws, shares, distributions


def test_counts_are_exact() -> None:
    counted = [
        new_record(cell(name), {}, {PARAMETERS: Metric(value, "1"), FLOPS: Metric(value, "1")})
        for name, value in (("a", 1e6), ("b", 2.5e6))
    ]
    part = count("fewer", [of("a"), of("b")], PARAMETERS, lambda a, b: a < b, "{0:.2f} and {1:.2f} M")
    finding = part.test(evidence(*counted), "last")
    assert (finding.measured, finding.favors, finding.p) == ("1.00 and 2.50 M", True, None)
    more = count("more", [of("a"), of("b")], FLOPS, lambda a, b: a > b, "{0:.4f} and {1:.4f} G")
    assert more.test(evidence(*counted), "last").measured == "0.0010 and 0.0025 G"
    assert verdict(more, evidence(*counted)) == FAILS


def test_draws_are_compared_by_their_place() -> None:
    """Two bootstrap series that scatter together differ clearly."""
    rng = np.random.default_rng(0)
    common = 5 * rng.standard_normal(200)
    key = MetricKey("map")
    first, second = (
        new_record(cell(name), {}, {key: Metric(value, "%", N)}, {key: (value + common + noise).tolist()})
        for name, value, noise in (("a", 91.0, 0.1 * rng.standard_normal(200)), ("b", 90.0, 0.0))
    )
    part = drawn_above("a above b", of("a"), of("b"), "map")
    assert verdict(part, evidence(first, second)) == HOLDS
    with pytest.raises(Missing, match="same images"):
        part.test(evidence(first, replace(second, notes={"images": "others"})), "last")


def test_shares_and_distributions() -> None:
    several, alone = (MetricKey("moved", of=objects) for objects in ("several", "one"))
    early, late = (MetricKey("index", of=step) for step in ("1", "2"))
    seen = evidence(
        new_record(
            cell("td"),
            {},
            {several: Metric(6.0, "%", 2000), alone: Metric(2.0, "%", 6000)},
            {early: np.linspace(0, 0.8, 200).tolist(), late: np.linspace(0.2, 1, 200).tolist()},
        )
    )
    assert verdict(share_above("more", of("td"), several, alone), seen) == HOLDS
    assert verdict(share_above("less", of("td"), alone, several), seen) == FAILS
    assert verdict(distributed_above("up", of("td"), of("td"), (late, early)), seen) == HOLDS
    assert verdict(distributed_above("same", of("td"), of("td"), (early, early)), seen) == UNDECIDED
    assert "keeps no 3 index" in missing(
        distributed_above("no", of("td"), of("td"), (late, MetricKey("index", of="3"))), seen
    )


# ---------------------------------------------------------------- the paper's claims


def planned(seeds: tuple[int, ...] = (0, 1)) -> list[Record]:
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
    for result in judge(CLAIMS, evidence(*records), JUDGED_BY):
        assert result.parts
        for parts in result.parts.values():
            for part in parts:
                assert part.finding, f"claim {result.claim.number}, {part.says}: {part.missing}"
                assert part.finding.records


def test_ends_of_trainings_that_diverged() -> None:
    """Claim 31 needs the ends of the curves only; of a training that left none it says so."""
    (claim,) = (claim for claim in CLAIMS if claim.number == 31)
    spatial, usual = "resnet50-td-joint-t2-m1-spatial", "resnet50-td-joint-t2-m1"
    curves = {(spatial, 0): [5.0, 4.9, 4.8], (spatial, 1): [5.0, 4.6], (usual, 0): [5.0, 2.0], (usual, 1): [5.0, 3.0]}

    def trained(curves: dict[tuple[str, int], list[float]]) -> Evidence:
        return evidence(
            *(
                new_record(Cell("train", name, "mini", {"seed": seed, "trained_on": "train"}), {}, {}, samples)
                for (name, seed), losses in curves.items()
                for samples in [{MetricKey("loss"): losses}]
            )
        )

    finding = claim.parts[0].test(trained(curves), "last")
    assert finding.measured == "loss from 5.00 to 4.70, the paper's technique to 2.50"
    assert finding.favors
    assert not claim.parts[0].test(trained({**curves, (spatial, 1): [5.0, 2.0]}), "last").favors
    with pytest.raises(Missing, match="first epoch"):
        claim.parts[0].test(trained({**curves, (spatial, 1): []}), "last")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("models", [None, ("resnet18",), ("resnet50-se", "vgg")])
def test_without_records_every_claim_is_not_run(profile: str, models: tuple[str, ...] | None) -> None:
    for result in judge(CLAIMS, replace(evidence(profile=profile), models=models), JUDGED_BY):
        assert result.verdict == NOT_RUN
        assert all("`tdam-bench" in part.missing for parts in result.parts.values() for part in parts)


def test_records_of_some_models_or_of_another_profile_do_no_harm() -> None:
    records = planned(seeds=(0,))
    some = [one for one in records if one.cell.model in ("resnet50", "resnet50-se")]
    for seen in (
        evidence(*some),
        evidence(*records, profile="full"),
        replace(evidence(*records), models=("resnet18",)),
    ):
        assert len(judge(CLAIMS, seen, JUDGED_BY)) == len(CLAIMS)


def test_claims_without_findings_are_written(tmp_path: Path) -> None:
    results = judge(CLAIMS, evidence(), JUDGED_BY)
    for path in claim_tables.write(results, tmp_path):
        assert "NOT RUN" in path.read_text()
    with (tmp_path / "tables" / "claims.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["claim"]) for row in rows] == list(range(1, 35))
    assert {row["verdict"] for row in rows} == {"NOT RUN"}
    with (tmp_path / "tables" / "claims-tests.csv").open(newline="") as file:
        assert all(row["measured"] and not row["test"] for row in csv.DictReader(file))
    shown = claim_tables.text_of(results, PROFILES["mini"], JUDGED_BY)
    assert "0 HOLDS, 0 FAILS, 0 UNDECIDED, 34 NOT RUN" in shown


def test_no_claims_are_written_as_nothing(tmp_path: Path) -> None:
    """A paper may state none: tables without rows have no columns either."""
    files = claim_tables.write([], tmp_path)
    assert {path.read_text() for path in files if path.suffix != ".tex"} == {"\n"}
    assert len(files) == 6
    assert {style: render([]) for style, render in FORMATS.items()} == {"md": "", "tex": "", "csv": "", "json": "[]"}


def test_claim_7_would_hold_with_all_blocks() -> None:
    """As its note says: 7 to 9 % more than TDjoint (m=1) and than TDtop (m=3) as printed."""
    everywhere = tdam.resnet50("joint", 2, 3, blocks={3: range(6), 4: range(3)})
    mine, *others = (count_parameters(one) for one in (everywhere, tdam.resnet50(), tdam.resnet50("top", 2, 3)))
    assert all(1.07 <= mine / other <= 1.09 for other in others)
    assert "in all blocks" in next(claim.note for claim in CLAIMS if claim.number == 7)
