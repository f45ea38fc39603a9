"""Help is read at 80 columns, its commands and options stand under headings, and shells complete from it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.cli import COMMANDS, OTHER, main

ROOT = Path(__file__).resolve().parents[1]
COMPLETE = "_TDAM_BENCH_COMPLETE"


def help_of(*command: str) -> str:
    result = CliRunner().invoke(main, [*command, "--help"], env={"COLUMNS": "80"}, prog_name="tdam-bench")
    assert result.exit_code == 0, result.output
    return result.stdout


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of some words."""
    told = {COMPLETE: "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner().invoke(main, [], env=told, prog_name="tdam-bench")
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_fits_80_columns_and_says_what_a_command_is_for(command: str) -> None:
    text = help_of(command)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(rf"^Usage: tdam-bench {command} .*\n\n  [A-Z]\S* ", text)
    shown = main.commands[command].get_params(click.Context(main.commands[command]))
    options = [one for one in shown if isinstance(one, click.Option) and not one.hidden]
    assert [one.name for one in options if not one.help] == []
    assert all(one.opts[0] in text for one in options)


@pytest.mark.parametrize(("paper", "first"), [((), "mini"), (("--paper", str(ROOT / "examples/eca_net")), "counts")])
@pytest.mark.parametrize("command", ["plan", "run", "train"])
def test_help_names_the_profile_that_is_run_by_default(
    monkeypatch: pytest.MonkeyPatch, command: str, paper: tuple[str, ...], first: str
) -> None:
    """That of the paper that is named."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # to which a paper's folder is added
    assert f"How much to run. [default: {first}]" in " ".join(help_of(*paper, command).split())


def test_every_command_stands_under_a_heading() -> None:
    """By what one wants; none is left for the last heading, and none is cut short."""
    text = help_of()
    assert max(map(len, text.splitlines())) <= 80
    assert OTHER not in [line.removesuffix(":") for line in text.splitlines()]
    shown = [line.removesuffix(":") for line in text.splitlines() if re.fullmatch(r"[A-Z]\w+:", line)]
    assert shown == ["Options", *COMMANDS]
    assert {name for names in COMMANDS.values() for name in names} == set(main.commands)
    assert "..." not in text.partition("Run:")[2]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["run", "tab"], ["table1", "table4", "table7-wsol", "table7-tasks"]),
        (["show", "cl"], ["claims"]),
        (["run", "table1", "--profile", "s"], ["smoke"]),
        (["report", "--profile", "f"], ["full"]),
        (["run", "--threshold", "0.5", "--step-loss", ""], ["highest", "last"]),
        (["run", "--tens"], ["--tensorboard"]),
        (["run", "--results", "res"], ["res"]),  # a folder, which the shell completes
    ],
)
def test_shells_complete(words: list[str], offered: list[str]) -> None:
    assert completed("tdam-bench", *words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_completion(tmp_path: Path) -> None:
    """The line for a start-up file: what it evaluates is bash, and registers the command."""
    command = [sys.executable, "-m", "benchmarks"]
    env = {**os.environ, COMPLETE: "bash_source"}
    source = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=True).stdout
    file = tmp_path / "completion"
    file.write_text(f"{source}\ncomplete -p tdam-bench\n")
    told = subprocess.run(["bash", "--norc", str(file)], capture_output=True, text=True, check=True).stdout
    assert told.strip().endswith("-F _tdam_bench_completion tdam-bench")
