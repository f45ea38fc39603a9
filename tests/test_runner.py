"""The runner skips what is done, keeps going after a failure, and says why a cell has no record."""

import errno
import math
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.store import Absence
from benchmarks.data.errors import DataError
from benchmarks.work import runner, workers
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.kind import Advance, Amount, Blocked, Change, Inputs, Kind, MetricSpec, Waiting
from benchmarks.work.runner import DiskFull, plan, run
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN
from benchmarks.work.weights import loaded_network
from tests.sessions import make_session


class Silent:
    """A report that nobody sees; it remembers its last title and counts."""

    title = ""
    total = done = 0

    def start(self, what: str, total: int, unit: str) -> None:
        self.title, self.total = what, self.total + total

    def advance(self, count: int) -> None:
        self.done += count


@dataclass(frozen=True)
class FakeOptions:
    """Which group a cell is in, and what it does."""

    group: int
    does: str


class Fake(Kind):
    """A kind of work whose cells do what their option tells; it counts what it ran."""

    name = "fake"
    version = 1
    options = FakeOptions
    metrics = (MetricSpec("x", Change.EXACT),)
    shared = True
    parallel = True

    def __init__(self) -> None:
        self.ran: list[str] = []

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        if cell.options.get("does") == "block":
            return Blocked("no data", "fetch it")
        return self.versioned(session)

    def group(self, cell: Cell) -> object:
        return cell.options["group"]

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        return Amount(len(cells), "cells")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        for cell in cells:
            self.ran.append(cell.model)
            if cell.options.get("does") == "fail":
                raise RuntimeError("it broke\nbadly")
            if cell.options.get("does") == "interrupt":
                raise KeyboardInterrupt
            if cell.options.get("does") == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if cell.options.get("does") == "fill":
                raise OSError(errno.ENOSPC, "No space left on device")
            advance(1)
            yield new_record(cell, self.versioned(session), {MetricKey("x"): Metric(1.0, "1")})


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(runner, "KINDS", {"fake": fake})
    return fake


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(tmp_path)


def cell(model: str, group: int = 0, does: str = "work") -> Cell:
    return Cell.of("fake", model, "smoke", FakeOptions(group, does))


def test_done_cells_are_not_run_again(kind: Fake, session: Session) -> None:
    cells = [cell("a"), cell("b"), cell("a")]
    assert run(cells, session, Silent()).ran == 2
    again = run([*cells, cell("c")], session, Silent())
    assert (again.ran, again.done_before) == (1, 2)
    assert kind.ran == ["a", "b", "c"]


def test_a_failure_stops_its_group_only(kind: Fake, session: Session) -> None:
    """What the group finished before stays; the rest is noted with the reason and the command."""
    summary = run([cell("a"), cell("b", does="fail"), cell("c"), cell("d", group=1)], session, Silent())
    assert kind.ran == ["a", "b", "d"]
    assert set(summary.failed.values()) == {"RuntimeError: it broke badly"}
    notes = {note.cell: note for note in session.store.absences()}
    assert {one.model for one in notes} == {"b", "c"}
    note = notes[cell("b", does="fail")]
    assert note.reason == "failed (RuntimeError: it broke badly)"
    assert note.command == "tdam-bench run --profile smoke --device cpu"


def test_blocked_cells_tell_why(kind: Fake, session: Session) -> None:
    summary = run([cell("a", does="block"), cell("b")], session, Silent())
    assert [one.reason for one in summary.blocked] == ["no data"]
    assert session.store.absences() == [Absence(cell("a", does="block"), "no data", "fetch it")]
    assert [one.state for one in plan([cell("a", does="block"), cell("b")], session)] == ["blocked", "done"]


def test_ctrl_c_keeps_what_is_finished(kind: Fake, session: Session) -> None:
    with pytest.raises(KeyboardInterrupt):
        run([cell("a"), cell("b", does="interrupt")], session, Silent())
    assert [record.cell.model for record in session.store.records()] == ["a"]


def test_a_full_disk_ends_the_run_and_keeps_what_is_finished(kind: Fake, session: Session) -> None:
    with pytest.raises(DiskFull, match="free some and run again; what is finished stays"):
        run([cell("a"), cell("b", does="fill"), cell("c", group=1)], session, Silent())
    assert [record.cell.model for record in session.store.records()] == ["a"]


def test_groups_run_at_a_time_in_processes_of_their_own(kind: Fake, session: Session) -> None:
    """A group that fails, and one whose process dies, leave notes; all the others leave records."""
    cells = [cell(name, group=i) for i, name in enumerate("abcd")]
    cells += [cell("f", group=4, does="fail"), cell("g", group=5, does="die"), cell("h", group=6), cell("i", group=7)]
    report = Silent()
    summary = run(cells, replace(session, jobs=2), report)
    assert kind.ran == []
    assert {record.cell.model for record in session.store.records()} == set("abcdhi")
    assert {name.split()[1]: reason for name, reason in summary.failed.items()} == {
        "f": "RuntimeError: it broke badly",
        "g": "its process ended by signal SIGKILL (out of memory?)",
    }
    assert (report.title, report.total, report.done) == ("fake: 8 runs, 2 at a time", 8, 6)


def test_a_full_disk_in_another_process_ends_the_run(kind: Fake, session: Session) -> None:
    with pytest.raises(DiskFull, match="free some and run again"):
        run([cell("a", does="fill"), cell("b", group=1)], replace(session, jobs=2), Silent())


def test_given_weights(tmp_path: Path, session: Session) -> None:
    (tmp_path / "resnet50.pth").touch()
    given = replace(session, weights=tmp_path)
    assert given.given_weights("resnet50") == tmp_path / "resnet50.pth"
    assert given.given_weights("resnet101") is None
    with pytest.raises(ValueError, match="no weights at"):
        replace(session, weights=tmp_path / "nowhere").given_weights("resnet50")


def test_weights_that_did_not_come_with_their_record_are_one_line(session: Session) -> None:
    """Records travel, as the reference's do, and their weights stay where they were made."""
    source = TRAIN.cell("resnet18", 0, session)
    inputs = TRAIN.inputs(source, session)
    assert isinstance(inputs, dict)
    session.store.write(new_record(source, inputs, {}, notes={"weights": "resnet18.safetensors", "sha256": "0"}))
    looked_at = ACCURACY.cell("resnet18", "val", 0, session)
    with pytest.raises(DataError, match=r"the training is recorded, but .*resnet18\.safetensors is not there"):
        loaded_network(looked_at, session)


@pytest.mark.parametrize(("between", "told"), [(0.0, [32, 32, 8]), (math.inf, [72])])
def test_how_far_work_came_is_told_sparingly_and_whole(
    monkeypatch: pytest.MonkeyPatch, between: float, told: list[int]
) -> None:
    """What came since the last message is in the next one, and in the end nothing is left."""
    monkeypatch.setattr(workers, "BETWEEN", between)
    heard: list[int] = []
    advance = workers.Sparingly(heard.append)
    for amount in (32, 32, 8):
        advance(amount)
    advance.catch_up()
    advance.catch_up()
    assert heard == told
