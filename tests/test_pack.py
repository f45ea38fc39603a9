"""Packed records are read as loose ones are, equal records give equal bytes, and damage is never a silent loss."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core import store as stores
from benchmarks.core.pack import PACK, line_of, read_pack, write_pack
from benchmarks.core.records import Cell, Metric, MetricKey, Record, StoreError, new_record
from benchmarks.core.store import Packing, Store

ROOT = Path(__file__).resolve().parents[1]
TOP1 = MetricKey("top1", steps="last")


def record_of(seed: int) -> Record:
    cell = Cell("accuracy", "resnet50", "mini", {"seed": seed, "data": "val"})
    metrics = {TOP1: Metric(80 + seed / 3, "%", 200, 75.1, 1e-7)}
    made = new_record(
        cell, {"weights": str(seed)}, metrics, {TOP1: [0.1, 2.0]}, {"images": ["ä\u2028\n"], "none": None}
    )
    return replace(made, created=f"2026-01-01T00:00:{seed:02d}", outcomes={TOP1: "abc"})


def filled(folder: Path, seeds: range) -> Store:
    store = Store(folder)
    for seed in seeds:
        store.write(record_of(seed))
    return store


def loose_files(store: Store) -> list[Path]:
    return sorted((store.folder / "records").glob("*.json"))


def pack_command(folder: Path) -> Result:
    return CliRunner().invoke(main, ["pack", "--results", str(folder)])


def test_packed_and_loose_records_are_read_alike(tmp_path: Path) -> None:
    """All of them, each by its cell, and their digests; before packing, after it, and with new ones beside the pack."""
    store = filled(tmp_path, range(6))
    records, digests = store.records(), store.digests()
    assert records == [record_of(seed) for seed in range(6)]
    assert store.pack() == Packing(6, 6)
    assert loose_files(store) == []
    assert (Store(tmp_path).records(), Store(tmp_path).digests()) == (records, digests)
    for record in records:
        assert Store(tmp_path).find(record.cell, record.inputs) == record
    assert store.find(records[0].cell, {"weights": "other"}) is None
    filled(tmp_path, range(5, 8))  # one of them packed, two new
    assert len(loose_files(store)) == 2
    assert store.records() == [record_of(seed) for seed in range(8)]
    assert store.find(record_of(7).cell, record_of(7).inputs) == record_of(7)
    assert store.pack() == Packing(2, 8)


def test_a_packed_record_is_not_written_again(tmp_path: Path) -> None:
    """Records never change; a note of the cell's absence still goes."""
    store = filled(tmp_path, range(1))
    store.pack()
    store.note_absence(record_of(0).cell, "failed", "run")
    other = replace(record_of(0), metrics={TOP1: Metric(1.0, "%")})
    assert store.write(other) == store.pack_path
    assert store.records() == [record_of(0)]
    assert store.absences() == []


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    """In whatever order they came, packed at once or bit by bit; the file tells no time and no name."""
    for seed in range(5):
        filled(tmp_path / "one", range(seed, seed + 1)).pack()
    filled(tmp_path / "other", range(4, -1, -1)).pack()
    packs = [(tmp_path / name / PACK).read_bytes() for name in ("one", "other")]
    assert packs[0] == packs[1]
    assert packs[0][:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    lines = gzip.decompress(packs[0]).decode().split("\n")
    assert json.loads(lines[0]) == {"records": 5, "schema": 2}
    assert lines[1:-1] == sorted(lines[1:-1])


def test_packing_twice_changes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path, range(3))
    assert pack_command(tmp_path).stdout.strip() == f"3 records packed, 3 in {store.pack_path}"
    before = store.pack_path.stat()
    assert pack_command(tmp_path).stdout.strip() == f"0 records packed, 3 in {store.pack_path}"
    after = store.pack_path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_nothing_to_pack_is_one_line(tmp_path: Path) -> None:
    result = pack_command(tmp_path / "nowhere")
    assert result.exit_code == 1
    assert result.stderr.strip() == f"Error: no records in {tmp_path / 'nowhere'}; name a results folder with --results"
    assert not (tmp_path / "nowhere").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from benchmarks.core import store
left = [int(sys.argv[2])]
def until(real):
    def act(*arguments, **named):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return act
