"""Table 1's speed and memory columns: which run stands for a row, and what is said where none does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Absence
from benchmarks.metrics.statistics import median_interval
from benchmarks.networks.names import TWIN
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.efficiency import table
from benchmarks.report.evidence import Evidence
from benchmarks.report.layout import Value
from benchmarks.report.verdicts import Verdict

PLAIN, SE, CBAM, TD = "resnet50", "resnet50-se", "resnet50-cbam", "resnet50-td-joint-t2-m1"
REDUCED = f"{TD}-reduced"
GIGABYTE = 1e9


def cell(models: Sequence[str], batch: int, mode: str) -> Cell:
    options = {"models": ",".join(models), "mode": mode, "batch": batch, "dtype": "float32"}
    rest = {"device": "cpu", "channels_last": True, "compile": False, "rounds": 6, "warmup": 1, "resolution": 224}
    return Cell("efficiency", PLAIN, "mini", {**options, **rest})


def run(seconds: Mapping[str, float], batch: int = 4, mode: str = "inference") -> Record:
    """A run in which each network always takes as long, the twin as the plain network; a network of 0 s did not fit."""
    metrics, samples = {}, {}
    for name, time in {**seconds, f"{PLAIN}{TWIN}": seconds[PLAIN]}.items():
        taken = [time * (1 + 0.001 * turn) for turn in range(6)] if time else []
        samples[MetricKey("seconds", of=name)] = taken
        status = "ok" if time else f"out of memory at batch {batch}"
        speed = batch / median_interval(taken)[0] if time else None
        metrics[MetricKey("fps", of=name)] = Metric(speed, "images/s", 6, status=status)
        metrics[MetricKey("memory", of=name)] = Metric(GIGABYTE * time if time else None, "bytes", status=status)
    inputs = {"processor": "a CPU", "torch": "2.15.0"}
    return new_record(cell(list(seconds), batch, mode), inputs, metrics, samples, {"stopped": "6 rounds"})


def evidence(*records: Record, **rest: object) -> Evidence:
    return Evidence(PAPER.profiles["mini"], Path("none"), records, **rest)


def values(seen: Evidence, model: str) -> Mapping[str, Value]:
    (line,) = (line for line in table(seen).lines if line.model == model)
    return line.values


def test_what_the_paper_has_is_not_run_where_nothing_was_measured() -> None:
    """Its ratio stands there, whether the row was not measured, or did not fit."""
    for seen in (evidence(), evidence(run({PLAIN: 1.0, SE: 0.0}))):
        value = values(seen, SE)["val_fps_ratio"]
        assert (value.paper, value.measured, value.verdict) == ("0.89", None, Verdict.NOT_RUN)
        assert value.missing


def test_ratios_are_to_the_plain_network_of_the_same_run() -> None:
    """A few networks at a time, the machine twice as slow the second time: no ratio mixes two runs."""
    first = run({PLAIN: 1.0, SE: 1.25, TD: 1.5})
    second = run({PLAIN: 2.0, CBAM: 2.5})
    seen = evidence(first, second)
    assert values(seen, SE)["val_fps_ratio"].measured == pytest.approx(1 / 1.25)
    assert values(seen, CBAM)["val_fps_ratio"].measured == pytest.approx(2 / 2.5)
    assert values(seen, SE)["val_mem_ratio"].measured == pytest.approx(1.25)
    assert values(seen, SE)["val_fps"].record == first.id
    assert values(seen, PLAIN)["val_fps"].record == second.id
    assert len([note for note in table(seen).notes if note.startswith("resnet50 inference: a CPU, batch 4")]) == 1


def test_the_newest_run_stands() -> None:
    seen = evidence(run({PLAIN: 1.0, SE: 2.0}), run({PLAIN: 1.0, SE: 1.25, TD: 1.5}))
    assert values(seen, SE)["val_fps_ratio"].measured == pytest.approx(1 / 1.25)


def test_two_batches_share_no_column() -> None:
    seen = evidence(run({PLAIN: 1.0, SE: 1.25}, batch=256), run({PLAIN: 1.0, CBAM: 1.5}))
    missing = values(seen, SE)["val_mem"].missing
    command = "`tdam-bench run efficiency --profile mini`"
    assert missing == f"measured at batch 256, other rows at batch 4: {command}"
    assert values(seen, CBAM)["val_mem"].measured == pytest.approx(1.5)
    assert values(seen, TD)["val_mem"].missing == values(seen, PLAIN)["train_mem"].missing == f"not run: {command}"


def test_what_did_not_fit_says_so() -> None:
    seen = evidence(run({PLAIN: 1.0, SE: 0.0, CBAM: 1.5}))
    for column in ("val_fps", "val_mem", "val_fps_ratio", "val_mem_ratio"):
        assert values(seen, SE)[column].missing == "out of memory at batch 4"
    assert values(seen, CBAM)["val_fps_ratio"].measured == pytest.approx(1 / 1.5)


def test_a_run_that_failed_says_why() -> None:
    failed = Absence(cell([PLAIN, SE], 4, "training"), "the process was killed", "")
    seen = evidence(run({PLAIN: 1.0, SE: 1.25}), absences=(failed,))
    assert values(seen, SE)["train_fps"].missing == "the process was killed"
    assert values(seen, SE)["val_fps"].missing is None


def test_rows_are_those_asked_for() -> None:
    """The plain network is always one; nothing recorded is no error."""
    for records in ((), (run({PLAIN: 1.0, SE: 1.25}),)):
        seen = evidence(*records, models=(CBAM,))
        assert [line.model for line in table(seen).lines] == [PLAIN, CBAM]
        assert values(seen, CBAM)["val_fps"].measured is None


def test_what_the_twin_is_off_by_is_noise() -> None:
    """The plain network measured twice differs by a fifth: no speed is told from the paper's."""
    record = run({PLAIN: 1.0, SE: 1.25})
    twin = MetricKey("seconds", of=f"{PLAIN}{TWIN}")
    noisy = replace(record, samples={**record.samples, twin: [1.2 * one for one in record.samples[twin]]})
    value = values(evidence(noisy), SE)["val_fps_ratio"]
    assert [value.low, value.high] == pytest.approx([0.8 / 1.2, 0.8 * 1.2])
    assert value.judgement is not None
    assert value.judgement.verdict is Verdict.UNDECIDED
    quiet = values(evidence(record), SE)["val_fps_ratio"].judgement
    assert quiet is not None
    assert quiet.verdict is Verdict.DIFFERS


