"""Records are whole or not there, are found by all that can change them, and never change."""

import errno
import json
import multiprocessing
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.core.files import NO_LINKS, write_new, write_text
from benchmarks.core.records import Cell, Metric, MetricKey, StoreError, identity, new_record, options_of
from benchmarks.core.store import Absence, Store

CELL = Cell("accuracy", "resnet50", "mini", {"seed": 0, "data": "val"})
INPUTS = {"weights": "abc", "device": "cpu"}
TOP1, LOSS = MetricKey("top1"), MetricKey("loss")


def test_round_trip(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = new_record(CELL, INPUTS, {TOP1: Metric(84.5, "%", 200, 80.0, 89.0)}, {LOSS: [1.0, 0.5]}, {"steps": 2})
    path = store.write(record)
    assert store.find(CELL, INPUTS) == record
    assert store.records() == [record]
    assert json.loads(path.read_text())["schema"] == 2


@pytest.mark.parametrize(
    ("cell", "inputs"),
    [
        (Cell("accuracy", "resnet50", "mini", {"seed": 1, "data": "val"}), INPUTS),
        (Cell("accuracy", "resnet50", "smoke", {"seed": 0, "data": "val"}), INPUTS),
        (CELL, {**INPUTS, "weights": "abd"}),
        (CELL, {**INPUTS, "torch": "2.4"}),
    ],
)
def test_whatever_changes_the_number_changes_the_identity(tmp_path: Path, cell: Cell, inputs: dict[str, str]) -> None:
    store = Store(tmp_path)
    store.write(new_record(CELL, INPUTS, {}))
    assert store.find(cell, inputs) is None


def test_identity_ignores_order() -> None:
    turned = Cell("accuracy", "resnet50", "mini", {"data": "val", "seed": 0})
    assert identity(turned, dict(reversed(INPUTS.items()))) == identity(CELL, INPUTS)
    assert turned == CELL
    assert hash(turned) == hash(CELL)


def test_records_never_change(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(new_record(CELL, INPUTS, {TOP1: Metric(1.0, "%")}))
    store.write(new_record(CELL, INPUTS, {TOP1: Metric(2.0, "%")}))
    kept = store.find(CELL, INPUTS)
    assert kept is not None
    assert kept.metrics[TOP1].value == 1.0


def write_many(folder: Path, writer: int) -> None:
    """Records of its own, and one that all write, each with another number."""
    store = Store(folder)
    for seed in range(20):
        mine = replace(CELL, options={"seed": seed, "data": f"of {writer}"})
        store.write(new_record(mine, INPUTS, {TOP1: Metric(float(writer), "%")}))
    store.write(new_record(CELL, INPUTS, {TOP1: Metric(float(writer), "%")}))


def test_many_writers_lose_nothing_and_change_nothing(tmp_path: Path) -> None:
    """Of a record that several write the first one stays: who read it before reads the same after."""
    writers = [multiprocessing.get_context("fork").Process(target=write_many, args=(tmp_path, one)) for one in range(8)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        shared = Store(tmp_path).find(CELL, INPUTS)
        seen |= set() if shared is None else {shared.metrics[TOP1].value}
    for writer in writers:
        writer.join()
    last = Store(tmp_path).find(CELL, INPUTS)
    assert last is not None
    assert seen <= {last.metrics[TOP1].value}
    assert len(Store(tmp_path).records()) == 8 * 20 + 1
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("refused", NO_LINKS)
def test_a_disk_without_hard_links_has_whole_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    def none(self: Path, file: Path) -> None:
        raise OSError(refused, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", none)
    write_new(tmp_path / "file.txt", "whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file.txt", "whole\n")]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk full: the old file stays, no torn or temporary file remains."""
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def full(self: Path, text: str, **how: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old\n"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"schema": 99}')
    with pytest.raises(StoreError, match=r"has schema 99, this suite writes schema 2; name another folder"):
        Store(tmp_path)


def test_schema_1_is_refused_by_its_number(tmp_path: Path) -> None:
    """A folder of it, and a record of it that lies in a folder of ours."""
    old = {"schema": 1, "cell": {"task": "cost", "model": "resnet50"}, "metrics": {"top1": {"value": 1.0}}}
    store = Store(tmp_path / "ours")
    write_text(tmp_path / "ours" / "records" / "cost-resnet50-0.json", json.dumps(old))
    with pytest.raises(StoreError, match=r"cost-resnet50-0\.json has schema 1; this suite reads schema 2"):
        store.records()
    write_text(tmp_path / "old" / "schema.json", json.dumps({"schema": 1}))
    with pytest.raises(StoreError, match="old has schema 1, this suite writes schema 2; name another folder"):
        Store(tmp_path / "old")


KEYS = [
    MetricKey("top1"),
    MetricKey("top1", steps="last"),
    MetricKey("top1_loc", steps="last", boxes="gradcam"),
    MetricKey("seconds", of="resnet50~twin"),
    MetricKey("a/b c", steps="d", boxes="e", of="f"),
]


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Through JSON, in metrics, samples and outcomes; parts stand there by name, those that are nothing do not."""
    metrics = {key: Metric(float(number), "%", number) for number, key in enumerate(KEYS)}
    samples = {key: [float(number), 0.5] for number, key in enumerate(KEYS)}
    outcomes = {key: f"packed {number}" for number, key in enumerate(KEYS)}
    record = replace(new_record(CELL, INPUTS, metrics, samples), outcomes=outcomes)
    store = Store(tmp_path)
    path = store.write(record)
    assert store.read(path).record == record
    content = json.loads(path.read_text())
    assert {"name": "top1", "steps": "last", "packed": "packed 1"} in content["outcomes"]
    assert {"name": "seconds", "of": "resnet50~twin", "values": [3.0, 0.5]} in content["samples"]
    assert all(isinstance(key, MetricKey) for key in store.read(path).record.metrics)
    assert str(MetricKey("top1_loc", steps="last", boxes="gradcam")) == "gradcam last top1_loc"


@dataclass(frozen=True)
class SomeOptions:
    """Options of a kind of work."""

    seed: int
    data: str


def test_a_cells_options_are_those_that_its_kind_declares() -> None:
    assert options_of(CELL, SomeOptions) == SomeOptions(0, "val")
    assert Cell.of("accuracy", "resnet50", "mini", SomeOptions(0, "val")) == CELL
    more = replace(CELL, options={**CELL.options, "batch": 4})
    assert options_of(more, SomeOptions) == SomeOptions(0, "val")
    missing = replace(CELL, options={"data": "val"})
    with pytest.raises(StoreError, match=r"accuracy resnet50 mini data=val lacks seed; it is of another version, run"):
        options_of(missing, SomeOptions)


def test_torn_and_foreign_records_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.write(new_record(CELL, INPUTS, {}))
    path.write_text(path.read_text()[:40])
    with pytest.raises(StoreError, match=f"{path} is not readable as JSON"):
        store.records()
    path.write_text('{"schema": 2, "cell": {}}')
    with pytest.raises(StoreError, match="is not a record of this suite"):
        store.records()
    path.write_text('{"schema": 7}')
    with pytest.raises(StoreError, match="has schema 7; this suite reads schema 2"):
        store.records()


def test_notes_of_missing_cells_go_when_the_cell_succeeds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.note_absence(CELL, "failed (out of memory)", "tdam-bench run")
    assert store.absences() == [Absence(CELL, "failed (out of memory)", "tdam-bench run")]
    assert store.records() == []
    store.write(new_record(CELL, INPUTS, {}))
    assert store.absences() == []


def hold(folder: Path, seconds: float) -> None:
    with Store(folder).lock(lambda: None):
        (folder / "held").touch()
        time.sleep(seconds)


def test_a_second_run_waits(tmp_path: Path) -> None:
    """The lock is one at a time, says that it waits, and falls with its process."""
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, 60))
    process.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.05)

    def kill() -> None:
        waited.append(True)
        process.kill()
        process.join()  # an ended process that nobody asked after still counts as running

    waited: list[bool] = []
    with Store(tmp_path).lock(kill):
        assert waited == [True]
