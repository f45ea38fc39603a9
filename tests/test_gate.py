"""The gate: what it lets pass, what it names, how it ends, and that its committed reference is true here."""

import ast
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Store
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.gate import cells
from benchmarks.papers.tdam.probes import PROBES
from benchmarks.papers.tdam.recipes import GATE
from benchmarks.report.gate import check
from benchmarks.report.gate.announce import annotation, lines, write_junit
from benchmarks.report.gate.compare import compare_records, compare_runs, compare_with_reference, exit_code
from benchmarks.report.gate.numbers import Comparison, State, allowed_difference
from benchmarks.work.cost import COST, PARAMETERS, Cost
from benchmarks.work.kind import Change, Kind, MetricSpec
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from tests.plant_faults import FAULTS, Fault, plant

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference" / "gate"
SAME, CHANGED, NOISY, ABSENT, REFUSED = State
COUNTED = Cell("cost", "resnet50", "any", {"resolution": 224})


def counts(value: float = 25557032, **inputs: str) -> Record:
    return new_record(COUNTED, {"torch": "2.4", **inputs}, {PARAMETERS: Metric(value, "1")})


def shares(value: float | None, n: int | None = 250, **options: str) -> Record:
    cell = Cell("accuracy", "resnet50", "smoke", {"data": "val", "seed": 0, "weights": "trained", **options})
    return new_record(cell, {}, {MetricKey("top1", steps="last"): Metric(value, "%", n)})


def speeds(times: Mapping[str, list[float]], memory: float | None = None, **options: str) -> Record:
    cell = Cell("efficiency", "resnet50", "smoke", {"batch": 4, "dtype": "float32", **options})
    held = {} if memory is None else {"plain": 100.0, "se": memory}
    metrics = {MetricKey("memory", of=name): Metric(value, "bytes") for name, value in held.items()}
    samples = {MetricKey("seconds", of=name): list(kept) for name, kept in times.items()}
    return new_record(cell, {"processor": "a"}, metrics, samples)


def states(comparisons: list[Comparison]) -> list[State]:
    return [comparison.state for comparison in comparisons]


def compared(reference: Record, now: Record) -> list[State]:
    return states(list(compare_records(reference, now)))


def test_the_reference_has_a_record_of_every_cell_that_the_gate_runs() -> None:
    with check.fresh_session(PAPER, None) as session:
        expected = {str(cell) for cell in cells(session)}
    assert {str(record.cell) for record in Store(REFERENCE).records()} == expected
    assert {f"probe {name} any" for name in PROBES} < expected


@pytest.mark.parametrize("name", [name for name in PROBES if name not in ("shards", "speed")])
def test_probes_give_what_the_reference_says(name: str) -> None:
    """Shards start processes and speed takes a minute: both run in the gate itself."""
    (reference,) = [record for record in Store(REFERENCE).records() if record.cell.model == name]
    numbers = PROBES[name].compute().numbers
    metrics = {MetricKey("number", of=key): Metric(float(value), "1") for key, value in numbers.items()}
    comparisons = compare_with_reference([reference], [replace(reference, metrics=metrics)])
    assert [str(comparison) for comparison in comparisons if comparison.state is not SAME] == []
    assert len(comparisons) == len(reference.metrics) > 10


def test_counts_are_compared_exactly() -> None:
    assert states(compare_with_reference([counts()], [counts()])) == [SAME]
    assert states(compare_with_reference([counts()], [counts(25557033)])) == [CHANGED]
    (comparison,) = compare_with_reference([counts()], [counts(25557033 + 50)])
    assert comparison.state is CHANGED
    assert str(comparison) == (
        "cost resnet50 resolution=224: parameters: expected 25557032, found 25557083 (exact); "
        "the network has other parameters or does other work than it had"
    )


def test_a_number_that_is_gone_or_new_is_a_change() -> None:
    empty = replace(counts(), metrics={})
    assert states(compare_with_reference([counts()], [empty])) == [CHANGED]
    assert states(compare_with_reference([empty], [counts()])) == [CHANGED]
    without = replace(shares(40), metrics={})
    assert compared(shares(40), without) == compared(without, shares(40)) == [ABSENT]
    assert compared(shares(40), shares(None)) == compared(shares(40), shares(40, None)) == [ABSENT]
    assert compared(shares(None), shares(None)) == [SAME]


def test_a_probe_tells_its_own_symptom_and_tolerance() -> None:
    notes = {"symptom": "something else is computed", "tolerance": 0.5}
    first, second, third = (
        new_record(
            Cell("probe", "logits", "any"), {}, {MetricKey("number", of="net: step 1"): Metric(value, "1")}, {}, notes
        )
        for value in (1.0, 1.4, 1.6)
    )
    assert compared(first, second) == [SAME]
    (comparison,) = compare_records(first, third)
    told = "probe logits: net: step 1: expected 1, found 1.6 (within 0.5); something else is computed"
    assert (comparison.state, str(comparison)) == (CHANGED, told)


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
    (comparison,) = compare_records(timed(1.2), now)
    assert (comparison.state, comparison.number) == (state, "time of se over that of plain")