def test_reduced_networks_and_attentions_from_outside_are_new() -> None:
    """An attention from outside is a row though nothing else was recorded of it."""
    gated = "resnet50-gated"
    seen = evidence(run({PLAIN: 1.0, REDUCED: 1.25, gated: 1.5}))
    for model in (REDUCED, gated):
        judgement = values(seen, model)["val_fps_ratio"].judgement
        assert judgement is not None
        assert judgement.verdict is Verdict.NEW
    assert gated not in [line.model for line in table(replace(seen, models=(PLAIN, SE))).lines]


def test_the_papers_ratio_judges() -> None:
    """The paper has 1911 images a second for SE and 2143 for the plain network; one round tells nothing of noise."""
    value = values(evidence(run({PLAIN: 1.0, SE: 1.0})), SE)["val_fps_ratio"]
    assert value.judgement is not None
    assert (value.judgement.verdict, value.judgement.plain) == (Verdict.DIFFERS, Verdict.DIFFERS)
    assert value.judgement.reason == "1.00 (1.00 to 1.00) against 0.89"
    near = values(evidence(run({PLAIN: 1.0, SE: 1.1})), SE)["val_fps_ratio"].judgement
    assert near is not None
    assert near.verdict is Verdict.REPRODUCED  # 0.91 is nearer to the paper's 0.89 than half-way to the plain network
    memory = values(evidence(run({PLAIN: 1.0, SE: 0.99})), SE)["val_mem_ratio"].judgement
    assert memory is not None
    assert memory.verdict is Verdict.CONSISTENT  # the paper has 16.0 of 16.1 GB, a plain network would pass
    one_round = run({PLAIN: 1.0, SE: 1.0})
    short = replace(one_round, samples={key: times[:1] for key, times in one_round.samples.items()})
    value = values(evidence(short), SE)["val_fps_ratio"]
    assert value.judgement is not None
    assert value.judgement.verdict is Verdict.UNDECIDED
    assert value.low is None
