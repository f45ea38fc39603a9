"""The gate: what it lets pass, what it names, how it ends, and that its committed reference is true here."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, Metric, Record, Store, new_record
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam.probes import PROBES
from benchmarks.report.gate import check
from benchmarks.report.gate.announce import annotation, lines, write_junit
from benchmarks.report.gate.compare import (
    Outcome,
    State,
    allowed_difference,
    by_ratio,
    compare_runs,
    compare_with_reference,
    exit_code,
)
from benchmarks.work import Costs
from benchmarks.work.probe import NAMES
from benchmarks.work.profiles import SMOKE
from benchmarks.work.session import Session

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference" / "smoke"
SAME, CHANGED, NOISY, ABSENT, REFUSED = State


def counts(value: float = 25557032, **inputs: str) -> Record:
    return new_record(Cost, {"torch": "2.4", **inputs}, {"parameters": Metric(value, "1")})


Cost = Cell("cost", "resnet50", "any", {"resolution": 224})


def shares(value: float, n: int = 250) -> Record:
    cell = Cell("accuracy", "resnet50", "smoke", {"data": "val", "seed": 0})
    return new_record(cell, {}, {"last/top1": Metric(value, "%", n), "note": Metric(1.0, "images")})


def speeds(times: Mapping[str, list[float]], memory: float | None = None, **options: str) -> Record:
    cell = Cell("efficiency", "resnet50", "smoke", {"batch": 4, "dtype": "float32", **options})
    metrics = {} if memory is None else {"plain/memory": Metric(100.0, "bytes"), "se/memory": Metric(memory, "bytes")}
    return new_record(cell, {"device": "a"}, metrics, {f"{name}/seconds": list(kept) for name, kept in times.items()})


def states(found: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in found]


def test_the_reference_has_a_record_of_every_cell_that_the_gate_runs() -> None:
    with check.fresh_session(None) as session:
        expected = {str(cell) for cell in check.cells(session)}
    assert {str(record.cell) for record in Store(REFERENCE).records()} == expected
    assert set(NAMES) == set(PROBES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("shards", "speed")])
def test_probes_give_what_the_reference_says(name: str) -> None:
    """Shards start processes and speed takes a minute: both run in the gate itself."""
    (reference,) = [record for record in Store(REFERENCE).records() if record.cell.model == name]
    metrics = {key: Metric(float(value), "1") for key, value in PROBES[name].compute().numbers.items()}
    found = compare_with_reference([reference], [replace(reference, metrics=metrics)])
    assert [str(outcome) for outcome in found if outcome.state is not SAME] == []
    assert len(found) == len(reference.metrics) > 10


def test_counts_are_compared_exactly() -> None:
    assert states(compare_with_reference([counts()], [counts()])) == [SAME]
    assert states(compare_with_reference([counts()], [counts(25557033)])) == [CHANGED]
    (outcome,) = compare_with_reference([counts()], [counts(25557033 + 50)])
    assert outcome.state is CHANGED
    assert str(outcome) == (
        "cost resnet50 resolution=224: parameters: expected 25557032, found 25557083 (exact); "
        "the network has other parameters or does other work than it had"
    )


def test_a_number_that_is_gone_or_new_is_a_change() -> None:
    empty = replace(counts(), metrics={})
    assert states(compare_with_reference([counts()], [empty])) == [CHANGED]
    assert states(compare_with_reference([empty], [counts()])) == [CHANGED]


def test_accuracies_are_compared_by_interval() -> None:
    apart = allowed_difference(40, 40, 250)
    assert apart == pytest.approx(100 * 4.8916 * math.sqrt(2 * 0.24 / 250), rel=1e-4)
    assert states(compare_with_reference([shares(40)], [shares(40 + 0.9 * apart)])) == [SAME]
    assert states(compare_with_reference([shares(40)], [shares(40 + 1.2 * apart)])) == [CHANGED]
    assert states(compare_with_reference([shares(100)], [shares(99)])) == [SAME]
    assert states(compare_with_reference([shares(40)], [shares(40, 249)])) == [CHANGED]


PLAIN = [1.0, 1.01, 0.99, 1.0, 1.02, 1.0, 0.98, 1.0, 1.0]
UNEVEN = [0.98, 1.02, 1.0, 0.97, 1.03, 1.0, 0.99, 1.01, 1.0]
LOUD = [1.0, 1.6, 0.7, 1.1, 0.6, 1.5, 1.0, 0.8, 1.3]


def timed(factor: float, twin: list[float] = PLAIN, own: list[float] = PLAIN, memory: float | None = None) -> Record:
    return speeds({"plain": own, "se": [factor * time for time in PLAIN], f"plain{TWIN}": twin}, memory)


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (timed(1.2), SAME),
        (timed(1.1), SAME),
        (timed(1.2 * 1.3), CHANGED),
        (timed(1.2 * 1.16, own=UNEVEN), NOISY),
        (timed(1.2 * 1.3, twin=[1.4 * time for time in PLAIN]), NOISY),
        (timed(1.2, own=LOUD), NOISY),
        (speeds({"plain": [1.0], "se": [1.0], f"plain{TWIN}": [1.0]}), ABSENT),
        (speeds({"plain": PLAIN, f"plain{TWIN}": PLAIN}), ABSENT),
    ],
)
def test_speeds_are_compared_as_ratios_under_the_noise_of_the_twin(now: Record, state: State) -> None:
    assert states(list(by_ratio(timed(1.2), now))) == [state]


def test_memory_is_compared_as_a_ratio() -> None:
    reference = timed(1.2, memory=110)
    assert states(list(by_ratio(reference, timed(1.2, memory=111)))) == [SAME, SAME]
    assert states(list(by_ratio(reference, timed(1.2, memory=120)))) == [SAME, CHANGED]
    assert states(list(by_ratio(reference, timed(1.2)))) == [SAME, ABSENT]


def test_a_cell_that_was_not_run_is_absent() -> None:
    assert states(compare_with_reference([counts(), shares(40)], [counts()])) == [SAME, ABSENT]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([SAME, SAME], 0),
        ([SAME, NOISY, ABSENT, CHANGED], 1),
        ([SAME, NOISY, ABSENT], 2),
        ([], 2),
        ([SAME, NOISY], 3),
        ([SAME, REFUSED], 3),
    ],
)
def test_exit_codes(found: list[State], code: int) -> None:
    assert exit_code([Outcome("cell", "number", state, "1", "2", "exact") for state in found]) == code


def test_runs_under_other_conditions_are_not_compared_but_shown() -> None:
    (outcome,) = compare_runs([counts()], [counts(torch="2.11")])
    assert (outcome.state, outcome.number, outcome.expected, outcome.found) == (REFUSED, "torch", "2.4", "2.11")
    others = [replace(timed(1.2), inputs={"device": "b"}), speeds({"plain": PLAIN, f"plain{TWIN}": PLAIN}, batch="8")]
    (device,), (batch,) = (compare_runs([timed(1.2)], [other]) for other in others)
    assert (device.state, device.expected, device.found) == (REFUSED, "a", "b")
    assert (batch.state, batch.number, batch.expected, batch.found) == (REFUSED, "batch", "4", "8")
    assert states(compare_runs([counts(), shares(40)], [counts()])) == [SAME, ABSENT]
    assert states(compare_runs([counts()], [counts(), shares(40)])) == [SAME, ABSENT]
    both = [timed(1.2), others[1]]  # of two batches in one folder, each is compared with its own
    assert states(compare_runs(both, both)) == [SAME]


def test_many_changes_of_one_cell_are_told_in_a_few_lines(tmp_path: Path) -> None:
    found = [Outcome("probe logits", f"logit {k}", CHANGED, "1", "2", "exact", "wrong") for k in range(9)]
    found += [Outcome("cost a", "flops", SAME, "1", "1", "exact"), Outcome("cost b", "record", ABSENT, "one", "x", "y")]
    said = [line for _, line in lines(found)]
    assert said[0] == "REGRESSION probe logits: logit 0: expected 1, found 2 (exact); wrong"
    assert said[3:] == [
        "REGRESSION probe logits: and 6 more of its numbers",
        "NOT MEASURED cost b: record: expected one, found x (y)",
    ]
    write_junit(found, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    assert (suite.findtext("testcase/failure") or "").count("expected 1, found 2") == 9


def test_annotations_are_escaped() -> None:
    assert annotation(CHANGED, "10 %\nless") == "::error title=tdam-bench check::10 %25%0Aless"
    assert annotation(NOISY, "x").startswith("::warning ")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate of one cell, for its way of ending."""
    monkeypatch.setattr(check, "cells", lambda session: [Costs.cell("resnet18")])
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def run_check(reference: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--against", str(reference), *arguments])


def edited(reference: Path, value: float) -> None:
    """Let the reference's count of parameters be another."""
    (record,) = Store(reference).records()
    (reference / "records").joinpath(f"cost-resnet18-{record.id}.json").unlink()
    Store(reference).write(replace(record, metrics={**record.metrics, "parameters": Metric(value, "1")}))


@pytest.mark.usefixtures("short")
def test_check_from_a_first_reference_to_a_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = tmp_path / "reference"
    missing = run_check(reference)
    assert missing.exit_code == 2
    assert f"tdam-bench check --renew --against {reference}" in missing.stderr
    assert run_check(reference, "--renew").exit_code == 0
    good = run_check(reference, "--keep", str(tmp_path / "kept"))
    assert (good.exit_code, good.stdout) == (0, "nothing regressed: 2 numbers compared, 2 same\n")
    assert len(Store(tmp_path / "kept").records()) == 1
    again = run_check(reference, "--keep", str(tmp_path / "kept"))
    assert (again.exit_code, "is not empty" in again.stderr) == (2, True)
    same = CliRunner().invoke(main, ["compare", str(reference), str(tmp_path / "kept")])
    assert same.exit_code == 0, same.output
    edited(reference, 1.0)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    bad = run_check(reference, "--junit", str(tmp_path / "junit.xml"))
    assert bad.exit_code == 1
    assert "REGRESSION cost resnet18 resolution=224: parameters: expected 1, found 11689512 (exact)" in bad.stdout
    assert "::error title=tdam-bench check::REGRESSION cost resnet18" in bad.stdout
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"


@pytest.mark.usefixtures("short")
def test_a_broken_run_is_no_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = tmp_path / "reference"
    assert run_check(reference, "--renew").exit_code == 0

    def fail(*arguments: object) -> None:
        raise RuntimeError("the counter is broken")

    monkeypatch.setattr(Costs, "run", fail)
    result = run_check(reference)
    assert result.exit_code == 2
    assert "the counter is broken" in result.stdout
    renewed = run_check(reference, "--renew")
    assert (renewed.exit_code, "stays as it was" in renewed.stderr) == (2, True)
    assert len(Store(reference).records()) == 1


def test_a_fresh_session_sees_nothing_from_before(tmp_path: Path) -> None:
    with check.fresh_session(None) as session:
        assert isinstance(session, Session)
        assert session.profile is SMOKE
        assert session.store.records() == []
        assert not session.cache.exists()
    (tmp_path / "old").write_text("something")
    with pytest.raises(ValueError, match="is not empty"), check.fresh_session(tmp_path):
        pass
