"""What the page is made of: the answer by scope, links of claims, commands, sources, outcomes of images, packing."""

import base64
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.cli import main
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.data.mini import open_mini
from benchmarks.data.pictures import PICTURES
from benchmarks.metrics.outcomes import pack, unpack
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.sources import SOURCES
from benchmarks.papers.tdam.table1 import CONTROL_ROWS
from benchmarks.report.answer import Scope, not_run, scopes
from benchmarks.report.claims import ClaimVerdict, Finding, PartResult, judge_claims
from benchmarks.report.closing import numbers_of
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.flips import KEY, LOOKED_AT, PICTURED, flipped, flips
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.packing import in_hundredths, packed, unpacked
from benchmarks.report.page import figure_context
from benchmarks.report.page_claims import links_of
from benchmarks.report.page_tables import PageFacts, command_of, row_ids, table_context
from benchmarks.report.plots import DOTS_PER_INCH, empty_figure, write_figure
from benchmarks.report.sources import CONTROL, own_of, source_of
from benchmarks.report.verdicts import Judgement, Verdict, judge_printed
from tests.recorded import recorded_all
from tests.sessions import make_session
from tests.worlds import World

COLUMNS = (Column("a", "A", "M", "", 2), Column("b", "B", "%", "group", 1, view="one"))
TOP1 = MetricKey("top1", steps="last")


def line(model: str, label: str = "label", group: str = "group", **values: Value) -> Line:
    return Line(group, label, model, values)


# ---------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("claims", "numbers", "headline"),
    [
        ({"HOLDS": 3, "FAILS": 1, "UNDECIDED": 2}, {}, "3 of 6 claims hold"),
        ({"HOLDS": 3, "NOT_RUN": 4}, {"DIFFERS": 1}, "3 of 3 claims hold, 4 not run"),
        ({"NOT_RUN": 4}, {"REPRODUCED": 2, "CONSISTENT": 1, "DIFFERS": 3}, "3 of 6 numbers agree"),
        ({}, {"REPRODUCED": 2, "UNDECIDED": 1, "NOT_RUN": 9}, "2 of 3 numbers agree, 9 not run"),
        ({}, {"NOT_COMPARABLE": 2, "NOT_RUN": 1}, "not comparable"),
        ({"NOT_RUN": 4}, {"NOT_RUN": 1}, "not run"),
    ],
)  # fmt: skip
def test_the_headline_counts_what_was_measured(claims: dict[str, int], numbers: dict[str, int], headline: str) -> None:
    counted = (
        Counter({ClaimVerdict[name]: count for name, count in claims.items()}),
        Counter({Verdict[name]: count for name, count in numbers.items()}),
    )
    assert Scope("topic", "title", *counted).headline == headline


def test_what_two_tables_show_counts_once() -> None:
    """And scopes are told apart, with their topic."""
    evidence = World().evidence()
    value = Value("1.00", 2.0, Judgement(Verdict.DIFFERS, "why"))
    shown = Table("t", "T", (), COLUMNS, [line("resnet50-se", a=value, b=Value("7.0"))])
    told = list(numbers_of([shown, replace(shown, name="u")], evidence))
    assert len(told) == 2
    answer = scopes([], told, evidence)
    assert [(one.topic, one.numbers) for one in answer] == [
        ("Architecture", Counter({Verdict.DIFFERS: 1})),
        ("Accuracy", Counter({Verdict.NOT_RUN: 1})),
    ]


def test_what_was_not_run_names_what_measures_it() -> None:
    """The experiments that its claims rest on; without claims the tables of its numbers; nothing where some was run."""
    evidence = World().evidence()
    rules = PAPER.claim_rules
    judged = judge_claims(PAPER.claims(), evidence, rules)
    told = {one.title: one.command for one in scopes(judged, [], evidence)}
    assert told["networks as the paper describes them"] == "tdam-bench run table1 fig8 supplement --profile mini"
    assert told["this device"] == "tdam-bench run efficiency --profile mini"
    idle = Table("table4", "T", (), COLUMNS, [line("resnet50-se", b=Value("7.0"))])
    (alone,) = scopes([], numbers_of([idle], evidence), evidence)
    assert (alone.headline, alone.command) == ("not run", "tdam-bench run table4 --profile mini")
    value = Value("1.00", 2.0, Judgement(Verdict.DIFFERS, "why"))
    run = replace(idle, lines=[line("resnet50-se", b=value), line("resnet50", b=Value("7.0"))])
    assert [one.command for one in scopes([], numbers_of([run], evidence), evidence)] == [""]


