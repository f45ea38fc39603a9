"""Controls: what is run for them, equal guesses by hand, and how tables and figure show them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.metrics.outcomes import pack
from benchmarks.metrics.statistics import over
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER, controls, table1
from benchmarks.papers.tdam.claims import CLAIMS
from benchmarks.papers.tdam.claims_counted import JOINT, TOP, TOP3
from benchmarks.papers.tdam.claims_trained import without_attention
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.papers.tdam.queries import RESOLUTIONS, accuracy
from benchmarks.report.dots import Dot, dots_figure
from benchmarks.report.evidence import Evidence
from benchmarks.report.guesses import gained_by_as_many, given_as_many, over_as_many, seen_value, with_runners_up
from benchmarks.report.layout import Line
from benchmarks.report.plots import Look
from benchmarks.work.accuracy import GUESSES, RUNNER_UP, equal_guesses
from tests.recorded import recorded_all
from tests.sessions import make_session

PLAIN = "resnet50"
MINI = PAPER.profiles["mini"]
NOT_RUN = "not run: `tdam-bench run controls --profile mini`"


def evidence(records: Sequence[Record], **rest: object) -> Evidence:
    return Evidence(MINI, Path("none"), records, **rest)


def line_in(seen: Evidence, name: str, model: str) -> Line:
    (line,) = (line for line in PAPER.experiment(name).table(seen).lines if line.model == model)
    return line


# ---------------------------------------------------------------- rows and cells


def test_each_network_stands_live_and_each_loop_once_without_attention() -> None:
    """Both networks of two steps and distance 1 share their control, for without attention they are one network."""
    names = [JOINT, f"{JOINT}-live", TOP, f"{TOP}-live", f"{JOINT}-constant", TOP3, f"{TOP3}-live", f"{TOP3}-constant"]
    assert list(controls.ROWS) == [PLAIN, *names]
    assert controls.ROWS[f"{JOINT}-constant"] == "no attention (t=2, m=1)"
    assert controls.ROWS[f"{TOP3}-live"] == "TDtop (t=2, m=3), live"
    assert [parse(name).is_control for name in controls.ROWS] == [name in table1.CONTROL_ROWS for name in controls.ROWS]


def test_what_controls_run(tmp_path: Path) -> None:
    """Every network is trained and evaluated on both sets; controls are swept, localized and looked at besides."""
    session = make_session(tmp_path, "mini", seeds=(0, 1))
    planned = controls.EXPERIMENT.cells(session)
    assert len(planned) == len(set(planned))
    kinds = {name: [cell.kind for cell in planned if cell.model == name] for name in controls.ROWS}
    for name, its in kinds.items():
        control = parse(name).is_control
        # Resolutions on a part of V1, the profile's own among them.
        accuracies = 2 * (2 + (len(RESOLUTIONS) if control else 0))
        assert [its.count(kind) for kind in ("train", "accuracy", "localization", "selectivity", "cost")] == [
            2, accuracies, 2 * control, 2 * control, 2,
        ], name  # fmt: skip
    other = {cell.model for cell in table1.EXPERIMENT.cells(session)}
    assert not other & set(table1.CONTROL_ROWS)


def test_the_claims_controls_are_run(tmp_path: Path) -> None:
    """With the experiments that claims 24, 33 and 34 rest on and this one, none of their tests lacks a record."""
    names = ("table1", "table4", "table7-wsol", "selectivity", "controls")
    seen = evidence(recorded_all(make_session(tmp_path, "mini", seeds=(0, 1)), names))
    for claim in (claim for claim in CLAIMS if claim.number in (24, 33, 34)):
        assert any("without attention" in part.says for part in claim.parts)
        for part in claim.parts:
            assert part.test(seen, "last").records, part.says
    assert {without_attention(JOINT), without_attention(TOP3)} <= set(table1.CONTROL_ROWS)


# ---------------------------------------------------------------- equal guesses

N = 10


def record(model: str, seed: int | None, top1: float, guesses: int = 0, bits: Sequence[int] = (0,) * N) -> Record:
    """An accuracy on the set that stands for V1: the same top-1 under all rules, in percent of ten images."""
    own = {"weights": "given" if seed is None else "trained", "seed": seed}
    cell = Cell("accuracy", model, "mini", {"data": "val", "resolution": 64, "trained_on": "train", **own})
    last = MetricKey(RUNNER_UP, steps="last")
    metrics = {MetricKey("top1", steps=rule): Metric(top1, "%", N) for rule in ("last", "confident", "released")}
    metrics |= {last: Metric(10.0 * sum(bits), "%", N), equal_guesses("released"): Metric(top1, "%", N)}
    metrics[MetricKey(GUESSES, steps="released")] = Metric(100 * guesses / N, "%", N)
    kept = new_record(cell, {}, metrics, notes={"images": "the same"})
    return Record(**{**vars(kept), "outcomes": {last: pack(np.array(bits, bool))}})


# Of the two seeds TD takes 3 and 1 second guesses. The plain network's runner-up is right at its second least sure
# image of seed 0, and at its least sure of seed 1: each wins one of ten images.
BITS = {0: (0, 1, 0, 1, 0, 0, 0, 0, 0, 0), 1: (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)}
SEEDED = [
    record(PLAIN, 0, 60.0, bits=BITS[0]), record(PLAIN, 1, 50.0, bits=BITS[1]),
    record(JOINT, 0, 80.0, guesses=3), record(JOINT, 1, 50.0, guesses=1),
]  # fmt: skip


def queries(seen: Evidence) -> tuple[object, ...]:
    return seen, accuracy(JOINT, seen, "v1"), accuracy(PLAIN, seen, "v1"), "released"


def test_the_plain_network_is_given_as_many_guesses() -> None:
    """By seed 60 + 10 and 50 + 10 percent, which are 10 and 10 above itself, and 10 below and 10 above TD."""
    seen = evidence(SEEDED)
    assert given_as_many(*queries(seen)).effect.values.tolist() == [70, 60]
    assert gained_by_as_many(*queries(seen)).effect.values.tolist() == [10, 10]
    assert over_as_many(*queries(seen)).effect.values.tolist() == [10, -10]
    value = seen_value(lambda: over_as_many(*queries(seen)))
    assert (value.measured, (value.low, value.high)) == (0, over([10.0, -10.0], "seeds").interval())
    assert value.record is not None
    assert set(value.record.split()) == {one.id for one in SEEDED}


@pytest.mark.parametrize(("guesses", "expected"), [(0, 60), (1, 60), (2, 70), (4, 80), (10, 80), (15, 80)])
def test_guesses_go_where_the_network_is_least_sure(guesses: int, expected: float) -> None:
    """A network of many steps may take more guesses than there are images; a runner-up is guessed once at each."""
    assert with_runners_up(SEEDED[0], guesses) == expected


def test_only_common_seeds_are_paired() -> None:
    seen = evidence([*SEEDED[1:], record(PLAIN, 7, 90.0)])
    one = over_as_many(*queries(seen))
    assert one.effect.values.tolist() == [-10]
    value = seen_value(lambda: one)
    assert (value.measured, value.low, value.high) == (-10, None, None)


def test_given_weights_have_no_spread() -> None:
    """Runner-up classes are kept in the order of margins, so that images cannot be paired."""
    seen = evidence([record(PLAIN, None, 60.0, bits=BITS[0]), record(JOINT, None, 80.0, guesses=2)])
    one = over_as_many(*queries(seen))
    assert (one.effect.value, one.effect.unit) == (10, "sets of weights")
    value = seen_value(lambda: one)
    assert (value.measured, value.low, value.high) == (10, None, None)


def test_what_is_missing_is_named() -> None:
    """No record, no outcomes, other images: each is a value's reason, and none is a number."""
    alone = evidence(SEEDED[2:], command="make it")
    assert seen_value(lambda: given_as_many(*queries(alone))).missing == "not run: `make it`"
    bare = Record(**{**vars(SEEDED[0]), "outcomes": {}})
    old = evidence([bare, SEEDED[2]])
    assert "keeps no last runner_up; run it anew" in str(seen_value(lambda: given_as_many(*queries(old))).missing)
    uncounted = {key: one for key, one in SEEDED[2].metrics.items() if key.name != GUESSES}
    before = evidence([SEEDED[0], Record(**{**vars(SEEDED[2]), "metrics": uncounted})])
    told = str(seen_value(lambda: given_as_many(*queries(before))).missing)
    assert told == "nothing measured under released guesses"
    other = Record(**{**vars(SEEDED[0]), "notes": {"images": "others"}})
    apart = evidence([other, SEEDED[2]])
    assert "not evaluated on the same images" in str(seen_value(lambda: given_as_many(*queries(apart))).missing)


