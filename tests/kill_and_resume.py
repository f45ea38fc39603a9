"""Kill smoke runs at random moments, by SIGKILL and by SIGTERM, resume them, and compare with an undisturbed run.

    make kill-test

The run trains, evaluates at one and at several resolutions, localizes and fine-tunes. Checks: resumed until it ends, it
leaves the same records; their numbers are equal where no clock made them; every record is whole after each kill; no
cell that had finished is run again, and no part of a pass that was written is made again, so that each kill costs one
part at most. SIGTERM ends with exit code 143. A run that ends by itself is compared, and the next begins anew. Prints
one line a kill and ends with exit code 1 if a check fails.
"""

import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.core.records import MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.work.shelves import PARTS

KILLS = {signal.SIGKILL: 20, signal.SIGTERM: 5}
# A run that has hardly begun dies of SIGTERM itself, which a shell cannot tell from the exit code.
EXIT = {signal.SIGKILL: {-signal.SIGKILL}, signal.SIGTERM: {128 + signal.SIGTERM, -signal.SIGTERM}}
# Two models with all kinds of cells that a kill can find in the middle.
COMMAND = [sys.executable, "-m", "benchmarks", "run", "table1", "table4", "table7-wsol", "table7-tasks"]
SETTINGS = ["--profile", "smoke", "--models", "resnet50,resnet50-td-joint-t2-m1"]


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """A run on its own results folder. Only its first process is killed: the others must end by themselves."""
    command = [*COMMAND, *SETTINGS, "--results", str(folder), "--out", str(folder / "report")]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(__file__).resolve().parents[1]
    )


def stamps(folder: Path) -> dict[str, tuple[str, int]]:
    """When each record was made and its file written, by the record's id; reading them checks that they are whole."""
    loose, _ = Store(folder).contents()
    return {one.record.id: (one.record.created, one.path.stat().st_mtime_ns) for one in loose}


def parts(folder: Path) -> dict[Path, int]:
    """When each part of a pass was written."""
    written = {}
    for path in folder.glob(f"{PARTS}/*/[0-9]*.parquet"):
        with contextlib.suppress(FileNotFoundError):  # its record has come while we looked
            written[path] = path.stat().st_mtime_ns
    return written


def repeated(before: dict[Path, int], after: dict[Path, int]) -> list[Path]:
    """Parts that were written a second time."""
    return [path for path, moment in after.items() if before.get(path, moment) != moment]


def numbers(record: Record) -> dict[MetricKey, float | None]:
    """A record's values, without those that a clock made."""
    if record.cell.kind == "efficiency":
        return {key: None for key in record.metrics if key.name == "memory"}
    return {key: metric.value for key, metric in record.metrics.items()}


def same_records(one: Path, other: Path) -> bool:
    """Whether two results folders hold the same records, with equal numbers where no clock made them."""
    left, expected = ({record.id: record for record in Store(folder).records()} for folder in (one, other))
    print(f"{len(expected)} records expected, {len(left)} found", flush=True)
    return left.keys() == expected.keys() and all(numbers(left[i]) == numbers(expected[i]) for i in expected)


def kill_until_done(folder: Path, moments: random.Random, longest: float, kills: list[signal.Signals]) -> None:
    """Start a run again and again until it ends by itself; each start is killed at a random moment before that.

    Args:
        folder: Its results.
        moments: Where they are drawn from.
        longest: The latest moment, seconds.
        kills: By what it is still to be killed, taken from the end.

    Raises:
        AssertionError: A finished record or part was lost or made again, or an exit code is wrong.
    """
    records: dict[str, tuple[str, int]] = {}
    pieces: dict[Path, int] = {}
    while True:
        process, by = start(folder), None
        try:
            process.wait(timeout=moments.uniform(0.3, longest) if kills else None)
        except subprocess.TimeoutExpired:
            by = kills.pop()
            process.send_signal(by)
            process.wait()
        after, made = (stamps(folder), parts(folder)) if folder.exists() else ({}, {})
        assert all(after.get(id_) == stamp for id_, stamp in records.items()), "a finished record was lost or run again"
        assert not repeated(pieces, made), f"parts were made again: {repeated(pieces, made)}"
        if by is None or process.returncode == 0:
            assert process.returncode == 0, f"a resumed run failed with exit code {process.returncode}"
            return
        assert process.returncode in EXIT[by], f"exit code {process.returncode} after {by.name}"
        print(f"{by.name}: {len(after)} records, {len(made)} parts", flush=True)
        records, pieces = after, made


def main() -> int:
    """Run the comparison; returns the exit code."""
    moments = random.Random(0)
    kills = [by for by, count in KILLS.items() for _ in range(count)]
    moments.shuffle(kills)
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "plain"
        begin = time.monotonic()
        assert start(plain).wait() == 0, "the undisturbed run failed"
        longest = 0.6 * (time.monotonic() - begin)
        while kills:
            killed = Path(name) / f"killed-{len(kills)}"
            kill_until_done(killed, moments, longest, kills)
            assert same_records(killed, plain), "records differ from those of an undisturbed run"
    print(f"{sum(KILLS.values())} kills, all records as in an undisturbed run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