def test_a_slower_network_is_told_with_its_symptom() -> None:
    (comparison,) = compare_records(timed(1.2), timed(2.4))
    assert comparison.measured == "2.400"
    assert str(comparison).endswith("; its forward pass has become slower")


def test_times_without_a_network_measured_twice_are_refused() -> None:
    once = speeds({"plain": PLAIN, "se": PLAIN})
    with pytest.raises(ValueError, match="no network that was measured twice"):
        compared(once, once)


def test_memory_is_compared_as_a_ratio() -> None:
    reference = timed(1.2, memory=110)
    assert compared(reference, timed(1.2, memory=111)) == [SAME, SAME]
    assert compared(reference, timed(1.2, memory=120)) == [SAME, CHANGED]
    assert compared(reference, timed(1.2)) == [SAME, ABSENT]
    assert compared(timed(1.2), reference) == [SAME, ABSENT]


USUAL = {Change.EXACT: Metric(100.0, "1"), Change.SHARE: Metric(40.0, "%", 250)}
PLANTED = {Change.SHARE: 90.0}


def key_of(spec: MetricSpec) -> MetricKey:
    return MetricKey(spec.name, of="se" if spec.change in (Change.TIME, Change.MEMORY) else "")


def record_of(kind: Kind, planted: MetricSpec | None = None, without: MetricSpec | None = None) -> Record:
    """A record of all that a kind declares, with one number changed, or without it."""
    metrics: dict[MetricKey, Metric] = {}
    samples: dict[MetricKey, list[float]] = {}
    for spec in kind.metrics:
        names, key = ("plain", "se", f"plain{TWIN}"), key_of(spec)
        if spec.change is Change.TIME:
            samples |= {MetricKey(spec.name, of=name): PLAIN for name in names}
            samples[key] = [2 * time for time in PLAIN] if spec is planted else PLAIN
        elif spec.change is Change.MEMORY:
            metrics |= {MetricKey(spec.name, of=name): Metric(100.0, "bytes") for name in names}
            metrics[key] = Metric(200.0 if spec is planted else 100.0, "bytes")
        else:
            usual = USUAL.get(spec.change, Metric(1.0, "1"))
            metrics[key] = replace(usual, value=PLANTED.get(spec.change, 1e3)) if spec is planted else usual
        if spec is without:
            metrics.pop(key, None)
            samples.pop(key, None)
    return new_record(Cell(kind.name, "resnet50", "smoke"), {}, metrics, samples)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [pytest.param(kind, spec, id=f"{kind.name} {spec.name}") for kind in KINDS.values() for spec in kind.metrics],
)
def test_a_change_of_any_declared_number_is_told(kind: Kind, spec: MetricSpec) -> None:
    reference = record_of(kind)
    assert set(compared(reference, reference)) == {SAME}
    assert len(compared(reference, reference)) == sum(one.change is not Change.NEVER for one in kind.metrics)
    changed = [one for one in compare_records(reference, record_of(kind, planted=spec)) if one.state is not SAME]
    missing = record_of(kind, without=spec)
    if spec.change is Change.NEVER:
        assert changed == []
        assert set(compared(reference, missing)) == {SAME}
        return
    (comparison,) = changed
    assert comparison.state is CHANGED
    assert comparison.symptom == spec.symptom != ""
    if kind.name != "probe":  # of their numbers names alone are told
        assert spec.name in comparison.number or spec.change is Change.TIME
    gone = ABSENT if spec.change in (Change.SHARE, Change.TIME, Change.MEMORY) else CHANGED
    for pair in ((reference, missing), (missing, reference)):
        assert [state for state in compared(*pair) if state is not SAME] == [gone]


def test_what_nothing_is_declared_of_is_refused() -> None:
    odd = replace(counts(), metrics={MetricKey("charm"): Metric(1.0, "1")})
    for record in (odd, replace(counts(), samples={MetricKey("charm"): [1.0]})):
        with pytest.raises(ValueError, match="cost declares no metric 'charm', only parameters, flops"):
            compared(counts(), record)
    dance = replace(counts(), cell=Cell("dance", "resnet50", "any"))
    for compare in (compare_with_reference, compare_runs):
        with pytest.raises(
            ValueError, match=r"the record of dance resnet50 any is of an unknown kind of work, 'dance'"
        ):
            compare([dance], [dance])


def test_a_cell_that_was_not_run_is_absent() -> None:
    assert states(compare_with_reference([counts(), shares(40)], [counts()])) == [SAME, ABSENT]


@pytest.mark.parametrize(
    ("reached", "code"),
    [
        ([SAME, SAME], 0),
        ([SAME, NOISY, ABSENT, CHANGED], 1),
        ([SAME, NOISY, ABSENT], 2),
        ([], 2),
        ([SAME, NOISY], 3),
        ([SAME, REFUSED], 3),
    ],
)
def test_exit_codes(reached: list[State], code: int) -> None:
    assert exit_code([Comparison("cell", "number", state, "1", "2", "exact") for state in reached]) == code