# ---------------------------------------------------------------- tables


def test_the_table_has_differences_by_seed() -> None:
    """TD is 20 and 0 points above the plain network, 10 and -10 above it with as many guesses."""
    seen = evidence(SEEDED)
    values = line_in(seen, "controls", JOINT).values
    assert values["v1_released"].measured == 65
    assert values["v1_guesses"].measured == pytest.approx(20)
    assert (values["v1_own_runner_up"].measured, values["v1_plain_runner_up"].measured) == (65, 65)
    low, high = over([20.0, 0.0], "seeds").interval()
    for rule in ("last", "confident", "released"):
        gain = values[f"v1_gain_{rule}"]
        assert gain.measured == 10
        assert [gain.low, gain.high] == pytest.approx([low, high])
    assert (values["v1_over_own"].measured, values["v1_over_plain"].measured) == (0, 0)
    assert values["v2_released"].missing == NOT_RUN
    assert values["v2_over_plain"].missing == NOT_RUN
    plain = line_in(seen, "controls", PLAIN).values
    assert plain["v1_released"].measured == 55
    assert not {"v1_guesses", "v1_gain_last", "v1_over_plain"} & set(plain)
    assert "Seeds recorded: 0, 1" in " ".join(controls.EXPERIMENT.table(seen).notes)


