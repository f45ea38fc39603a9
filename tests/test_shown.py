"""Whatever a results folder holds, show, render and report end well: with what is there, or one line on what is not."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, Record
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.report import report as reports
from benchmarks.work.training import TRAIN
from tests.recorded import CONTENTS, kept, recorded, recorded_all
from tests.sessions import make_session

COMMANDS = (["show"], ["show", "claims"], ["show", "table4", "fig8"], ["render", "fig5"], ["report"])
SOME = ("resnet50-se", "resnet50-td-joint-t2-m1", "resnet101", "resnet18-td-joint-t2-m2")


@pytest.fixture(autouse=True)
def _without_latex(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than all else, and is tested elsewhere."""
    monkeypatch.setattr(reports, "pdf", lambda out: [])


@pytest.fixture(scope="module", params=tuple(PAPER.profiles))
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(profile: str) -> list[Record]:
    """A record of every cell of every experiment, of three seeds, and of a training by itself."""
    session = make_session(Path("unused"), profile, seeds=(0, 1, 2))
    return [*recorded_all(session), recorded(TRAIN.cell("resnet50", 3, session))]


def called(folder: Path, command: Sequence[str], *more: str) -> Result:
    out = ["--out", str(folder / "out")] if command[0] != "show" else []
    result = CliRunner().invoke(main, [*command, "--results", str(folder / "runs"), *out, *more])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def the_line(result: Result) -> str:
    """What is said instead: one line, and exit code 1."""
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("models", [(), ("--models", "resnet50"), ("--models", ",".join(SOME))])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_empty_folder_is_one_line(tmp_path: Path, profile: str, command: list[str], models: tuple[str, ...]) -> None:
    (tmp_path / "runs").mkdir()
    line = the_line(called(tmp_path, command, "--profile", profile, *models))
    assert line.startswith(f"Error: no records of the profile {profile} in {tmp_path / 'runs'}, it is empty; make them")
    assert f"`tdam-bench run --profile {profile} --results {tmp_path / 'runs'}`" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_single_record_is_shown_with_what_is_missing(
    tmp_path: Path, profile: str, made: list[Record], kind: str
) -> None:
    """Every table and all claims; what nothing is measured of says so, alone or beside others."""
    kept([next(one for one in made if one.cell.kind == kind)], Store(tmp_path / "runs"))
    shown = called(tmp_path, ["show"], "--profile", profile)
    assert shown.exit_code == 0, shown.output
    assert "not run: `tdam-bench" in shown.stdout
    if kind != "accuracy":
        line = the_line(called(tmp_path, ["show", "table4", "fig4"], "--profile", profile))
        assert line.startswith(f"Error: nothing of table4 fig4 is measured in {tmp_path / 'runs'}; measure it with ")
        assert f"`tdam-bench run table4 fig4 --profile {profile} --results {tmp_path / 'runs'}`" in line


def test_a_report_of_one_record(tmp_path: Path, profile: str, made: list[Record]) -> None:
    kept([next(one for one in made if one.cell.kind == "accuracy")], Store(tmp_path / "runs"))
    result = called(tmp_path, ["report"], "--profile", profile)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize("draw", range(2))
def test_any_records_of_any_seeds_and_models_are_shown(
    tmp_path: Path, profile: str, made: list[Record], draw: int
) -> None:
    """A third of all records, drawn; rows differ in their seeds, pairs have lost a partner."""
    chosen = np.random.default_rng(draw).random(len(made)) < 1 / 3
    kept([record for record, is_chosen in zip(made, chosen, strict=True) if is_chosen], Store(tmp_path / "runs"))
    for models in ((), ("--models", ",".join(SOME)), ("--models", "resnet50")):
        shown = called(tmp_path, ["show"], "--profile", profile, *models)
        assert shown.exit_code == 0, shown.output
        assert "judged under the step rule" in shown.stdout
    for name in PAPER.experiments:
        assert called(tmp_path, ["render", name], "--profile", profile, "--models", ",".join(SOME)).exit_code in (0, 1)


def test_a_report_of_some_models(tmp_path: Path, profile: str, made: list[Record]) -> None:
    kept([record for record in made if record.cell.options.get("seed") in (1, None)], Store(tmp_path / "runs"))
    result = called(tmp_path, ["report"], "--profile", profile, "--models", ",".join(SOME))
    assert result.exit_code == 0, result.output
    shown = (tmp_path / "out" / "tables" / "table1.md").read_text()
    assert "SE" in shown
    assert "CBAM" not in shown


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_models_of_which_nothing_is_recorded_are_one_line(tmp_path: Path, command: list[str]) -> None:
    """Though the folder has records of others."""
    session = make_session(tmp_path, "smoke", models=("resnet50",))
    kept(recorded_all(session, ["table1", "table4"]), session.store)
    line = the_line(called(tmp_path, command, "--models", "resnet18,resnet101-se"))
    experiments = [name for name in command[1:] if name != "claims"]
    models = "--models resnet18,resnet101-se"
    wanted, told = " ".join([*experiments, models]), " ".join(["tdam-bench run", *experiments, "--profile smoke"])
    assert line == (
        f"Error: nothing of {wanted} is measured in {tmp_path / 'runs'}; measure it with "
        f"`{told} {models} --results {tmp_path / 'runs'}`"
    )
    assert not (tmp_path / "out").exists()


def test_where_no_cell_could_be_run_the_first_reason_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    for seed in range(2):
        store.note_absence(Cell("accuracy", "resnet50", "full", {"seed": seed}), "no weights of resnet50", "train it")
    for command in COMMANDS:
        line = the_line(called(tmp_path, command))
        assert "is measured in" in line
        assert (
            "(2 of its cells could not be run, the first: no weights of resnet50); measure it with `tdam-bench run"
            in line
        )


def test_the_newest_record_decides_the_profile_not_a_note(tmp_path: Path) -> None:
    """A cell of another profile that failed once does not hide what was measured."""
    session = make_session(tmp_path, "smoke", models=("resnet50",))
    kept(recorded_all(session, ["table1"]), session.store)
    session.store.note_absence(Cell("accuracy", "resnet50", "full", {"seed": 0}), "no weights", "train it")
    shown = called(tmp_path, ["show", "claims"])
    assert "profile smoke" in shown.stdout


def test_a_packed_folder_is_shown_as_a_loose_one(tmp_path: Path) -> None:
    session = make_session(tmp_path, "smoke", models=("resnet50", "resnet50-se"))
    kept(recorded_all(session, ["table1"]), session.store)
    shutil.copytree(tmp_path / "runs", tmp_path / "packed" / "runs")
    assert CliRunner().invoke(main, ["pack", "--results", str(tmp_path / "packed" / "runs")]).exit_code == 0
    for command in (["show"], ["report"]):
        assert called(tmp_path, command).exit_code == called(tmp_path / "packed", command).exit_code == 0
    reports_of = [(folder / "out" / "report.md").read_text() for folder in (tmp_path, tmp_path / "packed")]
    assert reports_of[0] == reports_of[1]
    verified = ["verify", str(tmp_path / "out"), "--results", str(tmp_path / "packed" / "runs")]
    assert CliRunner().invoke(main, verified).exit_code == 0