def test_runs_under_other_conditions_are_not_compared_but_shown() -> None:
    (torch,) = compare_runs([counts()], [counts(torch="2.11")])
    assert (torch.state, torch.number, torch.expected, torch.measured) == (REFUSED, "torch", "2.4", "2.11")
    others = [
        replace(timed(1.2), inputs={"processor": "b"}),
        speeds({"plain": PLAIN, f"plain{TWIN}": PLAIN}, batch="8"),
    ]
    (device,), (batch,) = (compare_runs([timed(1.2)], [other]) for other in others)
    assert (device.state, device.number, device.expected, device.measured) == (REFUSED, "processor", "a", "b")
    assert (batch.state, batch.number, batch.expected, batch.measured) == (REFUSED, "batch", "4", "8")
    assert states(compare_runs([counts(), shares(40)], [counts()])) == [SAME, ABSENT]
    assert states(compare_runs([counts()], [counts(), shares(40)])) == [SAME, ABSENT]
    both = [timed(1.2), others[1]]  # of two batches in one folder, each is compared with its own
    assert states(compare_runs(both, both)) == [SAME]


def test_conditions_are_those_that_the_kind_of_work_declares() -> None:
    (loss,) = compare_runs([shares(40, step_loss="highest")], [shares(40, step_loss="last")])
    assert (loss.state, loss.number, loss.expected, loss.measured) == (REFUSED, "step_loss", "highest", "last")
    (device,) = compare_runs(
        [replace(shares(40), inputs={"device": "cpu"})], [replace(shares(40), inputs={"device": "cuda"})]
    )
    assert (device.state, device.number) == (REFUSED, "device")
    # The hash of weights is no condition, whether they were trained or given is.
    hashes = [replace(shares(40), inputs={"weights": digest}) for digest in ("1", "2")]
    assert states(compare_runs(hashes[:1], hashes[1:])) == [SAME]
    # Of accuracies the resolution is the question, of speeds a condition.
    assert states(compare_runs([shares(40, resolution="64")], [shares(40, resolution="96")])) == [ABSENT, ABSENT]
    (seen,) = compare_runs([speeds({}, resolution="64")], [speeds({}, resolution="96")])
    assert (seen.state, seen.number) == (REFUSED, "resolution")


def test_many_changes_of_one_cell_are_told_in_a_few_lines(tmp_path: Path) -> None:
    told = [Comparison("probe logits", f"logit {k}", CHANGED, "1", "2", "exact", "wrong") for k in range(9)]
    told.append(Comparison("cost a", "flops", SAME, "1", "1", "exact"))
    told.append(Comparison("cost b", "record", ABSENT, "one", "x", "y"))
    said = [line for _, line in lines(told)]
    assert said[0] == "REGRESSION probe logits: logit 0: expected 1, found 2 (exact); wrong"
    assert said[3:] == [
        "REGRESSION probe logits: and 6 more of its numbers",
        "NOT MEASURED cost b: record: expected one, found x (y)",
    ]
    write_junit(told, tmp_path / "junit.xml")
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
    monkeypatch.setattr("benchmarks.papers.tdam.gate.cells", lambda session: [COST.cell("resnet18")])
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def run_check(reference: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--against", str(reference), *arguments])


def edited(reference: Path, value: float) -> None:
    """Let the reference's count of parameters be another."""
    store = Store(reference)
    (record,) = store.records()
    store.clear()
    store.write(replace(record, metrics={**record.metrics, PARAMETERS: Metric(value, "1")}))


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

    monkeypatch.setattr(Cost, "run", fail)
    result = run_check(reference)
    assert result.exit_code == 2
    assert "the counter is broken" in result.stdout
    renewed = run_check(reference, "--renew")
    assert (renewed.exit_code, "stays as it was" in renewed.stderr) == (2, True)
    assert len(Store(reference).records()) == 1


def test_a_fresh_session_sees_nothing_from_before(tmp_path: Path) -> None:
    with check.fresh_session(PAPER, None) as session:
        assert isinstance(session, Session)
        assert session.profile is GATE
        assert session.weights == REFERENCE / "weights"
        assert session.rules is PAPER.rules()
        assert session.probes() is PROBES
        assert session.store.records() == []
        assert not session.cache.exists()
    (tmp_path / "old").write_text("something")
    with pytest.raises(ValueError, match="is not empty"), check.fresh_session(PAPER, tmp_path):
        pass


def test_a_paper_without_a_gate_says_so() -> None:
    with (
        pytest.raises(ValueError, match="the paper 'tdam' has no gate"),
        check.fresh_session(replace(PAPER, gate=None), None),
    ):
        pass


# ---------------------------------------------------------------- the faults that it is tried with


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault: Fault, tmp_path: Path) -> None:
    """Its text stands once in its file, and what takes its place is Python: the long run of all does not find that."""
    file = tmp_path / fault.file
    file.parent.mkdir(parents=True)
    shutil.copy(ROOT / fault.file, file)
    plant(fault, tmp_path)
    assert file.read_text() != (ROOT / fault.file).read_text()
    ast.parse(file.read_text())
