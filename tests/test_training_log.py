"""Trainings tell how they go, row by row; a cut-off one's log reads like an undisturbed one's."""

import csv
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.core.store import Store
from benchmarks.work import loop
from benchmarks.work.loop import train
from benchmarks.work.saving import Keeping
from benchmarks.work.training_log import COLUMNS, EPOCH, STEP, LogFiles, TrainingLog, read_rows
from tests.test_interruption import RECIPE, STEPS, ignored, training

STEP_ROW = {"epoch": 1, "step": 50, "loss": 2.5, "lr": 0.1}


def without_speed(path: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in read_rows(path)]


def test_a_killed_trainings_log_is_an_undisturbed_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after a row that no checkpoint covers: the row comes again, once; only the speed differs."""
    monkeypatch.setattr(loop, "EVERY", 2)

    class Killed(BaseException):
        pass

    left = iter(range(100))

    def kill(count: int) -> None:
        if next(left) == STEPS + 4:
            raise Killed

    logs = [LogFiles(tmp_path / "logs" / f"{name}.csv") for name in ("whole", "cut")]
    train(training(tmp_path, RECIPE, 0), tmp_path / "whole.safetensors", ignored, Keeping(log=logs[0]))
    with pytest.raises(Killed):
        train(training(tmp_path, RECIPE, 0), tmp_path / "cut.safetensors", kill, Keeping(log=logs[1]))
    torn = logs[1].table.read_text()
    assert int(read_rows(logs[1].table)[-1]["step"]) > STEPS  # rows behind the checkpoint, which is of the epoch's end
    logs[1].table.write_text(torn + "step,2,1")  # a kill in the middle of a row
    trained = train(training(tmp_path, RECIPE, 0), tmp_path / "cut.safetensors", ignored, Keeping(log=logs[1]))
    whole, cut = (without_speed(files.table) for files in logs)
    assert cut == whole
    assert [row["step"] for row in whole if row["row"] == STEP] == ["2", "4", "6", "8", "10", "12"]
    ends = [row for row in whole if row["row"] == EPOCH]
    assert [float(row["loss"]) for row in ends] == trained.history["loss"]
    assert [int(row["step"]) for row in ends] == [STEPS, 2 * STEPS]
    assert list(read_rows(logs[0].table)[0]) == list(COLUMNS)


def test_a_log_alters_no_number(tmp_path: Path) -> None:
    plain = train(training(tmp_path, RECIPE, 0), tmp_path / "plain.safetensors", ignored)
    files = LogFiles(tmp_path / "log.csv")
    logged = train(training(tmp_path, RECIPE, 0), tmp_path / "logged.safetensors", ignored, Keeping(log=files))
    assert logged.sha256 == plain.sha256


def test_speed_is_of_the_images_since_the_last_row(tmp_path: Path) -> None:
    log = TrainingLog(LogFiles(tmp_path / "log.csv"), 0)
    log.count(64)
    log.add(STEP, STEP_ROW)
    log.add(EPOCH, {**STEP_ROW, "held_out": 80.0})
    first, second = read_rows(tmp_path / "log.csv")
    assert float(first["images_per_second"]) > 0
    assert (first["held_out"], second["held_out"], second["images_per_second"]) == ("", "80.0", "")


def test_tensorboard_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match="--tensorboard needs the package tensorboard: pip install"):
        TrainingLog(LogFiles(tmp_path / "log.csv", tmp_path / "board"), 0)


@pytest.mark.parametrize("command", [["run", "table1"], ["train", "resnet50"]])
def test_tensorboard_that_is_missing_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    result = CliRunner().invoke(main, [*command, "--tensorboard", "--results", str(tmp_path / "runs")])
    assert result.exit_code == 1
    assert result.output == "Error: --tensorboard needs the package tensorboard: pip install tensorboard\n"
    assert not (tmp_path / "runs").exists()


def test_tensorboard_gets_what_the_table_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for its writer: scalars by row and column, at the step; a resumed run hides what comes again."""
    told: list[tuple[str, float, int]] = []
    made: list[tuple[str, int | None]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int | None) -> None:
            made.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def flush(self) -> None:
            pass

        close = flush

    stand_in = types.ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    log = TrainingLog(LogFiles(tmp_path / "log.csv", tmp_path / "board"), 40)
    log.add(EPOCH, {**STEP_ROW, "held_out": 80.0})
    log.close()
    assert made == [(str(tmp_path / "board"), 41)]
    assert sorted(told) == [("epoch/held_out", 80.0, 50), ("epoch/loss", 2.5, 50), ("epoch/lr", 0.1, 50)]


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    """The package itself, of a training that was cut off after step 100 and resumed from step 50."""
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    files = LogFiles(tmp_path / "log.csv", tmp_path / "board")
    for resumed, steps in ((0, (50, 100)), (50, (100, 150))):
        log = TrainingLog(files, resumed)
        for step in steps:
            log.add(STEP, {"epoch": 1, "step": step, "loss": 1000.0 * resumed + step, "lr": 0.5})
        log.close()
    board = events.EventAccumulator(str(tmp_path / "board"))
    board.Reload()
    assert [(one.step, one.value) for one in board.Scalars("step/loss")] == [(50, 50), (100, 50100), (150, 50150)]
    assert [row["loss"] for row in read_rows(files.table)] == ["50.0", "50100.0", "50150.0"]
    assert {"step/lr", "step/images_per_second"} < set(board.Tags()["scalars"])


def test_a_run_leaves_a_log_of_each_training(tmp_path: Path) -> None:
    arguments = ["run", "table1", "--profile", "smoke", "--models", "resnet50", "--tasks", "train", "--jobs", "1"]
    where = ["--results", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, *where])
    assert result.exit_code == 0, result.output
    (record,) = Store(tmp_path / "runs").records()
    with (tmp_path / "runs" / "logs" / f"train-resnet50-{record.id}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ((held_out,),) = (values for key, values in record.samples.items() if key.name == "held_out")
    assert float(rows[-1]["held_out"]) == held_out