def test_table_1_shows_controls_below_its_rows(tmp_path: Path) -> None:
    """With what is recorded of them, marked as ours; where nothing is, the command that makes it."""
    session = make_session(tmp_path, "mini", seeds=(0, 1))
    before = table1.table(evidence(recorded_all(session, ["table1"])))
    assert [line.model for line in before.lines[-5:]] == list(table1.CONTROL_ROWS)
    assert {line.group for line in before.lines[-5:]} == {"ResNet50, controls (ours)"}
    missing = {value.missing for line in before.lines[-5:] for value in line.values.values()}
    assert missing == {NOT_RUN}
    assert "`make controls`" in " ".join(before.notes)
    after = evidence(recorded_all(session, ["table1", "controls"]))
    values = line_in(after, "table1", f"{TOP3}-constant").values
    assert not any(value.missing for value in values.values())
    assert {str(value.judgement.verdict) for value in values.values() if value.judgement} == {"NEW"}
    assert "train_fps" not in values
    shown = table1.figure_points(table1.table(after), after)
    assert len(shown) == len(TABLE1)


def test_table_1_counts_guesses_beside_the_released_rule(tmp_path: Path) -> None:
    """Where a network has steps: 40 of 400 images in these records, at which the plain network has its runner-up."""
    seen = evidence(recorded_all(make_session(tmp_path, "mini", seeds=(0, 1)), ["table1"]))
    columns = [column.key for column in table1.columns(MINI)]
    assert columns[columns.index("v1_released_top1") + 1 :][:3] == [
        "v1_guesses",
        "v1_own_runner_up",
        "v1_plain_runner_up",
    ]
    values = line_in(seen, "table1", JOINT).values
    assert values["v1_guesses"].measured == pytest.approx(10)
    plain = line_in(seen, "table1", PLAIN).values["v1_last_top1"].measured
    assert plain < values["v1_plain_runner_up"].measured <= plain + 10
    for model in (PLAIN, "resnet50-se", f"{JOINT}-reduced"):
        assert "v1_guesses" not in line_in(seen, "table1", model).values


