"""The rules are tried where the truth is known: by the functions that decide, with the variation that records show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.records import Metric, MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.metrics.outcomes import pack
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.claims import CLAIMS
from benchmarks.papers.tdam.queries import RESOLUTIONS, scaled
from benchmarks.papers.tdam.recipes import MINI, PROFILES
from benchmarks.report import calibration as shown
from benchmarks.report.calibration import Rate, Variation, resolution_spreads, variation_of
from benchmarks.report.report import Wanted, calibration_of, write_report
from benchmarks.report.verification import verify
from benchmarks.suite import calibration
from benchmarks.suite.calibration import FAMILIES, KINDS, Kind, main
from benchmarks.suite.families import Family, trained
from tests.recorded import kept, recorded_all
from tests.sessions import make_session
from tests.worlds import World, given, timed

BY_NAME = {kind.name: kind for kind in KINDS}
LAST = MetricKey("top1", steps="last")
# Of so many 5 % are 5, with a standard deviation of 2.2.
DRAWS, TOO_MANY = 100, 13


def says(kind: Kind, value: float, units: int, variation: Variation, draws: int = DRAWS) -> list[str]:
    rng = np.random.default_rng(0)
    return [kind.draw(value, units, variation, rng) for _ in range(draws)]


@pytest.mark.parametrize("name", BY_NAME)
def test_no_kind_is_often_wrong_and_each_finds_what_is_plain(name: str) -> None:
    """Under every truth; and with little variation every truth away from the margins is found."""
    kind = BY_NAME[name]
    for _, value in kind.truths:
        told = says(kind, value, kind.units[0], Variation())
        assert sum(kind.wrong(one, value) for one in told) < TOO_MANY
        assert not any(kind.wrong(one, value) and kind.right(one, value) for one in told)
    clear = Variation(seeds=0.01, ends=0.01, resolutions=0.001, discordant=0.001, rounds=0.001)
    plain = 2.0 if name == "share against the paper, given weights" else kind.truths[0][1]
    told = says(kind, plain, kind.units[-1], clear, draws=20)
    assert sum(kind.right(one, plain) for one in told) >= 18


@pytest.mark.parametrize(
    ("name", "value", "wrong", "right"),
    [
        ("seed against seed", 0.0, {"HOLDS", "FAILS below zero"}, {"FAILS no difference: within 0.5 points"}),
        ("by a size", 0.75, {"HOLDS"}, {"FAILS below 0.75 points"}),
        ("by a size", 1.5, {"FAILS below 0.75 points"}, {"HOLDS"}),
        ("above", 0.0, {"HOLDS"}, {"FAILS no difference: within 0.5 points", "FAILS below zero"}),
        ("above", 0.3, {"FAILS below zero"}, {"FAILS no difference: within 0.5 points", "HOLDS"}),
        ("above", 0.5, {"FAILS no difference: within 0.5 points"}, {"HOLDS"}),
        ("alike", 0.725, {"HOLDS"}, {"FAILS more than 0.72 points above"}),
        ("alike", 0.5, {"FAILS more than 0.72 points above"}, {"HOLDS"}),
        ("faster", 0.0, {"HOLDS"}, {"FAILS slower", "FAILS no difference: within 4.9%"}),
        ("share against the paper", 0.0, {"DIFFERS"}, {"REPRODUCED", "CONSISTENT"}),
        ("share against the paper", 0.3, {"DIFFERS"}, {"REPRODUCED", "CONSISTENT"}),
        ("share against the paper", 0.5, {"REPRODUCED", "CONSISTENT"}, {"DIFFERS"}),
        ("share against the paper", 78.90 - 78.96, {"REPRODUCED", "DIFFERS"}, {"CONSISTENT"}),
        ("drop", 0.0, {"HOLDS"}, {"FAILS no difference: within 0.31 points", "FAILS below zero"}),
        ("trained to its end", 0.0, {"barred"}, {"passed"}),
        ("trained to its end", 0.5, set(), {"passed"}),
        ("trained to its end", 1.0, set(), {"barred"}),
        ("trained to its end", 2.0, {"passed"}, {"barred"}),
        ("ratio against the paper", 0.15, {"REPRODUCED", "CONSISTENT"}, {"DIFFERS"}),
        ("ratio against the paper", 0.07, {"REPRODUCED", "DIFFERS"}, {"CONSISTENT"}),
    ],
)
def test_what_is_wrong(name: str, value: float, wrong: set[str], right: set[str]) -> None:
    kind = BY_NAME[name]
    every = {*wrong, *right, "UNDECIDED"}
    assert {one for one in every if kind.wrong(one, value)} == wrong
    assert {one for one in every if kind.right(one, value)} == right


@pytest.mark.parametrize("seeds", FAMILIES)
def test_a_family_is_judged_as_a_report_judges_it(seeds: dict[str, int]) -> None:
    """With hardly any variation all claims are decided as they are true; with much nothing is."""
    family = Family([claim for claim in CLAIMS if claim.family == "accuracy"], PAPER.claim_rules[0], seeds)
    rng = np.random.default_rng(0)
    for shares, _ in family.truths().values():
        wrong, right = family.tried(shares, 0.002, 2, rng)
        assert (wrong, right) == (0, 2)
        assert family.tried(shares, 20.0, 2, rng) == (0, 0)
    truths = {
        name: [str(one) for one in family.verdicts(shares, 1e-6, rng)] for name, (shares, _) in family.truths().items()
    }
    assert truths["the paper's differences"] == ["HOLDS"] * 4
    assert truths["nothing there"] == ["FAILS"] * 4


# ---------------------------------------------------------------- the command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds, and no family."""
    monkeypatch.setattr(calibration, "KINDS", (BY_NAME["above"], BY_NAME["ratio against the paper"]))
    monkeypatch.setattr(Family, "TRUTHS", {})


