"""What is left of a reference, how long it will take, and that it goes on where it stopped."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks import cli
from benchmarks.core.hosts import StoreOfHosts
from benchmarks.core.pack import PACK
from benchmarks.core.records import Cell, Metric, Record, new_record
from benchmarks.core.store import Store
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.efficiency import ROWS
from benchmarks.papers.tdam.reference import PARTS
from benchmarks.report.endings import AT_THE_END
from benchmarks.report.paper import ROOT, Paper, Part, Reference, load_paper
from benchmarks.work.cost import COST, Cost
from benchmarks.work.forecast import Forecast, forecast, in_words
from benchmarks.work.kind import Advance
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import in_order, plan
from benchmarks.work.session import Session
from benchmarks.work.training import ENDED
from benchmarks.work.workers import SECONDS, run_group
from tests.recorded import RIGHT, N, kept, recorded_all
from tests.sessions import make_session

ECA = ROOT / "examples" / "eca_net"
FIRST, SECOND = ("resnet50", "resnet50-eca"), ("resnet50-eca", "resnet50-se")

# ---------------------------------------------------------------- this paper's plan


def test_every_experiment_is_measured_with_few_seeds_before_any_with_many() -> None:
    first = PARTS[: len(PAPER.experiments)]
    assert first == tuple(Part(name, 3) for name in PAPER.experiments)
    assert all(part.seeds > 3 for part in PARTS[len(first) :])


def test_the_seeds_of_the_reference() -> None:
    """Table 1: 10 on all rows of ResNet50, 5 on all of ResNet101. Every other experiment: 5 on all it has."""
    rows = {name: max(part.seeds for part in PARTS if name in (part.models or ())) for name in ROWS}
    assert rows == {name: {"resnet50": 10, "resnet101": 5}[parse(name).backbone] for name in ROWS}
    others = {part.experiment: part.seeds for part in PARTS if part.models is None}
    assert others == {name: 3 if name == "table1" else 5 for name in PAPER.experiments}


def test_parts_of_table1_are_cells_of_table1(tmp_path: Path) -> None:
    """Chosen by rows it plans the same cells as as a whole, those of speed and memory too."""
    whole = set(PAPER.experiment("table1").cells(make_session(tmp_path, "mini", seeds=tuple(range(10)))))
    for part in PARTS:
        if part.experiment == "table1":
            session = make_session(tmp_path, "mini", seeds=tuple(range(part.seeds)), models=part.models)
            assert set(PAPER.experiment("table1").cells(session)) <= whole


# ---------------------------------------------------------------- predictions


def took(cell: Cell, seconds: float) -> Record:
    return new_record(cell, {"of": seconds}, {}, notes={SECONDS: seconds})


def trained(model: str, seed: int = 0, profile: str = "mini") -> Cell:
    return Cell("train", model, profile, {"seed": seed})


def test_a_cell_takes_the_time_of_its_like(tmp_path: Path) -> None:
    """The median of its network's, else of all networks' of its kind and profile; trainings share the cores."""
    session = make_session(tmp_path, jobs=2)
    records = [took(trained("a", seed), seconds) for seed, seconds in enumerate((90, 100, 500))]
    records += [took(trained("b"), 200), took(trained("a", 9, "smoke"), 1), new_record(trained("c"), {}, {})]
    known = [trained("a", 7), trained("a", 8), trained("b", 7), trained("d", 7)]
    assert forecast(known, records, session) == Forecast((100 + 100 + 200 + 150) / 2, 0)
    assert forecast(known[:1], records, session) == Forecast(100, 0)
    assert forecast(known[:2], records, replace(session, jobs=1)) == Forecast(200, 0)
    passes = [Cell("cost", "a", "any", {"convention": "x", "resolution": 224})]
    assert forecast([*known, *passes], records, session) == Forecast(275, 1)
    assert forecast(known, [], session) == Forecast(0, 4)
    assert forecast([], records, session) == Forecast(0, 0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "about 1 min"), (1, "about 1 min"), (3541, "about 1 h 00 min"), (7260, "about 2 h 01 min")],
)  # fmt: skip
def test_times_are_said_as_people_do(seconds: float, said: str) -> None:
    assert in_words(seconds) == said


def test_a_forecast_says_what_it_does_not_know() -> None:
    assert str(Forecast(90, 0)) == "about 2 min"
    assert str(Forecast(90, 3) + Forecast(30, 1)) == "about 2 min and 4 cells unlike all that was timed before"
    assert str(Forecast(0, 4)) == "4 cells unlike all that was timed before"


def test_records_say_how_long_they_took(tmp_path: Path) -> None:
    """Beside a kind's own notes; a group's time is shared among its cells."""

    class Slow(Cost):
        def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.4)"], check=True)
            yield from (new_record(cell, {}, {}, notes={"own": 1}) for cell in cells)

    cells = [COST.cell(model) for model in FIRST]
    notes = [one.notes for one in run_group(Slow(), cells, make_session(tmp_path), lambda count: None)]  # type: ignore
    assert all(note["own"] == 1 for note in notes)
    assert all(0.2 <= note[SECONDS] < 5 for note in notes)


# ---------------------------------------------------------------- the command


def counted(kind: Cost, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
    """Counts without counting, which takes seconds."""
    yield from (new_record(cell, kind.inputs(cell, session), {}) for cell in cells)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    """A paper of counts, with a reference of two parts that share a network."""
    monkeypatch.setattr(Cost, "run", counted)
    path = list(sys.path)
    parts = (Part("table3", 1, FIRST), Part("table3", 2, SECOND))
    made = replace(load_paper(str(ECA)), reference=Reference("counts", "results/unused", lambda: parts))
    monkeypatch.setattr(cli, "the_paper", lambda: made)
    yield made
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == ECA.name]:
        del sys.modules[name]


def called(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli.main, ["reference", "--results", str(folder), *more])


def test_the_plan_says_what_is_left_and_runs_nothing(paper: Paper, tmp_path: Path) -> None:
    """A cell of two parts counts once."""
    result = called(tmp_path / "runs", "--plan")
    unlike, time = "cells unlike all that was timed before", paper.experiment("table3").time
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"table3, 1 seeds, 2 models: 2 of 2 cells left, 2 {unlike} ({time})",
        f"table3, 2 seeds, 2 models: 1 of 1 cells left, 1 {unlike} ({time})",
        f"in all: 3 of 3 cells left, 3 {unlike}",
    ]
    assert not (tmp_path / "runs").exists()


def test_it_measures_what_is_left_part_by_part_and_packs_it(paper: Paper, tmp_path: Path) -> None:
    first = called(tmp_path)
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert "2 cells run, 0 done before, 0 failed, 0 could not run" in lines
    # Of the second part's three, its plain network and one more are those of the first.
    assert "1 cells run, 2 done before, 0 failed, 0 could not run" in lines
    assert lines[-1] == f"3 records packed, 3 in {tmp_path / PACK}"
    assert "left, about 1 min" in lines[5]
    assert {record.cell.model for record in Store(tmp_path).records()} == {*FIRST, *SECOND}
    again = called(tmp_path)
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-4:-1] == [
        "in all: all 3 cells done",
        "table3, 1 seeds, 2 models: all 2 cells done",
        "table3, 2 seeds, 2 models: all 3 cells done",
    ]
    assert again.stdout.splitlines()[-1] == f"0 records packed, 3 in {tmp_path / PACK}"


def test_a_cell_that_fails_leaves_the_others_and_is_told(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(kind: Cost, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        yield from counted(kind, [cell for cell in cells if cell.model != "resnet50-eca"], session, advance)
        raise RuntimeError("it broke")

    monkeypatch.setattr(Cost, "run", broken)
    result = called(tmp_path)
    assert result.exit_code == 1
    assert "failed: cost resnet50-eca" in result.stderr
    assert {record.cell.model for record in Store(tmp_path).records()} == {"resnet50", "resnet50-se"}
    assert result.stdout.splitlines()[-1] == f"2 records packed, 2 in {tmp_path / PACK}"
    monkeypatch.setattr(Cost, "run", counted)
    assert called(tmp_path).exit_code == 0
    assert len(Store(tmp_path).records()) == 3


KILLED = """
import os, signal, sys
from dataclasses import replace
from benchmarks import cli
from benchmarks.core.store import Store
from benchmarks.report.paper import Part, Reference, load_paper
from benchmarks.work.cost import Cost
from tests.test_reference_run import counted
Cost.run = counted
first, second, left = ("resnet50", "resnet50-eca"), ("resnet50-eca", "resnet50-se"), [int(sys.argv[2])]
parts = (Part("table3", 1, first), Part("table3", 2, second))
paper = replace(load_paper("examples/eca_net"), reference=Reference("counts", "unused", lambda: parts))
cli.the_paper = lambda: paper
def until(real):
    def act(*arguments):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    return act