@pytest.mark.parametrize("models", [(PLAIN, JOINT), (f"{JOINT}-live",)])
def test_of_some_models_only_these_are_shown(tmp_path: Path, models: tuple[str, ...]) -> None:
    """Each once, in either table."""
    seen = evidence(recorded_all(make_session(tmp_path, "mini"), ["table1", "controls"]), models=models)
    for name in ("table1", "controls"):
        assert [line.model for line in PAPER.experiment(name).table(seen).lines] == list(models)


# ---------------------------------------------------------------- figure


def test_the_figure_has_a_dot_for_each_rule_and_control(tmp_path: Path) -> None:
    session = make_session(tmp_path, "mini", seeds=(0, 1))
    seen = evidence(recorded_all(session, ["controls"]))
    drawn = list(controls.dots(controls.titles(seen), controls.DRAWN, "v1", seen))
    assert len(drawn) == 5 * 8
    assert {dot.series for dot in drawn} == set(controls.DRAWN)
    assert all(dot.low < dot.x < dot.high for dot in drawn)
    (figure,) = controls.figures(seen)
    assert figure.figure is not None
    assert (figure.name, figure.lacks) == ("controls", "")


def test_the_papers_gains_stand_beside(tmp_path: Path) -> None:
    """Of the three rows that table 1 has, on its own data: TDjoint's top-1 on V1 is 78.96 against 77.51."""
    theirs = {dot.row: dot.x for dot in controls.printed_dots(controls.titles(evidence([])), "v1")}
    assert list(theirs) == ["TDjoint (t=2, m=1)", "TDtop (t=2, m=1)", "TDtop (t=2, m=3)"]
    assert theirs["TDjoint (t=2, m=1)"] == pytest.approx(78.96 - 77.51)


LOOKS = {"steps": Look("#000000", "o"), "runner-up": Look("#009E73", "^", filled=False)}


def test_dots_stand_row_by_row_and_are_told_apart_without_color() -> None:
    """One panel with two dots in the upper row and one below; an empty panel says so; all share one axis."""
    dots = [Dot("a", "steps", 1.0, 0.5, 1.5), Dot("a", "runner-up", -1.0), Dot("b", "steps", 2.0, 1.0, 3.0)]
    figure = dots_figure({"left": dots, "right": []}, ["a", "b"], LOOKS, "points")
    left, right = figure.axes
    marks = [line for line in left.lines if line.get_marker() != "None"]
    assert [line.get_xdata()[0] for line in marks] == [1, -1, 2]
    heights = [line.get_ydata()[0] for line in marks]
    assert heights[0] < heights[1] < 0.5 < heights[2] < 1.5
    assert [line.get_markerfacecolor() for line in marks] == ["#000000", "white", "#000000"]
    assert len(left.collections) == 2
    assert right.texts[0].get_text() == "not measured"
    assert left.get_xlim() == right.get_xlim()
    assert len({(look.marker, look.filled) for _, look in controls.DRAWN.values()}) == len(controls.DRAWN)


def test_a_dot_without_a_place_is_refused() -> None:
    for row, series in (("c", "steps"), ("a", "guess")):
        with pytest.raises(ValueError, match=f"no place for the dot of '{row}', '{series}'; name its row"):
            dots_figure({"left": [Dot(row, series, 0.0)]}, ["a"], LOOKS, "points")
