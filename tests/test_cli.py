"""The command line says what is wrong in one line and exits with 1."""

import csv
import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from benchmarks import cli
from benchmarks.cli import ELSEWHERE, main
from benchmarks.core.records import Cell, Record, new_record
from benchmarks.core.store import Store
from benchmarks.measure import efficiency
from benchmarks.work import loop
from benchmarks.work.cost import Cost
from benchmarks.work.kind import Kind, Trouble
from benchmarks.work.kinds import KINDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["costs", "resnet50-sse"], "unknown model 'resnet50-sse' (did you mean resnet50-se"),
        (["costs", "resnet50-td-joint-t0-m1"], "unknown model 'resnet50-td-joint-t0-m1'"),
        (["costs", "resnet18-td-joint-t2-m3"], "distance must be from 0 to 2"),
        (["show", "table9"], "unknown experiment 'table9'; choose one of table1,"),
        (["run", "table1", "--tasks", "cost,fly"], f"unknown kind of work 'fly'; choose of {', '.join(KINDS)}"),
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


ROOT = Path(__file__).resolve().parents[1]
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
    assert "has schema 99, this suite writes schema 2" in result.stderr


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
    assert "3 cells run, 1 done before" in run_in(tmp_path).stdout


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    """Two runs on one results folder: the later one says so, waits, and then does what is left."""
    store = Store(tmp_path / "runs")
    command = [sys.executable, "-m", "benchmarks", *COUNT, "--results", str(tmp_path / "runs")]
    command += ["--out", str(tmp_path / "report")]
    with store.lock(lambda: None):
        second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert "another run holds" in second.stderr.readline()
        assert store.records() == []
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert "4 cells run, 0 done before" in output