Store.write, Store.pack = until(Store.write), until(Store.pack)
cli.main(["reference", "--results", sys.argv[1]])
"""


def test_it_goes_on_where_it_was_killed(paper: Paper, tmp_path: Path) -> None:
    """Before the second record, between the parts, and before packing; what is finished is never measured again."""
    made: dict[str, Record] = {}
    for steps, held in ((1, 1), (1, 2), (1, 3)):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), str(steps)], cwd=ROOT, capture_output=True
        )
        assert killed.returncode == -9, killed.stderr
        now = {record.id: record for record in Store(tmp_path).records()}
        assert len(now) == held
        assert {name: now[name] for name in made} == made
        made = now
    assert not (tmp_path / PACK).exists()
    assert called(tmp_path).stdout.splitlines()[-1] == f"3 records packed, 3 in {tmp_path / PACK}"
    assert {record.id: record for record in Store(tmp_path).records()} == made


def test_a_record_of_another_processor_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training repeats to the last bit only where it was made; what is left of the reference is the same anywhere."""
    parts = (Part("endings", 1, ("resnet34",)),)
    monkeypatch.setattr(cli, "the_paper", lambda: replace(PAPER, reference=Reference("smoke", "unused", lambda: parts)))
    alone = make_session(tmp_path, models=("resnet34",))
    there = replace(alone, store=StoreOfHosts(alone.store.folder))
    cells = PAPER.experiment("endings").cells(there)
    for cell in in_order(cells):
        inputs = KINDS[cell.kind].inputs(cell, there)
        assert isinstance(inputs, dict)
        host = {"computes_with": "another"} if "computes_with" in inputs else {}
        left = {"weights": "resnet34.safetensors", "sha256": "0"} if cell.kind == "train" else {}
        metrics = {ENDED if cell.kind == "train_longer" else AT_THE_END: Metric(90.0, "%")}
        there.store.write(new_record(cell, {**inputs, **host}, metrics, notes=left))
    assert {one.cell.kind for one in there.store.records()} == {"train", "train_longer", "accuracy"}
    assert {one.state for one in plan(cells, alone)} == {"run", "wait"}
    planned = called(there.store.folder, "--plan", "--cache", str(there.cache))
    assert planned.exit_code == 0, planned.output
    assert planned.stdout.splitlines()[0] == f"endings, 1 seeds, 1 models: all {len(cells)} cells done"