def test_the_paper_s_data_come_with_their_command() -> None:
    scope = not_run("tdam-bench", "full", trains=False)
    assert scope.headline == "not run"
    assert scope.command == "tdam-bench run --profile full --data-root DATA --weights WEIGHTS"


# ---------------------------------------------------------------- cells and claims


def test_rows_have_ids_by_their_identity() -> None:
    """A model's name alone; with the label and the block only where these tell rows apart."""
    lines = [line("a"), line("b", "x"), line("b", "y"), line("c", "x", "g"), line("c", "x", "h"), line("", "d e")]
    ids = row_ids(Table("t", "T", (), COLUMNS, lines))
    assert [ids[id(one)] for one in lines] == ["a", "b-x", "b-y", "c-x-g", "c-x-h", "d-e"]


def facts_of(*lines: Line, records: tuple[Record, ...] = ()) -> PageFacts:
    facts = PageFacts({one.id: one for one in records}, "tdam-bench run --profile mini", SOURCES)
    table_context("t", Table("t", "T", (), COLUMNS, lines), facts)
    return facts


def test_a_part_links_to_just_the_numbers_that_it_rests_on() -> None:
    """Those of its records and of its metric, each once, where they stand first."""
    own, other = Value(measured=1.0, record="r s", key=TOP1), Value(measured=1.0, record="r", key=MetricKey("top5"))
    facts = facts_of(line("resnet50", a=other, b=own), line("resnet50-se", b=own))
    finding = Finding("1", True, None, "exact", records=("r", "s", "gone"), keys=(TOP1,))
    part = PartResult("says", ClaimVerdict.HOLDS, finding)
    assert links_of(part, facts) == [{"cell": "t.resnet50.b", "what": "label, group B (one)"}]
    assert links_of(PartResult("says", ClaimVerdict.NOT_RUN, None, "gone"), facts) == []


def test_an_exact_count_is_the_same_in_whichever_record() -> None:
    """A claim may rest on a count by another convention than the table's, which is the same number."""
    key = MetricKey("parameters")
    counts = [
        new_record(Cell("cost", "resnet50", "any", {"convention": name}), {}, {key: Metric(value, "1")})
        for name, value in (("one", 5.0), ("two", 5.0), ("three", 6.0))
    ]
    own = Value(measured=5.0, record=counts[0].id, key=key)
    facts = facts_of(line("resnet50", a=own), records=tuple(counts))
    for record, links in zip(counts, (1, 1, 0), strict=True):
        finding = Finding("5", True, None, "exact", records=(record.id,), keys=(key,))
        assert len(links_of(PartResult("says", ClaimVerdict.HOLDS, finding), facts)) == links


def test_a_plain_network_s_number_is_not_told_from_itself() -> None:
    """What the plain network would have earned is told of all rows but its own."""
    value = Value("25.56", 25.557, judge_printed(25.557, "25.56", 25.557), record="r")
    rows = [line_of("group", "label", name, {"a": value}) for name in ("resnet50", "resnet50-eca")]
    facts = facts_of(*rows, line("no network", a=value)).cells
    assert str(facts["t.resnet50.a"]["verdict"]).startswith(
        "CONSISTENT: 25.56 against 25.56; this is the plain network, from which others are told"
    )
    assert "plain" not in facts["t.resnet50.a"]
    for other in ("t.resnet50-eca.a", "t.no-network.a"):
        assert facts[other]["verdict"] == "CONSISTENT: 25.56 against 25.56, as the plain network has it too"
        assert facts[other]["plain"] == "CONSISTENT"


def test_what_is_not_measured_says_why() -> None:
    facts = facts_of(line("resnet50", a=Value("1.0", missing="not run: `command`"), b=Value()))
    assert facts.cells == {"t.resnet50.a": {"what": "group label: A", "paper": "1.0", "missing": "not run: `command`"}}