os.replace, Path.unlink = until(os.replace), until(Path.unlink)
store.Store(Path(sys.argv[1])).pack()
"""


@pytest.mark.parametrize("steps", range(5))
def test_a_pack_that_is_killed_leaves_a_readable_folder(tmp_path: Path, steps: int) -> None:
    """Before the pack is put in place, and before each of three files is removed; the next one ends what it began."""
    store = filled(tmp_path, range(3))
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(steps)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert store.pack_path.exists() == (steps > 0)
    assert store.records() == [record_of(seed) for seed in range(3)]
    assert store.pack().held == 3
    assert loose_files(store) == []
    assert store.records() == [record_of(seed) for seed in range(3)]


def test_what_a_killed_process_was_writing_is_no_record(tmp_path: Path) -> None:
    """Hidden unfinished files of records and of notes are passed over."""
    store = filled(tmp_path, range(2))
    store.note_absence(record_of(3).cell, "failed", "run")
    for kind in ("records", "failures"):
        (tmp_path / kind / ".abc.tmp.json").write_text("{")
    assert len(store.records()) == 2
    assert len(store.absences()) == 1


def cut(pack: Path) -> None:
    pack.write_bytes(pack.read_bytes()[:-9])


def flipped(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)


def rewritten(pack: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = gzip.decompress(pack.read_bytes()).decode().split("\n")[:-1]
    pack.write_bytes(gzip.compress("".join(f"{line}\n" for line in change(lines)).encode()))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (cut, "ended before the end-of-stream"),
    "a bit flipped": (flipped, ""),
    "empty": (lambda pack: pack.write_bytes(b""), "not enough values to unpack"),
    "text": (lambda pack: pack.write_text("<<<<<<< HEAD\n"), "Not a gzipped file"),
    "a line lost": (lambda pack: rewritten(pack, lambda lines: lines[:-1]), "of 3 records and holds 2 in 2 lines"),
    "a line twice": (lambda pack: rewritten(pack, lambda lines: [*lines, lines[-1]]), "of 3 records and holds 3 in 4"),
    "a line torn": (lambda pack: rewritten(pack, lambda lines: [*lines[:-1], "{"]), "of 3 records and holds 2 in 3"),
    "no head": (lambda pack: rewritten(pack, lambda lines: lines[1:]), "records"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pack_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    """By whatever reads records, though loose ones lie beside it."""
    store = filled(tmp_path, range(3))
    store.pack()
    filled(tmp_path, range(3, 4))
    spoil, why = DAMAGES[damage]
    spoil(store.pack_path)
    told = f"{store.pack_path} is damaged"
    for read in (store.records, store.digests, store.pack, lambda: store.find(record_of(0).cell, {})):
        with pytest.raises(StoreError, match=told):
            read()
    assert len(loose_files(store)) == 1
    for command in (["show"], ["report"], ["pack"]):
        result = CliRunner().invoke(main, [*command, "--results", str(tmp_path)])
        assert result.exit_code == 1
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith(f"Error: {told} (")
        assert why in line
        assert line.endswith(
            f"restore it (`git checkout {store.pack_path}`), or move it away to measure its cells anew"
        )


def test_a_pack_of_another_schema_is_refused_by_its_number(tmp_path: Path) -> None:
    store = filled(tmp_path, range(1))
    store.pack()
    rewritten(store.pack_path, lambda lines: ['{"records":1,"schema":9}', *lines[1:]])
    with pytest.raises(StoreError, match=r"records\.jsonl\.gz has schema 9; this suite reads schema 2: name another"):
        store.records()


def test_a_packed_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    write_pack(store.pack_path, {"a": line_of({"id": "a", "schema": 2, "cell": {}})})
    with pytest.raises(StoreError, match=r"records\.jsonl\.gz, record a, is not a record of this suite"):
        store.records()


def test_a_record_in_both_places_must_be_the_same(tmp_path: Path) -> None:
    """Laid out in another way it is; with another number both places are named, and nothing is removed."""
    store = filled(tmp_path, range(2))
    path = loose_files(store)[0]
    shutil.copy(path, tmp_path / "kept.json")
    store.pack()
    content = json.loads((tmp_path / "kept.json").read_text())
    path.write_text(json.dumps(content))
    assert len(store.records()) == 2
    content["metrics"][0]["value"] += 1
    path.write_text(json.dumps(content))
    cell, inputs = Cell(**content["cell"]), content["inputs"]
    for read in (store.records, store.digests, store.pack, lambda: store.find(cell, inputs)):
        with pytest.raises(StoreError, match="hold different records of the id") as told:
            read()
        assert str(path) in str(told.value)
        assert str(store.pack_path) in str(told.value)
        assert f"remove {path} to keep the packed one" in str(told.value)
    assert path.exists()


def test_a_pack_that_was_not_written_as_it_should_keeps_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, range(2))
    monkeypatch.setattr(stores, "write_pack", lambda path, lines: write_pack(path, dict([*lines.items()][:1])))
    with pytest.raises(StoreError, match="is not what was written to it; the loose records stay"):
        store.pack()
    assert len(loose_files(store)) == 2


def test_records_that_are_packed_while_they_are_read_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader listed a file that is in the pack by the time it is opened."""
    store = filled(tmp_path, range(3))
    listed = stores.files_in

    def then_packed(folder: Path) -> list[Path]:
        files = listed(folder)
        monkeypatch.undo()
        Store(tmp_path).pack()
        return files

    monkeypatch.setattr(stores, "files_in", then_packed)
    assert len(store.records()) == 3


def test_clear_removes_both(tmp_path: Path) -> None:
    store = filled(tmp_path, range(2))
    store.pack()
    filled(tmp_path, range(2, 3))
    store.clear()
    assert store.records() == []


def test_each_of_ten_thousand_records_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reading costs is by the record, not by its square; its seconds are printed by ``make scale-test``."""
    contents = [json.loads(line) for line in read_pack(ROOT / "results" / "reference" / PACK).values()]
    numbered = [{**contents[number % len(contents)], "id": f"{number:016x}"} for number in range(10_000)]
    write_pack(tmp_path / PACK, {str(one["id"]): line_of(one) for one in numbered})
    read_pack(tmp_path / PACK)
    parsed: list[str] = []
    loads = json.loads

    def counting(line: str) -> dict[str, object]:
        parsed.append(line)
        return dict(loads(line))

    monkeypatch.setattr("benchmarks.core.store.json.loads", counting)
    store = Store(tmp_path)
    assert len(store.records()) == 10_000
    assert len(parsed) == 10_000
    # One record of the same pack costs one line more.
    assert store.holds(f"{9_999:016x}")
    assert store.unpacked("0" * 16, read_pack(tmp_path / PACK)["0" * 16]).id == "0" * 16
    assert len(parsed) == 10_001
