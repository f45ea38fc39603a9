"""The command line says what is wrong in one line and exits with 1."""

import csv
import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core import records
from benchmarks.measure import efficiency
from benchmarks.work import Costs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["costs", "resnet50-sse"], "unknown model 'resnet50-sse' (did you mean resnet50-se"),
        (["costs", "resnet50-td-joint-t0-m1"], "unknown model 'resnet50-td-joint-t0-m1'"),
        (["costs", "resnet18-td-joint-t2-m3"], "distance must be from 0 to 2"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert message in line
    assert "Traceback" not in result.output


def test_traceback_on_request() -> None:
    result = CliRunner().invoke(main, ["--traceback", "costs", "vgg16"])
    assert isinstance(result.exception, ValueError)


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "costs" in result.output


COUNT = ["run", "table1", "--profile", "smoke", "--tasks", "cost", "--models", "resnet50,resnet50-eca"]


def run_in(folder: Path, *arguments: str) -> Result:
    more = ["--results", str(folder / "runs"), "--out", str(folder / "report")]
    return CliRunner().invoke(main, [*(arguments or COUNT), *more])


def test_a_results_folder_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "schema.json").write_text('{"schema": 99}')
    result = run_in(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.strip().endswith("name another folder with --results, or move this one away")
    assert "has schema 99, this suite writes schema 1" in result.stderr


def test_a_full_disk_loses_nothing_that_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first record is written, the second meets a full disk; with space again, one is left to run."""
    left = [1]

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().parent.name == "records":
            if not left:
                raise OSError(errno.ENOSPC, "No space left on device")
            left.pop()

    monkeypatch.setattr(os, "fsync", fsync)
    result = run_in(tmp_path)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert line.startswith(f"Error: no space left while writing to {tmp_path / 'runs'}: free some and run again")
    assert sorted(path.suffix for path in (tmp_path / "runs" / "records").iterdir()) == [".json"]
    monkeypatch.undo()
    assert "1 cells run, 1 done before" in run_in(tmp_path).stdout


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    """Two runs on one results folder: the later one says so, waits, and then does what is left."""
    store = records.Store(tmp_path / "runs")
    command = [sys.executable, "-m", "benchmarks", *COUNT, "--results", str(tmp_path / "runs")]
    command += ["--out", str(tmp_path / "report")]
    with store.lock(lambda: None):
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert "another run holds" in second.stderr.readline()
        assert store.records() == []
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert "2 cells run, 0 done before" in output


def test_ctrl_c_is_one_line_and_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Costs.run

    def interrupted(*arguments: Any) -> Iterator[records.Record]:
        yield next(run(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(Costs, "run", interrupted)
    result = run_in(tmp_path)
    assert result.exit_code == 130
    assert result.stderr.strip().splitlines()[-1].startswith("interrupted: what is finished stays")
    monkeypatch.undo()
    assert "1 cells run, 1 done before" in run_in(tmp_path).stdout


def test_out_of_memory_stands_in_the_cell_with_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that fit keep their numbers; the one that does not says why, and nothing is shown as zero."""
    fits = efficiency.Efficiency([0.5, 0.5, 0.5], [0.5], 4_000_000_000)
    full = efficiency.Efficiency(status="out of memory at batch 512")

    def measured(names: Sequence[str], *rest: Any) -> dict[str, efficiency.Efficiency]:
        return {name: full if name == "resnet50-cbam" else fits for name in names}

    monkeypatch.setattr(efficiency, "run_in_own_process", measured)
    command = ["run", "efficiency", "--batch", "512", "--models", "resnet50,resnet50-cbam"]
    assert run_in(tmp_path, *command).exit_code == 0
    with (tmp_path / "report" / "tables" / "efficiency.csv").open() as file:
        rows = {(row["model"], row["column"]): row for row in csv.DictReader(file)}
    row = rows["resnet50-cbam", "train_fps"]
    assert (row["measured"], row["missing"]) == ("", "out of memory at batch 512")
    assert float(rows["resnet50", "train_fps"]["measured"]) == 1024
    assert "out of memory at batch 512" in (tmp_path / "report" / "tables" / "efficiency.md").read_text()