@pytest.mark.parametrize(
    ("seeds", "told"), [((), ""), ((0, 1, 2), " --seeds 3"), ((1, 3), " --seeds 1,3"), ((4,), " --seeds 4,")]
)
def test_the_command_names_model_and_seeds(seeds: tuple[int, ...], told: str) -> None:
    command = command_of("table1", "tdam-bench run --profile mini --limit 9", "resnet50-se", seeds)
    assert command == f"tdam-bench run table1 --profile mini --limit 9 --models resnet50-se{told}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", PAPER.experiments)
def test_commands_are_understood(tmp_path: Path, cache: Path, name: str) -> None:
    """Of a network of each experiment: as a plan, so that nothing is run."""
    table = PAPER.experiment(name).table(World().evidence())
    model = next(one.model for one in table.lines if one.model != "resnet50")
    words = command_of(name, "tdam-bench run --profile smoke", model, (0, 1)).split()
    assert words[:2] == ["tdam-bench", "run"]
    result = CliRunner().invoke(main, ["plan", *words[2:], "--results", str(tmp_path), "--cache", str(cache)])
    assert result.exit_code == 0, result.output


# ---------------------------------------------------------------- sources


def test_a_row_s_paper_is_that_of_its_method() -> None:
    parts = {
        "resnet101": "resnet",
        "resnet50-eca": "eca",
        "mobilenet_v3_large": "mobilenet",
        "convnext_tiny-td-joint-t2-m1": "feedback",
        "resnet50-td-top-t2-m3-reduced": "feedback",
    }
    assert {model: source_of(model, SOURCES) for model in parts} == {
        model: SOURCES[one] for model, one in parts.items()
    }
    for unknown in ("resnet50-timm:gc", "no network", ""):
        assert source_of(unknown, SOURCES) is None
        assert own_of(unknown) == ""


def test_controls_are_of_no_paper() -> None:
    for control in CONTROL_ROWS:
        assert (source_of(control, SOURCES), own_of(control)) == (None, CONTROL)
    assert own_of("resnet50-td-joint-t2-m1") == own_of("resnet50-td-top-t2-m3-reduced") == ""


@pytest.mark.parametrize("part", SOURCES)
def test_bibtex_has_balanced_braces_and_its_own_key(part: str) -> None:
    source = SOURCES[part]
    assert source.bibtex.count("{") == source.bibtex.count("}")
    assert [one.key for one in SOURCES.values()].count(source.key) == 1
    assert source.url.rpartition("/")[2] in source.bibtex
    assert source.doi in source.bibtex


# ---------------------------------------------------------------- image by image


def evidence_of(folder: Path, **changes: object) -> Evidence:
    session = make_session(folder, "mini", seeds=(0,), models=("resnet50", "resnet50-se"))
    records = [replace(one, **changes) for one in recorded_all(session, ["table1"])]
    return Evidence(session.profile, folder, records, command="tdam-bench run --profile mini")


def test_images_flip_where_one_network_is_right_and_the_plain_one_wrong(tmp_path: Path) -> None:
    found = flips(evidence_of(tmp_path))
    assert found is not None
    assert (found.data, found.images, set(found.rows)) == ("mini val", 400, {"resnet50", "resnet50-se"})
    times = flipped(found)
    assert set(times) == {0, 1}
    places = [place for place, _, _ in found.pictures]
    assert 0 < len(places) <= PICTURED
    assert places == sorted(places)
    assert all(times[place] for place in places)
    assert max(places) < LOOKED_AT
    assert found.sheet.startswith("data:image/webp;base64,")
    assert len(found.sheet) < 60_000


def test_pictures_are_those_of_the_data_set(tmp_path: Path) -> None:
    """The same ids, classes and pixels as the images that networks were shown."""
    scenes = open_mini("val", tmp_path, 12)
    for place, one in enumerate(PICTURES["mini"]("val", 12)):
        assert (one.id, one.label) == (scenes.ids[place], scenes.classes[scenes.labels[place]])
        assert one.image.tobytes() == scenes.image(place).tobytes()


