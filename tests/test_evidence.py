"""What tables and claims rest on: which seeds a table's notes name, and that no part of the images decides a claim."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.core.records import Cell, MetricKey, Record, new_record
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.report.claims import ClaimVerdict, judge_claims
from benchmarks.report.evidence import Evidence, Missing, Query, number, read_evidence
from benchmarks.report.report import Wanted
from benchmarks.report.verdicts import Verdict
from tests.recorded import recorded_all
from tests.sessions import make_session
from tests.worlds import given

SEEDED = {*PAPER.experiments} - {"costs", "efficiency", "endings"}


def evidence(records: list[Record]) -> Evidence:
    return Evidence(PAPER.profiles["mini"], Path("results"), records)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({}, "none"),
        ({"a": [None], "b": [None]}, "none (given weights)"),
        ({"a": [0]}, "0"),
        ({"a": [1, 0], "b": [0, 1]}, "0, 1"),
        ({"a": [0, 1], "b": [1], "c": []}, "0, 1 (1 of b)"),
        ({"a": list(range(10)), "b": [4, 3, 2, 1, 0], "c": [0, 1, 2, 3, 4]}, "0 to 9 (0 to 4 of b, c)"),
        ({"a": [0, 1, 2, 5], "b": [None]}, "0, 1, 2, 5 (none of b)"),
        ({"a": [0], "other": [7]}, "0"),
    ],
)
def test_the_seeds_of_a_tables_rows(seeds: dict[str, list[int | None]], said: str) -> None:
    """Of rows that are recorded; what other tables were measured with is theirs to tell."""
    records = [
        new_record(Cell("accuracy", model, "mini", {"seed": seed}), {}, {}) for model in seeds for seed in seeds[model]
    ]
    assert evidence(records).seeds_of(Query("accuracy", model) for model in "abc") == said


def test_each_table_names_its_own_seeds() -> None:
    """Localization was run with other seeds than figure 8, which shares some of its networks."""
    runs = {"fig8": (0,), "table7-wsol": (1, 2)}
    sessions = {name: make_session(Path("results"), "mini", seeds=seeds) for name, seeds in runs.items()}
    both = evidence([one for name, session in sessions.items() for one in recorded_all(session, [name])])
    notes = {name: " ".join(PAPER.experiment(name).table(both).notes) for name in PAPER.experiments}
    assert "Seeds recorded: 1, 2." in notes["table7-wsol"]
    assert "Seeds recorded: 0;" in notes["fig8"]
    assert "Seeds recorded: none" in notes["selectivity"]
    assert {name for name, said in notes.items() if "eeds recorded: " in said} == SEEDED


def test_the_best_resolution_needs_the_whole_sweep() -> None:
    """Without it the paper's number is NOT RUN; of a part of the images both remarks stand."""
    session = make_session(Path("results"), "mini", seeds=(0,), models=("resnet50",))
    sweep = [one for one in recorded_all(session, ["table4"]) if one.cell.kind == "accuracy"]
    (line,) = [line for line in PAPER.experiment("table4").table(evidence(sweep[:3])).lines if line.model == "resnet50"]
    lacking = line.values["best_released"]
    assert (lacking.paper is None, lacking.measured, lacking.verdict) == (False, None, Verdict.NOT_RUN)
    broken = [
        replace(one, metrics={key: replace(metric, status="partial") for key, metric in one.metrics.items()})
        for one in sweep
    ]
    (line,) = [line for line in PAPER.experiment("table4").table(evidence(broken)).lines if line.model == "resnet50"]
    note = line.values["best_released"].note
    assert note is not None
    assert note.startswith("at ")
    assert note.endswith("; partial")


# ---------------------------------------------------------------- parts of the images

PARTS = {
    "20 of 50,000 images": {"part": "20 of 50,000 images", "drawn": False},
    "500 of 50,000 images (--limit)": {"part": "500 of 50,000 images (--limit)", "drawn": True, "limit": 500},
}
MODELS = ("resnet50", "resnet50-td-joint-t2-m1")
TOP1 = MetricKey("top1", steps="last")


def measured_on(part: str) -> Evidence:
    """A plain network and one with feedback whose accuracies are of a part of the images, or of all of them."""
    rng = np.random.default_rng(0)
    drawn = [(model, split) for model in MODELS for split in ("v1", "v2")]
    records = [record for model, split in drawn for record in given(model, rng.random(500) < 0.7, split)]
    records = [replace(record, notes={**record.notes, **PARTS.get(part, {})}) for record in records]
    return Evidence(PAPER.profiles["full"], Path("results"), records, command="tdam-bench run --profile full")


def asked(model: str) -> Query:
    """For a network's accuracy on the first image set."""
    return Query("accuracy", model, {"data": "val"})


ASKED: dict[str, Callable[[Evidence], object]] = {
    "needed": lambda seen: seen.needed(asked(MODELS[1])),
    "paired": lambda seen: seen.paired([asked(model) for model in MODELS]),
    "number": lambda seen: number(seen.select(asked(MODELS[1])), TOP1),
}


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_no_number_of_the_whole(part: str, path: str) -> None:
    """However claims ask: an incomplete folder and a drawn part are missing, by a reason that names them."""
    with pytest.raises(Missing) as said:
        ASKED[path](measured_on(part))
    assert f" was measured on a part ({part}), and a part is not judged as the whole" in str(said.value)
    assert ASKED[path](measured_on("all"))


@pytest.mark.parametrize("part", PARTS)
def test_no_claim_is_decided_by_a_part(part: str) -> None:
    """Each that is decided by these networks on all images is not run on a part of them, whose name it tells."""
    whole, some = (judge_claims(PAPER.claims(), measured_on(one), PAPER.claim_rules) for one in ("all", part))
    decided = [place for place, one in enumerate(whole) if one.verdict is not ClaimVerdict.NOT_RUN]
    assert decided
    assert {one.verdict for one in some} == {ClaimVerdict.NOT_RUN}
    for place in decided:
        reasons = [one.missing for one in some[place].parts["last"]]
        assert any(f"({part})" in reason for reason in reasons)


def test_tables_still_show_what_a_part_gave() -> None:
    seen = measured_on("20 of 50,000 images")
    query = asked(MODELS[0])
    assert seen.value(query, TOP1).measured == pytest.approx(66.2)
    assert seen.effect(query, TOP1).n == 500
    with pytest.raises(Missing, match="not run: `tdam-bench run --profile full`"):
        seen.recorded(Query("accuracy", "resnet18"))


def test_commands_repeat_the_limit_that_records_are_of() -> None:
    """Those of gaps beside a drawn part; but not those of claims, which no part decides."""
    drawn, whole = measured_on("500 of 50,000 images (--limit)"), measured_on("20 of 50,000 images")
    named = [seen.filled_by("table1") for seen in (drawn, whole)]
    assert [one.command.partition("full")[2] for one in named] == [" --limit 500", ""]
    assert named[0].filled_by("table1").command == "tdam-bench run table1 --profile full --limit 500"
    assert named[0].run_by(["fig4", "table4"]).command == "tdam-bench run fig4 table4 --profile full"
    assert named[0].value(Query("accuracy", "resnet18"), TOP1).missing == f"not run: `{named[0].command}`"


def test_a_folders_commands_repeat_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for record in measured_on("500 of 50,000 images (--limit)").records:
        store.write(record)
    assert read_evidence(store, PAPER.profiles, None, None).command == "tdam-bench run --profile full --limit 500"
    with pytest.raises(ValueError, match=f"--results {tmp_path} --limit 500`"):
        Wanted(PAPER, ("selectivity",), None, None).measured(store)