def test_rows_near_the_bound_are_the_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which rows more longer trainings are needed is seen from what was measured before."""
    records = recorded_all(make_session(tmp_path, "mini", models=("resnet34",), seeds=(0, 1, 2)), ["endings"])
    gained = Metric(100 * RIGHT / N + 0.6, "%")
    kept(
        [replace(one, metrics={ENDED: gained}) if one.cell.kind == "train_longer" else one for one in records],
        Store(tmp_path / "runs"),
    )
    monkeypatch.setattr(cli, "the_paper", lambda: replace(PAPER, reference=Reference("mini", "unused", lambda: ())))
    planned = called(tmp_path / "runs", "--plan", "--cache", str(tmp_path / "cache"))
    assert planned.exit_code == 0, planned.output
    # The first one's record is of other libraries than are here.
    assert planned.stdout.splitlines()[0].startswith(
        "rows near the bound of `endings`, longer trainings: 3 of 3 cells left, "
    )


def test_two_at_a_time_is_no_race(paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the folder as a run does, from the first part to the packing."""
    held: list[str] = []
    lock = Store.lock

    def locked(self: Store, *arguments: Any) -> Any:
        held.append("lock")
        return lock(self, *arguments)

    pack = Store.pack
    monkeypatch.setattr(Store, "lock", locked)
    monkeypatch.setattr(Store, "pack", lambda self: held.append("pack") or pack(self))  # type: ignore[func-returns-value]
    assert called(tmp_path).exit_code == 0
    assert held == ["lock", "pack"]


def test_a_paper_without_a_reference_is_one_line() -> None:
    result = CliRunner().invoke(cli.main, ["--paper", str(ECA), "reference"])
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        "Error: the paper 'eca_net' has no reference; give its PAPER one, see benchmarks/report/paper.py"
    )
