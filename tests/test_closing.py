"""What a run says last: counts of verdicts by what they are about, the most surprising numbers, where the page is."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.metrics.statistics import over
from benchmarks.papers.tdam import PAPER
from benchmarks.report.closing import closing, surprising, told_by
from benchmarks.report.evidence import Evidence
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.report import Wanted
from benchmarks.report.verdicts import Judgement, Target, Verdict, judge, judge_printed
from tests.recorded import kept, recorded_all
from tests.sessions import make_session
from tests.worlds import World

COLUMNS = (Column("params", "Params", "M"), Column("speed", "Speed", ""), Column("top1", "Top-1", "%", "V1"))


def table_of(*values: Value) -> Table:
    """A row of numbers in columns of counts, speed and accuracy, as many as there are values."""
    cells = {column.key: value for column, value in zip(COLUMNS, values, strict=False)}
    return Table("table9", "Table 9", (), COLUMNS, [Line("RN", "SE", "resnet50-se", cells)])


def judged_off(off: float, measured: float = 2.0, record: str = "r") -> Value:
    verdict = Verdict.DIFFERS if off > 1 else Verdict.CONSISTENT
    return Value("1.00", measured, Judgement(verdict, "why", off=off), record)


def evidence() -> Evidence:
    return World().evidence()


def test_off_is_above_one_where_a_quantity_differs() -> None:
    """Distance over margin and half interval together; of one value, whose spread is unknown, nothing is told."""
    target = Target(10.0, 8.0, 0.5)
    for values, verdict in (([11.0, 11.1, 11.2], Verdict.DIFFERS), ([10.4, 10.5, 10.6], Verdict.UNDECIDED)):
        effect = over(values, "seeds")
        low, high = effect.interval()
        one = judge(effect, target, str)
        assert one.verdict is verdict
        assert one.off == pytest.approx((sum(values) / 3 - 10) / (0.5 + (high - low) / 2))
        assert (one.off > 1) == (verdict is Verdict.DIFFERS)
    alone = over([11.0], "seeds")
    assert not math.isfinite(alone.interval()[0])
    assert judge(alone, target, str).off == 0


def test_off_of_counts_is_in_halves_of_the_last_digit() -> None:
    differs, equal = judge_printed(4.13, "4.14", 4.1), judge_printed(4.14, "4.14", 4.1)
    assert (differs.verdict, equal.verdict) == (Verdict.DIFFERS, Verdict.REPRODUCED)
    assert differs.off == pytest.approx(2)
    assert equal.off == 0


def test_numbers_are_told_by_what_they_are_about() -> None:
    """What has a number of the paper and none here is not run; what nothing is held against is left out."""
    measured = table_of(Value("25.56"), Value("1.10"), Value("76.1", 70.0))
    told = [(one.scope, one.verdict) for one in told_by(measured, evidence())]
    not_run = Verdict.NOT_RUN
    assert told == [("networks as the paper describes them", not_run), ("this device", not_run)]
    new = Value(None, 3.0, Judgement(Verdict.NEW, "ours"), "r")
    assert not list(told_by(table_of(new, Value(measured=1.0), Value()), evidence()))


def test_the_farthest_three_are_named_once_each() -> None:
    """The farthest first; what is within margin and interval is no surprise, and two tables show one number once."""
    offs = (1.5, 9.0, 0.7, 3.0, 2.0)
    tables = [table_of(judged_off(off, record=str(off))) for off in (*offs, 9.0)]
    lines = surprising([one for table in tables for one in told_by(table, evidence())])
    assert lines[0] == "most surprising:"
    assert lines[1] == (
        "  table9, RN SE Params: 2.00 M here, 1.00 M in the paper: above it by 9.0 times what margin and interval allow"
    )
    assert [line.split(" by ")[1].split()[0] for line in lines[1:]] == ["9.0", "3.0", "2.0"]
    below = surprising(list(told_by(table_of(judged_off(2.0, measured=0.5)), evidence())))
    assert "below it by 2.0 times" in below[1]
    assert surprising(list(told_by(table_of(judged_off(0.9)), evidence()))) == []


def test_the_answer_is_of_the_experiments_just_run(tmp_path: Path) -> None:
    """Table 1's numbers and the claims that it decides alone; on the embedded task accuracies are not comparable."""
    session = make_session(tmp_path, "mini", seeds=(0, 1))
    wanted = Wanted(PAPER, ("table1",), "mini")
    records = wanted.evidence(kept(recorded_all(session, ["table1", "table4"]), session.store))
    lines = closing(wanted, records, tmp_path / "report")
    assert lines[0].startswith("Networks as the paper describes them, of 28 numbers: ")
    assert lines[1].startswith("This device, of ")
    assert lines[2] == "Networks trained on mini, of 56 numbers: 56 NOT COMPARABLE"
    assert lines[3].startswith("Networks as the paper describes them, claims: ")
    claims = "".join(line for line in lines if ", claims: " in line)
    assert "(18" not in claims  # table 4's
    at = lines.index("most surprising:")
    assert len(lines) - at == 1 + 3 + 1
    page = tmp_path / "report" / "index.html"
    assert lines[-1] == f"tables and figures: {tmp_path / 'report'}; the page: {page}"
    whole = closing(Wanted(PAPER, PAPER.names, "mini"), records, tmp_path)
    assert sum(", claims: " in line for line in whole) == 3