@pytest.mark.usefixtures("quick")
def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder has no variation to show: the defaults, and it says so."""
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(tmp_path), "--draws", "40"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "| above " in printed
    assert "0.80 points over seeds" in printed
    assert "seeds, ends, resolutions, images, rounds: not recorded, a default" in printed
    read = shown.read(tmp_path)
    assert read is not None
    assert read[1] == Variation(source=read[1].source)
    assert {rate.draws for rate in read[0]} == {40}
    assert len(read[0]) == 10 + 4


@pytest.mark.usefixtures("quick")
def test_a_profile_without_records_is_refused(tmp_path: Path) -> None:
    """What a folder has of other profiles does not stand in, and no defaults; its calibration stays."""
    world = World()
    for record in world.top1("resnet50", 90.0):
        Store(tmp_path).write(record)
    for profile in ("ful", "smoke"):
        with pytest.raises(SystemExit, match=profile):
            main(["--results", str(tmp_path), "--profile", profile, "--draws", "40"])
    assert shown.read(tmp_path) is None


@pytest.mark.usefixtures("quick")
def test_a_rule_that_is_too_often_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """The first rules' range of seeds in place of Student's interval: half of what is nothing is called something."""

    def ranged(value: float, n: int, variation: Variation, rng: np.random.Generator) -> str:
        return "HOLDS" if rng.normal(value, variation.seeds, n).min() > -0.5 else "UNDECIDED"

    monkeypatch.setattr(calibration, "KINDS", (replace(BY_NAME["above"], draw=ranged),))
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(tmp_path), "--draws", "100"])
    assert ended.value.code == 1
    assert "too often wrong: above, nothing there, 5 seeds" in capsys.readouterr().err


def test_too_often_is_beyond_chance() -> None:
    usual = Rate("above", "nothing there", 0.0, 5, "seeds", 2000, 120, 0)
    assert not usual.too_wrong  # 6 % of 2,000, where 5 % has a standard deviation of a half
    assert replace(usual, wrong=140).too_wrong
    assert replace(usual, draws=200, wrong=12).too_wrong is False


# ---------------------------------------------------------------- variation


def test_what_resolutions_vary_by_is_what_a_network_does_not_share_among_them() -> None:
    """Drawn: 1.5 points of each seed at all of 12 resolutions, 0.4 at each; and a curve that all seeds have."""
    rng, world = np.random.default_rng(0), World(seeds=8)
    shared, records = rng.normal(0, 1.5, 8), []
    for place, side in enumerate(RESOLUTIONS):
        for seed, one in enumerate(world.top1("resnet50", 80.0, side=side)):
            share = 80.0 - place**2 / 10 + shared[seed] + rng.normal(0, 0.4)
            metrics = {key: replace(metric, value=share) for key, metric in one.metrics.items()}
            records.append(replace(one, metrics=metrics, outcomes=dict.fromkeys(metrics, "")))
    (spread,) = resolution_spreads(records)
    assert spread == pytest.approx(0.4, rel=0.2)
    assert resolution_spreads(records[:8]) == []
    smallest = replace(MINI, resolution=scaled(RESOLUTIONS[0], MINI))
    assert variation_of(records, smallest).resolutions == spread


def test_variation_is_read_from_records() -> None:
    """Known spreads come back: of seeds, of images, of rounds."""
    first, second = np.arange(1000) < 800, np.arange(1000) < 800
    first[700:760] = False
    pair = [*given("resnet50-se", first), *given("resnet50", second)]
    runs = timed("resnet50", {"resnet50-se": 1.2}, noise=0.03)
    seen = variation_of([*pair, *runs], PROFILES["full"])
    assert seen.discordant == pytest.approx(0.06)
    times = [np.log(runs[0].samples[MetricKey("seconds", of=name)]) for name in ("resnet50-se", "resnet50")]
    assert seen.rounds == pytest.approx(np.std(times[0] - times[1], ddof=1))
    assert seen.seeds == Variation().seeds
    missing = ", ".join(f"{what}: not recorded, a default" for what in ("seeds", "ends", "resolutions"))
    assert seen.source == f"{missing}, images: of 1 pairs, rounds: of 2 networks"


def test_variation_over_seeds_is_of_differences_to_the_plain_network(tmp_path: Path) -> None:
    """What all rows of a seed share is none: it is in no difference."""
    session = make_session(Path("results"), "mini", seeds=tuple(range(6)), models=("resnet50", "resnet50-se"))
    records = [one for one in recorded_all(session, ["table1"]) if one.cell.kind == "accuracy"]
    shared = {seed: 3.0 * seed for seed in range(6)}
    own = [0.5, -0.5, 0.1, -0.1, 0.4, -0.4]

    def top1(record: Record) -> float:
        cell = record.cell
        return 80 + shared[cell.options["seed"]] + (own[cell.options["seed"]] if cell.model.endswith("se") else 0.0)

    made = [replace(one, metrics={**one.metrics, LAST: Metric(top1(one), "%", 400)}) for one in records]
    # As they are read from disk, where what the paper's other step rules and further guesses give comes first.
    store = kept(made, Store(tmp_path))
    assert variation_of(store.records(), MINI).seeds == pytest.approx(np.std(own, ddof=1))
    few = [one for one in made if one.cell.options["seed"] < 2]
    assert variation_of(few, MINI).seeds == Variation().seeds


@pytest.mark.parametrize("other", [{"side": 112}, {"side": 224}])
def test_variation_over_seeds_is_of_the_images_that_claims_are_judged_on(other: dict[str, int]) -> None:
    """On images of half the size, and on a part of them, seeds differ by ten points, which no claim is about."""
    world, records = World(seeds=5), []
    for where, spread in (({}, 0.5), (other, 10.0)):
        for model in ("resnet50", "resnet50-se"):
            for seed, one in enumerate(world.top1(model, 80.0, **where)):
                share = 80.0 + spread * (seed - 2) * (model == "resnet50-se")
                metrics = {key: replace(metric, value=share) for key, metric in one.metrics.items()}
                outcomes = dict.fromkeys(metrics, pack(np.zeros(2000, bool)))
                records.append(replace(one, metrics=metrics, outcomes=outcomes))
    assert variation_of(records, MINI).seeds == pytest.approx(0.5 * np.std(np.arange(5), ddof=1))


def test_images_on_which_networks_differ_are_those_of_the_last_step() -> None:
    """What further guesses would have won lies beside it, image by image in another order."""
    hits = {"resnet50": np.arange(100) < 80, "resnet50-se": np.arange(100) < 90}
    pair = [one for model, right in hits.items() for one in given(model, right)]
    further = {MetricKey("runner_up", steps="confident"): pack(np.zeros(100, bool))}
    made = [replace(one, outcomes={**further, **one.outcomes}) for one in pair]
    assert variation_of(made, PROFILES["full"]).discordant == pytest.approx(0.1)


def test_variation_at_the_end_is_of_one_network_over_its_seeds() -> None:
    ends = [88.0, 89.5, 89.0]
    records = [one for seed, end in enumerate(ends) for one in trained("resnet50", seed, end, 95.0)]
    assert variation_of(records, MINI).ends == pytest.approx(np.std(ends, ddof=1))
    assert variation_of(records[:4], MINI).ends == Variation().ends


# ---------------------------------------------------------------- the report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a folder with a few records and a calibration."""
    root = tmp_path_factory.mktemp("calibrated")
    session = make_session(root, "mini", models=("resnet50",))
    store = kept(recorded_all(session, ["table4"]), session.store)
    rates = [
        Rate("above", f"{value:g} points", value, 5, "seeds", 100, 4, int(40 * value)) for value in (0.5, 1.0, 2.0)
    ]
    rates.append(Rate("ratio against the paper", "5% off", 0.05, 15, "rounds", 100, 1, 90))
    shown.write(store.folder, rates, Variation())
    write_report(Wanted(PAPER, ("table4", "claims"), "mini"), store, root / "report")
    return root / "report"


def test_the_report_shows_it(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert 'id="calibration"' in page
    assert "the highest rate here is 4.0 % (above, 0.5 points, 5 seeds)" in page
    assert {"calibration-points.svg", "calibration-ratios.svg"} <= {one.name for one in (report / "figures").iterdir()}
    assert "0.5 points, 5 seeds" in (report / "tables" / "calibration.md").read_text()
    assert "calibration" in (report / "report.md").read_text()


def test_a_report_is_verified_with_its_calibration(report: Path) -> None:
    store = Store(report.parent / "runs")
    assert verify(report, store, PAPER) == []
    read = shown.read(store.folder)
    assert read is not None
    shown.write(store.folder, [replace(read[0][0], wrong=9), *read[0][1:]], read[1])
    assert any("calibration" in problem for problem in verify(report, store, PAPER))
    shown.write(store.folder, *read)


def test_without_a_calibration_nothing_is_shown(tmp_path: Path) -> None:
    assert shown.read(tmp_path) is None
    assert calibration_of(replace(World().evidence(), folder=tmp_path), tmp_path / "report") == ([], [])