def test_images_of_a_part_are_not_pictured(tmp_path: Path) -> None:
    """Their places are not those of the whole set."""
    found = flips(evidence_of(tmp_path, notes={"images": "val", "part": "9 of 10", "drawn": True}))
    assert found is not None
    assert (found.pictures, found.sheet) == ((), "")


def test_without_outcomes_nothing_is_compared(tmp_path: Path) -> None:
    assert flips(evidence_of(tmp_path, outcomes={})) is None


def test_networks_that_saw_other_images_are_left_out(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path)
    other = [
        replace(one, notes={"images": "others"}) if one.cell.model == "resnet50-se" else one for one in evidence.records
    ]
    assert flips(replace(evidence, records=other)) is None


def test_the_page_is_told_image_by_image_which_networks_were_right(tmp_path: Path) -> None:
    found = flips(evidence_of(tmp_path))
    assert found is not None
    told = found.as_dict({})
    places = {(row["model"], seed): place for row in told["rows"] for seed, place in row["seeds"].items()}
    assert sorted(places.values()) == list(range(len(places)))
    images = [unpack(image, len(places)) for image in told["hits"]]
    for (model, seed), place in places.items():
        assert pack(image[place] for image in images) == found.rows[model][seed]


def test_rows_stand_in_the_order_of_the_tables_and_feedback_is_compared_first(tmp_path: Path) -> None:
    found = flips(evidence_of(tmp_path))
    assert found is not None
    more = replace(found, rows={**found.rows, "resnet50-td-top-t2-m1": {"0": pack([True] * 400)}})
    told = more.as_dict({"resnet50-se": "SE", "resnet50": "plain", "resnet50-td-top-t2-m1": "top"})
    assert [row["label"] for row in told["rows"]] == ["SE", "plain", "top"]
    assert (told["first"], told["second"]) == ("resnet50-td-top-t2-m1", "resnet50")
    assert found.as_dict({})["second"] != found.as_dict({})["first"]
    # What no table has comes as it is recorded, whatever the seed of Python's sets.
    many = replace(found, rows={f"resnet50-{kind}": {"0": pack([True] * 400)} for kind in ("se", "fca", "eca", "cbam")})
    assert [row["model"] for row in many.as_dict({})["rows"]] == list(many.rows)
    assert KEY == TOP1


# ---------------------------------------------------------------- packing


def test_what_is_packed_comes_back() -> None:
    text = "</script> ± " * 50
    assert unpacked(packed(text)) == text
    assert "<" not in packed(text)


@pytest.mark.parametrize("text", ["no base64!", "aGVsbG8=", packed("text")[:-8]])
def test_what_is_not_packed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not gzip in base64"):
        unpacked(text)


def test_only_coordinates_are_rounded() -> None:
    """A scale of 0.015625 would become another size; no picture of lines is larger than a page needs it."""
    drawn = '<use x="1.234567" y="-0.001"/><path d="M 0.996 3 L 10.25 -7.125" transform="scale(0.015625)"/>'
    rounded = '<use x="1.23" y="-0"/><path d="M 1 3 L 10.25 -7.12" transform="scale(0.015625)"/>'
    assert in_hundredths(drawn) == rounded


@pytest.mark.parametrize("holds_pictures", [True, False])
def test_pictures_are_embedded_as_such_and_lines_as_outlines(tmp_path: Path, holds_pictures: bool) -> None:
    """Pictures in an SVG would be several times as large as the same figure in WebP; lines are sharp at any size."""
    figure = empty_figure(2.0, 2.0)
    axis = figure.subplots()
    if holds_pictures:
        axis.imshow(np.random.default_rng(0).uniform(size=(64, 64, 3)))
    path = write_figure(figure, tmp_path, "one")[0]
    told = figure_context(path, "what it shows")
    assert told["alt"] == "what it shows"
    assert bool(told["svg"]) is not holds_pictures
    assert told["picture"].startswith("data:image/webp;base64,") is holds_pictures
    if holds_pictures:
        with Image.open(io.BytesIO(base64.b64decode(told["picture"].partition(",")[2]))) as shown:
            assert shown.size == (2.0 * DOTS_PER_INCH, 2.0 * DOTS_PER_INCH)
    else:
        assert unpacked(told["svg"]) == in_hundredths(path.read_text(encoding="utf-8"))