def run_here(folder: Path) -> str:
    """What a run printed that ended well."""
    arguments = ["--profile", "smoke", "--tasks", "cost", "--models", "resnet50,resnet50-eca"]
    places = ["--results", str(folder / "runs"), "--out", str(folder / "report")]
    result = CliRunner().invoke(main, ["run", "table1", *arguments, *places])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run, and what it printed."""
    folder = tmp_path_factory.mktemp("ran")
    return folder, run_here(folder)


def test_a_run_ends_with_the_answer_and_names_no_file(ran: tuple[Path, str]) -> None:
    folder, printed = ran
    lines = printed.splitlines()
    assert lines[0] == "4 cells: 4 to run (4 cost)"
    assert any(line.startswith("Networks as the paper describes them, of 4 numbers: ") for line in lines)
    assert lines[-1] == f"tables and figures: {folder / 'report'}; the page: {folder / 'report' / 'index.html'}"
    assert not any(line.endswith((".md", ".svg", ".pdf", ".csv")) for line in lines)
    assert (folder / "report" / "tables" / "table1.md").is_file()


def test_a_run_writes_the_page_of_all_that_was_measured(ran: tuple[Path, str]) -> None:
    """It can be verified; what was measured for another table joins it, though a run has nothing to do."""
    folder, _ = ran
    report = folder / "report"
    assert "Table 1, smoke run, a check of the machinery only" in (report / "index.html").read_text(encoding="utf-8")
    verified = CliRunner().invoke(main, ["verify", str(report), "--results", str(folder / "runs")])
    assert verified.exit_code == 0, verified.output
    session = make_session(folder, "smoke", models=("resnet50", "resnet50-eca"))
    kept(recorded_all(session, ["table4"]), session.store)
    again = run_here(folder)
    assert "0 cells run, 4 done before" in again
    made = json.loads((report / "manifest.json").read_text())
    assert {"table1", "costs", "table4", "claims"} <= set(made["experiments"])
    assert "selectivity" not in made["experiments"]
    # The answer is still that of what was run.
    assert "able 4" not in again
    assert "able4" not in again


def test_what_two_tables_show_counts_once(tmp_path: Path) -> None:
    """Table 1 has the counts that stand in a table of their own; within a table each number counts."""
    session = make_session(tmp_path, "mini", models=("resnet50", "resnet50-se"))
    records = kept(recorded_all(session, ["table1"]), session.store)
    counts = "Networks as the paper describes them, of 4 numbers: "
    for names in (("costs",), ("table1",), ("table1", "costs"), ("costs", "table1")):
        wanted = Wanted(PAPER, names, "mini", ("resnet50", "resnet50-se"))
        assert closing(wanted, wanted.evidence(records), tmp_path)[0].startswith(counts)