@pytest.mark.parametrize(
    ("sent", "code", "says"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_is_one_line_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, code: int, says: str
) -> None:
    """Ctrl-C, and what clusters send before they kill; afterwards SIGTERM means what it meant before."""
    run, before = Cost.run, signal.getsignal(signal.SIGTERM)

    def interrupted(*arguments: Any) -> Iterator[Record | Trouble]:
        yield next(run(*arguments))
        signal.raise_signal(sent)
        raise AssertionError("the signal did nothing")

    monkeypatch.setattr(Cost, "run", interrupted)
    result = run_in(tmp_path)
    assert result.exit_code == code
    assert result.stderr.strip().splitlines()[-1].startswith(f"{says}: what is finished stays")
    assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.undo()
    assert "3 cells run, 1 done before" in run_in(tmp_path).stdout


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


# Started by itself, so that nothing that a test imported hides what the command line imports.
ALONE = """
import sys
from benchmarks import cli
from benchmarks.cli import main
try:
    main(sys.argv[1:], standalone_mode=True)
except SystemExit as end:
    heavy = sorted({"torch", "numpy", "pandas", "matplotlib"} & set(sys.modules))
    print(f"code {end.code} heavy {heavy}")
"""


def alone(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", ALONE, *arguments], capture_output=True, text=True, cwd=ROOT)


RUN = ["run", "table1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*RUN, "--models", "resnet50-sse"], "unknown model 'resnet50-sse' (did you mean resnet50-se"),
        (["train", "resnet50-sse"], "unknown model 'resnet50-sse' (did you mean resnet50-se"),
        (["costs", "vgg16"], "unknown model 'vgg16'; names are BACKBONE"),
        ([*RUN, "--data-root", "nowhere"], "there is no nowhere (--data-root)"),
        ([*RUN, "--weights", "nowhere"], "there is no nowhere (--weights)"),
        ([*RUN, "--class-list", "nowhere"], "there is no nowhere (--class-list)"),
        ([*RUN, "--plugin", "nowhere.py"], "there is no nowhere.py (--plugin)"),
        ([*RUN, "--device", "tpu"], "unknown device 'tpu'; choose cpu, cuda, cuda:N or mps"),
        ([*RUN, "--profile", "tiny"], "unknown profile 'tiny'; choose one of mini, smoke, full"),
        (["run", "table9"], "unknown experiment 'table9'; choose one of table1, costs,"),
        (["plan", "table1", "--tasks", "cost,fly"], f"unknown kind of work 'fly'; choose of {', '.join(KINDS)}"),
        (["--paper", "other", "run"], "unknown paper 'other'; choose one of tdam, or a folder"),
        (["visualize", __file__, "--model", "resnet50", "--weights", "nowhere"], "there is no nowhere (--weights)"),
    ],
)
def test_bad_input_is_refused_before_torch_is_imported(arguments: list[str], message: str) -> None:
    result = alone(*arguments)
    # Step and box rules, which a session is told, are made of numpy.
    code = 2 if "there is no" in message else 1
    assert result.stdout.strip() in (f"code {code} heavy []", f"code {code} heavy ['numpy']")
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"Error: {message}")


@pytest.mark.parametrize(
    ("value", "seeds"),
    [("1", (0,)), ("8", tuple(range(8))), ("0,3", (0, 3)), ("3,", (3,)), ("0,", (0,)), (" 7, 2 ", (7, 2))],
)
def test_seeds_are_a_number_of_them_or_a_list(value: str, seeds: tuple[int, ...]) -> None:
    parameter = next(one for one in main.commands["run"].params if one.name == "seeds")  # type: ignore[attr-defined]
    assert cli.seeds_of(click.Context(main), parameter, value) == seeds


def test_eight_seeds_are_planned_as_eight(tmp_path: Path) -> None:
    command = ["plan", "table1", "--profile", "smoke", "--models", "resnet50", "--tasks", "train"]
    folders = ["--results", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    lines = CliRunner().invoke(main, [*command, *folders, "--seeds", "8"]).stdout.splitlines()
    seeds = [re.findall(r" seed=(\d+)", line) for line in lines if line.startswith("run ")]
    assert seeds == [[str(seed)] for seed in range(8)]


@pytest.mark.parametrize(
    "value", ["", " ", ",", "0", "-1", "-1,", "x", "0,x", "0,,3", "3,3", "1.5", "٣", "1001", "9999999999,"]
)
@pytest.mark.parametrize("command", [RUN, ["plan", "table1"], ["train", "resnet50"]])
def test_wrong_seeds_are_one_line_and_wrong_usage(command: list[str], value: str) -> None:
    result = CliRunner().invoke(main, [*command, "--seeds", value])
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(
        "Error: --seeds takes how many seeds ('8' for seeds 0 to 7, 1000 at most), or which, by commas"
    )
    assert line.endswith(f"got {value!r}")


@pytest.mark.parametrize("command", [[], ["run"], ["train"], ["show"], ["report"], ["check"]])
def test_help_is_quick_to_import(command: list[str]) -> None:
    result = alone(*command, "--help")
    assert result.stdout.strip().endswith("code 0 heavy []")


def help_of(command: str) -> dict[str, str]:
    """What a command's help says under each of its headings, in order."""
    text = CliRunner().invoke(main, [command, "--help"]).output
    parts = re.split(r"^(\S.*):$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flags_of(kind: Kind) -> set[str]:
    """How the command line writes a kind's choices."""
    choices = {one.name: one.metadata["choice"] for one in fields(kind.choices)} if kind.choices else {}
    return {(one.flag or f"--{name}").partition("/")[0].replace("_", "-") for name, one in choices.items()}


def test_run_shows_its_options_under_headings() -> None:
    """What, Where, jobs, and one for each kind of work that has choices; what has no heading comes last."""
    shown = help_of("run")
    with_choices = {f"For the kind of work {name!r}": kind for name, kind in KINDS.items() if kind.choices is not None}
    assert list(shown) == ["What", "Where", ELSEWHERE, *with_choices, "Other"]
    jobs = ("--executor", "--gpus-per-job", "--shares", "--partition", "--slurm")
    assert [flag in shown[ELSEWHERE] for flag in jobs] == [True] * 5
    assert [flag in help_of("plan")[ELSEWHERE] for flag in jobs] == [True, True, True, False, False]
    assert {"train", "efficiency", "transfer"} <= {kind.name for kind in with_choices.values()}
    for heading, kind in with_choices.items():
        assert all(flag in shown[heading] for flag in flags_of(kind))
    assert all(flag in shown["What"] for flag in ("--profile", "--models", "--seeds", "--tasks"))
    assert all(flag in shown["Where"] for flag in ("--device", "--data-root", "--weights", "--results", "--out"))


def test_each_command_has_the_options_that_it_can_use() -> None:
    """``train`` has those of training alone, and those that show have none of a run's."""
    assert list(help_of("train")) == ["What", "Where", "For the kind of work 'train'", "Other"]
    trains = "".join(help_of("train").values())
    assert all(flag in trains for flag in flags_of(KINDS["train"]))
    others = set().union(*(flags_of(kind) for kind in KINDS.values() if kind.name != "train"))
    assert not any(flag in trains for flag in {*others, "--models", "--weights", "--tasks", "--out"})
    every = set().union(*map(flags_of, KINDS.values()))
    places = {"--device", "--data-root", "--weights"}
    for command in ("show", "report", "render", "verify", "compare", "check", "lock", "costs"):
        shown = "".join(help_of(command).values())
        assert not any(flag in shown for flag in {*every, "--seeds", "--jobs"})
        # The gate looks at given weights on images on disk, too.
        assert {flag for flag in places if flag in shown} == (places if command == "check" else set())
    assert all(flag in "".join(help_of("show").values()) for flag in ("--results", "--profile", "--models"))
    assert "--models" not in "".join(help_of("verify").values())


def test_a_training_that_diverged_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves a record but no weights, which is said, and said again by the same command."""

    def diverging(*arguments: Any) -> None:
        raise loop.Diverged("the loss is nan")

    monkeypatch.setattr(loop, "train", diverging)
    command = ["train", "resnet18", "--profile", "smoke", "--results", str(tmp_path / "runs")]
    for _ in range(2):
        result = CliRunner().invoke(main, [*command, "--cache", str(tmp_path / "cache")])
        assert result.exit_code == 1
        assert result.stderr.strip().splitlines()[-1] == "Error: resnet18 has no weights: the loss is nan"


@pytest.mark.parametrize("arguments", [[], ["--profile", "full"], ["--profile", "full", "--models", "resnet50"]])
@pytest.mark.parametrize("command", [["show", "claims"], ["show"], ["report"], ["render"]])
def test_a_folder_without_records_is_one_line(tmp_path: Path, command: list[str], arguments: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, *arguments, "--results", str(tmp_path)])
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: no records of the profile")
    assert "tdam-bench run --profile" in line


def test_a_folder_without_records_of_a_profile_says_which_it_has(tmp_path: Path) -> None:
    Store(tmp_path).write(new_record(Cell("accuracy", "resnet50", "smoke", {"seed": 0}), {}, {}))
    for command in ("show", "report", "render"):
        result = CliRunner().invoke(main, [command, "--profile", "full", "--results", str(tmp_path)])
        assert result.exit_code == 1
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith(f"Error: no records of the profile full in {tmp_path}, it has smoke; make them with")


def test_a_report_of_one_model_of_few_records(tmp_path: Path) -> None:
    """The rest says why it is missing."""
    assert run_in(tmp_path).exit_code == 0
    common = ["--results", str(tmp_path / "runs"), "--models", "resnet50"]
    shown = CliRunner().invoke(main, ["show", "claims", *common])
    assert shown.exit_code == 0, shown.output
    assert "NOT RUN" in shown.output
    written = CliRunner().invoke(main, ["report", *common, "--out", str(tmp_path / "report")])
    assert written.exit_code == 0, written.output
    assert (tmp_path / "report" / "index.html").is_file()


def test_signs_are_printed_whatever_the_place_speaks(tmp_path: Path) -> None:
    """Where Python would write what Windows does, tables still have their signs: in UTF-8, to files and pipes."""
    command = [sys.executable, "-m", "benchmarks", "show", "table1", "--results", str(ROOT / "results" / "reference")]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "✓" in done.stdout.decode("utf-8")
