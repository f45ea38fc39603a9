"""Kill a smoke run of table 1 with SIGKILL at random moments, resume it, and compare it with an undisturbed run.

    make kill-test

Checks: the run, resumed until it ends, leaves the same records; their numbers are equal where they are no timings;
every record is whole after each kill; no cell that had finished is run again. A run that ends by itself is compared,
and the next begins anew. Prints one line a kill and ends with exit code 1 if a check fails.
"""

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

KILLS = 20
# Three models with all kinds of cells: the moments of a shorter run are closer to each other.
COMMAND = [sys.executable, "-m", "benchmarks", "run", "table1", "--profile", "smoke"]
MODELS = ["--models", "resnet50,resnet50-se,resnet50-td-joint-t2-m1"]


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """A run on its own results folder. Only its first process is killed: the others must end by themselves."""
    command = [*COMMAND, *MODELS, "--results", str(folder), "--out", str(folder / "report")]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(__file__).resolve().parents[1]
    )


def stamps(folder: Path) -> dict[str, tuple[str, int]]:
    """When each record was made and its file written, by the record's id; reading them checks that they are whole."""
    loose, _ = Store(folder).contents()
    return {one.record.id: (one.record.created, one.path.stat().st_mtime_ns) for one in loose}


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


def kill_until_done(folder: Path, moments: random.Random, longest: float, kills: int) -> int:
    """Start a run again and again until it ends by itself; each start is killed at a random moment before that.

    Returns:
        The number of kills so far; minus one if a finished record was lost or written again.
    """
    before: dict[str, tuple[str, int]] = {}
    while True:
        process = start(folder)
        try:
            process.wait(timeout=moments.uniform(0.3, longest) if kills < KILLS else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        after = stamps(folder) if folder.exists() else {}
        if any(after.get(id_) != stamp for id_, stamp in before.items()):
            return -1
        if process.returncode >= 0:
            assert process.returncode == 0, "a resumed run failed"
            return kills
        print(f"kill {kills}: {len(after)} records", flush=True)
        before = after


def main() -> int:
    """Run the comparison; returns the exit code."""
    moments = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "plain"
        begin = time.monotonic()
        assert start(plain).wait() == 0, "the undisturbed run failed"
        longest = 0.6 * (time.monotonic() - begin)
        kills = 0
        while kills < KILLS:
            killed = Path(name) / f"killed-{kills}"
            kills = kill_until_done(killed, moments, longest, kills)
            if kills < 0 or not same_records(killed, plain):
                print("FAILED: records were lost, written again, or differ")
                return 1
    print(f"{kills} kills, all records as in an undisturbed run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
